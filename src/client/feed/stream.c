/*
 * stream.c: reading a logical replication slot.
 *
 * Takes a slot and options for its output plugin, gives the messages that the server sends, and
 * tells the server how far they are done with. After a lost connection it begins again there.
 * Confirms nothing on its own: what was given out and not confirmed comes again.
 */
#include "postgres_fe.h"

#include <sys/time.h>

#include "client/base/loop.h"
#include "client/feed/stream.h"

#define REPLY_MOST		INT64CONST(10000000)	/* microseconds */
#define FINISH_MOST		INT64CONST(5000000)
#define EPOCH_2000		INT64CONST(946684800)	/* of the server's clock, in seconds since 1970 */

static const char slot_query[] =
"SELECT s.plugin, s.confirmed_flush_lsn, s.wal_status, CASE WHEN pg_catalog.pg_is_in_recovery()"
" THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_flush_lsn() END,"
" (SELECT setting FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) "
"'wal_sender_timeout'), s.slot_name"
" FROM (SELECT) o LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name "
"OPERATOR(pg_catalog.=) ";

void
stream_quote(PQExpBuffer sql, const char *text, char quote)
{
	appendPQExpBufferChar(sql, quote);
	for (; *text; text++)
	{
		if (*text == quote)
			appendPQExpBufferChar(sql, quote);
		appendPQExpBufferChar(sql, *text);
	}
	appendPQExpBufferChar(sql, quote);
}

/* It will not become better by trying again. */
static void
stream_fail(Stream *s, const char *why, const char *hint)
{
	connection_lost(&s->connection, why);
	if (hint)
		s->connection.trouble = psprintf("%s\nHINT:  %s", s->connection.trouble, hint);
	s->failed = true;
}

/*
 * Whether an error goes away: the slot is still in use, the server starts or stops, or has no
 * room at the moment.
 */
static bool
error_passes(const char *sqlstate)
{
	return sqlstate == NULL || strcmp(sqlstate, "55006") == 0 || strncmp(sqlstate, "08", 2) == 0 ||
		strncmp(sqlstate, "53", 2) == 0 || strncmp(sqlstate, "57", 2) == 0;
}

/*
 * What is wrong with a result: the connection is dropped; it is tried again later unless that is
 * of no use.
 */
static void
stream_refused(Stream *s, PGresult *result)
{
	if (loop_stopping())
		;
	else if (result == NULL)
		connection_lost(&s->connection, NULL);
	else
	{
		const char *why = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

		if (error_passes(PQresultErrorField(result, PG_DIAG_SQLSTATE)))
			connection_lost(&s->connection, why ? why : PQresultErrorMessage(result));
		else
			stream_fail(s, why, PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
	}
	PQclear(result);
}

/* Whether a name is in the server's encoding what it is in ours. */
static bool
takes_name(const Stream *s, const char *name)
{
	const char *encoding = PQparameterStatus(s->connection.pg, "server_encoding");

	while (*name && (unsigned char) *name < 0x80)
		name++;
	return *name == '\0' || (encoding && strcmp(encoding, "UTF8") == 0);
}

/* How far the slot and the log are. False: it cannot be read now, or never. */
static bool
stream_look(Stream *s)
{
	const char *slot = s->options->slot;
	PQExpBufferData sql;
	PGresult   *result;
	Lsn			confirmed;

	initPQExpBuffer(&sql);
	appendPQExpBufferStr(&sql, slot_query);
	stream_quote(&sql, slot, '\'');
	result = connection_query(&s->connection, sql.data, 0, NULL);
	termPQExpBuffer(&sql);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		stream_refused(s, result);
		return false;
	}
	/* What no later attempt makes better; the columns are those of slot_query. */
	if (PQgetisnull(result, 0, 5))
		stream_fail(s, "there is no such replication slot", "With --create-slot it is made.");
	else if (PQgetisnull(result, 0, 0))
		stream_fail(s, "it is not a logical replication slot", NULL);
	else if (!lsn_parse(PQgetvalue(result, 0, 1), &confirmed))
		stream_fail(s, "it was never ready to be read", "Drop it and make a new one.");
	else if (s->options->filtered && strcmp(PQgetvalue(result, 0, 0), "gymstream") != 0)
		stream_fail(s,
					psprintf("its output plugin is %s, whose lines --table and --key cannot choose",
							 PQgetvalue(result, 0, 0)),
					"Leave them out, or read a slot of the output plugin gymstream.");
	else if (strcmp(PQgetvalue(result, 0, 2), "lost") == 0)
		stream_fail(s, "the server has removed log that it needs",
					"Changes are missing: drop it, make a new one, and read the tables anew.");
	else if (!s->again && s->options->from != 0 && s->options->from < confirmed)
		stream_fail(s, "what is before its confirmed_flush_lsn cannot be read again",
					"Use a later --from, or none.");
	else
	{
		int64		timeout = atoll(PQgetvalue(result, 0, 4)) * 1000;

		/* It can be read. Between two connections of ours another reader may have had it. */
		if (s->again && confirmed > s->confirmed)
			fprintf(stderr,
					"gymstream: somebody else has read replication slot \"%s\" up to %s "
					"meanwhile\n",
					slot, PQgetvalue(result, 0, 1));
		s->confirmed = Max(s->confirmed, confirmed);
		s->ours = strcmp(PQgetvalue(result, 0, 0), "gymstream") == 0;
		s->by_table = s->options->tables && s->ours && takes_name(s, s->options->tables);

		/* the server ends a connection that says nothing for wal_sender_timeout */
		s->reply_most = timeout > 0 ? Min(timeout / 4, REPLY_MOST) : REPLY_MOST;
		lsn_parse(PQgetvalue(result, 0, 3), &s->end);
	}
	PQclear(result);
	return s->connection.state == CONNECTION_UP;
}

