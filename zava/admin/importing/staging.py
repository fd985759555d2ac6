"""Brings the rows of files into temporary tables of text, as a stream."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from zava.admin.importing.mapping import FileFormat
from zava.admin.importing.reading import Fault, Progress, read_rows
from zava.data.statements import statement
from zava.errors import ConfigurationError

FILE_BITS = 40
"""A row's number is that of its file, and below these bits that of its line."""

_BLOCK = 1 << 18
_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
_LONGEST_NAME = 63


@dataclass
class Stage:
    """The rows of one kind of file, as text in a temporary table.

    Attributes:
        form: How the files are written.
        files: The files, by their number.
        columns: Their columns.
        lines: How many rows were read.
        empty_files: Names of files without a row, and without names of columns.
        version: Goes up when rows are taken out.
        unreadable: Rows that are not in the table, by their number.
        damaged: Rows that are in the table and have fields that are no text.
        has_more_faults: Whether there are more of these than were kept.
        left_out: How many rows take no part in anything.
    """

    form: FileFormat
    files: dict[int, Path] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    lines: int = 0
    empty_files: list[str] = field(default_factory=list)
    version: int = 0
    unreadable: dict[int, Fault] = field(default_factory=dict)
    damaged: dict[int, Fault] = field(default_factory=dict)
    has_more_faults: bool = False
    left_out: int = 0

    def note(self, row: int, fault: Fault, most: int) -> None:
        """Keep the fault of a row, unless there are so many already."""
        if len(self.unreadable) + len(self.damaged) >= most:
            self.has_more_faults = True
        elif fault.is_damaged:
            self.damaged[row] = fault
        else:
            self.unreadable[row] = fault


OnRows = Callable[[int, int], None]
"""Told how far reading is: bytes of the current file, rows of it."""


def fill_stage(
    conn: psycopg.Connection[dict[str, Any]],
    form: FileFormat,
    files: dict[int, Path],
    on_rows: OnRows,
    most_faults: int,
) -> Stage:
    """Copy files into a temporary table that is named like their kind.

    Args:
        conn: In the transaction of the import.
        form: How the files are written; the same columns in each.
        files: The files, by their number.
        on_rows: Told how far reading is.
        most_faults: So many rows that cannot be read are kept.

    Raises:
        ConfigurationError: A file cannot be read, or has other columns.
    """
    stage = Stage(form, files)
    for number, path in files.items():
        base, progress = number << FILE_BITS, Progress()

        def on_fault(fault: Fault, base: int = base) -> None:
            stage.note(base + fault.line, fault, most_faults)

        columns, rows = read_rows(path, form, on_fault, progress)
        if not columns:
            stage.empty_files.append(path.name)
            continue
        if not stage.columns:
            _check_header(columns, form, path)
            _make(conn, form.name, columns)
            stage.columns = columns
        elif columns != stage.columns:
            raise ConfigurationError(
                f"{path} has other columns than {next(iter(files.values()))}:"
                f" {', '.join(columns)}"
            )
        copy_sql = sql.SQL(statement("import_copy")).format(
            stage=sql.Identifier(form.name),
            null=sql.Literal("" if form.null == {""} else r"\N"),
        )
        encode = _encode_simply if form.null == {""} else _encoder(form.null)
        with conn.cursor() as cursor, cursor.copy(copy_sql) as copy:
            block: list[str] = []
            size = 0
            for line, row in rows:
                text = f"{base + line}\t{encode(row)}\n"
                block.append(text)
                size += len(text)
                if size > _BLOCK:
                    copy.write("".join(block))
                    block, size = [], 0
                    on_rows(progress.position, progress.rows)
            copy.write("".join(block))
        if form.columns is not None and not progress.rows:
            stage.empty_files.append(path.name)
        stage.lines += progress.rows
    if not stage.columns:
        # No row says what the columns are.
        stage.columns = form.columns or ()
        _make(conn, form.name, stage.columns or ("empty",))
    conn.execute(
        sql.SQL(statement("import_analyze")).format(table=sql.Identifier(form.name))
    )
    return stage


def _make(
    conn: psycopg.Connection[dict[str, Any]], name: str, columns: Sequence[str]
) -> None:
    conn.execute(
        sql.SQL(statement("import_make_stage")).format(
            stage=sql.Identifier(name),
            columns=sql.SQL(", ").join(
                sql.SQL("{} text").format(sql.Identifier(column)) for column in columns
            ),
        )
    )


def _check_header(columns: Sequence[str], form: FileFormat, path: Path) -> None:
    others = [d for d in ";\t|," if d != form.delimiter and d in columns[0]]
    if len(columns) == 1 and others:
        raise ConfigurationError(
            f"{path}: the first row is one column, {columns[0]}: give"
            f' delimiter = "{others[0]}" in the mapping, if that is it'.replace(
                "\t", "\\t"
            )
        )
    seen: set[str] = set()
    for place, column in enumerate(columns, 1):
        if not column:
            raise ConfigurationError(
                f"{path}: column {place} has no name in the first row; give the names"
                " by columns = […] in the mapping"
            )
        if "\ufffd" in column:
            raise ConfigurationError(
                f"{path}: the first row is no text in this encoding: give encoding ="
                ' "cp1252" or another in the mapping'
            )
        if len(column.encode()) > _LONGEST_NAME:
            raise ConfigurationError(
                f"{path}: the name of column {place} is longer than"
                f" {_LONGEST_NAME} bytes: another delimiter, or no header?"
            )
        if column in seen or column == "zava_row":
            raise ConfigurationError(f"{path}: two columns are named {column}")
        seen.add(column)


def _encode_simply(row: Sequence[str | None]) -> str:
    """Return a row as COPY reads it, where "" is no value."""
    try:
        text = "\t".join(row)  # type: ignore[arg-type]  # as a rule
    except TypeError:  # Parquet has real NULLs
        row = [field or "" for field in row]
        text = "\t".join(row)  # type: ignore[arg-type]
    if "\\" in text or "\n" in text or "\r" in text or text.count("\t") != len(row) - 1:
        return "\t".join(_escaped(field or "") for field in row)
    return text


def _encoder(null: frozenset[str]) -> Callable[[Sequence[str | None]], str]:
    def encode(row: Sequence[str | None]) -> str:
        return "\t".join(
            r"\N" if field is None or field in null else _escaped(field)
            for field in row
        )

    return encode


def _escaped(field: str) -> str:
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], field)
