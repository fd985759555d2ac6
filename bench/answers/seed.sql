-- The truth of what is asked of the made-up chain: plain SQL on its tables, as the administrator, who sees everything.
-- An order counts unless it was cancelled or returned. A return is an order of its own with negative amounts.

-- name: redmond_may_revenue
SELECT sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Redmond' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-05-01' AND '2026-05-31';

-- name: redmond_may_against_april
SELECT 100 * (may.revenue - april.revenue) / april.revenue
FROM (
    SELECT sum(o.total_amount) AS revenue
    FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
    WHERE s.name = 'Zava Retail Redmond' AND o.status NOT IN ('cancelled', 'returned')
        AND o.business_day BETWEEN '2026-05-01' AND '2026-05-31'
) AS may, (
    SELECT sum(o.total_amount) AS revenue
    FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
    WHERE s.name = 'Zava Retail Redmond' AND o.status NOT IN ('cancelled', 'returned')
        AND o.business_day BETWEEN '2026-04-01' AND '2026-04-30'
) AS april;

-- name: redmond_may_against_last_year
SELECT 100 * (may.revenue - before.revenue) / before.revenue
FROM (
    SELECT sum(o.total_amount) AS revenue
    FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
    WHERE s.name = 'Zava Retail Redmond' AND o.status NOT IN ('cancelled', 'returned')
        AND o.business_day BETWEEN '2026-05-01' AND '2026-05-31'
) AS may, (
    SELECT sum(o.total_amount) AS revenue
    FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
    WHERE s.name = 'Zava Retail Redmond' AND o.status NOT IN ('cancelled', 'returned')
        AND o.business_day BETWEEN '2025-05-01' AND '2025-05-31'
) AS before;

-- name: redmond_may_average_order
SELECT sum(o.total_amount) / count(*) FILTER (WHERE NOT o.is_return)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Redmond' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-05-01' AND '2026-05-31';

-- name: redmond_may_best_category
SELECT c.name, sum(i.total_amount)
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.categories AS c ON c.category_id = p.category_id
WHERE s.name = 'Zava Retail Redmond' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-05-01' AND '2026-05-31'
GROUP BY c.name ORDER BY 2 DESC LIMIT 1;

-- name: redmond_may_margin
SELECT 100 * (sum(i.total_amount) - sum(i.quantity * p.cost) FILTER (WHERE i.line_kind IN ('sale', 'return'))) / sum(i.total_amount)
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
WHERE s.name = 'Zava Retail Redmond' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-05-01' AND '2026-05-31' AND p.cost IS NOT NULL;

-- name: redmond_may_best_product
SELECT p.sku
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
WHERE s.name = 'Zava Retail Redmond' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-05-01' AND '2026-05-31'
GROUP BY p.sku ORDER BY sum(i.total_amount) DESC LIMIT 1;

-- name: redmond_may_new_customers
SELECT count(*)
FROM (
    SELECT o.customer_id
    FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
    WHERE s.name = 'Zava Retail Redmond' AND o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return
        AND o.customer_id IS NOT NULL
    GROUP BY o.customer_id
    HAVING min(o.business_day) BETWEEN '2026-05-01' AND '2026-05-31'
) AS first_orders;

-- name: redmond_week_days
SELECT o.business_day::text, sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Redmond' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-06-22' AND '2026-06-28'
GROUP BY o.business_day ORDER BY o.business_day;

-- name: redmond_week_best_day
SELECT o.business_day::text
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Redmond' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-06-22' AND '2026-06-28'
GROUP BY o.business_day ORDER BY sum(o.total_amount) DESC LIMIT 1;

-- name: redmond_week_total
SELECT sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Redmond' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-06-22' AND '2026-06-28';

-- name: seattle_busiest_hour
SELECT extract(hour FROM o.order_date AT TIME ZONE s.time_zone), count(*)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return
    AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30'
GROUP BY 1 ORDER BY 2 DESC LIMIT 1;

