"""The metrics and dimensions of a chain, each defined once.

`get_store_performance`, `query_metrics`, `list_metrics` and docs/metrics.md are made
from these tables. A metric is a sum of measures, or the ratio of two such sums. A
measure is what one of the sources in metrics.sql adds up or counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias, get_args

Number: TypeAlias = Decimal | int
Adds = Literal["sum", "ratio of sums", "distinct count", "last state"]
Unit = Literal[
    "money",
    "percent",
    "ratio",
    "measure",
    "orders",
    "returns",
    "customers",
    "products",
    "days",
]
"""What a figure counts: money in the chain's currency, a measure of products, …"""

Group = Literal["place", "time", "weekday", "product", "order", "stock"]
"""Dimensions that are available together."""

Source = Literal[
    "totals", "products", "orders", "lines", "counts", "buyers", "stock", "last_orders"
]

GROUPS_OF: Mapping[Source, frozenset[Group]] = {
    "totals": frozenset({"place", "time", "weekday"}),
    "products": frozenset({"place", "time", "weekday", "product"}),
    "orders": frozenset({"place", "time", "weekday", "order"}),
    "lines": frozenset({"place", "time", "weekday", "product", "order"}),
    "counts": frozenset({"place", "time"}),
    "buyers": frozenset({"place", "time", "weekday", "product", "order"}),
    "stock": frozenset({"place", "product", "stock"}),
    "last_orders": frozenset({"place"}),
}
"""By which dimensions each source of metrics.sql can be grouped and filtered."""

_TERM = re.compile(r"([+-]?)\s*(\w+)")


@dataclass(frozen=True, slots=True)
class Measure:
    """What a source adds up or counts.

    Attributes:
        sources: Where it comes from, the cheapest first.
        folds: How the figure of several groups comes from theirs; None where it does
            not, since a customer or an order may be in several groups.
        is_count: Whether rows of orders are counted, each order once.
        is_distinct: Whether different values are counted, whatever the source.
    """

    sources: tuple[Source, ...]
    folds: Literal["sum", "min"] | None = "sum"
    is_count: bool = False
    is_distinct: bool = False

    @property
    def is_of_stock(self) -> bool:
        """Whether it is not known, which is not 0, where the stock is not known."""
        return self.sources == ("stock",)


_ORDERS: tuple[Source, ...] = ("totals", "orders", "lines")
_ITEMS: tuple[Source, ...] = ("products", "lines")

