"""ExportService: all rows of a query in a file, and the files of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from zava.data.provider import PostgreSQLProvider
from zava.data.statements import statement
from zava.data.streaming import Stream
from zava.data.transaction import Query
from zava.errors import (
    BusyError,
    ExportError,
    QueryError,
    ResultTooLargeError,
    ValidationError,
)
from zava.infra.answer_age import reading
from zava.infra.cancellation import check_cancelled
from zava.infra.export_folder import ExportFolder, WrittenFile, file_stem
from zava.models import Column, Identity
from zava.service.exports.formats import (
    Format,
    open_writer,
    see_that_it_can_be_written,
)
from zava.service.exports.table import Table
from zava.service.queries.executor import QueryExecutor

FIRST_ROWS = 5
AT_ONCE = 2
"""Exports at once; each has a connection and a thread for as long as it takes."""
MAX_READ_BYTES = 8 * 1024 * 1024
"""Most bytes of a file that is read as a resource."""
_NOTHING_LEFT = "no file was kept"


class ExportQuestion(NamedTuple):
    """An export that was found fit to be made.

    Attributes:
        text: One SELECT, WITH, VALUES or TABLE query.
        format: Of the file.
        name: A hint for its name.
    """

    text: str
    format: Format
    name: str


@dataclass(frozen=True, slots=True)
class Export:
    """A file and what is in it.

    Attributes:
        file: Where it is.
        format: Of the file.
        columns: In the order of the query.
        rows: How many rows it has.
        first_rows: Of JSON values.
        query: The SQL text.
        as_of: What had been committed by then is in the file, UTC.
        notes: What has to be said of the content.
    """

    file: WrittenFile
    format: Format
    columns: tuple[Column, ...]
    rows: int
    first_rows: list[tuple[Any, ...]]
    query: str
    as_of: datetime
    notes: list[str]


class ExportService:
    """Writes results of queries to the person's folder.

    Args:
        provider: Where the rows come from.
        executor: Checks the query, and knows those behind handles.
        folder: Where the files go.
        max_rows: Most rows of a file.
        max_bytes: Most bytes of a file, and of what is written on the way to it.
        timeout: Seconds that an export may take.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        provider: PostgreSQLProvider,
        executor: QueryExecutor,
        folder: ExportFolder,
        *,
        max_rows: int,
        max_bytes: int,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider = provider
        self._executor = executor
        self._folder = folder
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._clock = clock
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._exports: dict[str, Export] = {}

    def check(
        self,
        postgresql_query: str | None,
        handle: str | None,
        format: Format,
        name: str,
        rls_user_id: str,
    ) -> ExportQuestion:
        """Return what is to be exported.

        Raises:
            ValidationError: Neither a query nor a handle was given, or both; or the
                query is empty or too long.
            HandleError: Nothing is kept under the handle.
            ConfigurationError: The library for the format is not installed.
        """
        if (postgresql_query is None) == (handle is None):
            raise ValidationError(
                "postgresql_query", None, "give either postgresql_query or handle"
            )
        if postgresql_query is None:
            text = self._executor.query_of(handle or "", rls_user_id)
        else:
            text = self._executor.check(postgresql_query).text
        see_that_it_can_be_written(format)
        return ExportQuestion(text, format, name)

    def export(
        self,
        question: ExportQuestion,
        rls_user_id: str,
        report: Callable[[int], None] = lambda _rows: None,
    ) -> Export:
        """Write a file; whatever fails, no part of it stays.

        Args:
            question: What is to be exported.
            rls_user_id: Who asks.
            report: Told how many rows are written, after each batch.

        Raises:
            BusyError: Other exports are at work.
            ConfigurationError: The folder cannot be used.
            ExportError: The file cannot be written, or it takes too long.
            ResultTooLargeError: It exceeds a ceiling.
            QueryError: PostgreSQL does not accept the text.
            MCPError: As for `PostgreSQLProvider.fetch`.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError(
                f"{AT_ONCE} exports are at work already: wait until one is done"
            )
        try:
            identity = self._provider.resolve_identity(rls_user_id)
            with reading() as before:
                through = self._data_through(identity, question.format)
            attempt = partial(
                self._write,
                *(question, identity, through, before.as_of, report, self._clock()),
            )
            try:
                export = self._provider.stream(question.text, identity, attempt)
            except QueryError as exc:
                self._executor.suggest(exc, question.text, rls_user_id)
                raise
        finally:
            self._places.release()
        self._exports[export.file.path.name] = export
        return export

    def exports(self) -> list[Export]:
        """Return the exports of this process."""
        return list(self._exports.values())

    def read(self, name: str) -> tuple[Export, bytes]:
        """Return an export of this process, and what is in its file.

        Raises:
            ExportError: There is no such export, or the file is gone or too large.
        """
        export = self._exports.get(name)
        if export is None:
            raise ExportError("this process has written no such file")
        return export, self._folder.read(export.file, MAX_READ_BYTES)

    def _write(
        self,
        question: ExportQuestion,
        identity: Identity,
        data_through: str | None,
        read_before: datetime | None,
        report: Callable[[int], None],
        started: float,
        stream: Stream,
    ) -> Export:
        check = partial(self._check, started)
        as_of = min(stream.as_of, read_before or stream.as_of)
        with self._folder.draft(check) as draft:
            table = Table(
                stream.columns,
                stream.decimals,
                question.text,
                f"{identity.display_name} ({identity.user_id})",
                as_of,
                data_through,
                draft.folder,
            )
            first = stream.first_rows(FIRST_ROWS)
            rows = 0
            writer = open_writer(question.format, draft.file, table)
            try:
                for batch in stream.batches():
                    rows += len(batch)
                    if rows > self._max_rows:
                        raise ResultTooLargeError(
                            f"the result has more than the {self._max_rows:,} rows that"
                            f" a file may have, and {_NOTHING_LEFT}: filter or"
                            " aggregate"
                        )
                    writer.write(batch)
                    self._check(started, _written_bytes(draft.folder))
                    report(rows)
                notes = writer.finish()
            finally:
                writer.abandon()
            stem = file_stem(question.name, datetime.now())
            file = draft.publish(stem, question.format)
        return Export(
            file,
            question.format,
            stream.columns,
            rows,
            first,
            question.text,
            as_of,
            notes,
        )

    def _check(self, started: float, size: int) -> None:
        """End an export that is not wanted, too long or too large."""
        check_cancelled()
        if size > self._max_bytes:
            raise ResultTooLargeError(
                f"the file would take more than the {self._max_bytes:,} bytes that a"
                f" file may take, and {_NOTHING_LEFT}: select fewer columns, filter or"
                " aggregate"
            )
        if self._clock() - started > self._timeout:
            raise ExportError(
                f"the export has taken longer than {self._timeout:g} seconds, and"
                f" {_NOTHING_LEFT}: select fewer rows or columns"
            )

    def _data_through(self, identity: Identity, kind: Format) -> str | None:
        if kind == "csv":
            return None  # there is no place for it
        asked = [Query(statement("data_through"))]
        (result,) = self._provider.fetch_all(asked, identity, 1, operation="export")
        return str(result.rows[0][0]) if result.rows and result.rows[0][0] else None


def _written_bytes(folder: Path) -> int:
    """Return how much lies in a folder that is being written to."""
    return sum(path.stat().st_size for path in folder.iterdir())
