-- What query_metrics is composed of, by name. composition.py puts these together; only names of the registry and of
-- these fragments become part of the text, every value is a parameter. Whole queries run as the caller, under row level
-- security, and read the totals where they have the answer, the orders where they do not.
--
-- A query has sides: 0 is the period, the others what it is compared with. Each source gives for each side and each
-- group of the dimensions one row with its measures; these rows are put side by side in the end. A source is aggregated
-- as f; its joins are s (stores), k (the tree of categories), g (segments) and b (first purchases).
-- An order counts unless it was cancelled or returned; a return counts with its negative amounts and is no order.
--
-- Order: facts_ (a column for each measure; where orders are counted, their keys or how many they are), how facts are
-- added up, tables and joins that dimensions need, dimension_ (the key that groups), lookup_ and shown_ (what is shown
-- for a key), measures and figures, the answer, history, values_ (what filters name).

-- name: facts_totals
-- Orders by store and day.
SELECT t.store_id, t.day, t.revenue, t.orders, t.cancelled_orders, t.returned_orders, t.returns, t.returned_amount,
       CASE WHEN t.orders > 0 THEN t.day END AS open_days
FROM retail.daily_sales AS t
WHERE t.store_id = ANY (%(store_ids)s) AND t.day >= {first_day} AND t.day < {end_day}

-- name: facts_products
-- Lines by store, product and day, or by the first day of a whole month.
SELECT t.store_id, t.day, t.product_id, p.category_id, p.type_id, p.brand, p.unit,
       t.revenue, t.revenue AS line_revenue, t.units, t.discount,
       CASE WHEN p.cost IS NOT NULL THEN t.revenue END AS costed_revenue, t.units * p.cost AS cost
FROM (
{parts}
) AS t
JOIN retail.products AS p ON p.product_id = t.product_id

-- name: facts_chain
-- Lines of all stores together in whole months, by what the products are.
SELECT NULL::uuid AS store_id, c.month AS day, NULL::uuid AS product_id, c.category_id, c.type_id, c.brand, c.unit,
       c.revenue, c.revenue AS line_revenue, c.units, c.discount, c.costed_revenue, c.cost
FROM retail.chain_sales({first_day}, {end_day}) AS c
WHERE (SELECT w.is_whole FROM whole_chain AS w)

-- name: products_of_chain
-- What sold in whole months in all stores together.
SELECT NULL::uuid AS store_id, c.month AS day, c.product_id, c.units, c.revenue, c.discount
FROM retail.chain_product_sales({first_day}, {end_day}) AS c
WHERE (SELECT w.is_whole FROM whole_chain AS w)

-- name: whole_chain
-- Whether all stores of the chain are asked about: a store may have opened since the stores were looked up.
whole_chain AS MATERIALIZED (
    SELECT retail.sees_whole_chain() AND count(*) = cardinality(%(store_ids)s::uuid[]) AS is_whole FROM retail.stores
)

-- name: not_whole_chain
-- Where the chain's own totals have the months already.
AND NOT (SELECT w.is_whole FROM whole_chain AS w)

-- name: products_by_month
-- What sold in whole months.
SELECT m.store_id, m.month AS day, m.product_id, m.units, m.revenue, m.discount
FROM retail.monthly_product_sales AS m
WHERE m.store_id = ANY (%(store_ids)s) AND m.month >= {first_day} AND m.month < {end_day} {unless}

-- name: products_by_day
-- What sold on days.
SELECT d.store_id, d.day, d.product_id, d.units, d.revenue, d.discount
FROM retail.daily_product_sales AS d
WHERE d.store_id = ANY (%(store_ids)s) AND d.day >= {first_day} AND d.day < {end_day}

-- name: facts_orders
-- One row an order.
SELECT o.store_id, o.business_day AS day, o.order_date, o.status, o.customer_id,
       CASE WHEN o.sold_on IS NOT NULL THEN o.total_amount END AS revenue,
       CASE WHEN o.sold_on IS NOT NULL AND NOT o.is_return THEN o.order_id END AS orders,
       CASE WHEN o.status = 'cancelled' THEN o.order_id END AS cancelled_orders,
       CASE WHEN o.status = 'returned' THEN o.order_id END AS returned_orders,
       CASE WHEN o.sold_on IS NOT NULL AND o.is_return THEN o.order_id END AS returns,
       CASE WHEN o.sold_on IS NOT NULL AND o.is_return THEN -o.total_amount END AS returned_amount,
       CASE WHEN o.sold_on IS NOT NULL AND NOT o.is_return THEN o.business_day END AS open_days
