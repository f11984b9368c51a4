/*
 * decoder_change.c: takes what decoding hands out, the changes of committed transactions in their
 * order, and sends what has a topic to the publisher, frame by frame. Never waits but for room in
 * the queue.
 */
#include "publish/decoder.h"

#include "replication/reorderbuffer.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/seal.h"
#include "decode/event_topic.h"
#include "decode/truncate.h"
#include "publish/follow.h"
#include "publish/frame.h"
#include "publish/frame_key.h"
#include "rollup/model/message.h"
#include "topic/row_message.h"
#include "worker/mark.h"

/* not rendered: no notification has room for it, and an event has at most 1 GB */
#define HUGE_CHANGE (64 * 1024 * 1024)
#define HUGE_MESSAGE (256 * 1024)	/* the same of a rollup's delta */

/* the transaction at hand */
static bool begin_sent;			/* its BEGIN was sent */
static uint32 last_index;
static MemoryContext event_context; /* reset after each event */

/* what no notification has room for is not rendered whole */
static const EventOptions event_options = {.xids = true,.lsn = true,.timestamp = true,
.size = 8 * GS_NOTIFY_LIMIT,.skip_long = true};

/* nor is what is longer than a log keeps */
static const EventOptions stored_options = {.xids = true,.lsn = true,.timestamp = true,
.size = GS_STORED_LIMIT,.skip_long = true};

/* Send an event, and the transaction's begin before its first one. */
static void
decoder_send(ReorderBufferTXN *txn, Frame *event, const char *body, Size size)
{
	if (!begin_sent)
	{
		Frame		begin = {.kind = FRAME_BEGIN,.stamp = event_stamp(txn)};

		frame_send(decoder_queue, &begin, NULL, 0, false);
		begin_sent = true;
	}
	/* The log alone decides on the index: what is decoded again has the same positions. */
	event->index = ++last_index;
	/* as the catalogs were then: what is decoded again is stored again, or is not */
	event->stored = event_is_stored(event->relation);
	frame_send(decoder_queue, event, body, size, false);
}

/* Mark what is decoded now. False: it is to be left out. */
static bool
decoder_begin_event(ReorderBufferTXN *txn)
{
	MarkPoint	point = {txn->final_lsn, last_index + 1};

	/* A transaction is marked once, at its first event. Near a death each event is marked. */
	if (mark_is_near(point))
		mark_set(point, point);
	else if (!begin_sent)
		mark_set((MarkPoint) {txn->final_lsn, 0}, (MarkPoint) {txn->final_lsn, MARK_LAST_INDEX});
	return !mark_is_deadly(point);
}

static void
decoder_skip(ReorderBufferTXN *txn, Oid subject, const char *action)
{
	Frame		event = {.kind = FRAME_LARGE_EVENT,.relation = subject,.skipped = true};

	strlcpy(event.action, action, sizeof(event.action));
	decoder_send(txn, &event, NULL, 0);
}

/* Behind the event's keys the body has the event itself, or nothing. */
static void
decoder_send_json(ReorderBufferTXN *txn, Frame *event, StringInfo body, EventResult result)
{
	int			keys = event->key_size + event->old_key_size;

	event->kind = FRAME_EVENT;
	event->unrendered = result == EVENT_WITH_GAPS;
	if ((body->len - keys >= GS_NOTIFY_LIMIT && !event_is_stored(event->relation)) ||
		body->len == keys)
	{
		event->kind = FRAME_LARGE_EVENT;
		body->len = keys;
	}
	decoder_send(txn, event, body->data, body->len);
}

static void
decoder_begin(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	begin_sent = false;
	last_index = 0;
}

/* A row's change, as an event of one topic. */
static void
decoder_row(ReorderBufferTXN *txn, EventTopic *topic, ReorderBufferChange *change)
{
	const char *action = event_action_name(change->action);
	Frame		event = {.relation = topic->relation};
	EventStamp	stamp = event_stamp(txn);
	EventResult result = EVENT_NONE;
	const EventRow *new;
	const EventRow *old;
	StringInfoData body;

	if (!decoder_begin_event(txn))
	{
		decoder_skip(txn, topic->relation, action);
		return;
	}
	strlcpy(event.action, action, sizeof(event.action));
	initStringInfo(&body);
	event_take(topic->shape, change, &new, &old);
	frame_keys(&event, &body, topic, new, old);
	if (event_change_size(topic->shape, change) < HUGE_CHANGE)
		result = event_change(&body, topic->stored ? &stored_options : &event_options, &stamp,
							  topic->shape, change, new, old);
	decoder_send_json(txn, &event, &body, result);
}

static void
decoder_change(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, Relation rel,
			   ReorderBufferChange *change)
{
	MemoryContext old = MemoryContextSwitchTo(event_context);
	EventRelation *relation = event_relation(rel);

	for (int i = 0; i < relation->ntopics; i++)
		decoder_row(txn, &relation->topics[i], change);
	MemoryContextSwitchTo(old);
	MemoryContextReset(event_context);
}

static bool
is_among(Oid relid, int nrelations, Relation relations[])
{
	for (int i = 0; i < nrelations; i++)
		if (RelationGetRelid(relations[i]) == relid)
			return true;
	return false;
}

/*
 * A table that is truncated as a whole is in the list with its partitions. Of one of which only a
 * part is truncated, its listeners have to read what is left.
 */
