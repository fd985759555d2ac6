"""From a question about metrics to one SQL query, put together from metrics.sql."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import sql

from zava.data.metrics.registry import (
    DIMENSIONS,
    MEASURES,
    METRICS,
    Group,
    Metric,
    Source,
    source_of,
    terms,
)
from zava.data.statements import statement
from zava.data.transaction import Query

# For more spans it takes less to count the customers of the orders.
_MAX_COUNTS = 60
_OF_ONE_UNIT = frozenset(
    {"units", "stock_units", "stock_sold", "stock_sold_a_day", "units_to_reorder"}
)
# Those that depend on how many days a product can have sold on.
_RATES = frozenset(
    {"stock_sold_a_day", "stock_revenue_a_day", "units_to_reorder", "reorder_cost"}
)
# What did not sell in so many months before a period is new in it.
_MONTHS_BEFORE = 3
# Of the stock alone, without what sold.
_UNSOLD = frozenset(
    {
        "stock_units",
        "stock_value",
        "products_in_stock",
        "costed_products_in_stock",
        "out_of_stock_products",
        "days_since_last_sale",
    }
)
_LEVELS = {"category": 1, "category_2": 2, "category_3": 3, "category_4": 4}
_DIGITS = {"money": 2, "percent": 2, "ratio": 2, "days": 1}
_PLACES = ("store", "region", "channel")

_FACTS: Mapping[Source, str] = {
    "totals": "facts_totals",
    "products": "facts_products",
    "orders": "facts_orders",
    "lines": "facts_lines",
    "stock": "facts_stock",
    "last_orders": "facts_last_orders",
}
_BUYERS = {
    "customers": "buyers_customers",
    "new_customers": "buyers_new_customers",
    "repeat_customers": "buyers_repeat_customers",
    "customer_orders": "buyers_customer_orders",
}
# Others depend on the side, or on the level.
_KEYS = {
    "store": "dimension_store",
    "region": "dimension_region",
    "channel": "dimension_channel",
    "weekday": "dimension_weekday",
    "type": "dimension_type",
    "brand": "dimension_brand",
    "product": "dimension_product",
    "unit": "dimension_unit",
    "stock_status": "dimension_stock_status",
    "hour": "dimension_hour",
    "status": "dimension_status",
    "segment": "dimension_segment",
}
_LOOKUPS = {
    "store": "lookup_store",
    **dict.fromkeys(_LEVELS, "lookup_category"),
    "type": "lookup_type",
    "product": "lookup_product",
}
_VALUES = {
    "category": "values_category",
    "type": "values_type",
    "brand": "values_brand",
    "unit": "values_unit",
    "product": "values_product",
}

Comparison = {">": ">", ">=": ">=", "<": "<", "<=": "<=", "=": "=", "!=": "<>"}
"""What a threshold may say, and how SQL writes it."""


@dataclass(frozen=True, slots=True)
class Side:
    """The days of the period, or of a span that it is compared with.

    Attributes:
        name: "" for the period itself, else what ends the names of its columns.
        first_day: The first day.
        end_day: The day after the last one.
        starts: Where a span begins, ascending, the first at `first_day`.
        spans: The number of each of these, by which sides are set against each other;
            None for days that are not asked about.
    """

    name: str
    first_day: date
    end_day: date
    starts: tuple[date, ...]
    spans: tuple[int | None, ...]

    @property
    def has_gaps(self) -> bool:
        """Whether some of its days are not asked about."""
        return None in self.spans

    def whole_months(self) -> tuple[date, date]:
        """Return where the whole months begin and end that no span divides."""
        first, end = _month_from(self.first_day), self.end_day.replace(day=1)
        inside = (day for day in self.starts if first < day < end)
        if first >= end or any(day.day != 1 for day in inside):
            return self.end_day, self.end_day
        return first, end


@dataclass(frozen=True, slots=True)
class Filter:
    """The values of a dimension that count, or that do not.

    Attributes:
        dimension: Its name; of a place or a span it is none, see `MetricsQuery`.
        keys: Its keys, as metrics.sql has them.
        is_negated: Whether the others count.
    """

    dimension: str
    keys: tuple[Any, ...]
    is_negated: bool = False


class Threshold(NamedTuple):
    """What a column has to be; `comparison` is a key of `Comparison`."""

    column: str
    comparison: str
    value: float


class Order(NamedTuple):
    """A column to sort by."""

    column: str
    is_descending: bool


@dataclass(frozen=True, slots=True)
class MetricsQuery:
    """A question whose names and values were found to be right.

    Attributes:
        metrics: Names of metrics.
        by: Names of dimensions, at most one of them spans of days.
        sides: The period first.
        labels: What is shown for the spans, by their number.
        store_ids: The stores that are meant; filters on places are part of this.
        filters: On other dimensions; filters on spans are part of the sides.
        having: Rows have to pass all of them.
        order: Columns to sort by; the usual order for none.
        top: How many values of the last dimension each group of the others shows.
        is_bottom: Whether these are the lowest.
        has_shares: Whether figures that add up come with their share.
        unit: In which units of measure are counted.
        is_of_chain: Whether whoever asks sees all stores of the chain.
        week_starts_on: ISO weekday.
        today: The business day; stores that closed before it have no stock.
        cover_days: How many days a reorder is to last.
        knows_stock: Whether some stock of these stores is known.
    """

    metrics: tuple[str, ...]
    by: tuple[str, ...]
    sides: tuple[Side, ...]
    labels: tuple[str, ...]
    store_ids: tuple[UUID, ...]
    filters: tuple[Filter, ...] = ()
    having: tuple[Threshold, ...] = ()
    order: tuple[Order, ...] = ()
    top: int | None = None
    is_bottom: bool = False
    has_shares: bool = False
    unit: str = "piece"
    is_of_chain: bool = False
    week_starts_on: int = 1
    today: date = date.max
    cover_days: int = 1
    knows_stock: bool = True

    @property
    def groups(self) -> frozenset[Group]:
        """The groups of the dimensions that it groups and filters by."""
        named = (*self.by, *(each.dimension for each in self.filters))
        groups: set[Group] = {DIMENSIONS[name].group for name in named}
        if self.sides[0].has_gaps:
            groups.add("time")
        return frozenset(groups)


class _Column(NamedTuple):
    """A column of the answer, and how it is computed of a row of groups."""

    name: str
    figure: sql.Composable


def columns(query: MetricsQuery) -> tuple[str, ...]:
    """Return the names of the answer's columns."""
    return _Composer(query).column_names()


