"""Recommendations: what is like a product, and what goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from zava.data.product_data import LeftOut, exact_price, recommended
from zava.data.provider import PostgreSQLProvider
from zava.data.statements import statement
from zava.data.transaction import Query
from zava.errors import ConfigurationError, ValidationError
from zava.infra.answer_age import reading, told
from zava.infra.cache import QueryCache
from zava.infra.sharing import Sharing
from zava.models import Identity
from zava.service.products.categories import CategoryNames
from zava.service.products.names import Named, ProductNames, Search
from zava.service.products.question import check_rows
from zava.service.products.stock import stock_notes
from zava.service.segments import (
    LONG_LAPSED,
    NOT_COUNTED,
    Segment,
    is_long,
    rule,
)

MIN_ORDERS = 5
"""Orders that hold two products, or one of a segment's: fewer are chance."""

MIN_CUSTOMERS = 3
"""Customers of these orders: fewer are no rule for another one."""

# The products that meet one most often; a lift is computed for these.
_CANDIDATES = 1000
_LEAST = {"min_orders": MIN_ORDERS, "min_customers": MIN_CUSTOMERS}
_FEW = 5
# Products that an answer about a kind names.
_SHOWN = 10
_ENOUGH = f"{MIN_ORDERS} orders of {MIN_CUSTOMERS} customers or more"
_NO_COMPANION = (
    f"no product is in {_ENOUGH} with what was named, and more often than by chance"
)
_NO_PREFERENCE = (
    f"this segment buys what others buy, no product in {_ENOUGH} and visibly more"
    " often; what it buys most, query_metrics says: orders by product, with the filter"
    " segment"
)
_NOT_SOLD = "no order holds it"
_NO_SALES = "there are no sales yet"
_NOBODY = "no customer is in this segment"
_TOO_FEW = "too few customers have bought, or come back, to draw a line"
_EACH_STORE = (
    "segments are those of each store, by its own rule: a customer who is in it in"
    " several stores counts in each of them"
)
_KIND = "recommendations"
_COLUMNS = (
    *("sku", "name", "price", "orders", "customers"),
    *("confidence", "lift", "lift_at_least", "stock"),
)
# Of an alternative; `similarity` is why it is one.
_ALTERNATIVE = ("sku", "name", "price", "similarity", "stock")


class RecommendationQuestion(NamedTuple):
    """What recommendations are asked for; one of product and segment is None.

    Attributes:
        product: SKU or name, as for `Recommendations.similar`; several of them; or a
            kind of product. `ProductNames.several` says how.
        segment: Or a group of customers, one of `SEGMENTS`.
        max_rows: Products to return at most.
        fresh: Ask the database even if the answer is kept.
    """

    product: str | None
    segment: Segment | None
    max_rows: int
    fresh: bool


