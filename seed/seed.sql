-- zava: fills the schema of schema.sql with a made-up retail chain. psql runs it:
--
--     psql -v ON_ERROR_STOP=1 -f schema.sql -f seed/seed.sql
--     psql -v scale=0.02 -v as_of=2026-06-30 -v reset=yes -f seed/seed.sql
--
-- No row is about a real person or a real sale. Stores, managers, categories and
-- products come from the CSV files beside this file; customers, orders, items and
-- stock are generated: about 50,000, 200,000, 420,000 and 3,300 rows at scale 1.
-- The row of retail.chain becomes this chain's.
--
-- Variables, all optional:
--     scale     how many customers, as a multiple of 50,000; above 0, at most 1000
--     as_of     the last business day with orders, 2020-01-31 to 2099-12-31; default
--               today in America/Los_Angeles
--     reset     yes empties the tables first and sets the chain's row; without it a
--               database with data, or with a chain of its own, is refused
--     seed_dir  the folder of the CSV files; default `seed`, which is right when
--               psql runs in the folder of schema.sql
--
-- Run it as a superuser or as a role that can SET ROLE zava_owner. It is one
-- transaction, which locks the tables; it stops at the first error, with exit
-- code 3 and nothing changed. Stdout gets one line as each step starts,
--     zava: 4/10 customers
-- then `zava: done` after the commit, and nothing else.
--
-- The same scale and as_of always give the same rows, on every PostgreSQL. A key
-- is md5('<table>:' || natural key), and a draw is a part of md5('<table>:' ||
-- natural key || ':<purpose>'): no random(), no clock, no floating point that rounds.
-- A draw makes a day and a local time; the store's time zone makes the moment of them.
--
-- Order: checks, reference data, distributions, bulk load, keys and indexes, totals.

\set ON_ERROR_STOP on
\set QUIET on
\set SHOW_CONTEXT never
\if :{?scale}
\else
    \set scale 1
\endif
\if :{?as_of}
\else
    \set as_of ''
\endif
\if :{?reset}
\else
    \set reset no
\endif
\if :{?seed_dir}
\else
    \set seed_dir seed
\endif

BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;

SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO, YMD';
SET LOCAL standard_conforming_strings = on;
SET LOCAL statement_timeout = 0;
SET LOCAL jit = off;
SET LOCAL work_mem = '64MB';
SET LOCAL maintenance_work_mem = '256MB';


-- Checks ---------------------------------------------------------------------

\echo zava: 1/10 checks

DO $$
BEGIN
    IF to_regrole('zava_owner') IS NULL THEN
        RAISE EXCEPTION 'zava: no role zava_owner; load schema.sql first';
    END IF;
END
$$;

SET LOCAL ROLE zava_owner;

DO $$
BEGIN
    IF to_regclass('retail.inventory') IS NULL THEN
        RAISE EXCEPTION 'zava: no schema in the database "%"; load schema.sql first', current_database();
    END IF;
END
$$;

CREATE TEMP TABLE seed_chain ON COMMIT DROP AS
SELECT 'Zava' AS name, 'USD' AS currency, 'America/Los_Angeles' AS default_time_zone, time '00:00' AS day_starts_at,
       7::smallint AS week_starts_on, 'calendar' AS fiscal_calendar, 1::smallint AS fiscal_year_start;

CREATE TEMP TABLE seed_parameters ON COMMIT DROP AS
SELECT :'scale'::text AS scale,
       coalesce(nullif(:'as_of'::text, ''), to_char(now() AT TIME ZONE c.default_time_zone, 'YYYY-MM-DD')) AS as_of,
       :'reset'::text AS reset
FROM seed_chain AS c;

DO $$
DECLARE
    given seed_parameters;
BEGIN
    SELECT * INTO given FROM seed_parameters;
    -- CASE, because AND may look at its right side first.
    IF (CASE WHEN given.scale ~ '^[0-9]{0,9}[.]?[0-9]{0,9}$' AND given.scale ~ '[0-9]'
             THEN given.scale::numeric NOT BETWEEN 0.000000001 AND 1000 ELSE true END) THEN
        RAISE EXCEPTION 'zava: scale must be a number above 0 and at most 1000, not "%"', given.scale;
    END IF;
    IF (CASE WHEN given.as_of ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' AND pg_input_is_valid(given.as_of, 'date')
             THEN given.as_of::date NOT BETWEEN '2020-01-31' AND '2099-12-31' ELSE true END) THEN
        RAISE EXCEPTION 'zava: as_of must be a date like 2026-06-30, from 2020-01-31 to 2099-12-31, not "%"', given.as_of;
    END IF;
    IF given.reset NOT IN ('yes', 'no') THEN
        RAISE EXCEPTION 'zava: reset must be yes or no, not "%"', given.reset;
    END IF;
END
$$;

-- Whoever seeds at the same time waits here and then finds the tables filled.
LOCK TABLE retail.stores IN ACCESS EXCLUSIVE MODE;

DO $$
DECLARE
    filled text;
    emptied text;
BEGIN
    IF (SELECT reset = 'no' FROM seed_parameters) THEN
        SELECT string_agg(name, ', ') INTO filled
        FROM (
            SELECT 'stores' AS name WHERE EXISTS (SELECT FROM retail.stores)
            UNION ALL SELECT 'regional_managers' WHERE EXISTS (SELECT FROM retail.regional_managers)
            UNION ALL SELECT 'categories' WHERE EXISTS (SELECT FROM retail.categories)
            UNION ALL SELECT 'customers' WHERE EXISTS (SELECT FROM retail.customers)
            UNION ALL SELECT 'orders' WHERE EXISTS (SELECT FROM retail.orders)
            -- schema.sql made the row; who has changed it since has a chain of their own.
            UNION ALL SELECT 'chain' WHERE EXISTS (
                SELECT name, currency, default_time_zone, day_starts_at, week_starts_on, fiscal_calendar, fiscal_year_start
                FROM retail.chain WHERE updated_at <> created_at
                EXCEPT SELECT * FROM seed_chain)
        ) AS tables;
        IF filled IS NOT NULL THEN
            RAISE EXCEPTION 'zava: the database "%" already holds data (%); -v reset=yes replaces it', current_database(), filled;
        END IF;
        RETURN;
    END IF;
    -- With every table of the schema that depends on one of these; a table
    -- elsewhere that does so makes TRUNCATE refuse.
    WITH RECURSIVE reset_tables (oid) AS (
        SELECT unnest(ARRAY['retail.stores', 'retail.regional_managers', 'retail.categories']::regclass[])::oid
        UNION
        SELECT f.conrelid
        FROM pg_constraint AS f
        JOIN reset_tables AS r ON r.oid = f.confrelid
        JOIN pg_class AS c ON c.oid = f.conrelid
        WHERE f.contype = 'f' AND c.relnamespace = 'retail'::regnamespace
    )
    SELECT string_agg(oid::regclass::text, ', ') INTO emptied FROM reset_tables;
    EXECUTE 'TRUNCATE ' || emptied;
    -- What is kept of the orders refers to them without a key.
    TRUNCATE retail.changed_orders, retail.kept_daily_sales, retail.kept_daily_product_sales, retail.kept_monthly_product_sales,
        retail.kept_customers, retail.kept_visits, retail.product_pairs, retail.chain_product_pairs,
        retail.segment_products, retail.chain_segment_products, retail.customer_segments, retail.chain_customer_segments;
    UPDATE retail.refreshes SET refreshed_at = NULL;
