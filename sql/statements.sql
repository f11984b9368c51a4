-- Every kind of statement on a plain table: a rollup equals its query after each.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_statements;
SET search_path = test_statements, public;
CREATE TABLE class (id int PRIMARY KEY, room int);
CREATE TABLE booking (id int PRIMARY KEY, class_id int, price int, place int, twice int GENERATED ALWAYS AS (price * 2) STORED);
SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n, sum(price) AS revenue, sum(twice) AS twice FROM booking GROUP BY class_id');
SELECT gymstream.create_rollup('total', 'SELECT count(*) AS n, sum(twice) FROM booking WHERE price > 5');
SELECT gymstream.create_rollup('rooms', 'SELECT room, count(*) AS n FROM class GROUP BY room');
INSERT INTO class SELECT i, i % 3 FROM generate_series(0, 20) i;
INSERT INTO booking SELECT i, i % 5, i, i FROM generate_series(1, 50) i;
TABLE inexact;

--
-- MERGE
--
MERGE INTO booking b USING (SELECT i, i % 3 AS c FROM generate_series(40, 60) i) s ON b.id = s.i
	WHEN MATCHED AND b.id % 3 = 0 THEN DELETE
	WHEN MATCHED AND b.id % 3 = 1 THEN DO NOTHING
	WHEN MATCHED THEN UPDATE SET class_id = s.c, price = b.price + 1
	WHEN NOT MATCHED AND s.i % 2 = 0 THEN INSERT (id, class_id, price) VALUES (s.i, s.c, s.i)
	WHEN NOT MATCHED THEN DO NOTHING;
TABLE inexact;
MERGE INTO booking b USING (VALUES (1), (1)) s (i) ON b.id = s.i WHEN MATCHED THEN UPDATE SET price = 0;
TABLE inexact;

--
-- ON CONFLICT, also of one row with another
--
INSERT INTO booking VALUES (1, 9, 1), (70, 9, 1) ON CONFLICT DO NOTHING;
TABLE inexact;
INSERT INTO booking VALUES (71, 9, 1), (71, 9, 2) ON CONFLICT DO NOTHING;
TABLE inexact;
INSERT INTO booking VALUES (1, 9, 100), (72, 9, 1), (2, 9, 3)
	ON CONFLICT (id) DO UPDATE SET class_id = excluded.class_id, price = booking.price + excluded.price WHERE booking.id <> 2;
TABLE inexact;
INSERT INTO booking VALUES (73, 9, 1), (73, 9, 2) ON CONFLICT (id) DO UPDATE SET price = 7;
TABLE inexact;

--
-- COPY, whole and with an error in it; generated columns
--
COPY booking (id, class_id, price) FROM stdin;
80	1	10
81	\N	\N
82	2	-5
\.
TABLE inexact;
COPY booking (id, class_id, price) FROM stdin;
83	1	10
80	1	10
\.
TABLE inexact;
COPY booking (id, class_id, price) FROM stdin WHERE price > 5;
83	1	10
84	1	1
\.
TABLE inexact;
COPY (UPDATE booking SET price = price + 1 WHERE id = 83 RETURNING twice) TO stdout;
TABLE inexact;

--
-- WITH: one statement that touches the table, and a row, twice
--
WITH a AS (UPDATE booking SET price = 1 WHERE id = 1 RETURNING *), b AS (UPDATE booking SET price = 2 WHERE id = 1 RETURNING *)
	SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b);
TABLE inexact;
WITH a AS (DELETE FROM booking WHERE id = 2 RETURNING *)
	INSERT INTO booking (id, class_id, price) SELECT id + 1000, class_id, price FROM a;
TABLE inexact;
WITH a AS (DELETE FROM booking WHERE id IN (3, 4)), b AS (UPDATE booking SET class_id = 7 WHERE id IN (4, 5, 6) RETURNING id),
	c AS (INSERT INTO booking (id, class_id, price) VALUES (90, 7, 7) RETURNING id), d AS (UPDATE class SET room = 5 WHERE id = 7)
	DELETE FROM booking WHERE id IN (6, 7, 90) OR id IN (SELECT id FROM b);
