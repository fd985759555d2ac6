-- The statements behind `zava import`, by name. {names} are put in as quoted identifiers and literals, or as the
-- expressions of a mapping. Everything but the last section runs in one transaction.

-- name: import_set
-- For this transaction only.
SET LOCAL {name} = {value}

-- name: import_lock
-- One importer at a time, until its transaction ends.
SELECT pg_try_advisory_xact_lock(8042377203211093363) AS is_taken

-- name: import_lock_holder
-- Who it is; only an administrator sees that.
SELECT format('%s, session %s of %s, since %s', coalesce(nullif(a.application_name, ''), 'a session'), a.pid, a.usename,
              to_char(a.xact_start AT TIME ZONE 'UTC', 'HH24:MI:SS "UTC"')) AS holder
FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = (8042377203211093363 >> 32)::oid
    AND l.objid = (8042377203211093363 & 4294967295)::oid

-- name: import_columns
-- What a file can fill, with the limits of each column.
SELECT c.relname::text AS "table", a.attname::text AS name, a.attnotnull AS is_required, a.attgenerated <> '' AS is_generated,
       CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) THEN 'text' ELSE format_type(a.atttypid, NULL) END AS type,
       CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS length,
       CASE WHEN a.atttypid = 'numeric'::regtype AND a.atttypmod > 4 THEN (a.atttypmod - 4) >> 16 END AS precision,
       CASE WHEN a.atttypid = 'numeric'::regtype AND a.atttypmod > 4 THEN (a.atttypmod - 4) & 65535 END AS scale,
       CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS default,
       col_description(a.attrelid, a.attnum) AS comment, obj_description(c.oid, 'pg_class') AS table_comment
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = 'retail'::regnamespace AND c.relname = ANY (%(tables)s)
ORDER BY c.relname, a.attnum

-- name: import_rules
-- The constraints that a row can break: checks, and columns that no two rows share.
SELECT c.relname::text AS "table", 'check' AS kind, k.conname::text AS name, pg_get_expr(k.conbin, k.conrelid) AS expression,
       ARRAY(SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey)) AS columns,
       false AS nulls_equal
FROM pg_class AS c
JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'c'
WHERE c.relnamespace = 'retail'::regnamespace AND c.relname = ANY (%(tables)s)
UNION ALL
SELECT c.relname::text, 'unique', i.indexrelid::regclass::text, NULL,
       ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, nth)
             JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum ORDER BY k.nth),
       i.indnullsnotdistinct
FROM pg_class AS c
JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisunique AND NOT i.indisprimary AND i.indexprs IS NULL
WHERE c.relnamespace = 'retail'::regnamespace AND c.relname = ANY (%(tables)s)
UNION ALL
-- An exclusion constraint knows its columns by its index alone.
SELECT c.relname::text, 'unique', k.conname::text, NULL,
       ARRAY(SELECT a.attname::text FROM pg_depend AS d JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
             WHERE d.classid = 'pg_class'::regclass AND d.objid = k.conindid AND d.refobjid = c.oid AND d.refobjsubid > 0
             ORDER BY a.attnum),
       false
FROM pg_class AS c
JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'x'
WHERE c.relnamespace = 'retail'::regnamespace AND c.relname = ANY (%(tables)s)
ORDER BY 1, 2, 3

-- Staging ---------------------------------------------------------------------

-- name: import_make_stage
-- The rows of one kind of file, as text. zava_row is the number of the file, and of the line within it.
CREATE TEMP TABLE {stage} (zava_row bigint NOT NULL, {columns}) ON COMMIT DROP

-- name: import_copy
-- In the format that costs the least.
COPY pg_temp.{stage} FROM STDIN (FORMAT text, NULL {null})

-- name: import_analyze
-- Of a table of this transaction's own.
ANALYZE pg_temp.{table}

-- name: import_count
-- Rows of a table of this transaction's own.
SELECT count(*) AS rows FROM pg_temp.{table}

-- name: import_probe
-- What type an expression has, and whether it means anything.
SELECT {expression} FROM pg_temp.{stage} LIMIT 0

-- name: import_probe_constant
-- Whether an expression reads no column.
SELECT {expression} LIMIT 0

-- name: import_probe_aggregate
-- Whether an expression is about all rows of a key: it fails if it is about one row.
SELECT {expression} FROM pg_temp.{stage} WHERE false GROUP BY ()

-- name: import_day_of
-- The day of a text that has no time and no zone, which takes both.
CASE WHEN {text} !~* {relative} AND pg_input_is_valid({text} || ' 00:00 UTC', 'timestamptz') THEN {text}::date END

