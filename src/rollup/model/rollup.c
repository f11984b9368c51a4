/*
 * rollup.c: takes the OID of a rollup's partials and gives the compiled rollup, from a cache of
 * this backend that relcache and syscache callbacks invalidate. Touches no partials.
 */
#include "rollup/model/rollup.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/invalidation.h"
#include "base/owner.h"
#include "rollup/model/flatten.h"
#include "rollup/model/standing.h"

/* one entry a rollup that this backend has used */
typedef struct CacheEntry
{
	Oid			partials;		/* hash key */
	Rollup	   *rollup;
} CacheEntry;

static HTAB *cache = NULL;
static CacheEntry *last_entry = NULL;	/* found last; NULL when an entry goes away */
static uint64 invalidations = 0;

RollupShape *
rollup_try_shape(const RollupRelations *relations)
{
	Relation	definition = try_relation_open(relations->definition, AccessShareLock);
	RollupShape *shape;

	if (definition == NULL)
		return NULL;
	shape = shape_of_query(flatten_view_query(definition));
	relation_close(definition, AccessShareLock);
	return shape;
}

RollupShape *
rollup_shape(const RollupRelations *relations)
{
	RollupShape *shape = rollup_try_shape(relations);

	if (shape == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("rollup with OID %u does not exist", relations->rollup),
				 errdetail("It was dropped at this moment.")));
	return shape;
}

/*
 * Compiling. Expressions read a virtual row that has the used columns only.
 */
static Node *
compile_vars(Node *node, Rollup *rollup)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var		   *var = copyObject((Var *) node);

		for (int i = 0; i < rollup->ncolumns; i++)
			if (rollup->columns[i] == var->varattno)
			{
				var->varattno = i + 1;
				return (Node *) var;
			}
		elog(ERROR, "column %d of the source is not among those used", var->varattno);
	}
	return expression_tree_mutator(node, compile_vars, rollup);
}

static bool
calls_function(Oid function, void *context)
{
	return function >= FirstNormalObjectId;
}

static bool
calls_functions_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	/* a domain's constraints may call anything */
	if (check_functions_in_node(node, calls_function, NULL) || IsA(node, CoerceToDomain))
		return true;
	return expression_tree_walker(node, calls_functions_walker, context);
}

static Expr *
compile_expression(Rollup *rollup, Node *expression)
{
	Node	   *node = compile_vars(expression, rollup);

	/* before planning, which may put a function's body in its place */
	if (calls_functions_walker(node, NULL))
		rollup->calls_functions = true;
	return expression_planner((Expr *) node);
}

static void
compile_value(Rollup *rollup, RollupValue *value, Node *expression)
{
	value->column = -1;
	value->type = exprType(expression);
	if (IsA(expression, Var))
		value->column = ((Var *) compile_vars(expression, rollup))->varattno - 1;
	else
		value->planned = compile_expression(rollup, expression);
}

static void
compile_key(Rollup *rollup, RollupKey *key, Node *expression)
{
	TypeCacheEntry *type = lookup_type_cache(exprType(expression), TYPECACHE_EQ_OPR);

	compile_value(rollup, &key->value, expression);
	key->typlen = type->typlen;
	key->typbyval = type->typbyval;
	key->collation = exprCollation(expression);
	key->search = get_opcode(type->eq_opr);
	key->by_image = rollup->by_image && !key_is_identical(expression);
}

static Oid
state_type(const ShapeState *state)
{
	const char *name;
	const char *own;

	if (state->kind == STATE_CHANGED)
		return BOOLOID;
	if (!STATE_IS_SUM(state->kind))
		return state->aggregate->aggtype;
	name = state_type_name(state->kind);
	own = strchr(name, '.');
	if (own == NULL)
		return strcmp(name, "numeric") == 0 ? NUMERICOID : INT8OID;
	return catalog_type(own + 1);
}

/* The place of an expression among the inputs, which are evaluated once a row; -1 for NULL. */
static int
compile_input(Rollup *rollup, List **inputs, Expr *input)
{
	ListCell   *known;

	if (input == NULL)
		return -1;
	foreach(known, *inputs)
		if (equal(lfirst(known), input))
			return foreach_current_index(known);
	*inputs = lappend(*inputs, input);
	compile_value(rollup, &rollup->inputs[rollup->ninputs], (Node *) input);
	return rollup->ninputs++;
}

