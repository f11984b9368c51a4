-- gymstream.position: text, binary, order and parts
\set VERBOSITY default
\pset null NULL
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
RESET client_min_messages;
CREATE SCHEMA test_position;
SET search_path = test_position, public;

-- text: any width in, one width out
SELECT p::gymstream.position FROM (VALUES ('1/19A4C88/2'), ('00000001/00000000019A4C88/00000002'), ('0/0/0'),
	('FFFFFFFF/FFFFFFFFFFFFFFFF/FFFFFFFF'), ('a/Bc/dE'), ('1/2/3/0'), ('1/2/3/7FFFFFFFFFFFFFFF'), ('1/2/3/a')) v (p);
SELECT pg_typeof(p), length(p::text), p::text::gymstream.position OPERATOR(gymstream.=) p
	FROM (VALUES ('1/2/3'::gymstream.position), ('1/2/3/4')) v (p);
CREATE FUNCTION input(p text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	RETURN p::gymstream.position;
EXCEPTION WHEN invalid_text_representation THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN 'refused' || CASE hint WHEN '' THEN ' without a hint' ELSE '' END;
END
$$;
SELECT p, input(p) FROM (VALUES (''), ('/'), ('//'), ('1'), ('1/2'), ('1/2/'), ('/2/3'), ('1//3'), ('1/2/3/'), ('1/2/3/4/'), ('1/2/3/4/5'),
	('1 /2/3'), (' 1/2/3'), ('1/2/3 '), ('-1/2/3'), ('+1/2/3'), ('0x1/2/3'), ('1/2/g'), ('1/2/3é'), ('100000000/2/3'), ('000000001/2/3'),
	('1/00000000000000002/3'), ('1/2/100000000'), ('1/2/3/8000000000000000'), ('1/2/3/00000000000000004'), (repeat('1', 100000))) v (p)
	WHERE length(p) < 100 OR input(p) <> 'refused';
SELECT '1/0/19A4C88'::gymstream.position, 'where'::gymstream.position;

-- parts
SELECT gymstream.position_epoch(p), gymstream.position_lsn(p) - '0/0' AS lsn, gymstream.position_index(p), gymstream.position_offset(p)
	FROM (VALUES ('1/19A4C88/2'::gymstream.position), ('FFFFFFFF/FFFFFFFFFFFFFFFF/FFFFFFFF/7FFFFFFFFFFFFFFF'), ('0/0/0/0'), (NULL)) v (p);

-- order, of positions and of their text in whatever collation
CREATE TABLE event (id serial, p gymstream.position);
INSERT INTO event (p) SELECT format('%s/%s/%s', e, l, i)::gymstream.position
	FROM unnest('{0,1,9,A,10,FF,FFFFFFFF}'::text[]) e, unnest('{0,9,A,FFFFFFFF,100000000,FFFFFFFFFFFFFFFF}'::text[]) l, unnest('{1,9,A,10,FFFFFFFF}'::text[]) i
	ORDER BY md5(e || l || i);
SELECT count(*), count(DISTINCT p) FROM event;
SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY p) AS n, row_number() OVER (ORDER BY p::text COLLATE "C") AS t FROM event) o WHERE n <> t;
DO $$
DECLARE
	locale record;
	differ bigint;
BEGIN
	FOR locale IN SELECT c.oid::regcollation::text AS name FROM pg_collation c WHERE collisdeterministic
		AND collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding())) AND collprovider IN ('c', 'i')
		AND (collprovider = 'c' OR collname IN ('en-x-icu', 'de-x-icu', 'sv-x-icu', 'tr-x-icu', 'zh-x-icu', 'ar-x-icu')) LOOP
		EXECUTE format('SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY p) AS n, row_number() OVER (ORDER BY p::text COLLATE %s) AS t FROM event) o '
			'WHERE n <> t', locale.name) INTO differ;
		IF differ > 0 THEN
			RAISE '% sorts differently', locale.name;
		END IF;
	END LOOP;
END
$$;
SELECT p FROM event ORDER BY p DESC LIMIT 3;
SELECT count(*) FROM event a, event b WHERE ROW(gymstream.position_epoch(a.p), gymstream.position_lsn(a.p), gymstream.position_index(a.p)) <
		ROW(gymstream.position_epoch(b.p), gymstream.position_lsn(b.p), gymstream.position_index(b.p))
	IS DISTINCT FROM (a.p OPERATOR(gymstream.<) b.p) OR (a.p OPERATOR(gymstream.<) b.p) = (a.p OPERATOR(gymstream.>=) b.p)
	OR (a.p OPERATOR(gymstream.>) b.p) = (a.p OPERATOR(gymstream.<=) b.p) OR (a.p OPERATOR(gymstream.=) b.p) = (a.p OPERATOR(gymstream.<>) b.p)
	OR (a.p OPERATOR(gymstream.=) b.p) <> (a.id = b.id);
