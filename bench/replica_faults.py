"""Replicas under faults: 16 callers while standbys come and go and the primary fails over.

    python -m bench.replica_faults --seconds 60

Three people's servers read from two standbys and, where none is there, from the
primary, which writes all the time: the first prefers the standbys in their order, the
others take one at random. Meanwhile connections are killed, standbys are paused, cut
off from their primary, killed and started again, both at once as well; one comes back
and stays behind for longer than zava repeats a call. The primary is killed and the
standby that has received most is promoted; the old primary comes back as a standby, and
later the same happens back again, by a clean stop.

What is true: each transaction inserts an order of a known amount into every store, so
the count of a store's orders says which state an answer shows. The primary answers a
writer when one standby has flushed the transaction too (`ANY 1 (*)`), and the standby
that has received most is promoted. So no transaction is lost, and of the one that was
on its way the new primary says whether it happened.

An answer is at fault if its rows are wrong or another's, if a transaction is missing
that had been committed by its `as_of`, or if it is older, in what it shows or in
`as_of`, than what the same process had answered before the call was made. So is a call
without an answer, without a code, or beyond its deadline. The exit status is then 1.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime, timezone
from decimal import Decimal
from itertools import cycle
from typing import Any, NamedTuple

import anyio
import psycopg
from mcp import Client
from mcp_types import CallToolResult

from bench.fault_run import (
    CONNECT_TIMEOUT,
    PEOPLE,
    SALES,
    STATEMENT_TIMEOUT,
    Person,
    Tally,
    ask_under,
    report,
    serve,
)
from tests.replicas import Replicas, Server
from zava.settings import Settings

# Seconds: the last attempt begins in time, connects to each host, and runs. PostgreSQL
# or zava ends its statement within two seconds after its timeout.
DEADLINE = (
    Settings.model_fields["retry_deadline"].default
    + 3 * CONNECT_TIMEOUT
    + STATEMENT_TIMEOUT
    + 2
)
HARM_SECONDS = 2.0
INSERT = (
    "INSERT INTO retail.orders (store_id, order_date, total_amount)"
    " SELECT s.store_id, now(), a.amount"
    " FROM unnest(%s::text[], %s::numeric[]) AS a (name, amount)"
    " JOIN retail.stores AS s USING (name)"
)
STATE = SALES.format(nonce=0).encode()


class Shown(NamedTuple):
    """What an answer shows.

    Attributes:
        state: How many of the writer's transactions.
        as_of: The time up to which it claims to be complete.
    """

    state: int
    as_of: datetime


class Ledger:
    """What was written, and when it had been committed; one thread writes it.

    Attributes:
        written: When the n-th transaction had been committed, None for not known yet.
    """

    def __init__(self, conn: psycopg.Connection) -> None:
        # The sums of each store after so many transactions.
        rows = conn.execute(STATE).fetchall()
        self._first = {name: count for _, name, count, _ in rows}
        self._sums = {name: [amount] for _, name, _, amount in rows}
        self.written: list[datetime | None] = [datetime.now(timezone.utc)]

    @property
    def stores(self) -> list[str]:
        """Their names."""
        return list(self._sums)

    def begin(self, amounts: list[Decimal]) -> None:
        """Note a transaction before it is sent: it may be seen before its answer."""
        self.written.append(None)
        for name, amount in zip(self._sums, amounts, strict=True):
            self._sums[name].append(self._sums[name][-1] + amount)

    def commit(self) -> None:
        """Note that the last transaction has been committed by now."""
        self.written[-1] = datetime.now(timezone.utc)

    def forget(self) -> None:
        """Forget the last transaction: it did not happen."""
        self.written.pop()
        for sums in self._sums.values():
            sums.pop()

    def state_of(self, conn: psycopg.Connection) -> int:
        """Return how many transactions a server shows."""
        _, name, count, _ = conn.execute(STATE).fetchall()[0]
        return int(count - self._first[name])

    def shown(self, rows: list[list[Any]]) -> int | None:
        """Return the state that a person's rows show; None if they are of no state."""
        states = {count - self._first[name] for name, count, _ in rows}
        state = states.pop() if len(states) == 1 else -1
        if not 0 <= state < len(self.written):
            return None
        are_true = all(
            round(amount, 2) == float(self._sums[name][state])
            for name, _, amount in rows
        )
        return state if are_true else None

    def lacks(self, shown: Shown) -> bool:
        """Whether a transaction is missing that had been committed by `as_of`."""
        later = self.written[shown.state + 1 : shown.state + 2]
        return any(at is not None and at <= shown.as_of for at in later)

    def understatement(self, shown: Shown) -> float:
        """Return by how many seconds what is shown is newer than `as_of`."""
        at = self.written[shown.state]
        return 0.0 if at is None else (at - shown.as_of).total_seconds()


