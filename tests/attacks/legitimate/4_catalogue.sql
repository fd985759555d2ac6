-- class: catalogue

-- name: tables
SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema = 'retail' ORDER BY 2
-- name: columns
SELECT table_name, column_name, data_type, is_nullable, column_default, character_maximum_length, numeric_precision FROM information_schema.columns WHERE table_schema = 'retail' ORDER BY 1, ordinal_position
-- name: columns-of-one-table
SELECT column_name, udt_name FROM information_schema.columns WHERE table_schema = 'retail' AND table_name = 'orders' ORDER BY ordinal_position
-- name: constraints
SELECT constraint_name, table_name, constraint_type FROM information_schema.table_constraints WHERE constraint_schema = 'retail'
-- name: key-columns
SELECT table_name, column_name, constraint_name FROM information_schema.key_column_usage WHERE table_schema = 'retail'
-- name: foreign-keys
SELECT tc.table_name, kcu.column_name, ccu.table_name AS foreign_table FROM information_schema.table_constraints AS tc JOIN information_schema.key_column_usage AS kcu USING (constraint_name) JOIN information_schema.constraint_column_usage AS ccu USING (constraint_name) WHERE tc.constraint_type = 'FOREIGN KEY'
-- name: schemata
SELECT schema_name FROM information_schema.schemata
-- name: routines
SELECT routine_name, data_type FROM information_schema.routines WHERE routine_schema = 'retail'
-- name: views
SELECT table_name FROM information_schema.views WHERE table_schema = 'retail'
-- name: own-privileges
SELECT grantee, table_name, privilege_type FROM information_schema.table_privileges WHERE table_schema = 'retail'
-- name: own-column-privileges
SELECT table_name, column_name FROM information_schema.column_privileges WHERE table_schema = 'retail' AND privilege_type = 'SELECT'
-- name: check-constraints
SELECT constraint_name, check_clause FROM information_schema.check_constraints WHERE constraint_schema = 'retail'
-- name: relations
SELECT c.oid::regclass::text, c.relkind, n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'retail' ORDER BY 1
-- name: relations-with-comments
SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class AS c WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind = 'r'
-- name: columns-with-comments
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, col_description(a.attrelid, a.attnum), pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = 'retail.orders'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
-- name: list-of-tables
SELECT * FROM pg_tables WHERE schemaname = 'retail'
-- name: list-of-indexes
SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'retail' ORDER BY 1, 2
-- name: list-of-views
SELECT viewname FROM pg_views WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
-- name: constraint-definitions
SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'retail'::regnamespace AND contype <> 'n'
-- name: describe-like-psql
SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relname OPERATOR(pg_catalog.~) '^(orders)$' COLLATE pg_catalog.default AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3
-- name: describe-flags-like-psql
SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.reltablespace, c.relpersistence, c.relreplident, am.amname FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_am AS am ON c.relam = am.oid WHERE c.oid = 'retail.orders'::regclass
-- name: column-count
SELECT c.relname, count(*) FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 GROUP BY 1
-- name: count-of-the-catalogue
SELECT count(*) > 100 FROM pg_class
-- name: functions
SELECT proname, pg_get_function_arguments(oid), pg_get_function_result(oid) FROM pg_proc WHERE pronamespace = 'retail'::regnamespace
-- name: types
SELECT typname, typtype FROM pg_type WHERE typnamespace = 'retail'::regnamespace AND typtype = 'c'
-- name: enumerations
SELECT t.typname, e.enumlabel FROM pg_type AS t JOIN pg_enum AS e ON e.enumtypid = t.oid
-- name: extensions
SELECT extname, extversion FROM pg_extension ORDER BY 1
-- name: time-zone-names
SELECT name, utc_offset FROM pg_timezone_names WHERE name IN ('UTC', 'Asia/Tokyo')
-- name: own-rights
SELECT has_table_privilege('retail.products', 'SELECT'), has_schema_privilege('retail', 'USAGE'), has_column_privilege('retail.orders', 'status', 'SELECT'), has_table_privilege('retail.orders', 'INSERT'), pg_has_role('store_managers', 'MEMBER') IS NOT NULL
-- name: policies
SELECT policyname, cmd FROM pg_policies WHERE schemaname = 'retail' AND tablename = 'orders'
-- name: statistics-of-the-shared-tables
SELECT attname, n_distinct, null_frac FROM pg_stats WHERE schemaname = 'retail' AND tablename = 'products' AND attname IN ('sku', 'name')
-- name: databases
SELECT datname FROM pg_database WHERE datname = current_database()
-- name: server-version
SELECT version() LIKE 'PostgreSQL%', pg_typeof(version())
-- name: encodings
SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()
-- name: row-counts-of-what-one-sees
SELECT 'orders' AS name, count(*) FROM retail.orders UNION ALL SELECT 'customers', count(*) FROM retail.customers UNION ALL SELECT 'products', count(*) FROM retail.products
-- name: listed-values
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'orders_status_known'
-- name: key-words
SELECT word, catcode FROM pg_get_keywords() WHERE word IN ('select', 'limit')
-- name: identifiers
SELECT to_regclass('retail.orders')::text, to_regclass('nowhere.nothing'), 'retail.orders'::regclass::oid = to_regclass('retail.orders')::oid, quote_ident('Order')
-- name: visibility
SELECT pg_table_is_visible('retail.orders'::regclass), pg_function_is_visible('lower(text)'::regprocedure)
-- name: descriptions
SELECT objoid::regclass::text, objsubid, description FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid = 'retail.inventory'::regclass
-- name: dependencies
SELECT count(*) > 0 FROM pg_depend WHERE refobjid = 'retail.orders'::regclass
-- name: inheritance
SELECT * FROM pg_inherits WHERE inhparent = 'retail.orders'::regclass
-- name: sequences
SELECT * FROM information_schema.sequences
-- name: roles
SELECT rolname, rolsuper, rolcanlogin, rolinherit FROM pg_roles WHERE rolname IN ('store_managers', 'regional_managers') ORDER BY 1
-- name: databases-like-psql
SELECT d.datname, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, d.datistemplate, d.datallowconn FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()
-- name: list-of-relations-like-psql
SELECT n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), c.relpersistence, am.amname, obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_am AS am ON am.oid = c.relam WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname = 'retail' ORDER BY 1, 2
-- name: columns-like-sqlalchemy
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attidentity, c.relname FROM pg_class AS c LEFT JOIN pg_attribute AS a ON c.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relnamespace = 'retail'::regnamespace AND c.relname IN ('products', 'orders') ORDER BY c.relname, a.attnum
-- name: whole-rows-of-the-shared-tables
SELECT p, to_jsonb(t.*), c.* FROM retail.products AS p JOIN retail.product_types AS t USING (type_id) JOIN retail.categories AS c ON c.category_id = p.category_id ORDER BY p.sku LIMIT 3
-- name: table-of-products
TABLE retail.categories
-- name: rows-as-json
SELECT row_to_json(t) FROM retail.stores AS t
-- name: natural-join
SELECT count(*) FROM retail.orders NATURAL JOIN retail.order_items
