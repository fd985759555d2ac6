-- The statements behind `zava doctor --data`, by name. They run as the owner of the schema, in one snapshot.
-- A check returns one row: `found`, how many there are, and `examples`, three at most and the newest first.
-- A sale is an order that counts (sold_on is not null) and no return.

-- name: begin_data_checks
-- Every check sees the same rows, and none can write.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: limit_data_lock
-- Milliseconds: somebody may be changing a table.
SET LOCAL lock_timeout = {milliseconds}

-- name: lock_data
-- Taken before the snapshot, so that no TRUNCATE comes between the snapshot and what is read.
LOCK TABLE retail.chain, retail.stores, retail.categories, retail.product_types, retail.products, retail.customers,
    retail.orders, retail.order_items, retail.inventory IN ACCESS SHARE MODE

-- name: limit_data_check
-- Milliseconds that one check may take.
SET LOCAL statement_timeout = {milliseconds}

-- name: widen_data_memory
-- The checks join and group whole tables.
SET LOCAL work_mem = '64MB'

-- name: end_data_checks
-- Nothing was written.
COMMIT

-- name: data_order_totals
-- Orders that differ from the sum of their lines by more than a cent.
WITH found AS (
    SELECT o.order_id, o.source_id, o.business_day, o.total_amount, l.total_amount AS lines
    FROM (SELECT order_id, sum(total_amount) AS total_amount FROM retail.order_items GROUP BY order_id) AS l
    JOIN retail.orders AS o ON o.order_id = l.order_id
    WHERE abs(o.total_amount - l.total_amount) > 0.01
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT coalesce(source_id, order_id::text) || ' (total ' || total_amount || ', lines ' || lines || ')'
             FROM found ORDER BY business_day DESC, order_id LIMIT 3) AS examples

-- name: data_orders_without_lines
-- Orders of which nobody knows what was bought.
WITH found AS (
    SELECT o.order_id, o.source_id, o.business_day
    FROM retail.orders AS o
    WHERE NOT EXISTS (SELECT FROM retail.order_items AS i WHERE i.order_id = o.order_id)
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT coalesce(source_id, order_id::text)
             FROM found ORDER BY business_day DESC, order_id LIMIT 3) AS examples

-- name: data_future_orders
-- Orders of a business day that has not begun in their store.
WITH stores AS MATERIALIZED (
    SELECT store_id, retail.current_business_day(store_id) AS today FROM retail.stores
), found AS (
    SELECT o.order_id, o.source_id, o.business_day
    FROM stores AS s
    JOIN retail.orders AS o ON o.store_id = s.store_id AND o.business_day > s.today
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT coalesce(source_id, order_id::text) || ' (' || business_day || ')'
             FROM found ORDER BY business_day DESC, order_id LIMIT 3) AS examples

-- name: data_sales_before_opening
-- Sales before the first day of business of their store.
WITH found AS (
    SELECT o.order_id, o.source_id, o.business_day, s.name, s.opened_on
    FROM retail.stores AS s
    JOIN retail.orders AS o ON o.store_id = s.store_id AND o.business_day < s.opened_on
    WHERE o.sold_on IS NOT NULL AND NOT o.is_return
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT coalesce(source_id, order_id::text) || ' (' || business_day || ', ' || name || ' opened ' || opened_on || ')'
             FROM found ORDER BY business_day DESC, order_id LIMIT 3) AS examples

-- name: data_sales_after_closing
-- Sales after the last day of business of their store.
WITH found AS (
    SELECT o.order_id, o.source_id, o.business_day, s.name, s.closed_on
    FROM retail.stores AS s
    JOIN retail.orders AS o ON o.store_id = s.store_id AND o.business_day > s.closed_on
    WHERE o.sold_on IS NOT NULL AND NOT o.is_return
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT coalesce(source_id, order_id::text) || ' (' || business_day || ', ' || name || ' closed ' || closed_on || ')'
             FROM found ORDER BY business_day DESC, order_id LIMIT 3) AS examples

