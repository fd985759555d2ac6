-- class: 13 exhaustion
-- expect: INSUFFICIENT_PRIVILEGE, UNDEFINED_FUNCTION

-- name: sleep
SELECT pg_sleep(60)
-- name: sleep-for
SELECT pg_sleep_for('1 minute')
-- name: sleep-until
SELECT pg_sleep_until('tomorrow')
-- name: sleep-in-where
SELECT * FROM retail.orders WHERE pg_sleep(1) IS NULL
-- name: sleep-by-length
SELECT (SELECT pg_sleep(30 * length(email)) FROM retail.customers LIMIT 1)
-- name: terminate-own-backend
SELECT pg_terminate_backend(pg_backend_pid())
-- name: cancel-own-backend
SELECT pg_cancel_backend(pg_backend_pid())
-- name: terminate-the-others
SELECT pg_terminate_backend({{other_pid}}, 1000)
-- name: cancel-the-others
SELECT pg_cancel_backend({{other_pid}})
-- name: cancel-any-number
SELECT pg_cancel_backend(n) FROM generate_series(1, 100000) AS n
-- name: reload-configuration
SELECT pg_reload_conf()
-- name: rotate-log
SELECT pg_rotate_logfile()
-- name: rotate-log-of-the-old-module
SELECT pg_catalog.pg_rotate_logfile_old()
-- name: switch-write-file
SELECT pg_switch_wal()
-- name: restore-point
SELECT pg_create_restore_point('canary')
-- name: begin-backup
SELECT pg_backup_start('canary')
-- name: promote
SELECT pg_promote(false)
-- name: pause-replay
SELECT pg_wal_replay_pause()
-- name: drop-replication-slot
SELECT pg_drop_replication_slot('canary')
-- name: consume-replication-slot
SELECT * FROM pg_logical_slot_get_changes('canary', NULL, NULL)
-- name: import-collations
SELECT pg_import_system_collations('public'::regnamespace)
-- name: next-object-id
SELECT pg_nextoid('pg_class', 'oid', 'pg_class_oid_index')
-- name: prewarm
SELECT pg_prewarm('retail.orders')
-- name: restore-statistics
SELECT pg_restore_relation_stats('schemaname', 'retail', 'relname', 'orders', 'reltuples', 1::real)
-- name: clear-statistics
SELECT pg_clear_relation_stats('retail', 'orders')
