"""What processes take, as /proc tells: processor time and memory. Linux only."""

from __future__ import annotations

import os
import re
from pathlib import Path

_KILOBYTE = 1024
_PROPORTIONAL = re.compile(r"^Pss_(?:Anon|File):\s+(\d+) kB", re.MULTILINE)


def family(pid: int) -> list[int]:
    """Return a process and its descendants: some servers come behind a launcher."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in task.read_text().split()]
    return [pid, *(p for child in children for p in family(child))]


def resident(pid: int) -> int:
    """Return the resident memory of one process in bytes, what it shares included."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def proportional(pid: int) -> int:
    """Return the memory of one process in bytes: its own, and its part of the files.

    PostgreSQL's shared memory is left out.
    """
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(size) for size in _PROPORTIONAL.findall(rollup)) * _KILOBYTE


def parent(pid: int) -> int:
    """Return the parent of a process."""
    return int(_fields(pid)[1])


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and its descendants, ended ones too."""
    ticks = 0
    for member in family(pid):
        try:
            ticks += sum(int(field) for field in _fields(member)[11:15])
        except FileNotFoundError:
            continue  # its parent has the time of a child that has just ended
    return ticks / os.sysconf("SC_CLK_TCK")


def _fields(pid: int) -> list[str]:
    """Return what follows a process's name, which may hold blanks, in `stat`."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
