/*
 * condition.h: the WHEN conditions of a rollup's triggers, as expressions.
 */
#ifndef GS_CONDITION_H
#define GS_CONDITION_H

#include "base/base.h"

#include "nodes/primnodes.h"
#include "utils/reltrigger.h"

#include "rollup/model/rollup.h"

/* The condition with OLD as INNER_VAR and NEW as OUTER_VAR; NULL: there is none. */
extern Node *condition_read(const Trigger *trigger);

/* The one call that the condition is; NULL: it is anything else. */
extern FuncExpr *condition_of(const Trigger *trigger);

/* The partials that a call is about: its first argument. InvalidOid: that is something else. */
extern Oid	condition_partials(const FuncExpr *call);

/* Whether the arguments are the partials, the table's OID, and columns, all of OLD or NEW. */
extern bool condition_is_collect(const FuncExpr *call);

/*
 * Read a call in the condition of a trigger on a table that has the used columns at these places:
 * for each of them, which argument has it in the old and the new row; NULL where there is no such
 * row. False if it is not a call as create_rollup writes it.
 */
extern bool condition_arguments(const Rollup *rollup, const AttrNumber *columns,
								const FuncExpr *call, int **old_columns, int **new_columns);

#endif							/* GS_CONDITION_H */