-- name: import_local_of
-- The time of a text that has a time and no zone: it takes a zone.
CASE WHEN {text} !~* {relative} AND NOT pg_input_is_valid({text} || ' 00:00 UTC', 'timestamptz')
         AND pg_input_is_valid({text} || ' UTC', 'timestamptz') THEN {text}::timestamp END

-- name: import_moment_of
-- The moment of a text with a zone. What means nothing is refused here, and what people do not mean as PostgreSQL does.
(CASE WHEN {text} ~* {relative} THEN 'no fixed time: ' || {text}
      WHEN NOT pg_input_is_valid({text} || ' UTC', 'timestamptz')
          THEN CASE WHEN pg_input_is_valid({text} || ' 00:00', 'timestamptz') THEN 'a day has no zone: '
                    WHEN {text} ~* {posix} AND pg_input_is_valid({text}, 'timestamptz') THEN 'hours that PostgreSQL counts westward: '
                    ELSE '' END || {text}
 END)::timestamptz

-- name: import_zone_hashes
-- The values of expressions, as numbers: other ones in another time zone of the session if they depend on that.
SELECT {hashes} FROM pg_temp.{stage} WHERE {condition}

-- Casting ---------------------------------------------------------------------

-- name: import_cast_lines
-- Each row of the file is a row of the table.
CREATE TEMP TABLE {cast} ON COMMIT DROP AS
SELECT zava_row, 1::bigint AS zava_lines, {expressions} FROM pg_temp.{stage} WHERE {condition}

-- name: import_cast_grouped
-- Rows of the file that say the same are one row of the table.
CREATE TEMP TABLE {cast} ON COMMIT DROP AS
SELECT min(zava_row) AS zava_row, count(*) AS zava_lines, {names}
FROM (SELECT zava_row, {expressions} FROM pg_temp.{stage} WHERE {condition}) AS line
GROUP BY {names}

-- name: import_cast_aggregated
-- Likewise, with sums of them.
CREATE TEMP TABLE {cast} ON COMMIT DROP AS
SELECT min(zava_row) AS zava_row, count(*) AS zava_lines, {expressions}
FROM pg_temp.{stage} WHERE {condition}
GROUP BY {ordinals}

-- name: import_drop
-- To be made once more.
DROP TABLE IF EXISTS pg_temp.{table}

-- name: import_make_fault_finder
-- Which rows and which of their columns cannot be computed, and PostgreSQL's reason: by ranges of rows, then by rows. It
-- writes nothing, so that its subtransactions cost no number each.
CREATE OR REPLACE FUNCTION pg_temp.zava_find_faults(relation text, names text[], plain text[], sums text[], condition text, most integer)
RETURNS TABLE (faulty_row bigint, name text, reason text)
LANGUAGE plpgsql AS $$
DECLARE
    piece record;
    one record;
    nth integer;
    every text[] := plain || sums;
    is_counted boolean;
BEGIN
    EXECUTE format('CREATE INDEX ON %s (zava_row)', relation);
    FOR piece IN EXECUTE format(
        'SELECT min(zava_row) AS first, max(zava_row) AS last FROM ('
        'SELECT zava_row, (row_number() OVER (ORDER BY zava_row) - 1) / 5000 AS nth FROM %s) AS r GROUP BY nth ORDER BY nth', relation)
    LOOP
        BEGIN
            EXECUTE format('SELECT %s FROM %s WHERE zava_row BETWEEN $1 AND $2 AND (%s)',
                           coalesce(nullif(array_to_string(plain, ', '), ''), 'NULL'), relation, condition) USING piece.first, piece.last;
            IF cardinality(sums) > 0 THEN
                EXECUTE format('SELECT %s FROM %s WHERE zava_row BETWEEN $1 AND $2 AND (%s)',
                               array_to_string(sums, ', '), relation, condition) USING piece.first, piece.last;
            END IF;
            CONTINUE;
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
        FOR one IN EXECUTE format('SELECT zava_row FROM %s WHERE zava_row BETWEEN $1 AND $2 ORDER BY 1', relation)
            USING piece.first, piece.last
        LOOP
            is_counted := true;
            BEGIN
                EXECUTE format('SELECT (%s) IS TRUE FROM %s WHERE zava_row = $1', condition, relation) INTO is_counted USING one.zava_row;
            EXCEPTION WHEN OTHERS THEN
                RETURN QUERY SELECT one.zava_row, 'where'::text, SQLERRM;
                is_counted := false;
                most := most - 1;
            END;
            CONTINUE WHEN NOT is_counted;
            BEGIN
                EXECUTE format('SELECT %s FROM %s WHERE zava_row = $1', array_to_string(every, ', '), relation) USING one.zava_row;
            EXCEPTION WHEN OTHERS THEN
                FOR nth IN 1 .. cardinality(every) LOOP
                    BEGIN
                        EXECUTE format('SELECT %s FROM %s WHERE zava_row = $1', every[nth], relation) USING one.zava_row;
                    EXCEPTION WHEN OTHERS THEN
                        RETURN QUERY SELECT one.zava_row, names[nth], SQLERRM;
                        most := most - 1;
                    END;
                END LOOP;
            END;
            IF most <= 0 THEN
                RETURN;
            END IF;
        END LOOP;
    END LOOP;
