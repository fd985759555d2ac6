"""The command itself: what it prints, its exit status, and day by day like at once."""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.integration.admin.importing.conftest import FILES, Chain
from zava.cli import main

pytestmark = [pytest.mark.thorough, pytest.mark.once]

Run = Callable[..., Result]


@pytest.fixture
def run(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `zava` on the chain's database, with nothing that embeds."""
    monkeypatch.setenv("ZAVA_ADMIN_URL", chain.conninfo)
    monkeypatch.setenv("ZAVA_EMBEDDING_PROVIDER", "none")

    def run_here(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(a) for a in arguments])

    return run_here


def test_a_load_prints_a_table_the_totals_and_what_is_odd(
    chain: Chain, run: Run
) -> None:
    orders = FILES["orders"].replace("9.90", "9.95")
    stores = FILES["stores"] + "3,West,Lyon,,\n"
    chain.write_all(orders=orders, stores=stores)
    done = run("import", chain.folder)
    assert done.exit_code == 0, done.output
    assert "totals: 2 days of stores" in done.output
    assert (
        "orders: total_amount 15.11 in the files; 15.11 in the database" in done.output
    )
    assert "business days: 2017-03-05 to 2017-03-06" in done.output
    assert "stores without a sale on these days: 1 (West)" in done.output
    assert "orders whose total differs from their lines: 1 (o2)" in done.output
    again = run("import", chain.folder)
    assert again.exit_code == 0
    assert "nothing has changed: 19 lines" in again.output
    assert "totals:" not in again.output


def test_the_report_for_programs_and_the_exit_statuses(chain: Chain, run: Run) -> None:
    chain.write_all(orders=FILES["orders"].replace("9.90", "lots"))
    refused = run("import", chain.folder, "--json")
    assert refused.exit_code == 1
    report: dict[str, Any] = json.loads(refused.stdout)
    assert report["status"] == "nothing_loaded"
    assert report["rejects"][0] == {
        "file": "orders.csv",
        "line": 3,
        "table": "orders",
        "column": "total_amount",
        "value": "lots",
        "reason": 'invalid input syntax for type numeric: "lots"',
    }
    shown = run("import", chain.folder)
    assert "orders.csv:3: orders.total_amount: invalid input syntax" in shown.output
    assert shown.output.endswith(
        "nothing was loaded: 1 bad row and 1 row of the same orders or keys;"
        " --reject FILE loads the rest\n"
    )
    rejects = chain.folder.parent / "rejects.csv"
    loaded = run("import", chain.folder, "--json", "--reject", rejects)
    assert loaded.exit_code == 2
    assert json.loads(loaded.stdout)["tables"][6]["amount_in_database"] == "5.16"
    assert run("import", chain.folder, "--reject", rejects).exit_code == 2


def test_a_file_without_a_byte_is_named_as_empty(chain: Chain, run: Run) -> None:
    chain.write_all(stores="", customers="")
    says = "empty, without a row or names of columns: customers.csv, stores.csv"
    assert says in run("import", chain.folder, "--check").output
    done = run("import", chain.folder)
    assert says in done.output
    # The stores of the orders are not known, and one bad row is no two.
    assert (
        "orders.csv:2: orders.store: stores has no such source_id: '1'" in done.output
    )
    chain.empty()
    for path in chain.folder.iterdir():
        path.write_bytes(b"")
    done = run("import", chain.folder, "--json")
    assert len(json.loads(done.stdout)["empty_files"]) == 9
    assert (
        "nothing has changed: the files have no lines"
        in run("import", chain.folder).output
    )
    chain.write("stores.csv", "source_id,name\n1,\n")
    done = run("import", chain.folder / "stores.csv")
    assert "nothing was loaded: 1 bad row; --reject" in done.output


