/*
 * marked.c: takes aggregates that are not made of sums and gives the states that say when their
 * value is still known.
 *
 * A minimum is kept as two watermarks: the least input that came in, and the least that went out,
 * since the group was last computed from its rows. While more went out only above what came in, the
 * least that came in is there: each row that a reader sees came in by a change that the reader
 * sees, so that none is less; and the row that it was has not gone out, or the two would be equal.
 * Otherwise the group is marked. Both are taken over all partials that the reader's snapshot shows:
 * no writer can tell by its own, since what another deletes meanwhile may be the minimum by then. A
 * maximum is the same in the opposite order.
 *
 * Any other aggregate is kept as its value, in one partial of the group, beside a flag in each
 * partial: a row has changed since. What is merged never becomes less marked; only who computes
 * from the rows writes a partial without marks. Knows no rollup and no table.
 */
#include "rollup/model/marked.h"

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/stratnum.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_operator.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/catalog.h"

/* An aggregate's sort operator, taken apart. */
typedef struct SortOperator
{
	Oid			family;
	Oid			type;
	bool		largest;
} SortOperator;

static bool
sort_operator(const Aggref *aggregate, SortOperator *sort)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate->aggfnoid));
	Oid			operator;
	bool		finished;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggregate->aggfnoid);
	operator = ((Form_pg_aggregate) GETSTRUCT(tuple))->aggsortop;
	finished = OidIsValid(((Form_pg_aggregate) GETSTRUCT(tuple))->aggfinalfn);
	ReleaseSysCache(tuple);
	/*
	 * A final function, or another type, would make a result that is none of the inputs. A
	 * watermark must be one.
	 */
	if (!OidIsValid(operator) || finished || aggregate->aggkind != AGGKIND_NORMAL ||
		aggregate->aggvariadic || list_length(aggregate->aggargtypes) != 1 ||
		exprType((Node *) linitial_node(TargetEntry, aggregate->args)->expr) !=
			aggregate->aggtype ||
		!gs_ordering_operator(operator, & sort->family, &sort->type, &sort->largest))
		return false;
	return OidIsValid(get_opfamily_proc(sort->family, sort->type, sort->type, BTORDER_PROC));
}

bool
marked_is_extreme(const Aggref *aggregate, bool *largest)
{
	SortOperator sort;

	if (!sort_operator(aggregate, &sort))
		return false;
	*largest = sort.largest;
	return true;
}

/*
 * Values
 */
ExtremeOrder *
marked_order(const Aggref *aggregate)
{
	ExtremeOrder *order = palloc0(sizeof(ExtremeOrder));
	SortOperator sort;

	if (!sort_operator(aggregate, &sort))
		elog(ERROR, "aggregate %u has no order", aggregate->aggfnoid);
	fmgr_info(get_opfamily_proc(sort.family, sort.type, sort.type, BTORDER_PROC), &order->compare);
	order->collation = aggregate->inputcollid;
	get_typlenbyval(aggregate->aggtype, &order->typlen, &order->typbyval);
	order->largest = sort.largest;
	order->of_type = lookup_type_cache(aggregate->aggtype, TYPECACHE_CMP_PROC)->cmp_proc ==
					 order->compare.fn_oid;
	return order;
}

bool
marked_order_is_known(const ExtremeOrder *order)
{
	return order == NULL || order->of_type;
}

bool
marked_comes_first(const ExtremeOrder *order, Datum a, Datum b)
{
	int comparison =
		DatumGetInt32(FunctionCall2Coll((FmgrInfo *) &order->compare, order->collation, a, b));

	return order->largest ? comparison > 0 : comparison < 0;
}

static void
collect_extreme(const ExtremeOrder *order, StateDelta *delta, Datum input, MemoryContext keep)
{
	MemoryContext old;

	if (delta->extreme.known && !marked_comes_first(order, input, delta->extreme.value))
		return;
	/* The copy outlives the input. It is not toasted, so nothing that it needs can go away. */
	old = MemoryContextSwitchTo(keep);
	if (delta->extreme.known && !order->typbyval)
		pfree(DatumGetPointer(delta->extreme.value));
	if (order->typlen == -1)
		delta->extreme.value = PointerGetDatum(PG_DETOAST_DATUM_COPY(input));
	else
		delta->extreme.value = datumCopy(input, order->typbyval, order->typlen);
	delta->extreme.known = true;
	MemoryContextSwitchTo(old);
}

