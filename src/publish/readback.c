/*
 * readback.c: takes the keys of groups that have changed and gives the rows that the rollup's view shows of them now:
 * one query for all groups that have the same keys NULL, so that every condition is a plain "=" or IS NULL and can use
 * the partials' index. Never writes, and survives whatever the view's functions do.
 */
#include "publish/readback.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/catalog.h"
#include "decode/event.h"
#include "decode/json.h"
#include "rollup/model/rollup.h"
#include "topic/topic.h"

#define READBACK_KEYS (INDEX_MAX_KEYS * 2)

/* somebody's exclusive lock on the partials must not hold up everything else */
#define LOCK_TIMEOUT "1s"

/* a prepared query, kept for a rollup and a set of keys that are NULL */
typedef struct ReadbackPlan
{
	struct
	{
		Oid			rollup;
		uint32		null_keys;	/* a hash where there are more than 32 keys: the text is compared anyway */
	}			key;
	char	   *text;
	SPIPlanPtr	plan;
} ReadbackPlan;

/* groups whose keys are NULL in the same places */
typedef struct ReadbackSet
{
	TupleDesc	desc;			/* of the partials */
	int			nkeys;
	AttrNumber *columns;		/* of the view, which show the keys */
	bool	   *null_keys;
	int		   *members;		/* indexes of groups */
	int			nmembers;
	Oid			types[READBACK_KEYS];	/* of the query's parameters: arrays of the keys that are not NULL */
	int			ntypes;
} ReadbackSet;

static HTAB *plans = NULL;

static void
readback_set(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* The view's columns that show the keys: either may have been renamed. NULL when there is no such rollup. */
static AttrNumber *
readback_columns(Oid rollup, int nkeys)
{
	AttrNumber *columns = palloc(sizeof(AttrNumber) * Max(nkeys, 1));
	RollupRelations relations;
	ListCell   *cell;
	int			n = 0;

	if (!catalog_relations(ROLLUP_ROLLUP, rollup, &relations))
		return NULL;
	foreach(cell, rollup_shape(&relations)->keys)
	{
		TargetEntry *key = lfirst(cell);

		if (key->resjunk)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot find the rows of groups in rollup \"%s\"", get_rel_name(rollup)),
					 errdetail("It does not show all the columns that it groups by.")));
		if (n == nkeys)
			return NULL;
		columns[n++] = key->resno;
	}
	return n == nkeys ? columns : NULL;
}

/* "v.key OPERATOR(schema.=) k.kn": equality as GROUP BY has it */
static void
readback_append_equal(StringInfo sql, Form_pg_attribute key, const char *column, int number)
{
	Oid			operator = lookup_type_cache(key->atttypid, TYPECACHE_EQ_OPR)->eq_opr;
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "type %u has no equality operator", key->atttypid);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	appendStringInfo(sql, "v.%s OPERATOR(%s.%s) k.k%d", column,
					 quote_identifier(get_namespace_name(form->oprnamespace)), NameStr(form->oprname), number);
	ReleaseSysCache(tuple);
}

/* The query: a number from 1 that tells which group, and the view's columns. NULL when the view is gone. */
static char *
readback_query(Oid rollup, ReadbackSet *set)
{
	StringInfoData from;
	StringInfoData names;
	StringInfoData where;
	char	   *view = topic_name(rollup);

	if (view == NULL || set->nkeys > READBACK_KEYS)
		return NULL;
	initStringInfo(&from);
	initStringInfo(&names);
	initStringInfo(&where);
	set->ntypes = 0;
	for (int i = 0; i < set->nkeys; i++)
	{
		Form_pg_attribute key = TupleDescAttr(set->desc, i);
		const char *column = quote_identifier(get_attname(rollup, set->columns[i], false));

		appendStringInfoString(&where, i == 0 ? " WHERE " : " AND ");
		if (set->null_keys[i])
		{
			appendStringInfo(&where, "v.%s IS NULL", column);
			continue;
		}
		set->types[set->ntypes] = get_array_type(key->atttypid);
		set->ntypes++;
		appendStringInfo(&from, "%spg_catalog.unnest($%d)", set->ntypes > 1 ? ", " : "", set->ntypes);
		appendStringInfo(&names, "k%d, ", set->ntypes);
		readback_append_equal(&where, key, column, set->ntypes);
	}
	if (set->ntypes == 0)
		return psprintf("SELECT 1::pg_catalog.int8, v.* FROM %s v%s", view, where.data);
	/* OFFSET 0 keeps the planner from reading the view whole and joining afterwards */
	return psprintf("SELECT k.n, r.* FROM ROWS FROM (%s) WITH ORDINALITY AS k(%sn), "
					"LATERAL (SELECT v.* FROM %s v%s OFFSET 0) r",
					from.data, names.data, view, where.data);
}

