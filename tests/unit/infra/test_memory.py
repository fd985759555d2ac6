"""The ceiling of memory; in processes of their own, whose ceiling it then is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.patience import PATIENCE
from zava.infra.memory import is_memory_short

MEGABYTE = 1024 * 1024

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems have no such ceiling"
)


def run(body: str) -> list[str]:
    head = (
        "import sys, threading\n"
        "from zava.infra.memory import is_memory_short, limit_memory\n"
        "MB = 1024 * 1024\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", head + body],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_without_a_ceiling_memory_is_never_short() -> None:
    assert not is_memory_short()


@linux_only
def test_what_exceeds_the_ceiling_is_refused_and_the_process_lives_on() -> None:
    said = run(
        "limit_memory(100 * MB, threads=0)\n"
        "try:\n    bytearray(1000 * MB)\n"
        "except MemoryError:\n    print('refused')\n"
        "print(len(bytearray(50 * MB)) // MB)\n"
    )
    assert said == ["refused", "50"]


@linux_only
def test_memory_is_short_once_only_the_reserve_is_left() -> None:
    said = run(
        "limit_memory(100 * MB, threads=0)\n"
        "print(is_memory_short())\n"
        "held = bytearray(120 * MB)\n"
        "print(is_memory_short())\n"
        "del held\n"
        "print(is_memory_short())\n"
    )
    assert said == ["False", "True", "False"]


@linux_only
def test_what_only_a_cycle_holds_is_let_go_of_before_memory_is_called_short() -> None:
    said = run(
        "import gc\n"
        "gc.set_threshold(100_000)\n"
        "limit_memory(100 * MB, threads=0)\n"
        "held = [bytearray(120 * MB)]\n"
        "held.append(held)\n"
        "print(is_memory_short())\n"
        "del held\n"
        "print(is_memory_short())\n"
    )
    assert said == ["True", "False"]


@linux_only
def test_threads_find_room_for_their_stacks_beside_the_budget() -> None:
    said = run(
        "limit_memory(64 * MB, threads=50)\n"
        "gate = threading.Event()\n"
        "threads = [threading.Thread(target=gate.wait) for _ in range(50)]\n"
        "for thread in threads: thread.start()\n"
        "print(is_memory_short(), len(bytearray(60 * MB)) // MB)\n"
        "gate.set()\n"
    )
    assert said == ["False", "60"]


@linux_only
def test_a_ceiling_that_is_there_already_is_not_raised() -> None:
    said = run(
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (300 * MB, 300 * MB))\n"
        "limit_memory(1000 * MB, threads=0)\n"
        "print(resource.getrlimit(resource.RLIMIT_DATA)[0] // MB)\n"
    )
    assert said == ["300"]
