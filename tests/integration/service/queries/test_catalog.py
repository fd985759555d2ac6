"""What a model is shown of the database."""

from __future__ import annotations

import pytest

from tests.people import REDMOND, SEATTLE
from zava.data.provider import PostgreSQLProvider
from zava.errors import ValidationError
from zava.infra.cache import QueryCache
from zava.service.queries.catalog import SchemaCatalog


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
