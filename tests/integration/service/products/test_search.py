"""ProductSearch on the seed: what is found, for whom, and what is said if nothing is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest

from tests.conftest import temporary_database
from tests.fakes import FakeClock
from tests.people import REDMOND, SEATTLE, STORE_MANAGERS
from zava.admin.embedded import EmbeddedServer
from zava.ai.local import LocalClient
from zava.data.provider import PostgreSQLProvider
from zava.errors import ConfigurationError, EmbeddingError, ValidationError
from zava.infra.cache import QueryCache
from zava.models import ProductQuestion, SearchMode
from zava.service.products.recommendations import Recommendations
from zava.service.products.search import ProductSearch

OUTLET_COVER = "ELJB054030"
HEAD_OFFICE_STORES = 8


class FailingClient(LocalClient):
    """A service that is down."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Fail."""
        raise EmbeddingError("the embedding service failed (503)")


class OtherClient(LocalClient):
    """The same vectors under another model's name."""

    model = "another-model"


class CountingClient(LocalClient):
    """Counts what it is asked, and takes texts as they were typed."""

    reads_misspellings = True

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed, and remember."""
        self.texts += texts
        return super().embed(texts)


@pytest.fixture(scope="module")
def client() -> LocalClient:
    return LocalClient()


@pytest.fixture(scope="module")
def search(
    searchable_provider: PostgreSQLProvider, client: LocalClient
) -> ProductSearch:
    return ProductSearch(searchable_provider, QueryCache(), client)


@pytest.fixture(scope="module")
def head_office(searchable_owner: psycopg.Connection) -> str:
    row = searchable_owner.execute(
        "SELECT user_id FROM retail.regional_managers WHERE name = 'Head Office'"
    ).fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture(scope="module")
def searchable_owner(
    cluster: EmbeddedServer, searchable: str
) -> Iterator[psycopg.Connection]:
    conninfo = cluster.conninfo(dbname=searchable, user="postgres")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        yield conn


def skus(answer: dict[str, Any]) -> list[str]:
    return [product["sku"] for product in answer["products"]]


def by_similarity(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The products without what sales did to their order."""
    return sorted(answer["products"], key=lambda p: (-p["similarity"], p["sku"]))


def stocks(owner: psycopg.Connection, sku: str, manager: str) -> dict[str, int]:
    rows = owner.execute(
        "SELECT s.name, i.stock_level FROM retail.inventory AS i"
        " JOIN retail.stores AS s USING (store_id)"
        " JOIN retail.products AS p USING (product_id)"
        " WHERE p.sku = %s AND s.manager_id = %s",
        (sku, manager),
    )
    return dict(rows.fetchall())


@pytest.mark.acceptance("A22")
def test_a_need_in_plain_words_finds_the_product(search: ProductSearch) -> None:
    answer = search.search(
        ProductQuestion("something to keep rain out of an outdoor outlet"), SEATTLE
    )
    assert skus(answer)[0] == OUTLET_COVER
    first = answer["products"][0]
    assert first["found_by"] == "both"
    assert 0.3 <= first["similarity"] <= 1
    assert first["category"] == "Electrical"
    assert answer["notes"] == []
    containers = skus(
        search.search(ProductQuestion("containers for paint", max_rows=3), SEATTLE)
    )
    assert "PFTR027010" in containers  # a paint tray, which does not say container


@pytest.mark.parametrize("manager", [SEATTLE, REDMOND])
def test_stock_is_that_of_the_caller_s_own_store(
    search: ProductSearch, searchable_owner: psycopg.Connection, manager: str
) -> None:
    product = search.search(ProductQuestion("outdoor outlet cover"), manager)[
        "products"
    ][0]
    expected = stocks(searchable_owner, product["sku"], manager)
    assert product["stock_by_store"] == expected
    assert product["stock"] == sum(expected.values())


def test_head_office_sees_every_store_s_stock(
    search: ProductSearch, head_office: str
) -> None:
    product = search.search(ProductQuestion("claw hammer"), head_office)["products"][0]
    assert len(product["stock_by_store"]) == HEAD_OFFICE_STORES
    assert product["stock"] == sum(product["stock_by_store"].values())


