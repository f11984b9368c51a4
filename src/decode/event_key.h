/*
 * event_key.h: the key of an event: the values of some of its columns, as one JSON object.
 */
#ifndef GS_EVENT_KEY_H
#define GS_EVENT_KEY_H

#include "base/base.h"

#include "access/tupdesc.h"
#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"

#include "decode/event.h"

/* A key that is longer as text is not told. */
#define EVENT_KEY_SIZE (64 * 1024)

/* What tells a channel from others of its topic, as text, with its end. */
#define EVENT_CHANNEL_SIZE 40

/* The columns of a key, prepared once. */
typedef struct EventKey
{
	int			n;				/* 0: there is none */
	bool		in_old;			/* old rows have them */
	bool		contained;		/* as EventShape has it */
	bool		varies;			/* of the one appended last: equal keys may have other texts */
	TupleDesc	desc;			/* of them alone */
	Bitmapset  *alike;			/* those that canonical.h has */
	int		   *indexes;		/* where each stands in the rows that come in */
	JsonColumn *columns;
} EventKey;

/*
 * The key of these attribute numbers of the rows that come in; identity has those that old rows
 * have, NULL for all. Allocates in context.
 */
extern void event_key_init(EventKey *key, TupleDesc desc, List *attributes,
						   const Bitmapset *identity, MemoryContext context);

/*
 * The attribute numbers of columns that a row of the table topic names in one of its own; NIL where
 * it names none, or one that the rows do not have.
 */
extern List *event_key_named(TupleDesc desc, HeapTuple topic, TupleDesc catalog, AttrNumber column);

/*
 * Append the key of a row, and give its hash; equal keys have the same text and hash, in any
 * server. False, with nothing appended, where it is not known, or cannot be told.
 */
extern bool event_key_append(StringInfo out, EventKey *key, const EventRow *row, uint32 *hash);

/* The same as what its channel has in its name; an empty text where there is none. */
extern void event_key_channel(char *text, EventKey *key, const EventRow *row);

/* The name of a topic's channel for this text; without a text the channel itself. */
extern void event_channel_name(char *name, const char *channel, Oid topic, const char *text);

#endif							/* GS_EVENT_KEY_H */
