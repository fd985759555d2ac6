"""Who sees how much: every person against every table, in exact row counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from tests.conftest import RunPsql
from tests.people import NIL, REDMOND, SEATTLE, STORE_MANAGERS, STRANGER
from zava.admin.embedded import EmbeddedServer
from zava.data.provider import PostgreSQLProvider
from zava.errors import (
    AuthorizationError,
    QueryError,
    UnavailableError,
    ValidationError,
)

Owner = psycopg.Connection

TABLES_WITH_A_STORE = (
    "stores",
    "customers",
    "orders",
    "order_items",
    "inventory",
    "kept_daily_sales",
    "kept_daily_product_sales",
    "kept_monthly_product_sales",
    "kept_visits",
    "changed_orders",
    "kept_customers",
    "product_pairs",
    "segment_products",
    "customer_segments",
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
    "personal_data_rights",
    "chain_segment_products",
    "kept_chain_sales",
    "kept_chain_product_sales",
    "changed_products",
    "chain_product_pairs",
    "chain_customer_segments",
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
    condition = "" if stores is None else " WHERE store_id = ANY (%(stores)s)"
    if stores is not None and table == "customers":
        # Whoever has bought in a store is seen there too.
        condition += (
            " OR customer_id IN (SELECT o.customer_id FROM retail.orders AS o"
            " WHERE o.store_id = ANY (%(stores)s))"
        )
    row = owner.execute(
        f"SELECT count(*) FROM retail.{table}{condition}".encode(), {"stores": stores}
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
    assert expected > 0 or table == "product_pairs"  # a small store has few orders
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
    assert expected > 0 or table == "product_pairs"
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


PERSONAL = ("first_name", "last_name", "email", "loyalty_number")


@pytest.mark.parametrize("column", PERSONAL)
def test_a_person_reads_personal_data_only_with_the_right(
    provider: PostgreSQLProvider, column: str
) -> None:
    query = f"SELECT {column} FROM retail.customers LIMIT 1"
    assert provider.resolve_identity(SEATTLE).role_name == "store_managers_personal"
    assert len(provider.execute_query(query, SEATTLE)) == 1
    assert provider.resolve_identity(REDMOND).role_name == "store_managers"
    with pytest.raises(QueryError) as failure:
        provider.execute_query(query, REDMOND)
    assert failure.value.error_code == "INSUFFICIENT_PRIVILEGE"
    assert f"{column} cannot be read, because" in failure.value.message


READABLE = "customer_id, store_id, created_at, updated_at, source_id, signed_up_on, forgotten_on"
WITHOUT = "first_name, last_name, email, loyalty_number cannot be read, because this person has no right to personal data"
CLOSED = "store_ids cannot be read by anybody"
PERSONAL_READABLE = "customer_id, store_id, first_name, last_name, email, created_at, updated_at, source_id, loyalty_number, signed_up_on, forgotten_on"


STARS = [
    "SELECT * FROM retail.customers",
    "SELECT c.* FROM retail.customers AS c WHERE 'xmin' <> 'email' -- not ctid",
    "SELECT count(c.*) FROM retail.customers AS c",
    "WITH c AS (SELECT * FROM retail.customers) SELECT count(*) FROM c",
]


@pytest.mark.parametrize(
    ("user_id", "query", "reasons", "readable"),
    [
        pytest.param(REDMOND, "SELECT * FROM retail.customers", f"{WITHOUT}; {CLOSED}", READABLE, id="star"),
        pytest.param(REDMOND, "TABLE retail.customers", f"{WITHOUT}; {CLOSED}", READABLE, id="table"),
        pytest.param(REDMOND, "SELECT c FROM retail.customers AS c", f"{WITHOUT}; {CLOSED}", READABLE, id="whole-row"),
        pytest.param(REDMOND, 'SELECT "email", store_id FROM retail.customers', WITHOUT.replace("first_name, last_name, email, loyalty_number", "email"), READABLE, id="email"),
        pytest.param(REDMOND, "SELECT store_ids FROM retail.customers", CLOSED, READABLE, id="closed-column"),
        pytest.param(SEATTLE, "SELECT * FROM retail.customers", CLOSED, PERSONAL_READABLE, id="star-with-the-right"),
    ],
)  # fmt: skip
def test_an_error_lists_the_columns_that_can_be_read_instead(
    provider: PostgreSQLProvider, user_id: str, query: str, reasons: str, readable: str
) -> None:
    with pytest.raises(QueryError) as failure:
        provider.execute_query(query, user_id)
    error = failure.value
    assert error.error_code == "INSUFFICIENT_PRIVILEGE"
    assert (
        error.message
        == f"permission denied for table customers; {reasons}; columns that can be read: {readable}"
    )
    assert str(error) == error.message
    # What the message lists is a query that succeeds.
    provider.execute_query(f"SELECT {readable} FROM retail.customers LIMIT 1", user_id)


@pytest.mark.parametrize("user_id", [SEATTLE, REDMOND], ids=["with", "without"])
@pytest.mark.parametrize(
    ("query", "table", "columns"),
    [
        pytest.param("SELECT ctid FROM retail.orders", "orders", "ctid", id="open-table"),
        pytest.param("SELECT xmin FROM retail.customers", "customers", "xmin", id="personal-columns"),
        pytest.param("SELECT c.xmin, count(*) FILTER (WHERE c.tableoid > 0) FROM retail.customers AS c GROUP BY 1", "customers", "tableoid, xmin", id="several"),
    ],
)  # fmt: skip
def test_a_system_column_is_named_as_what_is_refused(
    provider: PostgreSQLProvider, user_id: str, query: str, table: str, columns: str
) -> None:
    with pytest.raises(QueryError) as failure:
        provider.execute_query(query, user_id)
    error = failure.value
    assert error.message.startswith(
        f"permission denied for table {table}; {columns} cannot be read by anybody"
        " (system column); columns that can be read: "
    )
    assert "instead of *" not in error.facts["hint"]


@pytest.mark.parametrize("query", STARS)
def test_a_person_with_the_right_is_not_told_of_personal_data(
    provider: PostgreSQLProvider, query: str
) -> None:
    with pytest.raises(QueryError) as failure:
        provider.execute_query(query, SEATTLE)
    told = failure.value.message + failure.value.facts["hint"]
    assert "personal" not in told
    assert "without their names" not in told
    with pytest.raises(QueryError) as failure:
        provider.execute_query(query, REDMOND)
    assert "no right to personal data" in failure.value.message
    assert "without their names" in failure.value.facts["hint"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param("SELECT * FROM retail.identity_key", "permission denied for table identity_key", id="hidden-table"),
        pytest.param("SELECT rolpassword FROM pg_authid", "permission denied for table pg_authid", id="another-schema"),
    ],
)  # fmt: skip
def test_other_denied_tables_are_worded_as_postgresql_words_them(
    provider: PostgreSQLProvider, query: str, message: str
) -> None:
    with pytest.raises(QueryError) as failure:
        provider.execute_query(query, REDMOND)
    assert failure.value.message == message


@pytest.fixture
def own_provider(
    cluster: EmbeddedServer, database: str
) -> Iterator[PostgreSQLProvider]:
    conninfo = cluster.conninfo(dbname=database, user="zava_server")
    provider = PostgreSQLProvider({"conninfo": conninfo})
    provider.open()
    yield provider
    provider.close()


@pytest.fixture
def own_owner(cluster: EmbeddedServer, database: str) -> Iterator[Owner]:
    conninfo = cluster.conninfo(dbname=database, user="postgres")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        yield conn


TAKEN = {
    "by-a-row": f"INSERT INTO retail.personal_data_rights (user_id, may_read) VALUES ('{SEATTLE}', false)",
    "by-the-chain": "UPDATE retail.chain SET managers_read_personal_data = false",
    "with-the-chain": "DELETE FROM retail.chain",
}


@pytest.mark.parametrize("way", TAKEN)
def test_a_right_to_personal_data_that_is_taken_ends_with_the_next_query(
    own_provider: PostgreSQLProvider, own_owner: Owner, way: str
) -> None:
    assert own_provider.execute_query(
        "SELECT email FROM retail.customers LIMIT 1", SEATTLE
    )
    count = "SELECT count(*) FROM retail.customers"
    before = own_provider.execute_query(count, SEATTLE)
    own_owner.execute(TAKEN[way].encode())
    with pytest.raises(QueryError) as failure:
        own_provider.execute_query("SELECT email FROM retail.customers", SEATTLE)
    assert "no right to personal data" in failure.value.message
    assert own_provider.execute_query(count, SEATTLE) == before
    assert own_provider.resolve_identity(SEATTLE).role_name == "store_managers"


def test_a_right_to_personal_data_that_is_taken_ends_within_a_transaction(
    own_owner: Owner, cluster: EmbeddedServer, database: str
) -> None:
    conninfo = cluster.conninfo(dbname=database, user="zava_server")
    query = "SELECT count(email) > 0 FROM retail.customers"
    with psycopg.connect(conninfo, autocommit=True) as conn:
        row = conn.execute(
            "SELECT role_name, seal FROM retail.resolve_identity(%s)", (SEATTLE,)
        ).fetchone()
        assert row is not None
        with (
            pytest.raises(psycopg.errors.InvalidAuthorizationSpecification),
            conn.transaction(),
        ):
            conn.execute("SELECT retail.set_identity(%s, %s)", (SEATTLE, row[1]))
            conn.execute(f"SET LOCAL ROLE {row[0]}".encode())
            assert conn.execute(query.encode()).fetchone() == (True,)
            own_owner.execute(TAKEN["by-a-row"].encode())
            conn.execute(query.encode())


def test_a_right_to_personal_data_is_given_at_the_next_resolution(
    own_provider: PostgreSQLProvider, own_owner: Owner
) -> None:
    query = "SELECT email FROM retail.customers LIMIT 1"
    identity = own_provider.resolve_identity(REDMOND)
    own_owner.execute("UPDATE retail.personal_data_rights SET may_read = true")
    own_owner.execute("UPDATE retail.identity_key SET key = sha256(key)")
    # An answer of the new role would be kept for the old one.
    with pytest.raises(UnavailableError):
        own_provider.fetch("SELECT count(*) FROM retail.customers", identity, 1)
    assert len(own_provider.execute_query(query, REDMOND)) == 1


def test_a_login_without_the_role_of_personal_data_is_served_without_them(
    own_owner: Owner, cluster: EmbeddedServer, database: str
) -> None:
    with own_owner.transaction():
        own_owner.execute("REVOKE store_managers_personal FROM zava_server")
        own_owner.execute("SET LOCAL SESSION AUTHORIZATION zava_server")
        row = own_owner.execute(
            "SELECT role_name FROM retail.resolve_identity(%s)", (SEATTLE,)
        ).fetchone()
        assert row == ("store_managers",)
        raise psycopg.Rollback


@pytest.mark.parametrize("role", ["store_managers", "regional_managers"])
def test_a_group_has_no_right_to_personal_data_and_its_other_half_has_all_else(
    owner: Owner, role: str
) -> None:
    row = owner.execute(
        "SELECT array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE NOT has_column_privilege(%(role)s, a.attrelid, a.attnum, 'SELECT')),"
        " array_agg(a.attname::text) FILTER (WHERE NOT has_column_privilege(%(role)s || '_personal', a.attrelid, a.attnum, 'SELECT'))"
        " FROM pg_attribute AS a WHERE a.attrelid = 'retail.customers'::regclass AND a.attnum > 0",
        {"role": role},
    ).fetchone()
    assert row is not None
    assert set(row[0]) == {*PERSONAL, "store_ids"}
    assert row[1] == ["store_ids"]


def test_head_office_sees_the_whole_chain_as_long_as_every_store_is_listed(
    cluster: EmbeddedServer,
    database: str,
    regions: dict[str, tuple[str, list[str]]],
) -> None:
    head_office, _ = regions["Head Office"]
    asked = (
        "SELECT retail.sees_whole_chain() AS is_seen, c.customers, c.new_customers,"
        " c.new_to_chain, (SELECT count(*) FROM retail.chain_segments('new')) AS segment,"
        " (SELECT sum(revenue) FROM retail.chain_sales('2025-01-01', '2026-01-01')) AS revenue,"
        " (SELECT sum(units) FROM retail.chain_product_sales('2025-01-01', '2026-01-01')) AS units"
        " FROM retail.count_customers_of_stores('{2025-01-01}', '{2026-01-01}') AS c"
    )
    provider = PostgreSQLProvider(
        {"conninfo": cluster.conninfo(dbname=database, user="zava_server")}
    )
    provider.open()
    with closing(provider):
        (before,) = provider.execute_query(asked, head_office)
        assert before["is_seen"] is True
        assert before["new_to_chain"] == before["new_customers"] > 0
        assert min(before["segment"], before["revenue"], before["units"]) > 0
        superuser = cluster.conninfo(dbname=database, user="postgres")
        with psycopg.connect(superuser) as conn:
            conn.execute(
                "INSERT INTO retail.stores (name) VALUES ('Zava Retail Yakima')"
            )
        (after,) = provider.execute_query(asked, head_office)
    assert after == {
        **before,
        "is_seen": False,
        **dict.fromkeys(("new_to_chain", "revenue", "units")),
        "segment": 0,
    }


def test_the_manager_of_the_only_store_is_not_head_office(
    cluster: EmbeddedServer, empty_database: str, run_psql: RunPsql
) -> None:
    loaded = run_psql(empty_database, "-q", "-v", "ON_ERROR_STOP=1", "-f", "schema.sql")
    assert loaded.returncode == 0, loaded.stderr
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO retail.stores (name, manager_id) VALUES ('Only', %s)",
            (SEATTLE,),
        )
        name = conn.info.dbname
    login = {"conninfo": cluster.conninfo(dbname=name, user="zava_server")}
    provider = PostgreSQLProvider(login)
    provider.open()
    with closing(provider):
        rows = provider.execute_query(
            "SELECT retail.sees_whole_chain() AS is_seen, c.new_to_chain"
            " FROM retail.stores AS s,"
            " retail.count_customers(s.store_id, '{2025-01-01}', '{2026-01-01}') AS c",
            SEATTLE,
        )
    assert rows == [{"is_seen": False, "new_to_chain": None}]
