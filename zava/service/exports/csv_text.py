"""CSV: UTF-8 with a byte order mark, commas, CRLF, PostgreSQL's own text."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable

from zava.infra.export_folder import DraftFile
from zava.service.exports.formulas import harmless, is_risky
from zava.service.exports.table import PLAIN, Batch, Table

_BOOLEANS = {"t": "true", "f": "false"}


class CsvWriter:
    """Writes CSV; null and an empty text are both an empty cell."""

    def __init__(self, file: DraftFile, table: Table) -> None:
        self._file = file
        types = [column.type for column in table.columns]
        self._booleans = [n for n, kind in enumerate(types) if kind == "bool"]
        self._texts = [n for n, kind in enumerate(types) if kind not in PLAIN]
        # Without the mark a spreadsheet takes the text for one of its own code page.
        file.write(codecs.BOM_UTF8)
        self._put([[harmless(column.name) for column in table.columns]])

    def write(self, batch: Batch) -> None:
        """Write some rows."""
        changed = {}
        columns = list(zip(*batch, strict=True))
        for number in self._booleans:
            changed[number] = [_BOOLEANS.get(cell or "") for cell in columns[number]]
        for number in self._texts:
            cells = columns[number]
            if any(is_risky(cell) for cell in cells if cell):
                changed[number] = [cell and harmless(cell) for cell in cells]
        if changed:
            made = [changed.get(n, cells) for n, cells in enumerate(columns)]
            self._put(zip(*made, strict=True))
        else:
            self._put(batch)

    def finish(self) -> list[str]:
        """There is no end to write."""
        return []

    def abandon(self) -> None:
        """There is nothing to let go of."""

    def _put(self, rows: Iterable[Iterable[str | None]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        self._file.write(text.getvalue().encode())
