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
#include "log/log_write.h"
#include "publish/epoch.h"
#include "rollup/model/message.h"
#include "worker/incident.h"
#include "worker/mark.h"

#define BATCH_EVENTS 1000
#define BATCH_BYTES (256 * 1024)
#define BATCH_KEPT_BYTES (2 * BATCH_BYTES)	/* of memory, from one batch to the next */

static SharedDatabase *batch_place;
static MemoryContext batch_context;
static uint32 batch_epoch;		/* of all positions in the batch */
static BatchEvent *batch_events;	/* BATCH_EVENTS of them */
static int	nevents;
static Size nbytes;
static List *batch_topics;		/* of BatchTopic, while telling */

void
batch_init(SharedDatabase *place)
{
	batch_place = place;

	/*
	 * Both live as long as the process. What entries of the array point to is in batch_context,
	 * which batch_forget resets.
	 */
	batch_context = AllocSetContextCreate(TopMemoryContext, "gymstream batch", BATCH_KEPT_BYTES,
										  ALLOCSET_DEFAULT_INITSIZE, ALLOCSET_DEFAULT_MAXSIZE);
	batch_events = MemoryContextAlloc(TopMemoryContext, sizeof(BatchEvent) * BATCH_EVENTS);
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
						 mark_is_near(mark_point(&batch_events[nevents - 1]))));
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

	/*
	 * The decoder may have left out the content, or this publisher: the DBA learns it here for
	 * both.
	 */
	incident_note(batch_place, &incident);
	pg_atomic_fetch_add_u64(&batch_place->incomplete, 1);
}

/* The keys stand before the body proper, which may be empty. */
static void
take_keys(BatchEvent *event)
{
	const Frame *frame = &event->frame;

	if (frame->key_size > 0)
		event->key = pnstrdup(event->body, frame->key_size);
	if (frame->old_key_size > 0)
		event->old_key = pnstrdup(event->body + frame->key_size, frame->old_key_size);
	event->body += frame->key_size + frame->old_key_size;
	event->size -= frame->key_size + frame->old_key_size;
	if (event->size == 0)
		event->body = NULL;
}

void
batch_add(const Frame *frame, const EventStamp *stamp, const char *body, Size size)
{
	BatchEvent *event = &batch_events[nevents];
	MemoryContext old = MemoryContextSwitchTo(batch_context);

	MemSet(event, 0, sizeof(*event));
	event->stands_for = 1;
	event->offset = POSITION_NO_OFFSET;
	event->frame = *frame;
	event->stamp = *stamp;

	/*
	 * The body stands in the queue until the next frame is taken. The copy gets a byte 0 behind, so
	 * that a text in it ends there.
	 */
	if (size > 0)
	{
		event->body = palloc(size + 1);
		memcpy(event->body, body, size);
		event->body[size] = '\0';
		event->size = size;
		take_keys(event);
	}
	/* What is skipped is no rollup's event any more, so this comes before the delta is taken. */
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
	batch_topics = NIL;
	MemoryContextReset(batch_context);
}

/*
 * Called with batch_context current. A topic that is gone is remembered too, with a name of NULL,
 * so that each relation is looked up once.
 */
BatchTopic *
batch_topic(Oid relation)
{
	BatchTopic *found;
	ListCell   *cell;

	foreach(cell, batch_topics)
	{
		found = lfirst(cell);
		if (found->topic.relation == relation)
			return found;
	}
	found = palloc0(sizeof(BatchTopic));
	found->topic.relation = relation;
	if (topic_lookup(relation, &found->topic))
		found->name = topic_name(relation);
	batch_topics = lappend(batch_topics, found);
	return found;
}

/* -----------------------------------------------------------------------------------------------
 * Notifications
 * ---------------------------------------------------------------------------------------------*/

/*
 * The queue is the server's, for all databases. What one listener leaves unread, since it is in a
 * transaction for long, fills it for all.
 */
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
	return (Position) {.epoch = batch_epoch,.lsn = event->stamp.commit_lsn,
	.index = event->frame.index,.offset = event->offset};
}

/* A mark's own channel and name: the topic may be gone. Returns how many notifications it is. */
static int
tell_mark(const BatchEvent *event, const BatchTopic *topic)
{
	const char *channel = event->body;
	const char *name = channel + strlen(channel) + 1;
	Position	position = batch_position(event);

	if (topic->name != NULL && topic->topic.notify == TOPIC_NOTIFY_NONE)
		return 0;
	batch_notify(channel, batch_mark(name, &position, event->frame.action));
	return 1;
}

/* An event on the topic's channel, or on those that are for its key. Returns how many they are. */
static int
tell_event(BatchEvent *event, BatchTopic *topic)
{
	const Frame *frame = &event->frame;
	int			channels;
	char	   *payload;
	char		channel[NAMEDATALEN];
	int			i = 0;

	if (frame->kind == FRAME_ROLLUP && event->key == NULL)
		batch_key(event, topic);
	channels = frame->nchannels;
	if (topic->topic.notify == TOPIC_NOTIFY_NONE)
		return 0;
	/* Values that nobody may see are in no channel's name. */
	if (topic->topic.is_private)
		channels = 0;
	payload = batch_payload(batch_place, event, topic);
	do
	{
		event_channel_name(channel, topic->topic.channel, topic->topic.relation,
						   channels > 0 ? frame->channels[i] : "");
		batch_notify(channel, payload);
	} while (++i < channels);
	return i;
}

