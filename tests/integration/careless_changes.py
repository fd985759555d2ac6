"""What a careless administrator does to a database: one change each, by name.

`reads` are queries that a role in reach may try besides reading every table that
it may read. Whether a row of another store shows is for the test to find out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.people import REDMOND

GROUPS = ("store_managers", "regional_managers")
TABLES = (
    *("stores", "customers", "orders", "order_items", "inventory", "kept_daily_sales"),
    *("kept_daily_product_sales", "kept_monthly_product_sales", "kept_visits"),
    *(
        "changed_orders",
        "kept_customers",
        "product_pairs",
        "segment_products",
        "customer_segments",
    ),
    "regional_manager_stores",
)
AMOUNT = "7654321.09"
TRUE = "USING (true)"


@dataclass(frozen=True)
class Change:
    """One change.

    Attributes:
        sql: Statements of a superuser; `{database}` is the database's name.
        reads: Queries that may show what it opened.
        undo: For what belongs to the whole server and no remedy takes back.
        only_warns: Nothing is read by it; doctor warns.
        since: The first version of PostgreSQL in which it can be made.
        by_hand: What only the administrator can know how to take back.
        is_harmless: Nothing is opened by it; doctor passes.
    """

    name: str
    sql: str
    reads: tuple[str, ...] = ()
    undo: str = ""
    only_warns: bool = False
    since: int = 16
    by_hand: str = ""
    is_harmless: bool = False


def _copies() -> Iterator[Change]:
    copy = "CREATE TABLE {} AS SELECT {} FROM retail.{}"
    shapes = {
        "customers-without-store": ("customer_id, first_name, last_name, email", "customers"),
        "store-by-another-name": ("store_id AS store, total_amount", "orders"),
        "store-in-capitals": ('store_id AS "Store_ID", total_amount', "orders"),
        "store-as-text": ("store_id::text AS store_id, total_amount", "orders"),
        "whole": ("*", "orders"),
        "one-document": ("json_agg(t) AS everything", "customers AS t"),
        "totals": ("store_id AS shop, revenue", "daily_sales"),
    }  # fmt: skip
    for name, (columns, source) in shapes.items():
        for target, grantee in (
            ("retail.copy", "store_managers"),
            ("public.copy", "PUBLIC"),
        ):
            yield Change(
                f"copy-{name}-in-{target.partition('.')[0]}",
                copy.format(target, columns, source)
                + f"; GRANT SELECT ON {target} TO {grantee}",
            )
    whole = copy.format("retail.copy", "*", "customers")
    yield Change(
        "copy-one-column",
        whole + "; GRANT SELECT (email) ON retail.copy TO store_managers",
    )
    yield Change(
        "copy-for-the-login", whole + "; GRANT SELECT ON retail.copy TO zava_server"
    )
    yield Change(
        "copy-for-the-other-group",
        whole + "; GRANT SELECT ON retail.copy TO regional_managers",
    )
    yield Change(
        "copy-unlogged",
        whole.replace("CREATE", "CREATE UNLOGGED")
        + "; GRANT SELECT ON retail.copy TO PUBLIC",
    )
    yield Change(
        "copy-in-a-schema-of-reports",
        "CREATE SCHEMA reports; GRANT USAGE ON SCHEMA reports TO PUBLIC;"
        + copy.format("reports.sales", "*", "orders")
        + "; GRANT SELECT ON ALL TABLES IN SCHEMA reports TO store_managers",
    )
    yield Change(
        "copy-with-policy-true",
        whole
        + "; ALTER TABLE retail.copy ENABLE ROW LEVEL SECURITY; ALTER TABLE retail.copy FORCE ROW LEVEL SECURITY;"
        f"CREATE POLICY p ON retail.copy {TRUE}; GRANT SELECT ON retail.copy TO store_managers",
    )
    yield Change(
        "copy-elsewhere-with-policy-true",
        "CREATE SCHEMA rep; GRANT USAGE ON SCHEMA rep TO PUBLIC;"
        + copy.format("rep.o", "store_id, total_amount", "orders")
        + f"; ALTER TABLE rep.o ENABLE ROW LEVEL SECURITY; ALTER TABLE rep.o FORCE ROW LEVEL SECURITY; CREATE POLICY p ON rep.o {TRUE};"
        "GRANT SELECT ON rep.o TO PUBLIC",
    )
    yield Change(
        "copy-like",
        "CREATE TABLE retail.copy (LIKE retail.customers INCLUDING ALL); INSERT INTO retail.copy SELECT * FROM retail.customers;"
        "GRANT SELECT ON retail.copy TO store_managers",
    )
    yield Change(
        "select-into",
        "SELECT * INTO public.copy FROM retail.customers; GRANT SELECT ON public.copy TO PUBLIC",
    )
    yield Change(
        "partitioned",
        "CREATE TABLE retail.sales (store uuid, total_amount numeric) PARTITION BY HASH (store);"
        "CREATE TABLE retail.sales_0 PARTITION OF retail.sales FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "INSERT INTO retail.sales SELECT store_id, total_amount FROM retail.orders; GRANT SELECT ON retail.sales TO store_managers",
    )
    yield Change(
        "one-partition",
        "CREATE TABLE retail.sales (store_id uuid, total_amount numeric) PARTITION BY HASH (store_id);"
        "ALTER TABLE retail.sales ENABLE ROW LEVEL SECURITY; ALTER TABLE retail.sales FORCE ROW LEVEL SECURITY;"
        "CREATE TABLE retail.sales_0 PARTITION OF retail.sales FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "INSERT INTO retail.sales_0 SELECT store_id, total_amount FROM retail.orders; GRANT SELECT ON retail.sales_0 TO PUBLIC",
    )
    yield Change(
        "child-of-a-shared-table",
        "CREATE TABLE retail.more () INHERITS (retail.categories);"
        "INSERT INTO retail.more (category_id, name) SELECT customer_id, last_name FROM retail.customers",
    )
    yield Change(
        "grandchild-of-a-shared-table",
        "CREATE TABLE retail.more () INHERITS (retail.categories); CREATE TABLE public.most () INHERITS (retail.more);"
        "INSERT INTO public.most (category_id, name) SELECT customer_id, last_name FROM retail.customers",
    )
    yield Change(
        "child-of-orders-by-itself",
        "CREATE TABLE retail.archive () INHERITS (retail.customers); INSERT INTO retail.archive SELECT * FROM retail.customers;"
        "GRANT SELECT ON retail.archive TO store_managers",
    )
    notes = (
        "CREATE TABLE retail.notes (note_id int PRIMARY KEY, order_id uuid, store uuid, note text,"
        " FOREIGN KEY (order_id, store) REFERENCES retail.orders (order_id, store_id));"
        "INSERT INTO retail.notes SELECT row_number() OVER (), order_id, store_id, total_amount::text FROM retail.orders;"
    )
    yield Change(
        "by-foreign-key", notes + "GRANT SELECT ON retail.notes TO store_managers"
    )
    yield Change(
        "by-foreign-key-with-policy-true",
        notes
        + f"ALTER TABLE retail.notes ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON retail.notes {TRUE};"
        "GRANT SELECT ON retail.notes TO store_managers",
    )
    yield Change(
        "by-foreign-key-of-a-foreign-key",
        notes + "CREATE TABLE retail.remarks (note_id int REFERENCES retail.notes, remark text);"
        "INSERT INTO retail.remarks SELECT note_id, note FROM retail.notes; GRANT SELECT ON retail.remarks TO PUBLIC",
    )  # fmt: skip


def _views() -> Iterator[Change]:
    view = "CREATE VIEW {0} AS SELECT {1} FROM retail.{2}; GRANT SELECT ON {0} TO {3}"
    for name, target, columns, source, grantee in (
        ("in-retail", "retail.v", "*", "orders", "store_managers"),
        ("in-public", "public.v", "*", "customers", "PUBLIC"),
        ("of-totals", "retail.v", "store_id AS s, sum(revenue) AS r", "daily_sales GROUP BY 1", "regional_managers"),
        ("of-managers", "public.v", "*", "regional_manager_stores", "PUBLIC"),
        ("of-a-count", "public.v", "string_agg(email, ' ') AS emails", "customers", "zava_server"),
    ):  # fmt: skip
        yield Change(f"view-{name}", view.format(target, columns, source, grantee))
    yield Change(
        "view-with-barrier",
        "CREATE VIEW retail.v WITH (security_barrier) AS SELECT * FROM retail.orders; GRANT SELECT ON retail.v TO store_managers",
    )
    yield Change(
        "view-of-one-column",
        "CREATE VIEW public.v AS SELECT * FROM retail.orders; GRANT SELECT (order_id) ON public.v TO PUBLIC",
    )
    yield Change(
        "view-of-a-caller-s-view",
        "CREATE VIEW retail.inner_v WITH (security_invoker) AS SELECT * FROM retail.orders;"
        "CREATE VIEW public.v AS SELECT * FROM retail.inner_v; GRANT SELECT ON public.v TO PUBLIC",
    )
    yield Change(
        "caller-s-view-of-a-view",
        "CREATE VIEW retail.inner_v AS SELECT * FROM retail.orders; GRANT SELECT ON retail.inner_v TO PUBLIC;"
        "CREATE VIEW public.v WITH (security_invoker) AS SELECT * FROM retail.inner_v; GRANT SELECT ON public.v TO PUBLIC",
    )
    yield Change(
        "view-of-a-hidden-copy",
        "CREATE SCHEMA rep; CREATE TABLE rep.o AS SELECT total_amount, store_id AS s FROM retail.orders;"
        "CREATE VIEW public.vo AS SELECT * FROM rep.o; GRANT SELECT ON public.vo TO PUBLIC",
    )
    yield Change(
        "view-of-statistics",
        "CREATE VIEW public.my_stats AS SELECT starelid, stavalues1::text AS a, stavalues2::text AS b FROM pg_statistic;"
        "GRANT SELECT ON public.my_stats TO PUBLIC",
    )
    yield Change(
        "view-of-activity",
        "CREATE VIEW public.busy AS SELECT pid, query FROM pg_stat_activity; GRANT SELECT ON public.busy TO PUBLIC",
    )
    yield Change(
        "view-turned-into-its-owner-s",
        "CREATE VIEW retail.v WITH (security_invoker) AS SELECT * FROM retail.orders; GRANT SELECT ON retail.v TO store_managers;"
        "ALTER VIEW retail.v RESET (security_invoker)",
    )
    for name, change in {
        "made-its-owner-s": "ALTER VIEW retail.{} RESET (security_invoker)",
        "without-its-caller-s-rights": "ALTER VIEW retail.{} SET (security_invoker = false)",
    }.items():
        for view in (
            "daily_sales",
            "monthly_product_sales",
            "product_sales_corrections",
        ):
            yield Change(f"{view}-{name}", change.format(view))
    yield Change("view-of-totals-lost", "DROP VIEW retail.daily_sales")
    copied = "CREATE MATERIALIZED VIEW {0} AS SELECT {1} FROM retail.{2}; GRANT SELECT ON {0} TO {3}"
    for name, target, columns, source, grantee in (
        ("in-retail", "retail.m", "*", "orders", "store_managers"),
        ("in-public", "public.m", "*", "customers", "PUBLIC"),
        ("of-totals", "retail.m", "store_id AS s, sum(total_amount) AS t", "orders GROUP BY 1", "store_managers"),
        ("without-store", "public.m", "max(total_amount) AS most", "orders", "PUBLIC"),
    ):  # fmt: skip
        yield Change(
            f"copy-kept-{name}", copied.format(target, columns, source, grantee)
        )
    yield Change(
        "foreign-table",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
        "CREATE FOREIGN TABLE public.elsewhere (a int) SERVER s; GRANT SELECT ON public.elsewhere TO PUBLIC",
    )


def _sequences() -> Iterator[Change]:
    yield Change(
        "sequence-of-a-column",
        "ALTER TABLE retail.orders ADD COLUMN order_no bigserial; GRANT SELECT ON ALL SEQUENCES IN SCHEMA retail TO store_managers",
        ("SELECT 'order no ' || last_value FROM retail.orders_order_no_seq",),
    )
    yield Change(
        "sequence-of-an-identity-column",
        "ALTER TABLE retail.customers ADD COLUMN no bigint GENERATED ALWAYS AS IDENTITY; GRANT USAGE ON ALL SEQUENCES IN SCHEMA retail TO PUBLIC",
    )
    yield Change(
        "sequence-in-public",
        "CREATE SEQUENCE public.receipts; GRANT SELECT ON SEQUENCE public.receipts TO PUBLIC",
    )


def _functions() -> Iterator[Change]:
    body = "SELECT string_agg(email, chr(32)) FROM retail.customers"
    definer = (
        "CREATE FUNCTION {} RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS '"
        + body
        + "'"
    )
    for name, function in (
        ("in-retail", "retail.f()"),
        ("in-public", "public.f()"),
        ("in-pg-catalog", "pg_catalog.all_emails()"),
        ("in-information-schema", "information_schema.f()"),
    ):
        grant = f"; GRANT EXECUTE ON FUNCTION {function} TO store_managers"
        yield Change(
            f"definer-{name}", definer.format(function) + grant, (f"SELECT {function}",)
        )
    yield Change(
        "definer-in-plpgsql",
        "CREATE FUNCTION public.f() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN ("
        + body
        + "); END'",
        ("SELECT public.f()",),
    )
    yield Change(
        "definer-of-rows",
        "CREATE FUNCTION public.f() RETURNS SETOF retail.orders LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM retail.orders'",
        ("SELECT string_agg(f::text, ' ') FROM public.f()",),
    )
    hidden = "CREATE SCHEMA hidden; " + definer.format("hidden.f(integer)") + ";"
    yield Change(
        "definer-behind-an-operator",
        hidden + "CREATE OPERATOR public.@@@ (FUNCTION = hidden.f, RIGHTARG = integer)",
        ("SELECT OPERATOR(public.@@@) 1",),
    )
    yield Change(
        "definer-behind-a-cast",
        "CREATE SCHEMA hidden; CREATE FUNCTION hidden.f(point) RETURNS name LANGUAGE sql SECURITY DEFINER AS 'SELECT email::name FROM retail.customers WHERE email LIKE ''%{canary}%'' LIMIT 1';"
        "CREATE CAST (point AS name) WITH FUNCTION hidden.f(point)",
        ("SELECT point(1, 1)::name::text",),
    )
    yield Change(
        "definer-as-an-aggregate-s-step",
        definer.format("public.step(text, integer)")
        + "; CREATE AGGREGATE public.peek (integer) (SFUNC = public.step, STYPE = text)",
        ("SELECT public.peek(1)",),
    )
    runs = "CREATE FUNCTION {}(text) RETURNS text LANGUAGE plpgsql AS 'DECLARE r text; BEGIN EXECUTE $1 INTO r; RETURN r; END'"
    yield Change(
        "runs-text-in-public",
        runs.format("public.run"),
        ("SELECT public.run('SELECT 1')",),
    )
    yield Change(
        "runs-text-in-retail",
        runs.format("retail.run")
        + "; GRANT EXECUTE ON FUNCTION retail.run(text) TO store_managers",
    )
    internal = "CREATE FUNCTION public.{} RETURNS {} LANGUAGE internal AS '{}'"
    yield Change(
        "set-config-by-another-name",
        internal.format("put(text, text, boolean)", "text", "set_config_by_name"),
    )
    yield Change(
        "read-file-by-another-name",
        internal.format("slurp(text)", "text", "pg_read_file_all"),
        ("SELECT public.slurp('PG_VERSION')",),
    )
    yield Change(
        "sleep-by-another-name",
        internal.format("nap(double precision)", "void", "pg_sleep"),
    )
    yield Change(
        "in-c",
        "CREATE FUNCTION public.v(cstring, oid, integer) RETURNS public.vector LANGUAGE c AS '$libdir/vector', 'vector_in'",
    )
    yield Change(
        "part-of-pgvector-by-hand",
        "CREATE FUNCTION public.f() RETURNS text LANGUAGE sql SECURITY DEFINER AS '"
        + body
        + "'; ALTER EXTENSION vector ADD FUNCTION public.f()",
        ("SELECT public.f()",),
    )
    yield Change(
        "trusted-language",
        "CREATE FUNCTION public.easter(integer) RETURNS date LANGUAGE sql AS 'SELECT make_date($1, 4, 1)'",
    )
    for extension in (
        "citus",
        "pg_trgm",
        "pg_prewarm",
        "dblink",
        "plperlu",
        "file_fdw",
        "adminpack",
        "pg_cron",
    ):
        yield Change(
            f"extension-{extension}",
            f"INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)"
            f" VALUES (9{len(extension)}001, '{extension}', 10, 'public'::regnamespace, true, '1');"
            f"CREATE FUNCTION public.{extension}_run(text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS"
            " 'DECLARE r text; BEGIN EXECUTE $1 INTO r; RETURN r; END';"
            f"ALTER EXTENSION {extension} ADD FUNCTION public.{extension}_run(text)",
            (f"SELECT public.{extension}_run('{body}')",),
        )
    yield Change(
        "function-in-plpgsql-s-extension",
        "CREATE FUNCTION public.listed() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS"
        f" 'BEGIN RETURN ({body}); END'; ALTER EXTENSION plpgsql ADD FUNCTION public.listed()",
        ("SELECT public.listed()",),
    )
    # What a grant in the script of an extension leaves behind.
    installed = (
        "DELETE FROM pg_init_privs WHERE objoid = {0} AND classoid = '{1}'::regclass AND objsubid = 0;"
        "INSERT INTO pg_init_privs SELECT {0}, '{1}'::regclass, 0, 'i', {2} FROM {1} WHERE oid = {0}"
    )
    for number, table in enumerate(("pg_statistic", "pg_authid", "pg_user_mapping")):
        yield Change(
            f"{table}-granted-by-a-script",
            f"GRANT SELECT ON pg_catalog.{table} TO PUBLIC;"
            + installed.format(f"'pg_catalog.{table}'::regclass", "pg_class", "relacl"),
            (
                "SELECT string_agg(stavalues1::text, ' ') FROM pg_statistic",
                "SELECT string_agg(rolpassword, ' ') FROM pg_authid",
                "SELECT count(*) FROM pg_user_mapping",
            )[number : number + 1],
        )
    reading = "'pg_catalog.pg_read_file(text)'::regprocedure"
    yield Change(
        "pg_read_file-granted-by-a-script",
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO PUBLIC;"
        + installed.format(reading, "pg_proc", "proacl"),
        ("SELECT pg_read_file('PG_VERSION')",),
    )
    yield Change(
        "extension-s-view",
        "INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)"
        " VALUES (98001, 'pg_stat_statements', 10, 'public'::regnamespace, true, '1');"
        "CREATE VIEW public.pg_stat_statements AS SELECT query FROM pg_stat_activity;"
        "ALTER EXTENSION pg_stat_statements ADD VIEW public.pg_stat_statements; GRANT SELECT ON public.pg_stat_statements TO PUBLIC",
    )


def _roundabout() -> Iterator[Change]:
    """What is reached by way of something else, or stands where nobody looks."""
    of_system = "CREATE {0} {1} AS SELECT email FROM retail.customers; GRANT SELECT ON {1} TO PUBLIC"
    emails = "SELECT string_agg(email, ' ') FROM {}"
    for kind in ("VIEW", "TABLE"):
        yield Change(
            f"{kind.lower()}-in-information-schema",
            of_system.format(kind, "information_schema.emails"),
            (emails.format("information_schema.emails"),),
        )
    in_catalogue = "SET allow_system_table_mods = on; " + of_system.format(
        "VIEW", "pg_catalog.emails"
    )
    yield Change(
        "view-in-pg-catalog", in_catalogue, (emails.format("pg_catalog.emails"),)
    )
    yield Change(
        "extension-s-view-in-pg-catalog",
        in_catalogue
        + "; INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)"
        " VALUES (98002, 'reports', 10, 'pg_catalog'::regnamespace, true, '1'); ALTER EXTENSION reports ADD VIEW pg_catalog.emails",
        (emails.format("pg_catalog.emails"),),
    )
    # The schema is closed, what is in it is not, and a view leads there.
    body = "SELECT string_agg(email, chr(32)) FROM retail.customers"
    function = f"CREATE FUNCTION rep.f(text, text) RETURNS text LANGUAGE sql SECURITY DEFINER AS '{body}';"
    for name, within, shows in (
        ("table", "CREATE TABLE rep.o AS SELECT email FROM retail.customers; GRANT SELECT ON rep.o TO PUBLIC;", "* FROM rep.o"),
        ("view", "CREATE VIEW rep.o AS SELECT email FROM retail.customers; GRANT SELECT ON rep.o TO store_managers;", "* FROM rep.o"),
        ("view-of-a-view", "CREATE VIEW rep.i AS SELECT email FROM retail.customers; CREATE VIEW rep.o WITH (security_invoker) AS SELECT * FROM rep.i;"
         "GRANT SELECT ON rep.i, rep.o TO PUBLIC;", "* FROM rep.o"),
        ("table-with-policy-true", "CREATE TABLE rep.o AS SELECT store_id, total_amount FROM retail.orders; GRANT SELECT ON rep.o TO PUBLIC;"
         "ALTER TABLE rep.o ENABLE ROW LEVEL SECURITY; ALTER TABLE rep.o FORCE ROW LEVEL SECURITY; CREATE POLICY p ON rep.o " + TRUE + ";",
         "* FROM rep.o"),
        ("sequence", "CREATE SEQUENCE rep.s; GRANT SELECT ON rep.s TO PUBLIC;", "'order no ' || last_value AS no FROM rep.s"),
        ("function", function, "rep.f('', '') AS f"),
        ("operator", function + "CREATE OPERATOR rep.@@@ (FUNCTION = rep.f, LEFTARG = text, RIGHTARG = text);", "''::text OPERATOR(rep.@@@) ''::text AS f"),
        ("aggregate", function + "CREATE AGGREGATE rep.a (text) (SFUNC = rep.f, STYPE = text);", "rep.a('') AS f"),
    ):  # fmt: skip
        yield Change(
            f"caller-s-view-of-a-hidden-{name}",
            f"CREATE SCHEMA rep; {within} CREATE VIEW public.v WITH (security_invoker) AS SELECT {shows}; GRANT SELECT ON public.v TO PUBLIC",
        )
    yield Change(
        "definer-behind-a-domain",
        "CREATE SCHEMA rep; CREATE FUNCTION rep.f(text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS"
        f" $$ BEGIN RAISE EXCEPTION '%', ({body}); END $$; CREATE DOMAIN public.code AS text CHECK (rep.f(VALUE))",
        ("SELECT ''::public.code",),
    )
    yield Change(
        "password-of-a-foreign-server",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; GRANT USAGE ON FOREIGN SERVER s TO PUBLIC;"
        "CREATE USER MAPPING FOR zava_server SERVER s OPTIONS (password 'SCRAM-SHA-256$')",
        ("SELECT string_agg(umoptions::text, ' ') FROM pg_user_mappings",),
    )
    yield Change(
        "postgresql-s-own-function-replaced",
        "CREATE OR REPLACE FUNCTION pg_catalog.initcap(text) RETURNS text LANGUAGE plpgsql AS"
        " 'DECLARE r text; BEGIN EXECUTE $1 INTO r; RETURN r; END'",
    )


def _own_functions() -> Iterator[Change]:
    change = "CREATE OR REPLACE FUNCTION retail.{} LANGUAGE sql STABLE {} SET search_path = pg_catalog, pg_temp AS $$ {} $$"
    definer = "SECURITY DEFINER"
    yield Change(
        "list-of-all-stores",
        change.format(
            "get_user_store_list() RETURNS uuid[]",
            definer,
            "SELECT array_agg(store_id) FROM retail.stores",
        ),
    )
    yield Change(
        "store-of-everybody",
        change.format(
            "get_current_user_store() RETURNS uuid",
            definer,
            "SELECT store_id FROM retail.stores WHERE name LIKE '%Redmond%'",
        ),
    )
    yield Change(
        "no-seal-needed",
        change.format(
            "sealed_user_id() RETURNS uuid",
            "",
            "SELECT nullif(current_setting('app.current_rls_user_id', true), '')::uuid",
        ),
        ("!forged",),
    )
    yield Change(
        "one-seal-for-all",
        change.format(
            "identity_seal(user_id uuid) RETURNS text",
            "STRICT",
            "SELECT repeat('0', 64)",
        ),
        ("!forged",),
    )
    yield Change(
        "any-login-for-anybody",
        change.format(
            "login_may_act_as(user_id uuid) RETURNS boolean", "STRICT", "SELECT true"
        ),
    )
    yield Change(
        "every-login-bound",
        change.format("login_is_bound() RETURNS boolean", definer, "SELECT true"),
    )
    yield Change(
        "identity-for-everybody",
        "DROP FUNCTION retail.resolve_identity(uuid);"
        + change.format(
            "resolve_identity(user_id uuid, OUT role_name text, OUT display_name text, OUT store_ids uuid[], OUT seal text, OUT cache_secret text) RETURNS SETOF record",
            definer,
            "SELECT 'store_managers', 'x', ARRAY(SELECT store_id FROM retail.stores WHERE manager_id = user_id), retail.identity_seal(user_id), repeat('0', 64)",
        )
        + "; REVOKE ALL ON FUNCTION retail.resolve_identity(uuid) FROM PUBLIC; GRANT EXECUTE ON FUNCTION retail.resolve_identity(uuid) TO zava_server",
    )
    yield Change(
        "a-second-one",
        change.format(
            "get_current_user_store(integer) RETURNS text",
            definer,
            "SELECT string_agg(email, chr(32)) FROM retail.customers",
        ),
        ("SELECT retail.get_current_user_store(1)",),
    )
    yield Change(
        "search-with-its-owner-s-rights",
        "DO $$ BEGIN EXECUTE (SELECT 'ALTER FUNCTION ' || oid::regprocedure || ' SECURITY DEFINER' FROM pg_proc WHERE proname = 'search_products'); END $$",
    )
    yield Change(
        "owned-by-somebody-else",
        "ALTER FUNCTION retail.get_user_store_list() OWNER TO postgres",
    )
    yield Change(
        "somebody-s-identity-as-a-setting",
        f"ALTER FUNCTION retail.get_current_user_store() SET app.current_rls_user_id = '{REDMOND}'",
    )
    yield Change(
        "settings-of-a-search",
        "DO $$ BEGIN EXECUTE (SELECT 'ALTER FUNCTION ' || oid::regprocedure || ' SET row_security = off' FROM pg_proc WHERE proname = 'search_products_by_description'); END $$",
    )
    yield Change(
        "an-identity-for-ever",
        "ALTER FUNCTION retail.get_user_store_list() IMMUTABLE",
    )
    yield Change(
        "called-with-nulls",
        "ALTER FUNCTION retail.identity_seal(uuid) CALLED ON NULL INPUT",
    )
    yield Change(
        "names-of-the-caller-first",
        "ALTER FUNCTION retail.resolve_identity(uuid) SET search_path = ''",
    )
    yield Change(
        "no-search-path",
        "ALTER FUNCTION retail.get_current_user_store() RESET search_path",
    )
    for function, role in (
        ("resolve_identity(uuid)", "PUBLIC"),
        ("set_identity(uuid, text)", "store_managers"),
        ("identity_seal(uuid)", "store_managers"),
        ("sealed_user_id()", "regional_managers"),
        ("login_may_act_as(uuid)", "PUBLIC"),
        ("mark_all_orders()", "store_managers"),
        ("refresh_sales_totals()", "PUBLIC"),
        ("get_user_store_list()", "store_managers"),
    ):
        yield Change(
            f"{function.partition('(')[0]}-granted-to-{role}",
            f"GRANT EXECUTE ON FUNCTION retail.{function} TO {role}",
        )  # fmt: skip


def _out_of_order() -> Iterator[Change]:
    """What keeps zava's own statements from working."""
    for name, sql in {
        "identity-owned-by-somebody-else": "ALTER FUNCTION retail.set_identity(uuid, text) OWNER TO postgres;"
        " REVOKE EXECUTE ON FUNCTION retail.set_identity(uuid, text) FROM zava_server",
        "seal-that-fails": "CREATE OR REPLACE FUNCTION retail.sealed_user_id() RETURNS uuid LANGUAGE plpgsql STABLE"
        " SECURITY DEFINER AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$",
        "function-of-a-policy-closed": "REVOKE EXECUTE ON FUNCTION retail.get_current_user_store() FROM store_managers",
        "identities-made-anew": "DROP FUNCTION retail.resolve_identity(uuid);"
        " CREATE FUNCTION retail.resolve_identity(user_id uuid, OUT role_name text, OUT display_name text,"
        " OUT store_ids uuid[], OUT seal text, OUT cache_secret text) RETURNS SETOF record LANGUAGE sql AS"
        " $$ SELECT '', '', NULL::uuid[], '', '' $$",
        "a-closed-function-beside-zava-s": "CREATE FUNCTION retail.mine() RETURNS integer LANGUAGE sql RETURN 1;"
        " REVOKE EXECUTE ON FUNCTION retail.mine() FROM PUBLIC;"
        " ALTER FUNCTION retail.sealed_user_id() VOLATILE",
        "table-owned-by-a-group": "ALTER TABLE retail.customers OWNER TO store_managers",
        "function-owned-by-a-group": "CREATE FUNCTION retail.mine() RETURNS integer LANGUAGE sql RETURN 1;"
        " ALTER FUNCTION retail.mine() OWNER TO store_managers",
    }.items():
        yield Change(name, sql)


