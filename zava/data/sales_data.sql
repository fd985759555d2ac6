-- The statements behind get_store_performance, by name. They run as the caller, under
-- row level security, in one transaction. They read what is kept of the sales totals, and
-- compute the days that were written since the last refresh from the orders; so they are
-- exact, and cost about the same however many orders there are. An order counts unless
-- it was cancelled or returned; a return counts with its negative amounts and is no order.
-- Days are business days of the store. A span is the days from first_day up to, not including,
-- end_day; first_month and end_month bound the whole months in it, and are end_day where
-- there is none. The three spans may overlap or be the same.

-- name: visible_stores
-- The stores that the caller may see, the business day that it is there at a moment, when that day ends, and what
-- holds for the whole chain: money, calendar, its own day, the unit that products are counted in.
SELECT s.store_id, s.name, s.region, s.is_online, s.time_zone, d.today,
       (d.today + 1 + c.day_starts_at) AT TIME ZONE s.time_zone AS day_ends_at,
       c.currency, c.week_starts_on, c.fiscal_calendar, c.fiscal_year_start,
       h.today AS chain_today, (h.today + 1 + c.day_starts_at) AT TIME ZONE c.default_time_zone AS chain_day_ends_at,
       CASE WHEN EXISTS (SELECT FROM retail.products AS p WHERE p.unit = 'piece') THEN 'piece'
            ELSE coalesce((SELECT mode() WITHIN GROUP (ORDER BY p.unit) FROM retail.products AS p), 'piece') END AS main_unit,
       (SELECT retail.sees_whole_chain()) AS is_chain
FROM retail.stores AS s
CROSS JOIN retail.chain AS c
CROSS JOIN LATERAL (SELECT retail.local_day(%(now)s::timestamptz, s.time_zone, c.day_starts_at) AS today) AS d
CROSS JOIN LATERAL (SELECT retail.local_day(%(now)s::timestamptz, c.default_time_zone, c.day_starts_at) AS today) AS h
ORDER BY s.name

-- name: seen_stores
-- How many of some stores the caller may see.
SELECT count(*) AS stores FROM retail.stores AS s WHERE s.store_id = ANY (%(store_ids)s)

-- name: daily_sales
-- Orders of the three spans by day, of all the stores together, where there are any.
SELECT d.day, sum(d.revenue) AS revenue, sum(d.orders) AS orders, sum(d.cancelled_orders) AS cancelled_orders,
       sum(d.returned_orders) AS returned_orders, sum(d.returns) AS returns, sum(d.returned_amount) AS returned_amount
FROM retail.daily_sales AS d
WHERE d.store_id = ANY (%(store_ids)s)
    AND ((d.day >= %(first_day)s AND d.day < %(end_day)s)
        OR (d.day >= %(previous_first_day)s AND d.day < %(previous_end_day)s)
        OR (d.day >= %(year_before_first_day)s AND d.day < %(year_before_end_day)s))
GROUP BY d.day
ORDER BY d.day

-- name: span_customers
-- Customers of each span, each counted once. A new one is in the span of their first order that counts in these stores;
-- who of them is new to the chain, the database says only to who sees all stores.
WITH spans (name, first_day, end_day) AS (
    VALUES ('current', %(first_day)s::date, %(end_day)s::date),
           ('previous', %(previous_first_day)s, %(previous_end_day)s),
           ('year_before', %(year_before_first_day)s, %(year_before_end_day)s)
)
SELECT s.name, c.customers, c.new_customers, c.new_to_chain
FROM spans AS s
JOIN {counted} AS c ON c.first_day = s.first_day AND c.end_day = s.end_day

-- name: customers_of_store
-- Of one store.
retail.count_customers(%(store_id)s, (SELECT array_agg(s.first_day ORDER BY s.name) FROM spans AS s),
                       (SELECT array_agg(s.end_day ORDER BY s.name) FROM spans AS s))