END
$$

-- name: import_find_faults
-- The arguments are SQL.
SELECT faulty_row, name, reason
FROM pg_temp.zava_find_faults({relation}, {names}, {plain}, {sums}, {condition}, {most})

-- name: import_delete_lines
-- Lines that take no part in anything.
DELETE FROM pg_temp.{stage} WHERE zava_row = ANY (%(rows)s)

-- name: import_fields
-- What a line says in some columns.
SELECT zava_row, {columns} FROM pg_temp.{stage} WHERE zava_row = ANY (%(rows)s)

-- Rows ------------------------------------------------------------------------

-- name: import_rows
-- Each row as it will stand in the table, with the row that is there already, if one is.
CREATE TEMP TABLE {rows} ON COMMIT DROP AS
SELECT r.*, e.zava_there IS NOT NULL AS zava_exists, {differs} AS zava_differs, {key}
FROM ({resolved}) AS r
{derived}
LEFT JOIN (SELECT true AS zava_there, t.* FROM retail.{table} AS t) AS e ON {match}

-- name: import_resolved
-- The rows that a row names, found by their keys.
SELECT {outputs}
FROM {source} AS c
{joins}

-- name: import_numbered
-- Each line with its place among the lines of its order. Sorted before it is joined, when it is narrow.
(SELECT l.*, row_number() OVER (PARTITION BY l."order" ORDER BY l.zava_row) AS zava_line FROM pg_temp.{cast} AS l)

-- name: import_orders_of_lines
-- The order of each line of an entry.
SELECT "order" FROM pg_temp.{cast}

-- name: import_names
-- The rows of another table that this entry names. The planner knows how many; of a table that was just filled it does not.
CREATE TEMP TABLE {names} ON COMMIT DROP AS
SELECT t.source_id, {columns} FROM retail.{table} AS t {derived} WHERE t.source_id IN (SELECT c.{field} FROM pg_temp.{cast} AS c)

-- name: import_derived
-- A UUID made from the table's name and the chain's own key, the same on every machine: version 8, from SHA-256.
CROSS JOIN LATERAL (
    SELECT encode(set_byte(set_byte(h.hash, 6, get_byte(h.hash, 6) & 15 | 128), 8, get_byte(h.hash, 8) & 63 | 128), 'hex')::uuid AS id
    FROM (SELECT substr(sha256(convert_to({name} || ':' || {source}, 'UTF8')), 1, 16) AS hash OFFSET 0) AS h
    OFFSET 0
) AS {alias}

-- name: import_line_key
-- Of a line without a key of its own: the UUID of its order with the number of the line as the last eight digits. The lines
-- of an order are neighbours in the index then, which takes a third off the time to insert them.
CROSS JOIN LATERAL (SELECT (r.zava_prefix || lpad(to_hex(r.zava_line), 8, '0'))::uuid AS id OFFSET 0) AS d

-- name: import_placeholders
-- Rows for what others name and nobody knows; whoever sees one sees that.
INSERT INTO retail.{table} ({key}, source_id, {columns})
SELECT d.id, u.source_id, {values}
FROM (SELECT DISTINCT c.{field} AS source_id FROM pg_temp.{cast} AS c
      WHERE c.{field} IS NOT NULL AND NOT EXISTS (SELECT FROM retail.{table} AS t WHERE t.source_id = c.{field})) AS u
{derived}
RETURNING source_id

-- Checks ----------------------------------------------------------------------
-- Each returns zava_row, column, value and reason of what cannot be loaded.

-- name: import_survey
-- How many rows there are, and whether a check that looks at one row alone finds any: cheaper than one scan for each check.
SELECT count(*) AS rows, coalesce(bool_or({conditions}), false) AS has_faults FROM pg_temp.{rows}

