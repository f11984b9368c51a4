/*
 * event.h: a notification's payload, taken apart
 */
#ifndef GYMSTREAM_CLIENT_EVENT_H
#define GYMSTREAM_CLIENT_EVENT_H

#include "json.h"

typedef enum EventAction
{
	EVENT_POSITION,				/* names only where the event stands */
	EVENT_INSERT,
	EVENT_UPDATE,
	EVENT_DELETE,
	EVENT_TRUNCATE,
	EVENT_ROLLUP,
	EVENT_RESET,				/* what came before is unknown: read again */
	EVENT_OTHER,
} EventAction;

/* One notification. The values are slices of its payload; those it does not have are of length 0. */
typedef struct Event
{
	EventAction action;
	bool		truncated;		/* too large to be sent: only topic, position and action are here */
	int64		commit_time;	/* microseconds since 1970; 0: not said */
	JsonValue	topic;
	JsonValue	position;
	JsonValue	new_row;
	JsonValue	old_row;
	JsonValue	key;			/* of a rollup: the group, */
	JsonValue	delta;			/* what was added to it, */
	JsonValue	row;			/* and its row now; null: the group is gone */
} Event;

extern bool event_parse(const char *payload, Event *event);
extern int64 event_wall_clock(void);

#endif
