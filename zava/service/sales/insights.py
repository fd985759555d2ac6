"""What stands out in the figures of stores; quiet where nothing does, or by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from zava.service.sales.performance_models import (
    CategoryRow,
    Insight,
    Side,
    StoreMetrics,
)

MAX_INSIGHTS = 8
# Changes among fewer orders, or the orders of fewer customers, are chance.
MIN_ORDERS = 20
MIN_BUYERS = 5
# An average of fewer days says nothing of the next one.
MIN_AVERAGED_DAYS = 7
REVENUE_MOVED_PERCENT = 5.0
# Quarters and years differ by less, months by more.
UNEVEN_SHARE = 0.025
# What sells on fewer of its days is not closed on the others.
OPEN_SHARE = 0.8
MARGIN_FELL_POINTS = 1.0
# Where the cost of another part of the revenue is known, margins do not compare.
COSTED_POINTS = 5.0
DISCOUNT_ROSE_POINTS = 1.0
CATEGORY_SHIFT_POINTS = 3.0
# The mix of fewer orders changes by chance.
CATEGORY_SHIFT_MIN_ORDERS = 500
MAX_NAMED = 3
LOW_STOCK_DAYS = 14
# What sold fewer units while the stock is looked at may have sold by chance.
MIN_STOCK_UNITS = 10
# So many days without a sale are news, of a store that sells on most days.
SILENT_DAYS = 7
# A store that sells on few days is silent after so many times its usual gap.
SILENT_GAPS = 5
# The usual gap is that of so many days before, with so many sales on them.
USUAL_DAYS = 90
MIN_USUAL_DAYS = 10
CUSTOMER_MIX_POINTS = 5.0
MIN_CUSTOMERS = 20
BEST_DAY_RATIO = 2.0
# Of more days the best one is an old story, and a long list to show it.
MAX_BEST_DAYS = 366
# One large order makes no best day: more orders than on other days do.
BEST_DAY_ORDERS_RATIO = 1.5
_DAY = timedelta(days=1)
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}


class Against(NamedTuple):
    """A figure next to that of another span."""

    side: Side
    now: float
    before: float
    change: float | None

    @property
    def label(self) -> str:
        """The days of the other span."""
        return self.side.label

    @property
    def points(self) -> float:
        """By how much it is higher now, without the noise of floats."""
        return round(self.now - self.before, 2)


def is_silent(gap: int, usual_days: int) -> bool:
    """Tell whether a store that has not sold for some days has stopped.

    Args:
        gap: Days without a sale.
        usual_days: On how many of the last `USUAL_DAYS` before it sold something.
    """
    if usual_days < MIN_USUAL_DAYS:
        return False
    return gap >= max(SILENT_DAYS, SILENT_GAPS * USUAL_DAYS / usual_days)


def generate_insights(metrics: StoreMetrics) -> tuple[Insight, ...]:
    """Return what stands out, the most important first."""
    nothing = no_sales(metrics)
    if nothing:
        return (nothing,)
    found = (rule(metrics) for rule in RULES)
    return tuple(insight for insight in found if insight)[:MAX_INSIGHTS]


def no_sales(metrics: StoreMetrics) -> Insight | None:
    """There is nothing to speak of: not loaded, not yet, or not sold."""
    past, period = metrics.past, metrics.period
    if metrics.figures:
        if metrics.figures["orders"].value:
            return None
        return _insight(
            metrics, f"There are no sales in {period.label}.", "revenue", "orders"
        )
    if past.through is None:
        whose = "The store has" if metrics.scope.is_one else "The stores have"
        text = f"{whose} never had an order."
    elif past.others_through is not None:
        text = _stopped(metrics)
    elif period.start > past.today:
        text = f"{period.label} is in the future. The data ends {past.through}."
    else:
        text = f"The data ends {past.through}: {period.label} is not loaded."
    return _insight(metrics, text, "days_since_last_order")


def silence(metrics: StoreMetrics) -> Insight | None:
    """Stores that used to sell have stopped."""
    past = metrics.past
    if past.has_stopped and past.through is not None:
        text = f"The data ends {past.through}: no sales are loaded since."
        if past.others_through is not None:
            text = _stopped(metrics)
        return _insight(metrics, text, "days_since_last_order")
    if not past.silent:
        return None
    named = past.silent[:MAX_NAMED]
    since = [f"{store.name} since {store.last + _DAY}" for store in named]
    others = len(past.silent) - len(named)
    more = f", and {others} more" if others else ""
    return _insight(
        metrics,
        f"No sales any more: {', '.join(since)}{more}.",
        "days_since_last_order",
        by=["store"],
        filters={"store": [store.name for store in past.silent[:MAX_NAMED]]},
    )


def _stopped(metrics: StoreMetrics) -> str:
    past = metrics.past
    last = past.through or date.min
    return (
        f"No sales since {last + _DAY}: the last day with sales is {last};"
        f" other stores have sales until {past.others_through}."
    )


def revenue_moved(metrics: StoreMetrics) -> Insight | None:
    """Revenue differs, by the day where spans have unequal lengths."""
    moves = [_moved(metrics, pair) for pair in against(metrics, "revenue")]
    if not any(abs(move.change) >= REVENUE_MOVED_PERCENT for move in moves):
        return None
    revenue, orders = metrics.figures["revenue"], metrics.figures["orders"]
    names = ["revenue", "orders"]
    if any(move.is_by_open_day for move in moves):
        names.append("revenue_per_open_day")
    return _insight(
        metrics,
        f"Revenue of {_money(revenue.value or 0, metrics.currency)} from"
        f" {_orders(orders.value)} is {' and '.join(move.text for move in moves)}.",
        *names,
        compare="both",
    )


class _Move(NamedTuple):
    """How revenue moved against a span, in percent and in words."""

    change: float
    text: str
    is_by_open_day: bool = False


def _moved(metrics: StoreMetrics, pair: Against) -> _Move:
    currency, side, figures = metrics.currency, pair.side, metrics.figures
    before = (
        f"{_money(pair.before, currency)} from"
        f" {_orders(figures['orders'].of(side.name))}"
    )
    if not is_uneven(metrics, side):
        change = pair.change or 0
        return _Move(change, f"{_direction(change)} on {pair.label} ({before})")
    days, days_before = metrics.period.days, side.days
    open_days = figures["open_days"]
    if (
        min((open_days.value or 0) / days, (open_days.of(side.name) or 0) / days_before)
        < OPEN_SHARE
    ):
        # Whoever sells on some days only is not closed on the others.
        now, then = pair.now / days, pair.before / days_before
        change = 100 * (now / then - 1) if then > 0 else 0
        return _Move(
            change,
            f"{_direction(change)} a day on {pair.label} ({before} in {days_before}"
            f" days, against {days})",
        )
    a_day = figures["revenue_per_open_day"]
    change = a_day.change(side.name) or 0
    return _Move(
        change,
        f"{_direction(change)} per day with sales on {pair.label}"
        f" ({_money(a_day.value or 0, currency)} against"
        f" {_money(a_day.of(side.name) or 0, currency)} a day)",
        is_by_open_day=True,
    )


def margin_fell(metrics: StoreMetrics) -> Insight | None:
    """Gross margin is lower than in one of the spans compared with."""
    costed = {pair.side.name: pair.points for pair in against(metrics, "costed_share")}
    pairs = [
        pair
        for pair in against(metrics, "gross_margin")
        if abs(costed.get(pair.side.name, 0)) <= COSTED_POINTS
    ]
    worst = min(pairs, key=lambda pair: pair.points, default=None)
    if worst is None or worst.points > -MARGIN_FELL_POINTS:
        return None
    return _insight(
        metrics,
        f"Gross margin fell to {worst.now:.2f}% from {worst.before:.2f}% in"
        f" {worst.label}.",
        "gross_margin",
        compare=worst.side.name,
    )


def discount_rose(metrics: StoreMetrics) -> Insight | None:
    """Discounts take more than in one of the spans compared with."""
    pairs = against(metrics, "discount_rate")
    worst = max(pairs, key=lambda pair: pair.points, default=None)
    if worst is None or worst.points < DISCOUNT_ROSE_POINTS:
        return None
    return _insight(
        metrics,
        f"Discounts rose to {worst.now:.2f}% of sales from {worst.before:.2f}% in"
        f" {worst.label}.",
        "discount_rate",
        compare=worst.side.name,
    )


def stock_runs_out(metrics: StoreMetrics) -> Insight | None:
    """Products that sell run out soon, at the pace of the days before."""
    rows = [row for row in _stock(metrics) if row.kind == "short"][:MAX_NAMED]
    if not rows or metrics.stock is None:
        return None
    is_one = metrics.scope.is_one
    days = metrics.stock.span.days
    parts = []
    for row in rows:
        where = "" if is_one else f" in {row.store_name}"
        if row.stock_level <= 0:
            parts.append(f"{row.name}{where} is sold out")
            continue
        cover = f"{row.stock_level * days / row.units:.1f}"
        level = _quantity(row.stock_level)
        parts.append(f"{row.name}{where} lasts {cover} days ({level} in stock)")
    return _insight(
        metrics,
        f"Stock runs out: {'; '.join(parts)}.",
        "days_of_cover",
        "stock_units",
        by=["product"] if is_one else ["store", "product"],
        time_period=metrics.stock.span.form,
        filters={"product": list(dict.fromkeys(row.sku for row in rows))},
    )


def stock_does_not_sell(metrics: StoreMetrics) -> Insight | None:
    """Products lie in stock of which nothing was sold."""
    rows = [row for row in _stock(metrics) if row.kind == "idle"]
    if not rows or metrics.stock is None:
        return None
    is_one = metrics.scope.is_one
    days = metrics.stock.span.days
    parts = []
    for row in rows[:MAX_NAMED]:
        worth = f"{_quantity(row.stock_level)} in stock"
        if row.stock_value is not None:
            worth = f"{_money(float(row.stock_value), metrics.currency)} at cost"
        where = "" if is_one else f" in {row.store_name}"
        parts.append(f"{row.name}{where} ({worth})")
    found = rows[0].found
    return _insight(
        metrics,
        f"Nothing was sold for {days} days of {found:,}"
        f" product{'s' if found > 1 else ''} in stock{'' if is_one else ' in a store'}:"
        f" {', '.join(parts)}"
        f"{', …' if found > len(parts) else ''}.",
        "stock_value",
        "stock_units",
        "sell_through",
        by=["product"] if is_one else ["store", "product"],
        time_period=metrics.stock.span.form,
        filters={"stock_status": ["not_selling"]},
        order_by=["-stock_value"],
    )


def category_shift(metrics: StoreMetrics) -> Insight | None:
    """A category's share of revenue changed, against a year before if there was one."""
    sides = {
        pair.side.name: pair.side
        for pair in against(metrics, "orders")
        if min(pair.now, pair.before) >= CATEGORY_SHIFT_MIN_ORDERS
    }
    for name in ("year_before", "previous"):
        if name in sides:
            return _category_shift(metrics, sides[name])
    return None