FROM retail.orders AS o
WHERE o.store_id = ANY (%(store_ids)s) AND o.business_day >= {first_day} AND o.business_day < {end_day}

-- name: facts_lines
-- One row a line.
SELECT o.store_id, o.business_day AS day, o.order_date, o.status, o.customer_id,
       i.product_id, p.category_id, p.type_id, p.brand, p.unit,
       CASE WHEN o.sold_on IS NOT NULL THEN i.total_amount END AS revenue,
       CASE WHEN o.sold_on IS NOT NULL THEN i.total_amount END AS line_revenue,
       CASE WHEN o.sold_on IS NOT NULL AND i.line_kind IN ('sale', 'return') THEN i.quantity END AS units,
       CASE WHEN o.sold_on IS NOT NULL THEN i.discount_amount + i.coupon_amount END AS discount,
       CASE WHEN o.sold_on IS NOT NULL AND p.cost IS NOT NULL THEN i.total_amount END AS costed_revenue,
       CASE WHEN o.sold_on IS NOT NULL AND i.line_kind IN ('sale', 'return') THEN i.quantity * p.cost END AS cost,
       CASE WHEN o.sold_on IS NOT NULL AND NOT o.is_return AND i.line_kind = 'sale' THEN o.order_id END AS orders,
       CASE WHEN o.status = 'cancelled' THEN o.order_id END AS cancelled_orders,
       CASE WHEN o.status = 'returned' THEN o.order_id END AS returned_orders,
       CASE WHEN o.sold_on IS NOT NULL AND o.is_return THEN o.order_id END AS returns,
       CASE WHEN o.sold_on IS NOT NULL AND o.is_return THEN -i.total_amount END AS returned_amount,
       CASE WHEN o.sold_on IS NOT NULL AND NOT o.is_return AND i.line_kind = 'sale' THEN o.business_day END AS open_days
FROM retail.orders AS o
JOIN retail.order_items AS i ON i.order_id = o.order_id AND i.store_id = o.store_id
JOIN retail.products AS p ON p.product_id = i.product_id
WHERE o.store_id = ANY (%(store_ids)s) AND o.business_day >= {first_day} AND o.business_day < {end_day}

-- name: facts_stock
-- Stock of open stores as it is now, with what sold of it on the days of the period on which it can have sold. These are
-- null where there are none. Below zero is none on hand.
SELECT x.store_id, x.product_id, x.category_id, x.type_id, x.brand, x.unit, x.on_hand AS stock_units,
       x.on_hand * x.cost AS stock_value, (x.on_hand > 0)::integer AS products_in_stock,
       (x.on_hand > 0 AND x.cost IS NOT NULL)::integer AS costed_products_in_stock,
       (x.on_hand = 0)::integer AS out_of_stock_products, x.sold AS stock_sold, x.sold / x.days AS stock_sold_a_day,
       CASE WHEN x.sold > 0 THEN x.revenue ELSE 0 END / x.days AS stock_revenue_a_day, x.to_reorder AS units_to_reorder,
       x.to_reorder * x.cost AS reorder_cost, {end_day}::date - 1 - x.last_sold_on AS days_since_last_sale,
       CASE WHEN x.days IS NULL THEN 'unknown' WHEN x.on_hand > 0 AND x.has_sold THEN 'selling'
            WHEN x.on_hand > 0 THEN 'not_selling' WHEN x.has_sold THEN 'sold_out' ELSE 'empty' END AS stock_status