def _policies() -> Iterator[Change]:
    policy = "CREATE POLICY mine ON retail.orders {}"
    own = "store_id = (SELECT retail.get_current_user_store())"
    yield Change("policy-true", policy.format(f"TO store_managers {TRUE}"))
    yield Change("policy-for-the-public", policy.format(TRUE))
    yield Change(
        "policy-or",
        policy.format(
            f"FOR SELECT TO store_managers USING ({own} OR total_amount > 0)"
        ),
    )
    yield Change(
        "policy-of-a-subselect",
        policy.format(
            "FOR SELECT TO store_managers USING (store_id IN (SELECT store_id FROM retail.stores) OR true)"
        ),
    )
    yield Change(
        "policy-altered", f"ALTER POLICY store_manager_orders ON retail.orders {TRUE}"
    )
    yield Change(
        "policy-of-the-owner-for-all",
        "ALTER POLICY owner_customers ON retail.customers TO PUBLIC",
    )
    yield Change("policy-dropped", "DROP POLICY store_manager_orders ON retail.orders")
    yield Change(
        "policy-of-the-other-group",
        policy.format("TO regional_managers USING (status = 'pending')"),
    )
    for table in TABLES:
        yield Change(
            f"rls-off-{table}", f"ALTER TABLE retail.{table} DISABLE ROW LEVEL SECURITY"
        )
    yield Change(
        "rls-not-forced", "ALTER TABLE retail.inventory NO FORCE ROW LEVEL SECURITY"
    )
    yield Change("table-of-the-login", "ALTER TABLE retail.orders OWNER TO zava_server")


