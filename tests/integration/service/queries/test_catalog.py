"""What a model is shown of the database."""

from __future__ import annotations

import pytest

from tests.people import SEATTLE
from zava.data.provider import PostgreSQLProvider
from zava.errors import ValidationError
from zava.infra.cache import QueryCache
from zava.service.queries.catalog import SchemaCatalog


def test_tables_that_serve_zava_alone_are_not_listed(
    provider: PostgreSQLProvider,
) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    assert catalog.describe(["orders", "daily_sales", "daily_product_sales"], SEATTLE)
    for name in ("daily_repeat_customers", "monthly_repeat_customers"):
        with pytest.raises(ValidationError, match="unknown table"):
            catalog.describe([name], SEATTLE)


def test_a_total_says_what_it_is_good_for(provider: PostgreSQLProvider) -> None:
    catalog = SchemaCatalog(provider, QueryCache())
    (table,) = catalog.describe(["retail.daily_sales"], SEATTLE)
    assert "cheapest" in (table.description or "")
    columns = {column.name: column.comment or "" for column in table.columns}
    assert "do not add it up" in columns["customers"]
    assert len(table.sample_rows) == 3
