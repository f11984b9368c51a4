/*
 * shape.h: what a rollup's query asks for: keys, filter, and the states that its aggregates are
 * made of.
 */
#ifndef GS_SHAPE_H
#define GS_SHAPE_H

#include "base/base.h"

#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"

#include "rollup/model/state.h"

/* One state column. */
typedef struct ShapeState
{
	StateKind	kind;
	Expr	   *input;			/* NULL: each row counts */
	Expr	   *input2;			/* both as in AggregateState */
	Oid			order;			/* as in AggregateState */
	const Aggref *aggregate;	/* one that needs it; NULL: every rollup does */
} ShapeState;

/* All expressions have the source as range table entry 1. */
typedef struct RollupShape
{
	Oid			source;
	Node	   *filter;			/* NULL: all rows */
	List	   *keys;			/* of TargetEntry; resjunk: not in the target list */
	List	   *states;			/* of ShapeState; the first is count(*) */
	List	   *targets;		/* of TargetEntry, without junk */
	Node	   *having;
} RollupShape;

/* The query must have passed define_check. Allocates in CurrentMemoryContext. */
extern RollupShape *shape_of_query(const Query *query);

/*
 * Whether equal values of a key may differ. Partials are then of one image of the keys each, as if
 * the query grouped by that as well, and the view adds up those of equal keys.
 */
extern bool shape_by_image(const RollupShape *shape);

/*
 * Whether both have the same columns, by name and expression, of the same rows in the same groups.
 */
extern bool shape_equal(const RollupShape *a, const RollupShape *b);

/* The columns of the source that keys, filter and states use, offset as in pull_varattnos. */
extern Bitmapset *shape_columns(const RollupShape *shape);

/* Those of them that say whether a row is counted and in which group. */
extern Bitmapset *shape_group_columns(const RollupShape *shape);

/* Those of them that the state's value depends on, once it is known which group a row is of. */
extern Bitmapset *shape_state_columns(const RollupShape *shape, const ShapeState *state);

/*
 * The states of an aggregate in the order of aggregate_states, as integer indexes into
 * shape->states.
 */
extern List *shape_aggregate(const RollupShape *shape, const Aggref *aggregate);

#endif							/* GS_SHAPE_H */
