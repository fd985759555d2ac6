-- Every statement that zava itself sends, by name. A name is followed by what it
-- is for; values are named parameters.

-- name: begin
-- Opens the transaction of one call, whatever the defaults of the database are.
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE

-- name: begin_snapshot
-- Opens the transaction of a call with several queries, which all see the same state.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY NOT DEFERRABLE

-- name: fetch
-- Reads the caller's cursor; the number of rows is put in by the provider.
FETCH FORWARD {rows} FROM {cursor}

-- name: rollback
-- Ends every transaction: nothing that a query did outlives its call.
ROLLBACK

-- name: declare
-- What PostgreSQL's own grammar admits behind these words is one query and nothing else.
DECLARE {cursor} NO SCROLL CURSOR FOR

-- name: set_identity
-- Who the transaction acts for, and the proof of it. Both are bound: a statement's text
-- can be read by whoever watches the server.
SELECT retail.set_identity($1, $2)

-- name: usual_costs
-- zava's own queries hold no condition of the caller's and are planned as usual.
SET LOCAL cpu_operator_cost TO DEFAULT

-- name: set_role
-- The group role that may read and nothing else.
SET LOCAL ROLE {role_name}

-- name: begin_identity
-- An identity is given in a read-write transaction only, whatever the login's default is.
BEGIN READ WRITE

-- name: begin_identity_on_standby
-- A standby has no other transactions.
BEGIN READ ONLY

-- name: resolve_identity
-- Role, stores and seal of a user id, or no row; and a fingerprint of the tables.
SELECT user_id, role_name, display_name, store_ids, seal,
       (SELECT md5(string_agg(concat_ws(' ', a.attrelid, a.attname, a.atttypid), ',' ORDER BY a.attrelid, a.attnum))
        FROM pg_catalog.pg_attribute AS a
        JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND a.attnum > 0 AND NOT a.attisdropped) AS schema_version
FROM (VALUES (%(user_id)s::uuid)) AS asked (user_id)
CROSS JOIN LATERAL retail.resolve_identity(asked.user_id)

-- name: clock
-- What time the database has.
SELECT extract(epoch FROM clock_timestamp())

-- name: backend
-- Which backend answers.
SELECT pg_backend_pid()

-- name: set_session
-- A setting of a connection that is zava's own.
SET {name} = {value}

-- name: set_transaction
-- The same where the connection is somebody else's after the transaction.
SET LOCAL {name} = {value}

-- name: ping
-- Whether the database answers.
SELECT 1

-- name: type_name
-- The name of a type that the driver does not know; of an array its element, and what a domain of that is made of.
SELECT format_type(t.oid, NULL), e.oid, CASE e.typtype WHEN 'd' THEN e.typbasetype ELSE e.oid END
FROM pg_catalog.pg_type AS t
LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND t.typcategory = 'A'
WHERE t.oid = %(oid)s

-- name: list_tables
-- The tables that the caller may read, as a query writes them, with their comments; not those
-- that serve zava alone, whose comment says so.
SELECT c.relname AS table_name, quote_ident(c.relname) AS written, left(obj_description(c.oid, 'pg_class'), 1000) AS description
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'retail'::regnamespace
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND has_any_column_privilege(c.oid, 'SELECT')
    AND NOT coalesce(starts_with(obj_description(c.oid, 'pg_class'), 'Internal:'), false)
ORDER BY c.relname

-- name: list_columns
-- The columns of some of those tables, in order, with their keys and check constraints, or the labels of an enum.
SELECT c.relname AS table_name,
       a.attname AS name,
       quote_ident(a.attname) AS written,
       format_type(a.atttypid, a.atttypmod) AS type,
       NOT a.attnotnull AS nullable,
       left(pg_get_expr(d.adbin, d.adrelid), 1000) AS "default",
       left(col_description(c.oid, a.attnum), 1000) AS comment,
       ARRAY(SELECT l.enumlabel FROM pg_catalog.pg_type AS t
             JOIN pg_catalog.pg_enum AS l ON l.enumtypid = coalesce(nullif(t.typbasetype, 0), nullif(t.typelem, 0), t.oid)
             WHERE t.oid = a.atttypid ORDER BY l.enumsortorder LIMIT 101)::text[] AS labels,
       (SELECT CASE min(array_position('{p,f,u}'::"char"[], k.contype))
                   WHEN 1 THEN 'primary key' WHEN 2 THEN 'foreign key' WHEN 3 THEN 'unique' END
        FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = c.oid AND a.attnum = ANY (k.conkey)) AS key,
       (SELECT min(pg_get_constraintdef(k.oid))
        FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]
            AND pg_get_constraintdef(k.oid) LIKE '%%= ANY (%%') AS listed
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'retail'::regnamespace
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND c.relname = ANY (%(tables)s::text[])
    AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY c.relname, a.attnum

-- name: list_foreign_keys
-- The references of those tables.
SELECT c.relname AS table_name,
       ARRAY(SELECT a.attname FROM unnest(k.conkey) WITH ORDINALITY AS part (attnum, n)
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = part.attnum
             ORDER BY part.n)::text[] AS columns,
       'retail.' || quote_ident(r.relname) AS "references",
       ARRAY(SELECT a.attname FROM unnest(k.confkey) WITH ORDINALITY AS part (attnum, n)
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = part.attnum
             ORDER BY part.n)::text[] AS referenced_columns
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
JOIN pg_catalog.pg_class AS r ON r.oid = k.confrelid
WHERE k.contype = 'f'
    AND c.relnamespace = 'retail'::regnamespace
    AND c.relname = ANY (%(tables)s::text[])
    AND has_any_column_privilege(c.oid, 'SELECT')
    AND has_any_column_privilege(r.oid, 'SELECT')
ORDER BY c.relname, k.conname

-- name: limit_turn
-- A query may hold such a lock where no superuser has closed them.
SET lock_timeout = '60s'

-- name: take_turn
-- Held until the connection ends; another key than schema.sql's own, which takes its turn within.
SELECT pg_catalog.pg_advisory_lock(8042377203211093362)

-- name: database_exists
-- Whether a database of that name is there.
SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = %(name)s)

-- name: create_database
-- The embedded server's database.
CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'

-- name: login_exists
-- Whether there is a role of that name.
SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = %(login)s)

-- name: set_password
-- The server login's SCRAM verifier.
ALTER ROLE {login} PASSWORD {verifier}

-- name: schema_exists
-- Whether schema.sql has been loaded; an administrator need not be let into the schema.
SELECT EXISTS (SELECT FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
               WHERE n.nspname = 'retail' AND p.proname = 'resolve_identity')

-- name: has_data
-- Whether there is anything that a seed must not touch.
SELECT EXISTS (SELECT FROM retail.stores) OR EXISTS (SELECT FROM retail.customers)

-- name: list_users
-- Everybody whom the server can act for, store managers first.
SELECT s.name || ' manager' AS name, 'store_managers' AS role_name, ARRAY[s.name]::text[] AS stores, s.manager_id AS user_id
FROM retail.stores AS s
WHERE NOT EXISTS (SELECT FROM retail.regional_managers AS m WHERE m.user_id = s.manager_id)
UNION ALL
SELECT m.name, 'regional_managers',
       ARRAY(SELECT s.name FROM retail.regional_manager_stores AS r JOIN retail.stores AS s USING (store_id)
             WHERE r.user_id = m.user_id ORDER BY s.name)::text[],
       m.user_id
FROM retail.regional_managers AS m
ORDER BY role_name DESC, name

-- name: become_owner
-- A superuser or the DBA sees every row as the owner of the schema.
SET LOCAL ROLE zava_owner
