-- zava: from version 1 of the schema to version 2, with all rows. psql runs it:
--
--     psql -v dry_run=yes -f migrations/2_retail_model.sql              # says what it would do, changes nothing
--     psql -v ON_ERROR_STOP=1 -f migrations/2_retail_model.sql
--
-- It needs the rights that schema.sql needs. It is one transaction, and ends with schema.sql: until the commit
-- everybody else sees version 1, and a migration that fails leaves version 1 as it was.
--
-- Version 1 is every schema without retail.schema_version, also that of the first release, which kept its totals
-- with triggers. What existing rows get:
--
--     stores.time_zone          UTC, in which version 1 counted days: all figures stay as they are
--     orders.business_day       the day of order_date in UTC
--     inventory.counted_at      updated_at, when somebody last said what the stock is
--     order_items.line_kind     sale; version 1 had no returns
--     customers.store_ids       empty; customers of version 1 bought in their home store only
--     customers.signed_up_on    NULL, not known; created_at says when the row was made
--     customers.forgotten_on    NULL; nobody has asked yet
--     kept_... totals           as they are; those of the first release are marked to be counted again
--     product_pairs, segments   empty until the next refresh
--
-- Readers and tills wait while it changes tables: it locks them all in one go, after everything that needs no lock,
-- and gives up if a table is in use for 2 seconds. Each table is rewritten once at most.

\set ON_ERROR_STOP on
\set QUIET on
\if :{?dry_run}
\else
    \set dry_run no
\endif

BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;

SET LOCAL client_min_messages = notice;
SET LOCAL statement_timeout = 0;

-- As in schema.sql: two administrators take turns.
DO $$
BEGIN
    IF has_function_privilege('pg_catalog.pg_advisory_xact_lock(bigint)', 'EXECUTE') THEN
        PERFORM pg_advisory_xact_lock(8042377203211093361);
    END IF;
END
$$;

SET LOCAL lock_timeout = '2s';


-- Checks and plan ------------------------------------------------------------

\echo zava: 1/7 checks

-- A superuser stays one meanwhile, for the sizes.
DO $$
BEGIN
    IF to_regrole('zava_owner') IS NULL THEN
        RAISE EXCEPTION 'this database has no retail schema' USING HINT = 'Load schema.sql. Nothing was changed.';
    END IF;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        IF NOT pg_has_role('zava_owner', 'SET') THEN
            EXECUTE format('GRANT zava_owner TO %I WITH INHERIT FALSE, SET TRUE', current_user);
        END IF;
        SET LOCAL ROLE zava_owner;
    END IF;
    IF to_regclass('retail.schema_version') IS NOT NULL THEN
        RAISE EXCEPTION 'this database has version 2 of the schema already, or a newer one' USING HINT = 'Load schema.sql. Nothing was changed.';
    ELSIF to_regclass('retail.orders') IS NULL THEN
        RAISE EXCEPTION 'this database has no retail schema' USING HINT = 'Load schema.sql. Nothing was changed.';
    END IF;
END
$$;

-- Seconds of a million rows: measured with two busy cores and 256 MB of maintenance_work_mem, data in memory.
CREATE OR REPLACE FUNCTION pg_temp.migration_plan() RETURNS TABLE (
    "table" text, rows bigint, size text, change text, seconds numeric, lock text
) LANGUAGE plpgsql AS $$
DECLARE
    knows_sizes CONSTANT boolean := has_function_privilege('pg_catalog.pg_total_relation_size(regclass)', 'EXECUTE');
    target record;
    bytes bigint;
    all_bytes bigint := 0;
    all_seconds numeric := 0;
