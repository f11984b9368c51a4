/*
 * log_read.c: takes a topic and a bookmark, from SQL, and gives events to whoever may select from
 * the relation. Writes nothing, so it works on standbys too.
 */
#include "log/log_read.h"

#include "catalog/objectaddress.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "log/log_error.h"
#include "log/log_scan.h"
#include "log/log_segment.h"
#include "log/log_table.h"
#include "topic/topic.h"

PG_FUNCTION_INFO_V1(gs_read_topic);
PG_FUNCTION_INFO_V1(gs_first_position);
PG_FUNCTION_INFO_V1(gs_last_position);
PG_FUNCTION_INFO_V1(gs_topic_position);
PG_FUNCTION_INFO_V1(gs_topic_log);

/* ---- who may ---- */

static void
check_rights(Oid topic, Oid user, const char *name)
{
	AclResult	result = pg_class_aclcheck(topic, user, ACL_SELECT);

	if (result != ACLCHECK_OK)
		result = pg_attribute_aclcheck_all(topic, user, ACL_SELECT, ACLMASK_ALL);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, get_relkind_objtype(get_rel_relkind(topic)), name);
	if (check_enable_rls(topic, user, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot read the events of \"%s\"", name),
				 errdetail("Its row-level security policies apply to you, and its events have all "
						   "rows."),
				 errhint("Have a role that bypasses row-level security read them.")));
}

void
log_check_reader(Oid topic, Oid user)
{
	char	   *name = get_rel_name(topic);
	Topic		found;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", topic)));
	check_rights(topic, user, name);
	if (!topic_lookup(topic, &found))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" has no topic", name),
				 errhint("Its owner can create one with gymstream.create_topic.")));
	if (!found.stored)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the topic of \"%s\" keeps no events", name),
				 errhint("Its owner can have them kept with gymstream.alter_topic, as with "
						 "retain => '1 day'.")));
}

/* The argument 0: a topic that the caller may read. */
static Oid
topic_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("topic must not be null")));
	log_check_reader(PG_GETARG_OID(0), GetUserId());
	return PG_GETARG_OID(0);
}

/* ---- reading ---- */

/* "insert", of an event that begins with {"action":"insert" as all do. */
static Datum
event_action(const LogEvent *event)
{
	static const char start[] = "{\"action\":\"";
	Size		length = sizeof(start) - 1;
	const char *end;

	if (event->size <= length || memcmp(event->body, start, length) != 0)
		return CStringGetTextDatum("?");
	end = memchr(event->body + length, '"', event->size - length);
	return PointerGetDatum(cstring_to_text_with_len(
		event->body + length, end ? end - event->body - length : event->size - length));
}

/* So deep a key is not taken apart: a reader's stack may be smaller than the writer's was. */
#define KEY_DEPTH 200

/*
 * Whether the type jsonb can hold a key that is valid JSON. It has no character 0, and in SQL_ASCII
 * none beyond ASCII. An error would keep the reader from all that follows.
 */
static bool
is_jsonb(const char *key, Size size)
{
	bool		ascii = GetDatabaseEncoding() == PG_SQL_ASCII;
	int			depth = 0;

	for (Size i = 0; i < size; i++)
	{
		if (key[i] == '{' || key[i] == '[')
			depth++;
		if (depth > KEY_DEPTH || (ascii && IS_HIGHBIT_SET(key[i])))
			return false;
		if (key[i] != '\\' || i + 5 >= size)
			continue;
		i++;
		/* four digits follow: 0000, or above 007f */
		if (key[i] == 'u' && (memcmp(key + i + 1, "0000", 4) == 0 ||
							  (ascii && (memcmp(key + i + 1, "00", 2) != 0 || key[i + 3] > '7'))))
			return false;
	}
	return true;
}

