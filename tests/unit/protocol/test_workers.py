"""Worker threads: how many calls run, wait and are refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import anyio
import anyio.lowlevel
import pytest

from tests.patience import PATIENCE
from zava.errors import BusyError
from zava.infra.cancellation import check_cancelled
from zava.protocol.backpressure import Backpressure
from zava.protocol.workers import WorkerThreads

pytestmark = pytest.mark.anyio


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds calls in their threads until it is set, at the end of the test at last."""
    gate = threading.Event()
    yield gate
    gate.set()


async def test_a_call_more_than_may_wait_is_refused_at_once(
    gate: threading.Event,
) -> None:
    threads = WorkerThreads(2, max_waiting=3)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(threads.run, gate.wait)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(BusyError, match="3 calls wait"):
            await threads.run(gate.wait)
        gate.set()
    assert await threads.run(lambda: "free again") == "free again"


async def test_without_a_queue_a_free_thread_is_still_used(
    gate: threading.Event,
) -> None:
    threads = WorkerThreads(1, max_waiting=0)
    assert await threads.run(lambda: 1) == 1
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(threads.run, gate.wait)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(BusyError):
            await threads.run(lambda: 2)
        gate.set()


async def test_a_call_cancelled_while_it_waits_never_runs_and_frees_its_place(
    gate: threading.Event,
) -> None:
    threads, ran = WorkerThreads(1, max_waiting=1), []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(threads.run, gate.wait)
        await anyio.wait_all_tasks_blocked()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await threads.run(lambda: ran.append("cancelled"))
        tasks.start_soon(threads.run, lambda: ran.append("waited"))
        await anyio.wait_all_tasks_blocked()
        gate.set()
    assert ran == ["waited"]


async def test_whoever_waits_while_nothing_comes_to_its_end_is_sent_away(
    gate: threading.Event,
) -> None:
    threads, told = WorkerThreads(1, patience=0.05), []

    async def wait() -> None:
        with pytest.raises(BusyError, match="none has come to its end"):
            await threads.run(gate.wait)
        told.append("busy")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(threads.run, gate.wait)
        await anyio.wait_all_tasks_blocked()
        async with anyio.create_task_group() as others:
            for _ in range(3):
                others.start_soon(wait)
        # And the next as well: the timer starts again with it.
        await wait()
        gate.set()
    assert told == ["busy"] * 4
    assert await threads.run(lambda: "free again") == "free again"


async def test_a_place_that_is_given_to_a_call_cancelled_at_that_moment_is_not_lost(
    gate: threading.Event,
) -> None:
    threads = WorkerThreads(1)
    scopes = [anyio.CancelScope() for _ in range(3)]
    ran = []

    async def wait(number: int) -> None:
        with scopes[number]:
            await threads.run(lambda: ran.append(number))

    async def work() -> None:
        await threads.run(gate.wait)
        scopes[0].cancel()  # its place was given a moment ago
        scopes[1].cancel()  # it still waits

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.wait_all_tasks_blocked()
        for number in range(3):
            tasks.start_soon(wait, number)
            await anyio.wait_all_tasks_blocked()
        gate.set()
    assert ran in ([2], [0, 2])
    assert await threads.run(lambda: "free again") == "free again"


async def test_a_place_that_comes_in_the_step_of_a_cancellation_is_given_on(
    gate: threading.Event,
) -> None:
    threads = WorkerThreads(1)

    async def work() -> None:
        await threads.run(gate.wait)
        waiting.cancel()  # it has its place, and has not run since

    working = asyncio.create_task(work())
    await anyio.wait_all_tasks_blocked()
    waiting = asyncio.create_task(threads.run(lambda: "never"))
    await anyio.wait_all_tasks_blocked()
    gate.set()
    await working
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with anyio.fail_after(PATIENCE):
        assert await threads.run(lambda: "free again") == "free again"


async def test_a_failure_reaches_the_caller_and_frees_its_place() -> None:
    threads = WorkerThreads(1, max_waiting=0)

    def fail() -> None:
        raise LookupError("as it was raised")

    for _ in range(2):
        with pytest.raises(LookupError, match="as it was raised"):
            await threads.run(fail)


async def test_no_call_starts_while_the_client_does_not_read() -> None:
    backpressure = Backpressure()
    threads, ran = WorkerThreads(2, backpressure=backpressure), []
    async with anyio.create_task_group() as tasks:
        with backpressure.blocked():
            for number in range(4):
                tasks.start_soon(threads.run, lambda n=number: ran.append(n))
            await anyio.wait_all_tasks_blocked()
            assert ran == []
    assert sorted(ran) == [0, 1, 2, 3]


async def test_a_call_held_up_by_the_client_can_be_cancelled() -> None:
    backpressure = Backpressure()
    threads, ran = WorkerThreads(1, backpressure=backpressure), []
    with backpressure.blocked(), anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(threads.run, lambda: ran.append("held up"))
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert ran == []
    assert await threads.run(lambda: "free") == "free"


async def test_a_call_at_work_is_told_of_its_cancellation_and_waited_for(
    gate: threading.Event,
) -> None:
    threads, said = WorkerThreads(1), []

    def work() -> None:
        check_cancelled()
        said.append("at work")
        gate.wait(PATIENCE)
        try:
            check_cancelled()
        finally:
            said.append("ended")

    async def call() -> None:
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            await threads.run(work)
        said.append("left")

    scopes: list[anyio.CancelScope] = []
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            while not said:
                await anyio.lowlevel.checkpoint()
            scopes[0].cancel()
            await anyio.wait_all_tasks_blocked()
            assert said == ["at work"]
            gate.set()
    assert said == ["at work", "ended", "left"]
    await threads.run(check_cancelled)


async def test_an_end_of_iteration_is_a_failure_like_any_other() -> None:
    # A future of asyncio refuses it, and whoever waited would wait for ever.
    threads = WorkerThreads(1)
    with anyio.fail_after(PATIENCE), pytest.raises(RuntimeError, match="StopIteration"):
        await threads.run(lambda: next(iter(())))


async def test_threads_are_made_as_they_are_needed() -> None:
    threads = WorkerThreads(3)
    names: list[str] = []
    three_at_once = threading.Barrier(3)

    def note_name() -> None:
        names.append(threading.current_thread().name)

    def work() -> None:
        three_at_once.wait(PATIENCE)
        note_name()

    for _ in range(3):
        await threads.run(note_name)
    assert len(set(names)) == 1
    names.clear()
    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(threads.run, work)
    assert len(names) == 6
    assert len(set(names)) == 3


async def test_without_memory_for_another_thread_a_call_waits_for_one_that_is_there(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = WorkerThreads(2)

    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    answers: list[int] = []

    async def ask(number: int) -> None:
        answers.append(await threads.run(lambda: gate.wait() and number))

    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(ask, number)
            await anyio.wait_all_tasks_blocked()
            gate.set()
    assert sorted(answers) == [0, 1, 2, 3]


def test_what_no_event_loop_called_is_never_cancelled() -> None:
    check_cancelled()
