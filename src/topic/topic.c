/*
 * topic.c: takes a table or rollup and makes a topic of it: a row of the table topic. Tells every
 * backend and decoder through the relation cache. Publishes nothing itself.
 */
#include "topic/topic.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/argument.h"
#include "base/catalog.h"
#include "base/settings.h"
#include "base/shared.h"

#define CHANNEL_PREFIX "gymstream:"

PG_FUNCTION_INFO_V1(gs_create_topic);
PG_FUNCTION_INFO_V1(gs_drop_topic);
PG_FUNCTION_INFO_V1(gs_topic_restored);
PG_FUNCTION_INFO_V1(gs_topics_changed);

/* ---- look-up ---- */

/*
 * Anyone may listen, so rows under row-level security are never sent, also where it was enabled
 * after create_topic.
 */
static bool
has_row_security(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	bool enabled = HeapTupleIsValid(tuple) && ((Form_pg_class) GETSTRUCT(tuple))->relrowsecurity;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return enabled;
}

bool
topic_lookup(Oid relation, Topic *topic)
{
	Relation	catalog = catalog_open(CATALOG_TOPIC, AccessShareLock);
	HeapTuple	tuple;
	bool		isnull;

	if (catalog == NULL)
		return false;
	tuple = catalog_find_topic(catalog, relation);
	if (HeapTupleIsValid(tuple))
	{
		Datum channel = heap_getattr(tuple, TOPIC_CHANNEL, RelationGetDescr(catalog), &isnull);
		Datum		notify = heap_getattr(tuple, TOPIC_NOTIFY, RelationGetDescr(catalog), &isnull);

		topic->relation = relation;
		strlcpy(topic->channel, TextDatumGetCString(channel), sizeof(topic->channel));
		topic->notify =
			strcmp(TextDatumGetCString(notify), "row") == 0 && !has_row_security(relation) ?
				TOPIC_NOTIFY_ROW :
				TOPIC_NOTIFY_POSITION;
	}
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

/* ---- what can be published ---- */

static void
refuse(Relation rel, int code, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(code),
			 errmsg("cannot create a topic on \"%s\"", RelationGetRelationName(rel)),
			 errdetail("%s", detail),
			 hint ? errhint("%s", hint) : 0));
}

static void
check_table(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);

	if (relid < FirstNormalObjectId)
		refuse(rel, ERRCODE_WRONG_OBJECT_TYPE, "It is a system table.", NULL);
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		refuse(rel, ERRCODE_WRONG_OBJECT_TYPE,
			   "It is temporary: its changes are not in the write-ahead log.", NULL);
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED)
		refuse(rel, ERRCODE_WRONG_OBJECT_TYPE,
			   "It is unlogged: its changes are not in the write-ahead log.",
			   "Make it a logged one with ALTER TABLE ... SET LOGGED.");
	if (catalog_is_schema(RelationGetNamespace(rel)))
		refuse(rel, ERRCODE_WRONG_OBJECT_TYPE, "It is one of gymstream's own tables.", NULL);
	if (OidIsValid(catalog_rollup(ROLLUP_PARTIALS, relid, ROLLUP_ROLLUP)))
		refuse(rel, ERRCODE_WRONG_OBJECT_TYPE, "It is the state of a rollup.",
			   "Create the topic on the rollup.");
}

static void
check_view(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);

	if (OidIsValid(catalog_rollup(ROLLUP_ROLLUP, relid, ROLLUP_ROLLUP)))
		return;
	if (OidIsValid(catalog_rollup(ROLLUP_DEFINITION, relid, ROLLUP_ROLLUP)))
		refuse(rel, ERRCODE_WRONG_OBJECT_TYPE, "It is the definition of a rollup.",
			   "Create the topic on the rollup.");
	refuse(rel, ERRCODE_WRONG_OBJECT_TYPE, "It is a view and no rollup.",
		   "Create a rollup with gymstream.create_rollup, or topics on the tables that the view "
		   "reads.");
}