def compose(query: MetricsQuery, *, is_counted: bool = True) -> Query:
    """Return the SQL that answers a question, with its values as parameters.

    After the columns comes `unknown_stock` where stock is set against sales: how many
    products sold in the period have no known stock. The last one, `total_rows`, says
    how many rows there are in all.

    Args:
        query: The question.
        is_counted: With these columns; without them it has those of `columns` only.
    """
    composer = _Composer(query, is_counted)
    text = composer.answer().as_string()
    return Query(text, composer.parameters)


def values_of(kind: str, asked: Mapping[str, Any]) -> Query:
    """Return the SQL that lists the values of a dimension, with their keys."""
    tables = {name: _part(name) for name in ("tree", "category_names", "type_names")}
    return Query(_part(_VALUES[kind], **tables).as_string(), asked)


def written_out(query: Query) -> str:
    """Return the text of a query with its values in their places."""
    literals = {
        name: sql.Literal(value).as_string()
        for name, value in (query.parameters or {}).items()
    }
    return query.text % literals


def _part(name: str, /, **parts: sql.Composable) -> sql.Composed:
    return sql.SQL(statement(name)).format(**parts)


def _listed(parts: Iterable[sql.Composable], sign: str = ", ") -> sql.Composed:
    return sql.SQL(sign).join(parts)


_NOTHING = sql.SQL("")


