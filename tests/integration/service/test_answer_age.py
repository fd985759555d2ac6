"""An answer that was made from several readings is as old as the oldest of them.

What a paused standby has answered is kept; then the primary answers. Both share a
cache, as two connections of one process do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.people import SEATTLE
from tests.replicas import Replicas, change, wait_for_receipt
from zava.data.provider import PostgreSQLProvider
from zava.infra.answer_age import told
from zava.infra.cache import QueryCache
from zava.infra.export_folder import ExportFolder
from zava.models import ProductQuestion
from zava.service.choices import Choices
from zava.service.exports.service import ExportService
from zava.service.metrics.answers import MetricsService
from zava.service.products.recommendations import Recommendations
from zava.service.products.search import ProductSearch
from zava.service.queries.catalog import SchemaCatalog
from zava.service.queries.executor import QueryExecutor
from zava.service.queries.kept_rows import KeptRows
from zava.service.sales.performance import SalesAnalyticsService

pytestmark = [pytest.mark.thorough, pytest.mark.once]


@dataclass
class Services:
    """What asks one server.

    Attributes:
        provider: The server.
        cache: Where answers are kept.
    """

    provider: PostgreSQLProvider
    cache: QueryCache

    def __post_init__(self) -> None:
        kept_rows = KeptRows(max_rows=1000, max_bytes=10**7, seconds=60)
        both = (self.provider, self.cache)
        most: Any = {"max_rows": 1000, "max_result_bytes": 10**6}
        self.catalog = SchemaCatalog(*both)
        self.choices = Choices(*both, self.catalog)
        self.executor = QueryExecutor(
            *both, self.catalog, **most, max_query_length=1000, kept_rows=kept_rows
        )
        self._metrics = MetricsService(*both, **most, kept_rows=kept_rows)
        self._performance = SalesAnalyticsService(*both)
        self._search = ProductSearch(*both, None)
        self.recommendations = Recommendations(*both, self._search.search)

    def metrics(self, *metrics: str, **how: Any) -> dict[str, Any]:
        """Ask for figures."""
        question = self._metrics.check(metrics, time_period="2026-Q2", **how)
        kept = self._metrics.peek(question, SEATTLE)
        return kept or self._metrics.answer(question, SEATTLE)

    def performance(self, period: str, **how: Any) -> dict[str, Any]:
        """Ask how the person's stores did; the facts about the answer."""
        question = self._performance.check("all", period, **how)
        kept = self._performance.peek(question, SEATTLE)
        answer = kept or self._performance.answer(question, SEATTLE)
        facts: dict[str, Any] = answer["period"]
        return facts

    def search(self, text: str, **how: Any) -> dict[str, Any]:
        """Search by words."""
        question = self._search.check(ProductQuestion(text, mode="keyword", **how))
        kept = self._search.peek(question, SEATTLE)
        return kept or self._search.answer(question, SEATTLE)


@dataclass
class Servers:
    """A standby that is behind, and its primary.

    Attributes:
        standby: The login to the standby.
        primary: The login to the primary.
        replayed: Until when the standby has replayed.
        missing: When a change was committed that the standby lacks.
    """

    standby: PostgreSQLProvider
    primary: PostgreSQLProvider
    replayed: datetime
    missing: datetime

    def services(self) -> tuple[Services, Services]:
        """What asks the standby, and what asks the primary; both keep alike."""
        cache = QueryCache()
        return Services(self.standby, cache), Services(self.primary, cache)

    def is_old(self, as_of: str) -> bool:
        """Whether an answer is as old as the standby; False if it is the primary's."""
        if as_of == told(self.replayed):
            return True
        assert datetime.fromisoformat(as_of) > self.missing
        return False


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        replicas = stack.enter_context(Replicas(1))
        (standby,) = replicas.standbys
        change(replicas.primary)
        replicas.catch_up()
        stack.enter_context(standby.paused())
        missing = change(replicas.primary)
        wait_for_receipt(replicas, standby)
        replayed = standby.ask("SELECT pg_last_xact_replay_timestamp()")
        assert isinstance(replayed, datetime)
        old, new = (
            PostgreSQLProvider({"conninfo": server.conninfo("zava_server")})
            for server in (standby, replicas.primary)
        )
        for provider in (old, new):
            stack.enter_context(closing(provider))
            provider.open()
        yield Servers(old, new, replayed, missing)


Ask = Callable[[Services], dict[str, Any]]


