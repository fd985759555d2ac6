"""However a client's bytes arrive, each message in them is heard once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.stdio_process import StdioProcess

pytestmark = [pytest.mark.thorough, pytest.mark.once]

# What may stand between two messages; none of it is one.
NOISE = st.one_of(
    st.sampled_from([b"", b" ", b"\r", b"{}", b"null", b'"\\ud800"', b"{", b"\xff"]),
    st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"")),
    st.text(max_size=20).map(lambda text: json.dumps({"text": text}).encode()),
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n", b"  \n"])
PADDING = st.text(max_size=200)

Conversation = tuple[int, list[tuple[bytes, str, bytes]], list[int]]
"""The first id; noise, padding and end of each message; where the stream is split."""


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Draw noise and padding for each message, and where the stream is split."""
    messages = draw(st.lists(st.tuples(NOISE, PADDING, ENDS), min_size=1, max_size=8))
    cuts = draw(st.lists(st.integers(0, 3000), max_size=30))
    return draw(st.integers(0, 2**40)), messages, sorted(cuts)


def ping(number: int, padding: str) -> bytes:
    message: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": number,
        "method": "ping",
        "params": {"_meta": {"padding": padding}},
    }
    return json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(conversation=conversations())
def test_messages_are_heard_once_however_the_stream_is_split(
    server: StdioProcess,
    conversation: Conversation,
) -> None:
    base, messages, cuts = conversation
    first = 10**6 + base
    stream = b"".join(
        noise + b"\n" + ping(first + number, padding) + end
        for number, (noise, padding, end) in enumerate(messages)
    )
    edges = [0, *(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in zip(sorted(edges), sorted(edges)[1:], strict=False):
        if start < end:
            server.write(stream[start:end])
    for number in range(len(messages)):
        assert server.receive(first + number)["result"] == {}
    # Nothing more comes: what follows is the answer to what follows.
    after = server.new_message("ping")
    server.send(after)
    server.receive(after["id"])
    assert server.lines.empty()


def test_a_message_of_megabytes_in_thousands_of_pieces_is_one_message(
    server: StdioProcess,
) -> None:
    text = ping(77, "ü" * 2_000_000) + b"\n"
    for start in range(0, len(text), 1009):
        server.write(text[start : start + 1009])
    assert server.receive(77)["result"] == {}
