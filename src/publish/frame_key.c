/*
 * frame_key.c: takes the rows of a change and enters in its frame what is the event's key, and on
 * which channels it is told. Nothing here fails: what cannot be told is not known.
 */
#include "publish/frame_key.h"

/* What is known of the row before: all, or the key, or nothing. */
static const EventRow *
known_row(const EventKey *key, const EventRow *old)
{
	return key->in_old ? old : NULL;
}

static void
take_keys(Frame *frame, StringInfo body, EventKey *key, const EventRow *new, const EventRow *old)
{
	uint32		old_hash;

	if (event_key_append(body, key, new ? new : old, &frame->key_hash))
	{
		frame->key_size = body->len;
		frame->key_varies = key->varies;
	}
	if (new == NULL || frame->key_size == 0 || !event_key_append(body, key, old, &old_hash))
		return;
	/* Most updates leave the key as it was. */
	frame->old_key_size = body->len - frame->key_size;
	if (frame->old_key_size != frame->key_size ||
		memcmp(body->data, body->data + frame->key_size, frame->key_size) != 0)
		return;
	body->len = frame->key_size;
	frame->old_key_size = 0;
}

/*
 * Of an update it may be two channels: the row has gone from one to the other. Where the server
 * logs nothing of what was before, the topic's own channel stands for the one that is not known.
 */
static void
take_channels(Frame *frame, EventKey *channel, bool update, const EventRow *new,
			  const EventRow *old)
{
	frame->nchannels = 1;
	event_key_channel(frame->channels[0], channel, new ? new : old);
	/* Without an old row the columns of the replica identity are as they were. */
	if (!update || (channel->in_old && old == NULL))
		return;
	event_key_channel(frame->channels[1], channel, old);
	if (strcmp(frame->channels[0], frame->channels[1]) != 0)
		frame->nchannels = 2;
}

void
frame_keys(Frame *frame, StringInfo body, EventTopic *topic, const EventRow *new,
		   const EventRow *old)
{
	bool		update = strcmp(frame->action, "update") == 0;

	take_keys(frame, body, &topic->key, new, known_row(&topic->key, old));
	if (topic->channel.n > 0)
		take_channels(frame, &topic->channel, update, new, known_row(&topic->channel, old));
}
