-- The statements behind similar products and recommendations, by name. They run as
-- the caller: orders, customers and stock are those of the caller's stores.

-- name: resolve_product
-- The product of that SKU, else those of that name, else those whose name holds the text.
SELECT p.product_id, p.sku, p.name, p.base_price AS price, e.embedding_model,
       CASE WHEN lower(p.sku) = lower(%(product)s) THEN 'sku' WHEN lower(p.name) = lower(%(product)s) THEN 'name' ELSE 'part' END AS matched
FROM retail.products AS p
LEFT JOIN retail.product_description_embeddings AS e ON e.product_id = p.product_id
WHERE lower(p.sku) = lower(%(product)s) OR lower(p.name) = lower(%(product)s)
    OR strpos(lower(p.name), lower(%(product)s)) > 0
ORDER BY lower(p.sku) = lower(%(product)s) DESC, lower(p.name) = lower(%(product)s) DESC, p.name, p.sku
LIMIT %(max_rows)s

-- name: resolve_kind
-- The products of the type of that name, else of the category, else those whose name or
-- type has every word of the text; words in any form.
WITH asked AS MATERIALIZED (
    SELECT strip(to_tsvector('english', %(kind)s)) AS words, plainto_tsquery('english', %(kind)s) AS query
), types AS MATERIALIZED (
    SELECT t.type_id, t.name FROM retail.product_types AS t, asked AS a
    WHERE a.words <> '' AND strip(to_tsvector('english', t.name)) = a.words
), groups AS MATERIALIZED (
    SELECT c.category_id, c.name FROM retail.categories AS c, asked AS a
    WHERE a.words <> '' AND strip(to_tsvector('english', c.name)) = a.words AND NOT EXISTS (SELECT FROM types AS t)
)
SELECT p.product_id, p.sku, p.name, p.base_price AS price, f.kind
FROM (
    SELECT p.product_id, t.name AS kind FROM types AS t JOIN retail.products AS p ON p.type_id = t.type_id
    UNION ALL
    SELECT p.product_id, g.name FROM groups AS g JOIN retail.products AS p ON p.category_id = g.category_id
    UNION ALL
    SELECT w.product_id, %(kind)s FROM retail.product_search_words AS w
    WHERE w.words @@ (SELECT a.query FROM asked AS a)
        AND ts_filter(w.words, '{a,b}') @@ (SELECT a.query FROM asked AS a)
        AND NOT EXISTS (SELECT FROM types AS t) AND NOT EXISTS (SELECT FROM groups AS g)
) AS f
JOIN retail.products AS p ON p.product_id = f.product_id
ORDER BY p.name, p.sku
LIMIT %(max_rows)s

-- name: resolve_skus
-- The products of these SKUs.
SELECT p.product_id, p.sku, p.name, p.base_price AS price
FROM retail.products AS p
WHERE lower(p.sku) = ANY (%(skus)s)
ORDER BY p.name, p.sku

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
-- Cancelled and returned orders are in none of the tables that are read here.
WITH together AS MATERIALIZED (
    SELECT t.other_product_id AS product_id, sum(t.orders) AS support
    FROM retail.product_pairs AS t
    WHERE t.product_id = %(product_id)s::uuid
    GROUP BY t.other_product_id
), sizes AS MATERIALIZED (
    -- A product's pair with itself counts the orders that hold it.
    SELECT coalesce((SELECT t.support FROM together AS t WHERE t.product_id = %(product_id)s::uuid), 0) AS baskets,
           (SELECT coalesce(sum(d.orders), 0) FROM retail.daily_sales AS d) AS orders
), candidates AS MATERIALIZED (
    SELECT t.product_id, t.support
    FROM together AS t
    WHERE t.product_id <> %(product_id)s::uuid AND t.support >= %(min_support)s
    ORDER BY t.support DESC, t.product_id
    LIMIT %(candidates)s
)
SELECT b.sku, b.name, b.price, b.support, b.confidence, b.lift, b.stock,
       z.baskets AS orders_with_product, z.orders
FROM sizes AS z
-- Without companions one row still says how many orders were looked at.
LEFT JOIN LATERAL (
    SELECT p.sku, p.name, p.base_price AS price, t.support,
           round(t.support::numeric / z.baskets, 4) AS confidence,
           round(t.support::numeric * z.orders / (z.baskets * sold.orders), 2) AS lift,
           coalesce(stock.units, 0) AS stock
    FROM candidates AS t
    JOIN retail.products AS p ON p.product_id = t.product_id
    CROSS JOIN LATERAL (
        SELECT sum(o.orders) AS orders FROM retail.product_pairs AS o
        WHERE o.product_id = t.product_id AND o.other_product_id = o.product_id
    ) AS sold
    LEFT JOIN LATERAL (
        SELECT sum(i.stock_level) AS units FROM retail.inventory AS i WHERE i.product_id = t.product_id
    ) AS stock ON true
    WHERE t.support * z.orders > z.baskets * sold.orders
    ORDER BY lift DESC, t.support DESC, p.sku
    LIMIT %(max_rows)s
) AS b ON true
ORDER BY b.lift DESC, b.support DESC, b.sku