TABLE inexact;

--
-- UPDATE FROM, DELETE USING, several matches of a row
--
UPDATE booking b SET price = s.p, class_id = s.c FROM (VALUES (8, 1, 1), (8, 2, 2), (9, 3, 3)) s (id, p, c) WHERE s.id = b.id;
TABLE inexact;
UPDATE booking b SET price = b.price + o.price FROM booking o WHERE o.id = b.id + 1;
TABLE inexact;
DELETE FROM booking b USING booking o WHERE o.id = b.id + 1 AND b.id BETWEEN 10 AND 15;
TABLE inexact;

--
-- Foreign keys: what each action does, and what refuses
--
INSERT INTO booking (id, class_id, price) SELECT i, i % 8, i FROM generate_series(100, 160) i;
UPDATE booking SET class_id = 1 WHERE class_id NOT IN (SELECT id FROM class);
ALTER TABLE booking ADD CONSTRAINT f FOREIGN KEY (class_id) REFERENCES class ON DELETE CASCADE ON UPDATE CASCADE;
DELETE FROM class WHERE id IN (1, 2);
TABLE inexact;
UPDATE class SET id = id + 100 WHERE id < 5;
TABLE inexact;
ALTER TABLE booking DROP CONSTRAINT f, ADD CONSTRAINT f FOREIGN KEY (class_id) REFERENCES class ON DELETE SET NULL ON UPDATE SET NULL;
DELETE FROM class WHERE id = 5;
UPDATE class SET id = 55 WHERE id = 6;
TABLE inexact;
ALTER TABLE booking ALTER class_id SET DEFAULT 20, DROP CONSTRAINT f,
	ADD CONSTRAINT f FOREIGN KEY (class_id) REFERENCES class ON DELETE SET DEFAULT ON UPDATE SET DEFAULT;
DELETE FROM class WHERE id = 100;
UPDATE class SET id = 77 WHERE id = 7;
TABLE inexact;
SELECT n > 0 FROM attendance WHERE class_id = 20;
DELETE FROM class WHERE id = 20;
TABLE inexact;
ALTER TABLE booking DROP CONSTRAINT f, ADD CONSTRAINT f FOREIGN KEY (class_id) REFERENCES class DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO booking (id, class_id, price) VALUES (200, 999, 1);
TABLE inexact;
COMMIT;
TABLE inexact;
BEGIN;
DELETE FROM class WHERE id = 20;
UPDATE booking SET class_id = 19 WHERE class_id = 20;
TABLE inexact;
COMMIT;
TABLE inexact;
-- one that references itself
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE ON UPDATE CASCADE, v int);
SELECT gymstream.create_rollup('children', 'SELECT parent, count(*), sum(v) FROM tree GROUP BY parent');
INSERT INTO tree SELECT i, nullif(i / 2, 0), i FROM generate_series(1, 31) i;
TABLE inexact;
UPDATE tree SET id = 100 WHERE id = 3;
TABLE inexact;
DELETE FROM tree WHERE id = 2;
TABLE inexact;

--
-- Deferred uniqueness, and constraint triggers that read the rollup
--
ALTER TABLE booking ADD CONSTRAINT places UNIQUE (place) DEFERRABLE INITIALLY DEFERRED;
INSERT INTO booking (id, class_id, price, place) SELECT i, 19, i, i FROM generate_series(301, 310) i;
UPDATE booking SET place = place + 1, price = price + 1;
TABLE inexact;
BEGIN;
UPDATE booking SET place = 1, price = price + 1 WHERE id > 300;
TABLE inexact;
COMMIT;
TABLE inexact;
CREATE FUNCTION at_most() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT n FROM attendance WHERE class_id = 18) > 3 THEN
		RAISE 'class is full';
	END IF;
	IF EXISTS (SELECT FROM inexact) THEN
		RAISE 'inexact';
	END IF;
	RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER at_most AFTER INSERT OR UPDATE ON booking DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_most();
