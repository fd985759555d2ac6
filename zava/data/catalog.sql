-- What the tables look like to the caller, by name. Values are named parameters.

-- name: list_tables
-- The tables that the caller may read, as a query writes them, with their comments. The comment of a table that
-- serves zava alone says so.
SELECT c.relname AS table_name, quote_ident(c.relname) AS written, left(obj_description(c.oid, 'pg_class'), 1000) AS description,
       coalesce(starts_with(obj_description(c.oid, 'pg_class'), 'Internal:'), false) AS is_internal,
       c.relkind IN ('r', 'p', 'm') AS has_rows
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'retail'::regnamespace
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND has_any_column_privilege(c.oid, 'SELECT')
ORDER BY c.relname

-- name: list_words
-- The columns of every such table with their comments, for a search by words.
SELECT c.relname AS table_name, quote_ident(a.attname) AS written, left(col_description(c.oid, a.attnum), 300) AS comment
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'retail'::regnamespace
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY c.relname, a.attnum

-- name: person
-- What the caller sees: the stores, a few of their names, and the last business day with orders.
SELECT count(*) AS stores,
       (array_agg(s.name ORDER BY s.name))[1:5]::text[] AS names,
       max((SELECT o.business_day FROM retail.orders AS o
            WHERE o.store_id = s.store_id AND o.business_day <= (SELECT retail.current_business_day())
            ORDER BY o.business_day DESC LIMIT 1)) AS data_through
FROM retail.stores AS s

-- name: list_columns
-- The columns of some of those tables, in order, with their keys and check constraints, or the labels of an enum.
SELECT c.relname AS table_name,
       a.attname AS name,
       quote_ident(a.attname) AS written,
       format_type(a.atttypid, a.atttypmod) AS type,
       NOT a.attnotnull AS nullable,
       left(pg_get_expr(d.adbin, d.adrelid), 1000) AS "default",
       a.attgenerated <> '' AS is_generated,
       left(col_description(c.oid, a.attnum), 1000) AS comment,
       ARRAY(SELECT l.enumlabel FROM pg_catalog.pg_type AS t
             JOIN pg_catalog.pg_enum AS l ON l.enumtypid = coalesce(nullif(t.typbasetype, 0), nullif(t.typelem, 0), t.oid)
             WHERE t.oid = a.atttypid ORDER BY l.enumsortorder LIMIT 101)::text[] AS labels,
       (SELECT CASE min(array_position('{p,f,u}'::"char"[], k.contype))
                   WHEN 1 THEN 'primary key' WHEN 2 THEN 'foreign key' WHEN 3 THEN 'unique' END
        FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = c.oid AND a.attnum = ANY (k.conkey)) AS key,
       (SELECT min(pg_get_constraintdef(k.oid))
        FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]
            AND pg_get_constraintdef(k.oid) LIKE '%%= ANY (%%') AS listed
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'retail'::regnamespace
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND c.relname = ANY (%(tables)s::text[])
    AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY c.relname, a.attnum

-- name: list_foreign_keys
-- The references of those tables.
SELECT c.relname AS table_name,
       ARRAY(SELECT a.attname FROM unnest(k.conkey) WITH ORDINALITY AS part (attnum, n)
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = part.attnum
             ORDER BY part.n)::text[] AS columns,
       'retail.' || quote_ident(r.relname) AS "references",
       ARRAY(SELECT a.attname FROM unnest(k.confkey) WITH ORDINALITY AS part (attnum, n)
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = part.attnum
             ORDER BY part.n)::text[] AS referenced_columns
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
JOIN pg_catalog.pg_class AS r ON r.oid = k.confrelid
WHERE k.contype = 'f'
    AND c.relnamespace = 'retail'::regnamespace
    AND c.relname = ANY (%(tables)s::text[])
    AND has_any_column_privilege(c.oid, 'SELECT')
    AND has_any_column_privilege(r.oid, 'SELECT')
ORDER BY c.relname, k.conname

-- name: few_values
-- The values of some columns in the first rows of a table, and how many rows these are.
WITH seen AS MATERIALIZED (SELECT {columns} FROM {table} LIMIT {rows})
SELECT (SELECT count(*) FROM seen), {lists}

-- name: values_of_column
-- One of these lists.
ARRAY(SELECT DISTINCT left({column}, 201) FROM seen WHERE {column} IS NOT NULL LIMIT {most})

-- name: denied_columns
-- Of a table or view that PostgreSQL has refused: the columns that the caller may read, those that take the right to
-- personal data, and other columns that the caller may not read.
SELECT quote_ident(c.relname) AS written,
       array_agg(quote_ident(a.attname) ORDER BY a.attnum) FILTER (WHERE r.is_open) AS readable,
       array_agg(quote_ident(a.attname) ORDER BY a.attnum) FILTER (WHERE NOT r.is_open AND r.is_personal) AS personal,
       array_agg(quote_ident(a.attname) ORDER BY a.attnum) FILTER (WHERE NOT r.is_open AND NOT r.is_personal) AS closed
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
CROSS JOIN LATERAL (
    SELECT has_column_privilege(c.oid, a.attnum, 'SELECT') AS is_open,
           has_column_privilege('store_managers_personal', c.oid, a.attnum, 'SELECT') AS is_personal
) AS r
WHERE c.relnamespace = 'retail'::regnamespace
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND c.relname = %(table)s
    AND has_any_column_privilege(c.oid, 'SELECT')
GROUP BY c.oid, c.relname

-- name: list_indexes
-- The indexes of some of those tables: what they hold, in order, and of a partial one its condition.
SELECT c.relname AS table_name, quote_ident(i.relname) AS index, m.amname::text AS method, left(pg_get_expr(x.indpred, x.indrelid), 200) AS condition,
       ARRAY(SELECT pg_get_indexdef(x.indexrelid, n, true) FROM generate_series(1, x.indnkeyatts) AS n ORDER BY n)::text[] AS keys
FROM pg_catalog.pg_index AS x
JOIN pg_catalog.pg_class AS c ON c.oid = x.indrelid
JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
JOIN pg_catalog.pg_am AS m ON m.oid = i.relam
WHERE c.relnamespace = 'retail'::regnamespace
    AND c.relname = ANY (%(tables)s::text[])
    AND x.indisvalid
    AND has_any_column_privilege(c.oid, 'SELECT')
ORDER BY c.relname, i.relname