class Writer:
    """Writes on the primary, whichever that is.

    Args:
        conninfo: Of all servers.
        ledger: What is true.
    """

    def __init__(self, conninfo: str, ledger: Ledger) -> None:
        self._conninfo = conninfo
        self._ledger = ledger
        self._dice = random.Random(11)  # noqa: S311 - dice
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        is_open = False
        while not self._end.wait(0.05):
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as conn:
                    if is_open:
                        self._settle(conn)
                    is_open = False
                    while not self._end.wait(0.03):
                        is_open = True
                        self._write(conn)
                        is_open = False
            except psycopg.OperationalError:
                continue

    def _write(self, conn: psycopg.Connection) -> None:
        stores = self._ledger.stores
        amounts = [Decimal(self._dice.randrange(1, 10**6)) / 100 for _ in stores]
        self._ledger.begin(amounts)
        conn.execute(INSERT.encode(), (stores, amounts))
        self._ledger.commit()

    def _settle(self, conn: psycopg.Connection) -> None:
        """Find out whether the transaction happened whose answer was lost."""
        if self._ledger.state_of(conn) == len(self._ledger.written) - 1:
            self._ledger.commit()
        else:
            self._ledger.forget()


class Reader:
    """Somebody with a server of their own, and what it has answered.

    Args:
        name: Of the person.
        session: To their server.
        stores: The stores that they may see.
        ledger: What is true.

    Attributes:
        answers: What they showed.
        longest_silence: Most seconds between two answers.
    """

    def __init__(
        self, name: str, session: Client, stores: set[str], ledger: Ledger
    ) -> None:
        self.name = name
        self._person = Person(session)
        self._stores = stores
        self._ledger = ledger
        self._performance: Any = None
        self._newest = Shown(0, datetime.fromtimestamp(0, timezone.utc))
        self.answers: list[Shown] = []
        self.longest_silence = 0.0
        self._answered_at: float | None = None

    async def ask(self, number: int, tally: Tally) -> None:
        """Put one question and hold the answer against the truth."""
        if number % 4 == 0:
            answer, figures = await self._person.ask_performance(min(self._stores))
            if self._is_answered(answer, tally):
                self._performance = self._performance or figures
                tally.faults["wrong rows"] += figures != self._performance
            return
        before = self._newest
        answer, rows = await self._person.ask_sales()
        if not self._is_answered(answer, tally):
            return
        names = {row[0] for row in rows or ()}
        tally.faults["foreign rows"] += not names <= self._stores
        state = self._ledger.shown(rows) if names == self._stores else None
        if state is None:
            tally.faults["wrong rows"] += 1
            return
        as_of = datetime.fromisoformat((answer.structured_content or {})["as_of"])
        shown = Shown(state, as_of)
        tally.faults["rows back in time"] += shown.state < before.state
        tally.faults["as_of back in time"] += shown.as_of < before.as_of
        self._newest = Shown(
            max(shown.state, self._newest.state), max(shown.as_of, self._newest.as_of)
        )
        self.answers.append(shown)

    def _is_answered(self, answer: CallToolResult, tally: Tally) -> bool:
        if not tally.is_answered(answer):
            return False
        now = time.monotonic()
        silence = now - (self._answered_at or now)
        self.longest_silence = max(self.longest_silence, silence)
        self._answered_at = now
        return True


