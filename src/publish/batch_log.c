/*
 * batch_log.c: takes the events of a batch and has those stored whose topics keep them: as their
 * own, in their order, though notifications of a rollup's group may be told as one. What could not
 * be rendered is stored with what can be said of it.
 */
#include "publish/batch.h"

#include "log/log_write.h"

bool
batch_logs(const BatchEvent *events, int n, uint32 epoch)
{
	for (int i = 0; i < n; i++)
		if (events[i].frame.stored)
			return true;
	return log_needs_reset(epoch);
}

/*
 * The delta that the event's own transaction made. The group's row, which was read for the last one
 * of several, is shown by that one alone.
 */
static char *
rollup_event_json(BatchEvent *event)
{
	BatchEvent	own = *event;

	own.delta.tuple = event->own;
	own.read = event->read && !event->merged && event->group.state != READBACK_LONG;
	return batch_rollup_json(&own);
}

static char *
event_json(BatchEvent *event)
{
	const Frame *frame = &event->frame;
	char	   *json = NULL;

	if (frame->kind == FRAME_EVENT)
		json = event->body;
	else if (frame->kind == FRAME_ROLLUP)
		json = rollup_event_json(event);
	else if (frame->kind == FRAME_MARK)
		return log_mark_json(frame->relation, frame->action, "");
	if (json != NULL)
		return json;
	return log_mark_json(frame->relation, frame->action,
						 frame->skipped ? ",\"skipped\":true" : ",\"truncated\":true");
}

/* Of a topic that is gone nothing is stored, not even that it was dropped. */
static bool
has_log(const BatchEvent *event)
{
	return batch_topic(event->frame.relation)->name != NULL &&
		(event->frame.kind != FRAME_MARK || strcmp(event->frame.action, "dropped") != 0);
}

static void
fill_entry(LogEntry *entry, BatchEvent *event)
{
	BatchTopic *topic = batch_topic(event->frame.relation);

	entry->topic = event->frame.relation;
	entry->stored = event->frame.stored;
	entry->event.lsn = event->stamp.commit_lsn;
	entry->event.index = event->frame.index;
	entry->event.commit_time = event->stamp.commit_time;
	if (!entry->stored)
		return;
	if (event->frame.kind == FRAME_ROLLUP)
		batch_key(event, topic);
	entry->event.body = event_json(event);
	entry->event.size = strlen(entry->event.body);
	entry->event.key_hash = event->frame.key_hash;
	entry->event.key = event->key;
	entry->event.key_size = event->key ? strlen(event->key) : 0;
}

bool
batch_log(SharedDatabase *place, BatchEvent *events, int n, uint32 epoch)
{
	LogEntry   *entries = palloc0(sizeof(LogEntry) * Max(n, 1));
	int			count = 0;
	bool		written;

	for (int i = 0; i < n; i++)
		if (has_log(&events[i]))
			fill_entry(&entries[count++], &events[i]);
	written = log_write(entries, count, epoch, pg_atomic_read_u64(&place->confirmed_lsn));
	count = 0;
	for (int i = 0; i < n; i++)
		if (has_log(&events[i]))
			events[i].offset = entries[count++].event.offset;
	pfree(entries);
	return written;
}
