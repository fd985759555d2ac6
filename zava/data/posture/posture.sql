-- What `zava doctor` and the start of the server ask of the catalogue, by name. Each
-- check returns one row for every fault: the object, and the SQL that mends it. No
-- row is a pass. In reach are the login and the groups that it can become; another role that it can become is a
-- fault of its own.
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

-- name: posture_roles
-- The login, and the roles that the identity gives. Each check asks which of them are in reach.
session_user, 'store_managers', 'regional_managers', 'store_managers_personal', 'regional_managers_personal'

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
       CASE WHEN rolname IN ({roles}) THEN format('ALTER ROLE %I NOSUPERUSER;', rolname)
            ELSE (SELECT string_agg(format('REVOKE %I FROM %s GRANTED BY %s CASCADE;', rolname, m.member::regrole, m.grantor::regrole), ' ')
                  FROM pg_auth_members AS m
                  WHERE m.roleid = pg_roles.oid AND pg_has_role(session_user, m.member, 'MEMBER')) END AS remedy
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
       coalesce((
           SELECT string_agg(format('REVOKE %%s FROM %%s GRANTED BY %%s CASCADE;', m.roleid::regrole, m.member::regrole, m.grantor::regrole), ' ')
           FROM pg_auth_members AS m
           WHERE m.roleid = o.owner AND pg_has_role(session_user, m.member, 'MEMBER')
               AND m.roleid::regrole::text NOT IN ('store_managers', 'regional_managers', 'store_managers_personal', 'regional_managers_personal')),
           format('ALTER %%s %%s OWNER TO zava_owner;', upper(o.kind), o.name)) AS remedy
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
UNION
SELECT 'schema retail', 'ALTER SCHEMA retail OWNER TO zava_owner;'
FROM pg_namespace WHERE nspname = 'retail' AND nspowner IS DISTINCT FROM to_regrole('zava_owner')
UNION
-- The tables of schema.sql belong to the role with whose rights its functions look at them.
SELECT 'table ' || c.oid::regclass, format('ALTER TABLE %%s OWNER TO zava_owner;', c.oid::regclass)
FROM pg_class AS c
WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p') AND c.relowner IS DISTINCT FROM to_regrole('zava_owner')
    AND 'retail.' || c.relname IN (SELECT split_part(k, '.', 1) || '.' || split_part(k, '.', 2) FROM unnest(%(columns)s::text[]) AS k)
ORDER BY 1

-- name: posture_memberships
-- The login becomes its group for a transaction, has nothing of it before, and has no other.
SELECT r.rolname AS object,
       CASE WHEN r.rolname IN ('store_managers', 'regional_managers', 'store_managers_personal', 'regional_managers_personal')
            THEN coalesce((
                SELECT string_agg(
                    CASE WHEN m.inherit_option THEN format('REVOKE INHERIT OPTION FOR %I FROM %I GRANTED BY %s; ', r.rolname, session_user, m.grantor::regrole) ELSE '' END
                    || CASE WHEN m.admin_option THEN format('REVOKE ADMIN OPTION FOR %I FROM %I GRANTED BY %s CASCADE; ', r.rolname, session_user, m.grantor::regrole) ELSE '' END, '')
                FROM pg_auth_members AS m
                WHERE m.roleid = r.oid AND m.member = (SELECT oid FROM pg_roles WHERE rolname = session_user) AND (m.inherit_option OR m.admin_option)), '/* it ends with the others */')
            WHEN r.rolname = 'pg_database_owner' THEN format('ALTER DATABASE %I OWNER TO zava_owner;', current_database())
            ELSE coalesce((
                SELECT string_agg(format('REVOKE %I FROM %s GRANTED BY %s CASCADE;', r.rolname, m.member::regrole, m.grantor::regrole), ' ')
                FROM pg_auth_members AS m
                WHERE m.roleid = r.oid AND pg_has_role(session_user, m.member, 'MEMBER')
                    AND m.member::regrole::text NOT LIKE 'pg\_%'), '/* it ends with the others */') END AS remedy
FROM pg_roles AS r
WHERE r.rolname <> session_user AND NOT r.rolsuper
    AND pg_has_role(session_user, r.oid, 'MEMBER')
    AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
    AND (r.rolname NOT IN ('store_managers', 'regional_managers', 'store_managers_personal', 'regional_managers_personal') OR pg_has_role(session_user, r.oid, 'USAGE')
        OR pg_has_role(session_user, r.oid, 'MEMBER WITH ADMIN OPTION'))
UNION
-- What a group is a member of its members can become as well.
SELECT format('%s of %s', m.roleid::regrole, m.member::regrole),
       format('REVOKE %s FROM %s GRANTED BY %s CASCADE;', m.roleid::regrole, m.member::regrole, m.grantor::regrole)
FROM pg_auth_members AS m
WHERE m.member::regrole::text IN ('store_managers', 'regional_managers', 'store_managers_personal', 'regional_managers_personal')
    -- Those who read personal data have the rights of their plain group.
    AND NOT (m.member::regrole::text = m.roleid::regrole::text || '_personal' AND m.inherit_option AND NOT m.admin_option)
ORDER BY 1

-- name: posture_structure
-- The tables of schema.sql are there, with their columns and the triggers that keep their facts together.
WITH known AS (
    SELECT DISTINCT split_part(k, '.', 2) AS name FROM unnest(%(columns)s::text[]) AS k
), made AS (
    SELECT k.name, c.oid, c.relkind
    FROM known AS k
    LEFT JOIN pg_class AS c ON c.relnamespace = 'retail'::regnamespace AND c.relname = k.name
), lost AS (
    SELECT m.name, m.oid, split_part(k, '.', 3) AS attname
    FROM made AS m
    JOIN unnest(%(columns)s::text[]) AS k ON split_part(k, '.', 2) = m.name
    WHERE m.relkind IN ('r', 'p')
        AND NOT EXISTS (
            SELECT FROM pg_attribute AS a WHERE a.attrelid = m.oid AND a.attname = split_part(k, '.', 3) AND NOT a.attisdropped)
)
SELECT CASE WHEN m.oid IS NULL THEN format('retail.%%I is missing', m.name) ELSE format('retail.%%I is no table', m.name) END AS object,
       format('/* give the table retail.%%s its name back; then load schema.sql again */', m.name) AS remedy
FROM made AS m
WHERE m.relkind IS DISTINCT FROM 'r' AND m.relkind IS DISTINCT FROM 'p'
UNION ALL
SELECT format('column %%I of %%s is missing', l.attname, l.oid::regclass),
       CASE WHEN o.other IS NULL THEN '/* put the column back; */ '
            ELSE format('ALTER TABLE %%s RENAME COLUMN %%I TO %%I; ', l.oid::regclass, o.other, l.attname) END
           || '/* then load schema.sql again */'
FROM lost AS l
LEFT JOIN LATERAL (  -- one that is there instead, if there is one only
    SELECT min(a.attname::text) AS other
    FROM pg_attribute AS a
    WHERE a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND NOT format('retail.%%s.%%s', l.name, a.attname) = ANY (%(columns)s::text[])
        AND (SELECT count(*) FROM lost AS n WHERE n.oid = l.oid) = 1
    HAVING count(*) = 1
) AS o ON true
UNION ALL
SELECT format('trigger %%I of %%s', t.tgname, t.tgrelid::regclass),
       format('ALTER TABLE %%s ENABLE TRIGGER %%I;%%s', t.tgrelid::regclass, t.tgname,
              CASE WHEN t.tgname LIKE 'mark\_%%' THEN ' SELECT retail.mark_all_orders();' END)
FROM pg_trigger AS t
JOIN made AS m ON m.oid = t.tgrelid
WHERE NOT t.tgisinternal AND t.tgenabled <> 'O' AND t.tgfoid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'retail'::regnamespace)
UNION ALL
SELECT format('view retail.%%s is missing', k), '/* load schema.sql again */'
FROM unnest(%(views)s::text[]) AS k
WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = to_regclass('retail.' || k) AND c.relkind = 'v')
UNION ALL
SELECT format('trigger %%s of retail.%%s is missing', k ->> 1, k ->> 0), '/* load schema.sql again; */ SELECT retail.mark_all_orders();'
FROM jsonb_array_elements(%(triggers)s) AS k
WHERE NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = to_regclass(format('retail.%%s', k ->> 0)) AND t.tgname = k ->> 1)
UNION ALL
SELECT format('trigger %%s of %%s is another', t.tgname, t.tgrelid::regclass),
       '/* load schema.sql again; */' || CASE WHEN t.tgname LIKE 'mark\_%%' THEN ' SELECT retail.mark_all_orders();' ELSE '' END
FROM jsonb_array_elements(%(triggers)s) AS k
JOIN pg_trigger AS t ON t.tgrelid = to_regclass(format('retail.%%s', k ->> 0)) AND t.tgname = k ->> 1
WHERE translate(lower(pg_get_triggerdef(t.oid)), '() ', '') <> k ->> 2
UNION ALL
-- As PostgreSQL prints a view in the versions that zava knows.
SELECT format('view %%s is another', c.oid::regclass),
       CASE WHEN EXISTS (
                SELECT FROM pg_attribute AS a
                WHERE a.attrelid = c.oid AND NOT EXISTS (
                    SELECT FROM unnest(%(grant_tables)s::text[], %(grant_columns)s::text[]) AS g (table_name, column_name)
                    WHERE g.table_name = c.relname AND g.column_name = a.attname))
            THEN format('DROP VIEW %%s CASCADE; ', c.oid::regclass) ELSE '' END || '/* load schema.sql again */'
FROM jsonb_each_text(%(view_digests)s) AS k
JOIN pg_class AS c ON c.relnamespace = 'retail'::regnamespace AND c.relname = k.key AND c.relkind = 'v'
WHERE substring(version() FROM '^PostgreSQL (\d+)') IN ('16', '17', '18')
    AND left(encode(sha256(convert_to(regexp_replace(pg_get_viewdef(c.oid), '\s+', ' ', 'g'), 'UTF8')), 'hex'), 32) <> k.value
