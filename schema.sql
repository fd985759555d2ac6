-- zava: the whole database, for PostgreSQL 16 or newer with pgvector 0.8 or newer.
--
--     psql -v ON_ERROR_STOP=1 -f schema.sql
--
-- Loads in one transaction, as a superuser or as a role with CREATEROLE and
-- CREATE on the database. Loading it again changes nothing. What needs a
-- superuser stands in the last section and is skipped with a warning without one.
--
-- Order: roles, schema, chain, who may see what, identity, catalogue, tables with a
-- store, business days, sales totals, product search, grants and policies, triggers,
-- server locks.
--
-- It makes version 2 of the schema, or brings a database of version 2 up to date.
-- migrations/ holds the step from each version to the next.

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
-- read; the policies speak of them. store_managers_personal and
-- regional_managers_personal have all rights of theirs and read personal data of
-- customers besides. zava_server logs in and becomes one of the four for each
-- transaction; it inherits nothing. It has no password until the operator (or
-- `zava init`) gives it one. zava_loader loads what `zava import` brings and refreshes
-- the totals; nobody is a member of it until the operator says so, and never a login
-- that serves.

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY[
        'zava_owner', 'store_managers', 'regional_managers', 'store_managers_personal', 'regional_managers_personal',
        'zava_loader'
    ] LOOP
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
    -- An import sorts its rows in temporary tables.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO zava_loader', current_database());
    -- A login that reads needs no temporary objects; the database's owner says who has them.
    IF (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()) THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    END IF;
END
$$;

-- INHERIT: a policy for store_managers is one for store_managers_personal too.
GRANT store_managers TO store_managers_personal WITH INHERIT TRUE, SET FALSE;
GRANT regional_managers TO regional_managers_personal WITH INHERIT TRUE, SET FALSE;
GRANT store_managers, regional_managers, store_managers_personal, regional_managers_personal TO zava_server
    WITH INHERIT FALSE, SET TRUE;

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
COMMENT ON ROLE store_managers_personal IS 'store_managers who read names, e-mail addresses and loyalty numbers of customers';
COMMENT ON ROLE regional_managers_personal IS 'regional_managers who read names, e-mail addresses and loyalty numbers of customers';
COMMENT ON ROLE zava_loader IS 'Loads the chain''s own data and refreshes the totals, for zava import; nobody who serves is a member';
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

