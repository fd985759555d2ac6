"""Reads files of rows: CSV in any encoding, packed or not, and Parquet.

A row is what the file says, as text. What cannot be read is told with its line and
left out.
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
from typing import IO, Any

from zava.admin.importing.mapping import FileFormat
from zava.errors import ConfigurationError

_UNREADABLE = re.compile("[\x00\udc00-\udcff]")
_LONGEST_FIELD = 1_000_000
_BATCH = 10_000

OnFault = Callable[[int, str, str], None]
"""Told of a row that cannot be read: its line, the value, the reason."""


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

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            if not line.isascii() or "\x00" in line:
                found = _UNREADABLE.search(line)
                if found:
                    self.fault = self._explain(found[0])
                    yield _UNREADABLE.sub("\ufffd", line)
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
        on_fault: Told of each row that is left out.
        progress: Kept up to date.

    Raises:
        ConfigurationError: The file, or its header, cannot be read.
    """
    if path.suffix == ".parquet":
        return _read_parquet(path, progress)
    columns = form.columns
    has_header = columns is not None

    def on_any_fault(line: int, value: str, reason: str) -> None:
        if not has_header:
            raise ConfigurationError(
                f"{path}: the row with the names of the columns cannot be read:"
                f" {reason}; give its encoding in a mapping"
            )
        on_fault(line, value, reason)

    rows = _read_csv(path, form, on_any_fault, progress)
    if columns is None:
        first = next(rows, None)
        columns = tuple(str(name).strip() for name in first[1]) if first else ()
        has_header = True
        progress.rows = 0
    return columns, _of_width(rows, len(columns), on_fault)


def _of_width(
    rows: Iterator[tuple[int, list[str]]], width: int, on_fault: OnFault
) -> Iterator[tuple[int, Sequence[str]]]:
    for line, row in rows:
        if len(row) == width:
            yield line, row
        elif row:  # an empty line is none
            on_fault(line, "", f"{len(row)} fields where the header has {width}")


def _read_csv(
    path: Path, form: FileFormat, on_fault: OnFault, progress: Progress
) -> Iterator[tuple[int, list[str]]]:
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
            try:
                row = next(reader, None)
            except csv.Error as exc:
                on_fault(line, "", _explain(exc))
                lines.fault = None
                continue
            except (OSError, EOFError) as exc:
                raise ConfigurationError(
                    f"{path} cannot be read after line {line - 1}: {exc}"
                ) from exc
            if row is None:
                return
            progress.rows += 1
            if not progress.rows % _BATCH and raw.seekable():
                progress.position = raw.tell()
            if lines.fault is not None:
                on_fault(line, *lines.fault)
                lines.fault = None
                continue
            yield line, row


def _explain(error: csv.Error) -> str:
    reason = str(error)
    if "unexpected end of data" in reason:
        return "a quoted field begins here and does not end"
    if "field larger than" in reason:
        return "a field of more than a million characters: a quote may be missing"
    return f"its quotes do not match: {reason}"


def _read_parquet(
    path: Path, progress: Progress
) -> tuple[tuple[str, ...], Iterator[tuple[int, Sequence[str | None]]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ConfigurationError(
            f'{path} is Parquet: pip install "zava[parquet]" reads it'
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
