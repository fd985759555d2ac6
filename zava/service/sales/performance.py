"""SalesAnalyticsService: how stores perform, for whoever may see them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import Any, NamedTuple, get_args
from uuid import UUID

from zava.data.provider import PostgreSQLProvider
from zava.data.sales_data import (
    FadingProduct,
    SalesData,
    get_buyers,
    get_stock,
    get_usual_days,
)
from zava.errors import AuthorizationError, ValidationError
from zava.infra.answer_age import note_as_of, reading, told
from zava.infra.cache import QueryCache
from zava.infra.sharing import Sharing
from zava.models import Identity
from zava.service.sales.calendars import Calendar
from zava.service.sales.history import (
    History,
    fair_sides,
    is_without_data,
    part_with_data,
    read_history,
    refuse_before_first_day,
    shortened_by_data,
)
from zava.service.sales.insights import (
    LOW_STOCK_DAYS,
    MIN_BUYERS,
    MIN_STOCK_UNITS,
    SILENT_DAYS,
    USUAL_DAYS,
    generate_insights,
    is_silent,
)
from zava.service.sales.metrics import calculate_metrics
from zava.service.sales.performance_models import (
    Insight,
    Past,
    Scope,
    Side,
    SilentStore,
    Span,
    Stock,
    Store,
    StoreMetrics,
)
from zava.service.sales.periods import Period, parse_period
from zava.service.sales.presentation import Detail, present
from zava.service.sales.stores import (
    PART_OF_REGION,
    Visible,
    VisibleStores,
    means_all,
    means_region,
    stores_called,
)

MAX_STORE_ID = 200

# Reads every form of a period, fiscal weeks too.
_ANY_CALENDAR = Calendar(fiscal_calendar="4-5-4")
_OPERATION = "performance"
_DAY = timedelta(days=1)
_YEAR = timedelta(days=365)
# Stock is known as of now, so it says nothing of a period that ended earlier.
_STOCK_IS_CURRENT = timedelta(days=31)
# The pace of sales that stock is set against.
_STOCK_DAYS = timedelta(days=90)
# Stock of more stores is nothing to read product by product.
_MAX_STOCK_STORES = 10
# Of a product that one customer bought alone, their share is at least this.
_ONE_CUSTOMER = 0.5
_MAX_FADING_CHECKED = 5


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class StoreQuestion(NamedTuple):
    """What is asked of stores.

    Attributes:
        store_id: A store's id or name, or a part of the name; a region; or all.
        time_period: One of `periods.FORMS`; which days it means depends on the stores.
        detail: Short, or all that is known.
        fresh: Ask the database even if the answer is kept.
    """

    store_id: str
    time_period: str
    detail: Detail
    fresh: bool


class _Asked(NamedTuple):
    """A question with the stores and the days that it means."""

    scope: Scope
    period: Period
    today: date
    visible: Visible
    detail: Detail


class SalesAnalyticsService:
    """Answers how stores did in a period.

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
        detail: Detail = "short",
        fresh: bool = False,
    ) -> dict[str, Any]:
        """Return figures and insights of one store, a region or all stores.

        Args:
            store_id: A store's id or name, in any case; a part of the name that only
                one visible store has; a region; or `all` that the person may see.
            time_period: One of `periods.FORMS`, in business days of the stores.
            rls_user_id: Who asks.
            detail: `short` for at most `presentation.MAX_CHARACTERS`, or `full`.
            fresh: Ask the database even if the answer is kept.

        Returns:
            JSON values: `store_id`, the store's id, the region or `all`; `period` with
            `name`, `first_day`, `last_day` (where the period is not over, or the data
            ends within it, of the last whole day that has orders), `data_through`,
            `compared_with`, `cached` and `as_of`, the time up to which the figures are
            complete, which is the oldest of all that was read; `metrics`, with
            `columns` and `rows` of figures by the registry's names, and tables;
            `insights`, each with `text` and the arguments of `query_metrics` that show
            its numbers, the most important first.

        Raises:
            ValidationError: An argument is at fault, several stores match, or
                the period lies before the first order.
            AuthorizationError: There is no such store, or the caller may not
                see it.
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        question = self.check(store_id, time_period, detail=detail, fresh=fresh)
        return self.answer(question, rls_user_id)

    def check(
        self,
        store_id: str,
        time_period: str,
        *,
        detail: Detail = "short",
        fresh: bool = False,
    ) -> StoreQuestion:
        """Return what is to be asked.

        Raises:
            ValidationError: An argument is at fault.
        """
        # Whether it is a period at all; the days come from the stores and the chain.
        parse_period(time_period, self._clock().date(), _ANY_CALENDAR)
        _check_store_id(store_id)
        if detail not in get_args(Detail):
            raise ValidationError("detail", detail, "must be short or full")
        return StoreQuestion(store_id, time_period, detail, fresh)

    def peek(self, question: StoreQuestion, rls_user_id: str) -> dict[str, Any] | None:
        """Return the kept answer to a question, or None; never waits for anything.

        Raises:
            ValidationError: As for `get_store_performance`.
            AuthorizationError: As for `get_store_performance`.
        """
        identity = self.db_provider.known_identity(rls_user_id)
        if identity is None or question.fresh:
            return None
        with reading() as read:
            visible = self._stores.peek(identity)
            if visible is None:
                return None
            asked = self._meant(question, visible, identity)
            answer = self._cache.peek(self._key(asked, identity))
        return None if answer is None else _answer(answer, read.as_of, cached=True)

    def answer(self, question: StoreQuestion, rls_user_id: str) -> dict[str, Any]:
        """Return figures and insights; see `get_store_performance`."""
        identity = self.db_provider.resolve_identity(rls_user_id, anew=question.fresh)
        with reading() as read:
            visible = self._stores.of(identity, fresh=question.fresh)
            asked = self._meant(question, visible, identity)
            answer, cached = self._cache.obtain(
                self._key(asked, identity),
                partial(self._compute, asked, identity, read.as_of),
                fresh=question.fresh,
                sharing=Sharing(identity, str),
            )
        return _answer(answer, read.as_of, cached=cached)

    def _meant(
        self, question: StoreQuestion, visible: Visible, identity: Identity
    ) -> _Asked:
        scope = self._validate_store_access(question.store_id, visible, identity)
        today = visible.day_of(scope.stores)
        period = parse_period(question.time_period, today, visible.calendar)
        return _Asked(scope, period, today, visible, question.detail)

    def _validate_store_access(
        self, store_id: str, visible: Visible, identity: Identity
    ) -> Scope:
        """Return the stores that `store_id` names among those that the caller sees.

        Raises:
            ValidationError: Several stores match.
            AuthorizationError: None does, whether or not there is such a store.
        """
        is_all = means_all(store_id)
        stores = visible.stores
        if not is_all:
            stores = tuple(stores_called("store_id", store_id, visible.stores))
        if not stores:
            raise AuthorizationError("Access denied for store", str(identity.user_id))
        return _scope(store_id, stores, visible, is_all=is_all)

    def _compute(
        self, asked: _Asked, identity: Identity, as_of: datetime | None
    ) -> str:
        """Return the answer as JSON, so that nobody can change what is kept.

        Args:
            asked: What to answer.
            identity: Who asks.
            as_of: Of the stores and days that are asked for.
        """
        note_as_of(as_of)
        return json.dumps(self._read(asked, identity))

    def _read(self, asked: _Asked, identity: Identity) -> dict[str, Any]:
        history = self._history(asked.scope.stores, asked, identity)
        period = part_with_data(asked.period, asked.today, history)
        refuse_before_first_day(asked.period, history)
        notes: list[str] = []
        ended = shortened_by_data(asked.period, period, asked.today, history)
        if ended and not is_without_data(period, history):
            notes.append(ended)
        scope = asked.scope
        if scope.key == scope.stores[0].region and not asked.visible.is_chain:
            notes.append(PART_OF_REGION)
        sides = fair_sides(period, "both", asked.today, history, notes)
        past = self._past(asked, period, history, sides, notes, identity)
        if is_without_data(period, history):
            metrics = StoreMetrics(
                scope=asked.scope,
                period_name=period.name,
                period=Span(start=asked.period.start, end=asked.period.end),
                past=past.model_copy(update={"notes": ()}),
                currency=asked.visible.currency,
                unit=asked.visible.main_unit,
            )
        else:
            metrics = self._with_data(asked, period, sides, past, identity)
        insights = self._generate_insights(metrics)
        return present(metrics, insights, asked.detail)

    def _with_data(
        self,
        asked: _Asked,
        period: Period,
        sides: Sequence[tuple[str, Period]],
        past: Past,
        identity: Identity,
    ) -> StoreMetrics:
        scope = asked.scope
        data = self.db_provider.get_sales_data(
            _ids(scope.stores),
            period,
            identity,
            are_all=scope.are_all,
            is_chain=scope.is_chain and not scope.is_one,
        )
        first = past.first or period.start
        metrics = self._calculate_metrics(
            data,
            scope,
            period.name,
            [
                Side.model_validate(
                    {
                        "name": name,
                        "start": side.start,
                        "end": side.end,
                        "is_whole": side.start >= first,
                        "has_past": side.start >= first + _YEAR,
                    }
                )
                for name, side in sides
            ],
            past,
            asked.visible,
        )
        fading: tuple[FadingProduct, ...] = ()
        if any(name == "previous" for name, _ in sides):
            fading = self._fading(data, period, asked, identity)
        stock = self._stock(period, past, asked, identity)
        return metrics.model_copy(update={"fading": fading, "stock": stock})

    def _calculate_metrics(
        self,
        sales_data: SalesData,
        scope: Scope,
        period_name: str,
        sides: Sequence[Side],
        past: Past,
        visible: Visible,
    ) -> StoreMetrics:
        return calculate_metrics(
            sales_data,
            scope,
            period_name,
            sides,
            past,
            currency=visible.currency,
            unit=visible.main_unit,
        )

    def _generate_insights(self, metrics: StoreMetrics) -> tuple[Insight, ...]:
        return generate_insights(metrics)

    def _history(
        self, stores: Sequence[Store], asked: _Asked, identity: Identity
    ) -> History:
        return read_history(
            self.db_provider,
            stores,
            asked.period,
            asked.today,
            identity,
            operation=_OPERATION,
        )

    def _past(
        self,
        asked: _Asked,
        period: Period,
        history: History,
        sides: Sequence[tuple[str, Period]],
        notes: Sequence[str],
        identity: Identity,
    ) -> Past:
        """Return until when there is data, and who has stopped selling."""
        scope, through = asked.scope, history.through
        others = self._others_through(asked, history, identity)
        # Until when sales could be known that belong to the period.
        limit = min(asked.period.end, asked.today) - _DAY
        ends = others if others is not None else asked.today - _DAY
        latest = {
            store_id: last
            for store_id, last in history.lasts.items()
            if last == through
        }
        has_stopped = bool(self._have_stopped(latest, min(limit, ends), identity))
        silent: tuple[SilentStore, ...] = ()
        if not scope.is_one and through is not None:
            since = min((side.start for _, side in sides), default=period.start)
            lasts = {
                store_id: last
                for store_id, last in history.lasts.items()
                if since <= last < through
            }
            names = {store.store_id: store.name for store in scope.stores}
            silent = tuple(
                SilentStore(name=names[store_id], last=history.lasts[store_id])
                for store_id in self._have_stopped(lasts, min(limit, through), identity)
            )
        return Past(
            first=history.first,
            through=through,
            today=asked.today,
            others_through=others,
            behind=history.behind(scope.stores, asked.period),
            silent=silent,
            has_stopped=has_stopped,
            notes=tuple(notes),
        )

    def _others_through(
        self, asked: _Asked, history: History, identity: Identity
    ) -> date | None:
        """Return until when others have orders, where these ended much earlier."""
        through, stores = history.through, asked.visible.stores
        until = min(asked.period.end, asked.today) - _DAY
        if through is None or (until - through).days < SILENT_DAYS:
            return None
        if len(asked.scope.stores) == len(stores):
            return None
        others = self._history(stores, asked, identity).through
        if others is None or (others - through).days < SILENT_DAYS:
            return None
        return others

    def _have_stopped(
        self, lasts: dict[UUID, date], until: date, identity: Identity
    ) -> list[UUID]:
        """Return the stores whose last day is long ago for them, the latest first."""
        late = {
            store_id: last
            for store_id, last in lasts.items()
            if (until - last).days >= SILENT_DAYS
        }
        if not late:
            return []
        fetch_all = self.db_provider.fetch_all
        usual = get_usual_days(fetch_all, late, USUAL_DAYS, identity)
        found = [
            store_id
            for store_id, last in late.items()
            if is_silent((until - last).days, usual.get(store_id, 0))
        ]
        # Those that sold on most days first, for the loss is largest there.
        return sorted(found, key=lambda one: (-usual[one], late[one], str(one)))

    def _fading(
        self, data: SalesData, period: Period, asked: _Asked, identity: Identity
    ) -> tuple[FadingProduct, ...]:
        """Return the products that fell otherwise than by one customer's purchases."""
        candidates = data.fading_products[:_MAX_FADING_CHECKED]
        if not candidates:
            return ()
        buyers = get_buyers(
            self.db_provider.fetch_all,
            _ids(asked.scope.stores),
            [product.product_id for product in candidates],
            period.previous(),
            identity,
        )

        def are_many(product: FadingProduct) -> bool:
            found = buyers[product.product_id]
            if found.buyers is None:
                return True
            share = found.largest_share or 1
            return found.buyers >= MIN_BUYERS and share < _ONE_CUSTOMER

        return tuple(filter(are_many, candidates))

    def _stock(
        self, period: Period, past: Past, asked: _Asked, identity: Identity
    ) -> Stock | None:
        """Return what the stock of now says, if the period ends now."""
        through, stores = past.through, asked.scope.stores
        if (
            through is None
            or len(stores) > _MAX_STOCK_STORES
            or period.end < asked.today - _STOCK_IS_CURRENT
            or through < asked.today - _STOCK_IS_CURRENT
        ):
            return None
        end = min(through + _DAY, asked.today)
        span = Span(start=end - _STOCK_DAYS, end=end)
        if past.first is None or span.start < past.first:
            return None
        rows = get_stock(
            self.db_provider.fetch_all,
            _ids(stores),
            span,
            identity,
            low_days=LOW_STOCK_DAYS,
            least_units=MIN_STOCK_UNITS,
        )
        return Stock(span=span, rows=tuple(rows)) if rows else None

    def _key(self, asked: _Asked, identity: Identity) -> str:
        return self._cache.key(
            "get_store_performance",
            identity,
            asked.scope.key,
            [store.store_id for store in asked.scope.stores],
            asked.today,
            asked.period.start,
            asked.period.end,
            asked.period.name,
            asked.period.calendar,
            asked.detail,
        )


