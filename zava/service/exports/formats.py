"""The formats of an export: what each needs, and its writer."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from zava.errors import ConfigurationError
from zava.infra.export_folder import DraftFile
from zava.service.exports.table import Table, Writer

Format = Literal["csv", "xlsx", "parquet"]

MIME_TYPES: dict[Format, str] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
_MODULES = {"xlsx": "xlsxwriter", "parquet": "pyarrow"}


def see_that_it_can_be_written(kind: Format) -> None:
    """Check for the library of a format.

    Raises:
        ConfigurationError: The library is not installed.
    """
    module = _MODULES.get(kind)
    if module is not None and find_spec(module) is None:
        raise ConfigurationError(
            f"this zava cannot write {kind}: pip install 'zava[{kind}]' adds it; csv"
            " needs nothing"
        )


def open_writer(kind: Format, file: DraftFile, table: Table) -> Writer:
    """Return the writer of a format; the header is written."""
    # Imported here: each takes memory that only an export of its format needs.
    if kind == "xlsx":
        from zava.service.exports.xlsx import XlsxWriter

        return XlsxWriter(file, table)
    if kind == "parquet":
        from zava.service.exports.parquet import ParquetWriter

        return ParquetWriter(file, table)
    from zava.service.exports.csv_text import CsvWriter

    return CsvWriter(file, table)
