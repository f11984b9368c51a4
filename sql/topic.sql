-- topics: who may publish what, and on which channel
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
RESET client_min_messages;
SELECT now() AS start \gset
CREATE SCHEMA topics;
SET search_path = topics;
CREATE ROLE topic_owner;
CREATE ROLE topic_other;
GRANT CREATE, USAGE ON SCHEMA topics TO topic_owner, topic_other;
SET ROLE topic_owner;

CREATE TABLE booking (id int PRIMARY KEY);
CREATE TABLE "Odd"" table" ();
CREATE TABLE "where" ();
CREATE TABLE abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrs (); -- 63 bytes with prefix and schema; one more is too long
CREATE TABLE abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrst ();

-- the owner needs no right on the catalog
INSERT INTO gymstream_internal.topic VALUES ('booking', 'x', 'row');
-- the first one waits for a slot, which waits for all transactions of the server, but not for ever
SET client_min_messages = warning;
SELECT gymstream.create_topic('booking');
DO $$BEGIN WHILE (SELECT lag_bytes IS NULL FROM gymstream.status) LOOP PERFORM pg_sleep(0.01); END LOOP; END$$;
RESET client_min_messages;
SELECT gymstream.create_topic('"Odd"" table"', notify => 'row');
SET quote_all_identifiers = on;
SELECT gymstream.create_topic('"where"', 'position');
RESET quote_all_identifiers;
SELECT gymstream.create_topic('abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrs');
SELECT replace(gymstream.create_topic('abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrst'),
               'abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrst'::regclass::oid::text, '<oid>');
SELECT relation, notify, created BETWEEN :'start' AND now() AS created FROM gymstream_internal.topic
WHERE channel LIKE 'gymstream:topics.%' ORDER BY relation::text;
SELECT length(channel) FROM gymstream_internal.topic WHERE relation = 'abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrs'::regclass;

-- a channel stays when its table is renamed; another table of the old name gets another one
ALTER TABLE booking RENAME TO reservation;
CREATE TABLE booking ();
SELECT channel FROM gymstream_internal.topic WHERE relation = 'reservation'::regclass;
SELECT replace(gymstream.create_topic('booking'), 'booking'::regclass::oid::text, '<oid>');

-- made again, a topic is told what to notify; or it is left alone
SELECT replace(gymstream.create_topic('booking', notify => 'row'), 'booking'::regclass::oid::text, '<oid>');
SELECT notify FROM gymstream.topics WHERE relation = 'booking'::regclass;
BEGIN;
SELECT gymstream.create_topic('booking') IS NOT NULL AS created;
SELECT notify FROM gymstream.topics WHERE relation = 'booking'::regclass;
ROLLBACK;
SELECT notify FROM gymstream.topics WHERE relation = 'booking'::regclass;
SELECT replace(gymstream.create_topic('booking', if_not_exists => true), 'booking'::regclass::oid::text, '<oid>');
SELECT notify FROM gymstream.topics WHERE relation = 'booking'::regclass;
SELECT gymstream.create_topic('booking', 'everything', if_not_exists => true);
SELECT gymstream.create_topic('booking', 'row', if_not_exists => NULL);
SELECT gymstream.create_topic('booking', retain => '-1 day');
SELECT gymstream.create_topic('booking', retain_bytes => -1);
SELECT gymstream.create_topic('booking', key => '{}');
SELECT gymstream.create_topic('booking', key => '{id, NULL}');
SELECT gymstream.create_topic('booking', key => '{id, id}');
SELECT gymstream.create_topic('booking', key => '{ctid}');
SELECT gymstream.create_topic('booking', key => '{nothing}');
SELECT gymstream.alter_topic('booking', retain => '1 hour');
SELECT gymstream.create_topic('booking') IS NOT NULL AS created;
SELECT notify FROM gymstream.topics WHERE relation = 'booking'::regclass;

-- nothing happens halfway
BEGIN;
SELECT gymstream.drop_topic('booking');
SELECT count(*) FROM gymstream_internal.topic WHERE relation = 'booking'::regclass;
ROLLBACK;
SELECT count(*) FROM gymstream_internal.topic WHERE relation = 'booking'::regclass;
SELECT gymstream.drop_topic('booking');
SELECT gymstream.drop_topic('booking');
BEGIN;
SELECT gymstream.create_topic('booking') IS NOT NULL AS created;
SELECT gymstream.drop_topic('booking');
SELECT gymstream.create_topic('booking') IS NOT NULL AS created;
ROLLBACK;
SELECT count(*) FROM gymstream_internal.topic WHERE relation = 'booking'::regclass;

-- arguments
SELECT gymstream.create_topic('booking', 'everything');
SELECT gymstream.create_topic('booking', '');
SELECT gymstream.create_topic('booking', NULL);
SELECT gymstream.create_topic(NULL);
SELECT gymstream.drop_topic(NULL);
SELECT gymstream.create_topic('nowhere');
SELECT gymstream.create_topic(1);
SELECT gymstream.drop_topic(1);

