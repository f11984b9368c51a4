-- What create_rollup refuses, and how: the code, a message that names the culprit, a hint, and nothing half created.
BEGIN;
\ir refused.psql
SELECT no_plan();
SET client_min_messages = warning;

CREATE ROLE gs_owner;
CREATE ROLE gs_reader;
CREATE SCHEMA gym AUTHORIZATION gs_owner;
GRANT USAGE ON SCHEMA gym, tap TO gs_reader;
GRANT USAGE ON SCHEMA tap TO gs_owner;
SET search_path = gym, public, tap;
SET ROLE gs_owner;
CREATE TABLE booking (id int PRIMARY KEY, class_id int, "Odd "" name" text, price numeric, at timestamptz, ratio float8, doc json);
CREATE TABLE secret (id int);
CREATE VIEW seen AS SELECT * FROM booking;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM booking;
CREATE TEMP TABLE passing (id int);
CREATE UNLOGGED TABLE forgetful (id int);
CREATE TABLE parent (id int);
CREATE TABLE child () INHERITS (parent);
CREATE TABLE whole (id int) PARTITION BY LIST (id);
CREATE FUNCTION restless(int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT $1';
CREATE FUNCTION steady(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1';
RESET ROLE;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE gym.remote (id int) SERVER elsewhere;
ALTER FOREIGN TABLE gym.remote OWNER TO gs_owner;
SET tap.role = gs_owner;

-- queries
SELECT refused(format('SELECT gymstream.create_rollup(%L, %L)', 'r', query), code, about, what) FROM (VALUES
	('SELEC count(*) FROM booking', '42601', 'syntax', 'what does not parse'),
	('', '42601', 'empty', 'an empty query'),
	('SELECT count(*) FROM booking; SELECT 1', '42601', 'one|single|multiple', 'two statements'),
	('INSERT INTO booking VALUES (1)', '42601|42809', 'select', 'what is no SELECT'),
	('WITH x AS (DELETE FROM booking RETURNING 1) SELECT count(*) FROM x', '0A000', '', 'a DELETE in a WITH'),
	('SELECT count(*) FROM nothing', '42P01', 'nothing', 'a table that does not exist'),
	('SELECT count(nothing) FROM booking', '42703', 'nothing', 'a column that does not exist'),
	('SELECT count(*)', '0A000', 'from', 'no table'),
	('SELECT count(*) FROM generate_series(1, 2)', '0A000', 'function|table', 'a function for a table'),
	('SELECT count(*) FROM (VALUES (1)) v', '0A000', 'values|subquer|table', 'VALUES'),
	('SELECT count(*) FROM (SELECT * FROM booking LIMIT 3) b', '0A000', 'subquer|table', 'a subquery that is more than its rows'),
	('SELECT count(*) FROM booking, secret', '0A000', 'join|one table', 'two tables'),
	('SELECT count(*) FROM booking JOIN secret USING (id)', '0A000', 'join|one table', 'a join'),
	('SELECT count(*) FROM pg_stat_activity', '0A000|42809', 'pg_stat_activity', 'a view of a join'),
	('SELECT count(*) FROM kept', '0A000|42809', 'kept', 'a materialized view'),
	('SELECT count(*) FROM passing', '0A000|42809', 'passing', 'a temporary table'),
	('SELECT count(*) FROM forgetful', '0A000|42809', 'forgetful', 'an unlogged table'),
	('SELECT count(*) FROM remote', '0A000|42809', 'remote', 'a foreign table'),
	('SELECT count(*) FROM pg_class', '0A000|42809|42501', 'pg_class', 'a system table'),
	('SELECT count(*) FROM parent', '0A000|42809', 'parent', 'a table with children'),
	('SELECT count(*) FROM booking TABLESAMPLE SYSTEM (10)', '0A000', 'tablesample', 'TABLESAMPLE'),
	('SELECT class_id, count(*) FROM booking WHERE restless(class_id) > 1 GROUP BY class_id', '0A000|42P17', 'restless', 'a volatile function'),
	('SELECT steady(class_id), count(*) FROM booking GROUP BY 1', '0A000|42P17', 'steady', 'a stable function'),
	('SELECT sum(restless(class_id)) FROM booking', '0A000|42P17', 'restless', 'a volatile function in an aggregate'),
	('SELECT count(*) FROM booking WHERE at > now()', '0A000|42P17', 'now', 'the time'),
	('SELECT count(*) FROM booking WHERE at > CURRENT_DATE', '0A000|42P17', 'date', 'the date'),
	('SELECT at::date, count(*) FROM booking GROUP BY 1', '0A000|42P17', 'timestamptz|timestamp with|date', 'a stable cast'),
	('SELECT string_agg("Odd "" name", '','') FROM booking', '0A000', 'string_agg', 'string_agg'),
	('SELECT array_agg(class_id ORDER BY at) FROM booking', '0A000', 'array_agg', 'an order with ties'),
	('SELECT json_agg(class_id ORDER BY id) FROM booking', '42P17', 'json_agg', 'a stable aggregate'),
	('SELECT DISTINCT count(*) FROM booking GROUP BY class_id', '0A000', 'distinct', 'DISTINCT of groups'),
	('SELECT class_id, count(*) FROM booking GROUP BY class_id ORDER BY 1', '0A000', 'order by', 'ORDER BY'),
	('SELECT class_id, count(*) FROM booking GROUP BY class_id LIMIT 1', '0A000', 'limit', 'LIMIT'),
	('SELECT class_id, count(*) FROM booking GROUP BY class_id OFFSET 1', '0A000', 'offset|limit', 'OFFSET'),
	('SELECT class_id, count(*) FROM booking GROUP BY ROLLUP (class_id)', '0A000', 'grouping|rollup', 'grouping sets'),
	('SELECT class_id, count(*), row_number() OVER () FROM booking GROUP BY class_id', '0A000', 'window', 'a window function'),
	('SELECT count(*) FROM booking UNION ALL SELECT 1', '0A000', 'union|set operation', 'UNION'),
	('SELECT count(*) FROM booking WHERE id IN (SELECT id FROM secret)', '0A000', 'subquer', 'a subquery'),
	('SELECT count(*) FROM booking FOR UPDATE', '0A000', 'for update', 'FOR UPDATE'),
	('WITH RECURSIVE b AS (SELECT 1 AS i UNION SELECT i + 1 FROM b WHERE i < 9) SELECT count(*) FROM b', '0A000', 'with', 'WITH RECURSIVE'),
	('SELECT id, class_id FROM booking', '0A000|42803', '', 'no aggregate at all'),
	('SELECT class_id AS x, count(*) AS x FROM booking GROUP BY class_id', '42701', 'x', 'two columns of one name'),
	('SELECT doc, count(*) FROM booking GROUP BY doc', '42883', 'equality', 'a key without equality'),
	('SELECT count(*) FROM booking WHERE class_id = $1', '42P02', 'parameter', 'a parameter')
) AS t (query, code, about, what);

-- names
SELECT refused(format('SELECT gymstream.create_rollup(%L, %L)', name, 'SELECT class_id, count(*) FROM booking GROUP BY class_id'), code, about, what)
FROM (VALUES
	('', '42602', 'name', 'an empty name'),
	(repeat('x', 64), '42622', 'long', 'a name of 64 bytes'),
	('a.b.c.d', '42601|0A000|42602', 'name', 'a name of four parts'),
	('nowhere.r', '3F000', 'nowhere', 'a schema that does not exist'),
	('booking', '42P07', 'booking', 'a table''s name'),
	('seen', '42P07', 'seen', 'a view''s name'),
	('pg_catalog.r', '42501', 'pg_catalog|permission', 'the system''s schema')
) AS t (name, code, about, what);
SELECT accepted($$ SELECT gymstream.create_rollup('"Quoted "" name"', 'SELECT class_id, count(*) FROM booking GROUP BY class_id') $$, 'a quoted name');
SELECT has_view('gym', 'Quoted " name', 'is taken as it is');
SELECT accepted(format('SELECT gymstream.create_rollup(%L, %L)', repeat('y', 63), 'SELECT "Odd "" name", count(*) FROM gym.booking GROUP BY 1'),
	'a name of 63 bytes, over an oddly named column');
SELECT accepted($$ SELECT gymstream.create_rollup('gym.twice', 'SELECT class_id, count(*) FROM booking GROUP BY class_id') $$, 'a name with its schema');
SELECT refused($$ SELECT gymstream.create_rollup('twice', 'SELECT count(*) FROM booking') $$, '42P07', 'twice', 'the same name again');
SELECT refused($$ SELECT gymstream.create_rollup('over', 'SELECT count(*) FROM twice') $$, '0A000|42809', 'twice', 'a rollup over a rollup');
SELECT refused($$ SELECT gymstream.create_rollup('over', 'SELECT count(*) FROM twice_partials') $$, '0A000|42809|42501', 'twice_partials',
	'a rollup over partials');
SELECT refused($$ SELECT gymstream.create_rollup(NULL, 'SELECT count(*) FROM booking') $$, '22004', 'null', 'no name');
SELECT refused($$ SELECT gymstream.create_rollup('r', NULL) $$, '22004', 'null', 'no query');

-- privileges
SET tap.role = gs_reader;
SELECT refused($$ SELECT gymstream.create_rollup('r', 'SELECT count(*) FROM booking') $$, '42501', 'permission', 'who may not create in the schema');
GRANT CREATE ON SCHEMA gym TO gs_reader;
SET tap.role = gs_reader;
SELECT refused($$ SELECT gymstream.create_rollup('r', 'SELECT count(*) FROM booking') $$, '42501', 'booking', 'who may not read the table');
GRANT SELECT ON gym.booking TO gs_reader;
SET tap.role = gs_reader;
SELECT refused($$ SELECT gymstream.create_rollup('r', 'SELECT count(*) FROM booking') $$, '42501', 'booking', 'who may read it and not add triggers');
SELECT refused($$ SELECT gymstream.rebuild_rollup('twice') $$, '42501', 'twice|owner', 'who rebuilds another''s rollup');
SELECT refused($$ SELECT * FROM twice $$, '42501', 'twice', 'who may not read the rollup');
SELECT refused($$ SELECT * FROM gymstream.verify_rollup('twice') $$, '42501', '', 'who may not verify it');
SET tap.role = gs_owner;

-- what is no rollup
SELECT refused(format('SELECT %s', call), code, about, call) FROM (VALUES
	($$gymstream.verify_rollup('booking')$$, '42809', 'booking.* is not a rollup'),
	($$gymstream.rebuild_rollup('booking')$$, '42809', 'booking.* is not a rollup'),
	($$gymstream.verify_rollup('seen')$$, '42809', 'seen.* is not a rollup'),
	($$gymstream.verify_rollup(1)$$, '42809|42P01', ''),
	($$gymstream.verify_rollup('nothing')$$, '42P01', 'nothing'),
	($$gymstream.drop_rollup('booking')$$, '42809', 'booking.* is not a rollup'),
	($$gymstream.drop_rollup('seen', if_exists => true)$$, '42809', 'seen.* is not a rollup'),
	($$gymstream.drop_rollup('nothing')$$, '42P01', 'nothing'),
	($$gymstream.drop_rollup('twice', if_exists => NULL)$$, '22004', 'if_exists'),
	($$gymstream.create_rollup('seen', 'SELECT class_id, count(*) FROM booking GROUP BY class_id', if_not_exists => true)$$, '42809', 'seen.* is not a rollup')
) AS t (call, code, about);

-- nobody writes behind a rollup's back
SELECT refused($$ INSERT INTO gymstream_internal.rollup VALUES (1, 2, 3) $$, '42501', 'rollup', 'INSERT into the catalog');
INSERT INTO booking VALUES (1, 1);
SELECT refused(call, '39P01', 'trigger', 'a call of' || call) FROM (VALUES
	($$ SELECT gymstream_internal.collect('twice_partials', 'booking'::regclass) $$),
	($$ SELECT gymstream_internal.collect('twice_partials', 'booking'::regclass, 1) $$),
	($$ SELECT gymstream_internal.collect('twice_partials', tableoid, class_id) FROM booking $$),
	($$ SELECT gymstream_internal.flush_pending() $$)
) AS t (call);

SELECT refused(statement, code, about, statement) FROM (VALUES
	('INSERT INTO twice_partials SELECT * FROM twice_partials', '42809', 'twice_partials.* holds the partials of a rollup'),
	('DELETE FROM twice_partials', '42809', 'twice_partials.* holds the partials of a rollup'),
	('TRUNCATE twice_partials', '42809', 'twice_partials.* holds the partials of a rollup'),
	('ALTER TABLE twice_partials DISABLE TRIGGER "!gymstream guard twice"', '55000', 'twice_partials.* cannot have its triggers disabled'),
	('ALTER TABLE booking DISABLE TRIGGER "!gymstream flush twice"', '55000', 'booking.* cannot have its rollups'' triggers disabled'),
	('ALTER VIEW twice OWNER TO gs_reader', '42501', ''),
	($$ CREATE TRIGGER again AFTER INSERT ON booking FOR EACH ROW WHEN (gymstream_internal.collect('twice_partials', new.tableoid)) EXECUTE FUNCTION gymstream_internal.flush_pending() $$,
		'42P17', 'again.* would make a rollup wrong')
) AS t (statement, code, about);
SELECT is_empty('SELECT rollup, problem FROM gymstream.rollups WHERE problem IS NOT NULL', 'the rollups that were made have what they need');

SELECT is_empty($$ SELECT r.rollup, v.* FROM gymstream_internal.rollup r, gymstream.verify_rollup(r.rollup) v $$, 'the rollups that were made are exact');

SELECT * FROM finish();
ROLLBACK;