@pytest.mark.parametrize("question", ["laptops", "lawn mower", "a Lawn-Mower!"])
def test_nothing_is_found_for_what_the_chain_does_not_sell(
    search: ProductSearch, question: str
) -> None:
    answer = search.search(ProductQuestion(question), SEATTLE)
    assert answer["products"] == []
    assert answer["row_count"] == 0
    (note,) = answer["notes"]
    assert note.startswith("no product matches well")


def test_a_misspelt_word_is_read_as_the_catalogue_s(search: ProductSearch) -> None:
    answer = search.search(ProductQuestion("scredriver set"), SEATTLE)
    assert answer["searched_for"] == "screwdriver set"
    assert skus(answer)[0] == "HTSD002010"


def test_a_sku_finds_its_product_first(search: ProductSearch) -> None:
    answer = search.search(ProductQuestion(OUTLET_COVER.lower()), SEATTLE)
    assert skus(answer)[0] == OUTLET_COVER
    assert answer["products"][0]["similarity"] == 1


def test_each_mode_searches_in_its_own_way(search: ProductSearch) -> None:
    modes: tuple[SearchMode, ...] = ("semantic", "keyword")
    found_by = {
        mode: {
            p["found_by"]
            for p in search.search(ProductQuestion("kitchen tap", mode=mode), SEATTLE)[
                "products"
            ]
        }
        for mode in modes
    }
    assert found_by["semantic"] == {"meaning"}
    assert found_by["keyword"] == {"words"}


def test_by_meaning_similarity_is_the_cosine(
    search: ProductSearch, client: LocalClient, searchable_owner: psycopg.Connection
) -> None:
    question = "paint for the outside of my house"
    asked = ProductQuestion(question, 20, 0.4, "semantic")
    answer = search.search(asked, SEATTLE)
    (vector,) = client.embed([question])
    rows = searchable_owner.execute(
        "SELECT p.sku, round(similarity_score::numeric, 4)::float8"
        " FROM retail.search_products_by_description(%s, 0.4, 20)"
        " JOIN retail.products AS p USING (product_id)",
        (str(vector + [0.0] * (1536 - len(vector))),),
    ).fetchall()
    assert [(p["sku"], p["similarity"]) for p in by_similarity(answer)] == rows


def test_filters_leave_only_what_fits(
    search: ProductSearch, searchable_owner: psycopg.Connection
) -> None:
    question = ProductQuestion(
        "something for walls", category="paint", min_price=10, max_price=30
    )
    answer = search.search(question, SEATTLE)
    assert answer["products"]
    for product in answer["products"]:
        assert product["category"] == "Paint & Finishes"
        assert 10 <= product["price"] <= 30


def test_a_price_in_words_limits_the_price_and_is_told(search: ProductSearch) -> None:
    answer = search.search(ProductQuestion("garden hose under 40 dollars"), SEATTLE)
    assert answer["products"]
    assert all(product["price"] <= 40 for product in answer["products"])
    assert answer["searched_for"] == "garden hose"
    assert answer["notes"] == ["read from the words: list price at most 40"]


def test_an_answer_says_if_only_the_price_left_nothing(search: ProductSearch) -> None:
    answer = search.search(ProductQuestion("circular saw below $1"), SEATTLE)
    assert answer["products"] == []
    (read, none) = answer["notes"]
    assert read.endswith("at most 1")
    assert none.startswith("what matches well has no list price of at most 1: of the ")
    assert none.endswith(" best the list price of 0 is not known")
    question = ProductQuestion("lawn mower", max_price=1)
    assert "reaches the similarity" in search.search(question, SEATTLE)["notes"][0]


@contextmanager
def changed_copy(
    cluster: EmbeddedServer, searchable: str, change: str
) -> Iterator[str]:
    """Yield the name of a copy in which the manager of Seattle and the cover were changed."""
    with psycopg.connect(
        cluster.conninfo(dbname="postgres", user="postgres"), autocommit=True
    ) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> pg_backend_pid()",
            (searchable,),
        )
    for name in temporary_database(cluster, searchable):
        with psycopg.connect(cluster.conninfo(dbname=name, user="postgres")) as own:
            own.execute(change.encode(), (SEATTLE, OUTLET_COVER))
        yield name


