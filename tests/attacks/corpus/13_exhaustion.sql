-- class: 13 exhaustion
-- expect: QUERY_TIMEOUT, RESULT_TOO_LARGE, BUSY, STATEMENT_TOO_COMPLEX, PROGRAM_LIMIT_EXCEEDED, INVALID_REGULAR_EXPRESSION, INVALID_PARAMETER_VALUE, NUMERIC_VALUE_OUT_OF_RANGE, TOO_MANY_COLUMNS, SYNTAX_ERROR, answer
-- slow

-- name: endless-recursion
WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r
-- name: growing-recursion
WITH RECURSIVE r (t) AS (SELECT 'x' UNION ALL SELECT t || t FROM r WHERE length(t) < 100000000) SELECT max(length(t)) FROM r
-- name: cross-join
SELECT count(*) FROM retail.products AS a, retail.products AS b, retail.products AS c
-- name: cross-join-sorted
SELECT a.sku FROM retail.products AS a, retail.products AS b, retail.products AS c ORDER BY a.description, b.description
-- name: long-series
SELECT count(*) FROM generate_series(1, 10000000000)
-- name: series-materialised-in-memory
SELECT count(*) FROM (SELECT generate_series(1, 1000000000)) AS x
-- name: one-enormous-cell
SELECT repeat('x', 30000000)
-- name: many-enormous-cells
SELECT repeat('x', 3000000) FROM generate_series(1, 20)
-- name: more-than-a-cell-may-hold
SELECT repeat(repeat('x', 1000000), 2000)
-- name: enormous-array
SELECT array_fill(0, ARRAY[2000000])
-- name: array-beyond-the-limit
SELECT array_fill(0, ARRAY[2000000000])
-- name: enormous-aggregate
SELECT string_agg(repeat('x', 1000), '') FROM generate_series(1, 20000)
-- name: enormous-document
SELECT jsonb_agg(repeat('x', 1000)) FROM generate_series(1, 5000)
-- name: enormous-number
SELECT 9.9::numeric ^ 100000
-- name: factorial
SELECT factorial(30000)
-- name: backtracking-regular-expression
SELECT repeat('a', 3000) ~ '^(a|aa)*(a|aa)*(a|aa)*b\1$'
-- name: nested-regular-expression
SELECT repeat('x', 500) ~ (repeat('(x?', 200) || repeat(')*', 200))
-- name: large-regular-expression
SELECT 'x' ~ '(((x{1,250}){1,250}){1,250}){1,250}'
-- name: similar-to
SELECT repeat('a', 5000) SIMILAR TO '(a|a)*(a|a)*(a|a)*b'
-- name: slow-like
SELECT repeat('a', 20000) LIKE repeat('%a', 5000) || 'b'
-- name: regular-expression-in-a-jsonpath
SELECT jsonb_path_exists(to_jsonb(repeat('a', 3000)), '$ ? (@ like_regex "^(a|aa)+(a|aa)+(a|aa)+b$")')
-- name: cube-of-many
SELECT count(*) FROM retail.orders GROUP BY CUBE (order_id, customer_id, store_id, order_date, total_amount, status, created_at, updated_at, order_id::text, customer_id::text, store_id::text, status || '')
-- name: cube-squared
SELECT count(*) FROM retail.orders GROUP BY CUBE (order_id, customer_id, store_id, order_date, total_amount, status, created_at), CUBE (order_id, customer_id, store_id, order_date, total_amount, status, created_at)
-- name: window-over-a-cross-join
SELECT sum(a.cost) OVER (ORDER BY b.sku ROWS BETWEEN 100000 PRECEDING AND 100000 FOLLOWING) FROM retail.products AS a, retail.products AS b
-- name: levels-of-a-with
WITH a AS (SELECT * FROM generate_series(1, 100)), b AS (SELECT a.* FROM a, a AS x), c AS (SELECT b.* FROM b, b AS x) SELECT count(*) FROM c, c AS x
-- name: percentiles-of-everything
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY a.description || b.description) FROM retail.products AS a, retail.products AS b, generate_series(1, 10)
-- name: text-search-of-a-long-text
SELECT length(to_tsvector(string_agg(md5(n::text), ' '))) FROM generate_series(1, 2000000) AS n
-- name: unindexed-distance
SELECT count(*) FROM retail.product_description_embeddings AS a, retail.products AS b, generate_series(1, 10000) WHERE array_fill(0.1, ARRAY[1536])::public.vector OPERATOR(public.<->) array_fill(0.2, ARRAY[1536])::public.vector >= 0
-- name: enormous-vector
SELECT array_fill(1, ARRAY[16001])::public.vector
-- name: many-time-zones
SELECT count(*) FROM pg_timezone_names AS a, pg_timezone_names AS b, generate_series(1, 10000)