-- name: data_days_without_sales
-- Gaps between the first and the last day with sales of a store, as far as it was open. Future sales do not count.
WITH stores AS MATERIALIZED (
    SELECT store_id, name, coalesce(opened_on, '-infinity') AS first_day,
           least(closed_on, retail.current_business_day(store_id)) AS last_day
    FROM retail.stores
), days AS (
    SELECT s.store_id, s.name, o.business_day AS day
    FROM stores AS s
    JOIN retail.orders AS o ON o.store_id = s.store_id AND o.business_day BETWEEN s.first_day AND s.last_day
    WHERE o.sold_on IS NOT NULL AND NOT o.is_return
    GROUP BY s.store_id, s.name, o.business_day
), gaps AS (
    SELECT name, day + 1 AS first_day, lead(day) OVER (PARTITION BY store_id ORDER BY day) - day - 1 AS days FROM days
), found AS (
    SELECT name, sum(days) AS days, min(first_day) AS first_day FROM gaps WHERE days > 0 GROUP BY name
)
SELECT (SELECT coalesce(sum(days), 0)::bigint FROM found) AS found,
       ARRAY(SELECT name || ' (' || days || ', the first ' || first_day || ')'
             FROM found ORDER BY days DESC, name LIMIT 3) AS examples,
       (SELECT jsonb_object_agg(name, days) FROM found) AS per_store

-- name: data_silent_stores
-- Stores without a sale in the last week of the chain, although they were open.
WITH stores AS MATERIALIZED (
    SELECT s.name, s.opened_on, s.closed_on,
           (SELECT o.business_day
            FROM retail.orders AS o
            WHERE o.store_id = s.store_id AND o.business_day <= t.today AND o.sold_on IS NOT NULL AND NOT o.is_return
            ORDER BY o.business_day DESC LIMIT 1) AS last_day
    FROM retail.stores AS s
    CROSS JOIN LATERAL (SELECT retail.current_business_day(s.store_id) AS today OFFSET 0) AS t
), chain AS (
    SELECT max(last_day) AS last_day FROM stores
), found AS (
    SELECT s.name, s.last_day
    FROM stores AS s
    CROSS JOIN chain AS c
    WHERE least(s.closed_on, c.last_day) - s.last_day > 7
        OR (s.last_day IS NULL AND coalesce(s.opened_on <= c.last_day, true)
            AND coalesce(s.closed_on >= c.last_day - 7, true))
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT name || coalesce(' (last sale ' || last_day || ')', ' (no sale ever)')
             FROM found ORDER BY last_day NULLS FIRST, name LIMIT 3) AS examples

-- name: data_moved_days
-- Orders whose business day is another one than the time zone of the store and the start of the day make.
WITH found AS (
    SELECT o.order_id, o.source_id, o.business_day,
           retail.local_day(o.order_date, s.time_zone, c.day_starts_at) AS local_day
    FROM retail.orders AS o
    JOIN retail.stores AS s ON s.store_id = o.store_id
    CROSS JOIN retail.chain AS c
    WHERE o.business_day <> retail.local_day(o.order_date, s.time_zone, c.day_starts_at)
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT coalesce(source_id, order_id::text) || ' (' || business_day || ', by the clock ' || local_day || ')'
             FROM found ORDER BY business_day DESC, order_id LIMIT 3) AS examples

-- name: data_returns_without_purchase
-- Returns that do not name what they bring back.
WITH found AS (
    SELECT order_id, source_id, business_day
    FROM retail.orders
    WHERE total_amount < 0 AND returns_order_id IS NULL
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT coalesce(source_id, order_id::text)
             FROM found ORDER BY business_day DESC, order_id LIMIT 3) AS examples

-- name: data_returns_beyond_purchase
-- Purchases of which more was given back than was paid, by more than a cent. Cancelled returns do not count.
WITH found AS (
    SELECT p.order_id, p.source_id, p.business_day, p.total_amount, r.given_back
    FROM (
        SELECT returns_order_id, -sum(total_amount) AS given_back
        FROM retail.orders
        WHERE returns_order_id IS NOT NULL AND sold_on IS NOT NULL
        GROUP BY returns_order_id
    ) AS r
    JOIN retail.orders AS p ON p.order_id = r.returns_order_id
    WHERE r.given_back - p.total_amount > 0.01
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT coalesce(source_id, order_id::text) || ' (total ' || total_amount || ', given back ' || given_back || ')'
             FROM found ORDER BY business_day DESC, order_id LIMIT 3) AS examples

-- name: data_returns_before_purchase
-- Returns of a business day before that of the purchase.
WITH found AS (
    SELECT r.order_id, r.source_id, r.business_day, p.business_day AS bought_on
    FROM retail.orders AS r
    JOIN retail.orders AS p ON p.order_id = r.returns_order_id
    WHERE r.returns_order_id IS NOT NULL AND r.business_day < p.business_day
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT coalesce(source_id, order_id::text) || ' (' || business_day || ', bought ' || bought_on || ')'
             FROM found ORDER BY business_day DESC, order_id LIMIT 3) AS examples

-- name: data_products_without
-- Products of which one column is not known: empty, or blank.
WITH found AS (
    SELECT product_id, source_id, sku FROM retail.products WHERE coalesce(btrim({column}::text), '') = ''
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT coalesce(source_id, sku) FROM found ORDER BY sku LIMIT 3) AS examples

