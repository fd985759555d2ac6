"""What is in an exported file, read by other programs, and when there is none."""

from __future__ import annotations

import csv
import os
import threading
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import openpyxl
import pyarrow.parquet as pq
import pytest

from tests.conftest import AS_OF
from tests.patience import PATIENCE
from tests.people import NIL, REDMOND, SEATTLE
from zava.data.provider import PostgreSQLProvider
from zava.errors import (
    AuthorizationError,
    BusyError,
    ConfigurationError,
    ExportError,
    MCPError,
    QueryError,
    ResultTooLargeError,
    ValidationError,
)
from zava.infra.cache import QueryCache
from zava.infra.cancellation import CallCancelled, Cancellation
from zava.infra.export_folder import ExportFolder
from zava.service.exports import xlsx
from zava.service.exports.service import Export, ExportService
from zava.service.queries.catalog import SchemaCatalog
from zava.service.queries.executor import QueryExecutor

pytestmark = [pytest.mark.thorough, pytest.mark.once]

Make = Callable[..., ExportService]

TYPES = """
    SELECT * FROM (VALUES
        (1, 9007199254740993, 12.50::numeric(10,2), 1.5::numeric, 'NaN'::float8, true,
         date '2026-03-05', timestamptz '2026-03-05 10:00:00.5+00', '=1+1', ARRAY[1,2], '-7'),
        (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (-2, 5, -3.00, 12345678901234567.89, 0.25, false,
         date '1850-01-01', timestamptz '1850-01-01 00:00:00+00', E'a\\nb "c", d', '{}', '')
    ) AS t (i, big, money, n, f, b, d, t, "=head", list, text)
"""
MANY = "SELECT n, 'text ' || n AS t FROM generate_series(1, 30000) AS n"


@pytest.fixture
def make(provider: PostgreSQLProvider, tmp_path: Path) -> Make:
    def make_one(**ceilings: Any) -> ExportService:
        cache = QueryCache()
        executor = QueryExecutor(
            provider,
            cache,
            SchemaCatalog(provider, cache),
            max_rows=1000,
            max_result_bytes=100_000,
            max_query_length=10_000,
        )
        limits = {"max_rows": 10**6, "max_bytes": 10**8, "timeout": 60.0, **ceilings}
        folder = ExportFolder(tmp_path / "zava", 3600)
        return ExportService(provider, executor, folder, **limits)

    return make_one


@pytest.fixture
def left(tmp_path: Path) -> Callable[[], list[str]]:
    """What lies in the folder."""
    folder = tmp_path / "zava"
    return lambda: os.listdir(folder) if folder.exists() else []


def export(
    service: ExportService, query: str, kind: str = "csv", user: str = SEATTLE
) -> Export:
    question = service.check(query, None, cast("Any", kind), "a list", user)
    return service.export(question, user)


def read_csv(made: Export) -> list[list[str]]:
    with made.file.path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_csv_holds_postgresql_s_text_and_no_formula(make: Make) -> None:
    made = export(make(), TYPES)
    head, first, blank, last = read_csv(made)
    assert head == [
        "i",
        "big",
        "money",
        "n",
        "f",
        "b",
        "d",
        "t",
        "'=head",
        "list",
        "text",
    ]
    assert first[:7] == [
        "1",
        "9007199254740993",
        "12.50",
        "1.5",
        "NaN",
        "true",
        "2026-03-05",
    ]
    assert first[7:] == ["2026-03-05 10:00:00.5+00", "'=1+1", "{1,2}", "-7"]
    assert blank == [""] * 11
    assert last[:4] == ["-2", "5", "-3.00", "12345678901234567.89"]
    assert last[8] == 'a\nb "c", d'
    assert (made.rows, made.file.size) == (3, made.file.path.stat().st_size)
    assert made.first_rows[1] == (None,) * 11


def test_xlsx_holds_typed_cells_and_says_where_they_come_from(make: Make) -> None:
    made = export(make(), TYPES, "xlsx")
    book = openpyxl.load_workbook(made.file.path)
    data, notes = book["Data"], book["Notes"]
    assert data.freeze_panes == "A2"
    head, first, blank, last = data.iter_rows(values_only=True)
    assert head[8] == "=head"
    assert first[:6] == (1, "9007199254740993", 12.5, 1.5, "NaN", True)
    assert first[6:8] == (datetime(2026, 3, 5), datetime(2026, 3, 5, 10, 0, 0, 500000))
    assert first[8:] == ("=1+1", "{1,2}", "-7")
    assert blank == (None,) * 11
    assert last[3:5] == ("12345678901234567.89", 0.25)
    assert last[6:8] == ("1850-01-01", "1850-01-01 00:00:00+00")
    formula = data["I2"]
    assert (formula.data_type, formula.quotePrefix) == ("s", True)
    assert not data["K2"].quotePrefix
    assert [data[cell].quotePrefix for cell in ("H1", "I1")] == [False, True]
    said = {row[0]: row[1] for row in notes.iter_rows(values_only=True)}
    assert said["query"] == TYPES
    assert SEATTLE in str(said["person"])
    assert said["data_through"] == AS_OF
    assert said["time"] == made.as_of.isoformat(timespec="seconds")
    assert said["rows"] == "3"


