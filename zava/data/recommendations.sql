-- The statements behind similar products and recommendations, by name. They run as
-- the caller: orders, customers and stock are those of the caller's stores.

-- name: resolve_product
-- The product of that SKU or name, else those whose name holds the text; two are too many.
SELECT p.product_id, p.sku, p.name, p.base_price AS price, e.embedding_model
FROM retail.products AS p
LEFT JOIN retail.product_description_embeddings AS e ON e.product_id = p.product_id
WHERE lower(p.sku) = lower(%(product)s) OR lower(p.name) = lower(%(product)s)
    OR strpos(lower(p.name), lower(%(product)s)) > 0
ORDER BY lower(p.sku) = lower(%(product)s) DESC, lower(p.name) = lower(%(product)s) DESC, p.name
LIMIT 6

-- name: similar_products
-- The products whose vectors are nearest to one product's.
SELECT p.sku, p.name, p.base_price AS price, round((1 - n.distance)::numeric, 4) AS similarity,
       coalesce(stock.units, 0) AS stock, coalesce(stock.by_store, '{}') AS stock_by_store
FROM retail.nearest_products(
         (SELECT e.description_embedding FROM retail.product_description_embeddings AS e WHERE e.product_id = %(product_id)s::uuid),
         %(max_rows)s + 1, in_stock_only => %(in_stock_only)s) AS n
JOIN retail.products AS p ON p.product_id = n.product_id
LEFT JOIN LATERAL (
    SELECT sum(i.stock_level) AS units, jsonb_object_agg(s.name, i.stock_level ORDER BY s.name) AS by_store
    FROM retail.inventory AS i
    JOIN retail.stores AS s ON s.store_id = i.store_id
    WHERE i.product_id = p.product_id
) AS stock ON true
WHERE p.product_id <> %(product_id)s::uuid
ORDER BY n.distance, p.sku
LIMIT %(max_rows)s

-- name: bought_together
-- What is in the same orders as a product, more often than chance would have it.
WITH baskets AS MATERIALIZED (
    SELECT DISTINCT i.order_id, i.store_id
    FROM retail.order_items AS i
    WHERE i.product_id = %(product_id)s::uuid
), together AS MATERIALIZED (
    SELECT i.product_id, count(DISTINCT i.order_id) AS support
    FROM baskets AS b
    JOIN retail.order_items AS i ON i.order_id = b.order_id AND i.store_id = b.store_id
    WHERE i.product_id <> %(product_id)s::uuid
    GROUP BY i.product_id
    HAVING count(DISTINCT i.order_id) >= %(min_support)s
    ORDER BY support DESC, i.product_id
    LIMIT %(candidates)s
), sizes AS (
    SELECT (SELECT count(*) FROM baskets) AS baskets, (SELECT count(*) FROM retail.orders) AS orders
)
SELECT b.sku, b.name, b.price, b.support, b.confidence, b.lift, b.stock,
       z.baskets AS orders_with_product, z.orders
FROM sizes AS z
-- Without companions one row still says how many orders were looked at.
LEFT JOIN LATERAL (
    SELECT p.sku, p.name, p.base_price AS price, t.support,
           round(t.support::numeric / z.baskets, 4) AS confidence,
           round(t.support::numeric * z.orders / (z.baskets::numeric * sold.lines), 2) AS lift,
           coalesce(stock.units, 0) AS stock
    FROM together AS t
    JOIN retail.products AS p ON p.product_id = t.product_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS lines FROM retail.order_items AS i WHERE i.product_id = t.product_id
    ) AS sold
    LEFT JOIN LATERAL (
        SELECT sum(i.stock_level) AS units FROM retail.inventory AS i WHERE i.product_id = t.product_id
    ) AS stock ON true
    WHERE t.support::numeric * z.orders > z.baskets::numeric * sold.lines
    ORDER BY lift DESC, t.support DESC, p.sku
    LIMIT %(max_rows)s
) AS b ON true
ORDER BY b.lift DESC, b.support DESC, b.sku

-- name: segment_products
-- What the customers of a segment buy more often than all customers do. A segment
-- is counted in the caller's stores, from orders neither cancelled nor returned.
WITH counted AS MATERIALIZED (
    SELECT o.order_id, o.store_id, o.customer_id, o.order_date, o.total_amount
    FROM retail.orders AS o
    WHERE o.status NOT IN ('cancelled', 'returned')
), latest AS MATERIALIZED (
    SELECT max(c.order_date) AS at FROM counted AS c
), buyers AS MATERIALIZED (
    SELECT c.customer_id, count(*) AS orders, sum(c.total_amount) AS spent,
           min(c.order_date) AS first_at, max(c.order_date) AS last_at
    FROM counted AS c
    GROUP BY c.customer_id
), members AS MATERIALIZED (
    SELECT b.customer_id
    FROM buyers AS b CROSS JOIN latest AS l
    WHERE CASE %(segment)s
              WHEN 'new' THEN b.first_at > l.at - interval '90 days'
              WHEN 'frequent' THEN b.orders >= 8
              WHEN 'big_spender' THEN b.spent >= (SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY s.spent) FROM buyers AS s)
              WHEN 'lapsed' THEN b.last_at <= l.at - interval '365 days'
          END
), sold AS MATERIALIZED (
    SELECT i.product_id, count(*) AS lines, count(m.customer_id) AS support
    FROM counted AS c
    JOIN retail.order_items AS i ON i.order_id = c.order_id AND i.store_id = c.store_id
    LEFT JOIN members AS m ON m.customer_id = c.customer_id
    GROUP BY i.product_id
), sizes AS (
    SELECT sum(s.lines) AS lines, sum(s.support) AS support, (SELECT count(*) FROM members) AS members FROM sold AS s
)
SELECT b.sku, b.name, b.price, b.support, b.confidence, b.lift, b.stock, z.members AS customers
FROM sizes AS z
LEFT JOIN LATERAL (
    SELECT p.sku, p.name, p.base_price AS price, s.support,
           round(s.support / z.support, 4) AS confidence,
           round(s.support * z.lines / (z.support * s.lines), 2) AS lift,
           coalesce(stock.units, 0) AS stock
    FROM sold AS s
    JOIN retail.products AS p ON p.product_id = s.product_id
    LEFT JOIN LATERAL (
        SELECT sum(i.stock_level) AS units FROM retail.inventory AS i WHERE i.product_id = s.product_id
    ) AS stock ON true
    WHERE s.support >= %(min_support)s AND s.support * z.lines > z.support * s.lines
    ORDER BY lift DESC, s.support DESC, p.sku
    LIMIT %(max_rows)s
) AS b ON true
ORDER BY b.lift DESC, b.support DESC, b.sku
