-- class: sales

-- name: revenue-by-store
SELECT s.name, sum(o.total_amount) AS revenue FROM retail.orders AS o JOIN retail.stores AS s USING (store_id) WHERE o.status NOT IN ('cancelled', 'returned') GROUP BY s.name
-- name: revenue-by-month
SELECT date_trunc('month', order_date) AS month, count(*), sum(total_amount) FROM retail.orders GROUP BY 1 ORDER BY 1
-- name: revenue-by-year-and-quarter
SELECT extract(year FROM order_date)::int AS year, extract(quarter FROM order_date)::int AS quarter, round(sum(total_amount), 2) FROM retail.orders GROUP BY 1, 2 ORDER BY 1, 2
-- name: revenue-by-weekday
SELECT to_char(order_date, 'Dy') AS day, extract(isodow FROM order_date) AS n, avg(total_amount) FROM retail.orders GROUP BY 1, 2 ORDER BY 2
-- name: best-customers
SELECT c.first_name || ' ' || c.last_name AS customer, c.email, count(o.order_id) AS orders, sum(o.total_amount) AS spent FROM retail.customers AS c JOIN retail.orders AS o USING (customer_id) GROUP BY c.customer_id ORDER BY spent DESC, c.email LIMIT 10
-- name: best-products
SELECT p.name, sum(i.quantity) AS units, sum(i.total_amount) AS revenue FROM retail.order_items AS i JOIN retail.products AS p USING (product_id) GROUP BY p.product_id, p.name ORDER BY revenue DESC, p.name LIMIT 25
-- name: products-never-sold
SELECT p.sku, p.name FROM retail.products AS p WHERE NOT EXISTS (SELECT FROM retail.order_items AS i WHERE i.product_id = p.product_id) ORDER BY p.sku
-- name: revenue-by-category-with-share
SELECT c.name, sum(i.total_amount) AS revenue, round(100 * sum(i.total_amount) / sum(sum(i.total_amount)) OVER (), 2) AS share FROM retail.order_items AS i JOIN retail.products AS p USING (product_id) JOIN retail.categories AS c USING (category_id) GROUP BY c.name ORDER BY 2 DESC
-- name: month-over-month-growth
WITH m AS (SELECT date_trunc('month', order_date)::date AS month, sum(total_amount) AS revenue FROM retail.orders GROUP BY 1) SELECT month, revenue, revenue - lag(revenue) OVER w AS change, round(100 * (revenue / nullif(lag(revenue) OVER w, 0) - 1), 1) AS percent FROM m WINDOW w AS (ORDER BY month) ORDER BY month
-- name: year-over-year
SELECT extract(month FROM order_date)::int AS month, sum(total_amount) FILTER (WHERE extract(year FROM order_date) = 2025) AS y2025, sum(total_amount) FILTER (WHERE extract(year FROM order_date) = 2026) AS y2026 FROM retail.orders GROUP BY 1 ORDER BY 1
-- name: running-total
SELECT order_date::date AS day, sum(sum(total_amount)) OVER (ORDER BY order_date::date) AS running FROM retail.orders WHERE order_date >= '2026-01-01' GROUP BY 1 ORDER BY 1
-- name: moving-average
SELECT day, avg(revenue) OVER (ORDER BY day RANGE BETWEEN '6 days' PRECEDING AND CURRENT ROW) FROM (SELECT order_date::date AS day, sum(total_amount) AS revenue FROM retail.orders WHERE order_date >= '2026-04-01' GROUP BY 1) AS d ORDER BY day
-- name: top-three-per-category
SELECT category, product, revenue FROM (SELECT c.name AS category, p.name AS product, sum(i.total_amount) AS revenue, row_number() OVER (PARTITION BY c.name ORDER BY sum(i.total_amount) DESC, p.name) AS n FROM retail.order_items AS i JOIN retail.products AS p USING (product_id) JOIN retail.categories AS c USING (category_id) GROUP BY c.name, p.name) AS ranked WHERE n <= 3 ORDER BY category, revenue DESC, product
-- name: order-value-distribution
SELECT width_bucket(total_amount, 0, 1000, 10) AS bucket, count(*), min(total_amount), max(total_amount) FROM retail.orders WHERE total_amount < 1000 GROUP BY 1 ORDER BY 1
-- name: repeat-customers
SELECT orders, count(*) FROM (SELECT customer_id, count(*) AS orders FROM retail.orders GROUP BY 1) AS x GROUP BY 1 ORDER BY 1
-- name: days-between-orders
SELECT round(avg(gap), 1) FROM (SELECT extract(epoch FROM order_date - lag(order_date) OVER (PARTITION BY customer_id ORDER BY order_date)) / 86400 AS gap FROM retail.orders) AS x WHERE gap IS NOT NULL
-- name: cohorts
WITH firsts AS (SELECT customer_id, min(date_trunc('quarter', order_date)) AS cohort FROM retail.orders GROUP BY 1) SELECT cohort::date, count(DISTINCT f.customer_id) AS customers, count(*) AS orders FROM firsts AS f JOIN retail.orders AS o USING (customer_id) GROUP BY 1 ORDER BY 1
-- name: basket-pairs
SELECT a.product_id, b.product_id, count(*) FROM retail.order_items AS a JOIN retail.order_items AS b ON a.order_id = b.order_id AND a.product_id < b.product_id GROUP BY 1, 2 HAVING count(*) > 1 ORDER BY 3 DESC, 1, 2 LIMIT 200
-- name: stock-below-ten
SELECT s.name, p.name, i.stock_level FROM retail.inventory AS i JOIN retail.products AS p USING (product_id) JOIN retail.stores AS s USING (store_id) WHERE i.stock_level < 20 ORDER BY i.stock_level, p.name, s.name LIMIT 300
-- name: stock-value
SELECT s.name, sum(i.stock_level * p.cost) AS at_cost, sum(i.stock_level * p.base_price) AS at_price FROM retail.inventory AS i JOIN retail.products AS p USING (product_id) JOIN retail.stores AS s USING (store_id) GROUP BY 1
-- name: margin-by-type
SELECT t.name, round(sum(i.total_amount - i.quantity * p.cost), 2) AS margin FROM retail.order_items AS i JOIN retail.products AS p USING (product_id) JOIN retail.product_types AS t USING (type_id) GROUP BY t.type_id, t.name ORDER BY margin DESC, t.name
-- name: discounts
SELECT discount_percent, count(*), sum(discount_amount) FROM retail.order_items GROUP BY 1 ORDER BY 1
-- name: status-counts
SELECT status, count(*), round(count(*) * 100.0 / sum(count(*)) OVER (), 2) AS percent FROM retail.orders GROUP BY status ORDER BY 2 DESC, 1
-- name: items-per-order
SELECT n, count(*) FROM (SELECT order_id, count(*) AS n FROM retail.order_items GROUP BY 1) AS x GROUP BY n ORDER BY n
-- name: orders-without-items
SELECT count(*) FROM retail.orders AS o LEFT JOIN retail.order_items AS i USING (order_id, store_id) WHERE i.order_item_id IS NULL
-- name: totals-agree
SELECT count(*) FROM retail.orders AS o WHERE o.total_amount <> (SELECT coalesce(sum(i.total_amount), 0) FROM retail.order_items AS i WHERE i.order_id = o.order_id) AND o.total_amount < 1000000
-- name: customers-without-orders
SELECT email FROM retail.customers WHERE customer_id NOT IN (SELECT customer_id FROM retail.orders) ORDER BY 1
-- name: correlated-last-order
SELECT c.email, (SELECT max(o.order_date) FROM retail.orders AS o WHERE o.customer_id = c.customer_id) AS last_order FROM retail.customers AS c ORDER BY last_order DESC NULLS LAST, c.email LIMIT 20
-- name: lateral-last-orders
SELECT c.email, l.order_date, l.total_amount FROM retail.customers AS c CROSS JOIN LATERAL (SELECT order_date, total_amount FROM retail.orders AS o WHERE o.customer_id = c.customer_id ORDER BY order_date DESC, order_id LIMIT 2) AS l ORDER BY 1, 2, 3 LIMIT 500
-- name: rollup
SELECT c.name, t.name, sum(i.quantity) FROM retail.order_items AS i JOIN retail.products AS p USING (product_id) JOIN retail.categories AS c USING (category_id) JOIN retail.product_types AS t USING (type_id) GROUP BY ROLLUP (c.name, t.name)
-- name: cube
SELECT status, extract(year FROM order_date) AS year, count(*) FROM retail.orders GROUP BY CUBE (1, 2)
-- name: grouping-sets
SELECT s.name, status, grouping(s.name, status), count(*) FROM retail.orders JOIN retail.stores AS s USING (store_id) GROUP BY GROUPING SETS ((s.name, status), (s.name), ())
-- name: group-by-distinct
SELECT status, count(*) FROM retail.orders GROUP BY DISTINCT ROLLUP (status), ROLLUP (status)
-- name: having
SELECT customer_id, sum(total_amount) FROM retail.orders GROUP BY 1 HAVING sum(total_amount) > 500 AND count(*) > 2
-- name: distinct-on
SELECT DISTINCT ON (customer_id) customer_id, order_date, total_amount FROM retail.orders ORDER BY customer_id, order_date DESC, order_id LIMIT 500
-- name: count-distinct
SELECT count(DISTINCT customer_id), count(DISTINCT date_trunc('day', order_date)) FROM retail.orders
-- name: ntile-and-ranks
SELECT order_id, ntile(4) OVER w, rank() OVER w, dense_rank() OVER w, percent_rank() OVER w, cume_dist() OVER w FROM retail.orders WINDOW w AS (ORDER BY total_amount, order_id) ORDER BY total_amount, order_id LIMIT 50
-- name: first-last-nth-value
SELECT DISTINCT status, first_value(total_amount) OVER w, last_value(total_amount) OVER w, nth_value(total_amount, 2) OVER w FROM retail.orders WINDOW w AS (PARTITION BY status ORDER BY order_date, order_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
-- name: lead-with-default
SELECT order_date, lead(order_date, 1, '2030-01-01') OVER (ORDER BY order_date, order_id) FROM retail.orders ORDER BY 1, 2 LIMIT 30
-- name: frame-groups
SELECT order_date::date, sum(total_amount) OVER (ORDER BY order_date::date GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM retail.orders ORDER BY 1, 2 LIMIT 30
-- name: frame-exclude-current-row
SELECT order_id, avg(total_amount) OVER (ORDER BY order_date, order_id ROWS BETWEEN 3 PRECEDING AND 3 FOLLOWING EXCLUDE CURRENT ROW) FROM retail.orders ORDER BY order_date, order_id LIMIT 30
-- name: frame-exclude-ties-and-group
SELECT status, count(*) OVER (ORDER BY status RANGE UNBOUNDED PRECEDING EXCLUDE TIES), count(*) OVER (ORDER BY status RANGE UNBOUNDED PRECEDING EXCLUDE GROUP) FROM (SELECT status FROM retail.orders ORDER BY order_id LIMIT 50) AS o ORDER BY 1, 2, 3
-- name: case-bands
SELECT CASE WHEN total_amount < 50 THEN 'small' WHEN total_amount < 200 THEN 'medium' ELSE 'large' END AS band, count(*) FROM retail.orders GROUP BY 1
-- name: pivot-by-case
SELECT s.name, sum(CASE WHEN o.status = 'completed' THEN 1 ELSE 0 END) AS completed, sum(CASE o.status WHEN 'returned' THEN 1 ELSE 0 END) AS returned FROM retail.orders AS o JOIN retail.stores AS s USING (store_id) GROUP BY s.name
-- name: natural-join
SELECT count(*) FROM retail.categories NATURAL JOIN (SELECT category_id, sku FROM retail.products) AS p
-- name: full-join
SELECT count(*), count(a.product_id), count(b.product_id) FROM (SELECT DISTINCT product_id FROM retail.order_items) AS a FULL JOIN retail.inventory AS b USING (product_id)
-- name: join-using-alias
SELECT j.store_id, count(*) FROM retail.orders JOIN retail.stores USING (store_id) AS j GROUP BY 1
-- name: self-join
SELECT count(*) FROM retail.orders AS a JOIN retail.orders AS b ON a.customer_id = b.customer_id AND a.order_date < b.order_date
-- name: any-all-some
SELECT count(*) FROM retail.products WHERE cost > ALL (SELECT avg(cost) FROM retail.products GROUP BY category_id) OR sku = ANY (ARRAY['a', 'b']) OR cost = SOME (VALUES (10.0), (20.0))
-- name: row-comparison
SELECT count(*) FROM retail.orders WHERE (order_date, total_amount) > ('2025-01-01', 100)
-- name: in-values
SELECT count(*) FROM retail.orders WHERE status IN (VALUES ('completed'), ('shipped'))
-- name: union-intersect-except
(SELECT product_id FROM retail.order_items EXCEPT SELECT product_id FROM retail.inventory WHERE stock_level > 50) UNION (SELECT product_id FROM retail.products INTERSECT SELECT product_id FROM retail.inventory WHERE stock_level > 200)
-- name: union-parenthesised-with-limits
(SELECT 'most' AS which, name FROM retail.products ORDER BY base_price DESC, sku LIMIT 3) UNION ALL (SELECT 'least', name FROM retail.products ORDER BY base_price, sku LIMIT 3)
-- name: fetch-with-ties
SELECT name, base_price FROM retail.products ORDER BY base_price DESC FETCH FIRST 5 ROWS WITH TIES
-- name: offset-without-limit
SELECT sku FROM retail.products ORDER BY sku OFFSET 400
-- name: several-withs
WITH a AS MATERIALIZED (SELECT * FROM retail.orders WHERE order_date >= '2026-01-01'), b AS NOT MATERIALIZED (SELECT customer_id, sum(total_amount) AS spent FROM a GROUP BY 1), c AS (TABLE b) SELECT count(*), max(spent) FROM c
-- name: nested-with
SELECT * FROM (WITH x AS (SELECT status, count(*) AS n FROM retail.orders GROUP BY 1) SELECT * FROM x WHERE n > 10) AS y
-- name: store-by-part-of-the-name
SELECT name, location FROM retail.stores WHERE name ILIKE '%' || 'sea' || '%'
-- name: pareto
SELECT name, revenue, sum(revenue) OVER (ORDER BY revenue DESC, name) / sum(revenue) OVER () AS cumulated FROM (SELECT p.name, sum(i.total_amount) AS revenue FROM retail.order_items AS i JOIN retail.products AS p USING (product_id) GROUP BY p.name) AS x ORDER BY revenue DESC, name LIMIT 40
-- name: rfm
SELECT customer_id, '2026-06-30'::date - max(order_date)::date AS recency, count(*) AS frequency, sum(total_amount) AS monetary FROM retail.orders GROUP BY 1 ORDER BY 2, 1 LIMIT 50
-- name: days-without-an-order
SELECT d::date FROM generate_series('2026-06-01'::date, '2026-06-30', interval '1 day') AS d LEFT JOIN retail.orders AS o ON o.order_date::date = d::date WHERE o.order_id IS NULL ORDER BY 1
-- name: filled-months
SELECT m::date, coalesce(sum(o.total_amount), 0) FROM generate_series(timestamptz '2025-01-01', '2026-06-01', '1 month') AS m LEFT JOIN retail.orders AS o ON date_trunc('month', o.order_date) = m GROUP BY m ORDER BY m