FROM (
    SELECT w.*, CASE WHEN w.unit = 'piece' THEN ceil(w.lacking) ELSE w.lacking END AS to_reorder
    FROM (
        SELECT v.store_id, v.product_id, p.category_id, p.type_id, p.brand, p.unit, p.cost, h.on_hand, h.sold, h.has_sold, d.days, u.revenue,
               CASE WHEN d.days IS NOT NULL THEN greatest(%(cover_days)s * h.sold / d.days - h.on_hand, 0) END AS lacking,
               l.day AS last_sold_on
        FROM known_stock AS v
        JOIN stock_stores AS s ON s.store_id = v.store_id
        JOIN retail.products AS p ON p.product_id = v.product_id
        LEFT JOIN {sold} AS u ON u.store_id = v.store_id AND u.product_id = v.product_id
        LEFT JOIN {sold_some_day} AS r ON r.store_id = v.store_id AND r.product_id = v.product_id
        LEFT JOIN {first_sales} AS b ON b.store_id = v.store_id AND b.product_id = v.product_id
        LEFT JOIN {last_sales} AS l ON l.store_id = v.store_id AND l.product_id = v.product_id
        CROSS JOIN LATERAL (
            SELECT greatest(v.stock_level, 0) AS on_hand, greatest(u.units, 0) AS sold,
                   coalesce(r.has_sold, false) AS has_sold) AS h
        CROSS JOIN LATERAL (
            SELECT CASE WHEN s.end_day > {first_day} THEN
                       greatest(s.end_day - greatest(b.day, {first_day}), least(7, s.end_day - {first_day}::date)) END AS days) AS d
    ) AS w
) AS x

-- name: stock_stores
-- Stores that are open, and where the days end on which they can have sold. A store without an order in the last week
-- fell silent on the day after its last one.
stock_stores AS MATERIALIZED (
    SELECT s.store_id, CASE WHEN o.day < {end_day}::date - 7 THEN o.day + 1 WHEN o.day IS NOT NULL THEN {end_day}::date END AS end_day
    FROM retail.stores AS s
    LEFT JOIN LATERAL (
        SELECT o.business_day AS day FROM retail.orders AS o
        WHERE o.store_id = s.store_id AND o.business_day < {end_day} AND o.sold_on IS NOT NULL AND NOT o.is_return
        ORDER BY o.business_day DESC LIMIT 1) AS o ON true
    WHERE s.store_id = ANY (%(store_ids)s) AND (s.closed_on IS NULL OR s.closed_on >= %(today)s)
)

-- name: sold_revenue
-- For whoever asks for it: adding up takes a tenth of the whole.
sum(t.revenue)

-- name: known_stock
-- The stock of these stores.
known_stock AS MATERIALIZED (
    SELECT v.store_id, v.product_id, v.stock_level
    FROM retail.inventory AS v
    WHERE v.store_id = ANY (ARRAY(SELECT s.store_id FROM stock_stores AS s))
)

-- name: sold
-- What sold in the period. The first part is a day, or a month that is read whole.
sold AS MATERIALIZED (
    SELECT t.store_id, t.product_id, sum(t.units) AS units, {revenue} AS revenue,
           min(t.day) FILTER (WHERE t.units > 0) AS first_part
    FROM (
{parts}
    ) AS t
    GROUP BY t.store_id, t.product_id
)

-- name: sold_some_day
-- What sold on some day of the period, more than came back on it: what came back later may have left nothing of it.
sold_some_day AS MATERIALIZED (
    SELECT DISTINCT d.store_id, d.product_id, true AS has_sold
    FROM retail.daily_product_sales AS d
    WHERE d.store_id = ANY (%(store_ids)s) AND d.day >= {first_day} AND d.day < {end_day} AND d.units > 0
)

-- name: perhaps_new
-- What did not sell in the three whole months before the month in which the period begins.
perhaps_new AS MATERIALIZED (
    SELECT u.store_id, u.product_id, u.first_part
    FROM sold AS u
    LEFT JOIN (
        SELECT m.store_id, m.product_id FROM retail.monthly_product_sales AS m
        WHERE m.store_id = ANY (%(store_ids)s) AND m.units > 0 AND m.month >= %(months_before)s AND m.month < %(month_of_start)s
    ) AS m ON m.store_id = u.store_id AND m.product_id = u.product_id
    WHERE u.units > 0 AND m.product_id IS NULL
)