/* Columns of the source as bits of those used. */
static uint64
compile_reads(const Rollup *rollup, const Bitmapset *columns)
{
	uint64		reads = 0;

	for (int i = 0; i < rollup->ncolumns; i++)
		if (bms_is_member(rollup->columns[i] - FirstLowInvalidHeapAttributeNumber, columns))
			reads |= UINT64CONST(1) << i;
	return reads;
}

static void
compile_states(Rollup *rollup, const RollupShape *shape)
{
	List	   *inputs = NIL;
	ListCell   *cell;

	rollup->nstates = list_length(shape->states);
	rollup->states = palloc0(rollup->nstates * sizeof(RollupState));
	rollup->inputs = palloc0(2 * rollup->nstates * sizeof(RollupValue));
	foreach(cell, shape->states)
	{
		ShapeState *wanted = lfirst(cell);
		RollupState *state = &rollup->states[foreach_current_index(cell)];

		state->kind = wanted->kind;
		rollup->can_be_marked = rollup->can_be_marked || !STATE_IS_SUM(state->kind);
		state->type = state_type(wanted);
		state->reads = compile_reads(rollup, shape_state_columns(shape, wanted));
		state->input =
			wanted->kind == STATE_VALUE ? -1 : compile_input(rollup, &inputs, wanted->input);
		state->input2 = compile_input(rollup, &inputs, wanted->input2);
		if (OidIsValid(wanted->order))
			state->order = marked_order(wanted->aggregate);
	}
}