END
$$;


-- Reference data -------------------------------------------------------------

\echo zava: 2/10 reference data

CREATE TEMP TABLE csv_stores (
    source_id       text,           -- the number that its receipts begin with
    name            text,
    location        text,
    region          text,
    time_zone       text,
    is_online       boolean,
    opened_on       date,
    manager_id      uuid,
    customer_weight integer,        -- share of the customers
    order_frequency numeric(4,2),   -- orders per customer, as a factor
    order_value     numeric(4,2)    -- units per line, as a factor
) ON COMMIT DROP;
CREATE TEMP TABLE csv_regional_managers (user_id uuid, name text) ON COMMIT DROP;
CREATE TEMP TABLE csv_regional_manager_stores (manager text, store text) ON COMMIT DROP;
-- How well a category sells in each month.
CREATE TEMP TABLE csv_categories (
    source_id text, name text,
    january numeric(3,1), february numeric(3,1), march numeric(3,1), april numeric(3,1),
    may numeric(3,1), june numeric(3,1), july numeric(3,1), august numeric(3,1),
    september numeric(3,1), october numeric(3,1), november numeric(3,1), december numeric(3,1)
) ON COMMIT DROP;
CREATE TEMP TABLE csv_product_types (source_id text, category text, name text) ON COMMIT DROP;
CREATE TEMP TABLE csv_products (
    sku text, name text, description text, category text, type text, cost numeric(10,2), base_price numeric(10,2),
    brand text, unit text, attributes jsonb
) ON COMMIT DROP;
CREATE TEMP TABLE csv_first_names (name text) ON COMMIT DROP;
CREATE TEMP TABLE csv_last_names (name text) ON COMMIT DROP;