-- name: customers_of_stores
-- Of several stores; of all that the caller sees where counted_stores is NULL.
retail.count_customers_of_stores((SELECT array_agg(s.first_day ORDER BY s.name) FROM spans AS s),
                                 (SELECT array_agg(s.end_day ORDER BY s.name) FROM spans AS s), %(counted_stores)s::uuid[])

-- name: span_items
-- What was sold in each span: totals, units by their measure, departments, the best products
-- with their stock in the only store, and the products that fell the most against the previous span, of which the
-- period has as many days as length says. The cost is that of the products whose cost is known, and
-- costed_revenue is theirs. A product falls where its type does not make up for half of its loss:
-- else people took another one.
WITH RECURSIVE spans (name, first_day, end_day, first_month, end_month) AS (
    VALUES ('current', %(first_day)s, %(end_day)s, %(first_month)s, %(end_month)s),
           ('previous', %(previous_first_day)s, %(previous_end_day)s, %(previous_first_month)s, %(previous_end_month)s),
           ('year_before', %(year_before_first_day)s, %(year_before_end_day)s, %(year_before_first_month)s, %(year_before_end_month)s)
), {sold}, departments (category_id, department_id, name) AS (
    SELECT k.category_id, k.category_id, k.name FROM retail.categories AS k WHERE k.parent_category_id IS NULL
    UNION ALL
    SELECT k.category_id, d.department_id, d.name
    FROM departments AS d JOIN retail.categories AS k ON k.parent_category_id = d.category_id
), categories AS (
    SELECT d.name, sum(s.revenue) AS revenue, sum(s.previous_revenue) AS previous_revenue,
           sum(s.year_before_revenue) AS year_before_revenue
    FROM sold AS s
    LEFT JOIN departments AS d ON d.category_id = s.category_id
    GROUP BY d.department_id, d.name
    HAVING (sum(s.revenue), sum(s.previous_revenue), sum(s.year_before_revenue)) <> (0, 0, 0)
), measures AS (
    SELECT s.unit, sum(s.units) AS units, sum(s.previous_units) AS previous_units, sum(s.year_before_units) AS year_before_units,
           sum(s.revenue) AS revenue
    FROM sold AS s
    GROUP BY s.unit
), types AS (
    SELECT s.type_id, sum(s.revenue) AS revenue, sum(s.previous_revenue) AS previous_revenue
    FROM sold AS s
    WHERE s.type_id IS NOT NULL
    GROUP BY s.type_id
), best_products AS (
    SELECT p.sku, p.name, p.unit, s.units, s.revenue, v.stock_level
    FROM (SELECT * FROM products_sold WHERE units > 0 ORDER BY revenue DESC, product_id LIMIT %(products)s) AS s
    JOIN retail.products AS p ON p.product_id = s.product_id
    LEFT JOIN retail.inventory AS v ON v.product_id = s.product_id AND v.store_id = %(store_id)s
), fading_products AS (
    SELECT p.product_id, p.sku, p.name, s.units, s.revenue, s.previous_units, s.previous_revenue, y.name AS type_name,
           t.revenue AS type_revenue, t.previous_revenue AS type_previous_revenue
    FROM products_sold AS s
    JOIN retail.products AS p ON p.product_id = s.product_id
    LEFT JOIN types AS t ON t.type_id = p.type_id
    LEFT JOIN retail.product_types AS y ON y.type_id = p.type_id
    WHERE s.previous_units >= %(fading_units)s AND s.revenue <= s.previous_revenue * %(length)s * %(fading_share)s
        AND coalesce(2 * (t.previous_revenue * %(length)s - t.revenue) >= s.previous_revenue * %(length)s - s.revenue, true)
    ORDER BY s.previous_revenue - s.revenue DESC, p.name, s.product_id
    LIMIT %(products)s
)
SELECT json_build_object(
           'discount', coalesce(sum(s.discount), 0), 'item_revenue', coalesce(sum(s.revenue), 0),
           'costed_revenue', coalesce(sum(s.costed_revenue), 0), 'cost', coalesce(sum(s.cost), 0)) AS current,
       json_build_object(
           'discount', coalesce(sum(s.previous_discount), 0), 'item_revenue', coalesce(sum(s.previous_revenue), 0),
           'costed_revenue', coalesce(sum(s.previous_costed_revenue), 0), 'cost', coalesce(sum(s.previous_cost), 0)) AS previous,
       json_build_object(
           'discount', coalesce(sum(s.year_before_discount), 0), 'item_revenue', coalesce(sum(s.year_before_revenue), 0),
           'costed_revenue', coalesce(sum(s.year_before_costed_revenue), 0), 'cost', coalesce(sum(s.year_before_cost), 0)) AS year_before,
       coalesce((SELECT json_agg(m ORDER BY m.unit <> 'piece', m.revenue DESC, m.unit) FROM measures AS m), '[]') AS measures,
       coalesce((SELECT json_agg(c ORDER BY c.revenue DESC, c.name) FROM categories AS c), '[]') AS categories,
       coalesce((SELECT json_agg(b ORDER BY b.revenue DESC, b.name) FROM best_products AS b), '[]') AS best_products,
       coalesce((SELECT json_agg(f ORDER BY f.previous_revenue - f.revenue DESC, f.name) FROM fading_products AS f), '[]') AS fading_products