/* Which columns of the source the rollup uses, and a slot for a row of them. */
static void
compile_columns(Rollup *rollup, const RollupShape *shape)
{
	Relation	source = table_open(rollup->source, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(source);
	Bitmapset  *used = shape_columns(shape);
	TupleDesc	row;
	int			column = -1;

	rollup->columns = palloc(sizeof(AttrNumber) * (bms_num_members(used) + 1));
	row = CreateTemplateTupleDesc(bms_num_members(used));
	while ((column = bms_next_member(used, column)) >= 0)
	{
		AttrNumber	attnum = column + FirstLowInvalidHeapAttributeNumber;

		rollup->columns[rollup->ncolumns++] = attnum;
		TupleDescCopyEntry(row, rollup->ncolumns, desc, attnum);
	}
	gs_tuple_desc_finish(row);
	rollup->old_row = MakeSingleTupleTableSlot(row, &TTSOpsVirtual);
	rollup->new_row = MakeSingleTupleTableSlot(row, &TTSOpsVirtual);
	table_close(source, AccessShareLock);
}

/*
 * Functions keep what they need from call to call in the states of expressions, or with their own
 * addresses. All of that is in one memory context, to be made anew when it is not to be trusted.
 */
static void
start_value(RollupValue *value)
{
	if (value->column < 0)
		value->expression = ExecInitExpr(value->planned, NULL);
}

/*
 * Whoever compares keys calls the same functions, so that those whose equal values are identical
 * pay for no others.
 */
static void
start_comparison(RollupKey *key)
{
	key_hash_init(&key->index_hash, key->value.type, key->collation, CurrentMemoryContext);
	if (!key->by_image)
	{
		key_hash_init(&key->hash, key->value.type, key->collation, CurrentMemoryContext);
		fmgr_info(key->search, &key->equal);
		return;
	}
	key_hash_init_by_image(&key->hash, key->value.type);
	image_equality_init(&key->equal, key->value.type, CurrentMemoryContext);
}

static void
make_states(Rollup *rollup)
{
	MemoryContext old;

	if (rollup->states_context == NULL)
		rollup->states_context = AllocSetContextCreate(rollup->context, "gymstream rollup states",
													   ALLOCSET_SMALL_SIZES);
	if (rollup->econtext)
		FreeExprContext(rollup->econtext, false);
	rollup->econtext = NULL;
	MemoryContextReset(rollup->states_context);

	old = MemoryContextSwitchTo(rollup->states_context);
	rollup->econtext = CreateStandaloneExprContext();
	if (rollup->planned_filter != NIL)
		rollup->filter = ExecInitQual(rollup->planned_filter, NULL);
	for (int i = 0; i < rollup->nkeys; i++)
	{
		RollupKey  *key = &rollup->keys[i];

		start_value(&key->value);
		start_comparison(key);
	}
	for (int i = 0; i < rollup->ninputs; i++)
		start_value(&rollup->inputs[i]);
	for (int i = 0; i < rollup->nstates; i++)
		if (rollup->states[i].order)
			fmgr_info(rollup->states[i].order->compare.fn_oid, &rollup->states[i].order->compare);
	MemoryContextSwitchTo(old);
}

void
rollup_make_states(Rollup *rollup)
{
	OwnerCaller caller;

	owner_enter(&caller, rollup->owner);
	make_states(rollup);
	owner_leave(&caller);
}

static void
compile(Rollup *rollup, const RollupRelations *relations)
{
	RollupShape *shape = rollup_shape(relations);
	ListCell   *cell;

	rollup->rollup = relations->rollup;
	rollup->definition = relations->definition;
	rollup->partials = relations->partials;
	rollup->source = shape->source;
	rollup->inherits = has_superclass(shape->source);
	rollup->has_topic = catalog_has_topic(relations->rollup);

	compile_columns(rollup, shape);
	if (rollup->stopped)
		return;
	if (shape->filter)
		rollup->planned_filter = make_ands_implicit(compile_expression(rollup, shape->filter));
	rollup->nkeys = list_length(shape->keys);
	rollup->by_image = shape_by_image(shape);
	rollup->keys = palloc0((rollup->nkeys + 1) * sizeof(RollupKey));
	foreach(cell, shape->keys)
		compile_key(rollup, &rollup->keys[foreach_current_index(cell)],
					(Node *) lfirst_node(TargetEntry, cell)->expr);
	compile_states(rollup, shape);
	rollup->group_reads = compile_reads(rollup, shape_group_columns(shape));
	make_states(rollup);
}

/*
 * Functions in the query are the owner's business, also where compiling checks the right to run
 * them, or runs them: what they compute of constants is put in their place. So they find nothing by
 * the session's search_path.
 */
static void
compile_as_owner(Rollup *rollup, const RollupRelations *relations)
{
	OwnerCaller caller;

	rollup->owner = catalog_owner(relations->rollup);
	if (!OidIsValid(rollup->owner))
		elog(ERROR, "cache lookup failed for rollup %u", relations->rollup);

	owner_enter(&caller, rollup->owner);
	compile(rollup, relations);
	owner_leave(&caller);
}

/* NULL: they are of no rollup. */
static Rollup *
rollup_build(Oid partials, bool stopped)
{
	RollupRelations relations;
	MemoryContext context,
				old;
	Rollup	   *rollup;

	if (!catalog_relations(ROLLUP_PARTIALS, partials, &relations))
		return NULL;
	/* lives under the caller's context until it is whole, so that an error leaves nothing */
	context = AllocSetContextCreate(CurrentMemoryContext, "gymstream rollup", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	rollup = palloc0(sizeof(Rollup));
	rollup->context = context;
	rollup->stopped = stopped;
	compile_as_owner(rollup, &relations);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, CacheMemoryContext);
	return rollup;
}

bool
rollup_fits(const Rollup *rollup, TupleDesc desc)
{
	if (desc->natts != rollup->nkeys + rollup->nstates)
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);
		Oid type =
			i < rollup->nkeys ? rollup->keys[i].value.type : rollup->states[i - rollup->nkeys].type;

		/* what is NOT NULL is not checked here, but believed by whoever reads */
		if (column->attisdropped || column->atttypid != type ||
			(i < rollup->nkeys && column->attnotnull))
			return false;
	}
	return true;
}

/* What alters the partials makes the rollup stale: until then they are looked at once. */
void
rollup_check_partials(Rollup *rollup, Relation partials)
{
	if (rollup->checked && !rollup->stale)
		return;
	if (!rollup_fits(rollup, RelationGetDescr(partials)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" does not fit the definition of its rollup",
						RelationGetRelationName(partials)),
				 errdetail("One of them has been altered."),
				 errhint("Undo the change, or drop the rollup and create it again.")));
	rollup->checked = true;
}

uint32
rollup_hash_keys(const Rollup *rollup, const Datum *keys, const bool *isnull)
{
	uint32		hash = 0;

	for (int i = 0; i < rollup->nkeys; i++)
		hash = key_hash_add(hash, &rollup->keys[i].hash, keys[i], isnull[i]);
	return key_hash_end(hash);
}

uint32
rollup_hash_index(const Rollup *rollup, const Datum *keys, const bool *isnull)
{
	uint32		hash = 0;

	for (int i = 0; i < rollup->nkeys; i++)
		hash = key_hash_add(hash, &rollup->keys[i].index_hash, keys[i], isnull[i]);
	return key_hash_end(hash);
}