@dataclass
class _Composer:
    query: MetricsQuery
    is_counted: bool = True
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        query = self.query
        self.metrics = [METRICS[name] for name in query.metrics]
        self.measures = tuple(
            dict.fromkeys(name for metric in self.metrics for name in metric.measures)
        )
        self.keys = [sql.Identifier(f"d{n}") for n in range(1, len(query.by) + 1)]
        self.has_spans = any(DIMENSIONS[name].is_span for name in query.by)
        self.parameters |= {
            "store_ids": list(query.store_ids),
            "unit": query.unit,
            "labels": list(query.labels),
            "week_starts_on": query.week_starts_on,
            "today": query.today,
            "cover_days": query.cover_days,
        }
        for number, side in enumerate(query.sides):
            self.parameters |= {
                f"first_day_{number}": side.first_day,
                f"end_day_{number}": side.end_day,
                f"starts_{number}": list(side.starts),
                f"spans_{number}": list(side.spans),
            }
        for number, each in enumerate(query.filters):
            self.parameters[f"keys_{number}"] = list(each.keys)

    # Which source each measure comes from, and its rows.

    def sources(self) -> dict[Source, list[str]]:
        chosen: dict[Source, list[str]] = {}
        from_orders = not self._can_count() or {
            "repeat_customers",
            "customer_orders",
        } & set(self.measures)
        for name in self.measures:
            source = source_of(name, self.query.groups)
            if source is None:
                raise ValueError(name)
            if (
                source == "counts"
                and from_orders
                and "buyers" in MEASURES[name].sources
            ):
                source = "buyers"
            chosen.setdefault(source, []).append(name)
        return chosen

    def _can_count(self) -> bool:
        """Whether the totals tell customers apart for less than the orders do.

        They do for single stores. For head office they also look who is new to the
        chain, which takes long where nobody asks for it.
        """
        query = self.query
        if "new_to_chain" in self.measures:
            return True
        if query.is_of_chain or (len(query.store_ids) > 1 and "store" not in query.by):
            return False
        spans = self._count_spans()
        if len({span[:2] for span in spans}) < len(spans):
            return False  # a span of several pieces
        return len(spans) * len(query.store_ids) <= _MAX_COUNTS

    def _count_spans(self) -> list[tuple[int, int, date, date]]:
        """Side, span, first day and end day of whatever customers are counted in."""
        found = []
        for number, side in enumerate(self.query.sides):
            ends = (*side.starts[1:], side.end_day)
            found += [
                (number, span, start, end)
                for span, start, end in zip(side.spans, side.starts, ends, strict=True)
                if span is not None
            ]
        return found

    def _rows(self, source: Source, measures: Sequence[str]) -> list[sql.Composed]:
        if source == "counts":
            return [self._counts(measures)]
        if source == "stock" and not self.query.knows_stock:
            return []
        sides = range(
            1 if source in ("stock", "last_orders") else len(self.query.sides)
        )
        if source == "buyers":
            return [self._buyers(number, measures) for number in sides]
        return [self._source(source, number, measures) for number in sides]

    def _source(
        self, source: Source, number: int, measures: Sequence[str]
    ) -> sql.Composed:
        keys = [self._key(name, number) for name in self.query.by]
        return _part(
            "source",
            side=sql.Literal(number),
            keys=self._named(keys),
            measures=self._measures(
                {name: self._aggregate(source, name) for name in measures}
            ),
            facts=self._facts(source, number),
            joins=self._joins(number),
            conditions=self._conditions(number),
            grouping=self._grouping(),
        )

    def _buyers(self, number: int, measures: Sequence[str]) -> sql.Composed:
        keys = [self._key(name, number) for name in self.query.by]
        source: Source = "lines" if "product" in self.query.groups else "orders"
        is_new: sql.Composable = _NOTHING
        if "new_customers" in measures:
            is_new = _part("some_is_new", is_new=self._is_new(number))
        return _part(
            "source_buyers",
            side=sql.Literal(number),
            keys=_listed([_NOTHING, *self.keys]),
            measures=self._measures({name: _part(_BUYERS[name]) for name in measures}),
            orders=self._aggregate(source, "orders"),
            inner_keys=self._named(keys),
            is_new=is_new,
            facts=self._facts(source, number),
            joins=self._joins(number, needs_first="new_customers" in measures),
            conditions=self._conditions(number, " AND "),
            inner_grouping=_listed([_NOTHING, *self.keys]),
            grouping=self._grouping(),
        )

    def _counts(self, measures: Sequence[str]) -> sql.Composed:
        spans = self._count_spans()
        names = ("count_sides", "count_buckets", "count_first_days", "count_end_days")
        values = zip(*spans, strict=True)
        self.parameters |= {n: list(v) for n, v in zip(names, values, strict=True)}
        places = [name for name in self.query.by if name in _PLACES]
        of_place = {name: self._key_of_place(name) for name in places}
        keys = [
            self.keys[n] if name in of_place else sql.SQL("w.bucket")
            for n, name in enumerate(self.query.by)
        ]
        is_one = len(self.query.store_ids) == 1 or "store" in places
        named = [
            sql.SQL("{} AS {}").format(of_place[name], self.keys[n])
            for n, name in enumerate(self.query.by)
            if name in of_place
        ]
        grouped = [
            self.keys[n] for n, name in enumerate(self.query.by) if name in of_place
        ]
        return _part(
            "source_counts",
            keys=self._named(keys),
            measures=self._measures(
                {n: sql.SQL("c.{}").format(sql.Identifier(n)) for n in measures}
            ),
            places=_part(
                "places",
                keys=_listed([_NOTHING, *named]),
                grouping=_grouped(grouped),
            ),
            function=_part("count_one_store" if is_one else "count_several_stores"),
        )

    def _key_of_place(self, name: str) -> sql.Composable:
        if name == "store":
            return sql.SQL("s.store_id")
        return _part(_KEYS[name])

    def _facts(self, source: Source, number: int) -> sql.Composed:
        first_day, end_day = self._bounds(number)
        parts: dict[str, sql.Composable] = {"first_day": first_day, "end_day": end_day}
        if source == "products":
            of_chain = self._may_be_of_chain()
            parts["parts"] = self._product_parts(number, of_chain=of_chain)
        if source == "stock":
            has_rates = bool(_RATES & set(self.measures))
            parts["first_sales"] = (
                sql.Identifier("first_sales") if has_rates else _part("no_days")
            )
            parts["sold"] = (
                sql.Identifier("sold") if self._has_sales() else _part("nothing_sold")
            )
            parts["sold_some_day"] = (
                sql.Identifier("sold_some_day")
                if "stock" in self.query.groups
                else _part("never_sold")
            )
            wanted = "days_since_last_sale" in self.measures
            name = "last_sales" if wanted else "no_days"
            parts["last_sales"] = _part(name, end_day=end_day)
        facts = _part(_FACTS[source], **parts)
        first_month, end_month = self._months(number)
        if source != "products" or first_month == end_month:
            return facts
        if not self._may_be_of_chain() or "product" in self._used():
            return facts
        kept = _part("facts_chain", **self._month_bounds(number))
        return _listed([kept, facts], "\nUNION ALL\n")

    def _used(self) -> set[str]:
        """The dimensions that it groups and filters by."""
        return {*self.query.by, *(each.dimension for each in self.query.filters)}

    def _may_be_of_chain(self) -> bool:
        """Whether what is kept of all stores together may have the answer."""
        query = self.query
        several = len(query.store_ids) > 1
        return query.is_of_chain and several and not self._used() & set(_PLACES)

    def _months(self, number: int) -> tuple[date, date]:
        """Return where the whole months of a side begin and end."""
        side = self.query.sides[number]
        if "weekday" in self._used():
            return side.end_day, side.end_day
        return side.whole_months()

    def _month_bounds(self, number: int) -> dict[str, sql.Composable]:
        return {
            "first_day": sql.Placeholder(f"first_month_{number}"),
            "end_day": sql.Placeholder(f"end_month_{number}"),
        }

    def _has_stock(self) -> bool:
        return self.query.knows_stock and "stock" in self.sources()

    def _has_sales(self) -> bool:
        """Whether what is said of the stock depends on what sold."""
        stock = set(self.sources().get("stock", ()))
        return "stock" in self.query.groups or not stock <= _UNSOLD

    def _stock_tables(self) -> list[sql.Composable]:
        """What the facts of stock are made of, and what says whose stock is unknown."""
        month = self.query.sides[0].first_day.replace(day=1)
        self.parameters["month_of_start"] = month
        for _ in range(_MONTHS_BEFORE):
            month = (month - timedelta(days=1)).replace(day=1)
        self.parameters["months_before"] = month
        first_day, end_day = self._bounds(0)
        tables: list[sql.Composable] = [
            _part("stock_stores", end_day=end_day),
            _part("known_stock"),
        ]
        if self._has_sales():
            revenue = "of_another_source"
            if "stock_revenue_a_day" in self.measures:
                revenue = "sold_revenue"
            parts = self._product_parts(0)
            tables.append(_part("sold", parts=parts, revenue=_part(revenue)))
        if "stock" in self.query.groups:
            tables.append(_part("sold_some_day", first_day=first_day, end_day=end_day))
        if _RATES & set(self.measures):
            tables.append(_part("perhaps_new"))
            tables.append(_part("first_sales", first_day=first_day))
        return tables

    def _row_counts(self) -> sql.Composable:
        if not self.is_counted:
            return _NOTHING
        return _part("row_counts", unknown_stock=self._unknown_stock())

    def _unknown_stock(self) -> sql.Composable:
        if not self._has_stock() or not self._has_sales():
            return _NOTHING
        others = [f for f in self.query.filters if f.dimension != "stock_status"]
        return _part(
            "unknown_stock",
            joins=self._joins(0, names={each.dimension for each in others}),
            conditions=self._conditions(0, without=("stock_status",)),
        )

    def _product_parts(self, number: int, *, of_chain: bool = False) -> sql.Composable:
        """The sales of a side, its whole months as months where no day is asked for."""
        side = self.query.sides[number]
        months = self._months(number)
        self.parameters |= {
            f"first_month_{number}": months[0],
            f"end_month_{number}": months[1],
        }
        first_day, end_day = self._bounds(number)
        if months[0] == months[1]:
            return _part("products_by_day", first_day=first_day, end_day=end_day)
        month_bounds = self._month_bounds(number)
        first_month, end_month = month_bounds["first_day"], month_bounds["end_day"]
        unless = _part("not_whole_chain") if of_chain else _NOTHING
        parts = [_part("products_by_month", **month_bounds, unless=unless)]
        if of_chain and "product" in self._used():
            parts.append(_part("products_of_chain", **month_bounds))
        if side.first_day < months[0]:
            parts.append(
                _part("products_by_day", first_day=first_day, end_day=first_month)
            )
        if months[1] < side.end_day:
            parts.append(_part("products_by_day", first_day=end_month, end_day=end_day))
        return _listed(parts, "\nUNION ALL\n")

    def _bounds(self, number: int) -> tuple[sql.Placeholder, sql.Placeholder]:
        return (
            sql.Placeholder(f"first_day_{number}"),
            sql.Placeholder(f"end_day_{number}"),
        )

    # Keys, joins and conditions of a source.

    def _key(self, name: str, number: int) -> sql.Composable:
        if DIMENSIONS[name].is_span:
            return self._span(number)
        if name == "new_or_returning":
            return _part("dimension_new_or_returning", is_new=self._is_new(number))
        if name in _LEVELS:
            return _part("dimension_category", level=sql.Literal(_LEVELS[name]))
        return _part(_KEYS[name])

    def _span(self, number: int) -> sql.Composed:
        return _part("dimension_span", **self._spans(number))

    def _spans(self, number: int) -> dict[str, sql.Composable]:
        return {
            "buckets": sql.Placeholder(f"spans_{number}"),
            "starts": sql.Placeholder(f"starts_{number}"),
        }

    def _is_new(self, number: int) -> sql.Composed:
        same_span: sql.Composable = _NOTHING
        if self.has_spans:
            same_span = _part("same_span", **self._spans(number))
        first_day, end_day = self._bounds(number)
        return _part(
            "is_new", first_day=first_day, end_day=end_day, same_span=same_span
        )

    def _joins(
        self,
        number: int,
        *,
        needs_first: bool = False,
        names: Collection[str] | None = None,
    ) -> sql.Composable:
        used = self._used()
        if names is not None:
            used = set(names)
        joins: list[sql.Composable] = []
        if used & {"region", "channel", "hour"}:
            joins.append(_part("join_stores"))
        if used & set(_LEVELS):
            joins.append(_part("join_tree"))
        if "segment" in self.query.by and names is None:
            joins.append(_part("join_segments", scope=_part("customer_scope")))
        if needs_first or "new_or_returning" in used:
            same = [
                sql.SQL(" AND b.{} IS NOT DISTINCT FROM {}").format(
                    _place(n), self._key(name, number)
                )
                for n, name in enumerate(self.query.by)
                if name in _PLACES
            ]
            joins.append(_part("join_first_purchases", places=_listed(same, "")))
        return _listed([_NOTHING, *joins], "\n")

    def _conditions(
        self, number: int, begin: str = "\nWHERE ", *, without: Collection[str] = ()
    ) -> sql.Composable:
        conditions = []
        if self.query.sides[number].has_gaps:
            conditions.append(_part("is_asked_about", key=self._span(number)))
        for n, each in enumerate(self.query.filters):
            if each.dimension in without:
                continue
            keys = sql.Placeholder(f"keys_{n}")
            if each.dimension == "segment" and "segment" not in self.query.by:
                condition = _part(
                    "in_segments", keys=keys, scope=_part("customer_scope")
                )
            else:
                key = self._key(each.dimension, number)
                condition = _part("is_one_of", key=key, keys=keys)
            if each.is_negated:
                condition = _part("is_none_of", condition=condition)
            conditions.append(condition)
        if not conditions:
            return _NOTHING
        return sql.SQL(begin) + _listed(conditions, " AND ")

    def _grouping(self) -> sql.Composable:
        return _grouped(self.keys)

    def _named(self, keys: Sequence[sql.Composable]) -> sql.Composed:
        named = [
            sql.SQL("{} AS {}").format(key, name)
            for key, name in zip(keys, self.keys, strict=True)
        ]
        return _listed([_NOTHING, *named])

    def _measures(self, own: dict[str, sql.Composed]) -> sql.Composed:
        """Every measure of the question, NULL where it comes from another source."""
        absent = _part("of_another_source")
        named = [
            sql.SQL("{} AS {}").format(own.get(name, absent), sql.Identifier(name))
            for name in self.measures
        ]
        return _listed([_NOTHING, *named])

    def _aggregate(self, source: Source, name: str) -> sql.Composed:
        measure = MEASURES[name]
        if source == "stock" and name in _OF_ONE_UNIT and not self._has_one_unit():
            return _part("sum_of_one_unit", measure=sql.Identifier(name))
        how = "sum_of"
        if measure.folds == "min":
            how = "least_of"
        elif measure.is_distinct:
            how = "count_once"
        elif measure.is_count and source in ("orders", "lines"):
            how = "count_of" if source == "orders" else "count_once"
        found = _part(how, measure=sql.Identifier(name))
        if name in _OF_ONE_UNIT and not self._has_one_unit():
            found += sql.SQL(" ") + _part("of_one_unit")
        return found

    def _has_one_unit(self) -> bool:
        """Whether what is added up has one unit of measure anyway."""
        if {"unit", "product"} & set(self.query.by):
            return True
        return any(
            each.dimension == "unit" and len(each.keys) == 1 and not each.is_negated
            for each in self.query.filters
        )

    # The answer from the rows of all sources.

    def answer(self) -> sql.Composed:
        query = self.query
        rows = [
            row
            for source, names in self.sources().items()
            for row in self._rows(source, names)
        ]
        lookups, shown = self._lookups()
        figures = [
            sql.SQL("{} AS {}").format(column.figure, sql.Identifier(column.name))
            for column in self._figures()
        ]
        return _part(
            "answer",
            tables=_listed(self._tables(), ", "),
            sources=_listed(rows, "\nUNION ALL\n"),
            keys=_listed([*self.keys, _NOTHING]) if self.keys else _NOTHING,
            figures=_listed(
                self._compared(name, n)
                for n in range(len(query.sides))
                for name in self.measures
            ),
            grouping=self._grouping(),
            shares=self._shares(),
            having=self._having(),
            folding=self._folding(),
            last=sql.Identifier("wanted" if query.top is None else "folded"),
            columns=_listed([*shown, *figures]),
            row_counts=self._row_counts(),
            lookups=_listed([_NOTHING, *lookups], "\n"),
            ordering=self._ordering(),
        )

    def _tables(self) -> list[sql.Composable]:
        used = self._used()
        tables: list[sql.Composable] = [_part("stores")]
        if self._may_be_of_chain() and "products" in self.sources():
            tables.append(_part("whole_chain"))
        if self._has_stock():
            tables += self._stock_tables()
        if used & set(_LEVELS):
            tables.append(_part("tree"))
        if set(self.query.by) & set(_LEVELS):
            tables.append(_part("category_names"))
        if "type" in self.query.by:
            tables.append(_part("type_names"))
        from_buyers = self.sources().get("buyers", ())
        needs_first = "new_customers" in from_buyers or "new_or_returning" in used
        if needs_first:
            tables.append(_part("customer_days"))
        if "segment" in used:
            tables.append(_part("segments"))
        if needs_first:
            places = [
                (_place(n), self._key_of_place(name))
                for n, name in enumerate(self.query.by)
                if name in _PLACES
            ]
            named = [sql.SQL("{} AS {}").format(key, name) for name, key in places]
            tables.append(
                _part(
                    "first_purchases",
                    keys=_listed([_NOTHING, *named]),
                    grouping=_listed([_NOTHING, *(name for name, _ in places)]),
                )
            )
        return tables

    def _compared(self, name: str, number: int) -> sql.Composed:
        figure = _part(
            "of_side", measure=sql.Identifier(name), side=sql.Literal(number)
        )
        if name == "new_to_chain":
            figure = _part("or_none_of_chain", figure=figure)
        elif MEASURES[name].folds != "min" and not MEASURES[name].is_of_stock:
            figure = _part("or_none", figure=figure)
        return sql.SQL("{} AS {}").format(figure, _of_side(name, number))

    def _figure(self, metric: Metric, number: int) -> sql.Composable:
        """A metric of a side, exact."""
        part = _formula(metric.part, number)
        if metric.whole is None:
            return part
        how = "percentage" if metric.is_percent else "ratio"
        return _part(how, part=part, whole=_formula(metric.whole, number))

    def _figures(self) -> list[_Column]:
        found = []
        for metric in self.metrics:
            now = self._figure(metric, 0)
            found.append(_Column(metric.name, _rounded(now, metric)))
            if self._has_share(metric):
                share = sql.SQL("a.{}").format(_share(metric))
                found.append(_Column(f"{metric.name}_share", _round(share, 2)))
            if metric.is_state:
                continue
            for number, side in enumerate(self.query.sides[1:], start=1):
                before = self._figure(metric, number)
                name = f"{metric.name}_{side.name}"
                found.append(_Column(name, _rounded(before, metric)))
                ending, how = "change", "change"
                if metric.is_percent:
                    ending, how = "points", "change_in_points"
                change = _part(how, now=now, before=before)
                found.append(_Column(f"{name}_{ending}", _round(change, 2)))
        return found

    def _shares(self) -> sql.Composable:
        if not self.query.has_shares:
            return _NOTHING
        before: sql.Composable = _NOTHING
        if len(self.keys) > 1:
            before = sql.SQL("PARTITION BY {}").format(_listed(self.keys[:-1]))
        named = [
            sql.SQL("{} AS {}").format(
                _part("share", figure=self._figure(metric, 0), before=before),
                _share(metric),
            )
            for metric in self.metrics
            if self._has_share(metric)
        ]
        return _listed([_NOTHING, *named])

    def _has_share(self, metric: Metric) -> bool:
        """Whether the shares of a metric are asked for, and add up to the whole."""
        if not self.query.has_shares or metric.whole is not None:
            return False
        return all(self._folds(name) == "sum" for name in metric.measures)

    def _folds(self, measure: str) -> str | None:
        """How a measure of several rows comes from theirs; None if it does not."""
        found = MEASURES[measure]
        if found.folds == "sum" and "segment" in self.query.by:
            return None  # a customer may be in several
        if found.is_count and "product" in self.query.groups:
            return None  # so may an order
        return found.folds

    def _having(self) -> sql.Composable:
        figures = {column.name: column.figure for column in self._figures()}
        conditions = []
        for n, threshold in enumerate(self.query.having):
            self.parameters[f"threshold_{n}"] = threshold.value
            conditions.append(
                sql.SQL("{} {} {}::numeric").format(
                    figures[threshold.column],
                    sql.SQL(Comparison[threshold.comparison]),
                    sql.Placeholder(f"threshold_{n}"),
                )
            )
        if not conditions:
            return _NOTHING
        return sql.SQL("\nWHERE ") + _listed(conditions, " AND ")

    def _folding(self) -> sql.Composable:
        query = self.query
        if query.top is None:
            return _NOTHING
        self.parameters["top"] = query.top
        *before, last = self.keys
        folds = []
        for number in range(len(query.sides)):
            for name in self.measures:
                column = _of_side(name, number)
                folds.append(_fold(self._folds(name), column))
        folds += [
            _fold("sum", _share(metric))
            for metric in self.metrics
            if self._has_share(metric)
        ]
        rank = self._rank()
        return _part(
            "folding",
            before=(
                sql.SQL("PARTITION BY {} ").format(_listed(before))
                if before
                else _NOTHING
            ),
            rank=rank,
            kept=_listed([*before, _NOTHING]) if before else _NOTHING,
            key=last,
            figures=_listed([_NOTHING, *folds]),
            grouping=_listed(sql.Literal(n) for n in range(1, len(before) + 3)),
        )

    def _rank(self) -> sql.Composed:
        order = self.query.order[0] if self.query.order else None
        name = order.column if order else self.query.metrics[0]
        figures = {column.name: column.figure for column in self._figures()}
        figure = figures.get(name, figures[self.query.metrics[0]])
        way = "ASC" if self.query.is_bottom else "DESC"
        return sql.SQL("{} {} NULLS LAST").format(figure, sql.SQL(way))

    def _lookups(self) -> tuple[list[sql.Composed], list[sql.Composed]]:
        """The joins that find the names of keys, and the columns with these."""
        joins, shown = [], []
        for n, (name, key) in enumerate(zip(self.query.by, self.keys, strict=True)):
            alias = sql.Identifier(f"n{n + 1}")
            found = _LOOKUPS.get(name)
            if found is not None:
                joins.append(_part(found, alias=alias, key=key))
            for column, part in self._shown(name):
                value: sql.Composable = _part(part, alias=alias, key=key)
                is_last = n + 1 == len(self.keys)
                if self.query.top is not None and is_last and column == name:
                    value = _part("rest", name=value)
                shown.append(sql.SQL("{} AS {}").format(value, sql.Identifier(column)))
        return joins, shown

    def _ordering(self) -> sql.Composable:
        if not self.keys:
            return _NOTHING
        parts: list[sql.Composable] = []
        names = self.column_names()
        for order in self.query.order:
            way = sql.SQL("DESC" if order.is_descending else "ASC")
            number = sql.Literal(names.index(order.column) + 1)
            parts.append(sql.SQL("{} {} NULLS LAST").format(number, way))
        *before, last = zip(self.query.by, self.keys, strict=True)
        if not self.query.order:
            parts += [self._usual(name, key) for name, key in before]
            parts.append(self._usual_last(*last))
        # So that equal rows have an order too.
        parts += [sql.SQL("{}").format(sql.SQL("a.") + key) for key in self.keys]
        return sql.SQL("\nORDER BY ") + _listed(parts)

    def _usual(self, name: str, key: sql.Identifier) -> sql.Composable:
        if name == "weekday":
            return _part("weekday_order", key=key)
        if DIMENSIONS[name].is_ordered:
            return sql.SQL("a.{}").format(key)
        return sql.Literal(self.column_names().index(name) + 1)

    def _usual_last(self, name: str, key: sql.Identifier) -> sql.Composable:
        is_rest = _NOTHING if self.query.top is None else sql.SQL("a.is_rest, ")
        if DIMENSIONS[name].is_ordered:
            return sql.SQL("{}{}").format(is_rest, self._usual(name, key))
        return sql.SQL("{}{}").format(is_rest, self._rank())

    def _shown(self, name: str) -> list[tuple[str, str]]:
        """The columns of a dimension, and the fragments that show them."""
        if name == "product":
            shown = [("sku", "shown_sku"), ("product", "shown_name")]
            if _OF_ONE_UNIT & set(self.measures) and "unit" not in self.query.by:
                shown.append(("unit", "shown_unit"))
            return shown
        if DIMENSIONS[name].is_span:
            return [(name, "shown_span")]
        if name == "weekday":
            return [(name, "shown_weekday")]
        return [(name, "shown_key" if _LOOKUPS.get(name) is None else "shown_name")]

    def column_names(self) -> tuple[str, ...]:
        """Dimensions first, then metrics."""
        dimensions = [
            column for name in self.query.by for column, _ in self._shown(name)
        ]
        return (*dimensions, *(column.name for column in self._figures()))