UNION ALL
SELECT format('%%I cannot use the schema public, where the type vector is', r.rolname), format('GRANT USAGE ON SCHEMA public TO %%I;', r.rolname)
FROM pg_roles AS r
WHERE r.rolname IN ('store_managers', 'regional_managers') AND pg_has_role(session_user, r.oid, 'MEMBER')
    AND NOT has_schema_privilege(r.oid, 'public', 'USAGE')
UNION ALL
SELECT format('%%s of %%s cannot be read by %%s', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), c.oid::regclass, r.rolname),
       '/* load schema.sql again */'
FROM unnest(%(grant_roles)s::text[], %(grant_tables)s::text[], %(grant_columns)s::text[]) AS g (role_name, table_name, column_name)
JOIN pg_class AS c ON c.relnamespace = 'retail'::regnamespace AND c.relname = g.table_name AND c.relkind IN ('r', 'p', 'v')
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = g.column_name AND NOT a.attisdropped
JOIN pg_roles AS r ON r.rolname = g.role_name
WHERE r.rolname IN ('store_managers', 'regional_managers', 'store_managers_personal', 'regional_managers_personal')
    AND pg_has_role(session_user, r.oid, 'MEMBER') AND NOT has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')
GROUP BY c.oid, r.rolname
UNION ALL
-- A known column that is computed shows what another column holds, or no longer what the figures need.
SELECT format('column %%I of %%s is generated', a.attname, c.oid::regclass),
       format('ALTER TABLE %%1$s DROP COLUMN %%2$I CASCADE, ADD COLUMN %%2$I %%3$s; /* then load schema.sql again */',
              c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod))
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid AND c.relnamespace = 'retail'::regnamespace
WHERE a.attgenerated <> '' AND NOT a.attisdropped
    AND format('retail.%%s.%%s', c.relname, a.attname) = ANY (%(columns)s::text[])
    AND NOT format('retail.%%s.%%s', c.relname, a.attname) = ANY (%(generated)s::text[])
UNION ALL
SELECT format('column %%I of %%s is not generated', a.attname, a.attrelid::regclass),
       '/* drop the column and make it as schema.sql does; then load schema.sql again */'
FROM unnest(%(generated)s::text[]) AS k
JOIN pg_attribute AS a ON a.attrelid = to_regclass('retail.' || split_part(k, '.', 2)) AND a.attname = split_part(k, '.', 3)
WHERE a.attgenerated = '' AND NOT a.attisdropped
UNION ALL
-- The owner loads the rows, adds them up and looks them up for the identity.
SELECT format('no policy on %%s for zava_owner', c.oid::regclass), '/* load schema.sql again; */ SELECT retail.mark_all_orders();'
FROM made AS m
JOIN pg_class AS c ON c.oid = m.oid
WHERE c.relrowsecurity AND NOT EXISTS (
    SELECT FROM pg_policy AS p
    WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd = '*' AND to_regrole('zava_owner') = ANY (p.polroles)
        AND pg_get_expr(p.polqual, p.polrelid) = 'true')
ORDER BY 1

-- name: posture_grantors
-- What a role in reach may do the owner has granted: the REVOKE of an owner leaves what somebody else has granted.
WITH grants AS (
    SELECT c.relowner AS owner, CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass AS name,
           a.grantor, a.grantee, a.privilege_type AS privilege
    FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    UNION ALL
    SELECT c.relowner, 'TABLE ' || c.oid::regclass, a.grantor, a.grantee, format('%s (%I)', a.privilege_type, t.attname)
    FROM pg_class AS c
    JOIN pg_attribute AS t ON t.attrelid = c.oid AND t.attacl IS NOT NULL
    CROSS JOIN LATERAL aclexplode(t.attacl) AS a
    UNION ALL
    SELECT p.proowner, 'ROUTINE ' || p.oid::regprocedure, a.grantor, a.grantee, a.privilege_type
    FROM pg_proc AS p CROSS JOIN LATERAL aclexplode(p.proacl) AS a
    UNION ALL
    SELECT n.nspowner, 'SCHEMA ' || quote_ident(n.nspname), a.grantor, a.grantee, a.privilege_type
    FROM pg_namespace AS n CROSS JOIN LATERAL aclexplode(n.nspacl) AS a
    UNION ALL
    SELECT d.datdba, 'DATABASE ' || quote_ident(d.datname), a.grantor, a.grantee, a.privilege_type
    FROM pg_database AS d CROSS JOIN LATERAL aclexplode(d.datacl) AS a
    WHERE d.datname = current_database()
    UNION ALL
    SELECT f.fdwowner, 'FOREIGN DATA WRAPPER ' || quote_ident(f.fdwname), a.grantor, a.grantee, a.privilege_type
    FROM pg_foreign_data_wrapper AS f CROSS JOIN LATERAL aclexplode(f.fdwacl) AS a
    UNION ALL
    SELECT 10, 'PARAMETER ' || p.parname, a.grantor, a.grantee, a.privilege_type  -- 10 is the superuser of initdb
    FROM pg_parameter_acl AS p CROSS JOIN LATERAL aclexplode(p.paracl) AS a
)
SELECT format('%s on %s to %s, granted by %s', lower(g.privilege), g.name, w.who, g.grantor::regrole) AS object,
       format('SET ROLE %s; REVOKE %s ON %s FROM %s CASCADE; RESET ROLE;', g.grantor::regrole, g.privilege, g.name, w.who) AS remedy
FROM grants AS g
CROSS JOIN LATERAL (SELECT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END AS who) AS w
WHERE g.grantor <> g.owner
    AND (g.grantee = 0 OR EXISTS (
        SELECT FROM pg_roles AS r
        WHERE r.oid = g.grantee AND NOT r.rolsuper AND r.rolname IN ({roles})
            AND pg_has_role(session_user, r.oid, 'MEMBER')))
ORDER BY 1

-- name: posture_row_security
-- Every table of schema.sql, or in reach, that has a store is under row level security, and its owner too.
SELECT c.oid::regclass::text AS object,
       format('ALTER TABLE %%1$s ENABLE ROW LEVEL SECURITY; ALTER TABLE %%1$s FORCE ROW LEVEL SECURITY;', c.oid::regclass) AS remedy
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'store_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    AND n.nspname NOT LIKE 'pg\_%%' AND n.nspname <> 'information_schema'
    AND (c.oid::regclass::text || '.store_id' = ANY (%(columns)s::text[]) OR EXISTS (
        SELECT FROM pg_roles AS r
        WHERE r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND has_any_column_privilege(r.oid, c.oid, 'SELECT')))
ORDER BY 1

-- name: posture_policies
-- Each table with a store, or under row level security, shows a role the stores of its identity, by one of two policies, and nothing else.
WITH reach AS (
    SELECT oid, rolname FROM pg_roles WHERE rolname IN ({roles}) AND pg_has_role(session_user, oid, 'MEMBER')
), shown AS (  -- a view with its caller rights needs no right to the schemas of what it shows
    SELECT d.refclassid AS class, d.refobjid AS oid
    FROM pg_class AS v
    JOIN pg_rewrite AS w ON w.ev_class = v.oid
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refobjid <> v.oid
    WHERE v.relkind = 'v' AND v.oid >= 16384
        AND EXISTS (SELECT FROM reach AS r WHERE has_any_column_privilege(r.oid, v.oid, 'SELECT'))
), tenant AS (
    SELECT c.oid
    FROM pg_class AS c
    WHERE c.relkind IN ('r', 'p') AND CASE
        WHEN c.relnamespace = 'retail'::regnamespace AND EXISTS (
            SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'store_id' AND NOT a.attisdropped) THEN true
        ELSE c.relrowsecurity
            AND c.oid::regclass::text NOT IN (SELECT object FROM retail.shared_objects)
            AND EXISTS (
                SELECT FROM reach AS r
                WHERE has_any_column_privilege(r.oid, c.oid, 'SELECT')
                    AND (has_schema_privilege(r.oid, c.relnamespace, 'USAGE') OR c.oid IN (SELECT oid FROM shown WHERE class = 'pg_class'::regclass)))
    END
), policy AS (
    SELECT p.polrelid, p.polname, p.polroles, pg_get_expr(p.polqual, p.polrelid) AS shows
    FROM pg_policy AS p
    WHERE p.polpermissive AND p.polcmd IN ('r', '*')
)
SELECT format('%%s on %%s', p.polname, p.polrelid::regclass) AS object,
       CASE WHEN c.relnamespace = 'retail'::regnamespace AND c.relowner = to_regrole('zava_owner')
            THEN format('DROP POLICY %%I ON %%s; /* then load schema.sql again */', p.polname, p.polrelid::regclass)
            ELSE format('DROP POLICY %%I ON %%s;', p.polname, p.polrelid::regclass) END AS remedy
FROM policy AS p
JOIN tenant AS t ON t.oid = p.polrelid
JOIN pg_class AS c ON c.oid = p.polrelid
WHERE EXISTS (SELECT FROM reach AS r WHERE r.oid = ANY (p.polroles) OR 0 = ANY (p.polroles))
    AND (p.shows IS NULL OR p.shows NOT IN (
        '(store_id = ( SELECT retail.get_current_user_store() AS get_current_user_store))',
        '(store_id = ANY (( SELECT retail.get_user_store_list() AS get_user_store_list)::uuid[]))'))
    -- Customers are also those who have bought in a store.
    AND NOT (c.oid::regclass::text = 'retail.customers' AND coalesce(p.shows, '') IN (
        '((store_id = ( SELECT retail.get_current_user_store() AS get_current_user_store))'
        ' OR (store_ids && ( SELECT ARRAY[retail.get_current_user_store()] AS "array")))',
        '((store_id = ANY (( SELECT retail.get_user_store_list() AS get_user_store_list)::uuid[]))'
        ' OR (store_ids && ( SELECT retail.get_user_store_list() AS get_user_store_list)))'))
