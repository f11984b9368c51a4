/*
 * readback.c: takes the keys of groups that have changed and gives the rows that the rollup's view
 * shows of them now: one query for all groups that have the same keys NULL, so that every condition
 * is a plain "=" or IS NULL and can use the partials' index. Never writes, and survives whatever
 * the view's functions do.
 *
 * A query that fails is tried again for halves of its groups, until the groups are alone that are
 * the reason. All of it has to be done within gymstream.worker_timeout. What takes longer, or fails
 * for each group, is not tried again for a while.
 */
#include "publish/readback.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "base/catalog.h"
#include "base/settings.h"
#include "decode/event.h"
#include "decode/json.h"
#include "publish/attempt.h"
#include "publish/frame.h"
#include "rollup/model/rollup.h"
#include "topic/topic.h"
#include "worker/pause.h"

#define READBACK_KEYS (INDEX_MAX_KEYS * 2)

/* a rollup of which so many groups fail, and none succeeds, is not looked at group by group */
#define HOPELESS_GROUPS 8

/* a notification has no room for a row with a longer value, whatever that looks like as text */
#define LONG_VALUE (4 * GS_NOTIFY_LIMIT)

/* a prepared query, kept for a rollup and a set of keys that are NULL */
typedef struct ReadbackPlan
{
	struct
	{
		Oid			rollup;
		/* a hash where there are more than 32 keys: the text is compared anyway */
		uint32		null_keys;
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
	/* one member at a time, since a key's type has no array that unnest gives back */
	bool		single;
	/* of the query's parameters: arrays of the keys that are not NULL, or these */
	Oid			types[READBACK_KEYS];
	int			ntypes;
} ReadbackSet;

/* What is read, and by whom. */
typedef struct Readback
{
	Attempt		attempt;
	Oid			rollup;
	Oid			partials;
	int			nkeys;
	ReadbackGroup *groups;		/* those of the attempt at hand */
	int			n;
	MemoryContext context;		/* of what is given back */
	int			failures;		/* groups that failed */
	int			successes;		/* attempts that did not */
	bool		hopeless;		/* what is left need not be tried */
} Readback;

static HTAB *readback_plans = NULL;

/*
 * The view's columns that show the keys: either may have been renamed. NULL when there is no such
 * rollup.
 */
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
					 errmsg("cannot find the rows of groups in rollup \"%s\"",
							get_rel_name(rollup)),
					 errdetail("It does not show all the columns that it groups by.")));
		/* With another number of keys, the rollup is not the one that the event is of. */
		if (n == nkeys)
			return NULL;
		columns[n++] = key->resno;
	}
	return n == nkeys ? columns : NULL;
}

/* "v.key OPERATOR(schema.=) k.kn", or $n in place of the latter: equality as GROUP BY has it */
static void
readback_append_equal(StringInfo sql, Form_pg_attribute key, const char *column,
					  const char *parameter, int number)
{
	Oid			operator = lookup_type_cache(key->atttypid, TYPECACHE_EQ_OPR)->eq_opr;
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "type %u has no equality operator", key->atttypid);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	appendStringInfo(sql, "v.%s OPERATOR(%s.%s) %s%d", column,
					 quote_identifier(get_namespace_name(form->oprnamespace)),
					 NameStr(form->oprname), parameter, number);
	ReleaseSysCache(tuple);
}

