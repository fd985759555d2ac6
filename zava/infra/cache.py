"""QueryCache: results that may be used again, within limits of time and memory.

A process keeps them in memory. With the URL of a Redis they are kept there too, for
other processes that serve the same person; see `zava.infra.shared_cache`.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from cachetools import TLRUCache
from pydantic_core import to_json

from zava.errors import ConfigurationError
from zava.infra.answer_age import note_as_of, reading
from zava.infra.sharing import Made, SharedOptions, Sharing
from zava.models import ResultSet

if TYPE_CHECKING:
    from zava.infra.shared_cache import SharedCache

_OVERHEAD = 1024  # bytes of an entry, whatever it holds
_REMEDY = 'the shared cache needs two packages: pip install "zava[redis]"'


@dataclass(frozen=True, slots=True)
class _Entry:
    value: Any
    ttl: float
    size: int
    as_of: datetime | None


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class QueryCache:
    """A map from keys to immutable results, in memory; safe for threads.

    Args:
        redis_url: Where results are shared with other processes; None for memory only.
        shared: How they are shared.
        ttl: Seconds that a result stays, unless the caller says otherwise;
            0 keeps nothing.
        max_entries: Ceiling of results.
        max_bytes: Ceiling of their size, by `weigh`.
        weigh: Size in bytes of a result; by default that of `weight`.
        max_age: Seconds after which a result is too old, counted from the time up to
            which what it was made from is complete; None for no limit.
        clock: Monotonic seconds.
        now: The time, UTC.
        on_lookup: Told of every lookup: its kind, and whether it was a hit.

    Attributes:
        shared: The second level, None for memory only.

    Raises:
        ConfigurationError: The URL does not do, or a package is missing.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        shared: SharedOptions = SharedOptions(),  # noqa: B008 - immutable
        ttl: float = 300.0,
        max_entries: int = 1024,
        max_bytes: int = 64 * 1024 * 1024,
        weigh: Callable[[Any], int] | None = None,
        max_age: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc_now,
        on_lookup: Callable[[str, bool], None] = lambda _kind, _hit: None,
    ) -> None:
        self.shared = None if redis_url is None else _second_level(redis_url, shared)
        self.cache_ttl = ttl
        self.max_entries = max_entries
        self._weigh = weigh or weight
        self._max_age = max_age
        self._now = now
        self._on_lookup = on_lookup
        self._entries: TLRUCache[str, _Entry] = TLRUCache(
            maxsize=max_bytes,
            ttu=lambda _key, entry, now: now + entry.ttl,
            timer=clock,
            getsizeof=lambda entry: entry.size,
        )
        # None for a run that was cancelled.
        self._flights: dict[str, Future[Made | None]] = {}
        # Keys refreshed while a run for them was under way: its result is stale.
        self._overtaken: set[str] = set()
        self._lock = threading.Lock()

    def obtain(
        self,
        cache_key: str,
        query_func: Callable[[], Any],
        *,
        fresh: bool = False,
        ttl: float | None = None,
        kind: str = "query",
        keeps: Callable[[Any], bool] = lambda _result: True,
        sharing: Sharing | None = None,
    ) -> tuple[Any, bool]:
        """Return a result, and whether it is that of an earlier or another's run.

        Calls that ask for the same key at once share one run. An exception
        reaches all of them and is not kept; neither is None.

        Args:
            cache_key: See `key`.
            query_func: Makes the result where none is kept.
            fresh: Run `query_func` whatever is kept, and keep its result.
            ttl: Seconds that the result stays; None for the usual ones.
            kind: Label of the lookup.
            keeps: Whether a result may be used again.
            sharing: Who the result is for, where other processes may use it.
        """
        seconds = self.cache_ttl if ttl is None else ttl
        make = partial(
            self._made, cache_key, query_func, seconds, fresh, kind, keeps, sharing
        )
        if fresh:
            made = make()
            if keeps(made.value):
                self._set_in_cache(cache_key, made.value, made.ttl, made.as_of)
            return made.value, False
        while True:
            entry, run = self._look(cache_key)
            if entry is not None:
                self._on_lookup(kind, True)
                note_as_of(entry.as_of)
                return entry.value, True
            if run is None:
                break
            self._on_lookup(kind, False)
            shared = run.result()
            if shared is not None:
                note_as_of(shared.as_of)
                return shared.value, True
        flight = self._flights[cache_key]
        # Whoever waits starts over when this run is cancelled: that one caller
        # left must not fail the others.
        try:
            if self.shared is not None:
                made = make()
            else:  # what `_made` does, without its frames on the way of every query
                self._on_lookup(kind, False)
                with reading() as read:
                    value = query_func()
                made = self._aged(value, seconds, read.as_of)
        except Exception as exc:
            self._land(cache_key, None)
            flight.set_exception(exc)
            raise
        except BaseException:
            self._land(cache_key, None)
            flight.set_result(None)
            raise
        is_kept = keeps(made.value)
        self._land(cache_key, self._entry(made) if is_kept else None)
        flight.set_result(made)
        return made.value, made.by_another

    def get_cached_result(
        self,
        cache_key: str,
        query_func: Callable[[], Any],
        ttl: float | None = None,
        kind: str = "query",
        sharing: Sharing | None = None,
    ) -> Any:
        """Return a result, whether or not it was made for this call; see `obtain`."""
        result, _ = self.obtain(
            cache_key, query_func, ttl=ttl, kind=kind, sharing=sharing
        )
        return result

    def peek(self, cache_key: str, kind: str = "query") -> Any:
        """Return what is kept under `cache_key`, or None; never waits for a run.

        Only a hit counts as a lookup: whoever finds nothing asks again, for the run.
        """
        found = self._get_from_cache(cache_key)
        if found is not None:
            self._on_lookup(kind, True)
        return found

    def stats(self) -> dict[str, float]:
        """Return `entries` and `bytes` that are kept now."""
        with self._lock:
            self._entries.expire()
            return {"entries": len(self._entries), "bytes": self._entries.currsize}

    def close(self) -> None:
        """Give the connection to Redis up, where there is one."""
        if self.shared is not None:
            self.shared.close()

    def _made(
        self,
        cache_key: str,
        query_func: Callable[[], Any],
        seconds: float,
        fresh: bool,
        kind: str,
        keeps: Callable[[Any], bool],
        sharing: Sharing | None,
    ) -> Made:
        """Return what another process has made, or the result of a run."""

        def run() -> Made:
            if not fresh:
                self._on_lookup(kind, False)
            with reading() as read:
                value = query_func()
            return self._aged(value, seconds, read.as_of)

        if self.shared is None or sharing is None or seconds <= 0:
            return run()
        # A process with another limit of age has entries of its own.
        shared_key = self.key(cache_key, self._max_age)
        made = self.shared.obtain(
            shared_key, run, sharing, ttl=seconds, fresh=fresh, keeps=keeps
        )
        if made.by_another:
            self._on_lookup(kind, True)
            note_as_of(made.as_of)
        return made

    def _aged(self, value: Any, ttl: float, as_of: datetime | None) -> Made:
        return Made(value, self._time_left(ttl, as_of), as_of)

    def _time_left(self, ttl: float, as_of: datetime | None) -> float:
        """Return the seconds that a result of that age may stay."""
        if self._max_age is None or as_of is None:
            return ttl
        return min(ttl, self._max_age - (self._now() - as_of).total_seconds())

    def _look(self, key: str) -> tuple[_Entry | None, Future[Made | None] | None]:
        """Return what is kept, or another's run; else begin the caller's own run."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                return entry, None
            run = self._flights.get(key)
            if run is None:
                self._flights[key] = Future()
            return None, run

    def _land(self, key: str, entry: _Entry | None) -> None:
        """End the run of a key; its result is kept unless a fresh one overtook it."""
        with self._lock:
            del self._flights[key]
            if key in self._overtaken:
                self._overtaken.discard(key)
            elif entry is not None:
                self._store(key, entry)

    def _get_from_cache(self, key: str) -> Any:
        with self._lock:
            entry = self._entries.get(key)
        if entry is None:
            return None
        note_as_of(entry.as_of)
        return entry.value

    def _set_in_cache(
        self, key: str, result: Any, ttl: float | None, as_of: datetime | None = None
    ) -> None:
        seconds = self.cache_ttl if ttl is None else ttl
        entry = self._entry(Made(result, self._time_left(seconds, as_of), as_of))
        with self._lock:
            self._entries.pop(key, None)
            if key in self._flights:
                self._overtaken.add(key)
            if entry is not None:
                self._store(key, entry)

    def _entry(self, made: Made) -> _Entry | None:
        """What to keep of a result; None where nothing is to be kept."""
        if made.value is None or made.ttl <= 0:
            return None
        entry = _Entry(made.value, made.ttl, self._weigh(made.value), made.as_of)
        return entry if entry.size <= self._entries.maxsize else None

    def _store(self, key: str, entry: _Entry) -> None:
        """Keep an entry, locked."""
        self._entries[key] = entry
        while len(self._entries) > self.max_entries:
            self._entries.popitem()

    @staticmethod
    def key(*parts: Any) -> str:
        """Return SHA-256 over the parts as JSON, so that no two lists of parts meet."""
        return hashlib.sha256(to_json(parts)).hexdigest()

    def _generate_cache_key(self, query: str, user_context: str) -> str:
        return self.key(query, user_context)


def _second_level(url: str, options: SharedOptions) -> SharedCache:
    # Imported here: it needs packages that a cache in memory does without.
    try:
        from zava.infra.shared_cache import SharedCache
    except ImportError:
        raise ConfigurationError(_REMEDY) from None
    return SharedCache(url, options)


def weight(value: Any) -> int:
    """Return about how many bytes of memory a result takes."""
    if isinstance(value, ResultSet):
        # Once as text, and about twice that as Python objects.
        return 3 * sum(map(len, value.row_texts)) + _OVERHEAD
    return 3 * len(to_json(value)) + _OVERHEAD
