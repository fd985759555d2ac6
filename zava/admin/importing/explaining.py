"""Explains a mapping without loading anything: what it knows, lacks and would load."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from psycopg import sql

from zava.admin.importing.entries import Entry, listed, named, typed_columns
from zava.admin.importing.importer import OnProgress, Run, open_import
from zava.admin.importing.mapping import Plan
from zava.admin.importing.report import Reject
from zava.admin.loading import DatabaseLoader


@dataclass(frozen=True)
class ColumnExplained:
    """What fills a column.

    Attributes:
        name: As the model calls it.
        expression: SQL over the columns of the file.
        given: The type of the expression.
        wanted: The type of the column.
        is_about_a_key: Whether it is an aggregate.
    """

    name: str
    expression: str
    given: str
    wanted: str
    is_about_a_key: bool


@dataclass(frozen=True)
class EntryExplained:
    """What an entry of a mapping would do.

    Attributes:
        files: Names of the files.
        lines: How many rows these have.
        columns: What fills the table.
        missing: Columns that a new row needs and nothing fills.
        unfilled: Columns that nothing fills and a row can do without.
        unused: Columns of the file that no expression of the mapping names, each with
            the column of the model that its name is near to, or "".
        first_rows: The first rows as they would be loaded, as text by column.
    """

    table: str
    files: tuple[str, ...]
    lines: int
    columns: tuple[ColumnExplained, ...]
    missing: tuple[str, ...]
    unfilled: tuple[str, ...]
    unused: tuple[tuple[str, str], ...]
    first_rows: tuple[dict[str, str | None], ...]


@dataclass(frozen=True)
class Explanation:
    """What a mapping would do.

    Attributes:
        rejects: The lines that could not be read or computed.
        empty_files: Names of files without a row, and without names of columns.
    """

    entries: tuple[EntryExplained, ...]
    rejects: tuple[Reject, ...] = ()
    empty_files: tuple[str, ...] = ()


def explain_mapping(
    loader: DatabaseLoader, plan: Plan, on_progress: OnProgress
) -> Explanation:
    """Read the files, compute every expression, and load nothing.

    Args:
        loader: The administrator's connection, or that of a member of zava_loader.
        plan: The files, and what they feed.
        on_progress: Told how far it is.

    Raises:
        ConfigurationError: The mapping does not fit the files or the tables.
        DatabaseError: An import is at work.
    """
    with open_import(loader, plan, on_progress) as run:
        run.cast_all()
        used = "\n".join(
            text
            for entry in run.entries
            for text in (*entry.expressions.values(), entry.mapping.where)
        )
        entries = tuple(_explain(run, entry, used) for entry in run.entries)
        return Explanation(
            entries, tuple(run.report.rejects), tuple(run.report.empty_files)
        )


def _explain(run: Run, entry: Entry, used: str) -> EntryExplained:
    shape = entry.shape
    unfilled = [name for name in shape.columns if not entry.has(name)]
    return EntryExplained(
        entry.table,
        tuple(path.name for path in entry.stage.files.values()),
        entry.stage.lines,
        tuple(
            ColumnExplained(
                name,
                expression,
                entry.types[name],
                shape.columns[name].type,
                name in entry.sums,
            )
            for name, expression in entry.expressions.items()
        ),
        tuple(name for name in shape.required if name in unfilled),
        tuple(name for name in unfilled if name not in shape.required),
        tuple(
            (column, next(iter(difflib.get_close_matches(column, unfilled, 1)), ""))
            for column in entry.stage.columns
            if column not in used
        ),
        _first_rows(run, entry),
    )


def _first_rows(run: Run, entry: Entry) -> tuple[dict[str, str | None], ...]:
    """Return some rows; a time says whether it is the store's local one."""
    columns: list[sql.Composable] = []
    for name, _, _ in typed_columns(entry):
        if name == "zava_moment":
            columns.append(
                sql.SQL(
                    "coalesce(zava_moment::text, zava_local::text || ' local') AS {}"
                ).format(sql.Identifier(entry.time_column))
            )
        elif not name.startswith("zava_"):
            columns.append(sql.SQL("{0}::text AS {0}").format(sql.Identifier(name)))
    rows = run.conn.execute(
        named("import_first_rows", columns=listed(columns), cast=entry.casts)
    )
    return tuple(rows.fetchall())
