-- What `zava doctor` and the start of the server ask of the catalogue, by name. Each
-- check returns one row for every fault: the object, and the SQL that mends it. No
-- row is a pass. A role is in reach if the login is it or can come to have its rights.
-- The search_path is pg_catalog alone, so every other name is printed in full.

-- name: posture_begin
-- The checks see one state of the catalogue and print full names.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: posture_search_path
-- Names of other schemas are printed in full.
SET LOCAL search_path = pg_catalog

-- name: posture_patience
-- With an index on store_id a canary answers at once, however large the table is.
SET LOCAL statement_timeout = '2s'

-- name: posture_pgvector
-- Filtered searches need the iterative scans of 0.8.
SELECT 'vector ' || coalesce(max(e.extversion), 'is missing') AS object,
       CASE WHEN max(e.extversion) IS NULL THEN 'CREATE EXTENSION vector SCHEMA public;'
            ELSE 'ALTER EXTENSION vector UPDATE;' END AS remedy
FROM pg_extension AS e
WHERE e.extname = 'vector'
HAVING max(e.extversion) IS NULL
    OR string_to_array(substring(max(e.extversion) FROM '^[0-9.]+'), '.')::int[] < ARRAY[0, 8]

-- name: posture_superuser
-- A superuser passes every policy and grant.
SELECT rolname AS object,
       CASE WHEN rolname = session_user THEN format('ALTER ROLE %I NOSUPERUSER;', rolname)
            ELSE format('REVOKE %I FROM %I;', rolname, session_user) END AS remedy
FROM pg_roles
WHERE rolsuper AND pg_has_role(session_user, oid, 'MEMBER')
    AND (rolname = session_user OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user))
ORDER BY rolname

-- name: posture_bypassrls
-- BYPASSRLS passes every policy.
SELECT rolname AS object, format('ALTER ROLE %I NOBYPASSRLS;', rolname) AS remedy
FROM pg_roles
WHERE rolbypassrls AND NOT rolsuper AND pg_has_role(session_user, oid, 'MEMBER')
ORDER BY rolname

-- name: posture_role_attributes
-- Who makes roles makes themselves a member of any; who replicates reads every row.
SELECT rolname AS object, format('ALTER ROLE %I NOCREATEROLE NOCREATEDB NOREPLICATION;', rolname) AS remedy
FROM pg_roles
WHERE (rolcreaterole OR rolcreatedb OR rolreplication) AND NOT rolsuper
    AND pg_has_role(session_user, oid, 'MEMBER')
ORDER BY rolname

-- name: posture_owner
-- An owner takes the policies from its tables.
SELECT DISTINCT o.kind || ' ' || o.name AS object,
       format('ALTER %s %s OWNER TO zava_owner; REVOKE zava_owner FROM %I;', upper(o.kind), o.name, session_user) AS remedy
FROM (
    SELECT 'database' AS kind, quote_ident(datname) AS name, datdba AS owner
    FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'schema', nspname, nspowner FROM pg_namespace WHERE nspname = 'retail'
    UNION ALL
    SELECT 'table', oid::regclass::text, relowner
    FROM pg_class WHERE relnamespace = 'retail'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT 'function', oid::regprocedure::text, proowner FROM pg_proc WHERE pronamespace = 'retail'::regnamespace
) AS o
WHERE pg_has_role(session_user, o.owner, 'MEMBER')
    AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
ORDER BY 1

-- name: posture_memberships
-- The login becomes its group for a transaction, has nothing of it before, and has no other.
SELECT r.rolname AS object,
       CASE WHEN r.rolname IN ('store_managers', 'regional_managers')
            THEN format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE, ADMIN FALSE;', r.rolname, session_user)
            ELSE format('REVOKE %I FROM %I;', r.rolname, session_user) END AS remedy
FROM pg_roles AS r
WHERE r.rolname <> session_user AND NOT r.rolsuper
    AND pg_has_role(session_user, r.oid, 'MEMBER')
    AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
    AND (r.rolname NOT IN ('store_managers', 'regional_managers') OR pg_has_role(session_user, r.oid, 'USAGE')
        OR pg_has_role(session_user, r.oid, 'MEMBER WITH ADMIN OPTION'))
ORDER BY r.rolname

-- name: posture_row_security
-- Every table that has a store is under row level security, and its owner too.
SELECT c.oid::regclass::text AS object,
       format('ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY; ALTER TABLE %1$s FORCE ROW LEVEL SECURITY;', c.oid::regclass) AS remedy
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'store_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    AND (n.nspname = 'retail' OR EXISTS (
        SELECT FROM pg_roles AS r
        WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND has_any_column_privilege(r.oid, c.oid, 'SELECT')))