static void
check_relation(Relation rel, TopicNotify notify)
{
	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
			check_table(rel);
			break;
		case RELKIND_VIEW:
			check_view(rel);
			break;
		case RELKIND_PARTITIONED_TABLE:
			refuse(rel, ERRCODE_FEATURE_NOT_SUPPORTED,
				   "Topics on partitioned tables are not supported yet.",
				   "Create a topic on each of its partitions.");
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("cannot create a topic on \"%s\"", RelationGetRelationName(rel)),
					 errdetail_relkind_not_supported(rel->rd_rel->relkind)));
	}
	if (notify == TOPIC_NOTIFY_ROW && has_row_security(RelationGetRelid(rel)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot send the rows of \"%s\" to everybody who listens",
						RelationGetRelationName(rel)),
				 errdetail("Row-level security is enabled on it, and anyone may listen on any "
						   "channel."),
				 errhint("Use notify => 'position'.")));
}

static void
check_server(void)
{
	if (!settings_is_preloaded())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("gymstream is not in \"shared_preload_libraries\""),
				 errdetail("Topics are published by background workers, which are started with the "
						   "server."),
				 errhint("Add gymstream to \"shared_preload_libraries\" and restart the server.")));
	if (!gs_can_decode())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"wal_level\" is too low for topics"),
				 errdetail("Topics are published from the write-ahead log by logical decoding."),
				 errhint("Set \"wal_level\" to \"logical\" and restart the server.")));
}

static void
check_owner(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (!gs_owns_relation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(relid)), name);
}

/* ---- writing ---- */

static Relation
catalog_open_for_write(void)
{
	/* one writer at a time: a channel's name is then free or taken for sure */
	Relation	catalog = catalog_open(CATALOG_TOPIC, ShareRowExclusiveLock);

	if (catalog == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" is not installed", GS_SCHEMA)));
	return catalog;
}

/*
 * Whoever caches whether this relation is published looks again, a decoder at this transaction's
 * place in the log.
 */
static void
invalidate(Oid relation)
{
	Oid			partials = catalog_rollup(ROLLUP_ROLLUP, relation, ROLLUP_PARTIALS);

	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)))
		CacheInvalidateRelcacheByRelid(relation);
	if (OidIsValid(partials) && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(partials)))
		CacheInvalidateRelcacheByRelid(partials);
}

/*
 * The channel's name: the topic's, or by OID where that is too long for LISTEN or was taken before
 * a rename.
 */
static char *
choose_channel(Relation catalog, Oid relation)
{
	char	   *channel = psprintf(CHANNEL_PREFIX "%s", topic_name(relation));

	if (strlen(channel) >= NAMEDATALEN ||
		HeapTupleIsValid(catalog_find(catalog, TOPIC_CHANNEL, CStringGetTextDatum(channel))))
		channel = psprintf(CHANNEL_PREFIX "%u", relation);
	return channel;
}

static TopicNotify
notify_from_text(FunctionCallInfo fcinfo, int argument)
{
	char *notify = PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));

	if (notify != NULL && strcmp(notify, "position") == 0)
		return TOPIC_NOTIFY_POSITION;
	if (notify != NULL && strcmp(notify, "row") == 0)
		return TOPIC_NOTIFY_ROW;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 notify ? errmsg("invalid value \"%s\" for notify", notify) :
					  errmsg("notify must not be null"),
			 errhint("Use 'position' to send topic and position only, or 'row' to send the whole "
					 "event.")));
	return TOPIC_NOTIFY_POSITION;
}

static Oid
relation_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation must not be null")));
	return PG_GETARG_OID(0);
}

static const char *
notify_name(TopicNotify notify)
{
	return notify == TOPIC_NOTIFY_ROW ? "row" : "position";
}

/* Put a new topic into the catalog; returns its channel. */
static char *
insert_topic(Relation catalog, Relation rel, TopicNotify notify)
{
	Oid			relid = RelationGetRelid(rel);
	char	   *channel = choose_channel(catalog, relid);
	Datum		values[TOPIC_NATTS];
	bool		nulls[TOPIC_NATTS] = {false};

	if (!shared_prepare_decoder())
		ereport(NOTICE,
				(errmsg("changes of \"%s\" will be published once gymstream's workers are ready",
						RelationGetRelationName(rel)),
				 errhint("See the view gymstream.status.")));
	values[TOPIC_RELATION - 1] = ObjectIdGetDatum(relid);
	values[TOPIC_CHANNEL - 1] = CStringGetTextDatum(channel);
	values[TOPIC_NOTIFY - 1] = CStringGetTextDatum(notify_name(notify));
	values[TOPIC_CREATED - 1] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	CatalogTupleInsert(catalog, heap_form_tuple(RelationGetDescr(catalog), values, nulls));
	return channel;
}

