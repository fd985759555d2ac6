"""Recommendations on the seed: companions, alternatives, and groups of customers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from tests.people import REDMOND, SEATTLE
from zava.admin.embedded import EmbeddedServer
from zava.ai.local import LocalClient
from zava.data.product_data import recommended
from zava.data.provider import PostgreSQLProvider
from zava.errors import ConfigurationError, QueryError, ValidationError
from zava.infra.cache import QueryCache
from zava.service.products.names import MAX_PRODUCTS, Search
from zava.service.products.recommendations import (
    MIN_CUSTOMERS,
    MIN_ORDERS,
    Recommendations,
)
from zava.service.products.search import ProductSearch
from zava.service.segments import SEGMENTS, Segment

HAMMER = "HTHM001010"
# In the small seed few products meet in five orders; these two do.
WRENCH, STAR_KEYS = "HTWR003010", "HTAK008040"
RULES: dict[Segment, str] = {
    "new": r"first purchase in the last \d+ days",
    "frequent": r"at least \d+ orders",
    "big_spender": r"spent at least [0-9,]+\.\d\d",
    "lapsed": r"no purchase in the last [0-9,]+ days \(\d\.\d years\)",
}
PEOPLE = ("Zava Retail Seattle", "Puget Sound Region", "Head Office")
COUNTED = "o.status NOT IN ('cancelled', 'returned') AND o.total_amount >= 0"
# The same by definition, from orders and their lines alone.
HELD = f"""
    SELECT DISTINCT o.order_id, o.store_id, o.customer_id, coalesce(o.customer_id, o.order_id) AS buyer, i.product_id
    FROM retail.orders AS o JOIN retail.order_items AS i USING (order_id)
    WHERE {COUNTED} AND o.store_id = ANY (%(stores)s)
"""
COMPANIONS = f"""
    WITH held AS MATERIALIZED ({HELD}), pairs AS (
        -- In a store with fewer orders or customers a pair is chance; head office sees the orders of all stores as one.
        SELECT other.product_id, {{store}} AS store, count(*) AS orders, count(DISTINCT one.buyer) AS customers
        FROM held AS one JOIN held AS other USING (order_id)
        WHERE one.product_id = %(product_id)s AND other.product_id <> one.product_id
        GROUP BY 1, 2
        HAVING count(*) >= 5 AND count(DISTINCT one.buyer) >= 3
    ), counted AS (
        SELECT t.product_id, sum(t.orders) AS orders, sum(t.customers) AS customers,
               (SELECT count(*) FROM held WHERE product_id = %(product_id)s) AS baskets,
               (SELECT count(*) FROM held AS h WHERE h.product_id = t.product_id) AS others,
               (SELECT count(*) FROM retail.orders AS o WHERE {COUNTED} AND o.store_id = ANY (%(stores)s)) AS all_orders
        FROM pairs AS t GROUP BY t.product_id
    )
    SELECT p.sku, c.orders, c.customers, round(c.orders::numeric / c.baskets, 4),
           round(c.orders::numeric * c.all_orders / (c.baskets::numeric * c.others), 2)
    FROM counted AS c JOIN retail.products AS p USING (product_id)
    WHERE c.orders::float8 * c.all_orders / (c.baskets * c.others) * exp(-3.29 / sqrt(c.customers)) > 1
"""
PREFERRED = f"""
    WITH held AS MATERIALIZED ({HELD}), counted AS (
        SELECT h.product_id, count(*) AS lines, count(*) FILTER (WHERE {{key}} = ANY (%(members)s)) AS orders,
               count(DISTINCT {{key}}) FILTER (WHERE {{key}} = ANY (%(members)s)) AS customers
        FROM held AS h GROUP BY h.product_id
    ), whole AS (SELECT sum(lines) AS lines, sum(orders) AS orders FROM counted), told AS (
        SELECT c.*, w.orders AS all_orders, c.orders * w.lines / (w.orders * c.lines) AS lift FROM counted AS c CROSS JOIN whole AS w WHERE c.orders > 0
    )
    SELECT p.sku, t.orders, t.customers, round(t.orders / t.all_orders, 4), round(t.lift, 2)
    FROM told AS t JOIN retail.products AS p USING (product_id)
    WHERE t.lift * exp(-3.29 / sqrt(t.customers)) > 1
