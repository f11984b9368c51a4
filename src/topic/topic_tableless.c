/*
 * topic_tableless.c: takes an event that is not of any table and writes it to the log, for whoever
 * has a topic for such events. Waits for nobody.
 *
 * Such a topic is a table all the same, which never has a row: so it has a name, a schema, an owner
 * and privileges, and goes along in a dump. A trigger before each insert publishes the row and
 * lets the insert come to nothing. INSERT, COPY and publish_event do the same thing.
 */
#include "topic/topic.h"

#include "access/detoast.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "base/argument.h"
#include "base/catalog.h"
#include "base/invalidation.h"
#include "topic/row_message.h"

#define KEY_SIZE 8000			/* the longest key */
#define EVENT_SIZE (256 * 1024 * 1024)	/* the longest event; a jsonb has no more either */

PG_FUNCTION_INFO_V1(gs_publish_event);
PG_FUNCTION_INFO_V1(gs_publish_row);

bool
topic_is_tableless(Relation rel)
{
	Oid			function;

	if (rel->trigdesc == NULL || !rel->trigdesc->trig_insert_before_row)
		return false;
	function = catalog_function("publish_row");
	for (int i = 0; i < rel->trigdesc->numtriggers; i++)
		if (rel->trigdesc->triggers[i].tgfoid == function && OidIsValid(function))
			return true;
	return false;
}

/* -----------------------------------------------------------------------------------------------
 * Which tables have a topic, as this backend knows it
 * ---------------------------------------------------------------------------------------------*/

typedef struct Published
{
	Oid			relation;		/* hash key */
	bool		known;			/* has_topic is */
	bool		has_topic;
} Published;

static HTAB *published_relations = NULL;

/* what was invalidated while the catalog is read is not kept */
static uint64 invalidation_count = 0;

static void
mark_unknown(void *entry)
{
	((Published *) entry)->known = false;
}

static void
published_invalidated(Datum arg, Oid relation)
{
	invalidation_count++;
	invalidation_forget(published_relations, relation, mark_unknown);
}

static bool
has_topic(Oid relation)
{
	HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(Published)};
	Published  *entry;
	uint64		before;
	bool		found;

	/* It lives as long as the backend, since callbacks cannot be taken back. */
	if (published_relations == NULL)
	{
		published_relations =
			hash_create("gymstream published relations", 16, &control, HASH_ELEM | HASH_BLOBS);
		invalidation_watch(published_invalidated);
	}
	entry = hash_search(published_relations, &relation, HASH_FIND, &found);
	if (found && entry->known)
		return entry->has_topic;
	/* The entry is made last: the look-up may fail. */
	before = invalidation_count;
	found = catalog_has_topic(relation);
	entry = hash_search(published_relations, &relation, HASH_ENTER, NULL);
	entry->has_topic = found;
	entry->known = before == invalidation_count;
	return found;
}

/* -----------------------------------------------------------------------------------------------
 * Publishing
 * ---------------------------------------------------------------------------------------------*/

/* An event that nobody could ever read is an error of whoever publishes it. */
static void
check_published(Relation rel)
{
	const char *name = RelationGetRelationName(rel);

	topic_check_server();
	if (!has_topic(RelationGetRelid(rel)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" has no topic", name),
				 errdetail("It is the table of a topic that was dropped, and keeps no rows."),
				 errhint("Run gymstream.create_topic for it, or drop the table.")));
	/* From PostgreSQL 19 on the first topic turns this on, some time after it was created. */
	if (!XLogLogicalInfoActive())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("events cannot be published yet"),
				 errdetail("gymstream's workers have not begun to decode the write-ahead log."),
				 errhint("Try again in a moment, and see the view gymstream.status.")));
	/* The policies for an insert would be asked only once there is a row. */
	if (check_enable_rls(RelationGetRelid(rel), InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot publish events to \"%s\"", name),
				 errdetail("Row-level security is enabled on it, and its policies cannot be "
						   "applied to events."),
				 errhint("Disable it, and let privileges say who may publish.")));
}

/* The column of this name and type; InvalidAttrNumber where there is none. */
static AttrNumber
column_of(Relation rel, const char *name, Oid type)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && attribute->atttypid == type &&
			strcmp(NameStr(attribute->attname), name) == 0)
			return attribute->attnum;
	}
	return InvalidAttrNumber;
}

