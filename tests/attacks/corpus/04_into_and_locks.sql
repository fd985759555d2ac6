-- class: 4 SELECT INTO, FOR UPDATE and FOR SHARE
-- expect: SYNTAX_ERROR, READ_ONLY_SQL_TRANSACTION, INSUFFICIENT_PRIVILEGE, FEATURE_NOT_SUPPORTED, INVALID_CURSOR_DEFINITION

-- name: select-into
SELECT * INTO mine FROM retail.orders
-- name: select-into-temp
SELECT * INTO TEMP TABLE mine FROM retail.orders
-- name: select-into-unlogged
SELECT 1 AS x INTO UNLOGGED mine
-- name: with-select-into
WITH a AS (SELECT 1 AS x) SELECT * INTO mine FROM a
-- name: union-select-into
SELECT 1 AS x INTO mine UNION SELECT 2
-- name: for-update
SELECT * FROM retail.orders FOR UPDATE
-- name: for-no-key-update
SELECT * FROM retail.orders FOR NO KEY UPDATE
-- name: for-share
SELECT * FROM retail.orders FOR SHARE
-- name: for-key-share-nowait
SELECT * FROM retail.orders FOR KEY SHARE NOWAIT
-- name: for-update-skip-locked
SELECT * FROM retail.orders ORDER BY 1 LIMIT 1 FOR UPDATE SKIP LOCKED
-- name: for-update-of-alias
SELECT * FROM retail.orders AS o JOIN retail.customers AS c USING (customer_id) FOR UPDATE OF o
-- name: for-update-in-a-subquery
SELECT * FROM (SELECT * FROM retail.orders FOR UPDATE) AS x
-- name: for-update-of-a-product
SELECT * FROM retail.products FOR UPDATE
-- name: for-share-of-the-catalogue
SELECT relname FROM pg_class FOR SHARE
