-- The truth of what is asked of the real chain: plain SQL on its tables, as the administrator, who sees everything.
-- No order of these data was cancelled, returned or a return; a line's amount may be 0 and its quantity as well.

-- name: year_of_the_chain
SELECT sum(o.total_amount), count(*), count(DISTINCT o.customer_id)
FROM retail.orders AS o
WHERE o.business_day BETWEEN '2017-01-01' AND '2017-12-31';

-- name: best_month_of_the_chain
SELECT to_char(o.business_day, 'YYYY-MM'), sum(o.total_amount)
FROM retail.orders AS o
WHERE o.business_day BETWEEN '2017-01-01' AND '2017-12-31'
GROUP BY 1 ORDER BY 2 DESC LIMIT 1;

-- name: weakest_month_of_the_chain
SELECT to_char(o.business_day, 'YYYY-MM'), sum(o.total_amount)
FROM retail.orders AS o
WHERE o.business_day BETWEEN '2017-01-01' AND '2017-12-31'
GROUP BY 1 ORDER BY 2 LIMIT 1;

-- name: orders_of_a_customer
SELECT 1.0 * count(*) / count(DISTINCT o.customer_id)
FROM retail.orders AS o
WHERE o.business_day BETWEEN '2017-01-01' AND '2017-12-31';

-- name: new_in_december
SELECT count(*)
FROM (
    SELECT o.customer_id FROM retail.orders AS o
    GROUP BY o.customer_id HAVING min(o.business_day) BETWEEN '2017-12-01' AND '2017-12-31'
) AS c;

-- name: known_in_december
SELECT count(*)
FROM (
    SELECT o.customer_id FROM retail.orders AS o
    GROUP BY o.customer_id HAVING min(o.business_day) < '2017-12-01' AND max(o.business_day) >= '2017-12-01'
) AS c;

-- name: departments
SELECT t.name, sum(i.total_amount)
FROM retail.orders AS o
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.categories AS c ON c.category_id = p.category_id
JOIN retail.categories AS t ON t.category_id = coalesce(c.parent_category_id, c.category_id)
WHERE o.business_day BETWEEN '2017-01-01' AND '2017-12-31'
GROUP BY t.name ORDER BY 2 DESC LIMIT 5;

-- name: fuel_share
SELECT 100 * sum(i.total_amount) FILTER (WHERE t.name = 'Fuel') / sum(i.total_amount)
FROM retail.orders AS o
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
LEFT JOIN retail.categories AS c ON c.category_id = p.category_id
LEFT JOIN retail.categories AS t ON t.category_id = coalesce(c.parent_category_id, c.category_id)
WHERE o.business_day BETWEEN '2017-01-01' AND '2017-12-31';

-- name: fuel_gallons
SELECT sum(i.quantity)
FROM retail.orders AS o
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
WHERE p.unit = '1/1000 gal' AND o.business_day BETWEEN '2017-01-01' AND '2017-12-31';

-- name: produce_by_kind
SELECT c.name, sum(i.total_amount)
FROM retail.orders AS o
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.categories AS c ON c.category_id = p.category_id
JOIN retail.categories AS t ON t.category_id = c.parent_category_id
WHERE t.name = 'Produce' AND o.business_day BETWEEN '2017-01-01' AND '2017-12-31'
GROUP BY c.name ORDER BY 2 DESC LIMIT 3;

-- name: private_brand_share
SELECT 100 * sum(i.total_amount) FILTER (WHERE p.brand = 'Private') / sum(i.total_amount)
FROM retail.orders AS o
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
WHERE o.business_day BETWEEN '2017-01-01' AND '2017-12-31';

-- name: chain_margin
SELECT 100 * coalesce(sum(i.total_amount) FILTER (WHERE p.cost IS NOT NULL), 0) / sum(i.total_amount)
FROM retail.order_items AS i JOIN retail.products AS p USING (product_id);

-- name: chain_discount_rate
SELECT 100 * sum(i.discount_amount + i.coupon_amount) / sum(i.total_amount + i.discount_amount + i.coupon_amount)
FROM retail.orders AS o JOIN retail.order_items AS i USING (order_id)
WHERE o.business_day BETWEEN '2017-01-01' AND '2017-12-31';

