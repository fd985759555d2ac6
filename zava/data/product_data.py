"""Finding products: what goes to the database for a question, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, cast
from uuid import UUID

from zava.data.sales_data import FetchAll
from zava.data.statements import statement
from zava.data.transaction import Query
from zava.models import FoundProduct, Identity, ProductQuestion

DIMENSIONS = 1536
"""Of a stored vector; shorter ones are padded with zeros."""

MAX_VOCABULARY = 20_000
"""Words for spelling: so many cover a catalogue, and stay small in memory."""

_MAX_CATEGORIES = 1000
# So many products can be ranked by their words in a few milliseconds.
_MOST_WORDS = 1000
# Products that each of the two searches brings in at least.
_MIN_DEPTH = 50
_OF_COMPANIONS = frozenset({"bought_together", "bought_with_any"})


class LeftOut(NamedTuple):
    """What a search for products in stock leaves out.

    Attributes:
        candidates: The best products whatever their stock, as many as were asked for.
        unknown: How many of them have no known stock in any store of the caller's.
        is_any_known: Whether the stock of any product is known in these stores.
    """

    candidates: int
    unknown: int
    is_any_known: bool


class Found(NamedTuple):
    """What a search brought.

    Attributes:
        products: The best first.
        embedding_models: What made the products' vectors; empty if there are none.
        orders_as_of: When the orders that hold each product were last counted; None
            for never.
        left_out: What was left out, None if the products need not be in stock.
    """

    products: list[FoundProduct]
    embedding_models: frozenset[str]
    orders_as_of: str | None
    left_out: LeftOut | None = None


def vector_text(vector: Sequence[float]) -> str:
    """Return a vector as PostgreSQL's text, padded to the column's dimensions."""
    padding = ",0" * (DIMENSIONS - len(vector))
    return "[" + ",".join(map("{:.7g}".format, vector)) + padding + "]"


def find_products(
    fetch_all: FetchAll,
    question: ProductQuestion,
    identity: Identity,
    *,
    words: str,
    vector: str | None,
    category_id: UUID | None = None,
) -> Found:
    """Return the products for a question, with the stock of `identity`'s stores.

    Args:
        fetch_all: Runs the queries as the caller.
        question: What is asked, and for how many.
        identity: Who asks.
        words: The question's words, "" to search by meaning alone.
        vector: The question's vector as PostgreSQL's text, None to search by words
            alone.
        category_id: Only this category.

    Raises:
        MCPError: As for `PostgreSQLProvider.fetch_all`.
    """
    only = {
        "category_id": category_id,
        "min_price": exact_price(question.min_price),
        "max_price": exact_price(question.max_price),
    }
    is_filtered_besides = any(bound is not None for bound in only.values())
    parameters = {
        **only,
        "in_stock_only": question.in_stock_only,
        "is_filtered": is_filtered_besides or question.in_stock_only,
        "is_filtered_besides": is_filtered_besides,
        "words": words,
        "vector": vector,
        "threshold": question.similarity_threshold,
        "depth": max(_MIN_DEPTH, question.max_rows),
        "max_rows": question.max_rows,
        "most_words": _MOST_WORDS,
    }
    names = ["search_products"]
    if question.in_stock_only:
        names.append("left_out_of_stock")
    state, found, *counted = fetch_all(
        [
            Query(statement("search_state")),
            *(Query(statement(name), parameters) for name in names),
        ],
        identity,
        question.max_rows,
        operation="product_search",
    )
    rows = found.dicts()
    (known,) = state.dicts()
    models = {known["embedding_model"]} | {row.pop("embedding_model") for row in rows}
    # The columns of the statement are the keys of a product.
    products = cast("list[FoundProduct]", rows)
    left_out = LeftOut(**counted[0].dicts()[0]) if counted else None
    models.discard(None)
    return Found(products, frozenset(models), known["orders_as_of"], left_out)


def exact_price(price: float | None) -> Decimal | None:
    """Return a price as an exact number."""
    return None if price is None else Decimal(str(price))


def list_categories(fetch_all: FetchAll, identity: Identity) -> dict[str, UUID]:
    """Return the categories: name -> key."""
    (listed,) = fetch_all(
        [Query(statement("list_categories"))],
        identity,
        _MAX_CATEGORIES,
        operation="list_categories",
    )
    return {row["name"]: UUID(row["category_id"]) for row in listed.dicts()}


def list_vocabulary(
    fetch_all: FetchAll, identity: Identity
) -> tuple[dict[str, int], int]:
    """Return the commonest words of the catalogue, and how many products it has.

    Each word is told how many products have it.
    """
    listed, size = fetch_all(
        [Query(statement("list_vocabulary")), Query(statement("catalogue_size"))],
        identity,
        MAX_VOCABULARY,
        operation="list_vocabulary",
    )
    words = {row["word"]: row["products"] for row in listed.dicts()}
    return words, size.rows[0][0]


def known_words(
    fetch_all: FetchAll, words: Sequence[str], identity: Identity
) -> frozenset[str]:
    """Return those of `words` that are a form of a catalogue's word, or a stop word."""
    (listed,) = fetch_all(
        [Query(statement("known_stems"), {"words": list(words)})],
        identity,
        len(words),
        operation="known_words",
    )
    return frozenset(row["word"] for row in listed.dicts())


def recommended(name: str, parameters: Mapping[str, Any]) -> Query:
    """Return the query of recommendations.sql that a name stands for.

    Args:
        name: `bought_together` or `bought_with_any`, which end alike, or
            `segment_products`.
        parameters: What it is asked with.
    """
    text = statement(name)
    if name in _OF_COMPANIONS:
        text = f"{text}\n{statement('companions')}"
    return Query(text, parameters)
