"""Server processes that share answers through Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.stdio_process import StdioProcess
from tests.people import REDMOND, SEATTLE
from tests.redis_server import IS_REQUIRED, OTHER_ADDRESS, PROGRAM, RedisServer

pytestmark = [
    pytest.mark.once,
    pytest.mark.thorough,
    pytest.mark.skipif(
        PROGRAM is None and not IS_REQUIRED, reason="redis-server is not installed"
    ),
]

STORES = "SELECT name FROM retail.stores"
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("execute_sales_query", {"postgresql_query": STORES}),
    (
        "execute_sales_query",
        {
            "postgresql_query": "SELECT 1.5::numeric, '{\"a\": [1]}'::jsonb, NULL,"
            " 'NaN'::float8, now(), 12345678901234567890::numeric, ARRAY[1, 2]"
        },
    ),
    ("get_multiple_table_schemas", {"table_names": ["orders", "stores"]}),
    (
        "get_store_performance",
        {"store_id": "all", "time_period": "2026-01-01..2026-03-31"},
    ),
    (
        "query_metrics",
        {"metrics": ["revenue", "orders"], "by": ["category"], "time_period": "2026"},
    ),
    (
        "semantic_search_products",
        {"query_description": "paint for wood", "mode": "keyword"},
    ),
    ("get_product_recommendations", {"customer_segment": "frequent"}),
)


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer(is_tls=True) as server:
        yield server


def sharing(
    start: Start, server: RedisServer, user: str = SEATTLE, host: str = "127.0.0.1"
) -> StdioProcess:
    return start(
        user,
        redis_url=server.url_at(host),
        redis_timeout="5",
        log_level="ERROR",
        embedding_provider="none",
    )


def without_cached(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without what tells whether it was kept."""
    period = answer.get("period", {})
    told = {**answer, "period": {k: period[k] for k in period if k != "cached"}}
    return {k: told[k] for k in told if k not in ("cached", "elapsed_ms")}


def test_a_second_process_answers_every_tool_as_the_first_one(
    start: Start, redis_server: RedisServer
) -> None:
    # As two hosts do, they come by two ways.
    first, second = (
        sharing(start, redis_server, host=host) for host in ("127.0.0.1", OTHER_ADDRESS)
    )
    for tool, arguments in CALLS:
        ours, theirs = (
            without_cached(process.call(tool, **arguments).structured)
            for process in (first, second)
        )
        assert theirs == ours, tool
    summary = second.call("get_performance_summary").structured
    assert summary["shared_cache"]["misses"] == 0
    assert summary["shared_cache"]["hits"] >= len(CALLS)
    assert second.call("health_check").structured["shared_cache"] == "healthy"


def test_another_person_is_given_nothing_of_it(
    start: Start, redis_server: RedisServer
) -> None:
    seattle = sharing(start, redis_server).query(STORES)
    redmond = sharing(start, redis_server, REDMOND).query(STORES)
    assert not redmond.structured["cached"]
    assert redmond.structured["rows"] != seattle.structured["rows"]


def test_without_redis_a_process_answers_and_says_so(start: Start) -> None:
    process = start(redis_url="redis://:hunter2@127.0.0.1:1")
    assert not process.query(STORES).structured["cached"]
    health = process.call("health_check").structured
    assert health["database"] == "healthy"
    assert health["shared_cache"].startswith("degraded: ")
    assert "hunter2" not in str(health)


def test_each_process_has_the_rows_past_a_cut_answer_of_its_own(
    start: Start, redis_server: RedisServer
) -> None:
    sql = "SELECT generate_series(1, 30)"
    for process in (sharing(start, redis_server) for _ in range(2)):
        answer = process.query(sql).structured
        more = process.call("get_more_rows", handle=answer["handle"]).structured
        assert more["rows"][0] == [21]
