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
    *("stores", "customers", "orders", "order_items", "inventory", "daily_sales"),
    *("daily_product_sales", "monthly_product_sales", "daily_repeat_customers"),
    *("monthly_repeat_customers", "customer_purchases", "product_pairs"),
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
    """

    name: str
    sql: str
    reads: tuple[str, ...] = ()
    undo: str = ""
    only_warns: bool = False
    since: int = 16
    by_hand: str = ""


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
        "INSERT INTO retail.more (category_id, name) SELECT customer_id, email FROM retail.customers",
    )
    yield Change(
        "grandchild-of-a-shared-table",
        "CREATE TABLE retail.more () INHERITS (retail.categories); CREATE TABLE public.most () INHERITS (retail.more);"
        "INSERT INTO public.most (category_id, name) SELECT customer_id, email FROM retail.customers",
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
            "resolve_identity(user_id uuid, OUT role_name text, OUT display_name text, OUT store_ids uuid[], OUT seal text) RETURNS SETOF record",
            definer,
            "SELECT 'store_managers', 'x', ARRAY(SELECT store_id FROM retail.stores WHERE manager_id = user_id), retail.identity_seal(user_id)",
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
        ("recall_purchases(uuid[])", "store_managers"),
        ("rebuild_sales_totals()", "PUBLIC"),
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
        " OUT store_ids uuid[], OUT seal text) RETURNS SETOF record LANGUAGE sql AS $$ SELECT '', '', NULL::uuid[], '' $$",
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
        " WHERE oid = 'retail.customer_purchases'::regclass) || ' TO PUBLIC'; END $$",
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
        "trigger-disabled": "ALTER TABLE retail.orders DISABLE TRIGGER total_insert",
        "triggers-disabled": "ALTER TABLE retail.order_items DISABLE TRIGGER ALL",
        "trigger-of-replicas": "ALTER TABLE retail.order_items ENABLE REPLICA TRIGGER set_sold_on",
        "column-revoked": "REVOKE SELECT (stock_level) ON retail.inventory FROM store_managers",
        "policy-that-hides": "CREATE POLICY recent ON retail.orders AS RESTRICTIVE FOR SELECT TO store_managers"
        " USING (order_date > '2021-01-01')",
        "column-of-the-chain": "ALTER TABLE retail.daily_sales ADD COLUMN chain_revenue numeric;"
        " GRANT SELECT (chain_revenue) ON retail.daily_sales TO store_managers",
        "column-that-counts": "ALTER TABLE retail.orders ADD COLUMN order_no bigint GENERATED ALWAYS AS IDENTITY;"
        " GRANT SELECT (order_no) ON retail.orders TO store_managers",
        "owner-policy-dropped": "DROP POLICY owner_orders ON retail.orders",
        "trigger-dropped": "DROP TRIGGER total_update ON retail.orders",
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
    )
    return [change for part in parts for change in part()]
