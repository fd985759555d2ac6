"""What there is to say of stock that nobody knows: it is neither in stock nor out."""

from __future__ import annotations

from zava.data.product_data import LeftOut

_NONE_IS_KNOWN = (
    "no stock is known in any store of yours, so it is not known either which products"
    " are in stock: ask again without in_stock_only"
)


def stock_notes(left_out: LeftOut | None) -> list[str]:
    """Return what `in_stock_only` left out since its stock is not known.

    Args:
        left_out: What was left out; None if the products need not be in stock.
    """
    if left_out is None or not left_out.unknown:
        return []
    if not left_out.is_any_known:
        return [_NONE_IS_KNOWN]
    return [
        f"of the {left_out.candidates} best matches, whatever their stock,"
        f" {left_out.unknown} left out whose stock is not known"
    ]
