"""Servers under faults: 16 callers while backends die and the database goes away.

    python bench/fault_run.py --seconds 60

Three people's servers answer 16 callers at once. Meanwhile connections are killed
at random, the database refuses new ones for a while, it is stopped and started
again, twice, and for a while the network is silent: what is sent is taken, and
nothing comes back. Every answer is held against what was true before: a wrong
or a foreign row, a call without an answer, and a failure without a code are
faults of zava, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TextIO

import anyio
import anyio.to_thread
import psycopg
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from zava.admin.embedded import EmbeddedServer
from zava.admin.loading import DatabaseLoader

DATABASE = "faults"
CALLERS = 16
# Seconds. The retries of one call take 10 at most; the last of them may wait for a
# connection and then for a statement.
STUCK = 30.0
STATEMENT_TIMEOUT = 3
CONNECT_TIMEOUT = 2
_REASON = 200  # characters
PERIOD = "2025"
SALES = (
    "SELECT {nonce}, s.name, count(*), sum(o.total_amount) FROM retail.orders AS o"
    " JOIN retail.stores AS s USING (store_id) GROUP BY s.name ORDER BY s.name"
)
PEOPLE = (
    "SELECT name || ' manager', manager_id::text FROM retail.stores"
    " WHERE name IN ('Zava Retail Seattle', 'Zava Retail Redmond')"
    " UNION ALL SELECT name, user_id::text FROM retail.regional_managers"
    " WHERE name = 'Head Office'"
)


class SilentProxy:
    """A Unix socket before PostgreSQL's; while `silent` is set nothing comes back."""

    def __init__(self, target: str) -> None:
        given = conninfo_to_dict(target)
        self._target = f"{given['host']}/.s.PGSQL.{given['port']}"
        self._folder = tempfile.mkdtemp(prefix="zava-silent-")
        self.conninfo = make_conninfo(target, host=self._folder, port="5432")
        self.silent = threading.Event()
        self._kept: list[socket.socket] = []
        self._deaf: set[int] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self._folder}/.s.PGSQL.5432")
        self._listener.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no connection any more."""
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                if self.silent.is_set():
                    self._kept.append(client)
                    continue
                try:
                    server.connect(self._target)
                except OSError:
                    client.close()
                    continue
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                # What is lost is lost: a stream with a gap stays silent for good.
                if self.silent.is_set():
                    self._deaf.update((id(source), id(sink)))
                if id(source) not in self._deaf:
                    sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Tally:
    """What came of the calls; one thread writes it."""

    def __init__(self) -> None:
        self.answered = 0
        self.failed: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.longest = 0.0

    def is_answered(self, answer: CallToolResult) -> bool:
        """Count a call that came back; say whether it has what was asked for."""
        if not answer.is_error:
            self.answered += 1
            return True
        error = (answer.meta or {}).get("zava/error", {})
        if not error.get("code"):
            self.faults["failure without a code"] += 1
        self.failed[error.get("code", "none")] += 1
        self.reasons[getattr(answer.content[0], "text", "")[:_REASON]] += 1
        return False


class Asked(Protocol):
    """Somebody whom a caller asks."""

    async def ask(self, number: int, tally: Tally) -> None:
        """Put a question and count what came of it."""


class Harm(Protocol):
    """Something that goes wrong meanwhile.

    Attributes:
        done: What was done, by name.
        is_over: Whether all that was planned has been done.
    """

    done: Counter[str]
    is_over: bool

    def run(self) -> None:
        """Do it, in a thread of its own."""

    def end(self) -> None:
        """No more of it."""


class Faults:
    """Does harm to the database until it is told to end.

    Args:
        server: The PostgreSQL; this process is the only one that holds a share.
        proxy: What the servers' connections go through.
        seconds: How long the whole run takes.
    """

    def __init__(
        self, server: EmbeddedServer, proxy: SilentProxy, seconds: float
    ) -> None:
        self._proxy = proxy
        self.done: Counter[str] = Counter()
        self.is_over = False
        self._server = server
        self._end = threading.Event()
        self._random = random.Random(4711)  # noqa: S311 - dice
        started = time.monotonic()
        # The last one is longer than a call is tried again, the others shorter.
        self._schedule = [
            (started + seconds * 0.25, self._restart, 0.0),
            (started + seconds * 0.4, self._refuse, min(3.0, seconds / 10)),
            (started + seconds * 0.5, self._fall_silent, min(8.0, seconds / 8)),
            (started + seconds * 0.7, self._restart, seconds / 6),
        ]
        # Calm at the end: everybody must have recovered by then.
        self._calm = started + seconds * 0.9

    def run(self) -> None:
        """Do it, in a thread of its own."""
        while not self._end.wait(self._random.uniform(0.02, 0.2)):
            if self._schedule and time.monotonic() >= self._schedule[0][0]:
                _, harm, pause = self._schedule.pop(0)
                harm(pause)
                self.is_over = not self._schedule
            elif time.monotonic() < self._calm:
                self._kill(1)

    def end(self) -> None:
        """No more of it."""
        self._end.set()

    def _kill(self, most: int) -> None:
        with self._superuser() as conn:
            killed = conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'zava_server' AND datname = %s"
                " ORDER BY random() LIMIT %s",
                (DATABASE, most),
            ).fetchall()
        self.done["connections killed"] += len(killed)

    def _restart(self, pause: float) -> None:
        self._server.stop()
        self._end.wait(pause)
        self._server.start()
        self.done["restarts"] += 1

    def _refuse(self, pause: float) -> None:
        with self._superuser() as conn:
            conn.execute(f"ALTER DATABASE {DATABASE} CONNECTION LIMIT 0".encode())
        self._kill(1000)
        self._end.wait(pause)
        with self._superuser() as conn:
            conn.execute(f"ALTER DATABASE {DATABASE} CONNECTION LIMIT -1".encode())
        self.done["refusals"] += 1

    def _fall_silent(self, pause: float) -> None:
        self._proxy.silent.set()
        self._end.wait(pause)
        self._proxy.silent.clear()
        self.done["silences"] += 1

    @contextmanager
    def _superuser(self) -> Iterator[psycopg.Connection]:
        conninfo = self._server.conninfo(dbname="postgres", user="postgres")
        with psycopg.connect(conninfo, autocommit=True) as conn:
            yield conn


class Person:
    """Somebody with a server of their own, and what is true for them."""

    def __init__(self, session: Client) -> None:
        self._session = session
        self._sales: Any = None
        self._performance: Any = None
        self._store = ""
        self._nonce = 0

    async def learn(self, expected: list[list[Any]]) -> None:
        """Ask everything once while nothing is wrong."""
        answer, rows = await self.ask_sales()
        assert rows == expected, f"wrong before any fault: {answer}"
        self._sales, self._store = rows, rows[0][0]
        answer, self._performance = await self.ask_performance(self._store)
        assert not answer.is_error, answer

    async def ask(self, number: int, tally: Tally) -> None:
        """Put one question and hold the answer against the truth."""
        if number % 4:
            expected, (answer, found) = self._sales, await self.ask_sales()
        else:
            answer, found = await self.ask_performance(self._store)
            expected = self._performance
        if tally.is_answered(answer):
            tally.faults["wrong or foreign rows"] += found != expected

    async def ask_sales(self) -> tuple[CallToolResult, Any]:
        """Return an answer and its rows, None if they are not of this question."""
        self._nonce += 1
        nonce = self._nonce
        query = SALES.format(nonce=nonce)
        arguments = {"postgresql_query": query, "fresh": True}
        answer = await self._session.call_tool("execute_sales_query", arguments)
        rows = (answer.structured_content or {}).get("rows")
        # An answer to another question is as wrong as a foreign row.
        own = rows is not None and all(row[0] == nonce for row in rows)
        return answer, [row[1:] for row in rows or ()] if own else None

    async def ask_performance(self, store: str) -> tuple[CallToolResult, Any]:
        """Return an answer and its figures."""
        arguments = {"store_id": store, "time_period": PERIOD, "fresh": True}
        answer = await self._session.call_tool("get_store_performance", arguments)
        metrics = dict((answer.structured_content or {}).get("metrics", {}))
        return answer, metrics


async def caller(person: Asked, tally: Tally, is_over: Callable[[], bool]) -> None:
    number = 0
    while not is_over():
        started = time.monotonic()
        with anyio.move_on_after(STUCK) as scope:
            await person.ask(number, tally)
        tally.faults["call without an answer"] += scope.cancelled_caught
        tally.longest = max(tally.longest, time.monotonic() - started)
        number += 1


async def serve(
    stack: AsyncExitStack, user_id: str, conninfo: str, log: TextIO
) -> Client:
    """Start a server for a person, which ends with the stack."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "zava", "serve", "--user", user_id],
        env={
            "ZAVA_DATABASE_URL": conninfo,
            "ZAVA_STATEMENT_TIMEOUT": str(STATEMENT_TIMEOUT),
            "ZAVA_CONNECT_TIMEOUT": str(CONNECT_TIMEOUT),
            "ZAVA_LOG_LEVEL": "ERROR",
            "ZAVA_LOG_FILE": "none",
        },
    )
    return await stack.enter_async_context(Client(stdio_client(parameters, errlog=log)))


