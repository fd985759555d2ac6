-- What the schema `retail` is made of, by names: kind, object, definition. Without the order of columns.
SELECT 'relation' AS kind, c.relname::text AS object,
       concat_ws(' ', c.relkind, pg_get_userbyid(c.relowner), c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relpersistence,
                 c.reloptions, (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(coalesce(c.relacl, acldefault('r', c.relowner))) AS a)) AS definition
FROM pg_class AS c WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind <> 'i'
UNION ALL
SELECT 'column', format('%s.%s', c.relname, a.attname),
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attcollation::regcollation,
                 pg_get_expr(d.adbin, d.adrelid),
                 (SELECT string_agg(g::text, ',' ORDER BY g::text) FROM unnest(a.attacl) AS g))
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind <> 'i' AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint', format('%s.%s', k.conrelid::regclass, k.conname), concat_ws(' ', pg_get_constraintdef(k.oid), k.convalidated)
FROM pg_constraint AS k WHERE k.connamespace = 'retail'::regnamespace
UNION ALL
SELECT 'index', c.relname, concat_ws(' ', pg_get_indexdef(c.oid), i.indisvalid, i.indisprimary)
FROM pg_class AS c JOIN pg_index AS i ON i.indexrelid = c.oid WHERE c.relnamespace = 'retail'::regnamespace
UNION ALL
SELECT 'trigger', format('%s.%s', c.relname, t.tgname), concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'retail'::regnamespace AND NOT t.tgisinternal
UNION ALL
SELECT 'policy', format('%s.%s', p.tablename, p.policyname), concat_ws(' ', p.permissive, p.roles, p.cmd, p.qual, p.with_check)
FROM pg_policies AS p WHERE p.schemaname = 'retail'
UNION ALL
SELECT 'function', p.oid::regprocedure::text,
       concat_ws(' ', pg_get_functiondef(p.oid), pg_get_userbyid(p.proowner),
                 (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(p.proacl) AS a))
FROM pg_proc AS p WHERE p.pronamespace = 'retail'::regnamespace
UNION ALL
SELECT 'view', c.relname, pg_get_viewdef(c.oid) FROM pg_class AS c WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind = 'v'
UNION ALL
SELECT 'type', t.typname, format_type(t.oid, NULL) FROM pg_type AS t
WHERE t.typnamespace = 'retail'::regnamespace AND t.typrelid = 0 AND t.typelem = 0
UNION ALL
SELECT 'comment', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description
FROM pg_description AS d
CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) AS o
WHERE o.schema = 'retail' OR o.identity = 'retail'
UNION ALL
SELECT 'schema', n.nspname, concat_ws(' ', pg_get_userbyid(n.nspowner), (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(n.nspacl) AS a))
FROM pg_namespace AS n WHERE n.nspname = 'retail'
UNION ALL
SELECT 'default privileges', format('%s %s', pg_get_userbyid(d.defaclrole), d.defaclobjtype), d.defaclacl::text FROM pg_default_acl AS d
ORDER BY 1, 2, 3
