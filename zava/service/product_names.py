"""Which product somebody names, by SKU, by name or by a part of it."""

from __future__ import annotations

from typing import Any

from zava.data.products import dicts
from zava.data.sales import FetchAll
from zava.data.statements import statement
from zava.data.transaction import Query
from zava.errors import ValidationError
from zava.models import Identity
from zava.service.product_question import clean

_MAX_NAME = 200
_FEW = 5


def find_product(
    fetch_all: FetchAll, product: str, identity: Identity
) -> dict[str, Any]:
    """Return the product's `product_id`, `sku`, `name`, `price`, `embedding_model`.

    Args:
        fetch_all: Runs the query as the caller.
        product: SKU or name; a part of the name that only one has will do.
        identity: Who asks.

    Raises:
        ValidationError: No product, or several, are meant.
        MCPError: As for `PostgreSQLProvider.fetch_all`.
    """
    text = clean(product)
    if not text or len(text) > _MAX_NAME:
        raise ValidationError(
            "product", product, f"must be a SKU or name, 1 to {_MAX_NAME} letters"
        )
    (found,) = fetch_all(
        [Query(statement("resolve_product"), {"product": text})],
        identity,
        _FEW + 1,
        operation="resolve_product",
    )
    rows = dicts(found)
    exact = [r for r in rows if text.lower() in (r["sku"].lower(), r["name"].lower())]
    if exact:
        return exact[0]
    if not rows:
        raise ValidationError(
            "product",
            product,
            "there is no such product; semantic_search_products finds it by words",
        )
    if len(rows) > 1:
        near = ", ".join(f"{row['name']} ({row['sku']})" for row in rows[:_FEW])
        raise ValidationError("product", product, f"several match: {near}")
    return rows[0]
