-- installing: in schemas of its own, which nobody may have made before
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\set home :DBNAME
CREATE DATABASE gymstream_extension TEMPLATE template0;
CREATE ROLE gymstream_guest;
GRANT CREATE ON DATABASE gymstream_extension TO gymstream_guest;
\c gymstream_extension
-- who may make schemas could leave there what others are to call
SET ROLE gymstream_guest;
CREATE SCHEMA gymstream;
CREATE FUNCTION gymstream.key_hash(text) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RAISE ''called as %'', current_user; END';
CREATE FUNCTION gymstream.collect(regclass, oid, integer) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE ''called as %'', current_user; END';
CREATE FUNCTION gymstream.format(text, text, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE ''called as %'', current_user; END';
RESET ROLE;
CREATE EXTENSION gymstream;
ALTER SCHEMA gymstream RENAME TO gymstream_internal;
-- nor what the script itself might call, on whatever path it is run
SET search_path = gymstream_internal, pg_catalog;
CREATE EXTENSION gymstream;
CREATE EXTENSION gymstream SCHEMA gymstream_internal;
RESET search_path;
SELECT count(*) FROM pg_extension WHERE extname = 'gymstream';
DROP SCHEMA gymstream_internal CASCADE;
CREATE SCHEMA gymstream_internal AUTHORIZATION gymstream_guest;
CREATE EXTENSION gymstream;
ALTER SCHEMA gymstream_internal RENAME TO "Somebody's";
CREATE EXTENSION gymstream;
-- the schemas are the extension's, and their owner's alone
SELECT nspname, nspowner::regrole::text = current_user AS owned, has_schema_privilege('gymstream_guest', oid, 'CREATE') AS guest_creates
	FROM pg_namespace WHERE nspname LIKE 'gymstream%' ORDER BY 1;
SET ROLE gymstream_guest;
CREATE FUNCTION gymstream.key_hash(text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION gymstream_internal.key_hash(text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
DROP SCHEMA gymstream CASCADE;
RESET ROLE;
DROP SCHEMA gymstream_internal CASCADE;
DROP EXTENSION gymstream;
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'gymstream%';
DROP SCHEMA "Somebody's";

-- decoding what happened before CREATE EXTENSION, and what happened before DROP EXTENSION
\pset format unaligned
CREATE TABLE t (a int);
-- schemas of these names, and tables of these names, may be anybody's
CREATE SCHEMA gymstream CREATE TABLE rollup (a text) CREATE TABLE topic ();
CREATE SCHEMA gymstream_internal CREATE TABLE rollup (a text) CREATE TABLE topic ();
SELECT 1 AS created FROM pg_create_logical_replication_slot('extension', 'gymstream');
INSERT INTO t VALUES (1);
INSERT INTO gymstream.rollup VALUES ('not ours');
INSERT INTO gymstream_internal.rollup VALUES ('not ours');
SET client_min_messages = warning;
DROP SCHEMA gymstream, gymstream_internal CASCADE;
INSERT INTO t VALUES (2);
CREATE EXTENSION gymstream;
INSERT INTO t VALUES (3);
DROP EXTENSION gymstream;
INSERT INTO t VALUES (4);
CREATE EXTENSION gymstream VERSION '0.1';
INSERT INTO t VALUES (5);
SELECT gymstream.create_rollup('r', 'SELECT a, count(*) FROM t GROUP BY a') IS NOT NULL AS created;
INSERT INTO t VALUES (6);
-- the catalogs are elsewhere from here on, and before
ALTER EXTENSION gymstream UPDATE;
INSERT INTO t VALUES (7);
SELECT data FROM pg_logical_slot_get_changes('extension', NULL, NULL, 'include-xids', 'off', 'include-lsn', 'off', 'include-timestamp', 'off');
SELECT pg_drop_replication_slot('extension');
\c :home
DROP DATABASE gymstream_extension;
DROP ROLE gymstream_guest;