static uint32
readback_null_keys(const ReadbackSet *set)
{
	uint32		result = 0;

	for (int i = 0; i < set->nkeys; i++)
		result = pg_rotate_left32(result, 1) ^ (set->null_keys[i] ? 1 : 0);
	return result;
}

static SPIPlanPtr
readback_plan(Oid rollup, ReadbackSet *set)
{
	char	   *text = readback_query(rollup, set);
	ReadbackPlan *entry;
	bool		found;
	struct
	{
		Oid			rollup;
		uint32		null_keys;
	}			key = {rollup, readback_null_keys(set)};

	if (text == NULL)
		return NULL;
	if (plans == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(key),.entrysize = sizeof(ReadbackPlan)};

		plans = hash_create("gymstream read-back plans", 64, &control, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(plans, &key, HASH_ENTER, &found);
	if (!found)
	{
		entry->text = NULL;
		entry->plan = NULL;
	}
	if (entry->text != NULL && strcmp(entry->text, text) == 0)
		return entry->plan;

	/* new, or something was renamed */
	if (entry->text != NULL)
	{
		pfree(entry->text);
		entry->text = NULL;
		SPI_freeplan(entry->plan);
		entry->plan = NULL;
	}
	entry->plan = SPI_prepare_cursor(text, set->ntypes, set->types, CURSOR_OPT_GENERIC_PLAN);
	if (entry->plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	SPI_keepplan(entry->plan);
	entry->text = MemoryContextStrdup(TopMemoryContext, text);
	return entry->plan;
}

/* The parameters: for each key that is not NULL an array with the values of all members. */
static void
readback_bind(const ReadbackSet *set, HeapTuple *groups, Datum *parameters)
{
	int			parameter = 0;

	for (int i = 0; i < set->nkeys; i++)
	{
		Form_pg_attribute key = TupleDescAttr(set->desc, i);
		Datum	   *values;

		if (set->null_keys[i])
			continue;
		values = palloc(sizeof(Datum) * set->nmembers);
		for (int m = 0; m < set->nmembers; m++)
		{
			bool		isnull;

			values[m] = heap_getattr(groups[set->members[m]], i + 1, set->desc, &isnull);
		}
		parameters[parameter++] = PointerGetDatum(construct_array(values, set->nmembers, key->atttypid, key->attlen,
																   key->attbyval, key->attalign));
	}
}

/* The view's columns of a result row as a JSON object. */
static char *
readback_render(EventRelation *view, HeapTuple tuple, TupleDesc desc, MemoryContext context)
{
	StringInfoData json;
	char	   *result;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < view->desc->natts; i++)
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, i + 2, desc, &isnull);

		if (i > 0)
			appendStringInfoChar(&json, ',');
		appendBinaryStringInfo(&json, view->shape.columns[i].json.label, view->shape.columns[i].json.label_len);
		if (isnull)
			appendStringInfoString(&json, "null");
		else
			json_append_value(&json, &view->shape.columns[i].json, value);
	}
	appendStringInfoChar(&json, '}');
	result = MemoryContextStrdup(context, json.data);
	pfree(json.data);
	return result;
}

