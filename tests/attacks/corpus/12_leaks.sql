-- class: 12 leaks
-- expect: INSUFFICIENT_PRIVILEGE, UNDEFINED_TABLE, UNDEFINED_FUNCTION

-- name: identity-key
SELECT * FROM retail.identity_key
-- name: identity-key-by-short-name
TABLE identity_key
-- name: regional-managers
SELECT * FROM retail.regional_managers
-- name: stores-of-regional-managers
SELECT * FROM retail.regional_manager_stores
-- name: login-identities
SELECT * FROM retail.login_identities
-- name: regional-managers-by-join
SELECT s.name, r.user_id FROM retail.stores AS s JOIN retail.regional_manager_stores AS r USING (store_id)
-- name: seal-setting
SELECT current_setting('app.current_rls_seal')
-- name: user-id-setting
SELECT current_setting('app.current_rls_user_id', true)
-- name: data-directory-setting
SELECT current_setting('data_directory')
-- name: settings-view
SELECT name, setting FROM pg_settings
-- name: settings-function
SELECT * FROM pg_show_all_settings()
-- name: file-settings
SELECT * FROM pg_file_settings
-- name: file-settings-function
SELECT * FROM pg_show_all_file_settings()
-- name: host-rules
SELECT * FROM pg_hba_file_rules
-- name: host-rules-function
SELECT * FROM pg_hba_file_rules()
-- name: ident-mappings
SELECT * FROM pg_ident_file_mappings
-- name: configuration-of-the-build
SELECT * FROM pg_config()
-- name: other-peoples-sql
SELECT query FROM pg_stat_activity
-- name: other-peoples-sql-by-function
SELECT query FROM pg_stat_get_activity(NULL)
-- name: other-peoples-sql-by-backend
SELECT pg_stat_get_backend_activity(id) FROM pg_stat_get_backend_idset() AS id
-- name: statement-statistics
SELECT query FROM pg_stat_statements
-- name: passwords
SELECT * FROM pg_authid
-- name: password-view
SELECT * FROM pg_shadow
-- name: user-mappings
SELECT * FROM pg_user_mapping
-- name: large-objects
SELECT * FROM pg_largeobject
-- name: statistics
SELECT * FROM pg_statistic
-- name: extended-statistics-data
SELECT * FROM pg_statistic_ext_data
-- name: table-statistics
SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 'orders'
-- name: table-statistics-of-all
SELECT * FROM pg_stat_all_tables
-- name: index-statistics
SELECT * FROM pg_stat_user_indexes
-- name: input-output-statistics
SELECT * FROM pg_statio_user_tables
-- name: transaction-table-statistics
SELECT * FROM pg_stat_xact_user_tables
-- name: database-statistics
SELECT * FROM pg_stat_database
-- name: write-statistics
SELECT * FROM pg_stat_wal
-- name: live-tuples-function
SELECT pg_stat_get_live_tuples('retail.orders'::regclass)
-- name: inserted-tuples-function
SELECT pg_stat_get_tuples_inserted('retail.orders'::regclass)
-- name: statistics-reset
SELECT pg_stat_reset()
-- name: statistics-reset-of-a-table
SELECT pg_stat_reset_single_table_counters('retail.orders'::regclass)
-- name: row-estimate
SELECT reltuples FROM pg_class WHERE relname = 'orders'
-- name: page-estimate
SELECT relpages, relallvisible FROM pg_class WHERE relname = 'orders'
-- name: row-estimate-by-whole-row
SELECT to_jsonb(c) FROM pg_class AS c WHERE relname = 'orders'
-- name: row-estimate-by-star
SELECT * FROM pg_class WHERE relname = 'orders'
-- name: row-estimate-in-a-condition
SELECT relname FROM pg_class WHERE reltuples > 1000
-- name: row-estimate-by-natural-join
SELECT * FROM pg_class NATURAL JOIN (SELECT 'orders'::name AS relname) AS x
-- name: relation-size
SELECT pg_relation_size('retail.orders')
-- name: total-relation-size
SELECT pg_total_relation_size('retail.orders')
-- name: table-size
SELECT pg_table_size('retail.customers')
-- name: indexes-size
SELECT pg_indexes_size('retail.customers')
-- name: database-size
SELECT pg_database_size(current_database())
-- name: tablespace-size
SELECT pg_tablespace_size('pg_default')
-- name: place-of-a-row
SELECT max(ctid) FROM retail.orders
-- name: transaction-of-a-row
SELECT xmin FROM retail.orders
-- name: place-of-a-row-by-range
SELECT count(*) FROM retail.orders WHERE ctid >= '(0,1)'
-- name: place-of-a-row-in-order-by
SELECT order_id FROM retail.orders ORDER BY ctid
-- name: place-of-a-row-by-attribute
SELECT (o).ctid FROM retail.orders AS o
-- name: whether-a-place-is-taken
SELECT currtid2('retail.orders', '(1,1)')
-- name: whether-a-place-is-taken-in-a-secret
SELECT currtid2('retail.identity_key', '(0,1)')
-- name: free-space
SELECT * FROM pg_freespace('retail.orders')
-- name: tuple-statistics
SELECT * FROM pgstattuple('retail.orders')
-- name: raw-page
SELECT get_raw_page('retail.orders', 0)
-- name: buffer-cache
SELECT * FROM pg_buffercache
-- name: file-of-a-table
SELECT pg_relation_filepath('retail.orders')
-- name: file-node-of-a-table
SELECT pg_relation_filenode('retail.orders')
-- name: server-address
SELECT inet_server_addr(), inet_server_port(), inet_client_addr(), inet_client_port()
-- name: control-file
SELECT * FROM pg_control_system()
-- name: locks
SELECT * FROM pg_locks
-- name: lock-function
SELECT * FROM pg_lock_status()
-- name: blocking-backends
SELECT pg_blocking_pids(pg_backend_pid())
-- name: replication-slots
SELECT * FROM pg_replication_slots
-- name: replication-statistics
SELECT * FROM pg_stat_replication
-- name: subscriptions
SELECT subconninfo FROM pg_subscription
-- name: progress-of-others
SELECT * FROM pg_stat_progress_copy
-- name: memory-contexts
SELECT * FROM pg_backend_memory_contexts
-- name: shared-memory
SELECT * FROM pg_shmem_allocations
-- name: asynchronous-input-output
SELECT * FROM pg_aios
-- name: log-memory-contexts
SELECT pg_log_backend_memory_contexts(pg_backend_pid())
-- name: write-position
SELECT pg_current_wal_lsn()
-- name: write-insert-position
SELECT pg_current_wal_insert_lsn()
-- name: write-flush-position
SELECT pg_current_wal_flush_lsn()
-- name: write-summaries
SELECT * FROM pg_available_wal_summaries()
-- name: write-summary-contents
SELECT * FROM pg_wal_summary_contents(1, '0/0', '0/1')
-- name: write-file-name
SELECT pg_walfile_name(pg_current_wal_lsn())
-- name: write-directory
SELECT * FROM pg_ls_waldir()
-- name: commit-time-of-a-transaction
SELECT pg_xact_commit_timestamp('3'::xid)
-- name: last-committed-transaction
SELECT * FROM pg_last_committed_xact()
-- name: loaded-modules
SELECT * FROM pg_get_loaded_modules()
-- name: read-file
SELECT pg_read_file('/etc/passwd')
-- name: read-file-relative
SELECT pg_read_file('PG_VERSION', 0, 10)
-- name: read-binary-file
SELECT pg_read_binary_file('/etc/passwd')
-- name: read-file-of-the-old-module
SELECT pg_catalog.pg_read_file_old('PG_VERSION', 0, 10)
-- name: list-directory
SELECT pg_ls_dir('.')
-- name: list-log-directory
SELECT * FROM pg_ls_logdir()
-- name: list-temporary-directory
SELECT * FROM pg_ls_tmpdir()
-- name: file-information
SELECT * FROM pg_stat_file('postgresql.conf')
-- name: current-log-file
SELECT pg_current_logfile()
-- name: read-log-of-the-old-module
SELECT * FROM pg_logdir_ls() AS t (a timestamp, b text)
-- name: large-object-get
SELECT lo_get(1)
-- name: large-object-read
SELECT loread(0, 100)
-- name: seal-by-its-function
SELECT retail.identity_seal('{{own_manager}}')
-- name: validator-of-a-secret-function
SELECT plpgsql_validator('retail.resolve_identity(uuid)'::regprocedure)
-- expect: INSUFFICIENT_PRIVILEGE, UNDEFINED_FUNCTION, FEATURE_NOT_SUPPORTED, UNDEFINED_TABLE, EVENT_TRIGGER_PROTOCOL_VIOLATED, RESULT_TOO_LARGE, INTERNAL_ERROR, answer

