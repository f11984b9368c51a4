/*
 * shape.c: takes the query of a rollup and gives its shape. The same query always has the same
 * shape, states in the same order, so that the partials of a dumped and restored rollup fit its
 * definition. Checks no expressions: define_check does.
 */
#include "rollup/model/shape.h"

#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "rollup/model/aggregate.h"
#include "rollup/model/flatten.h"
#include "rollup/model/key.h"

static int
find_state(const RollupShape *shape, const AggregateState *wanted)
{
	ListCell   *cell;

	/* The order is InvalidOid for all states but watermarks, so that it counts for these only. */
	foreach(cell, shape->states)
	{
		ShapeState *state = lfirst(cell);

		if (state->kind == wanted->kind && equal(state->input, wanted->input) &&
			equal(state->input2, wanted->input2) && state->order == wanted->order)
			return foreach_current_index(cell);
	}
	return -1;
}

static void
add_state(RollupShape *shape, const AggregateState *wanted, const Aggref *aggregate)
{
	ShapeState *state;

	/* Aggregates that need the same state share it. */
	if (find_state(shape, wanted) >= 0)
		return;
	state = palloc(sizeof(ShapeState));
	state->kind = wanted->kind;
	state->input = wanted->input;
	state->input2 = wanted->input2;
	state->order = wanted->order;
	/* The first aggregate that needs a state names it. NULL: it is the number of rows. */
	state->aggregate = aggregate;
	shape->states = lappend(shape->states, state);
}

static bool
add_states_walker(Node *node, RollupShape *shape)
{
	ListCell   *cell;

	if (node == NULL)
		return false;
	if (!IsA(node, Aggref))
		return expression_tree_walker(node, add_states_walker, shape);
	/* Aggregates are not nested, so nothing within one is looked at. */
	foreach(cell, aggregate_states((Aggref *) node))
		add_state(shape, lfirst(cell), (Aggref *) node);
	return false;
}

List *
shape_aggregate(const RollupShape *shape, const Aggref *aggregate)
{
	List	   *indexes = NIL;
	ListCell   *cell;

	/* Each state was added when the shape was made, so that it is found. */
	foreach(cell, aggregate_states(aggregate))
		indexes = lappend_int(indexes, find_state(shape, lfirst(cell)));
	return indexes;
}

Bitmapset *
shape_state_columns(const RollupShape *shape, const ShapeState *state)
{
	Bitmapset  *used = NULL;
	ListCell   *cell;

	/* An input may be NULL, and then names no column. */
	pull_varattnos((Node *) state->input, 1, &used);
	pull_varattnos((Node *) state->input2, 1, &used);
	/* The flag has no input: it tells of changes in what the values read. */
	if (state->kind == STATE_CHANGED)
		foreach(cell, shape->states)
			if (((ShapeState *) lfirst(cell))->kind == STATE_VALUE)
				pull_varattnos((Node *) ((ShapeState *) lfirst(cell))->input, 1, &used);
	return used;
}

Bitmapset *
shape_group_columns(const RollupShape *shape)
{
	Bitmapset  *used = NULL;

	/* The filter and the keys together say to which group a row belongs, if to any. */
	pull_varattnos(shape->filter, 1, &used);
	pull_varattnos((Node *) shape->keys, 1, &used);
	return used;
}

Bitmapset *
shape_columns(const RollupShape *shape)
{
	Bitmapset  *used = shape_group_columns(shape);
	ListCell   *cell;

	foreach(cell, shape->states)
		used = bms_add_members(used, shape_state_columns(shape, lfirst(cell)));
	return used;
}

bool
shape_by_image(const RollupShape *shape)
{
	ListCell   *cell;

	/* until the extension is upgraded all goes on as before */
	if (!catalog_has_function("key_image"))
		return false;
	foreach(cell, shape->keys)
		if (!key_is_identical((Node *) lfirst_node(TargetEntry, cell)->expr))
			return true;
	return false;
}

/* Lists of TargetEntry; how they are numbered for GROUP BY does not count. */
static bool
targets_equal(const List *a, const List *b)
{
	ListCell   *x,
			   *y;

	if (list_length(a) != list_length(b))
		return false;
	/* Junk entries have no name that counts. All others are columns of the view, by name. */
	forboth(x, a, y, b)
	{
		TargetEntry *one = lfirst(x);
		TargetEntry *other = lfirst(y);

		if (one->resjunk != other->resjunk || !equal(one->expr, other->expr) ||
			(!one->resjunk && strcmp(one->resname, other->resname) != 0))
			return false;
	}
	return true;
}

bool
shape_equal(const RollupShape *a, const RollupShape *b)
{
	return a->source == b->source && equal(a->filter, b->filter) && equal(a->having, b->having) &&
		targets_equal(a->keys, b->keys) && targets_equal(a->targets, b->targets);
}

RollupShape *
shape_of_query(const Query *original)
{
	Query	   *query = flatten_query(original, NULL, NULL);
	RollupShape *shape = palloc0(sizeof(RollupShape));
	AggregateState rows = {STATE_COUNT};
	ListCell   *cell;

	/* A flat query has one entry in its range table, the table. */
	shape->source = rt_fetch(1, query->rtable)->relid;
	shape->filter = query->jointree->quals;
	shape->having = query->havingQual;

	foreach(cell, query->groupClause)
		shape->keys =
			lappend(shape->keys, get_sortgroupclause_tle(lfirst(cell), query->targetList));
	foreach(cell, query->targetList)
		if (!lfirst_node(TargetEntry, cell)->resjunk)
			shape->targets = lappend(shape->targets, lfirst(cell));

	/* The number of rows is always the first state: it says whether there is a group. */
	add_state(shape, &rows, NULL);
	/*
	 * States follow the order in the query, outputs first and HAVING last. The columns of the
	 * partials follow that.
	 */
	add_states_walker((Node *) shape->targets, shape);
	add_states_walker(shape->having, shape);
	return shape;
}
