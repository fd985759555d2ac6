-- The version of the schema, by name.

-- name: first_schema_version
-- 1 for the version that has no table of versions, 2 for a later one, NULL without a schema; for any login.
SELECT CASE WHEN bool_or(c.relname = 'schema_version') THEN 2 WHEN bool_or(c.relname = 'orders') THEN 1 END
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'retail' AND c.relkind = 'r'

-- name: schema_version
-- The highest version that the database has had, which is its own.
SELECT max(version) FROM retail.schema_version