ORDER BY 1

-- name: posture_policies
-- Each such table shows a role the stores of its identity, by one of two policies, and nothing else.
WITH tenant AS (
    SELECT c.oid
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'store_id' AND NOT a.attisdropped
    WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p')
), reach AS (
    SELECT oid, rolname FROM pg_roles WHERE pg_has_role(session_user, oid, 'MEMBER')
), policy AS (
    SELECT p.polrelid, p.polname, p.polroles, pg_get_expr(p.polqual, p.polrelid) AS shows
    FROM pg_policy AS p
    WHERE p.polpermissive AND p.polcmd IN ('r', '*')
)
SELECT format('%s on %s', p.polname, p.polrelid::regclass) AS object,
       format('DROP POLICY %I ON %s; then load schema.sql again', p.polname, p.polrelid::regclass) AS remedy
FROM policy AS p
JOIN tenant AS t ON t.oid = p.polrelid
WHERE EXISTS (SELECT FROM reach AS r WHERE r.oid = ANY (p.polroles) OR 0 = ANY (p.polroles))
    AND (p.shows IS NULL OR p.shows NOT IN (
        '(store_id = ( SELECT retail.get_current_user_store() AS get_current_user_store))',
        '(store_id = ANY (( SELECT retail.get_user_store_list() AS get_user_store_list)::uuid[]))'))
UNION ALL
SELECT format('none on %s for %s', t.oid::regclass, r.rolname), 'load schema.sql again'
FROM tenant AS t
CROSS JOIN reach AS r
WHERE has_any_column_privilege(r.oid, t.oid, 'SELECT')
    AND NOT EXISTS (SELECT FROM policy AS p WHERE p.polrelid = t.oid AND (r.oid = ANY (p.polroles) OR 0 = ANY (p.polroles)))
ORDER BY 1

-- name: posture_references
-- A table that belongs to rows of a store says whose it is and is under row level security.
SELECT DISTINCT c.oid::regclass::text AS object,
       format('REVOKE ALL ON %1$s FROM PUBLIC, store_managers, regional_managers; or give %1$s a store_id and policies', c.oid::regclass) AS remedy
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid
WHERE k.contype = 'f' AND NOT c.relrowsecurity
    AND EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = k.confrelid AND a.attname = 'store_id' AND NOT a.attisdropped)
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND has_any_column_privilege(r.oid, c.oid, 'SELECT'))
ORDER BY 1

-- name: posture_views
-- A view reads as its owner unless it says security_invoker.
WITH RECURSIVE used (oid) AS (
    SELECT oid FROM pg_class WHERE relnamespace = 'retail'::regnamespace AND relkind IN ('r', 'p')
    UNION
    SELECT w.ev_class
    FROM used AS u
    JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = u.oid AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite AS w ON w.oid = d.objid
)
SELECT c.oid::regclass::text AS object,
       format('ALTER VIEW %s SET (security_invoker = true);', c.oid::regclass) AS remedy
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND (n.nspname = 'retail' OR c.oid IN (SELECT oid FROM used))
    AND NOT coalesce((SELECT o.option_value::boolean FROM pg_options_to_table(c.reloptions) AS o
                      WHERE o.option_name = 'security_invoker'), false)
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND has_any_column_privilege(r.oid, c.oid, 'SELECT'))
ORDER BY 1

-- name: posture_materialized_views
-- A materialized view holds rows of every store and knows no policy.
WITH RECURSIVE used (oid) AS (
    SELECT c.oid
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'store_id' AND NOT a.attisdropped
    WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p')
    UNION
    SELECT w.ev_class
    FROM used AS u
    JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = u.oid AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite AS w ON w.oid = d.objid
)
SELECT c.oid::regclass::text AS object,
       format('REVOKE ALL ON %s FROM PUBLIC, store_managers, regional_managers;', c.oid::regclass) AS remedy
FROM pg_class AS c
WHERE c.relkind = 'm' AND c.oid IN (SELECT oid FROM used)
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND has_any_column_privilege(r.oid, c.oid, 'SELECT'))
ORDER BY 1

-- name: posture_foreign_tables
-- A foreign table reads elsewhere, with somebody else's login.
SELECT c.oid::regclass::text AS object,
       format('REVOKE ALL ON %s FROM PUBLIC, store_managers, regional_managers;', c.oid::regclass) AS remedy
FROM pg_class AS c
WHERE c.relkind = 'f'
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND has_any_column_privilege(r.oid, c.oid, 'SELECT'))
ORDER BY 1

