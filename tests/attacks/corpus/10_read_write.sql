-- class: 10 SET TRANSACTION READ WRITE
-- expect: SYNTAX_ERROR, INVALID_CURSOR_DEFINITION

-- name: set-transaction
SET TRANSACTION READ WRITE
-- name: set-local-transaction
SET LOCAL transaction_read_only = off
-- name: set-session-characteristics
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE
-- name: begin-read-write
BEGIN READ WRITE
-- name: start-transaction
START TRANSACTION READ WRITE
-- name: read-write-then-delete
SET TRANSACTION READ WRITE; DELETE FROM retail.orders
-- name: set-snapshot
SET TRANSACTION SNAPSHOT '00000003-0000001B-1'
-- name: isolation-level
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
