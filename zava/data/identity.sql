-- Who somebody is, by name. Values are named parameters.

-- name: begin_identity
-- An identity is given in a read-write transaction only, whatever the login's default is.
BEGIN READ WRITE

-- name: begin_identity_on_standby
-- A standby has no other transactions.
BEGIN READ ONLY

-- name: resolve_identity
-- Role, stores, seal and secret of a user id, or no row.
SELECT user_id, role_name, display_name, store_ids, seal, cache_secret
FROM (VALUES (%(user_id)s::uuid)) AS asked (user_id)
CROSS JOIN LATERAL retail.resolve_identity(asked.user_id)

-- name: schema_fingerprint
-- A fingerprint of the schema: its columns, and who may read which of them and of their rows. Kept answers of another
-- fingerprint are not used.
SELECT md5(string_agg(s.part, ',' ORDER BY s.part)) AS schema_version
FROM (SELECT concat_ws(' ', 'column', a.attrelid, a.attname, a.atttypid, a.attacl) AS part
      FROM pg_catalog.pg_attribute AS a
      JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
      WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
          AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
      SELECT concat_ws(' ', 'table', c.oid, c.relacl, c.relrowsecurity, c.relforcerowsecurity)
      FROM pg_catalog.pg_class AS c
      WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      UNION ALL
      SELECT concat_ws(' ', 'policy', p.oid, p.xmin)
      FROM pg_catalog.pg_policy AS p
      JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
      WHERE c.relnamespace = 'retail'::regnamespace
      UNION ALL
      SELECT concat_ws(' ', 'view', r.oid, r.xmin)
      FROM pg_catalog.pg_rewrite AS r
      JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
      WHERE c.relnamespace = 'retail'::regnamespace
      UNION ALL
      SELECT concat_ws(' ', 'function', f.oid, f.xmin)
      FROM pg_catalog.pg_proc AS f
      WHERE f.pronamespace = 'retail'::regnamespace) AS s
