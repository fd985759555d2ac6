"""Cancelled calls and the end of the process, also when nobody answers."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.conftest import APPLICATION, FOREVER, Running, Start
from tests.e2e.flaky_proxy import FlakyProxy
from tests.e2e.stdio_process import StdioProcess, poll

ENDS = [
    pytest.param(lambda process: process.signal(signal.SIGTERM), 143, id="SIGTERM"),
    pytest.param(lambda process: process.signal(signal.SIGINT), 130, id="SIGINT"),
    pytest.param(lambda process: process.close_stdin(), 0, id="end-of-input"),
]

End = Callable[[StdioProcess], None]


@pytest.fixture
def proxy(server_conninfo: str) -> Iterator[FlakyProxy]:
    """PostgreSQL behind a socket of the test's own."""
    with FlakyProxy(server_conninfo) as proxy:
        proxy.up()
        yield proxy


def cancel_among_innocents(process: StdioProcess, running: Running, count: int) -> None:
    """Cancel `count` calls at random moments between as many that stay."""
    choose = random.Random(count)
    innocents: dict[int, int] = {}
    victims: list[int] = []
    for number in range(count):
        work = choose.choice([1, 1000, 100_000, 10_000_000_000])
        sql = f"SELECT count(*), {number} FROM generate_series(1, {work})"
        victims.append(process.ask_tool("execute_sales_query", postgresql_query=sql))
        sql = f"SELECT {number} AS innocent"
        innocents[process.ask_tool("execute_sales_query", postgresql_query=sql)] = (
            number
        )
        while len(victims) > choose.randrange(8):
            victim = victims.pop(choose.randrange(len(victims)))
            process.notify("notifications/cancelled", {"requestId": victim})
    for victim in victims:
        process.notify("notifications/cancelled", {"requestId": victim})
    for request_id, number in innocents.items():
        result = process.receive(request_id)["result"]
        assert result["structuredContent"]["rows"] == [[number]]
    poll(lambda: running() == 0, "no statement is left")
    assert process.query("SELECT 'last'").structured["rows"] == [["last"]]
    assert "Traceback" not in process.stderr
    assert "ERROR" not in process.stderr


@pytest.mark.parametrize("again", [50, "50"])
def test_a_request_with_an_id_in_flight_is_refused_and_the_first_can_be_cancelled(
    start: Start, running: Running, again: int | str
) -> None:
    process = start(application_name=APPLICATION)
    call = {"name": "execute_sales_query", "arguments": {"postgresql_query": FOREVER}}
    process.send({"id": 50, "method": "tools/call", "params": call})
    poll(lambda: running() == 1, "the first one runs")
    process.send({"id": again, "method": "ping"})
    told = process.receive(again)["error"]  # type: ignore[arg-type]
    assert told["code"] == -32600
    assert "still in flight" in told["message"]
    poll(lambda: running() == 1, "the first one still runs")
    process.notify("notifications/cancelled", {"requestId": 50})
    poll(lambda: running() == 0, "no statement is left")
    process.send({"id": 50, "method": "ping"})
    assert process.receive(50)["result"] == {}
    process.send({"id": 50, "method": "ping"})
    assert process.receive(50)["result"] == {}


@pytest.fixture
def small_pool(start: Start) -> StdioProcess:
    """A server whose calls wait for each other, for a while."""
    return start(
        application_name=APPLICATION,
        pool_max_size="4",
        max_waiting_calls="10000",
        log_level="ERROR",
    )


def test_cancelled_calls_harm_no_other(
    small_pool: StdioProcess, running: Running
) -> None:
    cancel_among_innocents(small_pool, running, 100)


@pytest.mark.once
@pytest.mark.thorough
def test_a_thousand_cancelled_calls_harm_none_of_a_thousand_others(
    small_pool: StdioProcess, running: Running
) -> None:
    cancel_among_innocents(small_pool, running, 1000)


@pytest.mark.parametrize(("end", "status"), ENDS)
def test_the_end_is_the_end_of_calls_that_wait_too(
    start: Start, running: Running, end: End, status: int
) -> None:
    process = start(
        application_name=APPLICATION,
        pool_min_size="1",
        pool_max_size="1",
        ends_in_order=True,
        log_level="DEBUG",
    )
    for number in range(20):
        sql = f"{FOREVER}, (VALUES ({number})) AS call"
        process.ask_tool("execute_sales_query", postgresql_query=sql)
    poll(lambda: running() == 1, "the first one runs")
    end(process)
    assert process.wait() == status
    poll(lambda: running() == 0, "no statement is left")
    assert process.stderr.count("Query cancelled") == 1  # and none that was not run
    assert "ended with calls at work" not in process.stderr


@pytest.mark.parametrize(("end", "status"), ENDS)
def test_a_database_that_does_not_answer_does_not_hold_up_the_end(
    start: Start,
    proxy: FlakyProxy,
    running: Running,
    end: End,
    status: int,
) -> None:
    process = start(
        database_url=proxy.conninfo, application_name=APPLICATION, log_level="WARNING"
    )
    process.ask_tool("execute_sales_query", postgresql_query=FOREVER)
    poll(lambda: running() == 1, "the statement runs")
    proxy.fall_silent()
    end(process)
    assert process.wait() == status
    assert "ended with calls at work" in process.stderr
    assert "Traceback" not in process.stderr
    proxy.down()
    poll(lambda: running() == 0, "PostgreSQL notices that nobody is there")


@pytest.mark.parametrize(("end", "status"), ENDS[:2])
def test_a_signal_ends_the_start_before_the_database_has_answered(
    start: Start, proxy: FlakyProxy, end: End, status: int
) -> None:
    proxy.fall_silent()
    process = start(
        handshake=False,
        database_url=proxy.conninfo,
        log_level="DEBUG",
    )
    poll(lambda: proxy.connections > 0, "it tries to connect")
    end(process)
    assert process.wait() == status
    assert "Traceback" not in process.stderr
    assert process.rest() == []
