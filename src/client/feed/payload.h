/*
 * payload.h: one event, from a notification's payload or a line of a replication slot, taken apart
 */
#ifndef GYMSTREAM_CLIENT_PAYLOAD_H
#define GYMSTREAM_CLIENT_PAYLOAD_H

#include "postgres_fe.h"

typedef enum EventAction
{
	EVENT_POSITION,				/* names only where the event stands */
	EVENT_INSERT,
	EVENT_UPDATE,
	EVENT_DELETE,
	EVENT_TRUNCATE,
	EVENT_ROLLUP,
	EVENT_MESSAGE,
	EVENT_PUBLISHED,			/* into a topic of no table */
	/* in a slot a mark of a transaction; of a topic it says that it must be read anew */
	EVENT_OTHER,
} EventAction;

typedef struct EventMember
{
	const char *name;
	const char *text;			/* a string decoded, anything else as it is written; NULL: null */
} EventMember;

/* An object of columns; no name comes twice. */
typedef struct EventRow
{
	enum
	{
		ROW_ABSENT,
		ROW_NULL,
		ROW_GIVEN
	}			state;
	EventMember *members;
	int			count;
} EventRow;

/* What the client uses of a notification, or of a line of a replication slot. */
typedef struct Event
{
	EventAction action;
	const char *said;			/* the action as it is written; NULL: not said */
	bool		truncated;		/* too large to be sent: only topic, position and action are here */
	int64		commit_time;	/* microseconds since 1970; 0: not said */
	const char *schema;			/* NULL: not said; so in a notification, whose topic says it */
	const char *table;
	const char *lsn;			/* of the commit; NULL: not said */
	EventRow	new_row;
	EventRow	old_row;
	EventRow	source;			/* in Debezium's format: where it is from */
	EventRow	key;			/* of a rollup: the group; or a notification's key */
	EventRow	old_key;		/* the key before, where an update has changed it */
	EventRow	row;			/* of a rollup: the group's row now; null: it is gone */
	char	   *key_text;		/* of a notification: the key as it is written, or NULL */
	bool		key_varies;		/* another event may name the group by another key */
	char	   *texts;			/* holds all names and texts */
} Event;

/*
 * Read a notification's payload. The event lives until event_free, and the payload may go.
 * False: it is no event, and there is nothing to free.
 */
extern bool event_parse(const char *payload, Event *event);

/*
 * The same for a line of a replication slot. With head not all of it is read: only where its
 * commit stands is of use then.
 */
extern bool event_parse_change(const char *line, Event *event, bool head);

/*
 * A column's text, which lives as long as the event. NULL: it is null, or there is no such
 * column.
 */
extern const char *event_text(const EventRow *row, const char *name);

/* A column's value as a whole number; 0 for anything that is none. */
extern int64 event_int(const EventRow *row, const char *name);

/* Free what the event has, but not the event. */
extern void event_free(Event *event);

/* Now, in microseconds since 1970, on the clock that commit times are of. */
extern int64 event_wall_clock(void);

#endif
