/*
 * pooler.c: whether notifications come through.
 *
 * Takes a new connection, finds out whether something is between it and the server, and if so has
 * a second connection send a notification to the first. A pooler that gives each transaction
 * another server connection takes LISTEN without an error, and no notification ever arrives.
 * While the first connection waits it asks nothing: with a query of its own it might by chance
 * get the very server connection on which LISTEN ran.
 */
#include "postgres_fe.h"

#include "client/base/loop.h"
#include "client/feed/listen_parts.h"

#define ARRIVE_MOST		INT64CONST(5000000) /* microseconds */

/* Have a second connection send a notification. False: error says why, as listener_read does. */
static bool
send_probe(Listener *l, const char *channel, PQExpBuffer error)
{
	Connection	second = {.options = l->connection.options};
	char	   *sql = psprintf("SELECT pg_catalog.pg_notify('%s', '')", channel);
	PGresult   *result = NULL;
	bool		done;

	second.password = l->connection.password ? pg_strdup(l->connection.password) : NULL;
	if (connection_try(&second))
		result = connection_query(&second, sql, 0, NULL);
	done = PQresultStatus(result) == PGRES_TUPLES_OK;
	if (!done)
		appendPQExpBuffer(error, "could not try whether notifications arrive: %s",
						  second.trouble ? second.trouble : PQresultErrorMessage(result));
	PQclear(result);
	connection_close(&second);
	free(sql);
	return done;
}

/* Wait for it, and drop all others: what is on the topics is read after this. */
static bool
await_probe(Listener *l, const char *channel)
{
	PGconn	   *pg = l->connection.pg;
	int64		deadline = loop_now() + ARRIVE_MOST;
	bool		arrived = false;

	while (!arrived && loop_now() < deadline && !loop_stopping())
	{
		struct pollfd fd = {.fd = PQsocket(pg),.events = POLLIN};
		PGnotify   *notify;

		loop_wait(&fd, 1, deadline);
		if (!PQconsumeInput(pg))
			return false;
		while ((notify = PQnotifies(pg)) != NULL)
		{
			arrived |= strcmp(notify->relname, channel) == 0;
			PQfreemem(notify);
		}
	}
	return arrived;
}

bool
pooler_check(Listener *l, PQExpBuffer error)
{
	char	   *channel;
	char	   *sql;
	PGresult   *result;
	bool		arrived;

	/*
	 * A server tells the process id at the start of a connection; what is in between makes one
	 * up.
	 */
	if (atoi(l->session) == PQbackendPID(l->connection.pg))
		return true;
	channel = psprintf("gymstream_probe_%s_%lld", l->session, (long long) loop_now());
	sql = psprintf("LISTEN %s", channel);
	result = listener_query(l, sql, 0, NULL, error);
	arrived = result && send_probe(l, channel, error) && await_probe(l, channel);
	if (!arrived && error->len == 0 && !loop_stopping() &&
		PQstatus(l->connection.pg) == CONNECTION_OK)
		appendPQExpBufferStr(error,
							 "notifications do not arrive: a connection pooler is in between, "
							 "which shares its"
							 " connections\nHINT:  Connect to the server itself, or let the "
							 "pooler keep a connection for a whole"
							 " session (pool_mode = session in PgBouncer).");
	PQclear(result);
	free(sql);
	sql = psprintf("UNLISTEN %s", channel);
	PQclear(connection_query(&l->connection, sql, 0, NULL));
	free(sql);
	free(channel);
	return arrived;
}