def test_in_stock_only_looks_at_the_caller_s_stores(
    cluster: EmbeddedServer, searchable: str, client: LocalClient
) -> None:
    sold_out = (
        "UPDATE retail.inventory SET stock_level = 0 WHERE store_id ="
        " (SELECT store_id FROM retail.stores WHERE manager_id = %s)"
        " AND product_id = (SELECT product_id FROM retail.products WHERE sku = %s)"
    )
    with changed_copy(cluster, searchable, sold_out) as name:
        login = cluster.conninfo(dbname=name, user="zava_server")
        provider = PostgreSQLProvider({"conninfo": login})
        provider.open()
        with closing(provider):
            search = ProductSearch(provider, QueryCache(), client)
            question = ProductQuestion("outlet cover", in_stock_only=True)

            def found(manager: str) -> list[str]:
                return skus(search.search(question, manager))

            assert OUTLET_COVER not in found(SEATTLE)
            assert OUTLET_COVER in found(REDMOND)


@pytest.fixture(scope="module")
def uncounted(cluster: EmbeddedServer, searchable: str) -> Iterator[str]:
    """A database whose stock is known in part: of nothing in Seattle, of all but a cover elsewhere."""
    not_counted = (
        "DELETE FROM retail.inventory WHERE store_id ="
        " (SELECT store_id FROM retail.stores WHERE manager_id = %s)"
        " OR product_id = (SELECT product_id FROM retail.products WHERE sku = %s)"
    )
    with changed_copy(cluster, searchable, not_counted) as name:
        yield name


def test_where_no_stock_is_known_the_answer_says_so_and_not_that_nothing_is_found(
    cluster: EmbeddedServer, uncounted: str, client: LocalClient
) -> None:
    login = cluster.conninfo(dbname=uncounted, user="zava_server")
    provider = PostgreSQLProvider({"conninfo": login})
    provider.open()
    with closing(provider):
        search = ProductSearch(provider, QueryCache(), client)
        anyhow = search.search(ProductQuestion("outlet cover"), SEATTLE)
        assert OUTLET_COVER in skus(anyhow)
        assert {p["stock"] for p in anyhow["products"]} == {None}
        assert anyhow["notes"] == []

        asked = ProductQuestion("outlet cover", in_stock_only=True)
        for question in (asked, replace(asked, mode="keyword"), replace(asked, category="Electrical")):  # fmt: skip
            answer = search.search(question, SEATTLE)
            assert answer["products"] == []
            (note,) = answer["notes"]
            assert note.startswith("no stock is known in any store of yours")

        # What the chain does not sell is not found, whatever is known of stock.
        nothing = search.search(replace(asked, text="qwxyz zzkrv"), SEATTLE)
        (note,) = nothing["notes"]
        assert note.startswith("no product matches well")


def test_what_is_left_out_since_its_stock_is_not_known_is_counted(
    cluster: EmbeddedServer, uncounted: str, client: LocalClient
) -> None:
    with psycopg.connect(cluster.conninfo(dbname=uncounted, user="postgres")) as conn:
        known = {
            str(sku): stock
            for sku, stock in conn.execute(
                "SELECT p.sku, max(i.stock_level) FROM retail.inventory AS i"
                " JOIN retail.products AS p USING (product_id)"
                " JOIN retail.stores AS s USING (store_id)"
                " WHERE s.manager_id = %s GROUP BY 1",
                (REDMOND,),
            )
        }
    provider = PostgreSQLProvider(
        {"conninfo": cluster.conninfo(dbname=uncounted, user="zava_server")}
    )
    provider.open()
    with closing(provider):
        search = ProductSearch(provider, QueryCache(), client)
        asked = ProductQuestion("outlet cover", 10)
        best = skus(search.search(asked, REDMOND))
        unknown = [sku for sku in best if sku not in known]
        assert OUTLET_COVER in unknown
        answer = search.search(replace(asked, in_stock_only=True), REDMOND)
    assert OUTLET_COVER not in skus(answer)
    assert answer["products"]
    assert all(known[sku] > 0 for sku in skus(answer))
    assert answer["notes"] == [
        f"of the {len(best)} best matches, whatever their stock, {len(unknown)} left out"
        " whose stock is not known"
    ]