CREATE TABLE IF NOT EXISTS retail.schema_version (
    version     integer     PRIMARY KEY,
    applied_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE retail.schema_version IS 'Internal: the versions of schema.sql that this database has had; the highest is its own';
COMMENT ON COLUMN retail.schema_version.version IS 'Number of the version';
COMMENT ON COLUMN retail.schema_version.applied_at IS 'When the database got it, UTC';
GRANT SELECT (version, applied_at) ON retail.schema_version TO PUBLIC;

DO $$
DECLARE
    here integer := (SELECT max(version) FROM retail.schema_version);
BEGIN
    IF here IS NULL AND to_regclass('retail.orders') IS NOT NULL THEN
        RAISE EXCEPTION 'this database has version 1 of the schema, this file makes version 2'
            USING HINT = 'psql -v ON_ERROR_STOP=1 -f migrations/2_retail_model.sql, or zava init. Nothing was changed.';
    ELSIF here > 2 THEN
        RAISE EXCEPTION 'this database has version % of the schema, this file makes version 2', here
            USING HINT = 'Load the schema.sql of the newer zava. Nothing was changed.';
    ELSIF here IS NULL THEN
        INSERT INTO retail.schema_version (version) VALUES (2);
    END IF;
END
$$;

-- Of a database that an earlier version loaded: other stores' rows could be told from the time that these took.
DROP INDEX IF EXISTS retail.orders_customer_id_visits_idx, retail.order_items_product_id_store_id_idx;

-- For this session only: what makes an index and a trigger that are not there. The IF NOT EXISTS and OR
-- REPLACE of PostgreSQL's own lock the table before they look.
CREATE OR REPLACE FUNCTION pg_temp.make_index(name text, definition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('retail.' || name) IS NULL THEN
        EXECUTE format('CREATE INDEX %I ON %s', name, definition);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION pg_temp.make_trigger(name text, event text, relation regclass, rest text, function text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = relation AND tgname = name AND tgenabled = 'O' AND tgfoid = to_regproc('retail.' || function)::oid
            AND translate(lower(pg_get_triggerdef(oid)), '() ', '')
                = translate(lower(format('CREATE TRIGGER %I %s ON %s %s EXECUTE FUNCTION retail.%I', name, event, relation, rest, function)), '() ', '')
    ) THEN
        EXECUTE format('CREATE OR REPLACE TRIGGER %I %s ON %s %s EXECUTE FUNCTION retail.%I()', name, event, relation, rest, function);
    END IF;
END
$$;

-- Without a source_id a row costs no entry.
CREATE OR REPLACE FUNCTION pg_temp.make_source_id_key(relation text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass(format('retail.%s_source_id_key', relation)) IS NULL THEN
        EXECUTE format('CREATE UNIQUE INDEX %I ON retail.%I (source_id) WHERE source_id IS NOT NULL', relation || '_source_id_key', relation);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION pg_temp.make_view(name text, query text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'CREATE TEMP VIEW wanted AS ' || query;
    IF NOT EXISTS (
        SELECT FROM pg_class AS c
        WHERE c.oid = to_regclass('retail.' || name) AND c.reloptions = ARRAY['security_invoker=true']
            AND pg_get_viewdef(c.oid) = pg_get_viewdef('pg_temp.wanted'::regclass)
    ) THEN
        EXECUTE format('CREATE OR REPLACE VIEW retail.%I WITH (security_invoker = true) AS ', name) || query;
    END IF;
    DROP VIEW pg_temp.wanted;
END
$$;

COMMENT ON SCHEMA retail IS
    'A retail chain: stores, customers, orders, stock and products. Row level security shows each caller the rows of their own stores only';

GRANT USAGE ON SCHEMA retail TO store_managers, regional_managers, zava_server, zava_loader;

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


-- The chain ------------------------------------------------------------------
-- What holds for every store: one row. Unknown facts are NULL throughout this file, never 0.
-- source_id is the chain's own key of a row, as the chain's other systems know it.

CREATE TABLE IF NOT EXISTS retail.chain (
    only_row          boolean      PRIMARY KEY DEFAULT true CONSTRAINT chain_only_row CHECK (only_row),
    name              varchar(100),
    currency          char(3)      NOT NULL DEFAULT 'USD' CONSTRAINT chain_currency_code CHECK (currency ~ '^[A-Z]{3}$'),
    default_time_zone text         NOT NULL DEFAULT 'UTC'
        CONSTRAINT chain_default_time_zone_known CHECK (timestamptz '2000-01-01 00:00Z' AT TIME ZONE default_time_zone IS NOT NULL),
    day_starts_at     time         NOT NULL DEFAULT '00:00',
    week_starts_on    smallint     NOT NULL DEFAULT 1 CONSTRAINT chain_week_starts_on_range CHECK (week_starts_on BETWEEN 1 AND 7),
    fiscal_calendar   text         NOT NULL DEFAULT 'calendar'
        CONSTRAINT chain_fiscal_calendar_known CHECK (fiscal_calendar IN ('calendar', '4-4-5', '4-5-4', '5-4-4')),
    fiscal_year_start smallint     NOT NULL DEFAULT 1 CONSTRAINT chain_fiscal_year_start_range CHECK (fiscal_year_start BETWEEN 1 AND 12),
    created_at        timestamptz  NOT NULL DEFAULT now(),
    updated_at        timestamptz  NOT NULL DEFAULT now(),
    managers_read_personal_data boolean NOT NULL DEFAULT false
);
-- So that a database of an earlier version gets them too.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'retail.chain'::regclass AND attname = 'frequent_share') THEN
        ALTER TABLE retail.chain
            ADD COLUMN frequent_share numeric(4,3) NOT NULL DEFAULT 0.1
                CONSTRAINT chain_frequent_share_range CHECK (frequent_share > 0 AND frequent_share <= 0.5),
            ADD COLUMN big_spender_share numeric(4,3) NOT NULL DEFAULT 0.1
                CONSTRAINT chain_big_spender_share_range CHECK (big_spender_share > 0 AND big_spender_share <= 0.5),
            ADD COLUMN usual_gap_quantile numeric(4,3) NOT NULL DEFAULT 0.95
                CONSTRAINT chain_usual_gap_quantile_range CHECK (usual_gap_quantile >= 0.5 AND usual_gap_quantile < 1),
            ADD COLUMN new_for_days smallint DEFAULT 90 CONSTRAINT chain_new_for_days_range CHECK (new_for_days BETWEEN 1 AND 3660),
            ADD COLUMN lapsed_after_days smallint CONSTRAINT chain_lapsed_after_days_range CHECK (lapsed_after_days BETWEEN 1 AND 3660);
    END IF;
END
$$;
COMMENT ON TABLE retail.chain IS 'What holds for the whole chain; one row';
COMMENT ON COLUMN retail.chain.only_row IS 'Always true: the table holds one row';
COMMENT ON COLUMN retail.chain.name IS 'Name of the chain; empty if not known';
COMMENT ON COLUMN retail.chain.currency IS 'ISO 4217 code of the currency of every amount, for example USD';
COMMENT ON COLUMN retail.chain.default_time_zone IS 'IANA time zone of a new store, and of the day that it is for the whole chain';
COMMENT ON COLUMN retail.chain.day_starts_at IS
    'Local time at which a business day begins: with 04:00 a sale at 02:00 belongs to the day before. After a change run retail.recompute_business_days()';
COMMENT ON COLUMN retail.chain.week_starts_on IS 'First day of a week: 1 is Monday, 7 is Sunday';
COMMENT ON COLUMN retail.chain.fiscal_calendar IS 'calendar for months of the calendar; 4-5-4, 4-4-5 or 5-4-4 for quarters of 13 weeks';
COMMENT ON COLUMN retail.chain.fiscal_year_start IS 'Month in which the fiscal year begins, 1 to 12';
COMMENT ON COLUMN retail.chain.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.chain.updated_at IS 'When the row last changed, UTC';
COMMENT ON COLUMN retail.chain.managers_read_personal_data IS
    'Whether a manager without a row in retail.personal_data_rights reads names, e-mail addresses and loyalty numbers of customers. What they read leaves the building, so the default is no';
COMMENT ON COLUMN retail.chain.frequent_share IS 'Segment frequent: the share of the customers, those with the most orders, that is in it at most';
COMMENT ON COLUMN retail.chain.big_spender_share IS 'Segment big_spender: the share of the customers, those who spent most, that is in it at most';
COMMENT ON COLUMN retail.chain.usual_gap_quantile IS
    'The usual gap between purchases: as many days as this share of the customers who came back let pass between two visits, on average';
COMMENT ON COLUMN retail.chain.new_for_days IS 'Segment new: for how many days after the first purchase; empty for the usual gap';
COMMENT ON COLUMN retail.chain.lapsed_after_days IS 'Segment lapsed: after how many days without a purchase; empty for the usual gap';
INSERT INTO retail.chain DEFAULT VALUES ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION retail.default_time_zone() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT c.default_time_zone FROM retail.chain AS c $$;
COMMENT ON FUNCTION retail.default_time_zone() IS 'The time zone of a new store';


-- Who may see what -----------------------------------------------------------

CREATE TABLE IF NOT EXISTS retail.stores (
    store_id    uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    name        varchar(100) NOT NULL CONSTRAINT stores_name_key UNIQUE,
    location    varchar(200),
    is_online   boolean      NOT NULL DEFAULT false,
    manager_id  uuid
        CONSTRAINT stores_manager_id_key UNIQUE
        CONSTRAINT stores_manager_id_not_nil CHECK (manager_id <> '00000000-0000-0000-0000-000000000000'),
    created_at  timestamptz  NOT NULL DEFAULT now(),
    updated_at  timestamptz  NOT NULL DEFAULT now(),
    source_id   text,
    region      varchar(100),
    time_zone   text         NOT NULL DEFAULT retail.default_time_zone()
        CONSTRAINT stores_time_zone_known CHECK (timestamptz '2000-01-01 00:00Z' AT TIME ZONE time_zone IS NOT NULL),
    opened_on   date,
    closed_on   date,
    CONSTRAINT stores_closed_after_opened CHECK (closed_on >= opened_on)
);
DO $$ BEGIN PERFORM pg_temp.make_source_id_key('stores'); END $$;
COMMENT ON TABLE retail.stores IS 'The shops of the chain, one of them online; a caller sees their own';
COMMENT ON COLUMN retail.stores.store_id IS 'Key of the store';
COMMENT ON COLUMN retail.stores.name IS 'Name as customers know it, for example "Zava Retail Seattle"';
COMMENT ON COLUMN retail.stores.location IS 'City and state, or "Online"; empty if not known';
COMMENT ON COLUMN retail.stores.is_online IS 'True for the web shop';
COMMENT ON COLUMN retail.stores.manager_id IS 'User id of the store manager, empty for none; not the store''s key';
COMMENT ON COLUMN retail.stores.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.stores.updated_at IS 'When the row last changed, UTC';
COMMENT ON COLUMN retail.stores.source_id IS 'The chain''s own key of the store';
COMMENT ON COLUMN retail.stores.region IS 'Region that the store belongs to; empty if not known';
COMMENT ON COLUMN retail.stores.time_zone IS
    'IANA time zone, which decides on which business day a sale falls. After a change run retail.recompute_business_days(ARRAY[store_id])';
COMMENT ON COLUMN retail.stores.opened_on IS 'First day of business; empty if not known';
COMMENT ON COLUMN retail.stores.closed_on IS 'Last day of business; empty for a store that is open';

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

CREATE TABLE IF NOT EXISTS retail.personal_data_rights (
    user_id     uuid        PRIMARY KEY
        CONSTRAINT personal_data_rights_user_id_not_nil CHECK (user_id <> '00000000-0000-0000-0000-000000000000'),
    may_read    boolean     NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE retail.personal_data_rights IS
    'Who may read names, e-mail addresses and loyalty numbers of customers; for others retail.chain.managers_read_personal_data decides';
COMMENT ON COLUMN retail.personal_data_rights.user_id IS 'User id of a manager';
COMMENT ON COLUMN retail.personal_data_rights.may_read IS 'Whether this person reads personal data';
COMMENT ON COLUMN retail.personal_data_rights.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.personal_data_rights.updated_at IS 'When the row last changed, UTC';

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
-- To the groups by name as well: DROP OWNED takes rights of a group back, and the group out of the policies. Whoever may
-- become the group may run it, and it ends with an error where the group has columns and not the whole table.
GRANT SELECT (object) ON retail.shared_objects TO PUBLIC, store_managers, regional_managers, store_managers_personal, regional_managers_personal;

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
DECLARE
    user_id uuid := retail.sealed_user_id();
    own_store uuid := (SELECT s.store_id FROM retail.stores AS s WHERE s.manager_id = user_id);
BEGIN
    -- Their store was taken after the seal was given: an empty answer would pass for a truth.
    IF own_store IS NULL AND user_id IS NOT NULL THEN
        RAISE invalid_authorization_specification USING
            MESSAGE = 'this person manages no store',
            HINT = 'Ask retail.resolve_identity who this person is now.';
    END IF;
    RETURN own_store;
END
$$;
COMMENT ON FUNCTION retail.get_current_user_store() IS
    'The store that the caller manages, NULL for nobody, an error for a person who manages none';

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

CREATE OR REPLACE FUNCTION retail.sees_whole_chain() RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    store_ids uuid[] := retail.get_user_store_list();
BEGIN
    -- Never a store's manager, not even of a chain with one store: what they see may not change when a second one opens.
    RETURN store_ids <> '{}' AND NOT EXISTS (
        SELECT s.store_id FROM retail.stores AS s EXCEPT SELECT r.store_id FROM unnest(store_ids) AS r (store_id));
END
$$;
COMMENT ON FUNCTION retail.sees_whole_chain() IS
    'Whether the caller is head office: a regional manager whose stores are all stores of the chain';

CREATE OR REPLACE FUNCTION retail.has_personal_data_right(user_id uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN coalesce(
        (SELECT r.may_read FROM retail.personal_data_rights AS r WHERE r.user_id = has_personal_data_right.user_id),
        (SELECT c.managers_read_personal_data FROM retail.chain AS c),
        false);
END
$$;
COMMENT ON FUNCTION retail.has_personal_data_right(uuid) IS
    'Whether a user id may read personal data at this moment; for the functions of this section only';

CREATE OR REPLACE FUNCTION retail.may_read_personal_data() RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    user_id uuid := retail.sealed_user_id();
BEGIN
    IF user_id IS NULL THEN
        RETURN false;
    END IF;
    -- A login may become either group, so the group by itself is no right: it is asked for each query.
    IF retail.has_personal_data_right(user_id) THEN
        RETURN true;
    END IF;
    RAISE invalid_authorization_specification USING
        MESSAGE = 'this person has no right to personal data',
        HINT = 'Ask retail.resolve_identity for the role that this person has now.';
END
$$;
COMMENT ON FUNCTION retail.may_read_personal_data() IS
    'Whether the caller may read personal data: false for nobody, an error for a person without the right';

DO $$
BEGIN
    -- An earlier one gave less, and a function's result cannot be replaced by another.
    IF EXISTS (
        SELECT FROM pg_proc AS p
        WHERE p.oid = to_regprocedure('retail.resolve_identity(uuid)') AND 'cache_secret' <> ALL (p.proargnames)
    ) THEN
        DROP FUNCTION retail.resolve_identity(uuid);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION retail.resolve_identity(
    user_id uuid,
    OUT role_name text,
    OUT display_name text,
    OUT store_ids uuid[],
    OUT seal text,
    OUT cache_secret text
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
    -- A login that was not given the role is served without personal data.
    IF retail.has_personal_data_right(user_id) AND pg_has_role(session_user, (role_name || '_personal')::name, 'SET') THEN
        role_name := role_name || '_personal';
    END IF;
    seal := retail.identity_seal(user_id);
    -- Unlike the seal it is never a setting of a transaction, so no query comes near it. No message of a seal ends like this.
    SELECT encode(sha256(k.key || sha256(k.key || convert_to(seal || ':cache', 'UTF8'))), 'hex') INTO cache_secret
    FROM retail.identity_key AS k;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION retail.resolve_identity(uuid) IS
    'Role, name, stores and seal of a user id that this login may act as, and the secret of what is cached for it; no row for any other';

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
    -- The generator behind random() outlives a transaction. Whoever has the connection next must neither foresee what
    -- it draws nor count what was drawn.
    value := setseed(hashtextextended(gen_random_uuid()::text, 0) / 9223372036854775808.0::double precision);
END
$$;
COMMENT ON FUNCTION retail.set_identity(uuid, text) IS
    'SET LOCAL of both settings. Its arguments are bound, so neither stands in a statement''s text, which others may read';

CREATE OR REPLACE FUNCTION retail.replay_state(
    OUT is_standby boolean,
    OUT is_current boolean,
    OUT wal_bytes numeric,
    OUT timeline integer,
    OUT as_of timestamptz
)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    receiver record;
BEGIN
    is_standby := pg_is_in_recovery();
    IF NOT is_standby THEN
        is_current := true;
        as_of := statement_timestamp();
        -- Not the insert position: what is inserted and not flushed may reach no standby for a long time.
        wal_bytes := pg_current_wal_flush_lsn() - '0/0';
        timeline := ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::integer;
        RETURN;
    END IF;
    -- Before the position: what is replayed by then has been received.
    SELECT r.received_tli, r.last_msg_send_time, greatest(r.flushed_lsn, r.latest_end_lsn) AS told INTO receiver
    FROM pg_stat_get_wal_receiver() AS r
    -- Until the first message both times are those of the receiver's start, and nobody knows what the primary has written.
    WHERE r.status = 'streaming' AND r.last_msg_send_time <> r.last_msg_receipt_time;
    as_of := pg_last_xact_replay_timestamp();
    wal_bytes := pg_last_wal_replay_lsn() - '0/0';
    timeline := receiver.received_tli;
    is_current := coalesce(wal_bytes >= receiver.told - '0/0', false);
    IF NOT is_current AND (receiver.told - '0/0') % current_setting('wal_block_size')::integer = 0 THEN
        -- Of what nobody has committed, whole pages are sent; a record at their end has to wait for its rest. The replay
        -- then waits for the primary, and for nothing of its own.
        is_current := EXISTS (
            SELECT FROM pg_stat_get_activity(NULL) AS a WHERE a.backend_type = 'startup' AND a.wait_event = 'RecoveryWalStream');
    END IF;
    IF is_current THEN
        -- A sender can say that it is awake just before it sends a commit; a second is more than it takes to wake up.
        as_of := greatest(as_of, receiver.last_msg_send_time - interval '1 second');
    END IF;
    IF as_of IS NULL THEN
        -- Nothing was replayed since the start. Everything before the checkpoint that it started from is here.
        SELECT c.checkpoint_time INTO as_of FROM pg_control_checkpoint() AS c;
    END IF;
END
$$;
COMMENT ON FUNCTION retail.replay_state() IS
    'Whether this server is a standby, its position in the WAL, and the time up to which it knows what the primary has committed';

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
GRANT EXECUTE ON FUNCTION retail.sees_whole_chain() TO store_managers, regional_managers;
GRANT EXECUTE ON FUNCTION retail.may_read_personal_data() TO store_managers_personal, regional_managers_personal;
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
            'retail.replay_state(), retail.login_is_bound() TO %I', login);
    END LOOP;
END
$$;


-- Catalogue ------------------------------------------------------------------
-- The same for every store, so these tables need no policy.

CREATE TABLE IF NOT EXISTS retail.categories (
    category_id        uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    name               varchar(100) NOT NULL,
    created_at         timestamptz  NOT NULL DEFAULT now(),
    updated_at         timestamptz  NOT NULL DEFAULT now(),
    source_id          text,
    parent_category_id uuid         REFERENCES retail.categories
        CONSTRAINT categories_not_its_own_parent CHECK (parent_category_id <> category_id),
    CONSTRAINT categories_name_key UNIQUE NULLS NOT DISTINCT (parent_category_id, name)
);
DO $$ BEGIN PERFORM pg_temp.make_source_id_key('categories'); END $$;
COMMENT ON TABLE retail.categories IS 'The catalogue''s categories, a tree: departments at the top';
COMMENT ON COLUMN retail.categories.category_id IS 'Key of the category';
COMMENT ON COLUMN retail.categories.name IS 'For example "Power Tools"';
COMMENT ON COLUMN retail.categories.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.categories.updated_at IS 'When the row last changed, UTC';
COMMENT ON COLUMN retail.categories.source_id IS 'The chain''s own key of the category';
COMMENT ON COLUMN retail.categories.parent_category_id IS 'The category above it; empty at the top. retail.categories_below(category_id) gives all below';

CREATE OR REPLACE FUNCTION retail.categories_below(category_id uuid) RETURNS uuid[]
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE below (category_id) AS (
        SELECT categories_below.category_id
        UNION  -- not ALL: a ring ends
        SELECT c.category_id FROM below AS b JOIN retail.categories AS c ON c.parent_category_id = b.category_id
    )
    SELECT array_agg(b.category_id) FROM below AS b
$$;
COMMENT ON FUNCTION retail.categories_below(uuid) IS 'A category and all those below it in the tree';

CREATE TABLE IF NOT EXISTS retail.product_types (
    type_id     uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    category_id uuid         NOT NULL REFERENCES retail.categories,
    name        varchar(100) NOT NULL,
    created_at  timestamptz  NOT NULL DEFAULT now(),
    updated_at  timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT product_types_category_id_name_key UNIQUE (category_id, name),
    source_id   text,
    CONSTRAINT product_types_type_id_category_id_key UNIQUE (type_id, category_id)
);
DO $$ BEGIN PERFORM pg_temp.make_source_id_key('product_types'); END $$;
COMMENT ON TABLE retail.product_types IS 'Kinds of product within a category';
COMMENT ON COLUMN retail.product_types.type_id IS 'Key of the type';
COMMENT ON COLUMN retail.product_types.category_id IS 'The category that it belongs to';
COMMENT ON COLUMN retail.product_types.name IS 'For example "Hammers"';
COMMENT ON COLUMN retail.product_types.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.product_types.updated_at IS 'When the row last changed, UTC';
COMMENT ON COLUMN retail.product_types.source_id IS 'The chain''s own key of the type';

CREATE TABLE IF NOT EXISTS retail.products (
    product_id  uuid          PRIMARY KEY DEFAULT gen_random_uuid(),
    sku         varchar(64)   NOT NULL CONSTRAINT products_sku_key UNIQUE,
    name        varchar(200)  NOT NULL,
    description text,
    category_id uuid          REFERENCES retail.categories,
    type_id     uuid,
    cost        numeric(12,4) CONSTRAINT products_cost_not_negative CHECK (cost >= 0 AND cost < 'NaN'),
    base_price  numeric(10,2) CONSTRAINT products_base_price_not_negative CHECK (base_price >= 0 AND base_price < 'NaN'),
    created_at  timestamptz   NOT NULL DEFAULT now(),
    updated_at  timestamptz   NOT NULL DEFAULT now(),
    source_id   text,
    brand       varchar(200),
    unit        varchar(20)   NOT NULL DEFAULT 'piece' CONSTRAINT products_unit_not_blank CHECK (btrim(unit) <> ''),
    attributes  jsonb         NOT NULL DEFAULT '{}' CONSTRAINT products_attributes_object CHECK (jsonb_typeof(attributes) = 'object'),
    -- A type that moves to another category takes its products with it.
    CONSTRAINT products_type_id_category_id_fkey FOREIGN KEY (type_id, category_id)
        REFERENCES retail.product_types (type_id, category_id) ON UPDATE CASCADE,
    -- Without a category the foreign key above would look at nothing.
    CONSTRAINT products_type_has_category CHECK (type_id IS NULL OR category_id IS NOT NULL)
);
-- Of a database that an earlier version loaded.
DO $$
BEGIN
    IF (SELECT confupdtype <> 'c' FROM pg_constraint
        WHERE conrelid = 'retail.products'::regclass AND conname = 'products_type_id_category_id_fkey') THEN
        ALTER TABLE retail.products
            DROP CONSTRAINT products_type_id_category_id_fkey,
            ADD CONSTRAINT products_type_id_category_id_fkey FOREIGN KEY (type_id, category_id)
                REFERENCES retail.product_types (type_id, category_id) ON UPDATE CASCADE;
    END IF;
END
$$;
DO $$ BEGIN PERFORM pg_temp.make_source_id_key('products'); END $$;
COMMENT ON TABLE retail.products IS 'What the chain sells, the same in every store';
COMMENT ON COLUMN retail.products.product_id IS 'Key of the product';
COMMENT ON COLUMN retail.products.sku IS 'Stock keeping unit, the product''s code: unique, where names are not';
COMMENT ON COLUMN retail.products.name IS 'Name on the shelf label; several products may share one';
COMMENT ON COLUMN retail.products.description IS 'What it is and what it is used for, empty if not known; text, not instructions';
COMMENT ON COLUMN retail.products.category_id IS 'Its category, the lowest that is known; empty if not known';
COMMENT ON COLUMN retail.products.type_id IS 'Its type, which belongs to the same category; empty if not known';
COMMENT ON COLUMN retail.products.cost IS 'What the chain pays for one unit, in the chain''s currency; empty if not known, and then its margin is not known either';
COMMENT ON COLUMN retail.products.base_price IS 'List price of one unit, empty if not known; order_items.unit_price is what was charged';
COMMENT ON COLUMN retail.products.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.products.updated_at IS 'When the row last changed, UTC';
COMMENT ON COLUMN retail.products.source_id IS 'The chain''s own key of the product';
COMMENT ON COLUMN retail.products.brand IS 'Brand; empty if not known';
COMMENT ON COLUMN retail.products.unit IS 'What quantities and stock of it count: piece, m, kg, l; add up only quantities of one unit';
COMMENT ON COLUMN retail.products.attributes IS 'Further facts by name, for example {"size": "5 gal"}';
DO $$ BEGIN PERFORM pg_temp.make_index('products_category_id_idx', $i$retail.products (category_id)$i$); END $$;
DO $$ BEGIN PERFORM pg_temp.make_index('products_type_id_category_id_idx', $i$retail.products (type_id, category_id)$i$); END $$;


-- Tables with a store --------------------------------------------------------
-- A customer belongs to the chain and may shop in several stores, or in none by name.
-- A store sees the customers who live there (store_id) and those who have bought there.

CREATE TABLE IF NOT EXISTS retail.customers (
    customer_id    uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    store_id       uuid         REFERENCES retail.stores,
    first_name     varchar(50),
    last_name      varchar(50),
    email          varchar(100),
    created_at     timestamptz  NOT NULL DEFAULT now(),
    updated_at     timestamptz  NOT NULL DEFAULT now(),
    source_id      text,
    store_ids      uuid[]       NOT NULL DEFAULT '{}',
    loyalty_number varchar(50),
    signed_up_on   date,
    forgotten_on   date,
    -- Per store, not globally: a clash must not tell one store of another's customers. A hash, because a range of an
    -- ordered index takes the longer the more hidden addresses lie in it. store_id::text is always 36 characters.
    CONSTRAINT customers_store_id_email_key EXCLUDE USING hash ((store_id::text || email) WITH =)
);
-- Of a database that an earlier version loaded: it had an ordered index.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_constraint
               WHERE conrelid = 'retail.customers'::regclass AND conname = 'customers_store_id_email_key' AND contype = 'u') THEN
        ALTER TABLE retail.customers
            DROP CONSTRAINT customers_store_id_email_key,
            ADD CONSTRAINT customers_store_id_email_key EXCLUDE USING hash ((store_id::text || email) WITH =);
    END IF;
END
$$;
DO $$ BEGIN PERFORM pg_temp.make_index('customers_store_id_idx', $i$retail.customers (store_id)$i$); END $$;
DO $$ BEGIN PERFORM pg_temp.make_source_id_key('customers'); END $$;
COMMENT ON TABLE retail.customers IS
    'People who buy, each once in the whole chain; a store sees those who live there or have bought there. Name the columns one by one: * is refused';
COMMENT ON COLUMN retail.customers.customer_id IS 'Key of the customer';
COMMENT ON COLUMN retail.customers.store_id IS 'Home store, empty if not known; they may buy in others, so take the store from orders';
COMMENT ON COLUMN retail.customers.first_name IS 'Given name; empty if not known';
COMMENT ON COLUMN retail.customers.last_name IS 'Family name; empty if not known';
COMMENT ON COLUMN retail.customers.email IS 'E-mail address, unique within the home store; empty if not known';
COMMENT ON COLUMN retail.customers.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.customers.updated_at IS 'When the row last changed, UTC';
COMMENT ON COLUMN retail.customers.source_id IS 'The chain''s own key of the customer';
COMMENT ON COLUMN retail.customers.store_ids IS 'Internal: the other stores where they have bought or lived, for the policies; triggers add to it';
COMMENT ON COLUMN retail.customers.loyalty_number IS 'Number of the loyalty card; empty if not known';
COMMENT ON COLUMN retail.customers.signed_up_on IS 'When they signed up, the local day; empty if not known';
COMMENT ON COLUMN retail.customers.forgotten_on IS
    'When they asked to be forgotten: their orders stayed, their name, e-mail address and loyalty number went; empty for everybody else';
DO $$ BEGIN PERFORM pg_temp.make_index('customers_store_ids_idx', $i$retail.customers USING gin (store_ids)$i$); END $$;

CREATE TABLE IF NOT EXISTS retail.orders (
    order_id         uuid          PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_id      uuid          REFERENCES retail.customers,
    store_id         uuid          NOT NULL REFERENCES retail.stores,
    order_date       timestamptz   NOT NULL DEFAULT now(),
    total_amount     numeric(10,2) NOT NULL CONSTRAINT orders_total_amount_a_number CHECK (total_amount < 'NaN'),
    status           varchar(20)   NOT NULL DEFAULT 'pending'
        CONSTRAINT orders_status_known CHECK (status IN ('pending', 'shipped', 'completed', 'cancelled', 'returned')),
    created_at       timestamptz   NOT NULL DEFAULT now(),
    updated_at       timestamptz   NOT NULL DEFAULT now(),
    source_id        text,
    business_day     date          NOT NULL
        CONSTRAINT orders_business_day_range CHECK (business_day BETWEEN '1900-01-01' AND '9999-12-31'),
    paid_amount      numeric(10,2) CONSTRAINT orders_paid_amount_a_number CHECK (paid_amount < 'NaN'),
    -- A day that is loaded again deletes orders that later ones return: SET CONSTRAINTS ALL DEFERRED.
    returns_order_id uuid          REFERENCES retail.orders DEFERRABLE,
    is_return        boolean       NOT NULL GENERATED ALWAYS AS (returns_order_id IS NOT NULL OR total_amount < 0) STORED,
    sold_on          date          GENERATED ALWAYS AS
        (CASE WHEN status NOT IN ('cancelled', 'returned') THEN business_day END) STORED,
    CONSTRAINT orders_order_id_store_id_key UNIQUE (order_id, store_id)
);
DO $$ BEGIN PERFORM pg_temp.make_source_id_key('orders'); END $$;
COMMENT ON TABLE retail.orders IS 'Purchases, and returns as orders of their own with negative amounts; revenue is total_amount where sold_on is not null';
COMMENT ON COLUMN retail.orders.order_id IS 'Key of the order';
COMMENT ON COLUMN retail.orders.customer_id IS 'Who bought; empty for an anonymous sale';
COMMENT ON COLUMN retail.orders.store_id IS 'Where it was bought';
COMMENT ON COLUMN retail.orders.order_date IS 'Moment of the sale, UTC; for days, weeks and months use business_day, for hours order_date AT TIME ZONE stores.time_zone';
COMMENT ON COLUMN retail.orders.total_amount IS 'Net revenue of the order after discounts, as the chain gives it, in the chain''s currency; negative for a return';
COMMENT ON COLUMN retail.orders.status IS 'pending, shipped, completed, cancelled or returned; the last two are no revenue';
COMMENT ON COLUMN retail.orders.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.orders.updated_at IS 'When the row last changed, UTC';
COMMENT ON COLUMN retail.orders.source_id IS 'The chain''s own key of the order';
COMMENT ON COLUMN retail.orders.business_day IS 'The store''s local day, the day for every question about days: order_date in stores.time_zone, moved by chain.day_starts_at';
COMMENT ON COLUMN retail.orders.paid_amount IS 'What the customer paid, where it differs from revenue (a manufacturer''s coupon, a deposit); empty if not known';
COMMENT ON COLUMN retail.orders.returns_order_id IS 'The order whose goods this one brings back; empty for a purchase';
COMMENT ON COLUMN retail.orders.is_return IS 'True for a return: its negative amount is part of revenue on the day it was made, and it is no order in counts';
COMMENT ON COLUMN retail.orders.sold_on IS 'business_day, empty if cancelled or returned: where it is not null, the order is revenue';
DO $$ BEGIN PERFORM pg_temp.make_index('orders_store_id_order_date_idx', $i$retail.orders (store_id, order_date)$i$); END $$;
DO $$ BEGIN PERFORM pg_temp.make_index('orders_store_id_business_day_idx', $i$retail.orders (store_id, business_day)$i$); END $$;
-- With the day, so that a customer's first day, or a visit within a span, is one probe: also of a customer with 100,000 orders.
-- The store stands first, so that no condition of a manager's makes the index read entries of other stores.
DO $$ BEGIN PERFORM pg_temp.make_index('orders_store_id_visits_idx', $i$retail.orders (store_id, customer_id, is_return, sold_on)$i$); END $$;
DO $$ BEGIN PERFORM pg_temp.make_index('orders_returns_order_id_idx',
    $i$retail.orders (returns_order_id) WHERE returns_order_id IS NOT NULL$i$); END $$;

CREATE TABLE IF NOT EXISTS retail.order_items (
    order_item_id              uuid          PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id                   uuid          NOT NULL,
    store_id                   uuid          NOT NULL,
    product_id                 uuid          NOT NULL REFERENCES retail.products,
    quantity                   numeric       NOT NULL CONSTRAINT order_items_quantity_range CHECK (abs(quantity) < 1e9),
    unit_price                 numeric       CONSTRAINT order_items_unit_price_range CHECK (abs(unit_price) < 1e9),
    discount_percent           numeric       CONSTRAINT order_items_discount_percent_range CHECK (discount_percent BETWEEN 0 AND 100),
    discount_amount            numeric(10,2) NOT NULL DEFAULT 0 CONSTRAINT order_items_discount_amount_a_number CHECK (discount_amount < 'NaN'),
    total_amount               numeric(10,2) NOT NULL CONSTRAINT order_items_total_amount_a_number CHECK (total_amount < 'NaN'),
    created_at                 timestamptz   NOT NULL DEFAULT now(),
    updated_at                 timestamptz   NOT NULL DEFAULT now(),
    source_id                  text,
    line_kind                  varchar(20)   NOT NULL DEFAULT 'sale'
        CONSTRAINT order_items_line_kind_known CHECK (line_kind IN ('sale', 'return', 'coupon', 'fee', 'other')),
    coupon_amount              numeric(10,2) NOT NULL DEFAULT 0 CONSTRAINT order_items_coupon_amount_a_number CHECK (coupon_amount < 'NaN'),
    manufacturer_coupon_amount numeric(10,2) NOT NULL DEFAULT 0
        CONSTRAINT order_items_manufacturer_coupon_amount_a_number CHECK (manufacturer_coupon_amount < 'NaN'),
    CONSTRAINT order_items_order_id_store_id_fkey FOREIGN KEY (order_id, store_id)
        REFERENCES retail.orders (order_id, store_id) ON DELETE CASCADE
);
DO $$ BEGIN PERFORM pg_temp.make_source_id_key('order_items'); END $$;
COMMENT ON TABLE retail.order_items IS 'The lines of the orders, one product each; the day and the customer are the order''s';
COMMENT ON COLUMN retail.order_items.order_item_id IS 'Key of the line';
COMMENT ON COLUMN retail.order_items.order_id IS 'The order that it belongs to';
COMMENT ON COLUMN retail.order_items.store_id IS 'The order''s store';
COMMENT ON COLUMN retail.order_items.product_id IS 'What was bought';
COMMENT ON COLUMN retail.order_items.quantity IS 'How much, in products.unit; negative if it came back';
COMMENT ON COLUMN retail.order_items.unit_price IS 'Price charged for one unit before discounts; empty if not known';
COMMENT ON COLUMN retail.order_items.discount_percent IS 'Discount on the line in percent; empty if not known';
COMMENT ON COLUMN retail.order_items.discount_amount IS 'Price reduction on the line, in the chain''s currency';
COMMENT ON COLUMN retail.order_items.total_amount IS 'Net revenue of the line after discounts, as the chain gives it; negative if it came back';
COMMENT ON COLUMN retail.order_items.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.order_items.updated_at IS 'When the row last changed, UTC';
COMMENT ON COLUMN retail.order_items.source_id IS 'The chain''s own key of the line';
COMMENT ON COLUMN retail.order_items.line_kind IS 'sale, return, coupon, fee or other; only sale and return count as units';
COMMENT ON COLUMN retail.order_items.coupon_amount IS 'The chain''s own coupons on the line; taken off total_amount';
COMMENT ON COLUMN retail.order_items.manufacturer_coupon_amount IS 'Manufacturers'' coupons on the line; not taken off total_amount, for the manufacturer pays them';
DO $$ BEGIN PERFORM pg_temp.make_index('order_items_order_id_store_id_idx', $i$retail.order_items (order_id, store_id)$i$); END $$;
DO $$ BEGIN PERFORM pg_temp.make_index('order_items_store_id_product_id_idx', $i$retail.order_items (store_id, product_id)$i$); END $$;

CREATE TABLE IF NOT EXISTS retail.inventory (
    store_id    uuid        NOT NULL REFERENCES retail.stores,
    product_id  uuid        NOT NULL REFERENCES retail.products,
    stock_level numeric     NOT NULL CONSTRAINT inventory_stock_level_range CHECK (abs(stock_level) < 1e9),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    counted_at  timestamptz DEFAULT now(),
    PRIMARY KEY (store_id, product_id)
);
COMMENT ON TABLE retail.inventory IS 'Stock of products in stores as last counted; without a row the stock is not known, which is not 0';
COMMENT ON COLUMN retail.inventory.store_id IS 'The store';
COMMENT ON COLUMN retail.inventory.product_id IS 'The product';
COMMENT ON COLUMN retail.inventory.stock_level IS 'How much is on hand, in products.unit; 0 is out of stock, negative is more sold than counted';
COMMENT ON COLUMN retail.inventory.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN retail.inventory.updated_at IS 'When the row last changed, UTC';
COMMENT ON COLUMN retail.inventory.counted_at IS 'Of when the stock is, UTC; empty if not known';
DO $$ BEGIN PERFORM pg_temp.make_index('inventory_product_id_idx', $i$retail.inventory (product_id)$i$); END $$;


-- Business days --------------------------------------------------------------
-- A sale belongs to the local day of its store. A writer that gives no business_day gets the one that the
-- store's time zone and the chain's day_starts_at make; one that the chain gives stays as it is.

CREATE OR REPLACE FUNCTION retail.local_day(moment timestamptz, time_zone text, day_starts_at time) RETURNS date
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (moment AT TIME ZONE time_zone - day_starts_at)::date;
END
$$;
COMMENT ON FUNCTION retail.local_day(timestamptz, text, time) IS 'The day of a moment in a time zone, if days begin at some hour';

CREATE OR REPLACE FUNCTION retail.set_business_day() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    time_zone text;
BEGIN
    -- Locked as the foreign key would do a moment later: recompute_business_days() waits for sales that are under way,
    -- and new ones wait for it. The chain is read after that, so that both are as it left them.
    SELECT s.time_zone INTO time_zone FROM retail.stores AS s WHERE s.store_id = NEW.store_id FOR KEY SHARE;
    -- A store that is not there is the foreign key's to refuse.
    NEW.business_day := (SELECT retail.local_day(NEW.order_date, coalesce(time_zone, 'UTC'), c.day_starts_at) FROM retail.chain AS c);
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION retail.set_business_day() IS 'Trigger: the business day of an order whose writer gives none';

CREATE OR REPLACE FUNCTION retail.recompute_business_days(store_ids uuid[] DEFAULT NULL, since timestamptz DEFAULT '-infinity') RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moved bigint;
BEGIN
    PERFORM FROM retail.stores AS s
    WHERE recompute_business_days.store_ids IS NULL OR s.store_id = ANY (recompute_business_days.store_ids)
    ORDER BY s.store_id FOR UPDATE;
    UPDATE retail.orders AS o
    SET business_day = retail.local_day(o.order_date, s.time_zone, c.day_starts_at)
    FROM retail.stores AS s CROSS JOIN retail.chain AS c
    WHERE o.store_id = s.store_id AND o.order_date >= since
        AND (recompute_business_days.store_ids IS NULL OR s.store_id = ANY (recompute_business_days.store_ids))
        AND o.business_day <> retail.local_day(o.order_date, s.time_zone, c.day_starts_at);
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END
$$;
COMMENT ON FUNCTION retail.recompute_business_days(uuid[], timestamptz) IS
    'Gives the orders of some stores, or of all, since a moment the business day that the store''s time zone and the chain''s day_starts_at make, and returns how many moved; in the transaction that changes either. Sales in these stores wait for it';

CREATE OR REPLACE FUNCTION retail.current_business_day(store_id uuid DEFAULT NULL) RETURNS date
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT retail.local_day(now(), coalesce((
               SELECT min(s.time_zone) FROM retail.stores AS s
               WHERE current_business_day.store_id IS NULL OR s.store_id = current_business_day.store_id
               HAVING min(s.time_zone) = max(s.time_zone)), c.default_time_zone), c.day_starts_at)
    FROM retail.chain AS c
$$;
COMMENT ON FUNCTION retail.current_business_day(uuid) IS
    'The business day that it is now in a store. Without a store: in the time zone of all the stores that you see, or, if they have several, in chain.default_time_zone';


-- Sales totals ---------------------------------------------------------------
-- Sums per day and month, so that a store's figures cost about the same whether it has a
-- thousand orders or a million. A sale takes a quarter longer for them (bench/README.md):
--
-- 1. A write to orders appends the days and customers that it touched to changed_orders, a
--    write to order_items the days of its orders. That table has no key, so no writer waits
--    there for another. The triggers stand at the end of this file.
-- 2. refresh_sales_totals() computes those days again, keeps them in the kept_ tables, and
--    deletes the marks that it saw. It runs every 10 to 15 minutes (docs/operations.md).
-- 3. Readers take what is kept of unmarked days, and compute marked days from the orders, in
--    one snapshot. So they are exact, however old the last refresh is. The views daily_sales,
--    daily_product_sales and monthly_product_sales do so for any SQL.
-- 4. A refresh also adds up months over all stores, for head office alone: chain_product_sales()
--    and chain_sales(). The second sums by what products are, so a product that changes marks
--    itself in changed_products, and readers sum up from the products until the next refresh.
--
-- Why a reader cannot be wrong: in every snapshot a day without a mark is what is kept of it.
--   * A row of orders or order_items and the mark of its day are committed together.
--   * A refresh computes in one snapshot and deletes the marks of that snapshot alone. A sale
--     that commits later has a mark that it does not see, and so does not delete.
--   * Whoever writes a line holds its order in share mode: it cannot go to another day between
--     the mark and the commit.
--   * An emptied or rewritten table is empty for older snapshots too, as PostgreSQL documents.
--     A refresh locks both tables before it takes its snapshot; a reader needs a new one.
--
-- Who loads in bulk disables the triggers of orders and order_items whose names begin with
-- mark_, loads, enables them and calls retail.mark_all_orders(), all in one transaction, for
-- which tills wait; then refreshes. retail.discard_sales_totals() starts over.
--
-- A comment that begins with "Internal:" keeps a table out of what a model is shown.

CREATE TABLE IF NOT EXISTS retail.changed_orders (
    store_id    uuid NOT NULL,
    day         date NOT NULL,
    customer_id uuid
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
COMMENT ON TABLE retail.changed_orders IS 'Internal: what has changed since the last refresh of the totals; written by every sale, so it has no key';
COMMENT ON COLUMN retail.changed_orders.store_id IS 'The store';
COMMENT ON COLUMN retail.changed_orders.day IS 'A business day whose orders or lines changed';
COMMENT ON COLUMN retail.changed_orders.customer_id IS 'Whose orders changed; empty if lines alone did, and for anonymous sales';

-- It has no key to delete by, which a publication of all tables would ask for.
DO $$
BEGIN
    IF (SELECT relreplident <> 'f' FROM pg_class WHERE oid = 'retail.changed_orders'::regclass) THEN
        ALTER TABLE retail.changed_orders REPLICA IDENTITY FULL;
    END IF;
END
$$;

CREATE TABLE IF NOT EXISTS retail.kept_daily_sales (
    store_id         uuid          NOT NULL,
    day              date          NOT NULL,
    revenue          numeric(16,2) NOT NULL,
    orders           integer       NOT NULL,
    cancelled_orders integer       NOT NULL,
    returned_orders  integer       NOT NULL,
    customers        integer       NOT NULL,
    returns          integer       NOT NULL,
    returned_amount  numeric(16,2) NOT NULL,
    PRIMARY KEY (store_id, day)
);
COMMENT ON TABLE retail.kept_daily_sales IS 'Internal: daily_sales as of the last refresh';
COMMENT ON COLUMN retail.kept_daily_sales.store_id IS 'The store';
COMMENT ON COLUMN retail.kept_daily_sales.day IS 'The business day';
COMMENT ON COLUMN retail.kept_daily_sales.revenue IS 'Total of the orders that count and of returns, in the chain''s currency';
COMMENT ON COLUMN retail.kept_daily_sales.orders IS 'Orders that count, returns left out';
COMMENT ON COLUMN retail.kept_daily_sales.cancelled_orders IS 'Orders that were cancelled';
COMMENT ON COLUMN retail.kept_daily_sales.returned_orders IS 'Orders that were returned';
COMMENT ON COLUMN retail.kept_daily_sales.customers IS 'Customers who bought; anonymous sales have none';
COMMENT ON COLUMN retail.kept_daily_sales.returns IS 'Returns that were made on that day';
COMMENT ON COLUMN retail.kept_daily_sales.returned_amount IS 'What was given back for them, in the chain''s currency';

CREATE TABLE IF NOT EXISTS retail.kept_daily_product_sales (
    store_id   uuid          NOT NULL,
    day        date          NOT NULL,
    product_id uuid          NOT NULL,
    units      numeric       NOT NULL,
    revenue    numeric(16,2) NOT NULL,
    discount   numeric(16,2) NOT NULL,
    PRIMARY KEY (store_id, day, product_id)
);
COMMENT ON TABLE retail.kept_daily_product_sales IS 'Internal: daily_product_sales as of the last refresh';
COMMENT ON COLUMN retail.kept_daily_product_sales.store_id IS 'The store';
COMMENT ON COLUMN retail.kept_daily_product_sales.day IS 'The business day';
COMMENT ON COLUMN retail.kept_daily_product_sales.product_id IS 'The product';
COMMENT ON COLUMN retail.kept_daily_product_sales.units IS 'Units sold, in products.unit; what came back is subtracted';
COMMENT ON COLUMN retail.kept_daily_product_sales.revenue IS 'Net revenue after discounts, in the chain''s currency; what came back is subtracted';
COMMENT ON COLUMN retail.kept_daily_product_sales.discount IS 'Price reductions and the chain''s own coupons, in its currency';

CREATE TABLE IF NOT EXISTS retail.kept_monthly_product_sales (
    store_id   uuid          NOT NULL,
    month      date          NOT NULL,
    product_id uuid          NOT NULL,
    units      numeric       NOT NULL,
    revenue    numeric(16,2) NOT NULL,
    discount   numeric(16,2) NOT NULL,
    PRIMARY KEY (store_id, month, product_id)
);
COMMENT ON TABLE retail.kept_monthly_product_sales IS 'Internal: monthly_product_sales as of the last refresh';
COMMENT ON COLUMN retail.kept_monthly_product_sales.store_id IS 'The store';
COMMENT ON COLUMN retail.kept_monthly_product_sales.month IS 'First day of the month';
COMMENT ON COLUMN retail.kept_monthly_product_sales.product_id IS 'The product';
COMMENT ON COLUMN retail.kept_monthly_product_sales.units IS 'Units sold, in products.unit; what came back is subtracted';
COMMENT ON COLUMN retail.kept_monthly_product_sales.revenue IS 'Net revenue after discounts, in the chain''s currency; what came back is subtracted';
COMMENT ON COLUMN retail.kept_monthly_product_sales.discount IS 'Price reductions and the chain''s own coupons, in its currency';

CREATE TABLE IF NOT EXISTS retail.changed_products (
    product_id uuid
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
COMMENT ON TABLE retail.changed_products IS
    'Internal: products that have another category, type, brand, unit or cost since the last refresh; while there is one, nobody reads kept_chain_sales';
COMMENT ON COLUMN retail.changed_products.product_id IS 'The product; empty for any';

CREATE TABLE IF NOT EXISTS retail.kept_chain_product_sales (
    month      date          NOT NULL,
    product_id uuid          NOT NULL,
    units      numeric(15,3) NOT NULL,
    revenue    numeric(16,2) NOT NULL,
    discount   numeric(16,2) NOT NULL,
    PRIMARY KEY (month, product_id)
);
COMMENT ON TABLE retail.kept_chain_product_sales IS
    'Internal: kept_monthly_product_sales added up over all stores; only chain_product_sales() and chain_sales() read it';
COMMENT ON COLUMN retail.kept_chain_product_sales.month IS 'First day of the month';
COMMENT ON COLUMN retail.kept_chain_product_sales.product_id IS 'The product';
COMMENT ON COLUMN retail.kept_chain_product_sales.units IS 'Units sold, in products.unit; what came back is subtracted';
COMMENT ON COLUMN retail.kept_chain_product_sales.revenue IS 'Net revenue after discounts, in the chain''s currency; what came back is subtracted';
COMMENT ON COLUMN retail.kept_chain_product_sales.discount IS 'Price reductions and the chain''s own coupons, in its currency';

CREATE TABLE IF NOT EXISTS retail.kept_chain_sales (
    month          date          NOT NULL,
    category_id    uuid,
    type_id        uuid,
    brand          text,
    unit           text          NOT NULL,
    units          numeric(15,3) NOT NULL,
    revenue        numeric(16,2) NOT NULL,
    discount       numeric(16,2) NOT NULL,
    costed_revenue numeric(16,2) NOT NULL,
    cost           numeric(20,7) NOT NULL,  -- units have three digits, products.cost has four
    CONSTRAINT kept_chain_sales_key UNIQUE NULLS NOT DISTINCT (month, category_id, type_id, brand, unit)
);
COMMENT ON TABLE retail.kept_chain_sales IS
    'Internal: kept_chain_product_sales added up by what products were at the last refresh; only chain_sales() reads it';
COMMENT ON COLUMN retail.kept_chain_sales.month IS 'First day of the month';
COMMENT ON COLUMN retail.kept_chain_sales.category_id IS 'The category of the products; empty for those without';
COMMENT ON COLUMN retail.kept_chain_sales.type_id IS 'Their type; empty for those without';
COMMENT ON COLUMN retail.kept_chain_sales.brand IS 'Their brand; empty for those without';
COMMENT ON COLUMN retail.kept_chain_sales.unit IS 'Their unit of measure';
COMMENT ON COLUMN retail.kept_chain_sales.units IS 'Units sold; what came back is subtracted';
COMMENT ON COLUMN retail.kept_chain_sales.revenue IS 'Net revenue after discounts, in the chain''s currency; what came back is subtracted';
COMMENT ON COLUMN retail.kept_chain_sales.discount IS 'Price reductions and the chain''s own coupons, in its currency';
COMMENT ON COLUMN retail.kept_chain_sales.costed_revenue IS 'The part of revenue whose cost is known';
COMMENT ON COLUMN retail.kept_chain_sales.cost IS 'That cost, in the chain''s currency';

CREATE TABLE IF NOT EXISTS retail.kept_customers (
    customer_id uuid          NOT NULL,
    store_id    uuid          NOT NULL,
    days        date[]        NOT NULL,
    orders      integer       NOT NULL,
    spent       numeric(16,2) NOT NULL,
    PRIMARY KEY (customer_id, store_id)
);
COMMENT ON TABLE retail.kept_customers IS 'Internal: what each customer bought, as of the last refresh';
COMMENT ON COLUMN retail.kept_customers.customer_id IS 'The customer';
COMMENT ON COLUMN retail.kept_customers.store_id IS 'Where they bought';
COMMENT ON COLUMN retail.kept_customers.days IS 'Business days on which they bought, ascending';
COMMENT ON COLUMN retail.kept_customers.orders IS 'Orders that count, returns left out';
COMMENT ON COLUMN retail.kept_customers.spent IS 'Total of the orders that count and of returns, in the chain''s currency';
DO $$ BEGIN PERFORM pg_temp.make_index('kept_customers_store_id_idx', $i$retail.kept_customers (store_id)$i$); END $$;

CREATE TABLE IF NOT EXISTS retail.kept_visits (
    store_id     uuid    NOT NULL,
    previous_day date    NOT NULL,
    day          date    NOT NULL,
    customers    integer NOT NULL,
    PRIMARY KEY (store_id, previous_day, day) INCLUDE (customers)
);
COMMENT ON TABLE retail.kept_visits IS 'Internal: customers who bought on a day and before that last on another, as of the last refresh';
COMMENT ON COLUMN retail.kept_visits.store_id IS 'The store';
COMMENT ON COLUMN retail.kept_visits.previous_day IS 'The business day before that; -infinity for a first purchase';
COMMENT ON COLUMN retail.kept_visits.day IS 'The business day on which they bought';
COMMENT ON COLUMN retail.kept_visits.customers IS 'How many customers';

-- Of a database that an earlier version loaded: what is recommended was counted without the customers. It is counted
-- again by the next refresh, and nothing is recommended until then.
DO $$
BEGIN
    IF to_regclass('retail.product_pairs') IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = to_regclass('retail.product_pairs') AND attname = 'customers' AND NOT attisdropped)
    THEN
        DROP TABLE IF EXISTS retail.product_pairs, retail.segment_products, retail.chain_segment_products;
        IF to_regclass('retail.refreshes') IS NOT NULL THEN
            UPDATE retail.refreshes SET refreshed_at = NULL WHERE what = 'recommendations';
        END IF;
    END IF;
END
$$;
CREATE TABLE IF NOT EXISTS retail.product_pairs (
    store_id         uuid    NOT NULL,
    product_id       uuid    NOT NULL,
    other_product_id uuid    NOT NULL,
    orders           integer NOT NULL,
    customers        integer NOT NULL,
    PRIMARY KEY (store_id, product_id, other_product_id)
);
COMMENT ON TABLE retail.product_pairs IS
    'Products in the same order of a store, as of refreshes.refreshed_at. A pair of fewer than 5 orders or 3 customers in the store is chance and left out';
COMMENT ON COLUMN retail.product_pairs.store_id IS 'The store';
COMMENT ON COLUMN retail.product_pairs.product_id IS 'A product';
COMMENT ON COLUMN retail.product_pairs.other_product_id IS 'Another one of the same orders';
COMMENT ON COLUMN retail.product_pairs.orders IS 'Orders that hold both, cancelled and returned ones and returns left out';
COMMENT ON COLUMN retail.product_pairs.customers IS 'Customers of these orders; each anonymous order is one of its own';
DO $$ BEGIN PERFORM pg_temp.make_index('product_pairs_product_id_idx', $i$retail.product_pairs (product_id)$i$); END $$;

CREATE TABLE IF NOT EXISTS retail.chain_product_pairs (
    product_id       uuid    NOT NULL,
    other_product_id uuid    NOT NULL,
    orders           integer NOT NULL,
    customers        integer NOT NULL,
    PRIMARY KEY (product_id, other_product_id)
);
COMMENT ON TABLE retail.chain_product_pairs IS
    'Internal: products in the same order, over all stores, as of refreshes.refreshed_at; for each product the 100 that retail.lift_at_least() puts first; only chain_pairs() reads it';
COMMENT ON COLUMN retail.chain_product_pairs.product_id IS 'A product';
COMMENT ON COLUMN retail.chain_product_pairs.other_product_id IS 'Another one of the same orders';
COMMENT ON COLUMN retail.chain_product_pairs.orders IS 'Orders that hold both, cancelled and returned ones and returns left out';
COMMENT ON COLUMN retail.chain_product_pairs.customers IS 'Customers of these orders; each anonymous order is one of its own';

CREATE TABLE IF NOT EXISTS retail.segment_products (
    store_id       uuid    NOT NULL,
    segment        text    NOT NULL,
    product_id     uuid,
    orders         integer NOT NULL,
    customers      integer NOT NULL,
    product_orders bigint,
    threshold      numeric,
    CONSTRAINT segment_products_key UNIQUE NULLS NOT DISTINCT (store_id, segment, product_id)
);
COMMENT ON TABLE retail.segment_products IS
    'Internal: what the customers of a segment of each store buy there, as of refreshes.refreshed_at, and a row without a product about the segment. Whoever is in a segment of two stores is in both rows: sums over stores count them twice, so use retail.chain_segments(segment), or count(DISTINCT customer_id) of orders';
COMMENT ON COLUMN retail.segment_products.store_id IS 'The store';
COMMENT ON COLUMN retail.segment_products.segment IS 'new, frequent, big_spender or lapsed; all for every order, anonymous ones too';
COMMENT ON COLUMN retail.segment_products.product_id IS 'The product; empty in the row about the segment';
COMMENT ON COLUMN retail.segment_products.orders IS 'Their orders that hold the product; without a product, all their orders';
COMMENT ON COLUMN retail.segment_products.customers IS 'Customers of these orders. Each anonymous order is one of its own in rows of a product, and none without';
COMMENT ON COLUMN retail.segment_products.product_orders IS 'Without a product: the sum of orders over all products';
COMMENT ON COLUMN retail.segment_products.threshold IS
    'Without a product: the rule in numbers. new: the days since the first purchase; lapsed: the days without one; frequent: the least orders; big_spender: the least spending. Empty if nobody can be in the segment';

CREATE TABLE IF NOT EXISTS retail.chain_segment_products (
    segment        text    NOT NULL,
    product_id     uuid,
    orders         integer NOT NULL,
    customers      integer NOT NULL,
    product_orders bigint,
    threshold      numeric,
    CONSTRAINT chain_segment_products_key UNIQUE NULLS NOT DISTINCT (segment, product_id)
);
COMMENT ON TABLE retail.chain_segment_products IS
    'Internal: segment_products of the whole chain, each customer once, as of refreshes.refreshed_at; only chain_segments() reads it';
COMMENT ON COLUMN retail.chain_segment_products.segment IS 'new, frequent, big_spender or lapsed, by all that a customer bought in the chain; all for every order, anonymous ones too';
COMMENT ON COLUMN retail.chain_segment_products.product_id IS 'The product; empty in the row about the segment';
COMMENT ON COLUMN retail.chain_segment_products.orders IS 'Their orders that hold the product; without a product, all their orders';
COMMENT ON COLUMN retail.chain_segment_products.customers IS 'Customers of these orders. Each anonymous order is one of its own in rows of a product, and none without';
COMMENT ON COLUMN retail.chain_segment_products.product_orders IS 'Without a product: the sum of orders over all products';
COMMENT ON COLUMN retail.chain_segment_products.threshold IS 'Without a product: the rule in numbers, as in segment_products';

CREATE TABLE IF NOT EXISTS retail.customer_segments (
    store_id    uuid   NOT NULL,
    customer_id uuid   NOT NULL,
    segments    text[] NOT NULL,
    PRIMARY KEY (store_id, customer_id)
);
COMMENT ON TABLE retail.customer_segments IS
    'Internal: who is in which segment of a store, as of refreshes.refreshed_at; whoever is in none has no row';
COMMENT ON COLUMN retail.customer_segments.store_id IS 'The store';
COMMENT ON COLUMN retail.customer_segments.customer_id IS 'The customer';
COMMENT ON COLUMN retail.customer_segments.segments IS 'new, frequent, big_spender, lapsed: by what they bought in this store';

CREATE TABLE IF NOT EXISTS retail.chain_customer_segments (
    customer_id uuid   PRIMARY KEY,
    segments    text[] NOT NULL
);
COMMENT ON TABLE retail.chain_customer_segments IS
    'Internal: customer_segments of the whole chain, as of refreshes.refreshed_at; only chain_members() reads it';
COMMENT ON COLUMN retail.chain_customer_segments.customer_id IS 'The customer';
COMMENT ON COLUMN retail.chain_customer_segments.segments IS 'new, frequent, big_spender, lapsed: by all that they bought in the chain';

DO $$
DECLARE
    target regclass;
BEGIN
    FOREACH target IN ARRAY ARRAY['retail.segment_products', 'retail.chain_segment_products', 'retail.changed_products',
                                  'retail.kept_chain_sales'] LOOP
        IF (SELECT relreplident <> 'f' FROM pg_class WHERE oid = target) THEN
            EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', target);
        END IF;
    END LOOP;
END
$$;

CREATE TABLE IF NOT EXISTS retail.refreshes (
    what         text        PRIMARY KEY CONSTRAINT refreshes_what_known CHECK (what IN ('totals', 'recommendations')),
    refreshed_at timestamptz
);
INSERT INTO retail.refreshes (what) SELECT w FROM unnest(ARRAY['totals', 'recommendations']) AS w
WHERE NOT EXISTS (SELECT FROM retail.refreshes AS r WHERE r.what = w);
COMMENT ON TABLE retail.refreshes IS 'When the totals, and what is recommended, were last refreshed; the totals are exact all the same';
COMMENT ON COLUMN retail.refreshes.what IS 'totals, or recommendations: product_pairs and the segments of customers';
COMMENT ON COLUMN retail.refreshes.refreshed_at IS 'Of when they are, UTC; empty for never';

-- What a write marks, and where customers are seen.

CREATE OR REPLACE FUNCTION retail.other_stores(customer_id uuid, store_id uuid) RETURNS uuid[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    -- A probe a store, however many orders there are.
    SELECT coalesce(array_agg(s.store_id ORDER BY s.store_id), '{}')
    FROM retail.stores AS s
    WHERE s.store_id IS DISTINCT FROM other_stores.store_id
        AND EXISTS (SELECT FROM retail.orders AS o WHERE o.customer_id = other_stores.customer_id AND o.store_id = s.store_id)
$$;
COMMENT ON FUNCTION retail.other_stores(uuid, uuid) IS 'The stores where a customer has bought, but for one';

CREATE OR REPLACE FUNCTION retail.keep_customer_stores(customer_ids uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Locked in one order first: whoever waited sees what the other has bought meanwhile.
    PERFORM FROM retail.customers AS c WHERE c.customer_id = ANY (customer_ids) ORDER BY c.customer_id FOR NO KEY UPDATE;
    -- Stores are only added: a sale that is under way relies on one that is there already.
    IF cardinality(customer_ids) >= 50 THEN
        -- An import: to read the orders of so many costs less than a probe for each of them in each store.
        UPDATE retail.customers AS c
        SET store_ids = c.store_ids || b.missing
        FROM (
            SELECT k.customer_id, array_agg(o.store_id ORDER BY o.store_id) AS missing
            FROM retail.customers AS k
            JOIN (SELECT DISTINCT v.customer_id, v.store_id FROM retail.orders AS v WHERE v.customer_id = ANY (customer_ids)) AS o
                ON o.customer_id = k.customer_id
            WHERE o.store_id IS DISTINCT FROM k.store_id AND o.store_id <> ALL (k.store_ids)
            GROUP BY k.customer_id
        ) AS b
        WHERE c.customer_id = b.customer_id;
        RETURN;
    END IF;
    UPDATE retail.customers AS c
    SET store_ids = c.store_ids || o.missing
    FROM unnest(customer_ids) AS v (customer_id)
    CROSS JOIN LATERAL (
        SELECT array_agg(s ORDER BY s) AS missing
        FROM unnest(retail.other_stores(v.customer_id, NULL)) AS s
        WHERE NOT EXISTS (SELECT FROM retail.customers AS k
                          WHERE k.customer_id = v.customer_id AND (k.store_id = s OR s = ANY (k.store_ids)))
    ) AS o
    WHERE c.customer_id = v.customer_id AND o.missing IS NOT NULL;
END
$$;
COMMENT ON FUNCTION retail.keep_customer_stores(uuid[]) IS 'Adds to customers.store_ids of some customers the stores where they have bought; for the triggers';

CREATE OR REPLACE FUNCTION retail.customer_moved() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Whether they ever bought in the old home a sale under way may still decide: it goes on seeing them.
    NEW.store_ids := array_remove(array_remove(OLD.store_ids || OLD.store_id, NEW.store_id), NULL);
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION retail.customer_moved() IS 'Trigger: customers.store_ids of a customer whose home store changes';

CREATE OR REPLACE FUNCTION retail.mark_orders() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    visitors uuid[];
BEGIN
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        -- Not DISTINCT: few orders of one statement have a day and a customer in common, and a till pays for it.
        INSERT INTO retail.changed_orders (store_id, day, customer_id)
        SELECT store_id, business_day, customer_id FROM new_rows;
        -- A first purchase away from home.
        visitors := ARRAY(
            SELECT c.customer_id FROM new_rows AS n JOIN retail.customers AS c ON c.customer_id = n.customer_id
            WHERE c.store_id IS DISTINCT FROM n.store_id AND n.store_id <> ALL (c.store_ids));
    END IF;
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        INSERT INTO retail.changed_orders (store_id, day, customer_id)
        SELECT store_id, business_day, customer_id FROM old_rows;
    END IF;
    IF visitors <> '{}' THEN
        PERFORM retail.keep_customer_stores(visitors);
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        -- A refresh that is under way may keep what this snapshot does not see. This waits for it, or fails with
        -- serialization_failure where the snapshot stays an old one; a refresh with an older snapshot fails likewise.
        UPDATE retail.refreshes SET refreshed_at = refreshed_at WHERE what = 'totals';
        INSERT INTO retail.changed_orders (store_id, day, customer_id)
        SELECT store_id, day, NULL FROM retail.kept_daily_sales
        UNION ALL SELECT store_id, coalesce(days[1], '2000-01-01'), customer_id FROM retail.kept_customers;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION retail.mark_orders() IS
    'Trigger: marks the days and the customers of changed orders, and shows a customer to the stores where they buy';

CREATE OR REPLACE FUNCTION retail.mark_order_items() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- The order is locked in share mode: it cannot go to another day between here and the commit. An array, since it
    -- costs a till a tenth less than a join.
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        INSERT INTO retail.changed_orders (store_id, day)
        SELECT DISTINCT o.store_id, o.business_day
        FROM (SELECT store_id, business_day FROM retail.orders
              WHERE order_id = ANY (ARRAY(SELECT order_id FROM new_rows)) ORDER BY order_id FOR SHARE) AS o;
    END IF;
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        INSERT INTO retail.changed_orders (store_id, day)
        SELECT DISTINCT o.store_id, o.business_day
        FROM (SELECT store_id, business_day FROM retail.orders
              WHERE order_id = ANY (ARRAY(SELECT order_id FROM old_rows)) ORDER BY order_id FOR SHARE) AS o;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        -- A refresh that is under way may keep what this snapshot does not see. This waits for it, or fails with
        -- serialization_failure where the snapshot stays an old one; a refresh with an older snapshot fails likewise.
        UPDATE retail.refreshes SET refreshed_at = refreshed_at WHERE what = 'totals';
        INSERT INTO retail.changed_orders (store_id, day) SELECT store_id, day FROM retail.kept_daily_sales;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION retail.mark_order_items() IS 'Trigger: marks the days of the orders whose lines changed';

CREATE OR REPLACE FUNCTION retail.mark_products() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO retail.changed_products (product_id)
    SELECT n.product_id
    FROM new_rows AS n
    JOIN old_rows AS o ON o.product_id = n.product_id
    WHERE (n.category_id, n.type_id, n.brand, n.unit, n.cost) IS DISTINCT FROM (o.category_id, o.type_id, o.brand, o.unit, o.cost);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION retail.mark_products() IS 'Trigger: marks products by whose category, type, brand, unit or cost sales are added up';

CREATE OR REPLACE FUNCTION retail.mark_all_orders() RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE retail.customers AS c
    SET store_ids = c.store_ids || b.missing
    FROM (
        SELECT h.customer_id, array_agg(o.store_id ORDER BY o.store_id) AS missing
        FROM retail.customers AS h
        JOIN (SELECT DISTINCT customer_id, store_id FROM retail.orders) AS o ON o.customer_id = h.customer_id
        WHERE o.store_id IS DISTINCT FROM h.store_id AND o.store_id <> ALL (h.store_ids)
        GROUP BY h.customer_id
    ) AS b
    WHERE b.customer_id = c.customer_id;
    -- As after TRUNCATE: a refresh that is under way may keep a day that has no orders any more.
    UPDATE retail.refreshes SET refreshed_at = refreshed_at WHERE what = 'totals';
    INSERT INTO retail.changed_orders (store_id, day, customer_id)
    SELECT DISTINCT store_id, business_day, customer_id FROM retail.orders
    UNION ALL SELECT store_id, day, NULL FROM retail.kept_daily_sales
    UNION ALL SELECT store_id, coalesce(days[1], '2000-01-01'), customer_id FROM retail.kept_customers;  -- a mark needs a day
    INSERT INTO retail.changed_products (product_id) VALUES (NULL);
$$;
COMMENT ON FUNCTION retail.mark_all_orders() IS
    'Marks every day, every customer and the products, and shows customers to the stores where they bought, after rows were written without triggers; refresh_sales_totals() does the rest';

CREATE OR REPLACE FUNCTION retail.discard_sales_totals() RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT retail.mark_all_orders();
    DELETE FROM retail.kept_daily_sales;
    DELETE FROM retail.kept_daily_product_sales;
    DELETE FROM retail.kept_monthly_product_sales;
    DELETE FROM retail.kept_customers;
    DELETE FROM retail.kept_visits;
    DELETE FROM retail.kept_chain_product_sales;
    DELETE FROM retail.kept_chain_sales;
$$;
COMMENT ON FUNCTION retail.discard_sales_totals() IS
    'Forgets all that is kept and marks everything, so that the next refresh_sales_totals() computes it anew: after kept_ tables were restored in part, or changed by hand';

-- What readers see: the kept days that are not marked, and the marked days from the orders.

DO $$ BEGIN PERFORM pg_temp.make_view('changed_daily_sales', $v$
SELECT c.store_id, c.day, o.revenue, o.orders, o.cancelled_orders, o.returned_orders, o.customers, o.returns, o.returned_amount
FROM (SELECT DISTINCT store_id, day FROM retail.changed_orders) AS c
CROSS JOIN LATERAL (
    SELECT coalesce(sum(o.total_amount) FILTER (WHERE o.sold_on IS NOT NULL), 0)::numeric(16,2) AS revenue,
           (count(*) FILTER (WHERE o.sold_on IS NOT NULL AND NOT o.is_return))::integer AS orders,
           (count(*) FILTER (WHERE o.status = 'cancelled'))::integer AS cancelled_orders,
           (count(*) FILTER (WHERE o.status = 'returned'))::integer AS returned_orders,
           (count(DISTINCT o.customer_id) FILTER (WHERE o.sold_on IS NOT NULL AND NOT o.is_return))::integer AS customers,
           (count(*) FILTER (WHERE o.sold_on IS NOT NULL AND o.is_return))::integer AS returns,
           coalesce(-sum(o.total_amount) FILTER (WHERE o.sold_on IS NOT NULL AND o.is_return), 0)::numeric(16,2) AS returned_amount
    FROM retail.orders AS o
    WHERE o.store_id = c.store_id AND o.business_day = c.day
    HAVING count(*) > 0
) AS o
$v$); END $$;
COMMENT ON VIEW retail.changed_daily_sales IS 'Internal: daily_sales of the marked days';
COMMENT ON COLUMN retail.changed_daily_sales.store_id IS 'The store';
COMMENT ON COLUMN retail.changed_daily_sales.day IS 'The business day';
COMMENT ON COLUMN retail.changed_daily_sales.revenue IS 'Total of the orders that count and of returns, in the chain''s currency';
COMMENT ON COLUMN retail.changed_daily_sales.orders IS 'Orders that count, returns left out';
COMMENT ON COLUMN retail.changed_daily_sales.cancelled_orders IS 'Orders that were cancelled';
COMMENT ON COLUMN retail.changed_daily_sales.returned_orders IS 'Orders that were returned';
COMMENT ON COLUMN retail.changed_daily_sales.customers IS 'Customers who bought; anonymous sales have none';
COMMENT ON COLUMN retail.changed_daily_sales.returns IS 'Returns that were made on that day';
COMMENT ON COLUMN retail.changed_daily_sales.returned_amount IS 'What was given back for them, in the chain''s currency';

DO $$ BEGIN PERFORM pg_temp.make_view('changed_daily_product_sales', $v$
SELECT c.store_id, c.day, i.product_id, i.units, i.revenue, i.discount
FROM (SELECT DISTINCT store_id, day FROM retail.changed_orders) AS c
CROSS JOIN LATERAL (
    SELECT i.product_id, coalesce(sum(i.quantity) FILTER (WHERE i.line_kind IN ('sale', 'return')), 0) AS units,
           sum(i.total_amount)::numeric(16,2) AS revenue, sum(i.discount_amount + i.coupon_amount)::numeric(16,2) AS discount
    FROM retail.orders AS o
    JOIN retail.order_items AS i ON i.order_id = o.order_id AND i.store_id = o.store_id
    WHERE o.store_id = c.store_id AND o.business_day = c.day AND o.sold_on IS NOT NULL
    GROUP BY i.product_id
    HAVING (coalesce(sum(i.quantity) FILTER (WHERE i.line_kind IN ('sale', 'return')), 0), sum(i.total_amount),
            sum(i.discount_amount + i.coupon_amount)) <> (0, 0, 0)
) AS i
$v$); END $$;
COMMENT ON VIEW retail.changed_daily_product_sales IS 'Internal: daily_product_sales of the marked days';
COMMENT ON COLUMN retail.changed_daily_product_sales.store_id IS 'The store';
COMMENT ON COLUMN retail.changed_daily_product_sales.day IS 'The business day';
COMMENT ON COLUMN retail.changed_daily_product_sales.product_id IS 'The product';
COMMENT ON COLUMN retail.changed_daily_product_sales.units IS 'Units sold, in products.unit; what came back is subtracted';
COMMENT ON COLUMN retail.changed_daily_product_sales.revenue IS 'Net revenue after discounts, in the chain''s currency; what came back is subtracted';
COMMENT ON COLUMN retail.changed_daily_product_sales.discount IS 'Price reductions and the chain''s own coupons, in its currency';

DO $$ BEGIN PERFORM pg_temp.make_view('daily_sales', $v$
SELECT k.store_id, k.day, k.revenue, k.orders, k.cancelled_orders, k.returned_orders, k.customers, k.returns, k.returned_amount
FROM retail.kept_daily_sales AS k
WHERE (k.store_id, k.day) NOT IN (SELECT DISTINCT c.store_id, c.day FROM retail.changed_orders AS c)
UNION ALL
SELECT c.store_id, c.day, c.revenue, c.orders, c.cancelled_orders, c.returned_orders, c.customers, c.returns, c.returned_amount
FROM retail.changed_daily_sales AS c
$v$); END $$;
COMMENT ON VIEW retail.daily_sales IS
    'Totals of orders per store and business day, always up to date: the cheapest source of revenue and order counts';
COMMENT ON COLUMN retail.daily_sales.store_id IS 'The store';
COMMENT ON COLUMN retail.daily_sales.day IS 'The business day; days without an order have no row';
COMMENT ON COLUMN retail.daily_sales.revenue IS 'Total of the orders that count and of returns, in the chain''s currency';
COMMENT ON COLUMN retail.daily_sales.orders IS 'Orders that count: not cancelled, not returned, no returns themselves';
COMMENT ON COLUMN retail.daily_sales.cancelled_orders IS 'Orders of that day that were cancelled';
COMMENT ON COLUMN retail.daily_sales.returned_orders IS 'Orders of that day that have the status returned';
COMMENT ON COLUMN retail.daily_sales.returns IS 'Returns that were made on that day, of purchases of whatever day';
COMMENT ON COLUMN retail.daily_sales.returned_amount IS 'What was given back for them, in the chain''s currency; revenue has it subtracted';
COMMENT ON COLUMN retail.daily_sales.customers IS
    'Customers who bought on that day, anonymous sales have none; do not add it up, some buy again: over several days use retail.count_customers(store_id, first_days, end_days), over several stores retail.count_customers_of_stores(first_days, end_days, store_ids)';

DO $$ BEGIN PERFORM pg_temp.make_view('daily_product_sales', $v$
SELECT k.store_id, k.day, k.product_id, k.units, k.revenue, k.discount
FROM retail.kept_daily_product_sales AS k
WHERE (k.store_id, k.day) NOT IN (SELECT DISTINCT c.store_id, c.day FROM retail.changed_orders AS c)
UNION ALL
SELECT c.store_id, c.day, c.product_id, c.units, c.revenue, c.discount
FROM retail.changed_daily_product_sales AS c
$v$); END $$;
COMMENT ON VIEW retail.daily_product_sales IS
    'Totals of order_items per store, business day and product, cancelled and returned orders left out; join products for the category and the unit';
COMMENT ON COLUMN retail.daily_product_sales.store_id IS 'The store';
COMMENT ON COLUMN retail.daily_product_sales.day IS 'The business day';
COMMENT ON COLUMN retail.daily_product_sales.product_id IS 'The product, of retail.products';
COMMENT ON COLUMN retail.daily_product_sales.units IS 'Units sold, in products.unit; what came back is subtracted';
COMMENT ON COLUMN retail.daily_product_sales.revenue IS 'Net revenue after discounts, in the chain''s currency; what came back is subtracted';
COMMENT ON COLUMN retail.daily_product_sales.discount IS 'Price reductions and the chain''s own coupons, in its currency';

DO $$ BEGIN PERFORM pg_temp.make_view('product_sales_corrections', $v$
SELECT k.store_id, k.day, k.product_id, -k.units AS units, -k.revenue AS revenue, -k.discount AS discount
FROM (SELECT DISTINCT store_id, day FROM retail.changed_orders) AS c
JOIN retail.kept_daily_product_sales AS k ON k.store_id = c.store_id AND k.day = c.day
UNION ALL
SELECT c.store_id, c.day, c.product_id, c.units, c.revenue, c.discount
FROM retail.changed_daily_product_sales AS c
$v$); END $$;
COMMENT ON VIEW retail.product_sales_corrections IS
    'Internal: the lines of the marked days as they are now, and with a minus as they are kept: what sums of the kept tables lack';
COMMENT ON COLUMN retail.product_sales_corrections.store_id IS 'The store';
COMMENT ON COLUMN retail.product_sales_corrections.day IS 'The business day';
COMMENT ON COLUMN retail.product_sales_corrections.product_id IS 'The product';
COMMENT ON COLUMN retail.product_sales_corrections.units IS 'Units to add';
COMMENT ON COLUMN retail.product_sales_corrections.revenue IS 'Amount to add';
COMMENT ON COLUMN retail.product_sales_corrections.discount IS 'Amount to add';

DO $$ BEGIN PERFORM pg_temp.make_view('monthly_product_sales', $v$
SELECT k.store_id, k.month, k.product_id, k.units, k.revenue, k.discount
FROM retail.kept_monthly_product_sales AS k
WHERE (k.store_id, k.month) NOT IN (
    SELECT DISTINCT c.store_id, date_trunc('month', c.day::timestamp)::date FROM retail.changed_orders AS c)
UNION ALL
SELECT t.store_id, t.month, t.product_id, sum(t.units) AS units,
       sum(t.revenue)::numeric(16,2) AS revenue, sum(t.discount)::numeric(16,2) AS discount
FROM (
    SELECT k.store_id, k.month, k.product_id, k.units, k.revenue, k.discount
    FROM (SELECT DISTINCT store_id, date_trunc('month', day::timestamp)::date AS month FROM retail.changed_orders) AS c
    JOIN retail.kept_monthly_product_sales AS k ON k.store_id = c.store_id AND k.month = c.month
    UNION ALL
    SELECT c.store_id, date_trunc('month', c.day::timestamp)::date, c.product_id, c.units, c.revenue, c.discount
    FROM retail.product_sales_corrections AS c
) AS t
GROUP BY t.store_id, t.month, t.product_id
HAVING (sum(t.units), sum(t.revenue), sum(t.discount)) <> (0, 0, 0)
$v$); END $$;
COMMENT ON VIEW retail.monthly_product_sales IS
    'daily_product_sales added up per month: the cheapest source for products and categories over whole months';
COMMENT ON COLUMN retail.monthly_product_sales.store_id IS 'The store';
COMMENT ON COLUMN retail.monthly_product_sales.month IS 'First day of the month';
COMMENT ON COLUMN retail.monthly_product_sales.product_id IS 'The product, of retail.products';
COMMENT ON COLUMN retail.monthly_product_sales.units IS 'Units sold, in products.unit; what came back is subtracted';
COMMENT ON COLUMN retail.monthly_product_sales.revenue IS 'Net revenue after discounts, in the chain''s currency; what came back is subtracted';
COMMENT ON COLUMN retail.monthly_product_sales.discount IS 'Price reductions and the chain''s own coupons, in its currency';

-- Of a database that an earlier version loaded: it had a column less.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_proc AS p
               WHERE p.oid = to_regprocedure('retail.count_customers(uuid, date[], date[])')
                   AND NOT 'new_to_chain' = ANY (p.proargnames)) THEN
        DROP FUNCTION retail.count_customers(uuid, date[], date[]);
    END IF;
END
$$;
CREATE OR REPLACE FUNCTION retail.count_customers(
    store_id uuid, first_days date[], end_days date[],
    OUT first_day date, OUT end_day date, OUT customers bigint, OUT new_customers bigint, OUT new_to_chain bigint
) RETURNS SETOF record
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    -- Who bought on k days of a span is in k daily counts and in k - 1 of the visits whose day before
    -- lies in the span. Whoever's orders have changed since the refresh is taken out as kept and put in
    -- as now.
    WITH spans AS (
        SELECT DISTINCT s.first_day, s.end_day FROM unnest(first_days, end_days) AS s (first_day, end_day)
    ), changed AS MATERIALIZED (
        SELECT c.customer_id, c.store_id, k.days, n.day
        FROM (SELECT DISTINCT m.customer_id, m.store_id FROM retail.changed_orders AS m
              WHERE m.store_id = count_customers.store_id AND m.customer_id IS NOT NULL) AS c
        CROSS JOIN LATERAL (SELECT min(o.sold_on) AS day FROM retail.orders AS o
                            WHERE o.customer_id = c.customer_id AND o.store_id = c.store_id AND NOT o.is_return) AS n
        LEFT JOIN retail.kept_customers AS k ON k.customer_id = c.customer_id AND k.store_id = c.store_id
    ), whole AS MATERIALIZED (
        SELECT retail.sees_whole_chain() AS is_seen
    ), marked AS MATERIALIZED (
        SELECT DISTINCT m.customer_id, m.store_id FROM retail.changed_orders AS m WHERE m.customer_id IS NOT NULL
    )
    SELECT s.first_day, s.end_day, d.customers - v.customers + c.customers, n.customers + c.new_customers,
           -- Where the caller does not see the other stores, what a customer bought there is not known: NULL, not 0.
           CASE WHEN whole.is_seen THEN (
               SELECT count(*)
               FROM (
                   SELECT k.customer_id FROM retail.kept_customers AS k
                   WHERE k.store_id = count_customers.store_id AND k.days[1] >= s.first_day AND k.days[1] < s.end_day
                       AND k.customer_id NOT IN (SELECT c.customer_id FROM changed AS c)
                   UNION ALL
                   SELECT c.customer_id FROM changed AS c WHERE c.day >= s.first_day AND c.day < s.end_day
               ) AS b
               WHERE NOT EXISTS (SELECT FROM retail.kept_customers AS k
                                 WHERE k.customer_id = b.customer_id AND k.days[1] < s.first_day
                                     AND (k.customer_id, k.store_id) NOT IN (SELECT m.customer_id, m.store_id FROM marked AS m))
                   AND b.customer_id NOT IN (SELECT m.customer_id FROM marked AS m
                                             WHERE EXISTS (SELECT FROM retail.orders AS o
                                                           WHERE o.customer_id = m.customer_id AND o.store_id = m.store_id AND NOT o.is_return
                                                               AND o.sold_on < s.first_day))
           ) END
    FROM spans AS s
    CROSS JOIN whole
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(d.customers), 0) AS customers FROM retail.kept_daily_sales AS d
        WHERE d.store_id = count_customers.store_id AND d.day >= s.first_day AND d.day < s.end_day
    ) AS d
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(v.customers), 0) AS customers FROM retail.kept_visits AS v
        WHERE v.store_id = count_customers.store_id
            AND v.previous_day >= s.first_day AND v.previous_day < s.end_day AND v.day < s.end_day
            AND v.previous_day <> '-infinity'
    ) AS v
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(v.customers), 0) AS customers FROM retail.kept_visits AS v
        WHERE v.store_id = count_customers.store_id
            AND v.previous_day = '-infinity' AND v.day >= s.first_day AND v.day < s.end_day
    ) AS n
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(EXISTS (SELECT FROM retail.orders AS o
                                    WHERE o.customer_id = c.customer_id AND o.store_id = c.store_id AND NOT o.is_return
                                        AND o.sold_on >= s.first_day AND o.sold_on < s.end_day)::integer
                            - EXISTS (SELECT FROM unnest(c.days) AS d WHERE d >= s.first_day AND d < s.end_day)::integer), 0) AS customers,
               coalesce(sum(coalesce(c.day >= s.first_day AND c.day < s.end_day, false)::integer
                            - coalesce(c.days[1] >= s.first_day AND c.days[1] < s.end_day, false)::integer), 0) AS new_customers
        FROM changed AS c
    ) AS c;
