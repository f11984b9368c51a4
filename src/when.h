/*
 * when.h: the WHEN conditions of the triggers on a source. Called from SQL only:
 *
 *   gymstream.collect(partials, tableoid, columns of NEW and OLD...)   in the WHEN of a row trigger
 *   gymstream.flush(partials)                                          in the WHEN of a statement trigger
 *   gymstream.truncated(partials)                                      in the WHEN of a TRUNCATE trigger
 *   gymstream.flush_pending()                                          the function of each of these triggers
 */
#ifndef GS_WHEN_H
#define GS_WHEN_H

#include "gymstream.h"

#include "nodes/primnodes.h"

#include "rollup.h"

/* The most columns of a source that a rollup can use: collect takes each twice, beside two arguments more. */
#define WHEN_MAX_COLUMNS ((FUNC_MAX_ARGS - 2) / 2)

/* A call of gymstream.collect, for as long as its statement runs. */
typedef struct WhenCall
{
	Rollup	   *rollup;
	bool		has_old;
	bool		has_new;
	bool		needs_event;	/* no statement trigger may follow */
} WhenCall;

/*
 * Read a call that has OLD as INNER_VAR and NEW as OUTER_VAR: for each used column, which argument has it in the old and
 * the new row; NULL where there is no such row. False if it is not a call as create_rollup writes it.
 */
extern bool when_arguments(const Rollup *rollup, const FuncExpr *expression, int **old_columns, int **new_columns);

/* Whether the condition must be true to queue an event, as long as nothing is pending: no statement trigger may follow. */
extern bool when_needs_event(const Rollup *rollup);

/* Collect the change whose rows have been loaded. The value of the condition: whether to queue the event that flushes. */
extern bool when_collect(const WhenCall *call);

#endif							/* GS_WHEN_H */
