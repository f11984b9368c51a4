-- decoding what happened before CREATE EXTENSION, and what happened before DROP EXTENSION
\pset format unaligned
SET client_min_messages = warning;
\set home :DBNAME
CREATE DATABASE gymstream_extension TEMPLATE template0;
\c gymstream_extension
CREATE TABLE t (a int);
-- a schema of that name, and a table of that name, may be anybody's
CREATE SCHEMA gymstream CREATE TABLE rollup (a text) CREATE TABLE topic ();
SELECT 1 AS created FROM pg_create_logical_replication_slot('extension', 'gymstream');
INSERT INTO t VALUES (1);
INSERT INTO gymstream.rollup VALUES ('not ours');
DROP SCHEMA gymstream CASCADE;
INSERT INTO t VALUES (2);
CREATE EXTENSION gymstream;
INSERT INTO t VALUES (3);
DROP EXTENSION gymstream;
INSERT INTO t VALUES (4);
CREATE EXTENSION gymstream;
INSERT INTO t VALUES (5);
SELECT data FROM pg_logical_slot_get_changes('extension', NULL, NULL, 'include-xids', 'off', 'include-lsn', 'off', 'include-timestamp', 'off');
SELECT pg_drop_replication_slot('extension');
\c :home
DROP DATABASE gymstream_extension;