def _roles() -> Iterator[Change]:
    yield Change(
        "group-passes-policies",
        "ALTER ROLE store_managers BYPASSRLS",
        undo="ALTER ROLE store_managers NOBYPASSRLS",
    )
    yield Change(
        "login-passes-policies",
        "ALTER ROLE zava_server BYPASSRLS",
        undo="ALTER ROLE zava_server NOBYPASSRLS",
    )
    yield Change(
        "login-is-superuser",
        "ALTER ROLE zava_server SUPERUSER",
        undo="ALTER ROLE zava_server NOSUPERUSER",
    )
    yield Change(
        "login-makes-roles",
        "ALTER ROLE zava_server CREATEROLE",
        undo="ALTER ROLE zava_server NOCREATEROLE",
    )
    yield Change(
        "group-is-the-owner",
        "GRANT zava_owner TO store_managers",
        undo="REVOKE zava_owner FROM store_managers",
    )
    yield Change(
        "login-loads",
        "GRANT zava_loader TO zava_server",
        undo="REVOKE zava_loader FROM zava_server",
    )
    yield Change(
        "group-loads",
        "GRANT zava_loader TO store_managers",
        undo="REVOKE zava_loader FROM store_managers",
    )
    yield Change(
        "group-reads-all",
        "GRANT pg_read_all_data TO store_managers",
        undo="REVOKE pg_read_all_data FROM store_managers",
    )
    yield Change(
        "group-watches",
        "GRANT pg_monitor TO store_managers",
        undo="REVOKE pg_monitor FROM store_managers",
    )
    yield Change(
        "login-reads-files",
        "GRANT pg_read_server_files TO zava_server",
        undo="REVOKE pg_read_server_files FROM zava_server",
    )
    yield Change(
        "login-inherits",
        "GRANT store_managers TO zava_server WITH INHERIT TRUE",
        undo="GRANT store_managers TO zava_server WITH INHERIT FALSE",
    )


