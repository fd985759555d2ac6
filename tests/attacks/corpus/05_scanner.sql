-- class: 5 text that a scanner misreads
-- expect: SYNTAX_ERROR, INVALID_CURSOR_DEFINITION, FEATURE_NOT_SUPPORTED

-- name: e-string-escaped-quote
SELECT E'\''; DELETE FROM retail.orders; --'
-- name: e-string-double-backslash
SELECT E'\\'; DELETE FROM retail.orders; --'
-- name: standard-string-backslash
SELECT '\'; DELETE FROM retail.orders; --'
-- name: unicode-string
SELECT U&'\0027'; DELETE FROM retail.orders; --'
-- name: unicode-string-uescape
SELECT U&'!0027' UESCAPE '!'; DELETE FROM retail.orders
-- name: dollar-in-identifier
SELECT 1 AS a$b$; DELETE FROM retail.orders; --$b$
-- name: dollar-tag-with-letters
SELECT $update$; DELETE FROM retail.orders; --$update$; DELETE FROM retail.orders
-- name: nested-comment
/* /* */ DELETE FROM retail.orders; */ DELETE FROM retail.orders
-- name: comment-between-tokens
DELETE/**/FROM/**/retail.orders
-- name: comment-inside-a-comment-start
/*/**/*/ DELETE FROM retail.orders
-- name: line-comment-hides-a-block-comment
-- /*
DELETE FROM retail.orders -- */
-- name: string-continues-on-the-next-line
SELECT 'a'
'b'; DELETE FROM retail.orders
-- name: quoted-identifier-with-a-quote
SELECT 1 AS "a""; DELETE FROM retail.orders; --"; DELETE FROM retail.orders
-- name: parenthesised-delete
(DELETE FROM retail.orders)
-- name: mixed-case-verb
dElEtE fRoM retail.orders
-- name: verb-after-blank-lines


		DELETE FROM retail.orders
-- name: begins-with-a-line-comment
-- a comment
SET ROLE zava_owner
-- name: begins-with-a-block-comment
/* SELECT */ RESET ROLE
-- name: bit-string-then-statement
SELECT B'1'; RESET ROLE; SELECT X'1F'
-- name: national-string-then-statement
SELECT N'a'; RESET ROLE
-- name: number-glued-to-a-verb
SELECT 1 ;DELETE FROM retail.orders
-- name: psql-meta-command
\! id
-- name: psql-variable
SELECT :'HOME'
-- name: psql-gexec
SELECT 'DELETE FROM retail.orders' \gexec
-- name: driver-placeholder
SELECT %(user_id)s
-- name: end-of-the-declaration
WITH HOLD FOR SELECT * FROM retail.orders
-- name: second-cursor-clause
SELECT 1) ; DECLARE mine CURSOR FOR (SELECT 2
-- name: closes-the-callers-parenthesis
SELECT 1) UNION ALL (SELECT 2
