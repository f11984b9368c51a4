-- transactions that are shown before it is known whether they commit: streamed ones, and prepared ones
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
CREATE SCHEMA decode_stream;
SET search_path = decode_stream, public;
SET logical_decoding_work_mem = '64kB';
CREATE TABLE t (id int PRIMARY KEY, note text);
CREATE TABLE other (id int);
CREATE TABLE booking (id int, class_id int);
SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n FROM booking GROUP BY class_id');
CREATE UNLOGGED TABLE log (n bigserial, event json, action text, xid int, subxid int);
-- events since the last call, by their number
CREATE PROCEDURE read_events(VARIADIC options text[]) LANGUAGE sql AS $$
  DELETE FROM log;
  INSERT INTO log (event, action, xid, subxid)
  SELECT data::json, data::json ->> 'action', (data::json ->> 'xid')::int, (data::json ->> 'subxid')::int
  FROM pg_logical_slot_get_changes('decode_stream', NULL, NULL, VARIADIC options) $$;
-- those that are left in the end, without what was rolled back
CREATE VIEW kept AS
WITH aborted AS MATERIALIZED (SELECT * FROM log WHERE action IN ('stream_abort', 'rollback_prepared'))
SELECT l.* FROM log l WHERE action !~ '^(stream_|begin|commit|prepare|rollback)'
  AND NOT EXISTS (SELECT FROM aborted a WHERE a.n > l.n AND a.xid = l.xid AND coalesce(a.subxid = l.subxid, a.subxid IS NULL));
-- what must hold of the marks: blocks do not overlap, each has events of its transaction alone, and is followed by the transaction's end
CREATE VIEW wrong AS
WITH marked AS MATERIALIZED (SELECT *, count(*) FILTER (WHERE action = 'stream_start') OVER w - count(*) FILTER (WHERE action = 'stream_stop') OVER w AS open,
  lag(action) OVER w AS before, max(n) FILTER (WHERE action = 'stream_start') OVER w AS block, row_number() OVER (PARTITION BY xid ORDER BY n) AS number FROM log WINDOW w AS (ORDER BY n)),
starts AS MATERIALIZED (SELECT * FROM marked WHERE action = 'stream_start'), ends AS MATERIALIZED (SELECT * FROM marked WHERE action IN ('stream_commit', 'stream_abort', 'stream_prepare') AND subxid IS NULL)
SELECT 'overlap' AS what, n, event FROM marked WHERE open NOT IN (0, 1)
UNION ALL SELECT 'empty', n, event FROM marked WHERE action = 'stream_stop' AND before = 'stream_start'
UNION ALL SELECT 'other', m.n, m.event FROM marked m JOIN starts s ON s.n = m.block WHERE m.open = 1 AND m.xid <> s.xid
UNION ALL SELECT 'position', n, event FROM marked WHERE open = 1 AND (event -> 'lsn' IS NOT NULL OR event -> 'commit_time' IS NOT NULL)
UNION ALL SELECT 'no position', n, event FROM marked WHERE open = 0 AND action NOT IN ('stream_stop', 'stream_abort') AND event -> 'lsn' IS NULL
UNION ALL SELECT 'first', n, event FROM starts WHERE (event -> 'first' IS NULL) <> (number > 1)
UNION ALL SELECT 'no end', n, event FROM starts s WHERE NOT EXISTS (SELECT FROM ends e WHERE e.n > s.n AND e.xid = s.xid);
CREATE FUNCTION marks() RETURNS SETOF text LANGUAGE sql AS $$ SELECT DISTINCT action FROM log ORDER BY 1 $$;
SELECT 1 AS created FROM pg_create_logical_replication_slot('decode_stream', 'gymstream', false, true);

-- off by default: in commit order, whole
INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 3000) i;
CALL read_events('include-transaction', 'on');
SELECT * FROM marks();
SELECT count(*), min(event ->> 'xid') = max(event ->> 'xid') AS one, count(DISTINCT event ->> 'lsn') AS lsns FROM log;

-- a large transaction in blocks, a small one as ever
INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(3001, 6000) i;
INSERT INTO other VALUES (1);
CALL read_events('streaming', 'on');
SELECT * FROM wrong;
SELECT * FROM marks();
SELECT count(*) FILTER (WHERE event ->> 'action' = 'stream_start') > 3 AS blocks, count(*) FILTER (WHERE action = 'insert') AS rows FROM log;
SELECT json_object_keys(event) FROM log WHERE event ->> 'action' = 'stream_commit';

