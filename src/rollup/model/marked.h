/*
 * marked.h: aggregates that no sum gives, and when their value must be computed from the rows of
 * the group.
 */
#ifndef GS_MARKED_H
#define GS_MARKED_H

#include "base/base.h"

#include "fmgr.h"
#include "nodes/pg_list.h"
#include "nodes/primnodes.h"

#include "rollup/model/state.h"

/* How a min or a max compares. */
typedef struct ExtremeOrder
{
	FmgrInfo	compare;
	Oid			collation;
	int16		typlen;
	bool		typbyval;
	bool		largest;		/* max */
	bool		of_type;		/* the type's own order */
} ExtremeOrder;

/*
 * Whether the aggregate is the first of its inputs in the order of its sort operator, and if so,
 * whether the largest.
 */
extern bool marked_is_extreme(const Aggref *aggregate, bool *largest);

/* In CurrentMemoryContext, as all that the order's function keeps. */
extern ExtremeOrder *marked_order(const Aggref *aggregate);

/* Whether it is the order that the type has of its own; true without one. */
extern bool marked_order_is_known(const ExtremeOrder *order);

/* The delta with one more input, which is not NULL; allocated in keep. */
extern void marked_collect(StateKind kind, const ExtremeOrder *order, StateDelta *delta,
						   Datum input, int sign, MemoryContext keep);

/* Whether the first is the better minimum or maximum. */
extern bool marked_comes_first(const ExtremeOrder *order, Datum a, Datum b);

/*
 * Add a state, as a column of partials or of a delta has it, to another one of its kind. Without an
 * order that of the column's type is taken. False if the sum does not fit, or if these are values
 * that cannot be one: the caller keeps them apart.
 */
extern bool marked_add(StateKind kind, const ExtremeOrder *order, Form_pg_attribute column,
					   NullableDatum *a, NullableDatum b);

/*
 * As SQL over the columns of the aggregate's states: its value in a group that is not marked; what
 * marks the group.
 */
extern char *marked_value_text(const Aggref *aggregate, List *columns);
extern char *marked_when_text(const Aggref *aggregate, List *columns);

/* OPERATOR(schema.name) */
extern char *marked_operator_text(Oid operator);

#endif							/* GS_MARKED_H */
