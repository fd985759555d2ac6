"""What zava sets on a connection, and whose connection that is.

A connection that leads to PostgreSQL itself is set once. Behind a pooler in
transaction mode, such as PgBouncer, a server connection is ours for one
transaction and somebody else's before and after: nothing may be set on it but
for the transaction. Neither the pooler's kind nor its configuration has to be
known: a pooler gives out cancellation keys of its own, so what a connection calls
its backend is not the backend that answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from loguru import logger
from psycopg import sql

from zava.data.cancellation import GRACE_SECONDS, CancellableConnection
from zava.data.pipeline import exchange
from zava.data.statements import statement

# Not every version and system has them, so each is tried alone. The first ends a
# statement whose client was killed.
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

# What a query means and how its values are written, whatever the operator has set for
# the database or the login (ALTER DATABASE … SET, ALTER ROLE … SET).
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
    # PostgreSQL runs a condition of the caller's before a policy where its function is
    # leakproof and it costs less than ten operators; with an operator that costs
    # nothing no condition does (order_qual_clauses in its planner). A condition that
    # runs first tells of hidden rows by failing or not: the part that fails may be a
    # subquery, which counts for leakproof.
    "cpu_operator_cost": "0",
    # What would end the session, after an error or while the pool keeps it.
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
        """Make a new connection ready, in whatever way it can be.

        Raises:
            psycopg.Error: The database refuses a setting, or was lost.
        """
        conn.query_patience = self._statement_timeout + GRACE_SECONDS
        (answer,) = exchange(conn, [statement("backend").encode()])
        conn.is_pooled = answer.get_value(0, 0) != b"%d" % conn.info.backend_pid
        if conn.is_pooled:
            conn.prepare_threshold = None  # a name would be left on the server
            conn.transaction_settings = self._accepted(conn)
        else:
            conn.names = {}
            exchange(conn, _texts("set_session", self._values))
            for values in _OPTIONAL:
                _try(conn, _texts("set_session", values))

    def _accepted(self, conn: CancellableConnection) -> tuple[bytes, ...]:
        """What every transaction begins with, tried once."""
        texts = _texts("set_transaction", self._values)
        begin, rollback = (statement(name).encode() for name in ("begin", "rollback"))
        exchange(conn, [begin, *texts, rollback])
        for values in _OPTIONAL:
            optional = _texts("set_transaction", values)
            # After the others: with exit_on_error a refusal would end the session.
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