-- name: first_sales
-- Their first day in the part, which may be a month that is read whole, or before the period in the month in which that
-- begins. These products are few, so each is looked up by itself, and by days, of which an index finds each one.
first_sales AS MATERIALIZED (
    SELECT n.store_id, n.product_id, (
               SELECT min(d.day)
               FROM retail.daily_product_sales AS d
               WHERE d.store_id = n.store_id AND d.product_id = n.product_id AND d.units > 0
                   AND d.day = ANY (ARRAY(
                       SELECT n.first_part + g FROM generate_series(0, 30) AS g
                       UNION ALL
                       SELECT %(month_of_start)s::date + g FROM generate_series(0, {first_day}::date - %(month_of_start)s::date - 1) AS g))
           ) AS day
    FROM perhaps_new AS n
)

-- name: last_sales
-- The last day on which more of a product was sold than came back.
(SELECT d.store_id, d.product_id, max(d.day) AS day
 FROM retail.daily_product_sales AS d
 WHERE d.store_id = ANY (%(store_ids)s) AND d.day < {end_day} AND d.units > 0
 GROUP BY d.store_id, d.product_id)

-- name: nothing_sold
-- In the place of sold where nobody asks for sales.
(SELECT NULL::uuid AS store_id, NULL::uuid AS product_id, NULL::numeric AS units, NULL::numeric AS revenue WHERE false)

-- name: never_sold
-- In the place of sold_some_day likewise.
(SELECT NULL::uuid AS store_id, NULL::uuid AS product_id, NULL::boolean AS has_sold WHERE false)

-- name: no_days
-- In the place of first_sales or last_sales where nobody asks for them.
(SELECT NULL::uuid AS store_id, NULL::uuid AS product_id, NULL::date AS day WHERE false)

-- name: unknown_stock
-- How many products sold in a store of which their stock is not known.
, (SELECT count(DISTINCT f.product_id)
   FROM (
       SELECT u.store_id, u.product_id, p.category_id, p.type_id, p.brand, p.unit
       FROM sold AS u
       JOIN stock_stores AS s ON s.store_id = u.store_id
       JOIN retail.products AS p ON p.product_id = u.product_id
       LEFT JOIN known_stock AS v ON v.store_id = u.store_id AND v.product_id = u.product_id
       WHERE u.units > 0 AND v.product_id IS NULL
   ) AS f{joins}{conditions}) AS unknown_stock

-- name: facts_last_orders
-- How long ago each store sold for the last time.
SELECT s.store_id, {end_day}::date - 1 - (
           SELECT o.business_day FROM retail.orders AS o
           WHERE o.store_id = s.store_id AND o.business_day < {end_day} AND o.sold_on IS NOT NULL AND NOT o.is_return
           ORDER BY o.business_day DESC LIMIT 1) AS days_since_last_order
FROM stores AS s

-- name: source
-- One side of a source, added up by the dimensions.
SELECT {side}::integer AS side{keys}{measures}
FROM (
{facts}
) AS f{joins}{conditions}{grouping}

-- name: source_counts
-- Customers, each once, from what the totals keep of their days. A side or a bucket is a row of w.
SELECT w.side{keys}{measures}
FROM {places} AS f
CROSS JOIN LATERAL {function} AS c
JOIN unnest(%(count_sides)s::integer[], %(count_buckets)s::integer[], %(count_first_days)s::date[], %(count_end_days)s::date[])
    AS w (side, bucket, first_day, end_day) ON w.first_day = c.first_day AND w.end_day = c.end_day
WHERE c.customers <> 0

-- name: places
-- The stores of each place that is told apart.
(SELECT array_agg(s.store_id) AS store_ids{keys} FROM stores AS s{grouping})

-- name: count_one_store
-- Where each place is one store.
retail.count_customers(f.store_ids[1], %(count_first_days)s, %(count_end_days)s)

-- name: count_several_stores
-- Where a place has several.
retail.count_customers_of_stores(%(count_first_days)s, %(count_end_days)s, f.store_ids)

-- name: source_buyers
-- Customers, each once, from the orders.
SELECT {side}::integer AS side{keys}{measures}
FROM (
    SELECT f.customer_id, {orders} AS orders{inner_keys}{is_new}
    FROM (
{facts}
    ) AS f{joins}
    WHERE f.customer_id IS NOT NULL AND f.orders IS NOT NULL{conditions}
    GROUP BY f.customer_id{inner_grouping}
) AS f{grouping}

