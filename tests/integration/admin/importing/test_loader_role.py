"""zava_loader loads and refreshes, and may do nothing else; who is forgotten stays so."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.integration.admin.importing.conftest import FILES, Chain
from zava.admin.customers import forget_customer
from zava.admin.importing.finishing import analyze_tables
from zava.admin.loading import DatabaseLoader
from zava.admin.totals import refresh_totals
from zava.errors import ConfigurationError

pytestmark = pytest.mark.thorough

LOGIN = "nightly_import"


@pytest.fixture
def loader_conninfo(chain: Chain) -> Iterator[str]:
    """A login that is a member of zava_loader and of nothing else."""
    chain.execute(f"CREATE ROLE {LOGIN} LOGIN; GRANT zava_loader TO {LOGIN}")
    yield make_conninfo(chain.conninfo, user=LOGIN)
    chain.execute(f"DROP OWNED BY {LOGIN}; DROP ROLE {LOGIN}")


def test_a_member_of_zava_loader_loads_corrects_replaces_and_refreshes(
    chain: Chain, loader_conninfo: str
) -> None:
    loader = DatabaseLoader(loader_conninfo)
    chain.write_all()
    assert chain.load(loader=loader).status == "loaded"
    assert refresh_totals(loader, lambda *_: None).recommendations
    analyze_tables(loader)
    changed = {
        "products": FILES["products"].replace("Cheese", "Blue cheese"),
        "categories": FILES["categories"].replace("Dairy", "Milk and cheese"),
        "orders": FILES["orders"].replace("o3,1,,2017-03-06 10:00,1.29\n", ""),
        "order_items": FILES["order_items"].replace("o3,10,1,1.29\n", ""),
    }
    chain.write_all(**changed)
    from datetime import date

    day = date(2017, 3, 6)
    report = chain.load(loader=loader, replace_days=(day, day))
    assert report.status == "loaded"
    assert chain.rows("SELECT source_id FROM retail.orders ORDER BY 1") == [
        ("o1",),
        ("o2",),
    ]
    assert chain.value(
        "SELECT count(*) FROM retail.product_search_words WHERE words @@ 'blue'::tsquery"
    )


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM retail.identity_key",
        "SELECT * FROM retail.login_identities",
        "SELECT * FROM retail.regional_managers",
        "INSERT INTO retail.regional_manager_stores VALUES (gen_random_uuid(), gen_random_uuid())",
        "INSERT INTO retail.personal_data_rights VALUES (gen_random_uuid(), true)",
        "UPDATE retail.stores SET manager_id = gen_random_uuid()",
        "UPDATE retail.chain SET managers_read_personal_data = true",
        "DELETE FROM retail.customers",
        "DELETE FROM retail.stores",
        "TRUNCATE retail.orders",
        "DELETE FROM retail.changed_orders",
        "UPDATE retail.kept_daily_sales SET revenue = 0",
        "SELECT * FROM retail.resolve_identity(gen_random_uuid())",
        "SET ROLE zava_owner",
        "CREATE TABLE retail.mine ()",
        "ALTER TABLE retail.orders DISABLE TRIGGER ALL",
    ],
)
def test_zava_loader_may_do_nothing_else(
    chain: Chain, loader_conninfo: str, statement: str
) -> None:
    with psycopg.connect(loader_conninfo) as conn:
        conn.execute("SET ROLE zava_loader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(statement.encode())


def test_a_loader_says_nothing_about_who_may_see_what(
    chain: Chain, loader_conninfo: str
) -> None:
    chain.write("regional_managers.csv", f"user_id,name\n{'1' * 32},Somebody\n")
    with pytest.raises(ConfigurationError, match="who may see what"):
        chain.load(loader=DatabaseLoader(loader_conninfo))
    assert chain.load().status == "loaded"
    chain.write("stores.csv", f"source_id,name,manager_id\n1,North,{'1' * 32}\n")
    store = chain.folder / "stores.csv"
    with pytest.raises(ConfigurationError, match="who may see what"):
        chain.load(store, loader=DatabaseLoader(loader_conninfo))


def test_a_login_of_neither_kind_may_not_load(chain: Chain) -> None:
    chain.write_all()
    loader = DatabaseLoader(make_conninfo(chain.conninfo, user="zava_server"))
    with pytest.raises(ConfigurationError, match="may not load"):
        chain.load(loader=loader)


@pytest.mark.parametrize("by", ["source_id", "customer_id"])
def test_a_customer_is_forgotten_and_no_import_brings_the_person_back(
    chain: Chain, by: str
) -> None:
    chain.write_all()
    chain.load()
    before = chain.rows("SELECT * FROM retail.daily_sales ORDER BY 1, 2")
    key = chain.value(f"SELECT {by}::text FROM retail.customers WHERE source_id = 'c1'")
    done = forget_customer(chain.loader, key)
    assert (done.orders, done.was_forgotten) == (1, False)
    assert forget_customer(chain.loader, key).was_forgotten
    chain.write_all(customers=FILES["customers"].replace("Ann", "Anna"))
    assert not chain.load().has_changed_anything
    assert chain.rows(
        "SELECT num_nonnulls(first_name, last_name, email, loyalty_number, signed_up_on),"
        " forgotten_on IS NOT NULL FROM retail.customers WHERE source_id = 'c1'"
    ) == [(0, True)]
    assert chain.rows("SELECT * FROM retail.daily_sales ORDER BY 1, 2") == before


def test_nobody_is_forgotten_by_a_key_that_nobody_has(chain: Chain) -> None:
    with pytest.raises(ConfigurationError, match="no customers have"):
        forget_customer(chain.loader, "nobody")
