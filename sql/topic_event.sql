-- topics of no table: who may publish, what it makes of the log, and what is refused
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
RESET client_min_messages;
CREATE SCHEMA events;
CREATE ROLE event_owner;
CREATE ROLE event_sender;
GRANT CREATE, USAGE ON SCHEMA events TO event_owner;
GRANT USAGE ON SCHEMA events TO event_sender;
SET search_path = events;
SELECT FROM pg_create_logical_replication_slot('topic_event', 'gymstream');
CREATE VIEW told AS SELECT regexp_replace(data, '"(xid|lsn|commit_time)":("[^"]*"|\d+),', '', 'g') AS event
	FROM pg_logical_slot_get_changes('topic_event', NULL, NULL);
CREATE VIEW told_of_events AS SELECT regexp_replace(data, '"(xid|lsn|commit_time)":("[^"]*"|\d+),', '', 'g') AS event
	FROM pg_logical_slot_get_changes('topic_event', NULL, NULL, 'actions', 'event');
SELECT count(*) >= 0 AS emptied FROM told;

-- arguments
SET ROLE event_owner;
SET client_min_messages = warning; -- the decoder waits for other tests
SELECT gymstream.create_event_topic(NULL);
SELECT gymstream.create_event_topic('');
SELECT gymstream.create_event_topic('a.b.c');
SELECT gymstream.create_event_topic('nowhere.mail');
SELECT gymstream.create_event_topic('pg_temp.mail');
SELECT gymstream.create_event_topic(repeat('a', 64));
SELECT gymstream.create_event_topic('mail', notify => 'everything');
SELECT gymstream.create_event_topic('mail', notify => 'none', retain => '0');
SELECT gymstream.create_event_topic('mail', channel_by => '{sender}');
SELECT gymstream.create_event_topic('mail', if_not_exists => NULL);
SELECT to_regclass('mail') AS nothing_is_left;
SELECT gymstream.create_event_topic('mail', notify => 'key');
DO $$BEGIN WHILE (SELECT lag_bytes IS NULL FROM gymstream.status) LOOP PERFORM pg_sleep(0.01); END LOOP; END$$;
RESET client_min_messages;
SELECT relation, channel, notify, key_columns, channel_columns FROM gymstream.topics WHERE relation = 'mail'::regclass;
SELECT tgname, tgenabled, tgtype FROM pg_trigger WHERE tgrelid = 'mail'::regclass;
SELECT gymstream.create_event_topic('mail');
SELECT gymstream.create_event_topic('mail', if_not_exists => true);
CREATE TABLE booking (id int PRIMARY KEY);
SELECT gymstream.create_event_topic('booking', if_not_exists => true);
SELECT gymstream.create_event_topic('events."Odd"" name"');

-- what is published, in the order of the statements, with what rolls back left out
RESET ROLE;
SELECT count(*) >= 0 AS emptied FROM told;
SET ROLE event_owner;
BEGIN;
SELECT gymstream.publish_event('mail', 'anna', '{"to": "a@example.org", "n": 1.00}', '{"trace": "1"}');
SAVEPOINT a;
SELECT gymstream.publish_event('mail', 'anna', '"not sent"');
ROLLBACK TO a;
INSERT INTO booking VALUES (1);
SELECT gymstream.publish_event('mail', NULL, NULL, NULL);
INSERT INTO mail VALUES ('bob', '[]') RETURNING key;
INSERT INTO mail SELECT 'row ' || i FROM generate_series(1, 2) i;
COPY mail (key, value) FROM stdin;
copied	{"a":null}
\.
DO $$BEGIN
	PERFORM gymstream.publish_event('mail', 'caught', '1');
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
	PERFORM gymstream.publish_event('mail', 'handled', 'null');
END$$;
COMMIT;
SELECT count(*) AS kept FROM mail;
RESET ROLE;
SELECT event FROM told;
BEGIN; INSERT INTO events.mail VALUES ('not this one'); ROLLBACK;
BEGIN; INSERT INTO events.mail VALUES ('prepared'); PREPARE TRANSACTION 'topic_event';
SELECT event FROM told;
COMMIT PREPARED 'topic_event';
SELECT event FROM told;
SET session_replication_role = replica;
INSERT INTO mail VALUES ('as a replica');
RESET session_replication_role;
SELECT event FROM told;

