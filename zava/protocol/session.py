"""One client's session: its era of the protocol, who serves it, the ids in flight.

Since 2026-07-28 each request carries the protocol's version in an envelope. Before, a
client opened with a handshake, as nearly all still do. The SDK's `Server.run` serves
both, and passes every message on through a task and a stream in memory, which takes 7 %
of a small query's processor time. A session that opens with a handshake runs on the
SDK's `serve_loop` instead, which reads from the transport itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_loop
from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import cancelled_request_id_from_params
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PROTOCOL_VERSION_META_KEY,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from typing_extensions import Self

_HANDSHAKE = "initialize"
_CANCELLED = "notifications/cancelled"
_ID_IN_FLIGHT = (
    "a request with this id is still in flight: give every request an id of its own"
)


async def serve_session(server: Server[Any], read: Any, write: Any) -> None:
    """Serve one client until it leaves.

    Args:
        server: Its middleware is replaced.
        read: The SDK's stream of messages from the client.
        write: The SDK's stream of messages to it.
    """
    first = await anext(aiter(read), None)
    answers = _Answers(write)
    messages = _Messages(first, read, answers)
    options = server.create_initialization_options()
    # The SDK's own middleware is OpenTelemetry's alone: a span a message, for a tracer
    # that zava has not. It takes 13 % of a small query's processor time.
    server.middleware.clear()
    if not _is_handshake(first):
        await server.run(messages, answers, options)
        return
    server.middleware.append(_refuse_envelope)
    async with server.lifespan(server) as state:
        await serve_loop(
            server, messages, answers, lifespan_state=state, init_options=options
        )


class _Answers:
    """The stream to the client, and the ids of requests that wait for an answer.

    The SDK takes "7" and 7 for the same id, and so does this.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._in_flight: set[RequestId] = set()

    async def admits(self, item: SessionMessage | Exception) -> bool:
        """Note a message that came in; refuse a request whose id is in flight.

        The SDK would take a cancellation of that id for one of the second request
        only.

        Returns:
            Whether the message is to be dispatched.
        """
        message = item.message if isinstance(item, SessionMessage) else None
        if isinstance(message, JSONRPCRequest):
            request_id = coerce_request_id(message.id)
            if request_id in self._in_flight:
                error = ErrorData(code=INVALID_REQUEST, message=_ID_IN_FLIGHT)
                answer = JSONRPCError(jsonrpc="2.0", id=message.id, error=error)
                await self._stream.send(SessionMessage(answer))
                return False
            self._in_flight.add(request_id)
        elif isinstance(message, JSONRPCNotification) and message.method == _CANCELLED:
            # Nobody answers a request that was cancelled.
            cancelled = cancelled_request_id_from_params(message.params)
            self._in_flight.difference_update(_keys(cancelled))
        return True

    async def send(self, item: SessionMessage) -> None:
        message = item.message
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            # A client that has read the answer may use its id again at once.
            self._in_flight.difference_update(_keys(message.id))
        await self._stream.send(item)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


def _keys(request_id: RequestId | None) -> set[RequestId]:
    return set() if request_id is None else {coerce_request_id(request_id)}


class _Messages:
    """A stream of messages, the first of which was read already."""

    def __init__(
        self,
        first: SessionMessage | Exception | None,
        rest: Any,
        answers: _Answers,
    ) -> None:
        self._first = first
        self._rest = rest
        self._answers = answers

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        first, self._first = self._first, None
        if first is not None:
            await self._answers.admits(first)
            return first
        while True:
            # Messages that have arrived together are read without a pause, and without
            # this one each would begin its call before the first call takes a step.
            await asyncio.sleep(0)
            message: SessionMessage | Exception = await anext(self._rest)
            if await self._answers.admits(message):
                return message

    async def receive(self) -> SessionMessage | Exception:
        try:
            return await anext(self)
        except StopAsyncIteration:
            raise anyio.EndOfStream from None

    async def aclose(self) -> None:
        await self._rest.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


def _is_handshake(message: SessionMessage | Exception | None) -> bool:
    if not isinstance(message, SessionMessage):
        return False
    request = message.message
    return isinstance(request, JSONRPCRequest) and request.method == _HANDSHAKE


async def _refuse_envelope(
    ctx: ServerRequestContext[Any, Any], call_next: CallNext
) -> HandlerResult:
    """Refuse a request of the other era, as the SDK does in its own loop."""
    if ctx.request_id is not None and ctx.method != _HANDSHAKE:
        meta = (ctx.params or {}).get("_meta")
        if isinstance(meta, Mapping) and PROTOCOL_VERSION_META_KEY in meta:
            raise MCPError(
                INVALID_REQUEST,
                "this connection serves the handshake protocol era; requests carrying"
                " the 2026-07-28 envelope are not accepted on it",
            )
    return await call_next(ctx)
