-- Roles, database and extension of a local stack. Safe to run again.
--
-- The migrator owns the schema and everything in it. The writer may do what the migrations grant.
-- The reader can log in only where it is given a password, as in a local stack. Elsewhere people
-- and dashboards become members of it, each with its own password:
-- CREATE ROLE ada LOGIN PASSWORD '...' IN ROLE tapeline_reader
-- So is the role of a cockpit, which is made where it is given a password.
-- The passwords come from the environment, because every user can read a command line.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
\getenv migrator_password TAPELINE_MIGRATOR_PASSWORD
\getenv writer_password TAPELINE_WRITER_PASSWORD
\getenv reader_password TAPELINE_READER_PASSWORD
\getenv cockpit_password TAPELINE_COCKPIT_PASSWORD
-- Another store than the usual one has another database.
\set database tapeline
\getenv database TAPELINE_DATABASE

-- The databases of several stores may be made at the same time. The roles are the same.
DO $$ BEGIN PERFORM pg_advisory_lock(7361001); END $$;

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['tapeline_migrator', 'tapeline_writer']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
SELECT 'CREATE ROLE tapeline_reader NOLOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tapeline_reader')
\gexec
ALTER ROLE tapeline_migrator PASSWORD :'migrator_password';
ALTER ROLE tapeline_writer PASSWORD :'writer_password';
\if :{?reader_password}
ALTER ROLE tapeline_reader LOGIN PASSWORD :'reader_password';
\endif
-- A forgotten statement or transaction would block the dropping of days, and migrations.
ALTER ROLE tapeline_reader SET statement_timeout = '5min';
ALTER ROLE tapeline_reader SET idle_in_transaction_session_timeout = '5min';
\if :{?cockpit_password}
SELECT 'CREATE ROLE tapeline_cockpit LOGIN IN ROLE tapeline_reader'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tapeline_cockpit')
\gexec
ALTER ROLE tapeline_cockpit PASSWORD :'cockpit_password';
-- A role does not inherit the settings of the one that it is a member of. Not read-only by default: a client
-- that looks for the primary takes such a session for one of a standby.
ALTER ROLE tapeline_cockpit SET statement_timeout = '5min';
ALTER ROLE tapeline_cockpit SET idle_in_transaction_session_timeout = '5min';
\endif

SELECT format('CREATE DATABASE %I OWNER tapeline_migrator', :'database')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"database" TO tapeline_writer;
GRANT CONNECT ON DATABASE :"database" TO tapeline_reader;

\connect :"database"
SET client_min_messages = warning;
-- Plain PostgreSQL works as well: the migrations check whether the extension exists.
SELECT 'CREATE EXTENSION IF NOT EXISTS timescaledb'
WHERE EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
\gexec
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
-- What a person asks in SQL may not end sessions of the same role.
REVOKE EXECUTE ON FUNCTION pg_cancel_backend(integer), pg_terminate_backend(integer, bigint) FROM PUBLIC;
-- The Apache edition cannot run this job and logs an error each time. The table of its jobs differs
-- between releases.
SELECT format('UPDATE %s SET scheduled = false WHERE id = 3', place)
FROM unnest(ARRAY['_timescaledb_catalog.bgw_job', '_timescaledb_config.bgw_job'])
    WITH ORDINALITY AS known (place, rank)
WHERE current_setting('timescaledb.license', true) = 'apache' AND to_regclass(place) IS NOT NULL
ORDER BY rank LIMIT 1
\gexec
