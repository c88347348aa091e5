-- Lakekeeper's user and database beside the registry's, whatever of them stands already; run by the registry's user,
-- to whom the server belongs. LAKEKEEPER_DB_PASSWORD is the user's password from now on.
\set ON_ERROR_STOP on
\getenv password LAKEKEEPER_DB_PASSWORD
SET log_min_error_statement = panic; -- no log repeats a statement with the password
SET log_statement = none;
SELECT 'CREATE ROLE lakekeeper LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lakekeeper') \gexec
ALTER ROLE lakekeeper LOGIN PASSWORD :'password';
SELECT 'CREATE DATABASE lakekeeper OWNER lakekeeper'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'lakekeeper') \gexec
REVOKE CONNECT ON DATABASE registry, lakekeeper FROM PUBLIC; -- neither looks into the other's
