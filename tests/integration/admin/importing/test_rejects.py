"""Bad rows aside, placeholders, replaced days, files of any encoding."""

from __future__ import annotations

import csv
import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from tests.integration.admin.importing.conftest import FILES, Chain
from tests.integration.admin.importing.test_importing import FLAT, LINES, counts
from zava.errors import ConfigurationError, DatabaseError

pytestmark = pytest.mark.thorough

DAY = date(2017, 3, 6)


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_the_rest_is_loaded_and_rejects_are_written(
    chain: Chain, tmp_path: Path
) -> None:
    chain.write_all(
        orders=FILES["orders"].replace("9.90", "lots"),
        products=FILES["products"].replace("kg", "kg,5"),
    )
    rejects = tmp_path / "rejects.csv"
    report = chain.load(reject_file=rejects)
    assert (report.status, report.exit_status) == ("loaded_with_rejects", 2)
    assert read(rejects) == [
        ["file", "line", "table", "column", "value", "reason"],
        ["products.csv", "3", "", "", "", "8 fields where the header has 7"],
        [
            *("orders.csv", "3", "orders", "total_amount", "lots"),
            'invalid input syntax for type numeric: "lots"',
        ],
        [
            *("order_items.csv", "4", "order_items", "order", "o2"),
            "orders has no such source_id",
        ],
        [
            *("order_items.csv", "4", "order_items", "product", "11"),
            "products has no such source_id",
        ],
    ]
    assert chain.value("SELECT count(*) FROM retail.order_items") == 3
    lines = next(t for t in report.tables if t.table == "order_items")
    assert lines.rejected == 1
    assert lines.amount_in_files == Decimal("15.06")
    assert lines.amount_in_database == Decimal("5.16")


def test_more_rejects_than_admitted_load_nothing(chain: Chain, tmp_path: Path) -> None:
    chain.write_all(orders=FILES["orders"].replace("9.90", "lots"))
    rejects = tmp_path / "rejects.csv"
    report = chain.load(reject_file=rejects, max_rejects=1)
    assert report.status == "nothing_loaded"
    assert len(read(rejects)) == 3
    assert chain.value("SELECT count(*) FROM retail.stores") == 0


def test_a_line_at_fault_takes_no_part_in_the_sum_of_its_order(
    chain: Chain, tmp_path: Path
) -> None:
    chain.write("sales-1.csv", LINES.replace("0,99", "0.9.9,x").encode("cp1252"))
    report = chain.load(mapping=FLAT, reject_file=tmp_path / "rejects.csv")
    assert [(r.line, r.column, r.value) for r in report.rejects] == [
        (3, "total_amount", "0.9.9,x")
    ]
    assert report.wrong_totals == 0
    assert chain.value(
        "SELECT total_amount FROM retail.orders WHERE source_id = 'b1'"
    ) == (Decimal("1234.56"))


def test_placeholders_stand_for_what_only_sales_know_until_it_is_known(
    chain: Chain,
) -> None:
    orders = FILES["orders"].replace("o3,1,,", "o3,9,c9,")
    lines = FILES["order_items"].replace("o3,10", "o3,99")
    chain.write_all(orders=orders, order_items=lines)
    report = chain.load(makes_placeholders=True)
    assert report.status == "loaded"
    made = [p for t in report.tables for p in t.placeholders]
    assert made == ["store 9", "customer c9", "product 99"]
    assert chain.rows(
        "SELECT (SELECT name FROM retail.stores WHERE source_id = '9'),"
        " (SELECT last_name FROM retail.customers WHERE source_id = 'c9'),"
        " (SELECT name FROM retail.products WHERE sku = '99')"
    ) == [("unknown store 9", "unknown customer c9", "unknown product 99")]
    assert not chain.load(makes_placeholders=True).has_changed_anything
    chain.write_all(
        orders=orders,
        order_items=lines,
        products=FILES["products"] + "99,A99,Bread,F,,2,piece\n",
    )
    assert counts(chain.load(makes_placeholders=True))["products"] == (0, 1, 2)


def test_replaced_days_lose_what_the_files_do_not_have(chain: Chain) -> None:
    chain.write_all()
    chain.load()
    orders = FILES["orders"].replace("o3,1,,2017-03-06 10:00,1.29\n", "")
    lines = (
        FILES["order_items"].replace("o1,10,1,1.29\n", "").replace("o3,10,1,1.29\n", "")
    )
    chain.write_all(orders=orders, order_items=lines)
    assert chain.load().tables[-2].deleted == 0
    assert chain.value("SELECT count(*) FROM retail.orders") == 3
    report = chain.load(replace_days=(DAY, DAY))
    deleted = {t.table: t.deleted for t in report.tables if t.deleted}
    assert deleted == {"orders": 1, "order_items": 1}
    assert chain.rows("SELECT source_id FROM retail.orders ORDER BY 1") == [
        ("o1",),
        ("o2",),
    ]
    assert chain.value("SELECT count(*) FROM retail.order_items") == 2


