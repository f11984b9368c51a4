\echo Use "CREATE EXTENSION gymstream" to load this file. \quit

COMMENT ON SCHEMA gymstream IS 'rollups, change events and notifications';
GRANT USAGE ON SCHEMA gymstream TO PUBLIC;
REVOKE CREATE ON SCHEMA gymstream FROM PUBLIC;

------------------------------------------------------------------------------------------------------------------------
-- Catalogs. The output plugin reads them while it decodes: they are user catalogs, and written by C functions only.
------------------------------------------------------------------------------------------------------------------------

CREATE TABLE gymstream.rollup (
	rollup		regclass NOT NULL PRIMARY KEY,
	definition	regclass NOT NULL UNIQUE,
	partials	regclass NOT NULL UNIQUE
) WITH (user_catalog_table = true);
COMMENT ON TABLE gymstream.rollup IS 'each rollup and the relations it is made of';
COMMENT ON COLUMN gymstream.rollup.rollup IS 'the view that users read';
COMMENT ON COLUMN gymstream.rollup.definition IS 'a view with the query the rollup was made from';
COMMENT ON COLUMN gymstream.rollup.partials IS 'the table that holds parts of each group''s state';
GRANT SELECT ON gymstream.rollup TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gymstream.rollup', '');

CREATE TABLE gymstream.topic (
	relation	regclass NOT NULL PRIMARY KEY,
	channel		text NOT NULL UNIQUE,
	notify		text NOT NULL CHECK (notify IN ('position', 'row')),
	created		timestamptz NOT NULL DEFAULT now()
) WITH (user_catalog_table = true);
COMMENT ON TABLE gymstream.topic IS 'each table or rollup whose changes are published';
COMMENT ON COLUMN gymstream.topic.relation IS 'the table or rollup';
COMMENT ON COLUMN gymstream.topic.channel IS 'the channel to LISTEN on';
COMMENT ON COLUMN gymstream.topic.notify IS 'what a notification carries: position, or row';
COMMENT ON COLUMN gymstream.topic.created IS 'when the topic was created';
GRANT SELECT ON gymstream.topic TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gymstream.topic', '');
