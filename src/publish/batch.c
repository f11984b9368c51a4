/*
 * batch.c: takes events that everybody can see by now and gives notifications. Deltas of one group become one event
 * that carries their sum and the group's row. Never waits for a slow listener: with the server's queue nearly full,
 * notifications are skipped and counted.
 */
#include "publish/batch.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/async.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "decode/json.h"
#include "publish/readback.h"
#include "rollup/model/message.h"
#include "rollup/model/state.h"
#include "topic/position.h"
#include "topic/topic.h"

#define BATCH_EVENTS 1000
#define BATCH_BYTES (64 * 1024)

/* what is left of the server's queue belongs to the application's own NOTIFY, which would fail */
#define QUEUE_USAGE_LIMIT 0.75

/* grows when the slot is made anew: kept with the stored topics, later */
#define BATCH_EPOCH 1

typedef struct BatchEvent
{
	Frame		frame;
	EventStamp	stamp;
	char	   *body;			/* NULL where there is none */
	Size		size;
	RollupMessage delta;		/* of a rollup's event */
	bool		merged;			/* a later event of the same group has taken its delta */
	char	   *row;			/* JSON of the group's row, "null", or NULL when not known */
} BatchEvent;

/* a topic, looked up once a batch */
typedef struct BatchTopic
{
	Topic		topic;
	char	   *name;			/* NULL: there is no such topic any more */
} BatchTopic;

static MemoryContext batch_context;
static BatchEvent *events;		/* BATCH_EVENTS of them */
static int	nevents;
static Size nbytes;
static List *topics;			/* of BatchTopic, while telling */

/* what no notification has room for is not rendered whole */
static const EventOptions event_options = {.xids = true,.lsn = true,.timestamp = true,
.size = 8 * GS_NOTIFY_LIMIT,.skip_long = true};

void
batch_init(void)
{
	batch_context = AllocSetContextCreate(TopMemoryContext, "gymstream batch", ALLOCSET_DEFAULT_SIZES);
	events = MemoryContextAlloc(TopMemoryContext, sizeof(BatchEvent) * BATCH_EVENTS);
}

bool
batch_is_full(void)
{
	return nevents >= BATCH_EVENTS || nbytes >= BATCH_BYTES;
}

void
batch_add(const Frame *frame, const EventStamp *stamp, const char *body, Size size)
{
	BatchEvent *event = &events[nevents];
	MemoryContext old = MemoryContextSwitchTo(batch_context);

	MemSet(event, 0, sizeof(*event));
	event->frame = *frame;
	event->stamp = *stamp;
	if (size > 0)
	{
		event->body = palloc(size + 1);
		memcpy(event->body, body, size);
		event->body[size] = '\0';
		event->size = size;
	}
	if (frame->kind != FRAME_ROLLUP || message_read(event->body, event->size, stamp->xid, &event->delta))
		nevents++;
	nbytes += size;
	MemoryContextSwitchTo(old);
}

static void
batch_forget(void)
{
	nevents = 0;
	nbytes = 0;
	topics = NIL;
	MemoryContextReset(batch_context);
}

static BatchTopic *
batch_topic(Oid relation)
{
	BatchTopic *found;
	ListCell   *cell;

	foreach(cell, topics)
	{
		found = lfirst(cell);
		if (found->topic.relation == relation)
			return found;
	}
	found = palloc0(sizeof(BatchTopic));
	found->topic.relation = relation;
	if (topic_lookup(relation, &found->topic))
		found->name = topic_name(relation);
	topics = lappend(topics, found);
	return found;
}

/* ------------------------------------------------------------------------------------------------------------------
 * Rollups: events of the same group become one
 * ----------------------------------------------------------------------------------------------------------------*/

/* a group, while events of one rollup are merged */
typedef struct BatchGroup
{
	BatchEvent *last;			/* the event that stands for the group */
	struct BatchGroup *next;	/* another one with the same hash */
} BatchGroup;

typedef struct BatchGroupEntry
{
	uint32		hash;			/* hash key */
	BatchGroup *groups;
} BatchGroupEntry;

/* Add a state to another of its kind. False when the sum does not fit. */
static bool
batch_add_state(StateKind kind, Form_pg_attribute column, Datum *a, Datum b)
{
	TypeCacheEntry *type;
	int			comparison;

	if (STATE_IS_SUM(kind))
		return state_add(kind, *a, b, a);
	if (kind == STATE_CHANGED)
	{
		*a = BoolGetDatum(DatumGetBool(*a) || DatumGetBool(b));
		return true;
	}
	if (kind == STATE_VALUE)
		return datum_image_eq(*a, b, column->attbyval, column->attlen);
	type = lookup_type_cache(column->atttypid, TYPECACHE_CMP_PROC_FINFO);
	comparison = DatumGetInt32(FunctionCall2Coll(&type->cmp_proc_finfo, column->attcollation, *a, b));
	if (kind == STATE_MIN_IN || kind == STATE_MIN_OUT ? comparison > 0 : comparison < 0)
		*a = b;
	return true;
}

