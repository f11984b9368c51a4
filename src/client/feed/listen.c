/*
 * listen.c: hearing what happens on topics.
 *
 * Takes the names of relations, finds their channels in gymstream.topics, listens, and gives each notification to the
 * program. After a lost connection it does all of it again and tells the program to read afresh: what was published in
 * between was not heard. Never queries on its own otherwise.
 */
#include "postgres_fe.h"

#include "client/feed/listen.h"

#define MAX_OTHERS	4

static const char topic_query[] =
"SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), t.channel, t.notify,"
" EXISTS (SELECT FROM gymstream_internal.rollup r WHERE r.rollup OPERATOR(pg_catalog.=) c.oid)"
" FROM pg_catalog.pg_class c"
" JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
" LEFT JOIN gymstream.topics t ON t.relation OPERATOR(pg_catalog.=) c.oid"
" WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)";

/* Values as the events of a topic write them, whatever the role's own settings are. */
static const char session_query[] =
"SELECT pg_catalog.set_config('DateStyle', 'ISO', false), pg_catalog.set_config('IntervalStyle', 'postgres', false),"
" pg_catalog.set_config('TimeZone', 'UTC', false), pg_catalog.set_config('extra_float_digits', '1', false),"
" pg_catalog.set_config('bytea_output', 'hex', false)";

/*
 * A query whose rows are needed. NULL: it failed, and error says why unless the connection itself is gone.
 */
static PGresult *
listener_query(Listener *l, const char *sql, int nparams, const char *const *params, PQExpBuffer error)
{
	PGresult   *result = connection_query(&l->connection, sql, nparams, params);

	if (result == NULL || PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK)
		return result;
	appendPQExpBufferStr(error, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?
						 PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : PQresultErrorMessage(result));
	PQclear(result);
	return NULL;
}

PGresult *
listener_read(Listener *l, const char *sql, PQExpBuffer error)
{
	return listener_query(l, sql, 0, NULL, error);
}

static bool
listener_has_extension(Listener *l, PQExpBuffer error)
{
	PGresult   *result = listener_read(l, "SELECT pg_catalog.to_regclass('gymstream.topics') IS NOT NULL", error);
	bool		has = result && *PQgetvalue(result, 0, 0) == 't';

	if (result && !has)
		appendPQExpBuffer(error, "database \"%s\" does not have the extension gymstream\n"
						  "HINT:  CREATE EXTENSION gymstream;", PQdb(l->connection.pg));
	PQclear(result);
	return has;
}

/* Find one topic's channel and listen on it. */
static bool
listener_join(Listener *l, Topic *topic, PQExpBuffer error)
{
	const char *params[] = {topic->given};
	PGresult   *result = listener_query(l, topic_query, 1, params, error);
	char	   *quoted;
	char	   *sql;

	if (result == NULL)
	{
		if (error->len > 0)
			appendPQExpBuffer(error, " in \"%s\"", topic->given);
		return false;
	}
	if (PQntuples(result) == 0 || PQgetisnull(result, 0, 1))
	{
		if (PQntuples(result) == 0)
			appendPQExpBuffer(error, "there is no table or rollup \"%s\"", topic->given);
		else
			appendPQExpBuffer(error, "\"%s\" has no topic\n"
							  "HINT:  SELECT gymstream.create_topic('%s', notify => 'row');",
							  topic->given, topic->given);
		PQclear(result);
		return false;
	}
	free(topic->name);
	free(topic->channel);
	topic->name = pg_strdup(PQgetvalue(result, 0, 0));
	topic->channel = pg_strdup(PQgetvalue(result, 0, 1));
	topic->rows = strcmp(PQgetvalue(result, 0, 2), "row") == 0;
	topic->is_rollup = *PQgetvalue(result, 0, 3) == 't';
	PQclear(result);

	quoted = PQescapeIdentifier(l->connection.pg, topic->channel, strlen(topic->channel));
	sql = psprintf("LISTEN %s", quoted);
	result = listener_read(l, sql, error);
	PQclear(result);
	free(sql);
	PQfreemem(quoted);
	return result != NULL;
}

/*
 * The connection is new: listen first and read then, so that nothing falls between the two.
 */
static bool
listener_join_all(Listener *l, bool again, PQExpBuffer error)
{
	PGresult   *result = listener_read(l, session_query, error);

	PQclear(result);
	if (result == NULL || !listener_has_extension(l, error))
		return false;
	for (int i = 0; i < l->ntopics; i++)
	{
		if (!listener_join(l, &l->topics[i], error))
			return false;
	}
	return l->calls->ready(l->context, again, error);
}

