-- The statements behind similar products and recommendations, by name. They run as
-- the caller: orders, customers and stock are those of the caller's stores.

-- name: resolve_product
-- The product of that SKU, else those of that name, else those whose name holds the text; first what is in most
-- orders of the caller's stores.
WITH matching AS MATERIALIZED (
    SELECT p.product_id, p.sku, p.name, p.base_price AS price,
           CASE WHEN lower(p.sku) = lower(%(product)s) THEN 'sku' WHEN lower(p.name) = lower(%(product)s) THEN 'name' ELSE 'part' END AS matched
    FROM retail.products AS p
    WHERE lower(p.sku) = lower(%(product)s) OR lower(p.name) = lower(%(product)s)
        OR strpos(lower(p.name), lower(%(product)s)) > 0
), best AS MATERIALIZED (
    SELECT m.* FROM matching AS m
    WHERE m.matched = (SELECT k.matched FROM matching AS k ORDER BY k.matched = 'sku' DESC, k.matched = 'name' DESC LIMIT 1)
)
SELECT m.product_id, m.sku, m.name, m.price, e.embedding_model, m.matched, m.orders
FROM (
    SELECT b.*, coalesce(c.orders, (
               SELECT sum(s.orders) FROM retail.segment_products AS s
               WHERE s.segment = 'all' AND s.product_id = b.product_id AND NOT (SELECT retail.sees_whole_chain())), 0) AS orders
    FROM best AS b
    LEFT JOIN retail.chain_orders((SELECT array_agg(b.product_id) FROM best AS b), NULL) AS c ON c.product_id = b.product_id
    ORDER BY orders DESC, b.name, b.sku
    LIMIT %(max_rows)s
) AS m
LEFT JOIN retail.product_description_embeddings AS e ON e.product_id = m.product_id
ORDER BY m.orders DESC, m.name, m.sku

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
SELECT p.sku, p.name, CASE WHEN length(p.description) > 200 THEN left(p.description, 199) || '…' ELSE p.description END AS description,
       p.base_price AS price, round((1 - n.distance)::numeric, 4) AS similarity,
       stock.units AS stock, coalesce(stock.by_store, '{}') AS stock_by_store
FROM retail.nearest_products(
         (SELECT e.description_embedding FROM retail.product_description_embeddings AS e WHERE e.product_id = %(product_id)s::uuid),
         %(max_rows)s + 1, category => %(category_id)s::uuid, max_price => %(max_price)s::numeric,
         in_stock_only => %(in_stock_only)s) AS n
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
             %(max_rows)s + 1, category => %(category_id)s::uuid, max_price => %(max_price)s::numeric) AS n
    WHERE n.product_id <> %(product_id)s::uuid
    ORDER BY n.distance
    LIMIT %(max_rows)s
) AS n

-- name: bought_together
-- What is in the same orders as a product, more often than chance would have it, as of the last refresh. Cancelled and
-- returned orders, and returns, are in none of the tables that are read here. Head office reads the pairs of all stores,
-- everybody else adds up those of their stores.
WITH scope AS MATERIALIZED (
    SELECT retail.sees_whole_chain() AS is_chain
), own AS MATERIALIZED (
    -- The orders that hold the product, and all orders, in the row without a product.
    SELECT a.product_id, a.orders::bigint AS orders FROM retail.chain_segments('all', ARRAY[%(product_id)s::uuid]) AS a
    UNION ALL
    SELECT a.product_id, sum(a.orders)
    FROM retail.segment_products AS a
    WHERE a.segment = 'all' AND (a.product_id = %(product_id)s::uuid OR a.product_id IS NULL) AND NOT (SELECT c.is_chain FROM scope AS c)
    GROUP BY a.product_id
), sizes AS MATERIALIZED (
    SELECT coalesce((SELECT o.orders FROM own AS o WHERE o.product_id = %(product_id)s::uuid), 0) AS baskets,
           coalesce((SELECT o.orders FROM own AS o WHERE o.product_id IS NULL), 0) AS orders,
           (SELECT c.is_chain FROM scope AS c) AS is_chain,
           (SELECT r.refreshed_at FROM retail.refreshes AS r WHERE r.what = 'recommendations') AS as_of
), together AS MATERIALIZED (
    SELECT c.other_product_id AS product_id, c.orders::bigint AS orders, c.customers::bigint AS customers, c.other_orders::bigint AS other_orders
    FROM retail.chain_pairs(%(product_id)s::uuid) AS c
    UNION ALL
    SELECT t.product_id, t.orders, t.customers, (
               SELECT sum(a.orders) FROM retail.segment_products AS a WHERE a.segment = 'all' AND a.product_id = t.product_id)
    FROM (
        SELECT p.other_product_id AS product_id, sum(p.orders) AS orders, sum(p.customers) AS customers
        FROM retail.product_pairs AS p
        WHERE p.product_id = %(product_id)s::uuid AND NOT (SELECT c.is_chain FROM scope AS c)
        GROUP BY p.other_product_id
        ORDER BY orders DESC, p.other_product_id
        LIMIT %(candidates)s
    ) AS t
)

