"""Finding products: what goes to the database for a question, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from zava.data.sales import FetchAll
from zava.data.statements import statement
from zava.data.transaction import Query
from zava.models import Identity, ResultSet

DIMENSIONS = 1536
"""Of a stored vector; shorter ones are padded with zeros."""

MAX_VOCABULARY = 20_000
"""Words for spelling: so many cover a catalogue, and stay small in memory."""

_MAX_CATEGORIES = 1000
# So many products can be ranked by their words in a few milliseconds.
_MOST_WORDS = 1000
# How much a stem counts by where it stands; what a fully covered question adds to a
# cosine, and a short one in words that name no product takes from it; how strange a
# question is whose last word is; how much less a mere mention of such a word covers,
# and how much of its share a product keeps that lacks the last word of two. Found with
# one half of bench/shopper_questions.csv; docs/search.md says what they gave.
_TUNING: Mapping[str, float] = {
    "weight_name": 1.0,
    "weight_type": 0.8,
    "weight_category": 0.2,
    "weight_description": 0.6,
    "share_bonus": 0.55,
    "strange_malus": 0.2,
    "strange_head": 0.85,
    "mention_malus": 0.85,
    "headless_share": 0.4,
}


class Wanted(BaseModel):
    """A question to the catalogue.

    Attributes:
        words: The question's words, "" to search by meaning alone.
        vector: The question's vector as PostgreSQL's text, None to search by
            words alone.
        threshold: Least similarity, 0 to 1.
        depth: Products that each of the two searches brings in.
        category_id: Only this category.
        min_price: Least list price.
        max_price: Highest list price.
        in_stock_only: Only what one of the caller's stores has.
    """

    model_config = ConfigDict(frozen=True)

    words: str
    vector: str | None
    threshold: float
    depth: int
    category_id: UUID | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    in_stock_only: bool = False

    @property
    def is_filtered(self) -> bool:
        """Whether the question leaves products out whatever they are like."""
        bounds = (self.category_id, self.min_price, self.max_price)
        return self.in_stock_only or any(bound is not None for bound in bounds)


class FoundProduct(TypedDict):
    """A product that answers a question.

    `price` is the list price, USD; `similarity` is 0 to 1, as told in
    `zava.service.product_search`; `found_by` is the search that found it, `stock` the
    units in the caller's stores, and `stock_by_store` the same, store by store.
    """

    sku: str
    name: str
    description: str
    category: str
    type: str
    price: float
    similarity: float
    found_by: Literal["meaning", "words", "both"]
    stock: int
    stock_by_store: dict[str, int]


class Found(NamedTuple):
    """What a search brought.

    Attributes:
        products: The best first.
        embedding_models: What made the products' vectors; empty if there are none.
    """

    products: list[FoundProduct]
    embedding_models: frozenset[str]


def vector_text(vector: Sequence[float]) -> str:
    """Return a vector as PostgreSQL's text, padded to the column's dimensions."""
    padding = ",0" * (DIMENSIONS - len(vector))
    return "[" + ",".join(map("{:.7g}".format, vector)) + padding + "]"


def find_products(
    fetch_all: FetchAll, wanted: Wanted, identity: Identity, max_rows: int
) -> Found:
    """Return the products for a question, with the stock of `identity`'s stores.

    Args:
        fetch_all: Runs the queries as the caller.
        wanted: The question.
        identity: Who asks.
        max_rows: Products to return at most.

    Raises:
        MCPError: As for `PostgreSQLProvider.fetch_all`.
    """
    parameters = {
        **_TUNING,
        **wanted.model_dump(),
        "is_filtered": wanted.is_filtered,
        "max_rows": max_rows,
        "most_words": _MOST_WORDS,
    }
    model, found = fetch_all(
        [
            Query(statement("embedding_model")),
            Query(statement("search_products"), parameters),
        ],
        identity,
        max_rows,
        operation="product_search",
    )
    rows = dicts(found)
    models = {model.rows[0][0], *(row.pop("embedding_model") for row in rows)}
    # The columns of the statement are the keys of a product.
    products = cast("list[FoundProduct]", rows)
    return Found(products, frozenset(model for model in models if model))


def list_categories(fetch_all: FetchAll, identity: Identity) -> dict[str, UUID]:
    """Return the categories: name -> key."""
    (listed,) = fetch_all(
        [Query(statement("list_categories"))],
        identity,
        _MAX_CATEGORIES,
        operation="list_categories",
    )
    return {row["name"]: UUID(row["category_id"]) for row in dicts(listed)}


def list_vocabulary(fetch_all: FetchAll, identity: Identity) -> dict[str, int]:
    """Return the commonest words of the catalogue: word -> products that have it."""
    (listed,) = fetch_all(
        [Query(statement("list_vocabulary"))],
        identity,
        MAX_VOCABULARY,
        operation="list_vocabulary",
    )
    return {row["word"]: row["products"] for row in dicts(listed)}


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
    return frozenset(row["word"] for row in dicts(listed))


def dicts(result: ResultSet) -> list[dict[str, Any]]:
    """Return the rows by the names of their columns."""
    names = [column.name for column in result.columns]
    return [dict(zip(names, row, strict=True)) for row in result.rows]
