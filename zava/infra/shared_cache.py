"""SharedCache: results that several processes of one person share, in Redis.

Redis may be full, or give what nobody has stored. Then a call goes on without it, as it
does where there is no connection; see `zava.infra.redis_link`.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from functools import lru_cache, partial
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError
from redis.client import Redis

from zava.infra.redis_link import NotNowError, RedisLink
from zava.infra.sharing import Made, SharedOptions, Sharing
from zava.infra.value_seal import Opened, ValueSeal, seal_of

MAX_BYTES = 1024 * 1024
"""Of one sealed value; a larger result is not shared."""

# What the seal adds to a value, and a little more.
_SEAL_BYTES = 256
_PREFIX = "zava:"
_LOCK = ":lock"
# A lock outlives its process by so much; while the process lives, it is renewed with
# each turn of the link.
_LOCK_SECONDS = 3.0
# How often a call looks for the result of another process.
_FIRST_LOOK = 0.005
_LONGEST_LOOK = 0.05
# Seconds by which the clocks of two hosts may differ.
_SKEW = 5.0
# A lock is a token and a seal of it, which is made anew with each renewal.
_TOKEN = 32
_LOCK_BYTES = 256

# Stores a result, unless the lock has gone to somebody who reads afresh. SET comes
# first: after another write a script may exceed Redis' maxmemory.
_STORE = f"""
if redis.call('GETRANGE', KEYS[2], 0, {_TOKEN - 1}) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
"""
_RELEASE = f"""
if redis.call('GETRANGE', KEYS[1], 0, {_TOKEN - 1}) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
_RENEW = f"""
if redis.call('GETRANGE', KEYS[1], 0, {_TOKEN - 1}) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


class _Entry(NamedTuple):
    """What one result is kept under.

    Attributes:
        name: Tells nothing of question and identity.
        seal: Of the identity.
        type: Of the result.
        ttl: Seconds that a result may be used at most.
    """

    name: str
    seal: ValueSeal
    type: Any
    ttl: float


class _Held(NamedTuple):
    """A lock that this process holds."""

    entry: _Entry
    token: str


class SharedCache:
    """A second level behind the memory of several processes; safe for threads.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`, with a password where Redis
            asks for one.
        options: See there.

    Raises:
        ConfigurationError: The URL does not do.
    """

    def __init__(self, url: str, options: SharedOptions) -> None:
        self._options = options
        self._held: dict[str, _Held] = {}  # by name of the result
        self._counts = dict.fromkeys(("hits", "misses", "stored", "rejected"), 0)
        self._counting = threading.Lock()
        self._link = RedisLink(
            url,
            timeout=options.timeout,
            max_bytes=MAX_BYTES,
            trial=_run_a_script,
            has_work=lambda: bool(self._held),
            repeat=self._renew,
        )

    def obtain(
        self,
        cache_key: str,
        run: Callable[[], Made],
        sharing: Sharing,
        *,
        ttl: float,
        fresh: bool,
        keeps: Callable[[Any], bool],
    ) -> Made:
        """Return a result: that of another process, or of a run.

        While another process makes the result, the call waits for it, for as long as
        that process holds its lock and no longer than the patience of the options.

        Args:
            cache_key: Key of the question.
            run: Makes the result; its exceptions are passed on.
            sharing: Who the result is for, and its type.
            ttl: Seconds that a result may be used at most.
            fresh: Run, whatever is kept.
            keeps: Whether a result may be given to others.
        """
        seal = seal_of(sharing.identity.cache_secret)
        name = seal.name(self._options.scope, sharing.identity, cache_key)
        entry = _Entry(name, seal, sharing.type, ttl)
        token: str | None
        if fresh:
            token = self._taken(entry)
        else:
            found, token = self._found_or_claimed(entry)
            self._count("hits" if found else "misses")
            if found is not None:
                return found
        try:
            made = run()
        except BaseException:
            self._release(name, token)
            raise
        if token is not None:
            sealed = None
            is_kept = made.value is not None and made.ttl > 0 and keeps(made.value)
            if is_kept and sharing.is_shared(made.value):
                sealed = self._sealed(entry, made)
            if sealed is None or not self._store(name, token, sealed, made.ttl):
                self._release(name, token)
        return made

    def health(self) -> str:
        """Return what is wrong with the shared cache, "" if nothing is."""
        return self._link.health()

    def stats(self) -> dict[str, float]:
        """Return how many results were found, missed, stored and rejected.

        Rejected are values that were not sealed for their name, or are out of date.
        `connected` is 1 or 0.
        """
        with self._counting:
            counts: dict[str, float] = dict(self._counts)
        return {**counts, "connected": float(self._link.is_connected)}

    def close(self) -> None:
        """Give the connection up for good."""
        self._link.close()

    def _found_or_claimed(self, entry: _Entry) -> tuple[Made | None, str | None]:
        """Return what is kept, or the token of a lock, or neither."""
        try:
            sealed = self._link.ask(partial(_read, entry.name))
            found = self._opened(entry, sealed)
            if found is not None:
                return found, None
            token, now_there = self._claimed(entry)
            # Another process may have stored its result between the two looks.
            if now_there != sealed:
                found = self._opened(entry, now_there)
            if found is not None:
                self._release(entry.name, token)
                return found, None
            if token is not None:
                return None, token
            return self._awaited(entry)
        except NotNowError:
            return None, None

    def _awaited(self, entry: _Entry) -> tuple[Made | None, str | None]:
        """Return the result that another process is making; None if it makes none.

        A lock that no process of this person holds is taken over. Otherwise whoever can
        write to Redis could let calls wait for nothing.
        """
        deadline = time.monotonic() + self._options.patience
        pause, holder, renewed_at, seen_at = _FIRST_LOOK, b"", 0.0, 0.0
        while time.monotonic() < deadline:
            self._options.sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK)
            sealed, lock = self._link.ask(partial(_read_both, entry.name))
            found = self._opened(entry, sealed)
            if found is not None or not lock:
                return found, None
            sign = self._opened_lock(entry, lock)
            if sign is not None and sign.value != (holder or sign.value):
                return None, None  # another call's by now
            if sign is not None and sign.made_at > renewed_at:
                holder, renewed_at = sign.value, sign.made_at
                seen_at = time.monotonic()
            elif sign is None or time.monotonic() - seen_at > _LOCK_SECONDS:
                return None, self._claimed(entry, others=True)[0]
        return None, None

    def _claimed(
        self, entry: _Entry, *, others: bool = False
    ) -> tuple[str | None, bytes]:
        """Return the token of the lock and what is stored under the name.

        Args:
            entry: Of the result.
            others: Take the lock from whoever holds it.

        Returns:
            None instead of the token if another process holds the lock.
        """
        token = secrets.token_hex(_TOKEN // 2)
        lock = self._sealed_lock(entry, token)
        is_ours, sealed = self._link.ask(
            partial(_lock_and_read, entry.name, lock, others)
        )
        if not is_ours:
            return None, sealed
        self._held[entry.name] = _Held(entry, token)
        self._link.wake()
        return token, sealed

    def _sealed_lock(self, entry: _Entry, token: str) -> bytes:
        """Return what shows others that the call with this token lives now."""
        ttl = _LOCK_SECONDS + _SKEW
        sign = Opened(self._options.clock(), ttl, None, token.encode())
        return sign.value + entry.seal.seal(entry.name + _LOCK, sign)

    def _opened_lock(self, entry: _Entry, lock: bytes) -> Opened | None:
        """Return the token of a lock and when it was renewed; None if it is none."""
        sign = entry.seal.open(entry.name + _LOCK, lock[_TOKEN:])
        if sign is None or self._left(sign, sign.ttl) <= 0:
            return None
        return sign if sign.value == lock[:_TOKEN] else None

    def _taken(self, entry: _Entry) -> str | None:
        """Return the token of the lock, whoever held it; None without Redis."""
        try:
            return self._claimed(entry, others=True)[0]
        except NotNowError:
            return None

    def _release(self, name: str, token: str | None) -> None:
        if token is None:
            return
        self._let_go(name, token)
        try:
            self._link.ask(lambda client: client.eval(_RELEASE, 1, _lock(name), token))
        except NotNowError:
            return  # it expires

    def _store(self, name: str, token: str, sealed: bytes, ttl: float) -> bool:
        keys, expiry = (_key(name), _lock(name)), _milliseconds(ttl)
        try:
            is_stored = self._link.ask(
                lambda c: c.eval(_STORE, 2, *keys, token, sealed, expiry)
            )
        except NotNowError:
            return False
        self._let_go(name, token)
        if is_stored:
            self._link.forget_refusal()
            self._count("stored")
        return True

    def _let_go(self, name: str, token: str) -> None:
        """Renew a lock no more, unless it is that of a later call."""
        held = self._held.get(name)
        if held is not None and held.token == token:
            self._held.pop(name, None)

    def _sealed(self, entry: _Entry, made: Made) -> bytes | None:
        """Return what is written of a result; None if it is too large."""
        text = _adapter(entry.type).dump_json(made.value)
        if len(text) > MAX_BYTES - _SEAL_BYTES:
            return None
        as_of = None if made.as_of is None else made.as_of.timestamp()
        content = Opened(self._options.clock(), made.ttl, as_of, text)
        return entry.seal.seal(entry.name, content)

    def _opened(self, entry: _Entry, sealed: bytes) -> Made | None:
        """Return the result that was read, if it is one and its time is not up."""
        if not sealed:
            return None
        content = entry.seal.open(entry.name, sealed)
        left = 0.0 if content is None else self._left(content, entry.ttl)
        if content is not None and left > 0:
            with suppress(PydanticError):
                value = _adapter(entry.type).validate_json(content.value)
                return Made(value, left, _time(content.as_of), by_another=True)
        self._count("rejected")
        return None

    def _left(self, content: Opened, ttl: float) -> float:
        """Return the seconds that a value may still be used, by its own stamp."""
        age = self._options.clock() - content.made_at
        return min(content.ttl, ttl) - max(age, 0.0) if age >= -_SKEW else 0.0

    def _renew(self) -> None:
        for name, (entry, token) in list(self._held.items()):
            lock = self._sealed_lock(entry, token)
            try:
                if not self._link.ask(partial(_renew_one, name, token, lock)):
                    self._let_go(name, token)
            except NotNowError:
                self._let_go(name, token)

    def _count(self, name: str) -> None:
        with self._counting:
            self._counts[name] += 1


def _key(name: str) -> str:
    return _PREFIX + name


def _lock(name: str) -> str:
    return _PREFIX + name + _LOCK


def _bytes(value: Any) -> bytes:
    """Return a string of Redis'.

    Raises:
        TypeError: It is none; bytes() would make as many zeros as a number says.
    """
    if not isinstance(value, bytes):
        raise TypeError("no string")
    return value


def _read(name: str, client: Redis) -> bytes:
    """Return a value, cut where no value of zava's ends."""
    return _bytes(client.getrange(_key(name), 0, MAX_BYTES))


def _lock_and_read(
    name: str, lock: bytes, others: bool, client: Redis
) -> tuple[bool, bytes]:
    """Set a lock, unless another's may stay; return whether, and the value."""
    with client.pipeline(transaction=True) as pipeline:
        pipeline.set(_lock(name), lock, nx=not others, px=_milliseconds(_LOCK_SECONDS))
        pipeline.getrange(_key(name), 0, MAX_BYTES)
        is_ours, value = pipeline.execute()
    return bool(is_ours), _bytes(value)


def _read_both(name: str, client: Redis) -> tuple[bytes, bytes]:
    """Return a value and its lock, as they were at one moment; b"" for none."""
    with client.pipeline(transaction=True) as pipeline:
        pipeline.getrange(_key(name), 0, MAX_BYTES)
        pipeline.getrange(_lock(name), 0, _LOCK_BYTES)
        value, lock = pipeline.execute()
    return _bytes(value), _bytes(lock)


def _renew_one(name: str, token: str, lock: bytes, client: Redis) -> Any:
    expiry = _milliseconds(_LOCK_SECONDS)
    return client.eval(_RENEW, 1, _lock(name), token, lock, expiry)


def _run_a_script(client: Redis) -> None:
    """See that Redis runs scripts: without them locks are left to expire.

    A replica refuses them and still gives what it has.
    """
    client.eval(_RELEASE, 1, _lock("probe"), "")


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
