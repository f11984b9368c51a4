/*
 * quiet.h: changes that no logical decoding is to see.
 */
#ifndef GS_QUIET_H
#define GS_QUIET_H

#include "base/base.h"

#include "access/htup.h"
#include "utils/relcache.h"

/*
 * Let no plugin be told of the relation's changes, from this transaction's next change on. Does
 * nothing where it is so already.
 */
extern void quiet_relation(Oid relid);

/* Whether that is so of an open relation. */
extern bool quiet_is(Relation relation);

/*
 * Between the two, changes of the relation are logged as where wal_level is replica, if it is
 * quiet: without what only decoding needs. Nothing else may be done meanwhile. Whoever catches an
 * error ends it by the other function.
 */
typedef struct Quiet
{
	bool		begun;
	int			level;
	bool		info;
} Quiet;

extern void quiet_begin(Quiet *quiet, Relation relation);
extern void quiet_end(const Quiet *quiet);
extern void quiet_end_after_error(const Quiet *quiet);

/*
 * Insert the tuple into a table with indexes, put it in the place of the row at tid, or delete this
 * row where there is no tuple: between the two.
 */
extern void quiet_change(Relation table, ItemPointer tid, HeapTuple tuple);

#endif							/* GS_QUIET_H */
