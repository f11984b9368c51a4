/*
 * listen_parts.h: what the listener's files share, and nobody beside them uses
 */
#ifndef GYMSTREAM_CLIENT_LISTEN_PARTS_H
#define GYMSTREAM_CLIENT_LISTEN_PARTS_H

#include "client/feed/listener.h"

/* The columns that an answer about the sender has, and one about the health begins with. */
enum
{
	ANSWER_SENDER,
	ANSWER_SINCE,
	ANSWER_SENDER_COLUMNS
};

/* Free *text and put a copy of the other in its place; either may be NULL. */
extern void listener_keep(char **text, const char *other);

/* The rows of a query, as listener_read gives them. No question may be on its way. */
extern PGresult *listener_query(Listener *l, const char *sql, int nparams,
								const char *const *params, PQExpBuffer error);

/* Tell the program that it must read all topics anew. */
extern void listener_missed_all(Listener *l, const char *why);

/* sender.c */

/*
 * Make a new connection fit for sender_ask. False: it failed, and error says why, as
 * listener_read does.
 */
extern bool sender_prepare(Listener *l, PQExpBuffer error);

/* Take what libpq has of notifications into the queue. */
extern void sender_collect(Listener *l);

/* Ask who the publisher is, because something is in the queue. Nothing may be on its way. */
extern void sender_ask(Listener *l);

/*
 * Remember the publisher that an answer names; row is its first row, and may be NULL. Whether it
 * is the one that it was.
 */
extern bool sender_learn(Listener *l, const PGresult *row);

/*
 * An answer is complete: give out what is proved, drop the rest. row is its first row; NULL:
 * there is no publisher.
 */
extern void sender_answered(Listener *l, const PGresult *row);

/* Drop the queue, and forget what was asked: the connection is gone. */
extern void sender_forget(Listener *l);

/* health.c */

/*
 * Look for the first time on a connection: learn the publisher, find the topics and listen.
 * Failures as in listener_read.
 */
extern bool health_begin(Listener *l, PQExpBuffer error);

/* Ask for the next look. Nothing may be on its way. */
extern void health_ask(Listener *l);

/* An answer is complete; it may be an error. */
extern void health_answered(Listener *l, const PGresult *result);

/* Forget what belonged to the connection. */
extern void health_forget(Listener *l);

/* pooler.c */

/*
 * Whether notifications come through whatever is between us and the server. False: error says
 * what to do.
 */
extern bool pooler_check(Listener *l, PQExpBuffer error);

#endif
