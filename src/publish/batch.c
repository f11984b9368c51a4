/*
 * batch.c: takes events that everybody can see by now and gives notifications, many in one transaction. Never waits for a slow listener: with the server's queue nearly full,
 * notifications are skipped and counted.
 */
#include "publish/batch.h"

#include "access/xact.h"
#include "commands/async.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "decode/json.h"
#include "rollup/model/message.h"

#define BATCH_EVENTS 1000
#define BATCH_BYTES (64 * 1024)

/* what is left of the server's queue belongs to the application's own NOTIFY, which would fail */
#define QUEUE_USAGE_LIMIT 0.75

static MemoryContext batch_context;
static BatchEvent *events;		/* BATCH_EVENTS of them */
static int	nevents;
static Size nbytes;
static List *topics;			/* of BatchTopic, while telling */

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
	if (frame->kind == FRAME_ROLLUP)
	{
		message_take(event->body, &event->delta);
		event->own = event->delta.tuple;
	}
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

BatchTopic *
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
 * Notifications
 * ----------------------------------------------------------------------------------------------------------------*/

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

	batch_merge_rollups(place, events, nevents);
	for (int i = 0; i < nevents; i++)
	{
		BatchTopic *topic = batch_topic(events[i].frame.relation);

		if (topic->name == NULL || events[i].merged)
			continue;
		Async_Notify(topic->topic.channel, batch_payload(place, &events[i], topic));
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
