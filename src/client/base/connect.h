/*
 * connect.h: one connection that comes back after it was lost
 */
#ifndef GYMSTREAM_CLIENT_CONNECT_H
#define GYMSTREAM_CLIENT_CONNECT_H

#include "libpq-fe.h"

#include "client/base/options.h"

typedef enum ConnectionState
{
	CONNECTION_UP,
	CONNECTION_OPENING,			/* a connection is being made */
	CONNECTION_WAITING,			/* until retry_at, to try again */
} ConnectionState;

typedef struct Connection
{
	const ConnectOptions *options;
	PGconn	   *pg;				/* NULL while waiting */
	ConnectionState state;
	short		poll_for;		/* what libpq waits for on its socket */
	int64		retry_at;
	int64		delay;			/* before the attempt after the next */
	int64		give_up_at;		/* of the attempt being made */
	char	   *password;		/* as it was typed in */
	char	   *notice;			/* the server's last, one line */
	char	   *trouble;		/* why it was lost, one line; NULL: never was */
	/* called a few times a second while a query runs; NULL: nothing is */
	void		(*idle) (void *context);
	void	   *idle_context;
} Connection;

/*
 * Connect once, and wait for it. c->options and c->password must be set, the rest zero. False:
 * it failed, and why is in c->trouble, or a signal came. connection_close frees in both cases.
 */
extern bool connection_try(Connection *c);

/*
 * Connect for the first time; asks for a password where that is needed. options must live as
 * long as the connection. False: it failed, which is told on stderr, since to try again would
 * only hide a mistyped name. connection_close frees in both cases.
 */
extern bool connection_open(Connection *c, const ConnectOptions *options);

/* Close it and free all that it has. It is not tried again. */
extern void connection_close(Connection *c);

/*
 * Drop the connection and plan the next attempt, each after a longer pause than the one before.
 * why goes into c->trouble; NULL: libpq or the server's last notice says it.
 */
extern void connection_lost(Connection *c, const char *why);

/* The new connection does all that it is for: the next pause is a short one again. */
extern void connection_settled(Connection *c);

/*
 * Go on with what the connection waits for, without waiting. To be called after each wait.
 * True: it has just come up.
 */
extern bool connection_step(Connection *c);

/* When connection_step wants to be called even if nothing happens. */
extern int64 connection_deadline(const Connection *c);

/* What to wait on, for the events c->poll_for; -1: there is none now. */
extern int	connection_socket(const Connection *c);

/*
 * Wait for the server, a signal, or connection_deadline; calls c->idle meanwhile. Takes nothing
 * in.
 */
extern void connection_wait(Connection *c);

/*
 * Tell on stderr why a query failed, with the server's hint. result may be NULL; then libpq
 * says why. Says nothing once a signal came.
 */
extern void connection_complain(const Connection *c, const PGresult *result);

/*
 * Run one query, or a command of the replication protocol, which takes no parameters, and wait
 * for its end. The result is to be cleared; an error of the query is in it. NULL: the
 * connection broke, which its status says, or a signal came, and the query was cancelled. No
 * other query may be running.
 */
extern PGresult *connection_query(Connection *c, const char *sql, int nparams,
								  const char *const *params);

#endif