-- name: customer_days
-- What each customer bought in each store: as it is kept, and of whoever's orders have changed since from the orders.
customer_days (customer_id, store_id, days, orders, spent) AS (
    SELECT k.customer_id, k.store_id, k.days, k.orders, k.spent
    FROM retail.kept_customers AS k
    WHERE k.store_id = ANY (%(store_ids)s) AND (k.customer_id, k.store_id) NOT IN (
        SELECT m.customer_id, m.store_id FROM retail.changed_orders AS m WHERE m.customer_id IS NOT NULL)
    UNION ALL
    SELECT m.customer_id, m.store_id, o.days, o.orders, o.spent
    FROM (SELECT DISTINCT m.customer_id, m.store_id FROM retail.changed_orders AS m WHERE m.store_id = ANY (%(store_ids)s) AND m.customer_id IS NOT NULL) AS m
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(DISTINCT o.sold_on ORDER BY o.sold_on) FILTER (WHERE NOT o.is_return), '{{}}') AS days,
               (count(*) FILTER (WHERE NOT o.is_return))::integer AS orders, coalesce(sum(o.total_amount), 0) AS spent
        FROM retail.orders AS o
        WHERE o.customer_id = m.customer_id AND o.store_id = m.store_id AND o.sold_on IS NOT NULL
    ) AS o
)

-- name: first_purchases
-- The day of each customer's first purchase, in each place that is told apart.
first_purchases AS (
    SELECT f.customer_id{keys}, min(f.days[1]) AS first_day
    FROM customer_days AS f
    JOIN stores AS s ON s.store_id = f.store_id
    WHERE f.days <> '{{}}'
    GROUP BY f.customer_id{grouping}
)

-- name: segments
-- The segments of customers, of each store, or of the whole chain for whoever sees it: as refresh_recommendations() has
-- put them down. The scope is the store, or nil for the chain.
scopes AS MATERIALIZED (
    SELECT retail.sees_whole_chain() AS is_chain
), segments AS MATERIALIZED (
    SELECT m.customer_id, '00000000-0000-0000-0000-000000000000'::uuid AS scope, g.segment
    FROM retail.chain_members() AS m CROSS JOIN LATERAL unnest(m.segments) AS g (segment)
    UNION ALL
    SELECT m.customer_id, m.store_id, g.segment
    FROM retail.customer_segments AS m CROSS JOIN LATERAL unnest(m.segments) AS g (segment)
    WHERE m.store_id = ANY (%(store_ids)s) AND NOT (SELECT c.is_chain FROM scopes AS c)
)

-- name: segment_rules
-- When it was counted who is in which segment, and the number in the rule of each; none where every store has its own.
SELECT r.refreshed_at AS as_of, coalesce(k.thresholds, '{}') AS thresholds
FROM retail.refreshes AS r
CROSS JOIN (
    SELECT jsonb_object_agg(t.segment, t.threshold) AS thresholds
    FROM (
        SELECT g.segment, c.threshold
        FROM unnest(ARRAY['new', 'frequent', 'big_spender', 'lapsed']) AS g (segment) CROSS JOIN LATERAL retail.chain_segments(g.segment, '{}') AS c
        UNION ALL
        SELECT s.segment, s.threshold
        FROM retail.segment_products AS s
        WHERE s.product_id IS NULL AND s.segment <> 'all' AND s.store_id = ANY (%(store_ids)s) AND cardinality(%(store_ids)s) = 1
            AND NOT (SELECT retail.sees_whole_chain())
    ) AS t
) AS k
WHERE r.what = 'recommendations'

-- name: customer_scope
-- Whose segments count for a row.
CASE WHEN (SELECT c.is_chain FROM scopes AS c) THEN '00000000-0000-0000-0000-000000000000' ELSE f.store_id END