-- the offset does not count: it is the same event
SELECT '1/2/3'::gymstream.position OPERATOR(gymstream.=) '1/2/3/4', '1/2/3/5'::gymstream.position OPERATOR(gymstream.<=) '1/2/3/4',
	gymstream_internal.position_hash('1/2/3') = gymstream_internal.position_hash('1/2/3/4'),
	gymstream_internal.position_hash_extended('1/2/3', 7) = gymstream_internal.position_hash_extended('1/2/3/4', 7),
	'1/2/3/5'::gymstream.position OPERATOR(gymstream.<) '1/2/4/4';
SELECT count(*) FROM (SELECT '1/2/3'::gymstream.position UNION SELECT '1/2/3/4' UNION SELECT '1/2/4') u;

-- indexes, joins by hash and by merging, partitions
CREATE INDEX ON event (p);
CREATE INDEX ON event USING hash (p);
SET enable_seqscan = off;
SET search_path = test_position, gymstream, public;
EXPLAIN (COSTS off) SELECT * FROM event WHERE p > '1/2/3' ORDER BY p LIMIT 1;
SELECT p FROM event WHERE p > '1/2/3' ORDER BY p LIMIT 1;
SELECT count(*) FROM event WHERE p = 'A/9/9';
SET enable_nestloop = off;
SET enable_mergejoin = off;
SELECT count(*) FROM event a JOIN event b ON a.p = b.p;
SET enable_mergejoin = on;
SET enable_hashjoin = off;
SELECT count(*) FROM event a JOIN event b ON a.p = b.p;
RESET enable_hashjoin;
RESET enable_nestloop;
RESET enable_seqscan;
CREATE TABLE log (p gymstream.position, event text) PARTITION BY RANGE (p);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('1/0/0') TO ('1/100/0');
CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('1/100/0') TO (MAXVALUE);
INSERT INTO log VALUES ('1/FF/2', 'a'), ('1/100/1', 'b');
SELECT tableoid::regclass, * FROM log ORDER BY p;
-- a rollup may have them as keys
SELECT gymstream.create_rollup('by_position', 'SELECT p, count(*) FROM log GROUP BY p');
INSERT INTO log VALUES ('1/FF/2', 'c');
TABLE by_position ORDER BY p;

-- binary
CREATE TABLE sent (p gymstream.position);
SELECT gymstream_internal.position_send('1/19A4C88/2'), gymstream_internal.position_send('1/2/3/4');
\getenv directory PG_ABS_BUILDDIR
\set file :directory '/results/position.bin'
COPY event (p) TO :'file' (FORMAT binary);
COPY sent FROM :'file' (FORMAT binary);
SELECT count(*) FROM sent JOIN event USING (p);
-- an offset that is not, and what is too short or too long
CREATE FUNCTION received(bytes text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	file text := current_setting('test_position.file');
	large oid;
BEGIN
	large := lo_from_bytea(0, ('\x5047434f50590aff0d0a00' || '0000000000000000' || '0001' || lpad(to_hex(length(bytes) / 2), 8, '0') || bytes || 'ffff')::bytea);
	PERFORM lo_export(large, file), lo_unlink(large);
	EXECUTE format('COPY sent FROM %L (FORMAT binary)', file);
	RETURN 'taken';
EXCEPTION WHEN invalid_binary_representation OR protocol_violation THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SET test_position.file = :'file';
SELECT bytes, received(bytes) FROM (VALUES
	('000000010000000200000000019a4c88ffffffffffffffff'),
	('000000010000000200000000019a4c880000000000000000'),
	('000000010000000200000000019a4c88fffffffffffffffe'),
	('000000010000000200000000019a4c888000000000000000'),
	('000000010000000200000000019a4c88ffffffffffffff'),
	('000000010000000200000000019a4c88ffffffffffffffff00'),
	('')) v (bytes);
SELECT p FROM sent EXCEPT SELECT p FROM event;

SET client_min_messages = warning;
DROP SCHEMA test_position CASCADE;