def test_a_check_and_a_template_print_what_they_did(chain: Chain, run: Run) -> None:
    folder = chain.folder.parent / "new"
    written = run("import", "--template", folder)
    assert written.output == f"12 files in {folder}; COLUMNS.md explains each column\n"
    checked = run("import", folder, "--check")
    assert checked.exit_code == 0, checked.output
    assert "order_items from order_items.csv, 2 lines" in checked.output
    assert (
        json.loads(run("import", folder, "--check", "--json").stdout)["rejects"] == []
    )
    assert chain.value("SELECT count(*) FROM retail.stores") == 0


def test_a_person_is_forgotten_by_the_command(chain: Chain, run: Run) -> None:
    chain.write_all()
    chain.load()
    assert "; 1 order stays" in run("forget-customer", "c1").output
    assert run("forget-customer", "c9").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name a folder or files to load"),
        (["nowhere"], "there is no file or folder nowhere"),
        (["--template", "t", "x.csv"], "name none to load"),
        (["x", "--maping", "till.toml"], "--mapping"),
        (["x", "--replace-days", "24.12.2017"], "is not FROM..TO"),
        (["x", "--replace-days", "2017-02-02..2017-01-01"], "ends before it begins"),
        (["x", "--replace-empty-days"], "needs --replace-days"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_no_status_of_a_load(
    run: Run, arguments: list[str], says: str
) -> None:
    done = run("import", *arguments)
    assert done.exit_code == 1  # 2 is a load with rejects
    assert says in done.output
    assert len(done.output.splitlines()) == 1


def test_bad_rows_are_counted_by_their_reason_and_nothing_is_said_to_be_loaded(
    chain: Chain, run: Run
) -> None:
    orders = "source_id,store,order_date,total_amount\n" + "".join(
        f"o{n},1,2017-03-06 10:00,{n}.125\n" for n in range(1200)
    )
    chain.write_all(
        orders=orders,
        order_items=FILES["order_items"].splitlines()[0] + "\n",
        products=FILES["products"].replace("source_id,sku", "source_id,brand")
        + "10,A10,Soy milk,D,M,1.29,piece\n",
    )
    shown = run("import", chain.folder).output.splitlines()
    assert "would be new" in shown[0]
    assert not [line for line in shown if "in the database" in line]
    first = next(n for n, line in enumerate(shown) if line.startswith("bad rows"))
    assert [line.split()[:2] for line in shown[first + 1 : first + 3]] == [
        ["1,200", "or"],
        ["1", "or"],
    ]
    assert "orders.total_amount  more than … digits after the point" in shown[first + 1]
    assert [line for line in shown if line.startswith("products.csv")] == [
        "products.csv:4: products.source_id: differs from line 2 of the same key in"
        " name: '10'"
    ]
    assert len([line for line in shown if line.startswith("orders.csv")]) == 2
    assert shown[-1] == (
        "nothing was loaded: 1,201 bad rows or more; --max-rejects admits 1,000"
    )
    report = json.loads(run("import", chain.folder, "--json").stdout)
    assert report["reject_groups"][1]["count"] == 1200
    assert {t["amount_in_database"] for t in report["tables"]} == {None}


def test_a_check_finds_what_the_load_would_find_and_lets_nothing_stay(
    chain: Chain, run: Run
) -> None:
    chain.write_all(orders=FILES["orders"].replace("o3,1", "o3,9"), chain="naem\nx\n")
    (chain.folder / "chain.csv").unlink()
    checked = run("import", chain.folder, "--check")
    assert checked.exit_code == 1
    assert "orders.csv:4: orders.store: stores has no such source_id: '9'" in (
        checked.output
    )
    assert "orders: total_amount 15.06 in the files; 13.77 could be loaded" in (
        checked.output
    )
    rejects = chain.folder / "rejects.csv"
    rejects.write_text("left by the last night")
    options = ("--reject", rejects, "--replace-days", "2017-03-05")
    tried = run("import", chain.folder, "--check", *options)
    assert tried.exit_code == 1
    assert "replaced: 2 days of stores; deleted" in tried.output
    assert "all but 1 bad row and 1 row of the same orders or keys would be" in (
        tried.output
    )
    assert "rejects.csv" not in tried.output.split("nothing was loaded")[0]
    assert chain.value("SELECT count(*) FROM retail.orders") == 0
    chain.write("orders.csv", "source_id\no1\n")
    lacking = run("import", chain.folder, "--check")
    assert lacking.exit_code == 1
    assert "missing, and needed for new rows: store, total_amount, order_date" in (
        lacking.output
    )


def test_what_is_ended_after_the_load_leaves_it_and_says_so(
    chain: Chain, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(_loader: object) -> None:
        raise KeyboardInterrupt

    chain.write_all()
    # The package has the command under the name of the module.
    module = importlib.import_module("zava.cli.import_")
    monkeypatch.setattr(module, "run_refresh", end)
    done = run("import", chain.folder)
    assert done.exit_code == 0
    assert "the load stands, but what follows it was ended" in done.output
    assert chain.value("SELECT count(*) FROM retail.orders") == 3


def test_a_file_of_one_store_says_nothing_about_the_silence_of_others(
    chain: Chain, run: Run
) -> None:
    chain.write_all()
    chain.load()
    chain.write("stores.csv", FILES["stores"] + "3,West,,,\n4,East,,,\n")
    chain.write("orders.csv", FILES["orders"].splitlines()[0] + "\no9,1,,2017-03-07,5")
    files = [chain.folder / f"{name}.csv" for name in ("stores", "orders")]
    done = run("import", *files)
    assert done.exit_code == 0, done.output
    assert "stores without a sale" not in done.output
    assert not [line for line in done.output.splitlines() if line != line.rstrip()]


def test_days_one_by_one_end_like_the_whole_at_once(chain: Chain, run: Run) -> None:
    chance = random.Random(7)
    lines = {
        f"2017-01-{day:02}": [
            f"{day}-{n},{chance.randint(1, 3)},{chance.randint(1, 9)},"
            f"2017-01-{day:02}T{chance.randint(10, 20)}:00Z,"
            f"{chance.randint(1, 20)},{chance.randint(100, 999) / 100}"
            for n in range(8)
        ]
        for day in range(1, 15)
    }
    mapping = """
        [files.lines]
        path = "day-*"
        [tables.orders]
        file = "lines"
        columns = { source_id = "bon", store = "store", customer = "customer", order_date = "at", total_amount = "sum(amount::numeric)" }
        [tables.order_items]
        file = "lines"
        columns = { order = "bon", product = "product", quantity = "'1'", total_amount = "amount" }
    """
    chain.write("mapping.toml", mapping)
    header = "bon,store,customer,at,product,amount\n"
    for day, rows in lines.items():
        chain.write(f"day-{day}.csv", header + "\n".join(rows) + "\n")

    def state() -> list[list[tuple[Any, ...]]]:
        return [
            chain.rows(f"SELECT * FROM retail.{view} ORDER BY 1, 2, 3, 4")
            for view in (
                "kept_daily_sales",
                "kept_daily_product_sales",
                "kept_monthly_product_sales",
                "kept_chain_product_sales",
                "kept_chain_sales",
                "kept_customers",
            )
        ] + [
            chain.rows(
                "SELECT order_id, customer_id, business_day, total_amount FROM retail.orders ORDER BY 1"
            ),
            chain.rows(
                "SELECT order_item_id, product_id, total_amount FROM retail.order_items ORDER BY 1"
            ),
            chain.rows(
                "SELECT customer_id, (SELECT array_agg(s ORDER BY s) FROM unnest(store_ids) AS s)"
                " FROM retail.customers ORDER BY 1"
            ),
        ]

    options = ("--mapping", chain.folder / "mapping.toml", "--unknown", "placeholder")
    done = run("import", chain.folder, *options)
    assert done.exit_code == 0, done.output
    at_once = state()
    chain.empty()
    for day in lines:
        assert run("import", chain.folder / f"day-{day}.csv", *options).exit_code == 0
    assert state() == at_once
