/*
 * topic.c: takes a table or rollup and gives what its topic is: a row of the table topic. Deletes
 * such rows, too. Tells every backend and decoder through the relation cache. Publishes nothing
 * itself.
 */
#include "topic/topic.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/argument.h"
#include "base/catalog.h"
#include "base/shared.h"

PG_FUNCTION_INFO_V1(gs_drop_topic);
PG_FUNCTION_INFO_V1(gs_topic_restored);
PG_FUNCTION_INFO_V1(gs_topics_changed);

/* ---- look-up ---- */

/*
 * Anyone may listen, so rows under row-level security are never sent, also where it was enabled
 * after create_topic.
 */
bool
topic_has_row_security(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	bool enabled = HeapTupleIsValid(tuple) && ((Form_pg_class) GETSTRUCT(tuple))->relrowsecurity;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return enabled;
}

static const char *const notify_names[] = {"position", "key", "row", "none"};

const char *
topic_notify_name(TopicNotify notify)
{
	return notify_names[notify];
}

bool
topic_notify_of(const char *name, TopicNotify *notify)
{
	for (int i = 0; i < lengthof(notify_names); i++)
		if (strcmp(name, notify_names[i]) == 0)
		{
			*notify = i;
			return true;
		}
	return false;
}

void
topic_read(HeapTuple tuple, TupleDesc desc, Topic *topic)
{
	static const Interval no_time = {0};
	bool		isnull;
	Datum		value;

	topic->relation = DatumGetObjectId(heap_getattr(tuple, TOPIC_RELATION, desc, &isnull));
	value = heap_getattr(tuple, TOPIC_CHANNEL, desc, &isnull);
	strlcpy(topic->channel, TextDatumGetCString(value), sizeof(topic->channel));
	topic->notify = TOPIC_NOTIFY_POSITION;
	value = heap_getattr(tuple, TOPIC_NOTIFY, desc, &isnull);
	(void) topic_notify_of(TextDatumGetCString(value), &topic->notify);
	topic->is_private = topic_has_row_security(topic->relation);
	if (topic->is_private && topic->notify != TOPIC_NOTIFY_NONE)
		topic->notify = TOPIC_NOTIFY_POSITION;
	topic->created = DatumGetTimestampTz(heap_getattr(tuple, TOPIC_CREATED, desc, &isnull));
	topic->retain = no_time;
	topic->retain_bytes = 0;
	/* version 0.1 kept nothing */
	if (desc->natts >= TOPIC_NATTS)
	{
		topic->retain =
			*DatumGetIntervalP(heap_getattr(tuple, TOPIC_RETAIN, desc, &isnull));
		value = heap_getattr(tuple, TOPIC_RETAIN_BYTES, desc, &isnull);
		topic->retain_bytes = isnull ? 0 : DatumGetInt64(value);
	}
	topic->stored = catalog_keeps(&topic->retain);
}

bool
topic_lookup(Oid relation, Topic *topic)
{
	Relation	catalog = catalog_open(CATALOG_TOPIC, AccessShareLock);
	HeapTuple	tuple;

	if (catalog == NULL)
		return false;
	tuple = catalog_find_topic(catalog, relation);
	if (HeapTupleIsValid(tuple))
		topic_read(tuple, RelationGetDescr(catalog), topic);
	table_close(catalog, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

char *
topic_name(Oid relation)
{
	char	   *name = get_rel_name(relation);
	char	   *schema = name ? get_namespace_name(get_rel_namespace(relation)) : NULL;
	bool		quote_all = quote_all_identifiers;
	char	   *result;

	if (schema == NULL)
		return NULL;
	/* the name must not depend on a session's setting */
	quote_all_identifiers = false;
	result = quote_qualified_identifier(schema, name);
	quote_all_identifiers = quote_all;
	return result;
}

/* ---- writing ---- */

Relation
topic_open_catalog(void)
{
	/* one writer at a time: a channel's name is then free or taken for sure */
	Relation	catalog = catalog_open(CATALOG_TOPIC, ShareRowExclusiveLock);

	if (catalog == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" is not installed", GS_SCHEMA)));
	return catalog;
}