static void
check_size(Relation rel, HeapTuple row)
{
	AttrNumber	column = column_of(rel, "key", TEXTOID);
	bool		isnull = true;
	Datum		key = (Datum) 0;

	if (column != InvalidAttrNumber)
		key = heap_getattr(row, column, RelationGetDescr(rel), &isnull);
	if (!isnull && toast_raw_datum_size(key) > KEY_SIZE + VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the key of an event is too long"),
				 errdetail("It has %zu bytes, and at most %d are possible.",
						   toast_raw_datum_size(key) - VARHDRSZ, KEY_SIZE)));
	if (row->t_len > EVENT_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("an event is too long"),
				 errdetail("It has %u bytes, and at most %d are possible.", row->t_len,
						   EVENT_SIZE)));
}

static void
publish(Relation rel, HeapTuple row)
{
	TupleDesc	desc = RelationGetDescr(rel);

	argument_writes("gymstream.publish_event");
	check_published(rel);
	/* A value that is stored in some table may be gone when the log is read. */
	if (HeapTupleHasExternal(row))
		row = toast_flatten_tuple(row, desc);
	check_size(rel, row);
	row_message_write(RelationGetRelid(rel), desc, row);
}

/* publish_row(): trigger before each insert into the table of a topic of no table */
Datum
gs_publish_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger before each insert",
						GS_INTERNAL ".publish_row")));
	publish(trigger->tg_relation, trigger->tg_trigtuple);
	return PointerGetDatum(NULL);
}

/* The columns that publish_event fills, in the order of its arguments. */
static const struct
{
	const char *name;
	Oid			type;
}			event_columns[] = {{"key", TEXTOID}, {"value", JSONBOID}, {"headers", JSONBOID}};

/* INSERT on the table, or on these columns of it. */
static void
check_right(Relation rel, const AttrNumber *columns)
{
	Oid			relid = RelationGetRelid(rel);
	bool		all = true;

	if (pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) == ACLCHECK_OK)
		return;
	for (int i = 0; i < lengthof(event_columns); i++)
		all = all &&
			pg_attribute_aclcheck(relid, columns[i], GetUserId(), ACL_INSERT) == ACLCHECK_OK;
	if (!all)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(rel));
}

static void
find_columns(Relation rel, AttrNumber *columns)
{
	if (!topic_is_tableless(rel))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a topic of no table", RelationGetRelationName(rel)),
				 errdetail("Its events are what is done to its rows."),
				 errhint("Make a topic for events of their own with "
						 "gymstream.create_event_topic.")));
	for (int i = 0; i < lengthof(event_columns); i++)
	{
		columns[i] = column_of(rel, event_columns[i].name, event_columns[i].type);
		if (columns[i] == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("\"%s\" has no column \"%s\" of type %s", RelationGetRelationName(rel),
							event_columns[i].name, format_type_be(event_columns[i].type)),
					 errhint("Use INSERT to publish to a topic with columns of your own.")));
	}
}

static Relation
open_topic(FunctionCallInfo fcinfo)
{
	Relation	rel;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("topic must not be null")));
	/* the lock that an INSERT takes */
	rel = try_relation_open(PG_GETARG_OID(0), RowExclusiveLock);
	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", PG_GETARG_OID(0))));
	return rel;
}

/*
 * publish_event(topic regclass, key text, value jsonb, headers jsonb) returns void. For who may
 * insert into the topic's table. All but the topic may be null.
 */
Datum
gs_publish_event(PG_FUNCTION_ARGS)
{
	Relation	rel = open_topic(fcinfo);
	TupleDesc	desc = RelationGetDescr(rel);
	AttrNumber	columns[lengthof(event_columns)];
	Datum	   *values;
	bool	   *nulls;

	find_columns(rel, columns);
	check_right(rel, columns);
	values = palloc0(sizeof(Datum) * desc->natts);
	nulls = palloc(sizeof(bool) * desc->natts);
	memset(nulls, true, sizeof(bool) * desc->natts);
	for (int i = 0; i < lengthof(event_columns); i++)
		if (!PG_ARGISNULL(i + 1))
		{
			values[columns[i] - 1] = PG_GETARG_DATUM(i + 1);
			nulls[columns[i] - 1] = false;
		}
	publish(rel, heap_form_tuple(desc, values, nulls));
	/* The lock is kept until the transaction ends, as an INSERT keeps it. */
	relation_close(rel, NoLock);
	PG_RETURN_VOID();
}