void
marked_collect(StateKind kind, const ExtremeOrder *order, StateDelta *delta, Datum input, int sign,
			   MemoryContext keep)
{
	bool		out = kind == STATE_MIN_OUT || kind == STATE_MAX_OUT;

	/*
	 * What came in has the sign 1, and what went out has -1. A value is never collected: only who
	 * computes it from the rows writes it.
	 */
	if (kind == STATE_CHANGED)
		delta->changed = true;
	else if (kind != STATE_VALUE && out == (sign < 0))
		collect_extreme(order, delta, input, keep);
}

/* In the order of the type. Nothing is remembered but what the type's cache does. */
static bool
comes_first_of_type(StateKind kind, Form_pg_attribute column, Datum a, Datum b)
{
	TypeCacheEntry *type = lookup_type_cache(column->atttypid, TYPECACHE_CMP_PROC_FINFO);
	int			comparison = DatumGetInt32(FunctionCall2Coll(&type->cmp_proc_finfo,
															 column->attcollation, a, b));

	return kind == STATE_MIN_IN || kind == STATE_MIN_OUT ? comparison < 0 : comparison > 0;
}

bool
marked_add(StateKind kind, const ExtremeOrder *order, Form_pg_attribute column,
		   NullableDatum *a, NullableDatum b)
{
	/* NULL stands for no watermark and no value: the other one stays. */
	if (a->isnull || b.isnull)
	{
		if (a->isnull)
			*a = b;
		return true;
	}
	if (STATE_IS_SUM(kind))
		return state_add(kind, a->value, b.value, &a->value);
	/* Flags and watermarks always merge, but values only where they are the same. */
	if (kind == STATE_CHANGED)
		a->value = BoolGetDatum(DatumGetBool(a->value) || DatumGetBool(b.value));
	else if (kind == STATE_VALUE)
		return datum_image_eq(a->value, b.value, column->attbyval, column->attlen);
	else if (order ? marked_comes_first(order, b.value, a->value) :
			 comes_first_of_type(kind, column, b.value, a->value))
		*a = b;
	return true;
}

/*
 * keep(anyelement, anyelement) returns anyelement: strict, so that the first value that is not NULL
 * stays
 */
PG_FUNCTION_INFO_V1(gs_keep);
Datum
gs_keep(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/*
 * Text
 */
static char *
function_text(Oid function, const char *argument)
{
	return psprintf("%s(%s)",
					quote_qualified_identifier(get_namespace_name(get_func_namespace(function)),
											   get_func_name(function)),
					argument);
}

char *
marked_operator_text(Oid operator)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char	   *text;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	text = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
					NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return text;
}

char *
marked_value_text(const Aggref *aggregate, List *columns)
{
	SortOperator sort;

	/* The best of all partials' watermarks is the group's. */
	if (sort_operator(aggregate, &sort))
		return function_text(aggregate->aggfnoid, linitial(columns));
	return psprintf("%s(%s)", catalog_own("sole"), (char *) lsecond(columns));
}

char *
marked_when_text(const Aggref *aggregate, List *columns)
{
	SortOperator sort;
	char	   *in,
			   *out;
	Oid			reached;

	if (!sort_operator(aggregate, &sort))
		return psprintf("bool_or(%s)", (char *) linitial(columns));
	in = function_text(aggregate->aggfnoid, linitial(columns));
	out = function_text(aggregate->aggfnoid, lsecond(columns));
	reached = get_opfamily_member(sort.family, sort.type, sort.type,
								  sort.largest ? BTGreaterEqualStrategyNumber :
												 BTLessEqualStrategyNumber);
	/*
	 * The comparison is NULL where nothing went out, or nothing came in. The group is marked in the
	 * second case only.
	 */
	return psprintf("coalesce(%s %s %s, %s IS DISTINCT FROM NULL)", out,
					marked_operator_text(reached), in, out);
}
