-- class: 15 row-ceiling evasion
-- expect: RESULT_TOO_LARGE, answer

-- name: no-limit
SELECT n FROM generate_series(1, 100000) AS n
-- name: limit-all
SELECT n FROM generate_series(1, 100000) AS n LIMIT ALL
-- name: limit-null
SELECT n FROM generate_series(1, 100000) AS n LIMIT NULL
-- name: limit-in-a-subquery
SELECT * FROM (SELECT n FROM generate_series(1, 100000) AS n LIMIT 5) AS x, generate_series(1, 100000)
-- name: limit-in-a-with
WITH x AS (SELECT 1 LIMIT 1) SELECT n FROM generate_series(1, 100000) AS n
-- name: limit-in-a-comment
SELECT n FROM generate_series(1, 100000) AS n -- LIMIT 5
-- name: limit-in-a-block-comment
SELECT n FROM generate_series(1, 100000) AS n /* LIMIT 5 */
-- name: limit-in-a-literal
SELECT n, 'LIMIT 5' FROM generate_series(1, 100000) AS n
-- name: limit-as-an-identifier
SELECT n AS "limit 5" FROM generate_series(1, 100000) AS n
-- name: larger-limit
SELECT n FROM generate_series(1, 100000) AS n LIMIT 99999
-- name: parentheses
((SELECT n FROM generate_series(1, 100000) AS n))
-- name: union-of-limits
(SELECT n FROM generate_series(1, 50000) AS n LIMIT 50000) UNION ALL (SELECT n FROM generate_series(1, 50000) AS n LIMIT 50000)
-- name: fetch-first
SELECT n FROM generate_series(1, 100000) AS n FETCH FIRST 99999 ROWS ONLY
-- name: fetch-first-with-ties
SELECT n FROM generate_series(1, 100000) AS n ORDER BY n / 100000 FETCH FIRST 1 ROW WITH TIES
-- name: offset
SELECT -n FROM generate_series(1, 100000) AS n OFFSET 10
-- name: values
SELECT * FROM (VALUES (1), (2)) AS v, generate_series(1, 100000)
-- name: set-returning-target-list
SELECT generate_series(1, 100000)
-- name: rows-of-no-column
SELECT FROM generate_series(1, 100000)
-- name: rows-in-one-array
SELECT array_agg(n) FROM generate_series(1, 100000) AS n
-- name: rows-in-one-text
SELECT string_agg(n::text, ',') FROM generate_series(1, 100000) AS n
-- name: rows-in-one-document
SELECT json_agg(o) FROM (SELECT n, md5(n::text) FROM generate_series(1, 100000) AS n) AS o
-- name: rows-in-columns
SELECT repeat('x', 20000) AS a, repeat('x', 20000) AS b, repeat('x', 20000) AS c, repeat('x', 20000) AS d, repeat('x', 20000) AS e, repeat('x', 20000) AS f, repeat('x', 20000) AS g, repeat('x', 20000) AS h, repeat('x', 20000) AS i, repeat('x', 20000) AS j, repeat('x', 20000) AS k, repeat('x', 20000) AS l, repeat('x', 20000) AS m, repeat('x', 20000) AS n
-- name: long-column-name
SELECT 1 AS "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
