-- class: 14 functions that act as their owner
-- expect: INSUFFICIENT_PRIVILEGE

-- name: refresh-totals
SELECT retail.refresh_sales_totals()
-- name: refresh-recommendations
SELECT retail.refresh_recommendations()
-- name: mark-everything
SELECT retail.mark_all_orders()
-- name: note-a-refresh
SELECT retail.note_refresh('totals'), retail.check_one_snapshot()
-- name: resolve-oneself
SELECT * FROM retail.resolve_identity('{{own_manager}}')
-- name: resolve-everybody
SELECT r.* FROM retail.stores AS s, LATERAL retail.resolve_identity(s.manager_id) AS r
-- name: seal-through-an-aggregate
SELECT max(retail.identity_seal(manager_id)) FROM retail.stores
-- expect: INSUFFICIENT_PRIVILEGE, FEATURE_NOT_SUPPORTED, answer

-- name: trigger-functions-as-functions
SELECT retail.mark_orders(), retail.mark_order_items()
-- name: store-function-for-each-row
SELECT DISTINCT retail.get_current_user_store() FROM generate_series(1, 10)
-- name: store-list-for-each-row
SELECT DISTINCT retail.get_user_store_list() FROM generate_series(1, 10)
-- name: new-to-the-chain
SELECT s.name, c.* FROM retail.stores AS s, LATERAL retail.count_customers(
    s.store_id, '{2020-01-01,2025-01-01,2026-04-01,2026-06-01}', '{2030-01-01,2026-01-01,2026-05-01,2026-07-01}') AS c
-- name: new-to-the-chain-by-day
SELECT c.* FROM retail.stores AS s, LATERAL (
    SELECT array_agg(d::date) AS firsts, array_agg(d::date + 1) AS ends FROM generate_series('2026-03-25'::date, '2026-04-10', '1 day') AS d
) AS a, LATERAL retail.count_customers(s.store_id, a.firsts, a.ends) AS c
-- name: customers-of-all-stores
SELECT * FROM retail.count_customers_of_stores('{2020-01-01,2026-04-01}', '{2030-01-01,2026-05-01}')
-- name: customers-of-stores-by-keys
SELECT c.* FROM (SELECT array_agg(store_id) AS stores FROM retail.order_items) AS s,
    LATERAL retail.count_customers_of_stores('{2020-01-01}', '{2030-01-01}', s.stores) AS c
-- name: customers-of-another-store
SELECT * FROM retail.count_customers_of_stores('{2020-01-01}', '{2030-01-01}', ARRAY['{{other_store}}'::uuid])
-- name: segments-of-the-chain
SELECT g, c.* FROM unnest(ARRAY['new', 'frequent', 'big_spender', 'lapsed', 'all']) AS g, LATERAL retail.chain_segments(g) AS c
-- name: members-of-the-chain
SELECT * FROM retail.chain_members()
-- name: pairs-of-the-chain
SELECT c.* FROM retail.products AS p, LATERAL retail.chain_pairs(p.product_id) AS c
-- name: sales-of-the-chain
SELECT * FROM retail.chain_sales('2020-01-01', '2030-01-01')
-- name: products-of-the-chain
SELECT * FROM retail.chain_product_sales('-infinity', 'infinity')
-- name: kept-sales-of-the-chain
SELECT * FROM retail.kept_chain_sales
-- name: kept-products-of-the-chain
SELECT * FROM retail.kept_chain_product_sales UNION ALL SELECT NULL, product_id, 0, 0, 0 FROM retail.changed_products
-- name: whole-chain
SELECT retail.sees_whole_chain()
-- name: segments-of-own-customers
SELECT s.segment, s.product_id, s.orders FROM retail.segment_products AS s
-- name: visits-of-own-customers
SELECT c.customer_id, c.store_id, k.days, k.orders, k.spent FROM retail.customers AS c LEFT JOIN retail.kept_customers AS k USING (customer_id)
-- name: orders-of-own-customers
SELECT c.customer_id, count(o.order_id), sum(o.total_amount), min(o.order_date), count(DISTINCT o.store_id)
FROM retail.customers AS c LEFT JOIN retail.orders AS o USING (customer_id) GROUP BY 1
-- name: marks-of-own-customers
SELECT c.customer_id, m.store_id, m.day FROM retail.customers AS c JOIN retail.changed_orders AS m USING (customer_id)
-- name: definers-of-every-schema
SELECT oid::regprocedure FROM pg_proc WHERE prosecdef
-- name: totals-of-every-store
SELECT store_id, sum(revenue), sum(orders) FROM retail.daily_sales GROUP BY 1
-- name: totals-of-another-store
SELECT * FROM retail.daily_sales WHERE store_id = '{{other_store}}'
-- name: product-totals-of-another-store
SELECT * FROM retail.monthly_product_sales WHERE store_id = '{{other_store}}' OR units < 0
-- name: purchases-of-every-customer
SELECT store_id, customer_id, spent, days FROM retail.kept_customers
-- name: pairs-of-another-store
SELECT * FROM retail.product_pairs WHERE store_id = '{{other_store}}' OR orders < 0
-- name: repeat-customers-of-every-store
SELECT store_id, sum(customers) FROM retail.kept_visits GROUP BY 1
-- name: marks-of-every-store
SELECT store_id, day, customer_id FROM retail.changed_orders
-- name: kept-totals-of-another-store
SELECT * FROM retail.kept_daily_sales WHERE store_id = '{{other_store}}' UNION ALL SELECT * FROM retail.changed_daily_sales WHERE store_id = '{{other_store}}'
-- name: corrections-of-another-store
SELECT * FROM retail.product_sales_corrections WHERE store_id <> '{{own_store}}'
-- name: segments-of-another-store
SELECT * FROM retail.segment_products WHERE store_id = '{{other_store}}'
-- name: members-of-another-store
SELECT * FROM retail.customer_segments WHERE store_id = '{{other_store}}'
-- name: customers-counted-in-another-store
SELECT * FROM retail.count_customers('{{other_store}}', ARRAY['2020-01-01'::date], ARRAY['2030-01-01'::date])
-- name: customers-counted-in-every-store
SELECT s.store_id, c.* FROM retail.order_items AS s, LATERAL retail.count_customers(s.store_id, '{2020-01-01}', '{2030-01-01}') AS c LIMIT 5