-- name: stores_with_most
SELECT s.name, sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE o.business_day BETWEEN '2017-01-01' AND '2017-12-31'
GROUP BY s.name ORDER BY 2 DESC LIMIT 5;

-- name: share_of_stores_with_most
SELECT 100 * sum(a.revenue) FILTER (WHERE a.place <= 5) / sum(a.revenue)
FROM (
    SELECT sum(o.total_amount) AS revenue, row_number() OVER (ORDER BY sum(o.total_amount) DESC) AS place
    FROM retail.orders AS o
    WHERE o.business_day BETWEEN '2017-01-01' AND '2017-12-31'
    GROUP BY o.store_id
) AS a;

-- name: large_stores
SELECT count(*)
FROM (
    SELECT o.store_id FROM retail.orders AS o
    WHERE o.business_day BETWEEN '2017-01-01' AND '2017-12-31'
    GROUP BY o.store_id HAVING sum(o.total_amount) > 50000
) AS a;

-- name: silent_stores
SELECT count(*)
FROM (
    SELECT o.store_id FROM retail.orders AS o
    GROUP BY o.store_id HAVING date '2017-12-31' - max(o.business_day) > 90
) AS a;

-- name: last_thirty_days
SELECT max(o.business_day)::text FROM retail.orders AS o;

-- name: december_of_the_chain
SELECT sum(o.total_amount)
FROM retail.orders AS o
WHERE o.business_day BETWEEN '2017-12-01' AND '2017-12-31';

-- name: households_in_several_stores
SELECT 100.0 * count(*) FILTER (WHERE stores > 1) / count(*)
FROM (SELECT count(DISTINCT o.store_id) AS stores FROM retail.orders AS o GROUP BY o.customer_id) AS c;

-- name: a_sunday
SELECT sum(o.total_amount), count(*)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Store 367' AND o.business_day = '2017-03-05';

-- name: that_week
SELECT sum(o.total_amount), count(*)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Store 367' AND o.business_day BETWEEN '2017-02-27' AND '2017-03-05';

-- name: christmas
SELECT o.business_day::text
FROM generate_series(date '2017-12-24', date '2017-12-26', interval '1 day') AS d (day)
JOIN retail.orders AS o ON o.business_day = d.day
JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Store 367'
GROUP BY o.business_day ORDER BY o.business_day;

-- name: busiest_hour
SELECT extract(hour FROM o.order_date AT TIME ZONE s.time_zone), count(*)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Store 367' AND o.business_day BETWEEN '2017-01-01' AND '2017-12-31'
GROUP BY 1 ORDER BY 2 DESC LIMIT 1;

-- name: night_orders
SELECT count(*)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name = 'Store 367' AND o.business_day BETWEEN '2017-01-01' AND '2017-12-31'
    AND extract(hour FROM o.order_date AT TIME ZONE s.time_zone) < 6;

-- name: quarters_of_three_stores
SELECT s.name, to_char(o.business_day, 'YYYY-"Q"Q'), sum(o.total_amount)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name IN ('Store 367', 'Store 406', 'Store 429') AND o.business_day BETWEEN '2017-01-01' AND '2017-12-31'
GROUP BY 1, 2 ORDER BY 2, 3 DESC;

-- name: best_quarter_of_three_stores
SELECT s.name, to_char(o.business_day, 'YYYY-"Q"Q')
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name IN ('Store 367', 'Store 406', 'Store 429') AND o.business_day BETWEEN '2017-01-01' AND '2017-12-31'
GROUP BY 1, 2 ORDER BY sum(o.total_amount) DESC LIMIT 1;

-- name: second_quarter_against_first
SELECT 100 * (sum(o.total_amount) FILTER (WHERE o.business_day >= '2017-04-01')
    / sum(o.total_amount) FILTER (WHERE o.business_day < '2017-04-01') - 1)
FROM retail.orders AS o JOIN retail.stores AS s USING (store_id)
WHERE s.name IN ('Store 367', 'Store 406', 'Store 429') AND o.business_day BETWEEN '2017-01-01' AND '2017-06-30';

