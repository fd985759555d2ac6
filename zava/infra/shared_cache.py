"""SharedCache: results that several processes of one person share, in Redis.

Redis may be lost, slow, full or in bad hands at any time. No call connects to it: one
thread does, and a call that finds no connection goes on without. The first command
that fails or takes too long gives the connection up for all calls.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qs, urlsplit

from loguru import logger
from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from zava.errors import ConfigurationError
from zava.infra.masking import mask_secrets
from zava.models import Identity

if TYPE_CHECKING:
    import redis

    from zava.infra.value_seal import Opened, ValueSeal

T = TypeVar("T")

MAX_BYTES = 1024 * 1024
"""Of one sealed value; a larger result is not shared."""

# What the seal adds to a value, and a little more.
_SEAL_BYTES = 256
_REMEDY = 'the shared cache needs two packages: pip install "zava[redis]"'
_BAD_URL = (
    "ZAVA_REDIS_URL must be redis://USER:PASSWORD@HOST:PORT/DB, rediss:// of the same"
    " form for TLS, or unix://USER:PASSWORD@/PATH?db=DB; write %40 for @, %2F for /,"
    " %3A for : and %23 for # in the password"
)
_SCHEMES = ("redis", "rediss", "unix")
_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_PREFIX = "zava:"
_LOCK = ":lock"
# A lock outlives its process by so much; while the process lives, it is renewed.
_LOCK_SECONDS = 3.0
_RENEW_SECONDS = 1.0
# How often a call looks for the result of another process.
_FIRST_LOOK = 0.005
_LONGEST_LOOK = 0.05
# Pauses between attempts to connect.
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0
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


def _now() -> float:
    return datetime.now(timezone.utc).timestamp()


class Sharing(NamedTuple):
    """Who a result is for, and what it is.

    Attributes:
        identity: The only one whose processes are given the result.
        type: Its type; as JSON and back it is the same.
        is_shared: Whether this result may be given to another process.
    """

    identity: Identity
    type: Any
    is_shared: Callable[[Any], bool] = lambda _result: True


@dataclass(frozen=True)
class SharedOptions:
    """How `SharedCache` works.

    Attributes:
        scope: JSON values on which results depend besides question and identity;
            only processes with equal ones share.
        timeout: Seconds for one command and for a connection.
        patience: Seconds to wait for a result that another process is making.
        sleep: Waits that many seconds; may raise if nobody waits for the call.
        clock: Seconds since 1970.
    """

    scope: Any = field(default=None, repr=False)
    timeout: float = 0.05
    patience: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = _now


class Made(NamedTuple):
    """A result.

    Attributes:
        value: The result.
        ttl: Seconds that it may still be used.
        as_of: The time up to which what it was made from is complete, if known.
        by_another: Whether another process made it.
    """

    value: Any
    ttl: float
    as_of: datetime | None = None
    by_another: bool = False


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


class _NotNowError(Exception):
    """Redis does not answer this command; the call goes on without."""


class SharedCache:
    """A second level behind the memory of several processes; safe for threads.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`, with a password where Redis
            asks for one.
        options: See there.

    Raises:
        ConfigurationError: The URL does not do, or a package is missing.
    """

    def __init__(self, url: str, options: SharedOptions) -> None:
        self._place = _checked(url)
        try:
            from zava.infra import redis_connection
            from zava.infra.value_seal import seal_of
        except ImportError:
            raise ConfigurationError(_REMEDY) from None
        self._connection = redis_connection
        self._url = url
        self._options = options
        self._seal_of = seal_of
        self._client: redis.Redis | None = None
        # One command at a time: each takes less time than another connection would.
        self._wire = threading.Lock()
        self._wake = threading.Event()
        self._tried = threading.Event()
        self._closing = threading.Event()
        self._failures = 0
        self._why = "not connected yet"
        self._refusal = ""
        self._held: dict[str, _Held] = {}  # by name of the result
        self._counts = dict.fromkeys(("hits", "misses", "stored", "rejected"), 0)
        self._counting = threading.Lock()
        self._keeper = threading.Thread(
            target=self._keep, name="zava-redis", daemon=True
        )
        self._keeper.start()
        # A Redis nearby is there before the first question.
        self._tried.wait(options.timeout)

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
        seal = self._seal_of(sharing.identity.cache_secret)
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
        try:
            self._ask(lambda client: client.ping())
        except _NotNowError:
            why = self._why or "busy"
            return f"{self._place}: {why}; zava answers without the shared cache"
        if self._refusal:
            return f"{self._place}: {self._refusal}"
        return ""

    def stats(self) -> dict[str, float]:
        """Return how many results were found, missed, stored and rejected.

        Rejected are values that were not sealed for their name, or are out of date.
        `connected` is 1 or 0.
        """
        with self._counting:
            counts: dict[str, float] = dict(self._counts)
        return {**counts, "connected": float(self._client is not None)}

    def close(self) -> None:
        """Give the connection up for good."""
        self._closing.set()
        self._wake.set()
        self._keeper.join(2 * self._options.timeout + 1)

    def _found_or_claimed(self, entry: _Entry) -> tuple[Made | None, str | None]:
        """Return what is kept, or the token of a lock, or neither."""
        try:
            sealed = self._ask(partial(_read, entry.name))
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
        except _NotNowError:
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
            sealed, lock = self._ask(partial(_read_both, entry.name))
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
        is_ours, sealed = self._ask(partial(_lock_and_read, entry.name, lock, others))
        if not is_ours:
            return None, sealed
        self._held[entry.name] = _Held(entry, token)
        self._wake.set()
        return token, sealed

    def _sealed_lock(self, entry: _Entry, token: str) -> bytes:
        """Return what shows others that the call with this token lives now."""
        from zava.infra.value_seal import Opened

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
        except _NotNowError:
            return None

    def _release(self, name: str, token: str | None) -> None:
        if token is None:
            return
        self._let_go(name, token)
        try:
            self._ask(lambda client: client.eval(_RELEASE, 1, _lock(name), token))
        except _NotNowError:
            return  # it expires

    def _store(self, name: str, token: str, sealed: bytes, ttl: float) -> bool:
        keys, expiry = (_key(name), _lock(name)), _milliseconds(ttl)
        try:
            is_stored = self._ask(
                lambda c: c.eval(_STORE, 2, *keys, token, sealed, expiry)
            )
        except _NotNowError:
            return False
        self._let_go(name, token)
        if is_stored:
            self._refusal = ""
            self._count("stored")
        return True

    def _let_go(self, name: str, token: str) -> None:
        """Renew a lock no more, unless it is that of a later call."""
        held = self._held.get(name)
        if held is not None and held.token == token:
            self._held.pop(name, None)

    def _sealed(self, entry: _Entry, made: Made) -> bytes | None:
        """Return what is written of a result; None if it is too large."""
        from zava.infra.value_seal import Opened

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

    def _ask(self, command: Callable[[redis.Redis], Any]) -> Any:
        """Return Redis' answer.

        Raises:
            _NotNowError: There is no connection, or it was given up, or Redis refuses.
        """
        if not self._wire.acquire(timeout=self._options.timeout):
            raise _NotNowError
        try:
            client = self._client
            if client is None:
                raise _NotNowError
            try:
                answer = command(client)
            except self._connection.REFUSALS as exc:
                self._refused(exc)
                raise _NotNowError from exc
            except self._connection.FAILURES as exc:
                self._lose(exc)
                raise _NotNowError from exc
            except BaseException as exc:
                self._lose(exc)
                raise
            self._failures = 0
            return answer
        finally:
            self._wire.release()

    def _refused(self, exc: Exception) -> None:
        reason = self._reason(exc)
        if reason != self._refusal:
            logger.warning("shared cache: {}: {}", self._place, reason)
        self._refusal = reason

    def _lose(self, exc: BaseException) -> None:
        """Give the connection up; the keeper makes another."""
        client, self._client = self._client, None
        if client is not None:
            self._end(client)
        self._failed(exc)
        self._wake.set()

    def _failed(self, exc: BaseException) -> None:
        why = self._reason(exc)
        if why != self._why:
            logger.warning("shared cache: {}: {}; going on without", self._place, why)
        self._why = why
        self._failures += 1

    def _keep(self) -> None:
        """Connect, connect again after a loss, and renew the locks that are held."""
        while not self._closing.is_set():
            if self._client is None:
                self._closing.wait(self._pause())
                self._connect()
                self._tried.set()
                continue
            self._wake.wait()
            self._wake.clear()
            while self._held and not self._closing.wait(_RENEW_SECONDS):
                self._renew()
        with self._wire:
            client, self._client = self._client, None
        if client is not None:
            self._end(client)

    def _pause(self) -> float:
        """Seconds to leave Redis alone: the longer, the more often it failed."""
        if not self._failures:
            return 0.0
        return float(
            min(_FIRST_PAUSE * 2 ** min(self._failures - 1, 9), _LONGEST_PAUSE)
        )

    def _connect(self) -> None:
        if self._closing.is_set():
            return
        client = None
        try:
            client = self._connection.client_of(
                self._url, self._options.timeout, MAX_BYTES
            )
            client.ping()
            self._try_script(client)
        except self._connection.FAILURES as exc:
            if client is not None:
                self._end(client)
            self._failed(exc)
            return
        self._why = ""
        self._client = client
        logger.info("shared cache: connected to {}", self._place)

    def _try_script(self, client: redis.Redis) -> None:
        """See that Redis runs scripts: without them locks are left to expire.

        A replica refuses them and still gives what it has.
        """
        try:
            client.eval(_RELEASE, 1, _lock("probe"), "")
        except self._connection.LACKING:
            raise
        except self._connection.REFUSALS as exc:
            self._refused(exc)

    def _reason(self, exc: BaseException) -> str:
        return mask_secrets(self._connection.meaning(exc))[:200]

    def _end(self, client: redis.Redis) -> None:
        with suppress(*self._connection.FAILURES):
            client.close()

    def _renew(self) -> None:
        for name, (entry, token) in list(self._held.items()):
            lock = self._sealed_lock(entry, token)
            try:
                if not self._ask(partial(_renew_one, name, token, lock)):
                    self._let_go(name, token)
            except _NotNowError:
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


def _read(name: str, client: redis.Redis) -> bytes:
    """Return a value, cut where no value of zava's ends."""
    return _bytes(client.getrange(_key(name), 0, MAX_BYTES))


def _lock_and_read(
    name: str, lock: bytes, others: bool, client: redis.Redis
) -> tuple[bool, bytes]:
    """Set a lock, unless another's may stay; return whether, and the value."""
    with client.pipeline(transaction=True) as pipeline:
        pipeline.set(_lock(name), lock, nx=not others, px=_milliseconds(_LOCK_SECONDS))
        pipeline.getrange(_key(name), 0, MAX_BYTES)
        is_ours, value = pipeline.execute()
    return bool(is_ours), _bytes(value)


def _read_both(name: str, client: redis.Redis) -> tuple[bytes, bytes]:
    """Return a value and its lock, as they were at one moment; b"" for none."""
    with client.pipeline(transaction=True) as pipeline:
        pipeline.getrange(_key(name), 0, MAX_BYTES)
        pipeline.getrange(_lock(name), 0, _LOCK_BYTES)
        value, lock = pipeline.execute()
    return _bytes(value), _bytes(lock)


def _renew_one(name: str, token: str, lock: bytes, client: redis.Redis) -> Any:
    expiry = _milliseconds(_LOCK_SECONDS)
    return client.eval(_RENEW, 1, _lock(name), token, lock, expiry)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _checked(url: str) -> str:
    """Return where a URL leads, without what is secret in it.

    Raises:
        ConfigurationError: It is no URL that zava takes.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        asked = parse_qs(parts.query, keep_blank_values=True)
    except ValueError:
        raise ConfigurationError(_BAD_URL) from None
    is_socket = parts.scheme == "unix"
    if parts.scheme not in _SCHEMES or not (parts.path if is_socket else host):
        raise ConfigurationError(_BAD_URL)
    known = {"db", *_FILES} if parts.scheme == "rediss" else {"db"}
    unknown = sorted(asked.keys() - known)
    if unknown or parts.fragment:
        raise ConfigurationError(
            f"ZAVA_REDIS_URL may not end in {(unknown or ['#'])[0][:40]} here;"
            f" {parts.scheme}:// takes {', '.join(sorted(known))}"
        )
    _check_files({name: asked[name][0] for name in _FILES & asked.keys()})
    in_path = "" if is_socket else parts.path.lstrip("/")
    database = asked.get("db", [""])[0] or in_path
    if database and not (database.isascii() and database.isdigit()):
        raise ConfigurationError(
            "ZAVA_REDIS_URL names its database by a number, as in redis://HOST:6379/0"
        )
    if is_socket:
        return f"unix://{parts.path}"
    place = f"[{host}]" if host and ":" in host else host
    return f"{parts.scheme}://{place}:{port or 6379}/{database or 0}"


def _check_files(files: Mapping[str, str]) -> None:
    """See that the files of a URL are there, and that a certificate has its key.

    Raises:
        ConfigurationError: One is missing.
    """
    for name, file in files.items():
        if not Path(file).is_file():
            raise ConfigurationError(
                f"{name} of ZAVA_REDIS_URL is not a file: {file[:200]}"
            )
    if "ssl_keyfile" in files and "ssl_certfile" not in files:
        raise ConfigurationError(
            "ZAVA_REDIS_URL has an ssl_keyfile: name its ssl_certfile too"
        )
