"""Messages too large to be read, and what is answered to them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from zava.protocol.framing import Unread, is_bloated

LONG = "y" * 100_000


def answer(message: bytes, piece: int = 1 << 16) -> Any:
    unread = Unread()
    for start in range(0, len(message), piece):
        unread.feed(message[start : start + piece])
    assert unread.length == len(message)
    return json.loads(unread.too_large())


@pytest.mark.parametrize("piece", [1000, 1 << 16, 1 << 30])
@pytest.mark.parametrize("request_id", [7, -1, 0, "a", "", "käse", 10**17])
@pytest.mark.parametrize("order", ["id-first", "version-first", "id-last", "last-two"])
def test_a_request_is_refused_under_its_own_id(
    order: str, request_id: object, piece: int
) -> None:
    version: dict[str, object] = {"jsonrpc": "2.0"}
    rest: dict[str, object] = {"method": "m", "params": {"id": 1, "x": LONG}}
    parts: dict[str, list[dict[str, object]]] = {
        "id-first": [{"id": request_id}, rest, version],
        "version-first": [version, {"id": request_id}, rest],
        "id-last": [rest, version, {"id": request_id}],
        "last-two": [rest, {"id": request_id}, version],
    }
    message: dict[str, object] = {}
    for part in parts[order]:
        message |= part
    refused = answer(json.dumps(message, ensure_ascii=False).encode() + b"\r\n", piece)
    assert refused["id"] == request_id
    assert refused["jsonrpc"] == "2.0"
    assert refused["error"]["code"] == -32600


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"x" * 100_000, id="no-json"),
        pytest.param(b'{"method":"m","params":{"x":"' + b"y" * 100_000, id="cut-off"),
        pytest.param(
            json.dumps({"params": {"id": 5, "x": LONG}, "method": "m"}).encode(),
            id="notification",
        ),
        pytest.param(
            json.dumps({"method": "m", "params": {"x": LONG, "id": 5}}).encode(),
            id="last-of-the-arguments",
        ),
        pytest.param(
            json.dumps({"params": {"x": LONG + '","id":5}'}, "method": "m"}).encode(),
            id="within-a-string",
        ),
        pytest.param(
            json.dumps({"id": None, "params": LONG}).encode(), id="null-is-no-id"
        ),
        pytest.param(
            json.dumps({"params": LONG, "id": [1]}).encode(), id="list-is-no-id"
        ),
        pytest.param(b'{"params":"' + b"y" * 9999 + b'","id":"\xff"}', id="not-utf-8"),
    ],
)
def test_a_message_without_an_id_that_is_surely_its_own_is_answered_under_null(
    message: bytes,
) -> None:
    assert answer(message)["id"] is None


def test_long_text_is_not_bloated_and_many_values_are() -> None:
    assert not is_bloated(b'{"sql":"' + b"x" * 10_000_000 + b'"}')
    assert not is_bloated(b"[" * 1000)
    assert is_bloated(b"[" + b"[]," * 1_000_000 + b"1]")


def test_the_id_of_a_part_is_not_taken_for_that_of_the_message() -> None:
    unread = Unread()
    unread.feed(b'{"params": ["' + b"x" * 5000 + b'", {"id": 7}')
    assert json.loads(unread.too_large())["id"] is None