-- name: statistics-view
SELECT * FROM pg_stats WHERE schemaname = 'retail'
-- name: most-common-values-of-customers
SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE tablename = 'customers'
-- name: statistics-of-the-statistics
SELECT * FROM pg_stats WHERE tablename IN ('pg_class', 'pg_statistic', 'pg_authid')
-- name: extended-statistics
SELECT * FROM pg_stats_ext
-- name: extended-statistics-of-expressions
SELECT * FROM pg_stats_ext_exprs
-- name: row-policies
SELECT * FROM pg_policies
-- name: source-of-the-functions
SELECT proname, prosrc, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'retail'::regnamespace
-- name: settings-of-roles
SELECT * FROM pg_db_role_setting
-- name: users
SELECT * FROM pg_user
-- name: roles
SELECT * FROM pg_roles
-- name: members-of-roles
SELECT r.rolname, m.rolname FROM pg_auth_members AS a JOIN pg_roles AS r ON r.oid = a.roleid JOIN pg_roles AS m ON m.oid = a.member
-- name: own-query-text
SELECT current_query()
-- name: defaults-and-checks
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
-- name: constraints
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
-- name: subselect-in-limit
SELECT order_id FROM retail.orders LIMIT (SELECT count(*) FROM retail.orders WHERE store_id = '{{other_store}}')
-- name: tablesample-of-everything
SELECT store_id, count(*) FROM retail.orders TABLESAMPLE SYSTEM (100) GROUP BY 1
-- name: tablesample-bernoulli-of-everything
SELECT store_id, email FROM retail.customers TABLESAMPLE BERNOULLI (100)
-- name: table-command
TABLE retail.customers
-- name: only
SELECT * FROM ONLY retail.customers
-- name: star-of-descendants
SELECT * FROM retail.customers *
-- name: whole-rows-as-json
SELECT jsonb_agg(c) FROM retail.customers AS c
-- name: whole-rows-as-text
SELECT string_agg(c::text, '|') FROM retail.customers AS c
-- name: row-type-of-a-secret
SELECT NULL::retail.identity_key, json_populate_record(NULL::retail.identity_key, '{"only_row": true}')
-- name: names-of-secrets
SELECT relname FROM pg_class WHERE relnamespace = 'retail'::regnamespace
-- name: comments
SELECT obj_description(oid, 'pg_class') FROM pg_class WHERE relnamespace = 'retail'::regnamespace
-- name: databases
SELECT datname FROM pg_database
-- name: snapshot
SELECT pg_current_snapshot(), txid_current_snapshot()
-- name: transaction-id
SELECT txid_current()::text, pg_current_xact_id_if_assigned()
-- name: object-addresses
SELECT pg_identify_object('pg_class'::regclass, 'retail.identity_key'::regclass, 0), pg_describe_object('pg_class'::regclass, 'retail.identity_key'::regclass, 0)
-- name: names-by-cast
SELECT 'retail.identity_key'::regclass, 'retail.resolve_identity(uuid)'::regprocedure, 'zava_owner'::regrole, to_regclass('retail.login_identities')
-- name: input-error-information
SELECT * FROM pg_input_error_info('{{other_manager}}', 'integer')
-- name: privileges-of-others
SELECT has_table_privilege('zava_owner', 'retail.identity_key', 'SELECT'), has_column_privilege('zava_server', 'retail.orders', 'ctid', 'SELECT')
-- name: trigger-depth-and-event-triggers
SELECT pg_trigger_depth(), (SELECT count(*) FROM pg_event_trigger)
-- name: event-trigger-commands
SELECT * FROM pg_event_trigger_ddl_commands()
-- name: publications
SELECT * FROM pg_publication_tables
-- name: xml-entity
SELECT xmlparse(DOCUMENT '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>')
-- name: xml-entity-by-cast
SELECT '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'::xml
-- name: xpath-document
SELECT xpath('document("file:///etc/passwd")', '<a/>'::xml)
-- name: text-search-files
SELECT dictinitoption FROM pg_ts_dict
-- name: available-extensions
SELECT * FROM pg_available_extensions
-- name: temporary-schema
SELECT * FROM pg_temp.orders
-- name: own-process
SELECT pg_backend_pid()::text, pg_my_temp_schema(), version(), pg_postmaster_start_time()
-- name: foreign-servers
SELECT * FROM pg_foreign_server
-- name: sequences
SELECT * FROM pg_sequences
-- name: inherited-tables
SELECT * FROM pg_partition_tree('retail.orders')
-- name: multixact-members
SELECT * FROM pg_get_multixact_members('1'::xid)
-- name: settings-flags
SELECT pg_settings_get_flags('app.current_rls_user_id')
-- name: most-common-items-of-bytes
SELECT * FROM pg_mcv_list_items('\x00'::bytea::text::pg_mcv_list)
-- name: sequence-of-a-table
SELECT pg_get_serial_sequence('retail.orders', 'order_id')
-- name: search-function
SELECT * FROM retail.search_products_by_description(array_fill(0.1, ARRAY[1536])::public.vector, -1, 1000)
-- name: stock-by-the-search-function
SELECT i.* FROM retail.search_products_by_description(array_fill(0.1, ARRAY[1536])::public.vector, -1, 1000) AS p LEFT JOIN retail.inventory AS i USING (product_id)
-- expect: answer
-- expect-of-own: DIVISION_BY_ZERO, INVALID_TEXT_REPRESENTATION, NUMERIC_VALUE_OUT_OF_RANGE, INVALID_DATETIME_FORMAT, INVALID_REGULAR_EXPRESSION

