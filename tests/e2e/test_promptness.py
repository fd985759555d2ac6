"""What needs no thread is answered while every thread is busy."""

from __future__ import annotations

from tests.e2e.conftest import APPLICATION, FOREVER, Running, Start
from tests.e2e.stdio_process import poll


def test_kept_answers_pings_and_cancellations_need_no_thread(
    start: Start, running: Running
) -> None:
    process = start(
        application_name=APPLICATION,
        log_level="ERROR",
        pool_min_size="1",
        pool_max_size="1",
    )
    store = {"store_id": "seattle", "time_period": "2025"}
    tables = {"table_names": ["orders"]}
    first = [
        process.query("SELECT 1").structured,
        process.call("get_store_performance", **store).structured,
        process.call("get_multiple_table_schemas", **tables).structured,
    ]
    busy = process.ask_tool("execute_sales_query", postgresql_query=FOREVER)

    poll(lambda: running() == 1, "the only thread is busy")
    waiting = process.ask_tool("execute_sales_query", postgresql_query="SELECT 2")
    again = [
        process.query("SELECT 1").structured,
        process.call("get_store_performance", **store).structured,
        process.call("get_multiple_table_schemas", **tables).structured,
    ]
    assert again[0]["cached"]
    assert again[0]["rows"] == first[0]["rows"]
    assert again[1]["period"].pop("cached")
    assert not first[1]["period"].pop("cached")
    assert again[1:] == first[1:]
    assert process.call("get_current_utc_date").structured
    assert process.call("get_performance_summary").structured
    assert process.request("ping") == {}
    assert running() == 1
    process.notify("notifications/cancelled", {"requestId": busy})
    assert process.receive(waiting)["result"]["structuredContent"]["rows"] == [[2]]