-- name: posture_functions
-- A SECURITY DEFINER function reads as its owner: five are known, and they look up names safely.
SELECT p.oid::regprocedure::text AS object,
       CASE WHEN k.name IS NULL
            THEN format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, store_managers, regional_managers, %I;', p.oid::regprocedure, session_user)
            ELSE format('ALTER ROUTINE %s SET search_path = pg_catalog, pg_temp;', p.oid::regprocedure) END AS remedy
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
LEFT JOIN (VALUES ('retail.get_current_user_store()'), ('retail.get_user_store_list()'), ('retail.resolve_identity(uuid)'),
                  ('retail.set_identity(uuid,text)'), ('retail.login_is_bound()'))
    AS k (name) ON k.name = p.oid::regprocedure::text
WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND NOT (k.name IS NOT NULL AND coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false))
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND has_function_privilege(r.oid, p.oid, 'EXECUTE'))
ORDER BY 1

-- name: posture_write_grants
-- The server reads.
SELECT format('%s by %s', c.oid::regclass, r.rolname) AS object,
       format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON %s FROM PUBLIC, %I;', c.oid::regclass, r.rolname) AS remedy
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_roles AS r ON pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    AND (has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER')
        OR has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE, REFERENCES'))
ORDER BY 1

-- name: posture_create_grants
-- Whoever creates functions and views chooses what other people's names mean.
SELECT format('%s by %s', o.name, r.rolname) AS object,
       format('REVOKE CREATE ON %s FROM PUBLIC, %I;', o.name, r.rolname) AS remedy
FROM pg_roles AS r
CROSS JOIN LATERAL (
    SELECT format('SCHEMA %I', nspname) AS name FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\_%' AND has_schema_privilege(r.oid, oid, 'CREATE')
    UNION ALL
    SELECT format('DATABASE %I', current_database())
    WHERE has_database_privilege(r.oid, current_database(), 'CREATE')
) AS o
WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
ORDER BY 1

-- name: posture_temporary
-- Nothing that is read needs temporary objects.
SELECT r.rolname AS object,
       format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC, %I;', current_database(), r.rolname) AS remedy
FROM pg_roles AS r
WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
    AND has_database_privilege(r.oid, current_database(), 'TEMPORARY')
ORDER BY 1

-- name: posture_secrets
-- Who may see what, and the key of the seals, are the owner's alone.
SELECT format('%s by %s', c.oid::regclass, r.rolname) AS object,
       format('REVOKE ALL ON %s FROM PUBLIC, %I;', c.oid::regclass, r.rolname) AS remedy
FROM pg_class AS c
JOIN pg_roles AS r ON pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
WHERE c.relnamespace = 'retail'::regnamespace
    AND c.relname IN ('identity_key', 'login_identities', 'regional_managers', 'regional_manager_stores')
    AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
ORDER BY 1

-- name: posture_system_columns
-- ctid and xmin tell how large a table is and how busy other stores are.
SELECT format('%s by %s', c.oid::regclass, r.rolname) AS object,
       format('REVOKE SELECT ON %s FROM PUBLIC, %I; then load schema.sql again', c.oid::regclass, r.rolname) AS remedy
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'store_id' AND NOT a.attisdropped
JOIN pg_roles AS r ON pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p')
    AND has_table_privilege(r.oid, c.oid, 'SELECT')
ORDER BY 1

-- name: posture_set_config
-- A query could change the session's settings; the seal alone then guards the identity.
SELECT p.oid::regprocedure::text AS object,
       format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC;', p.oid::regprocedure) AS remedy
FROM pg_proc AS p
WHERE p.proname = 'set_config' AND p.pronamespace = 'pg_catalog'::regnamespace
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND has_function_privilege(r.oid, p.oid, 'EXECUTE'))

-- name: posture_server_functions
-- Functions with effects that outlive a query, or that run text as SQL; the list is schema.sql's.
SELECT p.oid::regprocedure::text AS object,
       format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC;', p.oid::regprocedure) AS remedy
FROM pg_proc AS p
WHERE p.proname LIKE ANY (ARRAY[
        'set\_config', 'current\_setting', 'pg\_advisory\_%', 'pg\_try\_advisory\_%', 'setseed',
        'set\_limit', 'pg\_sleep%', 'pg\_notify', 'pg\_listening\_channels', 'pg\_logical\_emit\_message',
        'pg\_export\_snapshot', 'lo\_%', 'loread', 'lowrite', '%\_to\_xml', '%\_to\_xml\_and\_xmlschema',
        '%\_to\_xmlschema', 'ts\_stat', 'ts\_rewrite', 'dblink%', 'crosstab%', 'connectby%',
        'xpath\_table', 'currtid%', 'pg\_cancel\_backend',
        'pg\_terminate\_backend'
    ]) AND p.proname <> 'set_config'
    AND p.pronamespace <> 'retail'::regnamespace
    AND NOT (p.proname = 'ts_rewrite' AND p.pronargs = 3)
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND has_function_privilege(r.oid, p.oid, 'EXECUTE'))
ORDER BY 1