def _formula(formula: str, number: int) -> sql.Composable:
    """Measures of a side with their signs."""
    parts: list[sql.Composable] = []
    for sign, name in terms(formula):
        if parts or sign == "-":
            parts.append(sql.SQL(" - " if sign == "-" else " + "))
        parts.append(sql.SQL("a.{}").format(_of_side(name, number)))
    if len(parts) == 1:
        return parts[0]
    return sql.SQL("({})").format(_listed(parts, ""))


def _fold(folds: str | None, column: sql.Identifier) -> sql.Composed:
    """How a column of the rest comes from those of its members."""
    name = "folded_alone"
    if folds is not None:
        name = "folded_sum" if folds == "sum" else "folded_least"
    return _part(name, column=column)


def _rounded(figure: sql.Composable, metric: Metric) -> sql.Composable:
    if metric.unit == "measure":
        return _part("quantity", figure=figure)
    digits = (
        None
        if metric.whole is None and metric.unit == "days"
        else _DIGITS.get(metric.unit)
    )
    return figure if digits is None else _round(figure, digits)


def _round(figure: sql.Composable, digits: int) -> sql.Composed:
    return _part("rounded", figure=figure, digits=sql.Literal(digits))


def _grouped(keys: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL("\nGROUP BY ") + _listed(keys) if keys else _NOTHING


def _of_side(measure: str, number: int) -> sql.Identifier:
    return sql.Identifier(f"{measure}_{number}")


def _place(number: int) -> sql.Identifier:
    """Name the key of a place in a table that is joined: not as the row's own key."""
    return sql.Identifier(f"place{number + 1}")


def _share(metric: Metric) -> sql.Identifier:
    return sql.Identifier(f"share_of_{metric.name}")


def _month_from(day: date) -> date:
    """Return the first day of the first month that begins on a day or after it."""
    if day.day == 1:
        return day
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)
