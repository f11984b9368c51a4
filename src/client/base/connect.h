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
	void		(*idle) (void *context);	/* called a few times a second while a query runs; NULL: nothing is */
	void	   *idle_context;
} Connection;

extern bool connection_try(Connection *c);
extern bool connection_open(Connection *c, const ConnectOptions *options);
extern void connection_close(Connection *c);
extern void connection_lost(Connection *c, const char *why);
extern void connection_settled(Connection *c);
extern bool connection_step(Connection *c);
extern int64 connection_deadline(const Connection *c);
extern int	connection_socket(const Connection *c);
extern void connection_wait(Connection *c);
extern void connection_complain(const Connection *c, const PGresult *result);
extern PGresult *connection_query(Connection *c, const char *sql, int nparams, const char *const *params);

#endif