def _catalogue() -> Iterator[Change]:
    for function, grantee, call in (
        ("pg_read_file(text)", "PUBLIC", "SELECT pg_read_file('PG_VERSION')"),
        ("pg_read_file(text)", "store_managers", "SELECT pg_read_file('PG_VERSION')"),
        (
            "pg_read_binary_file(text)",
            "store_managers",
            "SELECT pg_read_binary_file('PG_VERSION')::text",
        ),
        (
            "pg_ls_dir(text)",
            "PUBLIC",
            "SELECT string_agg(x, ' ') FROM pg_ls_dir('.') AS x",
        ),
        ("set_config(text, text, boolean)", "PUBLIC", ""),
        ("current_setting(text)", "PUBLIC", ""),
        ("ts_stat(text)", "PUBLIC", ""),
        ("query_to_xml(text, boolean, boolean, text)", "store_managers", ""),
        ("pg_sleep(double precision)", "store_managers", ""),
        ("lo_get(oid)", "PUBLIC", ""),
        ("pg_terminate_backend(integer, bigint)", "PUBLIC", ""),
        ("pg_advisory_lock(bigint)", "store_managers", ""),
    ):
        yield Change(
            f"{function.partition('(')[0]}-for-{grantee}",
            f"GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO {grantee}",
            (call,) if call else (),
        )
    for table in (
        "pg_authid",
        "pg_statistic",
        "pg_user_mapping",
        "pg_subscription",
        "pg_largeobject",
        "pg_hba_file_rules",
        "pg_shadow",
    ):
        yield Change(
            f"{table}-for-the-public",
            f"GRANT SELECT ON pg_catalog.{table} TO PUBLIC",
            (f"SELECT string_agg(t::text, ' ') FROM pg_catalog.{table} AS t",),
        )
    yield Change(
        "one-column-of-pg-authid",
        "GRANT SELECT (rolname, rolpassword) ON pg_authid TO store_managers",
    )
    yield Change(
        "user-mappings",
        "GRANT SELECT ON information_schema._pg_user_mappings TO store_managers",
    )
    for table in (
        "identity_key",
        "login_identities",
        "regional_managers",
        "regional_manager_stores",
    ):
        yield Change(
            f"{table}-granted", f"GRANT SELECT ON retail.{table} TO store_managers"
        )
    yield Change(
        "one-column-of-the-key", "GRANT SELECT (key) ON retail.identity_key TO PUBLIC"
    )
    yield Change("insert", "GRANT INSERT ON retail.orders TO store_managers")
    yield Change(
        "update-of-a-column",
        "GRANT UPDATE (status) ON retail.orders TO regional_managers",
    )
    yield Change("create-in-public", "GRANT CREATE ON SCHEMA public TO PUBLIC")
    yield Change("create-in-retail", "GRANT CREATE ON SCHEMA retail TO store_managers")
    yield Change("create-schemas", "GRANT CREATE ON DATABASE {database} TO zava_server")
    for target in ("TABLES", "SEQUENCES"):
        yield Change(
            f"default-{target}",
            f"ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON {target} TO PUBLIC",
        )
        yield Change(
            f"default-{target}-in-retail",
            f"ALTER DEFAULT PRIVILEGES FOR ROLE zava_owner IN SCHEMA retail GRANT SELECT ON {target} TO store_managers",
        )
    yield Change(
        "default-functions",
        "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT EXECUTE ON FUNCTIONS TO regional_managers",
    )
    yield Change(
        "parameter",
        "GRANT SET ON PARAMETER temp_file_limit TO zava_server",
        undo="REVOKE ALL ON PARAMETER temp_file_limit FROM zava_server",
    )
    yield Change(
        "leakproof",
        "ALTER FUNCTION pg_catalog.int4div(integer, integer) LEAKPROOF",
    )
    yield Change(
        "temporary", "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC", only_warns=True
    )
    yield Change(
        "system-columns",
        "GRANT SELECT ON retail.orders TO store_managers",
        only_warns=True,
    )
    yield Change(
        "system-columns-of-the-catalogue",
        "GRANT SELECT ON retail.products TO store_managers",
        only_warns=True,
    )


