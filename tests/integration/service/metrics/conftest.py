"""What the tests of query_metrics share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.people import SEATTLE, STORE_MANAGERS, regional_manager
from zava.data.provider import PostgreSQLProvider
from zava.infra.cache import QueryCache
from zava.service.metrics.answers import MetricsService

# Noon of the day after the last one that the seed has.
NOW = datetime(2026, 7, 1, 19, tzinfo=timezone.utc)
PEOPLE = {
    "a manager": SEATTLE,
    "the online manager": STORE_MANAGERS["Zava Retail Online"],
    "a regional manager": regional_manager("Puget Sound Region"),
    "head office": regional_manager("Head Office"),
}

Ask = Callable[..., dict[str, Any]]
"""From a person, metrics and the other arguments to the answer."""


def service_of(
    provider: PostgreSQLProvider, now: Callable[[], datetime] = lambda: NOW
) -> MetricsService:
    return MetricsService(
        provider, QueryCache(), max_rows=5000, max_result_bytes=10**7, clock=now
    )


@pytest.fixture(scope="session")
def service(provider: PostgreSQLProvider) -> MetricsService:
    return service_of(provider)


@pytest.fixture(scope="session")
def ask(service: MetricsService) -> Ask:
    def answer(person: str, *metrics: str, **how: Any) -> dict[str, Any]:
        question = service.check(metrics, **{"max_rows": 5000, **how})
        return service.answer(question, PEOPLE.get(person, person))

    return answer


@pytest.fixture(scope="session")
def visible(provider: PostgreSQLProvider) -> dict[str, list[str]]:
    """The ids of the stores that each person sees."""
    return {
        name: sorted(map(str, provider.resolve_identity(user).store_ids))
        for name, user in PEOPLE.items()
    }


def dicts(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows by the names of their columns."""
    return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]


def span(days: dict[str, str]) -> tuple[str, str]:
    """The first day of a span, and the day after its last one."""
    return days["first_day"], str(date.fromisoformat(days["last_day"]) + timedelta(1))
