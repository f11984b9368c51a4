-- The oracle of the regression tests: TABLE inexact gives each row in which any rollup of the database differs from its
-- query, and nothing when all are exact. A test prints rows only, so that an exact rollup prints nothing.
\pset format unaligned
\pset tuples_only on
\pset null NULL
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE OR REPLACE FUNCTION public.inexact() RETURNS TABLE (rollup regclass, difference text, content jsonb)
LANGUAGE plpgsql AS $$
BEGIN
	FOR rollup IN SELECT r.rollup FROM gymstream_internal.rollup r ORDER BY 1 LOOP
		FOR difference, content IN SELECT * FROM gymstream.verify_rollup(rollup) LOOP
			RETURN NEXT;
		END LOOP;
	END LOOP;
END
$$;
CREATE OR REPLACE VIEW public.inexact AS SELECT * FROM public.inexact();

-- Runs a statement that must fail, and prints what users are told.
CREATE OR REPLACE FUNCTION public.refused(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	-- and what it did goes
	RAISE 'NOT REFUSED';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN NEXT SQLSTATE || ' ' || message;
	IF detail <> '' THEN
		RETURN NEXT '  detail: ' || detail;
	END IF;
	IF hint <> '' THEN
		RETURN NEXT '  hint: ' || hint;
	END IF;
END
$$;

-- Changes partials by hand, which nobody may: as somebody could who switches off what protects them.
CREATE OR REPLACE FUNCTION public.tamper(partials regclass, statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	ALTER EVENT TRIGGER gymstream_ddl DISABLE;
	EXECUTE format('ALTER TABLE %s DISABLE TRIGGER ALL', partials);
	EXECUTE statement;
	ALTER EVENT TRIGGER gymstream_ddl ENABLE ALWAYS;
	EXECUTE format('ALTER TABLE %s ENABLE TRIGGER ALL', partials);
END
$$;