SUM_OF_REDMOND = f"""(SELECT max(total_amount) FROM retail.orders JOIN retail.stores USING (store_id)
                      WHERE manager_id = '{REDMOND}')"""


def _granted_by_others() -> Iterator[Change]:
    """A grant of somebody who was given the right to hand it on."""
    handed_on = (
        "CREATE ROLE zava_reporter; {made} GRANT {right} ON {what} TO zava_reporter WITH GRANT OPTION;"
        " SET ROLE zava_reporter; GRANT {right} ON {what} TO store_managers; RESET ROLE"
    )
    undo = "DROP ROLE zava_reporter"
    for name, made, right, what in (
        ("table", "CREATE TABLE public.mine AS SELECT * FROM retail.customers; GRANT USAGE ON SCHEMA public TO zava_reporter;", "SELECT", "public.mine"),
        ("columns", "CREATE TABLE public.mine AS SELECT * FROM retail.customers; GRANT USAGE ON SCHEMA public TO zava_reporter;", "SELECT (email)", "public.mine"),
        ("function", f"CREATE FUNCTION public.best() RETURNS numeric LANGUAGE sql SECURITY DEFINER AS $$ SELECT {SUM_OF_REDMOND} $$; REVOKE EXECUTE ON FUNCTION public.best() FROM PUBLIC;", "EXECUTE", "FUNCTION public.best()"),
        ("sequence", "CREATE SEQUENCE public.tickets;", "SELECT", "SEQUENCE public.tickets"),
        ("rows", "GRANT USAGE ON SCHEMA retail TO zava_reporter;", "UPDATE", "retail.customers"),
    ):  # fmt: skip
        yield Change(
            f"{name}-handed-on",
            handed_on.format(made=made, right=right, what=what),
            undo=undo,
        )


def _in_a_closed_schema() -> Iterator[Change]:
    """What nobody in reach can name, and PostgreSQL tells all the same."""
    shown = (
        "SELECT concat_ws(' ', most_common_vals::text, histogram_bounds::text) FROM pg_stats WHERE schemaname = 'aside'",
    )
    for kind in ("TABLE", "MATERIALIZED VIEW"):
        yield Change(
            f"{kind.lower().replace(' ', '-')}-in-a-closed-schema",
            f"CREATE SCHEMA aside; CREATE {kind} aside.copy AS SELECT email, random() AS n FROM retail.customers"
            " UNION ALL SELECT '{canary}@example.com', n FROM generate_series(1, 500) AS n;"
            " GRANT SELECT ON aside.copy TO PUBLIC; ANALYZE aside.copy",
            shown,
        )
    yield Change(
        "sequence-in-a-closed-schema",
        "CREATE SCHEMA aside; CREATE SEQUENCE aside.orders START 7654321; GRANT SELECT ON SEQUENCE aside.orders TO PUBLIC",
    )
    yield Change(
        "pieces-of-long-values",
        "DO $$ BEGIN EXECUTE 'GRANT SELECT ON ' || (SELECT reltoastrelid::regclass FROM pg_class"
        " WHERE oid = 'retail.kept_customers'::regclass) || ' TO PUBLIC'; END $$",
    )
    yield Change(
        "table-of-somebody-else", "ALTER TABLE retail.stores OWNER TO postgres"
    )
    yield Change(
        "own-function-with-its-owner-s-rights",
        "ALTER FUNCTION pg_catalog.lower(text) SECURITY DEFINER",
    )
    yield Change(
        "configuration-of-the-server",
        "GRANT ALTER SYSTEM ON PARAMETER archive_command TO zava_server",
        undo="REVOKE ALL ON PARAMETER archive_command FROM zava_server",
    )
    yield Change(
        "membership-handed-on",
        "CREATE ROLE zava_reporter; GRANT pg_read_all_data TO zava_reporter WITH ADMIN OPTION; SET ROLE zava_reporter;"
        " GRANT pg_read_all_data TO zava_server; RESET ROLE",
        undo="DROP OWNED BY zava_reporter; DROP ROLE zava_reporter",
    )


def _in_place_of_the_known() -> Iterator[Change]:
    """What has a known name and is something else."""
    yield Change(
        "view-in-place-of-a-table",
        "ALTER TABLE retail.product_types RENAME TO older;"
        " CREATE VIEW retail.product_types AS SELECT email AS name FROM retail.customers;"
        " GRANT SELECT ON retail.product_types TO store_managers",
        by_hand="DROP VIEW retail.product_types; ALTER TABLE retail.older RENAME TO product_types",
    )
    yield Change(
        "snapshot-in-place-of-a-table",
        "DROP TABLE retail.search_vocabulary CASCADE;"
        " CREATE MATERIALIZED VIEW retail.search_vocabulary AS SELECT email AS word FROM retail.customers;"
        " GRANT SELECT ON retail.search_vocabulary TO PUBLIC",
        by_hand="DROP MATERIALIZED VIEW retail.search_vocabulary",
    )
    for name, sql in {
        "column-of-a-shared-table": "ALTER TABLE retail.products ADD COLUMN best text;"
        " UPDATE retail.products SET best = (SELECT string_agg(email, ' ') FROM retail.customers);"
        " GRANT SELECT (best) ON retail.products TO store_managers",
        "column-of-a-shared-table-for-everybody": "ALTER TABLE retail.categories ADD COLUMN best numeric;"
        f" UPDATE retail.categories SET best = {SUM_OF_REDMOND};"
        " GRANT SELECT (best) ON retail.categories TO PUBLIC",
    }.items():
        yield Change(name, sql)
    yield Change(
        "view-of-the-standard-s-schema",
        "CREATE OR REPLACE VIEW information_schema.information_schema_catalog_name AS"
        " SELECT email::information_schema.sql_identifier AS catalog_name FROM retail.customers",
        (
            "SELECT string_agg(catalog_name::text, ' ') FROM information_schema.information_schema_catalog_name",
        ),
    )
    yield Change(
        "view-of-the-catalogue",
        "SET allow_system_table_mods = on; CREATE OR REPLACE VIEW pg_catalog.pg_user_mappings AS"
        ' SELECT NULL::oid AS umid, NULL::oid AS srvid, email::name COLLATE "C" AS srvname, NULL::oid AS umuser, NULL::name AS usename,'
        ' NULL::text[] COLLATE "C" AS umoptions FROM retail.customers; RESET allow_system_table_mods',
        ("SELECT string_agg(srvname::text, ' ') FROM pg_user_mappings",),
    )


def _unasked() -> Iterator[Change]:
    """What runs though nobody may call it, or before the policies."""
    compared = """
        CREATE TYPE public.shop AS (id uuid);
        CREATE FUNCTION public.takings(public.shop) RETURNS numeric LANGUAGE sql STABLE AS
            'SELECT sum(total_amount) FROM retail.orders WHERE store_id = ($1).id';
        CREATE FUNCTION public.compared(public.shop, public.shop) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS
            $$ BEGIN RAISE EXCEPTION 'order no %', public.takings($1); END $$;
        CREATE OPERATOR FAMILY public.shops USING btree;
        CREATE OPERATOR CLASS public.shop_order DEFAULT FOR TYPE public.shop USING btree FAMILY public.shops AS
            OPERATOR 1 pg_catalog.< (record, record), FUNCTION 1 (public.shop, public.shop) public.compared(public.shop, public.shop);
        REVOKE EXECUTE ON FUNCTION public.takings(public.shop), public.compared(public.shop, public.shop) FROM PUBLIC
    """
    yield Change("order-of-a-type", compared, ("SELECT max(x) FROM unnest(ARRAY[row(gen_random_uuid())::public.shop, row(gen_random_uuid())::public.shop]) AS x",))  # fmt: skip
    yield Change(
        "aggregate-of-pgvector",
        "CREATE FUNCTION public.added(numeric, numeric) RETURNS numeric LANGUAGE sql SECURITY DEFINER AS"
        f" $$ SELECT {SUM_OF_REDMOND} $$;"
        " CREATE AGGREGATE public.addition(numeric) (SFUNC = public.added, STYPE = numeric);"
        " ALTER EXTENSION vector ADD AGGREGATE public.addition(numeric);"
        " REVOKE EXECUTE ON FUNCTION public.added(numeric, numeric) FROM PUBLIC",
        ("SELECT public.addition(1)",),
    )
    for function, read in {
        "pg_catalog.int4in(cstring)": "SELECT count(*) FROM retail.customers WHERE email::text::integer > 0",
        "pg_catalog.numeric_div(numeric, numeric)": f"SELECT count(*) FROM retail.orders WHERE 1 / (total_amount - {AMOUNT}) > 0",
        "pg_catalog.textlike(text, text)": "SELECT count(*) FROM retail.customers WHERE email LIKE 'x'",
    }.items():
        yield Change(
            f"leakproof-{function.partition('(')[0].rpartition('.')[2]}",
            f"ALTER FUNCTION {function} LEAKPROOF",
            (read,),
        )