-- options of a slot
INSERT INTO booking VALUES (2);
INSERT INTO mail VALUES ('shown');
SELECT event FROM told_of_events;
INSERT INTO mail VALUES ('hidden');
SELECT event FROM (SELECT data AS event FROM pg_logical_slot_get_changes('topic_event', NULL, NULL, 'actions', 'insert,message')) d;
INSERT INTO mail VALUES ('hidden');
SELECT data FROM pg_logical_slot_get_changes('topic_event', NULL, NULL, 'filter-tables', 'events.mail');
INSERT INTO mail VALUES ('shown');
SELECT count(*) FROM pg_logical_slot_get_changes('topic_event', NULL, NULL, 'add-tables', 'events.mail');
INSERT INTO mail VALUES ('content');
SELECT convert_from(decode(data::jsonb -> 'message' ->> 'content', 'base64'), 'UTF8')::jsonb -> 'new' AS content, data::jsonb ->> 'op' AS op
FROM pg_logical_slot_get_changes('topic_event', NULL, NULL, 'format', 'debezium');
CREATE PUBLICATION event_inserts FOR TABLE mail WITH (publish = 'insert');
CREATE PUBLICATION event_updates FOR TABLE mail WITH (publish = 'update');
INSERT INTO mail VALUES ('published');
SELECT count(*) FROM pg_logical_slot_peek_changes('topic_event', NULL, NULL, 'publication-names', 'event_inserts');
SELECT count(*) FROM pg_logical_slot_get_changes('topic_event', NULL, NULL, 'publication-names', 'event_updates');
DROP PUBLICATION event_inserts, event_updates;

-- a table with columns of its owner's, some long, and one that comes and goes
ALTER TABLE mail ADD COLUMN urgent boolean;
INSERT INTO mail (key, urgent) VALUES ('more columns', true);
SELECT gymstream.publish_event('mail', 'the same columns', '1');
SELECT event FROM told;
CREATE TABLE long_value AS SELECT to_jsonb(string_agg(md5(i::text), '')) AS value FROM generate_series(1, 4000) i;
INSERT INTO mail (key, value) SELECT 'long', value FROM long_value;
SELECT gymstream.publish_event('mail', 'long', value) FROM long_value;
SELECT length(event) > 128000 AS long, right(event, 60) FROM told;
SELECT gymstream.publish_event('mail', repeat('k', 8000), NULL);
SELECT gymstream.publish_event('mail', repeat('k', 8001), NULL);
INSERT INTO mail VALUES (repeat('k', 8001));
SELECT length(event) FROM told;
BEGIN;
INSERT INTO mail VALUES ('before the table changes');
ALTER TABLE mail DROP COLUMN urgent;
INSERT INTO mail VALUES ('behind it');
COMMIT;
SELECT event FROM told;
ALTER TABLE mail DROP COLUMN headers;
SELECT gymstream.publish_event('mail', 'anna', '1');
ALTER TABLE mail ADD COLUMN headers jsonb;
SELECT gymstream.publish_event('mail', 'anna', '1');
SELECT event FROM told;

-- a transaction that may only read
BEGIN READ ONLY;
SELECT gymstream.publish_event('mail', 'anna', '1');
ROLLBACK;
BEGIN READ ONLY;
INSERT INTO mail VALUES ('anna');
ROLLBACK;
BEGIN READ ONLY;
SELECT gymstream.create_event_topic('other');
ROLLBACK;

-- who may publish
SET ROLE event_sender;
SELECT gymstream.publish_event('mail', 'mine', '1');
RESET ROLE;
GRANT INSERT (key, value) ON mail TO event_sender;
SET ROLE event_sender;
SELECT gymstream.publish_event('mail', 'mine', '1');
INSERT INTO mail (key) VALUES ('mine');
RESET ROLE;
GRANT INSERT (headers) ON mail TO event_sender;
SET ROLE event_sender;
SELECT gymstream.publish_event('mail', 'mine', '1');
SELECT * FROM mail;
SELECT gymstream.drop_topic('mail');
RESET ROLE;
ALTER TABLE mail ENABLE ROW LEVEL SECURITY;
SET ROLE event_sender;
SELECT gymstream.publish_event('mail', 'mine', '1');
INSERT INTO mail (key) VALUES ('mine');
RESET ROLE;
ALTER TABLE mail DISABLE ROW LEVEL SECURITY;
SELECT event FROM told;

