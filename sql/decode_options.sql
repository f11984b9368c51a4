-- options of the output plugin: what is shown, what of it, and how wrong ones are refused
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
CREATE SCHEMA decode_options;
SET search_path = decode_options, public;

-- without looking further: what there is can be read again with other options
CREATE FUNCTION events(VARIADIC options text[] DEFAULT '{}') RETURNS SETOF text LANGUAGE sql AS $$
  SELECT data FROM pg_logical_slot_peek_changes('decode_options', NULL, NULL, VARIADIC
    ARRAY['include-xids', 'off', 'include-lsn', 'off', 'include-timestamp', 'off'] || options)
  WHERE data::jsonb IS NOT NULL $$;
-- ends with an error, since one that is caught leaves the slot with the session
CREATE FUNCTION refused(VARIADIC options text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  state text; message text; detail text; hint text;
BEGIN
  PERFORM FROM pg_logical_slot_peek_changes('decode_options', NULL, NULL, VARIADIC options);
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RAISE EXCEPTION '%', concat_ws('|', options[1], state, message, detail, hint);
END $$;

CREATE SCHEMA "Odd";
CREATE TYPE level AS ENUM ('low', 'high');
CREATE TABLE a (id int, part text, n numeric(5,1), level level, tags varchar(10)[], PRIMARY KEY (part, id));
CREATE TABLE b (id int);
CREATE TABLE "Odd"."a,b. *c" (id int PRIMARY KEY);
SELECT 1 AS created FROM pg_create_logical_replication_slot('decode_options', 'gymstream');
INSERT INTO a VALUES (1, 'x', 1.5, 'low', '{t}');
UPDATE a SET n = 2 WHERE id = 1;
DELETE FROM a;
INSERT INTO b VALUES (1);
TRUNCATE b;
INSERT INTO "Odd"."a,b. *c" VALUES (1);
SELECT count(pg_logical_emit_message(t, prefix, 'hello')) AS messages FROM unnest(ARRAY[true, false]) t, unnest('{app,app.x,"a, b"}'::text[]) prefix;

-- members
SELECT * FROM events('include-schemas', 'off', 'include-pk', 'on');
SELECT * FROM events('include-types', 'on', 'add-tables', 'decode_options.a', 'actions', 'insert');
SELECT * FROM events('numeric-data-types-as-string', 'on', 'actions', 'insert, update');
SELECT * FROM events('pretty-print', 'on', 'add-tables', '*.a', 'actions', 'insert,delete', 'include-pk', 'on');
SELECT data FROM pg_logical_slot_peek_changes('decode_options', NULL, NULL, 'pretty_print', 'on', 'actions', 'truncate') WHERE data !~ '^\{\n  "action": "truncate",\n  "schema": "decode_options",\n';
SELECT * FROM events('pretty-print', 'on', 'messages', 'on', 'actions', 'message', 'add-msg-prefixes', 'a\, b');

-- actions
SELECT * FROM events('actions', 'truncate');
SELECT * FROM events('actions', 'delete,message');
SELECT * FROM events('actions', 'delete,message', 'messages', 'on', 'include_transaction', 'on');

-- tables
SELECT data::json ->> 'table', count(*) FROM events('add-tables', 'decode_options.a') data GROUP BY 1 ORDER BY 1;
SELECT data::json ->> 'table', count(*) FROM events('include-tables', '*.b, Odd.*') data GROUP BY 1 ORDER BY 1;
SELECT data::json ->> 'table', count(*) FROM events('filter-tables', 'decode_options.*') data GROUP BY 1 ORDER BY 1;
SELECT data::json ->> 'table', count(*) FROM events('add-tables', ' *.b , Odd.a\,b\. \*c ') data GROUP BY 1 ORDER BY 1;
SELECT data::json ->> 'table', count(*) FROM events('add-tables', 'decode_options.*', 'exclude-tables', '*.a') data GROUP BY 1 ORDER BY 1;
SELECT data::json ->> 'table', count(*) FROM events('filter-tables', '*.*') data GROUP BY 1 ORDER BY 1;
SELECT data::json ->> 'table', count(*) FROM events('add-tables', 'odd.*', 'missing-tables', 'ignore') data GROUP BY 1 ORDER BY 1;
-- a name that nothing bears is refused before anything is read: it would show nothing and confirm all
CREATE VIEW plain_view AS SELECT 1 AS one;
CREATE TABLE root (id int) PARTITION BY LIST (id);
CREATE TABLE leaf PARTITION OF root FOR VALUES IN (1);
\set VERBOSITY terse
SELECT format('SELECT refused(%L, %L)', 'add-tables', list) FROM unnest(ARRAY['decode_options.typo', 'typo.a', '*.typo', 'odd.*', 'decode_options.a, *.b, decode_options.plain_view', '*.a_pkey',
  'decode_options.' || repeat('a', 70), '*.' || repeat('a', 70), '*.decode_options\.typo, decode_options.typo', 'decode_options.A']) list
\gexec
\set VERBOSITY default
SELECT count(*) FROM events('add-tables', 'decode_options.typo', 'missing-tables', 'ignore');
SELECT count(*) FROM events('missing_tables', 'error', 'add-tables', '*.*, pg_toast.*, decode_options.leaf');
-- of two readings of one text one is enough, as the program gives them
SELECT count(*) FROM events('add-tables', '*.decode_options\.b, decode_options.b');
SELECT count(*) FROM events('add-tables', 'decode_options.root');
SELECT count(*) FROM events('add-tables', '*.root', 'publish-via-partition-root', 'on');
CREATE TABLE later (id int);
INSERT INTO later VALUES (1);
SELECT count(*) FROM events('add-tables', 'decode_options.later');
DROP TABLE later, root;
DROP VIEW plain_view;
SELECT count(*) FROM events('add-tables', 'decode_options.later');
SELECT count(*) FROM events('add-tables', 'decode_options.later', 'missing-tables', 'ignore');

-- messages
SELECT data::json ->> 'prefix', count(*) FROM events('include-messages', 'on', 'add-msg-prefixes', 'app') data WHERE data ~ 'prefix' GROUP BY 1 ORDER BY 1;
SELECT data::json ->> 'prefix', count(*) FROM events('messages', 'on', 'filter-msg-prefixes', 'app, a\, b') data WHERE data ~ 'prefix' GROUP BY 1 ORDER BY 1;

-- nothing, but all of it decoded; an empty value of a switch is none
SELECT count(*) FROM events('skip-output', 'on', 'messages', 'on', 'include-transaction', 'on');
SELECT count(*) FROM events('batch', 'off', 'format-version', '1', 'format_version', '1');
SELECT count(*) FROM events('batch', 'off', 'format-version', '1');

-- the names a table has under its own name are compared as they were
ALTER TABLE a RENAME TO renamed;
INSERT INTO renamed VALUES (2, 'y');
SELECT data::json ->> 'table', count(*) FROM events('add-tables', '*.a', 'missing-tables', 'ignore') data GROUP BY 1 ORDER BY 1;
SELECT data::json ->> 'table', count(*) FROM events('add-tables', '*.renamed') data GROUP BY 1 ORDER BY 1;

-- each wrong one says which and what it may be
\set VERBOSITY terse
SELECT format('SELECT refused(%L, %L)', name, value) FROM (VALUES ('actions', 'insert,upsert'), ('actions', ''), ('add-tables', 'a'), ('add-tables', ''), ('add-tables', 'a.b.c'), ('add-tables', 'a.b,'),
  ('add-tables', 'a.b*'), ('add-tables', 'a.b\'), ('add-tables', ',a.b'), ('filter-tables', '.b'), ('filter-tables', 'a.'), ('add-tables', 'a.* b'), ('add-msg-prefixes', ''),
  ('filter-msg-prefixes', ','), ('batch', 'perhaps'), ('format-version', '2'), ('origin', 'some'), ('publication-names', ''), ('publication_names', 'a b'), ('publication_names', ','),
  ('streaming', 'parallel'), ('two_phase', ''), ('pretty-print', '2')) v (name, value) ORDER BY v
\gexec
SELECT refused('proto_version', '1');
SELECT refused('', 'on');
SELECT refused('include-xids-', 'on');
SELECT refused('include--xids', 'on');
SELECT refused('include-tables', '*.*', 'add_tables', '*.*');
SELECT refused('two-phase', 'on', 'two_phase', 'off');
SELECT refused('origin', 'any', 'only-local', 'on');
SELECT refused('publication-names', 'p', 'publish_via_partition_root', 'on');
SELECT refused(repeat('x', 30), repeat('y', 30));
SELECT refused(repeat('x', 1500), repeat('y', 1500));
\set VERBOSITY default

-- origins
SELECT pg_drop_replication_slot('decode_options');
SELECT 1 AS created FROM pg_create_logical_replication_slot('decode_options', 'gymstream');
SELECT pg_replication_origin_create(name) IS NOT NULL AS made FROM unnest(ARRAY['far "away"', 'near']) name;
SELECT pg_replication_origin_session_setup('far "away"');
INSERT INTO b VALUES (2);
SELECT pg_replication_origin_session_reset();
SELECT pg_replication_origin_session_setup('near');
INSERT INTO b VALUES (3);
SELECT pg_logical_emit_message(true, 'app', 'from near') IS NOT NULL AS sent;
SELECT pg_replication_origin_session_reset();
INSERT INTO b VALUES (4);
SELECT * FROM events('include-origin', 'on', 'include-transaction', 'on', 'messages', 'on');
SELECT * FROM events('origin', 'any');
SELECT * FROM events('origin', 'none', 'messages', 'on');
SELECT * FROM events('only-local', 'on');
-- the order in which options are given means nothing: what a default depends on may come later
SELECT (SELECT count(*) FROM events('origin', 'any', 'only-local', 'on')), (SELECT count(*) FROM events('only-local', 'on', 'origin', 'any')),
  (SELECT count(*) FROM events('origin', 'none', 'only-local', 'off')), (SELECT count(*) FROM events('only-local', 'off', 'origin', 'none'));
SELECT options, data::json #>> '{source,origin}' AS origin FROM (VALUES ('{format,debezium}'::text[]), ('{format,debezium,include-origin,off}'), ('{include-origin,off,format,debezium}'),
  ('{format,debezium,include-origin,on}'), ('{include-origin,on,format,debezium}'), ('{format,json}')) v (options),
  pg_logical_slot_peek_changes('decode_options', NULL, NULL, VARIADIC options || '{actions,insert}'::text[]) WHERE data ~ '"id":2';
SELECT pg_replication_origin_drop(name) FROM unnest(ARRAY['far "away"', 'near']) name;
SELECT * FROM events('include-origin', 'on');

SELECT pg_drop_replication_slot('decode_options');
DROP SCHEMA decode_options, "Odd" CASCADE;