-- name: seattle_evening_orders
SELECT count(*)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return
    AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30'
    AND extract(hour FROM o.order_date AT TIME ZONE s.time_zone) >= 18;

-- name: seattle_best_weekday
SELECT trim(to_char(o.business_day, 'Day')), sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30'
GROUP BY 1 ORDER BY 2 DESC LIMIT 1;

-- name: seattle_weekend_share
SELECT 100 * sum(o.total_amount) FILTER (WHERE extract(isodow FROM o.business_day) >= 6) / sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30';

-- name: seattle_discount
SELECT sum(i.discount_amount + i.coupon_amount)
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
JOIN retail.order_items AS i USING (order_id)
WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-01-01' AND '2026-06-30';

-- name: seattle_discount_rate
SELECT 100 * sum(i.discount_amount + i.coupon_amount) / sum(i.total_amount + i.discount_amount + i.coupon_amount)
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
JOIN retail.order_items AS i USING (order_id)
WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-01-01' AND '2026-06-30';

-- name: seattle_discount_points
SELECT y.rates[1] - y.rates[2]
FROM (
    SELECT array_agg(x.rate ORDER BY x.year DESC) AS rates
    FROM (
        SELECT extract(year FROM o.business_day) AS year,
               100 * sum(i.discount_amount + i.coupon_amount) / sum(i.total_amount + i.discount_amount + i.coupon_amount) AS rate
        FROM retail.orders AS o
        JOIN retail.stores AS s USING (store_id)
        JOIN retail.order_items AS i USING (order_id)
        WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned')
            AND (o.business_day BETWEEN '2026-01-01' AND '2026-06-30' OR o.business_day BETWEEN '2025-01-01' AND '2025-06-30')
        GROUP BY 1
    ) AS x
) AS y;

-- name: seattle_discounted_category
SELECT c.name, 100 * sum(i.discount_amount + i.coupon_amount) / sum(i.total_amount + i.discount_amount + i.coupon_amount)
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.categories AS c ON c.category_id = p.category_id
WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-01-01' AND '2026-06-30'
GROUP BY c.name ORDER BY 2 DESC LIMIT 1;

-- name: seattle_return_rate
SELECT 100.0 * count(*) FILTER (WHERE o.status = 'returned' OR o.is_return AND o.status <> 'cancelled')
    / count(*) FILTER (WHERE NOT o.is_return)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Seattle' AND o.business_day BETWEEN '2026-01-01' AND '2026-06-30';

-- name: seattle_returned_amount
SELECT -sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Seattle' AND o.is_return AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-01-01' AND '2026-06-30';

-- name: seattle_cancelled
SELECT count(*)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Seattle' AND o.status = 'cancelled'
    AND o.business_day BETWEEN '2026-01-01' AND '2026-06-30';

-- name: seattle_types_returned
SELECT t.name, -sum(i.total_amount)
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.product_types AS t USING (type_id)
WHERE s.name = 'Zava Retail Seattle' AND o.is_return AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-01-01' AND '2026-06-30'
GROUP BY t.type_id, t.name ORDER BY 2 DESC LIMIT 3;

-- name: seattle_customers
SELECT count(DISTINCT o.customer_id)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return
    AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30';

-- name: seattle_new_and_returning
SELECT count(*) FILTER (WHERE first_day >= '2026-04-01'), count(*) FILTER (WHERE first_day < '2026-04-01')
FROM (
    SELECT o.customer_id, min(o.business_day) AS first_day, max(o.business_day) AS last_day
    FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
    WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return
        AND o.customer_id IS NOT NULL AND o.business_day <= '2026-06-30'
    GROUP BY o.customer_id
) AS c
WHERE last_day >= '2026-04-01';

-- name: seattle_repeat_rate
SELECT 100.0 * count(*) FILTER (WHERE orders >= 2) / count(*)
FROM (
    SELECT o.customer_id, count(*) AS orders
    FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
    WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return
        AND o.customer_id IS NOT NULL AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30'
    GROUP BY o.customer_id
) AS c;