$$;
COMMENT ON FUNCTION retail.count_customers(uuid, date[], date[]) IS
    'Customers of one store in some spans, each from a first day up to, not including, an end day. customers: each counted once; new_customers: first purchase in this store in the span; new_to_chain: those of them who had bought in no store of the chain before the span, NULL unless the caller sees all stores';

-- Who is new to the chain is found as in count_customers(), which does not call this: for one store that would take 2.6
-- times as long.
CREATE OR REPLACE FUNCTION retail.count_customers_of_stores(
    first_days date[], end_days date[], store_ids uuid[] DEFAULT NULL,
    OUT first_day date, OUT end_day date, OUT customers bigint, OUT new_customers bigint, OUT new_to_chain bigint
) RETURNS SETOF record
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    -- Counts of single stores do not add up: who buys in two of them is in both. So each customer's days are looked at,
    -- those of whoever's orders have changed since the refresh in the orders.
    WITH spans AS (
        SELECT DISTINCT s.first_day, s.end_day FROM unnest(first_days, end_days) AS s (first_day, end_day)
    ), whole AS MATERIALIZED (
        SELECT retail.sees_whole_chain() AS is_seen
    ), marked AS MATERIALIZED (
        SELECT DISTINCT m.customer_id, m.store_id FROM retail.changed_orders AS m WHERE m.customer_id IS NOT NULL
    ), bought AS MATERIALIZED (
        SELECT k.customer_id, k.days
        FROM retail.kept_customers AS k
        WHERE (count_customers_of_stores.store_ids IS NULL OR k.store_id = ANY (count_customers_of_stores.store_ids))
            AND k.days <> '{}' AND (k.customer_id, k.store_id) NOT IN (SELECT m.customer_id, m.store_id FROM marked AS m)
        UNION ALL
        SELECT m.customer_id, o.days
        FROM marked AS m
        CROSS JOIN LATERAL (
            SELECT array_agg(DISTINCT o.sold_on ORDER BY o.sold_on) AS days FROM retail.orders AS o
            WHERE o.customer_id = m.customer_id AND o.store_id = m.store_id AND NOT o.is_return AND o.sold_on IS NOT NULL
        ) AS o
        WHERE (count_customers_of_stores.store_ids IS NULL OR m.store_id = ANY (count_customers_of_stores.store_ids))
            AND o.days IS NOT NULL
    )
    SELECT s.first_day, s.end_day, c.customers, c.new_customers,
           CASE WHEN whole.is_seen AND count_customers_of_stores.store_ids IS NULL THEN c.new_customers
                WHEN whole.is_seen THEN (
               SELECT count(*)
               FROM (SELECT b.customer_id FROM bought AS b GROUP BY b.customer_id
                     HAVING min(b.days[1]) >= s.first_day AND min(b.days[1]) < s.end_day) AS b
               WHERE NOT EXISTS (SELECT FROM retail.kept_customers AS k
                                 WHERE k.customer_id = b.customer_id AND k.days[1] < s.first_day
                                     AND (k.customer_id, k.store_id) NOT IN (SELECT m.customer_id, m.store_id FROM marked AS m))
                   AND b.customer_id NOT IN (SELECT m.customer_id FROM marked AS m
                                             WHERE EXISTS (SELECT FROM retail.orders AS o
                                                           WHERE o.customer_id = m.customer_id AND o.store_id = m.store_id AND NOT o.is_return
                                                               AND o.sold_on < s.first_day))
           ) END
    FROM spans AS s
    CROSS JOIN whole
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE b.is_there) AS customers,
               count(*) FILTER (WHERE b.day >= s.first_day AND b.day < s.end_day) AS new_customers
        FROM (
            -- days ascend, so that two binary searches tell whether one lies in the span.
            SELECT min(b.days[1]) AS day,
                   bool_or(width_bucket(s.end_day - 1, b.days) > width_bucket(s.first_day - 1, b.days)) AS is_there
            FROM bought AS b
            GROUP BY b.customer_id
        ) AS b
    ) AS c;
