"""The oracle: finds in an answer whatever its receiver must never see.

It knows, for one person, every key, e-mail address and figure that belongs to
other stores only, the secrets that belong to nobody, and canaries planted in
the places where a leak would come from: other stores' rows, another session's
SQL, a large object. It searches the whole answer for any of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

CANARY = "canary7f3a"
"""Begins every planted text; no attack spells it out."""

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w.-]{1,100}\w")
_NUMBER = re.compile(r"(?<![\w.-])\d+(?:\.\d+)?(?![\w-])")
_ID_COLUMNS = {
    "stores": ("store_id", "manager_id"),
    "customers": ("customer_id",),
    # What a return brings back may have been bought elsewhere.
    "orders": ("order_id", "customer_id", "store_id", "returns_order_id"),
    "order_items": ("order_item_id", "order_id", "store_id"),
    "inventory": ("store_id",),
}
# A customer is seen where they live and where they have bought, home store and all.
_SEEN = {
    "customers": "(store_id = ANY (%(stores)s::uuid[]) OR customer_id IN (SELECT o.customer_id"
    " FROM retail.orders AS o WHERE o.customer_id IS NOT NULL AND o.store_id = ANY (%(stores)s::uuid[])))"
}
_OF_STORES = "(store_id = ANY (%(stores)s::uuid[]))"
_FIGURES = {
    "customers": "count(*)",
    "orders": "count(*), sum(total_amount), max(total_amount)",
    "order_items": "count(*), sum(quantity), sum(total_amount), sum(discount_amount)",
    "inventory": "count(*), sum(stock_level)",
    "daily_sales": "sum(revenue), max(revenue)",
    "monthly_product_sales": "sum(units), sum(revenue), sum(discount)",
}
# Smaller numbers are prices, positions and keys of the catalogue as well.
_LEAST_FIGURE = 1000
_LONGEST_FIGURE = 40
_COUNTED = {"int4", "int8", "numeric", "float8"}


@dataclass(frozen=True)
class Found:
    """What is to be searched.

    Attributes:
        text: Everything that was answered, errors and details too.
        numbers: The figures in it, in canonical form.
    """

    text: str
    numbers: frozenset[str]

    @classmethod
    def of_rows(cls, types: Sequence[str], rows: Iterable[Sequence[Any]]) -> Found:
        """Of a result: whole numbers count in numeric columns, decimals anywhere."""
        rows = list(rows)
        text = f"{types} {rows}"
        counted = [n for n, of_type in enumerate(types) if of_type in _COUNTED]
        cells = (str(row[n]) for row in rows for n in counted)
        return cls(text, frozenset(_numbers(cells)) | _decimals(text))

    @classmethod
    def of_text(cls, text: str) -> Found:
        """Of a failure's text and details."""
        return cls(text, _decimals(text))


@dataclass(frozen=True)
class Person:
    """Whom a server process serves.

    Attributes:
        name: Short, for test ids.
        user_id: Who they are.
        stores: The keys of the stores that they may see.
    """

    name: str
    user_id: str
    stores: tuple[str, ...]


class Oracle:
    """What one person must not see.

    Args:
        owner: A superuser's connection to the attacked database.
        person: Whose answers are searched.
        secrets: Texts that nobody may see: seals, the identity key, canaries.
    """

    def __init__(
        self, owner: psycopg.Connection, person: Person, secrets: Iterable[str]
    ) -> None:
        plain = {secret.lower() for secret in secrets}
        self._secrets = plain | {secret.encode().hex() for secret in plain}
        self._names = frozenset(_other_names(owner, person))
        own, others = _ids(owner, person)
        self._ids = others - own
        self._homes = _homes(owner, person)
        self._emails = _other_emails(owner, person)
        self._figures = _figures(owner, person)

    def find(self, answer: Found, sql: str) -> list[str]:
        """Return every forbidden text in an answer, but for what `sql` itself says."""
        said = sql.lower()
        said_ids = {_plain(text) for text in _UUID.findall(said)}
        text = answer.text.lower()
        found = [f"secret {s}" for s in self._secrets if s in text and s not in said]
        found += [f"store {n}" for n in self._names if n in text and n not in said]
        ids = {_plain(hit) for hit in _UUID.findall(text)} - said_ids
        if "customers" in said:
            ids -= self._homes
        found += [f"key {hit}" for hit in ids & self._ids]
        emails = {hit for hit in _EMAIL.findall(text) if hit not in said}
        found += [f"e-mail {hit}" for hit in emails & self._emails]
        numbers = answer.numbers - set(_numbers([said]))
        found += [f"figure {hit}" for hit in numbers & self._figures]
        return found


