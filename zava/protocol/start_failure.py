"""The answer to a client whose server cannot start.

An MCP client shows the error that its first request gets. If the server process only
ends, the client shows that it ended, and the reason stays in a log file.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress

from zava.protocol.framing import LONGEST_ID

# JSON-RPC 2.0, section 5.1.
_INTERNAL_ERROR = -32603
# A client asks as soon as the process is there; whoever has started it by hand
# should not wait long.
_PATIENCE_SECONDS = 2.0
_MAX_BYTES = 1024 * 1024


def refuse_client(reason: str) -> None:
    """Answer the first request on stdin with an error, if there is one soon.

    Args:
        reason: One line that says what to change.
    """
    with suppress(OSError, ValueError):
        if os.isatty(0):
            return
        # A pipe that stays silent must not hold the process.
        reader = threading.Thread(target=_answer, args=(reason,), daemon=True)
        reader.start()
        reader.join(_PATIENCE_SECONDS)


def _answer(reason: str) -> None:
    with suppress(OSError):
        for line in _lines():
            request_id = _id_of(line)
            if request_id is not None:
                answer = {
                    "jsonrpc": "2.0",
                    "id": request_id,
                    "error": {"code": _INTERNAL_ERROR, "message": f"zava: {reason}"},
                }
                os.write(1, json.dumps(answer).encode() + b"\n")
                return


def _lines() -> Iterator[bytes]:
    """Yield the lines of stdin; os.read, because closing a Python buffer may block."""
    text = b""
    while len(text) < _MAX_BYTES and (read := os.read(0, _MAX_BYTES)):
        *lines, text = (text + read).split(b"\n")
        yield from lines


def _id_of(line: bytes) -> str | int | None:
    """Return the id of a request; None if the line is no request."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(request, dict) or "method" not in request:
        return None
    request_id = request.get("id")
    is_id = isinstance(request_id, str | int) and not isinstance(request_id, bool)
    return request_id if is_id and len(str(request_id)) <= LONGEST_ID else None
