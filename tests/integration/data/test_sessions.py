"""What a database, a login or its pooler says of a session changes no answer."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from tests.conftest import StartPooler
from tests.people import SEATTLE
from zava.admin.embedded import EmbeddedServer
from zava.data.provider import PostgreSQLProvider

# Setting, what the operator makes of it, and what holds all the same.
CHANGED = {
    "array_nulls": ("off", "on"),
    "backslash_quote": ("on", "safe_encoding"),
    "bytea_output": ("escape", "hex"),
    "cpu_operator_cost": ("0.01", "0"),
    "client_encoding": ("LATIN1", "UTF8"),
    "DateStyle": ("German, DMY", "ISO, MDY"),
    "default_text_search_config": ("pg_catalog.german", "pg_catalog.english"),
    "escape_string_warning": ("off", "on"),
    "exit_on_error": ("on", "off"),
    "extra_float_digits": ("-3", "1"),
    "gin_fuzzy_search_limit": ("1", "0"),
    "idle_in_transaction_session_timeout": ("1h", "30s"),
    "idle_session_timeout": ("600000", "0"),
    "IntervalStyle": ("iso_8601", "postgres"),
    "jit": ("on", "off"),
    "lc_monetary": ("C.UTF-8", "C"),
    "lc_numeric": ("C.UTF-8", "C"),
    "lc_time": ("C.UTF-8", "C"),
    "lock_timeout": ("1", "0"),
    "quote_all_identifiers": ("on", "off"),
    "row_security": ("off", "on"),
    "search_path": ("pg_catalog", '"retail", "public"'),
    "standard_conforming_strings": ("off", "on"),
    "statement_timeout": ("1h", "30s"),
    "synchronize_seqscans": ("off", "on"),
    "TimeZone": ("Asia/Tokyo", "UTC"),
    "timezone_abbreviations": ("India", "Default"),
    "transaction_deferrable": ("on", "off"),
    "transaction_isolation": ("serializable", "read committed"),
    "transaction_read_only": ("off", "on"),
    "transform_null_equals": ("on", "off"),
    "work_mem": ("64kB", "4MB"),
    "xmlbinary": ("hex", "base64"),
    "xmloption": ("document", "content"),
}
# Of the settings that whoever connects may change, those that alter no answer: how
# PostgreSQL plans, what it logs and counts, what a writer leaves behind.
HARMLESS = (
    "Query Tuning",
    "Reporting and Logging",
    "Statistics",
    "Write-Ahead Log",
    "Resource Usage",
    "Replication",
    "Connections and Authentication",
    "Developer Options",
    "Autovacuum",
    "Vacuuming",
)
HARMLESS_SETTINGS = {
    "application_name",  # zava gives it with the connection
    "check_function_bodies",
    "client_connection_check_interval",
    "client_min_messages",  # notices do not reach the caller
    "createrole_self_grant",
    "default_table_access_method",
    "default_tablespace",
    "default_toast_compression",
    "default_transaction_deferrable",  # BEGIN says otherwise
    "default_transaction_isolation",
    "default_transaction_read_only",
    "event_triggers",
    "icu_validation_level",
    "gin_pending_list_limit",
    "lo_compat_privileges",
    "local_preload_libraries",  # loads signed-off libraries, decides nothing
    "password_encryption",
    "ssl_renegotiation_limit",
    "temp_tablespaces",
    "vacuum_cost_delay",
    "vacuum_cost_limit",
    "vacuum_failsafe_age",
    "vacuum_freeze_min_age",
    "vacuum_freeze_table_age",
    "vacuum_multixact_failsafe_age",
    "vacuum_multixact_freeze_min_age",
    "vacuum_multixact_freeze_table_age",
}
# Not every version has them; asked by name.
BY_VERSION = {"restrict_nonsystem_relation_kind", "transaction_timeout"}


@pytest.fixture
def changed(cluster: EmbeddedServer, database: str) -> str:
    """A database whose defaults are as unusual as may be; its name."""
    conninfo = cluster.conninfo(dbname="postgres", user="postgres")
    target = sql.Identifier(database)
    with psycopg.connect(conninfo, autocommit=True) as conn:
        for setting, (value, _) in CHANGED.items():
            name = setting
            if setting.startswith("transaction_"):
                name = f"default_{setting}"
            values = value.split(", ") if setting == "DateStyle" else [value]
            text = sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                target,
                sql.Identifier(name),
                sql.SQL(", ").join(map(sql.Literal, values)),
            )
            conn.execute(text)
    return cluster.conninfo(dbname=database, user="zava_server")


def settings_of(conninfo: str) -> dict[str, str]:
    """What a query meets, by zava's own way of running one."""
    provider = PostgreSQLProvider({"conninfo": conninfo})
    provider.open()
    try:
        identity = provider.resolve_identity(SEATTLE)
        asked = provider.fetch(
            "SELECT 0.1::float8 + 0.2, '\\x41'::bytea::text, 'a\\b',"
            " timestamptz '2026-02-03 04:05+00', interval '36 hours',"
            " (SELECT count(*) FROM stores)",
            identity,
            1,
        )
        assert asked.rows == (
            (
                0.30000000000000004,
                "\\x41",
                "a\\b",
                "2026-02-03T04:05:00+00:00",
                "36:00:00",
                1,
            ),
        )
        pool = provider.connection_pool
        assert pool is not None
        with pool.checkout() as conn:
            found = {}
            conn.execute(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE"
            )
            for text in conn.transaction_settings:
                conn.execute(text)
            for setting in CHANGED:
                row = conn.execute(f"SHOW {setting}".encode()).fetchone()
                assert row is not None
                found[setting] = row[0]
            conn.rollback()
        return found
    finally:
        provider.close()


def test_the_settings_that_alter_an_answer_are_zavas(changed: str) -> None:
    right = {setting: value for setting, (_, value) in CHANGED.items()}
    assert settings_of(changed) == right


@pytest.mark.thorough
def test_so_they_are_behind_a_pooler(changed: str, start_pooler: StartPooler) -> None:
    right = {setting: value for setting, (_, value) in CHANGED.items()}
    assert settings_of(start_pooler(changed)) == right


def test_every_setting_that_a_session_may_change_is_known(
    owner: psycopg.Connection,
) -> None:
    rows = owner.execute(
        "SELECT name, category FROM pg_settings"
        " WHERE context = 'user' AND name NOT LIKE '%.%'"
    ).fetchall()
    known = set(CHANGED) | HARMLESS_SETTINGS | BY_VERSION
    unknown = {
        name
        for name, category in rows
        if name not in known and not category.startswith(HARMLESS)
    }
    assert unknown == set()