-- name: key-oracle-by-email
SELECT count(*) FROM retail.customers WHERE email = '{{other_email}}'
-- name: key-oracle-by-order
SELECT count(*) FROM retail.orders WHERE order_id = '{{other_order}}'
-- name: key-oracle-by-manager
SELECT count(*) FROM retail.stores WHERE manager_id = '{{other_manager}}'
-- name: division-oracle
SELECT order_id, 1 / (CASE WHEN store_id = '{{other_store}}' THEN 0 ELSE 1 END) FROM retail.orders
-- name: division-oracle-in-where
SELECT order_id FROM retail.orders WHERE 1 / (CASE WHEN store_id = '{{other_store}}' THEN 0 ELSE 1 END) = 1
-- name: cast-oracle-in-where
SELECT count(*) FROM retail.customers WHERE CASE WHEN store_id <> ALL (SELECT store_id FROM retail.stores) AND customer_id NOT IN (SELECT customer_id FROM retail.orders WHERE customer_id IS NOT NULL) THEN email::int ELSE 1 END = 1
-- name: cast-oracle-on-every-row
SELECT count(*) FROM retail.customers WHERE CASE WHEN email = '{{other_email}}' THEN email::int END > 0
-- name: cast-oracle-in-having
SELECT max(email) FROM retail.customers WHERE email = '{{other_email}}' HAVING max(email)::int > 0
-- name: cast-oracle-in-join
SELECT count(*) FROM retail.orders AS o JOIN retail.customers AS c ON c.customer_id = o.customer_id AND (c.email <> '{{other_email}}' OR c.email::int = 1)
-- name: regex-oracle
SELECT count(*) FROM retail.customers WHERE CASE WHEN email = '{{other_email}}' THEN email ~ ('(' || email) END
-- name: overflow-oracle
SELECT sum(CASE WHEN store_id = '{{other_store}}' THEN 9223372036854775807 ELSE 0 END::bigint * 2) FROM retail.orders
-- name: date-oracle
SELECT count(*) FROM retail.customers WHERE CASE WHEN email = '{{other_email}}' THEN (last_name || email)::date END > now()
-- name: leaky-like
SELECT count(*) FROM retail.customers WHERE email LIKE 'canary%'
-- name: leaky-operator-before-the-policy
SELECT count(*) FROM retail.stores WHERE CASE WHEN store_id = '{{other_store}}' THEN manager_id::text::int END = 1
-- name: leaky-condition-beside-an-unseen-store
SELECT count(*) FROM retail.stores AS s WHERE CASE WHEN s.store_id = '{{other_store}}' THEN (SELECT 1 / ((random() * 0)::int)) = 1 ELSE true END
-- name: leaky-condition-in-an-array
SELECT count(*) FROM retail.customers AS c TABLESAMPLE SYSTEM (100) WHERE CASE WHEN c.email = ANY ('{ {{other_email}} }') THEN (SELECT 1 / ((random() * 0)::int)) = 1 ELSE true END
-- name: json-cast-oracle
SELECT count(*) FROM retail.customers WHERE CASE WHEN email = '{{other_email}}' THEN first_name::json END IS NOT NULL
-- name: vector-cast-oracle
SELECT count(*) FROM retail.customers WHERE CASE WHEN email = '{{other_email}}' THEN first_name::public.vector END IS NOT NULL
