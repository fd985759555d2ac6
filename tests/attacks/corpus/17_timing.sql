-- class: 17 timing of a part of a query
-- expect: INSUFFICIENT_PRIVILEGE

-- name: clock
SELECT clock_timestamp()
-- name: clock-by-schema
SELECT pg_catalog.clock_timestamp()
-- name: time-of-day
SELECT timeofday()
-- name: time-of-day-as-a-time
SELECT timeofday()::timestamptz - now()
-- name: clock-in-where
SELECT count(*) FROM retail.orders WHERE clock_timestamp() > now()
-- name: clock-as-an-argument
SELECT age(clock_timestamp(), now()), extract(epoch FROM clock_timestamp()), to_char(clock_timestamp(), 'US')
-- name: where-a-customer-buys-elsewhere
SELECT customer_id, t1 - t0 FROM (
    SELECT w.customer_id, clock_timestamp() AS t0, (
        SELECT count(*) FROM generate_series(1, 100) AS g CROSS JOIN LATERAL (
            SELECT 1 FROM retail.orders AS o
            WHERE (o.customer_id, o.store_id) >= (w.customer_id, '{{other_store}}'::uuid) AND (o.customer_id, o.store_id) <= (w.customer_id, '{{other_store}}'::uuid)
                AND g > 0 OFFSET 0) AS t) AS c, clock_timestamp() AS t1
    FROM (SELECT DISTINCT customer_id FROM retail.orders LIMIT 10) AS w OFFSET 0) AS a
-- name: what-another-store-sells
SELECT product_id, t1 - t0 FROM (
    SELECT p.product_id, clock_timestamp() AS t0, (
        SELECT count(*) FROM generate_series(1, 40) AS g CROSS JOIN LATERAL (
            SELECT 1 FROM retail.order_items AS o
            WHERE (o.product_id, o.store_id) >= (p.product_id, '{{other_store}}'::uuid) AND (o.product_id, o.store_id) <= (p.product_id, '{{other_store}}'::uuid)
                AND g > 0 OFFSET 0) AS t) AS c, clock_timestamp() AS t1
    FROM (SELECT product_id FROM retail.products LIMIT 10) AS p OFFSET 0) AS a
-- name: letters-of-an-e-mail-address
SELECT ch, t1 - t0 FROM (
    SELECT ch, clock_timestamp() AS t0, (
        SELECT count(*) FROM generate_series(1, 10) AS g CROSS JOIN LATERAL (
            SELECT 1 FROM retail.customers AS k
            WHERE k.store_id = '{{other_store}}' AND k.email >= 'w' || ch AND k.email < 'w' || ch || '~' AND g > 0 OFFSET 0) AS t) AS c,
        clock_timestamp() AS t1
    FROM string_to_table('abcdefghijklmnopqrstuvwxyz', NULL) AS ch OFFSET 0) AS a
-- name: orders-of-a-day-by-their-numbers
SELECT k, t1 - t0 FROM (
    SELECT k, clock_timestamp() AS t0, (
        SELECT count(*) FROM generate_series(1, 20) AS g CROSS JOIN LATERAL (
            SELECT 1 FROM retail.orders AS o WHERE o.source_id = '101-260704-' || k AND g > 0 OFFSET 0) AS t) AS c, clock_timestamp() AS t1
    FROM generate_series(1, 70) AS k OFFSET 0) AS a
-- name: orders-brought-back-elsewhere
SELECT order_id, t1 - t0 FROM (
    SELECT w.order_id, clock_timestamp() AS t0, (
        SELECT count(*) FROM generate_series(1, 20) AS g CROSS JOIN LATERAL (
            SELECT 1 FROM retail.orders AS o WHERE o.returns_order_id = w.order_id AND g > 0 OFFSET 0) AS t) AS c, clock_timestamp() AS t1
    FROM (SELECT order_id FROM retail.orders LIMIT 10) AS w OFFSET 0) AS a
-- name: summarize-a-key
SELECT brin_summarize_new_values('retail.orders_pkey')
-- name: summarize-a-table
SELECT brin_summarize_new_values('retail.orders')
-- name: summarize-a-range
SELECT brin_summarize_range('retail.orders_pkey', 0)
-- name: desummarize-a-range
SELECT brin_desummarize_range('retail.orders_pkey', 0)
-- name: clean-a-list
SELECT gin_clean_pending_list('retail.customers_store_ids_idx')
-- name: lock-a-table-by-its-address
SELECT pg_get_object_address('table', '{retail,identity_key}', '{}')
-- name: lock-thousands-of-objects
SELECT count(pg_get_object_address(a.type, a.object_names, a.object_args))
FROM pg_proc AS p, LATERAL pg_identify_object_as_address('pg_proc'::regclass, p.oid, 0) AS a
-- expect: INSUFFICIENT_PRIVILEGE, UNDEFINED_FUNCTION

-- name: time-in-a-key
SELECT uuid_extract_timestamp(uuidv7())
-- name: time-in-a-moved-key
SELECT uuid_extract_timestamp(uuidv7(interval '1 day'))
-- expect: INSUFFICIENT_PRIVILEGE, answer

-- name: range-of-e-mail-addresses
SELECT count(*) FROM generate_series(1, 100) AS g CROSS JOIN LATERAL (
    SELECT 1 FROM retail.customers AS k WHERE k.store_id = '{{other_store}}' AND k.email >= 'w' AND k.email < 'x' AND g > 0 OFFSET 0) AS t
-- name: an-e-mail-address-by-its-hash
SELECT count(*) FROM retail.customers AS k WHERE k.store_id::text || k.email = '{{other_store}}{{other_email}}'
-- expect: answer

-- name: rows-of-a-customer-and-a-store
SELECT count(*) FROM retail.orders AS o CROSS JOIN (SELECT DISTINCT customer_id FROM retail.orders LIMIT 20) AS w
WHERE (o.customer_id, o.store_id) >= (w.customer_id, '00000000-0000-0000-0000-000000000000') AND (o.customer_id, o.store_id) <= (w.customer_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
-- name: rows-of-a-customer-of-another-store-by-month
SELECT count(*) FROM retail.orders AS o CROSS JOIN (SELECT DISTINCT customer_id FROM retail.orders LIMIT 20) AS w
WHERE (o.customer_id, o.store_id, o.is_return, o.sold_on) >= (w.customer_id, '{{other_store}}', false, '2026-01-01')
    AND (o.customer_id, o.store_id, o.is_return, o.sold_on) < (w.customer_id, '{{other_store}}', false, '2026-02-01')
-- name: rows-of-a-product-and-a-store
SELECT count(*) FROM retail.order_items AS o CROSS JOIN (SELECT product_id FROM retail.products LIMIT 20) AS w
WHERE (o.product_id, o.store_id) >= (w.product_id, '{{other_store}}') AND (o.product_id, o.store_id) <= (w.product_id, '{{other_store}}')
-- name: numbers-of-orders
SELECT count(*) FROM generate_series(1, 70) AS k CROSS JOIN LATERAL (SELECT 1 FROM retail.orders AS o WHERE o.source_id = '101-260704-' || k OFFSET 0) AS t
-- name: returns-of-own-orders
SELECT count(*) FROM (SELECT order_id FROM retail.orders LIMIT 50) AS w CROSS JOIN LATERAL (
    SELECT 1 FROM retail.orders AS o WHERE o.returns_order_id = w.order_id OFFSET 0) AS t