-- only for the owner
SET ROLE topic_other;
SELECT gymstream.create_topic('booking');
SELECT gymstream.drop_topic('reservation');
SELECT gymstream.create_topic('pg_catalog.pg_class');
SET ROLE topic_owner;

-- what cannot be published
CREATE VIEW view AS SELECT 1 AS a;
CREATE MATERIALIZED VIEW matview AS SELECT 1 AS a;
CREATE TABLE parted (a int PRIMARY KEY) PARTITION BY LIST (a);
CREATE TABLE part PARTITION OF parted FOR VALUES IN (1);
CREATE SEQUENCE sequence;
CREATE TYPE composite AS (a int);
CREATE TEMP TABLE temporary ();
CREATE UNLOGGED TABLE unlogged ();
SELECT gymstream.create_topic('view');
SELECT gymstream.create_topic('matview');
SELECT gymstream.create_topic('parted');
SELECT gymstream.create_topic('part');
SELECT gymstream.create_topic('sequence');
SELECT gymstream.create_topic('composite');
SELECT gymstream.create_topic('booking_pkey');
SELECT gymstream.create_topic('temporary');
SELECT gymstream.create_topic('unlogged');
RESET ROLE;
SELECT gymstream.create_topic('pg_catalog.pg_class');
SELECT gymstream.create_topic('information_schema.sql_features');
SELECT gymstream.create_topic('gymstream_internal.topic');
CREATE FOREIGN DATA WRAPPER topic_wrapper;
CREATE SERVER topic_server FOREIGN DATA WRAPPER topic_wrapper;
CREATE FOREIGN TABLE "foreign" (a int) SERVER topic_server;
SELECT gymstream.create_topic('"foreign"');

-- rows under row-level security are not sent to everybody
ALTER TABLE booking ENABLE ROW LEVEL SECURITY;
SET ROLE topic_owner;
SELECT gymstream.create_topic('booking', 'row');
SELECT gymstream.create_topic('booking', 'position') IS NOT NULL AS created;
SELECT gymstream.create_topic('booking', 'row');
SELECT notify FROM gymstream.topics WHERE relation = 'booking'::regclass;

-- of a rollup only the view
RESET ROLE;
BEGIN;
CREATE VIEW totals AS SELECT 1 AS a;
CREATE VIEW totals_definition AS SELECT 1 AS a;
CREATE TABLE totals_partials ();
INSERT INTO gymstream_internal.rollup VALUES ('totals', 'totals_definition', 'totals_partials');
SELECT gymstream.create_topic('totals');
SELECT gymstream.drop_topic('totals');
SAVEPOINT a;
SELECT gymstream.create_topic('totals_partials');
ROLLBACK TO a;
SELECT gymstream.create_topic('totals_definition');
ROLLBACK;

-- a topic goes with its relation
SET ROLE topic_owner;
DROP TABLE part, booking;
DROP TABLE reservation;
RESET ROLE;
SELECT relation, channel FROM gymstream_internal.topic WHERE relation::text ~ '^(\d+|part|booking|reservation)$';

-- writers look whether their rollup has a topic, and leave no trace that could fail a SERIALIZABLE transaction
CREATE TABLE source (a int);
SELECT gymstream.create_rollup('counts', 'SELECT a, count(*) FROM source GROUP BY a');
SELECT gymstream.create_topic('counts');
\c -
SET search_path = topics;
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO source VALUES (1);
SELECT count(*) AS traces FROM pg_locks WHERE mode = 'SIReadLock' AND relation = 'gymstream_internal.topic'::regclass;
COMMIT;

-- what anyone may do with the functions and the tables
SELECT p.oid::regprocedure, prosecdef, provolatile, proparallel, proisstrict, proconfig, proacl IS NULL AS default_acl
FROM pg_proc p WHERE pronamespace = 'gymstream'::regnamespace AND proname ~ '_topic$' ORDER BY 1;
SELECT relname, string_agg(privilege, ', ' ORDER BY privilege) FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) privilege
WHERE relnamespace IN ('gymstream'::regnamespace, 'gymstream_internal'::regnamespace) AND relname IN ('topic', 'rollup', 'topics') AND has_table_privilege('topic_other', oid, privilege) GROUP BY 1 ORDER BY 1;

SELECT count(gymstream.drop_topic(relation)) FROM gymstream_internal.topic WHERE relation::regclass::text !~ '\.';
SET client_min_messages = warning;
DROP SCHEMA topics CASCADE;
DROP FOREIGN DATA WRAPPER topic_wrapper CASCADE;
DROP OWNED BY topic_owner, topic_other;
DROP ROLE topic_owner, topic_other;
