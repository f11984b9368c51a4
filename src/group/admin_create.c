/*
 * admin_create.c: takes a name and topics and makes a group of them, with a bookmark for each
 * partition; or drops one with all that is stored of it.
 */
#include "group/admin.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/argument.h"
#include "base/catalog.h"
#include "group/ack.h"
#include "group/bookmark.h"
#include "group/cell.h"
#include "group/partition.h"
#include "log/log_read.h"

/* the arguments of create_group, in their order */
enum
{
	ARG_NAME,
	ARG_TOPICS,
	ARG_PARTITIONS,
	ARG_START,
	ARG_MAX_ATTEMPTS,
	ARG_RETRY_DELAY,
	ARG_TAKEOVER,
	ARG_RESET,
	ARG_IF_NOT_EXISTS
};

/* ---- arguments ---- */

static char *
name_argument(FunctionCallInfo fcinfo)
{
	char	   *name = PG_ARGISNULL(ARG_NAME) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(ARG_NAME));

	if (name == NULL || *name == '\0' || strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 name == NULL  ? errmsg("group_name must not be null") :
				 *name == '\0' ? errmsg("group_name must not be empty") :
								 errmsg("group_name is too long"),
				 errhint("Use a name of 1 to %d bytes.", NAMEDATALEN - 1)));
	return name;
}

static void
check_topic(Oid topic)
{
	const char *name = get_rel_name(topic);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", topic)));
	log_check_reader(topic, GetUserId());
	if (!catalog_has_topic(topic))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" has no topic", name),
				 errhint("Create it with gymstream.create_topic.")));
}

/* Each once. */
static List *
topics_argument(FunctionCallInfo fcinfo)
{
	ArrayType  *array = PG_ARGISNULL(ARG_TOPICS) ? NULL : PG_GETARG_ARRAYTYPE_P(ARG_TOPICS);
	List	   *topics = NIL;
	Datum	   *values = NULL;
	bool	   *nulls = NULL;
	int			count = 0;

	if (array)
		deconstruct_array(array, REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT, &values, &nulls,
						  &count);
	if (count < 1 || count > GROUP_MAX_TOPICS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a group must have 1 to %d topics", GROUP_MAX_TOPICS),
				 errhint("Pass tables and rollups that have topics, as in ARRAY['booking'].")));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("topics must not contain nulls")));
		check_topic(DatumGetObjectId(values[i]));
		topics = list_append_unique_oid(topics, DatumGetObjectId(values[i]));
	}
	return topics;
}

static void
check_nulls(FunctionCallInfo fcinfo)
{
	static const struct
	{
		int			argument;
		const char *name;
	}			all[] = {{ARG_PARTITIONS, "partitions"},
						 {ARG_MAX_ATTEMPTS, "max_attempts"},
						 {ARG_RETRY_DELAY, "retry_delay"},
						 {ARG_RESET, "reset"}};

	for (int i = 0; i < lengthof(all); i++)
		if (PG_ARGISNULL(all[i].argument))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not be null", all[i].name)));
}

/* ---- making one ---- */

/* One that nobody has: the caller keeps others from making groups. */
static int32
free_id(Relation table)
{
	SysScanDesc scan = systable_beginscan(table, InvalidOid, false, SnapshotSelf, 0, NULL);
	int32		last = 0;
	HeapTuple	tuple;
	bool		isnull;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		last = Max(last, DatumGetInt32(heap_getattr(tuple, DEFINITION_ID, RelationGetDescr(table),
													&isnull)));
	systable_endscan(scan);
	if (last == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("no number is left for another group")));
	return last + 1;
}

static void
insert_definition(FunctionCallInfo fcinfo, Relation table, ConsumerGroup *group, int topics,
				  const AdminTarget *start)
{
	Datum		values[DEFINITION_NATTS];
	bool		nulls[DEFINITION_NATTS] = {false};

	group->id = free_id(table);
	group->partitions = admin_partitions(PG_GETARG_INT32(ARG_PARTITIONS), topics);
	/* No group before had this number with this generation, lately. */
	group->generation = (int32) (GetCurrentTimestamp() & 0x3fffffff);
	values[DEFINITION_ID - 1] = Int32GetDatum(group->id);
	values[DEFINITION_NAME - 1] = CStringGetTextDatum(group->name);
	values[DEFINITION_OWNER - 1] = ObjectIdGetDatum(GetUserId());
	values[DEFINITION_PARTITIONS - 1] = Int32GetDatum(group->partitions);
	values[DEFINITION_GENERATION - 1] = Int32GetDatum(group->generation);
	values[DEFINITION_PAUSED - 1] = BoolGetDatum(false);
	values[DEFINITION_MAX_ATTEMPTS - 1] =
		Int32GetDatum(admin_max_attempts(PG_GETARG_INT32(ARG_MAX_ATTEMPTS)));
	values[DEFINITION_RETRY_MS - 1] =
		Int64GetDatum(admin_milliseconds(fcinfo, ARG_RETRY_DELAY, "retry_delay"));
	values[DEFINITION_TAKEOVER_MS - 1] = Int64GetDatum(
		PG_ARGISNULL(ARG_TAKEOVER) ? 0 : admin_milliseconds(fcinfo, ARG_TAKEOVER, "takeover"));
	values[DEFINITION_RESET - 1] = CStringGetTextDatum(admin_reset(fcinfo, ARG_RESET));
	values[DEFINITION_START - 1] =
		CStringGetTextDatum(start->kind == ADMIN_LATEST ? "latest" : "earliest");
	values[DEFINITION_CREATED - 1] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	group_insert(table, values, nulls);
}

