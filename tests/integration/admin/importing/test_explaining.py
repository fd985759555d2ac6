"""What `--check` says, and that the template loads as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.admin.importing.conftest import Chain
from tests.integration.admin.importing.test_importing import FLAT, LINES
from zava.admin.importing.explaining import explain_mapping
from zava.admin.importing.mapping import default_mapping, make_plan, read_mapping
from zava.admin.importing.tables import TABLES
from zava.admin.importing.template import PAGE, write_template
from zava.errors import ConfigurationError

pytestmark = [pytest.mark.thorough, pytest.mark.once]


def test_a_check_tells_types_first_rows_and_unused_columns_and_loads_nothing(
    chain: Chain,
) -> None:
    lines = LINES.replace("bon;", "barnd;bon;", 1).replace("\r\nb", "\r\nx;b")
    chain.write("sales-1.csv", lines.encode("cp1252"))
    mapping = chain.write("mapping.toml", FLAT)
    plan = make_plan((chain.folder,), read_mapping(mapping), is_default=False)
    found = explain_mapping(chain.loader, plan, lambda *_: None)
    by_table = {entry.table: entry for entry in found.entries}
    orders = by_table["orders"]
    assert [(c.name, c.given, c.wanted, c.is_about_a_key) for c in orders.columns] == [
        ("source_id", "text", "text", False),
        ("store", "text", "text", False),
        ("customer", "text", "text", False),
        (
            "order_date",
            "timestamp without time zone",
            "timestamp with time zone",
            False,
        ),
        ("total_amount", "numeric", "numeric", True),
    ]
    assert orders.first_rows[0] == {
        "source_id": "b1",
        "store": "7",
        "customer": "k1",
        "order_date": "2017-12-31 23:10:00 local",
        "total_amount": "1235.55",
    }
    assert [files.unused for files in found.files] == [(("barnd", "brand"),)]
    assert found.report.checked == "loaded"
    assert not orders.missing
    assert chain.value("SELECT count(*) FROM retail.stores") == 0


def test_a_check_tells_what_is_missing_and_which_lines_are_at_fault(
    chain: Chain,
) -> None:
    chain.write_all(products="source_id,base_price\n10,cheap\n")
    plan = make_plan((chain.folder,), default_mapping(), is_default=True)
    found = explain_mapping(chain.loader, plan, lambda *_: None)
    products = next(entry for entry in found.entries if entry.table == "products")
    assert products.missing == ("name",)
    reject = found.report.rejects[0]
    assert (reject.file, reject.line) == ("products.csv", 2)
    assert reject.column == "base_price"


def test_the_template_explains_every_column_and_loads_as_it_is(
    chain: Chain, tmp_path: Path
) -> None:
    folder = tmp_path / "template"
    write_template(chain.loader, folder)
    page = (folder / PAGE).read_text("utf-8")
    assert re.findall("^## (.+)$", page, re.MULTILINE) == [t.name for t in TABLES]
    assert not re.search(r"\|  \|$", page, re.MULTILINE)
    plan_files = sorted(path.name for path in folder.glob("*.csv"))
    assert plan_files == sorted(f"{table.name}.csv" for table in TABLES)
    report = chain.load(folder)
    assert report.status == "loaded", report.rejects
    assert not chain.load(folder).has_changed_anything
    assert chain.value("SELECT count(*) FROM retail.orders WHERE is_return") == 1
    with pytest.raises(ConfigurationError, match="is there already"):
        write_template(chain.loader, folder)
