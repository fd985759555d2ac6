"""`zava import`: files become rows, the same files twice change nothing."""

from __future__ import annotations

import hashlib
import uuid
from decimal import Decimal

import pytest

from tests.integration.admin.importing.conftest import FILES, Chain
from zava.admin.importing.report import ImportReport
from zava.admin.totals import refresh_totals
from zava.errors import ConfigurationError

pytestmark = pytest.mark.thorough


def counts(report: ImportReport) -> dict[str, tuple[int, int, int]]:
    return {t.table: (t.inserted, t.updated, t.unchanged) for t in report.tables}


def test_files_named_like_the_tables_are_taken_as_they_are(chain: Chain) -> None:
    chain.write_all()
    report = chain.load()
    assert report.status == "loaded"
    assert counts(report) == {
        "chain": (0, 1, 0),
        "stores": (2, 0, 0),
        "categories": (2, 0, 0),
        "product_types": (1, 0, 0),
        "products": (2, 0, 0),
        "customers": (2, 0, 0),
        "orders": (3, 0, 0),
        "order_items": (4, 0, 0),
        "inventory": (1, 0, 0),
    }
    assert chain.rows(
        "SELECT source_id, business_day::text, total_amount, status FROM retail.orders"
        " ORDER BY source_id"
    ) == [
        # The moment is the next day in Berlin; the two others are local times.
        ("o1", "2017-03-06", Decimal("3.87"), "completed"),
        ("o2", "2017-03-05", Decimal("9.90"), "completed"),
        ("o3", "2017-03-06", Decimal("1.29"), "completed"),
    ]
    assert (
        chain.value("SELECT count(*) FROM retail.orders WHERE customer_id IS NULL") == 1
    )
    assert str(report.first_day) == "2017-03-05"
    assert str(report.last_day) == "2017-03-06"
    assert report.wrong_totals == 0
    orders = next(t for t in report.tables if t.table == "orders")
    assert orders.amount_in_files == orders.amount_in_database == Decimal("15.06")


def test_the_same_files_twice_change_nothing_and_mark_nothing(chain: Chain) -> None:
    chain.write_all()
    chain.load()
    refresh_totals(chain.loader, lambda *_: None)
    before = chain.rows("SELECT max(xmin::text::bigint) FROM retail.order_items")
    report = chain.load()
    assert not report.has_changed_anything
    assert {(new, changed) for new, changed, _ in counts(report).values()} == {(0, 0)}
    assert chain.value("SELECT count(*) FROM retail.changed_orders") == 0
    assert (
        chain.rows("SELECT max(xmin::text::bigint) FROM retail.order_items") == before
    )


def test_a_changed_row_is_updated_and_marks_its_own_day_only(chain: Chain) -> None:
    chain.write_all()
    chain.load()
    refresh_totals(chain.loader, lambda *_: None)
    chain.write_all(orders=FILES["orders"].replace("9.90", "9.95"))
    report = chain.load()
    assert counts(report)["orders"] == (0, 1, 2)
    assert chain.rows("SELECT DISTINCT day::text FROM retail.changed_orders") == [
        ("2017-03-05",)
    ]
    assert report.wrong_totals == 1
    assert report.wrong_total_examples == ["o2"]


def test_the_chains_file_holds_the_rules_of_segments(chain: Chain) -> None:
    names = "frequent_share,big_spender_share,usual_gap_quantile,new_for_days,lapsed_after_days"
    chain.write("chain.csv", f"name,{names}\nCorner Shops,0.2,0.05,0.9,60,365\n")
    assert chain.load().status == "loaded"
    assert chain.rows(f"SELECT {names} FROM retail.chain") == [
        (Decimal("0.200"), Decimal("0.050"), Decimal("0.900"), 60, 365)
    ]
    chain.write("chain.csv", "name,frequent_share\nCorner Shops,0.9\n")
    assert chain.load().status == "nothing_loaded"


