"""Words, numbers and units of a catalogue and of a question, and what sells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from tests.conftest import temporary_database
from tests.people import REDMOND, SEATTLE
from zava.admin.embedded import EmbeddedServer
from zava.data.provider import PostgreSQLProvider
from zava.errors import ValidationError
from zava.infra.cache import QueryCache
from zava.models import ProductQuestion
from zava.service.products.recommendations import Recommendations
from zava.service.products.search import ProductSearch
from zava.service.products.spelling import Vocabulary

pytestmark = pytest.mark.once

_GROCERIES = (
    ("G1", "VARIETY MEAT/MEATLESS"),
    ("G2", "SALAD/BAR 12OZ"),
    ("G3", "FLUID MILK WHITE ONLY 1 GA"),
    ("G4", "FLUID MILK WHITE ONLY 1 GA"),
    ("G5", "FLUID MILK WHITE ONLY 1/2 GAL"),
    ("G6", "Oaken Stud 2 x 4 x 8'"),
    ("G7", 'Brazen Elbow 1/2"'),
    ("G8", "Zesty Galon Juicelet"),
    ("G9", "WD-40 Lubricator"),
)


@pytest.fixture(scope="module")
def groceries(cluster: EmbeddedServer, template: str) -> Iterator[str]:
    """A chain that also sells groceries; two stores sell different milk."""
    for name in temporary_database(cluster, template):
        own = cluster.conninfo(dbname=name, user="postgres")
        with psycopg.connect(own) as conn:
            conn.cursor().executemany(
                "INSERT INTO retail.products (sku, name) VALUES (%s, %s)", _GROCERIES
            )
            conn.cursor().executemany(
                "INSERT INTO retail.segment_products"
                " (store_id, segment, product_id, orders, customers)"
                " SELECT s.store_id, 'all', p.product_id, %s, 1"
                " FROM retail.stores AS s, retail.products AS p"
                " WHERE s.manager_id = %s AND p.sku = %s",
                [(50, SEATTLE, "G4"), (3, SEATTLE, "G3"), (900, REDMOND, "G3")],
            )
        yield name


@pytest.fixture(scope="module")
def search(cluster: EmbeddedServer, groceries: str) -> Iterator[ProductSearch]:
    login = cluster.conninfo(dbname=groceries, user="zava_server")
    provider = PostgreSQLProvider({"conninfo": login})
    provider.open()
    with closing(provider):
        yield ProductSearch(provider, QueryCache(), None)


def skus(search: ProductSearch, question: str, manager: str = SEATTLE) -> list[str]:
    asked = ProductQuestion(question, mode="keyword")
    return [p["sku"] for p in search.search(asked, manager)["products"]]


@pytest.mark.parametrize(
    ("question", "sku"),
    [
        ("meatless", "G1"),
        ("salad bar", "G2"),
        ("salad 12 oz", "G2"),
        ("salad, 12 ounces", "G2"),
        ("half gallon milk", "G5"),
        ("1/2-gallon of milk", "G5"),
        ("oaken 2x4x8", "G6"),
        ("2 x 4 x 8 ft oaken stud", "G6"),
        ("elbow 1/2 in", "G7"),
        ("1/2 inch elbow", "G7"),
        ("wd40", "G9"),
        ("wd 40", "G9"),
        ("WD-40", "G9"),
    ],
)
def test_words_are_split_at_joints_and_sizes_are_read_in_any_form(
    search: ProductSearch, question: str, sku: str
) -> None:
    assert skus(search, question)[0] == sku


@pytest.mark.parametrize(
    ("forms", "as_one"),
    [
        (("12 oz", "12OZ", "12-ounce", "12 fl. oz.", "12.0 oz"), "12oz"),
        (("5 gal", "5 gallons", "5-Gallon", "5GA"), "5gal"),
        (('1/2"', "1/2 in", "1/2-inch"), "1o2in"),
        (("1 1/2 in.", '1-1/2"'), "1n1o2in"),
        (("2x4", "2 x 4", "2 X4"), "2x4"),
        (("5#", "5 lb", "5 pounds", "5LBS"), "5lb"),
        (("1,000 ct", "1000 count"), "1000ct"),
        (("2%", "2 percent"), "2pct"),
        ((".5 oz", "0.50 oz"), "0p5oz"),
    ],
)
def test_forms_of_one_size_are_one_word(
    owner: psycopg.Connection, forms: tuple[str, ...], as_one: str
) -> None:
    for form in forms:
        row = owner.execute("SELECT retail.search_text(%s, true)", (form,)).fetchone()
        assert row == (as_one,), form


def test_a_word_is_not_corrected_to_a_rarer_one(search: ProductSearch) -> None:
    answer = search.search(ProductQuestion("2% milk gallon", mode="keyword"), SEATTLE)
    assert answer["searched_for"] == "2% milk gallon"
    assert {p["sku"] for p in answer["products"]} >= {"G3", "G4"}
    # Of 92,000 products a word of one is likely a misspelling itself.
    assert Vocabulary({"galon": 1, "yogurt": 300}, 92_000).nearest("gallom") is None
    assert Vocabulary({"galon": 1, "yogurt": 300}, 92_000).nearest("yogurd") == "yogurt"
    assert Vocabulary({"theodolite": 1}, 400).nearest("theodolit") == "theodolite"


def test_among_the_similar_that_comes_first_which_the_asker_s_own_stores_sell(
    search: ProductSearch,
) -> None:
    question = ProductQuestion("fluid milk white 1 gallon", mode="keyword")

    def told(manager: str) -> list[tuple[str, int]]:
        found = search.search(question, manager)["products"]
        scores = [p["score"] for p in found]
        assert scores == sorted(scores, reverse=True)
        return [(p["sku"], p["orders"]) for p in found][:2]

    assert told(SEATTLE) == [("G4", 50), ("G3", 3)]
    # What sells in Seattle neither shows in Redmond nor moves a product there.
    assert told(REDMOND) == [("G3", 900), ("G4", 0)]


def test_sales_of_the_chain_are_for_head_office(
    cluster: EmbeddedServer, groceries: str, search: ProductSearch
) -> None:
    with psycopg.connect(cluster.conninfo(dbname=groceries, user="postgres")) as conn:
        row = conn.execute(
            "SELECT user_id FROM retail.regional_managers WHERE name = 'Head Office'"
        ).fetchone()
        conn.execute(
            "INSERT INTO retail.chain_segment_products (segment, product_id, orders, customers)"
            " SELECT 'all', product_id, 953, 1 FROM retail.products WHERE sku = 'G3'"
        )
    assert row is not None
    asked = ProductQuestion("fluid milk white 1 gallon", mode="keyword", fresh=True)
    found = search.search(asked, str(row[0]))["products"]
    assert [(p["sku"], p["orders"]) for p in found][:2] == [("G3", 953), ("G4", 0)]
    found = search.search(asked, SEATTLE)["products"]
    assert [(p["sku"], p["orders"]) for p in found][:2] == [("G4", 50), ("G3", 3)]


def test_a_name_that_several_share_lists_skus_by_sales(
    cluster: EmbeddedServer, groceries: str, search: ProductSearch
) -> None:
    login = cluster.conninfo(dbname=groceries, user="zava_server")
    provider = PostgreSQLProvider({"conninfo": login})
    provider.open()
    with closing(provider):
        similar = Recommendations(provider, QueryCache(), search.search).similar
        with pytest.raises(ValidationError, match=r"G4, orders: 50.*G3, orders: 3"):
            similar("FLUID MILK WHITE ONLY 1 GA", SEATTLE)
        with pytest.raises(ValidationError, match=r"G3, orders: 900.*G4, orders: 0"):
            similar("FLUID MILK WHITE ONLY 1 GA", REDMOND)
