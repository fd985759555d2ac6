"""KeptRows: the rows past the end of cut results, for as long as they are kept."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cachetools import TTLCache

from zava.data.read_ahead import Allowance, LoadedRows, Remainder
from zava.errors import HandleError
from zava.models import Identity

_MOST_RESULTS = 32
# Of all bytes, what one result may take.
_SHARE = 4
_HANDLE = re.compile(r"([\w-]{22})\.(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeptResult:
    """A result that was cut.

    Attributes:
        query: The SQL text.
        identity: Whom the rows were read for.
        remainder: All rows that were read, those of the first answer among them.
        as_of: Of the answer that was cut; the rows are of the same reading.
    """

    query: str
    identity: Identity
    remainder: Remainder | LoadedRows
    as_of: datetime


class KeptRows:
    """Cut results by handle; bounded in rows, bytes, number and time, safe for threads.

    A handle is 128 random bits and the number of rows that were given already, so a
    page that is asked for again is the same page.

    Args:
        max_rows: Rows past the answer, of one result; 0 keeps nothing.
        max_bytes: Bytes of all results; one may take a quarter.
        seconds: How long a result stays.
        clock: Monotonic seconds.

    Attributes:
        seconds: How long a result stays.
        allowance: What may be read past an answer; None for nothing.
    """

    def __init__(
        self,
        *,
        max_rows: int,
        max_bytes: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds = seconds
        self._results: TTLCache[str, tuple[KeptResult, int]] = TTLCache(
            maxsize=max_bytes,
            ttl=seconds,
            timer=clock,
            getsizeof=lambda entry: entry[1],
        )
        self._lock = threading.Lock()
        self.allowance = (
            Allowance(max_rows, max_bytes // _SHARE) if max_rows and seconds else None
        )

    def keep(self, kept: KeptResult, start: int) -> str | None:
        """Keep a result; return the handle of its row `start`, None if it is too large.

        Results that were kept for longest make room.
        """
        token = secrets.token_urlsafe(16)
        size = kept.remainder.size
        with self._lock:
            if size > self._results.maxsize:
                return None
            self._results[token] = (kept, size)
            while len(self._results) > _MOST_RESULTS:
                self._results.popitem()
        return f"{token}.{start}"

    def holds(self, handle: str) -> bool:
        """Whether the rows of a handle are still kept."""
        token, _, _ = handle.partition(".")
        with self._lock:
            return token in self._results

    def find(self, handle: str, rls_user_id: str) -> tuple[KeptResult, int]:
        """Return a result, and how many of its rows were given already.

        Raises:
            HandleError: There is no such handle, not any more, or not for this person.
        """
        parts = _HANDLE.fullmatch(handle)
        with self._lock:
            found = self._results.get(parts[1]) if parts else None
        if parts is None or found is None:
            raise HandleError(self.seconds)
        kept, _ = found
        if str(kept.identity.user_id) != rls_user_id.lower():
            raise HandleError(self.seconds)
        return kept, int(parts[2])

    def drop(self, handle: str) -> None:
        """Forget a result."""
        token, _, _ = handle.partition(".")
        with self._lock:
            self._results.pop(token, None)

    def stats(self) -> dict[str, float]:
        """Return `entries` and `bytes` that are kept now."""
        with self._lock:
            self._results.expire()
            return {"entries": len(self._results), "bytes": self._results.currsize}


def next_handle(handle: str, rows: int) -> str:
    """Return the handle of what follows `rows` more rows."""
    token, _, start = handle.partition(".")
    return f"{token}.{int(start) + rows}"
