/*
 * readback.h: what a rollup's view shows of some groups, as JSON.
 */
#ifndef GS_READBACK_H
#define GS_READBACK_H

#include "base/base.h"

#include "access/htup.h"

#include "publish/attempt.h"

typedef enum ReadbackState
{
	READBACK_NO_ROW,			/* the view shows no such group */
	READBACK_ROW,
	READBACK_LONG,				/* there is one, but no notification has room for it */
	READBACK_UNREAD				/* it could not be read: see the fault */
} ReadbackState;

/* A group whose row is wanted, and what came of it, in CurrentMemoryContext. */
typedef struct ReadbackGroup
{
	HeapTuple	tuple;			/* of the partials' row type; only the keys matter */
	ReadbackState state;
	char	   *row;			/* a JSON object, where there is one */
	NullableDatum *keys;		/* the keys as the row shows them, or NULL */
	AttemptFault fault;
} ReadbackGroup;

/*
 * Read the groups' rows under the active snapshot, as the rollup's owner, with an index where there
 * is one, within gymstream.worker_timeout. No error of the view's functions gets out.
 */
extern void readback_rows(SharedDatabase *place, Oid rollup, Oid partials, int nkeys, int n,
						  ReadbackGroup *groups);

#endif							/* GS_READBACK_H */
