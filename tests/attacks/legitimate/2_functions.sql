-- class: functions

-- name: percentile-cont
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total_amount) FROM retail.orders
-- name: percentiles-as-an-array
SELECT percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY total_amount::float8), percentile_disc(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY total_amount) FROM retail.orders
-- name: mode
SELECT mode() WITHIN GROUP (ORDER BY status) FROM retail.orders
-- name: hypothetical-rank
SELECT rank(100.0) WITHIN GROUP (ORDER BY total_amount), percent_rank(100.0) WITHIN GROUP (ORDER BY total_amount) FROM retail.orders
-- name: standard-deviation
SELECT round(stddev(total_amount), 4), round(stddev_pop(total_amount), 4), round(variance(total_amount), 4), round(var_pop(total_amount), 4) FROM retail.orders
-- name: correlation
SELECT corr(quantity, unit_price), covar_pop(quantity, unit_price), covar_samp(quantity, unit_price) FROM retail.order_items
-- name: regression
SELECT regr_slope(unit_price, quantity), regr_intercept(unit_price, quantity), regr_r2(unit_price, quantity), regr_count(unit_price, quantity), regr_avgx(unit_price, quantity), regr_avgy(unit_price, quantity), regr_sxx(unit_price, quantity), regr_sxy(unit_price, quantity), regr_syy(unit_price, quantity) FROM retail.order_items
-- name: any-value
SELECT count(*), any_value(store_id) IS NOT NULL FROM retail.orders
-- name: string-agg
SELECT c.name, string_agg(t.name, ', ' ORDER BY t.name) FROM retail.categories AS c JOIN retail.product_types AS t USING (category_id) GROUP BY c.name
-- name: string-agg-distinct
SELECT string_agg(DISTINCT status, '|' ORDER BY status DESC) FROM retail.orders
-- name: array-agg
SELECT status, (array_agg(order_id ORDER BY order_date, order_id))[1:3] FROM retail.orders GROUP BY 1
-- name: bool-and-bit-aggregates
SELECT bool_and(quantity > 0), bool_or(quantity > 4), every(quantity > 0), bit_and(quantity::integer), bit_or(quantity::integer), bit_xor(quantity::integer) FROM retail.order_items
-- name: range-agg
SELECT range_agg(int4range(quantity::integer, quantity::integer + 1)) FROM retail.order_items
-- name: json-aggregates
SELECT json_agg(name ORDER BY name), json_object_agg(name, is_online ORDER BY name) FROM retail.stores
-- name: jsonb-aggregates
SELECT jsonb_agg(jsonb_build_object('name', name, 'price', base_price) ORDER BY sku) FROM retail.products WHERE base_price > 400
-- name: jsonb-operators
SELECT j -> 'a', j ->> 'a', j #> '{b,0}', j #>> '{b,0}', j ? 'a', j ?| ARRAY['x', 'a'], j ?& ARRAY['a', 'b'], j @> '{"a": 1}', j || '{"c": 3}', j - 'a', j #- '{b,0}' FROM (SELECT '{"a": 1, "b": [1, 2]}'::jsonb AS j) AS x
-- name: jsonb-subscript
SELECT ('{"a": {"b": [10, 20]}}'::jsonb)['a']['b'][1]
-- name: jsonb-path
SELECT jsonb_path_query_array('[{"n": 1}, {"n": 5}]', '$[*] ? (@.n > 2).n'), jsonb_path_exists('{"a": 1}', '$.a'), '{"a": [1, 2]}'::jsonb @? '$.a[*] ? (@ > 1)', '{"a": 1}'::jsonb @@ '$.a == 1'
-- name: jsonb-each
SELECT * FROM jsonb_each('{"a": 1, "b": {"c": null}}')
-- name: jsonb-to-recordset
SELECT * FROM jsonb_to_recordset('[{"a": 1, "b": "x"}, {"a": 2}]') AS x (a int, b text)
-- name: jsonb-to-record
SELECT * FROM jsonb_to_record('{"a": 1, "b": [1, 2]}') AS x (a int, b int[])
-- name: json-populate-record
SELECT (jsonb_populate_record(NULL::retail.categories, '{"name": "x"}')).name
-- name: row-to-json
SELECT row_to_json(c), to_jsonb(c) FROM retail.categories AS c
-- name: sql-json-constructors
SELECT json_object('a': 1, 'b': 'x' ABSENT ON NULL), json_array(1, 'x', NULL NULL ON NULL), json_arrayagg(name ORDER BY name) FROM retail.categories GROUP BY ()
-- name: is-json
SELECT '{"a": 1}' IS JSON OBJECT, '[1' IS JSON, '1' IS JSON SCALAR
-- since: 17
-- name: json-table
SELECT jt.* FROM JSON_TABLE('[{"sku": "A", "n": 1}, {"sku": "B"}]'::jsonb, '$[*]' COLUMNS (id FOR ORDINALITY, sku text PATH '$.sku', n int PATH '$.n' DEFAULT 0 ON EMPTY)) AS jt
-- name: json-query-functions
SELECT json_value('{"a": 1}', '$.a' RETURNING int), json_query('{"a": [1, 2]}', '$.a'), json_exists('{"a": 1}', '$.b')
-- name: merge-action-word-as-text
SELECT 'MERGE INTO x WHEN MATCHED THEN DELETE' AS sql
-- name: random-in-range-is-a-number
SELECT random(1, 6) BETWEEN 1 AND 6
-- since: 18
-- name: array-sort-and-reverse
SELECT array_sort(ARRAY[3, 1, 2]), array_reverse(ARRAY[1, 2, 3]), casefold('STRASSE')
-- name: uuid-version-four
SELECT uuid_extract_version(uuidv4())
-- since: 0
-- name: generate-series-in-the-target-list
SELECT generate_series(1, 5), generate_series(10, 12)
-- name: generate-series-of-numerics
SELECT n FROM generate_series(0, 1, 0.25) AS n
-- name: generate-series-with-ordinality
SELECT * FROM generate_series(10, 30, 10) WITH ORDINALITY AS g (value, position)
-- name: rows-from
SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['a', 'b'])) AS x (n, t)
-- name: unnest-several
SELECT * FROM unnest(ARRAY[1, 2, 3], ARRAY['a', 'b']) AS u (n, t)
-- name: string-to-table
SELECT * FROM string_to_table('a,b,c', ',') AS part
-- name: regexp-split
SELECT * FROM regexp_split_to_table('one  two three', '\s+') AS word
-- name: regexp-functions
SELECT regexp_replace('abc123', '\d+', '#'), regexp_match('a1b2', '(\d)'), regexp_count('banana', 'a'), regexp_instr('banana', 'n', 1, 2), regexp_like('Zava', '^za', 'i'), regexp_substr('a12b', '\d+'), regexp_split_to_array('a,b', ',')
-- name: like-forms
SELECT count(*) FILTER (WHERE name LIKE '%Drill%'), count(*) FILTER (WHERE name ILIKE '%' || 'drill' || '%'), count(*) FILTER (WHERE name NOT LIKE 'A\_%'), count(*) FILTER (WHERE name LIKE name), count(*) FILTER (WHERE name LIKE 'a!%%' ESCAPE '!') FROM retail.products
-- name: similar-to
SELECT count(*) FROM retail.products WHERE name SIMILAR TO '%(Hammer|Drill)%'
-- name: regular-expression-operators
SELECT count(*) FROM retail.products WHERE name ~* '\mhammer' AND name !~ '^\d'
-- name: text-functions
SELECT upper('a'), lower('A'), initcap('abc def'), left('abc', 2), right('abc', 2), lpad('7', 3, '0'), rpad('x', 3, '.'), trim(both ' ' FROM ' x '), ltrim('xxa', 'x'), rtrim('axx', 'x'), btrim('xax', 'x'), repeat('ab', 3), reverse('abc'), replace('aXb', 'X', '-'), split_part('a,b,c', ',', 2), split_part('a,b,c', ',', -1), substring('abcdef' FROM 2 FOR 3), substr('abcdef', 4), position('c' IN 'abc'), strpos('abc', 'b'), overlay('abcd' PLACING 'XX' FROM 2 FOR 1), translate('abc', 'ab', 'xy'), ascii('A'), chr(65), concat('a', NULL, 1), concat_ws('-', 'a', NULL, 'b'), format('%s %I %L %%', 'x', 'y z', 'q''r'), length('äö'), octet_length('äö'), char_length('x'), md5('x'), starts_with('zava', 'za'), quote_ident('a b'), quote_literal('x''y'), to_hex(255), normalize('é', NFC), unistr('\0041')
-- name: number-functions
SELECT abs(-1.5), ceil(1.2), floor(-1.2), round(2.567, 1), trunc(2.567, 2), mod(7, 3), 7 / 2, 7.0 / 2, 7 % 3, 2 ^ 10, |/ 16.0, ||/ 27.0, power(2, 0.5), sqrt(2.0), exp(1.0), ln(2.0), log(100.0), log(2.0, 8.0), sign(-3), greatest(1, 2, NULL), least(1, 2), div(7, 2), gcd(12, 18), lcm(4, 6), factorial(5), pi(), degrees(pi()), width_bucket(5.5, 0, 10, 4), scale(1.230), min_scale(1.230), trim_scale(1.230), 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 4
-- name: date-functions
SELECT date_trunc('week', timestamptz '2026-07-15 13:14'), date_part('doy', date '2026-07-15'), extract(epoch FROM timestamptz '2026-01-01'), age(date '2026-07-15', date '2020-02-29'), date '2026-07-15' + 10, date '2026-07-15' - date '2026-01-01', make_date(2026, 7, 15), make_timestamptz(2026, 7, 15, 1, 2, 3.5), make_interval(days => 3, hours => 2), justify_days('40 days'), justify_hours('30 hours'), to_date('15.07.2026', 'DD.MM.YYYY'), to_timestamp('2026-07-15 10', 'YYYY-MM-DD HH24'), to_timestamp(0), isfinite(date 'infinity'), date_bin('15 minutes', timestamp '2026-07-15 10:22', '2026-01-01')
-- name: time-zones
SELECT timestamptz '2026-07-15 12:00+00' AT TIME ZONE 'America/Los_Angeles', timestamp '2026-07-15 12:00' AT TIME ZONE 'Europe/Berlin', timezone('UTC', timestamptz '2026-07-15 12:00+02'), extract(timezone_hour FROM timestamptz '2026-07-15 12:00+00')
-- name: orders-in-local-time
SELECT extract(hour FROM order_date AT TIME ZONE 'America/Los_Angeles')::int AS hour, count(*) FROM retail.orders GROUP BY 1 ORDER BY 1
-- name: date-bin-of-orders
SELECT date_bin('14 days', order_date, timestamptz '2026-01-01') AS fortnight, count(*) FROM retail.orders WHERE order_date >= '2026-01-01' GROUP BY 1 ORDER BY 1
-- name: to-char
SELECT to_char(timestamptz '2026-07-15 13:14:15', 'YYYY-MM-DD HH24:MI:SS'), to_char(1234567.891, 'FM9,999,999.00'), to_char(0.5, '90.0%'), to_char(interval '26 hours', 'HH24:MI'), to_char(12, 'FMRN'), to_char(date '2026-07-15', 'FMDay, DDth Month IYYY-"W"IW'), to_number('1,234.5', '9G999D9')
-- name: overlaps
SELECT (date '2026-01-01', date '2026-02-01') OVERLAPS (date '2026-01-31', interval '10 days')
-- name: between-symmetric
SELECT 5 BETWEEN SYMMETRIC 10 AND 1, count(*) FROM retail.orders WHERE order_date BETWEEN '2026-01-01' AND '2026-03-31'
-- name: ranges
SELECT int4range(1, 10) @> 5, int4range(1, 10) && int4range(5, 20), int4range(1, 10) * int4range(5, 20), int4range(1, 5) + int4range(5, 8), upper(int8range(1, 5)), lower_inc(numrange(1.5, 2)), daterange('2026-01-01', '2026-02-01', '[]'), tstzrange('2026-01-01', NULL), isempty(int4range(1, 1)), '{[1,3),[5,8)}'::int4multirange, multirange(int4range(1, 2)), range_merge(int4range(1, 2), int4range(5, 6))
-- name: range-condition
SELECT count(*) FROM retail.orders WHERE tstzrange('2026-01-01', '2026-04-01') @> order_date
-- name: arrays
SELECT ARRAY[1, 2] || 3, (ARRAY[1, 2, 3])[2:3], array_length(ARRAY[1, 2], 1), cardinality(ARRAY[[1, 2], [3, 4]]), array_position(ARRAY['a', 'b'], 'b'), array_remove(ARRAY[1, 2, 1], 1), array_replace(ARRAY[1, 2], 2, 9), array_to_string(ARRAY['a', NULL, 'c'], ',', '*'), string_to_array('a,b', ','), ARRAY[1, 2] @> ARRAY[1], ARRAY[1, 2] && ARRAY[2, 3], array_append(ARRAY[1], 2), array_cat(ARRAY[1], ARRAY[2]), trim_array(ARRAY[1, 2, 3], 1), array_dims(ARRAY[[1], [2]]), ARRAY[]::int[], NULL::text[], ARRAY['a"b', 'c,d', '', 'NULL', NULL]
-- name: array-subquery
SELECT ARRAY(SELECT name FROM retail.categories ORDER BY name)
-- name: composite-values
SELECT ROW(1, 'x', NULL), (ROW(1, 2)).f1, (c).name FROM (SELECT c FROM retail.categories AS c ORDER BY name LIMIT 2) AS x
-- name: intervals
SELECT interval '1 year 2 months 3 days 04:05:06.789', interval '-1 day', interval '1 month' * 3, interval '1 hour' / 2, interval '1-2', timestamptz '2026-07-15' - timestamptz '2025-01-01', sum(d) FROM (VALUES (interval '1 day'), ('2 hours')) AS v (d)
-- name: bit-strings
SELECT B'101', X'1F', B'101' & B'110', 5::bit(8), B'1'::bit varying, get_bit(B'100', 0), bit_count(B'1011')
-- name: bytea
SELECT '\xdeadbeef'::bytea, encode('abc', 'base64'), encode('abc', 'hex'), decode('616263', 'hex'), convert_from('\x616263', 'UTF8'), get_byte('\x0102', 1), sha256('abc'), sha512('abc'), encode(sha224('x'), 'hex'), 'abc'::bytea || '\x00', length('\x0000'::bytea)
-- name: networks
SELECT inet '192.168.1.5/24', cidr '10.0.0.0/8', host(inet '192.168.1.5/24'), network(inet '192.168.1.5/24'), inet '10.1.1.1' << cidr '10.0.0.0/8', macaddr '08:00:2b:01:02:03', family(inet '::1')
-- name: money
SELECT 12.34::money, '$1,234.50'::money::numeric, 100::money / 3
-- name: geometry
SELECT point(1, 2), box(point(0, 0), point(1, 1)), circle(point(0, 0), 2), point(0, 0) <-> point(3, 4), area(box(point(0, 0), point(2, 3)))
-- name: enumerated-text-search
SELECT to_tsvector('english', 'The quick brown foxes'), to_tsquery('english', 'fox & quick'), plainto_tsquery('brown fox'), websearch_to_tsquery('"quick brown" -dog'), to_tsvector('english', 'cordless drills') @@ to_tsquery('english', 'drill'), ts_rank(to_tsvector('english', 'a drill'), 'drill'), ts_headline('english', 'a cordless drill', 'drill'::tsquery), strip('a:1 b:2'::tsvector), numnode('a & b'::tsquery), setweight('a:1'::tsvector, 'A')
-- name: text-search-of-products
SELECT sku, name FROM retail.products WHERE to_tsvector('english', name || ' ' || description) @@ websearch_to_tsquery('english', 'cordless drill') ORDER BY sku
-- name: vectors
SELECT '[1,2,3]'::vector, '[1,2]'::vector <-> '[3,4]', '[1,2]'::vector <=> '[3,4]', '[1,2]'::vector <#> '[3,4]', '[1,2]'::vector <+> '[3,4]', vector_dims('[1,2,3]'::vector), vector_norm('[3,4]'::vector), '[1,2]'::vector + '[3,4]', avg(v) FROM (VALUES ('[1,2]'::vector), ('[3,4]')) AS x (v)
-- name: other-vector-types
SELECT '[1,2]'::halfvec, '{1:1,3:2}/5'::sparsevec, binary_quantize('[1,-2]'::vector), subvector('[1,2,3]'::vector, 1, 2), '101'::bit(3) <~> '111'
-- name: embeddings
SELECT embedding_model, count(*), max(last_updated) FROM retail.product_description_embeddings GROUP BY 1
-- name: hashes-and-identifiers
SELECT md5('zava'), hashtext('zava') IS NOT NULL, gen_random_uuid() IS NOT NULL, 'f47ac10b-58cc-4372-a567-0e02b2c3d479'::uuid, sha256('abc'::bytea)
-- name: nulls
SELECT num_nonnulls(1, NULL, 2), num_nulls(NULL, 1), nullif(1, 1), coalesce(NULL, 2), NULL IS DISTINCT FROM 1, 1 IS NOT DISTINCT FROM 1, NULL IS UNKNOWN, ROW(NULL, 1) IS NOT NULL
-- name: casts
SELECT '42'::int, 42::text, 1::boolean, 'yes'::bool, '1e3'::float8::int, 3.7::int, '2026-07-15'::timestamptz, CAST('1.50' AS numeric(5, 2)), float8 '1.5', 'a'::varchar(5), 'b'::char(3), '{1,2}'::int[], 'orders'::regclass, 5::oid, 'int4'::regtype, pg_typeof(1.5), current_date::text IS NOT NULL
-- name: special-numbers
SELECT 'NaN'::float8, 'Infinity'::float8, '-Infinity'::float4, 'NaN'::numeric, 'Infinity'::numeric, 1e308::float8, 1e-300::float8, 0.1::float4, 0.1::float8 + 0.2, 9007199254740993, 12345678901234567890.123456789, -0.0::float8, 1e20::numeric, 0.000001, 100.00, 1.10::numeric(10, 2)
-- name: special-dates
SELECT 'infinity'::date, '-infinity'::timestamptz, '0044-03-15 BC'::date, '9999-12-31'::date, '2026-07-15 12:34:56.789012+05:30'::timestamptz, '24:00'::time, '12:00+02'::timetz, 'epoch'::timestamptz, '1900-01-01 00:00'::timestamptz
-- name: search-path-is-there
SELECT count(*) FROM orders AS o JOIN stores AS s USING (store_id)
-- name: search-function
SELECT count(*) FROM search_products_by_description(array_fill(0.1, ARRAY[1536])::vector, 0.0, 5)
-- name: pg-input-functions
SELECT pg_input_is_valid('42', 'integer'), pg_input_is_valid('x', 'integer'), message FROM pg_input_error_info('x', 'integer')
-- name: collations
SELECT name FROM retail.products ORDER BY name COLLATE "C" LIMIT 5
-- name: bernoulli-sample-of-everything
SELECT count(*) FROM retail.orders TABLESAMPLE BERNOULLI (100) REPEATABLE (42)
-- name: system-sample-of-everything
SELECT count(*) FROM retail.order_items TABLESAMPLE SYSTEM (100)
-- name: column-size
SELECT avg(pg_column_size(description)) > 0 FROM retail.products
-- name: xml-is-text-when-there-is-none
SELECT xml_is_well_formed('<a/>') IS NOT NULL WHERE false
-- name: fuzzy-dates
SELECT count(*) FROM retail.orders WHERE order_date > 'yesterday'::timestamptz
