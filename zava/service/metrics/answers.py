"""MetricsService: the figures of metrics, grouped, filtered and compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import Any, NamedTuple, get_args
from uuid import UUID

from zava.data.metrics.composition import (
    Comparison,
    Filter,
    MetricsQuery,
    Order,
    Threshold,
    columns,
    compose,
    written_out,
)
from zava.data.metrics.registry import (
    DIMENSIONS,
    MEASURES,
    METRICS,
    Dimension,
    Metric,
    dimensions_of,
    source_of,
    span_of,
)
from zava.data.provider import PostgreSQLProvider
from zava.data.read_ahead import LoadedRows
from zava.data.statements import statement
from zava.data.transaction import Query
from zava.errors import AuthorizationError, ValidationError
from zava.infra.answer_age import Reading, note_as_of, reading, told
from zava.infra.cache import QueryCache
from zava.infra.sharing import Sharing
from zava.models import Identity, ResultSet
from zava.service.metrics.finding import (
    described,
    find_dimensions,
    find_metrics,
    near,
)
from zava.service.metrics.spans import days_of
from zava.service.metrics.values import MAX_VALUES, FilterValues, Value
from zava.service.queries.kept_rows import KeptResult, KeptRows
from zava.service.sales.calendars import Unit
from zava.service.sales.history import (
    Compare,
    History,
    a_few,
    fair_sides,
    is_without_data,
    part_with_data,
    read_history,
    refuse_before_first_day,
    shortened_by_data,
)
from zava.service.sales.performance_models import Store
from zava.service.sales.periods import Period, parse_period
from zava.service.sales.stores import (
    LISTED,
    PART_OF_REGION,
    Visible,
    VisibleStores,
    means_all,
    means_region,
    stores_seen,
)
from zava.service.segments import note_of_rules

MAX_METRICS = 12
MAX_BY = 3
DEFAULT_ROWS = 50
DEFAULT_PERIOD = "last_30_days"
MAX_TOP = 1000
DEFAULT_COVER_DAYS = 14
MAX_COVER_DAYS = 365
MAX_TEXT = 200
"""Characters of a name, of a value or of words to search for."""


_KIND = "metrics"
# What a row takes as Python objects, against its JSON text: 5.7 times, measured.
_SIZE_IN_MEMORY = 8
_MAX_FILTERS = 10
_NOT = "not "
_NO_MEDIAN = (
    "no metric is a median: execute_sales_query has percentile_cont(0.5) WITHIN GROUP"
)
_DAY = timedelta(days=1)
_PLACES = ("store", "region", "channel")
_PARTS_OF_TIME = frozenset({"weekday", "hour"})
_THRESHOLD = re.compile(
    r"\s*(\w+)\s*(>=|<=|!=|>|<|=)\s*(-?[0-9]{1,15}(?:\.[0-9]{1,6})?)\s*"
)
_REORDERS = frozenset({"units_to_reorder", "reorder_cost"})


def _as_name(text: str) -> str:
    """Return a text in the form that names of metrics and dimensions have."""
    return text.strip().casefold().replace(" ", "_")


# Labels that are no name themselves.
_BY_LABEL = {
    label: metric.name
    for metric in METRICS.values()
    if (label := _as_name(metric.label)) not in METRICS
}
_HEAD_OFFICE = frozenset({"new_to_chain", "returning_to_chain"})


def _is_whole_elsewhere(answer: Mapping[str, Any]) -> bool:
    """Whether another process can say as much: the rows past the end stay in this."""
    return answer.get("handle") is None


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True, slots=True)
class MetricsQuestion:
    """What is asked, with the names of metrics and dimensions found to be right.

    Attributes:
        metrics: Names of metrics.
        by: Names of dimensions.
        time_period: One of `periods.FORMS`; which days it means depends on the stores.
        stores: Ids, names, parts of names, or regions; none means all.
        compare: What the period is compared with.
        filters: Dimension, values, and whether these are left out.
        having: Thresholds that rows have to pass.
        order_by: Column, and whether the highest come first.
        top: How many values of the last dimension are shown, the lowest if negative.
        shares: Whether figures that add up come with their share.
        cover_days: How many days a reorder is to last.
        max_rows: Rows at most.
        show_sql: Whether the answer has the SQL that made it.
        fresh: Ask the database even if the answer is kept.
    """

    metrics: tuple[str, ...]
    by: tuple[str, ...] = ()
    time_period: str = DEFAULT_PERIOD
    stores: tuple[str, ...] = ()
    compare: Compare | None = None
    filters: tuple[tuple[str, tuple[Value, ...], bool], ...] = ()
    having: tuple[Threshold, ...] = ()
    order_by: tuple[Order, ...] = ()
    top: int | None = None
    shares: bool = False
    cover_days: int = DEFAULT_COVER_DAYS
    max_rows: int = DEFAULT_ROWS
    show_sql: bool = False
    fresh: bool = False


class _Asked(NamedTuple):
    """A question with the stores and the days that it means."""

    question: MetricsQuestion
    stores: tuple[Store, ...]
    visible: Visible
    today: date
    period: Period


class MetricsService:
    """Answers which metrics there are, and their figures.

    Args:
        provider: Where the rows come from.
        cache: Where answers are kept.
        max_rows: The operator's ceiling of rows.
        max_result_bytes: The operator's ceiling of the rows' JSON.
        kept_rows: Where rows past the end of a cut answer are kept; None for nowhere.
        clock: Now, UTC.
    """

    def __init__(
        self,
        provider: PostgreSQLProvider,
        cache: QueryCache,
        *,
        max_rows: int,
        max_result_bytes: int,
        kept_rows: KeptRows | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._provider = provider
        self._cache = cache
        self._max_rows = max_rows
        self._max_result_bytes = max_result_bytes
        self._kept_rows = kept_rows or KeptRows(max_rows=0, max_bytes=0, seconds=0)
        self._visible = VisibleStores(provider, cache, clock)
        self._values = FilterValues(provider, cache)

    def find(self, search: str | None = None) -> dict[str, Any]:
        """Return metrics and dimensions, all or those that some words speak of.

        Returns:
            `metrics` and `dimensions`, each with definitions by name; `note` if
            nothing was found, so that all names are listed.

        Raises:
            ValidationError: The words are too long.
        """
        words = (search or "").strip()
        _check_texts("search", [words])
        metrics, dimensions = find_metrics(words), find_dimensions(words)
        is_of_median = "median" in words.casefold()
        if metrics or dimensions:
            only_by, texts = described(metrics)
            found: dict[str, Any] = {
                "metrics": texts,
                "dimensions": {each.name: each.definition for each in dimensions},
            }
            if only_by:
                found["only_by"] = only_by
            if is_of_median:
                found["note"] = _NO_MEDIAN
            return found
        note = "search for a name's definition"
        if is_of_median:
            note = _NO_MEDIAN
        elif words:
            note = f"nothing is called {words[:80]}; these are all names"
        return {
            "metrics": {name: each.label for name, each in METRICS.items()},
            "dimensions": dict.fromkeys(DIMENSIONS, ""),
            "note": note,
        }

    def definitions(self, name: str | None = None) -> dict[str, dict[str, str]]:
        """Return `metrics` and `dimensions` with their definitions.

        Args:
            name: The only one to be told, if there is one of that name; None for all.

        Returns:
            Texts by names; and `only_by`, lists of dimensions by the letters that
            the metrics' texts have, where a metric has not all.
        """
        only_by, metrics = described(
            each for each in METRICS.values() if name in (None, each.name)
        )
        found = {
            "metrics": metrics,
            "dimensions": {
                each.name: each.definition
                for each in DIMENSIONS.values()
                if name in (None, each.name)
            },
        }
        return {**found, "only_by": only_by} if only_by else found

    def near_names(self, name: str) -> list[str]:
        """Return metrics and dimensions that may be meant by a name."""
        wanted = name[:MAX_TEXT]
        return [*near(wanted, METRICS), *near(wanted, DIMENSIONS)]

    def check(
        self,
        metrics: Sequence[str],
        by: Sequence[str] = (),
        time_period: str = DEFAULT_PERIOD,
        stores: Sequence[str] = (),
        *,
        compare: Compare | None = None,
        filters: Mapping[str, Any] | None = None,
        having: Sequence[str] = (),
        order_by: Sequence[str] = (),
        top: int | None = None,
        shares: bool = False,
        cover_days: int = DEFAULT_COVER_DAYS,
        max_rows: int = DEFAULT_ROWS,
        show_sql: bool = False,
        fresh: bool = False,
    ) -> MetricsQuestion:
        """Return what is to be asked.

        Args:
            metrics: Names of metrics.
            by: Names of dimensions.
            time_period: As for `MetricsQuestion`, and so are those not named here.
            stores: Which stores.
            compare: What to compare with.
            filters: Value or values by dimension; `not ` before its name leaves
                them out.
            having: Such as `revenue >= 1000`.
            order_by: Columns, with a minus before those whose highest come first.
            top: Values of the last dimension.
            shares: With shares.
            cover_days: Days that a reorder is to last.
            max_rows: Rows at most.
            show_sql: With the SQL.
            fresh: Past the cache.

        Raises:
            ValidationError: An argument is at fault; names what may be meant.
        """
        if max_rows == DEFAULT_ROWS:
            max_rows = min(max_rows, self._max_rows)  # nobody has asked for more
        if not 1 <= max_rows <= self._max_rows:
            raise ValidationError(
                "max_rows", max_rows, f"must be between 1 and {self._max_rows}"
            )
        if compare is not None and compare not in get_args(Compare):
            raise ValidationError(
                "compare", compare, f"must be one of {', '.join(get_args(Compare))}"
            )
        if not 1 <= cover_days <= MAX_COVER_DAYS:
            raise ValidationError(
                "cover_days", cover_days, f"must be between 1 and {MAX_COVER_DAYS}"
            )
        texts = {
            "metrics": metrics,
            "by": by,
            "time_period": [time_period],
            "stores": stores,
            "filters": list(filters or {}),
            "having": having,
            "order_by": order_by,
        }
        for field, given in texts.items():
            _check_texts(field, given)
        dimensions = _known_dimensions("by", by)
        if len(dimensions) > MAX_BY:
            raise ValidationError("by", len(by), f"takes at most {MAX_BY} dimensions")
        spans = [each.name for each in dimensions if each.is_span]
        if len(spans) > 1:
            raise ValidationError("by", by, f"takes one of {' and '.join(spans)}")
        if top is not None and (not 1 <= abs(top) <= MAX_TOP or not by):
            raise ValidationError(
                "top",
                top,
                f"is 1 to {MAX_TOP}, or negative, and needs a dimension in by",
            )
        question = MetricsQuestion(
            metrics=_with_arithmetic(_known_metrics(metrics)),
            by=tuple(each.name for each in dimensions),
            time_period=time_period,
            stores=tuple(stores),
            compare=compare,
            filters=_filters(filters or {}),
            having=tuple(map(_threshold, having)),
            order_by=tuple(map(_order, order_by)),
            top=top,
            shares=shares,
            cover_days=cover_days,
            max_rows=max_rows,
            show_sql=show_sql,
            fresh=fresh,
        )
        _check_fit(question)
        return question

    def peek(
        self, question: MetricsQuestion, rls_user_id: str
    ) -> dict[str, Any] | None:
        """Return the kept answer to a question, or None; never waits for anything.

        Raises:
            ValidationError: As for `answer`.
            AuthorizationError: As for `answer`.
        """
        identity = self._provider.known_identity(rls_user_id)
        if identity is None or question.fresh:
            return None
        with reading() as read:
            visible = self._visible.peek(identity)
            if visible is None:
                return None
            asked = _meant(question, visible, identity)
            answer = self._cache.peek(self._key(asked, identity), _KIND)
        if answer is None:
            return None
        return self._shown(answer, question, read.as_of, cached=True)

    def answer(self, question: MetricsQuestion, rls_user_id: str) -> dict[str, Any]:
        """Return the figures.

        Args:
            question: As `check` returns it.
            rls_user_id: Who asks.

        Returns:
            JSON values: `period` and what it is `compared_with`, each as its first and
            its last day; `data_through`, the last day with orders; `stores`;
            `currency`; `unit`, in which units are counted; `cover_days` of a reorder;
            `columns`, `rows`, `row_count`, `total_rows` and `truncated`; `handle` of
            the rows past the end, while they are kept; `notes`; `spans`, the names of
            all spans of time, where some of them have no row; `sql` on request;
            `cached`; `as_of`, the time up to which the figures are complete, which is
            the oldest of all that was read. What says nothing is left out.

        Raises:
            ValidationError: A value, a column or the period is at fault.
            AuthorizationError: There is no such store, or the caller may not see it.
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        identity = self._provider.resolve_identity(rls_user_id, anew=question.fresh)
        with reading() as read:
            visible = self._visible.of(identity, fresh=question.fresh)
            asked = _meant(question, visible, identity)
            answer, cached = self._cache.obtain(
                self._key(asked, identity),
                partial(self._compute, asked, identity, read.as_of),
                fresh=question.fresh,
                kind=_KIND,
                sharing=Sharing(identity, dict[str, Any], _is_whole_elsewhere),
            )
        return self._shown(answer, question, read.as_of, cached=cached)

    def _shown(
        self,
        answer: Mapping[str, Any],
        question: MetricsQuestion,
        as_of: datetime | None,
        *,
        cached: bool,
    ) -> dict[str, Any]:
        """Return a kept answer without what says nothing, or holds no more."""
        shown = dict(answer)
        sql = shown.pop("sql", None)
        if shown.get("total_rows") == shown["row_count"]:
            del shown["total_rows"]
        for name in ("truncated", "notes", "spans"):
            if not shown.get(name):
                shown.pop(name, None)
        handle = shown.pop("handle", None)
        if handle is not None and self._kept_rows.holds(handle):
            shown["handle"] = handle
        if question.show_sql and sql is not None:
            shown["sql"] = sql
        return {**shown, "cached": cached, "as_of": told(as_of)}

    def _key(self, asked: _Asked, identity: Identity) -> str:
        question = asked.question
        return self._cache.key(
            "query_metrics",
            identity,
            [getattr(question, name) for name in _OF_THE_ANSWER],
            [store.store_id for store in asked.stores],
            _names_region(question, asked.visible),
            asked.today,
            asked.period.start,
            asked.period.end,
            asked.period.calendar,
        )

    def _compute(
        self, asked: _Asked, identity: Identity, as_of: datetime | None
    ) -> dict[str, Any]:
        """Return the answer to keep.

        Args:
            asked: What to answer.
            identity: Who asks.
            as_of: Of the stores and days that are asked for.
        """
        with reading() as so_far:
            note_as_of(as_of)
            return self._read(asked, identity, so_far)

    def _read(
        self, asked: _Asked, identity: Identity, so_far: Reading
    ) -> dict[str, Any]:
        question, visible = asked.question, asked.visible
        history = self._history(asked, identity)
        period = part_with_data(asked.period, asked.today, history)
        notes: list[str] = []
        head: dict[str, Any] = {
            "period": _bounds(period),
            "data_through": None if history.through is None else str(history.through),
            "stores": _named(asked.stores, visible),
            "currency": visible.currency,
        }
        is_empty = not all(METRICS[name].is_state for name in question.metrics)
        if is_empty:
            refuse_before_first_day(asked.period, history)
            is_empty = is_without_data(period, history)
        ended = shortened_by_data(asked.period, period, asked.today, history)
        if ended and _asks_of_days(question):
            notes.append(ended)
        if _has_stock(question):
            notes += _stock_notes(question, history, asked.stores)
        if not visible.is_chain and _names_region(question, visible):
            notes.append(PART_OF_REGION)
        sides = [] if is_empty else self._sides(asked, period, history, notes)
        days = days_of(
            period,
            sides,
            span_of(question.by),
            [_spans(each, asked) for each in question.filters if _is_span(each)],
        )
        query = MetricsQuery(
            metrics=question.metrics,
            by=question.by,
            sides=days.sides,
            labels=days.labels,
            store_ids=tuple(store.store_id for store in asked.stores),
            filters=tuple(
                self._resolved(each, identity, fresh=question.fresh)
                for each in _others(question)
            ),
            having=question.having,
            order=question.order_by,
            top=None if question.top is None else abs(question.top),
            is_bottom=(question.top or 0) < 0,
            has_shares=question.shares,
            unit=visible.main_unit,
            is_of_chain=visible.is_chain,
            week_starts_on=visible.calendar.week_starts_on,
            today=asked.today,
            cover_days=question.cover_days,
            knows_stock=history.stocked > 0,
        )
        names = columns(query)
        _check_columns(query, names)
        if is_empty or (not query.knows_stock and _is_of_stock_alone(question)):
            return {
                **head,
                "columns": list(names),
                "rows": [],
                "row_count": 0,
                "notes": notes,
            }
        composed = compose(query)
        queries = [composed]
        if "segment" in {*question.by, *(each[0] for each in question.filters)}:
            stores = {"store_ids": list(query.store_ids)}
            queries.append(Query(statement("segment_rules"), stores))
        more, more_bytes = self._kept_rows.allowance or (0, 0)
        read, *rules = self._provider.fetch_all(
            queries,
            identity,
            question.max_rows + more,
            self._max_result_bytes + more_bytes // _SIZE_IN_MEMORY,
            operation=_KIND,
        )
        result, handle = self._page(
            # The rows past the end are as old as the answer.
            replace(read, as_of=so_far.as_of or read.as_of),
            *(len(names), query, question.max_rows, identity),
        )
        # Behind the columns: of how many products the stock is unknown, and all rows.
        *unknown, total = read.rows[0][len(names) :] if read.rows else [0]
        if any(unknown):
            notes.append(_unknown_stock(*unknown))
        behind = history.behind(asked.stores, asked.period)
        if behind:
            head["data_through_of_stores"] = a_few(behind)
        notes += [note_of_rules(*found.rows[0]) for found in rules]
        notes += _misread(question, names, result.rows, visible)
        labels = days.labels_since(history.first or period.end)
        spans = _spans_with_gaps(question, names, labels, result)
        notes += _of_empty_spans(question, spans, result)
        if sides:
            head["compared_with"] = {name: _bounds(side) for name, side in sides}
        return {
            **head,
            **_units_of(question, visible),
            "columns": list(names),
            "rows": [list(row) for row in result.rows],
            "row_count": len(result.rows),
            "total_rows": total,
            "truncated": result.truncated,
            "handle": handle,
            "notes": notes,
            "spans": spans,
            "sql": written_out(composed),
        }

    def _page(
        self,
        read: ResultSet,
        width: int,
        query: MetricsQuery,
        max_rows: int,
        identity: Identity,
    ) -> tuple[ResultSet, str | None]:
        """Return the rows of the answer, and the handle of those past its end.

        Args:
            read: What was read; behind its first `width` columns it has sums.
            width: Columns of the answer.
            query: What was asked; an export runs it again.
            max_rows: Rows of the answer at most.
            identity: Who asks.
        """
        rest = LoadedRows(
            read.columns[:width],
            tuple(row[:width] for row in read.rows),
            read.truncated is None,
            _SIZE_IN_MEMORY * sum(map(len, read.row_texts)),
        )
        page = self._provider.page(
            rest, 0, max_rows, self._max_result_bytes, read.as_of
        )
        if page.truncated == "kept_rows":
            page = replace(page, truncated=read.truncated)
        if page.truncated is None or len(page.rows) >= len(read.rows):
            return page, None
        sql = written_out(compose(query, is_counted=False))
        kept = KeptResult(sql, identity, rest, read.as_of)
        return page, self._kept_rows.keep(kept, len(page.rows))

    def _history(self, asked: _Asked, identity: Identity) -> History:
        """Return since when and until when the stores have orders."""
        return read_history(
            self._provider,
            asked.stores,
            asked.period,
            asked.today,
            identity,
            operation=_KIND,
        )

    def _sides(
        self, asked: _Asked, period: Period, history: History, notes: list[str]
    ) -> list[tuple[str, Period]]:
        """Return what the period is fairly compared with."""
        question = asked.question
        sides = fair_sides(period, question.compare, asked.today, history, notes)
        if sides and all(METRICS[name].is_state for name in question.metrics):
            notes.append("stock and last days have no earlier figures to compare with")
            return []
        return sides

    def _resolved(
        self,
        each: tuple[str, tuple[Value, ...], bool],
        identity: Identity,
        *,
        fresh: bool,
    ) -> Filter:
        dimension, values, is_negated = each
        return self._values.filter(
            dimension, values, identity, is_negated=is_negated, fresh=fresh
        )