BEGIN
    lock := 'ACCESS EXCLUSIVE';
    FOR target IN
        SELECT c.oid::regclass AS relation, p.*
        FROM (VALUES
            (1, 'orders', 'rewritten', 15.0),
            (2, 'order_items', 'rewritten', 15.0),
            (3, 'customers', 'altered', 4.0),
            (4, 'products', 'rewritten', 15.0),
            (5, 'inventory', 'rewritten', 6.0),
            (6, 'stores', 'altered', 0),
            (7, 'categories', 'altered', 0),
            (8, 'product_types', 'altered', 0),
            (9, 'kept_daily_sales', 'altered', 0),
            (10, 'kept_daily_product_sales', 'rewritten', 3.0),
            (11, 'kept_monthly_product_sales', 'rewritten', 3.0),
            -- Those of the first release: instead, schema.sql marks every day.
            (12, 'daily_sales', 'dropped', 0),
            (13, 'daily_product_sales', 'dropped', 0),
            (14, 'monthly_product_sales', 'dropped', 0),
            (15, 'daily_repeat_customers', 'dropped', 0),
            (16, 'monthly_repeat_customers', 'dropped', 0),
            (17, 'customer_purchases', 'dropped', 80.0)
        ) AS p (place, name, change, seconds_a_million)
        JOIN pg_class AS c ON c.relname = p.name AND c.relnamespace = 'retail'::regnamespace AND c.relkind = 'r'
        ORDER BY p.place
    LOOP
        "table" := target.relation;
        EXECUTE format('SELECT count(*) FROM %s', target.relation) INTO rows;
        change := target.change;
        seconds := round(rows * target.seconds_a_million / 1e6, 1);
        all_seconds := all_seconds + seconds;
        IF knows_sizes THEN
            bytes := pg_total_relation_size(target.relation);
            size := pg_size_pretty(bytes);
            all_bytes := all_bytes + bytes * (change = 'rewritten')::integer;
        END IF;
        RETURN NEXT;
    END LOOP;
    "table" := 'in all';
    rows := NULL;
    change := 'disk space for copies of what is rewritten; readers and tills wait';
    size := CASE WHEN knows_sizes THEN pg_size_pretty(all_bytes) END;
    seconds := ceil(all_seconds) + 1;
    RETURN NEXT;
END
$$;

\if :dry_run
    SELECT * FROM pg_temp.migration_plan();
    ROLLBACK;
    \q
\endif

DO $$
DECLARE
    planned record;
BEGIN
    FOR planned IN SELECT * FROM pg_temp.migration_plan() AS p WHERE p.change LIKE 'rewritten%' OR p.rows IS NULL LOOP
        IF planned.rows IS NULL THEN
            RAISE NOTICE 'readers and tills wait, for about % s in all', planned.seconds;
        ELSE
            RAISE NOTICE '% is rewritten: % rows, about % s', planned."table", planned.rows, planned.seconds;
        END IF;
    END LOOP;
END
$$;

SET LOCAL client_min_messages = warning;
SET LOCAL ROLE zava_owner;


-- What needs no lock ---------------------------------------------------------

CREATE TABLE retail.schema_version (
    version     integer     PRIMARY KEY,
    applied_at  timestamptz NOT NULL DEFAULT now()
);
-- The key of the seals is as old as the schema.
INSERT INTO retail.schema_version (version, applied_at)
SELECT 1, coalesce((SELECT min(k.created_at) FROM retail.identity_key AS k), now()) UNION ALL SELECT 2, now();

-- For the default of stores.time_zone; schema.sql gives it its body.
CREATE FUNCTION retail.default_time_zone() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT 'UTC' $$;


-- Locks ----------------------------------------------------------------------

\echo zava: 2/7 locks

DO $$
DECLARE
    target regclass;
    pids text;
BEGIN
    FOR target IN
        SELECT c.oid::regclass
        FROM unnest(ARRAY['orders', 'order_items', 'customers', 'products', 'stores', 'inventory', 'categories', 'product_types',
                          'changed_orders', 'kept_daily_sales', 'kept_daily_product_sales', 'kept_monthly_product_sales',
                          'kept_customers', 'kept_visits', 'product_pairs', 'segment_products', 'refreshes']) WITH ORDINALITY AS t (name, place)
        JOIN pg_class AS c ON c.relname = t.name AND c.relnamespace = 'retail'::regnamespace AND c.relkind = 'r'
        ORDER BY t.place
    LOOP
        EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', target);
    END LOOP;
EXCEPTION
    WHEN lock_not_available THEN
        RESET ROLE;
        IF has_table_privilege('pg_catalog.pg_locks', 'SELECT') THEN
            SELECT string_agg(DISTINCT l.pid::text, ', ') INTO pids
            FROM pg_locks AS l WHERE l.relation = target AND l.granted AND l.pid <> pg_backend_pid();
        END IF;
        RAISE EXCEPTION '% is in use, so nothing was changed: %', target, SQLERRM
            USING ERRCODE = 'lock_not_available',
                  HINT = format('Run this again when the transactions of %s have ended.', coalesce('process ' || pids, 'other sessions'));
