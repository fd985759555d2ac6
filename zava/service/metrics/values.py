"""The values that filters name, and their keys."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from zava.data.metrics.composition import Filter, values_of
from zava.data.metrics.registry import DIMENSIONS
from zava.data.provider import PostgreSQLProvider
from zava.errors import ValidationError
from zava.infra.cache import QueryCache
from zava.infra.sharing import Sharing
from zava.models import Identity

MAX_VALUES = 100
"""Values of one filter."""

_WEEKDAYS = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
_FIXED: Mapping[str, Sequence[str]] = {
    "status": ("pending", "shipped", "completed", "cancelled", "returned"),
    "segment": ("new", "frequent", "big_spender", "lapsed", "other", "anonymous"),
    "new_or_returning": ("new", "returning", "anonymous"),
    "stock_status": ("selling", "not_selling", "sold_out", "empty", "unknown"),
}
_HOURS = range(24)
# Dimensions whose values no table holds.
_UNREAD = frozenset({*_FIXED, "hour", "weekday"})
_NEAR = 5
_MAX_LISTED = 200_000

Value = str | int | float | bool


class FilterValues:
    """Finds the keys of what filters name.

    Args:
        provider: Where names are looked up.
        cache: Where they are kept.
    """

    def __init__(self, provider: PostgreSQLProvider, cache: QueryCache) -> None:
        self._provider = provider
        self._cache = cache

    def filter(
        self,
        dimension: str,
        values: Sequence[Value],
        identity: Identity,
        *,
        is_negated: bool,
        fresh: bool = False,
    ) -> Filter:
        """Return the filter that keeps or leaves out some values of a dimension.

        Args:
            dimension: Neither a place nor a span of days.
            values: Names in any case; a part of a name that only one value has will
                do. Of products SKUs or whole names.
            identity: Who asks.
            is_negated: Whether they are left out.
            fresh: Read the names of the dimension even if they are kept.

        Raises:
            ValidationError: There is no such value; lists near ones.
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        if fresh and dimension not in _UNREAD:
            self._rows(*_asked(dimension, values), identity, fresh=True)
        keys: list[Any] = []
        for value in values:
            keys += self._keys(dimension, value, values, identity)
        return Filter(dimension, tuple(dict.fromkeys(keys)), is_negated)

    def names(self, dimension: str, identity: Identity) -> list[str]:
        """Return the names of a dimension's values, such as all categories.

        Raises:
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        return [name for name, _ in self._names(dimension, identity)]

    def _keys(
        self, dimension: str, value: Value, values: Sequence[Value], identity: Identity
    ) -> list[Any]:
        text = str(value).strip()
        if dimension == "hour":
            if text.isdecimal() and int(text) in _HOURS:
                return [int(text)]
            raise ValidationError("filters", value, "hour is a number from 0 to 23")
        if dimension == "weekday":
            return [_weekday(text)]
        if dimension in _FIXED:
            if text.casefold() in _FIXED[dimension]:
                return [text.casefold()]
            raise _unknown(dimension, text, _FIXED[dimension])
        if dimension == "product":
            return self._products(text, values, identity)
        names = self._names(dimension, identity)
        found = _matching(text, names)
        if not found:
            self._raise_unknown(dimension, text, names, identity)
        return found

    def _products(
        self, text: str, values: Sequence[Value], identity: Identity
    ) -> list[Any]:
        rows = self._rows(*_asked("product", values), identity)
        wanted = text.lower()
        found = [row for row in rows if row["sku"].lower() == wanted]
        found = found or [row for row in rows if row["name"].lower() == wanted]
        if len(found) > 1:
            skus = ", ".join(row["sku"] for row in found[:_NEAR])
            raise ValidationError(
                "filters", text, f"several products have this name, give a SKU: {skus}"
            )
        if not found:
            raise ValidationError(
                "filters",
                text,
                f"no product has the SKU or name {text[:80]};"
                " semantic_search_products finds it by words",
            )
        return [found[0]["key"]]

    def _names(self, dimension: str, identity: Identity) -> list[tuple[str, Any]]:
        """Return the names of a dimension's values, each with its key."""
        level = _level(dimension)
        rows = self._rows(*_asked(dimension), identity)
        return [
            (row["name"], row.get("key", row["name"]))
            for row in rows
            if level is None or row["level"] == level
        ]

    def _products_of(self, dimension: str, identity: Identity) -> dict[str, int]:
        """Return how many products each value of a dimension has, as far as known."""
        level = _level(dimension)
        rows = self._rows(*_asked(dimension), identity)
        return {
            row["name"]: row.get("products", 0)
            for row in rows
            if level is None or row["level"] == level
        }

    def _rows(
        self,
        kind: str,
        asked: Mapping[str, Any],
        identity: Identity,
        *,
        fresh: bool = False,
    ) -> list[dict[str, Any]]:
        def read() -> list[dict[str, Any]]:
            (result,) = self._provider.fetch_all(
                [values_of(kind, asked)], identity, _MAX_LISTED, operation="metrics"
            )
            return result.dicts()

        key = self._cache.key("values", kind, asked, identity)
        sharing = Sharing(identity, list[dict[str, Any]])
        found: list[dict[str, Any]]
        found, _ = self._cache.obtain(
            key, read, fresh=fresh, kind="metrics", sharing=sharing
        )
        return found

    def _raise_unknown(
        self,
        dimension: str,
        text: str,
        names: Sequence[tuple[str, Any]],
        identity: Identity,
    ) -> None:
        if _level(dimension):
            for other in ("category", "category_2", "category_3", "category_4", "type"):
                if other != dimension and _matching(text, self._names(other, identity)):
                    raise ValidationError(
                        "filters", text, f"{text[:80]} is no {dimension}, but a {other}"
                    )
        products = self._products_of(dimension, identity)
        raise _unknown(dimension, text, [name for name, _ in names], products)