_OF_THE_ANSWER = (
    "metrics",
    "by",
    "time_period",
    "compare",
    "filters",
    "having",
    "order_by",
    "top",
    "shares",
    "cover_days",
    "max_rows",
)


def _check_texts(field: str, texts: Sequence[str]) -> None:
    """Refuse what would take long to look at."""
    if len(texts) > MAX_VALUES:
        raise ValidationError(field, len(texts), f"takes at most {MAX_VALUES} texts")
    if any(len(text) > MAX_TEXT for text in texts):
        raise ValidationError(field, texts, f"takes at most {MAX_TEXT} characters")


def _known_metrics(names: Sequence[str]) -> list[Metric]:
    if not 1 <= len(names) <= MAX_METRICS:
        raise ValidationError(
            "metrics", len(names), f"takes 1 to {MAX_METRICS} metrics"
        )
    found = []
    for given in names:
        name = _as_name(given)
        name = _BY_LABEL.get(name, name)
        if name not in METRICS:
            raise _unknown("metrics", "metric", given, near(given, METRICS))
        found.append(METRICS[name])
    return list(dict.fromkeys(found))


def _with_arithmetic(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """Return the names of metrics, then of those that their arithmetic is made of."""
    asked = [metric.name for metric in metrics]
    beside = [name for metric in metrics for name in metric.beside]
    return tuple(dict.fromkeys([*asked, *beside]))


def _has_stock(question: MetricsQuestion) -> bool:
    return any(MEASURES[each].is_of_stock for each in _measures_of(question))


def _asks_of_days(question: MetricsQuestion) -> bool:
    """Tell whether the period matters, or was chosen."""
    return question.time_period != DEFAULT_PERIOD or not all(
        METRICS[name].is_state for name in question.metrics
    )


def _is_of_stock_alone(question: MetricsQuestion) -> bool:
    return all(MEASURES[each].is_of_stock for each in _measures_of(question))


def _measures_of(question: MetricsQuestion) -> list[str]:
    return [each for name in question.metrics for each in METRICS[name].measures]


def _names_region(question: MetricsQuestion, visible: Visible) -> bool:
    """Tell whether a question is by region, or names one as a filter or a store."""
    used = {*question.by, *(name for name, _, _ in question.filters)}
    return "region" in used or any(
        means_region(name, visible.stores) for name in question.stores
    )


def _stock_notes(
    question: MetricsQuestion, history: History, stores: Sequence[Store]
) -> list[str]:
    """Return what is to be said of stores whose stock does not count."""
    notes = []
    if not history.stocked:
        notes.append("stock is not known: these stores have no inventory")
    elif history.stocked < len(stores) - len(history.closed):
        notes.append(f"of {len(stores)} stores the stock of {history.stocked} is known")
    closed = {
        store.name: history.closed[store.store_id]
        for store in stores
        if store.store_id in history.closed
    }
    if closed:
        listed = ", ".join(f"{name} ({day})" for name, day in a_few(closed).items())
        notes.append(f"stock of closed stores is left out: {listed}")
    used = {*question.by, *(name for name, _, _ in question.filters)}
    if history.stocked and "stock_status" in used:
        notes.append(
            "stock has no past: rates count days without stock too, so what ran out"
            " sells more than is shown"
        )
    return notes


def _unknown_stock(products: int) -> str:
    if products == 1:
        return "a product sold where its stock is not known"
    return f"{products:,} products sold where their stock is not known"


def _units_of(question: MetricsQuestion, visible: Visible) -> dict[str, Any]:
    """Return what quantities are counted in, and how long a reorder lasts."""
    found: dict[str, Any] = {}
    if _measured(question) and not {"product", "unit"} & set(question.by):
        found["unit"] = _filtered_unit(question) or visible.main_unit
    if _REORDERS & set(question.metrics):
        found["cover_days"] = question.cover_days
    return found


def _measured(question: MetricsQuestion) -> list[str]:
    """Return the metrics that count products in a unit of measure."""
    return [name for name in question.metrics if METRICS[name].unit == "measure"]


def _filtered_unit(question: MetricsQuestion) -> str | None:
    """Return the unit of measure that alone is asked for, if one is."""
    for name, values, is_negated in question.filters:
        if name == "unit" and len(values) == 1 and not is_negated:
            return str(values[0])
    return None


def _misread(
    question: MetricsQuestion,
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    visible: Visible,
) -> list[str]:
    """Return what keeps a reader from taking what is not counted for nothing."""
    notes = []

    def has(name: str, *values: object) -> bool:
        if name not in question.metrics:
            return False
        place = names.index(name)
        return any(row[place] in values for row in rows)

    used = {*question.by, *(name for name, _, _ in question.filters)}
    is_of_one = bool({"product", "unit"} & set(question.by)) or _filtered_unit(question)
    if not is_of_one and any(has(name, 0) for name in _measured(question)):
        notes.append(
            f"only products sold by the {visible.main_unit} are counted; by unit shows"
            " the others"
        )
    if has("gross_profit", 0) or has("gross_margin", None):
        notes.append("no cost is known where gross_profit is 0 or gross_margin empty")
    if "status" in used and "orders" in question.metrics:
        notes.append("orders are those sold; placed_orders has every status")
    unshared = [
        name
        for name in question.metrics
        if question.shares and f"{name}_share" not in names
    ]
    if unshared:
        notes.append(f"no shares of what does not add up: {', '.join(unshared)}")
    return notes


def _spans_with_gaps(
    question: MetricsQuestion,
    names: Sequence[str],
    labels: Sequence[str],
    result: ResultSet,
) -> list[str]:
    """Return the names of all spans of time, where some of them have no row.

    Args:
        question: What was asked.
        names: The columns.
        labels: The names of the spans that have data.
        result: The rows.
    """
    span = span_of(question.by)
    filtered = {name for name, _, _ in question.filters}
    # Then a span may lack a row although something was counted in it.
    is_cut = result.truncated or question.having or question.top is not None
    if span is None or is_cut or filtered & _PARTS_OF_TIME:
        return []
    place, first_figure = names.index(span), names.index(question.metrics[0])
    groups = {(*row[:place], *row[place + 1 : first_figure]) for row in result.rows}
    has_all = len(labels) * len(groups) == len(result.rows)
    return [] if has_all else list(labels)


def _of_empty_spans(
    question: MetricsQuestion, spans: Sequence[str], result: ResultSet
) -> list[str]:
    """Return what is to be said of spans of time without a row."""
    if not spans or len(question.by) > 1:
        return []
    unit = f"{question.by[0].replace('_', ' ')}s"
    empty = len(spans) - len(result.rows)
    return [f"{unit} without a row, as nothing was counted: {empty} of {len(spans)}"]


def _known_dimensions(field: str, names: Sequence[str]) -> list[Dimension]:
    found = []
    for given in names:
        name = _as_name(given)
        if name not in DIMENSIONS:
            raise _unknown(field, "dimension", given, near(given, DIMENSIONS))
        found.append(DIMENSIONS[name])
    return list(dict.fromkeys(found))


def _unknown(
    field: str, kind: str, given: str, found: Sequence[str]
) -> ValidationError:
    advice = f"near: {', '.join(found)}" if found else "list_metrics lists them"
    return ValidationError(field, given, f"there is no {kind} {given[:80]}; {advice}")


def _filters(
    given: Mapping[str, Any],
) -> tuple[tuple[str, tuple[Value, ...], bool], ...]:
    if len(given) > _MAX_FILTERS:
        raise ValidationError("filters", len(given), f"takes at most {_MAX_FILTERS}")
    found = []
    for key, value in given.items():
        is_negated = key.strip().casefold().startswith(_NOT)
        name = key.strip()[len(_NOT) :] if is_negated else key
        (dimension,) = _known_dimensions("filters", [name])
        values = value if isinstance(value, list) else [value]
        if not 1 <= len(values) <= MAX_VALUES or not all(
            isinstance(each, str | int | float)
            and 0 < len(str(each).strip()) <= MAX_TEXT
            for each in values
        ):
            raise ValidationError(
                "filters",
                value,
                f"{dimension.name} takes 1 to {MAX_VALUES} texts or numbers",
            )
        found.append((dimension.name, tuple(values), is_negated))
    return tuple(found)


def _threshold(text: str) -> Threshold:
    match = _THRESHOLD.fullmatch(text)
    if match is None:
        signs = " ".join(Comparison)
        raise ValidationError(
            "having",
            text,
            f"is a column, one of {signs} and a number, like revenue >= 1000",
        )
    return Threshold(match[1].casefold(), match[2], float(match[3]))


def _order(text: str) -> Order:
    """Read `-revenue`, `revenue desc` and `revenue`."""
    words = text.strip().casefold().split()
    name = words[0] if words else ""
    return Order(name.lstrip("-+"), name.startswith("-") or words[1:] == ["desc"])


def _check_fit(question: MetricsQuestion) -> None:
    """Refuse a metric that the dimensions do not fit."""
    used = [*question.by, *(name for name, _, _ in question.filters)]
    groups = frozenset(DIMENSIONS[name].group for name in used)
    spans = [name for name, _, _ in question.filters if DIMENSIONS[name].is_span]
    for name in question.metrics:
        metric = METRICS[name]
        if spans and "new_to_chain" in metric.measures:
            raise ValidationError(
                "filters",
                spans,
                f"{name} takes no filter on {spans[0]}: use time_period",
            )
        if all(source_of(measure, groups) for measure in metric.measures):
            continue
        own = dimensions_of(metric)
        lacking = [each for each in used if each not in own] or used
        is_filter = not set(lacking) & set(question.by)
        raise ValidationError(
            "filters" if is_filter else "by",
            lacking,
            f"{name} has no {' and no '.join(lacking)}; it has {', '.join(own)}",
        )


def _meant(question: MetricsQuestion, visible: Visible, identity: Identity) -> _Asked:
    """Return the question with its stores and its days.

    Raises:
        ValidationError: No store is left, several match a name, or the period is none.
        AuthorizationError: There is no such store, or the caller may not see it.
    """
    if not visible.is_chain and _HEAD_OFFICE & set(question.metrics):
        raise ValidationError(
            "metrics", question.metrics, "new to the chain is known to head office only"
        )
    stores = _stores_meant(question.stores, visible, identity)
    for name, values, is_negated in question.filters:
        if name in _PLACES:
            stores = _filtered(name, values, stores, visible, identity, is_negated)
    if not stores:
        raise ValidationError(
            "stores", question.stores, "no store is left of these filters"
        )
    today = visible.day_of(stores)
    period = parse_period(question.time_period, today, visible.calendar)
    return _Asked(question, tuple(stores), visible, today, period)


def _stores_meant(
    named: Sequence[str], visible: Visible, identity: Identity
) -> list[Store]:
    if not visible.stores:
        raise AuthorizationError("you see no store", str(identity.user_id))
    if not named or any(map(means_all, named)):
        return list(visible.stores)
    found: dict[UUID, Store] = {}
    for name in named:
        for store in stores_seen("stores", name.strip(), visible, identity):
            found[store.store_id] = store
    return [store for store in visible.stores if store.store_id in found]


def _filtered(
    dimension: str,
    values: Sequence[Value],
    stores: Sequence[Store],
    visible: Visible,
    identity: Identity,
    is_negated: bool,
) -> list[Store]:
    """Return the stores that a filter on places leaves."""
    wanted = {str(value).strip().casefold() for value in values}
    if dimension == "channel":
        channels = {"online": True, "true": True, "store": False, "false": False}
        if not wanted <= channels.keys():
            raise ValidationError("filters", values, "channel is store or online")
        kept = {
            s.store_id for s in stores if s.is_online in {channels[w] for w in wanted}
        }
    elif dimension == "region":
        regions = {(store.region or "").casefold() for store in visible.stores}
        for value in wanted - regions:
            known = sorted({store.region for store in visible.stores if store.region})
            raise ValidationError(
                "filters",
                value,
                f"there is no region {value[:80]}; near: {', '.join(known[:LISTED])}",
            )
        kept = {s.store_id for s in stores if (s.region or "").casefold() in wanted}
    else:
        named = [str(value) for value in values]
        kept = {store.store_id for store in _stores_meant(named, visible, identity)}
    return [store for store in stores if (store.store_id in kept) is not is_negated]


def _is_span(each: tuple[str, tuple[Value, ...], bool]) -> bool:
    return DIMENSIONS[each[0]].is_span


def _others(
    question: MetricsQuestion,
) -> list[tuple[str, tuple[Value, ...], bool]]:
    """Return the filters on neither places nor spans."""
    return [e for e in question.filters if e[0] not in _PLACES and not _is_span(e)]


def _spans(
    each: tuple[str, tuple[Value, ...], bool], asked: _Asked
) -> tuple[str, Callable[[Unit], bool]]:
    """Return which spans of a dimension a filter keeps."""
    dimension, values, is_negated = each
    wanted = [
        parse_period(str(value), asked.today, asked.visible.calendar)
        for value in values
    ]

    def is_kept(unit: Unit) -> bool:
        is_in = any(one.start <= unit.start < one.end for one in wanted)
        return is_in is not is_negated

    return dimension, is_kept


def _check_columns(query: MetricsQuery, names: Sequence[str]) -> None:
    numbers = names[len(names) - _figures_of(query, names) :]
    for threshold in query.having:
        if threshold.column not in numbers:
            raise _no_column("having", threshold.column, numbers)
    for order in query.order:
        if order.column not in names:
            raise _no_column("order_by", order.column, names)


def _figures_of(query: MetricsQuery, names: Sequence[str]) -> int:
    return len(names) - names.index(query.metrics[0])


def _no_column(field: str, column: str, names: Sequence[str]) -> ValidationError:
    return ValidationError(
        field, column, f"{column[:80]} is no column; there are {', '.join(names)}"
    )


def _bounds(period: Period) -> dict[str, str]:
    return {"first_day": str(period.start), "last_day": str(period.end - _DAY)}


def _named(stores: Sequence[Store], visible: Visible) -> str:
    """Say which stores figures are of."""
    if len(stores) <= 3:
        return ", ".join(store.name for store in stores)
    if len(stores) == len(visible.stores):
        return f"all {len(stores)} you see"
    return f"{len(stores)} of the {len(visible.stores)} you see"