END
$$;


-- What is gone ---------------------------------------------------------------

\echo zava: 3/7 what is gone

-- The first release kept its totals with triggers.
DO $$
DECLARE
    target record;
BEGIN
    FOR target IN
        SELECT t.tgname, t.tgrelid::regclass AS relation
        FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'retail'::regnamespace AND NOT t.tgisinternal
            AND p.proname IN ('set_sold_on', 'total_orders', 'total_order_items', 'total_purchases', 'empty_sales_totals', 'refuse_direct_write')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', target.tgname, target.relation);
    END LOOP;
    FOR target IN
        SELECT c.oid::regclass AS relation FROM pg_class AS c
        WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind = 'r'
            AND c.relname IN ('daily_sales', 'daily_product_sales', 'monthly_product_sales', 'daily_repeat_customers',
                              'monthly_repeat_customers', 'customer_purchases', 'customer_order_days')
    LOOP
        EXECUTE format('DROP TABLE %s', target.relation);
    END LOOP;
END
$$;
ALTER TABLE retail.product_pairs DROP CONSTRAINT IF EXISTS product_pairs_store_id_fkey;
DROP FUNCTION IF EXISTS retail.set_sold_on(), retail.total_orders(), retail.total_order_items(), retail.total_purchases(),
    retail.empty_sales_totals(), retail.refuse_direct_write(), retail.changed_rows(text), retail.recall_purchases(uuid[]),
    retail.fill_sales_totals(), retail.rebuild_sales_totals(), retail.recall_order_days(uuid[]), retail.total_order_days();

-- schema.sql makes these again, with other types. Nothing of an operator's goes with them: PostgreSQL refuses to drop
-- what a view of theirs reads.
DROP VIEW IF EXISTS retail.monthly_product_sales, retail.product_sales_corrections, retail.daily_product_sales, retail.daily_sales,
    retail.changed_daily_product_sales, retail.changed_daily_sales;
DO $$
DECLARE
    target regprocedure;
BEGIN
    FOR target IN
        SELECT p.oid FROM pg_proc AS p
        WHERE p.pronamespace = 'retail'::regnamespace AND p.proowner = 'zava_owner'::regrole
            AND p.proname IN ('search_products', 'keep_search_words', 'add_search_vocabulary')
    LOOP
        EXECUTE format('DROP FUNCTION %s', target);
    END LOOP;
END
$$;

-- An index that is not there is not built again with its table.
DROP INDEX IF EXISTS retail.orders_customer_id_store_id_idx, retail.orders_customer_id_store_id_sold_on_idx,
    retail.order_items_product_id_store_id_idx;


-- Tables ---------------------------------------------------------------------

DO $$
BEGIN
    IF pg_size_bytes(current_setting('maintenance_work_mem')) < pg_size_bytes('256MB') THEN
        SET LOCAL maintenance_work_mem = '256MB';
    END IF;
END
$$;

\echo zava: 4/7 orders

-- sold_on becomes business_day, because a new column could not be filled from another one in the same rewrite, and a
-- generated column is computed from the new row.
ALTER TABLE retail.orders ALTER COLUMN sold_on DROP EXPRESSION;
ALTER TABLE retail.orders RENAME COLUMN sold_on TO business_day;
ALTER TABLE retail.orders
    DROP CONSTRAINT orders_customer_id_store_id_fkey,
    DROP CONSTRAINT orders_total_amount_not_negative,
    ALTER COLUMN customer_id DROP NOT NULL,
    ALTER COLUMN business_day TYPE date USING (order_date AT TIME ZONE 'UTC')::date,
    ALTER COLUMN business_day SET NOT NULL,
    ADD COLUMN source_id text,
    ADD COLUMN paid_amount numeric(10,2) CONSTRAINT orders_paid_amount_a_number CHECK (paid_amount < 'NaN'),
    ADD COLUMN returns_order_id uuid,
    ADD COLUMN is_return boolean NOT NULL GENERATED ALWAYS AS (returns_order_id IS NOT NULL OR total_amount < 0) STORED,
    ADD COLUMN sold_on date GENERATED ALWAYS AS (CASE WHEN status NOT IN ('cancelled', 'returned') THEN business_day END) STORED,
    ADD CONSTRAINT orders_total_amount_a_number CHECK (total_amount < 'NaN'),
    ADD CONSTRAINT orders_business_day_range CHECK (business_day BETWEEN '1900-01-01' AND '9999-12-31'),
    ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES retail.customers,
    ADD CONSTRAINT orders_returns_order_id_fkey FOREIGN KEY (returns_order_id) REFERENCES retail.orders DEFERRABLE;

