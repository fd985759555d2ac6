"""Unread: the answer to a message that is too large, or not fit, to be read."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import ValidationError

_KEPT = 4096
# JSON-RPC 2.0, section 5.1.
_PARSE_ERROR = -32700
_INVALID_REQUEST = -32600
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
    """Whether a long message would take far more memory than its length."""
    if len(message) <= _SUSPECT_BYTES:
        return False
    return sum(map(message.count, (b",", b"[", b"{"))) > _MAX_VALUES


class Unread:
    """What is kept of a message that is skipped: its first and its last bytes."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self.length = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the message."""
        self.length += len(piece)
        if len(self._head) < _KEPT:
            self._head = (self._head + piece[:_KEPT])[:_KEPT]
        self._tail = (self._tail + piece[-_KEPT:])[-_KEPT:]

    def too_large(self) -> str | None:
        """Return the answer to a message that takes too much memory."""
        return self._answer(
            _INVALID_REQUEST,
            "the message is too large to be read; ask for less at once",
        )

    def no_message(self, failure: ValidationError | None) -> str | None:
        """Return the answer to a message that is none.

        Its id is null where the message has none that can be told (JSON-RPC 2.0,
        section 5). None if it is a notification or a result: those are not answered.

        Args:
            failure: What it was met with; None where it passes for a notification,
                with an id that is none.
        """
        first: dict[str, Any] = {"type": ""}
        if failure is not None:
            first |= failure.errors(include_url=False, include_input=False)[0]
        try:
            message = json.loads(self._head) if self.length <= _KEPT else None
        except (ValueError, RecursionError):
            message = None
        if first["type"] == "json_invalid":
            return self._answer(_PARSE_ERROR, first["msg"]) or _error(
                None, _PARSE_ERROR, first["msg"]
            )
        if isinstance(message, list):
            what = "a batch is not read: send one message a line"
            return _error(None, _INVALID_REQUEST, what)
        what = (
            'the message is no JSON-RPC 2.0 request: its `jsonrpc` is "2.0", its `id` a'
            " text or a whole number, its `method` is a text and its `params` are an"
            " object"
        )
        if isinstance(message, dict):
            if "method" not in message and ("result" in message or "error" in message):
                return None
            if "method" in message and "id" not in message:
                return None
            request_id = message.get("id")
            is_id = isinstance(request_id, str | int | float)
            return _error(request_id if is_id else None, _INVALID_REQUEST, what)
        if message is not None:
            return _error(None, _INVALID_REQUEST, what)
        if not any(b'"method"' in part for part in (self._head, self._tail)):
            return None
        return self._answer(_INVALID_REQUEST, what)

    def _answer(self, code: int, message: str) -> str | None:
        """Return a JSON-RPC error, or None if the message has no known id."""
        found = _FIRST.match(self._head) or _LAST.search(self._tail)
        if found is None:
            return None
        try:
            request_id = json.loads(found[1])
        except ValueError:
            return None
        return _error(request_id, code, message)


def _error(request_id: object, code: int, message: str) -> str:
    error = {"code": code, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error})
