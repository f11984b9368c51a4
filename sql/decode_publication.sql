-- what publications let through, as subscribers would get it: tables, actions, row filters, column lists, partition roots
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
CREATE SCHEMA decode_publication;
CREATE SCHEMA whole;
SET search_path = decode_publication, public;
CREATE FUNCTION events(VARIADIC options text[]) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT data FROM pg_logical_slot_peek_changes('decode_publication', NULL, NULL, VARIADIC
    ARRAY['include-xids', 'off', 'include-lsn', 'off', 'include-timestamp', 'off', 'include-schemas', 'off'] || options)
  WHERE data::jsonb IS NOT NULL $$;

CREATE TABLE t (id int PRIMARY KEY, a int, secret text);
CREATE TABLE u (id int PRIMARY KEY, a int);
CREATE TABLE whole.w (id int PRIMARY KEY, a int);
CREATE TABLE f (id int PRIMARY KEY, kind text NOT NULL, a int);
ALTER TABLE f REPLICA IDENTITY FULL;
CREATE TABLE root (id int, region text, a int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE mid PARTITION OF root FOR VALUES IN ('n', 's') PARTITION BY LIST (region);
CREATE TABLE north (a int, dropped int, region text NOT NULL, id int NOT NULL);
ALTER TABLE north DROP dropped;
ALTER TABLE mid ATTACH PARTITION north FOR VALUES IN ('n');
CREATE TABLE south PARTITION OF mid FOR VALUES IN ('s');
CREATE TABLE east PARTITION OF root FOR VALUES IN ('e');
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE PUBLICATION columns FOR TABLE t (id, a);
CREATE PUBLICATION inserts FOR TABLE t, u WITH (publish = 'insert, truncate');
CREATE PUBLICATION schemas FOR TABLES IN SCHEMA whole;
CREATE PUBLICATION filtered FOR TABLE f WHERE (kind = 'x');
CREATE PUBLICATION filtered_more FOR TABLE f WHERE (a > 100) WITH (publish = 'insert');
CREATE PUBLICATION unfiltered_inserts FOR TABLE f WITH (publish = 'insert');
CREATE PUBLICATION as_root FOR TABLE root WITH (publish_via_partition_root);
CREATE PUBLICATION as_mid FOR TABLE mid (region, id) WHERE (region = 'n') WITH (publish_via_partition_root);
CREATE PUBLICATION as_leaf FOR TABLE root;
CREATE PUBLICATION everything_root FOR ALL TABLES WITH (publish_via_partition_root);
SELECT 1 AS created FROM pg_create_logical_replication_slot('decode_publication', 'gymstream');

INSERT INTO t VALUES (1, 1, 'no'), (2, 2, 'no');
UPDATE t SET a = 3, id = 3 WHERE id = 2;
DELETE FROM t WHERE id = 3;
INSERT INTO u VALUES (1, 1);
UPDATE u SET a = 2;
TRUNCATE u;
INSERT INTO whole.w VALUES (1, 1);
SELECT * FROM events('publication_names', 'everything') data WHERE data ~ '"[tuw]"';
SELECT * FROM events('publication_names', 'columns', 'include-types', 'on', 'include-pk', 'on');
SELECT * FROM events('publication_names', 'inserts');
SELECT * FROM events('publication_names', 'schemas');
SELECT * FROM events('publication_names', 'schemas, inserts', 'filter-tables', '*.t');
SELECT * FROM events('publication_names', '"schemas",inserts', 'actions', 'truncate', 'include-transaction', 'on');
DO $$ BEGIN PERFORM events('publication_names', 'columns,inserts'); EXCEPTION WHEN feature_not_supported THEN RAISE '%', sqlerrm; END $$;
SELECT * FROM events('publication_names', 'missing, columns', 'actions', 'delete');
SELECT 1 AS created FROM pg_logical_slot_get_changes('decode_publication', NULL, NULL, 'skip-output', 'on') HAVING count(*) = 0;

-- row filters: an update may become an insert or a delete
INSERT INTO f VALUES (1, 'x', 1), (2, 'y', 2), (3, 'z', 300);
UPDATE f SET a = 5 WHERE id = 1;
UPDATE f SET a = 6 WHERE id = 2;
UPDATE f SET kind = 'x' WHERE id = 2;
UPDATE f SET kind = 'y' WHERE id = 1;
DELETE FROM f;
INSERT INTO f VALUES (4, 'x', NULL);
TRUNCATE f;
SELECT * FROM events('publication_names', 'filtered');
SELECT * FROM events('publication_names', 'filtered,filtered_more', 'actions', 'insert');
SELECT * FROM events('publication_names', 'filtered,filtered_more,unfiltered_inserts', 'actions', 'insert');
SELECT count(*) FROM events('publication_names', 'filtered,everything');
-- a filter on a value that stays in the TOAST table, by a key of it
CREATE TABLE toasted (id text, a int);
ALTER TABLE toasted ALTER id SET STORAGE external, ALTER id SET NOT NULL;
CREATE UNIQUE INDEX toasted_id ON toasted (md5(id));
ALTER TABLE toasted REPLICA IDENTITY FULL;
CREATE PUBLICATION toasts FOR TABLE toasted WHERE (length(id) > 2500 AND a <> 2);
INSERT INTO toasted VALUES (repeat('x', 2600), 1);
UPDATE toasted SET a = 3;
UPDATE toasted SET a = 2;
UPDATE toasted SET a = 4;
SELECT regexp_replace(data, 'x{10,}', '...', 'g') FROM events('publication_names', 'toasts') data;

-- the publication as it was
ALTER PUBLICATION filtered SET TABLE f WHERE (kind = 'changed');
INSERT INTO f VALUES (5, 'x', 5), (6, 'changed', 6);
ALTER PUBLICATION filtered DROP TABLE f;
INSERT INTO f VALUES (7, 'x', 7), (8, 'changed', 8);
BEGIN;
ALTER PUBLICATION filtered ADD TABLE f;
INSERT INTO f VALUES (9, 'any', 9);
COMMIT;
SELECT * FROM events('publication_names', 'filtered', 'actions', 'insert') OFFSET 3;
DROP PUBLICATION filtered;
INSERT INTO f VALUES (10, 'any', 10);
SELECT count(*) FROM events('publication_names', 'filtered', 'actions', 'insert');
SELECT 1 AS created FROM pg_logical_slot_get_changes('decode_publication', NULL, NULL, 'skip-output', 'on') HAVING count(*) = 0;

-- partitions
INSERT INTO root VALUES (1, 'n', 10), (2, 's', 20), (3, 'e', 30);
UPDATE root SET a = 11 WHERE id = 1;
UPDATE root SET id = 12 WHERE id = 1;
UPDATE root SET region = 's' WHERE id = 12;
DELETE FROM root WHERE id = 3;
TRUNCATE south;
TRUNCATE root;
SELECT * FROM events('batch', 'on');
SELECT * FROM events('publish_via_partition_root', 'on', 'include-pk', 'on');
SELECT * FROM events('publication_names', 'as_root', 'include-types', 'on');
SELECT * FROM events('publication_names', 'as_mid');
SELECT * FROM events('publication_names', 'as_leaf');
SELECT * FROM events('publication_names', 'as_leaf,as_mid') WHERE false;
SELECT count(*), bool_and(data ~ '"root"|"south","cascade"') AS root FROM events('publication_names', 'everything_root') data;
SELECT * FROM events('publish_via_partition_root', 'on', 'add-tables', '*.root', 'actions', 'delete');
SELECT * FROM events('publish_via_partition_root', 'on', 'add-tables', '*.north');

-- rollups are views: in publications of all tables or of their schema
CREATE TABLE whole.booking (id int, class_id int);
SELECT gymstream.create_rollup('whole.attendance', 'SELECT class_id, count(*) AS n FROM whole.booking GROUP BY class_id');
INSERT INTO whole.booking VALUES (1, 7);
TRUNCATE whole.booking;
SELECT * FROM events('publication_names', 'schemas');
SELECT * FROM events('publication_names', 'everything', 'actions', 'rollup');
SELECT * FROM events('publication_names', 'inserts', 'actions', 'rollup');
SELECT * FROM events('actions', 'rollup', 'filter-tables', 'whole.attendance');
SELECT * FROM events('actions', 'insert,truncate', 'add-tables', 'whole.*');

SELECT pg_drop_replication_slot('decode_publication');
DROP PUBLICATION everything, columns, inserts, schemas, filtered_more, unfiltered_inserts, as_root, as_mid, as_leaf, everything_root, toasts;
DROP SCHEMA decode_publication, whole CASCADE;
