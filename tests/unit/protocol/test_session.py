"""serve_session: every client is answered as the SDK's own loop would answer it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_REQUEST, jsonrpc_message_adapter
from typing_extensions import Self

from tests.fakes import server_with
from tests.patience import PATIENCE
from zava.protocol.session import serve_session

PREFIX = "io.modelcontextprotocol"
ENVELOPE = {
    "_meta": {
        f"{PREFIX}/protocolVersion": "2026-07-28",
        f"{PREFIX}/clientCapabilities": {},
    }
}
HANDSHAKE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}

Message = tuple[str, dict[str, Any]] | Exception
"""Method and parameters of a request or notification, or a line that is no message."""

INITIALIZE: Message = ("initialize", HANDSHAKE)
INITIALIZED: Message = ("notifications/initialized", {})
PING: Message = ("ping", {})
LIST: Message = ("tools/list", {})


class Client:
    """Both streams of a session, and a client that sends a list of messages.

    Args:
        messages: What it says.
        waits: Whether for the answer to one request before it sends the next one;
            otherwise all of them have arrived before the first is read.
        ids: The id of each message, if not its number.

    Attributes:
        answers: What it was told.
        most: Requests that were read and not yet answered, at most.
    """

    def __init__(
        self,
        messages: Sequence[Message],
        *,
        waits: bool = True,
        ids: Sequence[int | str] | None = None,
    ) -> None:
        self._messages = list(zip(ids or range(len(messages)), messages, strict=True))
        self._waits = waits
        self._read = 0
        self._answered = anyio.Event()
        self.answers: list[dict[str, Any]] = []
        self.most = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        while (self._waits or not self._messages) and len(self.answers) < self._read:
            await self._answered.wait()
        if not self._messages:
            raise StopAsyncIteration
        number, message = self._messages.pop(0)
        if isinstance(message, Exception):
            return message
        method, params = message
        sent: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if not method.startswith("notifications/"):
            sent["id"] = number
            self._read += 1
            self.most = max(self.most, self._read - len(self.answers))
        return SessionMessage(jsonrpc_message_adapter.validate_python(sent))

    async def send(self, item: SessionMessage) -> None:
        """Take an answer."""
        self.answers.append(item.message.model_dump(exclude_unset=True))
        self._answered.set()
        self._answered = anyio.Event()

    async def receive(self) -> SessionMessage | Exception:
        """Say the next message."""
        try:
            return await anext(self)
        except StopAsyncIteration:
            raise anyio.EndOfStream from None

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        pass

    def talk(self, *, to_sdk: bool = False) -> list[dict[str, Any]]:
        """Go through a session of ours, or of the SDK's; return the answers."""
        server = server_with()._lowlevel_server

        async def session() -> None:
            with anyio.fail_after(PATIENCE):
                if to_sdk:
                    options = server.create_initialization_options()
                    await server.run(self, self, options)
                else:
                    await serve_session(server, self, self)

        anyio.run(session)
        return self.answers


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([], id="nothing"),
        pytest.param([INITIALIZE, INITIALIZED, PING, LIST], id="handshake"),
        pytest.param([INITIALIZE, PING, INITIALIZE], id="two-handshakes"),
        pytest.param([INITIALIZED, INITIALIZE, PING], id="notification-first"),
        pytest.param([ValueError("no JSON"), INITIALIZE, LIST], id="no-message-first"),
        pytest.param([INITIALIZE, ValueError("no JSON"), LIST], id="no-message-later"),
        pytest.param([PING, INITIALIZE, LIST], id="ping-first"),
        pytest.param([LIST, PING], id="no-handshake"),
        pytest.param([("tools/list", ENVELOPE), ("ping", ENVELOPE)], id="envelope"),
        pytest.param([("tools/list", ENVELOPE), INITIALIZE], id="handshake-too-late"),
        pytest.param(
            [("initialize", {**HANDSHAKE, **ENVELOPE}), LIST], id="both-at-once"
        ),
        pytest.param(
            [INITIALIZE, ("tools/list", ENVELOPE), LIST], id="envelope-too-late"
        ),
        pytest.param(
            [INITIALIZE, ("no/such", ENVELOPE), ("no/such", {})], id="unknown"
        ),
        pytest.param(
            [INITIALIZE, ("notifications/initialized", ENVELOPE), PING],
            id="notification-in-an-envelope",
        ),
        pytest.param(
            [INITIALIZE, ("tools/list", {"_meta": {}}), PING], id="no-version"
        ),
    ],
)
def test_every_client_is_answered_as_by_the_sdk(messages: list[Message]) -> None:
    told = Client(messages).talk()
    assert told == Client(messages).talk(to_sdk=True)
    assert len(told) == sum(
        not isinstance(message, Exception)
        and not message[0].startswith("notifications/")
        for message in messages
    )


def test_a_request_of_the_other_era_is_refused() -> None:
    _, refused, listed = Client([INITIALIZE, ("tools/list", ENVELOPE), LIST]).talk()
    assert refused["error"]["code"] == INVALID_REQUEST
    assert "handshake" in refused["error"]["message"]
    assert listed["result"]["tools"]


def test_requests_that_come_together_begin_one_after_the_other() -> None:
    client = Client([INITIALIZE, *[PING] * 500], waits=False)
    assert len(client.talk()) == 501
    assert client.most < 10


@pytest.mark.parametrize("params", [{}, ENVELOPE], ids=["handshake", "envelope"])
def test_an_id_that_was_answered_may_be_used_again(params: dict[str, Any]) -> None:
    opening = [] if params else [INITIALIZE]
    messages = [*opening, ("tools/list", params), ("tools/list", params)]
    answers = Client(messages, ids=[3] * len(messages)).talk()
    assert ["result" in answer for answer in answers] == [True] * len(messages)
