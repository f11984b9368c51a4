/*
 * listener.h: what a listener is made of
 */
#ifndef GYMSTREAM_CLIENT_LISTENER_H
#define GYMSTREAM_CLIENT_LISTENER_H

#include "pqexpbuffer.h"

#include "client/base/connect.h"

typedef struct Topic
{
	const char *given;			/* its relation as the user wrote it */
	char	   *name;			/* the same, qualified and quoted */
	char	   *channel;		/* listened to; NULL: none */
	char	   *key_channel;	/* likewise: the one for the listener's key, where it has such */
	bool		is_rollup;
	bool		rows;			/* its notifications carry the rows */
	/* why nothing is heard of it, perhaps with a hint on a second line; NULL: it is heard */
	char	   *trouble;

	/* what the server said of it last; other values: another topic, or another relation */
	char	   *relation;
	char	   *created;
	char	   *columns;
} Topic;

/* What a program does with what is heard. */
typedef struct ListenCalls
{
	/*
	 * Connected, and listening already: read the state. False: something in the database is
	 * wrong; *error says what. At the start that ends the program, later (again) the connection
	 * is closed, and tried again after a pause.
	 */
	bool		(*ready) (void *context, bool again, PQExpBuffer error);

	/*
	 * The publisher has sent this. topic is an index of the listener's topics; payload lives as
	 * long as the call.
	 */
	void		(*heard) (void *context, int topic, const char *payload);

	/*
	 * Changes of the topic may not have been heard, or it is not what it was: what was read of it
	 * must be read anew. why is a sentence's part that lives as long as the call. Must not use
	 * the listener.
	 */
	void		(*missed) (void *context, int topic, const char *why);

	/* the program reads the topics' relations, and needs the right to */
	bool		reads;
} ListenCalls;

/* A notification that came in. */
typedef struct Notified
{
	int			topic;
	int			sender;			/* the server process that sent it */
	char	   *payload;
} Notified;

/* A question to the server on its way. */
typedef enum ListenAsked
{
	ASKED_NOTHING,
	ASKED_SENDER,				/* which process the publisher is */
	ASKED_HEALTH,				/* the same, how it is, and what the topics are */
} ListenAsked;

typedef struct Listener
{
	Connection	connection;
	const ListenCalls *calls;
	void	   *context;
	Topic	   *topics;
	int			ntopics;
	char	   *key;			/* only events of this key, an object as JSON; NULL: all */
	bool		joined;			/* this connection listens, and the program was told to read */
	int64		heard;			/* notifications of the publisher */
	int64		forged;			/* notifications of others */

	/* sender.c: whose notifications these are */
	Notified   *queue;			/* not proved to be the publisher's yet */
	int			nqueue;
	int			queue_size;
	ListenAsked asked;
	int64		asked_at;
	int			asked_for;		/* so many of the queue had come before it was asked */
	int			sender;			/* the publisher; 0: none runs */
	char	   *sender_since;

	/* health.c: whether all is well */
	char	   *session;		/* the server process of this connection */
	int64		look_at;		/* when to look next */
	int			unready;		/* looks in a row at which the workers were not ready */
	bool		was_ready;
	char	   *waiting_for;	/* at the last look */
	char	   *published;
	int64		lag;
	int64		skipped;
	char	   *trouble;		/* why nothing is published; NULL: it is */

	char	   *told;			/* the trouble that was told last; NULL: none, or it is over */
	int64		told_forged;
	int64		tell_forged_at;
} Listener;

#endif