-- name: data_products_of_one_name
-- Products that share their name with another one.
WITH found AS (
    SELECT name, count(*) AS products, min(sku) AS sku FROM retail.products GROUP BY name HAVING count(*) > 1
)
SELECT (SELECT coalesce(sum(products), 0)::bigint FROM found) AS found,
       ARRAY(SELECT name || ' (' || products || ' products)'
             FROM found ORDER BY products DESC, name LIMIT 3) AS examples

-- name: data_customers_without_sale
-- Customers who have bought nothing. A key of the chain that is an e-mail address is not shown.
WITH found AS (
    SELECT c.customer_id, c.source_id
    FROM retail.customers AS c
    WHERE NOT EXISTS (
        SELECT FROM retail.orders AS o
        WHERE o.customer_id = c.customer_id AND o.sold_on IS NOT NULL AND NOT o.is_return)
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT CASE WHEN strpos(source_id, '@') = 0 THEN source_id ELSE customer_id::text END
             FROM found ORDER BY source_id, customer_id LIMIT 3) AS examples

-- name: data_customers_nobody_sees
-- Customers of no store: without a home store, and without an order that would show them to one.
WITH found AS (
    SELECT c.customer_id, c.source_id
    FROM retail.customers AS c
    WHERE c.store_id IS NULL AND NOT EXISTS (SELECT FROM retail.orders AS o WHERE o.customer_id = c.customer_id)
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT CASE WHEN strpos(source_id, '@') = 0 THEN source_id ELSE customer_id::text END
             FROM found ORDER BY source_id, customer_id LIMIT 3) AS examples

-- name: data_shared_emails
-- Customers who share an e-mail address with another one. No address is shown.
SELECT coalesce(sum(customers), 0)::bigint AS found, ARRAY[]::text[] AS examples
FROM (
    SELECT count(*) AS customers
    FROM retail.customers
    WHERE btrim(email) <> ''
    GROUP BY lower(btrim(email))
    HAVING count(*) > 1
) AS shared

-- name: data_source_id_keys
-- Tables without a valid unique index on source_id alone, which keeps each key of the chain to one row.
WITH found AS (
    SELECT t.name, (
        SELECT bool_or(i.indisvalid AND i.indisready AND i.indislive)
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = pg_catalog.to_regclass('retail.' || t.name) AND i.indisunique AND i.indnkeyatts = 1
            AND a.attname = 'source_id'
            AND coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), '(source_id IS NOT NULL)') = '(source_id IS NOT NULL)'
    ) AS is_valid
    FROM unnest(ARRAY['stores', 'categories', 'product_types', 'products', 'customers', 'orders', 'order_items']) AS t (name)
)
SELECT (SELECT count(*) FROM found WHERE is_valid IS NOT TRUE) AS found,
       ARRAY(SELECT name || CASE WHEN is_valid IS NULL THEN ' (no index)' ELSE ' (invalid index)' END
             FROM found WHERE is_valid IS NOT TRUE ORDER BY name LIMIT 3) AS examples

-- name: data_similar_source_ids
-- Keys of the chain in one table that are equal but for blanks, upper and lower case, and leading zeros. Quoted, so
-- that blanks show. The last digit of a key of zeros stays. E-mail addresses are not shown. translate() would take
-- three times as long.
WITH keys AS NOT MATERIALIZED (
    SELECT row_key, source_id, coalesce(nullif(ltrim(plain, '0'), ''), right(plain, 1)) AS plain
    FROM (
        SELECT {key}::text AS row_key, source_id, btrim(replace(lower(source_id), ' ', ''), E'\t\r\n\u00A0') AS plain
        FROM {table}
        WHERE source_id IS NOT NULL
    ) AS k
), found AS MATERIALIZED (
    SELECT plain, count(*) AS keys FROM keys GROUP BY plain HAVING count(*) > 1
), shown AS (
    SELECT plain, keys FROM found ORDER BY keys DESC, plain LIMIT 3
)
SELECT (SELECT coalesce(sum(keys), 0)::bigint FROM found) AS found,
       ARRAY(SELECT (SELECT string_agg(e.shown_key, ' = ' ORDER BY e.shown_key)
                     FROM unnest((array_agg(CASE WHEN strpos(k.source_id, '@') = 0 THEN quote_literal(k.source_id)
                                                 ELSE k.row_key END ORDER BY k.source_id))[1:3]) AS e (shown_key))
             FROM shown AS s JOIN keys AS k ON k.plain = s.plain
             GROUP BY s.plain, s.keys ORDER BY s.keys DESC, s.plain) AS examples