class ReplicaFaults:
    """Does harm to a group of servers until it is told to end.

    Args:
        group: A primary and two standbys.
        seconds: How long the whole run takes.
    """

    def __init__(self, group: Replicas, seconds: float) -> None:
        self.done: Counter[str] = Counter()
        self.is_over = True  # it goes round, as often as there is time
        self._group = group
        self._first = group.primary
        self._order = [*group.standbys, group.primary]
        self._end = threading.Event()
        self._dice = random.Random(4711)  # noqa: S311 - dice
        # Calm at the end: everybody must have recovered by then.
        self._calm = time.monotonic() + seconds - max(3.0, seconds / 15)

    def run(self) -> None:
        """Do it, in a thread of its own."""
        for harm in cycle(self._harms()):
            if self._end.is_set() or time.monotonic() > self._calm - 2 * HARM_SECONDS:
                return
            harm()
            self._group.catch_up()
            self._while_killing(0.5)

    def end(self) -> None:
        """No more of it."""
        self._end.set()

    def _harms(self) -> list[Callable[[], None]]:
        return [
            self._pause,
            self._cut_off,
            self._kill_a_standby,
            self._fail_over,
            self._come_back_behind,
            self._kill_both_standbys,
            self._delay,
            self._switch_back,
        ]

    def _one(self) -> Server:
        return self._dice.choice(self._group.standbys)

    def _while_killing(self, seconds: float) -> None:
        """Let time pass; kill a connection now and then."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._end.wait(0.1):
            server = self._dice.choice([*self._group.standbys, self._group.primary])
            server.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'zava_server' ORDER BY random() LIMIT 1"
            )
            self.done["rounds of killed connections"] += 1

    def _pause(self) -> None:
        with self._one().paused():
            self._while_killing(HARM_SECONDS)
        self.done["standby paused"] += 1

    def _cut_off(self) -> None:
        with self._one().cut_off():
            self._while_killing(HARM_SECONDS)
        self.done["standby cut off"] += 1

    def _delay(self) -> None:
        standby = self._one()
        standby.alter(recovery_min_apply_delay="700ms")
        self._while_killing(HARM_SECONDS)
        standby.alter(recovery_min_apply_delay="0")
        self.done["standby delayed"] += 1

    def _kill_a_standby(self) -> None:
        standby = self._one()
        standby.kill()
        self._end.wait(HARM_SECONDS)
        standby.start()
        self.done["standby killed"] += 1

    def _come_back_behind(self) -> None:
        """Let the standby that comes first lag for longer than a call is repeated."""
        standby = min(self._group.standbys, key=self._order.index)
        standby.kill()
        self._end.wait(HARM_SECONDS / 2)
        standby.start()
        with standby.cut_off():
            self._while_killing(6 * HARM_SECONDS)
        self.done["standby back behind"] += 1

    def _kill_both_standbys(self) -> None:
        for standby in self._group.standbys:
            standby.kill(signal.SIGQUIT)
        self._end.wait(HARM_SECONDS)
        for standby in self._group.standbys:
            standby.start()
        self.done["both standbys killed"] += 1

    def _fail_over(self) -> None:
        old = self._group.primary
        old.kill()
        self._promote(old)
        self.done["primary killed"] += 1

    def _switch_back(self) -> None:
        """Stop the primary cleanly; promote the first one where that lacks nothing."""
        old = self._group.primary
        old.stop()
        self._promote(old)
        self.done["primary stopped"] += 1

    def _promote(self, old: Server) -> None:
        """Promote the standby that has received most; let the old primary come back."""
        for standby in self._group.standbys:
            standby.wait_until("SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
        furthest = max(
            self._group.standbys, key=lambda one: (_received(one), one is self._first)
        )
        self._group.promote(furthest)
        self._while_killing(HARM_SECONDS)
        self._group.rejoin(old)


def _received(standby: Server) -> int:
    asked = (
        "SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'"
    )
    return int(str(standby.ask(asked)))


@contextmanager
def replicas(version: int) -> Iterator[Replicas]:
    """Start a group in which a commit waits for one of the standbys."""
    with Replicas(2, version) as group:
        for server in (group.primary, *group.standbys):
            server.alter(synchronous_standby_names="ANY 1 (*)")
        yield group


async def play(group: Replicas, seconds: float) -> tuple[Tally, Counter[str]]:
    tally = Tally()
    with group.primary.connection() as conn:
        people = conn.execute(PEOPLE.encode()).fetchall()
        ledger = Ledger(conn)
    servers = (*group.standbys, group.primary)
    ways = ({}, *[{"load_balance_hosts": "random"}] * 2)
    with open(os.devnull, "w", encoding="utf-8") as log:
        async with AsyncExitStack() as stack:
            readers = []
            for (name, user_id), way in zip(people, ways, strict=True):
                conninfo = group.several(
                    *servers,
                    user="zava_server",
                    target_session_attrs="prefer-standby",
                    **way,
                )
                stores = set(ledger.stores)
                if name != "Head Office":
                    stores = {store for store in stores if name == f"{store} manager"}
                client = await serve(stack, user_id, conninfo, log)
                readers.append(Reader(name, client, stores, ledger))
            faults = ReplicaFaults(group, seconds)
            primary = group.several(
                *servers, user="postgres", target_session_attrs="read-write"
            )
            with Writer(primary, ledger):
                await ask_under(faults, readers, tally, seconds)
    answers = [shown for reader in readers for shown in reader.answers]
    tally.faults["rows older than as_of"] = sum(map(ledger.lacks, answers))
    tally.faults["longest call beyond its deadline"] = int(tally.longest > DEADLINE)
    newer = max(map(ledger.understatement, answers))
    faults.done["transactions written"] = len(ledger.written) - 1
    silence = max(reader.longest_silence for reader in readers)
    print(f"longest time without an answer to a person: {silence:.1f} s")
    print(f"rows newer than as_of, at most: {newer:.1f} s")
    return tally, faults.done


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--postgres", type=int, default=18, choices=(16, 18))
    arguments = parser.parse_args()
    with replicas(arguments.postgres) as group:
        tally, done = anyio.run(play, group, arguments.seconds)
    print(report(tally, done))
    return 1 if tally.faults.total() else 0


if __name__ == "__main__":
    sys.exit(main())
