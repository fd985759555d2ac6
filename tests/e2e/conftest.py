"""Server processes for one module each, and ones of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.e2e.forking import SECONDS_TO_END
from tests.e2e.stdio_process import StdioProcess
from tests.patience import PATIENCE
from tests.people import SEATTLE

Start = Callable[..., StdioProcess]

Running = Callable[[], int]

# Days of work, in any version of PostgreSQL; pg_sleep is revoked.
FOREVER = (
    "SELECT count(*) FROM generate_series(1, 1000000) a,"
    " generate_series(1, 1000000) b, generate_series(1, 1000000) c"
)
APPLICATION = "zava-test"


@pytest.fixture(scope="module")
def server(
    server_conninfo: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StdioProcess]:
    """A server for the Seattle manager that a module's tests share."""
    variables = {"ZAVA_DATABASE_URL": server_conninfo, "ZAVA_LOG_LEVEL": "ERROR"}
    with StdioProcess(SEATTLE, tmp_path_factory.mktemp("cwd"), variables) as process:
        process.initialize()
        yield process


@pytest.fixture
def start(tmp_path: Path, server_conninfo: str) -> Iterator[Start]:
    """Start servers that end with the test; settings are keyword arguments.

    One that `ends_in_order` has time for it, on whatever machine.
    """
    with ExitStack() as stack:

        def start_one(
            user: str | None = SEATTLE,
            *,
            handshake: bool = True,
            redirection: str = "",
            options: tuple[str, ...] = (),
            ends_in_order: bool = False,
            **variables: str,
        ) -> StdioProcess:
            settings = {"database_url": server_conninfo, **variables}
            patience = {SECONDS_TO_END: str(PATIENCE)} if ends_in_order else {}
            process = StdioProcess(
                user,
                tmp_path,
                {
                    **{f"ZAVA_{name.upper()}": each for name, each in settings.items()},
                    **patience,
                },
                redirection,
                options,
            )
            stack.enter_context(process)
            if handshake:
                process.initialize()
            return process

        yield start_one


@pytest.fixture
def running(owner: psycopg.Connection) -> Running:
    """Counts the statements at work of servers that were started as APPLICATION."""

    def count() -> int:
        sql = (
            "SELECT FROM pg_stat_activity"
            " WHERE application_name = %s AND state = 'active'"
        )
        return owner.execute(sql, (APPLICATION,)).rowcount

    return count
