"""SharedCache: results that several processes of one person share, in Redis.

Redis may be lost, slow, full or in bad hands at any time. No call connects to it: one
thread does, and a call that finds no connection goes on without. The first command
that fails or takes too long gives the connection up for all calls.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache, partial
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
    "ZAVA_REDIS_URL must be redis://HOST:PORT/DB, rediss:// of the same form for TLS,"
    " or unix:///PATH"
)
_SCHEMES = ("redis", "rediss", "unix")
_PARAMETERS = frozenset({"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
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

# Stores a result, unless the lock has gone to somebody who reads afresh. SET comes
# first: after another write a script may exceed Redis' maxmemory.
_STORE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
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

    scope: Any = None
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
            import redis

            from zava.infra.value_seal import seal_of
        except ImportError:
            raise ConfigurationError(_REMEDY) from None
        self._redis = redis
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
        self._held: dict[str, str] = {}  # lock -> token
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
            token = self._taken(name)
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
            return f"{self._place} refuses what zava writes: {self._refusal}"
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
        name = entry.name
        try:
            sealed = self._ask(lambda client: _read(client, name))
            found = self._opened(entry, sealed)
            if found is not None:
                return found, None
            token, now_there = self._claimed(name)
            # Another process may have stored its result between the two looks.
            if now_there != sealed:
                found = self._opened(entry, now_there)
            if found is not None:
                self._release(name, token)
                return found, None
            if token is not None:
                return None, token
            return self._awaited(entry), None
        except _NotNowError:
            return None, None

    def _awaited(self, entry: _Entry) -> Made | None:
        """Return the result that another process is making; None if it makes none."""
        deadline = time.monotonic() + self._options.patience
        pause, holder = _FIRST_LOOK, b""
        while time.monotonic() < deadline:
            self._options.sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK)
            sealed, lock = self._ask(lambda client: _read_both(client, entry.name))
            found = self._opened(entry, sealed)
            if found is not None or lock is None or lock != (holder or lock):
                return found
            holder = lock
        return None

    def _claimed(self, name: str, *, others: bool = False) -> tuple[str | None, bytes]:
        """Return the token of the lock and what is stored under the name.

        Args:
            name: Name of the result.
            others: Take the lock from whoever holds it.

        Returns:
            None instead of the token if another process holds the lock.
        """
        token = secrets.token_hex(16)
        is_ours, sealed = self._ask(partial(_lock_and_read, name, token, others))
        if not is_ours:
            return None, sealed
        self._held[_PREFIX + name + _LOCK] = token
        self._wake.set()
        return token, sealed

    def _taken(self, name: str) -> str | None:
        """Return the token of the lock, whoever held it; None without Redis."""
        try:
            return self._claimed(name, others=True)[0]
        except _NotNowError:
            return None

    def _release(self, name: str, token: str | None) -> None:
        if token is None:
            return
        lock = _PREFIX + name + _LOCK
        self._let_go(lock, token)
        try:
            self._ask(lambda client: client.eval(_RELEASE, 1, lock, token))
        except _NotNowError:
            return  # it expires

    def _store(self, name: str, token: str, sealed: bytes, ttl: float) -> bool:
        key, expiry = _PREFIX + name, max(1, round(ttl * 1000))
        lock = key + _LOCK
        try:
            is_stored = self._ask(
                lambda c: c.eval(_STORE, 2, key, lock, token, sealed, expiry)
            )
        except _NotNowError:
            return False
        self._let_go(lock, token)
        if is_stored:
            self._refusal = ""
            self._count("stored")
        return True

    def _let_go(self, lock: str, token: str) -> None:
        """Renew a lock no more, unless it is that of a later call."""
        if self._held.get(lock) == token:
            self._held.pop(lock, None)

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
            except self._redis.ResponseError as exc:
                self._refused(exc)
                raise _NotNowError from exc
            except (self._redis.RedisError, OSError) as exc:
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
        reason = _reason(exc)
        if reason != self._refusal:
            logger.warning("shared cache: {} refuses: {}", self._place, reason)
        self._refusal = reason

    def _lose(self, exc: BaseException) -> None:
        """Give the connection up; the keeper makes another."""
        client, self._client = self._client, None
        if client is not None:
            self._end(client)
        self._failed(exc)
        self._wake.set()

    def _failed(self, exc: BaseException) -> None:
        why = _reason(exc)
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
        try:
            client = self._made_client()
            client.ping()
        except (self._redis.RedisError, OSError, ValueError) as exc:
            self._failed(exc)
            return
        self._why = ""
        self._client = client
        logger.info("shared cache: connected to {}", self._place)

    def _made_client(self) -> redis.Redis:
        timeout = self._options.timeout
        more: dict[str, Any] = {}
        if not self._url.startswith("unix:"):
            more["socket_connect_timeout"] = timeout
        if self._url.startswith("rediss:"):
            more["ssl_check_hostname"] = True
        return self._redis.Redis.from_url(
            self._url,
            single_connection_client=True,
            socket_timeout=timeout,
            retry=self._redis.retry.Retry(self._redis.backoff.NoBackoff(), 0),
            protocol=2,
            **more,
        )

    def _end(self, client: redis.Redis) -> None:
        with suppress(self._redis.RedisError, OSError):
            client.close()

    def _renew(self) -> None:
        expiry = round(_LOCK_SECONDS * 1000)
        for lock, token in list(self._held.items()):
            try:
                if not self._ask(partial(_renew_one, lock, token, expiry)):
                    self._let_go(lock, token)
            except _NotNowError:
                self._let_go(lock, token)

    def _count(self, name: str) -> None:
        with self._counting:
            self._counts[name] += 1


def _read(client: redis.Redis, name: str) -> bytes:
    """Return a value, cut where no value of zava's ends."""
    value: Any = client.getrange(_PREFIX + name, 0, MAX_BYTES)
    return bytes(value)


