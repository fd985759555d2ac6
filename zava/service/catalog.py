"""SchemaCatalog: what the caller's tables look like, for whoever writes SQL."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from zava.data.provider import PostgreSQLProvider
from zava.data.statements import statement
from zava.errors import ValidationError
from zava.infra.cache import QueryCache
from zava.models import ColumnSchema, ForeignKey, Identity, TableSchema

SCHEMA = "retail"
MAX_TABLES = 20

# A table with so few visible rows is shown whole; of a larger one, a few rows.
_WHOLE_TABLE_ROWS = 12
_SAMPLE_ROWS = 3
_CATALOG_ROWS = 10_000
_UNSHOWN_TYPES = re.compile(r"^vector\b")
_UNSHOWN_COLUMNS = {"created_at", "updated_at"}
_LITERAL = re.compile(r"'((?:[^']|'')*)'::")


class SchemaCatalog:
    """Describes the tables of the retail schema as one caller sees them."""

    def __init__(self, provider: PostgreSQLProvider, cache: QueryCache) -> None:
        self._provider = provider
        self._cache = cache

    def describe(
        self, table_names: Sequence[str], rls_user_id: str
    ) -> tuple[TableSchema, ...]:
        """Return one description per table, in the order asked for.

        Args:
            table_names: Names with or without `retail.`, in any case.
            rls_user_id: Who asks; samples are rows that they may see.

        Raises:
            ValidationError: No name, too many, or an unknown one.
        """
        _check_count(table_names)
        return _chosen(self._tables(rls_user_id), table_names)

    def recall(
        self, table_names: Sequence[str], rls_user_id: str
    ) -> tuple[TableSchema, ...] | None:
        """Return the kept descriptions, or None; never waits for anything.

        Raises:
            ValidationError: As for `describe`.
        """
        _check_count(table_names)
        identity = self._provider.known_identity(rls_user_id)
        if identity is None:
            return None
        tables = self._cache.peek(self._key(identity), kind="schema")
        return None if tables is None else _chosen(tables, table_names)

    def names(self, rls_user_id: str) -> dict[str, tuple[str, ...]]:
        """Return the columns of every table that the caller may read."""
        return {
            name: tuple(column.name for column in table.columns)
            for name, table in self._tables(rls_user_id).items()
        }

    def _tables(self, rls_user_id: str) -> dict[str, TableSchema]:
        identity = self._provider.resolve_identity(rls_user_id)
        tables: dict[str, TableSchema] = self._cache.get_cached_result(
            self._key(identity), lambda: self._read(identity), kind="schema"
        )
        return tables

    def _key(self, identity: Identity) -> str:
        return self._cache.key("schema_catalog", identity)

    def _read(self, identity: Identity) -> dict[str, TableSchema]:
        columns: dict[str, list[ColumnSchema]] = defaultdict(list)
        for row in self._rows("list_columns", identity):
            listed = row.pop("listed")
            values = tuple(_LITERAL.findall(listed)) if listed else None
            column = ColumnSchema.model_validate({**row, "values": values})
            columns[row["table_name"]].append(column)
        references: dict[str, list[ForeignKey]] = defaultdict(list)
        for row in self._rows("list_foreign_keys", identity):
            references[row["table_name"]].append(ForeignKey.model_validate(row))
        return {
            (name := row["table_name"]): TableSchema(
                table=f"{SCHEMA}.{name}",
                description=row["description"],
                columns=tuple(columns[name]),
                foreign_keys=tuple(references[name]),
                sample_rows=self._sample(name, columns[name], identity),
            )
            for row in self._rows("list_tables", identity)
        }

    def _sample(
        self, table: str, columns: Sequence[ColumnSchema], identity: Identity
    ) -> tuple[dict[str, Any], ...]:
        shown = [
            column.name
            for column in columns
            if not _UNSHOWN_TYPES.match(column.type)
            and column.name not in _UNSHOWN_COLUMNS
        ]
        listed = ", ".join(_quoted(name) for name in shown)
        query = f"SELECT {listed} FROM {SCHEMA}.{_quoted(table)}"  # noqa: S608 - names of the catalogue, quoted
        result = self._provider.fetch(
            query, identity, _WHOLE_TABLE_ROWS, operation="schema"
        )
        rows = result.rows[: _SAMPLE_ROWS if result.truncated else None]
        return tuple(dict(zip(shown, row, strict=True)) for row in rows)

    def _rows(self, name: str, identity: Identity) -> list[dict[str, Any]]:
        result = self._provider.fetch(
            statement(name), identity, _CATALOG_ROWS, operation="schema"
        )
        names = [column.name for column in result.columns]
        return [dict(zip(names, row, strict=True)) for row in result.rows]


def _check_count(table_names: Sequence[str]) -> None:
    if not 1 <= len(table_names) <= MAX_TABLES:
        raise ValidationError(
            "table_names", table_names, f"must hold 1 to {MAX_TABLES} names"
        )


def _chosen(
    tables: dict[str, TableSchema], table_names: Sequence[str]
) -> tuple[TableSchema, ...]:
    wanted = dict.fromkeys(_plain_name(name) for name in table_names)
    for name in wanted:
        if name not in tables:
            raise ValidationError("table_names", name, _unknown(name, list(tables)))
    return tuple(tables[name] for name in wanted)


def _plain_name(name: str) -> str:
    return name.strip().replace('"', "").lower().removeprefix(f"{SCHEMA}.")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unknown(name: str, tables: list[str]) -> str:
    """Name the tables there are, the nearest first."""

    def distance(table: str) -> float:
        return -difflib.SequenceMatcher(None, name, table).ratio()

    valid = ", ".join(f"{SCHEMA}.{table}" for table in sorted(tables, key=distance))
    return f"unknown table; valid are {valid}"
