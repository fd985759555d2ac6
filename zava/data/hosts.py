"""The hosts of a connection string, and which of them libpq tries first."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

# A host that is behind is tried again as usual after so many seconds.
_BEHIND_SECONDS = 5.0


class _Host(NamedTuple):
    """One entry of the parallel lists `host`, `hostaddr` and `port`; "" for none."""

    host: str
    hostaddr: str
    port: str


class Hosts:
    """The connection string, with hosts that were behind a moment ago put last.

    libpq connects to the first host that is there. After an answer that was too old
    another host has to come first, or every attempt would lead to the same server.
    Safe for threads.

    Args:
        conninfo: libpq's connection string.
        clock: Seconds, monotonic.

    Attributes:
        has_several: Whether libpq chooses among several hosts.
    """

    def __init__(
        self, conninfo: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._conninfo = conninfo
        self._clock = clock
        self._parts = _parts_of(conninfo)
        self._hosts = _hosts_of(self._parts)
        self.has_several = len(self._hosts) > 1
        self._prefers_standby = (
            self._parts.get("target_session_attrs") == "prefer-standby"
        )
        # Until when a host is put last, and whether it is too old to be used at all.
        self._behind: dict[tuple[str, str], tuple[float, bool]] = {}
        self._lock = threading.Lock()

    def note_behind(self, host: str, port: int, *, is_too_old: bool) -> None:
        """Put a host last for a while.

        Args:
            host: As the connection names it.
            port: Likewise.
            is_too_old: Whether its answers are older than they may be, not only older
                than an earlier one. Where a standby is preferred, libpq would take it
                before the primary; so it is left out.
        """
        with self._lock:
            until = self._clock() + _BEHIND_SECONDS
            self._behind[host, str(port)] = (until, is_too_old)

    def conninfo(self) -> str:
        """Return the connection string for a connection that is made now."""
        if not self._behind:
            return self._conninfo
        with self._lock:
            now = self._clock()
            self._behind = {h: b for h, b in self._behind.items() if b[0] > now}
            behind = dict(self._behind)
        last = [one for one in self._hosts if _key(one) in behind]
        first = [one for one in self._hosts if _key(one) not in behind]
        if not last or not first:
            return self._conninfo
        is_random = self._parts.get("load_balance_hosts") == "random"
        if is_random:
            random.shuffle(first)
        if self._prefers_standby:
            last = [one for one in last if not behind[_key(one)][1]]
        order = [*first, *last]
        names = [name for name in _Host._fields if any(getattr(h, name) for h in order)]
        return make_conninfo(
            self._conninfo,
            **{name: ",".join(getattr(h, name) for h in order) for name in names},
            **({"load_balance_hosts": "disable"} if is_random else {}),
        )


def _key(host: _Host) -> tuple[str, str]:
    return host.host or host.hostaddr, host.port


def _parts_of(conninfo: str) -> Mapping[str, str]:
    """Return the parts of a connection string, and those of the environment."""
    usual = {
        option.keyword.decode(): option.val.decode()
        for option in Conninfo.get_defaults()
        if option.val is not None
    }
    given = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    return {**usual, **given}


def _hosts_of(parts: Mapping[str, str]) -> list[_Host]:
    lists = [parts.get(name, "").split(",") for name in _Host._fields]
    count = max(len(lists[0]), len(lists[1]))
    # One port is that of every host.
    hosts, addresses, ports = (one * count if len(one) == 1 else one for one in lists)
    return [_Host(*one) for one in zip(hosts, addresses, ports, strict=False)]