UNION ALL
-- A restrictive one hides rows, so that totals and orders disagree. The one for personal data hides none from who has the right.
SELECT format('%%s on %%s', p.polname, p.polrelid::regclass), format('DROP POLICY %%I ON %%s;', p.polname, p.polrelid::regclass)
FROM pg_policy AS p
JOIN tenant AS t ON t.oid = p.polrelid
WHERE NOT p.polpermissive AND p.polcmd IN ('r', '*')
    AND EXISTS (SELECT FROM reach AS r WHERE r.oid = ANY (p.polroles) OR 0 = ANY (p.polroles))
    AND NOT (p.polrelid::regclass::text = 'retail.customers' AND NOT EXISTS (
            SELECT FROM unnest(p.polroles) AS k WHERE k <> ALL (ARRAY[
                to_regrole('store_managers_personal')::oid, to_regrole('regional_managers_personal')::oid]))
        AND pg_get_expr(p.polqual, p.polrelid) = '( SELECT retail.may_read_personal_data() AS may_read_personal_data)')
UNION ALL
SELECT format('none on %%s for %%s', t.oid::regclass, r.rolname),
       CASE WHEN NOT format('%%s.store_id', c.oid::regclass) = ANY (%(columns)s::text[])
                AND c.relnamespace = 'retail'::regnamespace AND c.relowner = to_regrole('zava_owner')
            THEN format('ALTER TABLE %%s DISABLE ROW LEVEL SECURITY;', c.oid::regclass)
            WHEN c.relnamespace = 'retail'::regnamespace AND c.relowner = to_regrole('zava_owner') AND r.rolname <> session_user
            THEN '/* load schema.sql again */'
            ELSE format('REVOKE ALL ON %%s FROM PUBLIC, %%I CASCADE;', t.oid::regclass, r.rolname) END
FROM tenant AS t
JOIN pg_class AS c ON c.oid = t.oid
CROSS JOIN reach AS r
WHERE has_any_column_privilege(r.oid, t.oid, 'SELECT')
    AND NOT EXISTS (
        SELECT FROM policy AS p, unnest(p.polroles) AS k
        WHERE p.polrelid = t.oid AND (k = 0 OR pg_has_role(r.oid, nullif(k, 0), 'USAGE')))
ORDER BY 1

-- name: posture_relations
-- What a role in reach may read is one of these: a table of the catalogue or of retail.shared_objects, a table
-- with a store under row level security, whose policies are another check's, or a view with its caller's rights.
-- PostgreSQL's own (their OIDs end at 16383) are the check catalogue_grants'.
WITH RECURSIVE reach AS (
    SELECT oid, rolname FROM pg_roles WHERE rolname IN ({roles}) AND pg_has_role(session_user, oid, 'MEMBER') AND NOT rolsuper
), shared AS (
    SELECT c.oid, true AS is_zavas
    FROM pg_class AS c
    WHERE c.relkind = 'r' AND c.relnamespace = 'retail'::regnamespace AND c.relname IN (
        'categories', 'product_types', 'products', 'product_description_embeddings',
        'product_search_words', 'search_vocabulary', 'shared_objects', 'refreshes', 'chain', 'schema_version')
    UNION
    SELECT c.oid, false FROM pg_class AS c WHERE c.oid::regclass::text IN (SELECT object FROM retail.shared_objects)
), grown (parent, oid) AS (
    SELECT i.inhparent, i.inhrelid FROM pg_inherits AS i JOIN shared AS s ON s.oid = i.inhparent
    UNION
    SELECT i.inhparent, i.inhrelid FROM grown AS g JOIN pg_inherits AS i ON i.inhparent = g.oid
), shown AS (  -- a view with its caller rights needs no right to the schemas of what it shows
    SELECT d.refclassid AS class, d.refobjid AS oid
    FROM pg_class AS v
    JOIN pg_rewrite AS w ON w.ev_class = v.oid
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refobjid <> v.oid
    WHERE v.relkind = 'v' AND v.oid >= 16384
        AND EXISTS (SELECT FROM reach AS r WHERE has_any_column_privilege(r.oid, v.oid, 'SELECT'))
)
SELECT c.oid::regclass::text AS object,
       CASE WHEN c.relkind = 'v' THEN format('ALTER VIEW %s SET (security_invoker = true);', c.oid::regclass)
            ELSE format('REVOKE ALL ON %s FROM PUBLIC, %s CASCADE;', c.oid::regclass, (SELECT string_agg(quote_ident(rolname), ', ') FROM reach))
                || CASE WHEN c.oid::regclass::text ~ '[*/]' THEN ''
                        ELSE format(' /* or, if it holds no store''s rows, INSERT INTO retail.shared_objects VALUES (%L, ''why''); */', c.oid::regclass)
                   END END AS remedy
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 't')
    AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_temp\_%'
    AND c.oid NOT IN (SELECT oid FROM shared WHERE oid IS NOT NULL)
    AND EXISTS (
        SELECT FROM reach AS r
        WHERE has_any_column_privilege(r.oid, c.oid, 'SELECT')
            -- pg_stats shows values of whatever is granted, in a closed schema too
            AND (c.relkind <> 'v' OR has_schema_privilege(r.oid, n.oid, 'USAGE') OR c.oid IN (SELECT oid FROM shown WHERE class = 'pg_class'::regclass)))
    AND NOT CASE
        WHEN c.relkind IN ('r', 'p') THEN c.relrowsecurity AND EXISTS (
            SELECT FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attname = 'store_id' AND a.atttypid = 'uuid'::regtype AND NOT a.attisdropped)
        WHEN c.relkind = 'v' THEN coalesce((
            SELECT o.option_value::boolean FROM pg_options_to_table(c.reloptions) AS o
            WHERE o.option_name = 'security_invoker'), false)
        ELSE false END
UNION ALL
SELECT format('%s, which %s shows', g.oid::regclass, g.parent::regclass),
       CASE WHEN (SELECT relispartition FROM pg_class WHERE oid = g.oid)
            THEN format('ALTER TABLE %s DETACH PARTITION %s;', g.parent::regclass, g.oid::regclass)
            ELSE format('ALTER TABLE %1$s NO INHERIT %2$s; DELETE FROM pg_statistic WHERE starelid = ''%2$s''::regclass AND stainherit;',
                        g.oid::regclass, g.parent::regclass) END
FROM grown AS g
WHERE g.oid NOT IN (SELECT oid FROM shared WHERE oid IS NOT NULL)
ORDER BY 1

-- name: posture_columns
-- Of the tables and views of schema.sql a role in reach reads the columns that schema.sql grants, and no other: a
-- policy keeps rows apart, but not what a column holds. Secrets and personal data have checks of their own.
WITH known AS (
    SELECT c.oid, c.relname, c.relacl, c.relrowsecurity
    FROM pg_class AS c
    WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND c.relname = ANY (%(grant_tables)s::text[])
), granted AS (
    SELECT g.table_name, g.column_name, array_agg(g.role_name) AS roles
    FROM unnest(%(grant_roles)s::text[], %(grant_tables)s::text[], %(grant_columns)s::text[]) AS g (role_name, table_name, column_name)
    GROUP BY 1, 2
), reach AS (
    SELECT oid, rolname, quote_ident(rolname) AS who
    FROM pg_roles WHERE rolname IN ({roles}) AND pg_has_role(session_user, oid, 'MEMBER') AND NOT rolsuper
    UNION ALL
    SELECT 0, 'public', 'PUBLIC'
), given AS (
    SELECT k.oid, k.relname, k.relrowsecurity, a.attnum, a.attname, x.grantee, false AS is_whole
    FROM known AS k
    JOIN pg_attribute AS a ON a.attrelid = k.oid AND a.attnum > 0 AND NOT a.attisdropped
    CROSS JOIN LATERAL aclexplode(a.attacl) AS x
    WHERE x.privilege_type = 'SELECT'
    UNION ALL
    SELECT k.oid, k.relname, k.relrowsecurity, a.attnum, a.attname, x.grantee, true
    FROM known AS k
    CROSS JOIN LATERAL aclexplode(k.relacl) AS x
    JOIN pg_attribute AS a ON a.attrelid = k.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE x.privilege_type = 'SELECT'
), excess AS (
    SELECT g.oid, g.relname, g.is_whole, r.rolname, r.who, g.attnum, g.attname, k.roles IS NULL AS is_unknown
    FROM given AS g
    JOIN reach AS r ON r.oid = g.grantee
    LEFT JOIN granted AS k ON k.table_name = g.relname AND k.column_name = g.attname
    WHERE NOT coalesce(
            r.rolname = ANY (k.roles) OR 'public' = ANY (k.roles) OR replace(r.rolname, '_personal', '') = ANY (k.roles)
            -- What is the same for every store is nothing to keep from anybody.
            OR NOT g.relrowsecurity AND k.roles IS NOT NULL, false)
        AND NOT (k.roles IS NULL AND NOT format('retail.%%s.%%s', g.relname, g.attname) = ANY (%(columns)s::text[])
            AND format('retail.%%s.%%s', g.relname, g.attname) IN (SELECT object FROM retail.shared_objects))
        AND NOT (g.relname = 'customers' AND g.attname IN ('first_name', 'last_name', 'email', 'loyalty_number'))
        -- One that was renamed the check of the structure tells.
        AND NOT (k.roles IS NULL AND g.relname IN (
            SELECT o.table_name FROM granted AS o
            WHERE NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = g.oid AND a.attname = o.column_name AND NOT a.attisdropped)
                AND o.table_name = g.relname))
)
SELECT format('%%s of %%s by %%s', string_agg(quote_ident(e.attname), ', ' ORDER BY e.attnum), e.oid::regclass, e.who) AS object,
       CASE WHEN e.is_whole THEN format('REVOKE SELECT ON %%s FROM %%s CASCADE;', e.oid::regclass, e.who) || coalesce((
                -- What schema.sql grants to the role, and added columns that are listed as shared and were granted.
                SELECT format(' GRANT SELECT (%%s) ON %%s TO %%s;', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), e.oid::regclass, e.who)
                FROM pg_attribute AS a
                LEFT JOIN granted AS k ON k.table_name = e.relname AND k.column_name = a.attname
                WHERE a.attrelid = e.oid AND a.attnum > 0 AND NOT a.attisdropped AND (
                    e.rolname = ANY (k.roles)
                    OR format('retail.%%s.%%s', e.relname, a.attname) IN (SELECT object FROM retail.shared_objects)
                        AND NOT format('retail.%%s.%%s', e.relname, a.attname) = ANY (%(columns)s::text[])
                        AND EXISTS (SELECT FROM given AS o WHERE o.oid = e.oid AND o.attnum = a.attnum AND NOT o.is_whole
                            AND o.grantee = (SELECT r.oid FROM reach AS r WHERE r.rolname = e.rolname)))
                HAVING count(*) > 0), '')
            ELSE format('REVOKE SELECT (%%s) ON %%s FROM %%s CASCADE;', string_agg(quote_ident(e.attname), ', ' ORDER BY e.attnum), e.oid::regclass, e.who)
       END || coalesce(min(format(' /* or, if it holds no store''s facts, INSERT INTO retail.shared_objects VALUES (%%L, ''why''); */',
           format('retail.%%s.%%s', e.relname, e.attname))) FILTER (
               WHERE e.is_unknown AND NOT format('retail.%%s.%%s', e.relname, e.attname) = ANY (%(columns)s::text[]) AND e.attname::text !~ '[*/]'), '') AS remedy