FROM sold AS s

-- name: sold_in_stores
-- What some stores sold, by product. Whole months are read as months, the days before and after them as days, both as
-- they are kept. The corrections make up for the days that were written since.
corrections AS MATERIALIZED (
    SELECT c.day, c.product_id, c.units, c.revenue, c.discount
    FROM retail.product_sales_corrections AS c
    WHERE c.store_id = ANY (%(store_ids)s)
        AND c.day >= least(%(first_day)s::date, %(previous_first_day)s::date, %(year_before_first_day)s::date)
        AND c.day < greatest(%(end_day)s::date, %(previous_end_day)s::date, %(year_before_end_day)s::date)
), parts AS (
    SELECT s.name, t.*
    FROM spans AS s
    CROSS JOIN LATERAL (
        SELECT t.product_id, sum(t.units) AS units, sum(t.revenue) AS revenue, sum(t.discount) AS discount
        FROM (
            SELECT m.product_id, m.units, m.revenue, m.discount
            FROM retail.kept_monthly_product_sales AS m
            WHERE m.store_id = ANY (%(store_ids)s) AND m.month >= s.first_month AND m.month < s.end_month
            UNION ALL
            SELECT d.product_id, d.units, d.revenue, d.discount
            FROM retail.kept_daily_product_sales AS d
            WHERE d.store_id = ANY (%(store_ids)s) AND d.day >= s.first_day AND d.day < s.first_month
            UNION ALL
            SELECT d.product_id, d.units, d.revenue, d.discount
            FROM retail.kept_daily_product_sales AS d
            WHERE d.store_id = ANY (%(store_ids)s) AND d.day >= s.end_month AND d.day < s.end_day
            UNION ALL
            SELECT c.product_id, c.units, c.revenue, c.discount
            FROM corrections AS c
            WHERE c.day >= s.first_day AND c.day < s.end_day
        ) AS t
        GROUP BY t.product_id
    ) AS t
), sums AS MATERIALIZED (
    SELECT p.product_id,
           coalesce(sum(p.units) FILTER (WHERE p.name = 'current'), 0) AS units,
           coalesce(sum(p.discount) FILTER (WHERE p.name = 'current'), 0) AS discount,
           coalesce(sum(p.revenue) FILTER (WHERE p.name = 'current'), 0) AS revenue,
           coalesce(sum(p.units) FILTER (WHERE p.name = 'previous'), 0) AS previous_units,
           coalesce(sum(p.discount) FILTER (WHERE p.name = 'previous'), 0) AS previous_discount,
           coalesce(sum(p.revenue) FILTER (WHERE p.name = 'previous'), 0) AS previous_revenue,
           coalesce(sum(p.units) FILTER (WHERE p.name = 'year_before'), 0) AS year_before_units,
           coalesce(sum(p.discount) FILTER (WHERE p.name = 'year_before'), 0) AS year_before_discount,
           coalesce(sum(p.revenue) FILTER (WHERE p.name = 'year_before'), 0) AS year_before_revenue
    FROM parts AS p
    GROUP BY p.product_id
), sold AS MATERIALIZED (
    SELECT s.*, p.category_id, p.type_id, p.unit,
           CASE WHEN p.cost IS NOT NULL THEN s.revenue END AS costed_revenue, s.units * p.cost AS cost,
           CASE WHEN p.cost IS NOT NULL THEN s.previous_revenue END AS previous_costed_revenue, s.previous_units * p.cost AS previous_cost,
           CASE WHEN p.cost IS NOT NULL THEN s.year_before_revenue END AS year_before_costed_revenue,
           s.year_before_units * p.cost AS year_before_cost
    FROM sums AS s
    JOIN retail.products AS p ON p.product_id = s.product_id
    WHERE (s.units, s.previous_units, s.year_before_units, s.revenue, s.previous_revenue, s.year_before_revenue) <> (0, 0, 0, 0, 0, 0)
), products_sold AS (
    SELECT s.product_id, s.units, s.revenue, s.previous_units, s.previous_revenue FROM sold AS s
)