/*
 * The cache. What is stale is let go when nobody uses it any more: at once, or when it is released.
 */
static void
rollup_let_go(Rollup *rollup)
{
	rollup->stale = true;
	if (rollup->references > 0)
		return;
	if (rollup->econtext)
		FreeExprContext(rollup->econtext, false);
	MemoryContextDelete(rollup->context);
}

static void
cache_remove(Oid partials)
{
	last_entry = NULL;
	(void) hash_search(cache, &partials, HASH_REMOVE, NULL);
}

/* Changes often come in runs of one rollup, which the search would find again. */
static inline CacheEntry *
cache_find(Oid partials)
{
	if (last_entry == NULL || last_entry->partials != partials)
		last_entry = cache ? hash_search(cache, &partials, HASH_FIND, NULL) : NULL;
	return last_entry;
}

/* It is the caller's then, and takes the place of what nested calls may have built meanwhile. */
static Rollup *
cache_build(Oid partials, bool stopped)
{
	uint64		before = invalidations;
	Rollup	   *built;
	CacheEntry *entry;
	bool		found;

	/* planning computes what functions give for constants */
	rollup_enter_partials(partials);
	built = rollup_build(partials, stopped);
	rollup_leave_partials(partials);
	if (built == NULL)
		return NULL;
	built->references++;
	/* what it was made from may have changed already */
	built->stale = before != invalidations;
	if (cache == NULL)
	{
		HASHCTL		info = {.keysize = sizeof(Oid), .entrysize = sizeof(CacheEntry)};

		cache = hash_create("gymstream rollups", 16, &info, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(cache, &partials, HASH_ENTER, &found);
	if (found)
		rollup_let_go(entry->rollup);
	entry->rollup = built;
	return built;
}

Rollup *
rollup_find(Oid partials)
{
	Standing	standing;
	bool		stopped;
	CacheEntry *entry;

	if (!standing_look(partials, &standing))
		return NULL;
	stopped = OidIsValid(standing.missing);
	entry = cache_find(partials);
	if (entry == NULL || entry->rollup->stale || entry->rollup->stopped != stopped)
		return cache_build(partials, stopped);
	entry->rollup->references++;
	return entry->rollup;
}

Rollup *
rollup_acquire(Oid partials)
{
	Rollup	   *rollup = rollup_find(partials);

	if (rollup == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" does not hold the partials of a rollup",
						get_rel_name(partials) ? get_rel_name(partials) : psprintf("%u", partials)),
				 errhint("The view gymstream.rollups lists all rollups.")));
	return rollup;
}

void
rollup_release(Rollup *rollup)
{
	CacheEntry *entry;

	Assert(rollup->references > 0);
	rollup->references--;
	if (!rollup->stale || rollup->references > 0)
		return;
	entry = hash_search(cache, &rollup->partials, HASH_FIND, NULL);
	if (entry && entry->rollup == rollup)
		cache_remove(rollup->partials);
	rollup_let_go(rollup);
}

static void
release_callback(void *rollup)
{
	rollup_release(rollup);
}

void
rollup_release_with(Rollup *rollup, MemoryContext context)
{
	MemoryContextCallback *callback = MemoryContextAlloc(context, sizeof(MemoryContextCallback));

	callback->func = release_callback;
	callback->arg = rollup;
	MemoryContextRegisterResetCallback(context, callback);
}

static void
invalidate_relation(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	CacheEntry *entry;

	invalidations++;
	if (cache == NULL)
		return;
	hash_seq_init(&status, cache);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		Rollup	   *rollup = entry->rollup;

		if (relid == InvalidOid || relid == rollup->source ||
			relid == rollup->rollup || relid == rollup->definition || relid == rollup->partials)
			rollup->stale = true;
		if (rollup->stale && rollup->references == 0)
		{
			cache_remove(rollup->partials);
			rollup_let_go(rollup);
		}
		else
			rollup_table_forget(rollup, relid);
	}
}

static void
invalidate_function(Datum arg, int cacheid, uint32 hashvalue)
{
	invalidate_relation(arg, InvalidOid);
}

void
rollup_init(void)
{
	invalidation_watch(invalidate_relation);
	CacheRegisterSyscacheCallback(PROCOID, invalidate_function, (Datum) 0);
}
