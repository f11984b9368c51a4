-- groups: who may make and use them, what they give, and what is refused
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
RESET client_min_messages;
CREATE SCHEMA groups;
SET search_path = groups;
CREATE ROLE group_owner;
CREATE ROLE group_other;
GRANT CREATE, USAGE ON SCHEMA groups TO group_owner, group_other;
SET ROLE group_owner;
CREATE TABLE booking (id int PRIMARY KEY, n int);
CREATE TABLE effect (id int, n int);
CREATE TABLE plain ();
SET client_min_messages = warning;
SELECT gymstream.create_topic('booking');
DO $$BEGIN WHILE (SELECT lag_bytes IS NULL FROM gymstream.status) LOOP PERFORM pg_sleep(0.01); END LOOP; END$$;
RESET client_min_messages;
INSERT INTO booking VALUES (0, 0);
CALL gymstream.wait_topic('booking');

-- arguments
SELECT gymstream.create_group(NULL, '{booking}');
SELECT gymstream.create_group('', '{booking}');
SELECT gymstream.create_group(repeat('x', 64), '{booking}');
SELECT gymstream.create_group('g', NULL);
SELECT gymstream.create_group('g', '{}');
SELECT gymstream.create_group('g', ARRAY[NULL]::regclass[]);
SELECT gymstream.create_group('g', ARRAY[1]::regclass[]);
SELECT gymstream.create_group('g', '{plain}');
SELECT gymstream.create_group('g', '{booking}', partitions => 0);
SELECT gymstream.create_group('g', '{booking}', partitions => 2147483647);
SELECT gymstream.create_group('g', '{booking, pg_class}');
SELECT gymstream.create_group('g', '{booking}', partitions => NULL);
SELECT gymstream.create_group('g', '{booking}', start => NULL);
SELECT gymstream.create_group('g', '{booking}', start => 'somewhere');
SELECT gymstream.create_group('g', '{booking}', max_attempts => 0);
SELECT gymstream.create_group('g', '{booking}', retry_delay => '-1 second');
SELECT gymstream.create_group('g', '{booking}', retry_delay => '1000 years');
SELECT gymstream.create_group('g', '{booking}', takeover => '-1 second');
SELECT gymstream.create_group('g', '{booking}', reset => 'maybe');
SELECT gymstream.create_group('g', '{booking}', if_not_exists => NULL);
SELECT gymstream.create_group('g', '{booking, booking}', partitions => 2, retry_delay => '10 ms', max_attempts => 3);
SELECT gymstream.create_group('g', '{booking}');
SELECT gymstream.create_group('g', '{booking}', if_not_exists => true);
SELECT group_name, owner, topics, partitions, paused, max_attempts, retry_delay, takeover, reset, events, most_events, oldest, waiting, dead, problem
FROM gymstream.groups;
SELECT gymstream.alter_group('g', max_attempts => 3, retry_delay => '100 ms', takeover => '0', reset => 'error');
SELECT max_attempts, retry_delay, takeover, reset FROM gymstream.groups;
SELECT gymstream.alter_group('g', partitions => 0);
SELECT gymstream.alter_group('g', partitions => 1);
SELECT gymstream.alter_group('nowhere');
SELECT gymstream.alter_group(NULL);
SELECT gymstream.drop_group('nowhere');
SELECT gymstream.drop_group('nowhere', if_exists => true);

