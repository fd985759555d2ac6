"""How soon a statement and the process end: medians and maxima.

    python -m bench.cancellation [RUNS]

Starts a PostgreSQL of its own.
"""

from __future__ import annotations

import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from bench.loaded_database import DATABASE, loaded_database, server_login
from tests.e2e.flaky_proxy import FlakyProxy
from tests.e2e.stdio_process import StdioProcess
from tests.people import SEATTLE

APPLICATION = "zava-bench-cancel"
FOREVER = (
    "SELECT count(*) FROM generate_series(1, 1000000) a,"
    " generate_series(1, 1000000) b, generate_series(1, 1000000) c"
)
RUNS = 10
PATIENCE = 30.0

End = Callable[[StdioProcess, int], object]
ENDS: dict[str, End] = {
    "a cancelled request": lambda process, request: process.notify(
        "notifications/cancelled", {"requestId": request}
    ),
    "closed stdin": lambda process, _: process.close_stdin(),
    "SIGTERM": lambda process, _: process.signal(signal.SIGTERM),
    "SIGINT": lambda process, _: process.signal(signal.SIGINT),
    "SIGKILL": lambda process, _: process.signal(signal.SIGKILL),
}
SILENT = ("closed stdin", "SIGTERM", "SIGINT")


class Stopwatch:
    """Milliseconds from a moment to when something holds."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def until(self, holds: Callable[[], bool]) -> float:
        """Wait until it holds."""
        while not holds():
            if time.perf_counter() - self._started > PATIENCE:
                sys.exit("it did not come about")
        return (time.perf_counter() - self._started) * 1000


def measure(
    admin: psycopg.Connection[Any], conninfo: str, end: End, folder: Path
) -> tuple[float, float | None]:
    """Return milliseconds until the statement, and until the process has ended."""

    def runs() -> bool:
        sql = (
            "SELECT FROM pg_stat_activity"
            " WHERE state = 'active' AND application_name = %s"
        )
        return admin.execute(sql, (APPLICATION,)).rowcount > 0

    variables = {
        "ZAVA_DATABASE_URL": conninfo,
        "ZAVA_APPLICATION_NAME": APPLICATION,
        "ZAVA_LOG_LEVEL": "ERROR",
    }
    with StdioProcess(SEATTLE, folder, variables) as process:
        process.initialize()
        request = process.ask_tool("execute_sales_query", postgresql_query=FOREVER)
        Stopwatch().until(runs)
        watch = Stopwatch()
        end(process, request)
        ended = gone = None
        while gone is None:
            if ended is None and process.process.poll() is not None:
                ended = watch.until(lambda: True)
            if not runs():
                gone = watch.until(lambda: True)
        if end is not ENDS["a cancelled request"] and ended is None:
            ended = watch.until(lambda: process.process.poll() is not None)
        return gone, ended


def end_in_silence(server_conninfo: str, end: End, folder: Path) -> float:
    """Return milliseconds until the process ends while PostgreSQL does not answer."""
    with FlakyProxy(server_conninfo) as proxy:
        proxy.up()
        variables = {"ZAVA_DATABASE_URL": proxy.conninfo, "ZAVA_LOG_LEVEL": "ERROR"}
        with StdioProcess(SEATTLE, folder, variables) as process:
            process.initialize()
            process.query("SELECT 1")
            proxy.fall_silent()
            request = process.ask_tool("execute_sales_query", postgresql_query=FOREVER)
            process.request("ping")
            watch = Stopwatch()
            end(process, request)
            return watch.until(lambda: process.process.poll() is not None)


def line(name: str, milliseconds: list[float]) -> None:
    if milliseconds:
        middle, most = statistics.median(milliseconds), max(milliseconds)
        print(f"{name:52} {middle:8.0f} {most:8.0f}")


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with loaded_database() as server, tempfile.TemporaryDirectory() as name:
        folder, login = Path(name), server_login(server)
        target = server.conninfo(dbname=DATABASE, user="postgres")
        with psycopg.connect(target, autocommit=True) as admin:
            print(f"{'milliseconds until':52} {'median':>8} {'max':>8}")
            for cause, end in ENDS.items():
                both = [measure(admin, login, end, folder) for _ in range(runs)]
                line(f"the statement is gone after {cause}", [gone for gone, _ in both])
                ends = [ended for _, ended in both if ended is not None]
                line(f"the process has ended after {cause}", ends)
            for cause in SILENT:
                ends = [end_in_silence(login, ENDS[cause], folder) for _ in range(runs)]
                line(f"the same, the database silent, after {cause}", ends)


if __name__ == "__main__":
    main()
