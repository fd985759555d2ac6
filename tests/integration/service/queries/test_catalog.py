"""What a model is shown of the database."""

from __future__ import annotations

import pytest

from tests.people import REDMOND, SEATTLE, regional_manager
from zava.data.provider import PostgreSQLProvider
from zava.errors import ValidationError
from zava.infra.cache import QueryCache
from zava.protocol.results import schemas_result, tables_result
from zava.service.queries.catalog import Detail, SchemaCatalog


def test_tables_that_serve_zava_alone_are_not_listed(
    provider: PostgreSQLProvider,
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    assert catalog.describe(["orders", "daily_sales", "daily_product_sales"], SEATTLE)
    for name in ("kept_visits", "changed_orders"):
        with pytest.raises(ValidationError, match=f'internal to .*: "{name}"'):
            catalog.describe([name], SEATTLE)


def test_an_error_says_which_of_several_tables_are_unknown(
    provider: PostgreSQLProvider,
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    asked = ["orders", "retail.oder", "kept_daily_sales", "prodcts", "x\ud800\n" * 99]
    with pytest.raises(ValidationError) as failure:
        catalog.describe(asked, SEATTLE)
    message = failure.value.message
    internal, unknown, nearest = message.split("; ")
    assert internal.endswith(': "kept_daily_sales"')
    assert unknown.startswith('unknown: "oder", "prodcts", "x? x? ')
    assert len(message) < 600
    assert "\n" not in message
    for near in ("retail.orders", "retail.daily_sales", "retail.products"):
        assert near in nearest
    assert "kept_" not in nearest


def test_every_table_that_sql_reads_is_described_or_said_to_be_internal(
    provider: PostgreSQLProvider,
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    readable = provider.execute_query(
        "SELECT c.relname::text AS name FROM pg_catalog.pg_class AS c"
        " WHERE c.relnamespace = 'retail'::regnamespace"
        " AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
        " AND has_any_column_privilege(c.oid, 'SELECT')",
        SEATTLE,
    )
    told = {}
    for row in readable:
        try:
            told[row["name"]] = catalog.describe([row["name"]], SEATTLE)[0].table
        except ValidationError as exc:
            told[row["name"]] = exc.message
    assert len(told) > 20
    assert [text for text in told.values() if "unknown" in text] == []


def test_the_description_of_customers_says_that_a_star_is_refused(
    provider: PostgreSQLProvider,
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    (table,) = catalog.describe(["customers"], SEATTLE)
    assert "one by one" in (table.description or "")


@pytest.mark.parametrize(
    ("user_id", "shown"), [(SEATTLE, True), (REDMOND, False)], ids=["with", "without"]
)
def test_personal_columns_are_shown_to_those_with_the_right(
    provider: PostgreSQLProvider, user_id: str, shown: bool
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    (table,) = catalog.describe(["customers"], user_id)
    personal = {"first_name", "last_name", "email", "loyalty_number"}
    names = {column.name for column in table.columns}
    assert personal & names == (personal if shown else set())
    assert "store_ids" not in names
    assert len(table.sample_rows) == 3
    assert personal & set(table.sample_rows[0]) == (personal if shown else set())


def test_a_total_says_what_it_is_good_for(provider: PostgreSQLProvider) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    (table,) = catalog.describe(["retail.daily_sales"], SEATTLE)
    assert "cheapest" in (table.description or "")
    columns = {column.name: column.comment or "" for column in table.columns}
    assert "do not add it up" in columns["customers"]
    assert len(table.sample_rows) == 3


TWELVE = (
    *("chain", "stores", "customers", "orders", "order_items", "inventory"),
    *("products", "categories", "product_types"),
    *("daily_sales", "daily_product_sales", "monthly_product_sales"),
)


@pytest.mark.parametrize("user_id", [SEATTLE, regional_manager("Head Office")])
def test_the_twelve_tables_of_the_model_take_12_000_characters(
    provider: PostgreSQLProvider, user_id: str
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    result = schemas_result(catalog.answer(TWELVE, user_id))
    assert len(result.content[0].text) <= 12_000  # type: ignore[union-attr]
    assert result.structured_content is not None
    tables = {table["table"]: table for table in result.structured_content["tables"]}
    assert len(tables) == 12
    assert all(table["columns"] for table in tables.values())


def test_the_values_of_a_column_that_has_few_are_listed_as_the_person_sees_them(
    provider: PostgreSQLProvider,
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())

    def listed(user_id: str, table: str) -> dict[str, tuple[str, ...] | None]:
        (described,) = catalog.describe([table], user_id)
        return {column.name: column.values for column in described.columns}

    assert "piece" in (listed(SEATTLE, "products")["unit"] or ())
    assert listed(SEATTLE, "products")["name"] is None
    assert listed(SEATTLE, "products")["description"] is None
    assert "completed" in (listed(SEATTLE, "orders")["status"] or ())
    assert listed(SEATTLE, "orders")["source_id"] is None
    assert listed(SEATTLE, "customers")["source_id"] is None


@pytest.mark.parametrize(
    ("search", "first"),
    [
        ("stock level", "retail.inventory"),
        ("stock", "retail.inventory"),
        ("turnover", "retail.daily_sales"),
        ("baskets", "retail.orders"),
        ("receipts", "retail.orders"),
        ("shops", "retail.stores"),
        ("departments", "retail.categories"),
        ("bought together", "retail.product_pairs"),
        ("products by month", "retail.monthly_product_sales"),
        ("custmers", "retail.customers"),
    ],
)
def test_tables_are_found_by_words(
    provider: PostgreSQLProvider, search: str, first: str
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    found = catalog.find(search, "names", SEATTLE)
    assert next(iter(found.tables)) == first


def test_tables_are_shown_with_as_much_of_each_as_is_asked_for(
    provider: PostgreSQLProvider,
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    shown = {}
    details: tuple[Detail, ...] = ("names", "summary", "full")
    for detail in details:
        found = catalog.find("stock level", detail, SEATTLE)
        result = tables_result(found, detail)
        assert result.structured_content is not None
        shown[detail] = result.structured_content["tables"]
        assert result.structured_content["person"]["stores"] == "Zava Retail Seattle"
        assert result.structured_content["person"]["data_through"]
    assert shown["names"] == ["retail.inventory"]
    assert shown["summary"]["retail.inventory"].endswith(
        "(store_id, product_id, stock_level, counted_at)"
    )
    (whole,) = shown["full"]
    assert whole["columns"]["store_id"].startswith("uuid; pk; -> retail.stores")


def test_every_table_is_listed_without_words_and_none_of_zava_s_own(
    provider: PostgreSQLProvider,
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    found = catalog.find(None, "names", SEATTLE)
    assert {f"retail.{name}" for name in TWELVE} <= set(found.tables)
    assert not any("kept_" in name or "changed" in name for name in found.tables)
    assert catalog.find("kept visits", "names", SEATTLE).tables.keys() < set(
        found.tables
    )
    assert catalog.find("qwertz", "names", SEATTLE).tables == {}


def test_personal_columns_are_found_by_those_with_the_right(
    provider: PostgreSQLProvider,
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    assert "retail.customers" in catalog.find("email", "names", SEATTLE).tables
    (_, columns) = catalog.find("customers", "names", REDMOND).tables[
        "retail.customers"
    ]
    assert "email" not in columns


def test_a_person_is_told_their_stores_and_until_when_data_reach(
    provider: PostgreSQLProvider,
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    person = catalog.person(regional_manager("Head Office"))
    assert (person.stores, len(person.names)) == (8, 5)
    (row,) = provider.execute_query(
        "SELECT max(business_day)::text AS day FROM retail.orders", SEATTLE
    )
    assert str(catalog.person(SEATTLE).data_through) == row["day"]


def test_what_all_rows_of_a_small_table_have_in_common_is_said_once(
    provider: PostgreSQLProvider,
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    result = schemas_result(
        catalog.answer(["chain", "stores"], regional_manager("Head Office"))
    )
    assert result.structured_content is not None
    chain, stores = result.structured_content["tables"]
    assert "; here USD; " in chain["columns"]["currency"]
    assert "sample_rows" not in chain
    assert "; here America/Los_Angeles; " in stores["columns"]["time_zone"]
    assert "time_zone" not in stores["sample_columns"]
    names = [
        row[stores["sample_columns"].index("name")] for row in stores["sample_rows"]
    ]
    assert len(set(names)) == 8