def test_parquet_holds_typed_columns(make: Make) -> None:
    query = TYPES.replace("'NaN'::float8", "'NaN'::float8")
    made = export(make(), query, "parquet")
    table = pq.read_table(made.file.path)
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["i"] == "int32"
    assert kinds["big"] == "int64"
    assert kinds["f"] == "double"
    assert kinds["t"] == "timestamp[us, tz=UTC]"
    assert kinds["d"] == "date32[day]"
    assert kinds["=head"] == "string"
    first, blank, _ = table.to_pylist()
    assert first["big"] == 9007199254740993
    assert first["t"].isoformat() == "2026-03-05T10:00:00.500000+00:00"
    assert first["b"] is True
    assert set(blank.values()) == {None}
    metadata = table.schema.metadata
    assert metadata[b"zava.data_through"] == AS_OF.encode()


def test_parquet_keeps_declared_decimals_and_names_that_repeat(make: Make) -> None:
    query = "SELECT total_amount AS a, order_id AS a FROM retail.orders LIMIT 3"
    table = pq.read_table(export(make(), query, "parquet").file.path)
    assert table.column_names == ["a", "a_2"]
    assert str(table.schema.field("a").type).startswith("decimal128(")
    assert all(isinstance(value, Decimal) for value in table["a"].to_pylist())


def test_parquet_names_the_column_that_it_cannot_hold(
    make: Make, left: Callable[[], list[str]]
) -> None:
    query = "SELECT n, 'infinity'::date AS never FROM generate_series(1, 3) AS n"
    with pytest.raises(ExportError, match="never"):
        export(make(), query, "parquet")
    assert left() == []


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_every_row_of_many_batches_is_there_once(make: Make, kind: str) -> None:
    told: list[int] = []
    service = make()
    question = service.check(MANY, None, cast("Any", kind), "", SEATTLE)
    made = service.export(question, SEATTLE, told.append)
    assert told[-1] == made.rows == 30_000
    assert told == sorted(told)
    if kind == "csv":
        numbers = [int(row[0]) for row in read_csv(made)[1:]]
    elif kind == "xlsx":
        sheet = openpyxl.load_workbook(made.file.path)["Data"]
        rows = sheet.iter_rows(min_row=2, values_only=True)
        numbers = [int(cast("int", row[0])) for row in rows]
    else:
        numbers = pq.read_table(made.file.path)["n"].to_pylist()
    assert numbers == list(range(1, 30_001))


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_a_result_without_rows_is_a_file_with_a_header(make: Make, kind: str) -> None:
    made = export(make(), "SELECT 1 AS one WHERE false", kind)
    assert (made.rows, made.first_rows) == (0, [])
    assert made.file.size > 0


def test_a_file_holds_the_person_s_rows_only(make: Make) -> None:
    query = "SELECT DISTINCT store_id::text FROM retail.orders"
    service = make()
    stores = [
        {row[0] for row in read_csv(export(service, query, user=user))[1:]}
        for user in (SEATTLE, REDMOND)
    ]
    assert [len(store) for store in stores] == [1, 1]
    assert stores[0] != stores[1]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("DELETE FROM retail.orders", "SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", "SYNTAX_ERROR"),
        ("SELECT first_name FROM retail.customer", "UNDEFINED_TABLE"),
        ("SELECT set_config('role', 'zava_owner', true)", "INSUFFICIENT_PRIVILEGE"),
        (
            "SELECT 1 / (n - 20000) FROM generate_series(1, 30000) AS n",
            "DIVISION_BY_ZERO",
        ),
    ],
)
def test_a_query_that_fails_says_so_and_leaves_nothing(
    make: Make, left: Callable[[], list[str]], query: str, code: str
) -> None:
    with pytest.raises(QueryError) as caught:
        export(make(), query)
    assert caught.value.error_code == code
    assert left() == []


def test_a_near_name_is_suggested(make: Make) -> None:
    with pytest.raises(QueryError) as caught:
        export(make(), "SELECT * FROM retail.order")
    assert "retail.orders" in caught.value.facts["suggestions"]


