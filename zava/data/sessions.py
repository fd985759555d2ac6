"""The settings of zava's connections, direct or behind a pooler.

On a direct connection zava sets them once for the session. A pooler in transaction
mode, such as PgBouncer, gives a server connection to zava for one transaction only, so
there every transaction sets them with SET LOCAL.

How zava recognises a pooler: a pooler hands out cancellation keys of its own, so the
backend's process id that the client knows differs from `pg_backend_pid()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from loguru import logger
from psycopg import sql

from zava.data.connection import GRACE_SECONDS, CancellableConnection
from zava.data.pipeline import exchange
from zava.data.statements import statement

# Not every version and system has these settings, so zava tries each alone. The first
# one makes PostgreSQL end a statement whose client was killed.
_OPTIONAL: tuple[Mapping[str, str], ...] = (
    {"client_connection_check_interval": "500"},
    {"restrict_nonsystem_relation_kind": ""},
    {"transaction_timeout": "0"},
)
_REFUSED = (
    psycopg.errors.DataError,
    psycopg.errors.NotSupportedError,
    psycopg.errors.UndefinedObject,
)

# These decide what a query means and how its values are written. zava pins them against
# ALTER DATABASE … SET and ALTER ROLE … SET.
_MEANINGS: Mapping[str, str] = {
    "timezone": "UTC",
    "timezone_abbreviations": "Default",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "xmloption": "content",
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "quote_all_identifiers": "off",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "gin_fuzzy_search_limit": "0",
    "default_text_search_config": "pg_catalog.english",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "row_security": "on",
    "lock_timeout": "0",
    "default_transaction_isolation": "read committed",
    "escape_string_warning": "on",
    "synchronize_seqscans": "on",
    # PostgreSQL may run a condition before the row level security policy if its
    # functions are leakproof and its cost is below ten operators (order_qual_clauses
    # in the planner). Such a condition can contain a subquery that fails, and so tell
    # whether a hidden row exists. With operators that cost nothing, no condition is
    # cheaper than the policy, and the policy runs first.
    "cpu_operator_cost": "0",
    # These would end the session after an error, or while it is idle in the pool.
    "exit_on_error": "off",
    "idle_session_timeout": "0",
}


class SessionSettings:
    """The settings of every connection.

    Args:
        statement_timeout: Seconds that one statement may run.
        work_mem: Memory of one sort or hash.
    """

    def __init__(self, statement_timeout: float, work_mem: str) -> None:
        self._statement_timeout = statement_timeout
        milliseconds = str(round(statement_timeout * 1000))
        self._values: Mapping[str, str | tuple[str, ...]] = {
            "statement_timeout": milliseconds,
            "idle_in_transaction_session_timeout": milliseconds,
            "work_mem": work_mem,
            "jit": "off",
            "search_path": ("retail", "public"),
            **_MEANINGS,
        }

    def start(self, conn: CancellableConnection) -> None:
        """Apply the settings to a new connection.

        Raises:
            psycopg.Error: The database refuses a setting, or was lost.
        """
        conn.query_patience = self._statement_timeout + GRACE_SECONDS
        (answer,) = exchange(conn, [statement("backend").encode()])
        conn.is_pooled = answer.get_value(0, 0) != b"%d" % conn.info.backend_pid
        if answer.get_value(0, 1) == b"t":
            conn.replay.is_watched = True
        if conn.is_pooled:
            conn.prepare_threshold = None  # a name would be left on the server
            conn.transaction_settings = self._accepted(conn)
        else:
            conn.names = {}
            exchange(conn, _texts("set_session", self._values))
            for values in _OPTIONAL:
                _try(conn, _texts("set_session", values))

    def _accepted(self, conn: CancellableConnection) -> tuple[bytes, ...]:
        """Return the SET LOCAL statements that this server accepts."""
        texts = _texts("set_transaction", self._values)
        begin, rollback = (statement(name).encode() for name in ("begin", "rollback"))
        exchange(conn, [begin, *texts, rollback])
        for values in _OPTIONAL:
            optional = _texts("set_transaction", values)
            # Last, because with exit_on_error a refused setting ends the session.
            if _try(conn, (begin, *texts, *optional, rollback)):
                texts += optional
        return texts


def _try(conn: psycopg.Connection[Any], texts: tuple[bytes, ...]) -> bool:
    try:
        exchange(conn, texts)
    except _REFUSED as exc:
        logger.debug("the server leaves a setting out: {}", exc.sqlstate)
        conn.rollback()
        return False
    return True


def _texts(name: str, values: Mapping[str, str | tuple[str, ...]]) -> tuple[bytes, ...]:
    made = []
    for setting, value in values.items():
        parts = (value,) if isinstance(value, str) else value
        literals = sql.SQL(", ").join(map(sql.Literal, parts))
        text = sql.SQL(statement(name))
        made.append(text.format(name=sql.Identifier(setting), value=literals))
    return tuple(text.as_bytes() for text in made)