class Recommendations:
    """Finds alternatives and companions of products, for one caller's stores.

    Args:
        provider: Where the rows come from.
        cache: Where recommendations are kept.
        search: Finds what else a name that nothing has may mean.
    """

    def __init__(
        self, provider: PostgreSQLProvider, cache: QueryCache, search: Search
    ) -> None:
        self._provider = provider
        self._cache = cache
        self._names = ProductNames(provider, search)
        self._categories = CategoryNames(provider, cache)

    def similar(
        self,
        product: str,
        rls_user_id: str,
        *,
        max_rows: int = 10,
        in_stock_only: bool = False,
        category: str | None = None,
        max_price: float | None = None,
    ) -> dict[str, Any]:
        """Return the products whose descriptions are nearest to one product's.

        Args:
            product: SKU or name; a part of the name that only one has will do.
            rls_user_id: Who asks; stock is that of their stores.
            max_rows: Products to return at most.
            in_stock_only: Whether one of those stores must have it.
            category: Only this category, by name.
            max_price: Highest list price.

        Returns:
            JSON values: `product`; `similar`, each with `sku`, `name`,
            `description`, `price`, `similarity` (cosine), `stock`,
            `stock_by_store`; `row_count`; `notes`; `as_of`, the time up to which
            products, prices and stock are complete.

        Raises:
            ValidationError: No product, or several, are meant; or no category.
            ConfigurationError: The product has no vector.
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        check_rows(max_rows)
        identity = self._provider.resolve_identity(rls_user_id)
        with reading() as read:
            found = self._names.one(product, identity)
            similar, notes = self._similar(
                found,
                identity,
                max_rows,
                in_stock_only=in_stock_only,
                category_id=self._categories.key(category, identity),
                max_price=exact_price(max_price),
            )
        if not similar and not notes:
            notes = ["no other product fits"]
        return {
            "product": _shown_product(found),
            "similar": similar,
            "row_count": len(similar),
            "notes": notes,
            "as_of": told(read.as_of),
        }

    def check(
        self,
        product: str | None = None,
        segment: Segment | None = None,
        max_rows: int = 10,
        *,
        fresh: bool = False,
    ) -> RecommendationQuestion:
        """Return what is to be asked.

        Raises:
            ValidationError: Not exactly one of product and segment; or too many rows,
                or none.
        """
        check_rows(max_rows)
        if (product is None) == (segment is None):
            raise ValidationError(
                "product", product, "give exactly one of product and customer_segment"
            )
        return RecommendationQuestion(product, segment, max_rows, fresh)

    def peek(
        self, question: RecommendationQuestion, rls_user_id: str
    ) -> dict[str, Any] | None:
        """Return the kept recommendations, or None; never waits for anything."""
        identity = self._provider.known_identity(rls_user_id)
        if identity is None or question.fresh:
            return None
        with reading() as read:
            answer = self._cache.peek(self._key(question, identity), _KIND)
        if answer is None:
            return None
        return {**answer, "cached": True, "as_of": told(read.as_of)}

    def recommend(
        self,
        rls_user_id: str,
        *,
        product: str | None = None,
        segment: Segment | None = None,
        max_rows: int = 10,
        fresh: bool = False,
    ) -> dict[str, Any]:
        """Check a question and return what `answer` returns.

        Args:
            rls_user_id: Who asks.
            product: As for `RecommendationQuestion`, and so are the others.
            segment: Or a group of customers.
            max_rows: Products to return at most.
            fresh: Ask the database even if the answer is kept.

        Raises:
            ValidationError: As for `check`.
            MCPError: As for `answer`.
        """
        question = self.check(product, segment, max_rows, fresh=fresh)
        return self.answer(question, rls_user_id)

    def answer(
        self, question: RecommendationQuestion, rls_user_id: str
    ) -> dict[str, Any]:
        """Return what is bought with a product, or what a segment prefers.

        Args:
            question: What is asked.
            rls_user_id: Who asks; orders and stock are those of their stores.

        Returns:
            JSON values: `basis`, what it was computed from, and in its `as_of` when
            that was counted; `recommendations`,
            each with `sku`, `name`, `price`, `orders` (with both products or of the
            segment), their `customers`, `confidence` (share of the product's orders,
            or of all that the segment bought), `lift` (how many times as often as by
            chance), `lift_at_least` (the lower end of its 99.9 % interval, by which
            they are ranked) and `stock`; `similar_in_stock`, for a product, each with
            `sku`, `name`, `price`, `similarity` (cosine) and `stock`; `row_count`,
            `notes`, `cached`; `as_of`, the time up to which products, prices and stock
            are complete.

        Raises:
            ValidationError: No product, or several, are meant.
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        identity = self._provider.resolve_identity(rls_user_id, anew=question.fresh)
        with reading() as read:
            answer, cached = self._cache.obtain(
                self._key(question, identity),
                partial(self._compute, question, identity),
                fresh=question.fresh,
                kind=_KIND,
                sharing=Sharing(identity, dict[str, Any]),
            )
        return {**answer, "cached": cached, "as_of": told(read.as_of)}

    def _key(self, question: RecommendationQuestion, identity: Identity) -> str:
        return self._cache.key(_KIND, question._replace(fresh=False), identity)

    def _compute(
        self, question: RecommendationQuestion, identity: Identity
    ) -> dict[str, Any]:
        product, segment, max_rows, _ = question
        if product is not None:
            return self._with_product(product, identity, max_rows)
        assert segment is not None  # noqa: S101 - one of the two is there
        return self._for_segment(segment, identity, max_rows)

    def _with_product(
        self, product: str, identity: Identity, max_rows: int
    ) -> dict[str, Any]:
        named = self._names.several(product, identity)
        if len(named.products) > 1:
            return self._with_any(named, identity, max_rows)
        (found,) = named.products
        counted, rows = self._counted(
            "bought_together",
            {
                **_LEAST,
                "candidates": _CANDIDATES,
                "product_id": found["product_id"],
                "max_rows": max_rows,
            },
            identity,
        )
        notes = [] if rows else [_no_companion(counted)]
        similar: list[dict[str, Any]] = []
        if found.get("embedding_model") is None:
            notes.append("no similar products: run `zava embed` for this one")
        else:
            similar, unknown = self._similar(found, identity, _FEW, in_stock_only=True)
            notes += [f"similar_in_stock: {note}" for note in unknown]
        basis = {
            "product": _shown_product(found),
            **_counted_orders(counted),
        }
        return _answered(basis, rows, similar, notes)

    def _with_any(
        self, named: Named, identity: Identity, max_rows: int
    ) -> dict[str, Any]:
        products = named.products
        counted, rows = self._counted(
            "bought_with_any",
            {
                **_LEAST,
                "candidates": _CANDIDATES,
                "product_ids": [found["product_id"] for found in products],
                "max_rows": max_rows,
            },
            identity,
        )
        notes = [] if rows else [_no_companion(counted)]
        if len(products) > _SHOWN:
            notes.append(f"of the {len(products)} products {_SHOWN} are listed")
        basis = {
            **({"kind": named.kind} if named.kind else {}),
            "products": [_shown_product(found) for found in products[:_SHOWN]],
            "product_count": len(products),
            **_counted_orders(counted),
        }
        return _answered(basis, rows, [], notes)

    def _for_segment(
        self, segment: Segment, identity: Identity, max_rows: int
    ) -> dict[str, Any]:
        counted, rows = self._counted(
            "segment_products",
            {**_LEAST, "segment": segment, "max_rows": max_rows},
            identity,
        )
        is_chain, threshold = counted["is_chain"], counted["threshold"]
        is_one = is_chain or len(identity.store_ids) == 1
        notes = [] if rows else [_no_preference(counted)]
        if is_one and threshold is None and counted["members"] is not None:
            notes.append(_TOO_FEW)
        if not is_one:
            notes.append(_EACH_STORE)
        elif threshold is not None and is_long(segment, threshold):
            notes.append(LONG_LAPSED)
        basis = {
            "segment": segment,
            "of": _whose(is_chain, is_one),
            "customers": counted["members"] or 0,
            "orders": counted["segment_orders"] or 0,
            "as_of": counted["as_of"],
        }
        if is_one and threshold is not None:
            basis["rule"] = rule(segment, threshold)
        return _answered(basis, rows, [], notes)

    def _similar(
        self,
        found: Mapping[str, Any],
        identity: Identity,
        max_rows: int,
        *,
        in_stock_only: bool,
        category_id: UUID | None = None,
        max_price: Decimal | None = None,
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """The products, and what is to be said of stock that is not known."""
        if found["embedding_model"] is None:
            raise ConfigurationError("this product has no vector yet: run `zava embed`")
        parameters = {
            "product_id": found["product_id"],
            "max_rows": max_rows,
            "in_stock_only": in_stock_only,
            "category_id": category_id,
            "max_price": max_price,
        }
        names = ["similar_products"]
        if in_stock_only:
            names.append("similar_left_out")
        queries = [Query(statement(name), parameters) for name in names]
        similar, *counted = self._provider.fetch_all(
            queries, identity, max_rows, operation="similar_products"
        )
        left_out = LeftOut(**counted[0].dicts()[0]) if counted else None
        return similar.dicts(), stock_notes(left_out)

    def _counted(
        self, name: str, parameters: Mapping[str, Any], identity: Identity
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The first row, which says what was counted, and those that name products."""
        rows = self._rows(name, parameters, identity)
        return rows[0], [row for row in rows if row["sku"] is not None]

    def _rows(
        self, name: str, parameters: Mapping[str, Any], identity: Identity
    ) -> list[dict[str, Any]]:
        query, max_rows = recommended(name, parameters), parameters["max_rows"]
        (result,) = self._provider.fetch_all(
            [query], identity, max_rows, operation=name
        )
        return result.dicts()


def _no_companion(counted: Mapping[str, Any]) -> str:
    """Return why no product is recommended with another one."""
    if counted["as_of"] is None:
        return NOT_COUNTED
    if not counted["all_orders"]:
        return _NO_SALES
    return _NO_COMPANION if counted["orders_with_product"] else _NOT_SOLD


def _no_preference(counted: Mapping[str, Any]) -> str:
    """Return why no product is recommended to a segment."""
    if counted["as_of"] is None:
        return NOT_COUNTED
    if counted["members"] is None:
        return _NO_SALES
    return _NO_PREFERENCE if counted["members"] else _NOBODY


def _whose(is_chain: bool, is_one: bool) -> str:
    if is_chain:
        return "the whole chain"
    return "the store" if is_one else "each store"


def _counted_orders(counted: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many orders were looked at, and as of when."""
    return {
        "orders_with_product": counted["orders_with_product"],
        "orders": counted["all_orders"],
        "as_of": counted["as_of"],
    }


def _shown_product(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of a product that was named."""
    return {name: found[name] for name in ("sku", "name", "price")}


def _answered(
    basis: dict[str, Any],
    rows: list[dict[str, Any]],
    similar: list[dict[str, Any]],
    notes: list[str],
) -> dict[str, Any]:
    """Return the answer, in JSON values."""
    return {
        "basis": basis,
        "recommendations": [{name: row[name] for name in _COLUMNS} for row in rows],
        "similar_in_stock": [
            {name: row[name] for name in _ALTERNATIVE} for row in similar
        ],
        "row_count": len(rows),
        "notes": notes,
    }
