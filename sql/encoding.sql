-- events are valid in UTF-8 whatever the database's encoding: elsewhere characters beyond ASCII are escaped
\pset format unaligned
SET client_min_messages = warning;
\set home :DBNAME
CREATE DATABASE gymstream_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
CREATE DATABASE gymstream_ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\set events 'SELECT data FROM pg_logical_slot_get_changes(\'encoding\', NULL, NULL, \'include-xids\', \'off\', \'include-lsn\', \'off\', \'include-timestamp\', \'off\', \'include-messages\', \'on\') WHERE data::json IS NOT NULL;'

\c gymstream_latin1
SET client_encoding = 'UTF8';
SELECT 1 AS created FROM pg_create_logical_replication_slot('encoding', 'gymstream');
CREATE TABLE "çlass" ("naïve" text, j jsonb);
INSERT INTO "çlass" VALUES ('"é"', '{"é": "ü"}');
SELECT count(pg_logical_emit_message(t, 'é', 'ü')) FROM unnest(ARRAY[true, false]) t;
:events
SELECT pg_drop_replication_slot('encoding');

-- bytes of no known encoding: what is UTF-8 is taken for that, the rest cannot be shown
\c gymstream_ascii
SELECT 1 AS created FROM pg_create_logical_replication_slot('encoding', 'gymstream');
CREATE TABLE t (a text);
INSERT INTO t VALUES (E'\xc3\xa9 \xf0\x9f\x8f\x8b'), (E'\xe9'), (E'\xc3');
:events
SELECT pg_drop_replication_slot('encoding');

\c :home
DROP DATABASE gymstream_latin1;
DROP DATABASE gymstream_ascii;