static char *
topic_text(Relation catalog, HeapTuple tuple, AttrNumber column)
{
	bool		isnull;

	return TextDatumGetCString(heap_getattr(tuple, column, RelationGetDescr(catalog), &isnull));
}

/* Let an existing topic tell this much from now on. */
static void
update_topic(Relation catalog, HeapTuple tuple, TopicNotify notify)
{
	Datum		values[TOPIC_NATTS] = {0};
	bool		nulls[TOPIC_NATTS] = {false};
	bool		replace[TOPIC_NATTS] = {false};

	if (strcmp(topic_text(catalog, tuple, TOPIC_NOTIFY), notify_name(notify)) == 0)
		return;
	values[TOPIC_NOTIFY - 1] = CStringGetTextDatum(notify_name(notify));
	replace[TOPIC_NOTIFY - 1] = true;
	CatalogTupleUpdate(catalog, &tuple->t_self,
					   heap_modify_tuple(tuple, RelationGetDescr(catalog), values, nulls, replace));
}

/*
 * create_topic(relation regclass, notify text, if_not_exists boolean) returns text: the channel
 *
 * For the relation's owner, who needs no right on the table topic. A topic that is there is told
 * what to notify, or left alone with if_not_exists. Locks the relation against DROP and the table
 * topic against other writers until commit.
 */
Datum
gs_create_topic(PG_FUNCTION_ARGS)
{
	Oid			relid = relation_argument(fcinfo);
	TopicNotify notify = notify_from_text(fcinfo, 1);
	bool		if_not_exists = argument_switch(fcinfo, 2, "if_not_exists");
	Relation	rel;
	Relation	catalog;
	HeapTuple	tuple;
	char	   *channel;

	argument_writes("gymstream.create_topic");
	check_owner(relid);
	rel = try_relation_open(relid, AccessShareLock);
	/* Whoever had it locked may have dropped it, or given it to somebody else. */
	check_owner(relid);
	check_relation(rel, notify);
	check_server();

	catalog = catalog_open_for_write();
	tuple = catalog_find_topic(catalog, relid);
	channel = HeapTupleIsValid(tuple) ? topic_text(catalog, tuple, TOPIC_CHANNEL) :
										insert_topic(catalog, rel, notify);
	if (HeapTupleIsValid(tuple) && if_not_exists)
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("\"%s\" has a topic already, skipping", RelationGetRelationName(rel))));
	else if (HeapTupleIsValid(tuple))
		update_topic(catalog, tuple, notify);
	invalidate(relid);
	CommandCounterIncrement();
	shared_poke_at_commit();

	table_close(catalog, NoLock);
	relation_close(rel, NoLock);
	PG_RETURN_TEXT_P(cstring_to_text(channel));
}

bool
topic_delete(Oid relation)
{
	Relation	catalog;
	HeapTuple	tuple;

	/* most relations that are dropped have none: no strong lock for those */
	if (!catalog_has_topic(relation))
		return false;
	catalog = catalog_open_for_write();
	tuple = catalog_find_topic(catalog, relation);
	if (HeapTupleIsValid(tuple))
	{
		CatalogTupleDelete(catalog, &tuple->t_self);
		invalidate(relation);
		CommandCounterIncrement();
		shared_poke_at_commit();
	}
	table_close(catalog, NoLock);
	return HeapTupleIsValid(tuple);
}

bool
topic_set_notify(Oid relation, TopicNotify notify)
{
	Relation	catalog = catalog_open_for_write();
	HeapTuple	tuple = catalog_find_topic(catalog, relation);

	if (HeapTupleIsValid(tuple))
	{
		update_topic(catalog, tuple, notify);
		invalidate(relation);
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
	Oid			relid = relation_argument(fcinfo);

	argument_writes("gymstream.drop_topic");
	/*
	 * of what was dropped while the event triggers were off, nobody but a superuser is left to say
	 * so
	 */
	if (get_rel_name(relid) || !superuser())
		check_owner(relid);
	if (!topic_delete(relid))
	{
		check_owner(relid);
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
