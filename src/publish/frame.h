/*
 * frame.h: what passes from the decoder to the publisher: transactions in commit order, frame by
 * frame.
 *
 * A transaction is a BEGIN, its events, and an END. One without events is not sent. The commit's
 * LSN is known in BEGIN, so that a huge transaction can be told before it has been sent whole.
 */
#ifndef GS_FRAME_H
#define GS_FRAME_H

#include "base/base.h"

#include "storage/shm_mq.h"

#include "decode/event_key.h"

/* a notification's payload is shorter than this */
#define GS_NOTIFY_LIMIT (BLCKSZ - NAMEDATALEN - 128)

/* an event that is longer than this as text is not stored whole */
#define GS_STORED_LIMIT (16 * 1024 * 1024)

typedef enum FrameKind
{
	FRAME_BEGIN,				/* stamp */
	/* relation, index, action; the body is the event's keys, and behind them the JSON event */
	FRAME_EVENT,
	FRAME_LARGE_EVENT,			/* the same, but too large for a notification: the keys alone */
	FRAME_ROLLUP,				/* relation, index; the body is the WAL message */
	/* the same; the body is a topic's channel and name, each with a byte 0 behind */
	FRAME_MARK,
	FRAME_END					/* end_lsn */
} FrameKind;

typedef struct Frame
{
	FrameKind	kind;
	Oid			relation;		/* what the event is about: a table, or a rollup's view */
	uint32		index;			/* of the event in its transaction, from 1 */
	char		action[12];
	/* some of it could not be rendered: the event's member of that name says what */
	bool		unrendered;
	bool		stored;			/* the topic kept its events when it happened */
	bool		skipped;		/* there is no body, since workers have died of it */
	/* of the event's key, as JSON; 0: it has none, or it is not known */
	uint32		key_size;
	uint32		old_key_size;	/* of the key that it had before, where it has changed */
	uint32		key_hash;
	bool		key_varies;		/* equal keys may have other texts, and hashes */
	int			nchannels;		/* of what follows; 0: one, the topic's own */
	/* what the channels have in their names; an empty text is the topic's own channel */
	char		channels[2][EVENT_CHANNEL_SIZE];
	EventStamp	stamp;
	XLogRecPtr	end_lsn;		/* end of the commit record */
} Frame;

/*
 * Waits while the queue is full; ends the process when the other side is gone. flush wakes the
 * receiver.
 */
extern void frame_send(shm_mq_handle *queue, const Frame *frame, const char *body, Size size,
					   bool flush);

/* False when there is none yet. The body is good until the next call. Ends the process as above. */
extern bool frame_receive(shm_mq_handle *queue, Frame *frame, const char **body, Size *size);

#endif							/* GS_FRAME_H */
