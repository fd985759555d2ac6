"""The stations of a call: what of zava's own stands between its tool and PostgreSQL."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, TypeVar

import anyio
import pytest
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata

import zava
from tests.fakes import server_with
from tests.people import SEATTLE
from zava.ai.local import LocalClient
from zava.data.provider import PostgreSQLProvider
from zava.data.transaction import run_queries
from zava.infra.cache import QueryCache
from zava.protocol.server import RetailServer
from zava.service.products.recommendations import Recommendations
from zava.service.products.search import ProductSearch
from zava.service.queries.catalog import SchemaCatalog
from zava.service.queries.executor import QueryExecutor
from zava.service.queries.kept_rows import KeptRows
from zava.service.sales.performance import SalesAnalyticsService

PACKAGE = Path(zava.__file__).parent
MOST = 9
"""Functions of zava from the loop of the worker thread down to the transaction."""

T = TypeVar("T")

CALLS: dict[str, dict[str, Any]] = {
    "execute_sales_query": {"postgresql_query": "SELECT name FROM retail.stores"},
    "get_multiple_table_schemas": {"table_names": ["retail.stores"]},
    "get_store_performance": {"store_id": "Seattle", "time_period": "2026-05"},
    "semantic_search_products": {"query_description": "claw hammer"},
    "find_similar_products": {"product": "HTHM001010"},
    "get_product_recommendations": {"product": "HTHM001010"},
}
CHECKED_BY = {
    "execute_sales_query": "query_executor",
    "get_multiple_table_schemas": "catalog",
    "get_store_performance": "analytics",
    "semantic_search_products": "product_search",
    "get_product_recommendations": "recommendations",
}
"""The service that sees whether a question can be asked, and keeps its answer.

Products that are like one are not kept, so nothing is looked at before a thread is free.
"""


class Served(NamedTuple):
    """A server of one person, over real services, and what is seen of its calls.

    Attributes:
        drawn: The stations of every transaction, the outermost first.
        validated: How often arguments were: by the SDK, and by each service.
    """

    server: RetailServer
    drawn: list[list[str]]
    validated: Counter[str]

    def call(self, tool: str) -> Any:
        """Call a tool with its arguments of above."""

        async def ask() -> Any:
            return await self.server.call_tool(tool, CALLS[tool])

        answer = anyio.run(ask)
        assert not answer.is_error, answer.content
        return answer


def stations() -> list[str]:
    """The functions of zava that this thread is in, the outermost first."""
    names = []
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if Path(frame.f_code.co_filename).is_relative_to(PACKAGE):
            names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names[::-1]


def counted(function: Callable[..., T], count: Callable[[], None]) -> Callable[..., T]:
    @wraps(function)
    def counting(*args: Any, **options: Any) -> T:
        count()
        return function(*args, **options)

    return counting


@pytest.fixture
def served(
    searchable_provider: PostgreSQLProvider, monkeypatch: pytest.MonkeyPatch
) -> Served:
    provider, cache = searchable_provider, QueryCache()
    # Whom the server acts for is asked once, when it starts.
    provider.resolve_identity(SEATTLE)
    catalog = SchemaCatalog(provider, cache)
    search = ProductSearch(provider, cache, LocalClient())
    services: dict[str, Any] = {
        "query_executor": QueryExecutor(
            provider,
            cache,
            catalog,
            max_rows=1000,
            max_result_bytes=256 * 1024,
            max_query_length=10_000,
            kept_rows=KeptRows(max_rows=1000, max_bytes=1024 * 1024, seconds=60),
        ),
        "catalog": catalog,
        "analytics": SalesAnalyticsService(provider, cache),
        "product_search": search,
        "recommendations": Recommendations(provider, cache, search.search),
    }
    drawn: list[list[str]] = []
    validated: Counter[str] = Counter()

    def draw() -> None:
        assert threading.current_thread().name.startswith("zava-call-")
        drawn.append([*stations(), run_queries.__name__])

    noting = counted(run_queries, draw)
    monkeypatch.setattr("zava.data.provider.run_queries", noting)
    for name, service in services.items():
        validating = counted(service.check, partial(validated.update, [name]))
        monkeypatch.setattr(service, "check", validating)
    by_sdk = counted(
        FuncMetadata.validate_arguments, partial(validated.update, ["arguments"])
    )
    monkeypatch.setattr(FuncMetadata, "validate_arguments", by_sdk)
    return Served(server_with(user_id=SEATTLE, **services), drawn, validated)


def test_a_query_passes_few_stations_and_none_twice(served: Served) -> None:
    served.call("execute_sales_query")
    (way,) = served.drawn
    assert (way[0], way[-1]) == ("_serve", "run_queries")
    assert len(way) <= MOST, way
    assert len(set(way)) == len(way), way


@pytest.mark.parametrize("tool", CALLS)
def test_arguments_are_validated_once_by_the_sdk_and_once_by_the_service(
    served: Served, tool: str
) -> None:
    served.call(tool)
    by_service = [CHECKED_BY[tool]] if tool in CHECKED_BY else []
    assert served.validated == Counter(["arguments", *by_service])


@pytest.mark.parametrize("tool", CHECKED_BY)
def test_an_answer_that_is_kept_passes_no_worker_and_no_transaction(
    served: Served, tool: str
) -> None:
    served.call(tool)
    asked = len(served.drawn)
    assert asked > 0
    served.server.services.workers.run = not_to_be_run  # type: ignore[method-assign]
    served.call(tool)
    assert len(served.drawn) == asked


async def not_to_be_run(call: Callable[[], T]) -> T:
    raise AssertionError(f"{call} was to run in a thread")
