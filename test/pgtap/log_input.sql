-- Who may read the log of a topic, and what reading refuses. The logs here are empty: nothing is committed.
BEGIN;
\ir refused.psql
SELECT no_plan();
SET client_min_messages = warning;

CREATE ROLE gs_log_owner;
CREATE ROLE gs_log_reader;
CREATE SCHEMA gym AUTHORIZATION gs_log_owner;
GRANT USAGE ON SCHEMA gym, tap TO gs_log_reader;
GRANT USAGE ON SCHEMA tap TO gs_log_owner;
SET search_path = gym, public, tap;
SET ROLE gs_log_owner;
CREATE TABLE booking (id int PRIMARY KEY, class_id int, note text);
CREATE TABLE quiet (id int PRIMARY KEY);
CREATE TABLE guarded (id int PRIMARY KEY, who text);
CREATE TABLE plain (id int);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarded USING (who = current_user);
SELECT gymstream.create_rollup('by_class', 'SELECT class_id, count(*) FROM booking GROUP BY class_id');
SELECT gymstream.create_topic('booking'), gymstream.create_topic('by_class'), gymstream.create_topic('guarded'),
	gymstream.create_topic('quiet', retain => '0');
RESET ROLE;

-- rights
SET tap.role = gs_log_reader;
SELECT refused(format('SELECT * FROM gymstream.read_topic(%L)', relation), '42501', relation, 'no right on ' || relation)
FROM unnest('{booking, by_class, guarded}'::text[]) relation;
SELECT refused(call, '42501', 'booking', call) FROM (VALUES ('SELECT gymstream.first_position(''booking'')'),
	('SELECT gymstream.last_position(''booking'')'), ('SELECT gymstream.topic_position(''booking'', now())')) AS t (call);
GRANT SELECT (id, class_id) ON booking TO gs_log_reader;
SELECT refused('SELECT * FROM gymstream.read_topic(''booking'')', '42501', 'booking', 'a right on some columns');
GRANT SELECT (note) ON booking TO gs_log_reader;
SELECT accepted('SELECT * FROM gymstream.read_topic(''booking'')', 'a right on each column');
REVOKE ALL ON booking FROM gs_log_reader;
GRANT SELECT ON booking, by_class, guarded, quiet, plain TO gs_log_reader;
SELECT accepted('SELECT * FROM gymstream.read_topic(''booking'')', 'a right on the table');
SELECT accepted('SELECT * FROM gymstream.read_topic(''by_class'')', 'a right on the rollup');
SELECT refused('SELECT * FROM gymstream.read_topic(''guarded'')', '42501', 'guarded', 'policies that bind the reader');
SET tap.role = gs_log_owner;
SELECT accepted('SELECT * FROM gymstream.read_topic(''guarded'')', 'the owner, whom they do not bind');
ALTER TABLE guarded FORCE ROW LEVEL SECURITY;
SELECT refused('SELECT * FROM gymstream.read_topic(''guarded'')', '42501', 'guarded', 'the owner, whom they are forced to bind');

-- arguments
SELECT refused(call, code, about, call) FROM (VALUES
	($$ SELECT * FROM gymstream.read_topic(NULL) $$, '22004', 'null'),
	($$ SELECT * FROM gymstream.read_topic('quiet') $$, '55000', 'quiet'),
	($$ SELECT * FROM gymstream.read_topic('plain') $$, '42704', 'plain'),
	($$ SELECT * FROM gymstream.read_topic(4294967295) $$, '42P01', '4294967295'),
	($$ SELECT * FROM gymstream.read_topic(0) $$, '42P01', '0'),
	($$ SELECT * FROM gymstream.read_topic('booking', max_events => -1) $$, '22023', 'max_events'),
	($$ SELECT * FROM gymstream.read_topic('booking', 'FFFFFFFF/0/0') $$, 'GS001', 'epoch'),
	($$ SELECT * FROM gymstream.read_topic('booking', 'FFFFFFFF/FFFFFFFFFFFFFFFF/FFFFFFFF/7FFFFFFFFFFFFFFF') $$, 'GS001', 'epoch'),
	($$ SELECT gymstream.topic_position('booking', NULL) $$, '22004', 'null'),
	($$ SELECT gymstream.last_position(NULL) $$, '22004', 'null'),
	($$ SELECT gymstream.alter_topic('booking', retain => '-1 day') $$, '22023', 'retain'),
	($$ SELECT gymstream.alter_topic('booking', retain => '1 mon -31 days') $$, '22023', 'retain'),
	($$ SELECT gymstream.alter_topic('booking', retain_bytes => -1) $$, '22023', 'retain_bytes'),
	($$ SELECT gymstream.alter_topic('plain', retain => '1 day') $$, '42704', 'plain'),
	($$ SELECT gymstream.create_topic('plain', key => '{}') $$, '22023', 'key'),
	($$ SELECT gymstream.create_topic('booking', key => '{id, NULL}') $$, '22004', 'key'),
	($$ SELECT gymstream.create_topic('booking', key => '{id, id}') $$, '42701', 'id'),
	($$ SELECT gymstream.create_topic('plain', key => '{ctid}') $$, '42703', 'ctid'),
	($$ SELECT gymstream.create_topic('plain', key => '{nothing}') $$, '42703', 'nothing')
) AS t (call, code, about);
SELECT results_eq($$ SELECT count(*) FROM gymstream.read_topic('booking', max_events => 0) $$, ARRAY[0::bigint], 'no events are wanted');
SELECT results_eq($$ SELECT count(*) FROM gymstream.read_topic('booking', max_events => NULL) $$, ARRAY[0::bigint], 'all are, and there are none');
SELECT results_eq($$ SELECT count(*) FROM gymstream.read_topic('booking', gymstream.last_position('booking'), 2147483647) $$, ARRAY[0::bigint],
	'after the last position of an empty log');
SELECT results_eq($$ SELECT gymstream.first_position('booking') IS NULL $$, ARRAY[true], 'an empty log has no first event');
SELECT results_eq($$ SELECT gymstream.topic_position('booking', at) IS NOT NULL FROM unnest('{-infinity, now, infinity}'::timestamptz[]) at $$,
	ARRAY[true, true, true], 'but a position to read on after');
SELECT accepted($$ SELECT gymstream.alter_topic('booking', retain => '100000000 years', retain_bytes => 9223372036854775807) $$, 'all for ever');
SELECT results_eq($$ SELECT retain_bytes IS NOT NULL FROM gymstream.topics WHERE relation = 'booking'::regclass $$, ARRAY[true], 'is kept so');
SELECT accepted($$ SELECT gymstream.alter_topic('booking', retain_bytes => 0) $$, 'no limit to bytes');
SELECT results_eq($$ SELECT retain_bytes IS NULL AND retain = '100000000 years' FROM gymstream.topics WHERE relation = 'booking'::regclass $$,
	ARRAY[true], 'and the rest stays as it is');

SELECT * FROM finish();
ROLLBACK;