@pytest.mark.parametrize(
    ("first", "then", "afresh"),
    [
        pytest.param(
            lambda of: of.metrics("revenue"),
            lambda of: of.metrics("orders"),
            lambda of: of.metrics("orders", fresh=True),
            id="figures-of-kept-stores",
        ),
        pytest.param(
            lambda of: of.performance("2026-05"),
            lambda of: of.performance("2026-06"),
            lambda of: of.performance("2026-06", fresh=True),
            id="performance-of-kept-stores",
        ),
        pytest.param(
            lambda of: of.search("hammer", category="Hand Tools"),
            lambda of: of.search("saw", category="Hand Tools"),
            lambda of: of.search("saw", category="Hand Tools", fresh=True),
            id="search-in-a-kept-category",
        ),
    ],
)
def test_an_answer_from_two_servers_is_as_old_as_the_older(
    servers: Servers, first: Ask, then: Ask, afresh: Ask
) -> None:
    standby, primary = servers.services()
    assert servers.is_old(first(standby)["as_of"])
    mixed = then(primary)
    assert servers.is_old(mixed["as_of"])
    assert not mixed["cached"]
    assert then(primary) == {**mixed, "cached": True}
    new = afresh(primary)
    assert not servers.is_old(new["as_of"])
    assert not new["cached"]
    assert then(primary) == {**new, "cached": True}


def test_names_that_a_filter_was_read_from_count_too(servers: Servers) -> None:
    standby, primary = servers.services()
    filters = {"category": "Hand Tools", "weekday": "monday"}
    standby.metrics("revenue", filters=filters)
    # The stores are the primary's from now on, the categories still the standby's.
    assert not servers.is_old(primary.metrics("orders", fresh=True)["as_of"])
    assert servers.is_old(primary.metrics("orders", filters=filters)["as_of"])
    fresh = primary.metrics("orders", filters=filters, fresh=True)
    assert not servers.is_old(fresh["as_of"])


def test_a_kept_answer_grows_no_younger_when_what_it_was_made_from_is_read_again(
    servers: Servers,
) -> None:
    standby, primary = servers.services()
    standby.metrics("revenue")
    figures, facts = primary.metrics("orders"), primary.performance("2026-05")
    assert servers.is_old(figures["as_of"])
    assert not servers.is_old(primary.metrics("customers", fresh=True)["as_of"])
    assert primary.metrics("orders") == {**figures, "cached": True}
    assert primary.performance("2026-05") == {**facts, "cached": True}


def test_the_next_rows_of_figures_are_as_old_as_the_first(servers: Servers) -> None:
    standby, primary = servers.services()
    standby.metrics("revenue")
    first = primary.metrics("orders", by=["day"], max_rows=3)
    rest = primary.executor.more(first["handle"], SEATTLE, 3)
    assert told(rest.result.as_of) == first["as_of"]
    assert servers.is_old(first["as_of"])


def test_who_a_person_is_may_come_from_two_servers(servers: Servers) -> None:
    standby, primary = servers.services()
    assert servers.is_old(standby.choices.person(SEATTLE)["as_of"])
    primary.metrics("orders", fresh=True)
    # Stores of the primary, and the last day with orders as the standby had it.
    assert servers.is_old(primary.choices.person(SEATTLE)["as_of"])
    assert not servers.is_old(servers.services()[1].choices.person(SEATTLE)["as_of"])


def test_descriptions_are_as_old_as_the_oldest_of_them(servers: Servers) -> None:
    standby, primary = servers.services()
    standby.catalog.answer(["orders"], SEATTLE)
    both = primary.catalog.answer(["stores", "orders"], SEATTLE)
    assert servers.is_old(str(told(both.as_of)))
    assert primary.catalog.peek(["stores", "orders"], SEATTLE) == both
    found = primary.catalog.find("orders", "full", SEATTLE)
    assert found.as_of == both.as_of


def test_a_file_is_as_old_as_the_last_day_that_it_names(
    servers: Servers, tmp_path: Path
) -> None:
    _, primary = servers.services()
    # The day is asked for first, and a standby may answer that.
    mixed = SimpleNamespace(
        resolve_identity=servers.primary.resolve_identity,
        fetch_all=servers.standby.fetch_all,
        stream=servers.primary.stream,
    )
    service = ExportService(
        cast("PostgreSQLProvider", mixed),
        primary.executor,
        ExportFolder(tmp_path, 3600),
        max_rows=100,
        max_bytes=10**6,
        timeout=60,
    )

    def age(form: Any) -> str | None:
        question = service.check("SELECT 1 AS n", None, form, "", SEATTLE)
        return told(service.export(question, SEATTLE).as_of)

    assert servers.is_old(str(age("parquet")))
    assert not servers.is_old(str(age("csv")))