-- name: sold_in_chain
-- What all stores of the chain sold, for head office: by what the products are, and by product only of the spans that
-- by_product names. Whole months are kept as sums over the stores.
days AS MATERIALIZED (
    SELECT s.name AS span, t.*
    FROM spans AS s
    CROSS JOIN LATERAL (
        SELECT t.product_id, sum(t.units) AS units, sum(t.revenue) AS revenue, sum(t.discount) AS discount
        FROM (
            SELECT d.product_id, d.units, d.revenue, d.discount
            FROM retail.kept_daily_product_sales AS d
            WHERE d.store_id = ANY (%(store_ids)s) AND d.day >= s.first_day AND d.day < s.first_month
            UNION ALL
            SELECT d.product_id, d.units, d.revenue, d.discount
            FROM retail.kept_daily_product_sales AS d
            WHERE d.store_id = ANY (%(store_ids)s) AND d.day >= s.end_month AND d.day < s.end_day
            UNION ALL
            SELECT c.product_id, c.units, c.revenue, c.discount
            FROM retail.product_sales_corrections AS c
            WHERE (c.day >= s.first_day AND c.day < s.first_month) OR (c.day >= s.end_month AND c.day < s.end_day)
        ) AS t
        GROUP BY t.product_id
    ) AS t
), groups AS MATERIALIZED (
    SELECT s.name AS span, g.*
    FROM spans AS s
    CROSS JOIN LATERAL (
        SELECT c.category_id, c.type_id, c.unit, c.units, c.revenue, c.discount, c.costed_revenue, c.cost
        FROM retail.chain_sales(s.first_month, s.end_month) AS c
    ) AS g
    UNION ALL
    SELECT d.span, p.category_id, p.type_id, p.unit, d.units, d.revenue, d.discount,
           CASE WHEN p.cost IS NOT NULL THEN d.revenue END, d.units * p.cost
    FROM days AS d
    JOIN retail.products AS p ON p.product_id = d.product_id
), sold AS MATERIALIZED (
    SELECT g.category_id, g.type_id, g.unit,
           coalesce(sum(g.units) FILTER (WHERE g.span = 'current'), 0) AS units,
           coalesce(sum(g.revenue) FILTER (WHERE g.span = 'current'), 0) AS revenue,
           sum(g.discount) FILTER (WHERE g.span = 'current') AS discount,
           sum(g.costed_revenue) FILTER (WHERE g.span = 'current') AS costed_revenue,
           sum(g.cost) FILTER (WHERE g.span = 'current') AS cost,
           coalesce(sum(g.units) FILTER (WHERE g.span = 'previous'), 0) AS previous_units,
           coalesce(sum(g.revenue) FILTER (WHERE g.span = 'previous'), 0) AS previous_revenue,
           sum(g.discount) FILTER (WHERE g.span = 'previous') AS previous_discount,
           sum(g.costed_revenue) FILTER (WHERE g.span = 'previous') AS previous_costed_revenue,
           sum(g.cost) FILTER (WHERE g.span = 'previous') AS previous_cost,
           coalesce(sum(g.units) FILTER (WHERE g.span = 'year_before'), 0) AS year_before_units,
           coalesce(sum(g.revenue) FILTER (WHERE g.span = 'year_before'), 0) AS year_before_revenue,
           sum(g.discount) FILTER (WHERE g.span = 'year_before') AS year_before_discount,
           sum(g.costed_revenue) FILTER (WHERE g.span = 'year_before') AS year_before_costed_revenue,
           sum(g.cost) FILTER (WHERE g.span = 'year_before') AS year_before_cost
    FROM groups AS g
    GROUP BY g.category_id, g.type_id, g.unit
), products_sold AS MATERIALIZED (
    SELECT t.product_id,
           coalesce(sum(t.units) FILTER (WHERE t.span = 'current'), 0) AS units,
           coalesce(sum(t.revenue) FILTER (WHERE t.span = 'current'), 0) AS revenue,
           coalesce(sum(t.units) FILTER (WHERE t.span = 'previous'), 0) AS previous_units,
           coalesce(sum(t.revenue) FILTER (WHERE t.span = 'previous'), 0) AS previous_revenue
    FROM (
        SELECT s.name AS span, m.product_id, m.units, m.revenue
        FROM spans AS s
        CROSS JOIN LATERAL retail.chain_product_sales(s.first_month, s.end_month) AS m
        WHERE s.name = ANY (%(by_product)s)
        UNION ALL
        SELECT d.span, d.product_id, d.units, d.revenue
        FROM days AS d
        WHERE d.span = ANY (%(by_product)s)
    ) AS t
    GROUP BY t.product_id
)