-- name: import_check_rows
-- A check that looks at one row alone.
SELECT zava_row, {name} AS "column", {value} AS value, {reason} AS reason FROM pg_temp.{rows} WHERE {condition}

-- name: import_check_keys
-- Rows of one key that do not agree; zava_first is the one that the others differ from.
SELECT r.zava_row, {name} AS "column", r.value, r.first AS zava_first, (
           SELECT string_agg(a.key, ', ') FROM jsonb_each(r.facts) AS a JOIN jsonb_each(to_jsonb(f)) AS b USING (key)
           WHERE a.value <> b.value AND a.key NOT LIKE 'zava\_%' AND a.key <> ALL ({hidden})) AS zava_differing
FROM (SELECT zava_row, concat_ws(', ', {shown}) AS value, to_jsonb(c) AS facts, min(zava_row) OVER (PARTITION BY {keys}) AS first
      FROM pg_temp.{rows} AS c) AS r
JOIN pg_temp.{rows} AS f ON f.zava_row = r.first
WHERE r.zava_row <> r.first

-- name: import_has_double_keys
-- Whether there are any: cheaper than to look for them.
SELECT EXISTS (SELECT FROM pg_temp.{rows} GROUP BY {keys} HAVING count(*) > 1) AS answer

-- name: import_check_unique_in_file
-- A value that an earlier row of the file has already.
SELECT r.zava_row, {name} AS "column", concat_ws(', ', {shown}) AS value, 'an earlier row has this already' AS reason
FROM (SELECT k.*, row_number() OVER (PARTITION BY {columns} ORDER BY zava_row) AS zava_nth FROM pg_temp.{rows} AS k WHERE {counts}) AS r
WHERE r.zava_nth > 1

-- name: import_check_unique
-- A value that another row of the table has already.
SELECT r.zava_row, {name} AS "column", concat_ws(', ', {shown}) AS value, 'another row of the database has this already' AS reason
FROM pg_temp.{rows} AS r
JOIN retail.{table} AS t ON {same}
WHERE NOT EXISTS (SELECT FROM pg_temp.{rows} AS k WHERE {is_loaded})

-- name: import_check_time
-- A local time that the clocks of its store skip, or a leap second, which PostgreSQL would move into the next minute.
SELECT c.zava_row, {name} AS "column", coalesce(c.zava_text, c.zava_local::text) AS value,
       CASE WHEN c.zava_text ~ ':60([^0-9]|$)' THEN 'a leap second: PostgreSQL would move it into the next minute'
            ELSE format('this time does not exist in %s: the clocks skip it', s.time_zone) END AS reason
FROM pg_temp.{cast} AS c
LEFT JOIN retail.stores AS s ON s.source_id = c.store
WHERE c.zava_text ~ ':60([^0-9]|$)'
    OR c.zava_local IS NOT NULL AND c.zava_local <> (c.zava_local AT TIME ZONE s.time_zone) AT TIME ZONE s.time_zone

-- name: import_check_types
-- A type of another category than the product's.
SELECT r.zava_row, 'type' AS "column", r.type AS value, 'belongs to another category' AS reason
FROM pg_temp.{rows} AS r JOIN retail.product_types AS t ON t.type_id = r.type_id
WHERE t.category_id <> r.category_id

-- name: import_limited
-- As many as can be told, and how many there are.
SELECT f.*, count(*) OVER () AS zava_found FROM (
{query}
) AS f ORDER BY f.zava_row LIMIT {most}

-- name: import_delete_found
-- More than can be told.
DELETE FROM pg_temp.{rows} WHERE zava_row IN (SELECT f.zava_row FROM (
{query}
) AS f)

-- name: import_delete_rows
-- Rows that cannot be loaded.
DELETE FROM pg_temp.{rows} WHERE zava_row = ANY (%(rows)s)

-- Merging ---------------------------------------------------------------------

-- name: import_lock_stores
-- The time zones that decide about business days stay as they are.
SELECT FROM retail.stores AS s WHERE s.source_id IN (SELECT c.store FROM pg_temp.{cast} AS c) ORDER BY s.store_id FOR KEY SHARE

-- name: import_insert
-- What is new.
INSERT INTO retail.{table} ({columns}) SELECT {columns} FROM pg_temp.{rows} WHERE NOT zava_exists {order}

-- name: import_park
-- Frees a value that rows of one file hand on: PostgreSQL looks for it in each row as it is written.
UPDATE retail.{table} AS t SET {column} = {parked} FROM pg_temp.{rows} AS r
WHERE r.zava_exists AND r.zava_differs AND {same} AND NOT ({match})

