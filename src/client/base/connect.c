/*
 * connect.c: one connection that comes back.
 *
 * Takes the connection options, gives a connection, and after it was lost another one, tried for
 * with growing pauses. Every wait is in loop_wait, so that a signal ends it. Never gives up once
 * it was connected; never blocks in libpq.
 */
#include "postgres_fe.h"

#include "common/string.h"

#include "client/base/connect.h"
#include "client/base/loop.h"

#define RETRY_FIRST		INT64CONST(100000)	/* microseconds */
#define RETRY_MOST		INT64CONST(5000000)
#define ATTEMPT_MOST	INT64CONST(10000000)
#define IDLE_PAUSE		INT64CONST(100000)

/* The first line of a message of libpq, without its end. */
static char *
first_line(const char *message)
{
	char	   *line = pg_strdup(message);

	line[strcspn(line, "\n")] = '\0';
	return line;
}

/*
 * A server that ends says so in a notice, which tells more than the broken socket; the screen
 * must stay clean of it.
 */
static void
connection_notice(void *context, const char *message)
{
	Connection *c = context;

	free(c->notice);
	c->notice = first_line(message);
}

static void
connection_begin(Connection *c)
{
	const char *keywords[] = {"fallback_application_name", "keepalives_idle", "host", "port",
							  "user", "password",
	"dbname", "client_encoding", c->options->replication ? "replication" : NULL, NULL};
	const char *values[] = {"gymstream", "30", c->options->host, c->options->port,
							c->options->user, c->password,
	c->options->dbname, "UTF8", "database", NULL};

	c->state = CONNECTION_OPENING;
	c->poll_for = POLLOUT;
	c->give_up_at = loop_now() + ATTEMPT_MOST;
	c->pg = PQconnectStartParams(keywords, values, 1);
	if (c->pg == NULL)
	{
		fprintf(stderr, "gymstream: out of memory\n");
		exit(1);
	}
	PQsetNoticeProcessor(c->pg, connection_notice, c);
}

static void
ask_password(Connection *c)
{
	free(c->password);
	c->password = simple_prompt("Password: ", false);
}

void
connection_lost(Connection *c, const char *why)
{
	if (why == NULL)
		why = c->notice ? c->notice : PQerrorMessage(c->pg);
	free(c->trouble);
	c->trouble = first_line(why);
	free(c->notice);
	c->notice = NULL;
	PQfinish(c->pg);
	c->pg = NULL;
	c->state = CONNECTION_WAITING;
	c->retry_at = loop_now() + c->delay;
	c->delay = Min(c->delay * 2, RETRY_MOST);
}

bool
connection_step(Connection *c)
{
	struct pollfd ready;

	if (c->state == CONNECTION_WAITING && loop_now() >= c->retry_at)
		connection_begin(c);
	if (c->state != CONNECTION_OPENING)
		return false;
	if (PQstatus(c->pg) == CONNECTION_BAD)
	{
		connection_lost(c, NULL);
		return false;
	}

	/* libpq may be called only when its socket is ready: otherwise it blocks */
	ready = (struct pollfd) {.fd = PQsocket(c->pg),.events = c->poll_for};
	if (poll(&ready, 1, 0) <= 0)
	{
		if (loop_now() >= c->give_up_at)
			connection_lost(c, "timeout expired");
		return false;
	}
	switch (PQconnectPoll(c->pg))
	{
		case PGRES_POLLING_READING:
			c->poll_for = POLLIN;
			return false;
		case PGRES_POLLING_WRITING:
			c->poll_for = POLLOUT;
			return false;
		case PGRES_POLLING_OK:
			c->state = CONNECTION_UP;
			c->poll_for = POLLIN;
			return true;
		default:
			/* the server wants a password that nobody has given: ask, once */
			if (PQconnectionNeedsPassword(c->pg) && c->options->prompt != PROMPT_NEVER &&
				c->password == NULL)
			{
				PQfinish(c->pg);
				ask_password(c);
				connection_begin(c);
				return false;
			}
			connection_lost(c, NULL);
			return false;
	}
}

int64
connection_deadline(const Connection *c)
{
	switch (c->state)
	{
		case CONNECTION_WAITING:
			return c->retry_at;
		case CONNECTION_OPENING:
			return PQstatus(c->pg) == CONNECTION_BAD ? loop_now() : c->give_up_at;
		default:
			return LOOP_NEVER;
	}
}

int
connection_socket(const Connection *c)
{
	return c->pg ? PQsocket(c->pg) : -1;
}

void
connection_wait(Connection *c)
{
	struct pollfd fd = {.fd = connection_socket(c),.events = c->poll_for};
	bool		idle = c->idle && c->state == CONNECTION_UP;

	loop_wait(&fd, 1, idle ? loop_now() + IDLE_PAUSE : connection_deadline(c));
	if (idle && !loop_stopping())
		c->idle(c->idle_context);
}

bool
connection_try(Connection *c)
{
	c->delay = RETRY_FIRST;
	connection_begin(c);
	while (c->state == CONNECTION_OPENING && !loop_stopping())
	{
		connection_wait(c);
		connection_step(c);
	}
	return c->state == CONNECTION_UP;
}

bool
connection_open(Connection *c, const ConnectOptions *options)
{
	bool		up;

	memset(c, 0, sizeof(*c));
	c->options = options;
	if (options->prompt == PROMPT_ALWAYS)
		ask_password(c);
	up = connection_try(c);
	if (!up && c->state == CONNECTION_WAITING)
		fprintf(stderr, "gymstream: %s\n", c->trouble);
	return up;
}

void
connection_close(Connection *c)
{
	if (c->pg)
		PQfinish(c->pg);
	c->pg = NULL;
	free(c->password);
	free(c->trouble);
	free(c->notice);
}

void
connection_settled(Connection *c)
{
	c->delay = RETRY_FIRST;
	free(c->notice);
	c->notice = NULL;
}

static void
connection_cancel(Connection *c)
{
	char		error[256];
	PGcancel   *cancel = PQgetCancel(c->pg);

	if (cancel)
	{
		PQcancel(cancel, error, sizeof(error));
		PQfreeCancel(cancel);
	}
}

void
connection_complain(const Connection *c, const PGresult *result)
{
	const char *why = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);

	if (loop_stopping())
		return;
	why = why ? why : PQerrorMessage(c->pg);
	fprintf(stderr, "gymstream: %.*s\n", (int) strcspn(why, "\n"), why);
	if (hint)
		fprintf(stderr, "HINT:  %s\n", hint);
}

PGresult *
connection_query(Connection *c, const char *sql, int nparams, const char *const *params)
{
	PGresult   *result = NULL;
	PGresult   *next;

	if (!(nparams == 0 ? PQsendQuery(c->pg, sql) :
		  PQsendQueryParams(c->pg, sql, nparams, NULL, params, NULL, NULL, 0)))
		return NULL;

	/* PQgetResult would wait where no signal ends it: so wait here until it need not. */
	while (PQisBusy(c->pg))
	{
		connection_wait(c);
		if (loop_stopping())
		{
			connection_cancel(c);
			return NULL;
		}
		if (!PQconsumeInput(c->pg))
			return NULL;
	}

	/* a stream that has begun has no end yet */
	result = PQgetResult(c->pg);
	if (PQresultStatus(result) == PGRES_COPY_BOTH)
		return result;
	/* what is left is the end of the query, already on its way */
	while ((next = PQgetResult(c->pg)) != NULL)
		PQclear(next);
	if (PQstatus(c->pg) != CONNECTION_OK)
	{
		PQclear(result);
		return NULL;
	}
	return result;
}
