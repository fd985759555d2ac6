"""What a question about a store is taken to mean before anything is read."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from zava.data.provider import PostgreSQLProvider
from zava.errors import ValidationError
from zava.infra.cache import QueryCache
from zava.service.sales.performance import SalesAnalyticsService

NOW = datetime(2026, 6, 30, 18, tzinfo=timezone.utc)


@pytest.fixture
def service() -> SalesAnalyticsService:
    """A service that never opens its database."""
    provider = PostgreSQLProvider({"conninfo": ""})
    return SalesAnalyticsService(provider, QueryCache(), clock=lambda: NOW)


@pytest.mark.parametrize("period", ["wtd", "FY2026", "FY2026-W14", "2026-06-30"])
def test_a_period_of_any_calendar_is_a_question(
    service: SalesAnalyticsService, period: str
) -> None:
    assert service.check("seattle", period).time_period == period


def test_what_is_no_period_is_refused_before_the_database_is_asked(
    service: SalesAnalyticsService,
) -> None:
    with pytest.raises(ValidationError, match="must be one of today"):
        service.check("seattle", "someday")