/* value may be NULL */
static void
add_option(PQExpBuffer sql, bool *first, const char *name, const char *value)
{
	appendPQExpBufferStr(sql, *first ? " (" : ", ");
	*first = false;
	stream_quote(sql, name, '"');
	if (value)
	{
		appendPQExpBufferChar(sql, ' ');
		stream_quote(sql, value, '\'');
	}
}

void
stream_begin(Stream *s)
{
	Lsn			from;
	PQExpBufferData sql;
	PGresult   *result;
	bool		first = true;

	if (!stream_look(s))
		return;
	from = Max(Max(s->confirmed, s->resume), s->options->from);
	initPQExpBuffer(&sql);
	appendPQExpBufferStr(&sql, "START_REPLICATION SLOT ");
	stream_quote(&sql, s->options->slot, '"');
	appendPQExpBuffer(&sql, " LOGICAL %X/%X", LSN_ARGS(from));
	for (int i = 0; i < s->options->nplugin; i++)
		add_option(&sql, &first, s->options->plugin[i].name, s->options->plugin[i].value);
	if (s->ours && s->options->schema_changes)
		add_option(&sql, &first, "include-schema-changes", "on");
	if (s->by_table)
	{
		/* they were looked for before, unless the user said that they need not exist */
		add_option(&sql, &first, "add-tables", s->options->tables);
		add_option(&sql, &first, "missing-tables", "ignore");
	}
	if (!first)
		appendPQExpBufferChar(&sql, ')');
	result = connection_query(&s->connection, sql.data, 0, NULL);
	termPQExpBuffer(&sql);
	if (PQresultStatus(result) != PGRES_COPY_BOTH)
	{
		stream_refused(s, result);
		return;
	}
	PQclear(result);
	connection_settled(&s->connection);
	s->running = s->again = true;
	s->replied_at = loop_now();
}

bool
stream_open(Stream *s, const ConnectOptions *connect, const StreamOptions *options)
{
	s->options = options;
	return connection_open(&s->connection, connect);
}

static void
stream_lost(Stream *s, const char *why)
{
	s->running = false;
	connection_lost(&s->connection, why);
}

void
stream_step(Stream *s)
{
	Connection *c = &s->connection;

	if (connection_step(c))
		stream_begin(s);
	else if (s->running && (!PQconsumeInput(c->pg) || PQstatus(c->pg) != CONNECTION_OK))
		stream_lost(s, NULL);
}

