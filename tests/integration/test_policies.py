"""Who sees how much: every person against every table, in exact row counts."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from tests.people import NIL, REDMOND, SEATTLE, STORE_MANAGERS, STRANGER
from zava.data.provider import PostgreSQLProvider
from zava.errors import AuthorizationError, QueryError, ValidationError

Owner = psycopg.Connection

TABLES_WITH_A_STORE = (
    "stores",
    "customers",
    "orders",
    "order_items",
    "inventory",
    "daily_sales",
    "daily_product_sales",
    "monthly_product_sales",
    "daily_repeat_customers",
    "monthly_repeat_customers",
    "customer_purchases",
    "product_pairs",
)
SHARED_TABLES = (
    "categories",
    "product_types",
    "products",
    "product_description_embeddings",
    "product_search_words",
    "search_vocabulary",
)
HIDDEN_TABLES = (
    "regional_managers",
    "regional_manager_stores",
    "login_identities",
    "identity_key",
)
REGIONS = (
    "Head Office",
    "Puget Sound Region",
    "Eastern Washington Region",
    "Digital Region",
)


def count_as(provider: PostgreSQLProvider, user_id: str, table: str) -> int:
    rows = provider.execute_query(f"SELECT count(*) AS n FROM retail.{table}", user_id)
    return int(rows[0]["n"])


def count_all(owner: Owner, table: str, stores: list[str] | None = None) -> int:
    condition = "" if stores is None else " WHERE store_id = ANY (%s)"
    values = None if stores is None else (stores,)
    row = owner.execute(
        f"SELECT count(*) FROM retail.{table}{condition}".encode(), values
    ).fetchone()
    assert row is not None
    return int(row[0])


def store_ids(owner: Owner, names: list[str]) -> list[str]:
    rows = owner.execute(
        "SELECT store_id FROM retail.stores WHERE name = ANY (%s)", (names,)
    )
    return [row[0] for row in rows]


@pytest.fixture(scope="session")
def regions(owner: Owner) -> dict[str, tuple[str, list[str]]]:
    """User id and stores of every regional manager, by name."""
    rows = owner.execute(
        "SELECT m.name, m.user_id::text, array_agg(r.store_id)"
        " FROM retail.regional_managers AS m"
        " JOIN retail.regional_manager_stores AS r USING (user_id) GROUP BY 1, 2"
    )
    return {name: (user_id, stores) for name, user_id, stores in rows}


@pytest.mark.acceptance("A29", "A38", "A81", "A82", "A89", "A91", "D2", "D9")
@pytest.mark.parametrize("table", TABLES_WITH_A_STORE)
@pytest.mark.parametrize("store", STORE_MANAGERS)
def test_a_store_manager_sees_exactly_the_rows_of_their_store(
    provider: PostgreSQLProvider, owner: Owner, store: str, table: str
) -> None:
    expected = count_all(owner, table, store_ids(owner, [store]))
    assert expected > 0
    assert count_as(provider, STORE_MANAGERS[store], table) == expected


@pytest.mark.acceptance("A83", "A87", "A91", "D8", "D9")
@pytest.mark.parametrize("table", TABLES_WITH_A_STORE)
@pytest.mark.parametrize("region", REGIONS)
def test_a_regional_manager_sees_exactly_the_rows_of_their_stores(
    provider: PostgreSQLProvider,
    owner: Owner,
    regions: dict[str, tuple[str, list[str]]],
    region: str,
    table: str,
) -> None:
    user_id, stores = regions[region]
    expected = count_all(owner, table, stores)
    assert expected > 0
    assert count_as(provider, user_id, table) == expected


@pytest.mark.acceptance("D2")
@pytest.mark.parametrize("table", TABLES_WITH_A_STORE)
def test_head_office_sees_every_row(
    provider: PostgreSQLProvider,
    owner: Owner,
    regions: dict[str, tuple[str, list[str]]],
    table: str,
) -> None:
    user_id, _ = regions["Head Office"]
    assert count_as(provider, user_id, table) == count_all(owner, table)


@pytest.mark.parametrize("table", SHARED_TABLES)
@pytest.mark.parametrize("person", ["Seattle", "Redmond", "Head Office"])
def test_the_catalogue_is_the_same_for_everyone(
    provider: PostgreSQLProvider,
    owner: Owner,
    regions: dict[str, tuple[str, list[str]]],
    person: str,
    table: str,
) -> None:
    people = {
        "Seattle": SEATTLE,
        "Redmond": REDMOND,
        **{k: v[0] for k, v in regions.items()},
    }
    assert count_as(provider, people[person], table) == count_all(owner, table)


@pytest.mark.acceptance("A91")
@pytest.mark.parametrize("table", HIDDEN_TABLES)
@pytest.mark.parametrize("person", ["Seattle", "Head Office"])
def test_who_may_see_what_is_itself_not_to_be_seen(
    provider: PostgreSQLProvider,
    regions: dict[str, tuple[str, list[str]]],
    person: str,
    table: str,
) -> None:
    user_id = SEATTLE if person == "Seattle" else regions[person][0]
    with pytest.raises(QueryError) as failure:
        count_as(provider, user_id, table)
    assert failure.value.error_code == "INSUFFICIENT_PRIVILEGE"


@pytest.mark.acceptance("A90", "D2")
@pytest.mark.parametrize(
    ("user_id", "error"),
    [
        pytest.param(STRANGER, AuthorizationError, id="a-stranger"),
        pytest.param(NIL, ValidationError, id="the-nil-id"),
        pytest.param("", ValidationError, id="nobody"),
        pytest.param("f47ac10b", ValidationError, id="malformed"),
    ],
)
def test_only_a_known_person_is_served(
    provider: PostgreSQLProvider, user_id: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        provider.execute_query("SELECT 1", user_id)


@pytest.mark.acceptance("D2")
def test_a_store_id_is_not_a_user_id(
    provider: PostgreSQLProvider, owner: Owner
) -> None:
    (store_id,) = store_ids(owner, ["Zava Retail Seattle"])
    with pytest.raises(AuthorizationError):
        provider.execute_query("SELECT 1", str(store_id))


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param(str.upper, id="upper-case"),
        pytest.param(lambda text: "{" + text + "}", id="braces"),
        pytest.param(lambda text: text.replace("-", ""), id="without-hyphens"),
    ],
)
def test_an_id_may_be_spelt_as_a_uuid_may_be(
    provider: PostgreSQLProvider, spelling: Callable[[str], str]
) -> None:
    rows = provider.execute_query("SELECT name FROM retail.stores", spelling(SEATTLE))
    assert rows == [{"name": "Zava Retail Seattle"}]


def group_count(
    conn: Owner, role: str, user_id: str | None, seal: str | None, table: str
) -> int:
    """Count rows as a group role, with settings put in by hand."""
    with conn.transaction(force_rollback=True):
        for name, value in (("user_id", user_id), ("seal", seal)):
            if value is not None:
                conn.execute(
                    "SELECT set_config(%s, %s, true)",
                    (f"app.current_rls_{name}", value),
                )
        conn.execute(f"SET LOCAL ROLE {role}".encode())
        row = conn.execute(f"SELECT count(*) FROM retail.{table}".encode()).fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.acceptance("A85", "A86", "A88", "A90")
@pytest.mark.parametrize("table", TABLES_WITH_A_STORE)
@pytest.mark.parametrize("role", ["store_managers", "regional_managers"])
@pytest.mark.parametrize(
    ("user_id", "seal"),
    [
        pytest.param(None, None, id="unset"),
        pytest.param("", "", id="empty"),
        pytest.param(NIL, "0" * 64, id="nil"),
        pytest.param("garbage", "0" * 64, id="garbage"),
    ],
)
def test_without_an_identity_no_row_shows(
    owner: Owner, role: str, user_id: str | None, seal: str | None, table: str
) -> None:
    assert group_count(owner, role, user_id, seal, table) == 0


@pytest.mark.acceptance("A88")
@pytest.mark.parametrize("table", TABLES_WITH_A_STORE)
@pytest.mark.parametrize("role", ["store_managers", "regional_managers"])
@pytest.mark.parametrize(
    ("user_id", "seal"),
    [
        pytest.param(SEATTLE, None, id="no-seal"),
        pytest.param(SEATTLE, "", id="empty-seal"),
        pytest.param(SEATTLE, "0" * 64, id="forged-seal"),
        pytest.param(STRANGER, "0" * 64, id="stranger"),
    ],
)
def test_an_identity_that_is_claimed_without_its_seal_is_an_error(
    owner: Owner, role: str, user_id: str, seal: str | None, table: str
) -> None:
    # An empty answer would pass for a truth.
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
        group_count(owner, role, user_id, seal, table)


@pytest.mark.acceptance("A88", "D4")
def test_one_person_s_seal_does_not_fit_another(
    provider: PostgreSQLProvider, server_conninfo: str
) -> None:
    seal = provider.resolve_identity(SEATTLE).seal
    with psycopg.connect(server_conninfo, autocommit=True) as conn:

        def stores(user_id: str) -> object:
            with conn.transaction():
                conn.execute(
                    f"SET LOCAL app.current_rls_user_id = '{user_id}'".encode()
                )
                conn.execute(f"SET LOCAL app.current_rls_seal = '{seal}'".encode())
                conn.execute("SET LOCAL ROLE store_managers")
                return conn.execute("SELECT count(*) FROM retail.stores").fetchone()

        assert stores(SEATTLE) == (1,)
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
            stores(REDMOND)


def test_a_seal_does_not_fit_another_login(
    provider: PostgreSQLProvider, owner: Owner
) -> None:
    # The superuser's session is another login than the server's.
    seal = provider.resolve_identity(SEATTLE).seal
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
        group_count(owner, "store_managers", SEATTLE, seal, "orders")


@pytest.mark.acceptance("D25")
@pytest.mark.parametrize("role", ["store_managers", "regional_managers", "zava_server"])
@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("INSERT INTO retail.categories (name) VALUES ('x')", id="insert"),
        pytest.param("UPDATE retail.orders SET status = 'pending'", id="update"),
        pytest.param("DELETE FROM retail.orders", id="delete"),
        pytest.param("TRUNCATE retail.orders", id="truncate"),
        pytest.param("CREATE TABLE retail.mine ()", id="create-in-retail"),
        pytest.param("CREATE TABLE public.mine ()", id="create-in-public"),
    ],
)
def test_no_role_of_the_server_can_write(
    owner: Owner, role: str, statement: str
) -> None:
    with (
        owner.transaction(force_rollback=True),
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        owner.execute(f"SET LOCAL ROLE {role}".encode())
        owner.execute(statement.encode())


@pytest.mark.acceptance("A90", "D11")
def test_the_server_s_login_reads_nothing_as_itself(server_conninfo: str) -> None:
    with (
        psycopg.connect(server_conninfo, autocommit=True) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute("SELECT count(*) FROM retail.orders")


@pytest.mark.acceptance("D12", "D24")
def test_a_policy_runs_once_a_query_and_uses_the_index(
    provider: PostgreSQLProvider, server_conninfo: str
) -> None:
    identity = provider.resolve_identity(REDMOND)
    with psycopg.connect(server_conninfo, autocommit=True) as conn, conn.transaction():
        conn.execute(f"SET LOCAL app.current_rls_user_id = '{REDMOND}'".encode())
        conn.execute(f"SET LOCAL app.current_rls_seal = '{identity.seal}'".encode())
        conn.execute("SET LOCAL ROLE store_managers")
        plan = "\n".join(
            row[0]
            for row in conn.execute(
                "EXPLAIN SELECT sum(total_amount) FROM retail.orders"
                " WHERE order_date >= '2026-06-01'"
            )
        )
    assert "InitPlan" in plan
    assert "orders_store_id_order_date_idx" in plan
