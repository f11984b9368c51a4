/*
 * define.h: making a rollup from its query.
 */
#ifndef GS_DEFINE_H
#define GS_DEFINE_H

#include "gymstream.h"

#include "nodes/parsenodes.h"

#include "rollup.h"

/* Parse and analyze; errors point into the query. */
extern Query *define_analyze(const char *text);

/* Refuse what cannot be kept exact, or is not supported yet, with an error that names it. */
extern void define_check(const Query *query, const char *text);

/* A schema and a name in it. */
typedef struct DefineName
{
	Oid			schema;
	char	   *name;
} DefineName;

/* The statements that a rollup is made with. All names in them are qualified: they run with search_path = pg_catalog. */
extern char *define_sql_definition(const DefineName *definition, Query *query);
extern char *define_sql_partials(const DefineName *partials, const RollupShape *shape);
extern char *define_sql_index(const DefineName *partials, const RollupShape *shape);
extern char *define_sql_view(const DefineName *view, Oid partials, const RollupShape *shape);
extern char *define_sql_fill(Oid partials, const RollupShape *shape);
extern char *define_sql_count(Oid partials, const RollupShape *shape);
extern List *define_sql_comments(const RollupRelations *relations, const RollupShape *shape);

typedef struct DefineTrigger
{
	char	   *name;
	char	   *sql;
} DefineTrigger;

/* Of DefineTrigger; the name is what their names end with. */
extern List *define_triggers(const char *name, Oid partials, const RollupShape *shape);

#endif							/* GS_DEFINE_H */