void
topic_invalidate(Oid relation)
{
	Oid			partials = catalog_rollup(ROLLUP_ROLLUP, relation, ROLLUP_PARTIALS);

	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)))
		CacheInvalidateRelcacheByRelid(relation);
	if (OidIsValid(partials) && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(partials)))
		CacheInvalidateRelcacheByRelid(partials);
}

bool
topic_delete(Oid relation)
{
	Relation	catalog;
	HeapTuple	tuple;

	/* most relations that are dropped have none: no strong lock for those */
	if (!catalog_has_topic(relation))
		return false;
	catalog = topic_open_catalog();
	tuple = catalog_find_topic(catalog, relation);
	if (HeapTupleIsValid(tuple))
	{
		CatalogTupleDelete(catalog, &tuple->t_self);
		topic_invalidate(relation);
		CommandCounterIncrement();
		shared_poke_at_commit();
	}
	table_close(catalog, NoLock);
	return HeapTupleIsValid(tuple);
}

/* Let an existing topic tell this much from now on. */
bool
topic_set_notify(Oid relation, TopicNotify notify)
{
	Relation	catalog = topic_open_catalog();
	HeapTuple	tuple = catalog_find_topic(catalog, relation);
	Datum		values[TOPIC_NATTS] = {0};
	bool		nulls[TOPIC_NATTS] = {false};
	bool		replace[TOPIC_NATTS] = {false};

	if (HeapTupleIsValid(tuple))
	{
		values[TOPIC_NOTIFY - 1] = CStringGetTextDatum(topic_notify_name(notify));
		replace[TOPIC_NOTIFY - 1] = true;
		tuple = heap_modify_tuple(tuple, RelationGetDescr(catalog), values, nulls, replace);
		CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
		topic_invalidate(relation);
		CommandCounterIncrement();
	}
	table_close(catalog, NoLock);
	return HeapTupleIsValid(tuple);
}

/*
 * drop_topic(relation regclass) returns void. For the relation's owner; of one that is gone, for a
 * superuser.
 */
Datum
gs_drop_topic(PG_FUNCTION_ARGS)
{
	Oid			relid = topic_relation_argument(fcinfo);

	argument_writes("gymstream.drop_topic");
	/*
	 * of what was dropped while the event triggers were off, nobody but a superuser is left to say
	 * so
	 */
	if (get_rel_name(relid) || !superuser())
		topic_check_owner(relid);
	if (catalog_has_topic(relid) && topic_drop_tableless(relid))
		PG_RETURN_VOID();
	if (!topic_delete(relid))
	{
		topic_check_owner(relid);
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" has no topic", get_rel_name(relid))));
	}
	PG_RETURN_VOID();
}

/* Whoever may call the function may put it on a table of any columns. */
static bool
is_topics(Relation relation)
{
	Relation	catalog = catalog_open(CATALOG_TOPIC, AccessShareLock);
	bool		same = catalog && RelationGetRelid(catalog) == RelationGetRelid(relation);

	if (catalog)
		table_close(catalog, AccessShareLock);
	return same;
}

/*
 * topic_restored(): trigger before each row that SQL brings to the table of topics, as a restored
 * dump does. What there is already stays as it is.
 */
Datum
gs_topic_restored(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	Datum		relation,
				channel;
	bool		isnull[2];

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		!is_topics(trigger->tg_relation))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger before an insert into topics",
						GS_INTERNAL ".topic_restored")));
	/* what another server publishes is its own affair */
	if (IsLogicalWorker())
		return PointerGetDatum(NULL);
	desc = RelationGetDescr(trigger->tg_relation);
	relation = heap_getattr(trigger->tg_trigtuple, TOPIC_RELATION, desc, &isnull[0]);
	channel = heap_getattr(trigger->tg_trigtuple, TOPIC_CHANNEL, desc, &isnull[1]);
	if (!isnull[0] && !isnull[1] &&
		(catalog_find_topic(trigger->tg_relation, DatumGetObjectId(relation)) ||
		 catalog_find(trigger->tg_relation, TOPIC_CHANNEL, channel)))
		return PointerGetDatum(NULL);
	return PointerGetDatum(trigger->tg_trigtuple);
}

/*
 * topics_changed(): trigger on the table topic, which only a restored dump writes by SQL. Wakes the
 * workers.
 */
Datum
gs_topics_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger",
						"gymstream_internal.topics_changed")));
	shared_poke_at_commit();
	return PointerGetDatum(NULL);
}
