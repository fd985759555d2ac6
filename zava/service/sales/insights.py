"""What stands out in a store's figures; quiet where nothing does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from zava.service.sales.comparability import (
    Against,
    against,
    days_so_far,
    is_unfinished,
    label,
)
from zava.service.sales.performance_models import CategoryRow, StoreMetrics, Unit

MAX_INSIGHTS = 8
# An average of fewer days says nothing of the next one.
MIN_AVERAGED_DAYS = 7
REVENUE_MOVED_PERCENT = 5.0
MARGIN_FELL_POINTS = 1.0
DISCOUNT_ROSE_POINTS = 1.0
CATEGORY_SHIFT_POINTS = 3.0
# The mix of fewer orders changes by chance.
CATEGORY_SHIFT_MIN_ORDERS = 500
FADING_PRODUCT_PERCENT = 30.0
MAX_FADING_NAMED = 3
LOW_STOCK_DAYS = 14.0
# Stock is known as of now, so it says nothing of a period that ended earlier.
STOCK_IS_CURRENT = timedelta(days=31)
CUSTOMER_MIX_POINTS = 5.0
MIN_CUSTOMERS = 20
BEST_DAY_RATIO = 2.0
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}


def generate_insights(metrics: StoreMetrics) -> tuple[str, ...]:
    """Return what stands out, as sentences, the most important first."""
    nothing = no_sales(metrics)
    if nothing:
        return (nothing,)
    sentences = (rule(metrics) for rule in RULES)
    return tuple(sentence for sentence in sentences if sentence)[:MAX_INSIGHTS]


def no_sales(metrics: StoreMetrics) -> str | None:
    """There is nothing to speak of."""
    if metrics.orders.value:
        return None
    period = label(metrics.period)
    if metrics.orders.value == 0:
        return f"There are no sales in {period}."
    if metrics.first_order is None:
        return "There are no sales: the store has never had an order."
    if metrics.period.start > metrics.now.today:
        return f"There are no sales: {period} is in the future."
    return (
        f"There are no sales: {period} lies before the store's first order"
        f" on {metrics.first_order}."
    )


def unfinished_period(metrics: StoreMetrics) -> str | None:
    """Warn that totals of a part are not comparable with those of a whole."""
    if not is_unfinished(metrics) or not against(metrics, metrics.revenue):
        return None
    return (
        f"Only {metrics.elapsed.value:.1f}% of {label(metrics.period)} was over at"
        f" {metrics.now.as_of:%Y-%m-%d %H:%M} UTC, so its totals do not compare yet"
        " with those of whole periods."
    )


def revenue_moved(metrics: StoreMetrics) -> str | None:
    """Revenue differs from one of the spans compared with."""
    pairs = [pair for pair in against(metrics, metrics.revenue) if pair.change]
    if is_unfinished(metrics) or not any(
        abs(pair.change or 0) >= REVENUE_MOVED_PERCENT for pair in pairs
    ):
        return None
    currency = metrics.revenue.unit
    orders = {pair.label: pair.before for pair in against(metrics, metrics.orders)}
    parts = [
        f"{_direction(pair)} on {pair.label} ({_money(pair.before, currency)} from"
        f" {_orders(orders[pair.label])})"
        for pair in pairs
    ]
    return (
        f"Revenue of {_money(pairs[0].now, currency)} from"
        f" {_orders(metrics.orders.value)} is {' and '.join(parts)}."
    )


def margin_fell(metrics: StoreMetrics) -> str | None:
    """Gross margin is lower than in one of the spans compared with."""
    pairs = against(metrics, metrics.gross_margin)
    worst = min(pairs, key=lambda pair: pair.points, default=None)
    if worst is None or worst.points > -MARGIN_FELL_POINTS:
        return None
    now, before = worst.now, worst.before
    return f"Gross margin fell to {now:.1f}% from {before:.1f}% in {worst.label}."


def discount_rose(metrics: StoreMetrics) -> str | None:
    """Discounts take more than in one of the spans compared with."""
    pairs = against(metrics, metrics.discount_rate)
    worst = max(pairs, key=lambda pair: pair.points, default=None)
    if worst is None or worst.points < DISCOUNT_ROSE_POINTS:
        return None
    return (
        f"Discounts rose to {worst.now:.1f}% of sales from {worst.before:.1f}%"
        f" in {worst.label}."
    )


def low_stock_cover(metrics: StoreMetrics) -> str | None:
    """Best sellers run out soon at the pace of the period."""
    if (
        metrics.period.end < metrics.now.today - STOCK_IS_CURRENT
        or days_so_far(metrics) < MIN_AVERAGED_DAYS
    ):
        return None
    short = [
        f"{row.name} lasts {row.days:.1f} days ({row.stock_level:,} on hand,"
        f" {row.daily_units:.1f} sold a day)"
        for row in metrics.stock_cover.rows
        if row.days is not None and row.days < LOW_STOCK_DAYS
    ]
    return f"Stock of best sellers is low: {'; '.join(short)}." if short else None


def category_shift(metrics: StoreMetrics) -> str | None:
    """A category's share of revenue changed, against a year before if there was one."""
    spans = (
        (metrics.compared_with.year_before, lambda row: row.year_before_revenue),
        (metrics.compared_with.previous, lambda row: row.previous_revenue),
    )
    labels = {
        pair.label
        for pair in against(metrics, metrics.orders)
        if min(pair.now, pair.before) >= CATEGORY_SHIFT_MIN_ORDERS
    }
    for bounds, revenue_of in spans:
        if bounds is not None and label(bounds) in labels:
            return _category_shift(metrics, label(bounds), revenue_of)
    return None


