"""What a model is shown of the database."""

from __future__ import annotations

from tests.people import SEATTLE
from zava.data.provider import PostgreSQLProvider
from zava.infra.cache import QueryCache
from zava.service.catalog import SchemaCatalog


def test_tables_that_serve_zava_alone_are_not_listed(
    provider: PostgreSQLProvider,
) -> None:
    names = set(SchemaCatalog(provider, QueryCache()).names(SEATTLE))
    assert names >= {"orders", "daily_sales", "daily_product_sales"}
    assert not names & {"daily_repeat_customers", "monthly_repeat_customers"}


def test_a_total_says_what_it_is_good_for(provider: PostgreSQLProvider) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    (table,) = catalog.describe(["retail.daily_sales"], SEATTLE)
    assert "cheapest" in (table.description or "")
    columns = {column.name: column.comment or "" for column in table.columns}
    assert "do not add it up" in columns["customers"]
    assert len(table.sample_rows) == 3
