"""What may be asked of the product search, and how much."""

from __future__ import annotations

from dataclasses import replace

from zava.errors import ValidationError
from zava.models import ProductQuestion
from zava.service.products.prices import limits_in_words, read_price

MAX_ROWS = 100
MAX_QUESTION = 10_000


def checked(question: ProductQuestion) -> ProductQuestion:
    """Return a question whose text PostgreSQL and the wire can take.

    Limits of the price in words are read, unless the question has some anyway.

    Raises:
        ValidationError: It is empty or too long, a number is out of range, or the
            prices leave nothing.
    """
    text = clean(question.text)
    if not text:
        raise ValidationError("query_description", question.text, "must not be empty")
    if len(text) > MAX_QUESTION:
        raise ValidationError(
            "query_description",
            question.text,
            f"must be at most {MAX_QUESTION} characters",
        )
    check_rows(question.max_rows)
    threshold = question.similarity_threshold
    if not 0 <= threshold <= 1:
        raise ValidationError("similarity_threshold", threshold, "must be 0 to 1")
    low, high = question.min_price, question.max_price
    if low is not None and high is not None and low > high:
        raise ValidationError("min_price", low, "must not be above max_price")
    if low is not None or high is not None:
        return replace(question, text=text)
    read = read_price(text)
    if read.low is None and read.high is None:
        return replace(question, text=text)
    return replace(
        question,
        text=read.rest,
        min_price=read.low,
        max_price=read.high,
        price_in_words=limits_in_words(read.low, read.high),
    )


def check_rows(max_rows: int) -> None:
    """See that so many products may be asked for.

    Raises:
        ValidationError: Too many, or none.
    """
    if not 1 <= max_rows <= MAX_ROWS:
        raise ValidationError("max_rows", max_rows, f"must be 1 to {MAX_ROWS}")


def clean(text: str) -> str:
    """Return a text without NUL, lone surrogates and blanks around it."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ").strip()