def _of_newer_versions() -> Iterator[Change]:
    yield Change(
        "trigger-at-login",
        "CREATE FUNCTION public.welcome() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
        " CREATE TEMP TABLE IF NOT EXISTS kept AS SELECT email FROM retail.customers;"
        " GRANT SELECT ON kept TO PUBLIC; EXCEPTION WHEN OTHERS THEN NULL; END $$;"
        " REVOKE EXECUTE ON FUNCTION public.welcome() FROM PUBLIC;"
        " CREATE EVENT TRIGGER welcome ON login EXECUTE FUNCTION public.welcome()",
        ("SELECT string_agg(email, ' ') FROM kept",),
        since=17,
    )
    yield Change(
        "maintenance",
        "GRANT MAINTAIN ON retail.orders TO store_managers",
        since=17,
    )


ANALYST = (
    "DO $$ BEGIN CREATE ROLE analyst; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
    " GRANT USAGE ON SCHEMA retail TO analyst;"
)


def _of_the_structure() -> Iterator[Change]:
    """Nothing is read by these, but figures are wrong or tools fail."""
    for name, sql in {
        "trigger-disabled": "ALTER TABLE retail.orders DISABLE TRIGGER mark_insert",
        "triggers-disabled": "ALTER TABLE retail.order_items DISABLE TRIGGER ALL",
        "trigger-of-replicas": "ALTER TABLE retail.order_items ENABLE REPLICA TRIGGER mark_insert",
        "column-revoked": "REVOKE SELECT (stock_level) ON retail.inventory FROM store_managers",
        "policy-that-hides": "CREATE POLICY recent ON retail.orders AS RESTRICTIVE FOR SELECT TO store_managers"
        " USING (order_date > '2021-01-01')",
        "column-of-the-chain": "ALTER TABLE retail.kept_daily_sales ADD COLUMN chain_revenue numeric;"
        " GRANT SELECT (chain_revenue) ON retail.kept_daily_sales TO store_managers",
        "column-that-counts": "ALTER TABLE retail.orders ADD COLUMN order_no bigint GENERATED ALWAYS AS IDENTITY;"
        " GRANT SELECT (order_no) ON retail.orders TO store_managers",
        "owner-policy-dropped": "DROP POLICY owner_orders ON retail.orders",
        "trigger-dropped": "DROP TRIGGER mark_update ON retail.orders",
        "column-renamed": "ALTER TABLE retail.inventory RENAME COLUMN store_id TO shop_id",
        "identity-that-fails": "CREATE OR REPLACE FUNCTION retail.get_current_user_store() RETURNS uuid"
        " LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
        " AS $$ BEGIN RETURN current_setting('app.current_rls_user_id', true)::uuid; END $$",
    }.items():
        yield Change(name, sql)
    yield Change(
        "group-in-the-other-group",
        "GRANT regional_managers TO store_managers",
        undo="REVOKE regional_managers FROM store_managers",
    )


def _passed_on() -> Iterator[Change]:
    """Grants by somebody who holds the grant option: an owner's REVOKE leaves them."""
    for name, option, grant, reads in (
        ("set-config", "EXECUTE ON FUNCTION set_config(text, text, boolean)",
         "EXECUTE ON FUNCTION set_config(text, text, boolean) TO store_managers", ()),
        ("sleep", "EXECUTE ON FUNCTION pg_sleep(double precision)",
         "EXECUTE ON FUNCTION pg_sleep(double precision) TO PUBLIC", ()),
        ("key", "SELECT ON retail.identity_key", "SELECT (key) ON retail.identity_key TO store_managers",
         ("SELECT encode(key, 'hex') FROM retail.identity_key",)),
        ("column-statistics", "SELECT ON pg_statistic", "SELECT (stavalues1) ON pg_statistic TO PUBLIC",
         ("SELECT string_agg(stavalues1::text, ' ') FROM pg_statistic",)),
        ("create", "CREATE ON SCHEMA retail", "CREATE ON SCHEMA retail TO zava_server", ()),
    ):  # fmt: skip
        yield Change(
            f"passed-on-{name}",
            f"{ANALYST} GRANT {option} TO analyst WITH GRANT OPTION;"
            f" SET ROLE analyst; GRANT {grant}; RESET ROLE",
            reads,
            undo="DROP ROLE IF EXISTS analyst",
        )
    yield Change(
        "passed-on-by-a-group",
        "CREATE SCHEMA bi; GRANT USAGE ON SCHEMA bi TO PUBLIC;"
        " CREATE TABLE bi.t AS SELECT * FROM retail.customers;"
        " GRANT SELECT ON bi.t TO store_managers WITH GRANT OPTION;"
        " SET ROLE store_managers; GRANT SELECT ON bi.t TO regional_managers; RESET ROLE",
    )


def _casts() -> Iterator[Change]:
    yield Change(
        "cast-to-json",
        "CREATE SCHEMA internal; CREATE TYPE public.store_code AS ENUM ('SEA', 'RED');"
        " CREATE FUNCTION internal.code_json(public.store_code) RETURNS json LANGUAGE sql SECURITY DEFINER AS"
        f" $$ SELECT json_build_object('sum', ({SUM_OF_REDMOND})) $$;"
        " REVOKE EXECUTE ON FUNCTION internal.code_json(public.store_code) FROM PUBLIC;"
        " CREATE CAST (public.store_code AS json) WITH FUNCTION internal.code_json(public.store_code)",
        ("SELECT to_json('RED'::public.store_code)",),
    )
    for name in ("Q4 */ sales", "a/*b", "a--b"):
        yield Change(
            f"copy-named-{name.replace(' ', '-').replace('/', 'slash')}",
            f'CREATE TABLE public."{name}" AS SELECT * FROM retail.customers;'
            f' GRANT SELECT ON public."{name}" TO PUBLIC',
        )


def _personal_data() -> Iterator[Change]:
    """Personal data without the right to them."""
    customers, policy = "retail.customers", "personal_data_customers"
    both = "store_managers_personal, regional_managers_personal"
    for name, sql in {
        "email-granted": f"GRANT SELECT (email) ON {customers} TO store_managers",
        "names-granted-to-everybody": f"GRANT SELECT (first_name, last_name) ON {customers} TO PUBLIC",
        "loyalty-granted-to-the-login": f"GRANT SELECT (loyalty_number) ON {customers} TO zava_server",
        "customers-granted": f"GRANT SELECT ON {customers} TO regional_managers",
        "customers-granted-to-everybody": f"GRANT SELECT ON {customers} TO PUBLIC",
        "right-policy-dropped": f"DROP POLICY {policy} ON {customers}",
        "right-policy-of-one-group": f"ALTER POLICY {policy} ON {customers} TO store_managers_personal",
        "right-policy-true": f"ALTER POLICY {policy} ON {customers} {TRUE}",
        "right-policy-or-true": f"ALTER POLICY {policy} ON {customers} USING ((SELECT retail.may_read_personal_data()) OR true)",
        "right-policy-for-the-plain-group": f"ALTER POLICY {policy} ON {customers} TO store_managers, {both}",
        "right-policy-permissive": f"DROP POLICY {policy} ON {customers}; CREATE POLICY {policy} ON {customers} FOR SELECT TO {both}"
        " USING ((SELECT retail.may_read_personal_data()))",
        "right-of-everybody": "CREATE OR REPLACE FUNCTION retail.may_read_personal_data() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE"
        " SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN true; END $$",
        "mark-of-everybody": "CREATE OR REPLACE FUNCTION retail.has_personal_data_right(user_id uuid) RETURNS boolean LANGUAGE plpgsql STABLE STRICT"
        " PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN true; END $$",
        "mark-that-everybody-asks": "GRANT EXECUTE ON FUNCTION retail.has_personal_data_right(uuid) TO store_managers",
        "right-that-nobody-asks": "REVOKE EXECUTE ON FUNCTION retail.may_read_personal_data() FROM store_managers_personal",
        "policy-of-personal-data-true": f"CREATE POLICY p ON retail.orders TO store_managers_personal {TRUE}",
        "copy-for-personal-data": f"CREATE TABLE retail.copy AS SELECT email FROM {customers}; GRANT SELECT ON retail.copy TO store_managers_personal",
        "view-for-personal-data": f"CREATE VIEW retail.v AS SELECT email FROM {customers}; GRANT SELECT ON retail.v TO regional_managers_personal",
        "set-config-for-personal-data": "GRANT EXECUTE ON FUNCTION set_config(text, text, boolean) TO store_managers_personal",
        "insert-for-personal-data": "GRANT INSERT ON retail.orders TO store_managers_personal",
    }.items():
        yield Change(name, sql)
    for name, role, member in (
        ("analysts", "store_managers_personal", "analyst"),
        ("the-other-group", "regional_managers_personal", "store_managers_personal"),
        ("the-plain-other-group", "regional_managers_personal", "store_managers"),
    ):
        yield Change(
            f"personal-data-for-{name}",
            f"{ANALYST} GRANT {role} TO {member}",
            undo=f"REVOKE {role} FROM {member}; DROP OWNED BY analyst; DROP ROLE analyst",
        )
    yield Change(
        "personal-data-inherited",
        "GRANT store_managers_personal TO zava_server WITH INHERIT TRUE",
        undo="GRANT store_managers_personal TO zava_server WITH INHERIT FALSE",
    )
    plain = "store_managers TO store_managers_personal"
    for name, sql in {
        "without-the-plain-group": f"REVOKE {plain.replace(' TO ', ' FROM ')}",
        "without-inheritance": f"GRANT {plain} WITH INHERIT FALSE",
        "handed-on": f"GRANT {plain} WITH ADMIN TRUE",
    }.items():
        yield Change(
            f"personal-data-{name}",
            sql,
            undo=f"GRANT {plain} WITH INHERIT TRUE, SET FALSE, ADMIN FALSE",
        )


