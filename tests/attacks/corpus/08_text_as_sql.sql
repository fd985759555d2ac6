-- class: 8 functions that run text as SQL
-- expect: INSUFFICIENT_PRIVILEGE

-- name: query-to-xml
SELECT query_to_xml('SELECT * FROM retail.customers', true, true, '')
-- name: query-to-xml-reset-role
SELECT query_to_xml('RESET ROLE', true, true, '')
-- name: query-to-xml-set-config
SELECT query_to_xml($$SELECT set_config('app.current_rls_user_id', '{{other_manager}}', true)$$, true, true, ''), query_to_xml('SELECT count(*) FROM retail.orders', true, true, '')
-- name: query-to-xmlschema
SELECT query_to_xmlschema('SELECT * FROM retail.identity_key', true, true, '')
-- name: query-to-xml-and-xmlschema
SELECT query_to_xml_and_xmlschema('SELECT * FROM retail.orders', true, true, '')
-- name: table-to-xml
SELECT table_to_xml('retail.orders', true, true, '')
-- name: table-to-xml-and-xmlschema
SELECT table_to_xml_and_xmlschema('retail.identity_key', true, true, '')
-- name: table-to-xmlschema
SELECT table_to_xmlschema('retail.identity_key', true, true, '')
-- name: schema-to-xml
SELECT schema_to_xml('retail', true, true, '')
-- name: schema-to-xmlschema
SELECT schema_to_xmlschema('retail', true, true, '')
-- name: database-to-xml
SELECT database_to_xml(true, true, '')
-- name: database-to-xml-and-xmlschema
SELECT database_to_xml_and_xmlschema(true, true, '')
-- name: cursor-to-xml
SELECT cursor_to_xml('zava0'::refcursor, 5, true, true, '')
-- name: cursor-to-xmlschema
SELECT cursor_to_xmlschema('zava0'::refcursor, true, true, '')
-- name: ts-stat
SELECT * FROM ts_stat('SELECT to_tsvector(email) FROM retail.customers')
-- name: ts-stat-with-weights
SELECT * FROM ts_stat('SELECT to_tsvector(key::text) FROM retail.identity_key', 'abcd')
-- name: ts-rewrite-with-text
SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, email::tsquery FROM retail.customers')
-- name: xml-in-capitals
SELECT QUERY_TO_XML('SELECT 1', true, true, '')
-- name: xml-unicode-escaped
SELECT U&"query\005Fto_xml"('SELECT 1', true, true, '')
-- expect: UNDEFINED_FUNCTION, INSUFFICIENT_PRIVILEGE

-- name: crosstab
SELECT * FROM crosstab('SELECT email, first_name, last_name FROM retail.customers') AS t (a text, b text)
-- name: connectby
SELECT * FROM connectby('retail.customers', 'customer_id', 'store_id', 'x', 0) AS t (a uuid, b uuid, c int)
-- name: dblink
SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS t (x int)
-- name: dblink-connect
SELECT dblink_connect('host=localhost user=postgres')
-- name: dblink-exec
SELECT dblink_exec('dbname=postgres', 'DROP TABLE retail.orders')
-- name: xpath-table
SELECT * FROM xpath_table('email', 'first_name', 'retail.customers', '/', 'true') AS t (a text, b text)
-- name: http-get
SELECT http_get('http://localhost/')
-- expect: FEATURE_NOT_SUPPORTED, INVALID_TEXT_REPRESENTATION, INSUFFICIENT_PRIVILEGE, SYNTAX_ERROR, CANNOT_COERCE, WRONG_OBJECT_TYPE, TRIGGER_PROTOCOL_VIOLATED, INTERNAL_ERROR, TRIGGERED_ACTION_EXCEPTION

-- name: node-tree-from-text
SELECT pg_get_expr('{FUNCEXPR :funcid 2078}'::pg_node_tree, 'retail.orders'::regclass)
-- name: plpgsql-inline-handler
SELECT plpgsql_inline_handler('DELETE FROM retail.orders')
-- name: trigger-as-a-function
SELECT retail.set_updated_at()
-- name: tsvector-update-trigger
SELECT tsvector_update_trigger()
-- name: referential-trigger
SELECT "RI_FKey_cascade_del"()
-- expect: INVALID_SCHEMA_NAME, INSUFFICIENT_PRIVILEGE

-- name: pg-cron
SELECT cron.schedule('* * * * *', 'DROP TABLE retail.orders')