def test_where_every_stock_is_known_nothing_is_said_of_it(
    cluster: EmbeddedServer, uncounted: str, client: LocalClient
) -> None:
    conninfo = cluster.conninfo(dbname=uncounted, user="postgres")
    login = cluster.conninfo(dbname=uncounted, user="zava_server")
    everything = (
        "INSERT INTO retail.inventory (store_id, product_id, stock_level)"
        " SELECT s.store_id, p.product_id, 0 FROM retail.stores AS s, retail.products AS p"
        " WHERE s.name = 'Zava Retail Spokane' ON CONFLICT (store_id, product_id)"
        " DO UPDATE SET stock_level = 0"
    )
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute(everything.encode())
    provider = PostgreSQLProvider({"conninfo": login})
    provider.open()
    with closing(provider):
        search = ProductSearch(provider, QueryCache(), client)
        answer = search.search(
            ProductQuestion("outlet cover", in_stock_only=True),
            STORE_MANAGERS["Zava Retail Spokane"],
        )
    assert answer["products"] == []
    assert answer["notes"] == ["no product that matches well is in stock"]


def test_likeness_and_stock_that_is_not_known(
    cluster: EmbeddedServer, uncounted: str, client: LocalClient
) -> None:
    login = cluster.conninfo(dbname=uncounted, user="zava_server")
    provider = PostgreSQLProvider({"conninfo": login})
    provider.open()
    with closing(provider):
        cache = QueryCache()
        search = ProductSearch(provider, cache, client).search
        recommendations = Recommendations(provider, cache, search)
        none = recommendations.similar(OUTLET_COVER, SEATTLE, in_stock_only=True)
        assert none["similar"] == []
        (note,) = none["notes"]
        assert note.startswith("no stock is known in any store of yours")
        assert recommendations.similar(OUTLET_COVER, SEATTLE)["notes"] == []
        near = recommendations.similar(OUTLET_COVER, REDMOND, max_rows=1)["similar"]
        answer = recommendations.similar(
            near[0]["sku"], REDMOND, max_rows=10, in_stock_only=True
        )
        anyhow = recommendations.similar(near[0]["sku"], REDMOND, max_rows=10)
        unknown = sum(row["stock"] is None for row in anyhow["similar"])
        assert OUTLET_COVER in [row["sku"] for row in anyhow["similar"]]
        assert answer["notes"] == [
            f"of the 10 best matches, whatever their stock, {unknown} left out whose"
            " stock is not known"
        ]
        told = recommendations.recommend(SEATTLE, product=OUTLET_COVER)["notes"]
        assert [n for n in told if n.startswith("similar_in_stock: no stock is known")]


def test_a_category_that_is_none_is_refused_with_those_that_are(
    search: ProductSearch,
) -> None:
    with pytest.raises(ValidationError, match="Hand Tools, Hardware"):
        search.search(ProductQuestion("paint", category="Toys"), SEATTLE)
    with pytest.raises(ValidationError, match="category"):
        # Hand or power?
        search.search(ProductQuestion("paint", category="tools"), SEATTLE)


def test_a_service_that_is_down_leaves_the_words(
    searchable_provider: PostgreSQLProvider,
) -> None:
    down = ProductSearch(searchable_provider, QueryCache(), FailingClient())
    answer = down.search(ProductQuestion("claw hammer"), SEATTLE)
    assert skus(answer)[0] == "HTHM001010"
    assert answer["notes"] == [
        "searched by words alone: the embedding service failed (503)"
    ]
    with pytest.raises(EmbeddingError):
        down.search(ProductQuestion("claw hammer", mode="semantic"), SEATTLE)


