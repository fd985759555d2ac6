-- Who somebody is, by name. Values are named parameters.

-- name: begin_identity
-- An identity is given in a read-write transaction only, whatever the login's default is.
BEGIN READ WRITE

-- name: begin_identity_on_standby
-- A standby has no other transactions.
BEGIN READ ONLY

-- name: resolve_identity
-- Role, stores, seal and secret of a user id, or no row; and a fingerprint of the tables.
SELECT user_id, role_name, display_name, store_ids, seal, cache_secret,
       (SELECT md5(string_agg(concat_ws(' ', a.attrelid, a.attname, a.atttypid), ',' ORDER BY a.attrelid, a.attnum))
        FROM pg_catalog.pg_attribute AS a
        JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND a.attnum > 0 AND NOT a.attisdropped) AS schema_version
FROM (VALUES (%(user_id)s::uuid)) AS asked (user_id)
CROSS JOIN LATERAL retail.resolve_identity(asked.user_id)