\echo zava: 5/7 other tables

ALTER TABLE retail.order_items
    DROP COLUMN IF EXISTS sold_on,
    DROP CONSTRAINT order_items_quantity_positive,
    DROP CONSTRAINT order_items_unit_price_not_negative,
    DROP CONSTRAINT order_items_discount_percent_range,
    DROP CONSTRAINT order_items_discount_amount_range,
    DROP CONSTRAINT order_items_total_amount_adds_up,
    ALTER COLUMN quantity TYPE numeric,
    ALTER COLUMN unit_price TYPE numeric,
    ALTER COLUMN unit_price DROP NOT NULL,
    ALTER COLUMN discount_percent TYPE numeric,
    ALTER COLUMN discount_percent DROP NOT NULL,
    ALTER COLUMN discount_percent DROP DEFAULT,
    ADD COLUMN source_id text,
    ADD COLUMN line_kind varchar(20) NOT NULL DEFAULT 'sale'
        CONSTRAINT order_items_line_kind_known CHECK (line_kind IN ('sale', 'return', 'coupon', 'fee', 'other')),
    ADD COLUMN coupon_amount numeric(10,2) NOT NULL DEFAULT 0 CONSTRAINT order_items_coupon_amount_a_number CHECK (coupon_amount < 'NaN'),
    ADD COLUMN manufacturer_coupon_amount numeric(10,2) NOT NULL DEFAULT 0
        CONSTRAINT order_items_manufacturer_coupon_amount_a_number CHECK (manufacturer_coupon_amount < 'NaN'),
    ADD CONSTRAINT order_items_quantity_range CHECK (abs(quantity) < 1e9),
    ADD CONSTRAINT order_items_unit_price_range CHECK (abs(unit_price) < 1e9),
    ADD CONSTRAINT order_items_discount_percent_range CHECK (discount_percent BETWEEN 0 AND 100),
    ADD CONSTRAINT order_items_discount_amount_a_number CHECK (discount_amount < 'NaN'),
    ADD CONSTRAINT order_items_total_amount_a_number CHECK (total_amount < 'NaN');

-- schema.sql makes it for some columns only.
DROP TRIGGER IF EXISTS set_updated_at ON retail.customers;
ALTER TABLE retail.customers
    DROP CONSTRAINT customers_customer_id_store_id_key,
    ALTER COLUMN store_id DROP NOT NULL,
    ALTER COLUMN first_name DROP NOT NULL,
    ALTER COLUMN last_name DROP NOT NULL,
    ALTER COLUMN email DROP NOT NULL,
    ADD COLUMN source_id text,
    ADD COLUMN store_ids uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN loyalty_number varchar(50),
    ADD COLUMN signed_up_on date,
    ADD COLUMN forgotten_on date;

ALTER TABLE retail.stores
    ALTER COLUMN location DROP NOT NULL,
    ALTER COLUMN manager_id DROP NOT NULL,
    ADD COLUMN source_id text,
    ADD COLUMN region varchar(100),
    ADD COLUMN time_zone text NOT NULL DEFAULT retail.default_time_zone()
        CONSTRAINT stores_time_zone_known CHECK (timestamptz '2000-01-01 00:00Z' AT TIME ZONE time_zone IS NOT NULL),
    ADD COLUMN opened_on date,
    ADD COLUMN closed_on date,
    ADD CONSTRAINT stores_closed_after_opened CHECK (closed_on >= opened_on);

