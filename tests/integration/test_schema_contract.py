"""Tables, columns, policies and functions that the architecture names.

What it leaves open or gets wrong is settled here as the product settles it:
times carry a zone, an e-mail is unique within its store, an error of identity
is NULL and no row.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.conftest import RunPsql
from tests.people import NIL, SEATTLE, STORE_MANAGERS

Owner = psycopg.Connection

UUID_KEY = ("uuid", False, "gen_random_uuid()")
TIMESTAMP = ("timestamp with time zone", False, "now()")
AMOUNT = ("numeric(10,2)", False, None)
# (table, column) -> type, nullable, default.
COLUMNS: dict[tuple[str, str], tuple[str, bool, str | None]] = {
    ("stores", "store_id"): UUID_KEY,
    ("stores", "name"): ("character varying(100)", False, None),
    ("stores", "location"): ("character varying(200)", True, None),
    ("stores", "manager_id"): ("uuid", True, None),
    ("stores", "created_at"): TIMESTAMP,
    ("customers", "customer_id"): UUID_KEY,
    ("customers", "store_id"): ("uuid", True, None),
    ("customers", "first_name"): ("character varying(50)", True, None),
    ("customers", "last_name"): ("character varying(50)", True, None),
    ("customers", "email"): ("character varying(100)", True, None),
    ("customers", "created_at"): TIMESTAMP,
    ("orders", "order_id"): UUID_KEY,
    ("orders", "customer_id"): ("uuid", True, None),
    ("orders", "store_id"): ("uuid", False, None),
    ("orders", "order_date"): TIMESTAMP,
    ("orders", "total_amount"): AMOUNT,
    ("orders", "status"): ("character varying(20)", False, "'pending'::character varying"),
    ("order_items", "order_item_id"): UUID_KEY,
    ("order_items", "order_id"): ("uuid", False, None),
    ("order_items", "store_id"): ("uuid", False, None),
    ("order_items", "product_id"): ("uuid", False, None),
    ("order_items", "quantity"): ("numeric", False, None),
    ("order_items", "unit_price"): ("numeric", True, None),
    ("order_items", "total_amount"): AMOUNT,
    ("products", "product_id"): UUID_KEY,
    ("products", "name"): ("character varying(200)", False, None),
    ("products", "description"): ("text", True, None),
    ("inventory", "store_id"): ("uuid", False, None),
    ("inventory", "product_id"): ("uuid", False, None),
    ("inventory", "stock_level"): ("numeric", False, None),
    ("product_description_embeddings", "product_id"): ("uuid", False, None),
    ("product_description_embeddings", "description_embedding"): ("vector(1536)", False, None),
    ("product_description_embeddings", "last_updated"): TIMESTAMP,
}  # fmt: skip


def rows(conn: Owner, query: str, *values: Any) -> list[tuple[Any, ...]]:
    return conn.execute(query.encode(), values or None).fetchall()


def constraints(owner: Owner, kind: str) -> set[tuple[str, str]]:
    """Table and definition of every constraint of a kind in the schema."""
    found = rows(
        owner,
        "SELECT relname, pg_get_constraintdef(k.oid) FROM pg_constraint AS k"
        " JOIN pg_class AS c ON c.oid = k.conrelid"
        " WHERE k.connamespace = 'retail'::regnamespace AND k.contype = %s",
        kind,
    )
    return {(table, definition) for table, definition in found}


@pytest.mark.acceptance(
    "A50", "A51", "A53", "A54", "A55", "A56", "A57", "A60", "A62", "A63", "A67",
    "A68", "A69", "A70", "A71", "A93", "A95", "A96", "D7", "D24", "D30",
)  # fmt: skip
@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_column_has_the_type_and_default_of_the_contract(
    owner: Owner, table: str, column: str
) -> None:
    found = rows(
        owner,
        "SELECT format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,"
        " pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute AS a"
        " LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        " WHERE a.attrelid = to_regclass(%s) AND a.attname = %s",
        f"retail.{table}",
        column,
    )
    assert found == [COLUMNS[table, column]]


@pytest.mark.acceptance("A52", "A58", "A64", "A74", "A94", "D30")
def test_every_key_is_made_of_uuids(owner: Owner) -> None:
    keys = constraints(owner, "p")
    assert keys >= {
        ("stores", "PRIMARY KEY (store_id)"),
        ("customers", "PRIMARY KEY (customer_id)"),
        ("orders", "PRIMARY KEY (order_id)"),
        ("order_items", "PRIMARY KEY (order_item_id)"),
        ("products", "PRIMARY KEY (product_id)"),
        ("inventory", "PRIMARY KEY (store_id, product_id)"),
        ("product_description_embeddings", "PRIMARY KEY (product_id)"),
    }
    types = rows(
        owner,
        "SELECT DISTINCT c.relname, format_type(a.atttypid, a.atttypmod)"
        " FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid"
        " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)"
        " WHERE k.connamespace = 'retail'::regnamespace AND k.contype = 'p'"
        " AND has_any_column_privilege('regional_managers', c.oid, 'SELECT')"
        # Totals are of a day as well, a word of the catalogue is its own key.
        " AND c.relname !~ '^kept_|^refreshes$|^search_vocabulary$|^shared_objects$|^chain$|^schema_version$'",
    )
    assert {key_type for _, key_type in types} == {"uuid"}
    assert len(types) >= 10


@pytest.mark.acceptance("A59", "A65", "A66", "A72", "A94")
def test_a_row_refers_to_rows_of_its_own_store(owner: Owner) -> None:
    assert constraints(owner, "f") >= {
        ("customers", "FOREIGN KEY (store_id) REFERENCES retail.stores(store_id)"),
        ("orders", "FOREIGN KEY (store_id) REFERENCES retail.stores(store_id)"),
        (
            "orders",
            "FOREIGN KEY (customer_id) REFERENCES retail.customers(customer_id)",
        ),
        (
            "order_items",
            "FOREIGN KEY (order_id, store_id)"
            " REFERENCES retail.orders(order_id, store_id) ON DELETE CASCADE",
        ),
        (
            "product_description_embeddings",
            "FOREIGN KEY (product_id) REFERENCES retail.products(product_id)"
            " ON DELETE CASCADE",
        ),
    }


@pytest.mark.acceptance("A72", "A73")
def test_an_item_cannot_belong_to_another_store_than_its_order(owner: Owner) -> None:
    with (
        owner.transaction(force_rollback=True),
        pytest.raises(psycopg.errors.ForeignKeyViolation),
    ):
        owner.execute(
            "INSERT INTO retail.order_items"
            " (order_id, store_id, product_id, quantity, unit_price, total_amount)"
            " SELECT o.order_id, s.store_id, p.product_id, 1, 1, 1"
            " FROM retail.orders AS o, retail.stores AS s, retail.products AS p"
            " WHERE s.store_id <> o.store_id LIMIT 1"
        )


@pytest.mark.acceptance("A73")
@pytest.mark.parametrize("table", ["orders", "order_items", "inventory"])
def test_every_transaction_carries_its_store(owner: Owner, table: str) -> None:
    found = rows(
        owner,
        "SELECT attnotnull FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attname = 'store_id'",
        f"retail.{table}",
    )
    assert found == [(True,)]


@pytest.mark.acceptance("A61", "D24")
def test_an_e_mail_is_unique_within_its_store_and_tells_nothing_of_others(
    owner: Owner,
) -> None:
    copied = (
        "INSERT INTO retail.customers (store_id, first_name, last_name, email)"
        " SELECT s.store_id, 'A', 'B', c.email FROM retail.customers AS c"
        " JOIN retail.stores AS s ON (s.store_id = c.store_id) = %s"
        " WHERE c.email = (SELECT min(email) FROM retail.customers) LIMIT 1"
    )
    with owner.transaction(force_rollback=True):
        assert owner.execute(copied.encode(), (False,)).rowcount == 1
        with pytest.raises(psycopg.errors.ExclusionViolation):
            owner.execute(copied.encode(), (True,))


@pytest.mark.acceptance("A69", "D24")
def test_an_order_has_one_of_the_known_states(owner: Owner) -> None:
    with (
        owner.transaction(force_rollback=True),
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        owner.execute("UPDATE retail.orders SET status = 'teleported'")


@pytest.mark.acceptance("A75")
@pytest.mark.parametrize(
    "table", ["stores", "customers", "orders", "order_items", "inventory", "products"]
)
def test_a_change_is_stamped_and_the_birth_of_a_row_stays(
    owner: Owner, table: str
) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute(
            f"UPDATE retail.{table} SET created_at = now() - interval '9 years',"
            " updated_at = '2000-01-01' WHERE ctid = (SELECT min(ctid)"
            f" FROM retail.{table})".encode()
        )
        changed = rows(
            owner,
            "SELECT created_at > now() - interval '9 years', updated_at = now()"
            f" FROM retail.{table} WHERE updated_at >= now()",
        )
    assert changed == [(True, True)]


@pytest.mark.acceptance("A81", "A82", "A83", "D8", "D9", "D25")
@pytest.mark.parametrize("table", ["customers", "orders", "order_items"])
def test_a_policy_has_the_name_and_the_condition_of_the_contract(
    owner: Owner, table: str
) -> None:
    found = rows(
        owner,
        "SELECT policyname, cmd, roles::text, qual FROM pg_policies"
        " WHERE schemaname = 'retail' AND tablename = %s"
        " AND roles NOT IN ('{zava_owner}', '{zava_loader}') AND permissive = 'PERMISSIVE' ORDER BY 1",
        table,
    )
    assert [row[:3] for row in found] == [
        (f"regional_manager_{table}", "SELECT", "{regional_managers}"),
        (f"store_manager_{table}", "SELECT", "{store_managers}"),
    ]
    assert "get_user_store_list" in found[0][3]
    assert "get_current_user_store" in found[1][3]


@pytest.mark.acceptance("A84", "A87", "D8", "D12")
@pytest.mark.parametrize(
    ("name", "result"),
    [("get_current_user_store", "uuid"), ("get_user_store_list", "uuid[]")],
)
def test_an_identity_function_is_what_the_contract_says(
    owner: Owner, name: str, result: str
) -> None:
    found = rows(
        owner,
        "SELECT l.lanname, p.prosecdef, p.provolatile, format_type(p.prorettype, NULL)"
        " FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang"
        " WHERE p.oid = to_regprocedure(%s)",
        f"retail.{name}()",
    )
    assert found == [("plpgsql", True, "s", result)]


@pytest.mark.acceptance("A85", "A86", "A87", "D2")
@pytest.mark.parametrize(
    "user_id",
    [
        pytest.param(None, id="unset"),
        pytest.param("", id="empty"),
        pytest.param("garbage", id="garbage"),
        pytest.param(NIL, id="nil"),
    ],
)
def test_an_identity_that_is_at_fault_is_nobody_s_store(
    owner: Owner, user_id: str | None
) -> None:
    # NULL, not the all-zero UUID, which other systems read as "every store".
    with owner.transaction(force_rollback=True):
        if user_id is not None:
            owner.execute(
                "SELECT set_config('app.current_rls_user_id', %s, true)", (user_id,)
            )
        found = rows(
            owner,
            "SELECT retail.get_current_user_store(), retail.get_user_store_list()",
        )
    assert found == [(None, [])]


@pytest.mark.parametrize("call", ["get_current_user_store", "get_user_store_list"])
def test_an_identity_without_its_seal_is_an_error(owner: Owner, call: str) -> None:
    with (
        owner.transaction(force_rollback=True),
        pytest.raises(psycopg.errors.InvalidAuthorizationSpecification),
    ):
        owner.execute(
            "SELECT set_config('app.current_rls_user_id', %s, true)", (SEATTLE,)
        )
        owner.execute(f"SELECT retail.{call}()".encode())


@pytest.mark.acceptance("A55", "A84", "A85", "A87", "D2")
def test_an_identity_is_looked_up_and_never_taken_for_a_store(
    server_conninfo: str, owner: Owner
) -> None:
    ((region, stores),) = rows(
        owner,
        "SELECT user_id::text, array_agg(store_id ORDER BY store_id)"
        " FROM retail.regional_manager_stores GROUP BY 1 HAVING count(*) = 8",
    )
    ((seattle,),) = rows(
        owner, "SELECT store_id FROM retail.stores WHERE manager_id = %s", SEATTLE
    )
    assert (len(stores), seattle in stores) == (len(STORE_MANAGERS), True)
    for user_id, role, call, expected in (
        (SEATTLE, "store_managers", "retail.get_current_user_store()", seattle),
        (region, "regional_managers", "retail.get_user_store_list()", stores),
    ):
        with psycopg.connect(server_conninfo) as conn:
            ((seal,),) = rows(
                conn, "SELECT seal FROM retail.resolve_identity(%s)", user_id
            )
            conn.execute(f"SET LOCAL app.current_rls_user_id = '{user_id}'".encode())
            conn.execute(f"SET LOCAL app.current_rls_seal = '{seal}'".encode())
            conn.execute(f"SET LOCAL ROLE {role}".encode())
            assert rows(conn, f"SELECT {call}") == [(expected,)]


@pytest.mark.acceptance("A50", "D7", "D8", "D24")
def test_the_files_load_into_an_empty_database_in_one_go(
    run_psql: RunPsql, empty_database: str
) -> None:
    loaded = run_psql(
        empty_database,
        *("-q", "-v", "ON_ERROR_STOP=1", "-v", "scale=0.0001"),
        *("-f", "schema.sql", "-f", "seed/seed.sql"),
    )
    assert (loaded.returncode, loaded.stderr) == (0, "")
