-- class: forms

-- name: values
VALUES (1, 'a'), (2, 'b')
-- name: values-ordered
VALUES (2), (1) ORDER BY 1 DESC LIMIT 1
-- name: table
TABLE retail.categories
-- name: table-with-order-and-limit
TABLE categories ORDER BY name LIMIT 3
-- name: select-without-from
SELECT 1
-- name: select-of-no-column
SELECT FROM retail.stores
-- name: select-of-nothing-at-all
SELECT
-- name: no-rows
SELECT * FROM retail.orders WHERE false
-- name: trailing-semicolon
SELECT 1;
-- name: trailing-semicolon-and-blanks
SELECT 1 ;   
-- name: trailing-semicolon-and-comment
SELECT 1; -- that is all
-- name: comment-at-the-end
SELECT 1 -- no line break follows
-- name: block-comment-at-the-end
SELECT 1 /* nothing follows */
-- name: comment-in-front
-- what the model thinks
/* and thinks */ SELECT 1
-- name: comments-between-tokens
SELECT/* a */count/**/(*)--x
FROM/*;*/retail.stores
-- name: nested-comments
SELECT /* outer /* inner */ still outer */ 1
-- name: comment-with-verbs
SELECT 1 /* DROP TABLE retail.orders; COMMIT; */
-- name: upper-case
SELECT NAME FROM RETAIL.STORES
-- name: mixed-case
sElEcT CoUnT(*) fRoM ReTaIl.OrDeRs
-- name: parentheses-around-all
((SELECT 1))
-- name: parentheses-and-limit
(SELECT name FROM retail.categories) ORDER BY 1 LIMIT 2
-- name: verbs-in-literals
SELECT 'DROP TABLE retail.orders; COMMIT;' AS a, 'DELETE FROM x' AS b, 'INSERT INTO y' AS c, $$UPDATE z SET a = 1; ROLLBACK$$ AS d
-- name: verbs-in-a-condition
SELECT count(*) FROM retail.products WHERE description ILIKE '%update%' OR description LIKE '%; DROP TABLE%' OR name = 'COMMIT'
-- name: verbs-as-quoted-identifiers
SELECT 1 AS "update", 2 AS "delete", 3 AS "drop", 4 AS "; COMMIT; --"
-- name: verbs-as-column-labels
SELECT 1 AS update, 2 AS delete, 3 AS limit, 4 AS offset, 5 AS insert, 6 AS commit, 7 AS set, 8 AS copy, 9 AS grant, 10 AS into
-- name: verbs-as-identifiers
SELECT update.delete, update.insert FROM (VALUES (1, 2)) AS update (delete, insert)
-- name: withs-named-like-verbs
WITH commit AS (SELECT 1 AS drop), "limit" AS (SELECT 2 AS "select") SELECT commit.drop, "limit"."select" FROM commit, "limit"
-- name: column-named-like-a-type
SELECT 1 AS timestamp, 2 AS interval, 3 AS date, 4 AS text, 5 AS value
-- name: labels-without-as
SELECT count(*) total, min(order_date) first FROM retail.orders
-- name: same-label-several-times
SELECT 1 AS a, 2 AS a, 3, 4, s.store_id, o.store_id FROM retail.stores AS s JOIN retail.orders AS o USING (store_id) ORDER BY 5 LIMIT 1
-- name: label-with-a-quote
SELECT 1 AS "say ""hi""", 2 AS "back\slash", 3 AS "per%cent", 4 AS "new
line"
-- name: label-in-unicode
SELECT 1 AS "Umsätze €", 2 AS "売上", 3 AS prix_moyen_é, 4 AS "😀"
-- name: text-in-unicode
SELECT 'Zoë', '東京', '😀 emoji', E'\u00e9', U&'\0041\+01F600', 'עברית', E'tab\tnew\nline', 'zero​width'
-- name: string-forms
SELECT 'it''s', E'it\'s', $$it's$$, $tag$a $$ b$tag$, U&'d\0061t\+000061', E''
-- name: string-continued
SELECT 'a'
       'b'
-- name: percent-signs
SELECT '100%', 7 % 3, 'a%sb', '%(name)s', '%%' WHERE 'abc' LIKE '%b%'
-- name: dollar-signs
SELECT '$1', '$2', $$ $1 $$ AS "$1", 'US$' || 5
-- name: question-marks
SELECT '{"a": 1}'::jsonb ? 'a', 'why?'
-- name: colons
SELECT '12:30'::time, 'a:b', ':name', (ARRAY[1, 2, 3])[1:2]
-- name: curly-braces
SELECT '{"a": {"b": {}}}'::jsonb, '{}'::int[], '{0}', '{{'
-- name: backslashes
SELECT '\', 'a\b', E'a\\b', 'c:\temp'
-- name: blank-lines-and-tabs
SELECT

	1	AS	n


