/*
 * group.c: takes a group's name and gives its definition and its topics, as they are committed now;
 * says who may use it. Also opens and writes the tables of groups for the other modules. Claims
 * nothing.
 */
#include "group/group.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"
#include "base/quiet.h"

/* ---- the tables ---- */

Relation
group_open(const char *table, LOCKMODE lock)
{
	Relation	relation = catalog_open(table, lock);

	if (relation == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" has no groups in this database", GS_SCHEMA),
				 errhint("Run CREATE EXTENSION gymstream, or ALTER EXTENSION gymstream UPDATE.")));
	return relation;
}

Oid
group_index(Relation table)
{
	List	   *indexes = RelationGetIndexList(table);
	Oid			index = indexes ? linitial_oid(indexes) : InvalidOid;

	list_free(indexes);
	return index;
}

void
group_insert(Relation table, const Datum *values, const bool *nulls)
{
	HeapTuple	tuple =
		heap_form_tuple(RelationGetDescr(table), unconstify(Datum *, values),
						unconstify(bool *, nulls));

	quiet_change(table, NULL, tuple);
	heap_freetuple(tuple);
}

void
group_update(Relation table, HeapTuple old, HeapTuple new)
{
	quiet_change(table, &old->t_self, new);
}

void
group_delete(Relation table, ItemPointer row)
{
	quiet_change(table, row, NULL);
}

/* ---- definitions ---- */

static GroupReset
reset_from_text(const char *text)
{
	return strcmp(text, "latest") == 0 ? GROUP_RESET_LATEST :
		   strcmp(text, "error") == 0  ? GROUP_RESET_ERROR :
										 GROUP_RESET_EARLIEST;
}

static void
read_definition(HeapTuple tuple, TupleDesc desc, ConsumerGroup *group)
{
	Datum		values[DEFINITION_NATTS];
	bool		nulls[DEFINITION_NATTS];

	/* No column may be null. */
	heap_deform_tuple(tuple, desc, values, nulls);
	group->id = DatumGetInt32(values[DEFINITION_ID - 1]);
	strlcpy(group->name, TextDatumGetCString(values[DEFINITION_NAME - 1]), NAMEDATALEN);
	group->owner = DatumGetObjectId(values[DEFINITION_OWNER - 1]);
	group->partitions = DatumGetInt32(values[DEFINITION_PARTITIONS - 1]);
	group->generation = DatumGetInt32(values[DEFINITION_GENERATION - 1]);
	group->paused = DatumGetBool(values[DEFINITION_PAUSED - 1]);
	group->max_attempts = DatumGetInt32(values[DEFINITION_MAX_ATTEMPTS - 1]);
	group->retry_ms = DatumGetInt64(values[DEFINITION_RETRY_MS - 1]);
	group->takeover_ms = DatumGetInt64(values[DEFINITION_TAKEOVER_MS - 1]);
	group->reset = reset_from_text(TextDatumGetCString(values[DEFINITION_RESET - 1]));
	group->start_latest =
		strcmp(TextDatumGetCString(values[DEFINITION_START - 1]), "latest") == 0;
}

static bool
find_definition(AttrNumber column, Datum key, ConsumerGroup *group)
{
	Relation	table = group_open(CATALOG_GROUP_DEFINITION, AccessShareLock);
	RegProcedure equal = column == DEFINITION_NAME ? F_TEXTEQ : F_INT4EQ;
	ScanKeyData scan_key;
	bool		found = false;

	ScanKeyInit(&scan_key, column, BTEqualStrategyNumber, equal, key);
	scan_key.sk_collation = TupleDescAttr(RelationGetDescr(table), column - 1)->attcollation;
	/*
	 * SnapshotSelf may see neither version of a row that is being updated: the old one when its
	 * successor has just been committed, the new one before. A second look finds it.
	 */
	for (int look = 0; look < 2 && !found; look++)
	{
		/* Groups are few: their table is read from end to end. */
		SysScanDesc scan =
			systable_beginscan(table, InvalidOid, false, SnapshotSelf, 1, &scan_key);
		HeapTuple	tuple = systable_getnext(scan);

		found = HeapTupleIsValid(tuple);
		if (found)
			read_definition(tuple, RelationGetDescr(table), group);
		systable_endscan(scan);
	}
	table_close(table, AccessShareLock);
	return found;
}

