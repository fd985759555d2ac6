-- class: 2 stacked statements
-- expect: SYNTAX_ERROR

-- name: two-selects
SELECT 1; SELECT * FROM retail.orders
-- name: commit-then-read
SELECT 1; COMMIT; SELECT * FROM retail.customers
-- name: rollback-then-read
SELECT 1; ROLLBACK; SELECT * FROM retail.customers
-- name: rollback-reset-role-read
SELECT 1; ROLLBACK; RESET ROLE; SELECT * FROM retail.customers
-- name: end-begin-set
SELECT 1; END; BEGIN; SET app.current_rls_user_id = '{{other_manager}}'; SELECT * FROM retail.orders
-- name: abort-and-drop
SELECT 1; ABORT; DROP TABLE retail.orders
-- name: commit-and-chain
SELECT 1; COMMIT AND CHAIN; SELECT 2
-- name: second-after-comment
SELECT 1 /* ; */ ; /* ; */ DELETE FROM retail.orders
-- name: second-after-line-comment
SELECT 1; -- harmless
DELETE FROM retail.orders
-- name: set-local-stacked
SELECT 1; SET LOCAL app.current_rls_user_id = '{{other_manager}}'; SELECT count(*) FROM retail.orders
-- name: reset-all-stacked
SELECT 1; RESET ALL; SELECT count(*) FROM retail.orders
-- name: set-role-stacked
SELECT 1; SET ROLE zava_owner; SELECT * FROM retail.identity_key
-- name: close-and-declare-again
SELECT 1; CLOSE zava0; DECLARE zava0 CURSOR WITH HOLD FOR SELECT * FROM retail.customers
-- name: second-is-select-into
SELECT 1; SELECT * INTO mine FROM retail.orders
-- name: empty-statements-between
SELECT 1;;; SELECT 2
-- name: begins-with-a-semicolon
; SELECT * FROM retail.customers
-- name: dollar-quote-closed-early
SELECT $a$ ; $a$; DELETE FROM retail.orders
-- name: copy-after-select
SELECT 1; COPY retail.customers TO STDOUT
