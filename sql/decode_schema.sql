-- DDL on what a slot shows, with include-schema-changes: where rows may have changed without an event of their own, and what is gone
\pset format unaligned
\pset tuples_only
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
CREATE SCHEMA ddl;
SET search_path = ddl, public;
CREATE FUNCTION events(VARIADIC options text[] DEFAULT '{}') RETURNS SETOF text LANGUAGE sql AS $$
  SELECT data
  FROM pg_logical_slot_get_changes('decode_schema', NULL, NULL, VARIADIC
    ARRAY['include-xids', 'off', 'include-lsn', 'off', 'include-timestamp', 'off', 'include-schema-changes', 'on'] || options)
  WHERE data::jsonb IS NOT NULL $$;
CREATE TABLE member (id int PRIMARY KEY, name text);
CREATE TABLE booking (id int PRIMARY KEY, class_id int, price numeric);
SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n FROM booking GROUP BY class_id');
INSERT INTO member VALUES (1, 'Anna');
INSERT INTO booking VALUES (1, 7, 10);
SELECT FROM pg_create_logical_replication_slot('decode_schema', 'gymstream');

-- what a row cannot tell, each in a transaction of its own
ALTER TABLE member ADD COLUMN level int DEFAULT 3;
ALTER TABLE member RENAME COLUMN level TO grade;
ALTER TABLE member ALTER COLUMN grade TYPE bigint USING grade * 10;
ALTER TABLE member ALTER COLUMN name TYPE varchar(40);
ALTER TABLE member DROP COLUMN grade;
ALTER TABLE member RENAME TO person;
ALTER TABLE person RENAME TO member;
CREATE SCHEMA other;
ALTER TABLE member SET SCHEMA other;
ALTER TABLE other.member SET SCHEMA ddl;
SELECT * FROM events();

-- it stands behind the other events of the transaction, and once; the rows of after have the shape of after
BEGIN;
INSERT INTO member VALUES (2, 'Ben');
ALTER TABLE member ADD COLUMN a int;
ALTER TABLE member ADD COLUMN b int DEFAULT 1;
INSERT INTO member VALUES (3, 'Carl', 3);
COMMIT;
SELECT * FROM events('include-transaction', 'on');

-- in a subtransaction
BEGIN; SAVEPOINT s; ALTER TABLE member ADD COLUMN c int; RELEASE s; COMMIT;
BEGIN; SAVEPOINT s; ALTER TABLE member DROP COLUMN c; ROLLBACK TO s; ALTER TABLE member DROP COLUMN c; COMMIT;
SELECT * FROM events();

-- prepared: where it is prepared
SELECT FROM pg_create_logical_replication_slot('decode_schema_two', 'gymstream', false, true);
BEGIN;
ALTER TABLE member ADD COLUMN c int DEFAULT 1;
PREPARE TRANSACTION 'decode_schema';
COMMIT PREPARED 'decode_schema';
ALTER TABLE member DROP COLUMN c;
SELECT data FROM pg_logical_slot_get_changes('decode_schema_two', NULL, NULL, 'include-xids', 'off', 'include-lsn', 'off',
	'include-timestamp', 'off', 'include-schema-changes', 'on', 'two-phase', 'on') WHERE data LIKE '%member%' OR data LIKE '%prepare%';
SELECT pg_drop_replication_slot('decode_schema_two');
SELECT count(*) FROM events();

-- what changes no row and no column is not told, nor what was rolled back, nor what is new, nor what is not shown
CREATE INDEX ON member (name);
ANALYZE member;
GRANT SELECT ON member TO PUBLIC;
COMMENT ON TABLE member IS 'm';
ALTER TABLE member REPLICA IDENTITY FULL;
BEGIN; ALTER TABLE member ADD COLUMN x int; SAVEPOINT s; ALTER TABLE member ADD COLUMN y int; ROLLBACK;
BEGIN; SAVEPOINT s; ALTER TABLE member ADD COLUMN x int; ROLLBACK TO s; COMMIT;
CREATE TABLE fresh (id int); CREATE TEMP TABLE short (id int); ALTER TABLE short ADD COLUMN t text; DROP TABLE short;
CREATE VIEW seen AS SELECT * FROM fresh; ALTER VIEW seen RENAME TO looked; DROP VIEW looked;
BEGIN; CREATE TABLE passing (id int); ALTER TABLE passing ADD COLUMN t text; DROP TABLE passing; COMMIT;
TRUNCATE member;
BEGIN; TRUNCATE member; INSERT INTO member VALUES (4, 'Dora', 4, 5); COMMIT;
SELECT * FROM events();
ALTER TABLE fresh ADD COLUMN t text;
ALTER TABLE member DROP COLUMN a;
SELECT * FROM events('add-tables', 'ddl.fresh');

-- a name taken over
BEGIN;
ALTER TABLE member RENAME TO old_member;
ALTER TABLE fresh RENAME TO member;
COMMIT;
SELECT * FROM events('add-tables', 'ddl.member');
BEGIN; ALTER TABLE member RENAME TO fresh; ALTER TABLE old_member RENAME TO member; COMMIT;
SELECT * FROM events('include-schemas', 'off');

-- a schema's name: of the tables that this session has shown
ALTER SCHEMA ddl RENAME TO renamed;
SET search_path = renamed, public;
SELECT * FROM events();
INSERT INTO member VALUES (5, 'Eva', 5);
ALTER SCHEMA renamed RENAME TO ddl;
SET search_path = ddl, public;
SELECT * FROM events();

-- rollups: by the view
ALTER VIEW attendance RENAME COLUMN n TO bookings;
ALTER VIEW attendance RENAME TO visits;
SELECT gymstream.rebuild_rollup('visits');
SELECT * FROM events();
ALTER TABLE booking RENAME COLUMN class_id TO class;
ALTER TABLE booking ADD COLUMN note text;
SELECT * FROM events('add-tables', 'ddl.visits');

-- partitions, under their own name and under that of their root
CREATE TABLE log (id int, at int) PARTITION BY RANGE (at);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (1) TO (10);
CREATE TABLE log_2 (id int, at int);
INSERT INTO log_2 VALUES (1, 15);
SELECT count(*) FROM events();
ALTER TABLE log ATTACH PARTITION log_2 FOR VALUES FROM (10) TO (20);
ALTER TABLE log ADD COLUMN t text;
ALTER TABLE log DETACH PARTITION log_1;
SELECT * FROM events('publish-via-partition-root', 'on');

-- what is gone
DROP TABLE log, log_1;
DROP TABLE booking CASCADE;
BEGIN; INSERT INTO member VALUES (6, 'Fritz', 6); DROP TABLE member; CREATE TABLE member (id int); INSERT INTO member VALUES (1); COMMIT;
SELECT * FROM events();

-- what does not go together, and without the option nothing is told
ALTER TABLE member ADD COLUMN z int;
SELECT * FROM events('format', 'debezium');
SELECT * FROM events('streaming', 'on');
SELECT * FROM events('include.schema.changes', 'on');
SELECT data FROM pg_logical_slot_get_changes('decode_schema', NULL, NULL);
SELECT pg_drop_replication_slot('decode_schema');
DROP SCHEMA ddl CASCADE;
DROP SCHEMA other;