-- what a poll needs
INSERT INTO booking SELECT i, i FROM generate_series(1, 6) i;
CALL gymstream.wait_topic('booking');
SELECT group_name, topic, partition, events, exact, owner, waiting, attempts, due, dead FROM gymstream.group_lag;
CREATE FUNCTION ids(max_events int) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s:%s', key->>'id', attempt), ' ' ORDER BY "position") FROM gymstream.poll_group('g', max_events) WHERE key IS NOT NULL $$;
SELECT * FROM gymstream.poll_group('g');
SELECT gymstream.poll_group('g');
BEGIN; SELECT gymstream.poll_group('g'); ROLLBACK;
BEGIN; SELECT (gymstream.poll_group('g')).key; ROLLBACK;
BEGIN; SELECT key FROM gymstream.poll_group('g') LIMIT 1; ROLLBACK;
BEGIN; WITH e AS MATERIALIZED (SELECT key FROM gymstream.poll_group('g')) SELECT * FROM e LIMIT 1; ROLLBACK;
BEGIN; WITH e AS MATERIALIZED (SELECT key FROM gymstream.poll_group('g') LIMIT 1) SELECT * FROM e; ROLLBACK;
BEGIN; DECLARE c CURSOR FOR SELECT key FROM gymstream.poll_group('g'); FETCH 1 FROM c; ROLLBACK;
DO $$ DECLARE c CURSOR FOR SELECT key FROM gymstream.poll_group('g'); r record; BEGIN OPEN c; FETCH c INTO r; END $$;
COPY (SELECT key FROM gymstream.poll_group('g')) TO STDOUT;
EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT key FROM gymstream.poll_group('g');
PREPARE poll AS SELECT key FROM gymstream.poll_group('g');
EXECUTE poll;
BEGIN READ ONLY; SELECT key FROM gymstream.poll_group('g'); ROLLBACK;
BEGIN READ ONLY; SELECT gymstream.pause_group('g'); ROLLBACK;
BEGIN READ ONLY; SELECT gymstream.drop_group('g'); ROLLBACK;
BEGIN READ ONLY; SELECT gymstream.alter_group('g'); ROLLBACK;
BEGIN READ ONLY; SELECT gymstream.seek_group('g', 'latest'); ROLLBACK;
BEGIN READ ONLY; SELECT count(*) FROM gymstream.seek_group('g', 'latest', dry_run => true); ROLLBACK;
BEGIN READ ONLY; SELECT gymstream.replay_events('g'); ROLLBACK;
BEGIN READ ONLY; SELECT gymstream.create_group('h', '{booking}'); ROLLBACK;
BEGIN; SELECT key FROM gymstream.poll_group('g', 0); ROLLBACK;
BEGIN; SELECT key FROM gymstream.poll_group('g', NULL); ROLLBACK;
BEGIN; SELECT key FROM gymstream.poll_group('g', 2147483647); ROLLBACK;
BEGIN; SELECT key FROM gymstream.poll_group(NULL); ROLLBACK;
BEGIN; SELECT key FROM gymstream.poll_group('nowhere'); ROLLBACK;
SELECT events FROM gymstream.groups;

BEGIN; SELECT count(*) FROM gymstream.poll_group('g'); CALL gymstream.wait_group('g'); ROLLBACK;
-- what is acked comes no more; forms that do their work in the database
DO $$ BEGIN WHILE (SELECT events > 0 FROM gymstream.groups) LOOP PERFORM ids(100); COMMIT; END LOOP; END $$;
INSERT INTO booking SELECT i, i FROM generate_series(11, 14) i;
CALL gymstream.wait_topic('booking');
INSERT INTO effect SELECT (event->'new'->>'id')::int, (event->'new'->>'n')::int FROM gymstream.poll_group('g', 1);
WITH e AS (SELECT event->'new' AS new FROM gymstream.poll_group('g', 1)), i AS (INSERT INTO effect SELECT (new->>'id')::int, (new->>'n')::int FROM e)
SELECT new FROM e;
DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM gymstream.poll_group('g') LOOP
	INSERT INTO effect VALUES ((r.event->'new'->>'id')::int, (r.event->'new'->>'n')::int); END LOOP; END $$;
SELECT * FROM effect ORDER BY id;
SELECT events FROM gymstream.groups;

-- a pause
DO $$ BEGIN WHILE (SELECT events > 0 FROM gymstream.groups) LOOP PERFORM ids(100); COMMIT; END LOOP; END $$;
INSERT INTO booking VALUES (21, 1), (22, 1);
CALL gymstream.wait_topic('booking');
SELECT gymstream.pause_group('g');
BEGIN; EXECUTE poll; COMMIT;
SELECT gymstream.resume_group('g');
BEGIN; EXECUTE poll; ROLLBACK;
-- what was rolled back comes one at a time
BEGIN; EXECUTE poll; COMMIT;
BEGIN; EXECUTE poll; COMMIT;
BEGIN; EXECUTE poll; COMMIT;

-- what fails alone is parked, and tried again later; others go on, but for those of its key, which wait behind it
TRUNCATE effect;
ALTER TABLE effect ADD attempt int, ADD s serial;
INSERT INTO booking VALUES (31, 1), (32, 1);
UPDATE booking SET n = 2 WHERE id IN (31, 32);
UPDATE booking SET n = 3 WHERE id IN (31, 32);
CALL gymstream.wait_topic('booking');
CREATE PROCEDURE work(bad int, bad_n int, until text) LANGUAGE plpgsql AS $$
	DECLARE got record; done boolean; failed boolean; BEGIN
		LOOP
			failed := false;
			FOR got IN SELECT (key->>'id')::int AS id, (event->'new'->>'n')::int AS n, attempt FROM gymstream.poll_group('g') LOOP
				failed := failed OR (got.id = bad AND got.n = bad_n);
				INSERT INTO groups.effect VALUES (got.id, got.n, got.attempt);
			END LOOP;
			IF failed THEN ROLLBACK; ELSE COMMIT; END IF;
			EXECUTE 'SELECT ' || until || ' FROM gymstream.groups' INTO done;
			EXIT WHEN done;
		END LOOP;
	END $$;
