-- zava: the whole database, for PostgreSQL 16 or newer with pgvector 0.8 or newer.
--
--     psql -v ON_ERROR_STOP=1 -f schema.sql
--
-- Loads in one transaction, as a superuser or as a role with CREATEROLE and
-- CREATE on the database. Loading it again changes nothing. What needs a
-- superuser stands in the last section and is skipped with a warning without one.
--
-- Order: roles, schema, who may see what, identity, catalogue, tables with a
-- store, sales totals, product search, grants and policies, triggers, server locks.

BEGIN;

SET LOCAL client_min_messages = warning;

-- Whoever reads or sells meanwhile does not wait for this file: it gives up soon, and what is as
-- it should be already is not touched. Two loads at once take turns.
DO $$
BEGIN
    IF has_function_privilege('pg_catalog.pg_advisory_xact_lock(bigint)', 'EXECUTE') THEN
        PERFORM pg_advisory_xact_lock(8042377203211093361);
    END IF;
END
$$;

SET LOCAL lock_timeout = '2s';


-- Roles ----------------------------------------------------------------------
-- zava_owner owns the schema. store_managers and regional_managers may only
-- read; the policies speak of them. zava_server logs in and becomes one of the
-- two for each transaction; it inherits nothing. It has no password until the
-- operator (or `zava init`) gives it one.

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['zava_owner', 'store_managers', 'regional_managers'] LOOP
        IF to_regrole(role_name) IS NULL THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
    END LOOP;
    IF to_regrole('zava_server') IS NULL THEN
        CREATE ROLE zava_server LOGIN;
    END IF;
    -- Whoever loads this file has to be able to act as the owner.
    IF NOT pg_has_role('zava_owner', 'SET') THEN
        EXECUTE format('GRANT zava_owner TO %I WITH INHERIT FALSE, SET TRUE', current_user);
    END IF;
    EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO zava_owner', current_database());
    -- A login that reads needs no temporary objects; the database's owner says who has them.
    IF (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()) THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    END IF;
END
$$;

GRANT store_managers, regional_managers TO zava_server WITH INHERIT FALSE, SET TRUE;

-- PostgreSQL cannot end every statement. This is how many a login can have at work at most.
DO $$
BEGIN
    IF (SELECT rolconnlimit = -1 FROM pg_roles WHERE rolname = 'zava_server') THEN
        ALTER ROLE zava_server CONNECTION LIMIT 60;
    END IF;
END
$$;

COMMENT ON ROLE zava_owner IS 'Owns the retail schema; nobody logs in as it';
COMMENT ON ROLE store_managers IS 'Reads the rows of the one store that the caller manages';
COMMENT ON ROLE regional_managers IS 'Reads the rows of the stores listed for the caller';
COMMENT ON ROLE zava_server IS 'The MCP server''s login; may act as any user id';


-- Schema ---------------------------------------------------------------------

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector') THEN
        CREATE EXTENSION vector WITH SCHEMA public;
    ELSIF (SELECT extnamespace <> 'public'::regnamespace FROM pg_extension WHERE extname = 'vector') THEN
        RAISE EXCEPTION 'the extension "vector" must be in the schema "public"'
            USING HINT = 'ALTER EXTENSION vector SET SCHEMA public;';
    END IF;
    -- Functions below set parameters of pgvector's, which it has to be loaded for.
    PERFORM '[1]'::public.vector;
END
$$;

CREATE SCHEMA IF NOT EXISTS retail AUTHORIZATION zava_owner;

SET LOCAL ROLE zava_owner;

-- For this session only: what makes an index, a column and a trigger that are not there. The IF NOT EXISTS and OR
-- REPLACE of PostgreSQL's own lock the table before they look.
CREATE OR REPLACE FUNCTION pg_temp.make_index(name text, definition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('retail.' || name) IS NULL THEN
        EXECUTE format('CREATE INDEX %I ON %s', name, definition);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION pg_temp.make_column(relation regclass, name text, definition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = relation AND attname = name AND NOT attisdropped) THEN
        EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', relation, name, definition);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION pg_temp.make_trigger(name text, event text, relation regclass, rest text, function text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = relation AND tgname = name AND tgenabled = 'O' AND tgfoid = to_regproc('retail.' || function)::oid
    ) THEN
        EXECUTE format('CREATE OR REPLACE TRIGGER %I %s ON %s %s EXECUTE FUNCTION retail.%I()', name, event, relation, rest, function);
    END IF;
END
$$;

COMMENT ON SCHEMA retail IS
    'A retail chain: stores, customers, orders, stock and products. Row level security shows each caller the rows of their own stores only';

GRANT USAGE ON SCHEMA retail TO store_managers, regional_managers, zava_server;

ALTER DEFAULT PRIVILEGES FOR ROLE zava_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE OR REPLACE FUNCTION retail.set_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.created_at := OLD.created_at;
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION retail.set_updated_at() IS
    'Trigger: keeps created_at as it was and stamps updated_at on every update';


-- Who may see what -----------------------------------------------------------

CREATE TABLE IF NOT EXISTS retail.stores (
    store_id    uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    name        varchar(100) NOT NULL CONSTRAINT stores_name_key UNIQUE,
    location    varchar(200) NOT NULL,
    is_online   boolean      NOT NULL DEFAULT false,
    manager_id  uuid         NOT NULL
        CONSTRAINT stores_manager_id_key UNIQUE
        CONSTRAINT stores_manager_id_not_nil CHECK (manager_id <> '00000000-0000-0000-0000-000000000000'),
    created_at  timestamptz  NOT NULL DEFAULT now(),
    updated_at  timestamptz  NOT NULL DEFAULT now()
);
COMMENT ON TABLE retail.stores IS 'The shops of the chain, one of them online; a caller sees their own';
COMMENT ON COLUMN retail.stores.store_id IS 'Key of the store';
COMMENT ON COLUMN retail.stores.name IS 'Name as customers know it, for example "Zava Retail Seattle"';
COMMENT ON COLUMN retail.stores.location IS 'City and state, or "Online"';
COMMENT ON COLUMN retail.stores.is_online IS 'True for the web shop';
COMMENT ON COLUMN retail.stores.manager_id IS 'User id of the store manager; not the store''s key';
COMMENT ON COLUMN retail.stores.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.stores.updated_at IS 'When the row last changed, UTC';

CREATE TABLE IF NOT EXISTS retail.regional_managers (
    user_id     uuid         PRIMARY KEY
        CONSTRAINT regional_managers_user_id_not_nil CHECK (user_id <> '00000000-0000-0000-0000-000000000000'),
    name        varchar(100) NOT NULL,
    created_at  timestamptz  NOT NULL DEFAULT now(),
    updated_at  timestamptz  NOT NULL DEFAULT now()
);
COMMENT ON TABLE retail.regional_managers IS 'People who answer for several stores; head office is one with every store listed';
COMMENT ON COLUMN retail.regional_managers.user_id IS 'User id of the regional manager; goes before a store it may also manage';
COMMENT ON COLUMN retail.regional_managers.name IS 'Name of the region or person';
COMMENT ON COLUMN retail.regional_managers.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.regional_managers.updated_at IS 'When the row last changed, UTC';

CREATE TABLE IF NOT EXISTS retail.regional_manager_stores (
    user_id     uuid        NOT NULL REFERENCES retail.regional_managers ON DELETE CASCADE,
    store_id    uuid        NOT NULL REFERENCES retail.stores,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, store_id)
);
COMMENT ON TABLE retail.regional_manager_stores IS 'The stores that each regional manager may see';
COMMENT ON COLUMN retail.regional_manager_stores.user_id IS 'The regional manager';
COMMENT ON COLUMN retail.regional_manager_stores.store_id IS 'A store that they may see';
COMMENT ON COLUMN retail.regional_manager_stores.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.regional_manager_stores.updated_at IS 'When the row last changed, UTC';
DO $$ BEGIN PERFORM pg_temp.make_index('regional_manager_stores_store_id_idx', $i$retail.regional_manager_stores (store_id)$i$); END $$;

CREATE TABLE IF NOT EXISTS retail.login_identities (
    login       name        NOT NULL,
    user_id     uuid        NOT NULL
        CONSTRAINT login_identities_user_id_not_nil CHECK (user_id <> '00000000-0000-0000-0000-000000000000'),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (login, user_id)
);
COMMENT ON TABLE retail.login_identities IS 'Which user ids a database login may act as; zava_server may act as any and is not listed';
COMMENT ON COLUMN retail.login_identities.login IS 'Name of the database login';
COMMENT ON COLUMN retail.login_identities.user_id IS 'A user id that this login may act as';
COMMENT ON COLUMN retail.login_identities.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.login_identities.updated_at IS 'When the row last changed, UTC';