def test_without_a_provider_words_are_searched(
    searchable_provider: PostgreSQLProvider,
) -> None:
    search = ProductSearch(searchable_provider, QueryCache(), None)
    answer = search.search(ProductQuestion("claw hammer"), SEATTLE)
    assert skus(answer)[0] == "HTHM001010"
    assert "ZAVA_EMBEDDING_PROVIDER" in answer["notes"][0]


def test_by_meaning_another_model_than_the_products_is_an_error_with_the_remedy(
    searchable_provider: PostgreSQLProvider,
) -> None:
    other = ProductSearch(searchable_provider, QueryCache(), OtherClient())
    with pytest.raises(ConfigurationError, match=r"wordllama-256.*zava embed"):
        other.search(ProductQuestion("claw hammer", mode="semantic"), SEATTLE)
    assert other.search(ProductQuestion("claw hammer", mode="keyword"), SEATTLE)[
        "products"
    ]


def test_products_without_vectors_are_found_by_words(
    provider: PostgreSQLProvider, client: LocalClient
) -> None:
    search = ProductSearch(provider, QueryCache(), client)
    answer = search.search(ProductQuestion("claw hammer"), SEATTLE)
    assert skus(answer)[0] == "HTHM001010"
    assert "zava embed" in answer["notes"][0]
    with pytest.raises(ConfigurationError, match="zava embed"):
        search.search(ProductQuestion("claw hammer", mode="semantic"), SEATTLE)


def test_a_question_is_embedded_once_a_day_and_as_it_was_typed(
    searchable_provider: PostgreSQLProvider,
) -> None:
    clock, counting = FakeClock(), CountingClient()
    cache = QueryCache(clock=clock)
    search = ProductSearch(searchable_provider, cache, counting)
    for _ in range(3):
        search.search(ProductQuestion("hammmer"), SEATTLE)
        search.search(ProductQuestion("hammmer"), REDMOND)
    assert counting.texts == ["hammmer"]
    clock.advance(24 * 3600 + 1)
    search.search(ProductQuestion("hammmer"), SEATTLE)
    assert counting.texts == ["hammmer"] * 2


@pytest.mark.parametrize(
    "question",
    [
        pytest.param("x", id="one letter"),
        pytest.param("\N{HAMMER}\N{NUT AND BOLT}", id="emoji"),
        pytest.param("'; DROP TABLE retail.products; --", id="SQL"),
        pytest.param("paint & ! | <-> (:* \\ '", id="search operators"),
        pytest.param("%s %(words)s {0} $1", id="placeholders"),
        pytest.param("paint\0\ud800", id="what PostgreSQL cannot take"),
        pytest.param("the of and", id="stop words"),
        pytest.param("Farbe für draußen 塗料", id="another language"),
        pytest.param("paint " * 1666, id="10,000 letters"),
        pytest.param(" ".join(f"wordd{n}x" for n in range(900)), id="900 words"),
    ],
)
@pytest.mark.parametrize("mode", ["hybrid", "semantic", "keyword"])
def test_any_text_is_a_question(
    search: ProductSearch, question: str, mode: Any
) -> None:
    answer = search.search(ProductQuestion(question, mode=mode), SEATTLE)
    assert answer["row_count"] == len(answer["products"]) <= 20
    assert bool(answer["products"]) != bool(answer["notes"])


