-- class: 7 spelling of a function
-- expect: INSUFFICIENT_PRIVILEGE

-- name: quoted
SELECT "set_config"('app.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: unicode-escaped
SELECT U&"\0073et_config"('app.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: unicode-escaped-whole
SELECT U&"\0073\0065\0074\005F\0063\006F\006E\0066\0069\0067"('app.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: unicode-escaped-own-escape
SELECT U&"!0073et_config" UESCAPE '!' ('app.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: unicode-escaped-six-digits
SELECT U&"\+000073et_config"('app.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: schema-qualified
SELECT pg_catalog.set_config('app.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: schema-and-function-quoted
SELECT "pg_catalog"."set_config"('app.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: schema-unicode-escaped
SELECT U&"pg\005Fcatalog".U&"set\005Fconfig"('app.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: mixed-case
SELECT sEt_CoNfIg('app.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: upper-case-qualified
SELECT PG_CATALOG.SET_CONFIG('app.current_rls_user_id', '{{other_manager}}', TRUE), count(*) FROM retail.orders
-- name: comment-before-the-parenthesis
SELECT set_config/* */('app.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: comment-around-the-dot
SELECT pg_catalog/**/./**/set_config('app.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: line-break-before-the-parenthesis
SELECT set_config
--
('app.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: spaces-around-the-dot
SELECT pg_catalog . set_config ( 'app.current_rls_user_id' , '{{other_manager}}' , true ), count(*) FROM retail.orders
-- name: dollar-quoted-arguments
SELECT set_config($$app.current_rls_user_id$$, $x${{other_manager}}$x$, true), count(*) FROM retail.orders
-- name: e-string-arguments
SELECT set_config(E'\x61pp.current_rls_user_id', E'{{other_manager}}', true), count(*) FROM retail.orders
-- name: unicode-string-arguments
SELECT set_config(U&'\0061pp.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: concatenated-name
SELECT set_config('app.current' || '_rls_' || 'user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: name-from-characters
SELECT set_config(chr(97) || chr(112) || 'p.current_rls_user_id', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: name-from-bytes
SELECT set_config(convert_from('\x6170702e63757272656e745f726c735f757365725f6964', 'UTF8'), '{{other_manager}}', true), count(*) FROM retail.orders
-- name: name-from-base64
SELECT set_config(convert_from(decode('YXBwLmN1cnJlbnRfcmxzX3VzZXJfaWQ=', 'base64'), 'UTF8'), '{{other_manager}}', true), count(*) FROM retail.orders
-- name: name-reversed
SELECT set_config(reverse('di_resu_slr_tnerruc.ppa'), '{{other_manager}}', true), count(*) FROM retail.orders
-- name: name-replaced
SELECT set_config(replace('app#current_rls_user_id', '#', '.'), '{{other_manager}}', true), count(*) FROM retail.orders
-- name: name-formatted
SELECT set_config(format('%s.%s', 'app', 'current_rls_user_id'), '{{other_manager}}', true), count(*) FROM retail.orders
-- name: name-in-upper-case
SELECT set_config('APP.CURRENT_RLS_USER_ID', '{{other_manager}}', true), count(*) FROM retail.orders
-- name: name-with-another-case
SELECT set_config('App.Current_Rls_User_Id', '{{other_manager}}', false), count(*) FROM retail.orders
-- name: value-from-a-uuid
SELECT set_config('app.current_rls_user_id', '{{other_manager}}'::uuid::text, true), count(*) FROM retail.orders
-- name: value-with-braces
SELECT set_config('app.current_rls_user_id', '{' || '{{other_manager}}' || '}', true), count(*) FROM retail.orders
-- name: boolean-spelt-as-text
SELECT set_config('app.current_rls_user_id', '{{other_manager}}', 'on'), count(*) FROM retail.orders
-- expect: INSUFFICIENT_PRIVILEGE, UNDEFINED_FUNCTION, UNDEFINED_COLUMN, SYNTAX_ERROR

-- name: attribute-notation
SELECT ('pg_stat_activity'::regclass).pg_relation_size
-- name: attribute-notation-of-a-row
SELECT o.pg_typeof, o.row_to_json, o.set_config FROM retail.orders AS o
-- name: attribute-notation-of-a-name
SELECT ('app.current_rls_seal'::text).current_setting
-- name: attribute-notation-of-an-alias
SELECT t.current_setting FROM (SELECT 'app.current_rls_user_id'::text) AS t
-- name: cast-to-the-regclass-of-a-secret
SELECT 'retail.identity_key'::regclass::text::regproc
-- name: operator-spelling
SELECT 'a' OPERATOR(pg_catalog.set_config) 'b'
-- name: current-setting-quoted
SELECT "current_setting"('app.current_rls_seal')
-- name: current-setting-missing-ok
SELECT pg_catalog.current_setting('app.current_rls_seal', true)
-- expect: UNDEFINED_FUNCTION, UNDEFINED_OBJECT

-- name: named-arguments
SELECT set_config(setting_name => 'app.current_rls_user_id', new_value => '{{other_manager}}', is_local => true), count(*) FROM retail.orders
-- name: cast-notation
SELECT CAST('app.current_rls_seal' AS pg_catalog.current_setting)
-- name: type-function-notation
SELECT current_setting 'app.current_rls_seal'