def test_keys_are_derived_from_the_chains_own_and_known_rows_keep_theirs(
    chain: Chain,
) -> None:
    chain.write_all()
    chain.execute(
        "INSERT INTO retail.stores (store_id, source_id, name)"
        " VALUES (md5('old')::uuid, '1', 'Old name')"
    )
    chain.load()
    digest = bytearray(hashlib.sha256(b"stores:2").digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    assert chain.rows("SELECT source_id, store_id FROM retail.stores ORDER BY 1") == [
        ("1", uuid.UUID(hashlib.md5(b"old").hexdigest())),  # noqa: S324
        ("2", uuid.UUID(bytes=bytes(digest))),
    ]


def test_a_line_without_an_id_is_known_by_its_order_and_place(chain: Chain) -> None:
    chain.write_all()
    chain.load()
    lines = FILES["order_items"].replace("o1,10,1,1.29", "o1,10,1,1.19")
    chain.write_all(order_items=lines)
    report = chain.load()
    assert counts(report)["order_items"] == (0, 1, 3)
    digest = bytearray(hashlib.sha256(b"orders:o1").digest()[:12])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    assert chain.rows(
        "SELECT order_item_id FROM retail.order_items WHERE total_amount = 1.19"
    ) == [(uuid.UUID(bytes=bytes(digest) + (2).to_bytes(4, "big")),)]


def test_a_type_moves_to_another_category_with_its_products(chain: Chain) -> None:
    chain.write_all()
    chain.load()
    types = chain.write(
        "product_types.csv", FILES["product_types"].replace("Milk,D", "Milk,F")
    )
    assert counts(chain.load(types)) == {"product_types": (0, 1, 0)}
    query = (
        "SELECT p.source_id, c.source_id FROM retail.products AS p"
        " JOIN retail.categories AS c USING (category_id) ORDER BY 1"
    )
    assert chain.rows(query) == [("10", "F"), ("11", "D")]
    # The products may say so too, or still say otherwise.
    report = chain.load()
    assert [(r.file, r.reason) for r in report.rejects] == [
        ("products.csv", "belongs to another category")
    ]
    chain.write_all(
        product_types=FILES["product_types"],
        products=FILES["products"].replace("milk,D", "milk,F"),
    )
    assert [r.line for r in chain.load().rejects] == [2]
    chain.write_all(product_types=FILES["product_types"])
    assert counts(chain.load())["product_types"] == (0, 1, 0)
    assert chain.rows(query) == [("10", "D"), ("11", "D")]


def test_rows_of_one_file_swap_what_no_two_rows_share(chain: Chain) -> None:
    managers = [f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3)]
    stores = "source_id,name,manager_id\n1,{},{}\n2,{},{}\n3,{},{}\n"
    customers = "source_id,store,email\nc1,1,{}@example.com\nc2,1,{}@example.com\n"

    def write(
        names: str, managers: list[str], skus: tuple[str, str], mails: tuple[str, str]
    ) -> None:
        named = zip(names, managers, strict=True)
        chain.write_all(
            stores=stores.format(*(part for pair in named for part in pair)),
            products=FILES["products"].replace("A10", skus[0]).replace("A11", skus[1]),
            categories=FILES["categories"].replace("Dairy", names[0]),
            customers=customers.format(*mails),
        )

    write("NSW", managers, ("x", "y"), ("ann", "bob"))
    assert chain.load().status == "loaded"
    # In a ring, and with a new row that takes what another gives up.
    write("SWN", managers[1:] + managers[:1], ("y", "x"), ("bob", "ann"))
    chain.write("stores.csv", (chain.folder / "stores.csv").read_text() + "4,E,\n")
    report = chain.load()
    assert report.status == "loaded", report.rejects
    assert {
        table: changed
        for table, (_, changed, _) in counts(report).items()
        if table in ("stores", "products", "customers")
    } == {"stores": 3, "products": 2, "customers": 2}
    assert chain.rows(
        "SELECT name, manager_id::text FROM retail.stores ORDER BY source_id"
    ) == [("S", managers[1]), ("W", managers[2]), ("N", managers[0]), ("E", None)]
    assert chain.rows("SELECT sku FROM retail.products ORDER BY source_id") == [
        ("y",),
        ("x",),
    ]
    assert chain.rows("SELECT email FROM retail.customers ORDER BY source_id") == [
        ("bob@example.com",),
        ("ann@example.com",),
    ]


FLAT = """
[files.lines]
path = "sales-*.csv"
encoding = "cp1252"
delimiter = ";"
null = ["", "NULL"]

[tables.stores]
file = "lines"
[tables.stores.columns]
source_id = '"Markt-Nr"'
name = '''"Markt-Nr" || ' ' || "Ort"'''

[tables.products]
file = "lines"
[tables.products.columns]
source_id = "artikel"
name = "bezeichnung"

[tables.customers]
file = "lines"
where = "karte IS NOT NULL"
[tables.customers.columns]
source_id = "karte"

[tables.orders]
file = "lines"
[tables.orders.columns]
source_id = "bon"
store = '"Markt-Nr"'
customer = "karte"
order_date = "to_timestamp(zeit, 'DD.MM.YYYY HH24:MI')::timestamp"
total_amount = "sum(replace(replace(betrag, '.', ''), ',', '.')::numeric)"

[tables.order_items]
file = "lines"
[tables.order_items.columns]
order = "bon"
product = "artikel"
quantity = "replace(menge, ',', '.')"
total_amount = "replace(replace(betrag, '.', ''), ',', '.')"
line_kind = "CASE WHEN left(betrag, 1) = '-' THEN 'return' ELSE 'sale' END"
"""

LINES = (
    "bon;Markt-Nr;Ort;zeit;karte;artikel;bezeichnung;menge;betrag\r\n"
    "b1;7;Köln;31.12.2017 23:10;k1;a;Käse;0,250;1.234,56\r\n"
    'b1;7;Köln;31.12.2017 23:10;k1;b;"Milch; ""frisch""\r\nund fett";1;0,99\r\n'
    "b2;8;Bonn;01.01.2018 09:00;NULL;a;Käse;-1;-4,00\r\n"
)


