"""What may be asked of the product search, and how much."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from zava.errors import ValidationError

Mode = Literal["hybrid", "semantic", "keyword"]

DEFAULT_ROWS = 20
MAX_ROWS = 100
DEFAULT_THRESHOLD = 0.3
MAX_QUESTION = 10_000


@dataclass(frozen=True)
class Filters:
    """What a product has to be, whatever the question.

    Attributes:
        category: A category's name, or a part of it that only one has.
        min_price: Least list price, USD.
        max_price: Highest list price, USD.
        in_stock_only: Whether one of the caller's stores must have it.
    """

    category: str | None = None
    min_price: float | None = None
    max_price: float | None = None
    in_stock_only: bool = False


NO_FILTERS = Filters()


@dataclass(frozen=True)
class Options:
    """How to search.

    Attributes:
        max_rows: Products to return at most, 1 to 100.
        similarity_threshold: Least similarity, 0 to 1.
        mode: Both searches, or one of them.
        filters: What a product has to be besides.
        fresh: Whether to search even if the answer is kept.
    """

    max_rows: int = DEFAULT_ROWS
    similarity_threshold: float = DEFAULT_THRESHOLD
    mode: Mode = "hybrid"
    filters: Filters = NO_FILTERS
    fresh: bool = False


USUAL = Options()


def check_question(question: str, options: Options) -> str:
    """Return the question without what PostgreSQL and the wire cannot take.

    Raises:
        ValidationError: It is empty or too long, a number is out of range, or the
            filters leave nothing.
    """
    text = clean(question)
    if not text:
        raise ValidationError("query_description", question, "must not be empty")
    if len(text) > MAX_QUESTION:
        raise ValidationError(
            "query_description", question, f"must be at most {MAX_QUESTION} characters"
        )
    check_rows(options.max_rows)
    threshold = options.similarity_threshold
    if not 0 <= threshold <= 1:
        raise ValidationError("similarity_threshold", threshold, "must be 0 to 1")
    _check_filters(options.filters)
    return text


def check_rows(max_rows: int) -> None:
    """See that so many products may be asked for.

    Raises:
        ValidationError: Too many, or none.
    """
    if not 1 <= max_rows <= MAX_ROWS:
        raise ValidationError("max_rows", max_rows, f"must be 1 to {MAX_ROWS}")


def _check_filters(filters: Filters) -> None:
    low, high = filters.min_price, filters.max_price
    if low is not None and high is not None and low > high:
        raise ValidationError("min_price", low, "must not be above max_price")


def clean(text: str) -> str:
    """Return a text without NUL, lone surrogates and blanks around it."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ").strip()


def money(price: float | None) -> Decimal | None:
    """Return a price as an exact number."""
    return None if price is None else Decimal(str(price))