@pytest.mark.parametrize(
    ("ceiling", "error", "says"),
    [
        ({"max_rows": 29_999}, ResultTooLargeError, "29,999 rows"),
        ({"max_bytes": 5000}, ResultTooLargeError, "5,000 bytes"),
        ({"timeout": 0.0}, ExportError, "longer than 0 seconds"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_a_ceiling_ends_an_export_and_leaves_nothing(
    make: Make,
    left: Callable[[], list[str]],
    kind: str,
    ceiling: dict[str, float],
    error: type[MCPError],
    says: str,
) -> None:
    with pytest.raises(error, match=says):
        export(make(**ceiling), MANY, kind)
    assert left() == []


def test_a_sheet_has_a_ceiling_of_its_own_and_it_is_named(
    make: Make, left: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx, "MAX_ROWS", 30_000)
    with pytest.raises(ResultTooLargeError, match="XLSX sheet takes 29,999 rows"):
        export(make(), MANY, "xlsx")
    assert left() == []
    monkeypatch.setattr(xlsx, "MAX_ROWS", 30_001)
    assert export(make(), MANY, "xlsx").rows == 30_000


def test_the_last_moment_of_a_day_is_not_of_the_next(make: Make) -> None:
    query = """
        SELECT timestamptz '2024-02-29 23:59:59.999999+00' AS leap,
            timestamp '9999-12-31 23:59:59.999999' AS last,
            timestamptz '0001-01-01 00:00:00+00' AS first
    """
    book = openpyxl.load_workbook(export(make(), query, "xlsx").file.path)
    leap, last, first = (cell.value for cell in book["Data"][2])
    assert str(leap) == "2024-02-29 23:59:59.999000"
    assert str(last) == "9999-12-31 23:59:59.999000"
    assert first == "0001-01-01 00:00:00+00"


def test_a_text_that_no_cell_holds_is_cut_and_named(make: Make) -> None:
    query = "SELECT repeat('x', 40000) AS long, repeat('y', 32767) AS fits"
    made = export(make(), query, "xlsx")
    sheet = openpyxl.load_workbook(made.file.path)
    assert made.notes == ["texts of long that were cut at 32,767 characters: 1"]
    assert [len(str(cell.value)) for cell in sheet["Data"][2]] == [32_767, 32_767]
    notes = [row[1] for row in sheet["Notes"].iter_rows(values_only=True)]
    assert made.notes[0] in notes


def test_a_cancelled_export_leaves_nothing(
    make: Make, left: Callable[[], list[str]]
) -> None:
    cancellation = Cancellation()

    def report(rows: int) -> None:
        if rows > 1000:
            cancellation.request()

    service = make()
    for kind in ("csv", "xlsx", "parquet"):
        cancellation.is_requested = False
        question = service.check(MANY, None, cast("Any", kind), "", SEATTLE)
        with pytest.raises(CallCancelled), cancellation:
            service.export(question, SEATTLE, report)
        assert left() == []


def test_two_exports_run_at_once_and_a_third_waits_for_nothing(make: Make) -> None:
    service = make()
    both, done = threading.Barrier(3), threading.Event()
    made: list[Export] = []

    def run() -> None:
        waited = False

        def report(_rows: int) -> None:
            nonlocal waited
            if not waited:
                waited = True
                both.wait(PATIENCE)
                done.wait(PATIENCE)

        question = service.check(MANY, None, "csv", "same", SEATTLE)
        made.append(service.export(question, SEATTLE, report))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    both.wait(PATIENCE)
    with pytest.raises(BusyError):
        export(service, "SELECT 1")
    done.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert len({one.file.path for one in made}) == 2
    assert {one.rows for one in made} == {30_000}
    assert export(service, "SELECT 1").rows == 1


def test_nobody_is_nobody(make: Make, left: Callable[[], list[str]]) -> None:
    with pytest.raises(ValidationError):
        export(make(), "SELECT 1", user=NIL)
    with pytest.raises(AuthorizationError):
        export(make(), "SELECT 1", user="5e0d2f6e-97c1-4f0b-a5b8-0b9c2a1d7e34")
    assert left() == []


def test_a_query_or_a_handle_is_needed_and_not_both(make: Make) -> None:
    for query, handle in ((None, None), ("SELECT 1", "handle")):
        with pytest.raises(ValidationError, match="either postgresql_query or handle"):
            make().check(query, handle, "csv", "", SEATTLE)


def test_a_format_whose_library_is_missing_says_what_to_install(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zava.service.exports.formats.find_spec", lambda _name: None)
    for kind in ("xlsx", "parquet"):
        with pytest.raises(ConfigurationError, match=rf"zava\[{kind}\]"):
            make().check("SELECT 1", None, cast("Any", kind), "", SEATTLE)
    assert make().check("SELECT 1", None, "csv", "", SEATTLE).format == "csv"


def test_the_connection_is_as_good_as_new_afterwards(
    make: Make, provider: PostgreSQLProvider
) -> None:
    with pytest.raises(ResultTooLargeError):
        export(make(max_rows=100), MANY)
    identity = provider.resolve_identity(SEATTLE)
    result = provider.fetch("SELECT current_user, pg_typeof(1)::text", identity, 1)
    assert result.rows[0][1] == "integer"
