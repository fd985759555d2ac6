-- The statements behind get_store_performance, by name. They run as the caller, under
-- row level security, in one transaction. Spans of time are half-open; an order counts
-- unless it was cancelled or returned. The three spans of a statement may overlap or be
-- the same: an order is read once and says in which of them it was placed.

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

-- name: daily_sales
-- Orders of the three spans by day in UTC, where there are any.
SELECT (o.order_date AT TIME ZONE 'UTC')::date AS day,
       coalesce(sum(o.total_amount) FILTER (WHERE o.status NOT IN ('cancelled', 'returned')), 0) AS revenue,
       count(*) FILTER (WHERE o.status NOT IN ('cancelled', 'returned')) AS orders,
       count(*) FILTER (WHERE o.status = 'cancelled') AS cancelled_orders,
       count(*) FILTER (WHERE o.status = 'returned') AS returned_orders
FROM retail.orders AS o
WHERE o.store_id = %(store_id)s
    AND ((o.order_date >= %(start)s AND o.order_date < %(end)s)
        OR (o.order_date >= %(previous_start)s AND o.order_date < %(previous_end)s)
        OR (o.order_date >= %(year_before_start)s AND o.order_date < %(year_before_end)s))
GROUP BY day
ORDER BY day

-- name: span_customers
-- Customers of each span; a new one is in the span of their first order that counts.
WITH buyers AS MATERIALIZED (
    SELECT o.customer_id,
           bool_or(o.order_date >= %(start)s AND o.order_date < %(end)s) AS in_current,
           bool_or(o.order_date >= %(previous_start)s AND o.order_date < %(previous_end)s) AS in_previous,
           bool_or(o.order_date >= %(year_before_start)s AND o.order_date < %(year_before_end)s) AS in_year_before
    FROM retail.orders AS o
    WHERE o.store_id = %(store_id)s AND o.status NOT IN ('cancelled', 'returned')
        AND ((o.order_date >= %(start)s AND o.order_date < %(end)s)
            OR (o.order_date >= %(previous_start)s AND o.order_date < %(previous_end)s)
            OR (o.order_date >= %(year_before_start)s AND o.order_date < %(year_before_end)s))
    GROUP BY o.customer_id
), firsts AS MATERIALIZED (
    SELECT o.customer_id, min(o.order_date) AS first_at
    FROM retail.orders AS o
    WHERE o.store_id = %(store_id)s AND o.order_date < %(end)s AND o.status NOT IN ('cancelled', 'returned')
        AND o.customer_id IN (SELECT b.customer_id FROM buyers AS b)
    GROUP BY o.customer_id
)
SELECT (SELECT json_build_object(
           'customers', count(*) FILTER (WHERE b.in_current),
           'new_customers', (SELECT count(*) FROM firsts AS f WHERE f.first_at >= %(start)s AND f.first_at < %(end)s))
        FROM buyers AS b) AS current,
       (SELECT json_build_object(
           'customers', count(*) FILTER (WHERE b.in_previous),
           'new_customers', (SELECT count(*) FROM firsts AS f WHERE f.first_at >= %(previous_start)s AND f.first_at < %(previous_end)s))
        FROM buyers AS b) AS previous,
       (SELECT json_build_object(
           'customers', count(*) FILTER (WHERE b.in_year_before),
           'new_customers', (SELECT count(*) FROM firsts AS f WHERE f.first_at >= %(year_before_start)s AND f.first_at < %(year_before_end)s))
        FROM buyers AS b) AS year_before

-- name: span_items
-- What was sold in each span: totals, categories, the best products with their stock,
-- and the products that fell the most against the previous span.
WITH counted AS (
    SELECT o.order_id,
           o.order_date >= %(start)s AND o.order_date < %(end)s AS in_current,
           o.order_date >= %(previous_start)s AND o.order_date < %(previous_end)s AS in_previous,
           o.order_date >= %(year_before_start)s AND o.order_date < %(year_before_end)s AS in_year_before
    FROM retail.orders AS o
    WHERE o.store_id = %(store_id)s AND o.status NOT IN ('cancelled', 'returned')
        AND ((o.order_date >= %(start)s AND o.order_date < %(end)s)
            OR (o.order_date >= %(previous_start)s AND o.order_date < %(previous_end)s)
            OR (o.order_date >= %(year_before_start)s AND o.order_date < %(year_before_end)s))
), sums AS MATERIALIZED (
    SELECT i.product_id,
           coalesce(sum(i.quantity) FILTER (WHERE c.in_current), 0) AS units,
           coalesce(sum(i.discount_amount) FILTER (WHERE c.in_current), 0) AS discount,
           coalesce(sum(i.total_amount) FILTER (WHERE c.in_current), 0) AS revenue,
           coalesce(sum(i.quantity) FILTER (WHERE c.in_previous), 0) AS previous_units,
           coalesce(sum(i.discount_amount) FILTER (WHERE c.in_previous), 0) AS previous_discount,
           coalesce(sum(i.total_amount) FILTER (WHERE c.in_previous), 0) AS previous_revenue,
           coalesce(sum(i.quantity) FILTER (WHERE c.in_year_before), 0) AS year_before_units,
           coalesce(sum(i.discount_amount) FILTER (WHERE c.in_year_before), 0) AS year_before_discount,
           coalesce(sum(i.total_amount) FILTER (WHERE c.in_year_before), 0) AS year_before_revenue
    FROM counted AS c
    JOIN retail.order_items AS i ON i.order_id = c.order_id AND i.store_id = %(store_id)s
    GROUP BY i.product_id
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