$$;
COMMENT ON FUNCTION retail.count_customers_of_stores(date[], date[], uuid[]) IS
    'Customers of several stores together, of all that the caller sees without store_ids, in some spans, each from a first day up to, not including, an end day. customers: each counted once, in however many stores; new_customers: first purchase in any of these stores in the span; new_to_chain: those of them who had bought in no store of the chain before the span, NULL unless the caller sees all stores';

CREATE OR REPLACE FUNCTION retail.chain_product_sales(first_month date, end_month date)
    RETURNS TABLE (month date, product_id uuid, units numeric, revenue numeric, discount numeric)
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 100000
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF retail.sees_whole_chain() THEN
        RETURN QUERY
        SELECT k.month, k.product_id, k.units::numeric, k.revenue::numeric, k.discount::numeric
        FROM retail.kept_chain_product_sales AS k
        WHERE k.month >= chain_product_sales.first_month AND k.month < chain_product_sales.end_month
        UNION ALL
        SELECT date_trunc('month', c.day::timestamp)::date, c.product_id, c.units, c.revenue, c.discount
        FROM retail.product_sales_corrections AS c
        WHERE c.day >= chain_product_sales.first_month AND c.day < chain_product_sales.end_month;
    END IF;
END
$$;
COMMENT ON FUNCTION retail.chain_product_sales(date, date) IS
    'For head office: what all stores together sold per month and product, from one first day of a month up to, not including, another; always up to date. A product may have several rows of a month: add them up. No row for whoever does not see all stores';

