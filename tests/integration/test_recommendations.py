"""Recommendations on the seed: companions, alternatives, and groups of customers."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.people import REDMOND, SEATTLE
from zava.data.provider import PostgreSQLProvider
from zava.embedded import EmbeddedServer
from zava.errors import ConfigurationError, ValidationError
from zava.infra.cache import QueryCache
from zava.service.recommendations import MIN_SUPPORT, Recommendations
from zava.service.segments import SEGMENTS, Segment

HAMMER = "HTHM001010"
# In the small seed few products meet in five orders; these two do.
WRENCH, STAR_KEYS = "HTWR003010", "HTAK008040"


@pytest.fixture(scope="module")
def recommendations(searchable_provider: PostgreSQLProvider) -> Recommendations:
    return Recommendations(searchable_provider, QueryCache())


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
        assert row["lift"] > 1
        assert row["support"] >= MIN_SUPPORT
    assert answer["basis"]["product"]["sku"] == WRENCH


def test_lift_is_what_it_says(
    recommendations: Recommendations, head_office: str, owner: psycopg.Connection
) -> None:
    answer = recommendations.recommend(head_office, product=WRENCH, max_rows=3)
    assert answer["recommendations"]
    for row in answer["recommendations"]:
        counted = owner.execute(
            "SELECT count(*) FILTER (WHERE has_one), count(*) FILTER (WHERE has_other),"
            " count(*) FILTER (WHERE has_one AND has_other), count(*)"
            " FROM (SELECT bool_or(p.sku = %s) AS has_one, bool_or(p.sku = %s) AS has_other"
            "       FROM retail.order_items JOIN retail.products AS p USING (product_id)"
            "       GROUP BY order_id) AS orders",
            (WRENCH, row["sku"]),
        ).fetchone()
        assert counted is not None
        one, other, both, orders = counted
        assert row["support"] == both
        assert row["lift"] == pytest.approx(both * orders / (one * other), abs=0.006)
        assert row["confidence"] == pytest.approx(both / one, abs=0.0001)


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
    answer = recommendations.recommend(REDMOND, product="PTMI018030")
    assert answer["recommendations"] == []
    assert "more often than by chance" in answer["notes"][0]


def test_alternatives_are_alike_and_in_stock(
    recommendations: Recommendations, owner: psycopg.Connection
) -> None:
    answer = recommendations.recommend(SEATTLE, product=HAMMER)
    alike = answer["similar_in_stock"]
    assert "Hammers" in types_of(owner, alike[:2])
    assert all(row["stock"] > 0 for row in alike)
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
    assert answer["basis"]["definition"] == SEGMENTS[segment]
    if not answer["recommendations"]:
        assert answer["notes"]
        return
    lifts = [row["lift"] for row in answer["recommendations"]]
    assert lifts == sorted(lifts, reverse=True)
    assert min(lifts) > 1
    assert min(row["support"] for row in answer["recommendations"]) >= MIN_SUPPORT


def test_an_answer_is_kept_until_it_is_asked_for_afresh(
    searchable_provider: PostgreSQLProvider,
) -> None:
    recommendations = Recommendations(searchable_provider, QueryCache())

    def cached(**options: Any) -> bool:
        answer = recommendations.recommend(SEATTLE, product=HAMMER, **options)
        return bool(answer["cached"])

    assert [cached(), cached(), cached(fresh=True)] == [False, True, False]
    assert not recommendations.recommend(REDMOND, product=HAMMER)["cached"]


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


def test_a_product_and_a_segment_are_one_too_many(
    recommendations: Recommendations,
) -> None:
    for arguments in ({}, {"product": HAMMER, "segment": "new"}):
        with pytest.raises(ValidationError, match="exactly one"):
            recommendations.recommend(SEATTLE, **arguments)  # type: ignore[arg-type]


def test_without_vectors_companions_are_found_all_the_same(
    provider: PostgreSQLProvider,
) -> None:
    plain = Recommendations(provider, QueryCache())
    answer = plain.recommend(SEATTLE, product=HAMMER)
    assert answer["basis"]["orders"] > 0
    assert answer["similar_in_stock"] == []
    assert "zava embed" in answer["notes"][-1]
    with pytest.raises(ConfigurationError, match="zava embed"):
        plain.similar(HAMMER, SEATTLE)
