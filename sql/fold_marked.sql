-- Folding of marked groups: their value is computed from the source once, and they are marked no longer.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_fold_marked;
SET search_path = test_fold_marked, public;
CREATE TABLE booking (id int PRIMARY KEY, class_id int, member text, price numeric);
CREATE INDEX ON booking (class_id);
SELECT gymstream.create_rollup('extremes', $$
	SELECT class_id, min(price) AS least, max(price) AS most, max(member) AS last, count(*) AS n FROM booking GROUP BY class_id $$);
SELECT gymstream.create_rollup('members', $$
	SELECT class_id, string_agg(member, ',' ORDER BY id) AS members, count(DISTINCT price) AS prices FROM booking GROUP BY class_id $$);
SELECT gymstream.create_rollup('by_two', $$
	SELECT member, class_id, array_agg(id ORDER BY id) AS ids, min(id) AS least, sum(price) AS revenue
	FROM booking WHERE price IS NOT NULL GROUP BY class_id, member $$);
SELECT gymstream.create_rollup('total', 'SELECT min(price) AS least, array_agg(DISTINCT class_id) AS classes FROM booking');
CREATE VIEW counts AS SELECT r.rollup, c.* FROM gymstream_internal.rollup r, gymstream_internal.count_rollup(r.rollup) c
	WHERE rollup IN ('extremes'::regclass, 'members'::regclass, 'by_two'::regclass, 'total'::regclass) ORDER BY 1;
CREATE VIEW fold AS SELECT rollup, gymstream.fold_rollup(rollup) FROM gymstream_internal.rollup
	WHERE rollup IN ('extremes'::regclass, 'members'::regclass, 'by_two'::regclass, 'total'::regclass) ORDER BY 1;

INSERT INTO booking SELECT i, nullif(i % 4, 0), CASE i % 3 WHEN 0 THEN 'ann' WHEN 1 THEN 'bob' END, nullif(i, 7) FROM generate_series(1, 40) i;
TABLE counts;
TABLE fold;
TABLE counts;
TABLE inexact;
TABLE fold;

-- the extremes go
DELETE FROM booking WHERE id IN (1, 2, 3, 4, 37, 38, 39, 40);
TABLE counts;
TABLE inexact;
TABLE fold;
TABLE counts;
TABLE inexact;

-- others go: min and max need no source, the rest does
DELETE FROM booking WHERE id = 20;
UPDATE booking SET member = 'cat' WHERE id = 21;
TABLE counts;
TABLE fold;
TABLE counts;
TABLE inexact;

-- the last row of a group goes
DELETE FROM booking WHERE class_id = 1;
TABLE counts;
TABLE fold;
TABLE counts;
TABLE inexact;
DELETE FROM booking WHERE class_id IS NULL;
TABLE fold;
TABLE counts;
TABLE inexact;
DELETE FROM booking;
TABLE counts;
TABLE fold;
TABLE counts;
SELECT count(*) FROM extremes_partials UNION ALL SELECT count(*) FROM members_partials UNION ALL
	SELECT count(*) FROM by_two_partials UNION ALL SELECT count(*) FROM total_partials;
TABLE inexact;
TABLE total;

-- in one transaction with what it folds, and taken back
INSERT INTO booking VALUES (1, 1, 'ann', 1), (2, 1, 'bob', 2);
BEGIN;
INSERT INTO booking VALUES (3, 1, 'cat', 3);
TABLE fold;
TABLE counts;
INSERT INTO booking VALUES (4, 1, 'dan', 4);
TABLE inexact;
DELETE FROM booking WHERE id = 1;
SAVEPOINT s;
TABLE fold;
TABLE inexact;
ROLLBACK TO s;
TABLE counts;
TABLE inexact;
TABLE fold;
COMMIT;
TABLE counts;
TABLE inexact;

-- not in the middle of a statement that changes the source
CREATE FUNCTION in_the_middle() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM gymstream.fold_rollup('members'); RETURN 1; END $$;
SELECT refused($$ INSERT INTO booking SELECT 10 + in_the_middle() $$);
TABLE inexact;

-- as the owner, who needs the right to read the source
CREATE ROLE test_fold_owner;
GRANT USAGE, CREATE ON SCHEMA test_fold_marked TO test_fold_owner;
GRANT SELECT, TRIGGER ON booking TO test_fold_owner;
SET ROLE test_fold_owner;
SELECT gymstream.create_rollup('theirs', 'SELECT class_id, max(price) AS most FROM test_fold_marked.booking GROUP BY class_id');
RESET ROLE;
DELETE FROM booking WHERE id = 4;
SELECT * FROM gymstream_internal.count_rollup('theirs');
SELECT gymstream.fold_rollup('theirs');
SELECT * FROM gymstream_internal.count_rollup('theirs');
UPDATE booking SET price = 0 WHERE id = 3;
REVOKE SELECT ON booking FROM test_fold_owner;
SELECT refused($$ SELECT gymstream.fold_rollup('theirs') $$);
GRANT SELECT ON booking TO test_fold_owner;
SELECT gymstream.fold_rollup('theirs');
TABLE inexact;

DROP SCHEMA test_fold_marked CASCADE;
DROP ROLE test_fold_owner;
