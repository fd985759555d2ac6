"""An order is loaded as a whole or not at all, and so is a sum over lines."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.admin.importing.conftest import FILES, Chain
from tests.integration.admin.importing.test_importing import FLAT, LINES

pytestmark = [pytest.mark.thorough, pytest.mark.once]

DAYS = (date(2017, 12, 31), date(2018, 1, 1))
BOTH = [("b1", Decimal("1235.55"), 2), ("b2", Decimal("-4.00"), 1)]


def orders(chain: Chain) -> list[tuple[Any, ...]]:
    return chain.rows(
        "SELECT o.source_id, o.total_amount, (SELECT count(*) FROM retail.order_items AS i"
        " WHERE i.order_id = o.order_id) FROM retail.orders AS o ORDER BY 1"
    )


@pytest.fixture
def rejects(tmp_path: Path) -> Path:
    return tmp_path / "rejects.csv"


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        pytest.param("0,99", "0,9,9", "total_amount", id="a value of the sum"),
        pytest.param(";1;0,99", ";one;0,99", "quantity", id="a value of the line"),
        pytest.param(";b;", ";;", "source_id", id="no product"),
    ],
)
def test_an_order_with_a_bad_line_is_refused_and_stays_as_it_was(
    chain: Chain, rejects: Path, old: str, new: str, column: str
) -> None:
    bad = LINES.replace(old, new, 1)
    assert bad != LINES
    chain.write("sales-1.csv", bad.encode("cp1252"))
    report = chain.load(mapping=FLAT, reject_file=rejects)
    assert report.status == "loaded_with_rejects"
    assert {(r.line, r.column) for r in report.rejects} >= {(3, column)}
    assert [(r.line, r.reason) for r in report.withheld] == [
        (2, "the order b1 is refused as a whole: see line 3")
    ]
    assert orders(chain) == BOTH[1:]
    assert report.wrong_totals == 0
    with rejects.open(encoding="utf-8", newline="") as file:
        assert [row[1] for row in csv.reader(file)][-1] == "2"
    # The same with an order that is there, also if its day is sent again.
    chain.write("sales-1.csv", LINES.encode("cp1252"))
    chain.load()
    assert orders(chain) == BOTH
    chain.write("sales-1.csv", bad.replace("1.234,56", "4,00").encode("cp1252"))
    again = chain.load(reject_file=rejects, replace_days=DAYS)
    assert again.status == "loaded_with_rejects"
    assert not again.has_changed_anything
    assert orders(chain) == BOTH
    for table in again.tables:
        if table.table in ("orders", "order_items"):
            assert table.amount_in_database == Decimal("-4.00")


def test_a_bad_order_keeps_its_lines_from_other_files_and_its_copy(
    chain: Chain, rejects: Path
) -> None:
    chain.write_all()
    chain.load()
    before = orders(chain)
    chain.write_all(
        orders=FILES["orders"].replace("3.87", "3.875"),
        order_items=FILES["order_items"].replace("2,2.58", "2,1.00"),
    )
    report = chain.load(
        reject_file=rejects, replace_days=(date(2017, 3, 5), date(2017, 3, 6))
    )
    assert [(r.file, r.line) for r in report.rejects] == [("orders.csv", 2)]
    assert [(r.file, r.line, r.reason) for r in report.withheld] == [
        ("order_items.csv", n, "the order o1 is refused as a whole: see orders.csv:2")
        for n in (2, 3)
    ]
    assert not report.has_changed_anything
    assert orders(chain) == before


def test_an_order_with_a_line_of_an_unknown_product_is_refused_whole(
    chain: Chain, rejects: Path
) -> None:
    chain.write_all(order_items=FILES["order_items"].replace("o1,10,1", "o1,99,1"))
    report = chain.load(reject_file=rejects)
    assert [(r.file, r.line, r.column) for r in report.rejects] == [
        ("order_items.csv", 3, "product")
    ]
    assert sorted((r.file, r.line) for r in report.withheld) == [
        ("order_items.csv", 2),
        ("orders.csv", 2),
    ]
    assert [row[0] for row in orders(chain)] == ["o2", "o3"]
    assert report.wrong_totals == 0
    assert [t.rejected for t in report.tables if t.rejected] == [1, 2]


def test_a_return_of_a_refused_order_is_refused(chain: Chain, rejects: Path) -> None:
    returned = "r1,1,,2017-03-08 10:00,-1.29,o3\nr2,1,,2017-03-09 10:00,-1,r1\n"
    header, *rest = FILES["orders"].replace("1.29", "1.295").splitlines()
    rows = "\n".join([header + ",returns_order", *(f"{r}," for r in rest), returned])
    chain.write_all(orders=rows)
    report = chain.load(reject_file=rejects)
    assert [(r.line, r.column, r.reason) for r in report.rejects] == [
        (4, "total_amount", "more than 2 digits after the point: round() it in the mapping if that is meant"),
        (5, "returns_order", "is refused: see line 4"),
        (6, "returns_order", "is refused: see line 5"),
    ]  # fmt: skip
    assert [row[0] for row in orders(chain)] == ["o1", "o2"]


def test_lines_of_an_order_that_do_not_agree_refuse_the_order(
    chain: Chain, rejects: Path
) -> None:
    # The first of two rows of b1 would have the sum of one line.
    lines = LINES.replace("k1;b;", "k2;b;")
    chain.write("sales-1.csv", lines.encode("cp1252"))
    report = chain.load(mapping=FLAT, reject_file=rejects)
    assert [(r.table, r.line, r.reason) for r in report.rejects] == [
        ("orders", 3, "differs from line 2 of the same key in customer, total_amount")
    ]  # fmt: skip
    assert orders(chain) == BOTH[1:]


def test_a_line_that_is_not_divided_into_fields_stops_a_file_of_sums(
    chain: Chain, rejects: Path
) -> None:
    lines = LINES.replace("Käse;-1", "Käse;;-1")
    chain.write("sales-1.csv", lines.encode("cp1252"))
    report = chain.load(mapping=FLAT, reject_file=rejects)
    assert report.status == "nothing_loaded"
    assert report.obstacles == [
        "sales-1.csv:5: nobody knows which order lacks this row: mend the file"
    ]
    assert chain.value("SELECT count(*) FROM retail.stores") == 0


def test_a_line_with_a_byte_that_is_no_text_refuses_its_order_alone(
    chain: Chain, rejects: Path
) -> None:
    flat = FLAT.replace("cp1252", "utf-8")
    data = LINES.encode().replace(b"b2;8;Bonn", b"b2;8;B\xf6nn")
    chain.write("sales-1.csv", data)
    report = chain.load(mapping=flat, reject_file=rejects)
    assert [(r.line, r.table, r.value) for r in report.rejects] == [(5, "", "0xF6")]
    assert orders(chain) == BOTH[:1]
    # Where the order's own key is damaged, nobody knows which order lacks a line.
    chain.write("sales-1.csv", LINES.encode().replace(b"\nb2;8", b"\nb\xf6;8"))
    assert chain.load(reject_file=rejects).status == "nothing_loaded"


def test_a_maximum_over_a_bad_line_refuses_the_row_that_it_is_of(
    chain: Chain, rejects: Path
) -> None:
    chain.write("prices.csv", "id,name,price\n1,Milk,2\n1,Milk,x\n2,Cheese,4\n")
    report = chain.load(
        mapping="""
        [files.prices]
        [tables.products]
        file = "prices"
        columns = { source_id = "id", name = "name", base_price = "max(price::numeric)" }
        """,
        reject_file=rejects,
    )
    assert [(r.line, r.column) for r in report.rejects] == [(3, "base_price")]
    assert [(r.line, r.reason) for r in report.withheld] == [
        (2, "the row 1 is refused as a whole: see line 3")
    ]
    assert chain.rows("SELECT sku FROM retail.products") == [("2",)]


def test_a_row_that_names_a_refused_one_tells_which(
    chain: Chain, rejects: Path
) -> None:
    chain.write_all(products=FILES["products"].replace("1.29", "1.295"))
    report = chain.load(reject_file=rejects)
    assert [(r.file, r.line, r.reason) for r in report.rejects][1:] == [
        ("order_items.csv", n, "is refused: see products.csv:2") for n in (2, 3, 5)
    ] + [("inventory.csv", 2, "is refused: see products.csv:2")]
    assert [row[0] for row in orders(chain)] == ["o2"]


def test_one_empty_field_is_one_reject(chain: Chain, rejects: Path) -> None:
    chain.write("sales-1.csv", LINES.replace("b2;8;", "b2;NULL;").encode("cp1252"))
    report = chain.load(mapping=FLAT, reject_file=rejects)
    assert [(r.line, r.table, r.column) for r in report.rejects] == [
        (5, "stores", "source_id")
    ]
    assert report.withheld == []
    assert orders(chain) == BOTH[:1]