static void
insert_topics(const ConsumerGroup *group, const List *topics)
{
	Relation	table = group_open(CATALOG_GROUP_TOPIC, RowExclusiveLock);
	bool		nulls[MEMBER_NATTS] = {false};
	ListCell   *cell;
	int			number = 0;

	foreach(cell, topics)
	{
		Datum		values[MEMBER_NATTS];

		values[MEMBER_GROUP - 1] = Int32GetDatum(group->id);
		values[MEMBER_TOPIC - 1] = ObjectIdGetDatum(lfirst_oid(cell));
		values[MEMBER_NUMBER - 1] = Int32GetDatum(++number);
		group_insert(table, values, nulls);
	}
	table_close(table, NoLock);
}

/* Each partition has a bookmark from the first. */
static void
insert_bookmarks(const ConsumerGroup *group, const AdminTarget *start)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ListCell   *cell;

	foreach(cell, group_topics(group))
	{
		const GroupTopic *topic = lfirst(cell);
		Bookmark	bookmark = {1, admin_offset(start, topic->topic, snapshot), topic->created};

		for (int i = 0; i < group->partitions; i++)
			bookmark_write(group->id, topic->topic, i, &bookmark);
	}
	UnregisterSnapshot(snapshot);
}

/*
 * create_group(group_name text, topics regclass[], partitions integer, start text, max_attempts
 * integer, retry_delay interval, takeover interval, reset text, if_not_exists boolean) returns void
 *
 * For whoever may read the topics, whose the group is then. Others who make groups wait until this
 * transaction ends.
 */
PG_FUNCTION_INFO_V1(gs_create_group);
Datum
gs_create_group(PG_FUNCTION_ARGS)
{
	char	   *name = name_argument(fcinfo);
	bool		if_not_exists = argument_switch(fcinfo, ARG_IF_NOT_EXISTS, "if_not_exists");
	AdminTarget start = admin_target(fcinfo, ARG_START, "start");
	List	   *topics;
	ConsumerGroup group;
	Relation	table;

	argument_writes("gymstream.create_group");
	cell_check();
	check_nulls(fcinfo);
	topics = topics_argument(fcinfo);
	if (start.kind == ADMIN_POSITION && list_length(topics) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a position says where to start in one topic only"),
				 errhint("Use a time, or make the group and run gymstream.seek_group for each "
						 "topic.")));
	partition_lock_creation();
	table = group_open(CATALOG_GROUP_DEFINITION, RowExclusiveLock);
	if (group_lookup(name, &group))
		ereport(if_not_exists ? NOTICE : ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 if_not_exists ? errmsg("group \"%s\" already exists, skipping", name) :
								 errmsg("group \"%s\" already exists", name)));
	else
	{
		strlcpy(group.name, name, NAMEDATALEN);
		insert_definition(fcinfo, table, &group, list_length(topics), &start);
		insert_topics(&group, topics);
		insert_bookmarks(&group, &start);
		CommandCounterIncrement();
	}
	table_close(table, NoLock);
	PG_RETURN_VOID();
}

/* ---- dropping one ---- */

/* The first column of each table of groups is the group's number. */
static void
delete_rows(const char *name, const ConsumerGroup *group)
{
	Relation	table = group_open(name, RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(group->id));
	scan = systable_beginscan(table, InvalidOid, false, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		group_delete(table, &tuple->t_self);
	systable_endscan(scan);
	table_close(table, NoLock);
}

/*
 * drop_group(group_name text, if_exists boolean) returns void. For members of its owner. Waits for
 * those who have polled and not committed.
 */
PG_FUNCTION_INFO_V1(gs_drop_group);
Datum
gs_drop_group(PG_FUNCTION_ARGS)
{
	static const char *const tables[] = {CATALOG_GROUP_EVENT, CATALOG_GROUP_LAYOUT,
										 CATALOG_GROUP_BOOKMARK,
										 CATALOG_GROUP_TOPIC, CATALOG_GROUP_DEFINITION};
	bool		if_exists = argument_switch(fcinfo, 1, "if_exists");
	ConsumerGroup group;

	if (if_exists && !PG_ARGISNULL(0) &&
		!group_lookup(text_to_cstring(PG_GETARG_TEXT_PP(0)), &group))
	{
		ereport(NOTICE,
				(errmsg("group \"%s\" does not exist, skipping",
						text_to_cstring(PG_GETARG_TEXT_PP(0)))));
		PG_RETURN_VOID();
	}
	argument_writes("gymstream.drop_group");
	(void) admin_begin(fcinfo, &group, true);
	for (int i = 0; i < lengthof(tables); i++)
		delete_rows(tables[i], &group);
	cell_forget(group.id);
	ack_changed_at_commit(group.id);
	CommandCounterIncrement();
	PG_RETURN_VOID();
}