def _asked(
    dimension: str, values: Sequence[Value] = ()
) -> tuple[str, Mapping[str, Any]]:
    """Return which statement lists the values of a dimension, and its parameters."""
    if dimension == "product":
        return dimension, {"names": [str(value).strip().lower() for value in values]}
    return ("category" if _level(dimension) else dimension), {}


def _level(dimension: str) -> int | None:
    """Return the level of the tree that a dimension is, if it is one."""
    if not dimension.startswith("category"):
        return None
    return int(dimension.partition("_")[2] or 1)


def _weekday(text: str) -> int:
    wanted = text.casefold()
    for number, name in enumerate(_WEEKDAYS, start=1):
        if wanted == str(number) or (len(wanted) >= 3 and name.startswith(wanted)):
            return number
    raise _unknown("weekday", text, _WEEKDAYS)


def _matching(text: str, names: Sequence[tuple[str, Any]]) -> list[Any]:
    """Return the keys of that name, else the only one whose name holds the text."""
    wanted = text.casefold()
    exact = [
        key
        for name, key in names
        if name.casefold() == wanted or name.casefold().endswith(f" > {wanted}")
    ]
    if exact:
        return exact
    held = [key for name, key in names if wanted and wanted in name.casefold()]
    return held if len(held) == 1 else []


def _unknown(
    dimension: str,
    text: str,
    names: Sequence[str],
    products: Mapping[str, int] | None = None,
) -> ValidationError:
    """Return the error that lists near values, those that fit best first.

    A value that has the words comes before one that only holds the letters, and of
    equals the one with more products: it is more likely meant.
    """
    wanted = text.casefold()
    sizes = products or {}
    folded = {name.casefold(): name for name in names}
    has_word = re.compile(rf"\b{re.escape(wanted)}s?\b").search
    holding = [fold for fold in folded if wanted and wanted in fold]
    holding.sort(key=lambda fold: (not has_word(fold), -sizes.get(folded[fold], 0)))
    spelt = difflib.get_close_matches(wanted, folded, _NEAR, 0.4)
    listed = list(dict.fromkeys([*holding, *spelt])) or list(folded)
    few = ", ".join(folded[fold] for fold in listed[:_NEAR])
    hidden = len(listed) - _NEAR
    more = f" and {hidden} more" if hidden > 0 else ""
    kind = DIMENSIONS[dimension].name
    return ValidationError(
        "filters", text, f"there is no {kind} {text[:80]}; near: {few}{more}"
    )
