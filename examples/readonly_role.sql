-- A role for pgwarden that may read one database and do nothing else.
-- Run it in that database, as the owner of its tables who may create roles: psql -d shop -f readonly_role.sql
-- Then set the password, which psql encrypts before it leaves your machine: \password pgwarden_reader

BEGIN;

CREATE ROLE pgwarden_reader LOGIN
    NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    CONNECTION LIMIT 20; -- each client starts a pgwarden of its own, with 10 connections at most

-- What holds even where a client asks for nothing. A session can change them; the missing rights it cannot.
ALTER ROLE pgwarden_reader SET default_transaction_read_only = on;
ALTER ROLE pgwarden_reader SET statement_timeout = '60s';
ALTER ROLE pgwarden_reader SET lock_timeout = '5s';
ALTER ROLE pgwarden_reader SET idle_in_transaction_session_timeout = '60s';

DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO pgwarden_reader', current_database());
END
$$;

-- For every schema that it may read:
GRANT USAGE ON SCHEMA public TO pgwarden_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO pgwarden_reader;
-- Tables that are created later, by the role that runs this; for another owner add FOR ROLE owner.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO pgwarden_reader;

-- To leave tables or columns out, revoke and grant what remains:
--   REVOKE SELECT ON customer FROM pgwarden_reader;
--   GRANT SELECT (id, city) ON customer TO pgwarden_reader;

-- PostgreSQL 14 and older let every role create objects in public. If nothing of yours relies on that:
--   REVOKE CREATE ON SCHEMA public FROM PUBLIC;

COMMIT;
