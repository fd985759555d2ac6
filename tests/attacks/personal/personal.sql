-- What a person without the right to personal data tries for the names of their own store's customers.

-- class: 1 columns
-- expect: INSUFFICIENT_PRIVILEGE

-- name: first-name
SELECT first_name FROM retail.customers
-- name: last-name
SELECT last_name FROM retail.customers
-- name: email
SELECT email FROM retail.customers
-- name: loyalty-number
SELECT loyalty_number FROM retail.customers
-- name: star
SELECT * FROM retail.customers
-- name: qualified-star
SELECT c.* FROM retail.orders AS o JOIN retail.customers AS c USING (customer_id)
-- name: table-command
TABLE retail.customers
-- name: only
SELECT * FROM ONLY retail.customers
-- name: quoted
SELECT "email" FROM "retail"."customers"
-- name: renamed
SELECT x.e FROM retail.customers AS x (a, b, c, d, e)
-- name: renamed-in-a-common-table
WITH x (a, b, c, d, e) AS (SELECT * FROM retail.customers) SELECT e FROM x
-- name: materialized
WITH x AS MATERIALIZED (SELECT email FROM retail.customers) SELECT * FROM x
-- name: lateral
SELECT l.* FROM retail.stores AS s, LATERAL (SELECT email FROM retail.customers AS c WHERE c.store_id = s.store_id) AS l
-- name: union
SELECT name FROM retail.stores UNION ALL SELECT email FROM retail.customers
-- name: scalar
SELECT (SELECT max(email) FROM retail.customers)
-- name: array
SELECT ARRAY(SELECT email FROM retail.customers)
-- name: sample
SELECT email FROM retail.customers TABLESAMPLE SYSTEM (100)

-- class: 2 whole rows
-- expect: INSUFFICIENT_PRIVILEGE

-- name: whole-row
SELECT c FROM retail.customers AS c
-- name: whole-row-as-text
SELECT c::text FROM retail.customers AS c
-- name: row-to-json
SELECT row_to_json(c) FROM retail.customers AS c
-- name: to-jsonb
SELECT to_jsonb(c) ->> 'email' FROM retail.customers AS c
-- name: json-aggregate
SELECT jsonb_agg(c) FROM retail.customers AS c
-- name: string-aggregate
SELECT string_agg(c::text, '|') FROM retail.customers AS c
-- name: row-constructor
SELECT ROW(c.*) FROM retail.customers AS c
-- name: function-notation
SELECT email(c) FROM retail.customers AS c
-- name: field-of-a-row
SELECT (c).email FROM retail.customers AS c
-- name: counted-row
SELECT count(c) FROM retail.customers AS c
-- name: hashed-row
SELECT hash_record_extended(c, 0) FROM retail.customers AS c
-- name: compared-row
SELECT count(*) FROM retail.customers AS c WHERE c IS NOT NULL
-- name: populated-record
SELECT jsonb_populate_record(c, '{}') FROM retail.customers AS c
-- name: format-of-a-row
SELECT format('%s', c) FROM retail.customers AS c
-- name: distinct-row
SELECT DISTINCT c FROM retail.customers AS c

-- class: 3 joins
-- expect: INSUFFICIENT_PRIVILEGE

-- name: using
SELECT count(*) FROM retail.customers AS a JOIN (VALUES ('a@example.com')) AS v (email) USING (email)
-- name: natural
SELECT count(*) FROM retail.customers NATURAL JOIN (VALUES ('a@example.com')) AS v (email)
-- name: natural-with-itself
SELECT customer_id FROM retail.customers AS a NATURAL JOIN retail.customers AS b
-- name: full-join
SELECT email FROM retail.customers AS a FULL JOIN (VALUES ('a@example.com')) AS v (email) USING (email)
-- name: on
SELECT count(*) FROM retail.customers AS a JOIN retail.customers AS b ON a.last_name = b.last_name
-- name: row-in-a-join
SELECT count(*) FROM retail.customers AS a JOIN retail.customers AS b ON a = b
-- name: alias-of-a-join
SELECT j.email FROM (retail.orders JOIN retail.customers USING (customer_id)) AS j
-- name: in
SELECT count(*) FROM retail.products WHERE name IN (SELECT last_name FROM retail.customers)

-- class: 4 conditions
-- expect: INSUFFICIENT_PRIVILEGE

