-- The statements behind get_store_performance, by name. They run as the caller, under
-- row level security, in one transaction. They read totals that triggers keep, never the
-- orders themselves, so they cost the same however many there are. An order counts unless
-- it was cancelled or returned. A span is the days from first_day up to, not including,
-- end_day; first_month and end_month bound the whole months in it, and are end_day where
-- there is none. The three spans may overlap or be the same.

-- name: visible_stores
-- The stores that the caller may see.
SELECT s.store_id, s.name
FROM retail.stores AS s
ORDER BY s.name

-- name: store_history
-- The store's name and when its first order was placed; no row if it is not visible.
SELECT s.name AS store_name,
       (SELECT min(o.order_date) FROM retail.orders AS o WHERE o.store_id = s.store_id) AS first_order_at
FROM retail.stores AS s
WHERE s.store_id = %(store_id)s

-- name: last_day_with_orders
-- The last day before another on which an order was placed, NULL for none.
SELECT max(d.day) AS day FROM retail.daily_sales AS d WHERE d.store_id = %(store_id)s AND d.day < %(end_day)s

-- name: daily_sales
-- Orders of the three spans by day in UTC, where there are any.
SELECT d.day, d.revenue, d.orders, d.cancelled_orders, d.returned_orders
FROM retail.daily_sales AS d
WHERE d.store_id = %(store_id)s
    AND ((d.day >= %(first_day)s AND d.day < %(end_day)s)
        OR (d.day >= %(previous_first_day)s AND d.day < %(previous_end_day)s)
        OR (d.day >= %(year_before_first_day)s AND d.day < %(year_before_end_day)s))
ORDER BY d.day

-- name: span_customers
-- Customers of each span; a new one is in the span of their first order that counts.
-- Each is counted once: on every day that they bought, less the pairs of such a day and
-- their next one that lie within the span. Whole months of pairs are read as months.
WITH spans (name, first_day, end_day, first_month, end_month) AS (
    VALUES ('current', %(first_day)s, %(end_day)s, %(first_month)s, %(end_month)s),
           ('previous', %(previous_first_day)s, %(previous_end_day)s, %(previous_first_month)s, %(previous_end_month)s),
           ('year_before', %(year_before_first_day)s, %(year_before_end_day)s, %(year_before_first_month)s, %(year_before_end_month)s)
), counts AS (
    SELECT s.name, d.customers - m.customers - r.customers AS customers, d.new_customers
    FROM spans AS s
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(d.customers), 0) AS customers, coalesce(sum(d.new_customers), 0) AS new_customers
        FROM retail.daily_sales AS d
        WHERE d.store_id = %(store_id)s AND d.day >= s.first_day AND d.day < s.end_day
    ) AS d
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(m.customers), 0) AS customers
        FROM retail.monthly_repeat_customers AS m
        WHERE m.store_id = %(store_id)s
            AND m.previous_month >= s.first_month AND m.previous_month < s.end_month AND m.day < s.end_day
    ) AS m
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(r.customers), 0) AS customers
        FROM (
            SELECT r.customers FROM retail.daily_repeat_customers AS r
            WHERE r.store_id = %(store_id)s
                AND r.previous_day >= s.first_day AND r.previous_day < s.first_month AND r.day < s.end_day
            UNION ALL
            SELECT r.customers FROM retail.daily_repeat_customers AS r
            WHERE r.store_id = %(store_id)s
                AND r.previous_day >= s.end_month AND r.previous_day < s.end_day AND r.day < s.end_day
        ) AS r
    ) AS r
)
SELECT c.name, c.customers, c.new_customers FROM counts AS c

-- name: span_items
-- What was sold in each span: totals, categories, the best products with their stock,
-- and the products that fell the most against the previous span. Whole months are read
-- as months, the days before and after them as days.
WITH spans (name, first_day, end_day, first_month, end_month) AS (
    VALUES ('current', %(first_day)s, %(end_day)s, %(first_month)s, %(end_month)s),
           ('previous', %(previous_first_day)s, %(previous_end_day)s, %(previous_first_month)s, %(previous_end_month)s),
           ('year_before', %(year_before_first_day)s, %(year_before_end_day)s, %(year_before_first_month)s, %(year_before_end_month)s)
), parts AS (
    SELECT s.name, t.*
    FROM spans AS s
    CROSS JOIN LATERAL (
        SELECT t.product_id, sum(t.units) AS units, sum(t.revenue) AS revenue, sum(t.discount) AS discount
        FROM (
            SELECT m.product_id, m.units, m.revenue, m.discount
            FROM retail.monthly_product_sales AS m
            WHERE m.store_id = %(store_id)s AND m.month >= s.first_month AND m.month < s.end_month
            UNION ALL
            SELECT d.product_id, d.units, d.revenue, d.discount
            FROM retail.daily_product_sales AS d
            WHERE d.store_id = %(store_id)s AND d.day >= s.first_day AND d.day < s.first_month
            UNION ALL
            SELECT d.product_id, d.units, d.revenue, d.discount
            FROM retail.daily_product_sales AS d
            WHERE d.store_id = %(store_id)s AND d.day >= s.end_month AND d.day < s.end_day
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
    SELECT s.*, p.name, p.cost, p.category_id
    FROM sums AS s
    JOIN retail.products AS p ON p.product_id = s.product_id
), categories AS (
    SELECT k.name, sum(s.revenue) AS revenue, sum(s.previous_revenue) AS previous_revenue,
           sum(s.year_before_revenue) AS year_before_revenue
    FROM sold AS s
    JOIN retail.categories AS k ON k.category_id = s.category_id
    GROUP BY k.name
), best_products AS (
    SELECT s.name, s.units, s.revenue, v.stock_level
    FROM (SELECT * FROM sold WHERE units > 0 ORDER BY revenue DESC, name, product_id LIMIT %(products)s) AS s
    LEFT JOIN retail.inventory AS v ON v.product_id = s.product_id AND v.store_id = %(store_id)s
), fading_products AS (
    SELECT s.name, s.units, s.revenue, s.previous_units, s.previous_revenue
    FROM sold AS s
    WHERE s.previous_units >= %(fading_units)s AND s.revenue < s.previous_revenue
    ORDER BY s.previous_revenue - s.revenue DESC, s.name, s.product_id
    LIMIT %(products)s
)
SELECT json_build_object(
           'units', coalesce(sum(s.units), 0), 'discount', coalesce(sum(s.discount), 0),
           'item_revenue', coalesce(sum(s.revenue), 0), 'cost', coalesce(sum(s.units * s.cost), 0)) AS current,
       json_build_object(
           'units', coalesce(sum(s.previous_units), 0), 'discount', coalesce(sum(s.previous_discount), 0),
           'item_revenue', coalesce(sum(s.previous_revenue), 0), 'cost', coalesce(sum(s.previous_units * s.cost), 0)) AS previous,
       json_build_object(
           'units', coalesce(sum(s.year_before_units), 0), 'discount', coalesce(sum(s.year_before_discount), 0),
           'item_revenue', coalesce(sum(s.year_before_revenue), 0), 'cost', coalesce(sum(s.year_before_units * s.cost), 0)) AS year_before,
       coalesce((SELECT json_agg(c ORDER BY c.revenue DESC, c.name) FROM categories AS c), '[]') AS categories,
       coalesce((SELECT json_agg(b ORDER BY b.revenue DESC, b.name) FROM best_products AS b), '[]') AS best_products,
       coalesce((SELECT json_agg(f ORDER BY f.previous_revenue - f.revenue DESC, f.name) FROM fading_products AS f), '[]') AS fading_products
FROM sold AS s