def _columns() -> Iterator[Change]:
    """Columns that schema.sql keeps closed, or that somebody has added, in a table of zava's."""
    customers, orders = "retail.customers", "retail.orders"
    for name, sql in {
        "other-stores-of-customers": f"GRANT SELECT (store_ids) ON {customers} TO store_managers",
        "other-stores-for-everybody": f"GRANT SELECT (store_ids) ON {customers} TO PUBLIC",
        "other-stores-for-the-login": f"GRANT SELECT (store_ids) ON {customers} TO zava_server",
        "other-stores-for-personal-data": f"GRANT SELECT (store_ids) ON {customers} TO regional_managers_personal",
        "other-stores-by-the-table": f"GRANT SELECT ON {customers} TO store_managers_personal",
        "other-stores-listed-as-shared": f"GRANT SELECT (store_ids) ON {customers} TO regional_managers;"
        " INSERT INTO retail.shared_objects VALUES ('retail.customers.store_ids', 'whole numbers')",
        "note-of-customers": f"ALTER TABLE {customers} ADD COLUMN note text; GRANT SELECT (note) ON {customers} TO store_managers",
        "note-for-the-login": f"ALTER TABLE {orders} ADD COLUMN note text; GRANT SELECT (note) ON {orders} TO zava_server",
        "note-by-the-table": f"ALTER TABLE {orders} ADD COLUMN note text; GRANT SELECT ON {orders} TO store_managers",
        "note-of-the-key": "ALTER TABLE retail.identity_key ADD COLUMN note text; GRANT SELECT (note) ON retail.identity_key TO store_managers",
        "reasons-of-shared-objects": "GRANT SELECT ON retail.shared_objects TO PUBLIC;"
        " ALTER TABLE retail.shared_objects ADD COLUMN note text; GRANT SELECT (note) ON retail.shared_objects TO PUBLIC",
        "column-of-orders-for-everybody": f"GRANT SELECT (customer_id) ON {orders} TO PUBLIC",
        "column-of-orders-for-the-login": f"GRANT SELECT (status) ON {orders} TO zava_server",
        "orders-for-everybody": f"GRANT SELECT ON {orders} TO PUBLIC",
        "stock-for-the-login": "GRANT SELECT ON retail.inventory TO zava_server",
        "column-of-a-view-revoked": "REVOKE SELECT (revenue) ON retail.daily_sales FROM store_managers",
    }.items():
        yield Change(name, sql)
    for name, column, value in (
        ("e-mail-as-the-chain-s-key", "source_id text", "lower(email)"),
        ("name-as-a-day", "signed_up_on date", "make_date(length(last_name), 1, 1)"),
    ):
        yield Change(
            name,
            f"ALTER TABLE {customers} DROP COLUMN {column.partition(' ')[0]} CASCADE,"
            f" ADD COLUMN {column} GENERATED ALWAYS AS ({value}) STORED;"
            f" GRANT SELECT ({column.partition(' ')[0]}) ON {customers} TO store_managers, regional_managers",
        )


DEPUTY = "CREATE ROLE deputy; GRANT {0} TO deputy WITH ADMIN TRUE; SET ROLE deputy; GRANT {0} TO {1} WITH {2}; RESET ROLE"


def _memberships() -> Iterator[Change]:
    """Memberships that somebody else than the superuser has granted."""
    for name, role, member, options in (
        ("inherited", "store_managers", "zava_server", "INHERIT TRUE"),
        ("personal-inherited", "store_managers_personal", "zava_server", "INHERIT TRUE"),
        ("to-hand-on", "regional_managers", "zava_server", "ADMIN TRUE, INHERIT FALSE"),
        ("of-the-other-group", "regional_managers", "store_managers", "INHERIT TRUE"),
    ):  # fmt: skip
        yield Change(
            f"membership-by-a-deputy-{name}",
            DEPUTY.format(role, member, options),
            undo=f"REVOKE {role} FROM deputy CASCADE; DROP ROLE deputy",
        )
    yield Change(
        "membership-handed-on-by-the-login",
        "CREATE ROLE deputy; GRANT store_managers TO zava_server WITH ADMIN TRUE; SET ROLE zava_server;"
        " GRANT store_managers TO deputy; RESET ROLE",
        undo="GRANT store_managers TO zava_server WITH ADMIN FALSE; DROP ROLE deputy",
    )


HIDDEN = f"""
    CREATE SCHEMA hidden;
    CREATE FUNCTION hidden.f(text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN RAISE EXCEPTION 'order no %', {SUM_OF_REDMOND}; END $$;
    CREATE FUNCTION hidden.g(text, text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT hidden.f($1)';
    CREATE DOMAIN hidden.base AS text CHECK (hidden.f(VALUE));
"""
SHOP = """
    CREATE TYPE public.shop AS (id uuid);
    CREATE FUNCTION hidden.eq(public.shop, public.shop) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT hidden.f(''x'')';
    CREATE FUNCTION hidden.lt(public.shop, public.shop) RETURNS boolean LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR hidden.= (FUNCTION = hidden.eq, LEFTARG = public.shop, RIGHTARG = public.shop);
    CREATE OPERATOR hidden.< (FUNCTION = hidden.lt, LEFTARG = public.shop, RIGHTARG = public.shop);
"""
TWO_SHOPS = (
    "(VALUES (row('{0}')::public.shop), (row('{0}')::public.shop)) AS v (x)".format(
        "11111111-1111-1111-1111-111111111111"
    )
)


def _roundabout_to_a_closed_schema() -> Iterator[Change]:
    """A function in a closed schema, and what leads there from an open one."""
    for name, sql, *reads in (
        ("column-of-a-table", "CREATE TABLE public.contacts (email hidden.base)",
         "SELECT ROW('x')::public.contacts", "SELECT json_populate_record(NULL::public.contacts, '{\"email\": \"x\"}')"),
        ("column-of-zava-s", "DROP DOMAIN hidden.base; CREATE DOMAIN hidden.base AS text CHECK (VALUE IS NULL OR hidden.f(VALUE));"
         " ALTER TABLE retail.products ADD COLUMN colour hidden.base",
         "SELECT jsonb_populate_record(NULL::retail.products, '{\"colour\": \"x\"}')"),
        ("domain", "CREATE DOMAIN public.code AS hidden.base", "SELECT ''::public.code"),
        ("operator-of-a-domain", "CREATE OPERATOR hidden.@@@ (FUNCTION = hidden.g, LEFTARG = text, RIGHTARG = text);"
         " CREATE DOMAIN public.code AS text CHECK (VALUE OPERATOR(hidden.@@@) 'x')", "SELECT ''::public.code"),
        ("part-of-a-type", "CREATE TYPE public.pair AS (a hidden.base[])", "SELECT '(\"{x}\")'::public.pair"),
        ("range", "CREATE TYPE public.span AS RANGE (subtype = hidden.base)", "SELECT '[x,y]'::public.span"),
        ("negator", "CREATE OPERATOR public.=== (FUNCTION = texteq, LEFTARG = text, RIGHTARG = text);"
         " CREATE OPERATOR hidden.!== (FUNCTION = hidden.g, LEFTARG = text, RIGHTARG = text, NEGATOR = OPERATOR(public.===))",
         "SELECT 1 FROM retail.products WHERE NOT (name::text OPERATOR(public.===) 'x') LIMIT 1"),
        ("negator-of-postgresql-s-own", "CREATE FUNCTION hidden.apart(text[], text[]) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS"
         " 'SELECT hidden.f(''x'')'; CREATE FUNCTION hidden.apart(anyarray, anyarray) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS"
         " 'SELECT hidden.f(''x'')'; CREATE OPERATOR hidden.!&& (FUNCTION = hidden.apart, LEFTARG = anyarray, RIGHTARG = anyarray,"
         " NEGATOR = OPERATOR(pg_catalog.&&))",
         "SELECT 1 FROM retail.products WHERE NOT (ARRAY[name::text] OPERATOR(pg_catalog.&&) ARRAY['x']) LIMIT 1"),
        ("equality-of-a-type", SHOP + "CREATE OPERATOR CLASS public.shop_ops DEFAULT FOR TYPE public.shop USING btree AS"
         " OPERATOR 1 hidden.<, OPERATOR 3 hidden.=, FUNCTION 1 (public.shop, public.shop) pg_catalog.btrecordcmp(record, record)",
         f"SELECT DISTINCT x FROM {TWO_SHOPS}", f"SELECT x, count(*) FROM {TWO_SHOPS} GROUP BY x",
         f"SELECT (array_agg(x) = array_agg(x))::text FROM {TWO_SHOPS}"),
        ("order-of-a-closed-class", SHOP + "CREATE FUNCTION hidden.cmp(public.shop, public.shop) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS"
         " 'BEGIN PERFORM hidden.f(''x''); END'; CREATE OPERATOR CLASS hidden.shop_ops DEFAULT FOR TYPE public.shop USING btree AS"
         " OPERATOR 1 hidden.<, OPERATOR 3 hidden.=, FUNCTION 1 hidden.cmp(public.shop, public.shop);"
         " REVOKE EXECUTE ON FUNCTION hidden.cmp(public.shop, public.shop) FROM PUBLIC", f"SELECT max(x::text) FROM (SELECT x FROM {TWO_SHOPS} ORDER BY x) AS s"),
        ("family-of-postgresql-s-own", SHOP + "CREATE FUNCTION hidden.cmp(public.shop, uuid) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS"
         " 'BEGIN PERFORM hidden.f(''x''); END'; ALTER OPERATOR FAMILY pg_catalog.uuid_ops USING btree ADD FUNCTION 1 (public.shop, uuid)"
         " hidden.cmp(public.shop, uuid)"),
        ("function-listed-as-shared", "CREATE FUNCTION public.listed() RETURNS boolean LANGUAGE sql BEGIN ATOMIC SELECT hidden.f('x'); END;"
         " INSERT INTO retail.shared_objects VALUES ('public.listed()', 'says yes')", "SELECT public.listed()"),
        ("policy-of-a-shared-table", "CREATE TABLE public.holidays (day date); INSERT INTO public.holidays VALUES ('2026-12-25');"
         " GRANT SELECT (day) ON public.holidays TO PUBLIC; ALTER TABLE public.holidays ENABLE ROW LEVEL SECURITY;"
         " CREATE POLICY p ON public.holidays USING (hidden.f('x')); INSERT INTO retail.shared_objects VALUES ('public.holidays', 'calendar')",
         "SELECT * FROM public.holidays"),
        ("cast-of-a-closed-type", "CREATE TYPE hidden.code AS ENUM ('A'); CREATE TABLE public.codes (code hidden.code);"
         " INSERT INTO public.codes VALUES ('A'); GRANT SELECT (code) ON public.codes TO PUBLIC;"
         " INSERT INTO retail.shared_objects VALUES ('public.codes', 'codes');"
         " CREATE FUNCTION hidden.as_json(hidden.code) RETURNS json LANGUAGE sql SECURITY DEFINER AS 'SELECT to_json(hidden.f(''x''))';"
         " CREATE CAST (hidden.code AS json) WITH FUNCTION hidden.as_json(hidden.code)", "SELECT to_json(code)::text FROM public.codes"),
    ):  # fmt: skip
        yield Change(f"hidden-behind-{name}", HIDDEN + sql, tuple(reads))


