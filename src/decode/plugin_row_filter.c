/*
 * plugin_row_filter.c: takes the row filters of publications and gives which rows pass, and what
 * becomes of an update of which only one row does: for a reader who has only what passes, a row
 * came or went. The expressions are what PostgreSQL allows in publications: immutable, and of
 * built-in functions only.
 */
#include "decode/plugin.h"

#include "access/attmap.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "rewrite/rewriteManip.h"
#include "utils/memutils.h"
#include "utils/rel.h"

typedef struct PluginRowFilter
{
	EState	   *estate;
	TupleTableSlot *slot;
	ExprState  *expressions[3];	/* of insert, update, delete; NULL: all rows pass */
} PluginRowFilter;

/*
 * The expressions are over shown; the rows are of rel, in which a column may have another number.
 */
static Node *
expression_over(Node *expression, Relation rel, Relation shown)
{
	AttrMap    *map;
	bool		whole_row;

	if (rel == shown)
		return expression;
	/* a publication's filter has no reference to a whole row: the server refuses one */
	map = gs_attrmap_by_name(RelationGetDescr(rel), RelationGetDescr(shown));
	return map_variable_attnos(expression, 1, 0, map, RelationGetForm(shown)->reltype, &whole_row);
}

/*
 * Reads catalogs, under the snapshot in force, while the expression is prepared. The filter is made
 * once for many rows, since this is slow.
 */
static ExprState *
make_expression(PluginRowFilter *filter, List *expressions, Relation rel, Relation shown)
{
	Node	   *expression;

	if (expressions == NIL)
		return NULL;
	/* what it points to lives as long as the filter */
	expression = copyObject(list_length(expressions) == 1 ? linitial(expressions) :
															(Node *) make_orclause(expressions));
	return ExecPrepareExpr((Expr *) expression_over(expression, rel, shown), filter->estate);
}

/*
 * All is made in the relation's context. The executor's state has a context of its own below that
 * one: the reset of the relation's context frees both.
 */
PluginRowFilter *
plugin_row_filter_make(const PluginPublished *published, Relation rel, Relation shown,
					   MemoryContext context)
{
	MemoryContext old;
	PluginRowFilter *filter;

	if (published->filters[0] == NIL && published->filters[1] == NIL &&
		published->filters[2] == NIL)
		return NULL;
	old = MemoryContextSwitchTo(context);
	filter = palloc0(sizeof(PluginRowFilter));
	filter->estate = CreateExecutorState();
	filter->slot =
		MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(rel)), &TTSOpsVirtual);
	for (int i = 0; i < lengthof(filter->expressions); i++)
		filter->expressions[i] = make_expression(filter, published->filters[i], rel, shown);
	MemoryContextSwitchTo(old);
	return filter;
}

/*
 * The slot holds pointers to the values of the change, and no copies. They are good during this
 * call, and the next one clears them before it looks. A NULL lets no row pass, as in a WHERE.
 */
static bool
row_passes(PluginRowFilter *filter, ExprState *expression, const EventRow *row)
{
	ExprContext *econtext = GetPerTupleExprContext(filter->estate);
	int			natts = filter->slot->tts_tupleDescriptor->natts;
	Datum		result;
	bool		isnull;

	ResetExprContext(econtext);
	ExecClearTuple(filter->slot);
	memcpy(filter->slot->tts_values, row->values, natts * sizeof(Datum));
	memcpy(filter->slot->tts_isnull, row->nulls, natts * sizeof(bool));
	ExecStoreVirtualTuple(filter->slot);
	econtext->ecxt_scantuple = filter->slot;
	result = ExecEvalExprSwitchContext(expression, econtext, &isnull);
	return !isnull && DatumGetBool(result);
}

/*
 * The new row shares the value with the old one afterwards: both point into the same tuple, and
 * neither frees it.
 */
void
plugin_complete(const EventShape *shape, EventRow *new, const EventRow *old)
{
	for (int i = 0; i < shape->desc->natts; i++)
	{
		if (TupleDescAttr(shape->desc, i)->attlen == -1 && !new->nulls[i] && !old->nulls[i] &&
			VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(new->values[i])))
			new->values[i] = old->values[i];
	}
}

bool
plugin_row_filter(PluginRowFilter *filter, const EventShape *shape,
				  enum ReorderBufferChangeType *action, EventRow *new, EventRow *old)
{
	int i = *action == REORDER_BUFFER_CHANGE_INSERT ? 0 :
			*action == REORDER_BUFFER_CHANGE_UPDATE ? 1 :
													  2;
	ExprState  *expression = filter->expressions[i];
	bool		old_passes;
	bool		new_passes;

	if (expression == NULL)
		return true;

	/*
	 * Without an old row an update is judged by the new one: the columns of the identity, over
	 * which the filter is, are the same in both.
	 */
	if (new == NULL || old == NULL)
		return (new != NULL || old != NULL) && row_passes(filter, expression, new ? new : old);

	/*
	 * An expression cannot read a value that is not in the WAL: the TOAST table may have lost it.
	 */
	plugin_complete(shape, new, old);
	old_passes = row_passes(filter, expression, old);
	new_passes = row_passes(filter, expression, new);
	if (new_passes && !old_passes)
		*action = REORDER_BUFFER_CHANGE_INSERT;
	else if (old_passes && !new_passes)
		*action = REORDER_BUFFER_CHANGE_DELETE;
	return old_passes || new_passes;
}
