-- the columns that topics name: of keys, and of channels
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE SCHEMA keyed;
SET search_path = keyed, public;
CREATE TABLE booking (id int PRIMARY KEY, class_id int, price numeric(10, 2), at timestamptz, name text, doc jsonb, code citext);
ALTER TABLE booking REPLICA IDENTITY FULL;
SELECT gymstream.create_topic('booking', channel_by => '{class_id}');
DO $$BEGIN WHILE (SELECT lag_bytes IS NULL FROM gymstream.status) LOOP PERFORM pg_sleep(0.01); END LOOP; END$$;
RESET client_min_messages;

-- plain values stand in a channel's name, all others as a hash; equal values are one channel
SELECT gymstream.topic_channel('booking', '{"class_id": 7, "more": 1}');
SELECT gymstream.topic_channel('booking', '{"class_id": "7"}');
SELECT gymstream.topic_channel('booking', '{"class_id": null}');
SELECT gymstream.topic_channel('booking', '{"id": 7}');
SELECT gymstream.topic_channel('booking', '{"class_id": "seven"}');
SELECT gymstream.topic_channel('booking', '{"class_id": {"a": 1}}');
SELECT gymstream.topic_channel('booking', '7');
SELECT gymstream.topic_channel('booking', NULL);
SELECT gymstream.topic_channel(NULL, '{}');
SELECT gymstream.topic_channel('pg_class', '{}');
SELECT gymstream.topic_channel(1, '{}');
CREATE FUNCTION channel(columns name[], key jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM gymstream.alter_topic('booking', channel_by => columns);
	RETURN gymstream.topic_channel('booking', key);
END$$;
SELECT channel('{class_id,price}', '{"class_id": 7, "price": 12.50}'), channel('{class_id,price}', '{"class_id": 7, "price": "12.5"}');
SELECT channel('{price,class_id}', '{"class_id": 7, "price": 12.50}');
SELECT channel('{price}', '{"price": "NaN"}');
SELECT channel('{name}', '{"name": "anna"}'), channel('{name}', '{"name": "null"}') <> channel('{name}', '{"name": null}') AS other;
SELECT channel('{name}', '{"name": "anna k"}'), channel('{name}', '{"name": ""}'), channel('{name}', '{"name": "ä"}');
SELECT channel('{name,class_id}', '{"name": "a,1", "class_id": 2}') <> channel('{name,class_id}', '{"name": "a", "class_id": 12}') AS other;
SELECT channel('{name}', jsonb_build_object('name', repeat('x', 39))), channel('{name}', jsonb_build_object('name', repeat('x', 40)));
SELECT channel('{code}', '{"code": "Anna"}') = channel('{code}', '{"code": "ANNA"}') AS same;
SET timezone = 'Asia/Tokyo';
SET datestyle = german;
SELECT channel('{at}', '{"at": "2026-01-31T12:00:00+09"}') = channel('{at}', '{"at": "2026-01-31T03:00:00Z"}') AS same;
SHOW timezone;
SHOW datestyle;
RESET timezone;
RESET datestyle;
SELECT channel('{doc}', '{"doc": {"b": 1, "a": [2]}}') = channel('{doc}', '{"doc": {"a": [2], "b": 1}}') AS same;
SELECT channel('{name}', jsonb_build_object('name', repeat('x', 100000)));
SELECT channel('{}', '{}');

-- a long name of a table
CREATE TABLE abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrs (id int PRIMARY KEY);
SELECT gymstream.create_topic('abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrs', channel_by => '{id}');
SELECT replace(gymstream.topic_channel('abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrs', '{"id": 7}'),
	'abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrs'::regclass::oid::text, '<oid>');
CREATE TABLE abcdefghijklmnopqrstuvwxyz (id bigint PRIMARY KEY);
SELECT gymstream.create_topic('abcdefghijklmnopqrstuvwxyz', channel_by => '{id}');
SELECT gymstream.topic_channel('abcdefghijklmnopqrstuvwxyz', '{"id": 7}');
SELECT gymstream.topic_channel('abcdefghijklmnopqrstuvwxyz', '{"id": 1234567890123456789}');

-- what old rows do not have cannot be a key
CREATE TABLE plain (id int NOT NULL, class_id int NOT NULL, note text);
SELECT gymstream.create_topic('plain', key => '{id}');
CREATE UNIQUE INDEX plain_id ON plain (id);
ALTER TABLE plain REPLICA IDENTITY USING INDEX plain_id;
SELECT gymstream.create_topic('plain', key => '{id}', channel_by => '{class_id}');
SELECT gymstream.create_topic('plain', key => '{id}', channel_by => '{id,id}');
SELECT gymstream.create_topic('plain', key => '{id}', channel_by => '{id}');
CREATE TABLE root (id int, class_id int, PRIMARY KEY (id, class_id)) PARTITION BY LIST (class_id);
CREATE TABLE root_1 PARTITION OF root FOR VALUES IN (1);
CREATE TABLE root_2 PARTITION OF root FOR VALUES IN (2) PARTITION BY LIST (id);
CREATE TABLE root_2_1 PARTITION OF root_2 FOR VALUES IN (1);
ALTER TABLE root_2_1 REPLICA IDENTITY NOTHING;
SELECT gymstream.create_topic('root', channel_by => '{class_id}');
ALTER TABLE root_2_1 REPLICA IDENTITY DEFAULT;
SELECT gymstream.create_topic('root', channel_by => '{class_id}');

-- what would change unseen from now on
CREATE FOREIGN DATA WRAPPER key_wrapper;
CREATE SERVER key_server FOREIGN DATA WRAPPER key_wrapper;
CREATE FOREIGN TABLE elsewhere (id int) SERVER key_server;
CREATE TABLE loose (id int) PARTITION BY LIST (id);
SELECT gymstream.create_topic('loose');
CREATE UNLOGGED TABLE forgetful (id int, class_id int, PRIMARY KEY (id, class_id));
CREATE TABLE with_part (id int, class_id int, PRIMARY KEY (id, class_id)) PARTITION BY LIST (id);
CREATE UNLOGGED TABLE with_part_1 PARTITION OF with_part FOR VALUES IN (1);
ALTER TABLE plain SET UNLOGGED;
ALTER TABLE root_1 SET UNLOGGED;
ALTER TABLE loose ATTACH PARTITION elsewhere FOR VALUES IN (3);
ALTER TABLE root_2 ATTACH PARTITION forgetful FOR VALUES IN (3);
ALTER TABLE root ATTACH PARTITION with_part FOR VALUES IN (3);
CREATE UNLOGGED TABLE root_3 PARTITION OF root FOR VALUES IN (3);
CREATE FOREIGN TABLE loose_3 PARTITION OF loose FOR VALUES IN (3) SERVER key_server;
ALTER TABLE forgetful SET LOGGED;
ALTER TABLE root_2 ATTACH PARTITION forgetful FOR VALUES IN (3);

-- a column that is renamed is the same one
ALTER TABLE plain RENAME id TO number;
ALTER TABLE root RENAME COLUMN class_id TO class;
ALTER TABLE plain RENAME note TO text;
BEGIN;
ALTER TABLE plain RENAME number TO n;
ROLLBACK;
SELECT relation, key_columns, channel_columns FROM gymstream.topics WHERE relation IN ('plain'::regclass, 'root'::regclass) ORDER BY 1::text;
SELECT gymstream.topic_channel('plain', '{"number": 7}'), gymstream.topic_channel('root', '{"class": 1}');

-- rollups: by what they group by
SELECT gymstream.create_rollup('per_class', 'SELECT class_id AS class, name, count(*) FROM booking GROUP BY 1, 2');
SELECT gymstream.create_topic('per_class', channel_by => '{count}');
SELECT gymstream.create_topic('per_class', channel_by => '{class}');
SELECT gymstream.topic_channel('per_class', '{"class": 7}');

-- row-level security hides values of rows from those who listen
ALTER TABLE plain ENABLE ROW LEVEL SECURITY;
SELECT gymstream.topic_channel('plain', '{"number": 7}');
SELECT gymstream.alter_topic('plain', channel_by => '{number}');
SELECT gymstream.alter_topic('plain', notify => 'key');
SELECT gymstream.alter_topic('plain', channel_by => '{}');

-- another owner decides anew
CREATE ROLE key_owner;
SELECT gymstream.alter_topic('booking', notify => 'key');
ALTER TABLE booking OWNER TO key_owner;
SELECT notify FROM gymstream.topics WHERE relation = 'booking'::regclass;

-- waiting
CALL gymstream.wait_topic(NULL);
CALL gymstream.wait_topic('pg_class');
CALL gymstream.wait_topic('plain');
CALL gymstream.wait_topic('plain', pg_current_wal_insert_lsn());
DO $$BEGIN CALL gymstream.wait_topic('plain', 'FFFFFFFF/0', '1 ms'); EXCEPTION WHEN query_canceled THEN RAISE NOTICE '%', SQLERRM; END$$;
CALL gymstream.wait_topic('plain', 'FFFFFFFF/0', '-1 year');
BEGIN;
INSERT INTO plain VALUES (1, 1);
CALL gymstream.wait_topic('plain');
COMMIT;
CALL gymstream.wait_topic('plain');
BEGIN ISOLATION LEVEL REPEATABLE READ;
CALL gymstream.wait_topic('plain');
ROLLBACK;
CREATE FUNCTION waits() RETURNS void LANGUAGE plpgsql AS $$BEGIN CALL gymstream.wait_topic('plain'); END$$;
SELECT waits();
CREATE PROCEDURE waits_twice() LANGUAGE plpgsql AS $$BEGIN
	CALL gymstream.wait_topic('plain');
	INSERT INTO plain VALUES (2, 1);
	COMMIT;
	CALL gymstream.wait_topic('plain');
	PERFORM 1;
END$$;
CALL waits_twice();

SET client_min_messages = warning;
DROP SCHEMA keyed CASCADE;
DROP FOREIGN DATA WRAPPER key_wrapper CASCADE;
DROP ROLE key_owner;
