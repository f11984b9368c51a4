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
	map = gs_attrmap_by_name(RelationGetDescr(rel), RelationGetDescr(shown));
	return map_variable_attnos(expression, 1, 0, map, RelationGetForm(shown)->reltype, &whole_row);
}

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

static bool
passes(PluginRowFilter *filter, ExprState *expression, const EventRow *row)
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
	if (new == NULL || old == NULL)
		return (new != NULL || old != NULL) && passes(filter, expression, new ? new : old);

	plugin_complete(shape, new, old);
	old_passes = passes(filter, expression, old);
	new_passes = passes(filter, expression, new);
	if (new_passes && !old_passes)
		*action = REORDER_BUFFER_CHANGE_INSERT;
	else if (old_passes && !new_passes)
		*action = REORDER_BUFFER_CHANGE_DELETE;
	return old_passes || new_passes;
}