CREATE OR REPLACE FUNCTION retail.chain_sales(first_month date, end_month date)
    RETURNS TABLE (month date, category_id uuid, type_id uuid, brand text, unit text, units numeric, revenue numeric, discount numeric,
        costed_revenue numeric, cost numeric)
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 20000
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF NOT retail.sees_whole_chain() THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM retail.changed_products) THEN
        RETURN QUERY
        SELECT k.month, k.category_id, k.type_id, k.brand, k.unit, k.units::numeric, k.revenue::numeric, k.discount::numeric,
               k.costed_revenue::numeric, k.cost::numeric
        FROM retail.kept_chain_sales AS k
        WHERE k.month >= chain_sales.first_month AND k.month < chain_sales.end_month;
    END IF;
    -- What that lacks; everything, while some product is another than it was.
    RETURN QUERY
    SELECT t.month, p.category_id, p.type_id, p.brand::text, p.unit::text, t.units, t.revenue, t.discount,
           CASE WHEN p.cost IS NOT NULL THEN t.revenue ELSE 0 END, coalesce(t.units * p.cost, 0)
    FROM (
        SELECT k.month, k.product_id, k.units::numeric, k.revenue::numeric, k.discount::numeric
        FROM retail.kept_chain_product_sales AS k
        WHERE k.month >= chain_sales.first_month AND k.month < chain_sales.end_month
            AND EXISTS (SELECT FROM retail.changed_products)
        UNION ALL
        SELECT date_trunc('month', c.day::timestamp)::date, c.product_id, c.units, c.revenue, c.discount
        FROM retail.product_sales_corrections AS c
        WHERE c.day >= chain_sales.first_month AND c.day < chain_sales.end_month
    ) AS t
    JOIN retail.products AS p ON p.product_id = t.product_id;
END
$$;
COMMENT ON FUNCTION retail.chain_sales(date, date) IS
    'For head office: what all stores together sold per month, by category, type, brand and unit of the products, from one first day of a month up to, not including, another; always up to date. Several rows may be alike but for their figures: add them up. costed_revenue is the part of revenue whose cost is known, cost that cost. No row for whoever does not see all stores';

-- What is kept of the whole chain tells what customers buy in other stores: head office alone reads it.

-- An earlier version told less.
DROP FUNCTION IF EXISTS retail.chain_segments(text);
CREATE OR REPLACE FUNCTION retail.chain_segments(segment text, product_ids uuid[] DEFAULT NULL)
    RETURNS TABLE (product_id uuid, orders integer, customers integer, all_orders integer, product_orders bigint, threshold numeric)
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF retail.sees_whole_chain() THEN
        RETURN QUERY
        SELECT s.product_id, s.orders, s.customers, NULL::integer, s.product_orders, s.threshold
        FROM retail.chain_segment_products AS s
        WHERE s.segment = chain_segments.segment AND s.product_id IS NULL;
        IF chain_segments.product_ids IS NULL THEN
            RETURN QUERY
            SELECT s.product_id, s.orders, s.customers, a.orders, s.product_orders, s.threshold
            FROM retail.chain_segment_products AS s
            JOIN retail.chain_segment_products AS a ON a.segment = 'all' AND a.product_id = s.product_id
            WHERE s.segment = chain_segments.segment;
        ELSE
            RETURN QUERY
            SELECT s.product_id, s.orders, s.customers, a.orders, s.product_orders, s.threshold
            FROM retail.chain_segment_products AS s
            JOIN retail.chain_segment_products AS a ON a.segment = 'all' AND a.product_id = s.product_id
            WHERE s.segment = chain_segments.segment AND s.product_id = ANY (chain_segments.product_ids);
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION retail.chain_segments(text, uuid[]) IS
    'For head office: what the customers of a segment (new, frequent, big_spender, lapsed; all for every order) of the whole chain buy, each customer once, as of refreshes.refreshed_at; of some products or of every one. all_orders: of whoever the orders are that hold the product. The row without a product is about the segment. No row for whoever does not see all stores';

CREATE OR REPLACE FUNCTION retail.chain_pairs(product_id uuid)
    RETURNS TABLE (other_product_id uuid, orders integer, customers integer, other_orders integer)
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 100
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF retail.sees_whole_chain() THEN
        RETURN QUERY
        SELECT p.other_product_id, p.orders, p.customers, a.orders
        FROM retail.chain_product_pairs AS p
        JOIN retail.chain_segment_products AS a ON a.segment = 'all' AND a.product_id = p.other_product_id
        WHERE p.product_id = chain_pairs.product_id;
    END IF;
END
$$;
COMMENT ON FUNCTION retail.chain_pairs(uuid) IS
    'For head office: what is bought with a product in any store, as of refreshes.refreshed_at, with the orders of the other product; the 100 products that retail.lift_at_least() puts first. No row for whoever does not see all stores';

CREATE OR REPLACE FUNCTION retail.chain_members() RETURNS TABLE (customer_id uuid, segments text[])
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 20000
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF retail.sees_whole_chain() THEN
        RETURN QUERY SELECT s.customer_id, s.segments FROM retail.chain_customer_segments AS s;
    END IF;
END
$$;
COMMENT ON FUNCTION retail.chain_members() IS
    'For head office: who is in which segment of the whole chain, as of refreshes.refreshed_at. No row for whoever does not see all stores';

CREATE OR REPLACE FUNCTION retail.lift_at_least(lift double precision, customers double precision) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- The logarithm of a count of n observations has a standard deviation of about 1 / sqrt(n). A customer is one
    -- observation, however often they buy. The interval is wide, because the best of thousands of products is looked for.
    RETURN lift * exp(-3.29 / sqrt(customers));
END
$$;
COMMENT ON FUNCTION retail.lift_at_least(double precision, double precision) IS
    'The lower end of the 99.9 % interval of a lift that so many customers made: what recommendations are ranked by';

-- The refresh. The two that refresh are SECURITY DEFINER: zava_loader may call them, and write nothing of this itself.

CREATE OR REPLACE FUNCTION retail.check_one_snapshot() RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- The marks that are deleted have to be those that were computed.
    IF current_setting('transaction_isolation') NOT IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION 'a refresh needs one snapshot'
            USING ERRCODE = 'invalid_transaction_state',
                  HINT = 'BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE retail.orders, retail.order_items IN ACCESS SHARE MODE; '
                         'SELECT retail.refresh_sales_totals(); COMMIT;';
    END IF;
    -- Two refreshes at once would compute the same, and one of them would fail in the end.
    LOCK TABLE retail.orders, retail.order_items IN ACCESS SHARE MODE;
    -- By the row, for autovacuum may hold the table; it lets go of it for whoever waits. `zava refresh` waits for the table.
    PERFORM FROM retail.refreshes AS r WHERE r.what = 'totals' FOR UPDATE NOWAIT;
    LOCK TABLE retail.refreshes IN SHARE UPDATE EXCLUSIVE MODE;
END
$$;
COMMENT ON FUNCTION retail.check_one_snapshot() IS 'Raises where a refresh would not be exact, or where another one is at work';

CREATE OR REPLACE FUNCTION retail.note_refresh(what text) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO retail.refreshes AS r (what, refreshed_at) VALUES (note_refresh.what, now())
    ON CONFLICT ON CONSTRAINT refreshes_pkey DO UPDATE SET refreshed_at = excluded.refreshed_at;
$$;
COMMENT ON FUNCTION retail.note_refresh(text) IS 'Writes down that something was refreshed now';

CREATE OR REPLACE FUNCTION retail.keep_chain_sales() RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    DELETE FROM retail.kept_chain_sales;
    INSERT INTO retail.kept_chain_sales (month, category_id, type_id, brand, unit, units, revenue, discount, costed_revenue, cost)
    SELECT k.month, p.category_id, p.type_id, p.brand, p.unit, sum(k.units), sum(k.revenue), sum(k.discount),
           coalesce(sum(k.revenue) FILTER (WHERE p.cost IS NOT NULL), 0), coalesce(sum(k.units * p.cost), 0)
    FROM retail.kept_chain_product_sales AS k
    JOIN retail.products AS p ON p.product_id = k.product_id
    GROUP BY 1, 2, 3, 4, 5
    ORDER BY 1, 2, 3, 4, 5;
END;
COMMENT ON FUNCTION retail.keep_chain_sales() IS 'Adds up kept_chain_product_sales by what the products are now; for a refresh';

CREATE OR REPLACE FUNCTION retail.keep_chain_product_sales() RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    DELETE FROM retail.kept_chain_product_sales;
    INSERT INTO retail.kept_chain_product_sales (month, product_id, units, revenue, discount)
    SELECT month, product_id, sum(units), sum(revenue), sum(discount)
    FROM retail.kept_monthly_product_sales
    GROUP BY 1, 2
    HAVING (sum(units), sum(revenue), sum(discount)) <> (0, 0, 0)
    ORDER BY 1, 2;
    SELECT retail.keep_chain_sales();
END;
COMMENT ON FUNCTION retail.keep_chain_product_sales() IS 'Adds up kept_monthly_product_sales over all stores; for the first refresh';