def _category_shift(metrics: StoreMetrics, side: Side) -> Insight | None:
    def before(row: CategoryRow) -> float:
        return row.revenue.of(side.name) or 0

    total = sum(before(row) for row in metrics.categories)
    pairs = {
        row.name or "What has no category": Against(
            side, row.share or 0, round(100 * before(row) / total, 2), None
        )
        for row in metrics.categories
        if total > 0
    }
    name = max(pairs, key=lambda name: abs(pairs[name].points), default="")
    if not name or abs(pairs[name].points) < CATEGORY_SHIFT_POINTS:
        return None
    verb = "grew" if pairs[name].points > 0 else "shrank"
    return _insight(
        metrics,
        f"{name} {verb} to {pairs[name].now:.2f}% of revenue from"
        f" {pairs[name].before:.2f}% in {side.label}.",
        "revenue",
        by=["category"],
        shares=True,
        compare=side.name,
    )


def fading_product(metrics: StoreMetrics) -> Insight | None:
    """Products lost much of their revenue, and nothing took their place."""
    previous = next(
        (s for s in against(metrics, "revenue") if s.side.name == "previous"), None
    )
    rows = metrics.fading[:MAX_NAMED]
    if previous is None or not rows:
        return None
    currency = metrics.currency
    fallen = [
        f"{row.name} from {_money(float(row.previous_revenue), currency)} to"
        f" {_money(float(row.revenue), currency)}"
        for row in rows
    ]
    return _insight(
        metrics,
        f"Fading against {previous.label}, as their types are: {'; '.join(fallen)}.",
        "revenue",
        by=["product"],
        filters={"product": [row.sku for row in rows]},
        compare="previous",
    )