FROM excess AS e
GROUP BY e.oid, e.relname, e.is_whole, e.rolname, e.who
ORDER BY 1

-- name: posture_sequences
-- A sequence tells how many rows were made, in a closed schema through pg_sequences.
WITH reach AS (
    SELECT oid, rolname FROM pg_roles WHERE rolname IN ({roles}) AND pg_has_role(session_user, oid, 'MEMBER') AND NOT rolsuper
)
SELECT c.oid::regclass::text AS object,
       format('REVOKE ALL ON SEQUENCE %s FROM PUBLIC, %s CASCADE;', c.oid::regclass,
              (SELECT string_agg(quote_ident(rolname), ', ') FROM reach)) AS remedy
FROM pg_class AS c
WHERE c.relkind = 'S'
    AND c.oid::regclass::text NOT IN (SELECT object FROM retail.shared_objects)
    AND EXISTS (SELECT FROM reach AS r WHERE has_sequence_privilege(r.oid, c.oid, 'USAGE, SELECT, UPDATE'))
ORDER BY 1

-- name: posture_strangers
-- Whether there is a function that is neither PostgreSQL's nor pgvector's nor zava's. Without one nothing leads to one.
SELECT EXISTS (
    SELECT FROM pg_proc AS p
    WHERE p.oid >= 16384 AND p.probin IS DISTINCT FROM '$libdir/vector'
        AND NOT (p.pronamespace = 'retail'::regnamespace AND p.proname = ANY (%(known)s::text[]))
        AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
        AND NOT (p.prokind = 'a' AND EXISTS (
            SELECT FROM pg_depend AS d
            WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
                AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vector')))) AS answer

-- name: posture_reached
-- What the check of functions follows: everything to which a name in an open schema leads.
SELECT k.class, k.oid
FROM (
    -- What has a name in an open schema.
    SELECT 'pg_type'::regclass AS class, t.oid FROM pg_type AS t WHERE t.typnamespace IN (SELECT oid FROM open_schema) AND t.oid >= 16384
    UNION ALL
    SELECT 'pg_operator'::regclass, o.oid FROM pg_operator AS o WHERE o.oprnamespace IN (SELECT oid FROM open_schema) AND o.oid >= 16384
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid FROM pg_proc AS p
    WHERE p.pronamespace IN (SELECT oid FROM open_schema) AND p.oid >= 16384
        AND EXISTS (SELECT FROM reach AS r WHERE has_function_privilege(r.oid, p.oid, 'EXECUTE'))
    UNION ALL
    SELECT 'pg_class'::regclass, c.oid FROM pg_class AS c
    WHERE c.relnamespace IN (SELECT oid FROM open_schema) AND c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND EXISTS (SELECT FROM reach AS r WHERE has_any_column_privilege(r.oid, c.oid, 'SELECT'))
    UNION ALL
    SELECT 'pg_ts_config'::regclass, c.oid FROM pg_ts_config AS c WHERE c.cfgnamespace IN (SELECT oid FROM open_schema) AND c.oid >= 16384
    UNION ALL
    SELECT 'pg_ts_dict'::regclass, d.oid FROM pg_ts_dict AS d WHERE d.dictnamespace IN (SELECT oid FROM open_schema) AND d.oid >= 16384
    UNION ALL
    SELECT 'pg_ts_parser'::regclass, q.oid FROM pg_ts_parser AS q WHERE q.prsnamespace IN (SELECT oid FROM open_schema) AND q.oid >= 16384
    UNION ALL
    -- What the operators, families and types of PostgreSQL lead to.
    SELECT 'pg_operator'::regclass, l.oid
    FROM pg_operator AS o CROSS JOIN LATERAL (VALUES (o.oprcom), (o.oprnegate)) AS l (oid)
    WHERE o.oid < 16384 AND l.oid >= 16384
    UNION ALL
    SELECT 'pg_opfamily'::regclass, m.amopfamily FROM pg_amop AS m WHERE m.amopfamily < 16384 AND m.oid >= 16384
    UNION ALL
    SELECT 'pg_opfamily'::regclass, m.amprocfamily FROM pg_amproc AS m WHERE m.amprocfamily < 16384 AND m.oid >= 16384
    UNION ALL
    SELECT 'pg_opclass'::regclass, o.oid FROM pg_opclass AS o WHERE o.oid >= 16384 AND o.opcdefault AND o.opcintype < 16384
    UNION ALL
    SELECT 'pg_cast'::regclass, c.oid FROM pg_cast AS c WHERE c.oid >= 16384 AND c.castsource < 16384 AND c.casttarget < 16384
) AS k
UNION
SELECT e.class, e.oid
FROM reached AS r
CROSS JOIN LATERAL (
    SELECT d.refclassid::regclass AS class, d.refobjid AS oid
    FROM pg_depend AS d
    WHERE d.classid = r.class AND d.objid = r.oid AND d.refobjid >= 16384
        AND d.refclassid IN ('pg_type'::regclass, 'pg_proc'::regclass, 'pg_operator'::regclass, 'pg_class'::regclass, 'pg_opclass'::regclass,
                             'pg_opfamily'::regclass, 'pg_ts_dict'::regclass, 'pg_ts_template'::regclass, 'pg_ts_parser'::regclass)
    UNION ALL
    SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint AS k WHERE r.class = 'pg_type'::regclass AND k.contypid = r.oid
    UNION ALL  -- of a row, or of a type with parts
    SELECT 'pg_class'::regclass, t.typrelid FROM pg_type AS t WHERE r.class = 'pg_type'::regclass AND t.oid = r.oid AND t.typrelid >= 16384
    UNION ALL  -- of two types one may be of PostgreSQL
    SELECT 'pg_cast'::regclass, c.oid FROM pg_cast AS c
    WHERE r.class = 'pg_type'::regclass AND (c.castsource = r.oid OR c.casttarget = r.oid AND c.castsource < 16384)
    UNION ALL
    SELECT 'pg_opclass'::regclass, o.oid FROM pg_opclass AS o
    WHERE r.class = 'pg_type'::regclass AND o.oid >= 16384 AND o.opcdefault AND o.opcintype = r.oid
    UNION ALL
    SELECT 'pg_operator'::regclass, l.oid
    FROM pg_operator AS o CROSS JOIN LATERAL (VALUES (o.oprcom), (o.oprnegate)) AS l (oid)
    WHERE r.class = 'pg_operator'::regclass AND o.oid = r.oid AND l.oid >= 16384
    UNION ALL
    SELECT 'pg_opfamily'::regclass, m.amopfamily FROM pg_amop AS m
    WHERE r.class = 'pg_operator'::regclass AND m.amopopr = r.oid
    UNION ALL
    SELECT 'pg_operator'::regclass, m.amopopr FROM pg_amop AS m
    WHERE r.class = 'pg_opfamily'::regclass AND m.amopfamily = r.oid AND m.amopopr >= 16384
    UNION ALL
    SELECT 'pg_proc'::regclass, m.amproc::oid FROM pg_amproc AS m
    WHERE r.class = 'pg_opfamily'::regclass AND m.amprocfamily = r.oid AND m.amproc::oid >= 16384
    UNION ALL  -- a view runs what it says, a table its policies
    SELECT 'pg_rewrite'::regclass, w.oid FROM pg_rewrite AS w
    WHERE r.class = 'pg_class'::regclass AND w.ev_class = r.oid
        AND EXISTS (SELECT FROM reach AS k WHERE has_any_column_privilege(k.oid, r.oid, 'SELECT'))
    UNION ALL
    SELECT 'pg_policy'::regclass, p.oid FROM pg_policy AS p WHERE r.class = 'pg_class'::regclass AND p.polrelid = r.oid
        AND EXISTS (SELECT FROM reach AS k WHERE has_any_column_privilege(k.oid, r.oid, 'SELECT'))
) AS e
WHERE NOT (r.class = 'pg_proc'::regclass AND r.oid IN (SELECT oid FROM own))

-- name: posture_reached_nothing
-- The same where nothing can be reached.
SELECT NULL::regclass, NULL::oid WHERE false

-- name: posture_functions
-- What a role in reach may call is PostgreSQL's own (its OIDs end at 16383), pgvector's, or what schema.sql grants it
-- of zava's. Whatever runs with its owner's rights is zava's and looks up names safely. A type, an operator, a cast, a
-- view or an order leads to functions that are in no schema of the caller's: the catalogue's dependencies say to which.
WITH RECURSIVE reach AS (
    SELECT oid, rolname FROM pg_roles WHERE rolname IN ({roles}) AND pg_has_role(session_user, oid, 'MEMBER') AND NOT rolsuper
), open_schema AS (
    SELECT n.oid FROM pg_namespace AS n
    WHERE n.nspname NOT LIKE 'pg\_t%%' AND EXISTS (SELECT FROM reach AS r WHERE has_schema_privilege(r.oid, n.oid, 'USAGE'))
), own AS (  -- the C functions of pgvector lead nowhere
    SELECT oid FROM pg_proc WHERE oid >= 16384 AND probin = '$libdir/vector'
), reached (class, oid) AS (
    {reached}
), called AS (
    SELECT oid FROM reached WHERE class = 'pg_proc'::regclass
), supporting AS (  -- what an order or a hash calls, whoever may execute it
    SELECT m.oid, min(coalesce(
        (SELECT format('DROP OPERATOR CLASS %%I.%%I USING %%I;', o.opcnamespace::regnamespace::text, o.opcname, a.amname)
         FROM pg_depend AS d
         JOIN pg_opclass AS o ON d.refclassid = 'pg_opclass'::regclass AND o.oid = d.refobjid
         WHERE d.classid = m.class AND d.objid = m.entry
         LIMIT 1),
        format('ALTER OPERATOR FAMILY %%I.%%I USING %%I DROP %%s;', f.opfnamespace::regnamespace::text, f.opfname, a.amname, m.part))) AS remedy
    FROM (
        SELECT 'pg_amproc'::regclass AS class, p.oid AS entry, p.amprocfamily AS family, p.amproc::oid AS oid,
               format('FUNCTION %%s (%%s, %%s)', p.amprocnum, p.amproclefttype::regtype, p.amprocrighttype::regtype) AS part
        FROM pg_amproc AS p
        WHERE p.amproc::oid >= 16384
        UNION ALL
        SELECT 'pg_amop'::regclass, p.oid, p.amopfamily, o.oprcode::oid,
               format('OPERATOR %%s (%%s, %%s)', p.amopstrategy, p.amoplefttype::regtype, p.amoprighttype::regtype)
        FROM pg_amop AS p
        JOIN pg_operator AS o ON o.oid = p.amopopr
        WHERE o.oprcode::oid >= 16384
    ) AS m
    JOIN pg_opfamily AS f ON f.oid = m.family
    JOIN pg_am AS a ON a.oid = f.opfmethod
    WHERE m.oid NOT IN (SELECT oid FROM own)
        AND (f.oid < 16384 OR f.oid IN (SELECT oid FROM reached WHERE class = 'pg_opfamily'::regclass))
    GROUP BY m.oid
), own_aggregate AS (  -- one that calls what is neither of PostgreSQL nor of pgvector
    SELECT g.aggfnoid::oid AS oid
    FROM pg_aggregate AS g
    JOIN pg_proc AS f ON f.oid IN (
        g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggserialfn, g.aggdeserialfn, g.aggmtransfn, g.aggminvtransfn, g.aggmfinalfn)
    WHERE f.oid >= 16384 AND f.probin IS DISTINCT FROM '$libdir/vector'
), suspect AS (
    SELECT p.oid, p.pronamespace, k.is_known AND p.prosecdef AS is_definer_of_zava
    FROM pg_proc AS p
    CROSS JOIN LATERAL (
        SELECT p.pronamespace = 'retail'::regnamespace AND p.proname = ANY (%(known)s::text[]) AS is_known
    ) AS k
    WHERE CASE
        WHEN k.is_known THEN p.prosecdef AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)
        WHEN p.oid IN (SELECT oid FROM own_aggregate WHERE oid < 16384) THEN true
        WHEN p.oid < 16384 THEN p.prosecdef OR p.prolang NOT IN (12, 13, 14)  -- internal, c, sql: not one put in its place
        WHEN p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype) THEN false
        -- What PostgreSQL makes for a range type.
        WHEN p.prolang = 12 AND NOT p.prosecdef AND p.prosrc ~ '^(multi)?range_constructor[0-3]$' THEN NOT EXISTS (
            SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')
        -- The functions of an extension in an open schema are for the check of extensions.
        ELSE NOT EXISTS (
                SELECT FROM pg_depend AS d
                JOIN pg_extension AS e ON e.oid = d.refobjid
                WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
                    AND CASE e.extname WHEN 'vector' THEN p.probin = '$libdir/vector' OR p.prokind = 'a' AND NOT p.oid IN (SELECT oid FROM own_aggregate)
                        ELSE p.pronamespace IN (SELECT oid FROM open_schema) OR format('extension %%I', e.extname) IN (SELECT object FROM retail.shared_objects) END)
            AND (p.prosecdef OR p.oid::regprocedure::text NOT IN (SELECT object FROM retail.shared_objects))
    END
)
SELECT format('%%s by %%s', p.oid::regprocedure, r.rolname) AS object,
       format('REVOKE EXECUTE ON ROUTINE %%s FROM PUBLIC, %%I CASCADE;', p.oid::regprocedure, r.rolname) AS remedy
FROM pg_proc AS p
JOIN reach AS r ON has_function_privilege(r.oid, p.oid, 'EXECUTE')
WHERE p.pronamespace = 'retail'::regnamespace AND p.proname = ANY (%(known)s::text[])
    AND p.prorettype <> 'trigger'::regtype
    AND NOT p.proname = ANY (CASE r.rolname
        WHEN 'store_managers_personal' THEN ARRAY[
            'categories_below', 'chain_members', 'chain_orders', 'chain_pairs', 'chain_product_sales', 'chain_sales', 'chain_segments', 'count_customers', 'count_customers_of_stores', 'current_business_day', 'get_current_user_store', 'lift_at_least', 'local_day',
            'may_read_personal_data', 'nearest_products', 'search_products', 'search_products_by_description', 'search_text', 'sees_whole_chain']
        WHEN 'regional_managers_personal' THEN ARRAY[
            'categories_below', 'chain_members', 'chain_orders', 'chain_pairs', 'chain_product_sales', 'chain_sales', 'chain_segments', 'count_customers', 'count_customers_of_stores', 'current_business_day', 'get_user_store_list', 'lift_at_least', 'local_day',
            'may_read_personal_data', 'nearest_products', 'search_products', 'search_products_by_description', 'search_text', 'sees_whole_chain']
        WHEN 'store_managers' THEN ARRAY[
            'categories_below', 'chain_members', 'chain_orders', 'chain_pairs', 'chain_product_sales', 'chain_sales', 'chain_segments', 'count_customers', 'count_customers_of_stores', 'current_business_day', 'get_current_user_store', 'lift_at_least', 'local_day',
            'nearest_products', 'search_products', 'search_products_by_description', 'search_text', 'sees_whole_chain']
        WHEN 'regional_managers' THEN ARRAY[
            'categories_below', 'chain_members', 'chain_orders', 'chain_pairs', 'chain_product_sales', 'chain_sales', 'chain_segments', 'count_customers', 'count_customers_of_stores', 'current_business_day', 'get_user_store_list', 'lift_at_least', 'local_day',
            'nearest_products', 'search_products', 'search_products_by_description', 'search_text', 'sees_whole_chain']
        ELSE ARRAY['resolve_identity', 'set_identity', 'replay_state', 'login_is_bound'] END)
UNION ALL
SELECT s.oid::regprocedure::text AS object,
       CASE WHEN s.is_definer_of_zava THEN format('ALTER ROUTINE %%s SET search_path = pg_catalog, pg_temp;', s.oid::regprocedure)
            WHEN s.oid < 16384 AND (SELECT p.prosecdef FROM pg_proc AS p WHERE p.oid = s.oid)
            THEN format('ALTER ROUTINE %%s SECURITY INVOKER;', s.oid::regprocedure)
            WHEN s.oid >= 16384 AND s.oid IN (SELECT oid FROM supporting) THEN (SELECT k.remedy FROM supporting AS k WHERE k.oid = s.oid)
            ELSE format('REVOKE EXECUTE ON ROUTINE %%s FROM PUBLIC, %%s CASCADE;', s.oid::regprocedure,
                        (SELECT string_agg(quote_ident(rolname), ', ') FROM reach)) END AS remedy
FROM suspect AS s
WHERE EXISTS (
    SELECT FROM reach AS r
    WHERE has_function_privilege(r.oid, s.oid, 'EXECUTE')
        AND (has_schema_privilege(r.oid, s.pronamespace, 'USAGE') OR s.oid IN (SELECT oid FROM called)))
    OR s.oid IN (SELECT oid FROM supporting)
UNION ALL
-- to_json and its like run a cast without a look at who may execute its function.
SELECT format('cast from %%s to %%s', c.castsource::regtype, c.casttarget::regtype),
       CASE WHEN e.extname IS NULL THEN '' ELSE format('ALTER EXTENSION %%I DROP CAST (%%s AS %%s); ', e.extname, c.castsource::regtype, c.casttarget::regtype) END
           || format('DROP CAST (%%s AS %%s);', c.castsource::regtype, c.casttarget::regtype)
FROM pg_cast AS c
JOIN reached AS m ON m.class = 'pg_cast'::regclass AND m.oid = c.oid
JOIN pg_proc AS p ON p.oid = c.castfunc
LEFT JOIN pg_depend AS d ON d.classid = 'pg_cast'::regclass AND d.objid = c.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
LEFT JOIN pg_extension AS e ON e.oid = d.refobjid
WHERE p.oid IN (SELECT oid FROM suspect)
    OR e.oid IS NOT NULL AND c.casttarget = 'json'::regtype AND p.oid >= 16384 AND p.probin IS DISTINCT FROM '$libdir/vector'
        AND format('extension %%I', e.extname) NOT IN (SELECT object FROM retail.shared_objects)
UNION ALL
-- It runs in the session of whoever logs in, with the rights of its owner if it is made so.
SELECT format('event trigger %%I', e.evtname), format('ALTER EVENT TRIGGER %%I DISABLE;', e.evtname)
FROM pg_event_trigger AS e
WHERE e.evtevent = 'login' AND e.evtenabled <> 'D'
    AND format('event trigger %%I', e.evtname) NOT IN (SELECT object FROM retail.shared_objects)
ORDER BY 1

-- name: posture_definitions
-- zava's own functions are those of the schema.sql that this zava comes with.
SELECT CASE WHEN p.oid IS NULL THEN format('retail.%%I is missing', k.name) ELSE p.oid::regprocedure::text END AS object,
       CASE WHEN p.proowner <> to_regrole('zava_owner') THEN format('ALTER FUNCTION %%s OWNER TO zava_owner;', p.oid::regprocedure)
            WHEN o.others > 0 THEN format('DROP FUNCTION %%s;', p.oid::regprocedure)
            ELSE '/* load schema.sql again */' END AS remedy
FROM jsonb_to_recordset(%(definitions)s) AS k (name text, digest text, language text, volatility text, config text[], is_definer boolean, is_strict boolean)
LEFT JOIN pg_proc AS p ON p.pronamespace = 'retail'::regnamespace AND p.proname = k.name
CROSS JOIN LATERAL (
    SELECT count(*) AS others FROM pg_proc AS q
    WHERE q.pronamespace = 'retail'::regnamespace AND q.proname = k.name AND q.oid <> p.oid
) AS o
WHERE p.oid IS NULL OR p.prosecdef <> k.is_definer OR p.proowner <> to_regrole('zava_owner')
    OR encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex') <> k.digest
    OR p.prolang <> (SELECT oid FROM pg_language WHERE lanname = k.language)
    OR p.provolatile::text <> k.volatility OR p.proisstrict <> k.is_strict
    OR coalesce(p.proconfig, '{}'::text[]) <> k.config
ORDER BY 1

-- name: posture_extensions
-- An extension's functions can do anything that C can: run text as SQL, read files, call elsewhere.
SELECT format('extension %I: %s functions such as %s', e.extname, count(*), min(p.oid::regprocedure::text)) AS object,
       format('DO $$ DECLARE f text; BEGIN FOR f IN SELECT objid::regprocedure FROM pg_depend WHERE classid = ''pg_proc''::regclass '
              'AND refclassid = ''pg_extension''::regclass AND deptype = ''e'' AND refobjid = (SELECT oid FROM pg_extension WHERE extname = %L) '
              'LOOP EXECUTE ''REVOKE EXECUTE ON ROUTINE '' || f || '' FROM PUBLIC, %s''; END LOOP; END $$;', e.extname,
              (SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles
               WHERE rolname IN ({roles}) AND pg_has_role(session_user, oid, 'MEMBER') AND NOT rolsuper)) AS remedy
FROM pg_extension AS e
JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
JOIN pg_proc AS p ON p.oid = d.objid
WHERE e.extname <> 'vector' AND NOT (e.extname = 'plpgsql' AND (p.oid < 16384 OR p.probin IS NOT DISTINCT FROM '$libdir/plpgsql'))
    AND format('extension %I', e.extname) NOT IN (SELECT object FROM retail.shared_objects)
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
            -- In a closed schema the check of functions says whether something leads there.
            AND has_schema_privilege(r.oid, p.pronamespace, 'USAGE'))
GROUP BY e.extname
ORDER BY 1

-- name: posture_catalogue_grants
-- PostgreSQL's own objects are as open as it was installed (pg_init_privs), or less. Of information_schema nothing
-- is recorded: its views are open, those that serve it ("_pg_…") are not.
WITH given AS (
    SELECT 'pg_class'::regclass AS class, c.oid, 0 AS part, 'TABLE ' || c.oid::regclass AS name, a.grantee, a.privilege_type
    FROM pg_class AS c
    CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    WHERE c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    UNION ALL
    SELECT 'pg_class'::regclass, c.oid, t.attnum, 'TABLE ' || c.oid::regclass, a.grantee, a.privilege_type
    FROM pg_class AS c
    JOIN pg_attribute AS t ON t.attrelid = c.oid AND t.attacl IS NOT NULL
    CROSS JOIN LATERAL aclexplode(t.attacl) AS a
    WHERE c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, 0, 'ROUTINE ' || p.oid::regprocedure, a.grantee, a.privilege_type
    FROM pg_proc AS p
    CROSS JOIN LATERAL aclexplode(p.proacl) AS a
    WHERE p.oid < 16384
        AND EXISTS (SELECT FROM pg_init_privs AS i WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid)
)
SELECT DISTINCT format('%s on %s', lower(g.privilege_type), g.name) AS object,
       format('REVOKE %s ON %s FROM %s CASCADE;', g.privilege_type, g.name,
              CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END) AS remedy
FROM given AS g
WHERE (g.grantee = 0 OR EXISTS (
        SELECT FROM pg_roles AS r WHERE r.oid = g.grantee AND NOT r.rolsuper AND r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER')))
    AND NOT (g.privilege_type = 'SELECT' AND g.name ~ '^TABLE information_schema\.[^_]')
    AND NOT EXISTS (
        SELECT FROM pg_init_privs AS i
        CROSS JOIN LATERAL aclexplode(i.initprivs) AS a
        WHERE i.classoid = g.class AND i.objoid = g.oid AND i.objsubid IN (0, g.part)
            AND a.grantee IN (0, g.grantee) AND a.privilege_type = g.privilege_type)
UNION ALL
-- What PostgreSQL keeps to itself: a grant in the script of an extension counts as installed.
SELECT format('select on %s', c.oid::regclass), format('REVOKE SELECT ON TABLE %s FROM PUBLIC, %I CASCADE;', c.oid::regclass, r.rolname)
FROM pg_class AS c
JOIN pg_roles AS r ON r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
WHERE c.relnamespace = 'pg_catalog'::regnamespace
    AND c.relname IN ('pg_authid', 'pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject', 'pg_user_mapping', 'pg_shadow', 'pg_file_settings',
                      'pg_hba_file_rules', 'pg_ident_file_mappings', 'pg_config', 'pg_shmem_allocations', 'pg_backend_memory_contexts',
                      'pg_replication_origin_status')
    AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
UNION ALL
-- A view of PostgreSQL that shows what is not of PostgreSQL was replaced.
SELECT DISTINCT format('%s, which was replaced', v.oid::regclass),
       format('REVOKE ALL ON %s FROM PUBLIC, %s CASCADE;', v.oid::regclass, (
           SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles
           WHERE rolname IN ({roles}) AND pg_has_role(session_user, oid, 'MEMBER') AND NOT rolsuper))
FROM pg_class AS v
JOIN pg_rewrite AS w ON w.ev_class = v.oid
JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refobjid >= 16384
WHERE v.oid < 16384
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
            AND has_any_column_privilege(r.oid, v.oid, 'SELECT'))
UNION ALL
-- Who may use a foreign server reads the password by which it is reached.
SELECT DISTINCT 'usage on FOREIGN SERVER ' || s.name, format('REVOKE USAGE ON FOREIGN SERVER %s FROM PUBLIC, %I CASCADE;', s.name, r.rolname)
FROM pg_depend AS d
CROSS JOIN LATERAL (SELECT (pg_identify_object(d.refclassid, d.refobjid, 0)).identity AS name) AS s
JOIN pg_roles AS r ON r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
WHERE d.classid = 'pg_user_mapping'::regclass AND d.refclassid = 'pg_foreign_server'::regclass
    AND has_server_privilege(r.oid, d.refobjid, 'USAGE')
UNION ALL
SELECT format('usage on FOREIGN DATA WRAPPER %I', f.fdwname), format('REVOKE USAGE ON FOREIGN DATA WRAPPER %I FROM PUBLIC, %I CASCADE;', f.fdwname, r.rolname)
FROM pg_foreign_data_wrapper AS f
JOIN pg_roles AS r ON r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
WHERE has_foreign_data_wrapper_privilege(r.oid, f.oid, 'USAGE')
ORDER BY 1

-- name: posture_default_privileges
-- What is made tomorrow is not in reach either. That everybody may call a new function is PostgreSQL's own default.
SELECT format('%s that %s makes%s, for %s', k.kind, d.defaclrole::regrole, coalesce(' in ' || d.defaclnamespace::regnamespace, ''), w.who) AS object,
       format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s REVOKE ALL ON %s FROM %s CASCADE;', d.defaclrole::regrole,
              coalesce(' IN SCHEMA ' || n.name, ''), upper(k.kind), w.who) AS remedy
FROM pg_default_acl AS d
CROSS JOIN LATERAL aclexplode(d.defaclacl) AS a
JOIN (VALUES ('r'::"char", 'tables'), ('S', 'sequences'), ('f', 'functions')) AS k (type, kind) ON k.type = d.defaclobjtype
CROSS JOIN LATERAL (SELECT CASE d.defaclnamespace WHEN 0 THEN NULL ELSE d.defaclnamespace::regnamespace::text END AS name) AS n
CROSS JOIN LATERAL (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS who) AS w
WHERE a.grantee <> d.defaclrole AND NOT (k.kind = 'functions' AND a.grantee = 0)
    -- Everybody may change their own default privileges. Those of a role that can make nothing mean nothing.
    AND (has_database_privilege(d.defaclrole, current_database(), 'CREATE')
        OR EXISTS (SELECT FROM pg_namespace AS s WHERE has_schema_privilege(d.defaclrole, s.oid, 'CREATE')))
    AND (a.grantee = 0 OR EXISTS (
        SELECT FROM pg_roles AS r WHERE r.oid = a.grantee AND NOT r.rolsuper AND r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER')))
GROUP BY 1, 2
ORDER BY 1

-- name: posture_parameters
-- No role in reach may change a setting that is not for it.
SELECT format('%s by %s', p.parname, w.who) AS object,
       format('REVOKE ALL ON PARAMETER %s FROM %s CASCADE;', p.parname, w.who) AS remedy
FROM pg_parameter_acl AS p
CROSS JOIN LATERAL aclexplode(p.paracl) AS a
CROSS JOIN LATERAL (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS who) AS w
WHERE a.grantee = 0 OR EXISTS (
    SELECT FROM pg_roles AS r WHERE r.oid = a.grantee AND NOT r.rolsuper AND r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER'))
GROUP BY 1, 2
ORDER BY 1

-- name: posture_leakproof
-- A leakproof function runs before the policies. PostgreSQL's own compare, hash and cast, and cannot fail.
SELECT p.oid::regprocedure::text AS object, format('ALTER FUNCTION %s NOT LEAKPROOF;', p.oid::regprocedure) AS remedy
FROM pg_proc AS p
WHERE p.proleakproof AND (
    p.oid >= 16384 OR p.proname::text !~ '(eq|ne|lt|le|gt|ge|cmp|larger|smaller)(fast|text|name|int4)?$'
        AND p.proname::text <> ALL (ARRAY[
            'bool', 'bytea', 'crc32', 'crc32c', 'float4', 'float8', 'gen_random_uuid', 'int4', 'int8', 'interval', 'macaddr8', 'md5',
            'name', 'numeric', 'sha224', 'sha256', 'sha384', 'sha512', 'starts_with', 'text', 'uuid_extract_timestamp',
            'uuid_extract_version', 'varchar']))
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper AND has_function_privilege(r.oid, p.oid, 'EXECUTE'))
ORDER BY 1

-- name: posture_write_grants
-- The server reads. PostgreSQL 17 has one right more, MAINTAIN.
SELECT format('%s by %s', c.oid::regclass, r.rolname) AS object,
       format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER%s ON %s FROM PUBLIC, %I CASCADE;',
              CASE WHEN m.may_maintain THEN ', MAINTAIN' END, c.oid::regclass, r.rolname) AS remedy
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_roles AS r ON r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM aclexplode(c.relacl) AS a
        WHERE a.privilege_type = 'MAINTAIN' AND (a.grantee = 0 OR a.grantee = r.oid)) AS may_maintain
) AS m
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    AND (m.may_maintain
        OR c.relkind <> 'm' AND (
            has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER')
            OR has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE, REFERENCES')))
ORDER BY 1

-- name: posture_create_grants
-- Whoever creates functions and views chooses what other people's names mean.
SELECT format('%s by %s', o.name, r.rolname) AS object,
       format('REVOKE CREATE ON %s FROM PUBLIC, %I CASCADE;', o.name, r.rolname) AS remedy
FROM pg_roles AS r
CROSS JOIN LATERAL (
    SELECT format('SCHEMA %I', nspname) AS name FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\_%' AND has_schema_privilege(r.oid, oid, 'CREATE')
    UNION ALL
    SELECT format('DATABASE %I', current_database())
    WHERE has_database_privilege(r.oid, current_database(), 'CREATE')
) AS o
WHERE r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
ORDER BY 1

-- name: posture_temporary
-- Nothing that is read needs temporary objects.
SELECT r.rolname AS object,
       format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC, %I CASCADE;', current_database(), r.rolname) AS remedy
FROM pg_roles AS r
WHERE r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
    AND has_database_privilege(r.oid, current_database(), 'TEMPORARY')
ORDER BY 1

-- name: posture_secrets
-- Who may see what, and the key of the seals, are the owner's alone.
SELECT format('%s by %s', c.oid::regclass, r.rolname) AS object,
       format('REVOKE ALL ON %s FROM PUBLIC, %I CASCADE;', c.oid::regclass, r.rolname) AS remedy
FROM pg_class AS c
JOIN pg_roles AS r ON r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
WHERE c.relnamespace = 'retail'::regnamespace
    AND c.relname IN ('identity_key', 'login_identities', 'regional_managers', 'regional_manager_stores', 'personal_data_rights')
    AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
ORDER BY 1

-- name: posture_personal_data
-- Names, e-mail addresses and loyalty numbers of customers are for the two groups that a policy asks for the right of
-- the person.
WITH personal AS (
    SELECT a.attrelid, a.attnum, a.attname
    FROM pg_attribute AS a
    WHERE a.attrelid = to_regclass('retail.customers') AND a.attname IN ('first_name', 'last_name', 'email', 'loyalty_number')
)
SELECT format('%%s of %%s by %%s', string_agg(quote_ident(p.attname), ', ' ORDER BY p.attnum), p.attrelid::regclass, r.rolname) AS object,
       format('REVOKE SELECT ON %%1$s FROM PUBLIC, %%2$I CASCADE;', p.attrelid::regclass, r.rolname) || coalesce((
           SELECT format(' GRANT SELECT (%%s) ON %%s TO %%I;', string_agg(quote_ident(g.column_name), ', '), p.attrelid::regclass, r.rolname)
           FROM unnest(%(grant_roles)s::text[], %(grant_tables)s::text[], %(grant_columns)s::text[]) AS g (role_name, table_name, column_name)
           WHERE g.table_name = 'customers' AND g.role_name = r.rolname
           HAVING count(*) > 0), '') AS remedy
FROM personal AS p
JOIN pg_roles AS r ON r.rolname IN (session_user, 'store_managers', 'regional_managers') AND pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
WHERE has_column_privilege(r.oid, p.attrelid, p.attnum, 'SELECT')
GROUP BY p.attrelid, r.rolname
UNION ALL
SELECT format('no policy on %%s that asks for the right of %%s', c.oid::regclass, r.rolname),
       format('DROP POLICY IF EXISTS personal_data_customers ON %%1$s; CREATE POLICY personal_data_customers ON %%1$s AS RESTRICTIVE FOR SELECT '
              'TO store_managers_personal, regional_managers_personal USING ((SELECT retail.may_read_personal_data()));', c.oid::regclass)
FROM pg_class AS c
JOIN pg_roles AS r ON r.rolname IN ('store_managers_personal', 'regional_managers_personal') AND pg_has_role(session_user, r.oid, 'MEMBER')
WHERE c.oid = to_regclass('retail.customers') AND NOT EXISTS (
    SELECT FROM pg_policy AS k
    WHERE k.polrelid = c.oid AND NOT k.polpermissive AND k.polcmd IN ('r', '*') AND r.oid = ANY (k.polroles)
        AND pg_get_expr(k.polqual, k.polrelid) = '( SELECT retail.may_read_personal_data() AS may_read_personal_data)')
UNION ALL
-- A login becomes such a group for a transaction. Nobody else has what it may read, nor hands it on.
SELECT format('%%s of %%s', m.roleid::regrole, m.member::regrole),
       format('REVOKE %%s FROM %%s GRANTED BY %%s CASCADE;', m.roleid::regrole, m.member::regrole, m.grantor::regrole)
FROM pg_auth_members AS m
JOIN pg_roles AS r ON r.oid = m.member AND NOT r.rolsuper
WHERE m.roleid::regrole::text IN ('store_managers_personal', 'regional_managers_personal')
    AND r.rolname <> session_user AND NOT m.admin_option  -- whoever has made the group may give it to themselves
    AND (m.inherit_option OR m.set_option AND NOT r.rolcanlogin)
ORDER BY 1

-- name: posture_system_columns
-- ctid and xmin tell how large a table is and how busy other stores are.
SELECT format('%s by %s', c.oid::regclass, r.rolname) AS object,
       format('REVOKE SELECT ON %s FROM PUBLIC, %I CASCADE; /* then load schema.sql again */', c.oid::regclass, r.rolname) AS remedy
FROM pg_class AS c
JOIN pg_roles AS r ON r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND NOT r.rolsuper
WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p')
    AND c.oid::regclass::text NOT IN (SELECT object FROM retail.shared_objects)
    AND has_table_privilege(r.oid, c.oid, 'SELECT')
ORDER BY 1

-- name: posture_set_config
-- A query could change the session's settings; the seal alone then guards the identity.
-- The owner's identity functions call set_config: they keep it.
WITH who AS (
    SELECT string_agg(quote_ident(rolname), ', ') AS roles
    FROM pg_roles
    WHERE rolname IN ({roles}) AND pg_has_role(session_user, oid, 'MEMBER')
        AND NOT rolsuper
)
SELECT p.oid::regprocedure::text AS object,
       format('GRANT EXECUTE ON FUNCTION %s TO zava_owner; REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC, %s CASCADE;',
              p.oid::regprocedure, p.oid::regprocedure, w.roles) AS remedy
FROM pg_proc AS p
CROSS JOIN who AS w
WHERE p.proname = 'set_config' AND p.pronamespace = 'pg_catalog'::regnamespace
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND has_function_privilege(r.oid, p.oid, 'EXECUTE'))

-- name: posture_server_functions
-- Functions with effects that outlive a query, or that run text as SQL; the list is schema.sql's.
-- The owner's identity functions call current_setting and setseed: they keep them.
WITH who AS (
    SELECT string_agg(quote_ident(rolname), ', ') AS roles
    FROM pg_roles
    WHERE rolname IN ({roles}) AND pg_has_role(session_user, oid, 'MEMBER')
        AND NOT rolsuper
)
SELECT p.oid::regprocedure::text AS object,
       CASE WHEN p.proname IN ('current_setting', 'setseed') THEN format('GRANT EXECUTE ON FUNCTION %s TO zava_owner; ', p.oid::regprocedure) ELSE '' END
           || format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, %s CASCADE;', p.oid::regprocedure, w.roles) AS remedy
FROM pg_proc AS p
CROSS JOIN who AS w
WHERE p.proname LIKE ANY (ARRAY[
        'set\_config', 'current\_setting', 'pg\_advisory\_%', 'pg\_try\_advisory\_%', 'setseed',
        'set\_limit', 'pg\_sleep%', 'pg\_notify', 'pg\_listening\_channels', 'pg\_logical\_emit\_message',
        'pg\_export\_snapshot', 'lo\_%', 'loread', 'lowrite', '%\_to\_xml', '%\_to\_xml\_and\_xmlschema',
        '%\_to\_xmlschema', 'ts\_stat', 'ts\_rewrite', 'dblink%', 'crosstab%', 'connectby%',
        'xpath\_table', 'currtid%', 'clock\_timestamp', 'timeofday', 'uuidv7', 'uuid\_generate\_v1%',
        'brin\_summarize\_%', 'brin\_desummarize\_%', 'gin\_clean\_pending\_list', 'pg\_get\_object\_address',
        'pg\_read\_%', 'pg\_ls\_%', 'pg\_stat\_file', 'pg\_current\_logfile',
        'path\_distance', 'path\_inter', 'poly\_overlap', 'poly\_contain',
        'poly\_contained', 'poly\_distance', 'poly\_same', 'pg\_cancel\_backend',
        'pg\_terminate\_backend'
    ]) AND p.proname <> 'set_config'
    AND p.pronamespace <> 'retail'::regnamespace
    AND NOT (p.proname = 'ts_rewrite' AND p.pronargs = 3)
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND has_function_privilege(r.oid, p.oid, 'EXECUTE'))
ORDER BY 1

