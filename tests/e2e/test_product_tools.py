"""The product tools over real stdio."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.stdio_process import StdioProcess, poll
from tests.embedding_service import embedding_service, hang
from tests.people import SEATTLE


@pytest.fixture(scope="module")
def shop(
    searchable_conninfo: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StdioProcess]:
    variables = {
        "ZAVA_DATABASE_URL": searchable_conninfo,
        "ZAVA_LOG_LEVEL": "ERROR",
        "ZAVA_EMBEDDING_PROVIDER": "local",
    }
    with StdioProcess(SEATTLE, tmp_path_factory.mktemp("shop"), variables) as process:
        process.initialize()
        yield process


def test_products_are_found_by_meaning(shop: StdioProcess) -> None:
    answer = shop.call(
        "semantic_search_products",
        query_description="something to keep rain out of an outdoor outlet",
        max_rows=3,
    ).structured
    assert answer["products"][0]["sku"] == "ELJB054030"
    assert answer["row_count"] == len(answer["products"]) <= 3
    assert list(answer["products"][0]["stock_by_store"]) == ["Zava Retail Seattle"]


def test_what_is_not_sold_is_said(shop: StdioProcess) -> None:
    answer = shop.call("semantic_search_products", query_description="laptops")
    assert answer.structured["products"] == []
    assert answer.structured["notes"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"query_description": ""}, "query_description"),
        ({"query_description": "paint", "max_rows": 101}, "max_rows"),
        ({"query_description": "paint", "mode": "magic"}, "mode"),
        (
            {"query_description": "paint", "similarity_threshold": 2},
            "similarity_threshold",
        ),
        ({"query_description": "paint", "category": "Toys"}, "category"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(
    shop: StdioProcess, arguments: dict[str, object], field: str
) -> None:
    error = shop.call("semantic_search_products", **arguments).error
    assert (error["code"], error["field"]) == ("VALIDATION_ERROR", field)


def test_alternatives_and_companions_are_found(shop: StdioProcess) -> None:
    similar = shop.call("find_similar_products", product="claw hammer").structured
    assert similar["similar"]
    together = shop.call("get_product_recommendations", product="HTHM001010").structured
    assert together["basis"]["orders"] > 0
    assert together["similar_in_stock"]
    for product in (["HTHM001010", "HTWR003010"], "HTHM001010, HTWR003010"):
        both = shop.call("get_product_recommendations", product=product).structured
        assert both["basis"]["product_count"] == 2
    kind = shop.call("get_product_recommendations", product="treated posts")
    assert kind.structured["basis"]["kind"] == "Treated Posts"
    group = shop.call("get_product_recommendations", customer_segment="lapsed")
    assert group.structured["basis"]["segment"] == "lapsed"


def test_the_local_model_is_healthy(shop: StdioProcess) -> None:
    assert shop.call("health_check").structured["ai_service"] == "healthy"


def test_the_process_ends_at_once_while_the_embedding_service_hangs(
    searchable_conninfo: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with embedding_service() as service:
        service.script = [hang]
        variables = {
            "ZAVA_DATABASE_URL": searchable_conninfo,
            "ZAVA_LOG_LEVEL": "ERROR",
            "ZAVA_EMBEDDING_PROVIDER": "openai",
            "ZAVA_EMBEDDING_TIMEOUT": "60",
            "OPENAI_API_KEY": "key",
            "OPENAI_BASE_URL": service.url,
        }
        folder = tmp_path_factory.mktemp("hang")
        with StdioProcess(SEATTLE, folder, variables) as process:
            process.initialize()
            process.ask_tool("semantic_search_products", query_description="paint")
            poll(lambda: bool(service.requests), "the service is asked")
            process.close_stdin()
            assert process.wait() == 0