/*
 * The query: a number from 1 that tells which group, and the view's columns. NULL when the view is
 * gone.
 */
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

		/*
		 * The arrays have the groups in the same order, so unnest puts a group's keys in one row.
		 */
		set->types[set->ntypes] = set->single ? key->atttypid : get_array_type(key->atttypid);
		set->ntypes++;
		appendStringInfo(&from, "%spg_catalog.unnest($%d)", set->ntypes > 1 ? ", " : "",
						 set->ntypes);
		appendStringInfo(&names, "k%d, ", set->ntypes);
		readback_append_equal(&where, key, column, set->single ? "$" : "k.k", set->ntypes);
	}
	/* One group alone is number 1, and needs no list of keys. */
	if (set->ntypes == 0 || set->single)
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
	if (readback_plans == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(key),.entrysize = sizeof(ReadbackPlan)};

		readback_plans = hash_create("gymstream read-back plans", 64, &control,
									 HASH_ELEM | HASH_BLOBS);
	}
	/* An error further on leaves the entry without text, and the next attempt fills it. */
	entry = hash_search(readback_plans, &key, HASH_ENTER, &found);
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
	/* A kept plan outlives the batch. The text comes last: it says that the plan is good. */
	SPI_keepplan(entry->plan);
	entry->text = MemoryContextStrdup(TopMemoryContext, text);
	return entry->plan;
}

/* The parameters: for each key that is not NULL an array with the values of all members. */
static void
readback_bind(const ReadbackSet *set, const ReadbackGroup *groups, Datum *parameters)
{
	int			parameter = 0;

	for (int i = 0; i < set->nkeys; i++)
	{
		Form_pg_attribute key = TupleDescAttr(set->desc, i);
		Datum	   *values;

		if (set->null_keys[i])
			continue;
		/* All members have a value here: the set is made of groups with the same keys NULL. */
		values = palloc(sizeof(Datum) * set->nmembers);
		for (int m = 0; m < set->nmembers; m++)
		{
			bool		isnull;

			values[m] = heap_getattr(groups[set->members[m]].tuple, i + 1, set->desc, &isnull);
		}
		if (set->single)
		{
			parameters[parameter++] = values[0];
			continue;
		}
		parameters[parameter++] = PointerGetDatum(construct_array(
			values, set->nmembers, key->atttypid, key->attlen, key->attbyval, key->attalign));
	}
}

/* Whether there is no use in showing a value, since the row would not fit into a notification. */
static bool
is_long(const JsonColumn *column, Form_pg_attribute attribute, Datum value)
{
	return attribute->attlen == -1 && column->category != JSON_NUMERIC &&
		   toast_raw_datum_size(value) > LONG_VALUE;
}

/* A row to be rendered. */
typedef struct ReadbackRow
{
	EventRelation *view;
	HeapTuple	tuple;
	TupleDesc	desc;			/* of the result: a number, and the view's columns */
} ReadbackRow;

/* The view's columns of a result row as a JSON object. */
static void
readback_render(StringInfo json, void *argument)
{
	const ReadbackRow *row = argument;

	appendStringInfoChar(json, '{');
	for (int i = 0; i < row->view->desc->natts; i++)
	{
		JsonColumn *column = &row->view->shape.columns[i].json;
		bool		isnull;
		Datum		value = heap_getattr(row->tuple, i + 2, row->desc, &isnull);

		if (i > 0)
			appendStringInfoChar(json, ',');
		appendBinaryStringInfo(json, column->label, column->label_len);
		if (isnull)
			appendStringInfoString(json, "null");
		else if (is_long(column, TupleDescAttr(row->desc, i + 1), value))
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("a value is too long for a notification")));
		else
			json_append_value(json, column, value);
	}
	appendStringInfoChar(json, '}');
}

/* Show the row of a group, if that can be done. */
static void
readback_show(ReadbackGroup *group, ReadbackRow *row, MemoryContext context)
{
	StringInfoData json;
	EventFault	fault;

	initStringInfo(&json);
	/* SPI's memory goes with the query, so what a group keeps is copied. */
	if (event_try(readback_render, &json, row, row->view->shape.contained, GS_NOTIFY_LIMIT, &fault))
	{
		group->state = READBACK_ROW;
		group->row = MemoryContextStrdup(context, json.data);
	}
	else if (fault.too_long)
		group->state = READBACK_LONG;
	else
	{
		group->state = READBACK_UNREAD;
		group->fault =
			(AttemptFault){fault.sqlerrcode, MemoryContextStrdup(context, fault.message), false};
	}
	pfree(json.data);
}