-- name: posture_server_statistics
-- Other people's statements, and how much the whole chain stores and sells.
SELECT p.oid::regprocedure::text AS object,
       format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC;', p.oid::regprocedure) AS remedy
FROM pg_proc AS p
WHERE (p.proname LIKE ANY (ARRAY[
        'pg\_stat\_%', 'pg\_lock\_status', 'pg\_blocking\_pids', 'pg\_safe\_snapshot\_blocking\_pids',
        'pg\_cursor', 'pg\_prepared\_statement', 'pg\_prepared\_xact', 'pg\_get\_replication\_slots',
        'pg\_relation\_size', 'pg\_total\_relation\_size', 'pg\_table\_size', 'pg\_indexes\_size',
        'pg\_database\_size', 'pg\_tablespace\_size', 'pg\_relation\_filepath', 'pg\_relation\_filenode',
        'pg\_tablespace\_location', 'pg\_show\_all\_settings', 'pg\_control\_%', 'inet\_server\_%',
        'inet\_client\_%', 'pg\_current\_wal\_%', 'pg\_last\_wal\_%', 'pg\_last\_xact\_replay\_timestamp',
        'pg\_available\_wal\_summaries', 'pg\_wal\_summary\_contents', 'pg\_get\_wal\_%',
        'pg\_xact\_commit\_timestamp%', 'pg\_last\_committed\_xact', 'pg\_notification\_queue\_usage',
        'pg\_get\_loaded\_modules', 'txid\_%', 'pg\_current\_xact\_id%', 'pg\_current\_snapshot',
        'pg\_xact\_status', 'mxid\_age', 'pg\_tablespace\_databases'
    ]) OR p.oid = 'pg_catalog.age(xid)'::regprocedure)
    AND p.pronamespace <> 'retail'::regnamespace
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND has_function_privilege(r.oid, p.oid, 'EXECUTE'))
UNION ALL
SELECT c.oid::regclass::text, format('REVOKE SELECT ON %s FROM PUBLIC;', c.oid::regclass)
FROM pg_class AS c
WHERE c.relkind IN ('r', 'v') AND c.relnamespace = 'pg_catalog'::regnamespace AND c.relname LIKE ANY (ARRAY[
        'pg\_stat\_%', 'pg\_statio\_%', 'pg\_locks', 'pg\_cursors', 'pg\_settings',
        'pg\_prepared\_statements', 'pg\_prepared\_xacts', 'pg\_replication\_slots',
        'pg\_db\_role\_setting', 'pg\_foreign\_server'
    ])
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND has_table_privilege(r.oid, c.oid, 'SELECT'))
UNION ALL
SELECT 'row and page counts in pg_class', 'load schema.sql once more as a superuser'
WHERE EXISTS (
    SELECT FROM pg_roles AS r
    WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND has_column_privilege(r.oid, 'pg_class', 'reltuples', 'SELECT'))
ORDER BY 1

-- name: posture_login
-- A login that may act as several people is right where only the operator has its password.
SELECT session_user::text AS object, 'zava login add NAME --user ID gives a person a login of their own' AS remedy
WHERE NOT retail.login_is_bound()

-- name: posture_tenant_tables
-- Every table with a store that a role in reach may read, for the canary.
SELECT c.relname::text AS name
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'store_id' AND NOT a.attisdropped
WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p')
    AND has_column_privilege(%(role_name)s, c.oid, a.attnum, 'SELECT')
ORDER BY c.relname

-- name: canary_by_index
-- A search for nothing would read a whole table before it ends.
SET LOCAL enable_seqscan = off

-- name: canary_probe
-- The table's name if it shows a row of a store within one of the gaps.
SELECT {name} AS object
WHERE EXISTS (
    SELECT
    FROM unnest(%(after)s::uuid[], %(before)s::uuid[]) AS gap (after, before)
    CROSS JOIN LATERAL (
        SELECT FROM retail.{table} AS t WHERE t.store_id > gap.after AND t.store_id < gap.before LIMIT 1
    ) AS found)

-- name: canary_stores
-- The stores that the identity sees.
SELECT store_id FROM retail.stores

-- name: canary_nobody
-- No identity at all.
SET LOCAL app.current_rls_user_id = ''
