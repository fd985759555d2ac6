"""What can be loaded: the tables, in the order in which they refer to each other."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from zava.data.statements import statement


@dataclass(frozen=True)
class Reference:
    """A row of another table, which a file names by the chain's own key.

    Attributes:
        name: What a mapping calls it, for example `store`.
        column: The column in the database, for example `store_id`.
        table: The table that it refers to.
        key: That table's key.
        can_be_made: Whether a placeholder can stand for an unknown one.
    """

    name: str
    column: str
    table: str
    key: str
    can_be_made: bool = False


@dataclass(frozen=True)
class Table:
    """A table that can be loaded.

    Attributes:
        key: The columns that identify a row in the database.
        references: The rows of other tables that it names.
        has_source_id: Whether the chain's own key identifies a row; `key` otherwise.
        closed: Columns that no file fills.
        is_about_access: Whether it says who may see what.
    """

    name: str
    key: tuple[str, ...]
    references: tuple[Reference, ...] = ()
    has_source_id: bool = True
    closed: frozenset[str] = frozenset()
    is_about_access: bool = False

    def reference(self, name: str) -> Reference | None:
        """Return the reference that a mapping calls `name`."""
        return next((r for r in self.references if r.name == name), None)


_STORE = Reference("store", "store_id", "stores", "store_id", can_be_made=True)
_PRODUCT = Reference(
    "product", "product_id", "products", "product_id", can_be_made=True
)
_CUSTOMER = Reference(
    "customer", "customer_id", "customers", "customer_id", can_be_made=True
)
_CATEGORY = Reference("category", "category_id", "categories", "category_id")

TABLES = (
    Table(
        "chain",
        ("only_row",),
        has_source_id=False,
        closed=frozenset({"managers_read_personal_data"}),
    ),
    Table("stores", ("store_id",)),
    Table(
        "categories",
        ("category_id",),
        (
            Reference(
                "parent_category", "parent_category_id", "categories", "category_id"
            ),
        ),
    ),
    Table("product_types", ("type_id",), (_CATEGORY,)),
    Table(
        "products",
        ("product_id",),
        (_CATEGORY, Reference("type", "type_id", "product_types", "type_id")),
    ),
    Table(
        "customers",
        ("customer_id",),
        (_STORE,),
        closed=frozenset({"store_ids", "forgotten_on"}),
    ),
    Table(
        "orders",
        ("order_id",),
        (
            _STORE,
            _CUSTOMER,
            Reference("returns_order", "returns_order_id", "orders", "order_id"),
        ),
    ),
    Table(
        "order_items",
        ("order_item_id",),
        (Reference("order", "order_id", "orders", "order_id"), _PRODUCT),
        closed=frozenset({"store_id"}),
    ),
    Table("inventory", ("store_id", "product_id"), (_STORE, _PRODUCT), False),
    Table("regional_managers", ("user_id",), (), False, is_about_access=True),
    Table(
        "regional_manager_stores",
        ("user_id", "store_id"),
        (_STORE,),
        False,
        is_about_access=True,
    ),
)
"""Every table that can be loaded, in the order in which they are loaded."""

TABLES_BY_NAME = {table.name: table for table in TABLES}

_NEVER = frozenset({"created_at", "updated_at", "only_row"})
# What a new row is given where the mapping says nothing.
_FOLLOWING = frozenset({"sku", "business_day"})


@dataclass(frozen=True)
class Column:
    """A column that a file can fill.

    Attributes:
        name: As a mapping calls it: a reference by its own name.
        type: The type that values are cast to, without a length.
        length: Most characters, None for no limit.
        precision: Digits of a number, None for no limit.
        scale: Those of them after the point.
        is_required: Whether each row has to have a value.
        default: SQL of the value that an empty field gets, None for none.
        description: What it means, as the database says.
    """

    name: str
    type: str
    length: int | None = None
    precision: int | None = None
    scale: int = 0
    is_required: bool = False
    default: str | None = None
    description: str = ""


@dataclass(frozen=True)
class Shape:
    """A table as it is in this database.

    Attributes:
        columns: What a file can fill, by name.
        checks: Name and SQL of each CHECK constraint, with the columns it reads.
        uniques: Columns that no two rows share, and whether empty ones count as equal.
        description: What the table holds, as the database says.
    """

    table: Table
    columns: Mapping[str, Column]
    checks: tuple[tuple[str, str, frozenset[str]], ...] = ()
    uniques: tuple[tuple[str, tuple[str, ...], bool], ...] = ()
    description: str = ""
    required: tuple[str, ...] = field(default=())


def read_shapes(conn: psycopg.Connection[dict[str, Any]]) -> dict[str, Shape]:
    """Return every table that can be loaded as it is in this database."""
    names = [table.name for table in TABLES]
    columns = conn.execute(statement("import_columns"), {"tables": names}).fetchall()
    rules = conn.execute(statement("import_rules"), {"tables": names}).fetchall()
    return {table.name: _shape(table, columns, rules) for table in TABLES}


def _shape(
    table: Table, columns: Iterable[dict[str, Any]], rules: Iterable[dict[str, Any]]
) -> Shape:
    of_column = {reference.column: reference for reference in table.references}
    found: dict[str, Column] = {}
    description = ""
    for row in columns:
        if row["table"] != table.name:
            continue
        description = row["table_comment"] or ""
        name = row["name"]
        if name in _NEVER or name in table.closed or row["is_generated"]:
            continue
        if name in of_column:
            reference = of_column[name]
            found[reference.name] = Column(
                reference.name,
                "text",
                is_required=row["is_required"],
                description=(
                    f"source_id of the row in {reference.table}: {row['comment'] or ''}"
                ),
            )
        elif table.has_source_id and name in table.key:
            continue  # derived from source_id
        else:
            is_key = name == "source_id" and table.name != "order_items"
            found[name] = Column(
                name,
                row["type"],
                row["length"],
                row["precision"],
                row["scale"] or 0,
                row["is_required"] or is_key,
                row["default"],
                row["comment"] or "",
            )
    mine = [row for row in rules if row["table"] == table.name]
    return Shape(
        table,
        found,
        tuple(
            (row["name"], row["expression"], frozenset(row["columns"]))
            for row in mine
            if row["kind"] == "check"
        ),
        tuple(
            (row["name"], tuple(row["columns"]), row["nulls_equal"])
            for row in mine
            if row["kind"] == "unique" and row["columns"] != list(table.key)
        ),
        description,
        tuple(
            name
            for name, column in found.items()
            if column.is_required and column.default is None and name not in _FOLLOWING
        ),
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` for a name that is not known, "" for no idea."""
    found = difflib.get_close_matches(name.lower(), list(known), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(found)}?" if found else ""
