/*
 * sql.h: the SQL that a rollup is made of, and its parts, from the rollup's shape.
 */
#ifndef GS_SQL_H
#define GS_SQL_H

#include "base/base.h"

#include "nodes/parsenodes.h"

#include "base/name.h"
#include "rollup/model/rollup.h"

/*
 * The statements that a rollup is made with. All names in them are qualified: they run with
 * search_path = pg_catalog.
 */
extern char *sql_definition(const QualifiedName *definition, Query *query);
extern char *sql_partials(const QualifiedName *partials, const RollupShape *shape);
extern List *sql_indexes(const QualifiedName *partials, const RollupShape *shape);
/* The query of the view that users read. Its columns are called as in the rollup's query. */
extern char *sql_view(Oid partials, const RollupShape *shape);
/* What computes the rows of the partials, one for each group. */
extern char *sql_select(const RollupShape *shape);
/* What computes one group's row of the partials. Its parameters are the keys that are not NULL. */
extern char *sql_group(const RollupShape *shape, const bool *isnull);
/* Where marked groups would be read without an index: the statement that makes one. Else NULL. */
extern char *sql_index_of_source(const RollupShape *shape);
extern List *sql_comments(const RollupRelations *relations, const RollupShape *shape);

/*
 * Parts of statements
 */

/* An expression over one table, its columns unqualified. */
extern char *sql_name_expression(Node *expression, Oid relid);

/* What stands in FROM for the rows that the rollup reads. */
extern char *sql_name_source(const RollupShape *shape);

/* What stands in FROM and WHERE of a rollup's view for its partials, which may be read now. */
extern char *sql_name_partials(Oid partials);

/*
 * The condition in HAVING of a rollup's view: the group has rows, whose number is in that column.
 */
extern char *sql_name_group_test(const char *count);

/* The name, cut to what fits. */
extern char *sql_name_cut(char *name);

/*
 * The list of names with one like the wanted one more, cut to length and numbered where it is
 * taken.
 */
extern List *sql_name_add(List *names, const char *wanted);
extern List *sql_name_columns(const RollupShape *shape);

/*
 * The same of partials that there are: the source's columns, by which they were named, may have
 * other names now.
 */
extern List *sql_name_of_partials(Oid partials);

/*
 * Images of the source's rows that differ where equal keys do: what to group by besides the keys;
 * NULL where they do not.
 */
extern char *sql_image_of_source(const RollupShape *shape);

/*
 * " AND ...": of the rows with keys equal to the parameters, which are those that are not NULL, the
 * identical ones.
 */
extern char *sql_image_condition(const RollupShape *shape, const bool *isnull);

/*
 * What stands in FROM, with a WHERE where it needs one, for partials that are to be added up.
 * Columns are the names of the partials' columns. Checked: only where the rollup may be read just
 * now, as in its view.
 */
extern char *sql_image_partials(Oid partials, const RollupShape *shape, List *columns,
								bool checked);

/*
 * Whether the partials of a group, read in that way, are of several images; NULL: they never are.
 */
extern char *sql_image_is_one_of_many(const RollupShape *shape, List *columns);

/* What marks a group, said over the columns of sql_image_partials; "false" where none can be. */
extern char *sql_marked_when(const RollupShape *shape, List *columns);

/* Whether a group of the rollup can be marked: it has an aggregate that is not made of sums. */
extern bool sql_marked_is_possible(const RollupShape *shape);
extern char *sql_marked_view(Oid partials, const RollupShape *shape);

#endif							/* GS_SQL_H */
