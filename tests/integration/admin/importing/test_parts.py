"""Several entries of a mapping feed one table: none overwrites what another says."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.integration.admin.importing.conftest import Chain
from tests.integration.admin.importing.test_importing import counts

pytestmark = [pytest.mark.thorough, pytest.mark.once]

# A line has goods, and some have an extra that is another line of the order.
EXTRAS = """
[files.sales]
path = "sales-*.csv"
[tables.orders]
file = "sales"
[tables.orders.columns]
source_id = "bon"
store = "store"
order_date = "day"
total_amount = "sum(price::numeric + coalesce(extra, '0')::numeric)"
[[tables.order_items]]
file = "sales"
columns = { order = "bon", product = "article", quantity = "'1'", total_amount = "price" }
[[tables.order_items]]
file = "sales"
where = "extra IS NOT NULL"
columns = { order = "bon", product = "'extra'", quantity = "'1'", total_amount = "extra", line_kind = "'fee'" }
"""

SALES = (
    "bon,store,day,article,price,extra\n"
    "b1,1,2026-03-05,10,5.00,0.50\n"
    "b1,1,2026-03-05,11,7.00,\n"
    "b2,1,2026-03-05,10,6.00,0.25\n"
)


def test_lines_without_an_id_are_numbered_on_through_all_entries(chain: Chain) -> None:
    chain.write("sales-1.csv", SALES)
    report = chain.load(mapping=EXTRAS, makes_placeholders=True)
    assert report.status == "loaded", report.rejects
    assert [
        (t.inserted, t.amount_in_files, t.amount_in_database)
        for t in report.tables
        if t.table == "order_items"
    ] == [
        (3, Decimal("18.00"), Decimal("18.00")),
        (2, Decimal("0.75"), Decimal("0.75")),
    ]
    assert report.wrong_totals == 0
    lines = (
        "SELECT o.source_id, i.total_amount::text, i.line_kind, i.order_item_id"
        " FROM retail.order_items AS i JOIN retail.orders AS o USING (order_id)"
        " ORDER BY 1, 2"
    )
    before = chain.rows(lines)
    assert [row[:3] for row in before] == [
        ("b1", "0.50", "fee"),
        ("b1", "5.00", "sale"),
        ("b1", "7.00", "sale"),
        ("b2", "0.25", "fee"),
        ("b2", "6.00", "sale"),
    ]
    assert not chain.load(makes_placeholders=True).has_changed_anything
    chain.write("sales-1.csv", SALES.replace("0.25", "0.35"))
    corrected = chain.load(makes_placeholders=True)
    assert [t.updated for t in corrected.tables] == [1, 0, 1]
    assert [row[3] for row in chain.rows(lines)] == [row[3] for row in before]


TWO_LISTS = """
[files.goods]
[files.extras]
[[tables.products]]
file = "goods"
[[tables.products]]
file = "extras"
"""


def test_two_entries_that_disagree_about_a_row_are_told_and_the_first_stays(
    chain: Chain, tmp_path: Path
) -> None:
    chain.write("goods.csv", "source_id,name,base_price\n1,Milk,2.00\n2,Cheese,4.00\n")
    chain.write("extras.csv", "source_id,name\n3,Bag\n1,Soy milk\n")
    refused = chain.load(mapping=TWO_LISTS)
    assert refused.status == "nothing_loaded"
    (reject,) = refused.rejects
    assert (reject.file, reject.line, reject.column, reject.value) == (
        *("extras.csv", 3, "source_id", "1"),
    )
    assert reject.reason == "differs from goods.csv:2 of the same key in name"
    rejects = tmp_path / "rejects.csv"
    loaded = chain.load(reject_file=rejects)
    assert [(t.inserted, t.rejected) for t in loaded.tables] == [(2, 0), (1, 1)]
    assert chain.rows("SELECT sku, name FROM retail.products ORDER BY 1") == [
        ("1", "Milk"),
        ("2", "Cheese"),
        ("3", "Bag"),
    ]
    assert not chain.load(reject_file=rejects).has_changed_anything


def test_two_entries_that_give_different_columns_of_a_row_go_together(
    chain: Chain,
) -> None:
    chain.write("goods.csv", "source_id,name\n1,Milk\n2,Cheese\n")
    chain.write("extras.csv", "source_id,name,base_price\n1,Milk,2.00\n2,Cheese,\n")
    report = chain.load(mapping=TWO_LISTS)
    assert [(t.inserted, t.updated, t.unchanged) for t in report.tables] == [
        (2, 0, 0),
        (0, 1, 1),
    ]
    assert not chain.load().has_changed_anything


def test_files_of_one_kind_that_disagree_name_each_other(chain: Chain) -> None:
    chain.write("list-1.csv", "source_id,name\n1,Milk\n")
    chain.write("list-2.csv", "source_id,name\n1,Soy milk\n")
    report = chain.load(
        mapping='[files.lists]\npath = "list-*"\n[tables.products]\nfile = "lists"\n'
    )
    assert [(r.file, r.reason) for r in report.rejects] == [
        ("list-2.csv", "differs from list-1.csv:2 of the same key in name")
    ]


def test_two_entries_that_disagree_about_an_order_load_nothing_of_it(
    chain: Chain, tmp_path: Path
) -> None:
    chain.write("tills.csv", "id,shop,day,sum\no1,1,2026-03-05,5\no2,1,2026-03-05,6\n")
    chain.write("web.csv", "id,shop,day,sum\no2,1,2026-03-05,7\no3,1,2026-03-05,8\n")
    columns = (
        '{ source_id = "id", store = "shop", order_date = "day", total_amount = "sum" }'
    )
    entries = "".join(
        f'[[tables.orders]]\nfile = "{file}"\ncolumns = {columns}\n'
        for file in ("tills", "web")
    )
    report = chain.load(
        mapping=f"[files.tills]\n[files.web]\n{entries}",
        makes_placeholders=True,
        reject_file=tmp_path / "rejects.csv",
    )
    assert [(r.file, r.reason) for r in report.rejects] == [
        ("web.csv", "differs from tills.csv:3 of the same key in total_amount")
    ]
    assert [(r.file, r.line, r.reason) for r in report.withheld] == [
        ("tills.csv", 3, "the order o2 is refused as a whole: see web.csv:2")
    ]
    assert counts(report)["orders"] == (1, 0, 0)
    assert chain.rows("SELECT source_id FROM retail.orders ORDER BY 1") == [
        ("o1",),
        ("o3",),
    ]


def test_rows_that_no_id_names_are_compared_by_what_identifies_them(
    chain: Chain,
) -> None:
    chain.write("one.csv", "store,product,stock,chain,seen\n1,10,7,Shops,now\n")
    chain.write("two.csv", "store,product,stock,chain,seen\n1,10,8,Stores,now\n")
    parts = "".join(
        f"""
        [[tables.inventory]]
        file = "{file}"
        columns = {{ store = "store", product = "product", stock_level = "stock", counted_at = "now()" }}
        [[tables.chain]]
        file = "{file}"
        columns = {{ name = "chain" }}
        """
        for file in ("one", "two")
    )
    report = chain.load(
        mapping=f"[files.one]\n[files.two]\n{parts}", makes_placeholders=True
    )
    assert [(r.table, r.column, r.value, r.reason) for r in report.rejects] == [
        ("chain", "only_row", "t", "differs from one.csv:2 of the same key in name"),
        ("inventory", "store, product", "1, 10", "differs from one.csv:2 of the same key in stock_level"),
    ]  # fmt: skip