-- name: stock_of_three_stores
SELECT sum(v.stock_level)
FROM retail.inventory AS v JOIN retail.stores AS s USING (store_id)
WHERE s.name IN ('Store 367', 'Store 406', 'Store 429');

-- name: best_milk
SELECT p.sku, sum(i.total_amount)
FROM retail.orders AS o
JOIN retail.stores AS s USING (store_id)
JOIN retail.order_items AS i USING (order_id)
JOIN retail.products AS p USING (product_id)
JOIN retail.product_types AS t USING (type_id)
WHERE s.name IN ('Store 367', 'Store 406', 'Store 429') AND t.name = 'Fluid Milk White Only'
    AND o.business_day BETWEEN '2017-01-01' AND '2017-12-31'
GROUP BY p.sku ORDER BY 2 DESC LIMIT 3;

-- name: search_bananas
SELECT DISTINCT p.sku
FROM retail.products AS p
JOIN retail.product_types AS t USING (type_id)
JOIN retail.order_items AS i USING (product_id)
JOIN retail.stores AS s USING (store_id)
WHERE t.name = 'Bananas' AND s.name IN ('Store 367', 'Store 406', 'Store 429');

-- name: search_toilet_paper
SELECT DISTINCT p.sku
FROM retail.products AS p
JOIN retail.product_types AS t USING (type_id)
JOIN retail.order_items AS i USING (product_id)
JOIN retail.stores AS s USING (store_id)
WHERE t.name = 'Toilet Tissue' AND s.name IN ('Store 367', 'Store 406', 'Store 429');

-- name: search_laptop
SELECT count(*) FROM retail.products AS p WHERE p.name ~* 'laptop|notebook comp';

-- name: bought_with_milk
-- A store in which fewer than 5 orders of 3 customers have both says nothing.
SELECT t.sku, sum(t.orders)
FROM (
    SELECT p.sku, o.store_id, count(DISTINCT o.order_id) AS orders
    FROM retail.orders AS o
    JOIN retail.stores AS s USING (store_id)
    JOIN retail.order_items AS i USING (order_id)
    JOIN retail.products AS p USING (product_id)
    WHERE s.name IN ('Store 367', 'Store 406', 'Store 429') AND p.sku <> '1029743'
        AND o.sold_on IS NOT NULL AND NOT o.is_return AND i.line_kind = 'sale'
        AND o.order_id IN (
            SELECT h.order_id FROM retail.order_items AS h JOIN retail.products AS q USING (product_id)
            WHERE q.sku = '1029743' AND h.line_kind = 'sale')
    GROUP BY p.sku, o.store_id
    HAVING count(DISTINCT o.order_id) >= 5 AND count(DISTINCT o.customer_id) >= 3
) AS t
GROUP BY t.sku;

-- name: november_of_the_chain
SELECT sum(o.total_amount)
FROM retail.orders AS o
WHERE o.business_day BETWEEN '2017-11-01' AND '2017-11-30';

-- name: november_against_october
SELECT 100 * (a.november - a.october) / a.october
FROM (
    SELECT sum(o.total_amount) FILTER (WHERE o.business_day BETWEEN '2017-11-01' AND '2017-11-30') AS november,
        sum(o.total_amount) FILTER (WHERE o.business_day BETWEEN '2017-10-01' AND '2017-10-31') AS october
    FROM retail.orders AS o
) AS a;

-- name: november_basket
SELECT sum(o.total_amount) / count(*)
FROM retail.orders AS o
WHERE o.business_day BETWEEN '2017-11-01' AND '2017-11-30';

-- name: frequent_households
SELECT sum(c.customers)
FROM (
    SELECT orders, count(*) AS customers, sum(count(*)) OVER (ORDER BY orders DESC) AS so_far, sum(count(*)) OVER () AS everybody
    FROM (SELECT count(*) AS orders FROM retail.orders AS o GROUP BY o.customer_id) AS h
    GROUP BY orders
) AS c
WHERE c.so_far <= c.everybody / 10;
