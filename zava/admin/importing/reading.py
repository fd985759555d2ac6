"""Reads files of rows: CSV in any encoding, packed or not, and Parquet.

A row is what the file says, as text. A row that cannot be read is told with its line.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from zava.admin.importing.mapping import FileFormat
from zava.errors import ConfigurationError

_UNREADABLE = re.compile("[\x00\udc00-\udcff]")
_LONGEST_FIELD = 1_000_000
_BATCH = 10_000

UNREADABLE = "\x1a"
"""Stands in a field for a byte that is no text."""


@dataclass(frozen=True)
class Fault:
    """A row that cannot be read.

    Attributes:
        line: Of the file, where the row begins.
        value: What the file says there, "" if nobody can tell.
        reason: Why it cannot be read.
        is_damaged: Whether its fields are known, and are among the rows that are read.
        may_hide_rows: Whether other rows of the file may be within it.
    """

    line: int
    value: str
    reason: str
    is_damaged: bool = False
    may_hide_rows: bool = False


OnFault = Callable[[Fault], None]
"""Told of a row that cannot be read."""


@dataclass
class Progress:
    """How far a file was read: bytes of it, and rows besides that of the names."""

    position: int = 0
    rows: int = 0


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Put a mark for each byte that is no text, so that its line can be told."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in wrong), error.end


codecs.register_error("zava_mark", _mark)


class _Lines:
    """The lines of a text, and whether those of the current row can be read."""

    def __init__(self, text: IO[str], encoding: str) -> None:
        self._text = text
        self._encoding = encoding
        self.fault: tuple[str, str] | None = None
        self.of_row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.of_row.append(line)
            if not line.isascii() or "\x00" in line:
                found = _UNREADABLE.search(line)
                if found:
                    self.fault = self._explain(found[0])
                    yield _UNREADABLE.sub(UNREADABLE, line)
                    continue
            yield line

    def _explain(self, mark: str) -> tuple[str, str]:
        if mark == "\x00":
            return "", "a NUL character: the file may be UTF-16, or damaged"
        value = f"0x{ord(mark) - 0xDC00:02X}"
        return value, f"the byte {value} is no text in {self._encoding}"


def read_rows(
    path: Path, form: FileFormat, on_fault: OnFault, progress: Progress
) -> tuple[tuple[str, ...], Iterator[tuple[int, Sequence[str | None]]]]:
    """Return the names of a file's columns, and its rows with their lines.

    An empty file has no columns. A field is the file's own text, None only in Parquet.

    Args:
        path: Of the file.
        form: How it is written.
        on_fault: Told of each row that is left out or damaged.
        progress: Kept up to date.

    Raises:
        ConfigurationError: The file, or its header, cannot be read.
    """
    if path.suffix == ".parquet":
        return _read_parquet(path, progress)
    columns = form.columns
    has_header = columns is not None

    def on_any_fault(fault: Fault) -> None:
        if not has_header:
            raise ConfigurationError(
                f"{path}: the row with the names of the columns cannot be read:"
                f" {fault.reason}; give its"
                f" {'encoding' if fault.is_damaged else 'delimiter and quote'}"
                " in a mapping"
            )
        on_fault(fault)

    rows = _read_csv(path, form, on_any_fault, progress)
    if columns is None:
        first = next(rows, None)
        if first and first.damage:
            on_any_fault(first.damage)
        columns = tuple(name.strip() for name in first.fields) if first else ()
        has_header = True
        progress.rows = 0
    return columns, _of_width(rows, len(columns), on_fault)


class _Row(NamedTuple):
    """A row of a CSV file, with its first and its last line."""

    line: int
    last: int
    fields: list[str]
    damage: Fault | None


def _of_width(
    rows: Iterator[_Row], width: int, on_fault: OnFault
) -> Iterator[tuple[int, Sequence[str]]]:
    for line, last, fields, damage in rows:
        if len(fields) == width:
            if damage is not None:
                on_fault(damage)
            yield line, fields
        elif fields:  # an empty line is none
            reason = f"{len(fields)} fields where the header has {width}"
            on_fault(_fault(line, last, damage.reason if damage else reason))


def _fault(line: int, last: int, reason: str) -> Fault:
    """Return the fault of a row whose fields nobody knows.

    A row of several lines is a field with line feeds, or a quote that lacks its end
    and has taken the next rows with it.
    """
    if last == line:
        return Fault(line, "", reason)
    reason += f"; lines {line} to {last} are read as one row: a quote may be missing"
    return Fault(line, "", reason, may_hide_rows=True)


def _read_csv(
    path: Path, form: FileFormat, on_fault: OnFault, progress: Progress
) -> Iterator[_Row]:
    try:
        raw = path.open("rb")
    except OSError as exc:
        raise ConfigurationError(f"{path} cannot be read: {exc.strerror}") from exc
    csv.field_size_limit(_LONGEST_FIELD)
    with raw:
        packed: Any = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        text = io.TextIOWrapper(packed, form.encoding, "zava_mark", newline="")
        lines = _Lines(text, form.encoding.removesuffix("-sig"))
        reader = csv.reader(
            lines,
            delimiter=form.delimiter,
            quotechar=form.quote or None,
            quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
            strict=True,
        )
        while True:
            line = reader.line_num + 1
            lines.of_row.clear()
            try:
                row = next(reader, None)
            except csv.Error as exc:
                progress.rows += 1
                on_fault(_explain(exc, line, reader.line_num, lines.of_row, form))
                lines.fault = None
                continue
            except (OSError, EOFError) as exc:
                raise ConfigurationError(
                    f"{path} cannot be read after line {line - 1}: {exc}"
                ) from exc
            if row is None:
                return
            if row:
                progress.rows += 1
            if not progress.rows % _BATCH and raw.seekable():
                progress.position = raw.tell()
            damage = None
            if lines.fault is not None:
                damage = Fault(line, *lines.fault, is_damaged=True)
                lines.fault = None
            yield _Row(line, reader.line_num, row, damage)


def _explain(
    error: csv.Error, line: int, last: int, lines: Sequence[str], form: FileFormat
) -> Fault:
    reason = str(error)
    if "unexpected end of data" in reason:
        opened = line + _opening(lines, form.quote)
        reason = "a quoted field begins here and does not end"
        if opened < last:
            reason += f": lines {opened} to {last} cannot be read"
        return Fault(opened, "", reason, may_hide_rows=True)
    if "field larger than" in reason:
        reason = "a field of more than a million characters: a quote may be missing"
    elif "expected after" in reason:
        reason = (
            f"a quoted field goes on behind its quote, where the delimiter"
            f" {form.delimiter!r} is expected"
        )
    else:
        reason = f"its quotes do not match: {reason}"
    return _fault(line, last, reason)


def _opening(lines: Sequence[str], quote: str) -> int:
    """Return which of the lines opens a quote that none of them closes."""
    opened, is_open = 0, False
    for nth, line in enumerate(lines):
        # Two quotes within a field are one character of it.
        text = line.replace(quote * 2, "") if is_open else line
        for _ in range(text.count(quote)):
            is_open = not is_open
            opened = nth if is_open else opened
    return opened


def _read_parquet(
    path: Path, progress: Progress
) -> tuple[tuple[str, ...], Iterator[tuple[int, Sequence[str | None]]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ConfigurationError(
            f"{path} is Parquet: `pip install pyarrow` beside zava to read it"
        ) from None
    try:
        file = parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as exc:
        raise ConfigurationError(f"{path} cannot be read: {exc}") from exc

    def rows() -> Iterator[tuple[int, Sequence[str | None]]]:
        size = path.stat().st_size
        total = max(file.metadata.num_rows, 1)
        with file:
            for batch in file.iter_batches(_BATCH):
                columns = [_texts(column) for column in batch.columns]
                for row in zip(*columns, strict=True):
                    progress.rows += 1
                    yield progress.rows, row
                progress.position = size * progress.rows // total

    return tuple(file.schema_arrow.names), rows()


def _texts(column: Any) -> list[str | None]:
    import pyarrow

    try:
        return list(column.cast(pyarrow.string()).to_pylist())
    except (pyarrow.ArrowNotImplementedError, pyarrow.ArrowInvalid):
        return [None if x is None else str(x) for x in column.to_pylist()]