@pytest.mark.parametrize(
    ("question", "field"),
    [
        (ProductQuestion(" \n"), "query_description"),
        (ProductQuestion("a" * 10_001), "query_description"),
        (ProductQuestion("paint", max_rows=0), "max_rows"),
        (ProductQuestion("paint", max_rows=101), "max_rows"),
        (ProductQuestion("paint", similarity_threshold=1.1), "similarity_threshold"),
        (
            ProductQuestion("paint", similarity_threshold=float("nan")),
            "similarity_threshold",
        ),
        (ProductQuestion("paint", min_price=2, max_price=1), "min_price"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    search: ProductSearch, question: ProductQuestion, field: str
) -> None:
    for ask in (search.check, partial(search.search, rls_user_id=SEATTLE)):
        with pytest.raises(ValidationError) as caught:
            ask(question)
        assert caught.value.field == field


@pytest.mark.parametrize("max_rows", [1, 7, 100])
def test_no_more_than_asked_for_and_in_a_stable_order(
    search: ProductSearch, max_rows: int
) -> None:
    question = ProductQuestion("white", max_rows, similarity_threshold=0, fresh=True)

    def ask() -> list[str]:
        return skus(search.search(question, SEATTLE))

    first = ask()
    assert len(first) <= max_rows
    assert len(set(first)) == len(first)
    assert ask() == first


def test_an_answer_is_kept_for_the_person_and_the_question(
    searchable_provider: PostgreSQLProvider, client: LocalClient
) -> None:
    search = ProductSearch(searchable_provider, QueryCache(), client)
    question = ProductQuestion("claw hammer")
    assert search.peek(question, SEATTLE) is None
    first = search.search(question, SEATTLE)
    assert not first["cached"]
    kept = {**first, "cached": True}
    assert search.peek(search.check(ProductQuestion(" claw hammer ")), SEATTLE) == kept
    assert search.search(ProductQuestion(" claw hammer "), SEATTLE) == kept
    assert search.search(question, SEATTLE) == kept
    assert search.peek(question, REDMOND) is None
    for other in (
        replace(question, max_rows=5),
        replace(question, similarity_threshold=0.4),
        replace(question, mode="keyword"),
        replace(question, category="Electrical"),
        replace(question, min_price=1),
        replace(question, max_price=100),
        replace(question, in_stock_only=True),
        replace(question, fresh=True),
    ):
        assert search.peek(other, SEATTLE) is None


def test_a_fresh_search_sees_the_stock_of_now(
    cluster: EmbeddedServer,
    searchable: str,
    searchable_provider: PostgreSQLProvider,
    client: LocalClient,
) -> None:
    search = ProductSearch(searchable_provider, QueryCache(), client)
    own = cluster.conninfo(dbname=searchable, user="postgres")
    with psycopg.connect(own, autocommit=True) as owner:

        def stock(*, fresh: bool) -> int:
            answer = search.search(ProductQuestion("claw hammer", fresh=fresh), SEATTLE)
            return int(answer["products"][0]["stock"])

        before = stock(fresh=False)
        change = (
            "UPDATE retail.inventory SET stock_level = stock_level + %s WHERE product_id"
            " = (SELECT product_id FROM retail.products WHERE sku = 'HTHM001010')"
        )
        owner.execute(change, (7,))
        try:
            assert stock(fresh=False) == before
            assert stock(fresh=True) == before + 7
            assert stock(fresh=False) == before + 7
        finally:
            owner.execute(change, (-7,))


def test_an_answer_by_words_alone_is_not_kept(
    searchable_provider: PostgreSQLProvider, client: LocalClient
) -> None:
    class Recovering(LocalClient):
        fails = True

        def embed(self, texts: Sequence[str]) -> list[list[float]]:
            """Fail, until told otherwise."""
            if self.fails:
                raise EmbeddingError("the embedding service failed (503)")
            return client.embed(texts)

    service = Recovering()
    search = ProductSearch(searchable_provider, QueryCache(), service)
    assert search.search(ProductQuestion("claw hammer"), SEATTLE)["notes"]
    assert search.peek(ProductQuestion("claw hammer"), SEATTLE) is None
    service.fails = False
    answer = search.search(ProductQuestion("claw hammer"), SEATTLE)
    assert answer["notes"] == []
    assert not answer["cached"]


def test_an_answer_is_short_and_ends_where_similarity_drops(
    search: ProductSearch,
) -> None:
    for text in (
        "something that keeps the rain out of an outdoor outlet",
        "claw hammer",
    ):
        found = search.search(ProductQuestion(text), SEATTLE)
        similarities = [each["similarity"] for each in found["products"]]
        assert min(similarities) >= 0.48 * max(similarities)
        assert len(json.dumps(found)) <= 4000