bool
group_lookup(const char *name, ConsumerGroup *group)
{
	return find_definition(DEFINITION_NAME, CStringGetTextDatum(name), group);
}

bool
group_lookup_id(int32 id, ConsumerGroup *group)
{
	return find_definition(DEFINITION_ID, Int32GetDatum(id), group);
}

void
group_argument(FunctionCallInfo fcinfo, int argument, ConsumerGroup *group)
{
	char	   *name;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("group_name must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	if (!group_lookup(name, group))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("group \"%s\" does not exist", name),
				 errhint("The view gymstream.groups lists all groups.")));
	if (!has_privs_of_role(GetUserId(), group->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for group \"%s\"", name),
				 errhint("Ask for membership in the role that owns the group.")));
}

void
group_change(const ConsumerGroup *group, const Datum *values, const bool *replace)
{
	Relation	table = group_open(CATALOG_GROUP_DEFINITION, RowExclusiveLock);
	bool		nulls[DEFINITION_NATTS] = {false};
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, DEFINITION_ID, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(group->id));
	scan = systable_beginscan(table, InvalidOid, false, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		HeapTuple	changed =
			heap_modify_tuple(tuple, RelationGetDescr(table), unconstify(Datum *, values), nulls,
							  unconstify(bool *, replace));

		group_update(table, tuple, changed);
	}
	systable_endscan(scan);
	table_close(table, NoLock);
	CommandCounterIncrement();
}

int64
group_interval_ms(const Interval *interval)
{
	double		days = interval->month * (double) DAYS_PER_MONTH + interval->day;
	double		ms = days * SECS_PER_DAY * 1000.0 + interval->time / 1000.0;

	return ms < -1.0e15 ? INT64CONST(-1000000000000000) :
		ms > 1.0e15		? INT64CONST(1000000000000000) :
						  (int64) ms;
}

/* ---- topics ---- */

/* When the topic was made, and 0 where there is none. */
static TimestampTz
topic_created(Oid topic)
{
	Relation	catalog = catalog_open(CATALOG_TOPIC, AccessShareLock);
	HeapTuple	tuple = catalog ? catalog_find_topic(catalog, topic) : NULL;
	TimestampTz created = 0;
	bool		isnull;

	if (HeapTupleIsValid(tuple))
		created = DatumGetTimestampTz(
			heap_getattr(tuple, TOPIC_CREATED, RelationGetDescr(catalog), &isnull));
	if (catalog)
		table_close(catalog, AccessShareLock);
	return created;
}

static int
compare_numbers(const ListCell *a, const ListCell *b)
{
	return ((const GroupTopic *) lfirst(a))->number - ((const GroupTopic *) lfirst(b))->number;
}

List *
group_topics(const ConsumerGroup *group)
{
	Relation	table = group_open(CATALOG_GROUP_TOPIC, AccessShareLock);
	List	   *topics = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	ListCell   *cell;
	bool		isnull;

	ScanKeyInit(&key, MEMBER_GROUP, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(group->id));
	scan = systable_beginscan(table, group_index(table), true, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		GroupTopic *topic = palloc0(sizeof(GroupTopic));
		TupleDesc	desc = RelationGetDescr(table);

		topic->topic = DatumGetObjectId(heap_getattr(tuple, MEMBER_TOPIC, desc, &isnull));
		topic->number = DatumGetInt32(heap_getattr(tuple, MEMBER_NUMBER, desc, &isnull));
		topics = lappend(topics, topic);
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	foreach(cell, topics)
	{
		GroupTopic *topic = lfirst(cell);

		topic->created = topic_created(topic->topic);
	}
	list_sort(topics, compare_numbers);
	return topics;
}

const GroupTopic *
group_topic(const ConsumerGroup *group, Oid topic)
{
	const char *name = get_rel_name(topic);
	ListCell   *cell;

	foreach(cell, group_topics(group))
		if (((GroupTopic *) lfirst(cell))->topic == topic)
			return lfirst(cell);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("\"%s\" is no topic of group \"%s\"", name ? name : "?", group->name),
			 errhint("The view gymstream.groups lists the topics of each group.")));
	return NULL;
}
