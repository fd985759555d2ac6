"""ValueSeal: what zava writes into a cache that others can read and write."""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import struct
from functools import lru_cache
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic_core import to_json

_PURPOSE = b"zava shared cache, form 1"
_KEY = 32
_NONCE = 12
# When the value was made, for how long it may be used, and up to when what it was made
# from is complete (NaN if that is not known): seconds.
_TIMES = struct.Struct(">ddd")


class Opened(NamedTuple):
    """A value as it was sealed.

    Attributes:
        made_at: Seconds since 1970 by the clock of the process that sealed it.
        ttl: Seconds that it may be used.
        as_of: Seconds since 1970 up to which what it was made from is complete.
        value: The bytes.
    """

    made_at: float
    ttl: float
    as_of: float | None
    value: bytes


class ValueSeal:
    """Encrypts values and hides their names, by a secret.

    AES-256-GCM with the name as associated data: a value that somebody changed, made
    up or copied to another name does not open. The times are sealed in.

    Args:
        secret: A random text; the keys are derived from it.
    """

    def __init__(self, secret: str) -> None:
        derivation = HKDF(SHA256(), length=2 * _KEY, salt=None, info=_PURPOSE)
        keys = derivation.derive(secret.encode())
        self._name_key, self._cipher = keys[:_KEY], AESGCM(keys[_KEY:])

    def name(self, *parts: Any) -> str:
        """Return HMAC-SHA256 over the parts as JSON: the name tells nothing of them."""
        return hmac.new(self._name_key, to_json(parts), hashlib.sha256).hexdigest()

    def seal(self, name: str, content: Opened) -> bytes:
        """Return what `open` turns back, under this name only."""
        nonce = os.urandom(_NONCE)
        as_of = math.nan if content.as_of is None else content.as_of
        times = _TIMES.pack(content.made_at, content.ttl, as_of)
        return nonce + self._cipher.encrypt(nonce, times + content.value, name.encode())

    def open(self, name: str, sealed: bytes) -> Opened | None:
        """Return what was sealed under this name; None if it was not, or not by us."""
        nonce, text = sealed[:_NONCE], sealed[_NONCE:]
        try:
            content = self._cipher.decrypt(nonce, text, name.encode())
        except (InvalidTag, ValueError):
            return None
        made_at, ttl, as_of = _TIMES.unpack_from(content)
        known = None if math.isnan(as_of) else as_of
        return Opened(made_at, ttl, known, content[_TIMES.size :])


@lru_cache(maxsize=8)
def seal_of(secret: str) -> ValueSeal:
    """Return the seal of a secret."""
    return ValueSeal(secret)