CALL work(31, 1, 'waiting = 3');
SELECT waiting, attempts, due > now() - interval '1 minute' AS is_due, dead FROM gymstream.group_lag;
SELECT id, n, attempt FROM effect ORDER BY s;
CALL work(31, 1, 'events + waiting = 0');
SELECT id, n, attempt FROM effect ORDER BY s;
SELECT group_name, topic, key, event->>'action' AS action, attempts, cause FROM gymstream.dead_letter;
SELECT problem FROM gymstream.groups;
-- again
SELECT gymstream.replay_events('g', topic => 'booking', "position" => (SELECT "position" FROM gymstream.dead_letter));
SELECT gymstream.replay_events('g');
BEGIN; SELECT ids(100); COMMIT;
SELECT waiting, dead FROM gymstream.groups;

-- rejected and released
INSERT INTO booking VALUES (41, 1), (42, 1), (43, 1);
CALL gymstream.wait_topic('booking');
BEGIN;
CREATE TEMP TABLE polled AS SELECT * FROM gymstream.poll_group('g');
SELECT count(*) FROM polled;
SELECT gymstream.reject_event('g', topic, "position", 'no such member') FROM polled WHERE key->>'id' = '41';
SELECT gymstream.release_event('g', topic, "position", delay => '0') FROM polled WHERE key->>'id' = '42';
SAVEPOINT s;
\set VERBOSITY sqlstate
SELECT gymstream.reject_event('g', topic, "position") FROM polled WHERE key->>'id' = '41';
\set VERBOSITY default
ROLLBACK TO s;
SELECT gymstream.release_event('g', topic, "position", delay => '-1') FROM polled WHERE key->>'id' = '43';
ROLLBACK TO s;
SELECT gymstream.reject_event('g', topic, NULL) FROM polled WHERE key->>'id' = '43';
ROLLBACK TO s;
SELECT gymstream.reject_event('g', 'plain', "position") FROM polled WHERE key->>'id' = '43';
ROLLBACK TO s;
SELECT gymstream.reject_event('g', NULL, "position") FROM polled WHERE key->>'id' = '43';
ROLLBACK TO s;
SELECT gymstream.reject_event('g', topic, '00000001/0000000000000001/00000001') FROM polled LIMIT 1;
ROLLBACK TO s;
SELECT gymstream.reject_event('g', topic, '00000001/0000000000000001/00000001/0000000000000001') IS NULL FROM polled LIMIT 1;
ROLLBACK TO s;
CREATE TABLE kept AS SELECT * FROM polled;
COMMIT;
\set VERBOSITY sqlstate
SELECT gymstream.reject_event('g', topic, "position") IS NULL FROM kept WHERE key->>'id' = '43';
\set VERBOSITY default
SELECT key, attempts, cause FROM gymstream.dead_letter;
BEGIN; SELECT ids(100); ROLLBACK;
-- its second failure was that, and here is the third
CALL work(42, 1, 'dead = 2');
SELECT key, attempts, cause FROM gymstream.dead_letter ORDER BY "position";
SELECT gymstream.discard_events('g', since => now() + interval '1 hour');
SELECT gymstream.discard_events('g', since => '-infinity');
SELECT dead FROM gymstream.groups;

-- where too many wait behind one, the partition takes no more before that one is tried again
INSERT INTO booking VALUES (71, 1);
DO $$ BEGIN FOR i IN 2 .. 1100 LOOP UPDATE booking SET n = i WHERE id = 71; END LOOP; END $$;
INSERT INTO booking VALUES (72, 1);
CALL gymstream.wait_topic('booking');
BEGIN;
SELECT gymstream.release_event('g', topic, "position", delay => '1 hour') FROM gymstream.poll_group('g', 1);
COMMIT;
TRUNCATE effect;
CALL work(0, 0, 'waiting = 1000');
BEGIN; EXECUTE poll; COMMIT;
SELECT events, waiting FROM gymstream.groups;
SELECT count(*) FROM effect;
RESET ROLE;
UPDATE gymstream_internal.group_event SET due = now() WHERE attempts > 0;
SET ROLE group_owner;
SELECT gymstream.alter_group('g', partitions => 2);
CALL work(0, 0, 'events + waiting = 0');
SELECT id, count(*), min(n), max(n), count(*) FILTER (WHERE n < before) AS disorder
FROM (SELECT id, n, lag(n) OVER (PARTITION BY id ORDER BY s) AS before FROM effect) o GROUP BY id ORDER BY id;
SELECT gymstream.alter_group('g', partitions => 1);