-- parts of it rolled back, deltas of rollups and messages too
BEGIN;
INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(6001, 7000) i;
SAVEPOINT a;
INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(7001, 9000) i;
INSERT INTO booking SELECT i, 7 FROM generate_series(1, 10) i;
SAVEPOINT b;
INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(9001, 10000) i;
ROLLBACK TO a;
INSERT INTO booking VALUES (1, 8);
SAVEPOINT c;
INSERT INTO booking SELECT i, 9 FROM generate_series(1, 3) i;
INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(10001, 12000) i;
DELETE FROM t WHERE id = 1;
TRUNCATE other;
RELEASE c;
INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(12001, 12100) i;
COMMIT;
CALL read_events('stream-changes', 'on', 'messages', 'on', 'include-lsn', 'on');
SELECT * FROM wrong;
SELECT count(*) FROM kept WHERE action = 'insert' AND event ->> 'table' = 't' AND NOT EXISTS (SELECT FROM t WHERE id = (event #>> '{new,id}')::int);
SELECT count(*), count(DISTINCT event #>> '{new,id}') = count(*) AS once FROM kept WHERE action = 'insert' AND event ->> 'table' = 't';
SELECT event ->> 'action', event ->> 'table', event #>> '{key,class_id}', sum((event #>> '{delta,count(*)}')::int) FROM kept WHERE event ->> 'table' <> 't' AND event ->> 'action' <> 'insert' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- all of it
BEGIN;
CREATE TABLE brief (id int, note text);
INSERT INTO brief SELECT i, repeat('x', 100) FROM generate_series(1, 3000) i;
ALTER TABLE brief ADD more int DEFAULT 1;
INSERT INTO brief SELECT i, repeat('x', 100) FROM generate_series(1, 3000) i;
ROLLBACK;
INSERT INTO other VALUES (2);
CALL read_events('streaming', 'on');
SELECT * FROM wrong;
SELECT event ->> 'table', count(*) FROM kept GROUP BY 1;

-- nothing of it is shown
INSERT INTO other SELECT generate_series(1, 3000);
CALL read_events('streaming', 'on', 'actions', 'delete');
SELECT * FROM log;

-- a table that is altered while its transaction is streamed
BEGIN;
CREATE TABLE altered (id int, a int);
INSERT INTO altered SELECT i, i FROM generate_series(1, 1500) i;
ALTER TABLE altered RENAME TO renamed;
ALTER TABLE renamed DROP a, ADD b text DEFAULT 'b';
INSERT INTO renamed SELECT i FROM generate_series(1, 1500) i;
COMMIT;
CALL read_events('streaming', 'on');
SELECT * FROM wrong;
SELECT event ->> 'table' AS table, min(event ->> 'new') AS row, count(*) FROM kept GROUP BY 1 ORDER BY 1;

-- prepared: events when it is prepared, then what became of it
CREATE FUNCTION short() RETURNS SETOF text LANGUAGE sql AS $$
  SELECT regexp_replace(regexp_replace(event::text, '"xid":\d+', '"xid":...', 'g'), '"(lsn|commit_time|prepare_time)":"[^"]*"', '"\1":"..."', 'g') FROM log ORDER BY n $$;
BEGIN;
INSERT INTO other VALUES (3);
INSERT INTO booking VALUES (1, 5);
PREPARE TRANSACTION 'gid "one"';
CALL read_events('two-phase', 'on', 'include-transaction', 'on');
SELECT * FROM short();
INSERT INTO other VALUES (4);
COMMIT PREPARED 'gid "one"';
CALL read_events('two-phase', 'on', 'include-transaction', 'on');
SELECT * FROM short();
BEGIN;
INSERT INTO other VALUES (5);
PREPARE TRANSACTION 'two';
ROLLBACK PREPARED 'two';
BEGIN;
SELECT txid_current() IS NOT NULL AS assigned;
PREPARE TRANSACTION 'empty';
COMMIT PREPARED 'empty';
CALL read_events('two_phase', 'on', 'include-xids', 'off', 'include-lsn', 'off', 'include-timestamp', 'off');
SELECT count(*) FILTER (WHERE event ->> 'action' = 'begin_prepare') = count(*) FILTER (WHERE event ->> 'action' = 'prepare') AS pairs, max(event ->> 'action') AS last FROM log WHERE event ->> 'gid' = 'two';
SELECT event FROM log WHERE event ->> 'gid' = 'empty';
-- and in blocks before that
BEGIN;
INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(20001, 22000) i;
PREPARE TRANSACTION 'large';
COMMIT PREPARED 'large';
CALL read_events('two-phase', 'on', 'streaming', 'on');
SELECT * FROM wrong;
SELECT event ->> 'action', event ->> 'gid', event -> 'prepare_time' IS NOT NULL AS prepare_time, event -> 'commit_time' IS NOT NULL AS commit_time FROM log WHERE event -> 'gid' IS NOT NULL ORDER BY n;
SELECT count(*) FROM kept;

SELECT pg_drop_replication_slot('decode_stream');
DROP SCHEMA decode_stream CASCADE;