-- \copy takes no variables, but a variable may hold a whole \copy.
SELECT '\copy csv_' AS copy_into, ' FROM ''' || replace(:'seed_dir', '''', '''''') || '/' AS from_folder,
       '.csv'' WITH (FORMAT csv, HEADER match, ENCODING ''UTF8'')' AS as_csv \gset
\set copy_stores :copy_into stores :from_folder stores :as_csv
\set copy_regional_managers :copy_into regional_managers :from_folder regional_managers :as_csv
\set copy_regional_manager_stores :copy_into regional_manager_stores :from_folder regional_manager_stores :as_csv
\set copy_categories :copy_into categories :from_folder categories :as_csv
\set copy_product_types :copy_into product_types :from_folder product_types :as_csv
\set copy_products :copy_into products :from_folder products :as_csv
\set copy_first_names :copy_into first_names :from_folder first_names :as_csv
\set copy_last_names :copy_into last_names :from_folder last_names :as_csv

-- The first file alone may be missing, so that the message can say what to do.
\set ON_ERROR_STOP off
:copy_stores
\set ON_ERROR_STOP on
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM csv_stores) THEN
        RAISE EXCEPTION 'zava: no stores read; run psql in the folder of schema.sql, or pass -v seed_dir=/path/to/seed';
    END IF;
END
$$;
:copy_regional_managers
:copy_regional_manager_stores
:copy_categories
:copy_product_types
:copy_products
:copy_first_names
:copy_last_names

INSERT INTO retail.chain
    (name, currency, default_time_zone, day_starts_at, week_starts_on, fiscal_calendar, fiscal_year_start)
SELECT * FROM seed_chain
ON CONFLICT (only_row) DO UPDATE SET
    name = excluded.name, currency = excluded.currency, default_time_zone = excluded.default_time_zone,
    day_starts_at = excluded.day_starts_at, week_starts_on = excluded.week_starts_on,
    fiscal_calendar = excluded.fiscal_calendar, fiscal_year_start = excluded.fiscal_year_start;

INSERT INTO retail.stores
    (store_id, source_id, name, location, region, time_zone, is_online, opened_on, manager_id, created_at, updated_at)
SELECT md5('stores:' || name)::uuid, source_id, name, location, region, time_zone, is_online, opened_on, manager_id,
       '2020-01-01', '2020-01-01'
FROM csv_stores;

INSERT INTO retail.regional_managers (user_id, name, created_at, updated_at)
SELECT user_id, name, '2020-01-01', '2020-01-01'
FROM csv_regional_managers;

-- LEFT JOIN here and below: a name that the other file lacks meets NOT NULL
-- instead of vanishing.
INSERT INTO retail.regional_manager_stores (user_id, store_id, created_at, updated_at)
SELECT m.user_id, s.store_id, '2020-01-01', '2020-01-01'
FROM csv_regional_manager_stores AS listed
LEFT JOIN retail.regional_managers AS m ON m.name = listed.manager
LEFT JOIN retail.stores AS s ON s.name = listed.store;

INSERT INTO retail.categories (category_id, source_id, name, created_at, updated_at)
SELECT md5('categories:' || name)::uuid, source_id, name, '2020-01-01', '2020-01-01'
FROM csv_categories;

INSERT INTO retail.product_types (type_id, source_id, category_id, name, created_at, updated_at)
SELECT md5('product_types:' || t.category || ':' || t.name)::uuid, t.source_id, c.category_id, t.name,
       '2020-01-01', '2020-01-01'
FROM csv_product_types AS t
LEFT JOIN retail.categories AS c ON c.name = t.category;

INSERT INTO retail.products
    (product_id, source_id, sku, name, description, category_id, type_id, cost, base_price, brand, unit, attributes,
     created_at, updated_at)
SELECT md5('products:' || p.sku)::uuid, p.sku, p.sku, p.name, p.description, t.category_id, t.type_id,
       p.cost, p.base_price, p.brand, p.unit, coalesce(p.attributes, '{}'), '2020-01-01', '2020-01-01'
FROM csv_products AS p
LEFT JOIN retail.product_types AS t
    ON t.type_id = md5('product_types:' || p.category || ':' || p.type)::uuid;

-- A product may be without a type, though not here.
DO $$
BEGIN
    IF EXISTS (SELECT FROM retail.products WHERE type_id IS NULL) THEN
        RAISE EXCEPTION 'zava: products.csv has a type that product_types.csv lacks';
    END IF;
END
$$;

-- The made-up chain lets its managers read the made-up names of customers, all but Redmond's.
UPDATE retail.chain SET managers_read_personal_data = true;
DELETE FROM retail.personal_data_rights WHERE (SELECT reset = 'yes' FROM seed_parameters);
INSERT INTO retail.personal_data_rights (user_id, may_read) VALUES ('e7f8a9b0-c1d2-3e4f-5678-90abcdef1234', false)
ON CONFLICT (user_id) DO UPDATE SET may_read = false;

DO $$ BEGIN PERFORM retail.refresh_search_vocabulary(); END $$;


-- Distributions --------------------------------------------------------------
-- Every table here is small. A distribution is an array of upper bounds between
-- 0 and 2^32; width_bucket finds the place of a draw in it.

-- One md5 holds four draws of 32 bits. Neither function is given a search_path:
-- it would keep them from being inlined.
CREATE FUNCTION pg_temp.draw(hash text, nth integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ('x' || substr(hash, 8 * nth - 7, 8))::bit(32)::bigint;

-- A whole number from 0 to choices - 1.
CREATE FUNCTION pg_temp.draw(hash text, nth integer, choices integer) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ((('x' || substr(hash, 8 * nth - 7, 8))::bit(32)::bigint * choices) >> 32)::integer;

-- The customers of a store have the numbers first_customer to last_customer:
-- exact shares, smallest store first, and every store has at least one.
CREATE TEMP TABLE seed_stores ON COMMIT DROP AS
WITH shares AS (
    SELECT name, source_id, time_zone, is_online, customer_weight, order_frequency, order_value,
           row_number() OVER by_weight AS store_no,
           greatest(count(*) OVER (), round(50000 * (SELECT scale::numeric FROM seed_parameters)))
               * sum(customer_weight) OVER by_weight AS share,
           sum(customer_weight) OVER () AS whole
    FROM csv_stores
    WINDOW by_weight AS (ORDER BY customer_weight, name COLLATE "C")
), bounds AS (
    SELECT *, (store_no + greatest(0, max(div(share, whole) - store_no) OVER (ORDER BY store_no)))::integer AS last_customer
    FROM shares
)
SELECT store_no::integer AS store_no, md5('stores:' || name)::uuid AS store_id, source_id, time_zone, is_online, customer_weight,
       (100 * order_frequency)::integer AS frequency_percent, (100 * order_value)::integer AS value_percent,
       lag(last_customer, 1, 0) OVER (ORDER BY store_no) + 1 AS first_customer, last_customer,
       ARRAY(SELECT other.store_no::integer FROM bounds AS other
             WHERE NOT other.is_online AND other.store_no <> bounds.store_no ORDER BY 1) AS other_shops
FROM bounds;

-- How many orders in a thousand each store takes, as upper bounds. A customer places
-- 0 to 5 orders times the store's frequency, but at least one.
CREATE TEMP TABLE seed_order_counts ON COMMIT DROP AS
SELECT nth - 1 AS order_count, share, sum(share) OVER (ORDER BY nth)::integer AS upper_bound
FROM unnest(ARRAY[20, 40, 20, 10, 7, 3]) WITH ORDINALITY AS counts (share, nth);

CREATE TEMP TABLE seed_order_shares ON COMMIT DROP AS
SELECT store_no, div(1000 * sum(orders) OVER (ORDER BY store_no), sum(orders) OVER ())::integer AS upper_bound
FROM (
    SELECT s.store_no, s.customer_weight * sum(c.share * greatest(1, c.order_count * s.frequency_percent / 100)) AS orders
    FROM seed_stores AS s CROSS JOIN seed_order_counts AS c
    GROUP BY s.store_no, s.customer_weight
) AS stores;

CREATE TEMP TABLE seed_categories ON COMMIT DROP AS
SELECT name, (row_number() OVER (ORDER BY name COLLATE "C"))::integer AS category_no,
       ARRAY[january, february, march, april, may, june, july, august, september, october, november, december] AS multipliers
FROM csv_categories;

-- The chain sells as its categories do on average, a tenth more each year but for
-- the dip of 2023, and most at the weekend.
CREATE TEMP TABLE seed_days ON COMMIT DROP AS
WITH weights AS (
    SELECT day,
           CASE WHEN year <= 2026 THEN (ARRAY[1.0, 1.1, 1.21, 1.15, 1.265, 1.392, 1.531])[year - 2019]
                ELSE round(1.531 * 1.1 ^ (year - 2026)::numeric, 3) END
           * (SELECT sum(multipliers[month]) FROM seed_categories)
           * (ARRAY[0.92, 0.92, 0.94, 0.96, 1.02, 1.16, 1.08])[weekday] AS weight
    FROM generate_series(0, (SELECT as_of::date FROM seed_parameters) - date '2020-01-01') AS day
    CROSS JOIN LATERAL (
        SELECT extract(year FROM date '2020-01-01' + day)::integer AS year,
               extract(month FROM date '2020-01-01' + day)::integer AS month,
               extract(isodow FROM date '2020-01-01' + day)::integer AS weekday
    ) AS parts
)
SELECT day, div(4294967296 * sum(weight) OVER (ORDER BY day), sum(weight) OVER ())::bigint AS upper_bound
FROM weights;

-- An order's main category: 85 % by the month's multipliers, 15 % by chance.
CREATE TEMP TABLE seed_months ON COMMIT DROP AS
WITH months AS (
    SELECT (row_number() OVER (ORDER BY starts_on))::integer AS month_no,
           starts_on::date AS starts_on, (starts_on + interval '1 month')::date AS ends_on,
           extract(month FROM starts_on)::integer AS month
    FROM generate_series(timestamp '2020-01-01', (SELECT as_of::timestamp FROM seed_parameters), '1 month') AS starts_on
), shares AS (
    SELECT month_no, starts_on, ends_on, category_no,
           sum(multipliers[month]) OVER up_to AS share, sum(multipliers[month]) OVER whole AS shares,
           category_no::numeric AS nth, count(*) OVER whole AS categories
    FROM months CROSS JOIN seed_categories
    WINDOW whole AS (PARTITION BY month_no), up_to AS (PARTITION BY month_no ORDER BY category_no)
)
SELECT month_no, starts_on, ends_on,
       array_agg(div(4294967296 * (85 * share * categories + 15 * nth * shares), 100 * shares * categories)::bigint
                 ORDER BY category_no) AS category_bounds
FROM shares
GROUP BY month_no, starts_on, ends_on;

-- Each line of an order draws from another shelf, so no product comes twice in
-- one order. A category has five shelves with about one product of each type.
--
-- Quantities are counted in quarters. Of what is sold by the piece, one drawn unit is
-- four quarters; by the foot it is ten feet, in steps of half a foot, and by the pound
-- one pound, in steps of a quarter.
CREATE TEMP TABLE seed_units (unit text, quarters integer, step integer) ON COMMIT DROP;
INSERT INTO seed_units VALUES ('piece', 4, 4), ('ft', 40, 2), ('lb', 4, 1);

CREATE TEMP TABLE seed_products ON COMMIT DROP AS
WITH numbered AS (
    SELECT p.sku, c.category_no, p.type, md5('products:' || p.sku)::uuid AS product_id,
           (100 * p.base_price)::bigint AS base_cents, u.quarters, u.step,
           (row_number() OVER (ORDER BY p.sku COLLATE "C"))::integer AS product_no,
           (dense_rank() OVER (ORDER BY p.category COLLATE "C", p.type COLLATE "C"))::integer AS type_no,
           row_number() OVER (PARTITION BY p.category, p.type ORDER BY p.sku COLLATE "C") AS nth_of_type,
           md5('products:' || p.sku || ':popularity') AS hash
    FROM csv_products AS p
    JOIN seed_categories AS c ON c.name = p.category
    LEFT JOIN seed_units AS u ON u.unit = p.unit
)
SELECT product_no, product_id, category_no, type_no, type, base_cents, quarters, step,
       ((nth_of_type + type_no) % 5)::integer AS shelf,
       30 + pg_temp.draw(hash, 1, 171) AS popularity,
       (ARRAY['rising', 'fading', 'steady'])[1 + width_bucket(pg_temp.draw(hash, 2, 100), ARRAY[15, 30])] AS trend
FROM numbered;

-- What a shelf sells in a month. Rising products start at a fifth of their
-- popularity in 2020 and reach twice of it in 2026, fading ones the other way.
CREATE TEMP TABLE seed_shelves ON COMMIT DROP AS
WITH weights AS (
    SELECT m.month_no, p.category_no, p.shelf, p.product_no,
           p.popularity * CASE p.trend WHEN 'rising' THEN 200 + 1800 * least(m.month_no - 1, 83) / 83
                                       WHEN 'fading' THEN 2000 - 1800 * least(m.month_no - 1, 83) / 83
                                       ELSE 1000 END AS weight
    FROM seed_months AS m CROSS JOIN seed_products AS p
), bounds AS (
    SELECT month_no, category_no, shelf, product_no,
           div(4294967296 * sum(weight) OVER up_to, sum(weight) OVER whole)::bigint AS upper_bound
    FROM weights
    WINDOW whole AS (PARTITION BY month_no, category_no, shelf),
           up_to AS (PARTITION BY month_no, category_no, shelf ORDER BY product_no)
)
SELECT month_no, category_no, shelf,
       array_agg(upper_bound ORDER BY product_no) AS bounds, array_agg(product_no ORDER BY product_no) AS products
FROM bounds
GROUP BY month_no, category_no, shelf;

-- What goes with what: if the first line of an order is of the first type, then in
-- so many percent of orders with more lines the last one is of the second type.
CREATE TEMP TABLE seed_pairs ON COMMIT DROP AS
WITH pairs (type, goes_with, percent) AS (
    VALUES ('Hammers', 'Nails', 40),
           ('Measuring Tools', 'Trim', 15),
           ('Drills', 'Screws', 35),
           ('Drills', 'Brackets', 10),
           ('Impact Drivers', 'Screws', 35),
           ('Impact Drivers', 'Bolts', 10),
           ('Circular Saws', 'Dimensional Lumber', 25),
           ('Circular Saws', 'Plywood', 15),
           ('Miter Saws', 'Molding', 20),
           ('Miter Saws', 'Trim', 20),
           ('Interior Paint', 'Rollers', 30),
           ('Interior Paint', 'Paint Trays', 20),
           ('Interior Paint', 'Drop Cloths', 10),
           ('Exterior Paint', 'Brushes', 35),
           ('Exterior Paint', 'Drop Cloths', 10),
           ('Primer', 'Interior Paint', 25),
           ('Primer', 'Rollers', 15),
           ('Stain', 'Brushes', 30),
           ('Stain', 'Polyurethane', 15),
           ('Polyurethane', 'Brushes', 30),
           ('Bolts', 'Washers', 45),
           ('Hinges', 'Screws', 25),
           ('Brackets', 'Screws', 25),
           ('Hasps', 'Locks', 40),
           ('Dimensional Lumber', 'Nails', 25),
           ('Dimensional Lumber', 'Screws', 15),
           ('Drywall', 'Screws', 30),
           ('Cement Board', 'Screws', 25),
           ('Treated Posts', 'Concrete Mix', 50),
           ('Molding', 'Nails', 20),
           ('Wire', 'Wire Nuts', 25),
           ('Wire', 'Conduit', 10),
           ('Outlets', 'Junction Boxes', 25),
           ('Outlets', 'Wire', 15),
           ('Switches', 'Wire Nuts', 25),
           ('Switches', 'Electrical Tape', 15),
           ('Conduit', 'Junction Boxes', 30),
           ('Lighting Fixtures', 'Switches', 25),
           ('PVC Pipe', 'Pipe Fittings', 45),
           ('Copper Pipe', 'Pipe Fittings', 35),
           ('Copper Pipe', 'Valves', 10),
           ('Valves', 'Teflon Tape', 30),
           ('Faucets', 'Teflon Tape', 25),
           ('Faucets', 'Plumber''s Putty', 25),
           ('Hoses', 'Sprinklers', 45),
           ('Planters', 'Soil', 35),
           ('Planters', 'Seeds', 15),
           ('Seeds', 'Soil', 20),
           ('Seeds', 'Fertilizer', 25),
           ('Mulch', 'Garden Hand Tools', 15),
           ('Shelving Units', 'Storage Bins', 40),
           ('Pegboard', 'Hooks & Hangers', 50),
           ('Workbenches', 'Pegboard', 20),
           ('Tool Boxes', 'Drawer Organizers', 20)
), ranges AS (
    SELECT type, goes_with,
           sum(percent) OVER up_to - percent AS from_percent, sum(percent) OVER up_to - 1 AS to_percent
    FROM pairs
    WINDOW up_to AS (PARTITION BY type ORDER BY goes_with COLLATE "C")
), first_types AS (
    SELECT DISTINCT type, type_no FROM seed_products
), on_shelves AS (
    SELECT DISTINCT ON (type, shelf) type, shelf, product_no
    FROM seed_products
    ORDER BY type, shelf, popularity DESC, product_no
)
SELECT t.type_no, percent::integer AS percent, s.shelf, s.product_no
FROM ranges AS r
LEFT JOIN first_types AS t ON t.type = r.type
LEFT JOIN on_shelves AS s ON s.type = r.goes_with
CROSS JOIN generate_series(r.from_percent, r.to_percent) AS percent;

DO $$
BEGIN
    IF EXISTS (SELECT FROM seed_pairs WHERE type_no IS NULL OR product_no IS NULL) THEN
        RAISE EXCEPTION 'zava: products.csv lacks a type of the table of what goes with what';
    END IF;
    IF (SELECT count(DISTINCT (category_no, shelf)) FROM seed_products) < 5 * (SELECT count(*) FROM seed_categories) THEN
        RAISE EXCEPTION 'zava: products.csv has too few products in one of the categories';
    END IF;
    IF EXISTS (SELECT FROM seed_products WHERE base_cents IS NULL OR quarters IS NULL) THEN
        RAISE EXCEPTION 'zava: products.csv has a product without a price, or with a unit that seed.sql does not know';
    END IF;
END
$$;

CREATE TEMP TABLE seed_first_names ON COMMIT DROP AS
SELECT (row_number() OVER (ORDER BY name COLLATE "C"))::integer - 1 AS name_no, name,
       regexp_replace(lower(name COLLATE "C"), '[^a-z]', '', 'g') AS in_email
FROM csv_first_names;
CREATE TEMP TABLE seed_last_names ON COMMIT DROP AS
SELECT (row_number() OVER (ORDER BY name COLLATE "C"))::integer - 1 AS name_no, name,
       regexp_replace(lower(name COLLATE "C"), '[^a-z]', '', 'g') AS in_email
FROM csv_last_names;

ANALYZE seed_stores, seed_order_shares, seed_categories, seed_days, seed_months, seed_products, seed_shelves, seed_pairs,
    seed_first_names, seed_last_names;


-- Bulk load ------------------------------------------------------------------
-- Without keys and indexes, which come back afterwards as the catalogues say they
-- were. What could not come back the same stays in place: an index that is
-- clustered on, is a replica identity, has its own tablespace or is not valid.

CREATE TEMP TABLE seed_rebuild ON COMMIT DROP AS
WITH loaded AS (
    SELECT unnest(ARRAY[
        'retail.customers', 'retail.orders', 'retail.order_items', 'retail.inventory'
    ]::regclass[])::oid AS oid
), indexes AS (
    SELECT i.indexrelid, 'COMMENT ON INDEX ' || i.indexrelid::regclass || ' IS '
               || quote_literal(obj_description(i.indexrelid, 'pg_class')) AS comment_on
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    WHERE i.indrelid IN (SELECT oid FROM loaded)
        AND i.indisvalid AND NOT i.indisclustered AND NOT i.indisreplident AND c.reltablespace = 0
), constraints AS (
    SELECT k.oid, k.contype, k.conrelid, k.conindid,
           format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname) AS drop_it,
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)) AS create_it,
           format('COMMENT ON CONSTRAINT %I ON %s IS ', k.conname, k.conrelid::regclass)
               || quote_literal(obj_description(k.oid, 'pg_constraint')) AS comment_on
    FROM pg_constraint AS k
    WHERE k.contype IN ('p', 'u', 'x', 'f')
)
SELECT 'foreign keys' AS kind, 1 AS drop_order, oid, drop_it, concat_ws(';', create_it, comment_on) AS create_it
FROM constraints
WHERE contype = 'f' AND (conrelid IN (SELECT oid FROM loaded) OR conindid IN (SELECT indexrelid FROM indexes))
UNION ALL
SELECT 'primary and unique keys', 2, k.oid, k.drop_it, concat_ws(';', k.create_it, k.comment_on, i.comment_on)
FROM constraints AS k
JOIN indexes AS i ON i.indexrelid = k.conindid
WHERE k.contype <> 'f'
UNION ALL
SELECT 'indexes', 3, indexrelid, 'DROP INDEX ' || indexrelid::regclass,
       concat_ws(';', pg_get_indexdef(indexrelid), comment_on)
FROM indexes
WHERE indexrelid NOT IN (SELECT conindid FROM constraints WHERE contype <> 'f');

DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN SELECT drop_it FROM seed_rebuild ORDER BY drop_order, oid LOOP
        EXECUTE statement;
    END LOOP;
END
$$;

-- The triggers would mark each order's day and lock the order of each line; everything is marked at the end.
ALTER TABLE retail.orders DISABLE TRIGGER mark_insert;
ALTER TABLE retail.order_items DISABLE TRIGGER mark_insert;

\echo zava: 3/10 orders and items

-- Who orders when and where, between 08:00 and 20:59:59 on the clocks of the store. One
-- order in ten goes to any store, by the stores' shares of the orders, so that about
-- eight in a hundred are made away from the customer's home store. The first order of
-- each customer has their name; of the others in a shop eight in a hundred have none.
-- In order of time, so that orders and items lie by date and a month of them is read
-- in one piece.
CREATE TEMP TABLE seed_orders ON COMMIT DROP AS
SELECT (o.business_day + time '08:00' + make_interval(secs => o.seconds)) AT TIME ZONE s.time_zone AS ordered_at,
       o.business_day, o.customer_no, o.nth, o.home_no, o.store_no,
       o.nth = 1 OR s.is_online OR o.choices % 100 >= 8 AS has_name
FROM (
    SELECT date '2020-01-01' + width_bucket(pg_temp.draw(hash, 1), (SELECT array_agg(upper_bound ORDER BY day) FROM seed_days)) AS business_day,
           (pg_temp.draw(hash, 2, 46800) + pg_temp.draw(hash, 3, 46800)) / 2 AS seconds,
           customer_no, nth, home_no, choices,
           CASE WHEN choices / 100 % 10 = 0
                THEN 1 + width_bucket(choices / 1000, (SELECT array_agg(upper_bound ORDER BY store_no) FROM seed_order_shares))
                ELSE home_no END AS store_no
    FROM (
        SELECT *, pg_temp.draw(hash, 4, 100 * 10 * 1000) AS choices
        FROM (
            SELECT customer_no, home_no, nth::smallint AS nth, md5('orders:' || customer_no || ':' || nth || ':date') AS hash
            FROM (
                SELECT customer_no, store_no AS home_no,
                       greatest(1, width_bucket(pg_temp.draw(md5('customers:' || customer_no || ':orders'), 1, 100),
                                                (SELECT array_agg(upper_bound ORDER BY order_count) FROM seed_order_counts
                                                 WHERE upper_bound < 100)) * frequency_percent / 100) AS order_count
                FROM seed_stores CROSS JOIN generate_series(first_customer, last_customer) AS customer_no
                OFFSET 0  -- here and below: computes the hash once for all of its uses
            ) AS customers CROSS JOIN generate_series(1, order_count) AS nth
            OFFSET 0
        ) AS hashed
        OFFSET 0
    ) AS drawn
    OFFSET 0
) AS o
JOIN seed_stores AS s ON s.store_no = o.store_no
ORDER BY ordered_at, customer_no, nth;

CREATE INDEX ON seed_orders USING brin (business_day) WITH (pages_per_range = 8);
ANALYZE seed_orders;

-- Month by month: bounded memory, and the order's total is at hand with its items.
-- Hash joins only: the planner guesses a month's rows low, and a nested loop over
-- them is ten times slower.
SET LOCAL enable_nestloop = off;
SET LOCAL enable_mergejoin = off;
DO $$
DECLARE
    categories CONSTANT integer := (SELECT count(*) FROM seed_categories);
    as_of CONSTANT date := (SELECT p.as_of::date FROM seed_parameters AS p);
    month seed_months;
BEGIN
    FOR month IN SELECT * FROM seed_months ORDER BY month_no LOOP
        WITH hashed AS MATERIALIZED (
            SELECT o.ordered_at, o.business_day, o.customer_no, o.nth, o.has_name,
                   s.store_id, s.source_id AS store_source_id, s.value_percent,
                   md5('orders:' || o.customer_no || ':' || o.nth)::uuid AS order_id,
                   md5('orders:' || o.customer_no || ':' || o.nth || ':basket') AS hash
            FROM seed_orders AS o
            JOIN seed_stores AS s ON s.store_no = o.store_no
            WHERE o.business_day >= month.starts_on AND o.business_day < month.ends_on
        ), baskets AS MATERIALIZED (
            -- A draw of many choices holds several small ones, as digits.
            SELECT ordered_at, business_day, customer_no, nth, has_name, store_id, store_source_id, value_percent, order_id,
                   1 + width_bucket(counts % 100, ARRAY[40, 70, 85, 95]) AS line_count,
                   (ARRAY['pending', 'shipped', 'completed', 'returned', 'cancelled'])[1 + width_bucket(counts / 100,
                       CASE WHEN business_day >= as_of - 2 THEN ARRAY[60, 85, 97, 97]
                            WHEN business_day >= as_of - 6 THEN ARRAY[15, 60, 97, 97]
                            ELSE ARRAY[0, 0, 95, 97] END)] AS status,
                   1 + width_bucket(pg_temp.draw(hash, 2), month.category_bounds) AS main_category,
                   (choices % 10) < 9 AS first_is_main,
                   1 + choices / 10 % categories AS other_category,
                   choices / (10 * categories) % 5 AS first_shelf,
                   1 + choices / (50 * categories) % 4 AS shelf_step,
                   choices / (200 * categories) AS pair_percent,
                   pg_temp.draw(hash, 4) AS first_draw
            FROM (
                SELECT *, pg_temp.draw(hash, 1, 100 * 100) AS counts,
                       pg_temp.draw(hash, 3, 10 * categories * 5 * 4 * 100) AS choices
                FROM hashed
                OFFSET 0
            ) AS drawn
        ), orders AS MATERIALIZED (
            SELECT b.*, first_product.product_no AS first_product, pair.product_no AS last_product
            FROM baskets AS b
            JOIN seed_shelves AS s ON s.month_no = month.month_no AND s.shelf = b.first_shelf
                AND s.category_no = CASE WHEN b.first_is_main THEN b.main_category ELSE b.other_category END
            JOIN seed_products AS first_product
                ON first_product.product_no = s.products[1 + width_bucket(b.first_draw, s.bounds)]
            LEFT JOIN seed_pairs AS pair
                ON pair.type_no = first_product.type_no AND pair.percent = b.pair_percent AND b.line_count > 1
                AND pair.shelf = (b.first_shelf + b.shelf_step * (b.line_count - 1)) % 5
        ), hashed_lines AS MATERIALIZED (
            SELECT o.*, line,
                   md5('order_items:' || o.customer_no || ':' || o.nth || ':' || line)::uuid AS order_item_id,
                   md5('order_items:' || o.customer_no || ':' || o.nth || ':' || line || ':line') AS hash
            FROM orders AS o
            CROSS JOIN generate_series(1, o.line_count) AS line
        ), chosen AS MATERIALIZED (
            -- The first line is chosen already, the last one perhaps.
            SELECT l.order_item_id, l.order_id, l.store_id, l.ordered_at,
                   CASE WHEN l.line = 1 THEN l.first_product
                        WHEN l.line = l.line_count AND l.last_product IS NOT NULL THEN l.last_product
                        ELSE s.products[1 + width_bucket(pg_temp.draw(l.hash, 2), s.bounds)] END AS product_no,
                   -- The second digit rounds up or down so that the mean stays.
                   greatest(1, ((1 + width_bucket(l.counts % 100, ARRAY[60, 85, 95, 98])) * l.value_percent
                                + l.counts / 100) / 100) AS units,
                   l.choices / (10 * categories) % 20 AS fraction,
                   l.choices / (200 * categories) AS coupon,
                   8000 + l.prices % 4001 AS price_factor,
                   CASE WHEN l.prices / 4001 % 20 < 3 THEN 5 * (1 + l.prices / (4001 * 20)) ELSE 0 END AS discount_percent
            FROM (
                SELECT *, pg_temp.draw(hash, 1, 10 * categories * 20 * 1000) AS choices,
                       pg_temp.draw(hash, 3, 100 * 100) AS counts, pg_temp.draw(hash, 4, 4001 * 20 * 5) AS prices
                FROM hashed_lines
                OFFSET 0
            ) AS l
            JOIN seed_shelves AS s ON s.month_no = month.month_no
                AND s.shelf = (l.first_shelf + l.shelf_step * (l.line - 1)) % 5
                AND s.category_no = CASE WHEN l.choices % 10 < 9 THEN l.main_category ELSE 1 + l.choices / 10 % categories END
        ), lines AS MATERIALIZED (
            -- Whole cents; what is added before a division rounds half up. The chain's own coupon takes 5.00 off a line
            -- in a hundred, a manufacturer's 3.00 off what is paid for one in two hundred: at most a quarter of the line.
            SELECT *, net_cents - coupon_cents AS total_cents,
                   CASE WHEN coupon BETWEEN 10 AND 14 THEN least(300, net_cents / 4) ELSE 0 END AS manufacturer_cents
            FROM (
                SELECT *, CASE WHEN coupon < 10 THEN least(500, net_cents / 4) ELSE 0 END AS coupon_cents
                FROM (
                    SELECT *, (quarters * unit_cents + 2) / 4 - discount_cents AS net_cents
                    FROM (
                        SELECT *, (quarters * unit_cents * discount_percent + 200) / 400 AS discount_cents
                        FROM (
                            SELECT c.*, p.product_id, (p.base_cents * c.price_factor + 5000) / 10000 AS unit_cents,
                                   c.units * p.quarters - p.step * (c.fraction % (p.quarters / p.step)) AS quarters
                            FROM chosen AS c
                            JOIN seed_products AS p ON p.product_no = c.product_no
                        ) AS priced
                    ) AS discounted
                ) AS net
            ) AS after_coupons
        ), totals AS (
            SELECT order_id, sum(total_cents) AS total_cents, sum(manufacturer_cents) AS manufacturer_cents
            FROM lines
            GROUP BY order_id
        ), inserted_orders AS (
            INSERT INTO retail.orders
                (order_id, source_id, customer_id, store_id, order_date, business_day, total_amount, paid_amount, status,
                 created_at, updated_at)
            SELECT o.order_id,
                   o.store_source_id || to_char(o.business_day, '-YYMMDD-') || row_number() OVER (
                       PARTITION BY o.store_id, o.business_day ORDER BY o.ordered_at, o.customer_no, o.nth),
                   CASE WHEN o.has_name THEN md5('customers:' || o.customer_no)::uuid END, o.store_id,
                   o.ordered_at, o.business_day, t.total_cents * 0.01,
                   CASE WHEN t.manufacturer_cents > 0 THEN (t.total_cents - t.manufacturer_cents) * 0.01 END,
                   o.status, o.ordered_at, o.ordered_at
            FROM orders AS o
            JOIN totals AS t ON t.order_id = o.order_id
            ORDER BY o.ordered_at, o.customer_no, o.nth
        )
        INSERT INTO retail.order_items
            (order_item_id, order_id, store_id, product_id, quantity, unit_price, discount_percent, discount_amount,
             coupon_amount, manufacturer_coupon_amount, total_amount, created_at, updated_at)
        SELECT order_item_id, order_id, store_id, product_id,
               CASE WHEN quarters % 4 = 0 THEN quarters / 4 ELSE trim_scale(quarters * 0.25) END,
               unit_cents * 0.01, discount_percent, discount_cents * 0.01,
               coupon_cents * 0.01, manufacturer_cents * 0.01, total_cents * 0.01, ordered_at, ordered_at
        FROM lines;
    END LOOP;
END
$$;

-- Fifteen in a thousand completed orders come back 1 to 30 days later, all of their lines
-- or one: to another shop one in ten, and of the online orders three in ten.
WITH returns AS MATERIALIZED (
    SELECT o.*, (o.day + time '08:00' + make_interval(secs => pg_temp.draw(o.hash, 4, 46800))) AT TIME ZONE s.time_zone AS returned_at,
           s.store_id AS return_store_id, s.source_id AS store_source_id
    FROM (
        SELECT *, business_day + 1 + pg_temp.draw(hash, 2, 30) AS day, choices / 10000 % 10 < 3 AS whole, choices / 100000 AS line,
               CASE WHEN choices % 10 < CASE WHEN is_online THEN 3 ELSE 1 END
                    THEN coalesce(other_shops[1 + choices / 10 % 1000 % nullif(cardinality(other_shops), 0)], store_no)
                    ELSE store_no END AS return_store_no
        FROM (
            SELECT o.order_id, o.customer_id, o.business_day, o.hash, s.store_no, s.is_online, s.other_shops,
                   pg_temp.draw(o.hash, 3, 10 * 1000 * 10 * 60) AS choices
            FROM (
                SELECT order_id, customer_id, store_id, business_day, md5('orders:' || order_id || ':return:goods') AS hash
                FROM retail.orders
                WHERE status = 'completed'
                OFFSET 0
            ) AS o
            JOIN seed_stores AS s ON s.store_id = o.store_id
            WHERE pg_temp.draw(o.hash, 1, 1000) < 15
            OFFSET 0
        ) AS drawn
    ) AS o
    JOIN seed_stores AS s ON s.store_no = o.return_store_no
    WHERE o.day <= (SELECT as_of::date FROM seed_parameters)
), lines AS MATERIALIZED (
    SELECT r.order_id, r.return_store_id, r.returned_at, i.order_item_id, i.product_id, i.quantity, i.unit_price,
           i.discount_percent, i.discount_amount, i.coupon_amount, i.manufacturer_coupon_amount, i.total_amount
    FROM returns AS r
    JOIN (
        SELECT i.*, row_number() OVER by_order AS line, count(*) OVER (PARTITION BY i.order_id) AS line_count
        FROM retail.order_items AS i
        WHERE i.order_id IN (SELECT order_id FROM returns)
        WINDOW by_order AS (PARTITION BY i.order_id ORDER BY i.order_item_id)
    ) AS i ON i.order_id = r.order_id
    WHERE r.whole OR i.line = 1 + r.line % i.line_count
), inserted_orders AS (
    INSERT INTO retail.orders
        (order_id, source_id, customer_id, store_id, order_date, business_day, total_amount, paid_amount, status,
         returns_order_id, created_at, updated_at)
    SELECT md5('orders:' || r.order_id || ':return')::uuid,
           r.store_source_id || to_char(r.day, '-YYMMDD-') || 'R' || row_number() OVER (
               PARTITION BY r.return_store_id, r.day ORDER BY r.returned_at, r.order_id),
           r.customer_id, r.return_store_id, r.returned_at, r.day, t.total_amount, t.paid_amount, 'completed',
           r.order_id, r.returned_at, r.returned_at
    FROM returns AS r
    JOIN (
        SELECT order_id, -sum(total_amount) AS total_amount,
               CASE WHEN sum(manufacturer_coupon_amount) > 0
                    THEN sum(manufacturer_coupon_amount) - sum(total_amount) END AS paid_amount
        FROM lines
        GROUP BY order_id
    ) AS t ON t.order_id = r.order_id
    ORDER BY r.returned_at, r.order_id
)
INSERT INTO retail.order_items
    (order_item_id, order_id, store_id, product_id, line_kind, quantity, unit_price, discount_percent, discount_amount,
     coupon_amount, manufacturer_coupon_amount, total_amount, created_at, updated_at)
SELECT md5('order_items:' || order_item_id || ':return')::uuid, md5('orders:' || order_id || ':return')::uuid,
       return_store_id, product_id, 'return', -quantity, unit_price, discount_percent, -discount_amount,
       -coupon_amount, -manufacturer_coupon_amount, -total_amount, returned_at, returned_at
FROM lines
ORDER BY returned_at, order_id, order_item_id;
\echo zava: 4/10 customers

-- A customer signs up at most 30 days before the first order. One in twenty gives no
-- e-mail address, and three in five have a loyalty card; 7919 spreads its numbers.
INSERT INTO retail.customers
    (customer_id, source_id, store_id, store_ids, first_name, last_name, email, loyalty_number, signed_up_on,
     created_at, updated_at)
SELECT c.customer_id, 'C' || c.customer_no, s.store_id, coalesce(array_remove(v.store_ids, s.store_id), '{}'), f.name, l.name,
       CASE WHEN c.choices / 3 % 100 >= 5 THEN
           f.in_email || '.' || l.in_email || c.customer_no || '@example.' || (ARRAY['com', 'org', 'net'])[1 + c.choices % 3] END,
       CASE WHEN c.choices / 300 < 60 THEN '7' || lpad((c.customer_no::bigint * 7919 % 100000000)::text, 8, '0') END,
       retail.local_day(c.signed_up_at, s.time_zone, '00:00'), c.signed_up_at, c.signed_up_at
FROM (
    SELECT o.customer_no, o.home_no, o.hash, md5('customers:' || o.customer_no)::uuid AS customer_id,
           pg_temp.draw(o.hash, 3, 3 * 100 * 100) AS choices,
           o.first_order_at - make_interval(secs => (pg_temp.draw(o.hash, 4) * least(
               2592000, extract(epoch FROM o.first_order_at - timestamp '2020-01-01' AT TIME ZONE s.time_zone)::bigint)) >> 32)
               AS signed_up_at
    FROM (
        SELECT customer_no, home_no, min(ordered_at) AS first_order_at, md5('customers:' || customer_no || ':person') AS hash
        FROM seed_orders
        WHERE has_name
        GROUP BY customer_no, home_no
    ) AS o
    JOIN seed_stores AS s ON s.store_no = o.home_no
    OFFSET 0
) AS c
JOIN seed_stores AS s ON s.store_no = c.home_no
JOIN seed_first_names AS f ON f.name_no = pg_temp.draw(c.hash, 1, (SELECT count(*)::integer FROM seed_first_names))
JOIN seed_last_names AS l ON l.name_no = pg_temp.draw(c.hash, 2, (SELECT count(*)::integer FROM seed_last_names))
JOIN (
    -- As the triggers keep it: returns count too.
    SELECT customer_id, array_agg(store_id ORDER BY store_id) AS store_ids
    FROM (SELECT DISTINCT customer_id, store_id FROM retail.orders WHERE customer_id IS NOT NULL) AS visits
    GROUP BY customer_id
) AS v ON v.customer_id = c.customer_id
ORDER BY c.customer_no;

SET LOCAL enable_nestloop = DEFAULT;
SET LOCAL enable_mergejoin = DEFAULT;

\echo zava: 5/10 inventory

-- 10 to 100 units, more in a larger store and of a category that sells well; three
-- in a hundred are out of stock, and two in a hundred were not counted on the morning
-- of the last day.
INSERT INTO retail.inventory (store_id, product_id, stock_level, counted_at, created_at, updated_at)
SELECT s.store_id, p.product_id,
       CASE WHEN pg_temp.draw(i.hash, 3, 100) < 3 THEN 0
            ELSE greatest(1, round((10 + pg_temp.draw(i.hash, 1, 91)) * s.customer_weight * c.multiplier * p.quarters
                                   * (500 + pg_temp.draw(i.hash, 2, 1001)) / (4 * 30 * 1000))) END,
       a.counted_at, a.counted_at, a.counted_at
FROM seed_stores AS s
CROSS JOIN seed_products AS p
JOIN (
    SELECT category_no, (SELECT avg(m) FROM unnest(multipliers) AS m) AS multiplier FROM seed_categories
) AS c ON c.category_no = p.category_no
CROSS JOIN LATERAL (
    SELECT (as_of::date + time '06:00') AT TIME ZONE s.time_zone AS counted_at FROM seed_parameters
) AS a
CROSS JOIN LATERAL (
    SELECT md5('inventory:' || s.store_id || ':' || p.product_id || ':stock') AS hash OFFSET 0
) AS i
WHERE pg_temp.draw(i.hash, 4, 100) >= 2
ORDER BY s.store_no, p.product_no;


-- Keys and indexes --------------------------------------------------------------

\echo zava: 6/10 primary and unique keys

DO $$
DECLARE
    statements text;
BEGIN
    FOR statements IN SELECT create_it FROM seed_rebuild WHERE kind = 'primary and unique keys' ORDER BY oid LOOP
        EXECUTE statements;
    END LOOP;
END
$$;

\echo zava: 7/10 indexes

DO $$
DECLARE
    statements text;
BEGIN
    FOR statements IN SELECT create_it FROM seed_rebuild WHERE kind = 'indexes' ORDER BY oid LOOP
        EXECUTE statements;
    END LOOP;
END
$$;

\echo zava: 8/10 foreign keys

DO $$
DECLARE
    statements text;
BEGIN
    FOR statements IN SELECT create_it FROM seed_rebuild WHERE kind = 'foreign keys' ORDER BY oid LOOP
        EXECUTE statements;
    END LOOP;
END
$$;

\echo zava: 9/10 statistics

ANALYZE retail.stores, retail.regional_managers, retail.regional_manager_stores, retail.categories, retail.product_types,
    retail.products, retail.customers, retail.orders, retail.order_items, retail.inventory;

DROP FUNCTION pg_temp.draw(text, integer), pg_temp.draw(text, integer, integer);

DO $$ BEGIN PERFORM retail.mark_all_orders(); END $$;
ALTER TABLE retail.orders ENABLE TRIGGER mark_insert;
ALTER TABLE retail.order_items ENABLE TRIGGER mark_insert;

COMMIT;

\echo zava: 10/10 sales totals

-- A refresh needs one snapshot. If it fails, the data is there and readers compute the totals from it.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SET LOCAL ROLE zava_owner;
DO $$
BEGIN
    PERFORM retail.refresh_sales_totals();
    PERFORM retail.refresh_recommendations();
END
$$;
COMMIT;

\echo zava: done
