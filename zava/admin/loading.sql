-- The statements behind `zava init` and `zava users`, by name. Values are named parameters.

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

-- name: is_standby
-- Whether the server only reads what its primary writes.
SELECT pg_catalog.pg_is_in_recovery() AS is_standby

-- name: schema_exists
-- Whether schema.sql has been loaded; an administrator need not be let into the schema.
SELECT EXISTS (SELECT FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
               WHERE n.nspname = 'retail' AND p.proname = 'resolve_identity')

-- name: has_data
-- Whether there is anything that a seed must not touch.
SELECT EXISTS (SELECT FROM retail.stores) OR EXISTS (SELECT FROM retail.customers)

-- name: list_users
-- Everybody whom the server can act for, store managers first.
SELECT s.name || ' manager' AS name, 'store_managers' AS role_name, ARRAY[s.name]::text[] AS stores, s.manager_id AS user_id,
       retail.has_personal_data_right(s.manager_id) AS personal_data
FROM retail.stores AS s
WHERE s.manager_id IS NOT NULL AND NOT EXISTS (SELECT FROM retail.regional_managers AS m WHERE m.user_id = s.manager_id)
UNION ALL
SELECT m.name, 'regional_managers',
       ARRAY(SELECT s.name FROM retail.regional_manager_stores AS r JOIN retail.stores AS s USING (store_id)
             WHERE r.user_id = m.user_id ORDER BY s.name)::text[],
       m.user_id, retail.has_personal_data_right(m.user_id)
FROM retail.regional_managers AS m
ORDER BY role_name DESC, name

-- name: become_owner
-- A superuser or the DBA sees every row as the owner of the schema.
SET LOCAL ROLE zava_owner

-- name: loading_role
-- Whom a login may act as to load and refresh: the owner, or who may do just that.
SELECT CASE WHEN pg_has_role(session_user, 'zava_owner', 'SET') THEN 'zava_owner'
            WHEN pg_has_role(session_user, to_regrole('zava_loader'), 'SET') THEN 'zava_loader' END AS role_name

-- name: become_role
-- For this transaction only.
SET LOCAL ROLE {role_name}
