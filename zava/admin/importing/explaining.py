"""Explains a mapping, and loads the files without letting anything stay."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import sql

from zava.admin.importing.entries import (
    Entry,
    columns_needed,
    columns_read,
    listed,
    named,
    typed_columns,
)
from zava.admin.importing.importer import (
    DEFAULT_OPTIONS,
    OnProgress,
    Options,
    Run,
    open_import,
)
from zava.admin.importing.mapping import Plan
from zava.admin.importing.report import ImportReport
from zava.admin.importing.staging import Stage
from zava.admin.loading import DatabaseLoader
from zava.errors import ConfigurationError, DatabaseError


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
        first_rows: The first rows as they would be loaded, as text by column.
    """

    table: str
    files: tuple[str, ...]
    lines: int
    columns: tuple[ColumnExplained, ...]
    missing: tuple[str, ...]
    unfilled: tuple[str, ...]
    first_rows: tuple[dict[str, str | None], ...]


@dataclass(frozen=True)
class FilesExplained:
    """What a mapping leaves of a kind of file.

    Attributes:
        files: Names of the files.
        unused: Columns that no expression of the mapping names, each with the column
            of the model that its name is near to, or "".
    """

    files: tuple[str, ...]
    unused: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Explanation:
    """What a mapping would do, and what the load that was undone has found."""

    entries: tuple[EntryExplained, ...]
    files: tuple[FilesExplained, ...]
    report: ImportReport

    def as_json(self) -> dict[str, Any]:
        """Return it for a program."""
        return {
            "entries": [asdict(entry) for entry in self.entries],
            "columns": [asdict(files) for files in self.files],
            **self.report.as_json(),
        }


def explain_mapping(
    loader: DatabaseLoader,
    plan: Plan,
    on_progress: OnProgress,
    options: Options = DEFAULT_OPTIONS,
) -> Explanation:
    """Read the files, compute every expression, load all and undo it.

    Args:
        loader: The administrator's connection, or that of a member of zava_loader.
        plan: The files, and what they feed.
        on_progress: Told how far it is.
        options: How the import would be.

    Raises:
        ConfigurationError: The mapping does not fit the files or the tables.
        DatabaseError: An import is at work.
    """
    with open_import(loader, plan, on_progress, options) as run:
        run.cast_all()
        entries = tuple(_explain(run, entry) for entry in run.entries)
        report = run.report
        try:
            run.load_rows()
        except (ConfigurationError, DatabaseError) as exc:
            report.obstacles.append(exc.message)
            report.status = "nothing_loaded"
        run.may_commit = False
        report.checked = report.status
        report.undo()
        files = tuple(_leaves(run, stage) for stage in run.stages.values())
        return Explanation(entries, files, report)


def _leaves(run: Run, stage: Stage) -> FilesExplained:
    entries = [entry for entry in run.entries if entry.stage is stage]
    used = {column for entry in entries for column in columns_read(entry)}
    unfilled = {
        name for entry in entries for name in entry.shape.columns if not entry.has(name)
    }
    return FilesExplained(
        tuple(path.name for path in stage.files.values()),
        tuple(
            (column, next(iter(difflib.get_close_matches(column, unfilled, 1)), ""))
            for column in stage.columns
            if column not in used
        ),
    )


def _explain(run: Run, entry: Entry) -> EntryExplained:
    shape = entry.shape
    unfilled = [name for name in shape.columns if not entry.has(name)]
    missing = columns_needed(entry)
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
        tuple(missing),
        tuple(name for name in unfilled if name not in missing),
        _first_rows(run, entry),
    )


def _first_rows(run: Run, entry: Entry) -> tuple[dict[str, str | None], ...]:
    """Return some rows; a time says whether it is a day or a time of the store."""
    columns: list[sql.Composable] = []
    for name, _, _ in typed_columns(entry):
        if name == "zava_moment":
            columns.append(
                sql.SQL(
                    "coalesce(zava_moment::text, zava_local::text || ' local',"
                    " zava_day || ' day of the store') AS {}"
                ).format(sql.Identifier(entry.time_column))
            )
        elif not name.startswith("zava_"):
            columns.append(sql.SQL("{0}::text AS {0}").format(sql.Identifier(name)))
    rows = run.conn.execute(
        named("import_first_rows", columns=listed(columns), cast=entry.casts)
    )
    return tuple(rows.fetchall())