-- name: posture_server_statistics
-- Other people's statements, and how much the whole chain stores and sells.
WITH who AS (
    SELECT string_agg(quote_ident(rolname), ', ') AS roles
    FROM pg_roles
    WHERE rolname IN ({roles}) AND pg_has_role(session_user, oid, 'MEMBER')
        AND NOT rolsuper
)
SELECT p.oid::regprocedure::text AS object,
       format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, %s CASCADE;', p.oid::regprocedure, w.roles) AS remedy
FROM pg_proc AS p
CROSS JOIN who AS w
WHERE (p.proname LIKE ANY (ARRAY[
        'pg\_stat\_%', 'pg\_lock\_status', 'pg\_blocking\_pids', 'pg\_safe\_snapshot\_blocking\_pids',
        'pg\_cursor', 'pg\_prepared\_statement', 'pg\_prepared\_xact', 'pg\_get\_replication\_slots',
        'pg\_relation\_size', 'pg\_total\_relation\_size', 'pg\_table\_size', 'pg\_indexes\_size',
        'pg\_database\_size', 'pg\_tablespace\_size', 'pg\_relation\_filepath', 'pg\_relation\_filenode', 'pg\_filenode\_relation',
        'pg\_tablespace\_location', 'pg\_show\_all\_settings', 'pg\_control\_%', 'inet\_server\_%',
        'inet\_client\_%', 'pg\_current\_wal\_%', 'pg\_last\_wal\_%', 'pg\_last\_xact\_replay\_timestamp',
        'pg\_available\_wal\_summaries', 'pg\_wal\_summary\_contents', 'pg\_get\_wal\_%',
        'pg\_xact\_commit\_timestamp%', 'pg\_last\_committed\_xact', 'pg\_notification\_queue\_usage',
        'pg\_get\_loaded\_modules', 'txid\_%', 'pg\_current\_xact\_id%', 'pg\_current\_snapshot',
        'pg\_xact\_status', 'mxid\_age', 'pg\_get\_multixact%', 'pg\_column\_toast\_chunk\_id',
        'pg\_isolation\_test\_%', 'pg\_tablespace\_databases'
    ]) OR p.oid = 'pg_catalog.age(xid)'::regprocedure)
    AND p.pronamespace <> 'retail'::regnamespace
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND has_function_privilege(r.oid, p.oid, 'EXECUTE'))
UNION ALL
SELECT c.oid::regclass::text, format('REVOKE SELECT ON %s FROM PUBLIC, %s CASCADE;', c.oid::regclass, w.roles)
FROM pg_class AS c
CROSS JOIN who AS w
WHERE c.relkind IN ('r', 'v') AND c.relnamespace = 'pg_catalog'::regnamespace AND c.relname LIKE ANY (ARRAY[
        'pg\_stat\_%', 'pg\_statio\_%', 'pg\_locks', 'pg\_cursors', 'pg\_settings',
        'pg\_prepared\_statements', 'pg\_prepared\_xacts', 'pg\_replication\_slots',
        'pg\_db\_role\_setting', 'pg\_foreign\_server'
    ])
    AND EXISTS (
        SELECT FROM pg_roles AS r
        WHERE r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER') AND has_table_privilege(r.oid, c.oid, 'SELECT'))
UNION ALL
SELECT format('columns of %s: %s', a.attrelid::regclass, string_agg(a.attname, ', ' ORDER BY a.attnum)),
       format('REVOKE SELECT ON %1$s FROM PUBLIC, %2$s CASCADE; GRANT SELECT (%3$s) ON %1$s TO PUBLIC;', a.attrelid::regclass, min(w.roles), (
           SELECT string_agg(quote_ident(o.attname), ', ' ORDER BY o.attnum) FROM pg_attribute AS o
           WHERE o.attrelid = a.attrelid AND (o.attnum > 0 OR o.attname = 'tableoid') AND NOT o.attisdropped
               AND NOT closed.columns ? o.attname::text))
FROM jsonb_each('{
    "pg_class": ["reltuples", "relpages", "relallvisible", "relallfrozen", "relfrozenxid", "relminmxid", "relfilenode"],
    "pg_database": ["datfrozenxid", "datminmxid"],
    "pg_roles": ["rolconfig"],
    "pg_user": ["useconfig"],
    "pg_attribute": ["attmissingval", "attfdwoptions"],
    "pg_foreign_table": ["ftoptions"],
    "pg_foreign_data_wrapper": ["fdwoptions"]
}') AS closed (name, columns)
JOIN pg_attribute AS a ON a.attrelid = format('pg_catalog.%I', closed.name)::regclass AND closed.columns ? a.attname::text
CROSS JOIN who AS w
WHERE EXISTS (
    SELECT FROM pg_roles AS r
    WHERE r.rolname IN ({roles}) AND pg_has_role(session_user, r.oid, 'MEMBER')
        AND has_column_privilege(r.oid, a.attrelid, a.attnum, 'SELECT'))
GROUP BY a.attrelid, closed.columns
ORDER BY 1

-- name: posture_login
-- A login that may act as several people is right where only the operator has its password.
SELECT session_user::text AS object, 'zava login add NAME --user ID gives a person a login of their own' AS remedy
WHERE NOT retail.login_is_bound()

-- name: posture_personal_role
-- A login of one person may become a role for personal data only if this is the role that the person has now.
SELECT format('%%s of %%s', m.roleid::regrole, m.member::regrole) AS object,
       format('REVOKE %%s FROM %%s GRANTED BY %%s CASCADE;', m.roleid::regrole, m.member::regrole, m.grantor::regrole) AS remedy
FROM pg_auth_members AS m
WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = session_user) AND m.roleid::regrole::text IN ('store_managers_personal', 'regional_managers_personal')
    AND m.roleid::regrole::text <> %(role_name)s AND retail.login_is_bound()