def test_a_flat_file_feeds_every_table(chain: Chain) -> None:
    chain.write("sales-1.csv", LINES.encode("cp1252"))
    report = chain.load(mapping=FLAT)
    assert report.status == "loaded", report.rejects
    assert counts(report) == {
        "stores": (2, 0, 0),
        "products": (2, 0, 0),
        "customers": (1, 0, 0),
        "orders": (2, 0, 0),
        "order_items": (3, 0, 0),
    }
    assert chain.rows("SELECT name FROM retail.stores ORDER BY name") == [
        ("7 Köln",),
        ("8 Bonn",),
    ]
    assert chain.rows(
        "SELECT source_id, business_day::text, total_amount, is_return"
        " FROM retail.orders ORDER BY 1"
    ) == [
        ("b1", "2017-12-31", Decimal("1235.55"), False),
        ("b2", "2018-01-01", Decimal("-4.00"), True),
    ]
    assert chain.value("SELECT name FROM retail.products WHERE sku = 'b'") == (
        'Milch; "frisch"\r\nund fett'
    )
    assert not chain.load().has_changed_anything


def test_rows_of_one_key_have_to_agree(chain: Chain) -> None:
    chain.write("sales-1.csv", LINES.replace("b2;8;Bonn", "b2;7;Bonn").encode("cp1252"))
    report = chain.load(mapping=FLAT)
    assert report.status == "nothing_loaded"
    (reject, *_) = report.rejects
    assert (reject.table, reject.line, reject.value) == ("stores", 5, "7")
    assert reject.reason == "differs from line 2 of the same key in name"
    assert chain.value("SELECT count(*) FROM retail.stores") == 0


@pytest.mark.once
@pytest.mark.parametrize(
    ("table", "old", "new", "line", "column", "reason"),
    [
        ("orders", "3.87", "3.87€", 2, "total_amount", "invalid input syntax"),
        ("orders", "3.87", "", 2, "total_amount", "is empty"),
        ("orders", "3.87", "3.875", 2, "total_amount", "more than 2 digits after"),
        ("orders", "3.87", "NaN", 2, "total_amount", "more than 8 digits before"),
        ("orders", "o1,1", "o1,9", 2, "store", "stores has no such source_id"),
        ("orders", "10:00", "25:00", 4, "order_date", "out of range"),
        ("orders", "2017-03-06", "06/03/2017", 4, "order_date", "out of range"),
        ("orders", "2017-03-06 10:00", "2017-03-26 02:30", 4, "order_date", "the clocks skip it"),
        ("orders", "2017-03-05T23:30:00Z", "2016-12-31T23:59:60Z", 2, "order_date", "a leap second"),
        ("orders", "o3,1", "o1,1", 4, "source_id", "differs from line 2"),
        ("order_items", "o2,11", "o2,99", 4, "product", "products has no such"),
        ("order_items", "1.000", "1e10", 4, "quantity", "breaks the rule"),
        ("stores", "America/New_York", "Amerika", 3, "time_zone", "not recognized"),
        ("stores", "2,South", "2,North", 3, "name", "an earlier row has this"),
        ("stores", "2,South", ",South", 3, "source_id", "is empty"),
        ("customers", "c2,,Bob,", "c2,1,Bob,ann@example.com", 3, "store, email", "an earlier row has this"),
        ("products", "9.90,kg", "9.90,kg,x", 3, "", "8 fields where the header has 7"),
        ("products", "Cheese", "x" * 201, 3, "name", "longer than 200 characters"),
        ("products", "10,A10,Fresh milk,D", "10,A10,Fresh milk,F", 2, "type", "another category"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_with_its_place_and_reason_and_nothing_is_loaded(
    chain: Chain, table: str, old: str, new: str, line: int, column: str, reason: str
) -> None:
    assert old in FILES[table]
    chain.write_all(**{table: FILES[table].replace(old, new, 1)})
    report = chain.load()
    assert report.status == "nothing_loaded"
    assert report.exit_status == 1
    first = report.rejects[0]
    assert (first.file, first.line, first.column) == (f"{table}.csv", line, column)
    assert reason in first.reason
    assert chain.value("SELECT count(*) FROM retail.stores") == 0


def test_a_mapping_that_means_nothing_is_refused_with_near_names(chain: Chain) -> None:
    chain.write_all(stores="source_id,naem\n1,North\n")
    with pytest.raises(ConfigurationError, match=r"no column naem .*did you mean name"):
        chain.load()
    chain.write("sales-1.csv", LINES.encode("cp1252"))
    with pytest.raises(
        ConfigurationError, match=r'"artikl" does not exist; did you mean artikel'
    ):
        chain.load(mapping=FLAT.replace('product = "artikel"', 'product = "artikl"'))
    with pytest.raises(ConfigurationError, match="no such table; did you mean orders"):
        chain.load(mapping=FLAT.replace("[tables.orders", "[tables.ordres"))
