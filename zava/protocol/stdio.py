"""The stdio transport: asyncio pipes, given to the SDK as its streams.

The SDK's `stdio_server` passes each message through a task and a memory stream, in
and out, which takes a tenth of a call. Here the SDK reads from the pipe and writes to
it. No worker thread reads or writes, so a server with busy threads still answers
pings and cancellations. The transport uses duplicates of descriptors 0 and 1. While
it serves, descriptor 1 is stderr and descriptor 0 is /dev/null, so a stray print, here
or in a child process, cannot corrupt the protocol.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from loguru import logger
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification, JSONRPCRequest, jsonrpc_message_adapter
from pydantic import ValidationError
from typing_extensions import Self

from zava.infra.memory import is_memory_short
from zava.protocol.backpressure import Backpressure
from zava.protocol.deadline import Deadline
from zava.protocol.framing import LONGEST_ID, Unread, is_bloated, no_message
from zava.protocol.results import bounded_error

MAX_LINE_BYTES = 16 * 1024 * 1024
"""Longest message that is read; a longer one is refused unread."""
_LONG_LINE = 64 * 1024

Session = Callable[[Any, Any], Awaitable[None]]


class _Stream:
    """The part of the SDK's stream interface that both ends share."""

    async def aclose(self) -> None:
        """Do nothing: `_claimed_pipes` closes the pipes."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


class _Reader(_Stream):
    """The messages of a pipe; the SDK's `ReadStream`."""

    def __init__(
        self, reader: asyncio.StreamReader, backpressure: Backpressure, writer: _Writer
    ) -> None:
        self._reader = reader
        self._backpressure = backpressure
        self._writer = writer
        self._at_end = False

    def __aiter__(self) -> _Reader:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        line = await self._line()
        if line is None:
            raise StopAsyncIteration
        try:
            text = line.decode("utf-8", "replace").removeprefix("\ufeff")
            message = jsonrpc_message_adapter.validate_json(text, by_name=False)
        except ValidationError as exc:
            # The SDK drops such a line, and the client would wait for ever.
            await self._refuse(no_message(line, exc))
            return exc
        if isinstance(message, JSONRPCRequest) and len(str(message.id)) > LONGEST_ID:
            await self._refuse(no_message(line, None))
            return ValueError("the id of a request is too long")
        if isinstance(message, JSONRPCNotification) and b'"id"' in line:
            # A request with an invalid id, such as 2.5, parses as a notification.
            await self._refuse(no_message(line, None))
        return SessionMessage(message)

    async def receive(self) -> SessionMessage | Exception:
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise anyio.EndOfStream from None

    async def _line(self) -> bytes | None:
        """The next line that is a message, None at the end."""
        overlong: Unread | None = None
        while not self._at_end:
            await self._backpressure.wait()
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as exc:
                overlong = overlong or Unread()
                overlong.feed(await self._reader.readexactly(exc.consumed))
                continue
            except asyncio.IncompleteReadError as exc:
                line = exc.partial
                self._at_end = True
            except ConnectionError:
                break
            if overlong is None and (is_bloated(line) or _is_too_much_now(line)):
                overlong = Unread()
            if overlong is not None:
                overlong.feed(line)
                logger.warning("refused a message of {} bytes unread", overlong.length)
                await self._refuse(overlong.too_large())
                overlong = None
            elif line.strip():
                return line
        self._at_end = True
        return None

    async def _refuse(self, answer: str | None) -> None:
        if answer is not None:
            await self._writer.write(answer)


def _is_too_much_now(line: bytes) -> bool:
    """Whether a long message would use up the memory reserve."""
    return len(line) > _LONG_LINE and is_memory_short()


class _Input(asyncio.StreamReaderProtocol):
    """Calls `on_end` at the end of the input, also while no read is pending."""

    def __init__(
        self, reader: asyncio.StreamReader, on_end: Callable[[], None]
    ) -> None:
        super().__init__(reader)
        self._on_end = on_end

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._on_end()


class _Writer(_Stream):
    """The writing end; the SDK's `WriteStream`."""

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        on_closed: Callable[[], None],
        backpressure: Backpressure,
    ) -> None:
        self._writer = writer
        self._on_closed = on_closed
        self._backpressure = backpressure

    async def send(self, item: SessionMessage) -> None:
        message = bounded_error(item.message)
        await self.write(message.model_dump_json(by_alias=True, exclude_unset=True))

    async def write(self, message: str) -> None:
        """Write one line; return when the pipe's buffer has drained."""
        self._writer.write(message.encode("utf-8", "replace") + b"\n")
        try:
            with self._backpressure.blocked():
                await self._writer.drain()
        except ConnectionError:
            self._on_closed()


async def serve_stdio(session: Session, backpressure: Backpressure) -> int:
    """Run `session` over this process's stdin and stdout.

    The session ends when stdin closes, when the client closes stdout, and at SIGTERM,
    SIGINT or SIGHUP.

    Args:
        session: Reads and writes the SDK's messages.
        backpressure: Blocked while the client does not read.

    Returns:
        The exit status: 0, or 128 plus the signal's number.
    """
    if not _are_pipes():
        # asyncio can watch neither a terminal, nor a file, nor a Windows pipe.
        async with stdio_server() as (read, write):
            await session(read, write)
        return 0
    status = 0
    deadline = Deadline()
    async with anyio.create_task_group() as tasks:

        async def watch_signals() -> None:
            nonlocal status
            watched = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
            with anyio.open_signal_receiver(*watched) as signals:
                async for number in signals:
                    status = 128 + number
                    deadline.start(status)
                    tasks.cancel_scope.cancel()

        def on_closed() -> None:
            deadline.start(status)
            tasks.cancel_scope.cancel()

        def on_end_of_input() -> None:
            deadline.start(status)
            backpressure.give_up()

        tasks.start_soon(watch_signals)
        pipes = _claimed_pipes(on_closed, on_end_of_input, backpressure)
        async with pipes as (reader, writer):
            await session(reader, writer)
        tasks.cancel_scope.cancel()
    deadline.call_off()
    return status


def _are_pipes() -> bool:
    if sys.platform == "win32":
        return False
    modes = [os.fstat(number).st_mode for number in (0, 1)]
    return all(stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) for mode in modes)


@asynccontextmanager
async def _claimed_pipes(
    on_closed: Callable[[], None],
    on_end_of_input: Callable[[], None],
    backpressure: Backpressure,
) -> AsyncIterator[tuple[_Reader, _Writer]]:
    """Yield streams on duplicates of descriptors 0 and 1."""
    loop = asyncio.get_running_loop()
    stdin, stdout = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    # Text that Python has buffered for stdout goes to stderr.
    python_stdout = sys.stdout  # noqa: TID251
    python_stdout.flush()
    sys.stdout = sys.stderr  # noqa: TID251
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    try:
        read_transport, _ = await loop.connect_read_pipe(
            lambda: _Input(reader, on_end_of_input), os.fdopen(stdin, "rb", 0)
        )
        write_transport, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, os.fdopen(stdout, "wb", 0)
        )
        writer = asyncio.StreamWriter(write_transport, protocol, None, loop)
        try:
            messages = _Writer(writer, on_closed, backpressure)
            yield _Reader(reader, backpressure, messages), messages
        finally:
            read_transport.close()
            write_transport.close()
    finally:
        # Descriptor 1 stays stderr: later prints are no protocol messages.
        python_stdout.flush()
        sys.stdout = python_stdout  # noqa: TID251