def _scope(
    named: str, stores: tuple[Store, ...], visible: Visible, *, is_all: bool
) -> Scope:
    count = len(stores)
    name = stores[0].name if count == 1 else f"{count} stores"
    asked: tuple[str, ...] = ()
    key = "all"
    if not is_all:
        store = stores[0]
        names = [other.name.casefold() for other in visible.stores]
        key = str(store.store_id)
        asked = (store.name,)
        if names.count(store.name.casefold()) > 1:
            asked = (key,)
        if count > 1 and store.region is not None:
            key, asked = store.region, (store.region,)
            name = f"{count} stores of {store.region}"
        elif store.region is not None and means_region(named, stores):
            key = store.region
    are_all = count == len(visible.stores)
    if are_all:
        asked = ()
    return Scope(
        key=key,
        name=name,
        stores=stores,
        asked=asked,
        are_all=are_all,
        is_chain=are_all and visible.is_chain,
    )


def _ids(stores: Sequence[Store]) -> list[UUID]:
    return [store.store_id for store in stores]


def _answer(kept: str, as_of: datetime | None, *, cached: bool) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(kept)
    answer["period"] |= {"cached": cached, "as_of": told(as_of)}
    return answer


def _check_store_id(store_id: str) -> None:
    if not store_id.strip() or len(store_id) > MAX_STORE_ID:
        raise ValidationError(
            "store_id",
            store_id,
            f"must be a store's id or name, a region, or all, of 1 to {MAX_STORE_ID}"
            " characters",
        )