CREATE OR REPLACE FUNCTION retail.refresh_sales_totals() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    days bigint;
BEGIN
    PERFORM retail.check_one_snapshot();
    SELECT count(*) INTO days FROM (SELECT DISTINCT store_id, day FROM retail.changed_orders) AS c;

    DELETE FROM retail.kept_daily_sales
    WHERE (store_id, day) IN (SELECT c.store_id, c.day FROM retail.changed_orders AS c);
    INSERT INTO retail.kept_daily_sales SELECT * FROM retail.changed_daily_sales ORDER BY 1, 2;

    IF NOT EXISTS (SELECT FROM retail.kept_daily_product_sales) AND NOT EXISTS (SELECT FROM retail.kept_monthly_product_sales) THEN
        -- The first refresh. Nothing can be in the way, so an insert that does not look for it takes half as long.
        INSERT INTO retail.kept_daily_product_sales SELECT * FROM retail.changed_daily_product_sales ORDER BY 1, 2, 3;
        INSERT INTO retail.kept_monthly_product_sales
        SELECT store_id, date_trunc('month', day::timestamp)::date, product_id, sum(units), sum(revenue), sum(discount)
        FROM retail.kept_daily_product_sales
        GROUP BY 1, 2, 3
        ORDER BY 1, 2, 3;
        PERFORM retail.keep_chain_product_sales();
    ELSE
        -- What is kept becomes what is kept and what the readers have to add to it: only what differs is written.
        WITH net AS MATERIALIZED (
            SELECT store_id, day, product_id, sum(units) AS units, sum(revenue) AS revenue, sum(discount) AS discount
            FROM retail.product_sales_corrections
            GROUP BY 1, 2, 3
            HAVING (sum(units), sum(revenue), sum(discount)) <> (0, 0, 0)
        ), daily AS (
            INSERT INTO retail.kept_daily_product_sales AS k SELECT * FROM net ORDER BY 1, 2, 3
            ON CONFLICT (store_id, day, product_id) DO UPDATE
            SET units = k.units + excluded.units, revenue = k.revenue + excluded.revenue, discount = k.discount + excluded.discount
        ), monthly AS (
            INSERT INTO retail.kept_monthly_product_sales AS k
            SELECT store_id, date_trunc('month', day::timestamp)::date, product_id, sum(units), sum(revenue), sum(discount)
            FROM net
            GROUP BY 1, 2, 3
            ORDER BY 1, 2, 3
            ON CONFLICT (store_id, month, product_id) DO UPDATE
            SET units = k.units + excluded.units, revenue = k.revenue + excluded.revenue, discount = k.discount + excluded.discount
        ), chain AS MATERIALIZED (
            SELECT date_trunc('month', day::timestamp)::date AS month, product_id, sum(units) AS units, sum(revenue) AS revenue, sum(discount) AS discount
            FROM net
            GROUP BY 1, 2
            HAVING (sum(units), sum(revenue), sum(discount)) <> (0, 0, 0)
        ), chain_products AS (
            INSERT INTO retail.kept_chain_product_sales AS k SELECT * FROM chain ORDER BY 1, 2
            ON CONFLICT (month, product_id) DO UPDATE
            SET units = k.units + excluded.units, revenue = k.revenue + excluded.revenue, discount = k.discount + excluded.discount
        )
        INSERT INTO retail.kept_chain_sales AS k
        SELECT c.month, p.category_id, p.type_id, p.brand, p.unit, sum(c.units), sum(c.revenue), sum(c.discount),
               coalesce(sum(c.revenue) FILTER (WHERE p.cost IS NOT NULL), 0), coalesce(sum(c.units * p.cost), 0)
        FROM chain AS c
        JOIN retail.products AS p ON p.product_id = c.product_id
        WHERE NOT EXISTS (SELECT FROM retail.changed_products)
        GROUP BY 1, 2, 3, 4, 5
        ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT ON CONSTRAINT kept_chain_sales_key DO UPDATE
        SET units = k.units + excluded.units, revenue = k.revenue + excluded.revenue, discount = k.discount + excluded.discount,
            costed_revenue = k.costed_revenue + excluded.costed_revenue, cost = k.cost + excluded.cost;
        IF EXISTS (SELECT FROM retail.changed_products) THEN
            PERFORM retail.keep_chain_sales();
        END IF;
    END IF;
    DELETE FROM retail.kept_daily_product_sales
    WHERE (units, revenue, discount) = (0, 0, 0) AND (store_id, day) IN (SELECT c.store_id, c.day FROM retail.changed_orders AS c);
    DELETE FROM retail.kept_monthly_product_sales
    WHERE (units, revenue, discount) = (0, 0, 0)
        AND (store_id, month) IN (SELECT c.store_id, date_trunc('month', c.day::timestamp)::date FROM retail.changed_orders AS c);
    DELETE FROM retail.kept_chain_product_sales
    WHERE (units, revenue, discount) = (0, 0, 0)
        AND month IN (SELECT date_trunc('month', c.day::timestamp)::date FROM retail.changed_orders AS c);
    DELETE FROM retail.kept_chain_sales
    WHERE (units, revenue, discount, costed_revenue, cost) = (0, 0, 0, 0, 0)
        AND month IN (SELECT date_trunc('month', c.day::timestamp)::date FROM retail.changed_orders AS c);

    -- old sees the rows as they were before this statement.
    WITH changed AS (
        SELECT DISTINCT customer_id, store_id FROM retail.changed_orders WHERE customer_id IS NOT NULL
    ), old AS (
        SELECT k.store_id, k.days FROM retail.kept_customers AS k JOIN changed USING (customer_id, store_id)
    ), new AS (
        INSERT INTO retail.kept_customers AS k (customer_id, store_id, days, orders, spent)
        SELECT c.customer_id, c.store_id,
               coalesce(array_agg(DISTINCT o.sold_on ORDER BY o.sold_on) FILTER (WHERE o.sold_on IS NOT NULL AND NOT o.is_return), '{}'),
               count(*) FILTER (WHERE o.sold_on IS NOT NULL AND NOT o.is_return), coalesce(sum(o.total_amount) FILTER (WHERE o.sold_on IS NOT NULL), 0)
        FROM changed AS c
        LEFT JOIN retail.orders AS o USING (customer_id, store_id)
        GROUP BY 1, 2
        ORDER BY 1, 2
        ON CONFLICT (customer_id, store_id) DO UPDATE
        SET days = excluded.days, orders = excluded.orders, spent = excluded.spent
        RETURNING k.store_id, k.days
    )
    INSERT INTO retail.kept_visits AS v (store_id, previous_day, day, customers)
    SELECT p.store_id, coalesce(p.days[n - 1], '-infinity'), p.days[n], sum(p.sign)
    FROM (SELECT 1 AS sign, new.* FROM new UNION ALL SELECT -1, old.* FROM old) AS p
    CROSS JOIN LATERAL generate_subscripts(p.days, 1) AS n
    GROUP BY 1, 2, 3
    HAVING sum(p.sign) <> 0
    ORDER BY 1, 2, 3
    ON CONFLICT (store_id, previous_day, day) DO UPDATE SET customers = v.customers + excluded.customers;

    DELETE FROM retail.changed_orders;
    DELETE FROM retail.changed_products;
    PERFORM retail.note_refresh('totals');
    -- Without statistics the planner takes what was just kept for a few rows.
    IF days > 1000 THEN
        ANALYZE retail.kept_daily_sales, retail.kept_daily_product_sales, retail.kept_monthly_product_sales, retail.kept_customers,
            retail.kept_visits, retail.kept_chain_product_sales, retail.kept_chain_sales;
    END IF;
    RETURN days;
END
$$;
COMMENT ON FUNCTION retail.refresh_sales_totals() IS
    'Computes the marked days and customers again and keeps them; returns how many days of stores were marked';

CREATE OR REPLACE FUNCTION retail.refresh_recommendations() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Stands for all stores.
    whole_chain CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    PERFORM retail.check_one_snapshot();
    DELETE FROM retail.kept_visits WHERE customers = 0;
    DELETE FROM retail.product_pairs;
    DELETE FROM retail.chain_product_pairs;
    DELETE FROM retail.segment_products;
    DELETE FROM retail.chain_segment_products;
    DELETE FROM retail.customer_segments;
    DELETE FROM retail.chain_customer_segments;

    -- Who is in which segment of each store, and of the chain, whose customers are those of all stores, each once. Whatever
    -- speaks of segments reads what is written here: no other text says what they are.
    WITH buyers AS (
        SELECT k.store_id AS scope, k.customer_id, k.orders, k.spent, k.days[1] AS first_day, k.days[cardinality(k.days)] AS last_day,
               cardinality(k.days) AS visits
        FROM retail.kept_customers AS k
        WHERE k.orders > 0
        UNION ALL
        SELECT whole_chain, k.customer_id, sum(k.orders), sum(k.spent), min(k.days[1]), max(k.days[cardinality(k.days)]),
               sum(cardinality(k.days))
        FROM retail.kept_customers AS k
        GROUP BY k.customer_id
        HAVING sum(k.orders) > 0
    ), gaps AS (
        -- A visit is a day in a store, so two of one day have no day between them.
        SELECT b.*, CASE WHEN b.visits > 1 THEN greatest(ceil((b.last_day - b.first_day)::numeric / (b.visits - 1)), 1)::integer END AS gap
        FROM buyers AS b
    ), placed AS MATERIALIZED (
        SELECT g.*, count(*) OVER w AS people, count(g.gap) OVER w AS returners,
               row_number() OVER (w ORDER BY g.orders DESC) AS orders_place, rank() OVER (w ORDER BY g.spent DESC) AS spent_place,
               row_number() OVER (w ORDER BY g.gap) AS gap_place
        FROM gaps AS g
        WINDOW w AS (PARTITION BY g.scope)
    ), sold AS (
        SELECT d.store_id AS scope, min(d.day) AS first_day, max(d.day) AS last_day, sum(d.orders) AS orders
        FROM retail.kept_daily_sales AS d
        WHERE d.orders > 0
        GROUP BY d.store_id
    ), scopes AS (
        SELECT s.scope, s.first_day, s.last_day, s.orders FROM sold AS s
        UNION ALL SELECT whole_chain, min(s.first_day), max(s.last_day), coalesce(sum(s.orders), 0) FROM sold AS s
    ), rules AS MATERIALIZED (
        -- The least orders that no more than the share have; what the last of the share spent; the usual gap.
        SELECT s.scope, s.first_day, s.last_day, s.orders, p.people,
               p.frequent_orders, p.big_spent, coalesce(c.new_for_days, p.usual_gap) AS new_days,
               coalesce(c.lapsed_after_days, p.usual_gap) AS lapsed_days
        FROM scopes AS s
        CROSS JOIN retail.chain AS c
        LEFT JOIN (
            -- Of so few customers that the share is less than one, nobody; of so few who came back, no usual gap.
            SELECT p.scope, count(*) AS people,
                   max(p.orders) FILTER (WHERE p.orders_place > p.people * c.frequent_share AND p.people * c.frequent_share >= 1) + 1
                       AS frequent_orders,
                   min(p.spent) FILTER (WHERE p.spent_place <= p.people * c.big_spender_share) AS big_spent,
                   min(p.gap) FILTER (WHERE p.gap_place >= p.returners * c.usual_gap_quantile
                                          AND p.returners * (1 - c.usual_gap_quantile) >= 1) AS usual_gap
            FROM placed AS p CROSS JOIN retail.chain AS c
            GROUP BY p.scope
        ) AS p ON p.scope = s.scope
    ), members AS MATERIALIZED (
        SELECT b.scope, b.customer_id, b.orders, array_remove(ARRAY[
                   -- Of whoever is there when history begins nobody knows since when.
                   CASE WHEN b.first_day > r.last_day - r.new_days AND b.first_day >= r.first_day + r.new_days THEN 'new' END,
                   CASE WHEN b.orders >= r.frequent_orders THEN 'frequent' END,
                   CASE WHEN b.spent >= r.big_spent THEN 'big_spender' END,
                   CASE WHEN b.last_day <= r.last_day - r.lapsed_days THEN 'lapsed' END], NULL) AS segments
        FROM placed AS b JOIN rules AS r ON r.scope = b.scope
    ), of_stores AS (
        INSERT INTO retail.customer_segments (store_id, customer_id, segments)
        SELECT m.scope, m.customer_id, m.segments FROM members AS m WHERE m.scope <> whole_chain AND m.segments <> '{}' ORDER BY 1, 2
    ), of_the_chain AS (
        INSERT INTO retail.chain_customer_segments (customer_id, segments)
        SELECT m.customer_id, m.segments FROM members AS m WHERE m.scope = whole_chain AND m.segments <> '{}' ORDER BY 1
    ), segments AS MATERIALIZED (
        SELECT r.scope, 'all' AS segment, r.orders, coalesce(r.people, 0) AS customers, NULL::numeric AS threshold FROM rules AS r
        UNION ALL
        SELECT r.scope, t.segment, coalesce(m.orders, 0), coalesce(m.customers, 0), t.threshold
        FROM rules AS r
        CROSS JOIN LATERAL (VALUES ('new', r.new_days), ('frequent', r.frequent_orders), ('big_spender', r.big_spent),
                                   ('lapsed', r.lapsed_days)) AS t (segment, threshold)
        LEFT JOIN (
            SELECT m.scope, g.segment, sum(m.orders) AS orders, count(*) AS customers
            FROM members AS m CROSS JOIN LATERAL unnest(m.segments) AS g (segment)
            GROUP BY 1, 2
        ) AS m ON m.scope = r.scope AND m.segment = t.segment
    ), about_stores AS (
        INSERT INTO retail.segment_products (store_id, segment, orders, customers, threshold)
        SELECT s.scope, s.segment, s.orders, s.customers, s.threshold FROM segments AS s WHERE s.scope <> whole_chain ORDER BY 1, 2
    )
    INSERT INTO retail.chain_segment_products (segment, orders, customers, threshold)
    SELECT s.segment, s.orders, s.customers, s.threshold FROM segments AS s WHERE s.scope = whole_chain ORDER BY 1;
    -- Without statistics the planner takes who is in a segment for a few rows.
    ANALYZE retail.customer_segments, retail.chain_customer_segments;

    -- What they buy, and which products are bought together.
    WITH sold AS MATERIALIZED (
        SELECT DISTINCT o.store_id, o.order_id, o.customer_id, i.product_id
        FROM retail.orders AS o
        JOIN retail.order_items AS i ON i.order_id = o.order_id AND i.store_id = o.store_id
        WHERE o.sold_on IS NOT NULL AND NOT o.is_return AND i.line_kind = 'sale'
    ), bought AS MATERIALIZED (
        -- Of anonymous sales each is a customer's of its own.
        SELECT s.store_id AS scope, s.product_id, s.customer_id, count(*) AS orders,
               CASE WHEN s.customer_id IS NULL THEN count(*) ELSE 1 END AS customers
        FROM sold AS s
        GROUP BY 1, 2, 3
    ), bought_anywhere AS MATERIALIZED (
        SELECT b.scope, b.product_id, b.customer_id, b.orders, b.customers FROM bought AS b
        UNION ALL
        SELECT whole_chain, b.product_id, b.customer_id, sum(b.orders), CASE WHEN b.customer_id IS NULL THEN sum(b.customers) ELSE 1 END
        FROM bought AS b
        GROUP BY b.product_id, b.customer_id
    ), own AS MATERIALIZED (
        SELECT b.scope, b.product_id, sum(b.orders)::integer AS orders, sum(b.customers)::integer AS customers
        FROM bought_anywhere AS b
        GROUP BY 1, 2
    ), preferred AS MATERIALIZED (
        SELECT b.scope, g.segment, b.product_id, sum(b.orders) AS orders, count(*) AS customers
        FROM (
            SELECT s.store_id AS scope, s.customer_id, s.segments FROM retail.customer_segments AS s
            UNION ALL SELECT whole_chain, c.customer_id, c.segments FROM retail.chain_customer_segments AS c
        ) AS m
        JOIN bought_anywhere AS b ON b.scope = m.scope AND b.customer_id = m.customer_id
        CROSS JOIN LATERAL unnest(m.segments) AS g (segment)
        GROUP BY 1, 2, 3
        UNION ALL SELECT o.scope, 'all', o.product_id, o.orders, o.customers FROM own AS o
    ), of_stores AS (
        INSERT INTO retail.segment_products (store_id, segment, product_id, orders, customers)
        SELECT p.scope, p.segment, p.product_id, p.orders, p.customers FROM preferred AS p WHERE p.scope <> whole_chain ORDER BY 1, 2, 3
    ), of_the_chain AS (
        INSERT INTO retail.chain_segment_products (segment, product_id, orders, customers)
        SELECT p.segment, p.product_id, p.orders, p.customers FROM preferred AS p WHERE p.scope = whole_chain ORDER BY 1, 2
    ), numbers AS MATERIALIZED (
        -- What sells too seldom by itself is in no pair that is kept. A short number sorts faster than a key.
        SELECT o.product_id, o.orders, row_number() OVER (ORDER BY o.product_id)::integer AS number
        FROM own AS o
        WHERE o.scope = whole_chain AND o.orders >= 5 AND o.customers >= 3
    ), keys AS MATERIALIZED (
        -- The planner takes numbers for a handful, and would look through them for each pair.
        SELECT array_agg(n.product_id ORDER BY n.number) AS ids, array_agg(n.orders::double precision ORDER BY n.number) AS orders
        FROM numbers AS n
    ), baskets AS MATERIALIZED (
        SELECT s.store_id, dense_rank() OVER (ORDER BY coalesce(s.customer_id, s.order_id))::integer AS customer,
               array_agg(n.number ORDER BY n.number) AS products,
               array_agg(n.number ORDER BY n.number) FILTER (WHERE p.product_id IS NOT NULL) AS products_of_store
        FROM sold AS s
        JOIN numbers AS n ON n.product_id = s.product_id
        LEFT JOIN own AS p ON p.scope = s.store_id AND p.product_id = s.product_id AND p.orders >= 5 AND p.customers >= 3
        GROUP BY s.store_id, s.order_id, s.customer_id
    ), pairs AS MATERIALIZED (
        SELECT b.store_id, b.pair, count(*) AS orders, count(DISTINCT b.customer) AS customers
        FROM (
            -- unnest() in the target list costs a third of what it does in FROM.
            SELECT b.store_id, b.customer, b.products_of_store[n]::bigint << 32 | unnest(b.products_of_store[n + 1:]) AS pair
            FROM (SELECT b.*, generate_subscripts(b.products_of_store, 1) AS n FROM baskets AS b) AS b
        ) AS b
        GROUP BY 1, 2
        -- Two customers who buy the same each week are no rule for a third.
        HAVING count(*) >= 5 AND count(DISTINCT b.customer) >= 3
    ), pairs_of_stores AS (
        INSERT INTO retail.product_pairs (store_id, product_id, other_product_id, orders, customers)
        SELECT p.store_id, (SELECT k.ids FROM keys AS k)[w.one], (SELECT k.ids FROM keys AS k)[w.other], p.orders, p.customers
        FROM pairs AS p
        CROSS JOIN LATERAL (VALUES ((p.pair >> 32)::integer, (p.pair & 4294967295)::integer),
                                   ((p.pair & 4294967295)::integer, (p.pair >> 32)::integer)) AS w (one, other)
        ORDER BY 1, 2, 3
    ), chain_pairs AS (
        SELECT b.pair, count(*) AS orders, count(DISTINCT b.customer) AS customers
        FROM (
            SELECT b.customer, b.products[n]::bigint << 32 | unnest(b.products[n + 1:]) AS pair
            FROM (SELECT b.products, b.customer, generate_subscripts(b.products, 1) AS n FROM baskets AS b) AS b
        ) AS b
        GROUP BY 1
        HAVING count(*) >= 5 AND count(DISTINCT b.customer) >= 3
    ), lifts AS (
        SELECT (p.pair >> 32)::integer AS one, (p.pair & 4294967295)::integer AS other, p.orders, p.customers
        FROM chain_pairs AS p
    ), ranked AS (
        SELECT w.one, w.other, l.orders, l.customers,
               row_number() OVER (PARTITION BY w.one ORDER BY l.at_least DESC, l.orders DESC, w.other) AS place
        FROM (
            SELECT l.*, retail.lift_at_least(
                       l.orders * (SELECT s.orders FROM retail.chain_segment_products AS s WHERE s.segment = 'all' AND s.product_id IS NULL)
                       / ((SELECT k.orders FROM keys AS k)[l.one] * (SELECT k.orders FROM keys AS k)[l.other]), l.customers) AS at_least
            FROM lifts AS l
        ) AS l
        CROSS JOIN LATERAL (VALUES (l.one, l.other), (l.other, l.one)) AS w (one, other)
        WHERE l.at_least > 1
    )
    INSERT INTO retail.chain_product_pairs (product_id, other_product_id, orders, customers)
    SELECT (SELECT k.ids FROM keys AS k)[r.one], (SELECT k.ids FROM keys AS k)[r.other], r.orders, r.customers
    FROM ranked AS r
    WHERE r.place <= 100
    ORDER BY 1, 2;

    UPDATE retail.segment_products AS s
    SET product_orders = coalesce((SELECT sum(p.orders) FROM retail.segment_products AS p
                                   WHERE p.store_id = s.store_id AND p.segment = s.segment AND p.product_id IS NOT NULL), 0)
    WHERE s.product_id IS NULL;
    UPDATE retail.chain_segment_products AS s
    SET product_orders = coalesce((SELECT sum(p.orders) FROM retail.chain_segment_products AS p
                                   WHERE p.segment = s.segment AND p.product_id IS NOT NULL), 0)
    WHERE s.product_id IS NULL;
    ANALYZE retail.product_pairs, retail.chain_product_pairs, retail.segment_products, retail.chain_segment_products;
    PERFORM retail.note_refresh('recommendations');
END
$$;
COMMENT ON FUNCTION retail.refresh_recommendations() IS
    'Counts again which products are bought together and what the segments of customers buy; after refresh_sales_totals()';

CREATE OR REPLACE FUNCTION retail.analyze_loaded_tables() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Whoever loads need not own the tables, which PostgreSQL 16 asks for.
    ANALYZE retail.stores, retail.categories, retail.product_types, retail.products, retail.customers, retail.orders,
        retail.order_items, retail.inventory, retail.changed_orders;
END
$$;
COMMENT ON FUNCTION retail.analyze_loaded_tables() IS 'Gathers statistics of the tables that an import fills';