static int
tell_events(void)
{
	int			notifications = 0;

	for (int i = 0; i < nevents; i++)
	{
		BatchTopic *topic = batch_topic(batch_events[i].frame.relation);

		/*
		 * A mark is told though its topic is gone. Any other event of a topic that is gone is
		 * dropped here, and the topic's own mark follows in the log.
		 */
		if (batch_events[i].frame.kind == FRAME_MARK)
			notifications += tell_mark(&batch_events[i], topic);
		else if (topic->name != NULL && !batch_events[i].merged)
			notifications += tell_event(&batch_events[i], topic);
	}
	return notifications;
}

/* False when the queue had no room after all, which shows only at commit. */
static bool
commit_batch(void)
{
	volatile bool committed = true;

	/*
	 * NOTIFY enters the queue before the commit record is written, so an error of a full queue
	 * means that nobody was told. Any other error ends the publisher, and the next one tells the
	 * batch.
	 */
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
begin_transaction(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();

	/*
	 * The snapshot is newer than each event in the batch: the publisher has waited until all of
	 * their transactions were visible.
	 */
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(batch_context);
	json_pin_settings();
}

static void
commit_transaction(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(batch_context);
}

/*
 * Store and tell; where there is nothing to store, in one transaction. False when there was no room
 * for notifications; then nobody was told of anything.
 */
static bool
tell_all(int *notifications)
{
	bool		full = queue_is_full();
	bool		told;

	/*
	 * A new epoch is written in a transaction of its own, which is on disk before an event bears
	 * it. So the epoch is looked up before this transaction begins.
	 */
	batch_epoch = epoch_current(batch_place);
	if (full && !batch_logs(batch_events, nevents, batch_epoch))
		return false;
	begin_transaction();

	/*
	 * Merging comes first. It marks events whose delta a later one has taken, and reads the rows
	 * that the others show.
	 */
	batch_merge_rollups(batch_place, batch_events, nevents);
	/* Who is told of an event can read it: what is stored is committed before. */
	if (batch_log(batch_place, batch_events, nevents, batch_epoch))
	{
		commit_transaction();
		log_written();
		begin_transaction();
	}
	if (full)
	{
		commit_transaction();
		return false;
	}

	/* What is owed comes first, so that a listener reads anew before it follows further events. */
	*notifications = batch_owed_tell(batch_epoch);
	*notifications += tell_events();
	PopActiveSnapshot();
	told = commit_batch();
	/* A commit that failed leaves all that was owed as it was. */
	if (told)
		batch_owed_told();
	return told;
}

static void
note_missed(void)
{
	BatchEvent *last = &batch_events[nevents - 1];
	Incident incident = {.kind = INCIDENT_MISSED,
						 .epoch = batch_place->epoch,
						 .lsn = last->stamp.commit_lsn,
						 .index = last->frame.index};

	/*
	 * The batch is given up, not kept: a queue that stays full must not hold WAL back. The topics'
	 * listeners are owed a notification instead.
	 */
	for (int i = 0; i < nevents; i++)
	{
		batch_owed_missed(batch_events[i].frame.relation);
		/* of this topic nothing else will be told */
		if (batch_events[i].frame.kind == FRAME_MARK &&
			strcmp(batch_events[i].frame.action, "dropped") == 0)
			batch_owed_dropped(batch_events[i].body, batch_events[i].size);
	}
	incident_note(batch_place, &incident);
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	batch_place->missed_at = GetCurrentTimestamp();
	LWLockRelease(shared_state->lock);
}

static void
count_events(int notifications, bool told)
{
	bool		was_full = pg_atomic_read_u32(&batch_place->queue_full) != 0;

	pg_atomic_fetch_add_u64(&batch_place->events, nevents);
	pg_atomic_fetch_add_u64(told ? &batch_place->notifications : &batch_place->skipped,
							notifications);
	/* The log gets a line where skipping begins or ends, not one for each batch. */
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

	/* What is owed can be told without an event: the publisher wakes for it while there is any. */
	if (nevents == 0 && !batch_owed_any())
		return;

	/*
	 * Should the process die from here on, the next one finds this range and tells its events one
	 * by one.
	 */
	if (nevents > 0)
		mark_set(mark_point(&batch_events[0]), mark_point(&batch_events[nevents - 1]));
	told = tell_all(&notifications);
	/*
	 * The next publisher does not tell them again. Nothing between commit and here reacts to
	 * interrupts.
	 */
	if (nevents > 0)
	{
		pg_atomic_write_u64(&batch_place->told_lsn, batch_events[nevents - 1].stamp.commit_lsn);
		pg_atomic_write_u32(&batch_place->told_index, batch_events[nevents - 1].frame.index);
		if (!told)
			note_missed();
	}
	/* Without an event, nothing is counted as skipped: what was owed is owed as before. */
	if (nevents > 0 || told)
		count_events(told ? notifications : nevents, told);
	batch_forget();
}