static void
put_event(ReturnSetInfo *result, const LogEvent *event)
{
	Position	position = {event->epoch, event->index, event->lsn, event->offset};
	Datum		values[5] = {PointerGetDatum(&position), event_action(event)};
	bool		nulls[5] = {false};

	nulls[2] = event->key == NULL || !is_jsonb(event->key, event->key_size);
	if (!nulls[2])
		values[2] = DirectFunctionCall1(
			jsonb_in, CStringGetDatum(pnstrdup(event->key, event->key_size)));
	values[3] = PointerGetDatum(cstring_to_text_with_len(event->body, event->size));
	values[4] = TimestampTzGetDatum(event->commit_time);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
read_events(ReturnSetInfo *result, Oid topic, int64 from, int64 max)
{
	LogScan    *scan = log_scan_begin(topic, from, GetActiveSnapshot());
	MemoryContext each =
		AllocSetContextCreate(CurrentMemoryContext, "gymstream event", ALLOCSET_DEFAULT_SIZES);
	LogEvent	event;

	while (max-- > 0 && log_scan_next(scan, &event))
	{
		MemoryContext old = MemoryContextSwitchTo(each);

		put_event(result, &event);
		MemoryContextSwitchTo(old);
		MemoryContextReset(each);
	}
	log_scan_end(scan);
	MemoryContextDelete(each);
}

/*
 * read_topic(topic regclass, after position, max_events integer) returns setof (position, action,
 * key jsonb, event json, commit_time)
 *
 * after null: from the first event that is kept; max_events null: all.
 */
Datum
gs_read_topic(PG_FUNCTION_ARGS)
{
	Oid			topic = topic_argument(fcinfo);
	int64		max = PG_ARGISNULL(2) ? PG_INT64_MAX : PG_GETARG_INT32(2);
	int64		from = 0;

	if (max < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_events must not be negative"),
				 errhint("Use null to read all events that there are.")));
	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(1))
		from = log_offset_after(topic, (Position *) PG_GETARG_POINTER(1), GetActiveSnapshot());
	if (max > 0)
		read_events((ReturnSetInfo *) fcinfo->resultinfo, topic, from, max);
	return (Datum) 0;
}

/* ---- positions ---- */

static Datum
copy_position(const Position *position)
{
	Position   *copy = palloc(sizeof(Position));

	*copy = *position;
	return PointerGetDatum(copy);
}

/* The first event that is kept. False: there is none. */
static bool
first_position(Oid topic, Position *position)
{
	LogScan    *scan = log_scan_begin(topic, 0, GetActiveSnapshot());
	LogEvent	event;
	bool		found = log_scan_next(scan, &event);

	if (found)
		*position = (Position) {event.epoch, event.index, event.lsn, event.offset};
	log_scan_end(scan);
	return found;
}

/* first_position(topic regclass) returns position: of the first event that is kept, or null */
Datum
gs_first_position(PG_FUNCTION_ARGS)
{
	Position	position;

	if (!first_position(topic_argument(fcinfo), &position))
		PG_RETURN_NULL();
	return copy_position(&position);
}

/* last_position(topic regclass) returns position: to read on after it gives what comes next */
Datum
gs_last_position(PG_FUNCTION_ARGS)
{
	Position	position = log_last(topic_argument(fcinfo), GetActiveSnapshot());

	return copy_position(&position);
}

/*
 * topic_position(topic regclass, at timestamptz) returns position: to read on after it gives the
 * first event that was committed at this time or later
 */
Datum
gs_topic_position(PG_FUNCTION_ARGS)
{
	Oid			topic = topic_argument(fcinfo);
	Position	position;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("at must not be null"),
				 errhint("To read from the first event that is kept, read it with after => "
						 "null.")));
	position = log_position_before(
		topic, log_offset_at(topic, PG_GETARG_TIMESTAMPTZ(1), GetActiveSnapshot()),
		GetActiveSnapshot());
	return copy_position(&position);
}

/* ---- what the view gymstream.topics shows ---- */

static int64
stored_bytes(const Topic *topic)
{
	int64		bytes = 0;
	ListCell   *cell;

	foreach(cell, log_segments(topic))
		bytes += log_table_size(lfirst(cell));
	return bytes;
}

/* What is shown of a topic's log. */
typedef struct LogShown
{
	Topic		topic;
	bool		any;			/* there is a first one */
	Position	first;
	Position	last;
	int64		begin,
				next;			/* offsets */
	int64		bytes;
} LogShown;

static void
read_shown(void *argument)
{
	LogShown   *shown = argument;
	Oid			relation = shown->topic.relation;

	shown->any = first_position(relation, &shown->first);
	shown->last = log_last(relation, GetActiveSnapshot());
	log_range(relation, GetActiveSnapshot(), &shown->begin, &shown->next);
	shown->bytes = stored_bytes(&shown->topic);
}

/*
 * Of a log that is damaged, nothing: other topics are shown all the same.
 *
 * topic_log(topic regclass, OUT first_position, OUT last_position, OUT events, OUT bytes)
 */
Datum
gs_topic_log(PG_FUNCTION_ARGS)
{
	Oid			relation = PG_GETARG_OID(0);
	Datum		values[4] = {0};
	bool		nulls[4] = {true, true, true, true};
	TupleDesc	desc;
	LogShown	shown;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (topic_lookup(relation, &shown.topic) && log_segments(&shown.topic) != NIL &&
		!log_meets_damage(relation, read_shown, &shown))
	{
		nulls[0] = !shown.any;
		values[0] = PointerGetDatum(&shown.first);
		values[1] = PointerGetDatum(&shown.last);
		values[2] = Int64GetDatum(shown.next - shown.begin);
		values[3] = Int64GetDatum(shown.bytes);
		nulls[1] = nulls[2] = nulls[3] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