static void
readback_query_set(Oid rollup, ReadbackSet *set, HeapTuple *groups, char **rows, MemoryContext context)
{
	Datum		parameters[READBACK_KEYS];
	SPIPlanPtr	plan = readback_plan(rollup, set);
	EventRelation *view;

	if (plan == NULL)
		return;
	readback_bind(set, groups, parameters);
	/*
	 * Not read-only: under a snapshot that is newer than the locks. A table that was written anew while we waited for
	 * it, as ALTER TABLE and REPACK (CONCURRENTLY) do, is empty for an older one, and no event would follow.
	 */
	if (SPI_execute_plan(plan, parameters, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_plan failed");
	view = event_relation_by_oid(rollup);
	if (view == NULL || view->desc->natts + 1 != SPI_tuptable->tupdesc->natts)
		return;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		bool		isnull;
		int64		n = DatumGetInt64(heap_getattr(tuple, 1, SPI_tuptable->tupdesc, &isnull));

		rows[set->members[n - 1]] = readback_render(view, tuple, SPI_tuptable->tupdesc, context);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Gather the groups that have the same keys NULL as the first one not done yet. */
static void
readback_next_set(ReadbackSet *set, int n, HeapTuple *groups, bool *done)
{
	set->nmembers = 0;
	for (int g = 0; g < n; g++)
	{
		bool		same = true;

		if (done[g])
			continue;
		for (int i = 0; i < set->nkeys; i++)
		{
			bool		isnull = heap_attisnull(groups[g], i + 1, set->desc);

			if (set->nmembers == 0)
				set->null_keys[i] = isnull;
			same = same && set->null_keys[i] == isnull;
		}
		if (!same)
			continue;
		set->members[set->nmembers++] = g;
		done[g] = true;
	}
}

/* In a subtransaction: as the owner, with settings of our own. */
static void
readback_as_owner(Oid rollup, Oid partials, int nkeys, int n, HeapTuple *groups, char **rows, MemoryContext context)
{
	Relation	view;
	EventRelation *state;
	ReadbackSet set;
	bool	   *done = palloc0(sizeof(bool) * n);
	Oid			user;
	int			security;
	int			nest_level = NewGUCNestLevel();

	/* before the first lock */
	readback_set("lock_timeout", LOCK_TIMEOUT);
	view = try_relation_open(rollup, AccessShareLock);
	set.columns = view != NULL ? readback_columns(rollup, nkeys) : NULL;
	state = event_relation_by_oid(partials);
	if (set.columns == NULL || state == NULL || state->subject != rollup)
	{
		if (view != NULL)
			relation_close(view, AccessShareLock);
		AtEOXact_GUC(false, nest_level);
		return;
	}
	set.desc = CreateTupleDescCopy(state->desc);
	set.nkeys = nkeys;
	set.null_keys = palloc0(sizeof(bool) * Max(nkeys, 1));
	set.members = palloc(sizeof(int) * n);

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(view->rd_rel->relowner, security | SECURITY_RESTRICTED_OPERATION);
	readback_set("search_path", "pg_catalog, pg_temp");
	readback_set("enable_seqscan", "off");
	/* what is switched off makes plans look so dear that they would be compiled */
	readback_set("jit", "off");

	SPI_connect();
	for (readback_next_set(&set, n, groups, done); set.nmembers > 0; readback_next_set(&set, n, groups, done))
		readback_query_set(rollup, &set, groups, rows, context);
	SPI_finish();

	/* what the view's functions have set goes too: the next owner, and this worker, must not run with it */
	AtEOXact_GUC(false, nest_level);
	SetUserIdAndSecContext(user, security);
	relation_close(view, AccessShareLock);
}

bool
readback_rows(Oid rollup, Oid partials, int nkeys, int n, HeapTuple *groups, char **rows)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool success = true;

	for (int i = 0; i < n; i++)
		rows[i] = NULL;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		readback_as_owner(rollup, partials, nkeys, n, groups, rows, context);

		/*
		 * Nothing that was read needs to last, and what the view's functions did must not: a notification of theirs would
		 * bear this process's id, by which listeners know the publisher.
		 */
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		success = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return success;
}
