-- class: 14 functions that act as their owner
-- expect: INSUFFICIENT_PRIVILEGE

-- name: recall-purchases
SELECT retail.recall_purchases(ARRAY(SELECT customer_id FROM retail.customers))
-- name: rebuild-sales-totals
SELECT retail.rebuild_sales_totals()
-- name: source-of-changed-rows
SELECT retail.changed_rows('INSERT')
-- name: resolve-oneself
SELECT * FROM retail.resolve_identity('{{own_manager}}')
-- name: resolve-everybody
SELECT r.* FROM retail.stores AS s, LATERAL retail.resolve_identity(s.manager_id) AS r
-- name: seal-through-an-aggregate
SELECT max(retail.identity_seal(manager_id)) FROM retail.stores
-- expect: INSUFFICIENT_PRIVILEGE, FEATURE_NOT_SUPPORTED, answer

-- name: trigger-functions-as-functions
SELECT retail.total_orders(), retail.total_order_items(), retail.total_purchases(), retail.set_sold_on()
-- name: store-function-for-each-row
SELECT DISTINCT retail.get_current_user_store() FROM generate_series(1, 10)
-- name: store-list-for-each-row
SELECT DISTINCT retail.get_user_store_list() FROM generate_series(1, 10)
-- name: definers-of-every-schema
SELECT oid::regprocedure FROM pg_proc WHERE prosecdef
-- name: totals-of-every-store
SELECT store_id, sum(revenue), sum(orders) FROM retail.daily_sales GROUP BY 1
-- name: totals-of-another-store
SELECT * FROM retail.daily_sales WHERE store_id = '{{other_store}}'
-- name: product-totals-of-another-store
SELECT * FROM retail.monthly_product_sales WHERE store_id = '{{other_store}}' OR units < 0
-- name: purchases-of-every-customer
SELECT store_id, customer_id, spent, baskets FROM retail.customer_purchases
-- name: pairs-of-another-store
SELECT * FROM retail.product_pairs WHERE store_id = '{{other_store}}' OR orders < 0
-- name: repeat-customers-of-every-store
SELECT store_id, sum(customers) FROM retail.daily_repeat_customers GROUP BY 1