/* Hand over what libpq has taken in, also while it waited for a query's result. False: nothing. */
static bool
listener_dispatch(Listener *l)
{
	int64		before = l->heard;
	PGnotify   *notify;

	while ((notify = PQnotifies(l->connection.pg)) != NULL)
	{
		for (int i = 0; i < l->ntopics; i++)
		{
			if (strcmp(notify->relname, l->topics[i].channel) == 0)
			{
				l->heard++;
				l->calls->heard(l->context, i, notify->extra);
				break;
			}
		}
		PQfreemem(notify);
	}
	return l->heard > before;
}

/*
 * Connect, listen and read for the first time; a failure is told on stderr.
 */
bool
listener_start(Listener *l, const ConnectOptions *options, const char *const *names, int nnames)
{
	PQExpBufferData error;
	bool		done;

	l->topics = pg_malloc0(sizeof(Topic) * nnames);
	l->ntopics = nnames;
	for (int i = 0; i < nnames; i++)
		l->topics[i].given = names[i];
	if (!connection_open(&l->connection, options))
		return false;

	initPQExpBuffer(&error);
	done = listener_join_all(l, false, &error);
	if (!done && !loop_stopping())
		fprintf(stderr, "gymstream: %s\n", error.len > 0 ? error.data : PQerrorMessage(l->connection.pg));
	termPQExpBuffer(&error);
	return done;
}

/* A new connection after a lost one; what is wrong with it makes it lost again. */
static void
listener_resume(Listener *l)
{
	PQExpBufferData error;

	initPQExpBuffer(&error);
	if (listener_join_all(l, true, &error))
		connection_settled(&l->connection);
	else if (!loop_stopping())
		connection_lost(&l->connection, error.len > 0 ? error.data : NULL);
	termPQExpBuffer(&error);
}

/*
 * Wait once, for the connection, other descriptors or the deadline, and do what there is to do.
 * False: the program is asked to stop.
 */
bool
listener_step(Listener *l, struct pollfd *others, int nothers, int64 deadline)
{
	Connection *c = &l->connection;
	struct pollfd fds[MAX_OTHERS + 1];

	Assert(nothers <= MAX_OTHERS);
	if (c->state == CONNECTION_UP && listener_dispatch(l))
		deadline = 0;
	fds[0] = (struct pollfd) {.fd = connection_socket(c),.events = c->poll_for};
	for (int i = 0; i < nothers; i++)
		fds[i + 1] = others[i];
	loop_wait(fds, nothers + 1, Min(deadline, connection_deadline(c)));
	for (int i = 0; i < nothers; i++)
		others[i].revents = fds[i + 1].revents;
	if (loop_stopping())
		return false;

	if (connection_step(c))
		listener_resume(l);
	if (c->state == CONNECTION_UP)
	{
		bool		alive = PQconsumeInput(c->pg) && PQstatus(c->pg) == CONNECTION_OK;

		listener_dispatch(l);
		if (!alive)
			connection_lost(c, NULL);
	}
	return true;
}

bool
listener_fine(const Listener *l)
{
	return l->connection.state == CONNECTION_UP;
}

/* What is wrong with the connection, in one line to be freed; NULL: nothing. */
char *
listener_trouble(const Listener *l)
{
	const Connection *c = &l->connection;
	int64		wait = c->retry_at - loop_now();

	if (listener_fine(l))
		return NULL;
	if (c->state == CONNECTION_OPENING || wait <= 0)
		return psprintf("connection lost, trying again: %s", c->trouble);
	return psprintf("connection lost, trying again in %.1f s: %s", wait / 1000000.0, c->trouble);
}

/* Say on stderr, once, that the connection is lost or that it is back. */
void
listener_tell(Listener *l)
{
	if (listener_fine(l) == !l->told)
		return;
	l->told = !l->told;
	if (l->told)
		fprintf(stderr, "gymstream: connection lost, trying again: %s\n", l->connection.trouble);
	else
		fprintf(stderr, "gymstream: connected again; what was published in between was not heard\n");
}

void
listener_stop(Listener *l)
{
	connection_close(&l->connection);
	for (int i = 0; i < l->ntopics; i++)
	{
		free(l->topics[i].name);
		free(l->topics[i].channel);
	}
	free(l->topics);
}
