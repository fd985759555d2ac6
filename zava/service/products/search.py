"""ProductSearch: products for a question in a shopper's words.

Two searches bring products together: one compares the question's vector with those
of the products, the other looks for the question's words, rare ones before common
ones. Similarity is one scale for all of them, 0 to 1. The order is that of the score:
similarity, and up to 0.1 for orders of the caller's stores that hold the product. By
meaning alone it is the cosine of the two vectors. By words alone it is the share of
the question that the product's words cover, each word weighed by its rarity and by
where it stands. By both it is the cosine, more by that share of what is missing to 1
and less for a short question in words that name no product. docs/search.md says how
much. A product's own SKU is a 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from zava.ai.client import AIClient
from zava.data.product_data import (
    Found,
    find_products,
    vector_text,
)
from zava.data.provider import PostgreSQLProvider
from zava.data.statements import statement
from zava.errors import ConfigurationError, EmbeddingError
from zava.infra.answer_age import reading, told
from zava.infra.cache import QueryCache
from zava.infra.sharing import Sharing
from zava.models import FoundProduct, Identity, ProductQuestion, SearchMode
from zava.service.products.categories import CategoryNames
from zava.service.products.prices import limits_in_words
from zava.service.products.question import checked
from zava.service.products.spelling import QuestionSpelling
from zava.service.products.stock import stock_notes

_BY_WORDS = "searched by words alone: "
# Of the greatest similarity; more would cost some of what is meant (docs/search.md).
_LEAST_OF_BEST = 0.48
_VECTOR_SECONDS = 24 * 3600.0
# What a text without any word that the model knows becomes.
_NOTHING = vector_text([0.0])


class ProductSearch:
    """Answers which products somebody means.

    Args:
        provider: Where the rows come from.
        cache: Where answers are kept, and, for a day, vectors of questions.
        ai_client: What embeds a question; None to search by words alone.
        client_of: Gives the client of the model that the products were embedded with,
            None to keep to `ai_client`.

    Attributes:
        ai_client: What embeds a question now.
    """

    def __init__(
        self,
        provider: PostgreSQLProvider,
        cache: QueryCache,
        ai_client: AIClient | None,
        client_of: Callable[[str], AIClient | None] = lambda _model: None,
    ) -> None:
        self._provider = provider
        self._cache = cache
        self.ai_client = ai_client
        self._client_of = client_of
        self._is_settled = False
        self._spelling = QuestionSpelling(provider, ai_client)
        self._categories = CategoryNames(provider, cache)

    check = staticmethod(checked)

    def peek(
        self, question: ProductQuestion, rls_user_id: str
    ) -> dict[str, Any] | None:
        """Return the kept answer to a checked question; never waits for anything."""
        identity = self._provider.known_identity(rls_user_id)
        if identity is None or question.fresh:
            return None
        with reading() as read:
            answer = self._cache.peek(self._key(question, identity), "search")
        if answer is None:
            return None
        return {**answer, "cached": True, "as_of": told(read.as_of)}

    def search(self, question: ProductQuestion, rls_user_id: str) -> dict[str, Any]:
        """Check a question and return what `answer` returns.

        Raises:
            ValidationError: An argument is at fault.
            MCPError: As for `answer`.
        """
        return self.answer(self.check(question), rls_user_id)

    def answer(self, question: ProductQuestion, rls_user_id: str) -> dict[str, Any]:
        """Return the products that answer a checked question, the best first.

        Args:
            question: What is wanted, and how to search.
            rls_user_id: Who asks; stock is that of their stores.

        Returns:
            JSON values: `products`, see `FoundProduct`; `row_count`; `mode`;
            `searched_for`, the question as it was spelt; `orders_as_of`, when the
            products' orders were counted; `notes`, what else there is to say;
            `cached`, whether they were found for an earlier call; `as_of`, the time up
            to which products, prices and stock are complete. The words that spelling is
            corrected by may be older.

        Raises:
            ValidationError: There is no such category, or several.
            ConfigurationError: By meaning alone, and the products have no vectors,
                or ones of another model than the question's, or the service refuses
                what it was configured with.
            EmbeddingError: By meaning alone, and the question cannot be embedded.
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        identity = self._provider.resolve_identity(rls_user_id, anew=question.fresh)
        with reading() as read:
            answer, cached = self._cache.obtain(
                self._key(question, identity),
                partial(self._find, question, identity),
                fresh=question.fresh,
                kind="search",
                keeps=_is_whole,
                sharing=Sharing(identity, dict[str, Any]),
            )
        return {**answer, "cached": cached, "as_of": told(read.as_of)}

    def _key(self, question: ProductQuestion, identity: Identity) -> str:
        model = self.ai_client.model if self.ai_client else None
        asked = (replace(question, fresh=False), model)
        return self._cache.key("semantic_search_products", *asked, identity)

    def _find(self, question: ProductQuestion, identity: Identity) -> dict[str, Any]:
        self._settle(identity)
        spelt = self._spelling.mend(question.text, identity)
        alone: list[str] = []
        client, mode = self.ai_client, question.mode
        typed = question.text if client and client.reads_misspellings else spelt
        vector = None if mode == "keyword" else self._vector(typed, mode, alone)
        words = "" if mode == "semantic" else spelt
        found = self._found(question, identity, words, vector, alone)
        products = found.products
        if question.mode == "hybrid" and vector is not None:
            products = _relevant(products)
        notes = [*alone, *stock_notes(found.left_out)]
        if question.price_in_words is not None:
            notes.append(f"read from the words: list price {question.price_in_words}")
        if not found.products and found.left_out and found.left_out.candidates:
            # The chain has such a thing: what was left out matches well.
            if not stock_notes(found.left_out):
                notes.append("no product that matches well is in stock")
        elif not found.products:
            without = partial(self._found, words=words, vector=vector, notes=[])
            notes.append(_why_none(question, identity, without))
        return {
            "products": products,
            "row_count": len(products),
            "mode": mode,
            "searched_for": spelt,
            "orders_as_of": found.orders_as_of,
            "notes": notes,
        }

    def _settle(self, identity: Identity) -> None:
        """Take the model that the products were embedded with, if it is there."""
        if self._is_settled:
            return
        text = statement("embedding_model")
        model = self._provider.fetch(text, identity, 1, operation="search").rows[0][0]
        if model is not None and (client := self._client_of(model)) is not None:
            self.ai_client = client
            self._spelling = QuestionSpelling(self._provider, client)
        self._is_settled = True

    def _vector(self, text: str, mode: SearchMode, notes: list[str]) -> str | None:
        """The question's vector; None, and a note, where words have to do."""
        try:
            vector = self._embedded(text)
        except (ConfigurationError, EmbeddingError) as exc:
            if mode == "semantic":
                raise
            notes.append(_BY_WORDS + exc.message)
            return None
        if vector == _NOTHING:
            return None  # no word of it is one that the model knows
        return vector

    def _embedded(self, text: str) -> str:
        client = self.ai_client
        if client is None:
            raise EmbeddingError(
                "no embedding provider is set (for the administrator:"
                " ZAVA_EMBEDDING_PROVIDER)"
            )

        def embed() -> str:
            return vector_text(client.embed([text])[0])

        key = self._cache.key("question_vector", client.model, text)
        vector: str = self._cache.get_cached_result(
            key, embed, _VECTOR_SECONDS, "embedding"
        )
        return vector

    def _found(
        self,
        question: ProductQuestion,
        identity: Identity,
        words: str,
        vector: str | None,
        notes: list[str],
    ) -> Found:
        """Search; by words alone, and with a note, where the vectors do not compare."""
        find = partial(
            find_products,
            self._provider.fetch_all,
            question,
            identity,
            words=words,
            category_id=self._categories.key(
                question.category, identity, fresh=question.fresh
            ),
        )
        found = find(vector=vector)
        if vector is None:
            return found
        assert self.ai_client is not None  # noqa: S101 - it made the vector
        others = found.embedding_models - {self.ai_client.model}
        if not found.embedding_models:
            advice = "the products have no vectors yet: run `zava embed`"
        elif others:
            advice = (
                f"the products were embedded by {', '.join(sorted(others))} and"
                f" questions are by {self.ai_client.model}: run `zava embed`, or set"
                " ZAVA_EMBEDDING_PROVIDER and ZAVA_EMBEDDING_MODEL as they were then"
            )
        else:
            return found
        if question.mode == "semantic":
            raise ConfigurationError(advice)
        notes.append(_BY_WORDS + advice)
        return find(vector=None) if others else found


def _why_none(
    question: ProductQuestion, identity: Identity, find: Callable[..., Found]
) -> str:
    """Return why nothing was found; where a price was asked for, search without it."""
    low, high = question.min_price, question.max_price
    if low is not None or high is not None:
        whatever = replace(question, min_price=None, max_price=None)
        others = find(whatever, identity).products
        unknown = sum(product["price"] is None for product in others)
        if others:
            return (
                "what matches well has no list price of"
                f" {limits_in_words(low, high)}: of the {len(others)} best the list"
                f" price of {unknown} is not known"
            )
    return (
        "no product matches well: none reaches the similarity"
        f" {question.similarity_threshold:g}"
    )


def _relevant(products: list[FoundProduct]) -> list[FoundProduct]:
    """Leave out what is far less similar than the most similar product."""
    best = max((product["similarity"] for product in products), default=0.0)
    least = _LEAST_OF_BEST * best
    return [product for product in products if product["similarity"] >= least]


def _is_whole(answer: dict[str, Any]) -> bool:
    """Whether the next call would find the same: not where words had to do."""
    return not any(note.startswith(_BY_WORDS) for note in answer["notes"])