-- name: data_stores_without_stock
-- Open stores of which no stock is known.
WITH found AS (
    SELECT s.name, s.source_id
    FROM retail.stores AS s
    CROSS JOIN LATERAL (SELECT retail.current_business_day(s.store_id) AS today OFFSET 0) AS t
    WHERE coalesce(s.opened_on <= t.today, true) AND coalesce(s.closed_on >= t.today, true)
        AND NOT EXISTS (SELECT FROM retail.inventory AS v WHERE v.store_id = s.store_id)
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT name FROM found ORDER BY name LIMIT 3) AS examples

-- name: data_sold_without_stock
-- Products that an open store sold in the last 28 business days of the chain, without a row of stock in that store.
-- A store without any stock is found by itself.
WITH stores AS MATERIALIZED (
    SELECT s.store_id, s.name, coalesce(s.closed_on >= t.today, true) AS is_open,
           EXISTS (SELECT FROM retail.inventory AS v WHERE v.store_id = s.store_id) AS has_stock,
           (SELECT o.business_day
            FROM retail.orders AS o
            WHERE o.store_id = s.store_id AND o.business_day <= t.today AND o.sold_on IS NOT NULL AND NOT o.is_return
            ORDER BY o.business_day DESC LIMIT 1) AS last_day
    FROM retail.stores AS s
    CROSS JOIN LATERAL (SELECT retail.current_business_day(s.store_id) AS today OFFSET 0) AS t
), chain AS MATERIALIZED (
    SELECT max(last_day) AS last_day FROM stores
), sold AS (
    SELECT DISTINCT s.store_id, s.name, i.product_id
    FROM stores AS s
    CROSS JOIN chain AS c
    JOIN retail.orders AS o ON o.store_id = s.store_id AND o.business_day BETWEEN c.last_day - 27 AND c.last_day
    JOIN retail.order_items AS i ON i.order_id = o.order_id AND i.store_id = o.store_id
    WHERE s.is_open AND s.has_stock AND o.sold_on IS NOT NULL AND NOT o.is_return AND i.line_kind = 'sale'
), found AS (
    SELECT s.name, s.product_id
    FROM sold AS s
    WHERE NOT EXISTS (SELECT FROM retail.inventory AS v WHERE v.store_id = s.store_id AND v.product_id = s.product_id)
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT coalesce(p.source_id, p.sku) || ' (' || f.name || ')'
             FROM found AS f JOIN retail.products AS p ON p.product_id = f.product_id
             ORDER BY f.name, p.sku LIMIT 3) AS examples,
       (SELECT jsonb_object_agg(name, products) FROM (SELECT name, count(*) AS products FROM found GROUP BY name) AS f)
           AS per_store

-- name: data_negative_stock
-- Stock below zero.
WITH found AS (
    SELECT store_id, product_id, stock_level FROM retail.inventory WHERE stock_level < 0
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT coalesce(p.source_id, p.sku) || ' (' || s.name || ', ' || f.stock_level || ')'
             FROM found AS f
             JOIN retail.products AS p ON p.product_id = f.product_id
             JOIN retail.stores AS s ON s.store_id = f.store_id
             ORDER BY f.stock_level, s.name, p.sku LIMIT 3) AS examples

-- name: data_category_rings
-- Categories that stand above themselves. What no top category leads to is in a ring or below one.
WITH RECURSIVE tree (category_id) AS (
    SELECT category_id FROM retail.categories WHERE parent_category_id IS NULL
    UNION ALL
    SELECT c.category_id FROM tree AS t JOIN retail.categories AS c ON c.parent_category_id = t.category_id
), rest AS MATERIALIZED (
    SELECT c.category_id, c.parent_category_id, c.source_id, c.name
    FROM retail.categories AS c
    WHERE NOT EXISTS (SELECT FROM tree AS t WHERE t.category_id = c.category_id)
), above (category_id, ancestor_id) AS (
    SELECT category_id, parent_category_id FROM rest
    UNION  -- not ALL, so that a ring ends
    SELECT a.category_id, r.parent_category_id FROM above AS a JOIN rest AS r ON r.category_id = a.ancestor_id
), found AS (
    SELECT r.category_id, r.source_id, r.name
    FROM rest AS r
    JOIN above AS a ON a.category_id = r.category_id AND a.ancestor_id = r.category_id
)
SELECT (SELECT count(*) FROM found) AS found,
       ARRAY(SELECT coalesce(source_id, name) FROM found ORDER BY name, category_id LIMIT 3) AS examples
