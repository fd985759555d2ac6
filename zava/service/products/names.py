"""Which products somebody names: by SKU, by name, by a part of it, or as a kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zava.data.provider import PostgreSQLProvider
from zava.data.statements import statement
from zava.data.transaction import Query
from zava.errors import ValidationError
from zava.models import Identity, ProductQuestion
from zava.service.products.question import clean

MAX_NAME = 200
MAX_PRODUCTS = 100
"""Products that may be named one by one."""

MAX_LIST = MAX_PRODUCTS * 50

_MAX_KIND = 1000
_FEW = 5
_BETWEEN_LINES = re.compile(r"\s*\n\s*")
_BETWEEN_SKUS = re.compile(r"[\s,;]+")

# How to look for products near a name that no product has.
_NEAR: dict[str, Any] = {"max_rows": _FEW, "similarity_threshold": 0.1}

Search = Callable[[ProductQuestion, str], Mapping[str, Any]]
"""`ProductSearch.search`, or what stands in for it."""


@dataclass(frozen=True)
class Named:
    """What somebody named.

    Attributes:
        products: Each with `product_id`, `sku`, `name`, `price`, and of a single one
            `embedding_model`.
        kind: What they have in common, if a kind was named.
    """

    products: tuple[dict[str, Any], ...]
    kind: str | None = None


class ProductNames:
    """Looks up what somebody calls a product.

    Args:
        provider: Where the rows come from.
        search: Finds what else may be meant.
    """

    def __init__(self, provider: PostgreSQLProvider, search: Search) -> None:
        self._provider = provider
        self._search = search

    def one(self, product: str, identity: Identity) -> dict[str, Any]:
        """Return the product that is meant.

        Args:
            product: SKU or name; a part of the name that only one has will do.
            identity: Who asks.

        Raises:
            ValidationError: No product, or several, are meant; names those that
                may be, with their SKUs.
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        text = _checked(product)
        rows = self._matching(text, identity)
        if not rows:
            raise self._unknown(product, text, identity)
        if len(rows) > 1:
            raise ValidationError(
                "product", product, f"several match, give a SKU: {_listed(rows)}"
            )
        return rows[0]

    def several(self, product: str, identity: Identity) -> Named:
        """Return the product, the products or the kind of products that are meant.

        Args:
            product: As for `one`; or SKUs with commas or blanks between them; or
                names or SKUs, one a line; or a type, a category, or words that the
                names of several products have.
            identity: Who asks.

        Raises:
            ValidationError: As for `one`, also for a name that several share.
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        lines = [line for line in _BETWEEN_LINES.split(product.strip()) if line]
        if len(lines) > 1:
            _check_number(lines)
            return _distinct([self.one(line, identity) for line in lines])
        # So long a list of SKUs is no name.
        text = clean(product)
        rows = self._matching(text, identity) if len(text) <= MAX_NAME else []
        if rows and rows[0]["matched"] != "part":
            if len(rows) > 1:
                raise ValidationError(
                    "product", product, f"several have this name: {_listed(rows)}"
                )
            return Named((rows[0],))
        return self._by_skus(product, identity) or self._kind(product, rows, identity)

    def _by_skus(self, product: str, identity: Identity) -> Named | None:
        """The products of a list of SKUs; None if it is no such list."""
        text = clean(product)
        skus = {sku.lower(): sku for sku in _BETWEEN_SKUS.split(text) if sku}
        if len(skus) < 2:
            return None
        is_name = len(text) <= MAX_NAME
        if not is_name:
            _check_number(list(skus))
        asked = {"skus": list(skus)}
        rows = self._rows("resolve_skus", asked, identity, len(skus))
        found = {row["sku"].lower() for row in rows}
        missing = [sku for key, sku in skus.items() if key not in found]
        if not rows and is_name:
            return None
        if missing:
            raise ValidationError(
                "product", product, f"no product has the SKU {missing[0][:50]}"
            )
        _check_number(list(skus))
        return _distinct(rows)

    def _kind(
        self, product: str, rows: Sequence[dict[str, Any]], identity: Identity
    ) -> Named:
        """The products of a kind, or else the one whose name holds the text."""
        text = _checked(product)
        asked = {"kind": text, "max_rows": _MAX_KIND + 1}
        kind = self._rows("resolve_kind", asked, identity, _MAX_KIND + 1)
        if len(kind) > _MAX_KIND:
            raise ValidationError(
                "product", product, f"names more than {_MAX_KIND} products: give a type"
            )
        if len(rows) == 1 and len(kind) <= 1:
            return Named((rows[0],))
        if kind:
            return Named(tuple(kind), kind[0]["kind"])
        if rows:
            raise ValidationError(
                "product", product, f"several match, give SKUs: {_listed(rows)}"
            )
        raise self._unknown(product, text, identity)

    def _matching(self, text: str, identity: Identity) -> list[dict[str, Any]]:
        """The products that match best: by SKU, by name, or by a part of it."""
        asked = {"product": text, "max_rows": _FEW + 1}
        rows = self._rows("resolve_product", asked, identity, _FEW + 1)
        return [row for row in rows if row["matched"] == rows[0]["matched"]]

    def _rows(
        self, name: str, parameters: Mapping[str, Any], identity: Identity, limit: int
    ) -> list[dict[str, Any]]:
        query = Query(statement(name), parameters)
        (found,) = self._provider.fetch_all([query], identity, limit, operation=name)
        return found.dicts()

    def _unknown(self, product: str, text: str, identity: Identity) -> ValidationError:
        asked = ProductQuestion(text, **_NEAR)
        near = self._search(asked, str(identity.user_id))["products"]
        advice = "there is no such product; semantic_search_products finds it by words"
        if near:
            advice = f"there is no such product; near names are {_listed(near)}"
        return ValidationError("product", product, advice)


def _checked(product: str) -> str:
    text = clean(product)
    if not text or len(text) > MAX_NAME:
        raise ValidationError(
            "product", product, f"a SKU or name has 1 to {MAX_NAME} characters"
        )
    return text


def _check_number(named: Sequence[str]) -> None:
    if len(named) > MAX_PRODUCTS:
        raise ValidationError(
            "product",
            len(named),
            f"must name at most {MAX_PRODUCTS} products, not {len(named)}",
        )


def _distinct(rows: Sequence[dict[str, Any]]) -> Named:
    return Named(tuple({row["product_id"]: row for row in rows}.values()))


def _listed(rows: Sequence[Mapping[str, Any]]) -> str:
    named = ", ".join(
        f"{row['name'][:80]} ({row['sku']}, orders: {row['orders']})"
        if "orders" in row
        else f"{row['name'][:80]} ({row['sku']})"
        for row in rows[:_FEW]
    )
    return named + (", and more" if len(rows) > _FEW else "")
