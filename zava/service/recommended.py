"""What recommendations may be asked for, and what is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zava.errors import ValidationError
from zava.service.product_question import check_rows
from zava.service.segments import Segment


def check_asked(product: str | None, segment: Segment | None, max_rows: int) -> None:
    """See that one of the two is given.

    Raises:
        ValidationError: Both, or neither; or too many rows, or none.
    """
    check_rows(max_rows)
    if (product is None) == (segment is None):
        raise ValidationError(
            "product", product, "give exactly one of product and customer_segment"
        )


def shown(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of a product that was named."""
    return {name: found[name] for name in ("sku", "name", "price")}


def answered(
    basis: dict[str, Any],
    rows: list[dict[str, Any]],
    similar: list[dict[str, Any]],
    notes: list[str],
) -> dict[str, Any]:
    """Return the answer, in JSON values."""
    columns = ("sku", "name", "price", "support", "confidence", "lift", "stock")
    return {
        "basis": basis,
        "recommendations": [{name: row[name] for name in columns} for row in rows],
        "similar_in_stock": similar,
        "row_count": len(rows),
        "notes": notes,
    }
