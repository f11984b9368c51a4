/*
 * batch.c: takes events that everybody can see by now and gives notifications, many in one
 * transaction. Never waits for a slow listener: with the server's queue nearly full, notifications
 * are skipped and counted.
 */
#include "publish/batch.h"

#include "access/xact.h"
#include "commands/async.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/settings.h"
#include "decode/json.h"
#include "publish/epoch.h"
#include "rollup/model/message.h"
#include "worker/incident.h"
#include "worker/mark.h"

#define BATCH_EVENTS 1000
#define BATCH_BYTES (64 * 1024)

static SharedDatabase *batch_place;
static MemoryContext batch_context;
static uint32 epoch;			/* of all positions in the batch */
static BatchEvent *events;		/* BATCH_EVENTS of them */
static int	nevents;
static Size nbytes;
static List *topics;			/* of BatchTopic, while telling */

void
batch_init(SharedDatabase *place)
{
	batch_place = place;
	batch_context =
		AllocSetContextCreate(TopMemoryContext, "gymstream batch", ALLOCSET_DEFAULT_SIZES);
	events = MemoryContextAlloc(TopMemoryContext, sizeof(BatchEvent) * BATCH_EVENTS);
}

static MarkPoint
mark_point(const BatchEvent *event)
{
	return (MarkPoint) {event->stamp.commit_lsn, event->frame.index};
}

/*
 * Where a publisher has died, each event is told in a batch of its own, to find out which one it
 * was.
 */
bool
batch_is_full(const Frame *frame, const EventStamp *stamp)
{
	return nevents >= BATCH_EVENTS || nbytes >= BATCH_BYTES ||
		(nevents > 0 && (mark_is_near((MarkPoint) {stamp->commit_lsn, frame->index}) ||
						 mark_is_near(mark_point(&events[nevents - 1]))));
}

/* What workers have died of is told without its content. */
static void
skip_deadly(BatchEvent *event)
{
	Incident incident = {.kind = INCIDENT_SKIPPED,
						 .relation = event->frame.relation,
						 .epoch = batch_place->epoch,
						 .lsn = event->stamp.commit_lsn,
						 .index = event->frame.index};

	if (event->frame.kind != FRAME_MARK && mark_is_deadly(mark_point(event)))
	{
		event->frame.kind = FRAME_LARGE_EVENT;
		event->frame.skipped = true;
		event->body = NULL;
	}
	if (!event->frame.skipped)
		return;
	incident_note(batch_place, &incident);
	pg_atomic_fetch_add_u64(&batch_place->incomplete, 1);
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
	skip_deadly(event);
	if (event->frame.kind == FRAME_ROLLUP)
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

/* -----------------------------------------------------------------------------------------------
 * Notifications
 * ---------------------------------------------------------------------------------------------*/

static bool
queue_is_full(void)
{
	LOCAL_FCINFO(fcinfo, 0);

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	return DatumGetFloat8(pg_notification_queue_usage(fcinfo)) * 100 >= settings_notify_queue_limit;
}

void
batch_notify(const char *channel, const char *payload)
{
	Async_Notify(channel, payload);
}

Position
batch_position(const BatchEvent *event)
{
	return (Position) {.epoch = epoch,.lsn = event->stamp.commit_lsn,.index = event->frame.index,
	.offset = POSITION_NO_OFFSET};
}

/* A mark's own channel and name: the topic may be gone. */
static void
tell_mark(const BatchEvent *event)
{
	const char *channel = event->body;
	const char *name = channel + strlen(channel) + 1;
	Position	position = batch_position(event);

	batch_notify(channel, batch_mark(name, &position, event->frame.action));
}

static int
tell_events(void)
{
	int			notifications = 0;

	batch_merge_rollups(batch_place, events, nevents);
	for (int i = 0; i < nevents; i++)
	{
		BatchTopic *topic = batch_topic(events[i].frame.relation);

		if (events[i].frame.kind == FRAME_MARK)
			tell_mark(&events[i]);
		else if (topic->name == NULL || events[i].merged)
			continue;
		else
			batch_notify(topic->topic.channel, batch_payload(batch_place, &events[i], topic));
		notifications++;
	}
	return notifications;
}

/* False when the queue had no room after all, which shows only at commit. */
static bool
commit(void)
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

/* In one transaction. False when there was no room; then nobody was told of anything. */
static bool
tell_all(int *notifications)
{
	bool		told;

	if (queue_is_full())
		return false;
	epoch = epoch_current(batch_place);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(batch_context);
	json_pin_settings();
	*notifications = batch_owed_tell(epoch);
	*notifications += tell_events();
	PopActiveSnapshot();
	told = commit();
	if (told)
		batch_owed_told();
	return told;
}

static void
note_missed(void)
{
	BatchEvent *last = &events[nevents - 1];
	Incident incident = {.kind = INCIDENT_MISSED,
						 .epoch = batch_place->epoch,
						 .lsn = last->stamp.commit_lsn,
						 .index = last->frame.index};

	for (int i = 0; i < nevents; i++)
	{
		batch_owed_missed(events[i].frame.relation);
		/* of this topic nothing else will be told */
		if (events[i].frame.kind == FRAME_MARK && strcmp(events[i].frame.action, "dropped") == 0)
			batch_owed_dropped(events[i].body, events[i].size);
	}
	incident_note(batch_place, &incident);
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	batch_place->missed_at = GetCurrentTimestamp();
	LWLockRelease(shared_state->lock);
}

static void
count(int notifications, bool told)
{
	bool		was_full = pg_atomic_read_u32(&batch_place->queue_full) != 0;

	pg_atomic_fetch_add_u64(&batch_place->events, nevents);
	pg_atomic_fetch_add_u64(told ? &batch_place->notifications : &batch_place->skipped,
							notifications);
	if (told == was_full)
	{
		pg_atomic_write_u32(&batch_place->queue_full, told ? 0 : 1);
		if (told)
			ereport(LOG,
					(errmsg("gymstream sends notifications again")));
		else
			ereport(LOG,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("gymstream skips notifications, because the server's notification "
							"queue is nearly full"),
					 errhint("A session that listens has been in a transaction for long.")));
	}
}

void
batch_tell(void)
{
	int			notifications = nevents;
	bool		told;

	if (nevents == 0 && !batch_owed_any())
		return;
	if (nevents > 0)
		mark_set(mark_point(&events[0]), mark_point(&events[nevents - 1]));
	told = tell_all(&notifications);
	/*
	 * The next publisher does not tell them again. Nothing between commit and here reacts to
	 * interrupts.
	 */
	if (nevents > 0)
	{
		pg_atomic_write_u64(&batch_place->told_lsn, events[nevents - 1].stamp.commit_lsn);
		pg_atomic_write_u32(&batch_place->told_index, events[nevents - 1].frame.index);
		if (!told)
			note_missed();
	}
	if (nevents > 0 || told)
		count(told ? notifications : nevents, told);
	batch_forget();
}
