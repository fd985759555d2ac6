"""Parquet: typed columns, zstd, what the file says of itself in its metadata."""

from __future__ import annotations

from typing import Any

from zava.data.streaming import Decimals
from zava.errors import ExportError
from zava.infra.export_folder import DraftFile
from zava.models import Column
from zava.service.exports.table import Batch, Table

_MOST_DIGITS = 38
# A group is what lies in memory at a time.
_GROUP_ROWS = 50_000
_GROUP_BYTES = 8 * 1024 * 1024
_BOOLEANS = {"t": True, "f": False}


class ParquetWriter:
    """Writes Parquet."""

    def __init__(self, file: DraftFile, table: Table) -> None:
        # Imported here: it takes half a second, and changes the environment.
        import pyarrow as pa
        from pyarrow import parquet

        self._pa = pa
        # Arrow's own allocator reserves memory beyond the process's ceiling.
        self._memory = pa.system_memory_pool()
        fields = [
            pa.field(name, _type(pa, column, decimals))
            for name, column, decimals in zip(
                _distinct([column.name for column in table.columns]),
                table.columns,
                table.decimals,
                strict=True,
            )
        ]
        notes = {f"zava.{name}": text for name, text in table.notes().items()}
        self._schema = pa.schema(fields, metadata=notes)
        self._writer = parquet.ParquetWriter(
            file, self._schema, compression="zstd", memory_pool=self._memory
        )
        self._arrays: list[list[Any]] = [[] for _ in fields]
        self._rows = 0

    def write(self, batch: Batch) -> None:
        """Write some rows, when there are enough of them."""
        for number, cells in enumerate(zip(*batch, strict=True)):
            field = self._schema.field(number)
            self._arrays[number].append(self._array(field, cells))
        self._rows += len(batch)
        size = sum(array.nbytes for arrays in self._arrays for array in arrays)
        if self._rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            self._put()

    def finish(self) -> list[str]:
        """Write the rest, and where everything is."""
        self._put()
        self._writer.close()
        return []

    def abandon(self) -> None:
        """There is nothing to let go of."""

    def _put(self) -> None:
        if not self._rows:
            return
        pa = self._pa
        chunks = [
            pa.chunked_array(arrays, field.type)
            for arrays, field in zip(self._arrays, self._schema, strict=True)
        ]
        made = pa.Table.from_arrays(chunks, schema=self._schema)
        self._writer.write_table(made, row_group_size=_GROUP_ROWS)
        self._arrays = [[] for _ in self._schema]
        self._rows = 0

    def _array(self, field: Any, cells: tuple[str | None, ...]) -> Any:
        pa = self._pa
        if pa.types.is_boolean(field.type):
            booleans = [None if cell is None else _BOOLEANS[cell] for cell in cells]
            return pa.array(booleans, memory_pool=self._memory)
        texts = pa.array(cells, pa.string(), memory_pool=self._memory)
        if pa.types.is_string(field.type):
            return texts
        try:
            return texts.cast(field.type, memory_pool=self._memory)
        except pa.ArrowInvalid as exc:
            raise ExportError(
                f"Parquet cannot hold a value of column {field.name} as {field.type}:"
                " cast the column to text in the query"
            ) from exc


def _type(pa: Any, column: Column, decimals: Decimals | None) -> Any:
    if column.type == "numeric":
        if decimals is None or decimals.precision > _MOST_DIGITS:
            return pa.float64()
        return pa.decimal128(decimals.precision, decimals.scale)
    types = {
        "int2": pa.int16(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "oid": pa.int64(),
        "float4": pa.float32(),
        "float8": pa.float64(),
        "bool": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", tz="UTC"),
    }
    return types.get(column.type, pa.string())


def _distinct(names: list[str]) -> list[str]:
    """Return the names; one that comes again has a number behind it."""
    made: list[str] = []
    for name in names:
        number, distinct = 1, name
        while distinct in made:
            number += 1
            distinct = f"{name}_{number}"
        made.append(distinct)
    return made
