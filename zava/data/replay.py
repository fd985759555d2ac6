"""How far the answering server is, and what this process has answered from before.

A standby shows an earlier state of the primary. Two answers of one process never go
back in time: the process remembers the newest position in the WAL that an answer came
from, and an answer of a server that is behind this position is not given out.
"""

from __future__ import annotations

import math
import threading
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from zava.data.pipeline import exchange
from zava.data.statements import statement

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from zava.data.connection import CancellableConnection


_MINUTE = 60


class ServerState(NamedTuple):
    """How far a server is at one moment.

    Attributes:
        is_standby: Whether the server is in recovery.
        is_current: Whether it has replayed everything that the primary had sent.
        position: Bytes of WAL since the beginning.
        timeline: The number of its history, 0 for not known; a promotion starts a new
            one.
        as_of: What was committed on the primary by then is there.
        now: The server's own time.
    """

    is_standby: bool
    is_current: bool
    position: int
    timeline: int
    as_of: datetime
    now: datetime

    @property
    def age(self) -> float:
        """Seconds from `as_of` to the server's own time; 0 of a primary."""
        return max(0.0, (self.now - self.as_of).total_seconds())


class StaleServer(psycopg.OperationalError):
    """A server's answer that is not given out, because it is too old.

    Args:
        reason: For the log.
        age: Seconds, as `ServerState.age`.
        most: Seconds that it may be old; None where the answer is older than one that
            was given out before.
    """

    def __init__(
        self,
        reason: str = "the server is behind",
        *,
        age: float = 0.0,
        most: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.age = age
        self.most = most

    def attempts(self, usual: int) -> float:
        """Return how many attempts may help.

        A server catches up with a position. One that is too old stays so for longer,
        but the next connection may lead to another one; half of those that wait in the
        pool, or are behind a balancer, may be too old as well.
        """
        return math.inf if self.most is None else 2 * usual


class _Seen(NamedTuple):
    position: int
    timeline: int
    as_of: datetime


_NOTHING = _Seen(0, 0, datetime.fromtimestamp(0, timezone.utc))


class Replay:
    """What one process knows about the states that it has answered from.

    Safe for threads.

    Args:
        max_staleness: Seconds that an answer may be old; None for no limit.
        has_several: Whether connections may lead to several servers.

    Attributes:
        is_watched: Whether answers may come from a standby. Then each transaction asks
            for the server's state before and after its snapshot is taken.
    """

    def __init__(
        self, max_staleness: float | None = None, *, has_several: bool = False
    ) -> None:
        self.max_staleness = max_staleness
        self.is_watched = has_several
        self._seen = _NOTHING
        self._lock = threading.Lock()

    @property
    def seen(self) -> _Seen:
        """The newest state that an answer has come from."""
        return self._seen

    def admit(self, before: ServerState, after: ServerState, seen: _Seen) -> datetime:
        """Return the time up to which an answer is complete, and remember its state.

        Args:
            before: The server's state before the snapshot of the answer was taken.
            after: Its state afterwards: the snapshot shows nothing newer.
            seen: What had been answered from when the call was sent.

        Raises:
            StaleServer: The answer is older than `seen`, or than it may be.
        """
        # A standby of the new primary is as young as an earlier answer in a moment.
        is_new_history = (
            before.is_current
            and before.timeline > seen.timeline > 0
            and before.as_of >= seen.as_of
        )
        is_behind = before.is_standby and before.position < seen.position
        if is_behind and not is_new_history:
            raise StaleServer(age=before.age)
        as_of = before.as_of
        if before.position >= seen.position:
            # Whoever has replayed so much is as complete as the server that said so.
            as_of = max(as_of, seen.as_of)
        age = before._replace(as_of=as_of).age
        if self.max_staleness is not None and age > self.max_staleness:
            raise StaleServer(age=age, most=self.max_staleness)
        with self._lock:
            # After a failover that lost transactions the new primary's position is
            # the truth, though it is lower.
            is_lost = before.position < seen.position and self._seen == seen
            if after.position >= self._seen.position or is_lost:
                timeline = after.timeline if before.is_current else 0
                # Another call may have answered meanwhile, from less and as of later.
                known = as_of if is_lost else max(as_of, self._seen.as_of)
                self._seen = _Seen(
                    after.position, max(timeline, self._seen.timeline), known
                )
        return as_of


def read_state(result: PGresult, first: int = 0) -> ServerState:
    """Return the state in the first row of a result, whose columns begin at `first`."""
    cells = [result.get_value(0, first + n) for n in range(len(ServerState._fields))]
    is_standby, is_current, position, timeline, as_of, now = cells
    return ServerState(
        is_standby == b"t",
        is_current == b"t",
        int(position or 0),
        int(timeline or 0),
        moment(as_of or b"0"),
        moment(now or b"0"),
    )


def moment(seconds: bytes) -> datetime:
    """Return the time of so many seconds since 1970."""
    return datetime.fromtimestamp(float(seconds), timezone.utc)


def ask_for_state(conn: psycopg.Connection[Any]) -> ServerState:
    """Return how far the server of a connection is.

    Raises:
        psycopg.Error: It does not say.
    """
    (result,) = exchange(conn, [statement("server_state").encode()])
    return read_state(result)


def see_that_it_is_not_behind(conn: CancellableConnection) -> None:
    """Let a server that has refused something be believed, as if it had answered.

    Servers that are behind this one answer no later call.

    Raises:
        StaleServer: The server is behind an earlier answer, or too old.
        psycopg.Error: It does not say how far it is.
    """
    if conn.replay.is_watched:
        state = ask_for_state(conn)
        conn.replay.admit(state, state, conn.replay.seen)


def describe_server(conn: psycopg.Connection[Any]) -> str:
    """Say which server answers, primary or standby, and how old its answers are.

    Returns:
        For example `standby db2 port 5432, 3.2 s behind the primary`; "" where the
        server does not say.
    """
    try:
        state = ask_for_state(conn)
    except psycopg.Error:
        with suppress(psycopg.Error):
            conn.rollback()
        return ""
    where = f"{conn.info.host} port {conn.info.port}"
    if not state.is_standby:
        return f"primary {where}"
    state_of = "" if state.is_current else ", and has not replayed all it has received"
    return f"standby {where}, {duration(state.age)} behind the primary{state_of}"


def duration(seconds: float) -> str:
    """Return a duration with its unit, in words for people."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:,.1f} s" if seconds < _MINUTE else f"{seconds:,.0f} s"
