-- What `zava login` sends, by name. Names and verifiers are put in as quoted
-- identifiers and literals; values are named parameters.

-- name: read_login
-- A role by its name: whether it is one of zava's, and whether it may do too much. One whose rows somebody has
-- deleted is known by what it may call.
SELECT r.rolcanlogin AS can_login,
       EXISTS (SELECT FROM retail.login_identities AS l WHERE l.login = r.rolname)
           OR r.rolname <> 'zava_server' AND EXISTS (
               SELECT FROM pg_catalog.pg_proc AS p
               CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS a
               WHERE p.oid = 'retail.set_identity(uuid, text)'::regprocedure AND a.grantee = r.oid AND p.proowner <> r.oid)
           OR shobj_description(r.oid, 'pg_authid') = format('zava: bound login of database %%s', current_database())
           AS is_zavas,
       r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
           OR EXISTS (SELECT FROM pg_catalog.pg_auth_members AS m
                      WHERE m.member = r.oid AND m.roleid::regrole::text NOT IN (
                          'store_managers', 'regional_managers', 'store_managers_personal', 'regional_managers_personal'))
           AS is_too_powerful
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = %(login)s

-- name: create_login
-- A login that may do nothing by itself, whatever the defaults of the server are.
CREATE ROLE {login} LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION CONNECTION LIMIT 30

-- name: mark_login
-- How a login is known that could not be dropped. Only who may drop the login may change its comment.
COMMENT ON ROLE {login} IS {mark}

-- name: login_mark
-- That comment.
SELECT format('zava: bound login of database %s', current_database()) AS mark

-- name: owns_objects
-- Whether a login has more here than default privileges and large objects, which nobody can keep it from making.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_shdepend AS d
    WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o'
        AND d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
        AND d.classid NOT IN ('pg_catalog.pg_default_acl'::regclass, 'pg_catalog.pg_largeobject'::regclass)) AS answer
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = %(login)s

-- name: inherit_login
-- An administrator who is no superuser drops what it has the privileges of.
GRANT {login} TO CURRENT_USER WITH INHERIT TRUE

-- name: drop_owned
-- Default privileges and large objects, which would keep the login from being dropped.
DROP OWNED BY {login}

-- name: may_limit_logins
-- Whether the administrator is a superuser.
SELECT rolsuper AS allowed FROM pg_catalog.pg_roles WHERE rolname = current_user

-- name: limit_login
-- The ceiling of temporary files that schema.sql gives every login.
ALTER ROLE {login} SET temp_file_limit = '2GB'

-- name: hide_parameters
-- User ids and seals are bound parameters; the server's log leaves parameters out.
ALTER ROLE {login} SET log_parameter_max_length = 0

-- name: hide_parameters_of_errors
-- The same for the parameters of a statement that fails.
ALTER ROLE {login} SET log_parameter_max_length_on_error = 0

-- name: grant_group
-- The login may become the group for a transaction, and has nothing of it before.
GRANT {role_name} TO {login} WITH INHERIT FALSE, SET TRUE

-- name: grant_schema
-- What it takes to call the next.
GRANT USAGE ON SCHEMA retail TO {login}

-- name: grant_identity
-- The functions that a login calls as itself.
GRANT EXECUTE ON FUNCTION retail.resolve_identity(uuid), retail.set_identity(uuid, text), retail.replay_state(), retail.login_is_bound() TO {login}

-- name: revoke_identity
-- Without them no transaction of the login is given a seal.
REVOKE ALL ON FUNCTION retail.resolve_identity(uuid), retail.set_identity(uuid, text), retail.replay_state(), retail.login_is_bound() FROM {login}

-- name: revoke_schema
-- The login has nothing left in this database.
REVOKE ALL ON SCHEMA retail FROM {login}

-- name: bind_login
-- The login may act as this user id.
INSERT INTO retail.login_identities (login, user_id) VALUES (%(login)s, %(user_id)s) ON CONFLICT DO NOTHING

-- name: unbind_login
-- The login may act as nobody.
DELETE FROM retail.login_identities WHERE login = %(login)s

-- name: limit_locks
-- A session can hold a lock for as long as it likes.
SET lock_timeout = '10s'

-- name: end_sessions
-- Ends the sessions of a login that may no longer log in, and the locks that they hold.
SELECT pg_terminate_backend(a.pid, 5000) FROM pg_stat_activity AS a WHERE a.usename = %(login)s AND a.pid <> pg_backend_pid()

-- name: disable_login
-- Before it is dropped: it stays disabled if something keeps it from being dropped.
ALTER ROLE {login} NOLOGIN

-- name: enable_login
-- After an earlier removal that could not drop it.
ALTER ROLE {login} LOGIN

-- name: drop_login
-- Sessions that are open get nothing more: their login has no name any longer.
DROP ROLE {login}

-- name: list_logins
-- Every login with the people that it may act as: nobody where its rows were deleted.
SELECT k.login::text AS login,
       coalesce(r.rolcanlogin, false) AS can_login,
       array(SELECT l.user_id FROM retail.login_identities AS l WHERE l.login = k.login ORDER BY l.user_id) AS user_ids
FROM (
    SELECT l.login FROM retail.login_identities AS l
    UNION
    SELECT g.rolname
    FROM pg_catalog.pg_proc AS p
    CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS a
    JOIN pg_catalog.pg_roles AS g ON g.oid = a.grantee
    WHERE p.oid = 'retail.set_identity(uuid, text)'::regprocedure AND g.rolname <> 'zava_server' AND g.oid <> p.proowner
    UNION
    SELECT r.rolname FROM pg_catalog.pg_roles AS r
    WHERE shobj_description(r.oid, 'pg_authid') = format('zava: bound login of database %s', current_database())
) AS k
LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = k.login
ORDER BY k.login

-- name: become_administrator
-- Back from the owner of the schema; making roles is not the owner's to do.
SET LOCAL ROLE NONE
