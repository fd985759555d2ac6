"""A database with canaries, a server for each person, and a count of the outcomes.

To run the suite over another connection (a pooler, say), put a module into this
folder that imports the tests and has a `target` fixture of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.attacks.setting import PEOPLE, WITNESS, Attacked, Servers, Target, plant
from tests.attacks.twins import Twin, twins
from tests.e2e.stdio_process import StdioProcess
from zava.admin.embedded import EmbeddedServer

ATTACKED = "zava_attacked"

Outcomes = Counter[tuple[str, str]]
OUTCOMES = pytest.StashKey[Outcomes]()
Witnesses = dict[str, list[Any]]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[OUTCOMES] = Counter()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What an SQL text can reach is PostgreSQL's affair, whatever Python sent it.
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.thorough)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    outcomes = config.stash[OUTCOMES]
    if not outcomes:
        return
    terminalreporter.section("attacks and legitimate queries")
    for suite in sorted({suite for suite, _ in outcomes}):
        counts = {what: n for (of, what), n in outcomes.items() if of == suite}
        line = ", ".join(f"{n} {what}" for what, n in sorted(counts.items()))
        terminalreporter.write_line(f"{suite}: {sum(counts.values())} tried: {line}")


@pytest.fixture(scope="session")
def outcomes(pytestconfig: pytest.Config) -> Outcomes:
    """Counts, by suite and person and by what came of it, for the summary."""
    return pytestconfig.stash[OUTCOMES]


@pytest.fixture(scope="session")
def attacked(cluster: EmbeddedServer, template: str) -> Iterator[Attacked]:
    """The database that is attacked; nothing can change it, so all tests share it."""
    with attacked_copy(cluster, template, ATTACKED) as planted:
        yield planted


@contextmanager
def attacked_copy(
    cluster: EmbeddedServer, template: str, name: str
) -> Iterator[Attacked]:
    """Make a database of that name to be attacked."""
    admin = cluster.conninfo(dbname="postgres", user="postgres")
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    with (
        psycopg.connect(
            cluster.conninfo(dbname=name, user="postgres"), autocommit=True
        ) as owner,
        plant(owner, cluster.conninfo(dbname=name, user="zava_server")) as planted,
    ):
        yield planted


@pytest.fixture(scope="module")
def target(cluster: EmbeddedServer, attacked: Attacked) -> Target:
    """How the servers reach `attacked`: directly."""
    return Target(cluster.conninfo(dbname=ATTACKED, user="zava_server"))


class Fleet:
    """Server processes for every target, one for each person."""

    def __init__(
        self, attacked: Attacked, stack: ExitStack, folders: pytest.TempPathFactory
    ) -> None:
        self._attacked = attacked
        self._stack = stack
        self._folders = folders
        self._running: dict[str, Servers] = {}

    def of(self, target: Target) -> Servers:
        """Return the servers of a target; their one connection serves every call."""
        key = str(target)
        if key not in self._running:
            self._running[key] = {name: self._start(name, target) for name in PEOPLE}
            for process in self._running[key].values():
                process.initialize()
        return self._running[key]

    def _start(self, name: str, target: Target) -> StdioProcess:
        variables = {
            "ZAVA_DATABASE_URL": target.conninfo,
            "ZAVA_POOL_MIN_SIZE": "1",
            "ZAVA_POOL_MAX_SIZE": "1",
            "ZAVA_CACHE_TTL": "0",
            "ZAVA_LOG_LEVEL": "ERROR",
            **target.settings,
        }
        user_id = self._attacked.people[name].user_id
        process = StdioProcess(user_id, self._folders.mktemp(name), variables)
        return self._stack.enter_context(process)


@pytest.fixture(scope="session")
def fleet(
    attacked: Attacked, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    with ExitStack() as stack:
        yield Fleet(attacked, stack, tmp_path_factory)


@pytest.fixture(scope="module")
def servers(fleet: Fleet, target: Target) -> Servers:
    """A server for each person."""
    return fleet.of(target)


@pytest.fixture(scope="module")
def witnesses(servers: Servers) -> Witnesses:
    """What each person answers to WITNESS before any attack."""
    return {
        name: server.query(WITNESS).structured["rows"]
        for name, server in servers.items()
    }


@pytest.fixture(scope="session")
def both(cluster: EmbeddedServer, template: str) -> Iterator[tuple[Twin, Twin]]:
    """Two databases that differ in other stores' rows only; the second is the busy one."""
    with twins(cluster, template) as pair:
        yield pair
