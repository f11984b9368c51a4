-- groups: forms that would poll twice or ack what nobody has, topics that were made again, and groups that were sent back
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
RESET client_min_messages;
CREATE SCHEMA group_again;
SET search_path = group_again;
CREATE TABLE booking (id int PRIMARY KEY, n int);
CREATE TABLE effect (id int, n int);
SET client_min_messages = warning;
-- another topic keeps the slot: a new one begins with a reset, which is none of ours
CREATE TABLE other (id int PRIMARY KEY);
SELECT gymstream.create_topic('other');
SELECT gymstream.create_topic('booking');
DO $$BEGIN WHILE (SELECT lag_bytes IS NULL FROM gymstream.status) LOOP PERFORM pg_sleep(0.01); END LOOP; END$$;
RESET client_min_messages;
INSERT INTO booking VALUES (0, 0);
CALL gymstream.wait_topic('booking');
CREATE FUNCTION ids(group_name text) RETURNS text LANGUAGE sql AS
	$$SELECT string_agg(format('%s:%s', key->>'id', attempt), ' ' ORDER BY commit_time, "position") FROM gymstream.poll_group(group_name)$$;

-- several statements in one text are a transaction that ends before the client has the rows
SELECT gymstream.create_group('g', '{booking}', partitions => 1);
INSERT INTO booking SELECT i, i FROM generate_series(1, 4) i;
CALL gymstream.wait_topic('booking');
SELECT * FROM gymstream.poll_group('g') \; SELECT 1;
COPY (SELECT * FROM gymstream.poll_group('g')) TO STDOUT \; SELECT 1;
SELECT 1 \; BEGIN \; SELECT key FROM gymstream.poll_group('g', 1) \; COMMIT;
SELECT 1 \; INSERT INTO effect SELECT (key->>'id')::int FROM gymstream.poll_group('g', 1) RETURNING id;

-- a rule would make two polls of one
CREATE TABLE audit (id int, n int);
CREATE RULE also AS ON INSERT TO effect DO ALSO INSERT INTO audit VALUES (NEW.id, NEW.n);
INSERT INTO effect SELECT (key->>'id')::int FROM gymstream.poll_group('g', 1);
BEGIN;
INSERT INTO effect SELECT (key->>'id')::int FROM gymstream.poll_group('g', 1);
ROLLBACK;
DROP RULE also ON effect;
INSERT INTO effect SELECT (key->>'id')::int FROM gymstream.poll_group('g') RETURNING id;

-- sent back, an event can be given up once more, and is tried once
SELECT * FROM gymstream.seek_group('g', 'earliest');
BEGIN; SELECT gymstream.reject_event('g', topic, "position", 'first') FROM gymstream.poll_group('g') WHERE key->>'id' = '3'; COMMIT;
SELECT count(*) FROM gymstream.seek_group('g', 'earliest');
BEGIN;
CREATE TEMP TABLE batch ON COMMIT DROP AS SELECT * FROM gymstream.poll_group('g');
SELECT gymstream.reject_event('g', topic, "position", 'second') FROM batch WHERE key->>'id' = '3';
SAVEPOINT s;
SELECT gymstream.release_event('g', topic, 'FFFFFFFF/0000000000000000/00000000/0000000000000004') FROM batch WHERE key->>'id' = '3';
ROLLBACK TO s;
\set VERBOSITY sqlstate
SELECT gymstream.reject_event('g', topic, "position", 'third') FROM batch WHERE key->>'id' = '3';
\set VERBOSITY default
ROLLBACK TO s;
COMMIT;
SELECT key, cause FROM gymstream.dead_letter ORDER BY since;
SELECT gymstream.replay_events('g');
BEGIN; SELECT ids('g'); COMMIT;
BEGIN; SELECT ids('g'); COMMIT;
SELECT count(*) FROM gymstream.dead_letter;
SELECT gymstream.drop_group('g');

-- a topic that is made again has as many events as before: all of them are new, in whatever number of partitions
SELECT gymstream.create_group('once', '{booking}', partitions => 1, start => 'earliest', retry_delay => '1 hour');
SELECT gymstream.create_group('divided', '{booking}', partitions => 1, start => 'earliest');
BEGIN; SELECT ids('once'); COMMIT;
BEGIN; SELECT ids('divided'); COMMIT;
SELECT gymstream.alter_group('divided', partitions => 2);
INSERT INTO booking VALUES (5, 5);
CALL gymstream.wait_topic('booking');
BEGIN; SELECT gymstream.reject_event('once', topic, "position") FROM gymstream.poll_group('once'); COMMIT;
SET client_min_messages = error;
SELECT gymstream.drop_topic('booking');
SELECT gymstream.create_topic('booking');
DO $$BEGIN WHILE (SELECT lag_bytes IS NULL FROM gymstream.status) LOOP PERFORM pg_sleep(0.01); END LOOP; END$$;
INSERT INTO booking SELECT i, i FROM generate_series(11, 16) i;
CALL gymstream.wait_topic('booking');
SELECT group_name, sum(events) FROM gymstream.group_lag GROUP BY 1 ORDER BY 1;
BEGIN; SELECT gymstream.reject_event('once', topic, "position") FROM gymstream.poll_group('once'); COMMIT;
DO $$BEGIN FOR i IN 1..2 LOOP INSERT INTO effect SELECT (key->>'id')::int, -1 FROM gymstream.poll_group('divided', 100); COMMIT; END LOOP; END$$;
RESET client_min_messages;
SELECT string_agg(id::text, ' ' ORDER BY id) FROM effect WHERE n = -1;
SELECT key FROM gymstream.dead_letter ORDER BY commit_time, "position";
SELECT gymstream.drop_group('once');
SELECT gymstream.drop_group('divided');

-- who has polled says nothing for no longer than the group allows, also where a poll gave nothing and has something to ack
SELECT gymstream.create_group('silent', '{booking}', partitions => 1, start => 'earliest', reset => 'latest', takeover => '77 seconds');
SELECT gymstream.drop_topic('booking');
SET client_min_messages = error;
SELECT gymstream.create_topic('booking');
DO $$BEGIN WHILE (SELECT lag_bytes IS NULL FROM gymstream.status) LOOP PERFORM pg_sleep(0.01); END LOOP; END$$;
INSERT INTO booking VALUES (21, 21);
CALL gymstream.wait_topic('booking');
BEGIN;
SELECT count(*) FROM gymstream.poll_group('silent');
SHOW idle_in_transaction_session_timeout;
COMMIT;
SELECT gymstream.drop_group('silent');

RESET client_min_messages;

-- a group whose owner was dropped says so
CREATE ROLE group_again_owner;
GRANT USAGE ON SCHEMA group_again TO group_again_owner;
GRANT SELECT ON booking TO group_again_owner;
SET ROLE group_again_owner;
SELECT gymstream.create_group('orphan', '{booking}');
RESET ROLE;
SELECT problem FROM gymstream.groups;
DROP OWNED BY group_again_owner;
DROP ROLE group_again_owner;
SELECT problem FROM gymstream.groups;
SELECT gymstream.drop_group('orphan');

SET client_min_messages = warning;
DROP SCHEMA group_again CASCADE;