static void
decoder_truncate(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, int nrelations,
				 Relation relations[], ReorderBufferChange *change)
{
	MemoryContext old = MemoryContextSwitchTo(event_context);
	EventStamp	stamp = event_stamp(txn);

	for (int i = 0; i < nrelations; i++)
	{
		EventRelation *relation = event_relation(relations[i]);
		Frame		event = {.relation = relation->subject,.action = "truncate"};
		StringInfoData json;

		for (int n = 0; n < relation->nancestors; n++)
			if (!is_among(relation->ancestors[n], nrelations, relations))
				follow_truncated(relation->ancestors[n], true);
		if (!relation->has_topic)
			continue;
		initStringInfo(&json);
		follow_truncated(relation->subject, false);
		event_truncate(&json, &event_options, &stamp, &relation->shape,
					   change->data.truncate.cascade, change->data.truncate.restart_seqs);
		decoder_send_json(txn, &event, &json, EVENT_WHOLE);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(event_context);
}

/* An event that was published by itself, into the topic of a table that keeps no rows. */
static void
decoder_published(ReorderBufferTXN *txn, const RowMessage *message)
{
	EventRelation *relation = event_relation_by_oid(message->relation);
	EventStamp	stamp = event_stamp(txn);

	/* The table may have been dropped or altered behind the event, in the same transaction. */
	if (relation == NULL || !row_message_fits(message, relation->desc))
		return;
	for (int i = 0; i < relation->ntopics; i++)
	{
		EventTopic *topic = &relation->topics[i];
		Frame		event = {.relation = topic->relation,.action = "event"};
		EventResult result = EVENT_NONE;
		StringInfoData body;

		if (!decoder_begin_event(txn))
		{
			decoder_skip(txn, topic->relation, "event");
			continue;
		}
		initStringInfo(&body);
		event_deform(topic->shape, &topic->shape->new, message->row);
		frame_keys(&event, &body, topic, &topic->shape->new, NULL);
		if (message->row->t_len < HUGE_CHANGE)
			result = event_published(&body, topic->stored ? &stored_options : &event_options,
									 &stamp, topic->shape, message->row);
		decoder_send_json(txn, &event, &body, result);
	}
}

static void
decoder_rollup(ReorderBufferTXN *txn, Oid rollup, const char *content, Size size)
{
	Frame		event = {.kind = FRAME_ROLLUP,.relation = rollup,.action = "rollup"};

	/* what takes so much room here takes more as text, and no notification has that */
	if (size > HUGE_MESSAGE)
	{
		event.kind = FRAME_LARGE_EVENT;
		size = 0;
	}
	decoder_send(txn, &event, content, size);
}

static void
decoder_message(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn,
				bool transactional, const char *prefix, Size size, const char *content)
{
	MemoryContext old = MemoryContextSwitchTo(event_context);
	RollupMessage message;
	RowMessage	row;

	if (!transactional || txn == NULL || strcmp(prefix, GS_MESSAGE_PREFIX) != 0 ||
		truncate_of_message(ctx, txn, lsn, prefix, size, content) ||
		follow_message(txn, prefix, size, content))
		 /* not ours, or taken already */ ;
	else if (row_message_read(content, size, txn->xid, &row))
		decoder_published(txn, &row);
	else if (message_read(content, size, txn->xid, &message) &&
			 event_is_published(message.rollup))
		decoder_rollup(txn, message.rollup, content, size);
	MemoryContextSwitchTo(old);
	MemoryContextReset(event_context);
}

/* Tell of topics that the transaction has changed or dropped, behind all else that it did. */
static void
decoder_follow(ReorderBufferTXN *txn)
{
	MemoryContext old = MemoryContextSwitchTo(event_context);
	FollowChange change;

	while (follow_next(txn->final_lsn, &change))
	{
		Frame		event = {.kind = FRAME_MARK,.relation = change.relation};
		StringInfoData body;

		strlcpy(event.action, change.dropped ? "dropped" : "changed", sizeof(event.action));
		initStringInfo(&body);
		appendBinaryStringInfo(&body, change.channel, strlen(change.channel) + 1);
		appendBinaryStringInfo(&body, change.name, strlen(change.name) + 1);
		decoder_send(txn, &event, body.data, body.len);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(event_context);
}

static void
decoder_commit(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr commit_lsn)
{
	if (rbtxn_has_catalog_changes(txn))
		decoder_follow(txn);
	if (begin_sent)
	{
		Frame		end = {.kind = FRAME_END,.end_lsn = txn->end_lsn};

		/* The LSN moves before END does: nobody takes all for told while END is on its way. */
		shared_advance(&decoder_place->sent_lsn, txn->end_lsn);
		frame_send(decoder_queue, &end, NULL, 0, true);
	}
	begin_sent = false;
}

void
decoder_change_init(void)
{
	event_context =
		AllocSetContextCreate(CurrentMemoryContext, "gymstream event", ALLOCSET_DEFAULT_SIZES);
}

void
decoder_set_callbacks(LogicalDecodingContext *ctx)
{
	ctx->callbacks.begin_cb = decoder_begin;
	ctx->callbacks.change_cb = decoder_change;
	ctx->callbacks.truncate_cb = decoder_truncate;
	ctx->callbacks.message_cb = decoder_message;
	ctx->callbacks.commit_cb = decoder_commit;
}
