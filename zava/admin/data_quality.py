"""Looks for contradictions and gaps in the chain's data, for `zava doctor --data`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import psycopg
from psycopg import sql

from zava.admin.loading import DatabaseLoader
from zava.admin.psql import OnStep
from zava.data.statements import statement
from zava.errors import DatabaseError

CHECK_TIMEOUT = 1800.0
"""Seconds that one check may take."""

# Seconds to wait for whoever changes a table.
_LOCK_TIMEOUT = 60.0


@dataclass(frozen=True)
class DataCheck:
    """One thing that was looked for in the data, and how often it was found.

    Attributes:
        name: For programs.
        status: `fault` is a contradiction, `note` a gap that may be true, `pass`
            that nothing was found.
        what: What was looked for.
        meaning: What it means for the answers, and what to do.
        count: How often it was found.
        examples: Keys of three at most. E-mail addresses are never among them.
        per_store: Count by name of the store, of checks that look at stores.
    """

    name: str
    status: Literal["pass", "note", "fault"]
    what: str
    meaning: str
    count: int = 0
    examples: tuple[str, ...] = ()
    per_store: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Rule:
    """A check as it is when it finds something, and the statement that looks.

    Attributes:
        special_name: Where several checks share one statement.
        column: For the statement about one column of the products.
        table: For the statement about one table,
        key: and its primary key.
    """

    statement: str
    status: Literal["note", "fault"]
    what: str
    meaning: str
    special_name: str = ""
    column: str = ""
    table: str = ""
    key: str = ""

    @property
    def name(self) -> str:
        return self.special_name or self.statement.removeprefix("data_")

    def query(self) -> sql.Composed:
        return sql.SQL(statement(self.statement)).format(
            column=sql.Identifier(self.column),
            table=sql.Identifier("retail", self.table),
            key=sql.Identifier(self.key),
        )


def _products_without(column: str, fact: str, meaning: str) -> _Rule:
    return _Rule(
        "data_products_without",
        "note",
        f"products without a {fact}",
        meaning,
        special_name=f"products_without_{column.removesuffix('_id')}",
        column=column,
    )


def _similar_source_ids(table: str, key: str) -> _Rule:
    return _Rule(
        "data_similar_source_ids",
        "note",
        f"keys in {table}.source_id that differ only in blanks, in upper and lower"
        " case or in leading zeros",
        "Two systems may write one key in two ways; then one thing has two rows. Give"
        " both one key, or keep them if the chain tells them apart.",
        special_name=f"similar_source_ids_{table}",
        table=table,
        key=key,
    )


_RULES = (
    _Rule(
        "data_order_totals",
        "fault",
        "orders whose total differs from the sum of their lines by more than a cent",
        "Revenue by day comes from orders, revenue by product from lines: the two"
        " disagree. Correct the total, or load the missing lines.",
    ),
    _Rule(
        "data_orders_without_lines",
        "note",
        "orders without lines",
        "They count in revenue by day, and not in that of any product. Load the lines"
        " if there are any.",
    ),
    _Rule(
        "data_future_orders",
        "fault",
        "orders of a day that has not begun in their store",
        "They appear in no period that ends today. Correct the day, or the time zone of"
        " the store.",
    ),
    _Rule(
        "data_sales_before_opening",
        "note",
        "sales before the store opened",
        "Correct stores.opened_on, or the store of the sale.",
    ),
    _Rule(
        "data_sales_after_closing",
        "note",
        "sales after the store closed",
        "Correct stores.closed_on, or the store of the sale.",
    ),
    _Rule(
        "data_days_without_sales",
        "note",
        "days without sales in open stores, between the first and the last sale",
        "A store may have been closed on these days. Otherwise a day was not loaded,"
        " and figures of its period are too low.",
    ),
    _Rule(
        "data_silent_stores",
        "note",
        "open stores without a sale in the last week of the chain",
        "Their sales may not arrive. If a store has closed, set stores.closed_on.",
    ),
    _Rule(
        "data_moved_days",
        "note",
        "orders whose business day is not the one of their time in the store",
        "This is right if the chain has set the day itself. Otherwise the time zone of"
        " the store or chain.day_starts_at is wrong, or was changed later:"
        " retail.recompute_business_days() moves the orders.",
    ),
    _Rule(
        "data_returns_without_purchase",
        "note",
        "returns that do not say which order they bring back",
        "They lower revenue on the day of the return. Nobody can tell which purchase"
        " came back: set orders.returns_order_id where it is known.",
    ),
    _Rule(
        "data_returns_beyond_purchase",
        "note",
        "orders of which more was given back than was paid",
        "The return may name the wrong order, may have been loaded twice, or may pay"
        " for more than the goods.",
    ),
    _Rule(
        "data_returns_before_purchase",
        "fault",
        "returns dated before their purchase",
        "One of the two days is wrong, or the return names the wrong order.",
    ),
    _products_without(
        "category_id", "category", "Figures by category do not contain them."
    ),
    _products_without("cost", "cost", "Their margin is not known."),
    _products_without(
        "base_price", "price", "Product search shows no price, and filters skip them."
    ),
    _products_without(
        "description", "description", "Product search finds them by name alone."
    ),
    _Rule(
        "data_products_of_one_name",
        "note",
        "products that share their name with another one",
        "Only the SKU tells them apart in an answer. One product may have been loaded"
        " twice.",
    ),
    _Rule(
        "data_customers_without_sale",
        "note",
        "customers without a sale",
        "They may have signed up only. Otherwise their sales do not name them.",
    ),
    _Rule(
        "data_customers_nobody_sees",
        "note",
        "customers without a home store and without an order",
        "No store manager and no regional manager sees them. Set customers.store_id.",
    ),
    _Rule(
        "data_shared_emails",
        "note",
        "customers who share an e-mail address with another one",
        "One person may be several customers: counts of customers are then too high.",
    ),
    _Rule(
        "data_source_id_keys",
        "fault",
        "tables without a valid unique index on source_id",
        "A row that is loaded twice appears twice. Delete what is double, drop an"
        " invalid index, and load schema.sql again.",
    ),
    *(
        _similar_source_ids(table, key)
        for table, key in (
            ("stores", "store_id"),
            ("categories", "category_id"),
            ("product_types", "type_id"),
            ("products", "product_id"),
            ("customers", "customer_id"),
            ("orders", "order_id"),
            ("order_items", "order_item_id"),
        )
    ),
    _Rule(
        "data_stores_without_stock",
        "note",
        "open stores without any stock",
        "The stock of these stores is not known, which is not 0. Load inventory.",
    ),
    _Rule(
        "data_sold_without_stock",
        "note",
        "products that a store sold in the last 28 days and of which it knows no stock",
        "Product search does not say that the store has them. The count of stock may"
        " be incomplete.",
    ),
    _Rule(
        "data_negative_stock",
        "note",
        "products with stock below zero in a store",
        "More was sold than was counted: count the stock again.",
    ),
    _Rule(
        "data_category_rings",
        "fault",
        "categories that stand above themselves",
        "They have no place in the tree, and figures of a department leave them out."
        " Correct categories.parent_category_id.",
    ),
)

DATA_CHECKS = tuple(rule.name for rule in _RULES)
"""The names of all checks, in the order in which they are made."""


def check_data(
    loader: DatabaseLoader, on_step: OnStep, *, timeout: float = CHECK_TIMEOUT
) -> list[DataCheck]:
    """Look at every row of the chain's data, in one snapshot, and change nothing.

    Args:
        loader: The administrator's connection.
        on_step: Told of each check before it is made.
        timeout: Seconds that one check may take.

    Returns:
        Every check in the order of `DATA_CHECKS`, with what it has found.

    Raises:
        ConfigurationError: The database cannot be reached, or has no schema.
        DatabaseError: A check took too long, or somebody locks a table for too long.
    """
    with loader.connection() as conn:
        loader.check_schema()
        _begin(conn, timeout)
        checks = list(_look(conn, on_step, timeout))
        conn.execute(statement("end_data_checks"))
    return checks


def _begin(conn: psycopg.Connection[dict[str, Any]], timeout: float) -> None:
    """Begin the transaction of the checks, as the owner of the schema."""

    def limit(name: str, seconds: float) -> None:
        milliseconds = sql.Literal(round(seconds * 1000))
        conn.execute(sql.SQL(statement(name)).format(milliseconds=milliseconds))

    # No snapshot before the locks.
    conn.execute(statement("begin_data_checks"))
    conn.execute(statement("become_owner"))
    limit("limit_data_lock", min(timeout, _LOCK_TIMEOUT))
    try:
        conn.execute(statement("lock_data"))
    except psycopg.errors.LockNotAvailable as exc:
        raise DatabaseError(
            "somebody is changing or emptying a table: let that end, and look again"
        ) from exc
    limit("limit_data_check", timeout)
    conn.execute(statement("widen_data_memory"))


def _look(
    conn: psycopg.Connection[dict[str, Any]], on_step: OnStep, timeout: float
) -> Iterator[DataCheck]:
    """Make every check and yield what it has found."""
    for step, rule in enumerate(_RULES, 1):
        on_step(step, len(_RULES), rule.name.replace("_", " "))
        check = DataCheck(rule.name, "pass", rule.what, rule.meaning)
        try:
            row = conn.execute(rule.query()).fetchone()
        except psycopg.errors.QueryCanceled as exc:
            raise DatabaseError(
                f"the check {rule.name} was ended: it was cancelled, or took more than"
                f" {timeout:g} s; look again when the database has less to do, or on"
                " a standby"
            ) from exc
        assert row is not None  # noqa: S101 - each statement returns one row
        if row["found"]:
            check = replace(
                check,
                status=rule.status,
                count=row["found"],
                examples=tuple(row["examples"]),
                per_store=row.get("per_store") or {},
            )
        yield check
