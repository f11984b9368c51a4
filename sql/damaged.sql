-- Bytes of sums that no function has written, as a damaged page has them: an error, never a crash, and no wait without end.
CREATE SCHEMA test_damaged;
SET search_path = test_damaged, public;
SET client_min_messages = error;
-- only a superuser can make such values: with types whose bytes are taken for a sum as they are
CREATE TYPE raw;
CREATE FUNCTION raw_in(cstring) RETURNS raw LANGUAGE internal IMMUTABLE STRICT AS 'byteain';
CREATE FUNCTION raw_out(raw) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout';
CREATE TYPE raw (INPUT = raw_in, OUTPUT = raw_out, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended);
CREATE TYPE raw8;
CREATE FUNCTION raw8_in(cstring) RETURNS raw8 LANGUAGE internal IMMUTABLE STRICT AS 'byteain';
CREATE FUNCTION raw8_out(raw8) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout';
CREATE TYPE raw8 (INPUT = raw8_in, OUTPUT = raw8_out, INTERNALLENGTH = VARIABLE, ALIGNMENT = double, STORAGE = extended);
SET client_min_messages = notice;

-- the extension's types of variable length, in whatever schema, and their functions
CREATE VIEW sum_type AS
	SELECT t.oid, t.typname, t.oid::regtype::text AS name, CASE t.typalign WHEN 'd' THEN 'raw8' ELSE 'raw' END AS raw
	FROM pg_type t JOIN pg_depend d ON d.objid = t.oid AND d.classid = 'pg_type'::regclass AND d.deptype = 'e'
		AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'gymstream')
	WHERE t.typtype = 'b' AND t.typlen = -1 AND t.typelem = 0;
SELECT format('CREATE CAST (%1$s AS %2$s) WITHOUT FUNCTION; CREATE CAST (%2$s AS %1$s) WITHOUT FUNCTION', raw, name) FROM sum_type ORDER BY oid \gexec

-- calls with a damaged value as $1 in the place of each sum, the other arguments being plain
CREATE VIEW calls AS
	SELECT s.oid AS type, format('SELECT format(%L, %s.%s(%s))', '%s', quote_ident(n.nspname), quote_ident(p.proname), a.list) AS call
	FROM sum_type s, pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace,
		LATERAL (SELECT string_agg(CASE
				WHEN type = s.oid THEN format('$1::text::%s::%s', s.raw, s.name)
				WHEN type = 'text'::regtype THEN '''var_pop'''
				WHEN type = 'interval'::regtype THEN '''1 day'''
				ELSE format('3::%s', type::regtype) END, ', ' ORDER BY i) AS list
			FROM unnest(p.proargtypes) WITH ORDINALITY u (type, i)) a
	WHERE s.oid = ANY (p.proargtypes) AND p.prokind = 'f';
SELECT typname, count(call) >= 4 FROM sum_type LEFT JOIN calls ON type = oid GROUP BY typname ORDER BY typname COLLATE "C";

CREATE TABLE good (type name, text text);
INSERT INTO good VALUES
	('numeric_sum', '{"sum":1.50,"count":1,"scales":{"2":1}}'),
	('numeric_sum', '{"sum":-12345.678,"excess":-2,"count":6,"scales":{"-Infinity":1,"NaN":1,"0":3,"16383":1}}'),
	('float_sum', '{"sum":0,"exact":"0x0p0"}'), ('float_sum', '{"sum":0.5,"exact":"0x1p-1"}'),
	('float_sum', '{"sum":0,"exact":"-0x123456789abcdef0123456789abcdefp40","NaN":2,"Infinity":1}'),
	('float_sum', '{"sum":1,"exact":"0x1p2199"}'),
	('bit_counts', '[]'), ('bit_counts', '[3,0,1]'), ('bit_counts', '[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,-1]'),
	('bit_counts', '[9223372036854775807]');
-- a type that comes later needs a value here
SELECT typname FROM sum_type WHERE typname NOT IN (SELECT type FROM good);

-- the n-th way to damage bytes: one of them changed, or two, or cut off, or followed by others
CREATE FUNCTION damage(bytes bytea, n int) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	h bigint := hashint8extended(n, 1) & 9223372036854775807;
	size int := length(bytes);