def test_an_order_that_a_later_return_names_is_not_replaced_away(chain: Chain) -> None:
    returned = "r1,1,,2017-03-08 10:00,-1.29,o3\n"
    header, *rest = FILES["orders"].splitlines()
    orders = "\n".join([header + ",returns_order", *(f"{r}," for r in rest), returned])
    chain.write_all(orders=orders)
    chain.load()
    assert chain.value("SELECT is_return FROM retail.orders WHERE source_id = 'r1'")
    chain.write_all(
        orders=FILES["orders"].replace("o3,1,,2017-03-06 10:00,1.29\n", ""),
        order_items=FILES["order_items"].replace("o3,10,1,1.29\n", ""),
    )
    with pytest.raises(DatabaseError, match="the return r1"):
        chain.load(replace_days=(DAY, DAY))
    assert chain.value("SELECT count(*) FROM retail.orders") == 4


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        pytest.param("utf-8", "source_id,name\n1,Köln\n".encode(), id="utf-8"),
        pytest.param("utf-8", "\ufeffsource_id,name\r\n1,Köln\r\n".encode(), id="utf-8-bom"),
        pytest.param("cp1252", "source_id,name\r1,Köln\r".encode("cp1252"), id="cp1252-cr"),
        pytest.param("utf-16", "source_id,name\n1,Köln\n".encode("utf-16"), id="utf-16"),
    ],
)  # fmt: skip
def test_files_of_any_encoding_and_line_end_are_read(
    chain: Chain, encoding: str, data: bytes
) -> None:
    chain.write("stores.csv", data)
    mapping = f'[files.stores]\npath = "stores.csv"\nencoding = "{encoding}"\n[tables.stores]\n'
    assert chain.load(mapping=mapping).status == "loaded"
    assert chain.value("SELECT name FROM retail.stores") == "Köln"


@pytest.mark.parametrize(
    ("data", "line", "value", "reason"),
    [
        (b"1,K\xf6ln\n2,South\n", 2, "0xF6", "is no text in utf-8"),
        (b"2,South\n1,K\0ln\n", 3, "", "a NUL character"),
        (b'2,South\n\n1,"K"oln\n', 4, "", "quotes do not match"),
        (b'2,South\n1,"Koln\n3,West\n', 3, "", "begins here and does not end"),
        (b'2,"South\nand\nWest"\n1\n', 5, "", "1 fields where the header has 2"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_physical_line(
    chain: Chain, tmp_path: Path, data: bytes, line: int, value: str, reason: str
) -> None:
    chain.write("stores.csv", b"source_id,name\n" + data)
    report = chain.load(reject_file=tmp_path / "rejects.csv")
    assert chain.rows("SELECT source_id FROM retail.stores") == [("2",)]
    (reject,) = report.rejects
    assert (reject.line, reject.value) == (line, value)
    assert reason in reject.reason


def test_packed_files_and_no_header_and_empty_texts(chain: Chain) -> None:
    packed = gzip.compress(b"1|North|\n2|South|-\n")
    chain.write("shops-2017.csv.gz", packed)
    chain.load(
        mapping="""
        [files.shops]
        path = "shops-*"
        delimiter = "|"
        columns = ["nr", "name", "place"]
        null = ["-"]
        [tables.stores]
        file = "shops"
        columns = { source_id = "nr", name = "name", location = "place" }
        """
    )
    assert chain.rows("SELECT name, location FROM retail.stores ORDER BY 1") == [
        ("North", ""),
        ("South", None),
    ]


def test_parquet_is_read_like_csv(chain: Chain) -> None:
    table = pyarrow.table(
        {
            "source_id": [1, 2],
            "name": ["North", "South"],
            "opened_on": [date(2017, 1, 1), None],
        }
    )
    parquet.write_table(table, chain.folder / "stores.parquet")
    report = chain.load()
    assert (report.status, report.lines) == ("loaded", 2)
    assert chain.rows("SELECT source_id, opened_on FROM retail.stores ORDER BY 1") == [
        ("1", date(2017, 1, 1)),
        ("2", None),
    ]


def test_a_missing_file_is_no_empty_one(chain: Chain) -> None:
    with pytest.raises(ConfigurationError, match="holds nothing to load"):
        chain.load()
    chain.write("sales-1.csv", LINES.encode("cp1252"))
    more = FLAT + '\n[files.stock]\n[tables.inventory]\nfile = "stock"\n'
    with pytest.raises(ConfigurationError, match="has no stock"):
        chain.load(mapping=more)
    assert chain.load(chain.folder / "sales-1.csv").status == "loaded"


def test_a_price_list_alone_changes_prices_and_nothing_else(chain: Chain) -> None:
    chain.write_all()
    chain.load()
    chain.write("products.csv", "source_id,base_price\n10,1.49\n")
    report = chain.load(chain.folder / "products.csv")
    assert counts(report) == {"products": (0, 1, 0)}
    assert chain.rows(
        "SELECT name, base_price FROM retail.products WHERE sku = 'A10'"
    ) == [("Fresh milk", Decimal("1.49"))]
    chain.write("products.csv", "source_id,base_price\n12,1.49\n")
    with pytest.raises(ConfigurationError, match="a new row needs name"):
        chain.load(chain.folder / "products.csv")