-- name: seattle_revenue_from_new
SELECT 100 * sum(o.total_amount) FILTER (WHERE f.first_day >= '2026-04-01') / sum(o.total_amount)
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
LEFT JOIN (
    SELECT b.customer_id, b.store_id, min(b.business_day) AS first_day
    FROM retail.orders AS b
    WHERE b.status NOT IN ('cancelled', 'returned') AND NOT b.is_return
    GROUP BY b.customer_id, b.store_id
) AS f USING (customer_id, store_id)
WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30';

-- name: tacoma_out_of_stock
SELECT count(*)
FROM retail.inventory AS v JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Tacoma' AND v.stock_level <= 0;

-- name: tacoma_stock_value
SELECT sum(v.stock_level * p.cost)
FROM retail.inventory AS v
JOIN retail.stores AS s USING (store_id)
JOIN retail.products AS p USING (product_id)
WHERE s.name = 'Zava Retail Tacoma' AND v.stock_level > 0;

-- name: tacoma_runs_out_first
SELECT p.sku, v.stock_level / (sum(i.quantity) / 90)
FROM retail.inventory AS v
JOIN retail.stores AS s USING (store_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.orders AS o ON o.store_id = v.store_id AND o.business_day BETWEEN '2026-04-02' AND '2026-06-30'
    AND o.status NOT IN ('cancelled', 'returned')
JOIN retail.order_items AS i ON i.order_id = o.order_id AND i.product_id = v.product_id AND i.line_kind IN ('sale', 'return')
WHERE s.name = 'Zava Retail Tacoma' AND v.stock_level > 0
GROUP BY p.sku, v.stock_level
HAVING sum(i.quantity) > 0
ORDER BY 2, p.sku LIMIT 5;

-- name: tacoma_empty_but_asked_for
SELECT p.sku, sum(i.quantity)
FROM retail.inventory AS v
JOIN retail.stores AS s USING (store_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.orders AS o ON o.store_id = v.store_id AND o.business_day BETWEEN '2026-04-02' AND '2026-06-30'
    AND o.status NOT IN ('cancelled', 'returned')
JOIN retail.order_items AS i ON i.order_id = o.order_id AND i.product_id = v.product_id AND i.line_kind IN ('sale', 'return')
WHERE s.name = 'Zava Retail Tacoma' AND v.stock_level <= 0
GROUP BY p.sku
HAVING sum(i.quantity) > 0
ORDER BY 2 DESC, p.sku;

-- name: tacoma_does_not_sell
SELECT p.sku, v.stock_level * p.cost, date '2026-06-30' - l.day
FROM retail.inventory AS v
JOIN retail.stores AS s USING (store_id)
JOIN retail.products AS p USING (product_id)
JOIN (
    SELECT o.store_id, i.product_id, max(o.business_day) AS day
    FROM retail.orders AS o JOIN retail.order_items AS i USING (order_id)
    WHERE i.line_kind = 'sale' AND NOT o.is_return AND o.status NOT IN ('cancelled', 'returned')
        AND o.business_day <= '2026-06-30'
    GROUP BY o.store_id, i.product_id
) AS l ON l.store_id = v.store_id AND l.product_id = v.product_id
WHERE s.name = 'Zava Retail Tacoma' AND v.stock_level > 0 AND date '2026-06-30' - l.day > 180
ORDER BY 2 DESC;

-- name: tacoma_category_stock
SELECT c.name, sum(v.stock_level * p.cost)
FROM retail.inventory AS v
JOIN retail.stores AS s USING (store_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.categories AS c ON c.category_id = p.category_id
WHERE s.name = 'Zava Retail Tacoma' AND v.stock_level > 0
GROUP BY c.name ORDER BY 2 DESC LIMIT 1;

-- name: tacoma_yesterday
SELECT max(o.business_day)::text
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Tacoma';

-- name: tacoma_last_days
SELECT sum(o.total_amount), count(*) FILTER (WHERE NOT o.is_return)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Tacoma' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-06-01' AND '2026-06-30';

-- name: region_stores_quarter
SELECT s.name, sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.region = 'Puget Sound' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30'
GROUP BY s.name ORDER BY 2 DESC;

-- name: region_weakest_store
SELECT s.name
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.region = 'Puget Sound' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30'
GROUP BY s.name ORDER BY sum(o.total_amount) LIMIT 1;

-- name: region_silent_store
SELECT s.name, max(o.business_day)::text
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.region = 'Puget Sound'
GROUP BY s.name HAVING max(o.business_day) < '2026-06-30';

-- name: region_average_orders
SELECT s.name, sum(o.total_amount) / count(*) FILTER (WHERE NOT o.is_return)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.region = 'Puget Sound' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30'
GROUP BY s.name
HAVING sum(o.total_amount) / count(*) FILTER (WHERE NOT o.is_return) > 275
ORDER BY s.name;

-- name: region_best_products
SELECT p.sku, sum(i.total_amount)
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
WHERE s.region = 'Puget Sound' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30'
GROUP BY p.sku ORDER BY 2 DESC LIMIT 5;

-- name: region_share_of_best_products
SELECT 100 * sum(best.revenue) FILTER (WHERE best.place <= 5) / sum(best.revenue)
FROM (
    SELECT sum(i.total_amount) AS revenue, row_number() OVER (ORDER BY sum(i.total_amount) DESC) AS place
    FROM retail.orders AS o
    JOIN retail.stores AS s USING (store_id)
    JOIN retail.order_items AS i USING (order_id)
    WHERE s.region = 'Puget Sound' AND o.status NOT IN ('cancelled', 'returned')
        AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30'
    GROUP BY i.product_id
) AS best;

-- name: region_types_that_fell
SELECT t.name
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.product_types AS t USING (type_id)
WHERE s.region = 'Puget Sound' AND o.status NOT IN ('cancelled', 'returned')
    AND (o.business_day BETWEEN '2026-04-01' AND '2026-06-30' OR o.business_day BETWEEN '2025-04-01' AND '2025-06-30')
GROUP BY t.type_id, t.name
HAVING sum(i.total_amount) FILTER (WHERE o.business_day >= '2026-01-01')
    < 0.8 * sum(i.total_amount) FILTER (WHERE o.business_day < '2026-01-01')
ORDER BY t.name;

-- name: region_pounds
SELECT sum(i.quantity)
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
WHERE s.region = 'Puget Sound' AND o.status NOT IN ('cancelled', 'returned') AND i.line_kind IN ('sale', 'return')
    AND p.unit = 'lb' AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30';

-- name: chain_june_stores
SELECT s.name, sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE o.status NOT IN ('cancelled', 'returned') AND o.business_day BETWEEN '2026-06-01' AND '2026-06-30'
GROUP BY s.name ORDER BY 2 DESC LIMIT 1;

-- name: chain_online_share
SELECT 100 * sum(o.total_amount) FILTER (WHERE s.is_online) / sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE o.status NOT IN ('cancelled', 'returned') AND o.business_day BETWEEN '2026-06-01' AND '2026-06-30';

-- name: chain_june_growth
SELECT s.name, 100 * (a.now - a.before) / a.before
FROM (
    SELECT o.store_id, sum(o.total_amount) FILTER (WHERE o.business_day >= '2026-06-01') AS now,
        sum(o.total_amount) FILTER (WHERE o.business_day < '2026-06-01') AS before
    FROM retail.orders AS o
    WHERE o.status NOT IN ('cancelled', 'returned')
        AND (o.business_day BETWEEN '2026-06-01' AND '2026-06-30' OR o.business_day BETWEEN '2025-06-01' AND '2025-06-30')
    GROUP BY o.store_id
) AS a
JOIN retail.stores AS s USING (store_id)
WHERE s.name <> 'Zava Retail Kirkland'
ORDER BY 2 DESC LIMIT 1;

-- name: chain_regions
SELECT s.region, sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE o.status NOT IN ('cancelled', 'returned') AND o.business_day BETWEEN '2026-01-01' AND '2026-06-30'
GROUP BY s.region ORDER BY 2 DESC;

-- name: chain_region_share
SELECT 100 * sum(o.total_amount) FILTER (WHERE s.region = 'Eastern Washington') / sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE o.status NOT IN ('cancelled', 'returned') AND o.business_day BETWEEN '2026-01-01' AND '2026-06-30';

-- name: chain_fiscal_quarters
SELECT q.name, sum(o.total_amount)
FROM retail.orders AS o
JOIN (
    VALUES
        ('FY2025-Q1', date '2025-02-02', date '2025-05-03'), ('FY2025-Q2', '2025-05-04', '2025-08-02'),
        ('FY2025-Q3', '2025-08-03', '2025-11-01'), ('FY2025-Q4', '2025-11-02', '2026-01-31')
) AS q (name, first_day, last_day) ON o.business_day BETWEEN q.first_day AND q.last_day
WHERE o.status NOT IN ('cancelled', 'returned')
GROUP BY q.name ORDER BY q.name;

-- name: chain_best_fiscal_quarter
SELECT q.name
FROM retail.orders AS o
JOIN (
    VALUES
        ('FY2025-Q1', date '2025-02-02', date '2025-05-03'), ('FY2025-Q2', '2025-05-04', '2025-08-02'),
        ('FY2025-Q3', '2025-08-03', '2025-11-01'), ('FY2025-Q4', '2025-11-02', '2026-01-31')
) AS q (name, first_day, last_day) ON o.business_day BETWEEN q.first_day AND q.last_day
WHERE o.status NOT IN ('cancelled', 'returned')
GROUP BY q.name ORDER BY sum(o.total_amount) DESC LIMIT 1;

-- name: chain_fiscal_year_growth
SELECT sum(o.total_amount) FILTER (WHERE o.business_day >= '2025-02-02'), sum(o.total_amount) FILTER (WHERE o.business_day < '2025-02-02')
FROM retail.orders AS o
WHERE o.status NOT IN ('cancelled', 'returned') AND o.business_day BETWEEN '2024-02-04' AND '2026-01-31';

-- name: chain_fiscal_week
SELECT sum(o.total_amount)
FROM retail.orders AS o
WHERE o.status NOT IN ('cancelled', 'returned') AND o.business_day BETWEEN '2026-05-03' AND '2026-05-09';

-- name: chain_year_customers
SELECT count(DISTINCT o.customer_id)
FROM retail.orders AS o
WHERE o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return
    AND o.business_day BETWEEN '2025-01-01' AND '2025-12-31';

-- name: chain_year_new_customers
SELECT count(*) FILTER (WHERE first_day >= '2025-01-01'), count(*) FILTER (WHERE first_day < '2025-01-01')
FROM (
    SELECT min(o.business_day) AS first_day,
        count(*) FILTER (WHERE o.business_day BETWEEN '2025-01-01' AND '2025-12-31') AS orders
    FROM retail.orders AS o
    WHERE o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return AND o.customer_id IS NOT NULL
    GROUP BY o.customer_id
) AS c
WHERE orders > 0;

-- name: chain_year_repeat_rate
SELECT 100.0 * count(*) FILTER (WHERE orders >= 2) / count(*)
FROM (
    SELECT count(*) AS orders
    FROM retail.orders AS o
    WHERE o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return AND o.customer_id IS NOT NULL
        AND o.business_day BETWEEN '2025-01-01' AND '2025-12-31'
    GROUP BY o.customer_id
) AS c;

-- name: chain_years
SELECT extract(year FROM o.business_day)::text, sum(o.total_amount)
FROM retail.orders AS o
WHERE o.status NOT IN ('cancelled', 'returned') AND o.business_day BETWEEN '2021-01-01' AND '2025-12-31'
GROUP BY 1 ORDER BY 1;

-- name: chain_year_that_fell
SELECT y.year::text
FROM (
    SELECT extract(year FROM o.business_day) AS year, sum(o.total_amount) AS revenue,
        lag(sum(o.total_amount)) OVER (ORDER BY extract(year FROM o.business_day)) AS before
    FROM retail.orders AS o
    WHERE o.status NOT IN ('cancelled', 'returned') AND o.business_day BETWEEN '2021-01-01' AND '2025-12-31'
    GROUP BY 1
) AS y
WHERE y.revenue < y.before;

-- name: chain_margins
SELECT c.name, 100 * (sum(i.total_amount) - sum(i.quantity * p.cost) FILTER (WHERE i.line_kind IN ('sale', 'return'))) / sum(i.total_amount)
FROM retail.orders AS o
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.categories AS c ON c.category_id = p.category_id
WHERE o.status NOT IN ('cancelled', 'returned') AND o.business_day BETWEEN '2025-01-01' AND '2025-12-31' AND p.cost IS NOT NULL
GROUP BY c.name ORDER BY 2 LIMIT 1;

-- name: chain_known_cost
SELECT 100 * sum(i.total_amount) FILTER (WHERE p.cost IS NOT NULL) / sum(i.total_amount)
FROM retail.orders AS o
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.categories AS c ON c.category_id = p.category_id
WHERE o.status NOT IN ('cancelled', 'returned') AND o.business_day BETWEEN '2025-01-01' AND '2025-12-31'
    AND c.name = 'Storage & Organization';

-- name: chain_products_without_cost
SELECT p.sku FROM retail.products AS p WHERE p.cost IS NULL ORDER BY p.sku;

-- name: chain_median_order
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY o.total_amount)
FROM retail.orders AS o
WHERE o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return
    AND o.business_day BETWEEN '2026-01-01' AND '2026-06-30';

-- name: chain_both_channels
SELECT count(*)
FROM (
    SELECT o.customer_id
    FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
    WHERE o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return AND o.customer_id IS NOT NULL
        AND o.business_day BETWEEN '2025-07-01' AND '2026-06-30'
    GROUP BY o.customer_id
    HAVING bool_or(s.is_online) AND NOT bool_and(s.is_online)
) AS c;

-- name: chain_drills_with_saws
SELECT count(*)
FROM (
    SELECT o.order_id
    FROM retail.orders AS o
    JOIN retail.order_items AS i USING (order_id)
    JOIN retail.products AS p USING (product_id)
    JOIN retail.product_types AS t USING (type_id)
    WHERE o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return
        AND o.business_day BETWEEN '2025-07-01' AND '2026-06-30' AND t.name IN ('Drills', 'Circular Saws')
    GROUP BY o.order_id
    HAVING count(DISTINCT t.name) = 2
) AS both_types;

-- name: tacoma_reorder
SELECT p.sku, ceil(sum(i.quantity) * 30 / 90 - greatest(v.stock_level, 0))
FROM retail.inventory AS v
JOIN retail.stores AS s USING (store_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.orders AS o ON o.store_id = v.store_id AND o.business_day BETWEEN '2026-04-02' AND '2026-06-30'
    AND o.status NOT IN ('cancelled', 'returned')
JOIN retail.order_items AS i ON i.order_id = o.order_id AND i.product_id = v.product_id AND i.line_kind IN ('sale', 'return')
WHERE s.name = 'Zava Retail Tacoma'
GROUP BY p.sku, v.stock_level
HAVING sum(i.quantity) * 30 / 90 > greatest(v.stock_level, 0)
ORDER BY 2 DESC, p.sku;

-- name: tacoma_reorder_units
SELECT sum(ceil(lacking))
FROM (
    SELECT sum(i.quantity) * 30 / 90 - greatest(v.stock_level, 0) AS lacking
    FROM retail.inventory AS v
    JOIN retail.stores AS s USING (store_id)
    JOIN retail.orders AS o ON o.store_id = v.store_id AND o.business_day BETWEEN '2026-04-02' AND '2026-06-30'
        AND o.status NOT IN ('cancelled', 'returned')
    JOIN retail.order_items AS i ON i.order_id = o.order_id AND i.product_id = v.product_id AND i.line_kind IN ('sale', 'return')
    WHERE s.name = 'Zava Retail Tacoma'
    GROUP BY v.product_id, v.stock_level
) AS r
WHERE lacking > 0;

-- name: bellevue_stock_table
SELECT 'retail.' || c.table_name
FROM information_schema.columns AS c
WHERE c.table_schema = 'retail' AND c.column_name = 'stock_level';

-- name: bellevue_stock_counted
SELECT count(*) = 1
FROM information_schema.columns AS c
WHERE c.table_schema = 'retail' AND c.table_name = 'inventory' AND c.column_name = 'counted_at';

-- name: bellevue_index
SELECT x.indexname
FROM pg_indexes AS x
WHERE x.schemaname = 'retail' AND x.tablename = 'orders' AND x.indexdef LIKE '%customer_id%';

-- name: bellevue_open_orders
SELECT o.status, count(*)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Zava Retail Bellevue' AND o.status IN ('pending', 'shipped') AND NOT o.is_return
    AND o.business_day BETWEEN '2026-06-01' AND '2026-06-30'
GROUP BY o.status ORDER BY o.status;

-- name: search_rain
SELECT p.name FROM retail.products AS p
WHERE p.description LIKE '%rain%' AND p.description LIKE '%outdoor outlet%';

-- name: search_hose
SELECT p.sku FROM retail.products AS p JOIN retail.product_types AS t USING (type_id)
WHERE t.name = 'Hoses' AND p.base_price <= 40;

-- name: search_toilet
SELECT p.name FROM retail.products AS p JOIN retail.product_types AS t USING (type_id)
WHERE t.name = 'Drain Cleaning' AND p.name ~* 'toilet';

-- name: search_mower
SELECT count(*) FROM retail.products AS p WHERE p.name ~* 'mower';

-- name: similar_nails
SELECT p.sku
FROM retail.products AS p
JOIN retail.product_types AS t USING (type_id)
JOIN retail.inventory AS v USING (product_id)
JOIN retail.stores AS s USING (store_id)
WHERE t.name = 'Nails' AND p.sku <> 'HWNL030010' AND s.name = 'Zava Retail Redmond' AND v.stock_level > 0;

-- name: bought_with_hammer
SELECT p.sku, count(DISTINCT i.order_id)
FROM retail.orders AS o
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
WHERE o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return AND i.line_kind = 'sale' AND p.sku <> 'HTHM001010'
    AND o.order_id IN (
        SELECT h.order_id FROM retail.order_items AS h JOIN retail.products AS q USING (product_id)
        WHERE q.sku = 'HTHM001010' AND h.line_kind = 'sale')
GROUP BY p.sku HAVING count(DISTINCT i.order_id) >= 5;

-- name: bought_with_drills
SELECT p.sku, count(DISTINCT i.order_id)
FROM retail.orders AS o
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
WHERE o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return AND i.line_kind = 'sale'
    AND o.order_id IN (
        SELECT h.order_id
        FROM retail.order_items AS h JOIN retail.products AS q USING (product_id) JOIN retail.product_types AS t USING (type_id)
        WHERE t.name = 'Drills' AND h.line_kind = 'sale')
GROUP BY p.sku HAVING count(DISTINCT i.order_id) >= 5;

-- name: bought_with_list
SELECT p.sku, count(DISTINCT i.order_id)
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return AND i.line_kind = 'sale'
    AND o.order_id IN (
        SELECT h.order_id FROM retail.order_items AS h JOIN retail.products AS q USING (product_id)
        WHERE q.sku IN ('HTHM001010', 'HWNL030010', 'HTHS005040') AND h.line_kind = 'sale')
GROUP BY p.sku HAVING count(DISTINCT i.order_id) >= 5;

-- name: seattle_hammer
SELECT p.sku, count(DISTINCT i.order_id)
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return AND i.line_kind = 'sale'
    AND o.order_id IN (
        SELECT h.order_id FROM retail.order_items AS h JOIN retail.products AS q USING (product_id)
        WHERE q.sku = 'HTHM001010' AND h.line_kind = 'sale')
GROUP BY p.sku HAVING count(DISTINCT i.order_id) >= 5;

-- name: region_june_revenue
SELECT sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.region = 'Puget Sound' AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-06-01' AND '2026-06-30';

-- name: region_june_growth
SELECT 100 * (a.now - a.before) / a.before
FROM (
    SELECT sum(o.total_amount) FILTER (WHERE o.business_day BETWEEN '2026-06-01' AND '2026-06-30') AS now,
        sum(o.total_amount) FILTER (WHERE o.business_day BETWEEN '2025-06-01' AND '2025-06-30') AS before
    FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
    WHERE s.region = 'Puget Sound' AND o.status NOT IN ('cancelled', 'returned')
) AS a;

-- name: region_june_silent_store
SELECT s.name, max(o.business_day)::text
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.region = 'Puget Sound'
GROUP BY s.name HAVING max(o.business_day) < '2026-06-24';

-- name: region_june_returned
SELECT -sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.region = 'Puget Sound' AND o.is_return AND o.status NOT IN ('cancelled', 'returned')
    AND o.business_day BETWEEN '2026-06-01' AND '2026-06-30';

-- name: region_june_new_customers
SELECT count(*)
FROM (
    SELECT o.customer_id
    FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
    WHERE s.region = 'Puget Sound' AND o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return
        AND o.customer_id IS NOT NULL
    GROUP BY o.customer_id
    HAVING min(o.business_day) BETWEEN '2026-06-01' AND '2026-06-30'
) AS first_orders;

-- name: chain_quarter_revenue
SELECT sum(o.total_amount)
FROM retail.orders AS o
WHERE o.status NOT IN ('cancelled', 'returned') AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30';

-- name: chain_quarter_customers
SELECT count(*), count(*) FILTER (WHERE first_day >= '2026-04-01')
FROM (
    SELECT min(o.business_day) AS first_day, max(o.business_day) AS last_day
    FROM retail.orders AS o
    WHERE o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return AND o.customer_id IS NOT NULL
    GROUP BY o.customer_id
) AS c
WHERE last_day >= '2026-04-01';

-- name: chain_quarter_category
SELECT c.name
FROM retail.orders AS o
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.categories AS c ON c.category_id = p.category_id
WHERE o.status NOT IN ('cancelled', 'returned') AND o.business_day BETWEEN '2026-01-01' AND '2026-06-30'
GROUP BY c.name
HAVING sum(i.total_amount) FILTER (WHERE o.business_day >= '2026-04-01')
    < sum(i.total_amount) FILTER (WHERE o.business_day < '2026-04-01')
ORDER BY c.name;

-- name: chain_quarter_product
SELECT p.sku, sum(i.total_amount)
FROM retail.orders AS o
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
WHERE o.status NOT IN ('cancelled', 'returned') AND o.business_day BETWEEN '2026-04-01' AND '2026-06-30'
GROUP BY p.sku ORDER BY 2 DESC LIMIT 1;

-- name: seattle_big_spenders
SELECT count(*)
FROM (
    SELECT rank() OVER (ORDER BY sum(o.total_amount) DESC) AS place, count(*) OVER () AS customers
    FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
    WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned') AND o.customer_id IS NOT NULL
    GROUP BY o.customer_id HAVING bool_or(NOT o.is_return)
) AS c
WHERE c.place <= c.customers / 10;

-- name: seattle_new_segment
SELECT count(*)
FROM (
    SELECT o.customer_id
    FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
    WHERE s.name = 'Zava Retail Seattle' AND o.status NOT IN ('cancelled', 'returned') AND NOT o.is_return
        AND o.customer_id IS NOT NULL
    GROUP BY o.customer_id HAVING min(o.business_day) > date '2026-06-30' - 90
) AS c;