-- name: import_update
-- What differs.
UPDATE retail.{table} AS t SET {assignments} FROM pg_temp.{rows} AS r WHERE r.zava_exists AND r.zava_differs AND {match}

-- name: import_outcome
-- How many of each.
SELECT count(*) FILTER (WHERE NOT zava_exists) AS inserted, count(*) FILTER (WHERE zava_exists AND zava_differs) AS updated,
       count(*) FILTER (WHERE zava_exists AND NOT zava_differs) AS unchanged
FROM pg_temp.{rows}

-- name: import_only_known
-- Whether a column that new rows need can be left out: there are no new rows.
SELECT NOT EXISTS (SELECT FROM pg_temp.{rows} WHERE NOT zava_exists) AS answer

-- What the files name ---------------------------------------------------------

-- name: import_make_orders
-- The orders that the files name, with their stores.
CREATE TEMP TABLE zava_orders (order_id uuid NOT NULL, store_id uuid NOT NULL) ON COMMIT DROP

-- name: import_make_lines
-- The lines that the files name.
CREATE TEMP TABLE zava_order_items (order_item_id uuid NOT NULL) ON COMMIT DROP

-- name: import_keep_orders
-- Of an entry of the mapping.
INSERT INTO pg_temp.zava_orders
SELECT DISTINCT o.order_id, o.store_id FROM {orders} AS o
WHERE NOT EXISTS (SELECT FROM pg_temp.zava_orders AS k WHERE k.order_id = o.order_id)

-- name: import_orders_there
-- Of an entry that does not give the stores of its orders.
(SELECT t.order_id, t.store_id FROM retail.orders AS t JOIN pg_temp.{rows} AS r ON r.order_id = t.order_id)

-- name: import_keep_lines
-- Likewise.
INSERT INTO pg_temp.zava_order_items SELECT order_item_id FROM pg_temp.{rows}

-- Reconciliation --------------------------------------------------------------

-- name: import_amount
-- The sum of a column in the files, as it was read.
SELECT coalesce(sum({column}), 0) AS amount FROM pg_temp.{table}

-- name: import_amount_there
-- The sum of the rows as they were to be loaded, and of the same rows in the database.
SELECT coalesce(sum(t.total_amount), 0) AS there, (SELECT coalesce(sum(k.total_amount), 0) FROM pg_temp.{rows} AS k) AS loaded
FROM retail.{table} AS t
WHERE EXISTS (SELECT FROM pg_temp.{rows} AS r WHERE {match})

-- name: import_days
-- The first and the last business day of what was loaded.
SELECT min(o.business_day) AS first_day, max(o.business_day) AS last_day, count(DISTINCT o.store_id) AS stores
FROM retail.orders AS o WHERE o.order_id IN (SELECT order_id FROM pg_temp.zava_orders)

-- name: import_silent_stores
-- Stores that are open on those days and sold nothing.
SELECT s.name FROM retail.stores AS s
WHERE (s.opened_on IS NULL OR s.opened_on <= %(last)s) AND (s.closed_on IS NULL OR s.closed_on >= %(first)s)
    AND NOT EXISTS (SELECT FROM retail.orders AS o WHERE o.store_id = s.store_id AND o.business_day BETWEEN %(first)s AND %(last)s)
ORDER BY s.name

-- name: import_wrong_totals
-- Orders of the files whose total is not the sum of their lines, and the difference.
SELECT count(*) AS orders, (array_agg(coalesce(d.source_id, d.order_id::text) ORDER BY d.order_id))[:5] AS examples
FROM (
    SELECT o.order_id, o.source_id
    FROM pg_temp.zava_orders AS r
    JOIN retail.orders AS o ON o.order_id = r.order_id
    LEFT JOIN (SELECT i.order_id, sum(i.total_amount) AS total FROM retail.order_items AS i
               WHERE i.order_id IN (SELECT order_id FROM pg_temp.zava_orders) GROUP BY i.order_id) AS i ON i.order_id = o.order_id
    WHERE abs(o.total_amount - coalesce(i.total, 0)) > 0.01
) AS d

-- After the transaction -------------------------------------------------------

-- name: import_statistics
-- The planner has to know of a large load.
SELECT retail.analyze_loaded_tables()

-- name: import_first_rows
-- As they would be loaded.
SELECT {columns} FROM pg_temp.{cast} ORDER BY zava_row LIMIT 3