INSERT INTO booking (id, class_id, price) SELECT i, 18, i FROM generate_series(401, 403) i;
INSERT INTO booking (id, class_id, price) VALUES (404, 18, 1);
BEGIN;
INSERT INTO booking (id, class_id, price) VALUES (404, 18, 1);
DELETE FROM booking WHERE id = 401;
COMMIT;
TABLE inexact;
BEGIN;
INSERT INTO booking (id, class_id, price) VALUES (405, 18, 1);
SET CONSTRAINTS at_most IMMEDIATE;
ROLLBACK;
TABLE inexact;
DROP TRIGGER at_most ON booking;

--
-- Writes from other triggers: before, after, of a statement, with transition tables, instead
--
CREATE FUNCTION book() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO booking (id, class_id, price) SELECT max(id) + 1, 17, 10 FROM booking;
	UPDATE booking SET price = price + 1 WHERE class_id = 17;
	-- in the middle of a statement on class its own rollup is still as before
	IF EXISTS (SELECT FROM inexact WHERE rollup <> 'rooms'::regclass OR TG_WHEN = 'AFTER') THEN
		RAISE 'inexact %', TG_WHEN;
	END IF;
	RETURN coalesce(new, old);
END
$$;
CREATE TRIGGER b BEFORE INSERT OR UPDATE OR DELETE ON class FOR EACH ROW EXECUTE FUNCTION book();
CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON class FOR EACH ROW EXECUTE FUNCTION book();
CREATE TRIGGER bs BEFORE INSERT OR UPDATE OR DELETE ON class EXECUTE FUNCTION book();
CREATE TRIGGER "as" AFTER INSERT OR UPDATE OR DELETE ON class EXECUTE FUNCTION book();
INSERT INTO class VALUES (500, 1), (501, 2);
TABLE inexact;
UPDATE class SET room = room + 1 WHERE id >= 500;
TABLE inexact;
DELETE FROM class WHERE id >= 500;
TABLE inexact;
TRUNCATE tree;
DROP TRIGGER b ON class;
DROP TRIGGER a ON class;
DROP TRIGGER bs ON class;
DROP TRIGGER "as" ON class;
-- a BEFORE trigger that changes rows, and one that skips them
CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.price < 0 THEN
		RETURN NULL;
	END IF;
	new.class_id := 16;
	RETURN new;
END
$$;
CREATE TRIGGER change BEFORE INSERT OR UPDATE ON booking FOR EACH ROW EXECUTE FUNCTION change();
INSERT INTO booking (id, class_id, price) VALUES (600, 1, 1), (601, 1, -1);
UPDATE booking SET price = price - 20;
TABLE inexact;
DROP TRIGGER change ON booking;
CREATE FUNCTION copied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO booking (id, class_id, price) SELECT id + 10000, 15, price FROM added WHERE id < 10000;
	RETURN NULL;
END
$$;
CREATE TRIGGER copied AFTER INSERT ON booking REFERENCING NEW TABLE AS added FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION copied();
INSERT INTO booking (id, class_id, price) VALUES (610, 14, 1), (611, 14, 2);
TABLE inexact;
DROP TRIGGER copied ON booking;
CREATE VIEW seats AS SELECT id, class_id FROM booking;
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO booking (id, class_id, price) VALUES (new.id, new.class_id, 5);
	RETURN new;