"""
# Who is in a segment; tests/integration/test_sales_totals.py compares this with the orders.
MEMBERS = {
    True: "SELECT customer_id::text FROM retail.chain_customer_segments WHERE %(segment)s = ANY (segments)",
    False: "SELECT store_id || ' ' || customer_id FROM retail.customer_segments WHERE %(segment)s = ANY (segments) AND store_id = ANY (%(stores)s)",
}


def who(owner: psycopg.Connection, name: str) -> tuple[str, list[Any]]:
    """Return the user id of a store's manager or a region, and its stores."""
    ((person, stores),) = owner.execute(
        "SELECT manager_id, ARRAY[store_id] FROM retail.stores WHERE name = %(name)s"
        " UNION ALL SELECT r.user_id, array_agg(s.store_id)"
        " FROM retail.regional_managers AS r"
        " JOIN retail.regional_manager_stores AS s USING (user_id)"
        " WHERE r.name = %(name)s GROUP BY 1",
        {"name": name},
    ).fetchall()
    return str(person), stores


def refresh(conn: psycopg.Connection) -> None:
    """Count pairs and segments again."""
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        conn.execute("SELECT retail.refresh_recommendations()")


def figures_of(rows: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    names = ("sku", "orders", "customers", "confidence", "lift")
    return {tuple(row[name] for name in names) for row in rows}


def figures(rows: list[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """Return what plain SQL says in the same form."""
    return {
        (sku, n, who, float(share), float(lift)) for sku, n, who, share, lift in rows
    }


def ranks(rows: list[dict[str, Any]]) -> list[float]:
    """Return by what rows are ranked."""
    return [row["lift_at_least"] for row in rows]


def search_of(provider: PostgreSQLProvider) -> tuple[QueryCache, Search]:
    """A cache, and a search that keeps its answers there."""
    cache = QueryCache()
    return cache, ProductSearch(provider, cache, LocalClient()).search


@pytest.fixture(scope="module")
def recommendations(searchable_provider: PostgreSQLProvider) -> Recommendations:
    return Recommendations(searchable_provider, *search_of(searchable_provider))


@pytest.fixture(scope="module")
def head_office(cluster: EmbeddedServer, searchable: str) -> str:
    conninfo = cluster.conninfo(dbname=searchable, user="postgres")
    with psycopg.connect(conninfo) as conn:
        row = conn.execute(
            "SELECT user_id FROM retail.regional_managers WHERE name = 'Head Office'"
        ).fetchone()
    assert row is not None
    return str(row[0])


def types_of(conn: psycopg.Connection, rows: list[dict[str, Any]]) -> set[str]:
    return {
        name
        for (name,) in conn.execute(
            "SELECT t.name FROM retail.products AS p"
            " JOIN retail.product_types AS t USING (type_id) WHERE p.sku = ANY (%s)",
            ([row["sku"] for row in rows],),
        )
    }


def test_what_is_bought_together_goes_together(
    recommendations: Recommendations, head_office: str
) -> None:
    answer = recommendations.recommend(head_office, product=WRENCH)
    assert STAR_KEYS in [row["sku"] for row in answer["recommendations"]]
    for row in answer["recommendations"]:
        assert row["lift"] > row["lift_at_least"] > 1
        assert row["orders"] >= MIN_ORDERS
        assert row["customers"] >= MIN_CUSTOMERS
    assert answer["basis"]["product"]["sku"] == WRENCH


@pytest.mark.parametrize("name", PEOPLE)
def test_companions_are_those_that_the_orders_themselves_give(
    searchable_provider: PostgreSQLProvider, owner: psycopg.Connection, name: str
) -> None:
    person, stores = who(owner, name)
    identity = searchable_provider.resolve_identity(person)
    checked = 0
    paired = owner.execute(
        "SELECT DISTINCT p.sku FROM retail.product_pairs AS t JOIN retail.products AS p USING (product_id)"
        " WHERE t.other_product_id <> t.product_id"
    )
    for sku in (WRENCH, HAMMER, STAR_KEYS, *(sku for (sku,) in paired.fetchall())):
        (product,) = owner.execute(
            "SELECT product_id FROM retail.products WHERE sku = %s", (sku,)
        ).fetchall()[0]
        parameters = {
            "product_id": product,
            "min_orders": 1,
            "min_customers": 1,
            "candidates": 1000,
            "max_rows": 1000,
        }
        query = recommended("bought_together", parameters)
        (found,) = searchable_provider.fetch_all([query], identity, 1000)
        rows = [row for row in found.dicts() if row["sku"] is not None]
        store = "true" if name == "Head Office" else "one.store_id"
        expected = owner.execute(
            COMPANIONS.format(store=store).encode(),
            {"product_id": product, "stores": stores},
        ).fetchall()
        assert figures_of(rows) == figures(expected)
        assert ranks(rows) == sorted(ranks(rows), reverse=True)
        checked += len(rows)
        counted = owner.execute(
            f"SELECT count(*) FROM retail.orders AS o WHERE {COUNTED}"
            " AND o.store_id = ANY (%(stores)s)",
            {"stores": stores},
        ).fetchall()
        assert found.dicts()[0]["all_orders"] == counted[0][0]
    assert checked > 0


@pytest.mark.parametrize("segment", SEGMENTS)
@pytest.mark.parametrize("name", PEOPLE)
def test_what_a_group_prefers_is_what_the_orders_themselves_give(
    searchable_provider: PostgreSQLProvider,
    owner: psycopg.Connection,
    name: str,
    segment: Segment,
) -> None:
    person, stores = who(owner, name)
    parameters = {
        "segment": segment,
        "min_orders": 1,
        "min_customers": 1,
        "max_rows": 1000,
    }
    query = recommended("segment_products", parameters)
    (found,) = searchable_provider.fetch_all(
        [query], searchable_provider.resolve_identity(person), 1000
    )
    rows = found.dicts()
    is_chain = name == "Head Office"
    key = "h.customer_id::text" if is_chain else "h.store_id || ' ' || h.customer_id"
    members = owner.execute(
        MEMBERS[is_chain].encode(), {"stores": stores, "segment": segment}
    ).fetchall()
    assert rows[0]["is_chain"] is is_chain
    assert rows[0]["members"] == len(members) > 0
    expected = owner.execute(
        PREFERRED.format(key=key).encode(),
        {"stores": stores, "members": [member for (member,) in members]},
    ).fetchall()
    rows = [row for row in rows if row["sku"] is not None]
    assert figures_of(rows) == figures(expected)
    assert ranks(rows) == sorted(ranks(rows), reverse=True)


def test_orders_are_those_of_the_caller_s_stores(
    recommendations: Recommendations, head_office: str
) -> None:
    orders = {
        person: recommendations.recommend(person, product=HAMMER)["basis"]["orders"]
        for person in (head_office, SEATTLE, REDMOND)
    }
    assert orders[head_office] > orders[SEATTLE]
    assert orders[SEATTLE] > orders[REDMOND]


def test_too_few_orders_recommend_nothing(
    recommendations: Recommendations,
) -> None:
    for product, why in (
        (HAMMER, "5 orders of 3 customers or more with what was named"),
        ("PTMI018030", "no order holds it"),
    ):
        answer = recommendations.recommend(REDMOND, product=product)
        assert answer["recommendations"] == []
        assert why in answer["notes"][0]


def test_alternatives_are_alike_and_in_stock(
    recommendations: Recommendations, owner: psycopg.Connection
) -> None:
    answer = recommendations.recommend(SEATTLE, product=HAMMER)
    alike = answer["similar_in_stock"]
    assert "Hammers" in types_of(owner, alike[:2])
    assert all(row["stock"] > 0 for row in alike)
    assert [*alike[0]] == ["sku", "name", "price", "similarity", "stock"]
    assert len(json.dumps(alike)) < 1500
    similar = recommendations.similar(HAMMER, SEATTLE, max_rows=3)
    assert similar["row_count"] == 3
    assert HAMMER not in [row["sku"] for row in similar["similar"]]
    scores = [row["similarity"] for row in similar["similar"]]
    assert scores == sorted(scores, reverse=True)
    assert all(len(row["stock_by_store"]) == 1 for row in similar["similar"])


@pytest.mark.parametrize("segment", SEGMENTS)
def test_a_group_of_customers_has_what_it_prefers(
    recommendations: Recommendations, head_office: str, segment: Segment
) -> None:
    answer = recommendations.recommend(head_office, segment=segment, max_rows=5)
    assert answer["basis"]["customers"] > 0
    assert answer["basis"]["of"] == "the whole chain"
    assert re.fullmatch(RULES[segment], answer["basis"]["rule"])
    if not answer["recommendations"]:
        assert "query_metrics says: orders by product" in answer["notes"][0]
    # Of the made-up chain a customer comes back after years.
    is_told = any("retail.chain.lapsed_after_days" in note for note in answer["notes"])
    assert is_told is (segment == "lapsed")
    for row in answer["recommendations"]:
        assert row["lift_at_least"] > 1
        assert row["orders"] >= MIN_ORDERS
        assert row["customers"] >= MIN_CUSTOMERS


def test_segments_of_a_region_are_those_of_each_store_and_the_answer_says_so(
    recommendations: Recommendations, owner: psycopg.Connection
) -> None:
    region, _ = who(owner, "Puget Sound Region")
    of_region = recommendations.recommend(region, segment="big_spender")
    of_store = recommendations.recommend(SEATTLE, segment="big_spender")
    for answer, of in ((of_region, "each store"), (of_store, "the store")):
        assert answer["basis"]["of"] == of
        assert ("rule" in answer["basis"]) is (of == "the store")
    said = "counts in each of them"
    assert said in of_region["notes"][-1]
    assert not any(said in note for note in of_store["notes"])


def test_what_cannot_be_recommended_is_no_error_and_says_why(
    cluster: EmbeddedServer, database: str, owner: psycopg.Connection
) -> None:
    person, _ = who(owner, "Head Office")
    conninfo = cluster.conninfo(dbname=database, user="postgres")
    login = {"conninfo": cluster.conninfo(dbname=database, user="zava_server")}
    provider = PostgreSQLProvider(login)
    provider.open()

    def notes(person: str, **asked: Any) -> list[str]:
        service = Recommendations(provider, *search_of(provider))
        answer = service.recommend(person, fresh=True, **asked)
        assert answer["recommendations"] == []
        return list(answer["notes"])

    with closing(provider), psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute(
            "UPDATE retail.chain SET new_for_days = 1, lapsed_after_days = 3660"
        )
        refresh(conn)
        assert notes(person, segment="lapsed")[0] == "no customer is in this segment"
        # A new store.
        conn.execute("DELETE FROM retail.inventory USING retail.stores AS s WHERE inventory.store_id = s.store_id AND s.manager_id = %s", (REDMOND,))  # fmt: skip
        conn.execute("UPDATE retail.stores SET manager_id = NULL WHERE manager_id = %s", (REDMOND,))  # fmt: skip
        conn.execute("INSERT INTO retail.stores (name, manager_id) VALUES ('New', %s)", (REDMOND,))  # fmt: skip
        for segment in SEGMENTS:
            assert notes(REDMOND, segment=segment) == ["there are no sales yet"]
        for product in (HAMMER, "hammers"):
            assert notes(REDMOND, product=product)[0] == "there are no sales yet"
        conn.execute("UPDATE retail.refreshes SET refreshed_at = NULL")
        for asked in ({"segment": "new"}, {"product": HAMMER}, {"product": "hammers"}):
            assert notes(REDMOND, **asked)[0].startswith("nothing has been counted yet")


def test_the_administrator_sets_the_rules_of_segments(
    cluster: EmbeddedServer, database: str, owner: psycopg.Connection
) -> None:
    person, _ = who(owner, "Head Office")
    conninfo = cluster.conninfo(dbname=database, user="postgres")
    login = {"conninfo": cluster.conninfo(dbname=database, user="zava_server")}
    provider = PostgreSQLProvider(login)
    provider.open()
    with closing(provider), psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute(
            "UPDATE retail.chain SET frequent_share = 0.5, big_spender_share = 0.01,"
            " usual_gap_quantile = 0.5, new_for_days = NULL, lapsed_after_days = 400"
        )
        refresh(conn)
        service = Recommendations(provider, *search_of(provider))
        basis = {
            segment: service.recommend(person, segment=segment)["basis"]
            for segment in SEGMENTS
        }
        for column, value in (
            ("frequent_share", "0"),
            ("big_spender_share", "0.6"),
            ("usual_gap_quantile", "1"),
            ("new_for_days", "0"),
            ("lapsed_after_days", "-1"),
        ):
            with pytest.raises(psycopg.errors.CheckViolation):
                conn.execute(f"UPDATE retail.chain SET {column} = {value}".encode())
        ((people, gap),) = conn.execute(
            "SELECT count(*), (percentile_disc(0.5) WITHIN GROUP (ORDER BY greatest(1, ceil((last - first)::numeric / (visits - 1))))"
            "       FILTER (WHERE visits > 1))::integer"
            " FROM (SELECT min(days[1]) AS first, max(days[cardinality(days)]) AS last, nullif(sum(cardinality(days)), 0) AS visits"
            "       FROM retail.kept_customers GROUP BY customer_id HAVING sum(orders) > 0) AS b"
        ).fetchall()
    assert basis["lapsed"]["rule"] == "no purchase in the last 400 days (1.1 years)"
    assert basis["new"]["rule"] == f"first purchase in the last {gap} days"
    assert 0 < basis["big_spender"]["customers"] <= people * 0.01
    assert people * 0.1 < basis["frequent"]["customers"] <= people * 0.5


@pytest.mark.parametrize(
    ("name", "is_told"), [("Head Office", True), ("Puget Sound Region", False), (None, False)]
)  # fmt: skip
def test_segments_of_the_chain_are_head_office_s_alone(
    searchable_provider: PostgreSQLProvider,
    owner: psycopg.Connection,
    name: str | None,
    is_told: bool,
) -> None:
    person = SEATTLE if name is None else who(owner, name)[0]
    for asked in (
        "SELECT count(*) AS n FROM retail.chain_segments('frequent')",
        "SELECT count(*) AS n FROM retail.chain_members()",
        "SELECT count(*) AS n FROM retail.products AS p, retail.chain_pairs(p.product_id)",
    ):
        rows = searchable_provider.execute_query(asked, person)
        assert (rows[0]["n"] > 0) is is_told
    for table in (
        "chain_segment_products",
        "chain_product_pairs",
        "chain_customer_segments",
    ):
        with pytest.raises(QueryError, match="permission denied"):
            searchable_provider.execute_query(f"SELECT * FROM retail.{table}", person)


def test_an_answer_is_kept_until_it_is_asked_for_afresh(
    searchable_provider: PostgreSQLProvider, head_office: str
) -> None:
    recommendations = Recommendations(
        searchable_provider, *search_of(searchable_provider)
    )

    def cached(**options: Any) -> bool:
        answer = recommendations.recommend(SEATTLE, product=HAMMER, **options)
        return bool(answer["cached"])

    assert [cached(), cached(), cached(fresh=True)] == [False, True, False]
    assert not recommendations.recommend(REDMOND, product=HAMMER)["cached"]
    # Without waiting for anything, as long as it is kept and for that person alone.
    check, peek = recommendations.check, recommendations.peek
    kept = peek(check(HAMMER), SEATTLE)
    assert kept == recommendations.recommend(SEATTLE, product=HAMMER)
    assert kept["cached"]
    assert peek(check(HAMMER, fresh=True), SEATTLE) is None
    assert peek(check(HAMMER, max_rows=9), SEATTLE) is None
    assert peek(check(WRENCH), SEATTLE) is None
    assert peek(check(HAMMER), head_office) is None


@pytest.mark.parametrize(
    ("product", "sku"),
    [
        pytest.param("hthm001010", HAMMER, id="SKU in any case"),
        pytest.param("16 oz Fiberglass Claw Hammer", HAMMER, id="name"),
        pytest.param("claw hammer", HAMMER, id="part of one name"),
    ],
)
def test_a_product_is_named_by_sku_or_name(
    recommendations: Recommendations, product: str, sku: str
) -> None:
    assert recommendations.similar(product, SEATTLE)["product"]["sku"] == sku


@pytest.mark.parametrize(
    "product", ["", "no such thing", "hammer", "%", "x" * 201, "'; --"]
)
def test_what_is_no_product_or_several_is_refused(
    recommendations: Recommendations, product: str
) -> None:
    with pytest.raises(ValidationError):
        recommendations.similar(product, SEATTLE)


def test_similar_products_of_a_category_up_to_a_price_tell_their_description(
    recommendations: Recommendations,
) -> None:
    answer = recommendations.similar(
        HAMMER, SEATTLE, max_rows=5, category="paint", max_price=20
    )
    assert len(answer["similar"]) == 5
    for product in answer["similar"]:
        assert product["price"] <= 20
        assert 0 < len(product["description"]) <= 200
    anyhow = recommendations.similar(HAMMER, SEATTLE, max_rows=5)
    shown = {product["sku"] for product in answer["similar"]}
    assert not shown & {product["sku"] for product in anyhow["similar"]}
    with pytest.raises(ValidationError, match="category"):
        recommendations.similar(HAMMER, SEATTLE, category="Toys")


@pytest.fixture(scope="module")
def twins(cluster: EmbeddedServer, template: str) -> Iterator[Recommendations]:
    """Recommendations of a catalogue where two products have one name."""
    name = "zava_twins"
    admin = cluster.conninfo(dbname="postgres", user="postgres")
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    with psycopg.connect(cluster.conninfo(dbname=name, user="postgres")) as conn:
        conn.execute(
            "UPDATE retail.products SET name = 'A Pair' WHERE sku = ANY (%s)",
            ([WRENCH, STAR_KEYS],),
        )
    provider = PostgreSQLProvider(
        {"conninfo": cluster.conninfo(dbname=name, user="zava_server")}
    )
    provider.open()
    with closing(provider):
        yield Recommendations(provider, *search_of(provider))
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("product", ["A Pair", "a pair", " A PAIR\n", "A Pai"])
def test_a_name_that_products_share_is_refused_with_their_skus(
    twins: Recommendations, product: str
) -> None:
    with pytest.raises(ValidationError, match=f"{STAR_KEYS}.*{WRENCH}"):
        twins.similar(product, SEATTLE)
    if product != "A Pai":
        with pytest.raises(ValidationError, match=f"{STAR_KEYS}.*{WRENCH}"):
            twins.recommend(SEATTLE, product=product)


@pytest.mark.parametrize(
    "product", ["fence posst", "fiberglas hamer", "glue for tiles"]
)
def test_an_unknown_name_is_refused_with_near_ones_and_their_skus(
    recommendations: Recommendations, product: str
) -> None:
    near = r"near names are .+ \([A-Z]{4}\d{6}, orders: \d+\)"
    with pytest.raises(ValidationError, match=near):
        recommendations.similar(product, SEATTLE)
    with pytest.raises(ValidationError, match=near):
        recommendations.recommend(SEATTLE, product=product)


@pytest.mark.parametrize(
    ("product", "kind"),
    [
        ("Hammers", "Hammers"),
        ("hammer", "Hammers"),
        ("treated posts", "Treated Posts"),
        ("treated post", "Treated Posts"),
        ("hand tools", "Hand Tools"),
    ],
)
def test_a_kind_of_product_is_all_of_them_together(
    recommendations: Recommendations,
    owner: psycopg.Connection,
    head_office: str,
    product: str,
    kind: str,
) -> None:
    answer = recommendations.recommend(head_office, product=product)
    basis = answer["basis"]
    assert basis["kind"] == kind
    assert basis["product_count"] > 1
    assert basis["products"]
    skus = {row["sku"] for row in answer["recommendations"]}
    assert not skus & {row["sku"] for row in basis["products"]}
    ((held,),) = owner.execute(
        "SELECT count(DISTINCT o.order_id) FROM retail.orders AS o"
        " JOIN retail.order_items USING (order_id)"
        " JOIN retail.products AS p USING (product_id)"
        " JOIN retail.product_types AS t USING (type_id)"
        " JOIN retail.categories AS c ON c.category_id = p.category_id"
        f" WHERE {COUNTED} AND %(kind)s IN (t.name, c.name)",
        {"kind": kind},
    ).fetchall()
    assert basis["orders_with_product"] == held


def test_words_that_several_names_have_are_a_kind(
    recommendations: Recommendations, head_office: str
) -> None:
    basis = recommendations.recommend(head_office, product="LEDs")["basis"]
    assert basis["kind"] == "LEDs"
    assert basis["product_count"] > 1
    for product in basis["products"]:
        assert "LED" in product["name"]


@pytest.mark.parametrize(
    "product",
    [
        f"{WRENCH}, {STAR_KEYS}",
        f"{WRENCH.lower()};{STAR_KEYS}",
        f"{WRENCH} {STAR_KEYS} {WRENCH}",
        f"{WRENCH}\n{STAR_KEYS}",
    ],
)
def test_several_skus_are_taken_together(
    recommendations: Recommendations,
    owner: psycopg.Connection,
    head_office: str,
    product: str,
) -> None:
    answer = recommendations.recommend(head_office, product=product, max_rows=100)
    named = {row["sku"] for row in answer["basis"]["products"]}
    assert named == {WRENCH, STAR_KEYS}
    lines = owner.execute(
        "SELECT o.order_id, p.sku FROM retail.orders AS o"
        " JOIN retail.order_items USING (order_id)"
        f" JOIN retail.products AS p USING (product_id) WHERE {COUNTED}"
    ).fetchall()
    orders = {order for order, sku in lines if sku in named}
    assert answer["basis"]["orders_with_product"] == len(orders)
    assert answer["recommendations"]
    for row in answer["recommendations"]:
        both = {order for order, sku in lines if sku == row["sku"]} & orders
        assert row["orders"] == len(both)
        assert row["confidence"] == round(len(both) / len(orders), 4)


def test_a_list_with_an_unknown_sku_or_too_many_is_refused(
    recommendations: Recommendations,
) -> None:
    with pytest.raises(ValidationError, match="XXXX000000"):
        recommendations.recommend(SEATTLE, product=f"{WRENCH}, XXXX000000")
    many = "\n".join([WRENCH] * (MAX_PRODUCTS + 1))
    with pytest.raises(ValidationError, match="at most"):
        recommendations.recommend(SEATTLE, product=many)
    unknown = ",".join(f"XX{number:04}" for number in range(450))
    with pytest.raises(ValidationError, match=f"at most {MAX_PRODUCTS} .*not 450"):
        recommendations.recommend(SEATTLE, product=unknown)
    with pytest.raises(ValidationError, match="no product has the SKU XX0000"):
        recommendations.recommend(SEATTLE, product=unknown[:400])
    with pytest.raises(ValidationError, match="has 1 to 200 characters"):
        recommendations.recommend(SEATTLE, product="x" * 201)


def test_a_product_and_a_segment_are_one_too_many(
    recommendations: Recommendations,
) -> None:
    for arguments in ({}, {"product": HAMMER, "segment": "new"}):
        with pytest.raises(ValidationError, match="exactly one"):
            recommendations.recommend(SEATTLE, **arguments)  # type: ignore[arg-type]


def test_without_vectors_companions_are_found_all_the_same(
    provider: PostgreSQLProvider,
) -> None:
    plain = Recommendations(provider, *search_of(provider))
    answer = plain.recommend(SEATTLE, product=HAMMER)
    assert answer["basis"]["orders"] > 0
    assert answer["similar_in_stock"] == []
    assert "zava embed" in answer["notes"][-1]
    with pytest.raises(ConfigurationError, match="zava embed"):
        plain.similar(HAMMER, SEATTLE)
