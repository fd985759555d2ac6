-- The statements behind `zava forget-customer`, by name.

-- name: find_customer
-- By the chain's own key, or by zava's.
SELECT c.customer_id, c.forgotten_on IS NOT NULL AS was_forgotten,
       (SELECT count(*) FROM retail.orders AS o WHERE o.customer_id = c.customer_id) AS orders
FROM retail.customers AS c
WHERE c.source_id = %(key)s OR c.customer_id::text = lower(%(key)s)

-- name: forget_customer
-- The row stays for the orders, and its key, so that a later file does not bring the person back under another one.
UPDATE retail.customers
SET first_name = NULL, last_name = NULL, email = NULL, loyalty_number = NULL, signed_up_on = NULL,
    forgotten_on = coalesce(forgotten_on, current_date)
WHERE customer_id = %(customer_id)s
