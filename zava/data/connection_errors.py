"""Why no connection was made: libpq's reason, and the setting that is to be changed."""

from __future__ import annotations

import re

import psycopg

from zava.errors import ConnectionSettingsError, MCPError, UnavailableError
from zava.infra.masking import mask_secrets

_LONGEST = 300
_PREFIX = re.compile(r"^connection (failed|is bad): ")
# What a server answered: its word for FATAL, in its own language, and two blanks.
_ANSWER = re.compile(r"(?:^|failed: )\w+:  (?=\S)")
# What a server says that is there and lets nobody in for now.
_FOR_NOW = re.compile(
    r"the database system is|too many (clients|connections)|connection slots"
    r"|terminating connection|server closed the connection|pooler|login failed"
    r"|out of (shared )?memory|conflict with recovery",
    re.IGNORECASE,
)
_USER = "user and password (ZAVA_DATABASE_URL, or ZAVA_DB_USER and ZAVA_DB_PASSWORD)"
_DATABASE = "the database's name (ZAVA_DATABASE_URL, or ZAVA_DB_NAME)"
_TLS = "sslmode, sslrootcert and sslcert in ZAVA_DATABASE_URL"
_HOST = "host and port (ZAVA_DATABASE_URL, or ZAVA_DB_HOST and ZAVA_DB_PORT)"
_RULES = (
    "user, database and sslmode in ZAVA_DATABASE_URL, or ZAVA_DB_USER and ZAVA_DB_NAME,"
    " or let this host in with a line of pg_hba.conf"
)
_SERVICE = "service in ZAVA_DATABASE_URL, and PGSERVICEFILE"
_LOGIN = (
    "user, password and the database's name (ZAVA_DATABASE_URL, or ZAVA_DB_USER,"
    " ZAVA_DB_PASSWORD and ZAVA_DB_NAME)"
)
# The first that fits.
_SETTINGS = (
    (re.compile(r"pg_hba", re.IGNORECASE), _RULES),
    (
        re.compile(
            r"certificate|private key|\bSSL\b|\bTLS\b|sslmode|encrypt", re.IGNORECASE
        ),
        _TLS,
    ),
    (re.compile(r"password|authenticat|role |log in", re.IGNORECASE), _USER),
    (re.compile(r"service file|definition of service", re.IGNORECASE), _SERVICE),
    (re.compile(r"database ", re.IGNORECASE), _DATABASE),
)
# libpq gives up before it has asked anybody.
_UNASKED = re.compile(
    r"could not (read|open|load)|does not exist|no password supplied"
    r"|service file|definition of service",
    re.IGNORECASE,
)


class ConnectionFailed(psycopg.OperationalError):
    """No connection was made.

    Args:
        reason: libpq's reason in one line.
        is_answer: Whether a server gave it.
    """

    def __init__(self, reason: str = "", *, is_answer: bool = False) -> None:
        super().__init__(reason)
        self.is_answer = is_answer


def refusal(exc: psycopg.OperationalError) -> ConnectionFailed:
    """Return libpq's reason in one line, without a password."""
    lines = [line.strip(" -\t") for line in str(exc).splitlines()]
    told = [line for line in lines if line and "Multiple connection" not in line]
    text = " ".join(told[:2] if told[:1] == ["connection failed:"] else told[:1])
    text = _PREFIX.sub("", text)
    reason = mask_secrets(" ".join(text.split()))[:_LONGEST]
    return ConnectionFailed(reason, is_answer=bool(_ANSWER.search(text)))


def explain_refusal(failure: ConnectionFailed) -> MCPError:
    """Return the error of zava's tree, with the setting to change."""
    reason = str(failure) or "no connection was made"
    if _FOR_NOW.search(reason):
        return UnavailableError(f"{reason}; it is tried again at the next call")
    is_answer = failure.is_answer
    for pattern, setting in _SETTINGS:
        is_tls = setting is _TLS
        if pattern.search(reason) and (is_answer or is_tls or _UNASKED.search(reason)):
            return ConnectionSettingsError(f"{reason}; check {setting}")
    if is_answer:  # in a language or in words that are not known here
        return ConnectionSettingsError(f"{reason}; check {_LOGIN}")
    return UnavailableError(
        f"the database cannot be reached: {reason}; check {_HOST}; it is tried again"
        " at the next call"
    )
