-- The statements of `zava import --replace-days`.

-- name: import_replaced_days
-- The days of stores to be replaced: those of which the files have an order.
CREATE TEMP TABLE zava_replaced_days ON COMMIT DROP AS
SELECT DISTINCT o.store_id, o.business_day
FROM retail.orders AS o
WHERE o.order_id IN (SELECT order_id FROM pg_temp.zava_orders) AND o.business_day BETWEEN %(first)s AND %(last)s

-- name: import_replaced_span
-- All days, in the stores of which the files have an order.
CREATE TEMP TABLE zava_replaced_days ON COMMIT DROP AS
SELECT k.store_id, d.day::date AS business_day
FROM (SELECT DISTINCT store_id FROM pg_temp.zava_orders) AS k
CROSS JOIN generate_series(%(first)s::timestamp, %(last)s::timestamp, interval '1 day') AS d (day)

-- name: import_going_orders
-- Orders of those days that no file names. A refused order is named, and stays as it is.
CREATE TEMP TABLE zava_going ON COMMIT DROP AS
SELECT o.order_id, o.source_id
FROM retail.orders AS o JOIN pg_temp.zava_replaced_days AS d USING (store_id, business_day)
WHERE NOT EXISTS (SELECT FROM pg_temp.zava_orders AS k WHERE k.order_id = o.order_id)
    AND (o.source_id IS NULL OR o.source_id <> ALL (%(refused)s::text[]))

-- name: import_replaced_counts
-- What there is, and what is left alone.
SELECT (SELECT count(*) FROM pg_temp.zava_replaced_days) AS days,
       (SELECT count(*) FROM retail.order_items AS i WHERE i.order_id IN (SELECT order_id FROM pg_temp.zava_going)) AS deleted_lines,
       (SELECT count(*) FROM retail.orders AS o
        WHERE o.store_id IN (SELECT store_id FROM pg_temp.zava_orders) AND o.business_day BETWEEN %(first)s AND %(last)s
            AND NOT EXISTS (SELECT FROM pg_temp.zava_replaced_days AS d WHERE d.store_id = o.store_id AND d.business_day = o.business_day)
       ) AS kept_orders,
       (SELECT count(*) FROM retail.orders AS o
        WHERE o.order_id IN (SELECT order_id FROM pg_temp.zava_orders) AND o.business_day NOT BETWEEN %(first)s AND %(last)s
       ) AS other_orders

-- name: import_replaced_returns
-- A return that stays and brings back an order that goes.
SELECT g.source_id AS going, r.source_id AS staying
FROM pg_temp.zava_going AS g JOIN retail.orders AS r ON r.returns_order_id = g.order_id
WHERE NOT EXISTS (SELECT FROM pg_temp.zava_going AS k WHERE k.order_id = r.order_id)
LIMIT 1

-- name: import_replace_lines
-- Lines, of orders of those days, that no file names.
DELETE FROM retail.order_items AS i
USING retail.orders AS o JOIN pg_temp.zava_replaced_days AS d USING (store_id, business_day)
WHERE o.order_id = i.order_id AND o.order_id IN (SELECT order_id FROM pg_temp.zava_orders)
    AND NOT EXISTS (SELECT FROM pg_temp.zava_order_items AS k WHERE k.order_item_id = i.order_item_id)

-- name: import_replace_orders
-- Their lines go with them.
DELETE FROM retail.orders AS o WHERE o.order_id IN (SELECT order_id FROM pg_temp.zava_going)

-- name: import_defer
-- A day that is loaded again deletes orders that returns of the same day name.
SET CONSTRAINTS ALL DEFERRED