CREATE TABLE IF NOT EXISTS retail.identity_key (
    only_row    boolean     PRIMARY KEY DEFAULT true CONSTRAINT identity_key_only_row CHECK (only_row),
    key         bytea       NOT NULL CONSTRAINT identity_key_length CHECK (length(key) >= 32),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE retail.identity_key IS 'The secret that seals identities; nobody but the owner reads it';
COMMENT ON COLUMN retail.identity_key.only_row IS 'Always true: the table holds one row';
COMMENT ON COLUMN retail.identity_key.key IS 'At least 32 random bytes';
COMMENT ON COLUMN retail.identity_key.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.identity_key.updated_at IS 'When the row last changed, UTC';

CREATE TABLE IF NOT EXISTS retail.shared_objects (
    object      text        PRIMARY KEY,
    reason      text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE retail.shared_objects IS 'Internal: what the operator has added for everybody, for zava doctor: it holds no store''s rows';
COMMENT ON COLUMN retail.shared_objects.object IS 'As zava doctor names it, for example "retail.holidays", "public.easter(integer)" or "extension citext"';
COMMENT ON COLUMN retail.shared_objects.reason IS 'Why every store may see it';
COMMENT ON COLUMN retail.shared_objects.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.shared_objects.updated_at IS 'When the row last changed, UTC';
GRANT SELECT (object) ON retail.shared_objects TO PUBLIC;

-- gen_random_uuid() draws from the server's strong random source: 4 x 122 bits.
INSERT INTO retail.identity_key (key)
SELECT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
    || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
WHERE NOT EXISTS (SELECT FROM retail.identity_key);


-- Identity -------------------------------------------------------------------
-- A transaction says who it acts for with two settings, both SET LOCAL:
--     app.current_rls_user_id   the user id
--     app.current_rls_seal      what resolve_identity gave for that id
-- The functions below are SECURITY DEFINER because they read tables that no
-- caller may read. pg_temp stands last in their search_path: left out, it is
-- searched first, and a type of the caller's making, a domain "uuid" whose check
-- calls a function of theirs, would run as the owner. An identity that is missing, malformed or nil
-- yields NULL, and NULL matches no policy. One that is claimed and not sealed for this very login, or that
-- the login may no longer act as, is an error: an empty answer would pass for a truth.

CREATE OR REPLACE FUNCTION retail.identity_seal(user_id uuid) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Keyed twice, as HMAC does, so that a longer message cannot be forged
    -- from a shorter one. The login is part of the message: a seal is worth nothing to another login.
    -- So is when it was bound: of a binding that is made again, an earlier seal is worth nothing either.
    -- plpgsql keeps the plan for the session; PostgreSQL would plan a function in SQL for each query.
    RETURN (
        SELECT encode(sha256(k.key || sha256(k.key || convert_to(concat_ws(':', session_user, identity_seal.user_id, (
                   SELECT extract(epoch FROM l.created_at) FROM retail.login_identities AS l
                   WHERE l.login = session_user AND l.user_id = identity_seal.user_id)), 'UTF8'))), 'hex')
        FROM retail.identity_key AS k);
END
$$;
COMMENT ON FUNCTION retail.identity_seal(uuid) IS
    'The proof that this login may act as a user id; for the functions of this section only';

CREATE OR REPLACE FUNCTION retail.login_may_act_as(user_id uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF session_user = 'zava_server' THEN
        RETURN true;
    END IF;
    RETURN EXISTS (
        SELECT FROM retail.login_identities AS l
        WHERE l.login = session_user AND l.user_id = login_may_act_as.user_id);
END
$$;
COMMENT ON FUNCTION retail.login_may_act_as(uuid) IS
    'Whether this login may act as a user id at this moment; for the functions of this section only';

CREATE OR REPLACE FUNCTION retail.sealed_user_id() RETURNS uuid
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    claimed text := current_setting('app.current_rls_user_id', true);
    user_id uuid;
BEGIN
    -- After a SET LOCAL has ended the setting reads '', not NULL.
    IF claimed IS NULL OR NOT pg_input_is_valid(claimed, 'uuid') THEN
        RETURN NULL;
    END IF;
    user_id := claimed::uuid;
    IF user_id = '00000000-0000-0000-0000-000000000000' THEN
        RETURN NULL;
    END IF;
    -- The binding is asked each time, so that a seal ends with it.
    IF current_setting('app.current_rls_seal', true) = retail.identity_seal(user_id)
        AND retail.login_may_act_as(user_id) THEN
        RETURN user_id;
    END IF;
    RAISE invalid_authorization_specification USING
        MESSAGE = 'the identity of this transaction does not hold',
        HINT = 'Ask retail.resolve_identity for a new seal; app.current_rls_user_id and app.current_rls_seal go together.';
END
$$;
COMMENT ON FUNCTION retail.sealed_user_id() IS
    'The user id of this transaction, NULL for nobody, an error if its seal does not hold; for the functions of this section only';

CREATE OR REPLACE FUNCTION retail.get_current_user_store() RETURNS uuid
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT s.store_id FROM retail.stores AS s WHERE s.manager_id = retail.sealed_user_id());
END
$$;
COMMENT ON FUNCTION retail.get_current_user_store() IS
    'The store that the caller manages, or NULL';

CREATE OR REPLACE FUNCTION retail.get_user_store_list() RETURNS uuid[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(
        SELECT r.store_id
        FROM retail.regional_manager_stores AS r
        WHERE r.user_id = retail.sealed_user_id()
        ORDER BY r.store_id
    );
END
$$;
COMMENT ON FUNCTION retail.get_user_store_list() IS
    'The stores that the caller may see as a regional manager; empty for everyone else';

CREATE OR REPLACE FUNCTION retail.resolve_identity(
    user_id uuid,
    OUT role_name text,
    OUT display_name text,
    OUT store_ids uuid[],
    OUT seal text
) RETURNS SETOF record
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Queries of other people's making run in transactions that only read. A seal is given in none of
    -- them, so a query that gets back to its login can seal nothing. On a standby every transaction only
    -- reads; there the closed set_config keeps a query from its login. The query runs as a group of the
    -- login, so the groups' privileges count as well.
    IF current_setting('transaction_read_only')::boolean AND NOT (
        pg_is_in_recovery()
        AND NOT EXISTS (
            SELECT FROM pg_roles AS r
            WHERE pg_has_role(session_user, r.oid, 'MEMBER')
                AND has_function_privilege(r.oid, 'pg_catalog.set_config(text,text,boolean)', 'EXECUTE'))
    ) THEN
        RAISE read_only_sql_transaction USING
            MESSAGE = 'an identity is given in a read-write transaction only',
            HINT = 'BEGIN READ WRITE; on a standby, a superuser has to load schema.sql on the primary first.';
    END IF;
    IF NOT retail.login_may_act_as(user_id) THEN
        RETURN;
    END IF;
    SELECT 'regional_managers', m.name,
           ARRAY(SELECT r.store_id FROM retail.regional_manager_stores AS r WHERE r.user_id = m.user_id ORDER BY r.store_id)
    INTO role_name, display_name, store_ids
    FROM retail.regional_managers AS m
    WHERE m.user_id = resolve_identity.user_id;
    IF NOT FOUND THEN
        SELECT 'store_managers', s.name || ' manager', ARRAY[s.store_id]
        INTO role_name, display_name, store_ids
        FROM retail.stores AS s
        WHERE s.manager_id = resolve_identity.user_id;
    END IF;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    seal := retail.identity_seal(user_id);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION retail.resolve_identity(uuid) IS
    'Role, name, stores and seal of a user id that this login may act as; no row for any other';

CREATE OR REPLACE FUNCTION retail.set_identity(user_id uuid, seal text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    value text;
BEGIN
    -- Every transaction comes through here: an expression costs half of what PERFORM does.
    value := set_config('app.current_rls_user_id', user_id::text, true);
    value := set_config('app.current_rls_seal', seal, true);
END
$$;
COMMENT ON FUNCTION retail.set_identity(uuid, text) IS
    'SET LOCAL of both settings. Its arguments are bound, so neither stands in a statement''s text, which others may read';

CREATE OR REPLACE FUNCTION retail.login_is_bound() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT session_user <> 'zava_server' AND count(*) = 1 FROM retail.login_identities AS l WHERE l.login = session_user
$$;
COMMENT ON FUNCTION retail.login_is_bound() IS
    'Whether this login may act as one person and as nobody else';

DO $$
DECLARE
    target text;
BEGIN
    -- Not somebody else's: of a function that is closed already nothing can be revoked by who has no right to it.
    FOR target IN
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'retail'::regnamespace AND pg_has_role(current_user, proowner, 'USAGE')
    LOOP
        EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', target);
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION retail.get_current_user_store() TO store_managers;
GRANT EXECUTE ON FUNCTION retail.get_user_store_list() TO regional_managers;
DO $$
DECLARE
    login text;
BEGIN
    -- What a login calls as itself, before it becomes a group.
    FOR login IN
        SELECT rolname FROM pg_roles
        WHERE rolname = 'zava_server' OR rolname IN (SELECT l.login FROM retail.login_identities AS l)
    LOOP
        EXECUTE format(
            'GRANT EXECUTE ON FUNCTION retail.resolve_identity(uuid), retail.set_identity(uuid, text), '
            'retail.login_is_bound() TO %I', login);
    END LOOP;
END
$$;


-- Catalogue ------------------------------------------------------------------
-- The same for every store, so these tables need no policy.

CREATE TABLE IF NOT EXISTS retail.categories (
    category_id uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    name        varchar(100) NOT NULL CONSTRAINT categories_name_key UNIQUE,
    created_at  timestamptz  NOT NULL DEFAULT now(),
    updated_at  timestamptz  NOT NULL DEFAULT now()
);
COMMENT ON TABLE retail.categories IS 'The nine departments of the catalogue';
COMMENT ON COLUMN retail.categories.category_id IS 'Key of the category';
COMMENT ON COLUMN retail.categories.name IS 'For example "Power Tools"';
COMMENT ON COLUMN retail.categories.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.categories.updated_at IS 'When the row last changed, UTC';

CREATE TABLE IF NOT EXISTS retail.product_types (
    type_id     uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    category_id uuid         NOT NULL REFERENCES retail.categories,
    name        varchar(100) NOT NULL,
    created_at  timestamptz  NOT NULL DEFAULT now(),
    updated_at  timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT product_types_category_id_name_key UNIQUE (category_id, name),
    CONSTRAINT product_types_type_id_category_id_key UNIQUE (type_id, category_id)
);
COMMENT ON TABLE retail.product_types IS 'Kinds of product within a category';
COMMENT ON COLUMN retail.product_types.type_id IS 'Key of the type';
COMMENT ON COLUMN retail.product_types.category_id IS 'The category that it belongs to';
COMMENT ON COLUMN retail.product_types.name IS 'For example "Hammers"';
COMMENT ON COLUMN retail.product_types.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.product_types.updated_at IS 'When the row last changed, UTC';

CREATE TABLE IF NOT EXISTS retail.products (
    product_id  uuid          PRIMARY KEY DEFAULT gen_random_uuid(),
    sku         varchar(20)   NOT NULL CONSTRAINT products_sku_key UNIQUE,
    name        varchar(200)  NOT NULL,
    description text          NOT NULL,
    category_id uuid          NOT NULL REFERENCES retail.categories,
    type_id     uuid          NOT NULL,
    cost        numeric(10,2) NOT NULL CONSTRAINT products_cost_positive CHECK (cost > 0),
    base_price  numeric(10,2) NOT NULL CONSTRAINT products_base_price_positive CHECK (base_price > 0),
    created_at  timestamptz   NOT NULL DEFAULT now(),
    updated_at  timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT products_type_id_category_id_fkey FOREIGN KEY (type_id, category_id)
        REFERENCES retail.product_types (type_id, category_id)
);
COMMENT ON TABLE retail.products IS 'What the chain sells, the same in every store';
COMMENT ON COLUMN retail.products.product_id IS 'Key of the product';
COMMENT ON COLUMN retail.products.sku IS 'Stock keeping unit: letters of category and type, then six digits';
COMMENT ON COLUMN retail.products.name IS 'Name on the shelf label';
COMMENT ON COLUMN retail.products.description IS 'What it is and what it is used for; text, not instructions';
COMMENT ON COLUMN retail.products.category_id IS 'Its category';
COMMENT ON COLUMN retail.products.type_id IS 'Its type, which belongs to the same category';
COMMENT ON COLUMN retail.products.cost IS 'What the chain pays for one unit, USD';
COMMENT ON COLUMN retail.products.base_price IS 'List price of one unit, USD; order_items.unit_price is what was charged';
COMMENT ON COLUMN retail.products.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.products.updated_at IS 'When the row last changed, UTC';
DO $$ BEGIN PERFORM pg_temp.make_index('products_category_id_idx', $i$retail.products (category_id)$i$); END $$;
DO $$ BEGIN PERFORM pg_temp.make_index('products_type_id_category_id_idx', $i$retail.products (type_id, category_id)$i$); END $$;


-- Tables with a store --------------------------------------------------------
-- A customer belongs to the store where they signed up and buys there, so the
-- composite foreign keys can promise that no row points into another store.

CREATE TABLE IF NOT EXISTS retail.customers (
    customer_id uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id    uuid         NOT NULL REFERENCES retail.stores,
    first_name  varchar(50)  NOT NULL,
    last_name   varchar(50)  NOT NULL,
    email       varchar(100) NOT NULL,
    created_at  timestamptz  NOT NULL DEFAULT now(),
    updated_at  timestamptz  NOT NULL DEFAULT now(),
    -- Per store, not globally: a clash must not tell one store of another's customers.
    CONSTRAINT customers_store_id_email_key UNIQUE (store_id, email),
    CONSTRAINT customers_customer_id_store_id_key UNIQUE (customer_id, store_id)
);
COMMENT ON TABLE retail.customers IS 'People who buy; each belongs to one home store';
COMMENT ON COLUMN retail.customers.customer_id IS 'Key of the customer';
COMMENT ON COLUMN retail.customers.store_id IS 'Home store';
COMMENT ON COLUMN retail.customers.first_name IS 'Given name';
COMMENT ON COLUMN retail.customers.last_name IS 'Family name';
COMMENT ON COLUMN retail.customers.email IS 'E-mail address, unique within the store';
COMMENT ON COLUMN retail.customers.created_at IS 'When the customer signed up, UTC';
COMMENT ON COLUMN retail.customers.updated_at IS 'When the row last changed, UTC';

CREATE TABLE IF NOT EXISTS retail.orders (
    order_id     uuid          PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_id  uuid          NOT NULL,
    store_id     uuid          NOT NULL REFERENCES retail.stores,
    order_date   timestamptz   NOT NULL DEFAULT now(),
    total_amount numeric(10,2) NOT NULL CONSTRAINT orders_total_amount_not_negative CHECK (total_amount >= 0),
    status       varchar(20)   NOT NULL DEFAULT 'pending'
        CONSTRAINT orders_status_known CHECK (status IN ('pending', 'shipped', 'completed', 'cancelled', 'returned')),
    created_at   timestamptz   NOT NULL DEFAULT now(),
    updated_at   timestamptz   NOT NULL DEFAULT now(),
    sold_on      date          GENERATED ALWAYS AS
        (CASE WHEN status NOT IN ('cancelled', 'returned') THEN (order_date AT TIME ZONE 'UTC')::date END) STORED,
    CONSTRAINT orders_customer_id_store_id_fkey FOREIGN KEY (customer_id, store_id)
        REFERENCES retail.customers (customer_id, store_id),
    CONSTRAINT orders_order_id_store_id_key UNIQUE (order_id, store_id)
);
-- A database of an earlier version gets the column here; it stands last in both.
DO $$ BEGIN PERFORM pg_temp.make_column('retail.orders', 'sold_on', $c$date GENERATED ALWAYS AS
    (CASE WHEN status NOT IN ('cancelled', 'returned') THEN (order_date AT TIME ZONE 'UTC')::date END) STORED$c$); END $$;
COMMENT ON TABLE retail.orders IS 'Purchases; total_amount is the sum of the order''s items';
COMMENT ON COLUMN retail.orders.order_id IS 'Key of the order';
COMMENT ON COLUMN retail.orders.customer_id IS 'Who bought; a customer of the same store';
COMMENT ON COLUMN retail.orders.store_id IS 'Where it was bought';
COMMENT ON COLUMN retail.orders.order_date IS 'When it was placed, UTC';
COMMENT ON COLUMN retail.orders.total_amount IS 'What the customer pays, USD, after discounts';
COMMENT ON COLUMN retail.orders.status IS 'pending, shipped, completed, cancelled or returned; the last two are no revenue';
COMMENT ON COLUMN retail.orders.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.orders.updated_at IS 'When the row last changed, UTC';
COMMENT ON COLUMN retail.orders.sold_on IS 'Day of order_date in UTC, empty if cancelled or returned: where it is not null, the order is revenue';
DO $$ BEGIN PERFORM pg_temp.make_index('orders_store_id_order_date_idx', $i$retail.orders (store_id, order_date)$i$); END $$;
DO $$ BEGIN PERFORM pg_temp.make_index('orders_customer_id_store_id_idx', $i$retail.orders (customer_id, store_id)$i$); END $$;

CREATE TABLE IF NOT EXISTS retail.order_items (
    order_item_id    uuid          PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id         uuid          NOT NULL,
    store_id         uuid          NOT NULL,
    product_id       uuid          NOT NULL REFERENCES retail.products,
    quantity         integer       NOT NULL CONSTRAINT order_items_quantity_positive CHECK (quantity > 0),
    unit_price       numeric(10,2) NOT NULL CONSTRAINT order_items_unit_price_not_negative CHECK (unit_price >= 0),
    discount_percent integer       NOT NULL DEFAULT 0
        CONSTRAINT order_items_discount_percent_range CHECK (discount_percent BETWEEN 0 AND 100),
    discount_amount  numeric(10,2) NOT NULL DEFAULT 0
        CONSTRAINT order_items_discount_amount_range CHECK (discount_amount BETWEEN 0 AND quantity * unit_price),
    total_amount     numeric(10,2) NOT NULL
        CONSTRAINT order_items_total_amount_adds_up CHECK (total_amount = quantity * unit_price - discount_amount),
    created_at       timestamptz   NOT NULL DEFAULT now(),
    updated_at       timestamptz   NOT NULL DEFAULT now(),
    sold_on          date,
    CONSTRAINT order_items_order_id_store_id_fkey FOREIGN KEY (order_id, store_id)
        REFERENCES retail.orders (order_id, store_id) ON DELETE CASCADE
);
DO $$ BEGIN PERFORM pg_temp.make_column('retail.order_items', 'sold_on', 'date'); END $$;
COMMENT ON TABLE retail.order_items IS 'The lines of the orders, one product each';
COMMENT ON COLUMN retail.order_items.order_item_id IS 'Key of the line';
COMMENT ON COLUMN retail.order_items.order_id IS 'The order that it belongs to';
COMMENT ON COLUMN retail.order_items.store_id IS 'The order''s store';
COMMENT ON COLUMN retail.order_items.product_id IS 'What was bought';
COMMENT ON COLUMN retail.order_items.quantity IS 'Units';
COMMENT ON COLUMN retail.order_items.unit_price IS 'Price charged for one unit before the discount, USD';
COMMENT ON COLUMN retail.order_items.discount_percent IS 'Discount on the line in percent, 0 for none';
COMMENT ON COLUMN retail.order_items.discount_amount IS 'Discount on the line, USD';
COMMENT ON COLUMN retail.order_items.total_amount IS 'quantity * unit_price - discount_amount, USD';
COMMENT ON COLUMN retail.order_items.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.order_items.updated_at IS 'When the row last changed, UTC';
COMMENT ON COLUMN retail.order_items.sold_on IS 'The order''s sold_on, kept by trigger: where it is not null, the line is revenue of that day';
DO $$ BEGIN PERFORM pg_temp.make_index('order_items_order_id_store_id_idx', $i$retail.order_items (order_id, store_id)$i$); END $$;
DO $$ BEGIN PERFORM pg_temp.make_index('order_items_product_id_store_id_idx', $i$retail.order_items (product_id, store_id)$i$); END $$;

CREATE TABLE IF NOT EXISTS retail.inventory (
    store_id    uuid        NOT NULL REFERENCES retail.stores,
    product_id  uuid        NOT NULL REFERENCES retail.products,
    stock_level integer     NOT NULL CONSTRAINT inventory_stock_level_not_negative CHECK (stock_level >= 0),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, product_id)
);
COMMENT ON TABLE retail.inventory IS 'Stock of every product in every store, as of now';
COMMENT ON COLUMN retail.inventory.store_id IS 'The store';
COMMENT ON COLUMN retail.inventory.product_id IS 'The product';
COMMENT ON COLUMN retail.inventory.stock_level IS 'Units on hand; 0 is out of stock';
COMMENT ON COLUMN retail.inventory.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.inventory.updated_at IS 'When the row last changed, UTC';
DO $$ BEGIN PERFORM pg_temp.make_index('inventory_product_id_idx', $i$retail.inventory (product_id)$i$); END $$;


-- Sales totals ---------------------------------------------------------------
-- Sums per day and month, so that a store's figures cost the same whether it has
-- a thousand orders or a million. Triggers keep them: each table of totals is a sum
-- over the rows of one other table, so a statement changes it by its new rows less
-- its old ones, whatever else it does:
--
--     orders              -> daily_sales
--     order_items         -> daily_product_sales, monthly_product_sales
--     customer_purchases  -> daily_sales (customers), daily_ and monthly_repeat_customers,
--                            product_pairs
--
-- Two tables are copies that make this possible: order_items.sold_on of the orders,
-- customer_purchases of each customer's orders and lines, read again whenever they
-- change: a write costs as much as its customers have orders. A statement locks rows in
-- the order of their keys; transactions that write several days in different orders can
-- still deadlock, as over any rows. A writer in REPEATABLE READ may meet a serialization
-- failure; one that cancels or moves orders should use READ COMMITTED or SERIALIZABLE.
--
-- Who loads in bulk disables the triggers of orders and order_items, and calls
-- retail.rebuild_sales_totals() at the end.

CREATE TABLE IF NOT EXISTS retail.daily_sales (
    store_id         uuid          NOT NULL REFERENCES retail.stores,
    day              date          NOT NULL,
    revenue          numeric(16,2) NOT NULL DEFAULT 0,
    orders           integer       NOT NULL DEFAULT 0,
    cancelled_orders integer       NOT NULL DEFAULT 0,
    returned_orders  integer       NOT NULL DEFAULT 0,
    customers        integer       NOT NULL DEFAULT 0,
    new_customers    integer       NOT NULL DEFAULT 0,
    PRIMARY KEY (store_id, day)
);
COMMENT ON TABLE retail.daily_sales IS 'Totals of orders per store and day, always up to date: the cheapest source of revenue and order counts';
COMMENT ON COLUMN retail.daily_sales.store_id IS 'The store';
COMMENT ON COLUMN retail.daily_sales.day IS 'The day in UTC; days without an order have no row';
COMMENT ON COLUMN retail.daily_sales.revenue IS 'Total of the orders that count, USD';
COMMENT ON COLUMN retail.daily_sales.orders IS 'Orders that count: neither cancelled nor returned';
COMMENT ON COLUMN retail.daily_sales.cancelled_orders IS 'Orders of that day that were cancelled';
COMMENT ON COLUMN retail.daily_sales.returned_orders IS 'Orders of that day that were returned';
COMMENT ON COLUMN retail.daily_sales.customers IS 'Customers who bought on that day; over several days do not add it up, some buy again';
COMMENT ON COLUMN retail.daily_sales.new_customers IS 'Customers whose first order that counts was on that day';

CREATE TABLE IF NOT EXISTS retail.daily_product_sales (
    store_id   uuid          NOT NULL REFERENCES retail.stores,
    day        date          NOT NULL,
    product_id uuid          NOT NULL,
    units      integer       NOT NULL,
    revenue    numeric(16,2) NOT NULL,
    discount   numeric(16,2) NOT NULL,
    PRIMARY KEY (store_id, day, product_id)
);
COMMENT ON TABLE retail.daily_product_sales IS 'Totals of order_items per store, day and product, cancelled and returned orders left out; join products for the category';
COMMENT ON COLUMN retail.daily_product_sales.store_id IS 'The store';
COMMENT ON COLUMN retail.daily_product_sales.day IS 'The day in UTC';
COMMENT ON COLUMN retail.daily_product_sales.product_id IS 'The product, of retail.products';
COMMENT ON COLUMN retail.daily_product_sales.units IS 'Units sold';
COMMENT ON COLUMN retail.daily_product_sales.revenue IS 'What was paid for them after discounts, USD';
COMMENT ON COLUMN retail.daily_product_sales.discount IS 'What was taken off, USD';

CREATE TABLE IF NOT EXISTS retail.monthly_product_sales (
    store_id   uuid          NOT NULL REFERENCES retail.stores,
    month      date          NOT NULL CONSTRAINT monthly_product_sales_month_first CHECK (extract(day FROM month) = 1),
    product_id uuid          NOT NULL,
    units      integer       NOT NULL,
    revenue    numeric(16,2) NOT NULL,
    discount   numeric(16,2) NOT NULL,
    PRIMARY KEY (store_id, month, product_id)
);
COMMENT ON TABLE retail.monthly_product_sales IS 'daily_product_sales added up per month: the cheapest source for products and categories over whole months';
COMMENT ON COLUMN retail.monthly_product_sales.store_id IS 'The store';
COMMENT ON COLUMN retail.monthly_product_sales.month IS 'First day of the month, UTC';
COMMENT ON COLUMN retail.monthly_product_sales.product_id IS 'The product, of retail.products';
COMMENT ON COLUMN retail.monthly_product_sales.units IS 'Units sold';
COMMENT ON COLUMN retail.monthly_product_sales.revenue IS 'What was paid for them after discounts, USD';
COMMENT ON COLUMN retail.monthly_product_sales.discount IS 'What was taken off, USD';

-- How many customers bought in a span of days, each counted once: whoever bought on
-- k of its days is in k of its daily counts and in k - 1 of the pairs of a day and the
-- customer's next one, so it is the daily counts less the pairs within the span. The
-- monthly table holds the same pairs with the first day of each rounded to its month.
-- A comment that begins with "Internal:" keeps a table out of what a model is shown.

CREATE TABLE IF NOT EXISTS retail.daily_repeat_customers (
    store_id     uuid    NOT NULL REFERENCES retail.stores,
    previous_day date    NOT NULL,
    day          date    NOT NULL,
    customers    integer NOT NULL,
    PRIMARY KEY (store_id, previous_day, day)
);
COMMENT ON TABLE retail.daily_repeat_customers IS 'Internal: customers who bought on a day and next on another, for counting customers over spans of days';
COMMENT ON COLUMN retail.daily_repeat_customers.store_id IS 'The store';
COMMENT ON COLUMN retail.daily_repeat_customers.previous_day IS 'A day on which they bought, UTC';
COMMENT ON COLUMN retail.daily_repeat_customers.day IS 'The next day on which they bought, UTC';
COMMENT ON COLUMN retail.daily_repeat_customers.customers IS 'How many customers';

CREATE TABLE IF NOT EXISTS retail.monthly_repeat_customers (
    store_id       uuid    NOT NULL REFERENCES retail.stores,
    previous_month date    NOT NULL,
    day            date    NOT NULL,
    customers      integer NOT NULL,
    PRIMARY KEY (store_id, previous_month, day)
);
COMMENT ON TABLE retail.monthly_repeat_customers IS 'Internal: daily_repeat_customers added up per month of the previous day';
COMMENT ON COLUMN retail.monthly_repeat_customers.store_id IS 'The store';
COMMENT ON COLUMN retail.monthly_repeat_customers.previous_month IS 'First day of the month in which they bought, UTC';
COMMENT ON COLUMN retail.monthly_repeat_customers.day IS 'The next day on which they bought, UTC';
COMMENT ON COLUMN retail.monthly_repeat_customers.customers IS 'How many customers';

-- Of an earlier version, which kept the days alone.
DROP TABLE IF EXISTS retail.customer_order_days;
DROP FUNCTION IF EXISTS retail.recall_order_days(uuid[]), retail.total_order_days();

CREATE TABLE IF NOT EXISTS retail.customer_purchases (
    customer_id uuid          NOT NULL,
    store_id    uuid          NOT NULL,
    days        date[]        NOT NULL DEFAULT '{}',
    orders      integer       NOT NULL DEFAULT 0,
    spent       numeric(16,2) NOT NULL DEFAULT 0,
    baskets     uuid[]        NOT NULL DEFAULT '{}',
    PRIMARY KEY (customer_id, store_id),
    CONSTRAINT customer_purchases_customer_id_store_id_fkey FOREIGN KEY (customer_id, store_id)
        REFERENCES retail.customers (customer_id, store_id) ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE retail.customer_purchases IS 'Internal: what each customer bought, for groups of customers and for pairs of products; whoever changes their orders takes turns on this row';
COMMENT ON COLUMN retail.customer_purchases.customer_id IS 'The customer';
COMMENT ON COLUMN retail.customer_purchases.store_id IS 'Home store';
COMMENT ON COLUMN retail.customer_purchases.days IS 'Days in UTC with an order that counts, ascending';
COMMENT ON COLUMN retail.customer_purchases.orders IS 'Orders that count';
COMMENT ON COLUMN retail.customer_purchases.spent IS 'Total of the orders that count, USD';
COMMENT ON COLUMN retail.customer_purchases.baskets IS 'The products of each order that counts, once each, and a null after every order';
DO $$ BEGIN PERFORM pg_temp.make_index('customer_purchases_store_id_idx', $i$retail.customer_purchases (store_id)$i$); END $$;
-- Who has spent most, over all of a caller's stores, is read from here.
DO $$ BEGIN PERFORM pg_temp.make_index('customer_purchases_spent_idx', $i$retail.customer_purchases (spent) INCLUDE (store_id)$i$); END $$;

CREATE TABLE IF NOT EXISTS retail.product_pairs (
    store_id         uuid    NOT NULL REFERENCES retail.stores,
    product_id       uuid    NOT NULL,
    other_product_id uuid    NOT NULL,
    orders           integer NOT NULL,
    PRIMARY KEY (store_id, product_id, other_product_id)
);
-- How often a product sells at all, of every product or of some.
DO $$ BEGIN PERFORM pg_temp.make_index('product_pairs_own_idx', $i$retail.product_pairs (product_id, store_id) WHERE product_id = other_product_id$i$); END $$;
COMMENT ON TABLE retail.product_pairs IS 'How many orders hold two products, cancelled and returned ones left out: the cheapest source of what is bought together';
COMMENT ON COLUMN retail.product_pairs.store_id IS 'The store';
COMMENT ON COLUMN retail.product_pairs.product_id IS 'A product, of retail.products';
COMMENT ON COLUMN retail.product_pairs.other_product_id IS 'Another one; each pair is here both ways. The same one: how many orders hold that product at all';
COMMENT ON COLUMN retail.product_pairs.orders IS 'Orders that hold both';

CREATE OR REPLACE FUNCTION retail.changed_rows(operation text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
RETURN concat_ws(' UNION ALL ',
    CASE WHEN operation <> 'DELETE' THEN 'SELECT 1 AS sign, * FROM new_rows' END,
    CASE WHEN operation <> 'INSERT' THEN 'SELECT -1 AS sign, * FROM old_rows' END);
COMMENT ON FUNCTION retail.changed_rows(text) IS
    'SQL of the rows that a trigger''s statement made, with sign 1, and those that it replaced, with sign -1';

CREATE OR REPLACE FUNCTION retail.set_sold_on() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Locked, so that the order cannot be cancelled between here and the commit
    -- without waiting for this line. An order of the same statement does not show
    -- yet: its own trigger comes back to the line.
    SELECT o.sold_on INTO NEW.sold_on
    FROM retail.orders AS o
    WHERE o.order_id = NEW.order_id AND o.store_id = NEW.store_id
    FOR SHARE;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION retail.set_sold_on() IS 'Trigger: copies sold_on from the order to its line';

CREATE OR REPLACE FUNCTION retail.total_orders() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changes CONSTANT text := retail.changed_rows(TG_OP);
    buyers uuid[];
BEGIN
    EXECUTE format(
        $sql$
        INSERT INTO retail.daily_sales AS d (store_id, day, revenue, orders, cancelled_orders, returned_orders)
        SELECT *
        FROM (
            SELECT c.store_id, (c.order_date AT TIME ZONE 'UTC')::date AS day,
                   coalesce(sum(c.sign * c.total_amount) FILTER (WHERE c.sold_on IS NOT NULL), 0) AS revenue,
                   coalesce(sum(c.sign) FILTER (WHERE c.sold_on IS NOT NULL), 0) AS orders,
                   coalesce(sum(c.sign) FILTER (WHERE c.status = 'cancelled'), 0) AS cancelled_orders,
                   coalesce(sum(c.sign) FILTER (WHERE c.status = 'returned'), 0) AS returned_orders
            FROM (%s) AS c
            GROUP BY 1, 2
        ) AS net
        WHERE (revenue, orders, cancelled_orders, returned_orders) <> (0, 0, 0, 0)
        ORDER BY store_id, day
        ON CONFLICT (store_id, day) DO UPDATE
        SET revenue = d.revenue + excluded.revenue,
            orders = d.orders + excluded.orders,
            cancelled_orders = d.cancelled_orders + excluded.cancelled_orders,
            returned_orders = d.returned_orders + excluded.returned_orders
        $sql$, changes);

    EXECUTE format(
        $sql$
        SELECT array_agg(DISTINCT customer_id ORDER BY customer_id)
        FROM (
            SELECT c.customer_id
            FROM (%s) AS c
            WHERE c.sold_on IS NOT NULL
            GROUP BY c.order_id, c.customer_id, c.store_id, c.sold_on, c.total_amount
            HAVING sum(c.sign) <> 0
        ) AS changed
        $sql$, changes) INTO buyers;
    IF buyers IS NOT NULL THEN
        PERFORM retail.recall_purchases(buyers);
    END IF;

    IF TG_OP <> 'DELETE' THEN
        IF EXISTS (
            SELECT FROM new_rows AS n
            JOIN retail.order_items AS i ON i.order_id = n.order_id AND i.store_id = n.store_id
            WHERE i.sold_on IS DISTINCT FROM n.sold_on
        ) THEN
            UPDATE retail.order_items AS i
            SET sold_on = n.sold_on
            FROM new_rows AS n
            WHERE i.order_id = n.order_id AND i.store_id = n.store_id AND i.sold_on IS DISTINCT FROM n.sold_on;
        END IF;
    END IF;

    IF TG_OP <> 'INSERT' THEN
        DELETE FROM retail.daily_sales AS d
        USING (SELECT DISTINCT o.store_id, (o.order_date AT TIME ZONE 'UTC')::date AS day FROM old_rows AS o) AS o
        WHERE d.store_id = o.store_id AND d.day = o.day
            AND (d.orders, d.cancelled_orders, d.returned_orders, d.customers) = (0, 0, 0, 0);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION retail.total_orders() IS
    'Trigger: carries changed orders into daily_sales, into their customers'' purchases and into their lines';

CREATE OR REPLACE FUNCTION retail.recall_purchases(customer_ids uuid[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO retail.customer_purchases (customer_id, store_id)
    SELECT k.customer_id, k.store_id
    FROM retail.customers AS k
    WHERE k.customer_id = ANY (customer_ids)
        AND NOT EXISTS (SELECT FROM retail.customer_purchases AS p WHERE p.customer_id = k.customer_id)
    ORDER BY k.customer_id
    ON CONFLICT DO NOTHING;
    -- Whoever else changes these customers' orders waits here, and then sees ours.
    PERFORM FROM retail.customer_purchases AS p
    WHERE p.customer_id = ANY (customer_ids)
    ORDER BY p.customer_id
    FOR NO KEY UPDATE;
    -- A row that stays as it is gets updated too: a concurrent REPEATABLE READ
    -- transaction, which would not see ours, then fails instead of going on.
    UPDATE retail.customer_purchases AS p
    SET (days, orders, spent) = (
            SELECT coalesce(array_agg(DISTINCT o.sold_on ORDER BY o.sold_on), '{}'), count(*), coalesce(sum(o.total_amount), 0)
            FROM retail.orders AS o
            WHERE o.customer_id = p.customer_id AND o.sold_on IS NOT NULL),
        baskets = ARRAY(
            SELECT b.product_id
            FROM (
                SELECT o.order_id, i.product_id
                FROM retail.orders AS o
                JOIN retail.order_items AS i ON i.order_id = o.order_id AND i.store_id = o.store_id
                WHERE o.customer_id = p.customer_id AND o.sold_on IS NOT NULL
                UNION
                SELECT o.order_id, NULL
                FROM retail.orders AS o
                WHERE o.customer_id = p.customer_id AND o.sold_on IS NOT NULL
            ) AS b
            ORDER BY b.order_id, b.product_id NULLS LAST)
    WHERE p.customer_id = ANY (customer_ids);
END
$$;
COMMENT ON FUNCTION retail.recall_purchases(uuid[]) IS
    'Reads the orders and lines of some customers again; for the triggers of this section only';

CREATE OR REPLACE FUNCTION retail.total_order_items() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changes CONSTANT text := retail.changed_rows(TG_OP);
    buyers uuid[];
    level record;
BEGIN
    EXECUTE format(
        $sql$
        SELECT array_agg(DISTINCT o.customer_id ORDER BY o.customer_id)
        FROM (
            SELECT c.order_id, c.store_id
            FROM (%s) AS c
            GROUP BY c.order_id, c.store_id, c.product_id
            HAVING sum(c.sign) <> 0
        ) AS changed
        JOIN retail.orders AS o ON o.order_id = changed.order_id AND o.store_id = changed.store_id
        WHERE o.sold_on IS NOT NULL
        $sql$, changes) INTO buyers;
    IF buyers IS NOT NULL THEN
        PERFORM retail.recall_purchases(buyers);
    END IF;

    FOR level IN
        SELECT * FROM (VALUES ('retail.daily_product_sales', 'day', 'sold_on'),
                              ('retail.monthly_product_sales', 'month', 'date_trunc(''month'', sold_on::timestamp)::date')
        ) AS levels (target, key, expression)
    LOOP
        EXECUTE format(
            $sql$
            INSERT INTO %1$s AS t (store_id, %2$s, product_id, units, revenue, discount)
            SELECT *
            FROM (
                SELECT c.store_id, %3$s AS %2$s, c.product_id, sum(c.sign * c.quantity) AS units,
                       sum(c.sign * c.total_amount) AS revenue, sum(c.sign * c.discount_amount) AS discount
                FROM (%4$s) AS c
                WHERE c.sold_on IS NOT NULL
                GROUP BY 1, 2, 3
            ) AS net
            WHERE (units, revenue, discount) <> (0, 0, 0)
            ORDER BY store_id, %2$s, product_id
            ON CONFLICT (store_id, %2$s, product_id) DO UPDATE
            SET units = t.units + excluded.units,
                revenue = t.revenue + excluded.revenue,
                discount = t.discount + excluded.discount
            $sql$, level.target, level.key, level.expression, changes);
        IF TG_OP <> 'INSERT' THEN
            EXECUTE format(
                $sql$
                DELETE FROM %1$s AS t
                USING (SELECT DISTINCT store_id, %3$s AS %2$s, product_id FROM old_rows WHERE sold_on IS NOT NULL) AS o
                WHERE t.store_id = o.store_id AND t.%2$s = o.%2$s AND t.product_id = o.product_id AND t.units = 0
                $sql$, level.target, level.key, level.expression);
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION retail.total_order_items() IS
    'Trigger: carries changed lines into daily_ and monthly_product_sales and into their customers'' purchases';

CREATE OR REPLACE FUNCTION retail.total_purchases() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changes CONSTANT text := retail.changed_rows(TG_OP);
    other_days boolean := true;
    other_baskets boolean := true;
BEGIN
    -- Of what stays as it was the old rows take away what the new ones add.
    IF TG_OP = 'UPDATE' THEN
        SELECT bool_or((n.store_id, n.days) IS DISTINCT FROM (o.store_id, o.days)),
               bool_or((n.store_id, n.baskets) IS DISTINCT FROM (o.store_id, o.baskets))
        INTO other_days, other_baskets
        FROM new_rows AS n FULL JOIN old_rows AS o ON o.customer_id = n.customer_id;
    END IF;

    IF other_days THEN
        EXECUTE format(
            $sql$
            WITH visits AS MATERIALIZED (
                SELECT c.store_id, c.days[n - 1] AS previous_day, c.days[n] AS day, sum(c.sign) AS customers
                FROM (%s) AS c CROSS JOIN LATERAL generate_subscripts(c.days, 1) AS n
                GROUP BY 1, 2, 3
                HAVING sum(c.sign) <> 0
            ), days AS (
                INSERT INTO retail.daily_sales AS d (store_id, day, customers, new_customers)
                SELECT store_id, day, sum(customers), coalesce(sum(customers) FILTER (WHERE previous_day IS NULL), 0)
                FROM visits GROUP BY 1, 2 ORDER BY 1, 2
                ON CONFLICT (store_id, day) DO UPDATE
                SET customers = d.customers + excluded.customers, new_customers = d.new_customers + excluded.new_customers
            ), repeats AS (
                INSERT INTO retail.daily_repeat_customers AS r (store_id, previous_day, day, customers)
                SELECT store_id, previous_day, day, customers
                FROM visits WHERE previous_day IS NOT NULL ORDER BY 1, 2, 3
                ON CONFLICT (store_id, previous_day, day) DO UPDATE SET customers = r.customers + excluded.customers
            )
            INSERT INTO retail.monthly_repeat_customers AS r (store_id, previous_month, day, customers)
            SELECT store_id, date_trunc('month', previous_day::timestamp)::date, day, sum(customers)
            FROM visits WHERE previous_day IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
            ON CONFLICT (store_id, previous_month, day) DO UPDATE SET customers = r.customers + excluded.customers
            $sql$, changes);
        DELETE FROM retail.daily_sales AS d
        USING (SELECT DISTINCT o.store_id, v.day FROM old_rows AS o CROSS JOIN LATERAL unnest(o.days) AS v (day)) AS o
        WHERE d.store_id = o.store_id AND d.day = o.day
            AND (d.orders, d.cancelled_orders, d.returned_orders, d.customers) = (0, 0, 0, 0);
    END IF;

    IF other_baskets THEN
        EXECUTE format(
            $sql$
            WITH lines AS MATERIALIZED (
                SELECT c.sign, c.store_id, c.customer_id, l.product_id,
                       count(*) FILTER (WHERE l.product_id IS NULL)
                           OVER (PARTITION BY c.sign, c.customer_id ORDER BY l.nth) AS basket
                FROM (%s) AS c CROSS JOIN LATERAL unnest(c.baskets) WITH ORDINALITY AS l (product_id, nth)
            )
            INSERT INTO retail.product_pairs AS p (store_id, product_id, other_product_id, orders)
            SELECT one.store_id, one.product_id, other.product_id, sum(one.sign)
            FROM lines AS one
            JOIN lines AS other
                ON other.sign = one.sign AND other.customer_id = one.customer_id AND other.basket = one.basket
            WHERE one.product_id IS NOT NULL AND other.product_id IS NOT NULL
            GROUP BY 1, 2, 3
            HAVING sum(one.sign) <> 0
            ORDER BY 1, 2, 3
            ON CONFLICT (store_id, product_id, other_product_id) DO UPDATE SET orders = p.orders + excluded.orders
            $sql$, changes);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION retail.total_purchases() IS
    'Trigger: carries changed purchases of customers into daily_sales, the repeat customers and product_pairs';

CREATE OR REPLACE FUNCTION retail.empty_sales_totals() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    BEGIN
        IF TG_RELID = 'retail.orders'::regclass THEN
            TRUNCATE retail.customer_purchases, retail.daily_repeat_customers, retail.monthly_repeat_customers,
                retail.daily_sales, retail.product_pairs;
        ELSE
            TRUNCATE retail.daily_product_sales, retail.monthly_product_sales;
        END IF;
    EXCEPTION WHEN object_in_use THEN
        -- The same TRUNCATE ... CASCADE emptied them and still holds them, or a cursor is open.
        IF TG_RELID = 'retail.orders'::regclass THEN
            DELETE FROM retail.customer_purchases;
            DELETE FROM retail.daily_repeat_customers;
            DELETE FROM retail.monthly_repeat_customers;
            DELETE FROM retail.daily_sales;
            DELETE FROM retail.product_pairs;
        ELSE
            DELETE FROM retail.daily_product_sales;
            DELETE FROM retail.monthly_product_sales;
        END IF;
    END;
    -- Orders without lines are left; their pairs go with the baskets.
    UPDATE retail.customer_purchases SET baskets = array_fill(NULL::uuid, ARRAY[orders]) WHERE orders > 0;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION retail.empty_sales_totals() IS
    'Trigger: empties the totals of a table that was truncated';

CREATE OR REPLACE FUNCTION retail.refuse_direct_write() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'the totals in % are kept by triggers', TG_TABLE_NAME
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Write to retail.orders and retail.order_items; SELECT retail.rebuild_sales_totals() adds them up again.';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION retail.refuse_direct_write() IS
    'Trigger: lets nobody write totals but the triggers of orders and order_items';

-- Both as SECURITY INVOKER: they are the owner's to call.
CREATE OR REPLACE FUNCTION retail.fill_sales_totals() RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    totals CONSTANT text[] := ARRAY[
        'daily_sales', 'daily_product_sales', 'monthly_product_sales',
        'daily_repeat_customers', 'monthly_repeat_customers', 'customer_purchases', 'product_pairs'];
    target text;
BEGIN
    LOCK TABLE retail.orders, retail.order_items IN SHARE ROW EXCLUSIVE MODE;
    FOREACH target IN ARRAY totals LOOP
        EXECUTE format('ALTER TABLE retail.%I DISABLE TRIGGER USER', target);
        EXECUTE format('TRUNCATE retail.%I', target);
    END LOOP;

    INSERT INTO retail.daily_product_sales (store_id, day, product_id, units, revenue, discount)
    SELECT store_id, sold_on, product_id, sum(quantity), sum(total_amount), sum(discount_amount)
    FROM retail.order_items
    WHERE sold_on IS NOT NULL
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3;

    INSERT INTO retail.monthly_product_sales (store_id, month, product_id, units, revenue, discount)
    SELECT store_id, date_trunc('month', day::timestamp)::date, product_id, sum(units), sum(revenue), sum(discount)
    FROM retail.daily_product_sales
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3;

    INSERT INTO retail.customer_purchases (customer_id, store_id, days, orders, spent, baskets)
    SELECT c.customer_id, c.store_id, c.days, c.orders, c.spent, b.baskets
    FROM (
        SELECT customer_id, store_id, array_agg(DISTINCT sold_on ORDER BY sold_on) AS days,
               count(*) AS orders, sum(total_amount) AS spent
        FROM retail.orders
        WHERE sold_on IS NOT NULL
        GROUP BY 1, 2
    ) AS c
    JOIN (
        SELECT l.customer_id, l.store_id, array_agg(l.product_id ORDER BY l.order_id, l.product_id NULLS LAST) AS baskets
        FROM (
            SELECT o.customer_id, o.store_id, o.order_id, i.product_id
            FROM retail.orders AS o
            JOIN retail.order_items AS i ON i.order_id = o.order_id AND i.store_id = o.store_id
            WHERE o.sold_on IS NOT NULL
            UNION
            SELECT customer_id, store_id, order_id, NULL FROM retail.orders WHERE sold_on IS NOT NULL
        ) AS l
        GROUP BY 1, 2
    ) AS b ON b.customer_id = c.customer_id AND b.store_id = c.store_id;

    INSERT INTO retail.product_pairs (store_id, product_id, other_product_id, orders)
    SELECT o.store_id, o.product_id, o.other_product_id, count(*)
    FROM (
        -- In the target list, where unnest() costs a third of what it does in FROM.
        SELECT b.store_id, b.product_id, unnest(b.products) AS other_product_id
        FROM (
            SELECT b.store_id, b.products, unnest(b.products) AS product_id
            FROM (
                SELECT store_id, array_agg(DISTINCT product_id) AS products
                FROM retail.order_items
                WHERE sold_on IS NOT NULL
                GROUP BY store_id, order_id
            ) AS b
        ) AS b
    ) AS o
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3;

    INSERT INTO retail.daily_repeat_customers (store_id, previous_day, day, customers)
    SELECT c.store_id, c.days[n], c.days[n + 1], count(*)
    FROM retail.customer_purchases AS c CROSS JOIN LATERAL generate_series(1, cardinality(c.days) - 1) AS n
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3;

    INSERT INTO retail.monthly_repeat_customers (store_id, previous_month, day, customers)
    SELECT store_id, date_trunc('month', previous_day::timestamp)::date, day, sum(customers)
    FROM retail.daily_repeat_customers
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3;

    INSERT INTO retail.daily_sales
        (store_id, day, revenue, orders, cancelled_orders, returned_orders, customers, new_customers)
    SELECT o.store_id, o.day, o.revenue, o.orders, o.cancelled_orders, o.returned_orders,
           coalesce(v.customers, 0), coalesce(v.new_customers, 0)
    FROM (
        SELECT store_id, (order_date AT TIME ZONE 'UTC')::date AS day,
               coalesce(sum(total_amount) FILTER (WHERE sold_on IS NOT NULL), 0) AS revenue,
               count(sold_on) AS orders,
               count(*) FILTER (WHERE status = 'cancelled') AS cancelled_orders,
               count(*) FILTER (WHERE status = 'returned') AS returned_orders
        FROM retail.orders
        GROUP BY 1, 2
    ) AS o
    LEFT JOIN (
        SELECT c.store_id, v.day, count(*) AS customers, count(*) FILTER (WHERE v.nth = 1) AS new_customers
        FROM retail.customer_purchases AS c CROSS JOIN LATERAL unnest(c.days) WITH ORDINALITY AS v (day, nth)
        GROUP BY 1, 2
    ) AS v ON v.store_id = o.store_id AND v.day = o.day
    ORDER BY 1, 2;

    FOREACH target IN ARRAY totals LOOP
        EXECUTE format('ALTER TABLE retail.%I ENABLE TRIGGER USER', target);
    END LOOP;
END
$$;
COMMENT ON FUNCTION retail.fill_sales_totals() IS
    'Adds up all sales totals from orders and order_items, whose sold_on must be right';

CREATE OR REPLACE FUNCTION retail.rebuild_sales_totals() RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    ALTER TABLE retail.order_items DISABLE TRIGGER USER;
    UPDATE retail.order_items AS i
    SET sold_on = o.sold_on
    FROM retail.orders AS o
    WHERE o.order_id = i.order_id AND o.store_id = i.store_id AND i.sold_on IS DISTINCT FROM o.sold_on;
    ALTER TABLE retail.order_items ENABLE TRIGGER USER;
    PERFORM retail.fill_sales_totals();
END
$$;
COMMENT ON FUNCTION retail.rebuild_sales_totals() IS
    'Sets sold_on of all lines and adds up all sales totals, after rows were written without triggers; blocks writers';


-- Product search -------------------------------------------------------------

CREATE TABLE IF NOT EXISTS retail.product_description_embeddings (
    product_id            uuid                PRIMARY KEY REFERENCES retail.products ON DELETE CASCADE,
    description_embedding public.vector(1536) NOT NULL,
    embedding_model       varchar(200)        NOT NULL,
    text_hash             varchar(64)         NOT NULL,
    last_updated          timestamptz         NOT NULL DEFAULT now()
);
-- In the row: set aside, a vector is put together from four pieces whenever a
-- distance is computed, which takes three times as long as the distance.
DO $$
BEGIN
    IF (SELECT attstorage <> 'm' FROM pg_attribute
        WHERE attrelid = 'retail.product_description_embeddings'::regclass AND attname = 'description_embedding') THEN
        ALTER TABLE retail.product_description_embeddings ALTER COLUMN description_embedding SET STORAGE MAIN;
    END IF;
END
$$;
COMMENT ON TABLE retail.product_description_embeddings IS 'One vector per product, for search by meaning';
COMMENT ON COLUMN retail.product_description_embeddings.product_id IS 'The product';
COMMENT ON COLUMN retail.product_description_embeddings.description_embedding IS 'The embedded text; shorter vectors are padded with zeros, which leaves cosine unchanged';
COMMENT ON COLUMN retail.product_description_embeddings.embedding_model IS 'Model that made the vector; vectors of different models are not comparable';
COMMENT ON COLUMN retail.product_description_embeddings.text_hash IS 'SHA-256 of the embedded text, in hex';
COMMENT ON COLUMN retail.product_description_embeddings.last_updated IS 'When the vector was made, UTC';
-- HNSW, not ivfflat: ivfflat learns its lists from the rows that are there when
-- the index is built, and here there are none yet. index_product_embeddings()
-- builds it anew after a large load.
DO $$
BEGIN
    IF to_regclass('retail.idx_product_embeddings_short') IS NULL
        AND to_regclass('retail.idx_product_embeddings_vector') IS NULL THEN
        CREATE INDEX idx_product_embeddings_vector ON retail.product_description_embeddings
            USING hnsw (description_embedding public.vector_cosine_ops);
    END IF;
END
$$;

CREATE TABLE IF NOT EXISTS retail.product_search_words (
    product_id   uuid        PRIMARY KEY REFERENCES retail.products ON DELETE CASCADE,
    words        tsvector    NOT NULL,
    last_updated timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE retail.product_search_words IS 'Internal: the words of every product, for search by keyword; kept by triggers';
COMMENT ON COLUMN retail.product_search_words.product_id IS 'The product';
COMMENT ON COLUMN retail.product_search_words.words IS 'English stems: A of name and SKU, B of the type, C of the category, D of the description';
COMMENT ON COLUMN retail.product_search_words.last_updated IS 'When the words last changed, UTC';
DO $$ BEGIN PERFORM pg_temp.make_index('product_search_words_words_idx', $i$retail.product_search_words USING gin (words)$i$); END $$;

CREATE TABLE IF NOT EXISTS retail.search_vocabulary (
    word     text         PRIMARY KEY,
    stem     text         NOT NULL,
    products integer      NOT NULL CONSTRAINT search_vocabulary_products_positive CHECK (products > 0),
    rarity   numeric(6,3) NOT NULL
);
COMMENT ON TABLE retail.search_vocabulary IS 'Internal: every word of the catalogue, for spelling and for weighing a question''s words; triggers add new ones, refresh_search_vocabulary() counts all';
COMMENT ON COLUMN retail.search_vocabulary.word IS 'In lower case, as it is written';
COMMENT ON COLUMN retail.search_vocabulary.stem IS 'Its English stem, as in product_search_words';
COMMENT ON COLUMN retail.search_vocabulary.products IS 'How many products have the stem';
COMMENT ON COLUMN retail.search_vocabulary.rarity IS 'Inverse document frequency of the stem, ln(1 + (N - n + 0.5) / (n + 0.5))';
DO $$ BEGIN PERFORM pg_temp.make_index('search_vocabulary_stem_idx', $i$retail.search_vocabulary (stem)$i$); END $$;
DO $$ BEGIN PERFORM pg_temp.make_index('search_vocabulary_rarity_idx', $i$retail.search_vocabulary (rarity)$i$); END $$;
DO $$ BEGIN PERFORM pg_temp.make_index('search_vocabulary_products_idx', $i$retail.search_vocabulary (products)$i$); END $$;

CREATE OR REPLACE FUNCTION retail.keep_search_words(product_ids uuid[]) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO retail.product_search_words AS kept (product_id, words)
    SELECT p.product_id,
           setweight(to_tsvector('english', p.sku || ' ' || p.name), 'A')
               || setweight(to_tsvector('english', t.name), 'B')
               || setweight(to_tsvector('english', c.name), 'C')
               || setweight(to_tsvector('english', p.description), 'D')
    FROM retail.products AS p
    JOIN retail.product_types AS t ON t.type_id = p.type_id
    JOIN retail.categories AS c ON c.category_id = p.category_id
    WHERE p.product_id = ANY (product_ids)
    ON CONFLICT (product_id) DO UPDATE SET words = EXCLUDED.words, last_updated = now()
        WHERE kept.words <> EXCLUDED.words;
END;
COMMENT ON FUNCTION retail.keep_search_words(uuid[]) IS
    'Brings the words of some products up to date; for the triggers';

-- So that a new product's words are known at once: else they would be mended away
-- as misspelt until the vocabulary is made anew. In one order, so that two
-- transactions with the same new words wait for each other and do not lock up.
CREATE OR REPLACE FUNCTION retail.add_search_vocabulary(product_ids uuid[]) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO retail.search_vocabulary (word, stem, products, rarity)
    SELECT written.word, stemmed[1], coalesce(known.products, 1),
           coalesce(known.rarity, (SELECT max(v.rarity) FROM retail.search_vocabulary AS v), 1)
    FROM (
        SELECT DISTINCT lexeme AS word
        FROM retail.products AS p
        JOIN retail.product_types AS t ON t.type_id = p.type_id
        JOIN retail.categories AS c ON c.category_id = p.category_id
        -- Not of those whose price alone has changed.
        JOIN retail.product_search_words AS w ON w.product_id = p.product_id AND w.last_updated = now()
        CROSS JOIN LATERAL unnest(tsvector_to_array(to_tsvector(
            'simple', concat_ws(' ', p.name, t.name, c.name, p.description)))) AS lexeme
        WHERE p.product_id = ANY (product_ids)
    ) AS written
    CROSS JOIN LATERAL ts_lexize('english_stem', written.word) AS stemmed
    LEFT JOIN LATERAL (
        SELECT v.products, v.rarity FROM retail.search_vocabulary AS v WHERE v.stem = stemmed[1] LIMIT 1
    ) AS known ON true
    WHERE stemmed[1] IS NOT NULL
        AND NOT EXISTS (SELECT FROM retail.search_vocabulary AS v WHERE v.word = written.word)
    ORDER BY written.word
    ON CONFLICT (word) DO NOTHING;
END;
COMMENT ON FUNCTION retail.add_search_vocabulary(uuid[]) IS
    'Adds the words that the vocabulary lacks of those products whose words this transaction has changed; for the triggers';

CREATE OR REPLACE FUNCTION retail.products_changed() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    product_ids uuid[] := ARRAY(SELECT c.product_id FROM changed AS c);
BEGIN
    PERFORM retail.keep_search_words(product_ids);
    PERFORM retail.add_search_vocabulary(product_ids);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION retail.products_changed() IS
    'Trigger: brings the words of new and changed products up to date';

CREATE OR REPLACE FUNCTION retail.product_group_renamed() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    product_ids uuid[] := ARRAY(
        SELECT p.product_id
        FROM retail.products AS p
        WHERE CASE TG_TABLE_NAME
                  WHEN 'categories' THEN p.category_id = (to_jsonb(NEW) ->> 'category_id')::uuid
                  ELSE p.type_id = (to_jsonb(NEW) ->> 'type_id')::uuid
              END
    );
BEGIN
    PERFORM retail.keep_search_words(product_ids);
    PERFORM retail.add_search_vocabulary(product_ids[:1]); -- one has the group's new words
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION retail.product_group_renamed() IS
    'Trigger: brings the words of the products of a renamed type or category up to date';

-- A trigger with a transition table serves one event only.
DO $$
BEGIN
    PERFORM pg_temp.make_trigger('products_search_words_insert', 'AFTER INSERT', 'retail.products',
        'REFERENCING NEW TABLE AS changed FOR EACH STATEMENT', 'products_changed');
    PERFORM pg_temp.make_trigger('products_search_words_update', 'AFTER UPDATE', 'retail.products',
        'REFERENCING NEW TABLE AS changed FOR EACH STATEMENT', 'products_changed');
    PERFORM pg_temp.make_trigger('product_types_search_words', 'AFTER UPDATE OF name', 'retail.product_types',
        'FOR EACH ROW', 'product_group_renamed');
    PERFORM pg_temp.make_trigger('categories_search_words', 'AFTER UPDATE OF name', 'retail.categories',
        'FOR EACH ROW', 'product_group_renamed');
END
$$;

-- Products from before these triggers.
DO $$
BEGIN
    PERFORM retail.keep_search_words(ARRAY(
        SELECT p.product_id
        FROM retail.products AS p
        WHERE NOT EXISTS (SELECT FROM retail.product_search_words AS w WHERE w.product_id = p.product_id)
    ));
END
$$;

CREATE OR REPLACE FUNCTION retail.refresh_search_vocabulary() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    words bigint;
BEGIN
    DELETE FROM retail.search_vocabulary;
    INSERT INTO retail.search_vocabulary (word, stem, products, rarity)
    SELECT written.word, stems.stem, stems.products,
           ln(1 + (whole.products - stems.products + 0.5) / (stems.products + 0.5))
    FROM (
        SELECT DISTINCT lexeme AS word
        FROM retail.products AS p
        JOIN retail.product_types AS t ON t.type_id = p.type_id
        JOIN retail.categories AS c ON c.category_id = p.category_id
        CROSS JOIN LATERAL unnest(tsvector_to_array(to_tsvector(
            'simple', concat_ws(' ', p.name, t.name, c.name, p.description)))) AS lexeme
    ) AS written
    CROSS JOIN LATERAL ts_lexize('english_stem', written.word) AS stemmed
    JOIN (
        SELECT found.stem, count(*) AS products
        FROM retail.product_search_words AS w CROSS JOIN LATERAL unnest(tsvector_to_array(w.words)) AS found (stem)
        GROUP BY found.stem
    ) AS stems ON stems.stem = stemmed[1]
    CROSS JOIN (SELECT count(*)::numeric AS products FROM retail.product_search_words) AS whole;
    GET DIAGNOSTICS words = ROW_COUNT;
    RETURN words;
END
$$;
COMMENT ON FUNCTION retail.refresh_search_vocabulary() IS
    'Makes the vocabulary of the catalogue anew and returns how many words it has; after many products have changed';

CREATE OR REPLACE FUNCTION retail.index_product_embeddings(dimensions integer) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Vectors of no more than 256 dimensions are padded with zeros, which say
    -- nothing: indexing the rest gives the same distances from a twelfth of the
    -- bytes (6 of a dimension's 4 bytes * 1536 become 2 bytes * 256).
    IF dimensions <= 256 THEN
        DROP INDEX IF EXISTS retail.idx_product_embeddings_vector;
        CREATE INDEX IF NOT EXISTS idx_product_embeddings_short ON retail.product_description_embeddings
            USING hnsw ((public.subvector(description_embedding, 1, 256)::public.halfvec(256)) public.halfvec_cosine_ops)
            -- Twice pgvector's default: with that a million products have builds that find
            -- 93 of 100 nearest, and looking longer does not help.
            WITH (ef_construction = 128);
        RETURN 'idx_product_embeddings_short';
    END IF;
    DROP INDEX IF EXISTS retail.idx_product_embeddings_short;
    CREATE INDEX IF NOT EXISTS idx_product_embeddings_vector ON retail.product_description_embeddings
        USING hnsw (description_embedding public.vector_cosine_ops);
    RETURN 'idx_product_embeddings_vector';
END
$$;
COMMENT ON FUNCTION retail.index_product_embeddings(integer) IS
    'Builds the index that suits vectors of so many dimensions and drops the other; returns its name';

CREATE OR REPLACE FUNCTION retail.nearest_products(
    query_embedding public.vector(1536),
    max_results     integer,
    category        uuid DEFAULT NULL,
    min_price       numeric DEFAULT NULL,
    max_price       numeric DEFAULT NULL,
    in_stock_only   boolean DEFAULT false
) RETURNS TABLE (product_id uuid, distance double precision)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 50
    SET search_path = pg_catalog, pg_temp
    -- Filters come after the index: it goes on until enough products have passed, or
    -- it has seen 10,000. What it finds is put in order in the end.
    SET hnsw.iterative_scan = relaxed_order
    SET hnsw.max_scan_tuples = 10000
    -- Of a million products it finds 98 of 100 nearest; docs/search.md has the figures.
    SET hnsw.ef_search = 400
    -- Whoever calls may have asked for generic plans; here the number of rows asked for
    -- decides whether the index pays.
    SET plan_cache_mode = auto
AS $$
DECLARE
    -- Ordered by the distance itself and limited, or no index would serve it.
    closeness   text := 'e.description_embedding OPERATOR(public.<=>) $1';
    filter      text := '';
    is_filtered boolean := in_stock_only OR num_nonnulls(category, min_price, max_price) > 0;
    has_short   boolean := to_regclass('retail.idx_product_embeddings_short') IS NOT NULL;
BEGIN
    IF NOT (is_filtered OR has_short) THEN
        -- Where all vectors are compared anyway this plan is kept, and not made again.
        RETURN QUERY
        SELECT nearest.product_id, nearest.distance
        FROM (
            SELECT e.product_id, e.description_embedding OPERATOR(public.<=>) query_embedding AS distance
            FROM retail.product_description_embeddings AS e
            ORDER BY e.description_embedding OPERATOR(public.<=>) query_embedding
            LIMIT max_results
        ) AS nearest
        ORDER BY nearest.distance, nearest.product_id;
        RETURN;
    END IF;
    IF has_short THEN
        closeness := 'public.subvector(e.description_embedding, 1, 256)::public.halfvec(256)'
            ' OPERATOR(public.<=>) public.subvector($1, 1, 256)::public.halfvec(256)';
    END IF;
    IF is_filtered THEN
        filter := 'JOIN retail.products AS p ON p.product_id = e.product_id'
            ' WHERE ($3 IS NULL OR p.category_id = $3)'
            ' AND ($4 IS NULL OR p.base_price >= $4) AND ($5 IS NULL OR p.base_price <= $5)'
            ' AND (NOT $6 OR EXISTS (SELECT FROM retail.inventory AS i'
            ' WHERE i.product_id = p.product_id AND i.stock_level > 0))';
    END IF;
    -- Planned for these very arguments: what a filter leaves decides between the
    -- index and all the vectors. The short index holds half-precision numbers, so
    -- the exact distance has the last word.
    RETURN QUERY EXECUTE format(
        'SELECT nearest.product_id, nearest.description_embedding OPERATOR(public.<=>) $1 AS distance'
        ' FROM (SELECT e.product_id, e.description_embedding'
        ' FROM retail.product_description_embeddings AS e %s ORDER BY %s LIMIT $2) AS nearest'
        ' ORDER BY distance, nearest.product_id',
        filter, closeness
    ) USING query_embedding, max_results, category, min_price, max_price, in_stock_only;
END
$$;
COMMENT ON FUNCTION retail.nearest_products(public.vector, integer, uuid, numeric, numeric, boolean) IS
    'The products whose vectors are nearest to a query''s (cosine distance), of a category, a price range, in stock for the caller';

-- Of a database that an earlier version loaded: it took other arguments.
DROP FUNCTION IF EXISTS retail.search_products(
    text, public.vector, double precision, integer, integer, integer, uuid, numeric, numeric, boolean, boolean,
    double precision, double precision, double precision, double precision, double precision, double precision, double precision);
CREATE OR REPLACE FUNCTION retail.search_products(
    asked_words              text,
    asked_vector             public.vector(1536),
    asked_threshold          double precision,
    asked_depth              integer,
    asked_max_rows           integer,
    asked_most_words         integer,
    asked_category_id        uuid,
    asked_min_price          numeric,
    asked_max_price          numeric,
    asked_in_stock_only      boolean,
    asked_is_filtered        boolean,
    asked_weight_name        double precision,
    asked_weight_type        double precision,
    asked_weight_description double precision,
    asked_weight_category    double precision,
    asked_share_bonus        double precision,
    asked_strange_malus      double precision,
    asked_strange_head       double precision,
    asked_mention_malus      double precision,
    asked_headless_share     double precision
) RETURNS TABLE (
    sku varchar, name varchar, description text, category varchar, type varchar, price numeric, similarity numeric,
    found_by text, stock bigint, stock_by_store jsonb, embedding_model varchar
)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    -- The plan takes as long to make as to run, and the arguments do not change it.
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        -- The question's stems. One that the catalogue lacks is as rare as any. One that names
        -- no product or type is strange, though a description may mention it. The last is the
        -- head: a lawn mower is a mower.
        SELECT q.lexeme AS stem, quoted.stem AS quoted, quoted.stem::tsquery AS anywhere,
               (quoted.stem || ':A')::tsquery AS in_name, (quoted.stem || ':B')::tsquery AS in_type,
               (quoted.stem || ':D')::tsquery AS in_description,
               coalesce(v.products, 0) AS products,
               v.products IS NULL OR v.products <= asked_most_words AND NOT EXISTS (
                   SELECT FROM retail.product_search_words AS k WHERE k.words @@ (quoted.stem || ':AB')::tsquery) AS is_strange,
               q.positions[cardinality(q.positions)] = max(q.positions[cardinality(q.positions)]) OVER () AS is_head,
               coalesce(v.rarity, (SELECT max(a.rarity) FROM retail.search_vocabulary AS a), 1)::float8 AS rarity
        -- Of "lawn-mower" to_tsvector would make three stems, the whole and its parts.
        FROM unnest(to_tsvector('english', regexp_replace(asked_words, '([[:alpha:]])-(?=[[:alpha:]])', '\1 ', 'g'))) AS q
        CROSS JOIN LATERAL (
            -- As tsquery's own syntax quotes a lexeme, which is not as a literal is.
            SELECT '''' || replace(replace(q.lexeme, '\', '\\'), '''', '''''') || '''' AS stem
        ) AS quoted
        LEFT JOIN LATERAL (
            SELECT s.products, s.rarity FROM retail.search_vocabulary AS s WHERE s.stem = q.lexeme LIMIT 1
        ) AS v ON true
        ORDER BY rarity DESC, stem
        LIMIT 32
    ), whole AS MATERIALIZED (
        -- The weight of the question, and how much of it is strange. A long question tells
        -- a use or a problem, in words that name nothing; a short one names a thing.
        SELECT w.rarity, w.is_short, w.shortness,
               w.shortness * greatest(w.strange_share, CASE WHEN w.is_short AND w.has_strange_head THEN asked_strange_head END) AS strangeness
        FROM (
            SELECT sum(a.rarity) AS rarity, count(*) <= 2 AS is_short, least(2.0 / nullif(count(*), 0), 1)::float8 AS shortness,
                   coalesce(sum(a.rarity) FILTER (WHERE a.is_strange) / sum(a.rarity), 0) AS strange_share,
                   coalesce(bool_or(a.is_strange AND a.is_head), false) AS has_strange_head
            FROM asked AS a
        ) AS w
    ), selective AS MATERIALIZED (
        -- Rare stems find products, as long as these are few enough to be ranked. The
        -- commoner ones only rank. Where even the rarest is common it finds those
        -- that have another of the stems as well; if it is very common, reading them
        -- would cost more than the vectors do, so the vectors find alone.
        SELECT CASE
                   WHEN coalesce(min(s.products) FILTER (WHERE s.products > 0), 0) <= asked_most_words
                       THEN string_agg(s.quoted, ' | ') FILTER (WHERE s.found <= asked_most_words)
                   WHEN min(s.products) FILTER (WHERE s.products > 0) <= 20 * asked_most_words OR asked_vector IS NULL
                       THEN concat_ws(' & ', min(s.quoted) FILTER (WHERE s.place = 1),
                                      '(' || string_agg(s.quoted, ' | ') FILTER (WHERE s.products > 0 AND s.place > 1) || ')')
               END::tsquery AS query
        FROM (
            SELECT a.quoted, a.products, sum(a.products) OVER nth AS found,
                   row_number() OVER (PARTITION BY a.products > 0 ORDER BY a.products, a.stem) * (a.products > 0)::integer AS place
            FROM asked AS a
            WINDOW nth AS (ORDER BY a.products, a.stem)
        ) AS s
    ), near AS MATERIALIZED (
        SELECT n.product_id, n.distance
        FROM retail.nearest_products(
            asked_vector, asked_depth, asked_category_id,
            asked_min_price, asked_max_price, asked_in_stock_only) AS n
    ), worded AS MATERIALIZED (
        SELECT w.product_id, w.words
        FROM (
            SELECT k.product_id, k.words
            FROM retail.product_search_words AS k
            WHERE k.words @@ (SELECT s.query FROM selective AS s)
            LIMIT asked_most_words
        ) AS w
        WHERE NOT asked_is_filtered OR EXISTS (
            SELECT FROM retail.products AS p
            WHERE p.product_id = w.product_id
                AND (asked_category_id IS NULL OR p.category_id = asked_category_id)
                AND (asked_min_price IS NULL OR p.base_price >= asked_min_price)
                AND (asked_max_price IS NULL OR p.base_price <= asked_max_price)
                AND (NOT asked_in_stock_only OR EXISTS (
                    SELECT FROM retail.inventory AS i WHERE i.product_id = p.product_id AND i.stock_level > 0)))
    ), found AS (
        SELECT coalesce(w.product_id, n.product_id) AS product_id, n.distance,
               coalesce(w.words, (SELECT k.words FROM retail.product_search_words AS k WHERE k.product_id = n.product_id)) AS words
        FROM worded AS w
        FULL JOIN near AS n ON n.product_id = w.product_id
        OFFSET 0 -- computed once a product, however often it is named below
    ), shares AS (
        -- How much of the question a product's words cover, 0 to 1.
        SELECT f.product_id, f.distance,
               coalesce((
                   SELECT sum(a.rarity * CASE WHEN f.words @@ a.in_name THEN asked_weight_name
                                              WHEN f.words @@ a.in_type THEN asked_weight_type
                                              WHEN f.words @@ a.in_description THEN asked_weight_description
                                              ELSE asked_weight_category END)
                   FROM asked AS a
                   WHERE f.words @@ a.anywhere
               ) / nullif((SELECT whole.rarity FROM whole), 0), 0) AS share,
               -- As much of it is a mere mention of what the product is not.
               coalesce((
                   SELECT sum(a.rarity) FROM asked AS a WHERE a.is_strange AND f.words @@ a.in_description
               ) * asked_weight_description / nullif((SELECT whole.rarity FROM whole), 0), 0) AS mention,
               -- How much a share counts that lacks the head of a short question.
               coalesce((
                   SELECT CASE WHEN NOT whole.is_short OR f.words @@ a.in_name OR f.words @@ a.in_type THEN 1
                               WHEN f.words @@ a.in_description THEN (1 + asked_headless_share) / 2
                               ELSE asked_headless_share END
                   FROM asked AS a CROSS JOIN whole
                   WHERE a.is_head
                   LIMIT 1
               ), 1) AS head
        FROM found AS f
        OFFSET 0 -- likewise
    ), ranked AS (
        SELECT s.product_id, s.distance, s.share, s.mention, s.head,
               CASE WHEN s.distance IS NOT NULL THEN row_number() OVER (ORDER BY s.distance, s.product_id) END AS near_rank,
               CASE WHEN s.share > 0 THEN row_number() OVER (ORDER BY s.share DESC, s.distance, s.product_id) END AS word_rank
        FROM shares AS s
    ), fused AS MATERIALIZED (
        SELECT r.product_id, r.distance, r.share, r.mention, r.head, r.near_rank, r.word_rank
        FROM ranked AS r
        WHERE r.near_rank IS NOT NULL OR r.word_rank <= asked_depth
        LIMIT 200 -- depth twice, at most: so the planner knows that these are few
    ), judged AS (
        SELECT f.*, p.sku, p.name, p.description, p.base_price, p.category_id, p.type_id,
               CASE
                   WHEN lower(p.sku) = lower(btrim(asked_words)) THEN 1
                   WHEN closeness.cosine IS NULL THEN f.share
                   WHEN whole.rarity IS NULL THEN greatest(closeness.cosine, 0)
                   ELSE greatest(closeness.cosine - asked_strange_malus * whole.strangeness
                                 + asked_share_bonus * f.head * (1 - closeness.cosine)
                                   * greatest(f.share - asked_mention_malus * whole.shortness * f.mention, 0), 0)
               END AS similarity
        FROM fused AS f
        JOIN retail.products AS p ON p.product_id = f.product_id
        CROSS JOIN whole
        CROSS JOIN LATERAL (
            SELECT 1 - coalesce(f.distance, (
                SELECT e.description_embedding OPERATOR(public.<=>) asked_vector
                FROM retail.product_description_embeddings AS e
                WHERE e.product_id = f.product_id)) AS cosine
            OFFSET 0
        ) AS closeness
    ), best AS MATERIALIZED (
        SELECT j.*
        FROM judged AS j
        WHERE j.similarity >= asked_threshold
        ORDER BY j.similarity DESC, j.sku
        LIMIT asked_max_rows
    )
    SELECT b.sku, b.name, b.description, c.name AS category, t.name AS type, b.base_price AS price,
           round(least(b.similarity, 1)::numeric, 4) AS similarity,
           CASE WHEN b.near_rank IS NULL THEN 'words' WHEN b.word_rank IS NULL THEN 'meaning' ELSE 'both' END AS found_by,
           coalesce(stock.units, 0) AS stock, coalesce(stock.by_store, '{}') AS stock_by_store,
           (SELECT e.embedding_model FROM retail.product_description_embeddings AS e WHERE e.product_id = b.product_id)
    FROM best AS b
    JOIN retail.categories AS c ON c.category_id = b.category_id
    JOIN retail.product_types AS t ON t.type_id = b.type_id
    LEFT JOIN LATERAL (
        SELECT sum(i.stock_level) AS units, jsonb_object_agg(s.name, i.stock_level) AS by_store
        FROM retail.inventory AS i
        JOIN retail.stores AS s ON s.store_id = i.store_id
        WHERE i.product_id = b.product_id
    ) AS stock ON true
    ORDER BY b.similarity DESC, b.sku;
END
$$;
COMMENT ON FUNCTION retail.search_products IS
    'Products for a question by its vector and by its words, the most similar first, with the caller''s stock; the server''s product search';

CREATE OR REPLACE FUNCTION retail.search_products_by_description(
    query_embedding      public.vector(1536),
    similarity_threshold double precision DEFAULT 0.7,
    max_results          integer DEFAULT 20
) RETURNS TABLE (product_id uuid, name varchar, description text, similarity_score double precision)
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- The threshold only cuts the tail of the nearest: the index serves them.
    RETURN QUERY
    SELECT p.product_id, p.name, p.description, 1 - nearest.distance
    FROM retail.nearest_products(query_embedding, max_results) AS nearest
    JOIN retail.products AS p ON p.product_id = nearest.product_id
    WHERE nearest.distance <= 1 - similarity_threshold
    ORDER BY nearest.distance, p.product_id;
END
$$;
COMMENT ON FUNCTION retail.search_products_by_description(public.vector, double precision, integer) IS
    'Products whose embedded description is at least similarity_threshold (cosine, 0..1) close to a query''s vector, nearest first';
REVOKE ALL ON FUNCTION
    retail.nearest_products(public.vector, integer, uuid, numeric, numeric, boolean),
    retail.search_products_by_description(public.vector, double precision, integer),
    retail.search_products(
        text, public.vector, double precision, integer, integer, integer, uuid, numeric, numeric, boolean, boolean,
        double precision, double precision, double precision, double precision, double precision, double precision, double precision,
        double precision, double precision),
    retail.keep_search_words(uuid[]), retail.add_search_vocabulary(uuid[]), retail.products_changed(), retail.product_group_renamed(),
    retail.refresh_search_vocabulary(), retail.index_product_embeddings(integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    retail.nearest_products(public.vector, integer, uuid, numeric, numeric, boolean),
    retail.search_products_by_description(public.vector, double precision, integer),
    retail.search_products(
        text, public.vector, double precision, integer, integer, integer, uuid, numeric, numeric, boolean, boolean,
        double precision, double precision, double precision, double precision, double precision, double precision, double precision,
        double precision, double precision)
TO store_managers, regional_managers;


-- Grants and policies --------------------------------------------------------
-- Managers read and do nothing else. Each policy compares store_id with a
-- scalar subselect, which runs once a query and lets an index serve it. FORCE
-- binds the owner as well, hence the owner's own policy: it loads the data and
-- lets the identity functions read.

-- They may read every column of a table but not the system columns: ctid tells how large the
-- whole table is, xmin how busy other stores are.
DO $$
DECLARE
    target regclass;
    open_columns text;
BEGIN
    FOREACH target IN ARRAY ARRAY[
        'retail.stores', 'retail.customers', 'retail.orders', 'retail.order_items', 'retail.inventory',
        'retail.daily_sales', 'retail.daily_product_sales', 'retail.monthly_product_sales',
        'retail.daily_repeat_customers', 'retail.monthly_repeat_customers', 'retail.customer_purchases', 'retail.product_pairs',
        'retail.categories', 'retail.product_types', 'retail.products', 'retail.product_description_embeddings',
        'retail.product_search_words', 'retail.search_vocabulary'
    ]::regclass[] LOOP
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
        INTO open_columns
        FROM pg_attribute
        WHERE attrelid = target AND attnum > 0 AND NOT attisdropped;
        EXECUTE format('REVOKE SELECT ON %s FROM store_managers, regional_managers', target);
        EXECUTE format('GRANT SELECT (%s) ON %s TO store_managers, regional_managers', open_columns, target);
    END LOOP;
END
$$;

-- Of regional_manager_stores managers have no grant; the policies bind whoever is given one later.
-- A policy that is as it should be is left alone: to make it anew would lock the table. Names print in full.
SET LOCAL search_path = pg_catalog;
DO $$
DECLARE
    target text;
    policy record;
    relation regclass;
BEGIN
    FOREACH target IN ARRAY ARRAY[
        'stores', 'customers', 'orders', 'order_items', 'inventory', 'regional_manager_stores',
        'daily_sales', 'daily_product_sales', 'monthly_product_sales',
        'daily_repeat_customers', 'monthly_repeat_customers', 'customer_purchases', 'product_pairs'
    ] LOOP
        relation := format('retail.%I', target)::regclass;
        IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = relation) THEN
            EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
        END IF;
        IF NOT (SELECT relforcerowsecurity FROM pg_class WHERE oid = relation) THEN
            EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', relation);
        END IF;
        FOR policy IN SELECT * FROM (VALUES
            ('store_manager_', 'r', 'SELECT', 'store_managers',
             '(store_id = ( SELECT retail.get_current_user_store() AS get_current_user_store))', ''),
            ('regional_manager_', 'r', 'SELECT', 'regional_managers',
             '(store_id = ANY (( SELECT retail.get_user_store_list() AS get_user_store_list)::uuid[]))', ''),
            ('owner_', '*', 'ALL', 'zava_owner', 'true', ' WITH CHECK (true)')
        ) AS p (prefix, command, operation, role_name, shows, rest) LOOP
            CONTINUE WHEN EXISTS (
                SELECT FROM pg_policy AS k
                WHERE k.polrelid = relation AND k.polname = policy.prefix || target AND k.polpermissive
                    AND k.polcmd = policy.command::"char" AND k.polroles = ARRAY[policy.role_name::regrole::oid]
                    AND pg_get_expr(k.polqual, k.polrelid) = policy.shows);
            EXECUTE format('DROP POLICY IF EXISTS %I ON %s', policy.prefix || target, relation);
            EXECUTE format('CREATE POLICY %I ON %s FOR %s TO %I USING (%s)%s', policy.prefix || target, relation,
                           policy.operation, policy.role_name, policy.shows, policy.rest);
        END LOOP;
    END LOOP;
END
$$;
RESET search_path;

DO $$
DECLARE
    stamped regclass;
BEGIN
    FOR stamped IN
        SELECT a.attrelid::regclass
        FROM pg_attribute AS a
        JOIN pg_class AS c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'retail'::regnamespace AND c.relkind = 'r'
            AND c.relowner = 'zava_owner'::regrole  -- not what the operator has added
            AND a.attname = 'updated_at' AND NOT a.attisdropped
    LOOP
        PERFORM pg_temp.make_trigger('set_updated_at', 'BEFORE UPDATE', stamped, 'FOR EACH ROW', 'set_updated_at');
    END LOOP;
END
$$;

-- The totals: which statement on which table calls what. A trigger with transition
-- tables serves one kind of statement only.
DO $$
DECLARE
    source record;
    target text;
BEGIN
    PERFORM pg_temp.make_trigger('set_sold_on', 'BEFORE INSERT OR UPDATE OF order_id, store_id, sold_on',
        'retail.order_items', 'FOR EACH ROW', 'set_sold_on');
    FOR source IN SELECT * FROM (VALUES
        ('orders', 'INSERT', 'total_orders'), ('orders', 'UPDATE', 'total_orders'), ('orders', 'DELETE', 'total_orders'),
        ('order_items', 'INSERT', 'total_order_items'), ('order_items', 'UPDATE', 'total_order_items'),
        ('order_items', 'DELETE', 'total_order_items'),
        -- Rows come without days and baskets, so their insertion adds nothing.
        ('customer_purchases', 'UPDATE', 'total_purchases'), ('customer_purchases', 'DELETE', 'total_purchases')
    ) AS sources (name, operation, function) LOOP
        PERFORM pg_temp.make_trigger(
            'total_' || lower(source.operation), 'AFTER ' || source.operation, format('retail.%I', source.name)::regclass,
            concat_ws(' ', 'REFERENCING', CASE WHEN source.operation <> 'DELETE' THEN 'NEW TABLE AS new_rows' END,
                      CASE WHEN source.operation <> 'INSERT' THEN 'OLD TABLE AS old_rows' END, 'FOR EACH STATEMENT'),
            source.function);
    END LOOP;
    FOREACH target IN ARRAY ARRAY['orders', 'order_items'] LOOP
        PERFORM pg_temp.make_trigger('total_truncate', 'AFTER TRUNCATE', format('retail.%I', target)::regclass,
            'FOR EACH STATEMENT', 'empty_sales_totals');
    END LOOP;
    FOREACH target IN ARRAY ARRAY[
        'daily_sales', 'daily_product_sales', 'monthly_product_sales',
        'daily_repeat_customers', 'monthly_repeat_customers', 'customer_purchases', 'product_pairs'
    ] LOOP
        PERFORM pg_temp.make_trigger('refuse_direct_write', 'BEFORE INSERT OR UPDATE OR DELETE',
            format('retail.%I', target)::regclass, 'FOR EACH STATEMENT', 'refuse_direct_write');
    END LOOP;

    -- A database of an earlier version: its orders have never been added up, or not so.
    IF (NOT EXISTS (SELECT FROM retail.daily_sales) AND EXISTS (SELECT FROM retail.orders))
        OR (NOT EXISTS (SELECT FROM retail.customer_purchases)
            AND EXISTS (SELECT FROM retail.orders WHERE sold_on IS NOT NULL)) THEN
        PERFORM retail.rebuild_sales_totals();
    END IF;
END
$$;

RESET ROLE;


-- Server locks (superuser) ---------------------------------------------------
-- What a SELECT could misuse is taken from PUBLIC, in this database only.
-- Monitoring keeps working: pg_monitor is given the statistics that PUBLIC loses.

DO $$
DECLARE
    -- Name patterns of functions, of pg_catalog and of extensions in any schema.
    misused_functions CONSTANT text[] := ARRAY[
        'set\_config',                               -- would switch the tenant inside a SELECT
        'current\_setting',                         -- server settings and file names
        'pg\_advisory\_%', 'pg\_try\_advisory\_%',  -- outlive the transaction on a pooled connection
        'setseed', 'set\_limit',                    -- likewise; set_limit is of pg_trgm
        'pg\_sleep%', 'pg\_notify', 'pg\_listening\_channels',
        'pg\_logical\_emit\_message', 'pg\_export\_snapshot',
        'lo\_%', 'loread', 'lowrite',               -- large objects
        '%\_to\_xml', '%\_to\_xml\_and\_xmlschema', '%\_to\_xmlschema',
        'ts\_stat', 'ts\_rewrite',                  -- run text as SQL
        'dblink%', 'crosstab%', 'connectby%', 'xpath\_table',
        'currtid%',                                 -- whether a place in a table is taken
        -- Look for no cancellation, and take the square of their arguments' points.
        'path\_distance', 'path\_inter', 'poly\_overlap', 'poly\_contain', 'poly\_contained', 'poly\_distance', 'poly\_same',
        -- PostgreSQL lets nobody signal another role's session; but to try every
        -- number tells which are taken, and writes a warning for each that is not.
        'pg\_cancel\_backend', 'pg\_terminate\_backend'
    ];
    monitoring_functions CONSTANT text[] := ARRAY[
        'pg\_stat\_%', 'pg\_lock\_status', 'pg\_blocking\_pids', 'pg\_safe\_snapshot\_blocking\_pids',
        'pg\_cursor', 'pg\_prepared\_statement', 'pg\_prepared\_xact', 'pg\_get\_replication\_slots',
        'pg\_relation\_size', 'pg\_total\_relation\_size', 'pg\_table\_size', 'pg\_indexes\_size',
        'pg\_database\_size', 'pg\_tablespace\_size',
        'pg\_relation\_filepath', 'pg\_relation\_filenode', 'pg\_filenode\_relation', 'pg\_tablespace\_location',
        'pg\_show\_all\_settings', 'pg\_control\_%', 'inet\_server\_%', 'inet\_client\_%',
        'pg\_current\_wal\_%', 'pg\_last\_wal\_%', 'pg\_last\_xact\_replay\_timestamp', -- how much is written
        'pg\_available\_wal\_summaries', 'pg\_wal\_summary\_contents', 'pg\_get\_wal\_%',
        'pg\_xact\_commit\_timestamp%', 'pg\_last\_committed\_xact', 'pg\_notification\_queue\_usage',
        'pg\_get\_loaded\_modules',                 -- file names
        'txid\_%', 'pg\_current\_xact\_id%', 'pg\_current\_snapshot', 'pg\_xact\_status', 'mxid\_age',
        'pg\_get\_multixact%', 'pg\_column\_toast\_chunk\_id', -- counters that all stores' writes move
        'pg\_isolation\_test\_%',                  -- whether another session waits for a lock
        'pg\_tablespace\_databases'
    ];
    monitoring_views CONSTANT text[] := ARRAY[
        'pg\_stat\_%', 'pg\_statio\_%', 'pg\_locks', 'pg\_cursors', 'pg\_settings',
        'pg\_prepared\_statements', 'pg\_prepared\_xacts', 'pg\_replication\_slots',
        'pg\_db\_role\_setting', 'pg\_foreign\_server'  -- settings and hosts; tables, in truth
    ];
    target text;
    watched boolean;
    open_columns text;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE WARNING 'zava: % is not a superuser, so the server locks were skipped', current_user
            USING HINT = 'Have a superuser load schema.sql once more. Until then a query can read server settings and statistics and become its login again, so zava serves logins only that may act as one person: give each a login with `zava login add`.';
        RETURN;
    END IF;

    FOR target, watched IN
        -- pg_monitor gets what everybody had, nothing that PostgreSQL keeps to superusers.
        SELECT p.oid::regprocedure::text, NOT p.proname LIKE ANY (misused_functions) AND NOT EXISTS (
            SELECT FROM pg_init_privs AS i WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid)
        FROM pg_proc AS p
        WHERE (p.proname LIKE ANY (misused_functions || monitoring_functions)
                OR p.oid = 'pg_catalog.age(xid)'::regprocedure)  -- age('3') is the count of transactions
            AND p.pronamespace <> 'retail'::regnamespace
            AND NOT (p.proname = 'ts_rewrite' AND p.pronargs = 3)  -- runs no text
    LOOP
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', target);
        IF watched THEN
            EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO pg_monitor', target);
        END IF;
    END LOOP;
    -- An earlier version of this file gave pg_monitor these too.
    FOR target IN
        SELECT p.oid::regprocedure::text
        FROM pg_proc AS p
        JOIN pg_init_privs AS i ON i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid
        WHERE p.proname LIKE ANY (monitoring_functions)
            AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) AS a WHERE a.grantee = 'pg_monitor'::regrole)
            AND EXISTS (SELECT FROM aclexplode(p.proacl) AS a WHERE a.grantee = 'pg_monitor'::regrole)
    LOOP
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM pg_monitor', target);
    END LOOP;
    -- The identity functions write and read the two settings.
    GRANT EXECUTE ON FUNCTION pg_catalog.current_setting(text), pg_catalog.current_setting(text, boolean),
        pg_catalog.set_config(text, text, boolean) TO zava_owner;
    GRANT EXECUTE ON FUNCTION pg_catalog.pg_cancel_backend(integer), pg_catalog.pg_terminate_backend(integer, bigint)
        TO pg_signal_backend;

    FOR target IN
        SELECT c.oid::regclass::text
        FROM pg_class AS c
        WHERE c.relname LIKE ANY (monitoring_views)
            AND c.relkind IN ('r', 'v') AND c.relnamespace = 'pg_catalog'::regnamespace
    LOOP
        EXECUTE format('REVOKE SELECT ON %s FROM PUBLIC', target);
        EXECUTE format('GRANT SELECT ON %s TO pg_monitor', target);
    END LOOP;

    -- Of the catalogue's own relations only the columns with counts of rows, pages and transactions, and other
    -- logins' settings, so that catalogue queries keep working.
    FOR target, open_columns IN
        SELECT c.oid::regclass::text, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
        FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND (a.attnum > 0 OR a.attname = 'tableoid') AND NOT a.attisdropped
        WHERE c.oid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_database'::regclass,
                        'pg_catalog.pg_roles'::regclass, 'pg_catalog.pg_user'::regclass)
            AND a.attname NOT IN (
                'reltuples', 'relpages', 'relallvisible', 'relallfrozen', 'relfrozenxid', 'relminmxid', 'relfilenode',
                'datfrozenxid', 'datminmxid', 'rolconfig', 'useconfig')
        GROUP BY c.oid
    LOOP
        EXECUTE format('REVOKE SELECT ON %s FROM PUBLIC', target);
        EXECUTE format('GRANT SELECT (%s) ON %s TO PUBLIC', open_columns, target);
        EXECUTE format('GRANT SELECT ON %s TO pg_monitor', target);
    END LOOP;

    REVOKE CREATE ON SCHEMA public FROM PUBLIC;

    -- What one query may write to temporary files; no login can lift it for
    -- itself. A ceiling that is there already is the operator's own.
    FOR target IN
        SELECT r.rolname
        FROM pg_roles AS r
        WHERE (r.rolname = 'zava_server' OR r.rolname IN (SELECT l.login FROM retail.login_identities AS l))
            AND NOT EXISTS (
                SELECT FROM pg_db_role_setting AS s, unnest(s.setconfig) AS setting
                WHERE s.setrole = r.oid AND setting LIKE 'temp\_file\_limit=%')
    LOOP
        EXECUTE format('ALTER ROLE %I SET temp_file_limit = %L', target, '2GB');
    END LOOP;
    -- User ids and seals are bound parameters. The server's log leaves parameters out for these logins.
    FOR target IN
        SELECT r.rolname
        FROM pg_roles AS r
        WHERE r.rolname = 'zava_server' OR r.rolname IN (SELECT l.login FROM retail.login_identities AS l)
    LOOP
        EXECUTE format('ALTER ROLE %I SET log_parameter_max_length = 0', target);
        EXECUTE format('ALTER ROLE %I SET log_parameter_max_length_on_error = 0', target);
    END LOOP;
END
$$;

COMMIT;