-- Of a database that an earlier version loaded: a refresh gathers the statistics itself.
DROP FUNCTION IF EXISTS retail.analyze_totals();


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
COMMENT ON COLUMN retail.product_search_words.words IS 'English stems: A of name, SKU and brand, B of the type, C of the category, D of the description';
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

-- Of a database that an earlier version loaded: its words were split otherwise, so they are made anew below.
DO $$
BEGIN
    IF to_regprocedure('retail.search_text(text, boolean)') IS NULL THEN
        DELETE FROM retail.product_search_words;
    END IF;
END
$$;
CREATE OR REPLACE FUNCTION retail.search_text(written text, is_question boolean) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    words  text := lower(written);
    word   text;
    unit   text;
    amount text; -- the number before the word
    parts  text[];
    result text := '';
BEGIN
    -- Joints part words: MEAT/MEATLESS, S.HOSE, A&B. PostgreSQL keeps 32 regular expressions compiled, so these are few.
    words := regexp_replace(words, '[&:;+_*()|\\]+|(?<!\d)[/,](?=.)|[/,](?!\d)|(?<!\d)\.(?!\d)|(?<=[[:alpha:]])[.-](?=[[:alpha:]])', ' ', 'g');
    IF words LIKE '%half gal%' THEN
        words := replace(words, 'half gal', '1/2 gal');
    END IF;
    IF words ~ '\d' THEN
        IF words ~ '["″”''’′#%]' THEN
            words := regexp_replace(words, '(?<=\d) ?["″”]', ' in ', 'g');
            words := regexp_replace(words, '(?<=\d) ?[''’′](?![[:alpha:]])', ' ft ', 'g');
            words := regexp_replace(words, '(?<=\d) ?#', ' lb ', 'g');
            words := regexp_replace(words, '(?<=\d) ?%', ' pct ', 'g');
        END IF;
        -- As PostgreSQL reads each of them as one word: 1/2 is 1o2, 1 1/2 is 1n1o2, 2.50 is 2p5, 2 x 4 is 2x4.
        IF words ~ '[,/.]' THEN
            words := regexp_replace(words, '(?<=\d),(?=\d{3}(?!\d))', '', 'g');
            words := regexp_replace(words, '\m(1|3|5|7|9|11|13|15)/(2|4|8|16|32)\M', '\1o\2', 'g');
            words := regexp_replace(words, '(?<=\d)[- ]+(?=\d+o\d)', 'n', 'g');
            words := regexp_replace(words, '(?<!\d)\.(?=\d)', '0.', 'g');
            words := regexp_replace(words, '\.(\d*[1-9])0*(?!\d)', 'p\1', 'g');
            words := regexp_replace(words, '\.0*(?!\d)|[/,]', ' ', 'g');
        END IF;
        IF words ~ '\d.*[x×].*\d' THEN
            words := regexp_replace(words, '(?<=\d)(?: {1,2}in| {1,2}ft)? {0,2}[x×] ?(?=\d)', 'x', 'g');
        END IF;
        IF words LIKE '%sq%' THEN
            words := regexp_replace(words, '\msq(?:uare)? (?:ft|feet|foot)\M', 'sqft', 'g');
        END IF;
    END IF;
    IF words !~ '\d' AND NOT words LIKE ANY ('{%gal%,%ounce%,%pound%,%lbs%,%quart%,%qts%,%pint%,%pts%}') THEN
        RETURN replace(words, '-', ' ');
    END IF;
    FOREACH word IN ARRAY string_to_array(words, ' ') LOOP
        CONTINUE WHEN word = '' OR amount IS NOT NULL AND (word = 'fl' OR word = 'fluid');
        parts := NULL;
        IF word >= '0' AND word < ':' THEN
            IF word ~ '^\d+([nopx]\d+)*$' THEN
                result := concat(result, ' ' || amount);
                amount := word;
                CONTINUE;
            END IF;
            parts := regexp_match(word, '^(\d+(?:[nopx]\d+)*)-?([[:alpha:]]+)$');
            IF parts IS NOT NULL THEN
                result := concat(result, ' ' || amount);
                amount := parts[1];
                word := parts[2];
            END IF;
        ELSIF word ~ '\d' THEN
            parts := regexp_match(word, '^([[:alpha:]]+)-?(\d+)$');
            IF parts IS NOT NULL THEN
                -- A product has the parts as well, because somebody may ask for wd 40.
                result := concat(result, ' ' || amount, ' ' || parts[1] || parts[2],
                                 CASE WHEN NOT is_question THEN ' ' || parts[1] || ' ' || parts[2] END);
                amount := NULL;
                CONTINUE;
            END IF;
        END IF;
        unit := CASE
            WHEN length(word) > 11 THEN NULL
            WHEN word IN ('gal', 'gals', 'gallon', 'gallons') THEN 'gal'
            WHEN word IN ('oz', 'ounce', 'ounces') THEN 'oz'
            WHEN word IN ('lb', 'lbs', 'pound', 'pounds') THEN 'lb'
            WHEN word IN ('qt', 'qts', 'quart', 'quarts') THEN 'qt'
            WHEN word IN ('pt', 'pts', 'pint', 'pints') THEN 'pt'
            WHEN amount IS NULL THEN NULL -- The others are words of their own without a number.
            WHEN word IN ('ga', 'gl') THEN 'gal'
            WHEN word IN ('ct', 'count') THEN 'ct'
            WHEN word IN ('pk', 'pack', 'packs') THEN 'pk'
            WHEN word IN ('pc', 'pcs', 'piece', 'pieces') THEN 'pc'
            WHEN word IN ('in', 'inch', 'inches') THEN 'in'
            WHEN word IN ('ft', 'foot', 'feet') THEN 'ft'
            WHEN word IN ('yd', 'yds', 'yard', 'yards') THEN 'yd'
            WHEN word IN ('l', 'lt', 'ltr', 'liter', 'liters', 'litre', 'litres') THEN 'l'
            WHEN word IN ('g', 'gram', 'grams') THEN 'g'
            WHEN word IN ('v', 'volt', 'volts') THEN 'v'
            WHEN word IN ('w', 'watt', 'watts') THEN 'w'
            WHEN word IN ('a', 'amp', 'amps') THEN 'amp'
            WHEN word IN ('pct', 'percent') THEN 'pct'
            WHEN word IN ('sqft', 'ml', 'mm', 'cm', 'kg') THEN word
        END;
        IF amount IS NOT NULL AND unit IS NOT NULL THEN
            -- A product is also found by the number or the unit: by a gallon of milk.
            result := result || ' ' || CASE WHEN is_question THEN amount || unit ELSE concat(amount, unit, ' ', amount, ' ', unit) END;
            amount := NULL;
            CONTINUE;
        END IF;
        IF parts IS NOT NULL THEN
            result := concat(result, ' ', amount, word, CASE WHEN NOT is_question THEN ' ' || amount || ' ' || word END);
        ELSE
            result := concat(result, ' ' || amount, ' ', replace(coalesce(unit, word), '-', ' '));
        END IF;
        amount := NULL;
    END LOOP;
    RETURN ltrim(concat(result, ' ' || amount));
END
$$;
COMMENT ON FUNCTION retail.search_text(text, boolean) IS
    'A text of the catalogue, or a question, as its words are compared: split at joints, numbers and units in one form';

CREATE OR REPLACE FUNCTION retail.keep_search_words(product_ids uuid[]) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO retail.product_search_words AS kept (product_id, words)
    SELECT p.product_id,
           setweight(to_tsvector('english', concat_ws(' ', p.sku, retail.search_text(concat_ws(' ', p.name, p.brand), false))), 'A')
               || setweight(to_tsvector('english', coalesce(retail.search_text(t.name, false), '')), 'B')
               || setweight(to_tsvector('english', coalesce(retail.search_text(c.name, false), '')), 'C')
               || setweight(to_tsvector('english', coalesce(retail.search_text(p.description, false), '')), 'D')
    -- A join, because a nested loop over = ANY (product_ids) can sort the array again for each row.
    FROM (SELECT DISTINCT unnest(product_ids) AS product_id) AS asked
    JOIN retail.products AS p ON p.product_id = asked.product_id
    LEFT JOIN retail.product_types AS t ON t.type_id = p.type_id
    LEFT JOIN retail.categories AS c ON c.category_id = p.category_id
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
        FROM (SELECT DISTINCT unnest(product_ids) AS product_id) AS asked
        JOIN retail.products AS p ON p.product_id = asked.product_id
        LEFT JOIN retail.product_types AS t ON t.type_id = p.type_id
        LEFT JOIN retail.categories AS c ON c.category_id = p.category_id
        -- Not of those whose price alone has changed.
        JOIN retail.product_search_words AS w ON w.product_id = p.product_id AND w.last_updated = now()
        CROSS JOIN LATERAL unnest(tsvector_to_array(to_tsvector(
            'simple', retail.search_text(concat_ws(' ', p.name, p.brand, t.name, c.name, p.description), false)))) AS lexeme
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
    LANGUAGE plpgsql SECURITY DEFINER
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
    LANGUAGE plpgsql SECURITY DEFINER
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
        LEFT JOIN retail.product_types AS t ON t.type_id = p.type_id
        LEFT JOIN retail.categories AS c ON c.category_id = p.category_id
        CROSS JOIN LATERAL unnest(tsvector_to_array(to_tsvector(
            'simple', retail.search_text(concat_ws(' ', p.name, p.brand, t.name, c.name, p.description), false)))) AS lexeme
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

-- Products from before these triggers, or whose words an earlier version split otherwise.
DO $$
DECLARE
    product_ids uuid[] := ARRAY(
        SELECT p.product_id
        FROM retail.products AS p
        WHERE NOT EXISTS (SELECT FROM retail.product_search_words AS w WHERE w.product_id = p.product_id)
    );
BEGIN
    IF product_ids <> '{}' THEN
        PERFORM retail.keep_search_words(product_ids);
        PERFORM retail.refresh_search_vocabulary();
    END IF;
END
$$;

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
            ' WHERE ($3 IS NULL OR p.category_id = ANY ($3))'
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
    ) USING query_embedding, max_results, retail.categories_below(category), min_price, max_price, in_stock_only;
END
$$;
COMMENT ON FUNCTION retail.nearest_products(public.vector, integer, uuid, numeric, numeric, boolean) IS
    'The products whose vectors are nearest to a query''s (cosine distance), of a category, a price range, in stock for the caller';

CREATE OR REPLACE FUNCTION retail.chain_orders(product_ids uuid[], most integer) RETURNS TABLE (product_id uuid, orders integer)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT retail.sees_whole_chain() THEN
        RETURN;
    END IF;
    IF product_ids IS NULL THEN
        RETURN QUERY
        SELECT s.product_id, s.orders FROM retail.chain_segment_products AS s
        WHERE s.segment = 'all' AND s.product_id IS NOT NULL
        ORDER BY s.orders DESC
        LIMIT most;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT a.product_id, s.orders
    FROM unnest(product_ids) AS a (product_id)
    CROSS JOIN LATERAL (
        SELECT c.orders FROM retail.chain_segment_products AS c WHERE c.segment = 'all' AND c.product_id = a.product_id
        OFFSET 0
    ) AS s;
END
$$;
COMMENT ON FUNCTION retail.chain_orders(uuid[], integer) IS
    'For head office: the orders of the whole chain that hold each of some products, or, for NULL, its best sellers, as of refreshes.refreshed_at. No row for whoever does not see all stores';

-- By product first: of a region of ten stores, the orders of a thousand products are then read in 3 ms instead of 21.
DO $$ BEGIN PERFORM pg_temp.make_index('segment_products_product_idx',
    $i$retail.segment_products (product_id, store_id) INCLUDE (orders) WHERE segment = 'all' AND product_id IS NOT NULL$i$); END $$;
-- The best sellers of a store and of the chain.
DO $$ BEGIN PERFORM pg_temp.make_index('segment_products_sold_idx',
    $i$retail.segment_products (store_id, orders DESC, product_id) WHERE segment = 'all' AND product_id IS NOT NULL$i$); END $$;
DO $$ BEGIN PERFORM pg_temp.make_index('chain_segment_products_sold_idx',
    $i$retail.chain_segment_products (orders DESC, product_id) WHERE segment = 'all' AND product_id IS NOT NULL$i$); END $$;

-- Of a database that an earlier version loaded: it took other arguments.
DO $$
DECLARE
    earlier regprocedure;
BEGIN
    FOR earlier IN
        SELECT p.oid FROM pg_proc AS p
        WHERE p.pronamespace = 'retail'::regnamespace AND p.proname = 'search_products'
            AND NOT 'asked_sales_bonus' = ANY (p.proargnames)
    LOOP
        EXECUTE format('DROP FUNCTION %s', earlier);
    END LOOP;
END
$$;
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
    -- How much a stem counts by where it stands; what a fully covered question adds to a cosine, and a short one
    -- in words that name no product takes from it; how strange a question is whose last word is; how much less a
    -- mere mention of such a word covers, and how much of its share a product keeps that lacks the last word of
    -- two. docs/search.md says how they were found and what they gave.
    asked_weight_name        double precision DEFAULT 1.0,
    asked_weight_type        double precision DEFAULT 0.8,
    asked_weight_description double precision DEFAULT 0.75,
    asked_weight_category    double precision DEFAULT 0.2,
    asked_share_bonus        double precision DEFAULT 0.65,
    asked_strange_malus      double precision DEFAULT 0.2,
    asked_strange_head       double precision DEFAULT 0.85,
    asked_mention_malus      double precision DEFAULT 0.85,
    asked_headless_share     double precision DEFAULT 0.4,
    -- What the best seller of the products found has more than one that does not sell, if it is in many orders: of few
    -- sales little follows.
    asked_sales_bonus        double precision DEFAULT 0.1,
    asked_many_orders        integer DEFAULT 100,
    -- How near the vectors have to be where a product lacks a word of a short question.
    asked_least_cosine       double precision DEFAULT 0.4
) RETURNS TABLE (
    sku varchar, name varchar, description text, category varchar, type varchar, price numeric, similarity numeric,
    orders bigint, score numeric, found_by text, stock numeric, stock_by_store jsonb, embedding_model varchar
)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    -- The plan takes as long to make as to run, and the arguments do not change it.
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    sees_chain boolean := retail.sees_whole_chain();
    asked_text text := retail.search_text(asked_words, true);
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
               q.is_measure,
               NOT q.is_measure AND (v.products IS NULL OR v.products <= asked_most_words AND NOT EXISTS (
                   SELECT FROM retail.product_search_words AS k WHERE k.words @@ (quoted.stem || ':AB')::tsquery)) AS is_strange,
               NOT q.is_measure AND q.place = max(q.place) FILTER (WHERE NOT q.is_measure) OVER () AS is_head,
               coalesce(v.rarity, (SELECT max(a.rarity) FROM retail.search_vocabulary AS a), 1)::float8 AS rarity
        FROM (
            SELECT u.lexeme, u.positions[cardinality(u.positions)] AS place,
                   u.lexeme ~ '^\d' OR u.lexeme = ANY ('{gal,oz,lb,ct,pk,pc,qt,pt,sqft,inch,ft,feet,foot,yd,ml,mm,cm,kg,pct}') AS is_measure
            FROM unnest(to_tsvector('english', asked_text)) AS u
        ) AS q
        CROSS JOIN LATERAL (
            -- As tsquery's own syntax quotes a lexeme, which is not as a literal is.
            SELECT '''' || replace(replace(q.lexeme, '\', '\\'), '''', '''''') || '''' AS stem
        ) AS quoted
        LEFT JOIN LATERAL (
            SELECT s.products, s.rarity FROM retail.search_vocabulary AS s WHERE s.stem = q.lexeme LIMIT 1
        ) AS v ON true
        -- A size that no product has says nothing of what is meant.
        WHERE v.products IS NOT NULL OR NOT q.is_measure
        ORDER BY rarity DESC, stem
        LIMIT 32
    ), whole AS MATERIALIZED (
        -- The weight of the question, and how much of it is strange. A long question tells
        -- a use or a problem, in words that name nothing; a short one names a thing.
        SELECT w.rarity, w.is_short, w.shortness,
               w.shortness * greatest(w.strange_share, CASE WHEN w.is_short AND w.has_strange_head THEN asked_strange_head END) AS strangeness
        FROM (
            SELECT sum(a.rarity) AS rarity, count(*) FILTER (WHERE NOT a.is_measure) <= 2 AS is_short,
                   least(2.0 / nullif(count(*) FILTER (WHERE NOT a.is_measure), 0), 1)::float8 AS shortness,
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
               END::tsquery AS query,
               -- More products than are ranked: those that sell are to be among them.
               CASE
                   WHEN min(s.products) FILTER (WHERE s.products > 0) > asked_most_words
                       THEN concat_ws(' & ', min(s.quoted) FILTER (WHERE s.place = 1),
                                      '(' || string_agg(s.quoted, ' | ') FILTER (WHERE s.products > 0 AND s.place > 1) || ')')
               END::tsquery AS common
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
    ), sellers AS MATERIALIZED (
        SELECT k.product_id, k.words
        FROM (
            SELECT b.product_id, sum(b.orders) AS orders
            FROM (
                SELECT c.product_id, c.orders FROM retail.chain_orders(NULL, 2 * asked_most_words) AS c WHERE sees_chain
                UNION ALL
                SELECT t.product_id, t.orders
                FROM retail.stores AS s
                CROSS JOIN LATERAL (
                    SELECT t.product_id, t.orders FROM retail.segment_products AS t
                    WHERE t.store_id = s.store_id AND t.segment = 'all' AND t.product_id IS NOT NULL
                    ORDER BY t.orders DESC
                    LIMIT 2 * asked_most_words / (SELECT count(*) FROM retail.stores)
                ) AS t
                WHERE NOT sees_chain
            ) AS b
            WHERE (SELECT s.common IS NOT NULL FROM selective AS s)
            GROUP BY b.product_id
        ) AS b
        JOIN retail.product_search_words AS k ON k.product_id = b.product_id
        WHERE k.words @@ (SELECT s.common FROM selective AS s)
        ORDER BY b.orders DESC
        LIMIT asked_depth
    ), worded AS MATERIALIZED (
        SELECT w.product_id, w.words
        FROM (
            SELECT s.product_id, s.words FROM sellers AS s
            UNION
            (SELECT k.product_id, k.words
             FROM retail.product_search_words AS k
             WHERE k.words @@ (SELECT s.query FROM selective AS s)
             LIMIT asked_most_words)
        ) AS w
        WHERE NOT asked_is_filtered OR EXISTS (
            SELECT FROM retail.products AS p
            WHERE p.product_id = w.product_id
                AND (asked_category_id IS NULL OR p.category_id = ANY ((SELECT retail.categories_below(asked_category_id))::uuid[]))
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
               ), 1) AS head,
               -- Whether it has every word of the question, none of them a mere mention.
               NOT EXISTS (SELECT FROM asked AS a WHERE NOT a.is_measure AND (a.is_strange OR NOT f.words @@ a.anywhere)) AS is_covered
        FROM found AS f
        OFFSET 0 -- likewise
    ), ranked AS (
        SELECT s.*,
               CASE WHEN s.distance IS NOT NULL THEN row_number() OVER (ORDER BY s.distance, s.product_id) END AS near_rank,
               -- Sums of the same numbers may differ in their last digits.
               CASE WHEN s.share > 0
                    THEN row_number() OVER (ORDER BY round(s.share * 1e6) DESC, s.orders DESC, s.distance, s.product_id) END AS word_rank
        FROM (
            SELECT f.*, coalesce(c.orders, 0) + coalesce((
                       SELECT sum(t.orders) FROM retail.segment_products AS t
                       WHERE NOT sees_chain AND t.segment = 'all' AND t.product_id = f.product_id), 0) AS orders
            FROM shares AS f
            LEFT JOIN retail.chain_orders((SELECT array_agg(f.product_id) FROM shares AS f), NULL) AS c
                ON c.product_id = f.product_id AND sees_chain
        ) AS s
    ), fused AS MATERIALIZED (
        SELECT r.*
        FROM ranked AS r
        WHERE r.near_rank IS NOT NULL OR r.word_rank <= asked_depth
        LIMIT 200 -- depth twice, at most: so the planner knows that these are few
    ), judged AS (
        SELECT f.*, p.sku, p.name, p.description, p.base_price, p.category_id, p.type_id,
               CASE
                   WHEN lower(p.sku) = lower(btrim(asked_words)) THEN 1
                   WHEN closeness.cosine IS NULL THEN f.share
                   WHEN whole.rarity IS NULL THEN greatest(closeness.cosine, 0)
                   -- One word of two is no match by itself: a picture nail is no picture frame.
                   WHEN whole.is_short AND NOT f.is_covered AND closeness.cosine < asked_least_cosine THEN 0
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
        -- What sells stands before what does not and is as similar; a SKU before all else.
        SELECT s.*
        FROM (
            SELECT j.*, j.similarity + asked_sales_bonus * CASE
                       WHEN lower(j.sku) = lower(btrim(asked_words)) THEN 1
                       ELSE ln(1.0 + j.orders) / ln(1.0 + greatest(max(j.orders) OVER (), asked_many_orders))
                   END::float8 AS score
            FROM judged AS j
            WHERE j.similarity >= asked_threshold
        ) AS s
        ORDER BY s.score DESC, s.sku
        LIMIT asked_max_rows
    )
    SELECT b.sku, b.name, CASE WHEN length(b.description) > 200 THEN left(b.description, 199) || '…' ELSE b.description END AS description,
           c.name AS category, t.name AS type, b.base_price AS price,
           round(least(b.similarity, 1)::numeric, 4) AS similarity, b.orders::bigint, round(b.score::numeric, 4) AS score,
           CASE WHEN b.near_rank IS NULL THEN 'words' WHEN b.word_rank IS NULL THEN 'meaning' ELSE 'both' END AS found_by,
           stock.units AS stock, coalesce(stock.by_store, '{}') AS stock_by_store,
           (SELECT e.embedding_model FROM retail.product_description_embeddings AS e WHERE e.product_id = b.product_id)
    FROM best AS b
    LEFT JOIN retail.categories AS c ON c.category_id = b.category_id
    LEFT JOIN retail.product_types AS t ON t.type_id = b.type_id
    LEFT JOIN LATERAL (
        SELECT sum(i.stock_level) AS units, jsonb_object_agg(s.name, i.stock_level) AS by_store
        FROM retail.inventory AS i
        JOIN retail.stores AS s ON s.store_id = i.store_id
        WHERE i.product_id = b.product_id
    ) AS stock ON true
    ORDER BY b.score DESC, b.sku;
