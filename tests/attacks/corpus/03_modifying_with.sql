-- class: 3 data-modifying WITH and EXPLAIN ANALYZE
-- expect: FEATURE_NOT_SUPPORTED, SYNTAX_ERROR

-- name: with-delete
WITH gone AS (DELETE FROM retail.orders RETURNING *) SELECT * FROM gone
-- name: with-update
WITH changed AS (UPDATE retail.orders SET status = 'returned' RETURNING *) SELECT count(*) FROM changed
-- name: with-insert
WITH new AS (INSERT INTO retail.categories (name) VALUES ('canary') RETURNING *) TABLE new
-- name: with-merge
WITH merged AS (MERGE INTO retail.stores AS s USING retail.stores AS t ON s.store_id = t.store_id WHEN MATCHED THEN DELETE RETURNING *) TABLE merged
-- name: with-delete-never-read
WITH gone AS (DELETE FROM retail.orders RETURNING 1), one AS (SELECT 1) SELECT * FROM one
-- name: nested-with-delete
SELECT * FROM (WITH gone AS (DELETE FROM retail.orders RETURNING *) SELECT * FROM gone) AS x
-- name: nested-in-an-expression
SELECT (WITH gone AS (DELETE FROM retail.orders RETURNING 1) SELECT count(*) FROM gone)
-- name: recursive-with-delete
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 2), d AS (DELETE FROM retail.orders RETURNING 1) SELECT * FROM r
-- name: materialized-with-update
WITH u AS MATERIALIZED (UPDATE retail.orders SET status = 'pending' RETURNING 1) SELECT * FROM u
-- name: explain-analyze-delete
EXPLAIN ANALYZE DELETE FROM retail.orders
-- name: explain-options-delete
EXPLAIN (ANALYZE true, COSTS off) DELETE FROM retail.orders
-- name: explain-quoted-option-delete
EXPLAIN ("analyze") DELETE FROM retail.orders
-- name: explain-mixed-case-delete
eXpLaIn (aNaLyZe, VERBOSE) DELETE FROM retail.orders
-- name: explain-analyze-select
EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM retail.customers
-- name: explain-create-table-as
EXPLAIN ANALYZE CREATE TABLE mine AS SELECT * FROM retail.orders
-- name: explain-execute
EXPLAIN ANALYZE EXECUTE mine
-- name: with-in-parentheses-then-delete
(WITH a AS (SELECT 1) DELETE FROM retail.orders)
-- name: with-then-insert
WITH a AS (SELECT 1) INSERT INTO retail.categories (name) SELECT 'canary' FROM a