def _category_shift(
    metrics: StoreMetrics,
    span: str,
    revenue_of: Callable[[CategoryRow], float | None],
) -> str | None:
    rows = metrics.categories.rows
    total = sum(revenue_of(row) or 0 for row in rows)
    pairs = {
        row.name or "What has no category": Against(
            span, row.share_percent or 0, 100 * (revenue_of(row) or 0) / total, None
        )
        for row in rows
        if total
    }
    name = max(pairs, key=lambda name: abs(pairs[name].points), default="")
    if not name or abs(pairs[name].points) < CATEGORY_SHIFT_POINTS:
        return None
    verb = "grew" if pairs[name].points > 0 else "shrank"
    return (
        f"{name} {verb} to {pairs[name].now:.1f}% of revenue from"
        f" {pairs[name].before:.1f}% in {span}."
    )


def fading_product(metrics: StoreMetrics) -> str | None:
    """Products lost much of their revenue."""
    before = label(metrics.compared_with.previous)
    labels = {pair.label for pair in against(metrics, metrics.revenue)}
    if is_unfinished(metrics) or before not in labels:
        return None
    currency = metrics.revenue.unit
    fallen = [
        f"{row.name} from {_money(row.previous_revenue, currency)} to"
        f" {_money(row.revenue, currency)}"
        f" ({row.change_percent:.1f}%)"
        for row in metrics.fading_products.rows
        if row.change_percent is not None
        and row.change_percent <= -FADING_PRODUCT_PERCENT
    ]
    if not fallen:
        return None
    return f"Fading against {before}: {'; '.join(fallen[:MAX_FADING_NAMED])}."


def customer_mix(metrics: StoreMetrics) -> str | None:
    """The share of new customers changed."""
    if is_unfinished(metrics):
        return None
    new = {pair.label: pair for pair in against(metrics, metrics.new_customers)}
    pairs = [
        Against(
            pair.label,
            100 * new[pair.label].now / pair.now,
            100 * new[pair.label].before / pair.before,
            None,
        )
        for pair in against(metrics, metrics.unique_customers)
        if min(pair.now, pair.before) >= MIN_CUSTOMERS
    ]
    widest = max(pairs, key=lambda pair: abs(pair.points), default=None)
    if widest is None or abs(widest.points) < CUSTOMER_MIX_POINTS:
        return None
    to_chain = metrics.new_to_chain
    of_them = "" if to_chain is None else f" ({to_chain.value:,} new to the chain)"
    return (
        f"Customers new to the store{of_them} were {widest.now:.1f}% of the"
        f" {metrics.unique_customers.value:,} who bought, against"
        f" {widest.before:.1f}% in {widest.label}."
    )


def best_day(metrics: StoreMetrics) -> str | None:
    """One day stands far above the average one."""
    days, best = days_so_far(metrics), metrics.best_day
    if best.value is None or not metrics.revenue.value or days < MIN_AVERAGED_DAYS:
        return None
    average = metrics.revenue.value / days
    if best.value < BEST_DAY_RATIO * average:
        return None
    currency = metrics.revenue.unit
    return (
        f"The best day was {best.day} with {_money(best.value, currency)} from"
        f" {_orders(best.orders)}, {best.value / average:.1f} times the average day"
        f" ({_money(average, currency)})."
    )


RULES: tuple[Callable[[StoreMetrics], str | None], ...] = (
    unfinished_period,
    revenue_moved,
    low_stock_cover,
    margin_fell,
    discount_rose,
    category_shift,
    fading_product,
    customer_mix,
    best_day,
)
"""Every rule but `no_sales`, the most important first."""


def _direction(pair: Against) -> str:
    change = pair.change or 0
    return f"{'up' if change > 0 else 'down'} {abs(change):.1f}%"


def _orders(count: float | None) -> str:
    return f"{count or 0:,} order{'' if count == 1 else 's'}"


def _money(amount: float, currency: Unit) -> str:
    size = abs(amount)
    figure = f"{size:,.0f}" if size >= 100 else f"{size:,.2f}"
    symbol = _SYMBOLS.get(currency, f"{currency} ")
    return f"{'-' if amount < 0 else ''}{symbol}{figure}"