-- name: bought_with_any
-- The same with any of several products, counted from the orders themselves: how many hold
-- one of them does not follow from the pairs. How often the others sell is as of the last refresh.
WITH scope AS MATERIALIZED (
    SELECT retail.sees_whole_chain() AS is_chain
), held AS MATERIALIZED (
    SELECT DISTINCT i.order_id, i.store_id, o.customer_id
    FROM retail.order_items AS i
    JOIN retail.orders AS o ON o.order_id = i.order_id AND o.store_id = i.store_id
    WHERE i.product_id = ANY (%(product_ids)s::uuid[]) AND i.line_kind = 'sale' AND o.sold_on IS NOT NULL AND NOT o.is_return
), candidates AS MATERIALIZED (
    SELECT i.product_id, count(DISTINCT i.order_id) AS orders, count(DISTINCT coalesce(h.customer_id, h.order_id)) AS customers
    FROM held AS h
    JOIN retail.order_items AS i ON i.order_id = h.order_id AND i.store_id = h.store_id
    WHERE i.product_id <> ALL (%(product_ids)s::uuid[]) AND i.line_kind = 'sale'
    GROUP BY i.product_id
    HAVING count(DISTINCT i.order_id) >= %(min_orders)s
    ORDER BY orders DESC, i.product_id
    LIMIT %(candidates)s
), own AS MATERIALIZED (
    SELECT a.product_id, a.orders::bigint AS orders
    FROM retail.chain_segments('all', ARRAY(SELECT c.product_id FROM candidates AS c)) AS a
    UNION ALL
    SELECT a.product_id, sum(a.orders)
    FROM retail.segment_products AS a
    WHERE a.segment = 'all' AND (a.product_id IN (SELECT c.product_id FROM candidates AS c) OR a.product_id IS NULL)
        AND NOT (SELECT c.is_chain FROM scope AS c)
    GROUP BY a.product_id
), together AS MATERIALIZED (
    SELECT c.product_id, c.orders, c.customers, o.orders AS other_orders FROM candidates AS c JOIN own AS o ON o.product_id = c.product_id
), sizes AS MATERIALIZED (
    SELECT (SELECT count(*) FROM held) AS baskets, coalesce((SELECT o.orders FROM own AS o WHERE o.product_id IS NULL), 0) AS orders,
           (SELECT c.is_chain FROM scope AS c) AS is_chain,
           (SELECT r.refreshed_at FROM retail.refreshes AS r WHERE r.what = 'recommendations') AS as_of
)

-- name: companions
-- What both of these end with: the products that are together with what was named more often than by chance.
SELECT b.sku, b.name, b.price, b.orders, b.customers, b.confidence, b.lift, b.lift_at_least, b.stock,
       z.baskets AS orders_with_product, z.orders AS all_orders, z.is_chain, z.as_of
FROM sizes AS z
-- Without companions one row still says how many orders were looked at.
LEFT JOIN LATERAL (
    SELECT p.sku, p.name, p.base_price AS price, t.orders, t.customers,
           round(t.orders::numeric / z.baskets, 4) AS confidence, round(t.lift::numeric, 2) AS lift,
           round(t.at_least::numeric, 2) AS lift_at_least, stock.units AS stock,
           row_number() OVER (ORDER BY t.at_least DESC, t.orders DESC, p.sku) AS place
    FROM (
        SELECT t.*, retail.lift_at_least(t.lift, t.customers) AS at_least
        FROM (
            SELECT t.*, t.orders::double precision * z.orders / (z.baskets * t.other_orders) AS lift
            FROM together AS t
            WHERE t.orders >= %(min_orders)s AND t.customers >= %(min_customers)s
        ) AS t
    ) AS t
    JOIN retail.products AS p ON p.product_id = t.product_id
    LEFT JOIN LATERAL (
        SELECT sum(i.stock_level) AS units FROM retail.inventory AS i WHERE i.product_id = t.product_id
    ) AS stock ON true
    WHERE t.at_least > 1
    ORDER BY t.at_least DESC, t.orders DESC, p.sku
    LIMIT %(max_rows)s
) AS b ON true
ORDER BY b.place