/* The sum of two deltas of a group, or NULL when there is none: they are told apart then. */
static HeapTuple
batch_add_deltas(TupleDesc desc, int nkeys, const uint8 *kinds, HeapTuple a, HeapTuple b)
{
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	Datum	   *more = palloc(sizeof(Datum) * desc->natts);
	bool	   *more_nulls = palloc(sizeof(bool) * desc->natts);

	heap_deform_tuple(a, desc, values, nulls);
	heap_deform_tuple(b, desc, more, more_nulls);
	for (int i = nkeys; i < desc->natts; i++)
	{
		if (more_nulls[i])
			continue;
		if (nulls[i])
			values[i] = more[i];
		else if (!batch_add_state(kinds[i - nkeys], TupleDescAttr(desc, i), &values[i], more[i]))
			return NULL;
		nulls[i] = false;
	}
	return heap_form_tuple(desc, values, nulls);
}

static uint32
batch_hash_keys(TupleDesc desc, int nkeys, HeapTuple tuple)
{
	uint32		hash = 0;

	for (int i = 0; i < nkeys; i++)
	{
		Form_pg_attribute key = TupleDescAttr(desc, i);
		bool		isnull;
		Datum		value = heap_getattr(tuple, i + 1, desc, &isnull);

		hash = hash_combine(hash, isnull ? 0 : datum_image_hash(value, key->attbyval, key->attlen));
	}
	return hash;
}

static bool
batch_same_keys(TupleDesc desc, int nkeys, HeapTuple a, HeapTuple b)
{
	for (int i = 0; i < nkeys; i++)
	{
		Form_pg_attribute key = TupleDescAttr(desc, i);
		bool		a_null;
		bool		b_null;
		Datum		a_value = heap_getattr(a, i + 1, desc, &a_null);
		Datum		b_value = heap_getattr(b, i + 1, desc, &b_null);

		if (a_null != b_null || (!a_null && !datum_image_eq(a_value, b_value, key->attbyval, key->attlen)))
			return false;
	}
	return true;
}

/* Enter the event, with the delta of an earlier one of its group if there is one. */
static void
batch_merge(HTAB *groups, TupleDesc desc, BatchEvent *event)
{
	int			nkeys = event->delta.nkeys;
	uint32		hash = batch_hash_keys(desc, nkeys, event->delta.tuple);
	BatchGroupEntry *entry;
	BatchGroup *group;
	HeapTuple	sum;
	bool		found;

	entry = hash_search(groups, &hash, HASH_ENTER, &found);
	if (!found)
		entry->groups = NULL;
	for (group = entry->groups; group != NULL; group = group->next)
		if (batch_same_keys(desc, nkeys, group->last->delta.tuple, event->delta.tuple))
			break;
	if (group == NULL)
	{
		group = palloc(sizeof(BatchGroup));
		group->next = entry->groups;
		entry->groups = group;
	}
	else if ((sum = batch_add_deltas(desc, nkeys, event->delta.kinds, group->last->delta.tuple, event->delta.tuple)) != NULL)
	{
		group->last->merged = true;
		event->delta.tuple = sum;
	}
	group->last = event;
}

/* Read back the rows of the groups whose events stand from first on. */
static void
batch_read_back(SharedDatabase *place, const RollupMessage *rollup, BatchEvent **standing, int n)
{
	HeapTuple  *tuples = palloc(sizeof(HeapTuple) * n);
	char	  **rows = palloc(sizeof(char *) * n);

	for (int i = 0; i < n; i++)
		tuples[i] = standing[i]->delta.tuple;
	if (readback_rows(rollup->rollup, rollup->partials, rollup->nkeys, n, tuples, rows))
		for (int i = 0; i < n; i++)
			standing[i]->row = rows[i] ? rows[i] : "null";
	else
		shared_note_problem(place, "the rows of a rollup could not be read, see the server's log");
}

static bool
batch_is_of(const BatchEvent *event, const RollupMessage *rollup)
{
	return event->frame.kind == FRAME_ROLLUP && event->delta.rollup == rollup->rollup &&
		event->delta.partials == rollup->partials && event->delta.nkeys == rollup->nkeys;
}

/* Merge the events of one rollup, from the first one on, and give those that remain their rows. */
static void
batch_merge_rollup(SharedDatabase *place, int first)
{
	RollupMessage rollup = events[first].delta;
	HASHCTL		control = {.keysize = sizeof(uint32),.entrysize = sizeof(BatchGroupEntry),.hcxt = batch_context};
	EventRelation *relation = event_relation_by_oid(rollup.partials);
	BatchTopic *topic = batch_topic(rollup.rollup);
	BatchEvent **standing = palloc(sizeof(BatchEvent *) * nevents);
	TupleDesc	desc;
	HTAB	   *groups;
	int			n = 0;

	if (topic->name == NULL || relation == NULL || relation->subject != rollup.rollup)
		return;
	desc = CreateTupleDescCopy(relation->desc);
	groups = hash_create("gymstream groups", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = first; i < nevents; i++)
		if (batch_is_of(&events[i], &rollup) && message_fits(&events[i].delta, desc))
			batch_merge(groups, desc, &events[i]);
	hash_destroy(groups);
	for (int i = first; i < nevents; i++)
		if (batch_is_of(&events[i], &rollup) && !events[i].merged && message_fits(&events[i].delta, desc))
			standing[n++] = &events[i];
	if (topic->topic.notify == TOPIC_NOTIFY_ROW)
		batch_read_back(place, &rollup, standing, n);
}