-- name: in_segments
-- Without a join, which would count whoever is in two of them twice.
CASE WHEN f.customer_id IS NULL THEN 'anonymous' = ANY ({keys})
     WHEN (f.customer_id, {scope}) IN (SELECT g.customer_id, g.scope FROM segments AS g WHERE g.segment = ANY ({keys})) THEN true
     ELSE 'other' = ANY ({keys}) AND (f.customer_id, {scope}) NOT IN (SELECT g.customer_id, g.scope FROM segments AS g) END

-- name: join_stores
-- For dimensions of the store, and the hour.
JOIN stores AS s ON s.store_id = f.store_id

-- name: join_tree
-- For categories.
LEFT JOIN tree AS k ON k.category_id = f.category_id

-- name: join_segments
-- For segments: a row for each that the customer is in.
LEFT JOIN segments AS g ON g.customer_id = f.customer_id AND g.scope = {scope}

-- name: join_first_purchases
-- For whoever is new.
LEFT JOIN first_purchases AS b ON b.customer_id = f.customer_id{places}

-- name: stores
-- The stores that are asked about.
stores AS (
    SELECT s.store_id, s.name, s.region, CASE WHEN s.is_online THEN 'online' ELSE 'store' END AS channel, s.time_zone
    FROM retail.stores AS s
    WHERE s.store_id = ANY (%(store_ids)s)
)

-- name: tree
-- Of each category the way to it from the top, and its name, with the names above it where several have this name.
tree (category_id, path, full_name) AS (
    SELECT c.category_id, ARRAY[c.category_id], c.name::text
    FROM retail.categories AS c
    WHERE c.parent_category_id IS NULL
    UNION ALL
    SELECT c.category_id, t.path || c.category_id, t.full_name || ' > ' || c.name
    FROM tree AS t
    JOIN retail.categories AS c ON c.parent_category_id = t.category_id
)

-- name: category_names
-- What is shown for a category: its name, or the whole way to it where others have that name.
category_names AS (
    SELECT c.category_id, cardinality(t.path) AS level,
           CASE WHEN count(*) OVER (PARTITION BY cardinality(t.path), c.name) > 1 THEN t.full_name ELSE c.name END AS name
    FROM tree AS t
    JOIN retail.categories AS c ON c.category_id = t.category_id
)

-- name: type_names
-- What is shown for a product type: its name, with the category where others have that name.
type_names AS (
    SELECT y.type_id, CASE WHEN count(*) OVER (PARTITION BY y.name) > 1 THEN c.name || ' > ' || y.name ELSE y.name END AS name
    FROM retail.product_types AS y
    JOIN retail.categories AS c ON c.category_id = y.category_id
)

-- name: dimension_store
-- The store.
f.store_id

-- name: dimension_region
-- The store's region.
s.region

-- name: dimension_channel
-- Online or not.
s.channel

-- name: dimension_span
-- The number of the span that the day lies in; NULL for a day that is not asked about.
({buckets}::integer[])[width_bucket(f.day, {starts}::date[])]

-- name: dimension_weekday
-- 1 is Monday.
extract(isodow FROM f.day)::integer

-- name: dimension_category
-- By its level, 1 is the top of the tree.
k.path[{level}]

-- name: dimension_type
-- The product type.
f.type_id

-- name: dimension_brand
-- The brand.
f.brand

-- name: dimension_product
-- The product.
f.product_id

-- name: dimension_unit
-- The unit of measure.
f.unit

-- name: dimension_stock_status
-- What stock and sales make of a product in a store.
f.stock_status

-- name: dimension_hour
-- The local hour.
extract(hour FROM f.order_date AT TIME ZONE s.time_zone)::integer

-- name: dimension_status
-- The order's status.
f.status

-- name: dimension_segment
-- One of the customer's segments.
CASE WHEN f.customer_id IS NULL THEN 'anonymous' ELSE coalesce(g.segment, 'other') END

-- name: dimension_new_or_returning
-- What the customer was when they bought.
CASE WHEN f.customer_id IS NULL THEN 'anonymous' WHEN {is_new} THEN 'new' ELSE 'returning' END

-- name: is_new
-- Whoever has bought there only now. Whoever has not bought at all yet, but brought back or cancelled, is not new.
(b.first_day >= {first_day} AND b.first_day < {end_day} {same_span})

