-- class: 16 sizes, places and counters of other stores' rows
-- expect: INSUFFICIENT_PRIVILEGE

-- name: place-of-a-shared-row
SELECT max(ctid) FROM retail.products
-- name: transaction-of-a-word
SELECT xmin FROM retail.search_vocabulary LIMIT 1
-- name: transaction-of-a-category
SELECT xmin FROM retail.categories LIMIT 1
-- name: ending-transaction-of-a-type
SELECT xmax FROM retail.product_types LIMIT 1
-- name: commands-of-a-product
SELECT cmin, cmax FROM retail.products LIMIT 1
-- name: table-of-a-row
SELECT tableoid FROM retail.customers LIMIT 1
-- name: place-of-a-total
SELECT ctid FROM retail.kept_daily_sales LIMIT 1
-- name: transaction-of-a-pair
SELECT count(*) FROM retail.product_pairs WHERE xmin::text::bigint > 0
-- name: place-in-a-join
SELECT count(*) FROM retail.orders AS a JOIN retail.orders AS b ON a.ctid = b.ctid
-- name: place-in-a-window
SELECT row_number() OVER (ORDER BY o.ctid) FROM retail.orders AS o
-- name: multixact-members-of-a-series
SELECT g, (SELECT count(*) FROM pg_get_multixact_members(g::text::xid)) FROM generate_series(1, 5) AS g
-- name: counters-of-a-table
SELECT relname, relfrozenxid, relminmxid, relfilenode FROM pg_class WHERE relnamespace = 'retail'::regnamespace
-- name: frozen-transaction-of-a-table
SELECT relname FROM pg_class WHERE relfrozenxid::text::bigint > 700
-- name: file-node-in-the-catalogue
SELECT relfilenode FROM pg_class WHERE relname = 'orders'
-- name: transaction-of-a-catalogue-row
SELECT max(xmin::text::bigint) FROM pg_class
-- name: place-of-a-catalogue-row
SELECT max(ctid) FROM pg_class
-- name: frozen-transaction-of-a-database
SELECT datname, datfrozenxid, datminmxid FROM pg_database
-- name: transaction-of-a-database
SELECT xmin FROM pg_database
-- name: settings-of-a-role
SELECT rolname, rolconfig FROM pg_roles WHERE rolconfig IS NOT NULL
-- name: settings-of-a-user
SELECT usename, useconfig FROM pg_user
-- name: settings-of-a-role-by-whole-row
SELECT to_jsonb(r) FROM pg_roles AS r
-- name: whether-a-session-is-blocked
SELECT pg_isolation_test_session_is_blocked(pg_backend_pid(), ARRAY[1])
-- name: snapshot-of-transactions
SELECT pg_snapshot_xmax(pg_current_snapshot())
-- expect: INSUFFICIENT_PRIVILEGE, UNDEFINED_FUNCTION

-- name: chunk-of-a-large-value
SELECT pg_column_toast_chunk_id(days) FROM retail.kept_customers WHERE pg_column_size(days) > 2000
-- expect: answer

-- name: sampled-orders
SELECT exists(SELECT FROM retail.orders AS t TABLESAMPLE BERNOULLI (50) REPEATABLE (1) WHERE t.store_id <> '{{own_store}}' AND t.store_id = '{{other_store}}')
-- name: sampled-by-page
SELECT count(*) FROM retail.order_items AS t TABLESAMPLE SYSTEM (50) REPEATABLE (7) WHERE t.store_id = '{{other_store}}'
-- name: size-of-own-values
SELECT max(pg_column_size(days)), min(pg_column_compression(days)) FROM retail.kept_customers
