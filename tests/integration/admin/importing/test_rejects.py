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
from zava.errors import ConfigurationError

pytestmark = [pytest.mark.thorough, pytest.mark.once]


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
            *("order_items.csv", "4", "order_items", "", ""),
            "the order o2 is refused as a whole: see orders.csv:3",
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
    report = chain.load(reject_file=rejects, max_rejects=0)
    assert report.status == "nothing_loaded"
    assert len(read(rejects)) == 3
    assert chain.value("SELECT count(*) FROM retail.stores") == 0


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
        (b'2,South\n\n1,"K"oln\n', 4, "", "goes on behind its quote"),
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


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b'2,South\n1,"Koln\n3,West\n4,East\n', 3, "lines 3 to 5 cannot be read"),
        (b'1,"Koln\n2,South\n3,"West"\n', 2, "lines 2 to 4 are read as one row"),
        (b'1,"Koln\n2",South\n3,West\n', 2, "lines 2 to 3 are read as one row"),
        (b'1,"Kol\nn"\n2,"So\nuth\n', 4, "lines 4 to 5 cannot be read"),
        (b'1,Koln\n2,"South', 3, "a quoted field begins here and does not end"),
        (b'1,"' + b"Koln\n" * 250_000 + b'"\n2,South\n', 2, "more than a million"),
    ],
)
def test_a_quote_that_does_not_end_is_an_error_of_the_file_and_no_bad_row(
    chain: Chain, tmp_path: Path, data: bytes, line: int, reason: str
) -> None:
    chain.write("stores.csv", b"source_id,name\n" + data)
    report = chain.load(reject_file=tmp_path / "rejects.csv")
    assert report.status == "nothing_loaded"
    assert report.rejects[0].line == line
    assert reason in report.rejects[0].reason
    assert report.obstacles[0] == (
        f"stores.csv:{line}: nobody knows how many rows are lost: mend the file"
    )
    assert chain.value("SELECT count(*) FROM retail.stores") == 0


def test_a_quote_that_does_not_end_is_told_by_the_line_that_opens_it(
    chain: Chain,
) -> None:
    chain.write("stores.csv", b'source_id,name,location\n1,"A\nB","C\nD\n2,E,F\n')
    assert chain.load().rejects[0].line == 3


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("stores.csv", "source_id;name\n1;North\n", 'give delimiter = ";"'),
        ("stores.csv", "source_id\tname\n1\tNorth\n", r'give delimiter = "\\t"'),
        ("stores.csv", '"source_id";"name"\n', "delimiter ',' is expected"),
        ("stores.csv", b"source_id,n\xe4me\n1,North\n", "give its encoding"),
        ("mapping.toml", "[tables.stores]\n[[tables.stores]]\n", r"write \[\[tables.stores\]\]"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_as_a_whole_is_told_with_the_remedy(
    chain: Chain, name: str, data: str | bytes, says: str
) -> None:
    chain.write(name, data)
    with pytest.raises(ConfigurationError, match=says):
        chain.load()


def test_what_two_rows_may_not_share_is_told_with_its_line(chain: Chain) -> None:
    chain.write("stores.csv", "source_id,name,opened_on\n1,North,2017-01-01\n")
    chain.write(
        "customers.csv",
        "source_id,store,email\nc1,1,a@x.org\nc2,1,b@x.org\nc3,1,a@x.org\n",
    )
    (reject,) = chain.load().rejects
    assert (reject.line, reject.column, reject.value, reject.reason) == (
        *(4, "store, email", "1, a@x.org", "an earlier row has this already"),
    )


def test_a_rule_over_a_column_that_the_file_does_not_give_is_told_with_its_line(
    chain: Chain,
) -> None:
    chain.write_all()
    chain.load()
    chain.write("stores.csv", "source_id,closed_on\n2,2016-01-01\n1,2016-01-01\n")
    (reject,) = chain.load(chain.folder / "stores.csv").rejects
    assert (reject.line, reject.column, reject.value) == (3, "closed_on", "2016-01-01")
    assert "stores_closed_after_opened" in reject.reason
    chain.write("customers.csv", "source_id,email\nc2,ann@example.com\n")
    assert chain.load(chain.folder / "customers.csv").status == "loaded"
    chain.write("customers.csv", "source_id,store\nc2,1\n")
    (reject,) = chain.load(chain.folder / "customers.csv").rejects
    assert (reject.line, reject.column) == (2, "store")
    assert reject.reason == "another row of the database has this already"


def test_files_of_the_folder_that_nothing_names_are_told(chain: Chain) -> None:
    chain.write("stores.csv", FILES["stores"])
    chain.write("Customers.csv", FILES["customers"])
    chain.write("order_item.csv", FILES["order_items"])
    chain.write("README", "no data")
    assert chain.load().unread_files == [
        "Customers.csv; did you mean customers or stores?",
        "order_item.csv; did you mean order_items or orders?",
    ]
    assert chain.load(mapping="[files.stores]\n[tables.stores]\n").unread_files == [
        "Customers.csv",
        "order_item.csv",
    ]


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
    assert (report.status, report.lines, report.tables[0].read) == ("loaded", 2, 2)
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
