"""The address of a Redis: what ZAVA_REDIS_URL may say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from zava.errors import ConfigurationError

_BAD_URL = (
    "ZAVA_REDIS_URL must be redis://USER:PASSWORD@HOST:PORT/DB, rediss:// of the same"
    " form for TLS, or unix://USER:PASSWORD@/PATH?db=DB; write %40 for @, %2F for /,"
    " %3A for : and %23 for # in the password"
)
_SCHEMES = ("redis", "rediss", "unix")
_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})


def checked_place(url: str) -> str:
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