-- another place to go on
SELECT topic_name, partition, from_offset > to_offset AS back FROM gymstream.seek_group('g', 'earliest', dry_run => true);
SELECT topic_name, partition, from_offset > to_offset AS back FROM gymstream.seek_group('g', (SELECT "position"::text FROM kept WHERE key->>'id' = '41'));
BEGIN; SELECT left(ids(100), 9); COMMIT;
SELECT topic_name, partition, from_offset > to_offset AS back FROM gymstream.seek_group('g', '1970-01-01', topic => 'booking');
SELECT topic_name, partition, from_offset < to_offset AS on FROM gymstream.seek_group('g', 'infinity');
BEGIN; SELECT ids(100); COMMIT;
SELECT gymstream.seek_group('g', NULL);
SELECT gymstream.seek_group('g', 'nowhere');
SELECT gymstream.seek_group('g', 'earliest', topic => 'plain');
SELECT gymstream.seek_group('g', 'earliest', dry_run => NULL);
INSERT INTO booking VALUES (51, 1);
CALL gymstream.wait_topic('booking');
BEGIN; SELECT ids(1); SELECT gymstream.seek_group('g', 'earliest'); ROLLBACK;
-- that was a failure: until it is parked the partition gives nothing

-- rights: of others' groups only how far they are can be seen
SET ROLE group_other;
SELECT count(*) FROM gymstream.groups;
BEGIN; SELECT * FROM gymstream.poll_group('g'); ROLLBACK;
CALL gymstream.wait_group('g', '0');
SELECT gymstream.drop_group('g');
SELECT gymstream.pause_group('g');
SELECT gymstream.seek_group('g', 'latest');
SELECT gymstream.replay_events('g');
SELECT gymstream.create_group('other', '{booking}');
SELECT count(*) FROM gymstream_internal.group_event;
RESET ROLE;
GRANT SELECT ON booking TO group_other;
SET ROLE group_other;
SELECT gymstream.create_group('other', '{booking}', start => 'earliest');
RESET ROLE;
REVOKE SELECT ON booking FROM group_other;
SET ROLE group_other;
BEGIN; SELECT * FROM gymstream.poll_group('other'); ROLLBACK;
RESET ROLE;
GRANT SELECT ON booking TO group_other;
ALTER TABLE booking ENABLE ROW LEVEL SECURITY;
SET ROLE group_other;
BEGIN; SELECT * FROM gymstream.poll_group('other'); ROLLBACK;
RESET ROLE;
ALTER TABLE booking DISABLE ROW LEVEL SECURITY;
GRANT group_owner TO group_other;
SET ROLE group_other;
CALL gymstream.wait_group('g', '0');

-- waiting
CALL gymstream.wait_group('g', '-1');
CALL gymstream.wait_group(NULL, '0');
BEGIN ISOLATION LEVEL REPEATABLE READ; CALL gymstream.wait_group('g', '0'); ROLLBACK;
CREATE FUNCTION waits() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL gymstream.wait_group('g', '0'); END $$;
SELECT waits();
RESET ROLE;

-- a topic that is made again, and one that goes
SET ROLE group_owner;
SELECT gymstream.drop_topic('booking');
SELECT problem FROM gymstream.groups ORDER BY group_name;
BEGIN; SELECT ids(100); COMMIT;
SET client_min_messages = error;
SELECT gymstream.create_topic('booking');
DO $$BEGIN WHILE (SELECT lag_bytes IS NULL FROM gymstream.status) LOOP PERFORM pg_sleep(0.01); END LOOP; END$$;
RESET client_min_messages;
INSERT INTO booking VALUES (61, 1);
CALL gymstream.wait_topic('booking');
BEGIN; SELECT ids(100); COMMIT;
SELECT gymstream.alter_group('g', reset => 'earliest');
BEGIN; SELECT ids(100); COMMIT;
BEGIN; SELECT ids(100); COMMIT;
RESET ROLE;
DROP TABLE booking;
BEGIN; SELECT ids(100); COMMIT;
SELECT gymstream.drop_group('g');
SELECT gymstream.drop_group('other');
SELECT count(*) FROM gymstream.groups;
SELECT count(*) FROM gymstream_internal.group_bookmark;

SET client_min_messages = warning;
DROP SCHEMA groups CASCADE;
DROP OWNED BY group_owner, group_other;
DROP ROLE group_owner, group_other;