-- name: segment_products
-- What the customers of a segment buy more often than all customers do, as of the last
-- refresh, from orders neither cancelled nor returned. For head office the segment is one of the
-- whole chain, for everybody else one of each store, added up. A product that is in an order counts
-- once, however many lines it has there. The row without a product is about the segment.
WITH scope AS MATERIALIZED (
    SELECT retail.sees_whole_chain() AS is_chain
), counted AS MATERIALIZED (
    SELECT w.product_id, w.orders::bigint AS orders, w.customers::bigint AS customers, w.all_orders::bigint AS all_orders,
           w.product_orders::numeric AS product_orders, w.threshold
    FROM retail.chain_segments(%(segment)s) AS w
    UNION ALL
    SELECT s.product_id, sum(s.orders), sum(s.customers), (
               SELECT sum(a.orders) FROM retail.segment_products AS a WHERE a.segment = 'all' AND a.product_id = s.product_id),
           sum(s.product_orders), CASE WHEN count(*) = 1 THEN max(s.threshold) END
    FROM retail.segment_products AS s
    WHERE s.segment = %(segment)s AND NOT (SELECT c.is_chain FROM scope AS c)
    GROUP BY s.product_id
    HAVING s.product_id IS NULL OR sum(s.orders) >= %(min_orders)s AND sum(s.customers) >= %(min_customers)s
), sizes AS MATERIALIZED (
    SELECT w.customers AS members, w.orders, w.product_orders, w.threshold, (
               SELECT a.product_orders FROM retail.chain_segments('all', '{}') AS a
               UNION ALL
               SELECT sum(a.product_orders) FROM retail.segment_products AS a
               WHERE a.segment = 'all' AND a.product_id IS NULL AND NOT (SELECT c.is_chain FROM scope AS c)
               HAVING NOT (SELECT c.is_chain FROM scope AS c)) AS all_product_orders
    FROM counted AS w
    WHERE w.product_id IS NULL
), known AS (
    -- One row, whatever is known.
    SELECT (SELECT c.is_chain FROM scope AS c) AS is_chain,
           (SELECT r.refreshed_at FROM retail.refreshes AS r WHERE r.what = 'recommendations') AS as_of
)
SELECT b.sku, b.name, b.price, b.orders, b.customers, b.confidence, b.lift, b.lift_at_least, b.stock,
       z.members, z.orders AS segment_orders, z.threshold, k.is_chain, k.as_of
FROM known AS k
LEFT JOIN sizes AS z ON true
LEFT JOIN LATERAL (
    SELECT p.sku, p.name, p.base_price AS price, t.orders, t.customers,
           round(t.orders / z.product_orders, 4) AS confidence, round(t.lift::numeric, 2) AS lift,
           round(t.at_least::numeric, 2) AS lift_at_least, stock.units AS stock,
           row_number() OVER (ORDER BY t.at_least DESC, t.orders DESC, p.sku) AS place
    FROM (
        SELECT t.*, retail.lift_at_least(t.lift, t.customers) AS at_least
        FROM (
            SELECT t.*, (t.orders * z.all_product_orders / (z.product_orders * t.all_orders))::double precision AS lift
            FROM counted AS t
            WHERE t.product_id IS NOT NULL AND t.orders >= %(min_orders)s AND t.customers >= %(min_customers)s
        ) AS t
    ) AS t
    JOIN retail.products AS p ON p.product_id = t.product_id
    LEFT JOIN LATERAL (
        SELECT sum(i.stock_level) AS units FROM retail.inventory AS i WHERE i.product_id = t.product_id
    ) AS stock ON true
    WHERE t.at_least > 1
    ORDER BY t.at_least DESC, t.orders DESC, p.sku
    LIMIT %(max_rows)s
) AS b ON true
ORDER BY b.place