async def ask_under(
    harm: Harm, persons: Sequence[Asked], tally: Tally, seconds: float
) -> None:
    """Let the callers ask while harm is done, and see that all have recovered.

    It takes longer where the machine is too slow for what is planned in that time.
    """
    until = time.monotonic() + seconds

    def is_over() -> bool:
        return time.monotonic() >= until and harm.is_over

    async with anyio.create_task_group() as beside:
        beside.start_soon(anyio.to_thread.run_sync, harm.run)
        async with anyio.create_task_group() as calls:
            for number in range(CALLERS):
                calls.start_soon(caller, persons[number % len(persons)], tally, is_over)
        harm.end()
    last = Tally()
    for person in persons:
        await person.ask(1, last)
    tally.faults["not recovered at the end"] = len(persons) - last.answered
    tally.faults.update(last.faults)


async def play(server: EmbeddedServer, seconds: float) -> tuple[Tally, Faults]:
    tally = Tally()
    superuser = server.conninfo(dbname=DATABASE, user="postgres")
    with psycopg.connect(superuser) as conn:
        people = conn.execute(PEOPLE).fetchall()
        truth = conn.execute(SALES.format(nonce=0).encode()).fetchall()
    proxy = SilentProxy(server.conninfo(dbname=DATABASE, user="zava_server"))
    with open(os.devnull, "w", encoding="utf-8") as log:
        async with AsyncExitStack() as stack:
            persons = []
            for name, user_id in people:
                client = await serve(stack, user_id, proxy.conninfo, log)
                persons.append(Person(client))
                await persons[-1].learn(
                    [
                        [store, orders, float(revenue)]
                        for _, store, orders, revenue in truth
                        if name in ("Head Office", f"{store} manager")
                    ]
                )
            faults = Faults(server, proxy, seconds)
            await ask_under(faults, persons, tally, seconds)
    proxy.close()
    return tally, faults


