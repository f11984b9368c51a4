/*
 * names.c: whether what the command line names is there.
 *
 * Takes the tables and columns of a filter, and says which of them no table of the database has.
 * A name that is wrong would match no event, and all events would be confirmed unseen. Compares
 * names as filter.c does: as they are written.
 */
#include "postgres_fe.h"

#include "pqexpbuffer.h"

#include "client/feed/names.h"

/*
 * The relations whose changes a slot can have, with their names; where the extension is there,
 * its rollups are among them.
 */
#define TABLES_OF_SLOT \
	"WITH known AS (SELECT c.oid AS relation, c.oid AS columns_of, c.relname, n.nspname" \
	"  FROM pg_catalog.pg_class c" \
	"  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace" \
	"  WHERE c.relkind IN ('r', 'p') AND c.relpersistence OPERATOR(pg_catalog.=) 'p'" \
	"  AND c.oid OPERATOR(pg_catalog.>=) 16384"
#define TABLES_OF_EXTENSION \
	"  AND c.oid NOT IN (SELECT partials FROM gymstream_internal.rollup)" \
	" UNION ALL SELECT c.oid, a.columns_of, c.relname, n.nspname FROM gymstream_internal.rollup r" \
	"  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.rollup" \
	"  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace" \
	"  CROSS JOIN LATERAL (SELECT r.rollup UNION ALL SELECT r.partials) a (columns_of)"

/*
 * Parameters would need the extended protocol, which a replication connection does not have:
 * names are put in as literals.
 */
static bool
add_literal(const Connection *c, PQExpBuffer sql, const char *before, const char *name,
			const char *after)
{
	char	   *literal = PQescapeLiteral(c->pg, name, strlen(name));

	if (literal == NULL)
		return false;
	appendPQExpBuffer(sql, "%s%s%s", before, literal, after);
	PQfreemem(literal);
	return true;
}

/* Rows; NULL: it failed, and that was told. */
static PGresult *
run_query(Connection *c, const char *sql)
{
	PGresult   *result = connection_query(c, sql, 0, NULL);

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	connection_complain(c, result);
	PQclear(result);
	return NULL;
}

/*
 * The beginning of each query here: "known", and in "chosen" what the filter's tables choose of
 * it.
 */
static bool
add_chosen(Connection *c, const Filter *filter, PQExpBuffer sql)
{
	PGresult   *result = run_query(c,
								   "SELECT pg_catalog.to_regclass('gymstream_internal.rollup') "
								   "IS NOT NULL");
	bool		fine = result != NULL;

	if (!fine)
		return false;
	appendPQExpBuffer(sql, "%s%s), wanted (name) AS (VALUES (NULL::pg_catalog.text)",
					  TABLES_OF_SLOT,
					  *PQgetvalue(result, 0, 0) == 't' ? TABLES_OF_EXTENSION : "");
	PQclear(result);
	for (int i = 0; i < filter->ntables; i++)
		fine &= add_literal(c, sql, ", (", filter->tables[i], ")");
	appendPQExpBuffer(sql, "), chosen AS (SELECT k.*, w.name FROM known k JOIN wanted w ON %s"
					  " k.relname OPERATOR(pg_catalog.=) w.name"
					  " OR pg_catalog.concat(k.nspname, '.', k.relname) OPERATOR(pg_catalog.=) "
					  "w.name) ",
					  filter->ntables == 0 ? "true OR" : "");
	return fine;
}

/* False: no table bears one of the names, which is told, or the look failed. */
static bool
tables_exist(Connection *c, const Filter *filter, const char *chosen)
{
	char	   *sql = psprintf("%s SELECT name FROM wanted WHERE name IS NOT NULL"
							   " AND name NOT IN (SELECT name FROM chosen) LIMIT 1", chosen);
	PGresult   *missing = run_query(c, sql);
	bool		fine = missing && PQntuples(missing) == 0;

	if (missing && !fine)
		fprintf(stderr, "gymstream: there is no table or rollup \"%s\" whose changes a slot has\n"
				"HINT:  With --allow-missing a name is taken that a table had before, or will "
				"have.\n",
				PQgetvalue(missing, 0, 0));
	PQclear(missing);
	free(sql);
	return fine;
}

/* False: no table has all the columns of the keys, which is told, or the look failed. */
static bool
columns_exist(Connection *c, const Filter *filter, const char *chosen)
{
	PQExpBufferData sql;
	PQExpBufferData listed;
	PGresult   *result = NULL;
	bool		fine = true;

	initPQExpBuffer(&sql);
	initPQExpBuffer(&listed);
	appendPQExpBuffer(&sql, "%s SELECT EXISTS (SELECT FROM chosen WHERE true", chosen);
	for (int i = 0; i < filter->nkeys; i++)
	{
		fine &= add_literal(c, &sql, " AND EXISTS (SELECT FROM pg_catalog.pg_attribute a"
							" WHERE a.attrelid OPERATOR(pg_catalog.=) columns_of AND NOT "
							"a.attisdropped"
							" AND a.attname::pg_catalog.text OPERATOR(pg_catalog.=) ",
							filter->keys[i].column, ")");
		appendPQExpBuffer(&listed, "%s\"%s\"", i == 0 ? "" : ", ", filter->keys[i].column);
	}
	appendPQExpBufferStr(&sql, ")");
	if (fine)
		result = run_query(c, sql.data);
	fine = result && *PQgetvalue(result, 0, 0) == 't';
	if (result && !fine)
		fprintf(stderr, "gymstream: no table that is wanted has the column%s %s\n"
				"HINT:  With --allow-missing a name is taken that a column had before, or will "
				"have.\n",
				filter->nkeys == 1 ? "" : "s", listed.data);
	PQclear(result);
	termPQExpBuffer(&sql);
	termPQExpBuffer(&listed);
	return fine;
}

bool
names_exist(Connection *c, const Filter *filter)
{
	PQExpBufferData chosen;
	bool		fine;

	if (!filter_is_set(filter))
		return true;
	initPQExpBuffer(&chosen);
	fine = add_chosen(c, filter, &chosen) && tables_exist(c, filter, chosen.data) &&
		(filter->nkeys == 0 || columns_exist(c, filter, chosen.data));
	termPQExpBuffer(&chosen);
	return fine;
}