-- name: stock_of_stores
-- Known stock next to what sold in a span of days: what runs out within low_days at that pace, and what did not sell
-- at all, each with how many there are. A product of two stores is two.
WITH corrections AS MATERIALIZED (
    SELECT c.store_id, c.product_id, c.units, c.revenue
    FROM retail.product_sales_corrections AS c
    WHERE c.store_id = ANY (%(store_ids)s) AND c.day >= %(first_day)s AND c.day < %(end_day)s
), sold AS MATERIALIZED (
    SELECT t.store_id, t.product_id, sum(t.units) AS units, sum(t.revenue) AS revenue
    FROM (
        SELECT m.store_id, m.product_id, m.units, m.revenue
        FROM retail.kept_monthly_product_sales AS m
        WHERE m.store_id = ANY (%(store_ids)s) AND m.month >= %(first_month)s AND m.month < %(end_month)s
        UNION ALL
        SELECT d.store_id, d.product_id, d.units, d.revenue
        FROM retail.kept_daily_product_sales AS d
        WHERE d.store_id = ANY (%(store_ids)s) AND d.day >= %(first_day)s AND d.day < %(first_month)s
        UNION ALL
        SELECT d.store_id, d.product_id, d.units, d.revenue
        FROM retail.kept_daily_product_sales AS d
        WHERE d.store_id = ANY (%(store_ids)s) AND d.day >= %(end_month)s AND d.day < %(end_day)s
        UNION ALL
        SELECT c.store_id, c.product_id, c.units, c.revenue FROM corrections AS c
    ) AS t
    GROUP BY t.store_id, t.product_id
), sold_some_day AS MATERIALIZED (
    -- What sold on some day, more than came back on it: what came back later may have left nothing of it.
    SELECT DISTINCT d.store_id, d.product_id
    FROM retail.daily_product_sales AS d
    WHERE d.store_id = ANY (%(store_ids)s) AND d.day >= %(first_day)s AND d.day < %(end_day)s AND d.units > 0
), stock AS (
    SELECT s.name AS store_name, p.sku, p.name, v.store_id, v.product_id, greatest(v.stock_level, 0) AS stock_level,
           greatest(v.stock_level, 0) * p.cost AS stock_value, greatest(u.units, 0) AS units, u.revenue
    FROM retail.inventory AS v
    JOIN retail.stores AS s ON s.store_id = v.store_id
    JOIN retail.products AS p ON p.product_id = v.product_id
    LEFT JOIN sold AS u ON u.store_id = v.store_id AND u.product_id = v.product_id
    WHERE v.store_id = ANY (%(store_ids)s)
), short AS (
    SELECT s.*, count(*) OVER () AS found
    FROM stock AS s
    WHERE s.units >= %(least_units)s AND s.stock_level * (%(end_day)s::date - %(first_day)s::date) < s.units * %(low_days)s
    ORDER BY s.revenue DESC, s.sku, s.store_name
    LIMIT %(products)s
), idle AS (
    SELECT s.*, count(*) OVER () AS found
    FROM stock AS s
    WHERE s.units = 0 AND s.stock_level > 0
        AND (s.store_id, s.product_id) NOT IN (SELECT d.store_id, d.product_id FROM sold_some_day AS d)
    ORDER BY s.stock_value DESC NULLS LAST, s.stock_level DESC, s.sku, s.store_name
    LIMIT %(products)s
)
SELECT 'short' AS kind, s.store_name, s.sku, s.name, s.stock_level, s.stock_value, s.units, s.revenue, s.found FROM short AS s
UNION ALL
SELECT 'idle', s.store_name, s.sku, s.name, s.stock_level, s.stock_value, s.units, s.revenue, s.found FROM idle AS s