-- what is no topic of this kind
SELECT gymstream.publish_event(NULL, 'a', '1');
SELECT gymstream.publish_event('booking', 'a', '1');
SELECT gymstream.publish_event('gymstream.topics', 'a', '1');
SELECT gymstream.publish_event(1, 'a', '1');
SELECT gymstream_internal.publish_row();
CREATE TRIGGER after_insert AFTER INSERT ON booking FOR EACH ROW EXECUTE FUNCTION gymstream_internal.publish_row();
INSERT INTO booking VALUES (3);
DROP TRIGGER after_insert ON booking;

-- nobody forges an event
SELECT pg_logical_emit_message(true, 'gymstream', decode(repeat('00', 8) || '01776f72' || repeat('00', 60), 'hex')) IS NOT NULL AS sent;
SELECT pg_logical_emit_message(true, 'gymstream', '') IS NOT NULL AS sent;
SELECT event FROM told;
-- nor does a copy of a true one, in another transaction
CREATE PUBLICATION event_nothing;
SELECT FROM pg_create_logical_replication_slot('topic_event_bytes', 'pgoutput');
SELECT gymstream.publish_event('mail', 'the original', '1');
SELECT count(pg_logical_emit_message(true, 'gymstream', substring(data FROM 25))) AS copies
FROM pg_logical_slot_get_binary_changes('topic_event_bytes', NULL, NULL, 'proto_version', '1', 'publication_names', 'event_nothing', 'messages', 'true')
WHERE get_byte(data, 0) = ascii('M');
SELECT pg_drop_replication_slot('topic_event_bytes');
DROP PUBLICATION event_nothing;
SELECT event FROM told;

-- without its topic a table keeps no rows, and says so
SELECT gymstream.create_event_topic('short');
DELETE FROM gymstream_internal.topic WHERE relation = 'short'::regclass;
INSERT INTO short VALUES ('lost');
SELECT gymstream.create_topic('short', key => '{key}');
INSERT INTO short VALUES ('not lost');
SELECT event FROM told;
BEGIN;
INSERT INTO short VALUES ('its table goes');
SELECT gymstream.drop_topic('short');
COMMIT;
SELECT event FROM told;
SELECT to_regclass('short'), count(*) FROM gymstream.topics WHERE relation::text LIKE '%short';
BEGIN;
SELECT gymstream.create_event_topic('short');
INSERT INTO short VALUES ('with its table');
COMMIT;
SELECT event FROM told;
DROP TABLE short;

-- a part of a transaction in progress, of which some is rolled back
SET logical_decoding_work_mem = '64kB';
BEGIN;
INSERT INTO mail SELECT 'streamed ' || i, to_jsonb(repeat('x', 100)) FROM generate_series(1, 500) i;
SAVEPOINT a;
INSERT INTO mail SELECT 'rolled back ' || i, to_jsonb(repeat('x', 100)) FROM generate_series(1, 500) i;
ROLLBACK TO a;
SAVEPOINT b;
INSERT INTO mail SELECT 'of a part ' || i, to_jsonb(repeat('x', 100)) FROM generate_series(1, 500) i;
COMMIT;
SELECT data::jsonb ->> 'action' AS action, (data::jsonb ->> 'subxid' IS NOT NULL) AS of_a_part, count(*) >= 500 AS told
FROM pg_logical_slot_get_changes('topic_event', NULL, NULL, 'streaming', 'on') WHERE data LIKE '%"event"%' GROUP BY 1, 2 ORDER BY 1, 2;
RESET logical_decoding_work_mem;

SELECT pg_drop_replication_slot('topic_event');
SET client_min_messages = warning;
DROP SCHEMA events CASCADE;
DROP OWNED BY event_owner, event_sender;
DROP ROLE event_owner, event_sender;