static void
batch_merge_rollups(SharedDatabase *place)
{
	for (int i = 0; i < nevents; i++)
	{
		bool		done = events[i].frame.kind != FRAME_ROLLUP;

		for (int before = 0; before < i && !done; before++)
			done = batch_is_of(&events[before], &events[i].delta);
		if (!done)
			batch_merge_rollup(place, i);
	}
}

/* ------------------------------------------------------------------------------------------------------------------
 * Notifications
 * ----------------------------------------------------------------------------------------------------------------*/

/* The event's JSON, or NULL when there is none or it is too large. */
static char *
batch_event_json(BatchEvent *event)
{
	StringInfoData json;

	if (event->frame.kind != FRAME_ROLLUP)
		return event->body;
	initStringInfo(&json);
	if (!event_rollup(&json, &event_options, &event->stamp, &event->delta))
		return NULL;
	if (event->row != NULL)
	{
		json.data[--json.len] = '\0';
		appendStringInfo(&json, ",\"row\":%s}", event->row);
	}
	return json.data;
}

static char *
batch_payload(BatchEvent *event, BatchTopic *topic)
{
	char	   *json = topic->topic.notify == TOPIC_NOTIFY_ROW ? batch_event_json(event) : NULL;
	char		position[POSITION_TEXT_SIZE];
	int			head;
	StringInfoData payload;

	initStringInfo(&payload);
	appendStringInfoString(&payload, "{\"topic\":");
	json_append_string(&payload, topic->name, strlen(topic->name));
	position_print(&(Position) {.epoch = BATCH_EPOCH, .lsn = event->stamp.commit_lsn, .index = event->frame.index,
								.offset = POSITION_NO_OFFSET}, position);
	appendStringInfo(&payload, ",\"position\":\"%s\"", position);
	head = payload.len;
	if (json != NULL)
		appendStringInfo(&payload, ",%s", json + 1);
	else
		appendStringInfoChar(&payload, '}');
	if (payload.len >= GS_NOTIFY_LIMIT || (json == NULL && topic->topic.notify == TOPIC_NOTIFY_ROW))
	{
		payload.len = head;
		appendStringInfo(&payload, ",\"action\":\"%s\",\"truncated\":true}", event->frame.action);
	}
	return payload.data;
}

static bool
batch_queue_is_full(void)
{
	LOCAL_FCINFO(fcinfo, 0);

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	return DatumGetFloat8(pg_notification_queue_usage(fcinfo)) >= QUEUE_USAGE_LIMIT;
}

static int
batch_notify(SharedDatabase *place)
{
	int			notifications = 0;

	batch_merge_rollups(place);
	for (int i = 0; i < nevents; i++)
	{
		BatchTopic *topic = batch_topic(events[i].frame.relation);

		if (topic->name == NULL || events[i].merged)
			continue;
		Async_Notify(topic->topic.channel, batch_payload(&events[i], topic));
		notifications++;
	}
	return notifications;
}

/* False when the queue had no room after all, which shows only at commit. */
static bool
batch_commit(void)
{
	volatile bool committed = true;

	PG_TRY();
	{
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
			PG_RE_THROW();
		FlushErrorState();
		AbortCurrentTransaction();
		committed = false;
	}
	PG_END_TRY();
	return committed;
}

static void
batch_count(SharedDatabase *place, int notifications, bool told)
{
	bool		was_full = pg_atomic_read_u32(&place->queue_full) != 0;

	pg_atomic_fetch_add_u64(&place->events, nevents);
	pg_atomic_fetch_add_u64(told ? &place->notifications : &place->skipped, notifications);
	if (told == was_full)
	{
		pg_atomic_write_u32(&place->queue_full, told ? 0 : 1);
		if (told)
			ereport(LOG,
					(errmsg("gymstream sends notifications again")));
		else
			ereport(LOG,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("gymstream skips notifications, because the server's notification queue is nearly full"),
					 errhint("A session that listens has been in a transaction for long.")));
	}
}

void
batch_tell(SharedDatabase *place)
{
	int			notifications = nevents;
	bool		told;

	if (nevents == 0)
		return;
	told = !batch_queue_is_full();

	if (told)
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		MemoryContextSwitchTo(batch_context);
		json_pin_settings();
		notifications = batch_notify(place);
		PopActiveSnapshot();
		told = batch_commit();
	}
	/* The next publisher does not tell them again. Nothing between commit and here reacts to interrupts. */
	pg_atomic_write_u64(&place->told_lsn, events[nevents - 1].stamp.commit_lsn);
	pg_atomic_write_u32(&place->told_index, events[nevents - 1].frame.index);
	batch_count(place, notifications, told);
	batch_forget();
}