static uint64
stream_number(const char *bytes)
{
	uint64		number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | (unsigned char) bytes[i];
	return number;
}

/* The server sends no more: it stops, or has failed. */
static void
stream_ended(Stream *s)
{
	PGresult   *result = PQgetResult(s->connection.pg);

	s->running = false;
	if (PQresultStatus(result) == PGRES_FATAL_ERROR && PQresultErrorField(result, PG_DIAG_SQLSTATE))
		stream_refused(s, result);
	else
	{
		PQclear(result);
		connection_lost(&s->connection,
						s->connection.notice ? NULL : "the server has ended the stream");
	}
}

bool
stream_next(Stream *s, StreamMessage *message)
{
	int			length;

	if (s->copy)
		PQfreemem(s->copy);
	s->copy = NULL;
	while (s->running)
	{
		length = PQgetCopyData(s->connection.pg, &s->copy, 1);
		if (length == 0)
			return false;
		if (length < 0)
		{
			stream_ended(s);
			return false;
		}
		if (*s->copy == 'w' && length >= 25)
		{
			*message = (StreamMessage) {stream_number(s->copy + 1), s->copy + 25, length - 25,
										false};
			return true;
		}
		if (*s->copy == 'k' && length >= 18)
		{
			*message = (StreamMessage) {stream_number(s->copy + 1), NULL, 0, s->copy[17] != 0};
			return true;
		}
		PQfreemem(s->copy);
		s->copy = NULL;
	}
	return false;
}

static char *
stream_put(char *to, uint64 number)
{
	for (int i = 0; i < 8; i++)
		*to++ = (char) (number >> (56 - i * 8));
	return to;
}

void
stream_confirm(Stream *s, Lsn lsn)
{
	char		reply[34] = {'r'};
	char	   *end = reply + 1;
	struct timeval now;

	s->confirmed = Max(s->confirmed, lsn);
	if (!s->running)
		return;
	gettimeofday(&now, NULL);
	for (int i = 0; i < 3; i++)			/* written, flushed, applied */
		end = stream_put(end, s->confirmed);
	end = stream_put(end, (uint64) (now.tv_sec - EPOCH_2000) * 1000000 + now.tv_usec);
	/* answer: where nothing is wanted the server sends nothing, and does not say how far it is */
	*end = 1;
	if (PQputCopyData(s->connection.pg, reply, sizeof(reply)) != 1 ||
		PQflush(s->connection.pg) != 0)
		stream_lost(s, NULL);
	s->replied_at = loop_now();
}

void
stream_rewind(Stream *s, const char *why)
{
	if (s->running)
		stream_lost(s, why);
}

void
stream_tell(Stream *s)
{
	if (s->failed)
	{
		if (!s->failure_told)
			fprintf(stderr, "gymstream: replication slot \"%s\": %s\n", s->options->slot,
					s->connection.trouble);
		s->failure_told = true;
	}
	else if (s->running == s->told)
	{
		s->told = !s->told;
		if (s->told)
			fprintf(stderr, "gymstream: replication slot \"%s\": trying again: %s\n",
					s->options->slot, s->connection.trouble);
		else
			fprintf(stderr, "gymstream: replication slot \"%s\": reading on\n", s->options->slot);
	}
}

void
stream_finish(Stream *s)
{
	PGconn	   *pg = s->connection.pg;
	int64		deadline = loop_now() + FINISH_MOST;

	if (!s->running || PQputCopyEnd(pg, NULL) != 1 || PQflush(pg) != 0)
		return;
	while (loop_now() < deadline && !loop_stopping())
	{
		struct pollfd fd = {.fd = PQsocket(pg),.events = POLLIN};
		char	   *dropped;
		int			length;

		while ((length = PQgetCopyData(pg, &dropped, 1)) > 0)
			PQfreemem(dropped);
		if (length < 0)
			break;
		loop_wait(&fd, 1, deadline);
		if (!PQconsumeInput(pg))
			break;
	}
	s->running = false;
}

void
stream_close(Stream *s)
{
	if (s->copy)
		PQfreemem(s->copy);
	connection_close(&s->connection);
}