MEASURES: Mapping[str, Measure] = {
    "revenue": Measure(("totals", "products", "orders", "lines")),
    "line_revenue": Measure(_ITEMS),
    "units": Measure(_ITEMS),
    "discount": Measure(_ITEMS),
    "costed_revenue": Measure(_ITEMS),
    "cost": Measure(_ITEMS),
    "orders": Measure(_ORDERS, is_count=True),
    "cancelled_orders": Measure(_ORDERS, is_count=True),
    "returned_orders": Measure(_ORDERS, is_count=True),
    "returns": Measure(_ORDERS, is_count=True),
    "returned_amount": Measure(_ORDERS),
    "open_days": Measure(_ORDERS, folds=None, is_distinct=True),
    "customers": Measure(("counts", "buyers"), folds=None),
    "new_customers": Measure(("counts", "buyers"), folds=None),
    "new_to_chain": Measure(("counts",), folds=None),
    "repeat_customers": Measure(("buyers",), folds=None),
    "customer_orders": Measure(("buyers",), folds=None),
    "stock_units": Measure(("stock",)),
    "stock_value": Measure(("stock",)),
    "products_in_stock": Measure(("stock",)),
    "costed_products_in_stock": Measure(("stock",)),
    "out_of_stock_products": Measure(("stock",)),
    "stock_sold": Measure(("stock",)),
    "stock_sold_a_day": Measure(("stock",)),
    "stock_revenue_a_day": Measure(("stock",)),
    "units_to_reorder": Measure(("stock",)),
    "reorder_cost": Measure(("stock",)),
    "days_since_last_sale": Measure(("stock",), folds="min"),
    "days_since_last_order": Measure(("last_orders",), folds="min"),
}
"""The measures; metrics.sql has a column of each name in each of its sources."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that the chain stands by.

    Attributes:
        name: What a caller asks for.
        label: For people to read.
        unit: What it counts.
        definition: One sentence.
        part: Measures with signs between them, such as `costed_revenue - cost`.
        whole: The same, by which `part` is divided; None for no ratio.
        adds: How figures of several groups become one.
        words: What else people call it.
        beside: Metrics that are shown with it, so that its arithmetic can be followed.
    """

    name: str
    label: str
    unit: Unit
    definition: str
    part: str
    whole: str | None = None
    adds: Adds = "sum"
    words: str = ""
    beside: tuple[str, ...] = ()

    @property
    def is_percent(self) -> bool:
        """Whether the ratio is given in percent."""
        return self.unit == "percent"

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that it is made of."""
        names = [name for _, name in (*terms(self.part), *terms(self.whole or ""))]
        return tuple(dict.fromkeys(names))

    @property
    def groups(self) -> frozenset[Group]:
        """The groups of dimensions that each of its measures has a source for."""
        return frozenset(
            group
            for group in get_args(Group)
            if all(source_of(name, frozenset({group})) for name in self.measures)
        )

    @property
    def is_state(self) -> bool:
        """Whether it says how things are now, so that it has no earlier value."""
        return "time" not in self.groups

    def value(self, sums: Mapping[str, Number]) -> Number | None:
        """Return the exact figure that sums of measures make.

        Args:
            sums: Each measure's sum, by its name.

        Returns:
            The figure, in percent where that is its unit; None for a ratio to zero.
        """
        part = _added(self.part, sums)
        if self.whole is None:
            return part
        whole = _added(self.whole, sums)
        if not whole:
            return None
        return Decimal(100 * part if self.is_percent else part) / Decimal(whole)


def terms(formula: str) -> Iterator[tuple[str, str]]:
    """Yield sign and name of each measure of a formula."""
    for sign, name in _TERM.findall(formula):
        yield ("-" if sign == "-" else "+"), name


def _added(formula: str, sums: Mapping[str, Number]) -> Number:
    total: Number = 0
    for sign, name in terms(formula):
        total = total - sums[name] if sign == "-" else total + sums[name]
    return total


_ALL_METRICS = (
    Metric(
        "revenue",
        label="Revenue",
        unit="money",
        definition=(
            "Total of orders neither cancelled nor returned, less returns; by"
            " product, of their lines."
        ),
        part="revenue",
        words="sales turnover takings income money sold amount net",
    ),
    Metric(
        "orders",
        label="Orders",
        unit="orders",
        definition=(
            "Orders neither cancelled nor returned, returns left out; by product,"
            " orders that hold it."
        ),
        part="orders",
        adds="distinct count",
        words="transactions baskets tickets receipts purchases count traffic",
    ),
    Metric(
        "average_order_value",
        label="Average order value",
        unit="money",
        definition="Revenue per order.",
        part="revenue",
        whole="orders",
        adds="ratio of sums",
        words="aov basket size value average ticket spend transaction",
    ),
    Metric(
        "open_days",
        label="Days with sales",
        unit="days",
        definition=(
            "Days with an order that counts, in any of the stores of a figure; by"
            " product, with one that holds it."
        ),
        part="open_days",
        adds="distinct count",
        words="open trading business days closed",
    ),
    Metric(
        "revenue_per_open_day",
        label="Revenue per day with sales",
        unit="money",
        definition="Revenue per day with sales; compares months of unequal length.",
        part="revenue",
        whole="open_days",
        adds="ratio of sums",
        words="daily average sales per day trading open",
    ),
    Metric(
        "units",
        label="Units",
        unit="measure",
        definition=(
            "Units sold, less what came back: of one unit of measure, pieces unless"
            " unit or product says otherwise."
        ),
        part="units",
        words="quantity volume pieces items sold weight",
    ),
    Metric(
        "units_per_order",
        label="Units per order",
        unit="ratio",
        definition="Units per order.",
        part="units",
        whole="orders",
        adds="ratio of sums",
        words="upt items per basket transaction basket size",
    ),
    Metric(
        "discount",
        label="Discount",
        unit="money",
        definition="Price reductions and the chain's own coupons.",
        part="discount",
        words="markdown promotion coupons rebate reduction given away",
    ),
    Metric(
        "discount_rate",
        label="Discount rate",
        unit="percent",
        definition="Discounts as a share of the sales before them.",
        part="discount",
        whole="line_revenue + discount",
        adds="ratio of sums",
        words="markdown promotion share coupons",
    ),
    Metric(
        "gross_profit",
        label="Gross profit",
        unit="money",
        definition="Revenue less cost, where the cost is known.",
        part="costed_revenue - cost",
        words="margin earnings profit contribution",
    ),
    Metric(
        "gross_margin",
        label="Gross margin",
        unit="percent",
        definition="Revenue less cost, as a share of revenue, where the cost is known.",
        part="costed_revenue - cost",
        whole="costed_revenue",
        adds="ratio of sums",
        words="profit profitability markup percent",
    ),
    Metric(
        "costed_share",
        label="Share with known cost",
        unit="percent",
        definition="Share of revenue from products whose cost is known.",
        part="costed_revenue",
        whole="line_revenue",
        adds="ratio of sums",
        words="margin coverage cost known unknown",
    ),
    Metric(
        "placed_orders",
        label="Orders placed",
        unit="orders",
        definition="Orders whatever became of them; returns are none.",
        part="orders + cancelled_orders + returned_orders",
        adds="distinct count",
        words="all gross orders",
    ),
    Metric(
        "cancelled_orders",
        label="Cancelled orders",
        unit="orders",
        definition="Cancelled orders.",
        part="cancelled_orders",
        adds="distinct count",
        words="cancellations canceled",
    ),
    Metric(
        "cancelled_share",
        label="Cancellation rate",
        unit="percent",
        definition="Cancelled orders as a share of all that were placed.",
        part="cancelled_orders",
        whole="orders + cancelled_orders + returned_orders",
        adds="ratio of sums",
        words="cancellation rate canceled",
    ),
    Metric(
        "returned_orders",
        label="Returned orders",
        unit="orders",
        definition="Orders of the period with the status returned.",
        part="returned_orders",
        adds="distinct count",
        words="returns refunds brought back",
    ),
    Metric(
        "returns",
        label="Returns",
        unit="returns",
        definition="Returns made in the period, of purchases of whatever day.",
        part="returns",
        adds="distinct count",
        words="refunds brought back",
    ),
    Metric(
        "returned_amount",
        label="Returned amount",
        unit="money",
        definition="Given back for returns; revenue has it subtracted.",
        part="returned_amount",
        words="refunds money back value returns",
    ),
    Metric(
        "returned_share",
        label="Return rate",
        unit="percent",
        definition="Returned orders and returns, as a share of all orders placed.",
        part="returned_orders + returns",
        whole="orders + cancelled_orders + returned_orders",
        adds="ratio of sums",
        words="return rate refunds quality",
    ),
    Metric(
        "customers",
        label="Customers",
        unit="customers",
        definition="Customers who bought, each once; anonymous sales have none.",
        part="customers",
        adds="distinct count",
        words="shoppers buyers unique people clients active",
    ),
    Metric(
        "new_customers",
        label="New customers",
        unit="customers",
        definition=(
            "Customers whose first purchase in the store, or in any of the stores of"
            " a figure, lies in the period."
        ),
        part="new_customers",
        adds="distinct count",
        words="first time acquired acquisition won",
    ),
    Metric(
        "returning_customers",
        label="Returning customers",
        unit="customers",
        definition="Customers who had bought there before the period.",
        part="customers - new_customers",
        adds="distinct count",
        words="existing loyal retained come back",
    ),
    Metric(
        "new_to_chain",
        label="Customers new to the chain",
        unit="customers",
        definition=(
            "Those of new_customers who had bought in no store of the chain; for"
            " head office only."
        ),
        part="new_to_chain",
        adds="distinct count",
        words="first time acquired acquisition company",
    ),
    Metric(
        "returning_to_chain",
        label="Customers known to the chain",
        unit="customers",
        definition=(
            "Customers who had bought in some store of the chain before the period;"
            " for head office only."
        ),
        part="customers - new_to_chain",
        adds="distinct count",
        words="existing loyal retained company",
    ),
    Metric(
        "repeat_rate",
        label="Repeat rate",
        unit="percent",
        definition=(
            "Customers with two orders or more in the period, as a share of all."
        ),
        part="repeat_customers",
        whole="customers",
        adds="ratio of sums",
        words="loyalty retention repurchase come back again",
    ),
    Metric(
        "orders_per_customer",
        label="Orders per customer",
        unit="ratio",
        definition="Orders of customers who are known, per customer.",
        part="customer_orders",
        whole="customers",
        adds="ratio of sums",
        words="frequency visits purchase loyalty",
    ),
    Metric(
        "days_since_last_order",
        label="Days since the last order",
        unit="days",
        definition="Days from a store's last order to the end of the period.",
        part="days_since_last_order",
        adds="last state",
        words="silent closed recency no sales since inactive",
    ),
    Metric(
        "stock_units",
        label="Stock",
        unit="measure",
        definition=(
            "Units on hand now, where the stock is known; in one unit of measure, as"
            " units."
        ),
        part="stock_units",
        adds="last state",
        words="inventory on hand level quantity available",
    ),
    Metric(
        "stock_value",
        label="Stock value",
        unit="money",
        definition="Units on hand now at cost, where stock and cost are known.",
        part="stock_value",
        adds="last state",
        words="inventory worth capital tied up money cost",
        beside=("stock_costed_share",),
    ),
    Metric(
        "stock_costed_share",
        label="Stock with known cost",
        unit="percent",
        definition=(
            "Products in stock whose cost is known, so that stock_value has them, as a"
            " share of all in stock."
        ),
        part="costed_products_in_stock",
        whole="products_in_stock",
        adds="last state",
        words="inventory value coverage cost known unknown",
    ),
    Metric(
        "products_in_stock",
        label="Products in stock",
        unit="products",
        definition=(
            "Products of stores, each counted in each store, of which some is on hand"
            " now."
        ),
        part="products_in_stock",
        adds="last state",
        words="inventory available range assortment on hand",
    ),
    Metric(
        "out_of_stock_products",
        label="Out of stock",
        unit="products",
        definition=(
            "Products of stores, each counted in each store, of which none is on"
            " hand now; stock_status tells those that still sold from others."
        ),
        part="out_of_stock_products",
        adds="last state",
        words="oos stockout sold out empty zero stock unavailable shelf",
    ),
    Metric(
        "units_sold_a_day",
        label="Units sold a day",
        unit="measure",
        definition=(
            "Units sold a day where stock is known: over the period's days since the"
            " product's first sale in the store, at least 7, as if never out of stock."
        ),
        part="stock_sold_a_day",
        adds="last state",
        words="rate of sale velocity daily demand run rate stock",
    ),
    Metric(
        "revenue_a_day",
        label="Revenue a day",
        unit="money",
        definition=(
            "Revenue a day where stock is known, over the days of units_sold_a_day; of"
            " stock_status sold_out what is at stake each day."
        ),
        part="stock_revenue_a_day",
        adds="last state",
        words="lost sales at stake missed stockout daily",
    ),
    Metric(
        "days_of_cover",
        label="Days of cover",
        unit="days",
        definition=(
            "Days that the stock lasts at units_sold_a_day; null where nothing sold."
        ),
        part="stock_units",
        whole="stock_sold_a_day",
        adds="last state",
        words="runs out run first reach supply stock weeks",
        beside=("stock_units", "units_sold_a_day"),
    ),
    Metric(
        "units_to_reorder",
        label="Units to reorder",
        unit="measure",
        definition=(
            "For each store and product max(0, cover_days * units_sold_a_day -"
            " stock_units), whole pieces rounded up; cover_days is an argument."
        ),
        part="units_to_reorder",
        adds="last state",
        words="reorder replenish replenishment restock buy purchase order quantity",
        beside=("stock_units", "units_sold_a_day"),
    ),
    Metric(
        "reorder_cost",
        label="Cost of the reorder",
        unit="money",
        definition="The units_to_reorder at cost, where the cost is known.",
        part="reorder_cost",
        adds="last state",
        beside=("units_to_reorder", "stock_units", "units_sold_a_day"),
        words="reorder replenish replenishment restock buy purchase budget money",
    ),
    Metric(
        "days_since_last_sale",
        label="Days since the last sale",
        unit="days",
        definition=(
            "Days from the last on which a product with known stock sold to the end"
            " of the period; null for never."
        ),
        part="days_since_last_sale",
        adds="last state",
        words="slow mover dead stock not selling shelf warmer unsold recency",
    ),
    Metric(
        "sell_through",
        label="Sell-through",
        unit="percent",
        definition=(
            "Units sold in the period as a share of those and of the stock on hand now."
        ),
        part="stock_sold",
        whole="stock_sold + stock_units",
        adds="last state",
        words="sell through str slow stock turn rotation",
    ),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL_METRICS}
"""Every metric by its name."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """What figures are grouped and filtered by.

    Attributes:
        name: What a caller asks for.
        group: Which sources have it.
        definition: One sentence.
        words: What else people call it.
        is_span: Whether its values are spans of days, such as months.
    """

    name: str
    group: Group
    definition: str
    words: str = ""
    is_span: bool = False

    @property
    def is_ordered(self) -> bool:
        """Whether its values follow each other in time."""
        return self.group in ("time", "weekday") or self.name == "hour"


_ALL_DIMENSIONS = (
    Dimension(
        "store",
        group="place",
        definition="The store.",
        words="shop branch location outlet",
    ),
    Dimension(
        "region",
        group="place",
        definition="The region of the store.",
        words="area district territory state",
    ),
    Dimension(
        "channel",
        group="place",
        definition="store or online.",
        words="online web shop e-commerce is_online offline",
    ),
    Dimension(
        "day",
        group="time",
        definition="The business day.",
        words="date daily",
        is_span=True,
    ),
    Dimension(
        "week",
        group="time",
        definition="The week, from the weekday on which the chain's weeks begin.",
        words="weekly",
        is_span=True,
    ),
    Dimension(
        "month",
        group="time",
        definition="The calendar month.",
        words="monthly trend",
        is_span=True,
    ),
    Dimension(
        "quarter",
        group="time",
        definition="The calendar quarter.",
        words="quarterly",
        is_span=True,
    ),
    Dimension(
        "year",
        group="time",
        definition="The calendar year.",
        words="yearly annual",
        is_span=True,
    ),
    Dimension(
        "fiscal_week",
        group="time",
        definition="The week of the chain's fiscal year, if it has weeks.",
        words="4-5-4",
        is_span=True,
    ),
    Dimension(
        "fiscal_period",
        group="time",
        definition="The period of the chain's fiscal year.",
        words="fiscal month 4-5-4",
        is_span=True,
    ),
    Dimension(
        "fiscal_quarter",
        group="time",
        definition="The quarter of the chain's fiscal year.",
        is_span=True,
    ),
    Dimension(
        "fiscal_year",
        group="time",
        definition="The chain's fiscal year.",
        words="financial year",
        is_span=True,
    ),
    Dimension(
        "weekday",
        group="weekday",
        definition="Monday to Sunday.",
        words="day of week dow weekend",
    ),
    Dimension(
        "category",
        group="product",
        definition="The category at the top of the tree.",
        words="department group",
    ),
    Dimension(
        "category_2",
        group="product",
        definition=(
            "The subcategory: one level below category, above type where the chain has"
            " three levels."
        ),
        words="subcategory department level kind",
    ),
    Dimension(
        "category_3",
        group="product",
        definition="The category two levels below.",
        words="subcategory level",
    ),
    Dimension(
        "category_4",
        group="product",
        definition="The category three levels below.",
        words="subcategory level",
    ),
    Dimension(
        "type",
        group="product",
        definition="The product type.",
        words="kind of product class",
    ),
    Dimension(
        "brand",
        group="product",
        definition="The brand.",
        words="make manufacturer label private",
    ),
    Dimension(
        "product",
        group="product",
        definition="The product, by SKU and name.",
        words="item sku article",
    ),
    Dimension(
        "unit",
        group="product",
        definition="The unit of measure that the product is counted in.",
        words="measure kg litre piece",
    ),
    Dimension(
        "stock_status",
        group="stock",
        definition=(
            "selling and not_selling have stock, sold_out and empty none; selling and"
            " sold_out sold in the period, on some day more than came back on it;"
            " unknown if the store did not trade."
        ),
        words="dead stock slow mover stockout sold out still asked for lost sales",
    ),
    Dimension(
        "hour",
        group="order",
        definition="The local hour of the order, 0 to 23.",
        words="time of day busiest",
    ),
    Dimension(
        "status",
        group="order",
        definition="pending, shipped, completed, cancelled or returned.",
        words="state fulfilment",
    ),
    Dimension(
        "segment",
        group="order",
        definition=(
            "new, frequent, big_spender, lapsed, other or anonymous; a customer may"
            " be in several, so rows overlap."
        ),
        words="customer group loyal lapsed frequent big spender",
    ),
    Dimension(
        "new_or_returning",
        group="order",
        definition=(
            "new if the customer's first purchase there lies in the period or the"
            " row's part of it, else returning, also who has only brought back or"
            " cancelled; or anonymous."
        ),
        words="new existing customer returning type",
    ),
)

DIMENSIONS: Mapping[str, Dimension] = {dim.name: dim for dim in _ALL_DIMENSIONS}
"""Every dimension by its name."""


def span_of(names: Iterable[str]) -> str | None:
    """Return the dimension of spans of time among some names; at most one is."""
    return next((name for name in names if DIMENSIONS[name].is_span), None)


def dimensions_of(metric: Metric) -> tuple[str, ...]:
    """Return the dimensions that a metric has."""
    return tuple(
        name
        for name, dimension in DIMENSIONS.items()
        if dimension.group in metric.groups
    )


def source_of(measure: str, groups: frozenset[Group]) -> Source | None:
    """Return the cheapest source that has a measure by all of some groups, if any."""
    sources = MEASURES[measure].sources
    return next((one for one in sources if groups <= GROUPS_OF[one]), None)
