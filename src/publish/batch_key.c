/*
 * batch_key.c: takes a rollup's event, whose delta may be a sum, and gives its key and its channel.
 * The keys of all other events have come from the decoder, which has seen their rows.
 */
#include "publish/batch.h"

#include "access/htup_details.h"

#include "decode/event_topic.h"
#include "rollup/model/message.h"

/* What is prepared lives as long as the batch. */
static void
prepare_keys(BatchTopic *topic, const RollupMessage *delta, TupleDesc desc)
{
	if (topic->partials == delta->partials)
		return;
	event_rollup_keys(&topic->key, &topic->channel, topic->topic.relation, desc, delta->nkeys,
					  CurrentMemoryContext);
	topic->partials = delta->partials;
}

void
batch_key(BatchEvent *event, BatchTopic *topic)
{
	const RollupMessage *delta = &event->delta;
	EventRelation *relation = event_relation_by_oid(delta->partials);
	Frame	   *frame = &event->frame;
	EventRow	row;
	StringInfoData key;

	/* The partials may be gone, or have other columns than the delta by now. */
	if (relation == NULL || relation->subject != topic->topic.relation ||
		!message_fits(delta, relation->desc))
		return;
	prepare_keys(topic, delta, relation->desc);
	row.values = palloc(sizeof(Datum) * relation->desc->natts);
	row.nulls = palloc(sizeof(bool) * relation->desc->natts);
	heap_deform_tuple(delta->tuple, relation->desc, row.values, row.nulls);
	initStringInfo(&key);
	if (event_key_append(&key, &topic->key, &row, &frame->key_hash))
	{
		event->key = key.data;
		frame->key_varies = topic->key.varies;
	}
	frame->nchannels = topic->channel.n > 0 ? 1 : 0;
	event_key_channel(frame->channels[0], &topic->channel, &row);
}