-- name: like
SELECT count(*) FROM retail.customers WHERE email LIKE 'a%'
-- name: equal
SELECT customer_id FROM retail.customers WHERE last_name = 'Smith'
-- name: regular-expression
SELECT count(*) FROM retail.customers WHERE first_name ~ '^A'
-- name: is-null
SELECT count(*) FROM retail.customers WHERE loyalty_number IS NULL
-- name: order-by
SELECT customer_id FROM retail.customers ORDER BY email
-- name: group-by
SELECT count(*) FROM retail.customers GROUP BY last_name
-- name: distinct-on
SELECT DISTINCT ON (last_name) customer_id FROM retail.customers
-- name: having
SELECT count(*) FROM retail.customers GROUP BY store_id HAVING max(email) > 'm'
-- name: window
SELECT rank() OVER (ORDER BY email) FROM retail.customers
-- name: filter
SELECT count(*) FILTER (WHERE email < 'm') FROM retail.customers
-- name: case
SELECT CASE WHEN email < 'm' THEN 1 ELSE 0 END FROM retail.customers
-- name: count-of-names
SELECT count(DISTINCT last_name) FROM retail.customers
-- name: cast-that-fails
SELECT email::int FROM retail.customers
-- name: division-that-fails
SELECT 1 / (length(email) - length(email)) FROM retail.customers
-- name: exists
SELECT count(*) FROM retail.orders AS o WHERE EXISTS (SELECT FROM retail.customers AS c WHERE c.customer_id = o.customer_id AND c.email > 'm')
-- name: in-limit
SELECT 1 LIMIT (SELECT length(max(email)) FROM retail.customers)
-- name: never-reached
SELECT email FROM retail.customers WHERE false

-- class: 5 around
-- expect: answer

-- name: statistics
SELECT * FROM pg_stats WHERE tablename = 'customers'
-- name: extended-statistics
SELECT * FROM pg_stats_ext
-- name: statistics-of-expressions
SELECT * FROM pg_stats_ext_exprs
-- name: columns
SELECT column_name FROM information_schema.columns WHERE table_name = 'customers'
-- name: column-privileges
SELECT grantee, column_name FROM information_schema.column_privileges WHERE table_name = 'customers'
-- name: definition-of-the-policy
SELECT polname, pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = 'retail.customers'::regclass
-- name: privileges-of-the-other-group
SELECT has_column_privilege('store_managers_personal', 'retail.customers', 'email', 'SELECT')
-- name: own-group
SELECT current_user, pg_has_role('store_managers_personal', 'USAGE'), pg_has_role(session_user, 'store_managers_personal', 'SET')
-- name: what-can-be-read
SELECT customer_id, store_id, signed_up_on, source_id FROM retail.customers LIMIT 5
-- name: count
SELECT count(*) FROM retail.customers
-- name: right-of-nobody
SELECT NULL::retail.personal_data_rights
-- name: default-of-the-chain
SELECT managers_read_personal_data FROM retail.chain

-- class: 6 rights
-- expect: INSUFFICIENT_PRIVILEGE

-- name: raw-statistics
SELECT stavalues1 FROM pg_statistic WHERE starelid = 'retail.customers'::regclass
-- name: rights-of-others
SELECT * FROM retail.personal_data_rights
-- name: function-of-the-policy
SELECT retail.may_read_personal_data()
-- name: function-of-the-mark
SELECT retail.has_personal_data_right('{{own_manager}}')
-- name: become-by-set-config
SELECT set_config('role', 'store_managers_personal', true)
-- name: become-and-read
SELECT c.email FROM (SELECT set_config('role', 'store_managers_personal', true) OFFSET 0) AS s, retail.customers AS c
-- name: resolve-again
SELECT * FROM retail.resolve_identity('{{own_manager}}')
-- name: text-as-sql
SELECT query_to_xml('SELECT email FROM retail.customers', true, true, '')
-- name: table-as-xml
SELECT table_to_xml('retail.customers', true, true, '')
-- name: text-search-statistics
SELECT * FROM ts_stat('SELECT to_tsvector(email) FROM retail.customers')
-- name: cursor-as-xml
SELECT cursor_to_xml('zava0', 10, true, true, '')
-- name: bytes-of-a-file
SELECT pg_read_binary_file('global/pg_control')

-- class: 7 no query
-- expect: SYNTAX_ERROR

-- name: set-role
SET ROLE store_managers_personal
-- name: set-role-and-read
SET LOCAL ROLE store_managers_personal; SELECT email FROM retail.customers
-- name: second-statement
SELECT 1; SET ROLE store_managers_personal
-- name: set-session-authorization
SET SESSION AUTHORIZATION store_managers_personal
-- name: returning
UPDATE retail.customers SET email = email RETURNING email
-- name: insert-returning
INSERT INTO retail.customers (store_id) VALUES ('{{own_store}}') RETURNING email
-- name: cursor
DECLARE mine CURSOR FOR SELECT email FROM retail.customers
-- name: copy
COPY retail.customers (email) TO STDOUT
-- name: copy-of-a-query
COPY (SELECT email FROM retail.customers) TO STDOUT
-- name: explain
EXPLAIN SELECT count(*) FROM retail.customers WHERE email = 'a@example.com'
-- name: do
DO $$ BEGIN SET ROLE store_managers_personal; END $$
-- name: grant
GRANT store_managers_personal TO CURRENT_USER
-- name: execute
EXECUTE q
-- name: show
SHOW role