EXTENSION = """
    INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    VALUES (97002, 'codes', 10, '{0}'::regnamespace, true, '1');
    CREATE TYPE {0}.code AS ENUM ('A', 'B');
    CREATE FUNCTION {0}.as_number({0}.code) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
    CREATE CAST ({0}.code AS integer) WITH FUNCTION {0}.as_number({0}.code);
    CREATE FUNCTION {0}.compared({0}.code, {0}.code) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 0';
    CREATE OPERATOR CLASS {0}.code_order FOR TYPE {0}.code USING btree AS FUNCTION 1 {0}.compared({0}.code, {0}.code);
    ALTER EXTENSION codes ADD TYPE {0}.code; ALTER EXTENSION codes ADD FUNCTION {0}.as_number({0}.code);
    ALTER EXTENSION codes ADD FUNCTION {0}.compared({0}.code, {0}.code); ALTER EXTENSION codes ADD CAST ({0}.code AS integer);
    ALTER EXTENSION codes ADD OPERATOR CLASS {0}.code_order USING btree;
"""


def _others_of_the_same_name() -> Iterator[Change]:
    """Views and triggers of zava's that do something else, and what the search cannot do without."""
    of = "INSERT ON retail.orders REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT"
    nothing = (
        "CREATE FUNCTION retail.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " REVOKE EXECUTE ON FUNCTION retail.nothing() FROM PUBLIC; "
    )
    for name, sql in {
        "view-of-twice-the-revenue": "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW retail.daily_sales WITH (security_invoker = true) AS SELECT"
        " store_id, day, (revenue * 2)::numeric(16, 2) AS revenue, orders, cancelled_orders, returned_orders, customers, returns, returned_amount FROM ('"
        " || rtrim(pg_get_viewdef('retail.daily_sales'), ';') || ') AS d'; END $$",
        "view-with-a-column-more": "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW retail.daily_product_sales WITH (security_invoker = true) AS"
        " SELECT d.*, 1 AS one FROM (' || rtrim(pg_get_viewdef('retail.daily_product_sales'), ';') || ') AS d'; END $$",
        "trigger-of-another-function": nothing + f"CREATE OR REPLACE TRIGGER mark_insert AFTER {of} EXECUTE FUNCTION retail.nothing()",
        "trigger-of-another-event": "CREATE OR REPLACE TRIGGER mark_truncate AFTER INSERT ON retail.orders"
        " FOR EACH STATEMENT EXECUTE FUNCTION retail.mark_orders()",
        "trigger-with-a-condition": f"CREATE OR REPLACE TRIGGER mark_insert AFTER {of} WHEN (false) EXECUTE FUNCTION retail.mark_orders()",
        "schema-of-the-vectors-closed": "REVOKE USAGE ON SCHEMA public FROM PUBLIC, store_managers, regional_managers",
    }.items():  # fmt: skip
        yield Change(name, sql)
    yield Change(
        "harmless-schema-public-closed",
        "REVOKE USAGE ON SCHEMA public FROM PUBLIC",
        is_harmless=True,
    )
    for table, column in (
        ("pg_attribute", "attmissingval"),
        ("pg_attribute", "attfdwoptions"),
        ("pg_foreign_table", "ftoptions"),
        ("pg_foreign_data_wrapper", "fdwoptions"),
    ):
        yield Change(
            f"{column}-for-everybody",
            f"GRANT SELECT ({column}) ON pg_catalog.{table} TO PUBLIC",
            only_warns=True,
        )


def _harmless() -> Iterator[Change]:
    """What opens nothing, so that an administrator need not ask."""
    erp = "CREATE SCHEMA erp; "
    for name, sql in {
        "range-in-a-closed-schema": erp + "CREATE TYPE erp.span AS RANGE (subtype = float8)",
        "range-in-public": "CREATE TYPE public.span AS RANGE (subtype = float8)",
        "cast-in-a-closed-schema": erp + "CREATE TYPE erp.code AS ENUM ('A', 'B');"
        " CREATE FUNCTION erp.as_number(erp.code) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';"
        " CREATE CAST (erp.code AS integer) WITH FUNCTION erp.as_number(erp.code);"
        " CREATE FUNCTION erp.as_code(integer) RETURNS erp.code LANGUAGE sql IMMUTABLE AS 'SELECT ''A''::erp.code';"
        " CREATE CAST (integer AS erp.code) WITH FUNCTION erp.as_code(integer)",
        "operator-class-in-a-closed-schema": erp + "CREATE TYPE erp.code AS ENUM ('A', 'B');"
        " CREATE FUNCTION erp.compared(erp.code, erp.code) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 0';"
        " CREATE OPERATOR CLASS erp.code_order FOR TYPE erp.code USING btree AS FUNCTION 1 erp.compared(erp.code, erp.code)",
        "all-sorts-in-a-closed-schema": erp + "CREATE FUNCTION erp.f(integer, integer) RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';"
        " CREATE OPERATOR erp.@@ (FUNCTION = erp.f, LEFTARG = integer, RIGHTARG = integer); CREATE AGGREGATE erp.a (integer) (SFUNC = erp.f, STYPE = integer);"
        " CREATE DOMAIN erp.d AS integer CHECK (erp.f(VALUE, 1) > 0); CREATE TYPE erp.t AS (a erp.d); CREATE TABLE erp.x (a erp.d);"
        " CREATE VIEW erp.v AS SELECT erp.f(1, 1) FROM retail.orders; CREATE MATERIALIZED VIEW erp.m AS SELECT * FROM retail.customers;"
        " CREATE SEQUENCE erp.s",
        "extension-in-a-closed-schema": erp + EXTENSION.format("erp"),
        "extension-listed-as-shared": EXTENSION.format("public")
        + "INSERT INTO retail.shared_objects VALUES ('extension codes', 'a type only')",
        "backup-in-retail": "CREATE TABLE retail.backup AS SELECT * FROM retail.customers;"
        " CREATE VIEW retail.everything AS SELECT * FROM retail.orders",
        "own-policy-of-another-role": f"{ANALYST} GRANT SELECT ON retail.orders TO analyst;"
        " CREATE POLICY analyst ON retail.orders FOR SELECT TO analyst USING (true)",
        "own-index-and-statistics": "CREATE INDEX ON retail.orders (lower(status));"
        " CREATE STATISTICS retail.own ON store_id, status FROM retail.orders; ALTER TABLE retail.customers ADD COLUMN crm_id bigint",
    }.items():  # fmt: skip
        yield Change(
            f"harmless-{name}",
            sql,
            is_harmless=True,
            undo="DROP ROLE IF EXISTS analyst" if "analyst" in sql else "",
        )


def every_change() -> list[Change]:
    """Return every change, each name once."""
    parts = (
        _copies,
        _views,
        _sequences,
        _functions,
        _roundabout,
        _own_functions,
        _out_of_order,
        _policies,
        _roles,
        _catalogue,
        _in_place_of_the_known,
        _unasked,
        _of_newer_versions,
        _granted_by_others,
        _in_a_closed_schema,
        _of_the_structure,
        _passed_on,
        _casts,
        _personal_data,
        _columns,
        _memberships,
        _roundabout_to_a_closed_schema,
        _harmless,
        _others_of_the_same_name,
    )
    return [change for part in parts for change in part()]