/*
 * The keys as the row shows them, which need not be those of the delta: 1.0 and 1.00 are one group.
 */
static void
readback_keys(const ReadbackSet *set, HeapTuple tuple, TupleDesc desc, ReadbackGroup *group,
			  MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	group->keys = palloc(sizeof(NullableDatum) * Max(set->nkeys, 1));
	for (int i = 0; i < set->nkeys; i++)
	{
		Form_pg_attribute key = TupleDescAttr(set->desc, i);
		NullableDatum *shown = &group->keys[i];

		shown->value = heap_getattr(tuple, set->columns[i] + 1, desc, &shown->isnull);
		if (!shown->isnull)
			shown->value = datumCopy(shown->value, key->attbyval, key->attlen);
	}
	MemoryContextSwitchTo(old);
}

static void
readback_query_set(const Readback *readback, ReadbackSet *set)
{
	Datum		parameters[READBACK_KEYS];
	SPIPlanPtr	plan = readback_plan(readback->rollup, set);
	EventRelation *view;

	/* Without a query there is no row: the groups stay as the attempt has begun with them. */
	if (plan == NULL)
		return;
	readback_bind(set, readback->groups, parameters);
	/*
	 * Not read-only: under a snapshot that is newer than the locks. A table that was written anew
	 * while we waited for it, as ALTER TABLE and REPACK (CONCURRENTLY) do, is empty for an older
	 * one, and no event would follow.
	 */
	if (SPI_execute_plan(plan, parameters, NULL, false, set->nmembers) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_plan failed");
	/* what the view's functions have set is not for showing rows */
	json_pin_settings();
	view = event_relation_by_oid(readback->rollup);
	if (view == NULL || view->desc->natts + 1 != SPI_tuptable->tupdesc->natts)
		return;
	/* A group that the view does not show is in no row here, and its state stays. */
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		int64		n = DatumGetInt64(heap_getattr(tuple, 1, desc, &isnull));
		ReadbackGroup *group = &readback->groups[set->members[n - 1]];

		readback_show(group, &(ReadbackRow) {view, tuple, desc}, readback->context);
		readback_keys(set, tuple, desc, group, readback->context);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Gather the groups that have the same keys NULL as the first one not done yet. */
static void
readback_next_set(ReadbackSet *set, int n, const ReadbackGroup *groups, bool *done)
{
	set->nmembers = 0;
	for (int g = 0; g < n; g++)
	{
		bool		same = true;

		if (done[g] || (set->single && set->nmembers > 0))
			continue;
		for (int i = 0; i < set->nkeys; i++)
		{
			bool		isnull = heap_attisnull(groups[g].tuple, i + 1, set->desc);

			/* The first member says which keys are NULL, and the others have to agree. */
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

/*
 * Whether there is a key of an array's or a row's type: there are no arrays of arrays, and of rows
 * unnest gives the columns.
 */
static bool
has_single_key(TupleDesc desc, int nkeys)
{
	for (int i = 0; i < nkeys; i++)
	{
		Oid			type = TupleDescAttr(desc, i)->atttypid;

		if (!OidIsValid(get_array_type(type)) || type_is_rowtype(type))
			return true;
	}
	return false;
}

/* Read the groups of the attempt. */
static void
readback_all(const Readback *readback)
{
	EventRelation *state = event_relation_by_oid(readback->partials);
	bool	   *done = palloc0(sizeof(bool) * readback->n);
	ReadbackSet set = {.nkeys = readback->nkeys};

	set.columns = readback_columns(readback->rollup, readback->nkeys);
	/* The rollup is gone, or its partials are another's: no group has a row. */
	if (set.columns == NULL || state == NULL || state->subject != readback->rollup)
		return;
	/* The entry may be made anew while the query runs, so the columns are copied. */
	set.desc = CreateTupleDescCopy(state->desc);
	set.single = has_single_key(set.desc, set.nkeys);
	set.null_keys = palloc0(sizeof(bool) * Max(set.nkeys, 1));
	set.members = palloc(sizeof(int) * readback->n);

	/* After an error, the subtransaction's abort disconnects, and frees SPI's memory. */
	SPI_connect();
	do
	{
		readback_next_set(&set, readback->n, readback->groups, done);
		if (set.nmembers > 0)
			readback_query_set(readback, &set);
	} while (set.nmembers > 0);
	SPI_finish();
}

/* The work of an attempt. */
static void
readback_try(void *argument)
{
	Readback   *readback = argument;
	Relation	view = try_relation_open(readback->rollup, AccessShareLock);

	/* An earlier attempt may have filled some of these before it failed, so all begin anew. */
	for (int i = 0; i < readback->n; i++)
	{
		readback->groups[i].state = READBACK_NO_ROW;
		readback->groups[i].row = NULL;
		readback->groups[i].keys = NULL;
	}

	/*
	 * The lock keeps the view as it is while rows are read. Whoever holds it exclusively is waited
	 * for up to lock_timeout; an error gives it free.
	 */
	if (view == NULL)
		return;
	readback_all(readback);
	relation_close(view, AccessShareLock);
}

static void
readback_give_up(ReadbackGroup *groups, int n, const AttemptFault *fault)
{
	for (int i = 0; i < n; i++)
	{
		groups[i].state = READBACK_UNREAD;
		groups[i].row = NULL;
		groups[i].keys = NULL;
		groups[i].fault = *fault;
	}
}

/*
 * Read some groups, in halves where they fail together. What is hopeless stays so for those that
 * follow.
 */
static void
readback_range(Readback *readback, ReadbackGroup *groups, int n, AttemptFault *fault)
{
	/* The fault is still the one that has made the rest hopeless. */
	if (readback->hopeless)
	{
		readback_give_up(groups, n, fault);
		return;
	}
	readback->groups = groups;
	readback->n = n;
	if (attempt_as_owner(&readback->attempt, readback_try, readback, fault))
	{
		readback->successes++;
		return;
	}
	/* a lock is one of the whole rollup */
	readback->hopeless = fault->late || fault->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;

	/*
	 * Halves find a group that fails among many that do not in few attempts, and all of them share
	 * one limit of time.
	 */
	if (n > 1 && !readback->hopeless)
	{
		readback_range(readback, groups, n / 2, fault);
		readback_range(readback, groups + n / 2, n - n / 2, fault);
		return;
	}
	readback_give_up(groups, n, fault);

	/*
	 * Groups that fail one after the other, with none that succeeds, tell of the query rather than
	 * of a group.
	 */
	if (++readback->failures >= HOPELESS_GROUPS && readback->successes == 0)
		readback->hopeless = true;
}

void
readback_rows(SharedDatabase *place, Oid rollup, Oid partials, int nkeys, int n,
			  ReadbackGroup *groups)
{
	TimestampTz now = GetCurrentTimestamp();
	Readback readback = {.attempt = {place, PAUSE_READING, rollup, catalog_owner(rollup),
									 TimestampTzPlusMilliseconds(now, settings_worker_timeout)},
						 .rollup = rollup,
						 .partials = partials,
						 .nkeys = nkeys,
						 .context = CurrentMemoryContext};
	AttemptFault fault = {.message = "rows of this rollup are not read for a while"};

	/*
	 * The pause is in shared memory: the publisher that has entered it may have been ended by the
	 * limit.
	 */
	if (pause_is_on(place, PAUSE_READING, rollup, &fault.sqlerrcode))
	{
		fault.late = fault.sqlerrcode == ERRCODE_QUERY_CANCELED;
		readback_give_up(groups, n, &fault);
		return;
	}
	readback_range(&readback, groups, n, &fault);
	/* Whatever was not hopeless makes the rollup's next pause a short one. */
	if (readback.hopeless)
		pause_begin(place, PAUSE_READING, rollup, now, fault.sqlerrcode);
	else
		pause_forget(place, PAUSE_READING, rollup);
}