-- name: some_is_new
-- Whether some purchase of a customer is their first there.
, bool_or({is_new}) AS is_new

-- name: same_span
-- And in the same span, where spans are told apart.
AND ({buckets}::integer[])[width_bucket(b.first_day, {starts}::date[])] = ({buckets}::integer[])[width_bucket(f.day, {starts}::date[])]

-- name: lookup_store
-- The store of a key.
LEFT JOIN retail.stores AS {alias} ON {alias}.store_id = a.{key}

-- name: lookup_category
-- The category of a key.
LEFT JOIN category_names AS {alias} ON {alias}.category_id = a.{key}

-- name: lookup_type
-- The type of a key.
LEFT JOIN type_names AS {alias} ON {alias}.type_id = a.{key}

-- name: lookup_product
-- The product of a key.
LEFT JOIN retail.products AS {alias} ON {alias}.product_id = a.{key}

-- name: shown_name
-- A name that was looked up.
{alias}.name

-- name: shown_sku
-- The product's code.
{alias}.sku

-- name: shown_unit
-- The product's unit of measure.
{alias}.unit

-- name: shown_span
-- The name of a span.
(%(labels)s::text[])[a.{key} + 1]

-- name: shown_weekday
-- The name of a weekday.
(ARRAY['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'])[a.{key}]

-- name: shown_key
-- A key that says what it is.
a.{key}

-- name: weekday_order
-- In the order of the chain's week.
(a.{key} - %(week_starts_on)s + 7) %% 7

-- name: sum_of_one_unit
-- What adds up in one unit of measure only, 0 of others; null where nothing is known.
sum(CASE WHEN f.unit = %(unit)s THEN f.{measure} ELSE 0 * f.{measure} END)

-- name: sum_of
-- What adds up.
sum(f.{measure})

-- name: least_of
-- The latest of several last days.
min(f.{measure})

-- name: count_of
-- Orders, one row each.
count(f.{measure})

-- name: count_once
-- An order has several lines, a day several orders.
count(DISTINCT f.{measure})

-- name: of_one_unit
-- Quantities add up in one unit of measure only.
FILTER (WHERE f.unit = %(unit)s)

-- name: of_another_source
-- A measure that another source has.
NULL::numeric

-- name: buyers_customers
-- Whoever bought.
count(*)

-- name: buyers_new_customers
-- Whoever bought for the first time.
count(*) FILTER (WHERE f.is_new)

-- name: buyers_repeat_customers
-- Whoever bought more than once.
count(*) FILTER (WHERE f.orders >= 2)

-- name: buyers_customer_orders
-- What these customers bought.
sum(f.orders)

-- name: of_side
-- The only row that a side has of a group.
max(f.{measure}) FILTER (WHERE f.side = {side})::numeric

-- name: or_none
-- Nothing was sold.
coalesce({figure}, 0)

-- name: or_none_of_chain
-- Nobody, for whoever may know.
coalesce({figure}, CASE WHEN retail.sees_whole_chain() THEN 0 END)

-- name: ratio
-- Of sums.
{part} / nullif({whole}, 0)

-- name: percentage
-- A ratio in percent.
100 * {part} / nullif({whole}, 0)

-- name: change
-- In percent of what it was.
100 * ({now} - {before}) / nullif(abs({before}), 0)

-- name: change_in_points
-- In percentage points, of what is in percent.
{now} - {before}

-- name: share
-- Within each group of the dimensions before the last one.
100 * {figure} / nullif(sum({figure}) OVER ({before}), 0)

-- name: rounded
-- Halves away from zero.
round({figure}, {digits})

-- name: quantity
-- Without zeros at the end.
trim_scale(round({figure}, 3))

-- name: is_one_of
-- A filter.
{key} = ANY ({keys})

-- name: is_none_of
-- A filter that leaves values out.
({condition}) IS NOT TRUE

-- name: is_asked_about
-- Days of the spans that are asked about.
{key} IS NOT NULL

-- name: rest
-- The name of a value, or how many others there are.
CASE WHEN a.is_rest THEN 'others (' || a.members || ')' ELSE {name}::text END

