"""SalesAnalyticsService: how a store performs, for whoever may see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, NamedTuple

from zava.data.provider import PostgreSQLProvider
from zava.data.sales_data import SalesData, last_day_with_orders
from zava.errors import AuthorizationError, ValidationError
from zava.infra.cache import QueryCache
from zava.models import Identity
from zava.service.sales.calendars import Calendar
from zava.service.sales.insights import generate_insights
from zava.service.sales.metrics import calculate_metrics
from zava.service.sales.performance_models import (
    Now,
    Store,
    StoreMetrics,
    StorePerformance,
)
from zava.service.sales.periods import Period, parse_period
from zava.service.sales.stores import VisibleStores, matching

MAX_STORE_ID = 200

# Reads every form of a period, fiscal weeks too.
_ANY_CALENDAR = Calendar(fiscal_calendar="4-5-4")


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class StoreQuestion(NamedTuple):
    """What is asked of a store.

    Attributes:
        store_id: The store's id or name, or a part of the name.
        time_period: One of `periods.FORMS`; which days it means depends on the store.
        fresh: Ask the database even if the answer is kept.
    """

    store_id: str
    time_period: str
    fresh: bool


class SalesAnalyticsService:
    """Answers how a store did in a period.

    Args:
        db_provider: Where the rows come from.
        cache: Where answers are kept.
        clock: Now, UTC.
    """

    def __init__(
        self,
        db_provider: PostgreSQLProvider,
        cache: QueryCache,
        *,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.db_provider = db_provider
        self._cache = cache
        self._clock = clock
        self._stores = VisibleStores(db_provider, cache, clock)

    def get_store_performance(
        self,
        store_id: str,
        time_period: str,
        rls_user_id: str,
        *,
        fresh: bool = False,
    ) -> dict[str, Any]:
        """Return figures and insights of one store.

        Args:
            store_id: The store's id or name, in any case; a part of the name
                that only one visible store has will do.
            time_period: One of `periods.FORMS`, in business days of the store.
            rls_user_id: Who asks.
            fresh: Ask the database even if the answer is kept.

        Returns:
            JSON values: `store_id`; `period` with `name`, `start`, `end`
            (exclusive; where the period is not over, of the last whole day that
            has orders), `as_of` and `cached`; `metrics`, see `StoreMetrics`;
            `insights`, sentences, the most important first.

        Raises:
            ValidationError: An argument is at fault, several stores match, or
                the period lies before the store's first order.
            AuthorizationError: There is no such store, or the caller may not
                see it.
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        question = self.check(store_id, time_period, fresh=fresh)
        return self.answer(question, rls_user_id)

    def check(
        self, store_id: str, time_period: str, *, fresh: bool = False
    ) -> StoreQuestion:
        """Return what is to be asked.

        Raises:
            ValidationError: An argument is at fault.
        """
        # Whether it is a period at all; the days come from the store and the chain.
        parse_period(time_period, self._clock().date(), _ANY_CALENDAR)
        _check_store_id(store_id)
        return StoreQuestion(store_id, time_period, fresh)

    def peek(self, question: StoreQuestion, rls_user_id: str) -> dict[str, Any] | None:
        """Return the kept figures of one store, or None; never waits for anything.

        Raises:
            ValidationError: As for `get_store_performance`.
            AuthorizationError: As for `get_store_performance`.
        """
        identity = self.db_provider.known_identity(rls_user_id)
        if identity is None or question.fresh:
            return None
        visible = self._stores.peek(identity)
        if visible is None:
            return None
        store = self._validate_store_access(question.store_id, visible.stores, identity)
        period = parse_period(question.time_period, store.today, visible.calendar)
        answer = self._cache.peek(self._key(store, period, identity))
        if answer is None:
            return None
        return _answer(store, period, answer, cached=True)

    def answer(self, question: StoreQuestion, rls_user_id: str) -> dict[str, Any]:
        """Return figures and insights of one store; see `get_store_performance`."""
        identity = self.db_provider.resolve_identity(rls_user_id)
        visible = self._stores.of(identity)
        store = self._validate_store_access(question.store_id, visible.stores, identity)
        period = parse_period(question.time_period, store.today, visible.calendar)
        answer, cached = self._cache.obtain(
            self._key(store, period, identity),
            partial(self._compute, store, period, visible.currency, identity),
            fresh=question.fresh,
        )
        return _answer(store, period, answer, cached=cached)

    def _compute(
        self, store: Store, period: Period, currency: str, identity: Identity
    ) -> StorePerformance:
        over = self._part_that_is_over(period, store, identity)
        data = self.db_provider.get_sales_data(store.store_id, over, identity)
        _refuse_before_first_order(over, data)
        metrics = self._calculate_metrics(data, self._now(store), currency)
        return StorePerformance(
            as_of=metrics.now.as_of,
            metrics=metrics,
            insights=self._generate_insights(metrics),
        )

    def _validate_store_access(
        self, store_id: str, stores: Sequence[Store], identity: Identity
    ) -> Store:
        """Return the store that `store_id` names among `stores`, which the caller sees.

        Raises:
            ValidationError: Several of them match.
            AuthorizationError: None does, whether or not there is such a store.
        """
        matches = matching(store_id.strip(), stores)
        if len(matches) > 1:
            names = ", ".join(store.name for store in matches)
            raise ValidationError(
                "store_id", store_id, f"several stores match: {names}"
            )
        if not matches:
            raise AuthorizationError("Access denied for store", str(identity.user_id))
        return matches[0]

    def _part_that_is_over(
        self, period: Period, store: Store, identity: Identity
    ) -> Period:
        """Return the whole days of the period that the store has orders for.

        A day that has barely begun, or that nobody has loaded, compares with none.
        A period that is over stays whole, and so does one that has no such day.
        """
        today = store.today
        if not period.start < today < period.end:
            return period
        fetch_all = self.db_provider.fetch_all
        last = last_day_with_orders(fetch_all, store.store_id, today, identity)
        if last is None or last < period.start:
            return period.until(today)
        return period.until(last + timedelta(days=1))

    def _now(self, store: Store) -> Now:
        as_of = self._clock()
        to_come = (store.day_ends_at - as_of) / timedelta(days=1)
        return Now(
            as_of=as_of, today=store.today, day_share=min(max(1 - to_come, 0), 1)
        )

    def _calculate_metrics(
        self, sales_data: SalesData, now: Now, currency: str
    ) -> StoreMetrics:
        return calculate_metrics(sales_data, now, currency)

    def _generate_insights(self, metrics: StoreMetrics) -> tuple[str, ...]:
        return generate_insights(metrics)

    def _key(self, store: Store, period: Period, identity: Identity) -> str:
        return self._cache.key(
            "get_store_performance",
            identity,
            store.store_id,
            period.start,
            period.end,
            period.name,
            period.calendar,
        )


def _answer(
    store: Store, period: Period, answer: StorePerformance, *, cached: bool
) -> dict[str, Any]:
    dumped = answer.model_dump(mode="json")
    if answer.metrics.new_to_chain is None:
        del dumped["metrics"]["new_to_chain"]
    return {
        "store_id": str(store.store_id),
        "period": {
            "name": period.name,
            **answer.metrics.period.model_dump(mode="json"),
            "as_of": dumped["as_of"],
            "cached": cached,
        },
        "metrics": dumped["metrics"],
        "insights": dumped["insights"],
    }


def _refuse_before_first_order(period: Period, data: SalesData) -> None:
    first = data.first_order_on
    if first is not None and period.end <= first:
        raise ValidationError(
            "time_period",
            period.name,
            f"lies before the store's first order, which was on {first}",
        )


def _check_store_id(store_id: str) -> None:
    if not store_id.strip() or len(store_id) > MAX_STORE_ID:
        raise ValidationError(
            "store_id",
            store_id,
            f"must be a store's id or name, of 1 to {MAX_STORE_ID} characters",
        )
