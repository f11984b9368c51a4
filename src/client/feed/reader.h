/*
 * reader.h: reading the logs of topics, and going on as they grow
 *
 * A reader is one connection. It reads each topic after a position, in the order of the log, and
 * is woken by notifications when there is more. It goes on over lost connections. What the log no
 * longer has is told, and the reader goes on with what it has.
 */
#ifndef GYMSTREAM_CLIENT_READER_H
#define GYMSTREAM_CLIENT_READER_H

#include "client/base/connect.h"

/* what of a position's text is its order; an offset may follow */
#define POSITION_ORDER	34

/* Where to begin with a topic of which nothing says how far it was read. */
#define READER_EARLIEST	"earliest"
#define READER_LATEST	"latest"

typedef struct ReaderTopic
{
	const char *given;			/* its relation as the user wrote it */
	char	   *name;			/* the same, qualified and quoted */
	char	   *relation;		/* its OID */
	char	   *channel;		/* whose notifications say that there is more; NULL: none do */
	char	   *position;		/* of the last event given; NULL: the first one kept is next */
	char	   *known;			/* what is not after this was given before; NULL: nothing was */
	char	   *told;			/* why it cannot be read, as it was told; NULL: it can */
	bool		begun;			/* where to begin is known */
	bool		due;			/* there may be more */
	bool		caught_up;		/* all that was there at the start was given */
} ReaderTopic;

typedef struct ReaderEvent
{
	int			topic;
	const char *position;
	const char *action;
	const char *key;			/* JSON; NULL: there is none */
	const char *body;			/* JSON, an object */
	size_t		size;			/* of the body */
} ReaderEvent;

/* What a program does with what is read. */
typedef struct ReaderCalls
{
	/* The next event of a topic. False: no more is wanted now; this one is given again then. */
	bool		(*take) (void *context, const ReaderEvent *event);

	/* Events after this position, which may be NULL, are gone. why is a sentence of the server. */
	void		(*gone) (void *context, int topic, const char *after, const char *why);
} ReaderCalls;

typedef struct Reader
{
	Connection	connection;
	const ReaderCalls *calls;
	void	   *context;
	const char *from;			/* earliest, latest, a position, or a time as the server reads it */
	ReaderTopic *topics;
	int			ntopics;
	bool		standby;		/* where nobody can listen */
	int			batch;			/* how many events to read at a time */
	int64		look_at;		/* when to look without having been woken */
	char	   *told;			/* what is wrong with the server, as it was told; NULL: nothing */
	bool		lost;			/* it was told that the connection is */
} Reader;

/*
 * Connect, and look the topics up. calls, context and from must be set, the rest zero; names live
 * as long as the reader. False: it failed, which is told on stderr, or a signal ended it.
 * reader_stop frees in both cases.
 */
extern bool reader_start(Reader *r, const ConnectOptions *options, const char *const *names,
						 int nnames);

/*
 * Find where to begin with the topics of which nothing was said. False: as above. To be called
 * after reader_start.
 */
extern bool reader_begin(Reader *r);

/* Begin, or begin again, after this position. NULL: with the first event that is kept. */
extern void reader_rewind(Reader *r, int topic, const char *position);

/*
 * Do what there is to do: connect again, hear what is new, and read a batch of each topic that
 * may have more. True: there is more at hand.
 */
extern bool reader_step(Reader *r);

/* What to wait for: the server has something to say. */
extern struct pollfd reader_poll(const Reader *r);

/* When reader_step wants to be called even if nothing happens. */
extern int64 reader_deadline(const Reader *r);

/* Whether all is given that was in the logs when the reader began. */
extern bool reader_caught_up(const Reader *r);

/* Close the connection and free all that the reader has. */
extern void reader_stop(Reader *r);

#endif