-- name: numbers-in-every-form
SELECT 1_000_000, 0x1F, 0o17, 0b101, 1e3, .5, 5., 1.5e-3
-- name: recursive-with
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i FROM n
-- name: recursive-with-search-and-cycle
WITH RECURSIVE g (a, b) AS (VALUES (1, 2), (2, 3), (3, 1)), r (a, b) AS (SELECT a, b FROM g WHERE a = 1 UNION ALL SELECT g.a, g.b FROM r JOIN g ON g.a = r.b) SEARCH DEPTH FIRST BY a SET seq CYCLE a SET looped USING path SELECT a, b, looped, seq::text, path::text FROM r
-- name: recursive-months
WITH RECURSIVE m (d) AS (SELECT date '2026-01-01' UNION ALL SELECT (d + interval '1 month')::date FROM m WHERE d < '2026-06-01') SELECT m.d, count(o.order_id) FROM m LEFT JOIN retail.orders AS o ON date_trunc('month', o.order_date)::date = m.d GROUP BY 1 ORDER BY 1
-- name: lateral-values
SELECT p.sku, v.kind, v.amount FROM retail.products AS p CROSS JOIN LATERAL (VALUES ('cost', p.cost), ('price', p.base_price)) AS v (kind, amount) ORDER BY 1, 2 LIMIT 20
-- name: left-join-lateral-on-true
SELECT s.name, x.n FROM retail.stores AS s LEFT JOIN LATERAL (SELECT count(*) AS n FROM retail.orders AS o WHERE o.store_id = s.store_id) AS x ON true
-- name: subquery-without-alias
SELECT count(*) FROM (SELECT 1)
-- name: only-and-star
SELECT count(*) FROM ONLY retail.orders, retail.stores *
-- name: order-by-expression-and-position
SELECT sku, length(name) FROM retail.products ORDER BY 2 DESC, lower(sku) USING < LIMIT 10
-- name: limit-by-expression
SELECT sku FROM retail.products ORDER BY sku LIMIT (SELECT 2 + 1) OFFSET 1 + 1
-- name: whole-row
SELECT c FROM retail.categories AS c
-- name: whole-row-expanded
SELECT (c).* FROM retail.categories AS c
-- name: whole-row-of-a-table-with-a-store
SELECT s FROM retail.stores AS s
-- name: everything-from-everything
SELECT i.*, o.*, c.email, c.signed_up_on, p.* FROM retail.order_items AS i JOIN retail.orders AS o USING (order_id, store_id) JOIN retail.customers AS c USING (customer_id, store_id) JOIN retail.products AS p USING (product_id) ORDER BY i.order_item_id LIMIT 20
-- name: current-of-everything
SELECT current_user = current_role, session_user IS NOT NULL, current_catalog = current_database(), current_schema, user = current_user
-- name: operator-with-a-schema
SELECT 1 OPERATOR(pg_catalog.+) 2, '[1,2]'::public.vector OPERATOR(public.<->) '[1,3]'
-- name: function-with-a-schema
SELECT pg_catalog.lower('A'), pg_catalog.count(*) FROM retail.stores
-- name: row-locking-words-in-text
SELECT 'SELECT x FOR UPDATE' AS "for update"
-- name: set-returning-in-case
SELECT x, CASE WHEN x > 1 THEN 'many' ELSE 'one' END FROM unnest(ARRAY[1, 2]) AS x
-- name: boolean-tests
SELECT true IS NOT FALSE, (NULL = 1) IS UNKNOWN, NOT false AND true OR false
-- name: scalar-subquery-is-null
SELECT (SELECT name FROM retail.categories WHERE false)
-- name: exists-without-columns
SELECT EXISTS (SELECT FROM retail.orders WHERE total_amount > 0)
-- name: window-without-partition
SELECT count(*) OVER (), row_number() OVER () > 0 FROM retail.stores
-- name: aggregate-of-nothing
SELECT count(*), sum(total_amount), max(order_date), array_agg(order_id), string_agg(status, ',') FROM retail.orders WHERE false
-- name: tablesample-of-a-with
WITH x AS (SELECT * FROM retail.products TABLESAMPLE BERNOULLI (100)) SELECT count(*) FROM x
-- name: seven-statements-in-a-text
SELECT 'BEGIN; SET LOCAL x = 1; SELECT 1; SELECT 2; COMMIT; VACUUM; DO $x$ BEGIN END $x$' AS script
-- name: carriage-returns
SELECT 1 AS a
-- name: xpath-looking-text
SELECT '/a/b[@c="d"]' AS path, '<a href="x">y</a>' AS html