ALTER TABLE retail.categories
    DROP CONSTRAINT categories_name_key,
    ADD COLUMN source_id text,
    ADD COLUMN parent_category_id uuid REFERENCES retail.categories
        CONSTRAINT categories_not_its_own_parent CHECK (parent_category_id <> category_id);
ALTER TABLE retail.categories ADD CONSTRAINT categories_name_key UNIQUE NULLS NOT DISTINCT (parent_category_id, name);

ALTER TABLE retail.product_types ADD COLUMN source_id text;

ALTER TABLE retail.products
    DROP CONSTRAINT products_cost_positive,
    DROP CONSTRAINT products_base_price_positive,
    ALTER COLUMN sku TYPE varchar(64),
    ALTER COLUMN description DROP NOT NULL,
    ALTER COLUMN category_id DROP NOT NULL,
    ALTER COLUMN type_id DROP NOT NULL,
    ALTER COLUMN cost TYPE numeric(12,4),
    ALTER COLUMN cost DROP NOT NULL,
    ALTER COLUMN base_price DROP NOT NULL,
    ADD COLUMN source_id text,
    ADD COLUMN brand varchar(200),
    ADD COLUMN unit varchar(20) NOT NULL DEFAULT 'piece' CONSTRAINT products_unit_not_blank CHECK (btrim(unit) <> ''),
    ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}' CONSTRAINT products_attributes_object CHECK (jsonb_typeof(attributes) = 'object'),
    ADD CONSTRAINT products_cost_not_negative CHECK (cost >= 0 AND cost < 'NaN'),
    ADD CONSTRAINT products_base_price_not_negative CHECK (base_price >= 0 AND base_price < 'NaN'),
    ADD CONSTRAINT products_type_has_category CHECK (type_id IS NULL OR category_id IS NOT NULL);

-- The column is filled as a generated one, and then is one no more.
ALTER TABLE retail.inventory
    DROP CONSTRAINT inventory_stock_level_not_negative,
    ALTER COLUMN stock_level TYPE numeric,
    ADD COLUMN counted_at timestamptz GENERATED ALWAYS AS (updated_at) STORED,
    ADD CONSTRAINT inventory_stock_level_range CHECK (abs(stock_level) < 1e9);
ALTER TABLE retail.inventory ALTER COLUMN counted_at DROP EXPRESSION;
ALTER TABLE retail.inventory ALTER COLUMN counted_at SET DEFAULT now();

-- The first release has none of them.
ALTER TABLE IF EXISTS retail.kept_daily_sales
    ADD COLUMN returns integer NOT NULL DEFAULT 0,
    ADD COLUMN returned_amount numeric(16,2) NOT NULL DEFAULT 0;
ALTER TABLE IF EXISTS retail.kept_daily_sales
    ALTER COLUMN returns DROP DEFAULT,
    ALTER COLUMN returned_amount DROP DEFAULT;
ALTER TABLE IF EXISTS retail.kept_daily_product_sales ALTER COLUMN units TYPE numeric;
ALTER TABLE IF EXISTS retail.kept_monthly_product_sales ALTER COLUMN units TYPE numeric;
ALTER TABLE IF EXISTS retail.refreshes ALTER COLUMN refreshed_at DROP NOT NULL;

RESET ROLE;

\echo zava: 6/7 schema.sql

-- Its BEGIN would warn of this transaction; its COMMIT ends it.
SET LOCAL client_min_messages = error;
\ir ../schema.sql

-- Version 2 is there. A rewritten table has neither statistics nor a map of what all may see; nobody waits for these.
-- If this fails, run it again, or leave it to autovacuum.
\echo zava: 7/7 statistics
\set ON_ERROR_STOP off
SET ROLE zava_owner;
VACUUM (ANALYZE) retail.orders, retail.order_items, retail.customers, retail.products, retail.inventory,
    retail.kept_daily_product_sales, retail.kept_monthly_product_sales;
RESET ROLE;
\set ON_ERROR_STOP on

\echo zava: done
\echo
\echo Every store has the time zone UTC now. To give the stores their own, for example:
\echo '    SET ROLE zava_owner;'
\echo '    UPDATE retail.stores SET time_zone = ''America/Los_Angeles'';'
\echo '    SELECT retail.recompute_business_days();'
\echo then refresh the totals: zava refresh