def customer_mix(metrics: StoreMetrics) -> Insight | None:
    """The share of new customers changed; not where everybody was new a while ago."""
    new = {pair.side.name: pair for pair in against(metrics, "new_customers")}
    pairs = [
        (Against(pair.side, now, before, None), pair)
        for pair in against(metrics, "customers")
        if min(pair.now, pair.before) >= MIN_CUSTOMERS
        and pair.side.has_past
        and not is_uneven(metrics, pair.side)
        for now, before in [
            (
                100 * new[pair.side.name].now / pair.now,
                100 * new[pair.side.name].before / pair.before,
            )
        ]
    ]
    widest = max(pairs, key=lambda each: abs(each[0].points), default=None)
    if widest is None or abs(widest[0].points) < CUSTOMER_MIX_POINTS:
        return None
    share, customers = widest
    fresh = new[share.side.name]
    return _insight(
        metrics,
        f"{fresh.now:,} of {customers.now:,} customers were new ({share.now:.1f}%),"
        f" against {fresh.before:,} of {customers.before:,} ({share.before:.1f}%) in"
        f" {share.label}.",
        "new_customers",
        "customers",
        compare=share.side.name,
    )


def best_day(metrics: StoreMetrics) -> Insight | None:
    """One day stands far above the average one, by more orders too."""
    best, figures = metrics.best_day, metrics.figures
    days = figures["open_days"].value or 0
    orders = figures["orders"].value or 0
    average = figures["revenue_per_open_day"].value or 0
    if (
        best is None
        or days < MIN_AVERAGED_DAYS
        or metrics.period.days > MAX_BEST_DAYS
        or not _is_enough(figures["orders"].value, figures["customers"].value)
        or best.orders < max(MIN_BUYERS, BEST_DAY_ORDERS_RATIO * orders / days)
        or average <= 0
        or best.revenue < BEST_DAY_RATIO * average
    ):
        return None
    currency = metrics.currency
    return _insight(
        metrics,
        f"The best day was {best.start} with {_money(best.revenue, currency)} from"
        f" {_orders(best.orders)}, {best.revenue / average:.1f} times the average"
        f" ({_money(average, currency)}).",
        "revenue",
        "orders",
        by=["day"],
        order_by=["-revenue"],
        max_rows=metrics.period.days,
    )