def report(tally: Tally, done: Counter[str]) -> str:
    lines = [f"{name}: {count}" for name, count in done.items()]
    calls = tally.answered + tally.failed.total()
    lines += [f"calls: {calls}", f"answered: {tally.answered}"]
    lines += [f"failed with {code}: {n}" for code, n in tally.failed.most_common()]
    lines += [f"  {n} times: {reason}" for reason, n in tally.reasons.most_common()]
    lines.append(f"longest call: {tally.longest:.1f} s")
    lines += [f"{name}: {count}" for name, count in sorted(tally.faults.items())]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--postgres", type=int, default=18, choices=(16, 18))
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="zava-faults-"))
    folder.chmod(0o755)
    options = {"fsync": "off", "full_page_writes": "off"}
    server = EmbeddedServer(folder, version=arguments.postgres, options=options)
    try:
        with server:
            home = server.conninfo(dbname="postgres", user="postgres")
            DatabaseLoader(home).create_database(DATABASE)
            loader = DatabaseLoader(server.conninfo(dbname=DATABASE, user="postgres"))
            loader.load_schema()
            loader.load_seed(0.01, "2026-06-30", lambda *_: None)
            tally, faults = anyio.run(play, server, arguments.seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(report(tally, faults.done))
    return 1 if tally.faults.total() else 0


if __name__ == "__main__":
    sys.exit(main())
