-- class: 11 state that survives into the next user of the connection
-- expect: INSUFFICIENT_PRIVILEGE

-- name: session-setting
SELECT set_config('app.current_rls_user_id', '{{other_manager}}', false)
-- name: session-search-path
SELECT set_config('search_path', 'pg_temp', false)
-- name: advisory-lock
SELECT pg_advisory_lock(4242)
-- name: advisory-lock-shared
SELECT pg_advisory_lock_shared(42, 42)
-- name: advisory-try-lock
SELECT pg_try_advisory_lock(4242)
-- name: advisory-transaction-lock
SELECT pg_advisory_xact_lock(4242)
-- name: advisory-unlock-all
SELECT pg_advisory_unlock_all()
-- name: random-seed
SELECT setseed(0.5), random()
-- name: random-seed-in-with
WITH s AS MATERIALIZED (SELECT setseed(0.1)) SELECT random() FROM s
-- name: notify-by-function
SELECT pg_notify('canary', 'canary')
-- name: listening-channels
SELECT * FROM pg_listening_channels()
-- name: large-object-create
SELECT lo_create(424242)
-- name: large-object-from-bytes
SELECT lo_from_bytea(0, 'canary')
-- name: large-object-import
SELECT lo_import('/etc/passwd')
-- name: large-object-export
SELECT lo_export(424242, '/tmp/zava-canary')
-- name: large-object-open
SELECT lo_open(424242, 262144)
-- name: logical-message
SELECT pg_logical_emit_message(false, 'canary', 'canary')
-- name: export-snapshot
SELECT pg_export_snapshot()
-- name: replication-slot
SELECT pg_create_physical_replication_slot('canary', true)
-- name: logical-replication-slot
SELECT pg_create_logical_replication_slot('canary', 'test_decoding')
-- name: replication-origin
SELECT pg_replication_origin_create('canary')
-- name: prepared-statements
SELECT * FROM pg_prepared_statements
-- name: open-cursors
SELECT * FROM pg_cursors
-- expect: INSUFFICIENT_PRIVILEGE, UNDEFINED_FUNCTION, UNDEFINED_TABLE, OBJECT_NOT_IN_PREREQUISITE_STATE, WRONG_OBJECT_TYPE

-- name: similarity-limit
SELECT set_limit(0.1)
-- name: last-value
SELECT lastval()
-- name: sequence-next-value
SELECT nextval('retail.orders')
-- name: sequence-set-value
SELECT setval('retail.orders'::regclass, 5)
-- expect: SYNTAX_ERROR, INVALID_CURSOR_DEFINITION

-- name: temporary-table
CREATE TEMP TABLE orders AS SELECT 1
-- name: holdable-cursor
DECLARE zava0 CURSOR WITH HOLD FOR SELECT 1
-- name: prepared-name-of-the-driver
PREPARE _pg3_0 AS SELECT 1
-- name: deallocate-all
DEALLOCATE ALL
-- name: discard-plans
DISCARD PLANS