BEGIN
	IF n <= size THEN
		RETURN substr(bytes, 1, n);
	ELSIF n <= 2 * size THEN
		RETURN substr(bytes, n - size);
	ELSIF size = 0 OR h % 16 = 0 THEN
		RETURN bytes || decode(md5(n::text), 'hex') || substr(bytes, 1, (h / 16 % 8)::int);
	END IF;
	bytes := set_byte(bytes, (h / 16 % size)::int,
		CASE h % 5 WHEN 0 THEN 0 WHEN 1 THEN 255 WHEN 2 THEN 128 ELSE (h / 1000 % 256)::int END);
	IF h % 3 = 0 THEN
		bytes := set_byte(bytes, (h / 1000000 % size)::int, (h / 1000000000 % 256)::int);
	END IF;
	RETURN bytes;
END
$$;
CREATE FUNCTION try(call text, value text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE call USING value;
	RETURN 'read';
EXCEPTION WHEN OTHERS OR query_canceled THEN
	RETURN CASE WHEN SQLSTATE = 'XX001' THEN 'refused' WHEN SQLSTATE ~ '^(XX|57)' THEN SQLERRM ELSE 'read' END;
END
$$;
CREATE FUNCTION outcomes(type name, rounds int) RETURNS TABLE (outcome text, n bigint) LANGUAGE plpgsql AS $$
DECLARE
	s sum_type;
BEGIN
	SELECT * INTO s FROM sum_type WHERE typname = type;
	RETURN QUERY EXECUTE format($q$
		WITH damaged AS MATERIALIZED (
			SELECT DISTINCT damage(text::%s::%s::text::bytea, i)::text AS value FROM good, generate_series(1, %s) i
			WHERE type = %L)
		SELECT outcome, count(*) FROM (SELECT try(call, value) AS outcome FROM damaged, calls WHERE type = %s) o GROUP BY 1
		$q$, s.name, s.raw, rounds, type, s.oid);
END
$$;
SET statement_timeout = '2min';
SELECT typname, outcome, n > 100 AS often FROM sum_type, LATERAL outcomes(typname, 300)
	ORDER BY typname COLLATE "C", outcome COLLATE "C";
RESET statement_timeout;

--
-- Single ones
--
SELECT gymstream_internal.bit_counts_or('\x00'::raw::gymstream_internal.bit_counts);
SELECT gymstream_internal.bit_counts_or('\x0001'::raw::gymstream_internal.bit_counts);
SELECT gymstream_internal.bit_counts_or('\x0301'::raw::gymstream_internal.bit_counts);
SELECT gymstream_internal.bit_counts_out('\x080102'::raw::gymstream_internal.bit_counts);
SELECT gymstream_internal.float_sum_total('\x'::raw::gymstream_internal.float_sum);
SELECT gymstream_internal.float_sum_total('\x00000100ffffffff'::raw::gymstream_internal.float_sum);
SELECT gymstream_internal.float_sum_total('\xff7f000001000000'::raw::gymstream_internal.float_sum);
SELECT gymstream_internal.float_sum_total('\x0000000001000000'::raw::gymstream_internal.float_sum);
SELECT gymstream_internal.numeric_sum_total('\x'::raw8::gymstream_internal.numeric_sum);
SELECT gymstream_internal.numeric_sum_total('\xffffff7f'::raw8::gymstream_internal.numeric_sum);
SELECT gymstream_internal.numeric_sum_total('\x01000000'::raw8::gymstream_internal.numeric_sum);

--
-- Bytes that are read stay what they are when they are written as text and read again
--
CREATE FUNCTION round_trips(type name) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	s sum_type;
	bytes text;
	again text;
BEGIN
	SELECT * INTO s FROM sum_type WHERE typname = type;
	FOR bytes IN EXECUTE format('SELECT DISTINCT damage(text::%s::%s::text::bytea, i)::text FROM good, generate_series(1, 500) i
		WHERE type = %L', s.name, s.raw, type) LOOP
		BEGIN
			EXECUTE format('SELECT %L::%2$s::%3$s::text::%3$s::%2$s', bytes, s.raw, s.name) INTO again;
			IF again <> bytes THEN
				RETURN NEXT bytes || ' ' || again;
			END IF;
		EXCEPTION WHEN data_corrupted THEN
		END;
	END LOOP;
END
$$;
SELECT typname, round_trips(typname) FROM sum_type WHERE typname <> 'numeric_sum';
SET client_min_messages = warning;
DROP SCHEMA test_damaged CASCADE;
