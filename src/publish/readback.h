/*
 * readback.h: what a rollup's view shows of some groups, as JSON.
 */
#ifndef GS_READBACK_H
#define GS_READBACK_H

#include "base/base.h"

#include "access/htup.h"

/*
 * For each of n tuples of the partials' row type, of which only the keys matter: the view's row of that group, as a JSON
 * object in CurrentMemoryContext, or NULL when the view shows no such group. Under the active snapshot, as the rollup's
 * owner, with an index where there is one. False when the rows could not be read; that is logged and noted, and the
 * transaction goes on.
 */
extern bool readback_rows(Oid rollup, Oid partials, int nkeys, int n, HeapTuple *groups, char **rows);

#endif							/* GS_READBACK_H */
