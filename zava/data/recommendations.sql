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
    SELECT p.product_id, g.name FROM groups AS g JOIN retail.products AS p ON p.category_id = ANY (retail.categories_below(g.category_id))
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
       stock.units AS stock, coalesce(stock.by_store, '{}') AS stock_by_store
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

-- name: similar_left_out
-- Of the products nearest to one product, whatever their stock: how many there are, how many have a stock that is known
-- in no store of the caller's, and whether any stock is known there.
SELECT count(*) AS candidates,
       count(*) FILTER (WHERE NOT EXISTS (SELECT FROM retail.inventory AS i WHERE i.product_id = n.product_id)) AS unknown,
       EXISTS (SELECT FROM retail.inventory) AS is_any_known
FROM (
    SELECT n.product_id
    FROM retail.nearest_products(
             (SELECT e.description_embedding FROM retail.product_description_embeddings AS e WHERE e.product_id = %(product_id)s::uuid),
             %(max_rows)s + 1) AS n
    WHERE n.product_id <> %(product_id)s::uuid
    ORDER BY n.distance
    LIMIT %(max_rows)s
) AS n

-- name: bought_together
-- What is in the same orders as a product, more often than chance would have it, as of the
-- last refresh. Cancelled and returned orders, and returns, are in none of the tables that are read here.
WITH together AS MATERIALIZED (
    SELECT t.other_product_id AS product_id, sum(t.orders) AS support
    FROM retail.product_pairs AS t
    WHERE t.product_id = %(product_id)s::uuid
    GROUP BY t.other_product_id
), sizes AS MATERIALIZED (
    -- A product's pair with itself counts the orders that hold it.
    SELECT coalesce((SELECT t.support FROM together AS t WHERE t.product_id = %(product_id)s::uuid), 0) AS baskets,
           (SELECT coalesce(sum(s.orders), 0) FROM retail.segment_products AS s WHERE s.segment = 'all' AND s.product_id IS NULL) AS orders,
           (SELECT r.refreshed_at FROM retail.refreshes AS r WHERE r.what = 'recommendations') AS as_of
), candidates AS MATERIALIZED (
    SELECT t.product_id, t.support
    FROM together AS t
    WHERE t.product_id <> %(product_id)s::uuid AND t.support >= %(min_support)s
    ORDER BY t.support DESC, t.product_id
    LIMIT %(candidates)s
)
SELECT b.sku, b.name, b.price, b.support, b.confidence, b.lift, b.stock,
       z.baskets AS orders_with_product, z.orders, z.as_of
FROM sizes AS z
-- Without companions one row still says how many orders were looked at.
LEFT JOIN LATERAL (
    SELECT p.sku, p.name, p.base_price AS price, t.support,
           round(t.support::numeric / z.baskets, 4) AS confidence,
           round(t.support::numeric * z.orders / (z.baskets * sold.orders), 2) AS lift,
           stock.units AS stock
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
    WHERE i.product_id = ANY (%(product_ids)s::uuid[]) AND i.line_kind = 'sale' AND o.sold_on IS NOT NULL AND NOT o.is_return
), sizes AS MATERIALIZED (
    SELECT (SELECT count(*) FROM held) AS baskets,
           (SELECT coalesce(sum(d.orders), 0) FROM retail.daily_sales AS d) AS orders
), candidates AS MATERIALIZED (
    SELECT i.product_id, count(DISTINCT i.order_id) AS support
    FROM held AS h
    JOIN retail.order_items AS i ON i.order_id = h.order_id AND i.store_id = h.store_id
    WHERE i.product_id <> ALL (%(product_ids)s::uuid[]) AND i.line_kind = 'sale'
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
           stock.units AS stock
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
-- What the customers of a segment buy more often than all customers do, as of the last
-- refresh, from orders neither cancelled nor returned. For head office the segment is one of the
-- whole chain, for everybody else one of each store, added up. A product that is in an order counts
-- once, however many lines it has there.
WITH whole AS MATERIALIZED (
    SELECT s.product_id, s.orders FROM retail.chain_segments(%(segment)s) AS s
), scope AS MATERIALIZED (
    -- A database that has had no refresh since it got this table has no such row.
    SELECT EXISTS (SELECT FROM whole AS w WHERE w.product_id IS NULL) AS is_chain
), counted AS MATERIALIZED (
    SELECT w.product_id, w.orders::bigint AS support FROM whole AS w
    UNION ALL
    SELECT s.product_id, sum(s.orders)
    FROM retail.segment_products AS s
    WHERE s.segment = %(segment)s AND NOT (SELECT c.is_chain FROM scope AS c)
    GROUP BY s.product_id
), bought AS MATERIALIZED (
    SELECT c.product_id, c.support FROM counted AS c WHERE c.product_id IS NOT NULL
), held AS MATERIALIZED (
    -- How many orders hold a product, whoever's they are.
    SELECT a.product_id, a.orders::bigint AS orders
    FROM retail.chain_segments('all') AS a
    WHERE (SELECT c.is_chain FROM scope AS c)
    UNION ALL
    SELECT o.product_id, sum(o.orders)
    FROM retail.product_pairs AS o
    WHERE o.other_product_id = o.product_id AND NOT (SELECT c.is_chain FROM scope AS c)
    GROUP BY o.product_id
), sizes AS MATERIALIZED (
    SELECT (SELECT sum(h.orders) FROM held AS h) AS lines,
           (SELECT sum(s.support) FROM bought AS s) AS support,
           coalesce((SELECT c.support FROM counted AS c WHERE c.product_id IS NULL), 0) AS members,
           (SELECT c.is_chain FROM scope AS c) AS is_chain,
           (SELECT r.refreshed_at FROM retail.refreshes AS r WHERE r.what = 'recommendations') AS as_of
)
SELECT b.sku, b.name, b.price, b.support, b.confidence, b.lift, b.stock, z.members AS customers, z.is_chain, z.as_of
FROM sizes AS z
LEFT JOIN LATERAL (
    SELECT p.sku, p.name, p.base_price AS price, s.support,
           round(s.support / z.support, 4) AS confidence,
           round(s.support * z.lines / (z.support * sold.orders), 2) AS lift,
           stock.units AS stock
    FROM bought AS s
    JOIN retail.products AS p ON p.product_id = s.product_id
    JOIN held AS sold ON sold.product_id = s.product_id
    LEFT JOIN LATERAL (
        SELECT sum(i.stock_level) AS units FROM retail.inventory AS i WHERE i.product_id = s.product_id
    ) AS stock ON true
    WHERE s.support >= %(min_support)s AND s.support * z.lines > z.support * sold.orders
    ORDER BY lift DESC, s.support DESC, p.sku
    LIMIT %(max_rows)s
) AS b ON true
ORDER BY b.lift DESC, b.support DESC, b.sku
