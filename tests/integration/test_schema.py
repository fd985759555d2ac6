"""What schema.sql promises, read from the catalogue."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.conftest import ROOT, RunPsql
from zava.admin.embedded import EmbeddedServer
from zava.admin.loading import DatabaseLoader

Owner = psycopg.Connection


def rows(conn: Owner, query: str) -> list[tuple[Any, ...]]:
    return conn.execute(query.encode()).fetchall()


@pytest.mark.acceptance("A76", "A77", "A78", "D9", "D11")
def test_every_table_with_a_store_has_forced_row_security_and_a_policy_for_each_role(
    owner: Owner,
) -> None:
    found = rows(
        owner,
        """
        SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
               array_agg(DISTINCT r.rolname ORDER BY r.rolname) FILTER (WHERE r.rolname <> 'zava_loader')::text[]
        FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'store_id'
        LEFT JOIN pg_policy AS p ON p.polrelid = c.oid AND p.polpermissive
        LEFT JOIN pg_roles AS r ON r.oid = ANY (p.polroles)
        WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p')
        GROUP BY 1, 2, 3
        """,
    )
    roles = ["regional_managers", "store_managers", "zava_owner"]
    assert {name for name, *_ in found} >= {
        "stores", "customers", "orders", "order_items", "inventory", "regional_manager_stores",
        "kept_daily_sales", "kept_daily_product_sales", "kept_monthly_product_sales",
        "kept_visits", "changed_orders", "kept_customers", "product_pairs", "segment_products", "customer_segments",
    }  # fmt: skip
    assert [f for f in found if f[1:] != (True, True, roles)] == []


@pytest.mark.acceptance("D25")
def test_policies_of_managers_only_read(owner: Owner) -> None:
    assert (
        rows(
            owner,
            "SELECT policyname FROM pg_policies WHERE schemaname = 'retail'"
            " AND cmd <> 'SELECT' AND roles NOT IN ('{zava_owner}', '{zava_loader}')",
        )
        == []
    )


@pytest.mark.acceptance("D25")
def test_managers_hold_nothing_but_select(owner: Owner) -> None:
    assert (
        rows(
            owner,
            """
            SELECT table_name, grantee, privilege_type
            FROM information_schema.table_privileges
            WHERE table_schema = 'retail'
                AND grantee NOT IN ('zava_owner', 'zava_loader', 'postgres')
                AND (privilege_type <> 'SELECT' OR is_grantable = 'YES')
            """,
        )
        == []
    )


@pytest.mark.parametrize(
    "role", ["store_managers_personal", "regional_managers_personal"]
)
def test_managers_read_every_column_of_a_table_with_a_store_and_no_system_column(
    owner: Owner, role: str
) -> None:
    found = rows(
        owner,
        f"""
        SELECT a.attrelid::regclass::text, a.attname
        FROM pg_attribute AS a
        WHERE a.attrelid = ANY ('{{retail.stores, retail.customers, retail.orders,
                                   retail.order_items, retail.inventory}}'::regclass[])
            -- Where a customer buys besides is nobody's to read.
            AND NOT a.attisdropped AND a.attname <> 'store_ids'
            AND has_column_privilege('{role}', a.attrelid, a.attnum, 'SELECT') <> (a.attnum > 0)
        """,
    )
    assert found == []


@pytest.mark.acceptance("D12")
def test_every_function_has_a_fixed_search_path_a_comment_and_is_closed_to_the_public(
    owner: Owner,
) -> None:
    # pg_temp last: where it is not named, types are looked up there first.
    assert (
        rows(
            owner,
            """
            SELECT p.oid::regprocedure::text
            FROM pg_proc AS p
            WHERE p.pronamespace = 'retail'::regnamespace
                AND (NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)
                    OR obj_description(p.oid, 'pg_proc') IS NULL
                    OR EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
                               WHERE a.grantee = 0))
            """,
        )
        == []
    )


@pytest.mark.acceptance("D24")
def test_every_foreign_key_has_an_index(owner: Owner) -> None:
    assert (
        rows(
            owner,
            """
            SELECT k.conrelid::regclass::text, k.conname
            FROM pg_constraint AS k
            WHERE k.contype = 'f' AND k.connamespace = 'retail'::regnamespace
                AND NOT EXISTS (
                    SELECT FROM pg_index AS i
                    WHERE i.indrelid = k.conrelid
                        -- A foreign key never looks for NULL.
                        AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid)
                             = format('(%s IS NOT NULL)', pg_get_indexdef(i.indexrelid, 1, false)))
                        -- store_id may stand first: it keeps conditions from reading other stores' entries.
                        AND ((i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
                            OR pg_get_indexdef(i.indexrelid, 1, false) = 'store_id'
                            AND (i.indkey::int2[])[1:cardinality(k.conkey)] @> k.conkey))
            """,
        )
        == []
    )


def test_every_table_and_column_has_a_comment(owner: Owner) -> None:
    assert (
        rows(
            owner,
            """
            SELECT c.relname, a.attname
            FROM pg_class AS c
            JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped
            WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
                AND (col_description(c.oid, a.attnum) IS NULL
                    OR obj_description(c.oid, 'pg_class') IS NULL)
            """,
        )
        == []
    )


@pytest.mark.acceptance("D24")
def test_every_time_has_a_zone_and_every_amount_is_exact(owner: Owner) -> None:
    assert (
        rows(
            owner,
            """
            SELECT table_name, column_name, data_type FROM information_schema.columns
            WHERE table_schema = 'retail'
                AND data_type IN ('timestamp without time zone', 'real', 'double precision', 'money')
            """,
        )
        == []
    )


@pytest.mark.acceptance("A79", "A80", "D8", "D11")
def test_the_owner_cannot_log_in_and_no_role_sidesteps_row_security(
    owner: Owner,
) -> None:
    assert rows(
        owner,
        """
        SELECT rolname, rolcanlogin, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb
        FROM pg_roles
        WHERE rolname ~ '^(zava_owner|zava_server|(store|regional)_managers(_personal)?)$'
        ORDER BY 1
        """,
    ) == [
        ("regional_managers", False, False),
        ("regional_managers_personal", False, False),
        ("store_managers", False, False),
        ("store_managers_personal", False, False),
        ("zava_owner", False, False),
        ("zava_server", True, False),
    ]


@pytest.mark.acceptance("D11")
def test_nobody_but_the_owner_and_the_loader_makes_temporary_objects(
    owner: Owner, template: str
) -> None:
    query = (
        "SELECT rolname FROM pg_roles WHERE NOT rolsuper AND rolname !~ '^pg_'"
        f" AND has_database_privilege(oid, '{template}', 'TEMPORARY')"
    )
    assert sorted(rows(owner, query)) == [("zava_loader",), ("zava_owner",)]


def test_the_server_s_login_inherits_nothing_and_is_no_owner(owner: Owner) -> None:
    assert rows(
        owner,
        """
        SELECT r.rolname, m.inherit_option, m.set_option, m.admin_option
        FROM pg_auth_members AS m JOIN pg_roles AS r ON r.oid = m.roleid
        WHERE m.member = 'zava_server'::regrole ORDER BY 1
        """,
    ) == [
        ("regional_managers", False, True, False),
        ("regional_managers_personal", False, True, False),
        ("store_managers", False, True, False),
        ("store_managers_personal", False, True, False),
    ]


def test_nobody_reads_personal_data_in_a_database_that_was_just_made(
    run_psql: RunPsql, empty_database: str
) -> None:
    loaded = run_psql(empty_database, "-q", "-v", "ON_ERROR_STOP=1", "-f", "schema.sql")
    assert loaded.returncode == 0, loaded.stderr
    with psycopg.connect(empty_database) as conn:
        assert rows(
            conn,
            "SELECT managers_read_personal_data,"
            " (SELECT count(*) FROM retail.personal_data_rights),"
            " retail.has_personal_data_right(gen_random_uuid()) FROM retail.chain",
        ) == [(False, 0, False)]


def test_a_load_over_indexes_of_an_earlier_version_makes_those_of_a_new_database(
    run_psql: RunPsql, empty_database: str
) -> None:
    def load() -> set[tuple[Any, ...]]:
        loaded = run_psql(empty_database, "-v", "ON_ERROR_STOP=1", "-f", "schema.sql")
        assert loaded.returncode == 0, loaded.stderr
        with psycopg.connect(empty_database) as conn:
            return set(
                rows(
                    conn,
                    "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid IN"
                    " ('retail.customers'::regclass, 'retail.orders'::regclass, 'retail.order_items'::regclass)"
                    " UNION SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'retail.customers'::regclass",
                )
            )

    new = load()
    with psycopg.connect(empty_database) as conn:
        for statement in (
            "DROP INDEX retail.orders_store_id_visits_idx, retail.order_items_store_id_product_id_idx, retail.customers_store_id_idx",
            "CREATE INDEX orders_customer_id_visits_idx ON retail.orders (customer_id, store_id, is_return, sold_on)",
            "CREATE INDEX order_items_product_id_store_id_idx ON retail.order_items (product_id, store_id)",
            "ALTER TABLE retail.customers DROP CONSTRAINT customers_store_id_email_key,"
            " ADD CONSTRAINT customers_store_id_email_key UNIQUE (store_id, email)",
        ):
            conn.execute(statement.encode())
    assert load() == new


@pytest.mark.acceptance("D5")
@pytest.mark.parametrize(
    "call",
    [
        "set_config('a.b', 'c', true)",
        "current_setting('port')",
        "pg_advisory_lock(1)",
        "pg_try_advisory_xact_lock(1)",
        "pg_sleep(0)",
        "pg_sleep_for('0')",
        "pg_notify('a', 'b')",
        "pg_logical_emit_message(false, 'a', 'b')",
        "pg_export_snapshot()",
        "clock_timestamp()",
        "timeofday()",
        "brin_summarize_new_values('retail.orders_pkey')",
        "brin_summarize_range('retail.orders_pkey', 0)",
        "brin_desummarize_range('retail.orders_pkey', 0)",
        "gin_clean_pending_list('retail.customers_store_ids_idx')",
        "pg_get_object_address('table', '{retail,orders}', '{}')",
        "pg_read_file('PG_VERSION')",
        "pg_ls_dir('.')",
        "pg_stat_file('PG_VERSION')",
        "pg_current_logfile()",
        "lo_create(0)",
        "lo_get(1)",
        "query_to_xml('select 1', true, true, '')",
        "table_to_xml('retail.orders', true, true, '')",
        "database_to_xml(true, true, '')",
        "cursor_to_xml('c', 1, true, true, '')",
        "ts_stat('select 1')",
        "ts_rewrite('a', 'select 1')",
        "pg_stat_get_live_tuples('retail.orders'::regclass)",
        "pg_stat_get_activity(null)",
        "pg_relation_size('retail.orders')",
        "pg_total_relation_size('retail.orders')",
        "pg_database_size(current_database())",
        "pg_relation_filepath('retail.orders')",
        "inet_server_port()",
        "pg_show_all_settings()",
        "pg_control_system()",
        "pg_cancel_backend(0)",
        "pg_terminate_backend(0)",
        "txid_current()",
        "txid_current_snapshot()",
        "pg_current_xact_id()",
        "pg_current_snapshot()",
        "pg_xact_status('3')",
        "age('3'::xid)",
        "mxid_age('1'::xid)",
    ],
)
def test_a_manager_cannot_call_what_a_query_could_misuse(
    owner: Owner, call: str
) -> None:
    with (
        owner.transaction(force_rollback=True),
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        owner.execute("SET LOCAL ROLE store_managers")
        owner.execute(f"SELECT {call}".encode())


@pytest.mark.parametrize(
    "source",
    [
        "pg_stat_activity", "pg_stat_user_tables", "pg_statio_all_tables", "pg_locks",
        "pg_settings", "pg_db_role_setting", "pg_foreign_server", "pg_cursors", "pg_prepared_statements",
        "(SELECT reltuples FROM pg_class) AS c", "(SELECT relpages FROM pg_class) AS c",
        "(SELECT relfrozenxid FROM pg_class) AS c", "(SELECT relminmxid FROM pg_class) AS c",
        "(SELECT relfilenode FROM pg_class) AS c", "(SELECT xmin FROM pg_class) AS c",
        "(SELECT datfrozenxid FROM pg_database) AS c", "(SELECT rolconfig FROM pg_roles) AS c",
        "(SELECT useconfig FROM pg_user) AS c", "(SELECT xmin FROM retail.search_vocabulary) AS c",
        "(SELECT xmin FROM retail.categories) AS c", "(SELECT max(ctid) FROM retail.products) AS c",
        "(SELECT cmin FROM retail.product_types) AS c", "(SELECT tableoid FROM retail.products) AS c",
        "pg_get_multixact_members('1'::xid)",
        "(SELECT attmissingval FROM pg_attribute) AS c", "(SELECT attfdwoptions FROM pg_attribute) AS c",
        "(SELECT ftoptions FROM pg_foreign_table) AS c", "(SELECT fdwoptions FROM pg_foreign_data_wrapper) AS c",
    ],
)  # fmt: skip
def test_a_manager_cannot_read_statistics_of_the_whole_chain(
    owner: Owner, source: str
) -> None:
    with (
        owner.transaction(force_rollback=True),
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        owner.execute("SET LOCAL ROLE store_managers")
        owner.execute(f"SELECT * FROM {source}".encode())


def test_catalogue_queries_keep_working_for_a_manager(owner: Owner) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("SET LOCAL ROLE store_managers")
        assert rows(owner, "SELECT table_name FROM information_schema.tables") != []
        assert rows(owner, "SELECT relname, relkind, oid FROM pg_class") != []
        assert rows(owner, "SELECT * FROM pg_tables") != []
        assert rows(owner, "SELECT attname, atttypid FROM pg_attribute") != []
        assert rows(owner, "SELECT age(timestamptz '2026-01-01')") != []


def test_monitoring_is_given_nothing_that_was_a_superuser_s(owner: Owner) -> None:
    given = rows(
        owner,
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p JOIN pg_init_privs AS i"
        " ON i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid"
        " WHERE has_function_privilege('pg_monitor', p.oid, 'EXECUTE') AND NOT EXISTS ("
        " SELECT FROM aclexplode(i.initprivs) AS a WHERE a.grantee = 0 OR pg_has_role('pg_monitor', a.grantee, 'USAGE'))",
    )
    assert given == []


def test_introspection_of_tools_keeps_working(owner: Owner) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("SET LOCAL ROLE store_managers")
        for query in (
            "SELECT oid, relname, relkind, relnamespace, tableoid::regclass FROM pg_class",
            "SELECT rolname, rolsuper, rolcanlogin FROM pg_roles",
            "SELECT datname, datcollate, encoding FROM pg_database",
            "SELECT usename, usesuper FROM pg_user",
            "SELECT t FROM retail.products AS t LIMIT 1",
            "SELECT to_jsonb(t) FROM retail.categories AS t LIMIT 1",
            "TABLE retail.product_types",
            "SELECT count(*) FROM retail.products",
        ):
            assert rows(owner, query) != []


def test_monitoring_keeps_the_statistics(owner: Owner) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("SET LOCAL ROLE pg_monitor")
        assert rows(owner, "SELECT pid FROM pg_stat_activity") != []
        assert rows(owner, "SELECT relname, reltuples FROM pg_class") != []
        assert rows(owner, "SELECT name FROM pg_settings") != []


def test_loading_the_schema_again_changes_nothing(
    run_psql: RunPsql, empty_database: str
) -> None:
    first = run_psql(empty_database, "-q", "-v", "ON_ERROR_STOP=1", "-f", "schema.sql")
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    before = catalogue(empty_database)
    again = run_psql(empty_database, "-q", "-v", "ON_ERROR_STOP=1", "-f", "schema.sql")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert catalogue(empty_database) == before


def test_loading_the_schema_again_opens_nothing_that_the_operator_keeps_closed(
    run_psql: RunPsql,
    admin_of_clone: psycopg.Connection,
    cluster: EmbeddedServer,
    database: str,
) -> None:
    admin_of_clone.execute(
        """
        ALTER TABLE retail.products ADD COLUMN closed int, ADD COLUMN opened int;
        GRANT SELECT (opened) ON retail.products TO store_managers;
        REVOKE SELECT (price) ON retail.products FROM store_managers
        """.replace("price", "base_price").encode()
    )
    clone = cluster.conninfo(dbname=database, user="postgres")
    loaded = run_psql(clone, "-q", "-v", "ON_ERROR_STOP=1", "-f", "schema.sql")
    assert (loaded.returncode, loaded.stderr) == (0, "")
    readable = rows(
        admin_of_clone,
        """
        SELECT attname FROM pg_attribute
        WHERE attrelid = 'retail.products'::regclass AND attname IN ('closed', 'opened', 'base_price')
            AND has_column_privilege('store_managers', attrelid, attnum, 'SELECT')
        ORDER BY attname
        """,
    )
    assert readable == [("base_price",), ("opened",)]


def test_loading_the_schema_again_locks_nobody_out(
    admin_of_clone: psycopg.Connection,
) -> None:
    text = (ROOT / "schema.sql").read_text(encoding="utf-8")
    body = text.partition("\nBEGIN;")[2].rpartition("COMMIT;")[0]
    with admin_of_clone.transaction(force_rollback=True):
        admin_of_clone.execute(body.encode())
        locks = rows(
            admin_of_clone,
            """
            SELECT DISTINCT c.relname, l.mode
            FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
            WHERE l.pid = pg_backend_pid() AND c.relnamespace = 'retail'::regnamespace
                AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock')
            """,
        )
    assert locks == []


def test_a_load_that_needs_a_lock_gives_up_soon_and_is_taken_up_again(
    cluster: EmbeddedServer, database: str
) -> None:
    admin = cluster.conninfo(dbname=database, user="postgres")
    with (
        psycopg.connect(admin) as holder,
        psycopg.connect(admin, autocommit=True) as other,
    ):
        other.execute("DROP POLICY owner_orders ON retail.orders")
        holder.execute("SELECT count(*) FROM retail.orders")
        released = threading.Timer(3, holder.rollback)
        released.start()
        # While it waits, at most two seconds, others wait behind it; then not.
        DatabaseLoader(admin).load_schema()
        released.join()
        assert rows(other, "SELECT FROM pg_policy WHERE polname = 'owner_orders'")


@pytest.fixture
def admin_of_clone(
    cluster: EmbeddedServer, database: str
) -> Iterator[psycopg.Connection]:
    conninfo = cluster.conninfo(dbname=database, user="postgres")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        yield conn


def catalogue(conninfo: str) -> list[list[tuple[Any, ...]]]:
    """Everything that schema.sql sets, by name."""
    queries = (
        "SELECT table_name, column_name, data_type, column_default, is_nullable"
        " FROM information_schema.columns WHERE table_schema = 'retail' ORDER BY 1, 2",
        "SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace = 'retail'::regnamespace ORDER BY 2, 1",
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'retail' ORDER BY 1",
        "SELECT tablename, policyname, roles::text, cmd, qual, with_check"
        " FROM pg_policies ORDER BY 1, 2",
        "SELECT oid::regprocedure::text, prosrc, pg_get_functiondef(oid), proacl::text"
        " FROM pg_proc WHERE pronamespace = 'retail'::regnamespace ORDER BY 1",
        "SELECT oid::regprocedure::text, proacl::text FROM pg_proc"
        " WHERE proacl IS NOT NULL ORDER BY 1",
        "SELECT oid::regclass::text, relowner::regrole::text, relacl::text,"
        " relrowsecurity, relforcerowsecurity FROM pg_class"
        " WHERE relacl IS NOT NULL ORDER BY 1",
        "SELECT attrelid::regclass::text, attname, attacl::text FROM pg_attribute"
        " WHERE attacl IS NOT NULL ORDER BY 1, 2",
        "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger"
        " WHERE NOT tgisinternal ORDER BY 1, 2",
        "SELECT objoid::text, classoid::text, objsubid::text, description"
        " FROM pg_description WHERE classoid <> 'pg_policy'::regclass ORDER BY 1, 2, 3",
        "SELECT roleid::regrole::text, member::regrole::text, inherit_option::text,"
        " set_option::text FROM pg_auth_members ORDER BY 1, 2",
        "SELECT encode(key, 'hex') FROM retail.identity_key",
    )
    with psycopg.connect(conninfo, autocommit=True) as conn:
        return [rows(conn, query) for query in queries]


def test_a_login_cannot_fill_the_disk_nor_lift_the_ceiling(
    server_conninfo: str,
) -> None:
    with psycopg.connect(server_conninfo, autocommit=True) as conn:
        row = conn.execute("SHOW temp_file_limit").fetchone()
        assert row == ("2GB",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SET temp_file_limit = -1")


def test_a_ceiling_of_temporary_files_that_the_operator_chose_stays(
    cluster: EmbeddedServer, database: str, owner: Owner, run_psql: RunPsql
) -> None:
    def ceiling() -> list[tuple[Any, ...]]:
        query = (
            "SELECT setting FROM pg_db_role_setting, unnest(setconfig) AS setting"
            " WHERE setrole = 'zava_server'::regrole AND setting LIKE 'temp%'"
        )
        return rows(owner, query)

    before = ceiling()
    owner.execute("ALTER ROLE zava_server SET temp_file_limit = '3GB'")
    try:
        loaded = run_psql(
            cluster.conninfo(dbname=database, user="postgres"), "-q", "-f", "schema.sql"
        )
        assert loaded.returncode == 0, loaded.stderr
        assert ceiling() == [("temp_file_limit=3GB",)]
    finally:
        owner.execute("ALTER ROLE zava_server SET temp_file_limit = '2GB'")
    assert ceiling() == before