def _lock_and_read(
    name: str, token: str, others: bool, client: redis.Redis
) -> tuple[Any, bytes]:
    """Set a lock, unless another's may stay; return whether, and the value."""
    key, expiry = _PREFIX + name, round(_LOCK_SECONDS * 1000)
    with client.pipeline(transaction=True) as pipeline:
        pipeline.set(key + _LOCK, token, nx=not others, px=expiry)
        pipeline.getrange(key, 0, MAX_BYTES)
        is_ours, value = pipeline.execute()
    return is_ours, value


def _read_both(client: redis.Redis, name: str) -> tuple[bytes, bytes | None]:
    """Return a value and its lock, as they were at one moment."""
    key = _PREFIX + name
    with client.pipeline(transaction=True) as pipeline:
        pipeline.getrange(key, 0, MAX_BYTES)
        pipeline.get(key + _LOCK)
        value, lock = pipeline.execute()
    return value, lock


def _renew_one(lock: str, token: str, expiry: int, client: redis.Redis) -> Any:
    return client.eval(_RENEW, 1, lock, token, str(expiry))


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _reason(exc: BaseException) -> str:
    text = " ".join(str(exc).split()) or type(exc).__name__
    return mask_secrets(text)[:200]


def _checked(url: str) -> str:
    """Return where a URL leads, without what is secret in it.

    Raises:
        ConfigurationError: It is no URL that zava takes.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(_BAD_URL) from None
    is_socket = parts.scheme == "unix"
    if parts.scheme not in _SCHEMES or not (parts.path if is_socket else host):
        raise ConfigurationError(_BAD_URL)
    unknown = sorted(parse_qs(parts.query, keep_blank_values=True).keys() - _PARAMETERS)
    if unknown:
        raise ConfigurationError(
            f"ZAVA_REDIS_URL has the parameter {unknown[0][:40]}; it may have"
            f" {', '.join(sorted(_PARAMETERS))}"
        )
    if is_socket:
        return f"unix://{parts.path}"
    return f"{parts.scheme}://{host}:{port or 6379}{parts.path}"
