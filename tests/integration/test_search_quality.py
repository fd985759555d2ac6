"""The product search does not get worse: a floor under what bench/ measures."""

from __future__ import annotations

from collections import Counter

import psycopg

from bench.search_quality import evaluate, read_questions, ways_to_search
from tests.people import SEATTLE
from zava.data.provider import PostgreSQLProvider
from zava.infra.cache import QueryCache
from zava.infra.local_ai import LocalClient
from zava.service.product_search import ProductSearch

QUESTIONS = read_questions()


def test_the_questions_are_graded_by_products_that_exist(
    owner: psycopg.Connection,
) -> None:
    skus = {sku for (sku,) in owner.execute("SELECT sku FROM retail.products")}
    kinds = Counter(question.kind for question in QUESTIONS)
    assert len(QUESTIONS) >= 120
    assert len({question.text for question in QUESTIONS}) == len(QUESTIONS)
    assert set(kinds) == {
        "plain", "synonym", "use", "size", "misspelling", "negative",
    }  # fmt: skip
    for question in QUESTIONS:
        assert set(question.grades) <= skus
        assert bool(question.grades) == (question.kind != "negative")


def test_both_searches_together_are_better_than_either(
    searchable_provider: PostgreSQLProvider,
) -> None:
    search = ProductSearch(searchable_provider, QueryCache(), LocalClient())
    ways = ways_to_search(search, searchable_provider, SEATTLE)
    del ways["ILIKE"]  # there to compare with, not part of the product
    # What was not looked at when weights and thresholds were chosen.
    questions = [question for question in QUESTIONS if question.half == "held out"]
    quality = {name: evaluate(ask, questions) for name, ask in ways.items()}
    best = quality.pop("hybrid")
    assert best.ndcg >= 0.80
    assert best.silent >= 0.80
    assert best.ndcg > max(other.ndcg for other in quality.values())
