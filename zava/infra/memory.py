"""The process's own ceiling of memory: one enormous answer must not end it.

The ceiling is one of private writable memory (RLIMIT_DATA), not of address
space: malloc reserves 64 MB of addresses for each thread and hardly uses them,
so a ceiling of addresses is either too low for the threads or far too high for
their answers. Where the system has no such ceiling, there is none.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import sys
from contextlib import suppress
from pathlib import Path

from loguru import logger

if sys.platform == "linux":
    import resource

_STATM = Path("/proc/self/statm")
_DATA_FIELD = 5  # pages of private writable memory
# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BLOCK = 1024 * 1024
# Less than this at the end of a heap stays there. A small query takes 5 % longer if
# malloc gives every 128 kB back to the system, as it does by default.
_KEPT = 16 * 1024 * 1024
_USUAL_STACK = 8 * 1024 * 1024
# Reserve for messages, logging and small answers.
_RESERVE = 48 * 1024 * 1024


def limit_memory(budget: int, threads: int) -> None:
    """Let answers take `budget` more bytes than the process holds now, and no more.

    A request for more is refused by the system before it costs anything; libpq
    then gives up the one result that it was reading.

    Args:
        budget: Bytes of all answers together.
        threads: Threads that are still to be started; their stacks come on top.
    """
    held = _held_bytes()
    if held is None:
        logger.debug("no memory ceiling on this system")
        return
    _give_large_blocks_back()
    stack, _ = resource.getrlimit(resource.RLIMIT_STACK)
    if stack == resource.RLIM_INFINITY:
        stack = _USUAL_STACK
    ceiling = held + threads * stack + _RESERVE + budget
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        ceiling = min(ceiling, hard)
    # The soft limit alone: whoever is started by this process may lift it again.
    resource.setrlimit(resource.RLIMIT_DATA, (ceiling, hard))
    logger.debug("memory ceiling: {} bytes of private memory", ceiling)


def _give_large_blocks_back() -> None:
    """Let glibc's malloc map each large block by itself, and unmap it when it is freed.

    By default malloc raises its threshold to the largest block that was freed, up to
    32 MB. Later blocks then lie in its heaps, which keep their memory for the process's
    life: bursts of large answers left 350 MB that no later answer could use.
    """
    with suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def is_memory_short() -> bool:
    """Whether nothing but the reserve is left, so that a large answer has to go."""
    if sys.platform != "linux":
        return False
    ceiling, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if ceiling == resource.RLIM_INFINITY:
        return False
    most = ceiling - _RESERVE
    if (_held_bytes() or 0) <= most:
        return False
    # What failed calls leave behind are cycles, which are seldom looked for.
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return (_held_bytes() or 0) > most


def _held_bytes() -> int | None:
    """Private writable memory of this process; None where that is not known."""
    if sys.platform != "linux":
        return None
    try:
        fields = _STATM.read_text("ascii").split()
    except OSError:
        return None
    return int(fields[_DATA_FIELD]) * mmap.PAGESIZE