def _numbers(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for hit in _NUMBER.findall(text):
            if len(hit) <= _LONGEST_FIGURE:
                yield _canonical(hit)


def _decimals(text: str) -> frozenset[str]:
    return frozenset(n for n in _numbers([text]) if "." in n)


def _canonical(text: str) -> str:
    number = Decimal(text).normalize()
    return f"{number:f}"


def _plain(text: str) -> str:
    return text.replace("-", "")


def _rows(
    owner: psycopg.Connection, query: str, stores: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    return owner.execute(query.encode(), {"stores": list(stores)}).fetchall()


def _seen(table: str) -> str:
    """The condition of the rows that somebody of some stores sees."""
    return _SEEN.get(table, _OF_STORES)


def _other_names(owner: psycopg.Connection, person: Person) -> list[str]:
    rows = _rows(
        owner,
        f"SELECT lower(name) FROM retail.stores WHERE NOT {_seen('stores')}",
        person.stores,
    )
    return [name for (name,) in rows]


def _ids(owner: psycopg.Connection, person: Person) -> tuple[set[str], set[str]]:
    """Return the keys of the person's own rows, and of all others."""
    own: set[str] = {_plain(person.user_id)}
    others: set[str] = set()
    for table, columns in _ID_COLUMNS.items():
        rows = _rows(
            owner,
            f"SELECT {_seen(table)}, {', '.join(columns)} FROM retail.{table}",
            person.stores,
        )
        for mine, *keys in rows:
            (own if mine else others).update(key.hex for key in keys if key)
    rows = _rows(owner, "SELECT user_id FROM retail.regional_managers")
    others |= {user_id.hex for (user_id,) in rows}
    return own, others


def _homes(owner: psycopg.Connection, person: Person) -> set[str]:
    """Return the keys of the stores where the customers live whom the person sees."""
    query = f"SELECT DISTINCT store_id FROM retail.customers WHERE {_seen('customers')}"
    return {key.hex for (key,) in _rows(owner, query, person.stores) if key}


def _other_emails(owner: psycopg.Connection, person: Person) -> frozenset[str]:
    rows = _rows(
        owner,
        f"SELECT lower(email) FROM retail.customers WHERE NOT {_seen('customers')}"
        f" EXCEPT SELECT lower(email) FROM retail.customers WHERE {_seen('customers')}",
        person.stores,
    )
    return frozenset(email for (email,) in rows if email)


def _figures(owner: psycopg.Connection, person: Person) -> frozenset[str]:
    """Return counts and sums over other stores, one by one, and over all of them."""
    own: set[str] = set()
    others: set[str] = set()
    stores = [store for (store,) in _rows(owner, "SELECT store_id FROM retail.stores")]
    mine = [store for store in stores if str(store) in person.stores]
    foreign = [[store] for store in stores if store not in mine]
    scopes = [*foreign, *([stores] if foreign else [])]
    for table, figures in _FIGURES.items():
        query = f"SELECT {figures} FROM retail.{table} WHERE {_seen(table)}"
        for scope in scopes:
            others.update(_distinct(_rows(owner, query, scope)))
        for scope in [mine, *[[store] for store in mine]]:
            own.update(_distinct(_rows(owner, query, scope)))
    return frozenset(others - own)


def _distinct(rows: list[tuple[Any, ...]]) -> Iterator[str]:
    for value in rows[0]:
        if value is not None and value >= _LEAST_FIGURE:
            yield _canonical(str(value))
