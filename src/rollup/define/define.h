/*
 * define.h: making a rollup from its query.
 */
#ifndef GS_DEFINE_H
#define GS_DEFINE_H

#include "base/base.h"

#include "nodes/parsenodes.h"

#include "rollup/model/rollup.h"

/*
 * Parse, analyze, and refuse what cannot be kept exact, or is not supported yet, with an error that
 * names it and points at its place in the query.
 */
extern Query *define_query(const char *text);

/*
 * Those triggers of a rollup that are not there, on its source, on the partitions of that, and on
 * its partials. All fire always then. The caller is connected to SPI, and has locked all these
 * tables.
 */
extern void define_create_triggers(const RollupRelations *relations, const RollupShape *shape);

/*
 * Those that a partition needs of its own, beside the row triggers that the server gives it: for
 * statements on it.
 */
extern void define_create_partition_triggers(const RollupRelations *relations, Oid partition);

/*
 * The triggers of these partials are as a dump brings them. Where all parts of a rollup are there
 * now, make a rollup of them, computed anew; otherwise do nothing. Error if it could not be exact.
 */
extern void define_adopt(Oid partials);

/*
 * Between define*.c
 */

/* The caller may read the views that the query names. */
extern void define_check_views(List *views);

/* The table that the flattened query reads can be the source of a rollup, of this caller. */
extern void define_check_source(const Query *query);

/* Between the two, SQL text means the same whoever calls, and the caller is connected to SPI. */
extern int	define_begin(void);
extern void define_end(int nest);

extern void define_run(const char *sql);

/*
 * Keep writers away. A statement of this session that is in the middle of changing the source would
 * go on without new triggers, and with deltas pending that the rollup's rows, seen now, already
 * have.
 */
extern void define_lock_source(Oid source, const char *what);

/* The triggers on the partials alone. */
extern void define_create_guards(const RollupRelations *relations);

/*
 * Make the view that users read what create_rollup makes it, if it is not. Its columns keep their
 * names.
 */
extern void define_mend_view(const RollupRelations *relations, const RollupShape *shape);

/* What of a rollup is not in a view that users name goes with the extension. */
extern void define_depend(const RollupRelations *relations);

/*
 * Lock all that a rollup is made of, to drop it or to alter it as a whole. Writers have the source
 * before the partials, and readers the view before the partials, so: the source and its partitions
 * against writers, the view, its companions, and then, to drop triggers, the source against readers
 * too.
 */
extern void define_lock_whole(const RollupRelations *relations, bool to_drop);

/* Error if the table cannot be a partition of a rollup's source. */
extern void define_check_partition(Oid source, Oid partition);

#endif							/* GS_DEFINE_H */
