/*
 * aggregate.h: how an aggregate is kept: in states of which its value is made, or otherwise.
 */
#ifndef GS_AGGREGATE_H
#define GS_AGGREGATE_H

#include "base/base.h"

#include "nodes/pg_list.h"
#include "nodes/primnodes.h"

#include "rollup/model/state.h"

typedef enum AggregateWay
{
	AGGREGATE_BY_STATES,		/* counts and sums, from which rows can be taken away again */
	AGGREGATE_BY_EXTREME,		/* min and max */
	AGGREGATE_BY_SOURCE			/* only from the rows of the group */
} AggregateWay;

/* A row counts when none of the inputs is NULL. */
typedef struct AggregateState
{
	StateKind	kind;
	Expr	   *input;			/* NULL: each row counts; of STATE_VALUE the aggregate itself */
	Expr	   *input2;			/* the second factor of a product, or NULL */
	Oid			order;			/* the aggregate by whose order the state is merged, or none */
} AggregateState;

/* A sum of floating point numbers: the server's own result depends on the order of rows. */
extern bool aggregate_is_float(const Aggref *aggregate);

extern AggregateWay aggregate_way(const Aggref *aggregate);

/* Of AggregateState, in a fixed order. The inputs share nodes with the aggregate. */
extern List *aggregate_states(const Aggref *aggregate);

/*
 * The aggregate's value, as SQL over the partials' columns that hold its states: columns has a
 * quoted name for each, in the order of aggregate_states. Of one that is not BY_STATES it is the
 * value in a group that is not marked. Keyed: the rollup has grouping keys, so that there are no
 * groups without partials.
 */
extern char *aggregate_text(const Aggref *aggregate, List *columns, bool keyed);

/* The same, where states has an SQL expression for each state as a whole. */
extern char *aggregate_value_text(const Aggref *aggregate, List *states, bool keyed);

/* A state computed from the source's rows, as SQL; the inputs are SQL expressions, or NULL. */
extern char *aggregate_state_text(StateKind kind, const char *input, const char *input2);

/*
 * Between aggregate*.c: all make new nodes over the given ones.
 */

/* The input as FILTER lets the aggregate read it. */
extern Expr *aggregate_filtered_input(const Aggref *aggregate, Expr *input);

/* One of two arguments, NULL where FILTER does not let the row through or the other one is NULL. */
extern Expr *aggregate_paired_input(const Aggref *aggregate, Expr *input, Expr *other);

/* What is true where the input is, and NULL otherwise. */
extern Expr *aggregate_true_only(Expr *input);

/* input * input, in a type in which it always fits. */
extern Expr *aggregate_squared_input(Expr *input);

#endif							/* GS_AGGREGATE_H */