ORDER BY 1

-- name: posture_tenant_tables
-- Every table with a store that a role in reach may read, for the canary.
SELECT c.relname::text AS name
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'store_id' AND a.atttypid = 'uuid'::regtype
    AND NOT a.attisdropped
WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p')
    AND has_column_privilege(%(role_name)s, c.oid, a.attnum, 'SELECT')
ORDER BY c.relname

-- name: canary_by_index
-- A probe that finds no row would scan the whole table.
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

-- name: canary_probe_customers
-- The same of customers: one whose home is another store is seen if they have bought in a store of the identity. The
-- first hundred of each gap tell.
SELECT {name} AS object
WHERE EXISTS (
    SELECT
    FROM unnest(%(after)s::uuid[], %(before)s::uuid[]) AS gap (after, before)
    CROSS JOIN LATERAL (
        SELECT t.customer_id FROM retail.{table} AS t WHERE t.store_id > gap.after AND t.store_id < gap.before LIMIT 100
    ) AS found
    WHERE NOT EXISTS (SELECT FROM retail.orders AS o WHERE o.customer_id = found.customer_id))

-- name: canary_stores
-- The stores that the identity sees.
SELECT store_id FROM retail.stores

-- name: canary_nobody
-- No identity at all.
SET LOCAL app.current_rls_user_id = ''

-- name: totals_overdue
-- How many days readers compute from the orders, if the last refresh is an hour old or there was none.
SELECT format('%s days of stores were written since the last refresh of the totals, %s', count(*), min(r.last))
FROM (SELECT DISTINCT store_id, day FROM retail.changed_orders) AS c
CROSS JOIN (SELECT max(refreshed_at) AS at, coalesce(to_char(max(refreshed_at), 'YYYY-MM-DD HH24:MI'), 'never') AS last
            FROM retail.refreshes WHERE what = 'totals') AS r
WHERE r.at IS NULL OR r.at < now() - interval '1 hour'
HAVING count(*) > 0

-- name: shown_parameters
-- How much of bound parameters the server writes into its log: user ids and seals are such.
SHOW log_parameter_max_length

-- name: shown_temporary_files
-- How much a query may write to the server's disk.
SHOW temp_file_limit

-- name: clock
-- What time the database has; the check runs by itself, so that its statement has just begun.
SELECT extract(epoch FROM statement_timestamp())