RULES: tuple[Callable[[StoreMetrics], Insight | None], ...] = (
    silence,
    revenue_moved,
    stock_runs_out,
    margin_fell,
    discount_rose,
    category_shift,
    fading_product,
    stock_does_not_sell,
    customer_mix,
    best_day,
)
"""Every rule but `no_sales`, the most important first."""


def against(metrics: StoreMetrics, name: str) -> list[Against]:
    """Return a figure next to each span that it can be compared with.

    Not with a span that began before there was data, nor where either side has few
    orders, or the orders of few customers.
    """
    return list(_against(metrics, name))


def _against(metrics: StoreMetrics, name: str) -> Iterator[Against]:
    figures = metrics.figures
    figure = figures[name]
    orders, customers = figures["orders"], figures["customers"]
    for side in metrics.sides:
        before = figure.of(side.name)
        if (
            side.is_whole
            and figure.value is not None
            and before is not None
            and _is_enough(orders.value, customers.value)
            and _is_enough(orders.of(side.name), customers.of(side.name))
        ):
            yield Against(side, figure.value, before, figure.change(side.name))


def _is_enough(orders: float | None, customers: float | None) -> bool:
    """Whether so many sales are no chance; without customers all are anonymous."""
    buyers = customers or 0
    return (orders or 0) >= MIN_ORDERS and (buyers == 0 or buyers >= MIN_BUYERS)


def is_uneven(metrics: StoreMetrics, side: Side) -> bool:
    """Tell whether a span is so much longer or shorter that its sums do not compare."""
    days = metrics.period.days
    return abs(side.days - days) > UNEVEN_SHARE * days


def _stock(metrics: StoreMetrics) -> Sequence[Any]:
    return () if metrics.stock is None else metrics.stock.rows


def _insight(metrics: StoreMetrics, text: str, *names: str, **how: Any) -> Insight:
    arguments: dict[str, Any] = {
        "metrics": list(names),
        "time_period": metrics.period_name,
        **how,
    }
    stores = list(metrics.scope.asked)
    if stores:
        arguments["stores"] = stores
    return Insight(text=text, query_metrics=arguments)


def _direction(percent: float) -> str:
    change = round(percent, 1)
    if not change:
        return "unchanged"
    return f"{'up' if change > 0 else 'down'} {abs(change):.1f}%"


def _orders(count: float | None) -> str:
    return f"{count or 0:,} order{'' if count == 1 else 's'}"


def _quantity(amount: Any) -> str:
    return f"{amount.normalize():,f}"


def _money(amount: float, currency: str) -> str:
    size = abs(amount)
    figure = f"{size:,.0f}" if size >= 100 else f"{size:,.2f}"
    symbol = _SYMBOLS.get(currency, f"{currency} ")
    return f"{'-' if amount < 0 else ''}{symbol}{figure}"
