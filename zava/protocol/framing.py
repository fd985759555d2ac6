"""Answers to lines that are too large, no JSON, or no JSON-RPC request."""

from __future__ import annotations

import json
import math
import re

from pydantic import ValidationError

_KEPT = 4096
# JSON-RPC 2.0, section 5.1.
_PARSE_ERROR = -32700
_INVALID_REQUEST = -32600
LONGEST_ID = 1000
"""Characters of an id that is a text; every answer repeats it."""
_NO_REQUEST = (
    'the message is no JSON-RPC 2.0 request: its `jsonrpc` is "2.0", its `id` is a'
    f" whole number or a text of {LONGEST_ID} characters at most, its `method` is a"
    " text and its `params` are an object"
)
# Each value takes some ten times as much memory as its few bytes of JSON.
_SUSPECT_BYTES = 1024 * 1024
_MAX_VALUES = 250_000

_ID = rb'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{0,200}")\s*'
_VERSION = rb'"jsonrpc"\s*:\s*"2\.0"\s*'
# Only where it can be nothing but the message's own: right behind the first
# brace, or right before the last one. Every known client puts it there.
_FIRST = re.compile(rb"\s*\{\s*(?:" + _VERSION + rb",\s*)?" + _ID + rb",")
_LAST = re.compile(rb",\s*" + _ID + rb"(?:,\s*" + _VERSION + rb")?\}\s*$")


def is_bloated(message: bytes) -> bool:
    """Whether parsing a long message would take far more memory than its bytes."""
    if len(message) <= _SUSPECT_BYTES:
        return False
    return sum(map(message.count, (b",", b"[", b"{"))) > _MAX_VALUES


class Unread:
    """A message that zava skips; only its first and last bytes are kept."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self.length = 0

    def feed(self, piece: bytes) -> None:
        """Add the next piece of the message."""
        self.length += len(piece)
        if len(self._head) < _KEPT:
            self._head = (self._head + piece[:_KEPT])[:_KEPT]
        self._tail = (self._tail + piece[-_KEPT:])[-_KEPT:]

    def too_large(self) -> str:
        """Return the error for a message that is too large.

        Its id is null if the id is in neither the first nor the last bytes
        (JSON-RPC 2.0, section 5).
        """
        return self._answer(
            _INVALID_REQUEST,
            "the message is too large to be read; ask for less at once",
        )

    def unparsed(self, reason: str) -> str:
        """Return the answer to a message that is no JSON."""
        return self._answer(_PARSE_ERROR, reason)

    def _answer(self, code: int, message: str) -> str:
        """Return a JSON-RPC error, under the id that is surely the message's own."""
        found = _FIRST.match(self._head) or _LAST.search(self._tail)
        try:
            request_id = json.loads(found[1]) if found else None
        except ValueError:
            request_id = None
        return _error(request_id, code, message)


def no_message(line: bytes, failure: ValidationError | None) -> str | None:
    """Return the answer to a line that is no message.

    Its id is null where the line has none (JSON-RPC 2.0, section 5).

    Args:
        line: In full.
        failure: The validation error; None if the line parses as a notification with
            an invalid id, or as a request with an id that is too long.

    Returns:
        None for a notification and for a result: those are not answered.
    """
    if failure is not None:
        first = failure.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            unread = Unread()
            unread.feed(line)
            return unread.unparsed(first["msg"])
    try:
        message = json.loads(line.decode("utf-8", "replace").removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return _error(None, _INVALID_REQUEST, _NO_REQUEST)
    if isinstance(message, list):
        what = "a batch is not read: send one message a line"
        return _error(None, _INVALID_REQUEST, what)
    if not isinstance(message, dict):
        return _error(None, _INVALID_REQUEST, _NO_REQUEST)
    is_result = "method" not in message and ("result" in message or "error" in message)
    if is_result or ("method" in message and "id" not in message):
        return None
    return _error(_told(message.get("id")), _INVALID_REQUEST, _NO_REQUEST)


def _told(request_id: object) -> str | int | float | None:
    """Return an id that an answer can carry, else None."""
    if isinstance(request_id, bool):
        return None
    if isinstance(request_id, float) and not math.isfinite(request_id):
        return None  # JSON has no word for it
    if isinstance(request_id, str) and len(request_id) > LONGEST_ID:
        return None
    return request_id if isinstance(request_id, str | int | float) else None


def _error(request_id: object, code: int, message: str) -> str:
    error = {"code": code, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error})