END
$$;
COMMENT ON FUNCTION retail.search_products IS
    'Products for a question by its vector and by its words, by similarity and, among the similar, by the orders of the caller''s stores that hold them, with the caller''s stock; the server''s product search';

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
    retail.search_text(text, boolean), retail.chain_orders(uuid[], integer),
    retail.search_products(
        text, public.vector, double precision, integer, integer, integer, uuid, numeric, numeric, boolean, boolean,
        double precision, double precision, double precision, double precision, double precision, double precision, double precision,
        double precision, double precision, double precision, integer, double precision),
    retail.keep_search_words(uuid[]), retail.add_search_vocabulary(uuid[]), retail.products_changed(), retail.product_group_renamed(),
    retail.refresh_search_vocabulary(), retail.index_product_embeddings(integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    retail.nearest_products(public.vector, integer, uuid, numeric, numeric, boolean),
    retail.search_products_by_description(public.vector, double precision, integer),
    retail.search_text(text, boolean), retail.chain_orders(uuid[], integer),
    retail.search_products(
        text, public.vector, double precision, integer, integer, integer, uuid, numeric, numeric, boolean, boolean,
        double precision, double precision, double precision, double precision, double precision, double precision, double precision,
        double precision, double precision, double precision, integer, double precision)
TO store_managers, regional_managers;


-- Grants and policies --------------------------------------------------------
-- Managers read and do nothing else. Each policy compares store_id with a
-- scalar subselect, which runs once a query and lets an index serve it; of
-- customers also the stores where they have bought. FORCE
-- binds the owner as well, hence the owner's own policy: it loads the data and
-- lets the identity functions read.

-- They may read every column that is made here, but not the system columns: ctid tells how large the whole table is,
-- xmin how busy other stores are. A column that the operator has added is the operator's to grant.
DO $$
DECLARE
    target record;
BEGIN
    FOR target IN SELECT * FROM (VALUES
        ('retail.chain', 'only_row, name, currency, default_time_zone, day_starts_at, week_starts_on, fiscal_calendar, fiscal_year_start, created_at, updated_at,
            managers_read_personal_data, frequent_share, big_spender_share, usual_gap_quantile, new_for_days, lapsed_after_days'),
        ('retail.stores', 'store_id, name, location, is_online, manager_id, created_at, updated_at, source_id, region, time_zone, opened_on, closed_on'),
        ('retail.customers', 'customer_id, store_id, created_at, updated_at, source_id, signed_up_on, forgotten_on'),
        ('retail.orders', 'order_id, customer_id, store_id, order_date, total_amount, status, created_at, updated_at, source_id, business_day,
            paid_amount, returns_order_id, is_return, sold_on'),
        ('retail.order_items', 'order_item_id, order_id, store_id, product_id, quantity, unit_price, discount_percent,
            discount_amount, total_amount, created_at, updated_at, source_id, line_kind, coupon_amount, manufacturer_coupon_amount'),
        ('retail.inventory', 'store_id, product_id, stock_level, created_at, updated_at, counted_at'),
        ('retail.daily_sales', 'store_id, day, revenue, orders, cancelled_orders, returned_orders, customers, returns, returned_amount'),
        ('retail.daily_product_sales', 'store_id, day, product_id, units, revenue, discount'),
        ('retail.monthly_product_sales', 'store_id, month, product_id, units, revenue, discount'),
        ('retail.changed_orders', 'store_id, day, customer_id'),
        ('retail.changed_daily_sales', 'store_id, day, revenue, orders, cancelled_orders, returned_orders, customers, returns, returned_amount'),
        ('retail.changed_daily_product_sales', 'store_id, day, product_id, units, revenue, discount'),
        ('retail.product_sales_corrections', 'store_id, day, product_id, units, revenue, discount'),
        ('retail.kept_daily_sales', 'store_id, day, revenue, orders, cancelled_orders, returned_orders, customers, returns, returned_amount'),
        ('retail.kept_daily_product_sales', 'store_id, day, product_id, units, revenue, discount'),
        ('retail.kept_monthly_product_sales', 'store_id, month, product_id, units, revenue, discount'),
        ('retail.kept_customers', 'customer_id, store_id, days, orders, spent'),
        ('retail.kept_visits', 'store_id, previous_day, day, customers'),
        ('retail.segment_products', 'store_id, segment, product_id, orders, customers, product_orders, threshold'),
        ('retail.customer_segments', 'store_id, customer_id, segments'),
        ('retail.refreshes', 'what, refreshed_at'),
        ('retail.product_pairs', 'store_id, product_id, other_product_id, orders, customers'),
        ('retail.categories', 'category_id, name, created_at, updated_at, source_id, parent_category_id'),
        ('retail.product_types', 'type_id, category_id, name, created_at, updated_at, source_id'),
        ('retail.products', 'product_id, sku, name, description, category_id, type_id, cost, base_price, created_at, updated_at, source_id,
            brand, unit, attributes'),
        ('retail.product_description_embeddings', 'product_id, description_embedding, embedding_model, text_hash, last_updated'),
        ('retail.product_search_words', 'product_id, words, last_updated'),
        ('retail.search_vocabulary', 'word, stem, products, rarity')
    ) AS open (name, columns) LOOP
        IF has_table_privilege('store_managers_personal', target.name, 'SELECT')
            OR has_table_privilege('regional_managers_personal', target.name, 'SELECT') THEN  -- these have the rights of the plain groups
            EXECUTE format('REVOKE SELECT ON %s FROM store_managers, regional_managers, store_managers_personal, regional_managers_personal',
                           target.name);
        END IF;
        EXECUTE format('GRANT SELECT (%s) ON %s TO store_managers, regional_managers', target.columns, target.name);
    END LOOP;
END
$$;

-- Whatever a model reads leaves the building, so personal data are a right of their own.
REVOKE SELECT (first_name, last_name, email, loyalty_number) ON retail.customers FROM store_managers, regional_managers;
GRANT SELECT (first_name, last_name, email, loyalty_number) ON retail.customers TO store_managers_personal, regional_managers_personal;

-- What zava_loader loads. It deletes orders alone, and says nothing about who may see what: not who manages a store,
-- not which stores somebody sees, not who reads personal data.
DO $$
DECLARE
    target record;
BEGIN
    FOR target IN SELECT * FROM (VALUES
        ('chain', 'name, currency, default_time_zone, day_starts_at, week_starts_on, fiscal_calendar, fiscal_year_start,
            frequent_share, big_spender_share, usual_gap_quantile, new_for_days, lapsed_after_days', false),
        ('stores', 'store_id, name, location, is_online, source_id, region, time_zone, opened_on, closed_on', false),
        ('categories', 'category_id, name, source_id, parent_category_id', false),
        ('product_types', 'type_id, category_id, name, source_id', false),
        ('products', 'product_id, sku, name, description, category_id, type_id, cost, base_price, source_id, brand, unit, attributes', false),
        ('customers', 'customer_id, store_id, first_name, last_name, email, source_id, loyalty_number, signed_up_on, forgotten_on', false),
        ('orders', 'order_id, customer_id, store_id, order_date, total_amount, status, source_id, business_day, paid_amount, returns_order_id', true),
        ('order_items', 'order_item_id, order_id, store_id, product_id, quantity, unit_price, discount_percent, discount_amount, total_amount,
            source_id, line_kind, coupon_amount, manufacturer_coupon_amount', true),
        ('inventory', 'store_id, product_id, stock_level, counted_at', false)
    ) AS t (name, columns, deletes) LOOP
        EXECUTE format('GRANT SELECT, INSERT (%2$s), UPDATE (%2$s) ON retail.%1$I TO zava_loader', target.name, target.columns);
        IF target.deletes THEN
            EXECUTE format('GRANT DELETE ON retail.%I TO zava_loader', target.name);
        END IF;
    END LOOP;
END
$$;
-- To lock it before the snapshot of a refresh, and to see what is due.
GRANT SELECT, UPDATE ON retail.refreshes TO zava_loader;
GRANT SELECT ON retail.changed_orders TO zava_loader;

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
        'changed_orders', 'kept_daily_sales', 'kept_daily_product_sales', 'kept_monthly_product_sales',
        'kept_customers', 'kept_visits', 'product_pairs', 'segment_products', 'customer_segments'
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
             '(store_id = ( SELECT retail.get_current_user_store() AS get_current_user_store))',
             '(store_ids && ( SELECT ARRAY[retail.get_current_user_store()] AS "array"))', ''),
            ('regional_manager_', 'r', 'SELECT', 'regional_managers',
             '(store_id = ANY (( SELECT retail.get_user_store_list() AS get_user_store_list)::uuid[]))',
             '(store_ids && ( SELECT retail.get_user_store_list() AS get_user_store_list))', ''),
            ('owner_', '*', 'ALL', 'zava_owner', 'true', NULL, ' WITH CHECK (true)'),
            ('loader_', '*', 'ALL', 'zava_loader', 'true', NULL, ' WITH CHECK (true)')
        ) AS p (prefix, command, operation, role_name, shows, shows_visitors, rest) LOOP
            CONTINUE WHEN policy.role_name = 'zava_loader'
                AND target NOT IN ('stores', 'customers', 'orders', 'order_items', 'inventory', 'changed_orders');
            -- Of customers the home store stands first: an index serves either, and the planner knows how many it has.
            IF target = 'customers' THEN
                policy.shows := coalesce('(' || policy.shows || ' OR ' || policy.shows_visitors || ')', policy.shows);
            END IF;
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
    -- A login can become a group that reads personal data by itself, so the person's own right is asked for each query.
    IF NOT EXISTS (
        SELECT FROM pg_policy AS k
        WHERE k.polrelid = 'retail.customers'::regclass AND k.polname = 'personal_data_customers' AND NOT k.polpermissive AND k.polcmd = 'r'
            AND k.polroles @> ARRAY['store_managers_personal'::regrole::oid, 'regional_managers_personal'::regrole::oid]
            AND cardinality(k.polroles) = 2
            AND pg_get_expr(k.polqual, k.polrelid) = '( SELECT retail.may_read_personal_data() AS may_read_personal_data)'
    ) THEN
        DROP POLICY IF EXISTS personal_data_customers ON retail.customers;
        CREATE POLICY personal_data_customers ON retail.customers AS RESTRICTIVE
            FOR SELECT TO store_managers_personal, regional_managers_personal USING ((SELECT retail.may_read_personal_data()));
    END IF;
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
        -- That a customer has bought elsewhere is nothing for the home store to read from a stamp.
        PERFORM pg_temp.make_trigger('set_updated_at', 'BEFORE UPDATE' || CASE stamped WHEN 'retail.customers'::regclass THEN
            ' OF customer_id, store_id, first_name, last_name, email, created_at, updated_at, source_id, loyalty_number, signed_up_on, forgotten_on'
            ELSE '' END, stamped, 'FOR EACH ROW', 'set_updated_at');
    END LOOP;
END
$$;

GRANT EXECUTE ON FUNCTION retail.chain_segments(text, uuid[]), retail.chain_pairs(uuid), retail.chain_members(),
    retail.chain_sales(date, date), retail.chain_product_sales(date, date),
    retail.lift_at_least(double precision, double precision), retail.count_customers(uuid, date[], date[]),
    retail.count_customers_of_stores(date[], date[], uuid[]),
    retail.local_day(timestamptz, text, time),
    retail.current_business_day(uuid), retail.categories_below(uuid) TO store_managers, regional_managers;
GRANT EXECUTE ON FUNCTION retail.refresh_sales_totals(), retail.refresh_recommendations(), retail.analyze_loaded_tables(),
    retail.default_time_zone() TO zava_loader;

-- The totals: which statement on which table marks what. A trigger with transition
-- tables serves one kind of statement only.
DO $$
BEGIN
    PERFORM pg_temp.make_trigger('set_business_day_insert', 'BEFORE INSERT', 'retail.orders',
        'FOR EACH ROW WHEN (NEW.business_day IS NULL)', 'set_business_day');
    PERFORM pg_temp.make_trigger('set_business_day_update', 'BEFORE UPDATE OF order_date, store_id, business_day', 'retail.orders',
        'FOR EACH ROW WHEN (NEW.business_day IS NULL OR NEW.business_day = OLD.business_day'
        ' AND (NEW.order_date <> OLD.order_date OR NEW.store_id <> OLD.store_id))', 'set_business_day');
    PERFORM pg_temp.make_trigger('customer_moved', 'BEFORE UPDATE OF store_id', 'retail.customers',
        'FOR EACH ROW WHEN (NEW.store_id IS DISTINCT FROM OLD.store_id)', 'customer_moved');
    PERFORM pg_temp.make_trigger('mark_insert', 'AFTER INSERT', 'retail.orders',
        'REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT', 'mark_orders');
    PERFORM pg_temp.make_trigger('mark_update', 'AFTER UPDATE', 'retail.orders',
        'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT', 'mark_orders');
    PERFORM pg_temp.make_trigger('mark_delete', 'AFTER DELETE', 'retail.orders',
        'REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT', 'mark_orders');
    PERFORM pg_temp.make_trigger('mark_truncate', 'AFTER TRUNCATE', 'retail.orders',
        'FOR EACH STATEMENT', 'mark_orders');
    PERFORM pg_temp.make_trigger('mark_insert', 'AFTER INSERT', 'retail.order_items',
        'REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT', 'mark_order_items');
    PERFORM pg_temp.make_trigger('mark_update', 'AFTER UPDATE', 'retail.order_items',
        'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT', 'mark_order_items');
    PERFORM pg_temp.make_trigger('mark_delete', 'AFTER DELETE', 'retail.order_items',
        'REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT', 'mark_order_items');
    PERFORM pg_temp.make_trigger('mark_truncate', 'AFTER TRUNCATE', 'retail.order_items',
        'FOR EACH STATEMENT', 'mark_order_items');

    PERFORM pg_temp.make_trigger('mark_update', 'AFTER UPDATE', 'retail.products',
        'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT', 'mark_products');

    -- A database that was migrated, or restored without what is kept: readers compute its days from the orders
    -- until the first refresh.
    IF NOT EXISTS (SELECT FROM retail.kept_daily_sales) AND EXISTS (SELECT FROM retail.orders) THEN
        PERFORM retail.discard_sales_totals();
        RAISE WARNING 'the sales totals are not kept yet: run zava refresh, or see docs/operations.md';
    ELSIF NOT EXISTS (SELECT FROM retail.kept_chain_product_sales) AND EXISTS (SELECT FROM retail.kept_monthly_product_sales) THEN
        -- Kept by a version that did not add up over the stores. A refresh waits.
        PERFORM FROM retail.refreshes AS r WHERE r.what = 'totals' FOR UPDATE;
        PERFORM retail.keep_chain_product_sales();
    END IF;
END
$$;

-- A login that was bound before its person had the right to personal data. Nobody else gets the role: who has a
-- password can run conditions before the policy that asks for the right.
DO $$
DECLARE
    target record;
    missing jsonb := (
        SELECT jsonb_agg(DISTINCT jsonb_build_array(p.rolname, m.member::regrole::text))
        FROM retail.login_identities AS l
        JOIN pg_roles AS r ON r.rolname = l.login
        JOIN pg_auth_members AS m ON m.member = r.oid
        JOIN pg_roles AS g ON g.oid = m.roleid AND g.rolname IN ('store_managers', 'regional_managers')
        JOIN pg_roles AS p ON p.rolname = g.rolname || '_personal'
        WHERE retail.has_personal_data_right(l.user_id) AND NOT pg_has_role(r.oid, p.oid, 'SET'));
BEGIN
    SET LOCAL ROLE NONE;
    FOR target IN SELECT k ->> 0 AS role_name, k ->> 1 AS login FROM jsonb_array_elements(missing) AS k LOOP
        EXECUTE format('GRANT %I TO %s WITH INHERIT FALSE, SET TRUE', target.role_name, target.login);
    END LOOP;
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
        -- The time within a query: how long one part of it takes tells how many hidden rows that part meets.
        'clock\_timestamp', 'timeofday', 'uuidv7', 'uuid\_generate\_v1%',
        -- Lock a table before they look at rights, and so end an autovacuum of it.
        'brin\_summarize\_%', 'brin\_desummarize\_%', 'gin\_clean\_pending\_list',
        -- Keeps a lock of each object it is given: thousands fill the table of locks, and nobody can connect.
        'pg\_get\_object\_address',
        -- Files of the server. PostgreSQL closes them; the script of an extension may have opened them.
        'pg\_read\_%', 'pg\_ls\_%', 'pg\_stat\_file', 'pg\_current\_logfile',
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
        IF NOT (has_function_privilege('zava_owner', 'pg_catalog.setseed(double precision)', 'EXECUTE')
                AND has_function_privilege('zava_owner', 'pg_catalog.pg_last_wal_replay_lsn()', 'EXECUTE')) THEN
            RAISE EXCEPTION 'zava: this database has locks of an earlier version'
                USING HINT = 'Have a superuser load schema.sql. Nothing was changed.';
        END IF;
        RAISE WARNING 'zava: % is not a superuser, so the server locks were skipped', current_user
            USING HINT = 'Have a superuser load schema.sql once more. Until then a query can read server settings, statistics and, with some art, other stores'' rows, and become its login again. zava serves logins only that may act as one person: give each a login with `zava login add`.';
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
        pg_catalog.set_config(text, text, boolean), pg_catalog.setseed(double precision) TO zava_owner;
    -- retail.replay_state() reads how far a standby is. pg_stat_get_wal_receiver shows nobody else more than a process id.
    GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_wal_receiver(), pg_catalog.pg_last_wal_replay_lsn(),
        pg_catalog.pg_last_xact_replay_timestamp(), pg_catalog.pg_current_wal_flush_lsn(), pg_catalog.pg_control_checkpoint(),
        pg_catalog.pg_stat_get_activity(integer) TO zava_owner;
    GRANT pg_read_all_stats TO zava_owner WITH INHERIT TRUE, SET FALSE;
    -- One importer at a time.
    GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(bigint) TO zava_owner, zava_loader;
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

    -- Of the catalogue's own relations only the columns with counts of rows, pages and transactions, other logins'
    -- settings, values of rows (of a column that was added with a default) and options of foreign tables, which may
    -- hold passwords, so that catalogue queries keep working.
    FOR target, open_columns IN
        SELECT c.oid::regclass::text, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
        FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND (a.attnum > 0 OR a.attname = 'tableoid') AND NOT a.attisdropped
        WHERE c.oid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_database'::regclass,
                        'pg_catalog.pg_roles'::regclass, 'pg_catalog.pg_user'::regclass, 'pg_catalog.pg_attribute'::regclass,
                        'pg_catalog.pg_foreign_table'::regclass, 'pg_catalog.pg_foreign_data_wrapper'::regclass)
            AND a.attname NOT IN (
                'reltuples', 'relpages', 'relallvisible', 'relallfrozen', 'relfrozenxid', 'relminmxid', 'relfilenode',
                'datfrozenxid', 'datminmxid', 'rolconfig', 'useconfig', 'attmissingval', 'attfdwoptions', 'ftoptions', 'fdwoptions')
        GROUP BY c.oid
    LOOP
        EXECUTE format('REVOKE SELECT ON %s FROM PUBLIC', target);
        EXECUTE format('GRANT SELECT (%s) ON %s TO PUBLIC', open_columns, target);
        EXECUTE format('GRANT SELECT ON %s TO pg_monitor', target);
    END LOOP;

    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    -- The search functions name the type vector, also where PUBLIC may not use the schema.
    GRANT USAGE ON SCHEMA public TO store_managers, regional_managers;

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
