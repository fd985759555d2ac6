-- class: 6 placement of a function
-- expect: INSUFFICIENT_PRIVILEGE

-- name: target-list
SELECT set_config('app.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: from
SELECT count(*) FROM set_config('app.current_rls_user_id', '{{other_manager}}', true) AS s, retail.orders
-- name: rows-from
SELECT count(*) FROM ROWS FROM (set_config('app.current_rls_user_id', '{{other_manager}}', true), generate_series(1, 2)) AS s, retail.orders
-- name: lateral
SELECT o.* FROM retail.orders AS o, LATERAL set_config('app.current_rls_user_id', '{{other_manager}}', o.store_id IS NULL) AS s
-- name: lateral-subquery
SELECT x.n FROM (VALUES ('{{other_manager}}')) AS v (id), LATERAL (SELECT set_config('app.current_rls_user_id', v.id, false), count(*) AS n FROM retail.orders) AS x
-- name: values
VALUES (set_config('app.current_rls_user_id', '{{other_manager}}', true), (SELECT count(*)::text FROM retail.orders))
-- name: in-values
SELECT * FROM retail.customers WHERE email IN (VALUES (set_config('app.current_rls_user_id', '{{other_manager}}', true)))
-- name: not-in-subquery
SELECT * FROM retail.customers WHERE email NOT IN (SELECT set_config('app.current_rls_user_id', '{{other_manager}}', true))
-- name: where
SELECT * FROM retail.orders WHERE set_config('app.current_rls_user_id', '{{other_manager}}', true) <> ''
-- name: having
SELECT count(*) FROM retail.orders HAVING set_config('app.current_rls_user_id', '{{other_manager}}', true) <> ''
-- name: join-condition
SELECT count(*) FROM retail.orders AS o JOIN retail.customers AS c ON set_config('app.current_rls_user_id', '{{other_manager}}', true) <> c.email
-- name: order-by
SELECT order_id FROM retail.orders ORDER BY set_config('app.current_rls_user_id', '{{other_manager}}', true)
-- name: group-by
SELECT count(*) FROM retail.orders GROUP BY set_config('app.current_rls_user_id', '{{other_manager}}', true)
-- name: grouping-sets
SELECT count(*) FROM retail.orders GROUP BY GROUPING SETS ((set_config('app.current_rls_user_id', '{{other_manager}}', true)), ())
-- name: partition-by
SELECT count(*) OVER (PARTITION BY set_config('app.current_rls_user_id', '{{other_manager}}', true)) FROM retail.orders
-- name: window-order-by
SELECT row_number() OVER (ORDER BY set_config('app.current_rls_user_id', '{{other_manager}}', true)) FROM retail.orders
-- name: named-window
SELECT sum(total_amount) OVER w FROM retail.orders WINDOW w AS (PARTITION BY set_config('app.current_rls_user_id', '{{other_manager}}', true))
-- name: window-frame-offset
SELECT sum(total_amount) OVER (ORDER BY order_date ROWS length(set_config('app.current_rls_user_id', '{{other_manager}}', true)) PRECEDING) FROM retail.orders
-- name: limit
SELECT order_id FROM retail.orders LIMIT length(set_config('app.current_rls_user_id', '{{other_manager}}', true))
-- name: offset
SELECT order_id FROM retail.orders OFFSET length(set_config('app.current_rls_user_id', '{{other_manager}}', true))
-- name: fetch-first
SELECT order_id FROM retail.orders FETCH FIRST (length(set_config('app.current_rls_user_id', '{{other_manager}}', true))) ROWS ONLY
-- name: tablesample
SELECT count(*) FROM retail.orders TABLESAMPLE BERNOULLI (length(set_config('app.current_rls_user_id', '{{other_manager}}', true)))
-- name: tablesample-repeatable
SELECT count(*) FROM retail.orders TABLESAMPLE SYSTEM (100) REPEATABLE (length(set_config('app.current_rls_user_id', '{{other_manager}}', true)))
-- name: distinct-on
SELECT DISTINCT ON (set_config('app.current_rls_user_id', '{{other_manager}}', true)) order_id FROM retail.orders
-- name: case-branch
SELECT CASE WHEN count(*) >= 0 THEN set_config('app.current_rls_user_id', '{{other_manager}}', true) END FROM retail.orders
-- name: coalesce
SELECT COALESCE(NULL, set_config('app.current_rls_user_id', '{{other_manager}}', true)), (SELECT count(*) FROM retail.orders)
-- name: array-constructor
SELECT ARRAY[set_config('app.current_rls_user_id', '{{other_manager}}', true), (SELECT count(*)::text FROM retail.orders)]
-- name: array-subscript
SELECT (ARRAY[1, 2])[length(set_config('app.current_rls_user_id', '{{other_manager}}', true))], count(*) FROM retail.orders
-- name: row-constructor
SELECT ROW(set_config('app.current_rls_user_id', '{{other_manager}}', true), (SELECT count(*) FROM retail.orders))
-- name: aggregate-argument
SELECT max(set_config('app.current_rls_user_id', '{{other_manager}}', true)), count(*) FROM retail.orders
-- name: aggregate-filter
SELECT count(*) FILTER (WHERE set_config('app.current_rls_user_id', '{{other_manager}}', true) <> '') FROM retail.orders
-- name: aggregate-order-by
SELECT string_agg(status, ',' ORDER BY set_config('app.current_rls_user_id', '{{other_manager}}', true)) FROM retail.orders
-- name: within-group
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY length(set_config('app.current_rls_user_id', '{{other_manager}}', true))) FROM retail.orders
-- name: argument-by-name
SELECT make_interval(days => length(set_config('app.current_rls_user_id', '{{other_manager}}', true))), count(*) FROM retail.orders
-- name: variadic
SELECT concat(VARIADIC ARRAY[set_config('app.current_rls_user_id', '{{other_manager}}', true)]), count(*) FROM retail.orders
-- name: recursive-start
WITH RECURSIVE r AS (SELECT set_config('app.current_rls_user_id', '{{other_manager}}', true) AS s, 1 AS n UNION ALL SELECT s, n + 1 FROM r WHERE n < 2) SELECT r.n, count(*) FROM r, retail.orders GROUP BY 1
-- name: recursive-step
WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + length(set_config('app.current_rls_user_id', '{{other_manager}}', true)) FROM r WHERE n < 1) SELECT r.n, count(*) FROM r, retail.orders GROUP BY 1
-- name: set-operation
SELECT set_config('app.current_rls_user_id', '{{other_manager}}', true) UNION ALL SELECT email FROM retail.customers
-- name: jsonpath-argument
SELECT jsonb_path_query('[1]', '$[*]', jsonb_build_object('x', set_config('app.current_rls_user_id', '{{other_manager}}', true))), count(*) FROM retail.orders
-- name: generate-series-bound
SELECT n, (SELECT count(*) FROM retail.orders) FROM generate_series(1, length(set_config('app.current_rls_user_id', '{{other_manager}}', true))) AS n
-- name: between-bound
SELECT count(*) FROM retail.orders WHERE status BETWEEN '' AND set_config('app.current_rls_user_id', '{{other_manager}}', true)
-- name: like-pattern
SELECT count(*) FROM retail.orders WHERE status LIKE set_config('app.current_rls_user_id', '{{other_manager}}', true)
-- name: any-array
SELECT count(*) FROM retail.orders WHERE status = ANY (ARRAY[set_config('app.current_rls_user_id', '{{other_manager}}', true)])
-- name: interval-arithmetic
SELECT count(*) FROM retail.orders WHERE order_date > now() - length(set_config('app.current_rls_user_id', '{{other_manager}}', true)) * interval '1 year'
-- name: unread-with
WITH s AS (SELECT set_config('app.current_rls_user_id', '{{other_manager}}', true)) SELECT count(*) FROM s, retail.orders
-- expect: INSUFFICIENT_PRIVILEGE, answer

-- name: exists
SELECT count(*) FROM retail.orders WHERE EXISTS (SELECT set_config('app.current_rls_user_id', '{{other_manager}}', true))
