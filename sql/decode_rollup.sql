-- changes of rollups as the output plugin shows them: deltas, in the transaction that caused them
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
RESET client_min_messages;
CREATE SCHEMA decode_rollup;
SET search_path = decode_rollup;
CREATE FUNCTION events() RETURNS SETOF text LANGUAGE sql AS $$
  SELECT data
  FROM pg_logical_slot_get_changes('decode_rollup', NULL, NULL, 'include-xids', 'off', 'include-lsn', 'off',
    'include-timestamp', 'off', 'include-transaction', 'on')
  WHERE data::jsonb IS NOT NULL $$;
CREATE TABLE booking (id int, class_id int, price numeric, seats int);
INSERT INTO booking VALUES (1, 1, 10, 1), (2, 2, 10, 1);
SELECT 1 AS created FROM pg_create_logical_replication_slot('decode_rollup', 'gymstream');

-- the partials' own rows are never shown, those that create_rollup and rebuild_rollup write neither
SELECT gymstream.create_rollup('attendance',
  'SELECT class_id, count(*) AS attendance, sum(seats) AS seats, avg(price) AS price FROM booking GROUP BY class_id');
SELECT * FROM events();
SELECT gymstream.rebuild_rollup('attendance');
SELECT * FROM events();

INSERT INTO booking VALUES (3, 1, 12.50, 2), (4, NULL, 'NaN', NULL);
UPDATE booking SET class_id = 2 WHERE id = 1;
UPDATE booking SET id = 5 WHERE id = 4;
SELECT * FROM events();

-- nothing of what was rolled back, be it the transaction or a part of it
BEGIN;
INSERT INTO booking VALUES (6, 1, 1, 1);
ROLLBACK;
BEGIN;
SAVEPOINT a;
INSERT INTO booking VALUES (7, 1, 1, 1);
ROLLBACK TO a;
INSERT INTO booking VALUES (8, 3, 1, 1);
COMMIT;
SELECT * FROM events();

-- each under the name that it had
INSERT INTO booking VALUES (9, 1, 1, 1);
ALTER VIEW attendance RENAME TO "Odd"" name";
INSERT INTO booking VALUES (10, 1, 1, 1);
BEGIN;
INSERT INTO booking VALUES (11, 1, 1, 1);
ALTER VIEW "Odd"" name" RENAME TO attendance;
INSERT INTO booking VALUES (12, 1, 1, 1);
COMMIT;
SELECT * FROM events() data WHERE data ~ 'rollup';
TRUNCATE booking;
SELECT * FROM events();

-- decoded after it is gone
INSERT INTO booking VALUES (13, 1, 1, 1);
DROP VIEW attendance;
INSERT INTO booking VALUES (14, 1, 1, 1);
SELECT * FROM events();

-- what comes in and goes out of a minimum, and that rows have changed of which a value is made; never the value
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE visit (id int PRIMARY KEY, gym int, member text, mood mood, marks int[]);
SELECT gymstream.create_rollup('visits', $$ SELECT gym, min(member), max(mood) FILTER (WHERE id > 0), min(marks) AS marks,
  count(DISTINCT member), array_agg(id ORDER BY id) AS ids FROM visit GROUP BY gym $$);
INSERT INTO visit VALUES (1, 1, 'b "quoted"', 'sad', '{1,2}'), (2, 1, E'a\nline', 'glad', '{}'), (3, 2, NULL, NULL, NULL);
DELETE FROM visit WHERE id = 2;
UPDATE visit SET mood = 'glad';
SELECT * FROM events() data WHERE data ~ '"action":"rollup"';

SELECT pg_drop_replication_slot('decode_rollup');
SET client_min_messages = warning;
DROP SCHEMA decode_rollup CASCADE;