END
$$;
CREATE TRIGGER instead INSTEAD OF INSERT ON seats FOR EACH ROW EXECUTE FUNCTION instead();
INSERT INTO seats VALUES (700, 14), (701, 15);
TABLE inexact;
-- through a view that can be written by itself
CREATE VIEW cheap AS SELECT id, class_id, price FROM booking WHERE price < 10 WITH CHECK OPTION;
INSERT INTO cheap VALUES (710, 14, 5);
UPDATE cheap SET price = 20 WHERE id = 710;
UPDATE cheap SET class_id = 15 WHERE id = 710;
DELETE FROM cheap WHERE id = 700;
TABLE inexact;

--
-- Procedures that commit, cursors, prepared statements
--
CREATE PROCEDURE batches() LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT id FROM booking ORDER BY id LOOP
		UPDATE booking SET price = price + 1 WHERE id = r.id;
		IF EXISTS (SELECT FROM inexact) THEN
			RAISE 'inexact';
		END IF;
		IF r.id % 7 = 0 THEN
			ROLLBACK;
		ELSIF r.id % 3 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END
$$;
CALL batches();
TABLE inexact;
DO $$
DECLARE
	c CURSOR FOR SELECT * FROM booking WHERE class_id = 16 FOR UPDATE;
	n int := 0;
BEGIN
	FOR r IN c LOOP
		n := n + 1;
		IF n % 3 = 0 THEN
			DELETE FROM booking WHERE CURRENT OF c;
		ELSE
			UPDATE booking SET class_id = class_id + n % 2, price = price * 2 WHERE CURRENT OF c;
		END IF;
	END LOOP;
END
$$;
TABLE inexact;
PREPARE p (int, int) AS INSERT INTO booking (id, class_id, price) VALUES ($1, 13, $2) ON CONFLICT (id) DO UPDATE SET price = booking.price + $2;
EXECUTE p (800, 1);
EXECUTE p (800, 2);
EXECUTE p (801, 3);
EXECUTE p (801, 3);
EXECUTE p (801, 3);
EXECUTE p (801, 3);
EXECUTE p (801, 3);
TABLE inexact;

--
-- TRUNCATE, of several tables, CASCADE, with identity
--
TRUNCATE booking, tree;
TABLE inexact;
INSERT INTO booking (id, class_id, price) VALUES (1, 19, 10);
TRUNCATE class;
TRUNCATE class CASCADE;
TABLE inexact;
TABLE rooms;
TRUNCATE ONLY booking RESTART IDENTITY;
INSERT INTO class VALUES (1, 1);
INSERT INTO booking (id, class_id, price) VALUES (1, 1, 10);
TABLE inexact;

--
-- A replica
--
SET session_replication_role = replica;
INSERT INTO booking (id, class_id, price) VALUES (2, 1, 10), (3, 2, 6);
TABLE inexact;
UPDATE booking SET class_id = 1, price = 20 WHERE id = 3;
MERGE INTO booking b USING (VALUES (3), (4)) s (i) ON b.id = s.i
	WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, class_id, price) VALUES (4, 2, 8);
TABLE inexact;
TRUNCATE booking;
TABLE inexact;
RESET session_replication_role;

--
-- 100 rollups of one table
--
SELECT count(gymstream.create_rollup('many_' || i, format('SELECT (class_id + %s) %% 7 AS k, count(*), sum(price + %s) FROM booking GROUP BY 1', i, i)))
	FROM generate_series(1, 100) i;
ALTER TABLE booking DROP CONSTRAINT f;
INSERT INTO booking (id, class_id, price) SELECT i, i % 20, i FROM generate_series(1, 50) i;
TABLE inexact;
UPDATE booking SET class_id = class_id + 1, price = price + 1 WHERE id % 2 = 0;
TABLE inexact;
DELETE FROM booking WHERE id % 3 = 0;
TABLE inexact;
TRUNCATE booking;
TABLE inexact;
DO $$ BEGIN FOR i IN 1 .. 100 LOOP EXECUTE 'DROP VIEW many_' || i; END LOOP; END $$;

DROP SCHEMA test_statements CASCADE;
