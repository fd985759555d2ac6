-- class: 1 verbs
-- expect: SYNTAX_ERROR, INVALID_CURSOR_DEFINITION

-- name: insert
INSERT INTO retail.categories (name) VALUES ('canary')
-- name: insert-returning
INSERT INTO retail.categories (name) VALUES ('canary') RETURNING *
-- name: update
UPDATE retail.orders SET status = 'cancelled'
-- name: update-returning
UPDATE retail.orders SET status = 'cancelled' RETURNING *
-- name: delete
DELETE FROM retail.order_items
-- name: delete-using
DELETE FROM retail.order_items USING retail.orders RETURNING *
-- name: truncate
TRUNCATE retail.orders CASCADE
-- name: merge
MERGE INTO retail.stores AS s USING retail.stores AS t ON s.store_id = t.store_id WHEN MATCHED THEN DELETE
-- name: copy-to-stdout
COPY retail.orders TO STDOUT
-- name: copy-query-to-stdout
COPY (SELECT * FROM retail.orders) TO STDOUT
-- name: copy-to-program
COPY (SELECT 1) TO PROGRAM 'id'
-- name: copy-from-program
COPY retail.categories (name) FROM PROGRAM 'id'
-- name: copy-to-file
COPY retail.orders TO '/tmp/zava-canary'
-- name: copy-from-file
COPY retail.categories (name) FROM '/etc/passwd'
-- name: do-block
DO $$ BEGIN PERFORM 1; END $$
-- name: do-block-plpgsql-execute
DO LANGUAGE plpgsql $$ BEGIN EXECUTE 'RESET ROLE'; END $$
-- name: call
CALL retail.set_updated_at()
-- name: create-table
CREATE TABLE mine (x text)
-- name: create-temp-table
CREATE TEMP TABLE mine AS SELECT * FROM retail.orders
-- name: create-view
CREATE VIEW mine AS SELECT * FROM retail.orders
-- name: create-temp-view
CREATE OR REPLACE TEMP VIEW orders AS SELECT 1
-- name: create-function
CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'
-- name: create-operator
CREATE OPERATOR pg_temp.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)
-- name: create-cast
CREATE CAST (text AS int) WITH INOUT AS IMPLICIT
-- name: create-rule
CREATE RULE mine AS ON SELECT TO retail.orders DO INSTEAD SELECT 1
-- name: create-policy
CREATE POLICY mine ON retail.orders USING (true)
-- name: create-trigger
CREATE TRIGGER mine AFTER INSERT ON retail.orders EXECUTE FUNCTION retail.set_updated_at()
-- name: create-extension
CREATE EXTENSION dblink
-- name: create-role
CREATE ROLE mine SUPERUSER LOGIN
-- name: create-publication
CREATE PUBLICATION mine FOR ALL TABLES
-- name: create-subscription
CREATE SUBSCRIPTION mine CONNECTION 'host=localhost' PUBLICATION mine
-- name: create-server
CREATE SERVER mine FOREIGN DATA WRAPPER postgres_fdw
-- name: alter-table-disable-row-security
ALTER TABLE retail.orders DISABLE ROW LEVEL SECURITY
-- name: alter-table-no-force
ALTER TABLE retail.orders NO FORCE ROW LEVEL SECURITY
-- name: alter-role-bypass
ALTER ROLE store_managers BYPASSRLS
-- name: alter-role-set
ALTER ROLE zava_server SET app.current_rls_user_id = '{{other_manager}}'
-- name: alter-database-set
ALTER DATABASE postgres SET row_security = off
-- name: alter-system
ALTER SYSTEM SET row_security = off
-- name: drop-policy
DROP POLICY store_manager_orders ON retail.orders
-- name: drop-table
DROP TABLE retail.orders
-- name: drop-owned
DROP OWNED BY store_managers
-- name: grant
GRANT SELECT ON retail.identity_key TO store_managers
-- name: grant-role
GRANT zava_owner TO zava_server
-- name: revoke
REVOKE SELECT ON retail.orders FROM store_managers
-- name: reassign-owned
REASSIGN OWNED BY zava_owner TO store_managers
-- name: comment
COMMENT ON TABLE retail.orders IS 'canary'
-- name: security-label
SECURITY LABEL ON TABLE retail.orders IS 'canary'
-- name: refresh-materialized-view
REFRESH MATERIALIZED VIEW retail.orders
-- name: import-foreign-schema
IMPORT FOREIGN SCHEMA public FROM SERVER mine INTO public
-- name: lock-table
LOCK TABLE retail.orders IN ACCESS EXCLUSIVE MODE
-- name: vacuum
VACUUM FULL retail.orders
-- name: analyze
ANALYZE retail.orders
-- name: cluster
CLUSTER retail.orders
-- name: reindex
REINDEX DATABASE postgres
-- name: checkpoint
CHECKPOINT
-- name: load
LOAD 'auto_explain'
-- name: listen
LISTEN canary
-- name: notify
NOTIFY canary, 'canary'
-- name: unlisten
UNLISTEN *
-- name: prepare
PREPARE mine AS SELECT * FROM retail.orders
-- name: execute
EXECUTE mine
-- name: deallocate
DEALLOCATE ALL
-- name: discard
DISCARD ALL
-- name: declare-with-hold
DECLARE mine CURSOR WITH HOLD FOR SELECT * FROM retail.orders
-- name: fetch
FETCH ALL FROM zava0
-- name: move
MOVE FORWARD 5 FROM zava0
-- name: close
CLOSE ALL
-- name: savepoint
SAVEPOINT mine
-- name: prepare-transaction
PREPARE TRANSACTION 'mine'
-- name: two-phase-commit
COMMIT PREPARED 'mine'
-- name: show
SHOW app.current_rls_seal
-- name: show-all
SHOW ALL
-- name: explain
EXPLAIN SELECT * FROM retail.orders
-- name: set-constraints
SET CONSTRAINTS ALL DEFERRED
