"""XLSX: typed cells, a header that stays in sight, and a sheet of notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from zava.data.cells import decimal, floating, integer
from zava.errors import ResultTooLargeError
from zava.infra.export_folder import DraftFile
from zava.service.exports.formulas import is_formula
from zava.service.exports.table import (
    FLOATS,
    INTEGERS,
    TIMESTAMPS,
    Batch,
    Table,
)

MAX_ROWS = 1_048_576
"""Of a sheet, its header among them."""
MAX_TEXT = 32_767
"""Characters of a cell."""

_WIDEST, _NARROWEST = 50, 8
# Excel's days are counted from here, since 1 March 1900; before that it miscounts.
_EPOCH = date(1899, 12, 30).toordinal()
_FIRST_DAY = 61
_DAY = 86_400
# Excel counts milliseconds; a shorter part of a second would become the next.
_SECONDS = len("59.999")
_BOOLEANS = {"t": True, "f": False}

Cell = int | float | bool | str


class XlsxWriter:
    """Writes one sheet of rows and one of notes, row by row.

    A text that is longer than a cell is cut, and the notes say so. A date that Excel
    does not have, and a number of more digits than a double holds, are text.
    """

    def __init__(self, file: DraftFile, table: Table) -> None:
        self._table = table
        self._book = xlsxwriter.Workbook(
            file,
            {
                "constant_memory": True,
                "tmpdir": str(table.folder),
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
                "nan_inf_to_errors": False,
            },
        )
        self._book.use_zip64()
        self._sheet = self._book.add_worksheet("Data")
        self._notes = self._book.add_worksheet("Notes")
        bold = {"bold": True}
        self._heading = self._book.add_format(bold)
        # What Excel does for an apostrophe that is typed before a formula.
        quoted = {"quote_prefix": True}
        self._as_text = self._book.add_format(quoted)
        self._heading_as_text = self._book.add_format({**bold, **quoted})
        self._formats = [self._format(column.type) for column in table.columns]
        self._convert = [_converter(column.type) for column in table.columns]
        self._row = 0
        self._cut: Counter[str] = Counter()
        for number, column in enumerate(table.columns):
            width = 20 if column.type in TIMESTAMPS else len(column.name) + 2
            width = min(max(width, _NARROWEST), _WIDEST)
            self._sheet.set_column(number, number, width)
        self._sheet.freeze_panes(1, 0)
        for number, column in enumerate(table.columns):
            name = column.name
            heading = self._heading_as_text if is_formula(name) else self._heading
            self._sheet.write_string(0, number, name, heading)

    def write(self, batch: Batch) -> None:
        """Write some rows."""
        if self._row + len(batch) >= MAX_ROWS:
            raise ResultTooLargeError(
                f"an XLSX sheet takes {MAX_ROWS - 1:,} rows, and the result has more:"
                " export csv or parquet, or filter or aggregate"
            )
        sheet = self._sheet
        for row in batch:
            self._row += 1
            for number, text in enumerate(row):
                if text is None:
                    continue
                value = self._convert[number](text)
                if isinstance(value, str):
                    self._write_text(number, value)
                elif isinstance(value, bool):
                    sheet.write_boolean(self._row, number, value)
                else:
                    sheet.write_number(self._row, number, value, self._formats[number])

    def finish(self) -> list[str]:
        """Write the notes, and pack everything."""
        said = [
            f"texts of {name} that were cut at {MAX_TEXT:,} characters: {count}"
            for name, count in self._cut.items()
        ]
        notes = {**self._table.notes(), "rows": f"{self._row}"}
        entries = [*notes.items(), *(("note", text) for text in said)]
        self._notes.set_column(0, 0, 14)
        self._notes.set_column(1, 1, 100)
        for row, (name, text) in enumerate(entries):
            self._notes.write_string(row, 0, name, self._heading)
            risky = self._as_text if is_formula(text) else None
            self._notes.write_string(row, 1, text[:MAX_TEXT], risky)
        try:
            self._book.close()
        except FileCreateError as exc:
            cause = exc.args[0] if exc.args else None
            raise cause if isinstance(cause, OSError) else OSError(str(exc)) from exc
        return said

    def abandon(self) -> None:
        """Close the temporary files."""
        for sheet in self._book.worksheets():
            with suppress(OSError, AttributeError, ValueError):
                sheet.row_data_fh.close()

    def _write_text(self, number: int, text: str) -> None:
        if len(text) > MAX_TEXT:
            text = text[:MAX_TEXT]
            self._cut[self._table.columns[number].name] += 1
        kind = self._as_text if is_formula(text) else None
        self._sheet.write_string(self._row, number, text, kind)

    def _format(self, kind: str) -> Any:
        patterns = {
            "date": "yyyy-mm-dd",
            "timestamp": "yyyy-mm-dd hh:mm:ss",
            "timestamptz": "yyyy-mm-dd hh:mm:ss",
        }
        pattern = patterns.get(kind)
        return (
            None if pattern is None else self._book.add_format({"num_format": pattern})
        )


def _converter(kind: str) -> Callable[[str], Cell]:
    if kind in INTEGERS:
        return integer
    if kind == "numeric":
        return decimal
    if kind in FLOATS:
        return floating
    if kind == "bool":
        return _BOOLEANS.__getitem__
    if kind == "date":
        return _day
    if kind in TIMESTAMPS:
        return _moment
    return str


def _day(text: str) -> int | str:
    """Return Excel's number of a day, or the text where Excel has none."""
    try:
        number = date.fromisoformat(text).toordinal() - _EPOCH
    except ValueError:  # infinity, or before the year 1
        return text
    return number if number >= _FIRST_DAY else text


def _moment(text: str) -> float | str:
    """Return Excel's number of a time, in UTC where it has a zone, or the text."""
    day = _day(text[:10])
    clock = text[11:].removesuffix("+00")
    parts = clock.split(":")
    if isinstance(day, str) or len(parts) != 3 or not parts[2][:1].isdigit():
        return text
    try:
        hours, minutes, seconds = (
            int(parts[0]),
            int(parts[1]),
            float(parts[2][:_SECONDS]),
        )
    except ValueError:
        return text
    return day + (hours * 3600 + minutes * 60 + seconds) / _DAY
