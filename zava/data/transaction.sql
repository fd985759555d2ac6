-- What a connection and a transaction of zava's are made of, by name. A name is followed
-- by what it is for.

-- name: begin
-- Opens the transaction of one call, whatever the defaults of the database are.
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY NOT DEFERRABLE

-- name: begin_snapshot
-- Opens the transaction of a call with several queries, which all see the same state.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY NOT DEFERRABLE

-- name: set_identity
-- Who the transaction acts for, and the proof of it. Both are bound: a statement's text
-- can be read by whoever watches the server. Whether a standby answers, and the server's time.
SELECT retail.set_identity($1, $2), pg_is_in_recovery(), extract(epoch FROM statement_timestamp())

-- name: set_identity_and_look
-- The same with the state of the server, which is read after the snapshot was taken.
SELECT retail.set_identity($1, $2), s.is_standby, s.is_current, s.wal_bytes, s.timeline, extract(epoch FROM s.as_of),
       extract(epoch FROM statement_timestamp())
FROM retail.replay_state() AS s

-- name: server_state
-- How far the server is: in a transaction of its own, before the snapshot of the next.
SELECT s.is_standby, s.is_current, s.wal_bytes, s.timeline, extract(epoch FROM s.as_of), extract(epoch FROM statement_timestamp())
FROM retail.replay_state() AS s

-- name: usual_costs
-- zava's own queries hold no condition of the caller's and are planned as usual.
SET LOCAL cpu_operator_cost TO DEFAULT

-- name: whole_result
-- A query whose rows are all read is planned for its last row, not for its first ones.
SET LOCAL cursor_tuple_fraction TO 1

-- name: set_role
-- The group role that may read and nothing else.
SET LOCAL ROLE {role_name}

-- name: declare
-- What PostgreSQL's own grammar admits behind these words is one query and nothing else.
DECLARE {cursor} NO SCROLL CURSOR FOR

-- name: explain
-- What stands here instead of the declaration of a cursor: the same grammar, and nothing runs.
EXPLAIN (FORMAT JSON, VERBOSE, COSTS OFF) DECLARE {cursor} NO SCROLL CURSOR FOR

-- name: fetch
-- Reads the caller's cursor; the number of rows is put in by the provider.
FETCH FORWARD {rows} FROM {cursor}

-- name: rollback
-- Ends every transaction: nothing that a query did outlives its call.
ROLLBACK

-- name: set_session
-- A setting of a connection that is zava's own.
SET {name} = {value}

-- name: set_transaction
-- The same where the connection is somebody else's after the transaction.
SET LOCAL {name} = {value}

-- name: backend
-- Which backend answers, and whether its server is a standby.
SELECT pg_backend_pid(), pg_is_in_recovery()

-- name: ping
-- Whether the database answers.
SELECT 1

-- name: type_name
-- The name of a type that the driver does not know; of an array its element, and what a domain of that is made of.
SELECT format_type(t.oid, NULL), e.oid, CASE e.typtype WHEN 'd' THEN e.typbasetype ELSE e.oid END
FROM pg_catalog.pg_type AS t
LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND t.typcategory = 'A'
WHERE t.oid = %(oid)s
