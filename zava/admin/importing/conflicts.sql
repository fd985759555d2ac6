-- The statements of `zava import` about rows that do not go together, and about orders that are refused as a whole.
-- {names} are put in as quoted identifiers and literals, or as the expressions of a mapping.

-- Each check returns zava_row, column, value and reason of what cannot be loaded. Those of two rows that differ return
-- zava_first and zava_differing, the other row and the columns, in place of the reason.

-- name: import_check_parts
-- Rows that do not agree with those of another entry of the same table.
SELECT d.zava_row, d."column", d.value, d.zava_first, d.zava_differing
FROM (SELECT r.zava_row, {name} AS "column", concat_ws(', ', {shown}) AS value, f.zava_row AS zava_first,
             concat_ws(', ', {differing}) AS zava_differing
      FROM pg_temp.{rows} AS r JOIN pg_temp.{earlier} AS f ON {match}) AS d
WHERE d.zava_differing <> ''

-- name: import_check_own_reference
-- Rows that name a row of their own file which was refused.
SELECT r.zava_row, {name} AS "column", {field} AS value, 'no row has this source_id' AS reason
FROM pg_temp.{rows} AS r
WHERE {column} IS NOT NULL AND NOT EXISTS (SELECT FROM pg_temp.{rows} AS k WHERE k.{key} = {column})
    AND NOT EXISTS (SELECT FROM retail.{table} AS t WHERE t.{key} = {column})

-- name: import_rows_with_kept
-- Rows with the columns that the entry does not give: a known row keeps its value, a new one gets the default.
(SELECT r.*, {kept} FROM pg_temp.{rows} AS r LEFT JOIN retail.{table} AS t ON {match})

-- name: import_check_kept
-- A row that breaks a constraint of the table with what the known row keeps, or with what follows from others.
SELECT r.zava_row, {name} AS "column", {value} AS value, {reason} AS reason FROM {rows} AS r WHERE ({expression}) IS FALSE

-- name: import_check_shared_in_file
-- A value that an earlier row of the file has already.
SELECT r.zava_row, {name} AS "column", {value} AS value, 'an earlier row has this already' AS reason
FROM (SELECT k.*, row_number() OVER (PARTITION BY k.zava_value ORDER BY k.zava_row) AS zava_nth
      FROM (SELECT *, {expression} AS zava_value FROM {rows} AS c) AS k WHERE k.zava_value IS NOT NULL) AS r
WHERE r.zava_nth > 1

-- name: import_check_shared
-- A value that another row of the table has already.
SELECT r.zava_row, {name} AS "column", {value} AS value, 'another row of the database has this already' AS reason
FROM (SELECT *, {expression} AS zava_value FROM {rows} AS c) AS r
JOIN (SELECT *, {expression} AS zava_value FROM retail.{table} AS c) AS t ON t.zava_value = r.zava_value
WHERE NOT EXISTS (SELECT FROM pg_temp.{loaded} AS k WHERE {is_loaded})

-- Orders as a whole -----------------------------------------------------------

-- name: import_groups_of_rows
-- The orders, or keys, that rows belong to.
SELECT r.zava_row, {group} AS zava_group FROM pg_temp.{rows} AS r WHERE r.zava_row = ANY (%(rows)s)

-- name: import_withhold
-- Rows of orders, or of keys, that are refused as a whole.
DELETE FROM pg_temp.{table} AS c WHERE {group} = ANY (%(groups)s) RETURNING c.zava_row, {group} AS zava_group

-- name: import_make_group_finder
-- The orders, or keys, that lines belong to, as far as it can be told. It writes nothing.
CREATE OR REPLACE FUNCTION pg_temp.zava_groups(relation text, key text, condition text, lines bigint[])
RETURNS TABLE (line bigint, zava_group text)
LANGUAGE plpgsql AS $$
DECLARE
    is_counted boolean;
BEGIN
    EXECUTE format('CREATE INDEX ON %s (zava_row)', relation);
    FOREACH line IN ARRAY lines LOOP
        is_counted := true;
        zava_group := NULL;
        BEGIN
            EXECUTE format('SELECT (%s) IS TRUE FROM %s WHERE zava_row = $1', condition, relation) INTO is_counted USING line;
        EXCEPTION WHEN OTHERS THEN
            is_counted := true;
        END;
        CONTINUE WHEN NOT is_counted;
        BEGIN
            EXECUTE format('SELECT %s FROM %s WHERE zava_row = $1', key, relation) INTO zava_group USING line;
        EXCEPTION WHEN OTHERS THEN
            zava_group := NULL;
        END;
        RETURN NEXT;
    END LOOP;
END
$$

-- name: import_groups_of_lines
-- The arguments are SQL, but for the numbers of the lines.
SELECT line AS zava_row, zava_group FROM pg_temp.zava_groups({relation}, {key}, {condition}, {lines})