-- name: usual_days
-- On how many of the days before its last one, that day included, each store sold something.
SELECT s.store_id, count(*) AS days
FROM unnest(%(store_ids)s::uuid[], %(last_days)s::date[]) AS s (store_id, last_day)
JOIN retail.kept_daily_sales AS d ON d.store_id = s.store_id AND d.day > s.last_day - %(days)s::integer AND d.day <= s.last_day
WHERE d.orders > 0
GROUP BY s.store_id

-- name: buyers_of_products
-- Who bought products in a span: how often they sold, at most many times, and where that is fewer the
-- number of buyers, each anonymous sale one, with the share of whoever bought the most.
SELECT p.product_id, d.often, b.buyers, b.largest_share
FROM unnest(%(product_ids)s::uuid[]) AS p (product_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS often
    FROM (
{often}
        LIMIT %(many)s
    ) AS d
) AS d
LEFT JOIN LATERAL (
    SELECT count(*) AS buyers, max(b.amount) / nullif(sum(b.amount), 0) AS largest_share
    FROM (
        SELECT coalesce(o.customer_id, o.order_id) AS buyer, sum(i.total_amount) AS amount
        FROM retail.order_items AS i
        JOIN retail.orders AS o ON o.order_id = i.order_id AND o.store_id = i.store_id
        WHERE i.store_id = ANY (%(store_ids)s) AND i.product_id = p.product_id AND i.line_kind = 'sale'
            AND o.business_day >= %(first_day)s AND o.business_day < %(end_day)s AND o.sold_on IS NOT NULL
        GROUP BY 1
    ) AS b
) AS b ON d.often < %(many)s

-- name: sold_on_days
-- The days of stores on which the product sold. As subqueries these look up one row each, whatever the planner thinks.
SELECT
FROM unnest(%(store_ids)s::uuid[]) AS s (store_id)
CROSS JOIN generate_series(%(first_day)s::date, %(end_day)s::date - 1, interval '1 day') AS g (day)
WHERE (SELECT k.units FROM retail.kept_daily_product_sales AS k
       WHERE k.store_id = s.store_id AND k.day = g.day::date AND k.product_id = p.product_id) > 0

-- name: sold_in_months
-- The months of stores in which the product sold, where there are many stores.
SELECT
FROM generate_series(date_trunc('month', %(first_day)s::timestamp), %(end_day)s::date - 1, interval '1 month') AS g (month)
CROSS JOIN unnest(%(store_ids)s::uuid[]) AS s (store_id)
WHERE (SELECT k.units FROM retail.kept_monthly_product_sales AS k
       WHERE k.store_id = s.store_id AND k.month = g.month::date AND k.product_id = p.product_id) > 0