-- name: bought_with_any
-- The same with any of several products, counted from the orders themselves: how many hold
-- one of them does not follow from the pairs.
WITH held AS MATERIALIZED (
    SELECT DISTINCT i.order_id, i.store_id
    FROM retail.order_items AS i
    JOIN retail.orders AS o ON o.order_id = i.order_id AND o.store_id = i.store_id
    WHERE i.product_id = ANY (%(product_ids)s::uuid[]) AND o.status NOT IN ('cancelled', 'returned')
), sizes AS MATERIALIZED (
    SELECT (SELECT count(*) FROM held) AS baskets,
           (SELECT coalesce(sum(d.orders), 0) FROM retail.daily_sales AS d) AS orders
), candidates AS MATERIALIZED (
    SELECT i.product_id, count(DISTINCT i.order_id) AS support
    FROM held AS h
    JOIN retail.order_items AS i ON i.order_id = h.order_id AND i.store_id = h.store_id
    WHERE i.product_id <> ALL (%(product_ids)s::uuid[])
    GROUP BY i.product_id
    HAVING count(DISTINCT i.order_id) >= %(min_support)s
    ORDER BY support DESC, i.product_id
    LIMIT %(candidates)s
)
SELECT b.sku, b.name, b.price, b.support, b.confidence, b.lift, b.stock,
       z.baskets AS orders_with_product, z.orders
FROM sizes AS z
-- Without companions one row still says how many orders were looked at.
LEFT JOIN LATERAL (
    SELECT p.sku, p.name, p.base_price AS price, t.support,
           round(t.support::numeric / z.baskets, 4) AS confidence,
           round(t.support::numeric * z.orders / (z.baskets * sold.orders), 2) AS lift,
           coalesce(stock.units, 0) AS stock
    FROM candidates AS t
    JOIN retail.products AS p ON p.product_id = t.product_id
    CROSS JOIN LATERAL (
        SELECT sum(o.orders) AS orders FROM retail.product_pairs AS o
        WHERE o.product_id = t.product_id AND o.other_product_id = o.product_id
    ) AS sold
    LEFT JOIN LATERAL (
        SELECT sum(i.stock_level) AS units FROM retail.inventory AS i WHERE i.product_id = t.product_id
    ) AS stock ON true
    WHERE t.support * z.orders > z.baskets * sold.orders
    ORDER BY lift DESC, t.support DESC, p.sku
    LIMIT %(max_rows)s
) AS b ON true
ORDER BY b.lift DESC, b.support DESC, b.sku

-- name: segment_products
-- What the customers of a segment buy more often than all customers do. A segment
-- is counted in the caller's stores, from orders neither cancelled nor returned. A
-- product that is in an order counts once, however many lines it has there.
WITH latest AS MATERIALIZED (
    SELECT max(d.day) AS day FROM retail.daily_sales AS d WHERE d.orders > 0
), buyers AS NOT MATERIALIZED (
    SELECT c.customer_id, c.spent, c.days, c.orders, c.baskets FROM retail.customer_purchases AS c WHERE c.orders > 0
), threshold AS MATERIALIZED (
    -- The spending at the 90th percentile. Read only where it is asked for.
    SELECT b.spent
    FROM buyers AS b
    WHERE %(segment)s = 'big_spender'
    ORDER BY b.spent DESC
    OFFSET (SELECT count(*) / 10 FROM buyers AS n) LIMIT 1
), members AS NOT MATERIALIZED (
    SELECT b.baskets
    FROM buyers AS b
    WHERE CASE %(segment)s
              WHEN 'new' THEN b.days[1] > (SELECT l.day FROM latest AS l) - 90
              WHEN 'frequent' THEN b.orders >= 8
              WHEN 'big_spender' THEN b.spent >= (SELECT t.spent FROM threshold AS t)
              WHEN 'lapsed' THEN b.days[cardinality(b.days)] <= (SELECT l.day FROM latest AS l) - 365
          END
), bought AS MATERIALIZED (
    SELECT l.product_id, count(*) AS support
    FROM (SELECT unnest(m.baskets) AS product_id FROM members AS m) AS l
    WHERE l.product_id IS NOT NULL
    GROUP BY l.product_id
), sizes AS MATERIALIZED (
    SELECT (SELECT sum(o.orders) FROM retail.product_pairs AS o WHERE o.other_product_id = o.product_id) AS lines,
           (SELECT sum(s.support) FROM bought AS s) AS support,
           (SELECT count(*) FROM members AS m) AS members
)
SELECT b.sku, b.name, b.price, b.support, b.confidence, b.lift, b.stock, z.members AS customers
FROM sizes AS z
LEFT JOIN LATERAL (
    SELECT p.sku, p.name, p.base_price AS price, s.support,
           round(s.support / z.support, 4) AS confidence,
           round(s.support * z.lines / (z.support * sold.orders), 2) AS lift,
           coalesce(stock.units, 0) AS stock
    FROM bought AS s
    JOIN retail.products AS p ON p.product_id = s.product_id
    CROSS JOIN LATERAL (
        SELECT sum(o.orders) AS orders FROM retail.product_pairs AS o
        WHERE o.product_id = s.product_id AND o.other_product_id = o.product_id
    ) AS sold
    LEFT JOIN LATERAL (
        SELECT sum(i.stock_level) AS units FROM retail.inventory AS i WHERE i.product_id = s.product_id
    ) AS stock ON true
    WHERE s.support >= %(min_support)s AND s.support * z.lines > z.support * sold.orders
    ORDER BY lift DESC, s.support DESC, p.sku
    LIMIT %(max_rows)s
) AS b ON true
ORDER BY b.lift DESC, b.support DESC, b.sku
