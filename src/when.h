/*
 * when.h: the WHEN conditions of the triggers on a source. Called from SQL only:
 *
 *   gymstream.collect(partials, tableoid, columns of NEW and OLD...)   in the WHEN of a row trigger
 *   gymstream.flush(partials)                                          in the WHEN of a statement trigger
 *   gymstream.truncated(partials)                                      in the WHEN of a TRUNCATE trigger
 *   gymstream.truncating(partials)                                     in the WHEN of a BEFORE TRUNCATE trigger
 *   gymstream.flush_pending()                                          the function of each of these triggers
 */
#ifndef GS_WHEN_H
#define GS_WHEN_H

#include "gymstream.h"

#include "nodes/primnodes.h"

#include "rollup.h"

/* A call of gymstream.collect, for as long as its statement runs. */
typedef struct WhenCall
{
	Rollup	   *rollup;
	bool		has_old;
	bool		has_new;
	bool		needs_event;	/* no statement trigger may follow */
	bool		event_queued;	/* by this call */
} WhenCall;

/* The partials that a call is about: its first argument. InvalidOid: that is something else. */
extern Oid	when_partials(const FuncExpr *call);

/*
 * Read a call in the condition of a trigger on a table that has the used columns at these places: for each of them, which
 * argument has it in the old and the new row; NULL where there is no such row. False if it is not a call as create_rollup
 * writes it.
 */
extern bool when_arguments(const Rollup *rollup, const AttrNumber *columns, const FuncExpr *call,
						   int **old_columns, int **new_columns);

/* Whether the condition must be true now and then to queue an event: no statement trigger may follow. */
extern bool when_needs_event(const Rollup *rollup);

/*
 * Collect the change whose rows have been loaded. The value of the condition: whether to queue the event that flushes. It
 * is queued with the first row, whether that matters to the rollup or not, so that it comes before the application's own.
 */
extern bool when_collect(WhenCall *call);

#endif							/* GS_WHEN_H */
