-- class: 9 tenant switch
-- expect: INSUFFICIENT_PRIVILEGE

-- name: switch-and-read-materialized
WITH s AS MATERIALIZED (SELECT set_config('app.current_rls_user_id', '{{other_manager}}', true)) SELECT (SELECT count(*) FROM s), count(*), sum(total_amount) FROM retail.orders
-- name: switch-and-read-not-local
WITH s AS MATERIALIZED (SELECT set_config('app.current_rls_user_id', '{{other_manager}}', false)) SELECT (SELECT count(*) FROM s), count(*) FROM retail.orders
-- name: switch-the-seal-too
WITH s AS MATERIALIZED (SELECT set_config('app.current_rls_user_id', '{{other_manager}}', true), set_config('app.current_rls_seal', '{{own_seal}}', true)) SELECT (SELECT count(*) FROM s), email FROM retail.customers
-- name: switch-to-head-office
WITH s AS MATERIALIZED (SELECT set_config('app.current_rls_user_id', '{{head_office}}', true), set_config('role', 'regional_managers', true)) SELECT (SELECT count(*) FROM s), count(*) FROM retail.orders
-- name: switch-in-values-and-read
SELECT * FROM (VALUES (set_config('app.current_rls_user_id', '{{other_manager}}', true))) AS v, retail.customers
-- name: switch-in-lateral-and-read
SELECT c.email FROM (SELECT set_config('app.current_rls_user_id', '{{other_manager}}', true) AS s OFFSET 0) AS t, LATERAL (SELECT * FROM retail.customers WHERE t.s <> '') AS c
-- name: switch-to-nil
SELECT set_config('app.current_rls_user_id', '00000000-0000-0000-0000-000000000000', true), count(*) FROM retail.orders
-- name: switch-to-empty
SELECT set_config('app.current_rls_user_id', '', true), count(*) FROM retail.orders
-- name: switch-to-null
SELECT set_config('app.current_rls_user_id', NULL, true), count(*) FROM retail.orders
-- name: role-by-set-config
SELECT set_config('role', 'zava_owner', true), count(*) FROM retail.orders
-- name: role-none-by-set-config
SELECT set_config('role', 'none', false), count(*) FROM retail.orders
-- name: role-of-the-regions
WITH s AS MATERIALIZED (SELECT set_config('role', 'regional_managers', true)) SELECT count(*) FROM s, retail.orders
-- name: session-authorization-by-set-config
SELECT set_config('session_authorization', 'postgres', true), count(*) FROM retail.orders
-- name: row-security-by-set-config
SELECT set_config('row_security', 'off', true), count(*) FROM retail.orders
-- name: search-path-by-set-config
SELECT set_config('search_path', 'pg_temp, retail', true), count(*) FROM orders
-- name: read-write-by-set-config
SELECT set_config('transaction_read_only', 'off', true)
-- name: default-read-write-by-set-config
SELECT set_config('default_transaction_read_only', 'off', false)
-- name: statement-timeout-by-set-config
SELECT set_config('statement_timeout', '0', false)
-- name: update-of-pg-settings
SELECT set_config(name, '{{other_manager}}', true) FROM pg_settings WHERE name LIKE 'app.%'
-- name: nested-in-case-of-each-row
SELECT CASE WHEN email LIKE '%a%' THEN set_config('app.current_rls_user_id', '{{other_manager}}', true) ELSE email END FROM retail.customers
-- name: resolve-the-other-identity
SELECT * FROM retail.resolve_identity('{{other_manager}}')
-- name: resolve-head-office
SELECT (retail.resolve_identity('{{head_office}}')).seal
-- name: make-a-seal
SELECT retail.identity_seal('{{other_manager}}')
-- name: read-the-sealed-id
SELECT retail.sealed_user_id()
-- name: seal-with-the-key
SELECT encode(sha256(key || convert_to('{{other_manager}}', 'UTF8')), 'hex') FROM retail.identity_key
-- expect: INSUFFICIENT_PRIVILEGE, SYNTAX_ERROR, INVALID_CURSOR_DEFINITION

-- name: set
SET app.current_rls_user_id = '{{other_manager}}'
-- name: set-local
SET LOCAL app.current_rls_user_id = '{{other_manager}}'
-- name: set-session
SET SESSION app.current_rls_user_id TO '{{other_manager}}'
-- name: reset
RESET app.current_rls_user_id
-- name: reset-all
RESET ALL
-- name: set-role
SET ROLE regional_managers
-- name: set-local-role
SET LOCAL ROLE zava_owner
-- name: set-role-none
SET ROLE NONE
-- name: reset-role
RESET ROLE
-- name: set-session-authorization
SET SESSION AUTHORIZATION postgres
-- name: reset-session-authorization
RESET SESSION AUTHORIZATION
-- name: set-row-security
SET row_security = off
-- name: set-search-path
SET search_path = pg_temp, retail
-- expect: INSUFFICIENT_PRIVILEGE, answer

-- name: the-function-of-the-other-role
SELECT retail.get_user_store_list(), retail.get_current_user_store()
-- name: own-store-function
SELECT retail.get_current_user_store()
-- name: ask-for-another-store-by-id
SELECT * FROM retail.orders WHERE store_id = '{{other_store}}'
-- name: ask-for-another-store-by-name
SELECT o.* FROM retail.stores AS s JOIN retail.orders AS o USING (store_id) WHERE s.store_id <> retail.get_current_user_store() AND s.manager_id = '{{other_manager}}'
-- name: policy-is-or-true
SELECT count(*) FROM retail.orders WHERE store_id = '{{other_store}}' OR true
-- name: union-with-the-other-store
SELECT store_id FROM retail.stores UNION ALL SELECT store_id FROM retail.orders WHERE store_id <> ALL (SELECT store_id FROM retail.stores)
-- name: anti-join-for-foreign-rows
SELECT i.* FROM retail.order_items AS i LEFT JOIN retail.stores AS s USING (store_id) WHERE s.store_id IS NULL
-- name: full-join-for-foreign-rows
SELECT o.order_id, i.order_item_id FROM retail.orders AS o FULL JOIN retail.order_items AS i USING (order_id) WHERE o.order_id IS NULL OR i.order_id IS NULL
-- name: inventory-of-every-store
SELECT store_id, sum(stock_level) FROM retail.inventory GROUP BY 1
