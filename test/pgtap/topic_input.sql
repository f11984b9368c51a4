-- What create_topic and drop_topic refuse, and how.
BEGIN;
\ir refused.psql
SELECT no_plan();
SET client_min_messages = warning;

CREATE ROLE gs_topic_owner;
CREATE ROLE gs_other;
CREATE SCHEMA gym AUTHORIZATION gs_topic_owner;
GRANT USAGE ON SCHEMA gym, tap TO gs_other;
GRANT USAGE ON SCHEMA tap TO gs_topic_owner;
SET search_path = gym, public, tap;
SET ROLE gs_topic_owner;
CREATE TABLE booking (id int PRIMARY KEY, class_id int);
CREATE TABLE guarded (id int);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE VIEW seen AS SELECT * FROM booking;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM booking;
CREATE TEMP TABLE passing (id int);
CREATE UNLOGGED TABLE forgetful (id int);
CREATE TABLE whole (id int) PARTITION BY LIST (id);
CREATE SEQUENCE counter;
SELECT gymstream.create_rollup('by_class', 'SELECT class_id, count(*) FROM booking GROUP BY class_id');
RESET ROLE;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE gym.remote (id int) SERVER elsewhere;
ALTER FOREIGN TABLE gym.remote OWNER TO gs_topic_owner;

SET ROLE gs_topic_owner;
CREATE TABLE whole_elsewhere (id int) PARTITION BY LIST (id);
CREATE TABLE whole_forgetful (id int) PARTITION BY LIST (id);
CREATE UNLOGGED TABLE whole_forgetful_1 PARTITION OF whole_forgetful FOR VALUES IN (1);
ALTER TABLE whole_elsewhere ATTACH PARTITION remote FOR VALUES IN (1);
RESET ROLE;

SET tap.role = gs_topic_owner;
SELECT refused(format('SELECT gymstream.create_topic(%L)', relation), code, about, what) FROM (VALUES
	('seen', '42809', 'seen', 'a view that is no rollup'),
	('kept', '42809', 'kept', 'a materialized view'),
	('passing', '42809', 'passing', 'a temporary table'),
	('forgetful', '42809', 'forgetful', 'an unlogged table'),
	('whole_elsewhere', '42809', 'whole_elsewhere', 'a partitioned table with a foreign partition'),
	('whole_forgetful', '42809', 'whole_forgetful', 'a partitioned table with an unlogged partition'),
	('counter', '42809', 'counter', 'a sequence'),
	('booking_pkey', '42809', 'booking_pkey', 'an index'),
	('remote', '42809', 'remote', 'a foreign table'),
	('by_class_partials', '42809', 'by_class_partials', 'a rollup''s partials'),
	('by_class_definition', '42809', 'by_class_definition', 'a rollup''s definition'),
	('nothing', '42P01', 'nothing', 'what does not exist'),
	('pg_catalog.pg_class', '42501|42809', 'pg_class', 'a system table'),
	('gymstream_internal.topic', '42501|42809', 'topic', 'gymstream''s own table')
) AS t (relation, code, about, what);
SELECT refused(call, code, about, what) FROM (VALUES
	($$ SELECT gymstream.create_topic('booking', notify => 'everything') $$, '22023', 'everything', 'a wrong value for notify'),
	($$ SELECT gymstream.create_topic('booking', notify => NULL) $$, '22004|22023', 'null', 'no value for notify'),
	($$ SELECT gymstream.create_topic(NULL) $$, '22004', 'null', 'no relation'),
	($$ SELECT gymstream.create_topic('guarded', notify => 'row') $$, '0A000|55000|42501', 'guarded', 'rows under row-level security'),
	($$ SELECT gymstream.create_topic('guarded', notify => 'key') $$, '0A000|55000|42501', 'guarded', 'keys under row-level security'),
	($$ SELECT gymstream.create_topic('guarded', channel_by => '{id}') $$, '0A000|55000|42501', 'guarded', 'channels under row-level security'),
	($$ SELECT gymstream.create_topic('booking', notify => 'none', retain => '0') $$, '22023', 'booking', 'a topic that nobody would know of'),
	($$ SELECT gymstream.create_topic('booking', channel_by => '{class_id}') $$, '55000', 'class_id', 'channels by what is not in the replica identity'),
	($$ SELECT gymstream.create_topic('booking', key => '{class_id}') $$, '55000', 'class_id', 'a key that is not in the replica identity'),
	($$ SELECT gymstream.create_topic('booking', channel_by => '{nothing}') $$, '42703', 'nothing', 'channels by no column'),
	($$ SELECT gymstream.create_topic('by_class', channel_by => '{count}') $$, '22023', 'count', 'channels by what a rollup does not group by'),
	($$ SELECT gymstream.drop_topic('booking') $$, '42704', 'booking', 'dropping what is no topic'),
	($$ INSERT INTO gymstream_internal.topic VALUES ('booking', 'x', 'row') $$, '42501', 'topic', 'writing the catalog')
) AS t (call, code, about, what);

SELECT accepted($$ SELECT gymstream.create_topic('booking') $$, 'a table');
SELECT accepted($$ SELECT gymstream.create_topic('by_class', notify => 'row') $$, 'a rollup');
SELECT accepted($$ SELECT gymstream.create_topic('guarded') $$, 'positions alone of a table with row-level security');
SELECT accepted($$ SELECT gymstream.create_topic('booking', notify => 'row') $$, 'the same topic again, which is told what to notify');
SELECT results_eq($$ SELECT notify FROM gymstream.topics WHERE relation = 'booking'::regclass $$, ARRAY['row'], 'and does');
SELECT accepted($$ SELECT gymstream.create_topic('booking', if_not_exists => true) $$, 'the same topic if there is none');
SELECT results_eq($$ SELECT notify FROM gymstream.topics WHERE relation = 'booking'::regclass $$, ARRAY['row'], 'which leaves it alone');
SELECT refused($$ SELECT gymstream.create_topic('booking', if_not_exists => NULL) $$, '22004', 'if_not_exists', 'neither yes nor no');
SELECT accepted($$ SELECT gymstream.create_topic('booking', 'position') $$, 'back to positions');
SELECT results_eq($$ SELECT relation::text, channel, notify FROM gymstream_internal.topic ORDER BY 1 $$,
	$$ VALUES ('booking', 'gymstream:gym.booking', 'position'), ('by_class', 'gymstream:gym.by_class', 'row'),
		('guarded', 'gymstream:gym.guarded', 'position') $$, 'channels are named after what they publish');

SET tap.role = gs_other;
SELECT refused($$ SELECT gymstream.create_topic('guarded') $$, '42501', 'owner', 'who does not own the relation');
SELECT refused($$ SELECT gymstream.drop_topic('booking') $$, '42501', 'owner', 'who does not own the topic');

SET tap.role = gs_topic_owner;
SELECT accepted($$ SELECT gymstream.drop_topic('booking') $$, 'dropping a topic');
SELECT accepted($$ DROP VIEW by_class $$, 'dropping a rollup');
SELECT is((SELECT count(*) FROM gymstream_internal.topic), 1::bigint, 'takes its topic with it');

SELECT * FROM finish();
ROLLBACK;