-- name: answer
-- Sources, sides next to each other, shares, thresholds, the first ones, names and order.
WITH RECURSIVE {tables}, facts AS (
{sources}
), compared AS (
    SELECT {keys}{figures}
    FROM facts AS f{grouping}
), weighed AS (
    SELECT a.*{shares}
    FROM compared AS a
), wanted AS (
    SELECT a.*
    FROM weighed AS a{having}
){folding}
SELECT {columns}{row_counts}
FROM {last} AS a{lookups}{ordering}

-- name: row_counts
-- What an answer says beside its figures.
{unknown_stock}, count(*) OVER () AS total_rows

-- name: folding
-- The first ones of each group; all the others together.
, ranked AS (
    SELECT a.*, row_number() OVER ({before}ORDER BY {rank}, a.{key}) AS place
    FROM wanted AS a
), folded AS (
    SELECT {kept}CASE WHEN a.place <= %(top)s THEN a.{key} END AS {key}, a.place > %(top)s AS is_rest, count(*) AS members{figures}
    FROM ranked AS a
    GROUP BY {grouping}
)

-- name: folded_sum
-- What adds up.
sum(a.{column}) AS {column}

-- name: folded_least
-- The latest of several last days.
min(a.{column}) AS {column}

-- name: folded_alone
-- Not known of several, for a customer or an order may be in each of them.
CASE WHEN count(*) = 1 THEN max(a.{column}) END AS {column}

-- name: history
-- The first and the last day with orders of each store, before a day and at all. Whether some of its stock is known.
SELECT s.store_id, EXISTS (SELECT FROM retail.inventory AS v WHERE v.store_id = s.store_id) AS knows_stock,
       (SELECT c.closed_on FROM retail.stores AS c WHERE c.store_id = s.store_id AND c.closed_on < %(today)s) AS closed_on,
       (SELECT o.business_day FROM retail.orders AS o WHERE o.store_id = s.store_id ORDER BY o.business_day LIMIT 1) AS first_day,
       (SELECT o.business_day FROM retail.orders AS o WHERE o.store_id = s.store_id AND o.business_day < %(today)s
        ORDER BY o.business_day DESC LIMIT 1) AS last_whole_day,
       (SELECT o.business_day FROM retail.orders AS o WHERE o.store_id = s.store_id AND o.business_day <= %(today)s
        ORDER BY o.business_day DESC LIMIT 1) AS last_day
FROM unnest(%(store_ids)s::uuid[]) AS s (store_id)

-- name: values_category
-- Every category, with its level and how many products are in it or below it.
WITH RECURSIVE {tree}, {category_names},
direct AS (SELECT p.category_id, count(*) AS products FROM retail.products AS p GROUP BY p.category_id),
below AS (
    SELECT u.category_id, sum(d.products)::bigint AS products
    FROM direct AS d
    JOIN tree AS t ON t.category_id = d.category_id
    CROSS JOIN unnest(t.path) AS u (category_id)
    GROUP BY u.category_id
)
SELECT n.category_id AS key, n.name, n.level, coalesce(b.products, 0) AS products
FROM category_names AS n
LEFT JOIN below AS b ON b.category_id = n.category_id
ORDER BY n.level, n.name

-- name: values_type
-- Every product type, with how many products are of it.
WITH {type_names},
counted AS (SELECT p.type_id, count(*) AS products FROM retail.products AS p GROUP BY p.type_id)
SELECT n.type_id AS key, n.name, coalesce(c.products, 0) AS products
FROM type_names AS n
LEFT JOIN counted AS c ON c.type_id = n.type_id
ORDER BY n.name

-- name: values_brand
-- Every brand, with how many products it has.
SELECT p.brand AS name, count(*) AS products FROM retail.products AS p WHERE p.brand IS NOT NULL GROUP BY p.brand ORDER BY p.brand

-- name: values_unit
-- Every unit of measure.
SELECT DISTINCT p.unit AS name FROM retail.products AS p ORDER BY p.unit

-- name: values_product
-- Products of some SKUs or names.
SELECT p.product_id AS key, p.sku, p.name FROM retail.products AS p
WHERE lower(p.sku) = ANY (%(names)s) OR lower(p.name) = ANY (%(names)s)
ORDER BY p.sku
