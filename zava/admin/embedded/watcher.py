"""Stops the embedded PostgreSQL when every process that used it is gone.

Run as a program of its own, with the standard library alone: it lives as long as the
server. Whoever uses the server holds a shared lock on one file; the system takes it
from a process that is killed.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import sys
import time
from contextlib import suppress

# PostgreSQL's own: end what runs, and end at once.
_FAST, _IMMEDIATE = signal.SIGINT, signal.SIGQUIT
_PATIENCE = 10.0
_PAUSE = 0.05


def main(cluster: str) -> None:
    """Wait until nobody uses a cluster, and stop its server.

    Args:
        cluster: Its folder, beside which the locks are.
    """
    users = os.open(f"{cluster}.users", os.O_RDWR | os.O_CREAT, 0o600)
    turn = os.open(f"{cluster}.turn", os.O_RDWR | os.O_CREAT, 0o600)
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        # Given back at once: whoever starts takes a turn first, then a share.
        fcntl.flock(users, fcntl.LOCK_UN)
        fcntl.flock(turn, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(turn, fcntl.LOCK_UN)
            continue
        for how in (_FAST, _IMMEDIATE):
            pid = server_of(cluster)
            if pid is None:
                return
            with suppress(ProcessLookupError):
                os.kill(pid, how)
            deadline = time.monotonic() + _PATIENCE
            while server_of(cluster) is not None and time.monotonic() < deadline:
                time.sleep(_PAUSE)
        return


def server_of(cluster: str) -> int | None:
    """Return the process that the cluster records, if it lives and is a PostgreSQL.

    After a power loss the number may be a stranger's.
    """
    try:
        with open(f"{cluster}/postmaster.pid", "rb") as record:
            pid = int(record.readline())
        if not os.path.isdir("/proc/self"):
            os.kill(pid, 0)
            return pid
        with open(f"/proc/{pid}/stat", "rb") as stat:
            facts = stat.read()
    except (OSError, ValueError):
        return None
    return pid if re.match(rb"\d+ \(postgres\) [^ZX]", facts) else None


if __name__ == "__main__":
    main(sys.argv[1])
