/*
 * define.h: making a rollup from its query.
 */
#ifndef GS_DEFINE_H
#define GS_DEFINE_H

#include "gymstream.h"

#include "nodes/parsenodes.h"

#include "rollup.h"

/*
 * Parse, analyze, and refuse what cannot be kept exact, or is not supported yet, with an error that names it and points
 * at its place in the query.
 */
extern Query *define_query(const char *text);

/* A schema and a name in it. */
typedef struct DefineName
{
	Oid			schema;
	char	   *name;
} DefineName;

/* The statements that a rollup is made with. All names in them are qualified: they run with search_path = pg_catalog. */
extern char *define_sql_definition(const DefineName *definition, Query *query);
extern char *define_sql_partials(const DefineName *partials, const RollupShape *shape);
extern List *define_sql_indexes(const DefineName *partials, const RollupShape *shape);
extern char *define_sql_view(const DefineName *view, Oid partials, const RollupShape *shape);
extern char *define_sql_fill(Oid partials, const RollupShape *shape);
/* What computes one group's row of the partials. Its parameters are the keys that are not NULL. */
extern char *define_sql_group(const RollupShape *shape, const bool *isnull);
/* Where marked groups would be read without an index: the statement that makes one. Else NULL. */
extern char *define_sql_source_index(const RollupShape *shape);
extern List *define_sql_comments(const RollupRelations *relations, const RollupShape *shape);

/*
 * Those triggers of a rollup that are not there, on its source, on the partitions of that, and on its partials. All fire
 * always then. The caller is connected to SPI, and has locked all these tables.
 */
extern void define_create_triggers(const RollupRelations *relations, const RollupShape *shape);

/* Those that a partition needs of its own, beside the row triggers that the server gives it: for statements on it. */
extern void define_create_partition_triggers(const RollupRelations *relations, Oid partition);

/* Error if the table cannot be a partition of a rollup's source. */
extern void define_check_partition(Oid source, Oid partition);

/*
 * Between define_*.c: parts of statements
 */
extern char *define_qualified(const DefineName *name);
extern char *define_relation_name(Oid relid);

/* An expression over one table, its columns unqualified. */
extern char *define_expression_text(Node *expression, Oid relid);

/* What stands in FROM for the rows that the rollup reads. */
extern char *define_source_text(const RollupShape *shape);

/* The name, cut to what fits. */
extern char *define_cut_name(char *name);

/* The list of names with one like the wanted one more, cut to length and numbered where it is taken. */
extern List *define_add_name(List *names, const char *wanted);
extern List *define_partials_columns(const RollupShape *shape);

/* What marks a group, said over the columns of its partials; "false" where none can be. */
extern char *define_when_marked_text(const RollupShape *shape, List *columns);

/* Whether a group of the rollup can be marked: it has an aggregate that is not made of sums. */
extern bool define_is_marked(const RollupShape *shape);
extern char *define_sql_marked_view(const DefineName *view, Oid partials, const RollupShape *shape);

#endif							/* GS_DEFINE_H */
