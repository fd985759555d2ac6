"""What crosses from one layer to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

Truncation = Literal["max_rows", "max_bytes", "kept_rows"]
"""Which ceiling cut a result off; `kept_rows` where more rows were not kept."""


# Characters of a text that cannot be guessed.
_SECRET = 32

PERSONAL = "_personal"
"""Ends the name of the role that has a group's rights and reads personal data."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Identity(_Frozen):
    """One person, as the database knows them.

    Attributes:
        user_id: What `app.current_rls_user_id` is set to.
        role_name: The role that reads for this person: their group, or the role with
            the rights of their group and the right to personal data.
        display_name: For people to read.
        store_ids: The stores whose rows this person sees.
        seal: The database's proof that this login may act as `user_id`.
        cache_secret: What is kept for this identity outside the process is sealed with
            this. Only a login that may act as `user_id` is given it.
        schema_version: Changes when a table, column, view, policy, function or right
            of the schema does; cached answers of another version are not used.
    """

    user_id: UUID
    role_name: Literal[
        "store_managers",
        "regional_managers",
        "store_managers_personal",
        "regional_managers_personal",
    ]
    display_name: str
    store_ids: tuple[UUID, ...]
    seal: str
    cache_secret: str = Field(min_length=_SECRET, repr=False)
    schema_version: str

    @property
    def group(self) -> str:
        """The group that the policies speak of, with or without personal data."""
        return self.role_name.removesuffix(PERSONAL)

    @property
    def reads_personal_data(self) -> bool:
        """Whether this person reads names and addresses of customers."""
        return self.role_name.endswith(PERSONAL)


class Column(NamedTuple):
    """A result column: its name (not necessarily unique) and PostgreSQL type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class ResultSet:
    """Rows as they came from the database, cut at the ceilings.

    A plain dataclass: a model that validates each cell would cost more than
    the query.

    Attributes:
        columns: In the order of the query.
        rows: Positional cells, each a JSON value.
        row_texts: The same rows, each as compact JSON text.
        truncated: The ceiling that cut the rows off, or None.
        as_of: What had been committed by then is in the rows, UTC: when they were
            read, and of a standby the time up to which it had replayed.
        handle: Of the rows past the end, where they are kept.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    row_texts: tuple[str, ...]
    truncated: Truncation | None
    as_of: datetime
    handle: str | None = None

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows by the names of their columns; of equal names the last."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


SearchMode = Literal["hybrid", "semantic", "keyword"]
"""By meaning and words, by meaning alone, by words alone."""


@dataclass(frozen=True, slots=True)
class ProductQuestion:
    """What is asked of the product search.

    Attributes:
        text: What is wanted, in any words.
        max_rows: Products to return at most, 1 to 100.
        similarity_threshold: Least similarity, 0 to 1.
        mode: Both searches, or one of them.
        category: A category's name, or a part of it that only one has.
        min_price: Least list price, in the chain's currency.
        max_price: Highest list price, likewise.
        in_stock_only: Whether one of the caller's stores must have it.
        fresh: Whether to search even if the answer is kept.
        price_in_words: Which limits of the price were read from the words; `text` is
            without these words then.
    """

    text: str
    max_rows: int = 8
    similarity_threshold: float = 0.3
    mode: SearchMode = "hybrid"
    category: str | None = None
    min_price: float | None = None
    max_price: float | None = None
    in_stock_only: bool = False
    fresh: bool = False
    price_in_words: str | None = None


class FoundProduct(TypedDict):
    """A product that answers a question, and why it is here.

    `price` is the list price, in the chain's currency; `similarity` is 0 to 1;
    `orders` are those of the caller's stores that hold it; products stand in the
    order of `score`, which is similarity and up to 0.1 for orders; `found_by` is
    `meaning`, `words` or `both`; `stock` is what the caller's stores have of it, in
    its unit of measure, `stock_by_store` the same by store. What is not known is
    None; a store whose stock is not known is left out.
    """

    sku: str
    name: str
    description: str | None
    category: str | None
    type: str | None
    price: float | None
    similarity: float
    orders: int
    score: float
    found_by: str
    stock: float | None
    stock_by_store: dict[str, float]


class ColumnSchema(_Frozen):
    """One column of a table.

    Attributes:
        key: `primary key`, `foreign key` or `unique`, where it is one by itself
            or as part of a composite key.
        values: Every value, where they are few: as a check constraint or the type
            lists them, or as they stand in the rows that the caller sees; else None.
    """

    name: str
    type: str
    nullable: bool
    default: str | None
    is_generated: bool = False
    comment: str | None
    key: str | None
    values: tuple[str, ...] | None


class ForeignKey(_Frozen):
    """A reference to another table, column by column."""

    columns: tuple[str, ...]
    references: str
    referenced_columns: tuple[str, ...]


class TableSchema(_Frozen):
    """What a query writer needs to know of one table.

    Attributes:
        note: Why there are no sample rows, where they could not be read.
    """

    table: str
    description: str | None
    columns: tuple[ColumnSchema, ...]
    foreign_keys: tuple[ForeignKey, ...]
    sample_rows: tuple[Mapping[str, Any], ...]
    note: str | None = None


class Person(_Frozen):
    """Who the person served is, and what they see.

    Attributes:
        name: For people to read.
        stores: How many stores.
        names: Of the first of them, by name.
        data_through: The last business day with orders, None for none.
    """

    name: str
    stores: int
    names: tuple[str, ...]
    data_through: date | None


class ServedUser(_Frozen):
    """Somebody whom the server can act for.

    Attributes:
        role_name: Their group, without the right to personal data.
        personal_data: Whether they have this right.
    """

    name: str
    role_name: str
    stores: tuple[str, ...]
    user_id: UUID
    personal_data: bool


class BoundLogin(_Frozen):
    """A database login and the people that it may act as.

    Attributes:
        can_login: False where the role is gone or disabled, and only its
            binding is left.
        people: Their names, in the order of `user_ids`.
    """

    name: str
    can_login: bool
    user_ids: tuple[UUID, ...]
    people: tuple[str, ...]


class Fault(_Frozen):
    """An object that keeps a check from passing.

    Attributes:
        object: Its name, as SQL writes it.
        remedy: SQL that mends it.
    """

    object: str
    remedy: str


class PostureCheck(_Frozen):
    """One thing that has to be true of the database for stores to stay apart.

    Attributes:
        name: For `--allow`.
        status: `fail` stops the server, `warn` is to be known.
        detail: What holds, or the first few objects at fault.
        remedy: SQL that mends those, "" for a pass.
        faults: Every object at fault.
    """

    name: str
    status: Literal["pass", "warn", "fail"]
    detail: str
    remedy: str = ""
    faults: tuple[Fault, ...] = ()
