/*
 * reader.c: reading the logs of topics, and going on as they grow.
 *
 * Takes the names of relations and where to begin, gives events, in each topic's own order. It
 * listens before it reads, so that what is stored after the reading wakes it. A notification only
 * wakes: whoever sent it, what is given comes from the log. Where none comes, on a standby, for a
 * topic without notifications, or through a pooler, it looks every few seconds. Never waits but
 * for the answer to a query.
 */
#include "postgres_fe.h"

#include "client/base/loop.h"
#include "client/feed/reader.h"

#define LOOK_PAUSE		INT64CONST(5000000) /* microseconds between looks when nothing is heard */
#define UNHEARD_PAUSE	INT64CONST(1000000) /* likewise where nothing can be heard */
#define BATCH_FIRST		100
#define BATCH_MOST		10000
#define BATCH_BYTES		(4 * 1024 * 1024)	/* what a batch should have at most */

/* SQLSTATEs of read_topic */
#define STATE_EPOCH		"GS001"
#define STATE_RETAINED	"GS002"

static const char extension_query[] =
"SELECT pg_catalog.to_regclass('gymstream.status') IS NOT NULL,"
" pg_catalog.to_regprocedure('gymstream.read_topic(regclass,gymstream.position,integer)') IS NOT "
"NULL, pg_catalog.pg_is_in_recovery()";

/* The relation that it was, as long as that lives, otherwise that of the name. */
static const char topic_query[] =
"SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname),"
" CASE WHEN t.notify OPERATOR(pg_catalog.<>) 'none' AND t.channel_columns IS NULL"
" THEN t.channel END, t.relation IS NOT NULL"
" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
"  ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
" LEFT JOIN gymstream.topics t ON t.relation OPERATOR(pg_catalog.=) c.oid"
" WHERE c.oid OPERATOR(pg_catalog.=) COALESCE("
"  (SELECT o.oid FROM pg_catalog.pg_class o WHERE o.oid OPERATOR(pg_catalog.=) $2::pg_catalog.oid),"
"  pg_catalog.to_regclass($1))";

static const char read_query[] =
"SELECT r.\"position\", r.action, r.key, r.event"
" FROM gymstream.read_topic($1::pg_catalog.oid::pg_catalog.regclass, $2::gymstream.position,"
" $3::pg_catalog.int4) r";

static void
keep_text(char **text, const char *other)
{
	char	   *copy = other ? pg_strdup(other) : NULL;

	free(*text);
	*text = copy;
}

static const char *
field_text(const PGresult *rows, int row, int column)
{
	return PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
}

/* The rows of a query. NULL: it failed; error says why, or nothing where the connection broke. */
static PGresult *
ask(Reader *r, const char *sql, int nparams, const char *const *params, char **error)
{
	PGresult   *result = connection_query(&r->connection, sql, nparams, params);
	const char *why = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);

	*error = NULL;
	if (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK)
		return result;
	if (result)
		*error = psprintf("%s%s%s", why ? why : PQresultErrorMessage(result),
						  hint ? "\nHINT:  " : "", hint ? hint : "");
	PQclear(result);
	return NULL;
}

/* ---- topics ---- */

/* Look a topic up and listen. False: as ask. */
static bool
find_topic(Reader *r, ReaderTopic *topic, char **error)
{
	const char *params[] = {topic->given, topic->relation};
	PGresult   *found = ask(r, topic_query, 2, params, error);
	char	   *quoted;
	char	   *sql;
	PGresult   *result;

	if (found == NULL)
		return false;
	if (PQntuples(found) == 0)
		*error = psprintf("there is no table or rollup \"%s\"", topic->given);
	else if (*PQgetvalue(found, 0, 3) != 't')
		*error = psprintf("\"%s\" has no topic\nHINT:  SELECT gymstream.create_topic('%s');",
						  topic->given, topic->given);
	if (*error)
	{
		PQclear(found);
		return false;
	}
	keep_text(&topic->relation, PQgetvalue(found, 0, 0));
	keep_text(&topic->name, PQgetvalue(found, 0, 1));
	keep_text(&topic->channel, r->standby ? NULL : field_text(found, 0, 2));
	PQclear(found);
	topic->due = true;
	if (topic->channel == NULL)
		return true;
	quoted = PQescapeIdentifier(r->connection.pg, topic->channel, strlen(topic->channel));
	sql = psprintf("LISTEN %s", quoted);
	result = ask(r, sql, 0, NULL, error);
	free(sql);
	PQfreemem(quoted);
	PQclear(result);
	return result != NULL;
}

/* The extension is there, and fits. False: as ask. */
static bool
find_extension(Reader *r, char **error)
{
	PGresult   *result = ask(r, extension_query, 0, NULL, error);

	if (result == NULL)
		return false;
	if (*PQgetvalue(result, 0, 0) != 't')
		*error = psprintf("database \"%s\" does not have the extension gymstream\n"
						  "HINT:  CREATE EXTENSION gymstream;", PQdb(r->connection.pg));
	else if (*PQgetvalue(result, 0, 1) != 't')
		*error = psprintf("the extension gymstream of database \"%s\" is older than this program\n"
						  "HINT:  ALTER EXTENSION gymstream UPDATE;", PQdb(r->connection.pg));
	r->standby = *PQgetvalue(result, 0, 2) == 't';
	PQclear(result);
	return *error == NULL;
}

/* A topic cannot be read now. Say why, once; the next look tries again. */
static void
tell_trouble(ReaderTopic *topic, const char *why)
{
	topic->due = false;
	if (topic->told && strcmp(topic->told, why) == 0)
		return;
	fprintf(stderr, "gymstream: %s cannot be read: %s\n", topic->name ? topic->name : topic->given,
			why);
	keep_text(&topic->told, why);
}

/* ---- where to begin ---- */

static bool
is_position(const char *text)
{
	return strspn(text, "0123456789ABCDEFabcdef") == 8 && text[8] == '/';
}

/* A position of a log in which nothing ever was: whatever comes is after it. */
static bool
is_nothing(const char *position)
{
	return strlen(position) > POSITION_ORDER &&
		strspn(position + POSITION_ORDER, "/0") == strlen(position + POSITION_ORDER);
}

static bool
begin_topic(Reader *r, ReaderTopic *topic, char **error)
{
	const char *latest = "SELECT gymstream.last_position($1::pg_catalog.oid::pg_catalog.regclass)";
	const char *at = "SELECT gymstream.topic_position($1::pg_catalog.oid::pg_catalog.regclass,"
		" $2::pg_catalog.timestamptz)";
	const char *checked = "SELECT $2::gymstream.position FROM"
		" gymstream.last_position($1::pg_catalog.oid::pg_catalog.regclass)";
	const char *params[] = {topic->relation, r->from};
	bool		is_latest = strcmp(r->from, READER_LATEST) == 0;
	PGresult   *result;
	const char *position;

	/* that is asked too: whether the topic can be read shows at the start then */
	result = strcmp(r->from, READER_EARLIEST) == 0 || is_latest ?
		ask(r, latest, 1, params, error) :
		ask(r, is_position(r->from) ? checked : at, 2, params, error);
	if (result == NULL)
		return false;
	position = field_text(result, 0, 0);
	if (position && !is_nothing(position) && strcmp(r->from, READER_EARLIEST) != 0)
		topic->position = pg_strdup(position);
	/* an offset is of one topic; the rest is of all */
	if (topic->position && is_position(r->from) && r->ntopics > 1 &&
		strlen(topic->position) > POSITION_ORDER)
		topic->position[POSITION_ORDER] = '\0';
	PQclear(result);
	return true;
}

/* At the start what is wrong ends the program. */
static bool
refuse_start(const Reader *r, char *error)
{
	if (!loop_stopping())
		fprintf(stderr, "gymstream: %s\n", error ? error : PQerrorMessage(r->connection.pg));
	free(error);
	return false;
}

bool
reader_start(Reader *r, const ConnectOptions *options, const char *const *names, int nnames)
{
	char	   *error = NULL;
	bool		done;

	r->topics = pg_malloc0(sizeof(ReaderTopic) * nnames);
	r->ntopics = nnames;
	r->batch = BATCH_FIRST;
	for (int i = 0; i < nnames; i++)
		r->topics[i].given = names[i];
	if (!connection_open(&r->connection, options))
		return false;
	done = find_extension(r, &error);
	for (int i = 0; done && i < nnames; i++)
		done = find_topic(r, &r->topics[i], &error);
	return done || refuse_start(r, error);
}

bool
reader_begin(Reader *r)
{
	char	   *error = NULL;

	for (int i = 0; i < r->ntopics; i++)
	{
		if (!r->topics[i].begun && !begin_topic(r, &r->topics[i], &error))
			return refuse_start(r, error);
	}
	r->look_at = loop_now();
	return true;
}

void
reader_rewind(Reader *r, int topic, const char *position)
{
	keep_text(&r->topics[topic].position, position);
	r->topics[topic].begun = r->topics[topic].due = true;
}

/* ---- connecting again ---- */

static void
tell_lost(Reader *r)
{
	if (!r->lost && !loop_stopping())
		fprintf(stderr, "gymstream: connection lost, trying again: %s\n", r->connection.trouble);
	r->lost = true;
}

static void
resume(Reader *r)
{
	char	   *error = NULL;

	if (!find_extension(r, &error))
	{
		if (r->connection.state == CONNECTION_UP)
			connection_lost(&r->connection, error);
		free(error);
		return;
	}
	for (int i = 0; i < r->ntopics; i++)
	{
		if (!find_topic(r, &r->topics[i], &error) && error == NULL)
		{
			connection_lost(&r->connection, NULL);
			return;
		}
		if (error)
			tell_trouble(&r->topics[i], error);
		free(error);
		error = NULL;
	}
	if (r->lost)
		fprintf(stderr, "gymstream: connected again\n");
	r->lost = false;
	connection_settled(&r->connection);
	r->look_at = loop_now();
}

/* ---- reading ---- */

/* Events are gone, or may be: say so, and go on with those that are there and were not given. */
static void
meet_gap(Reader *r, int number, const char *why, bool retained)
{
	ReaderTopic *topic = &r->topics[number];
	char	   *after = topic->position;

	topic->position = NULL;
	r->calls->gone(r->context, number, after, why);
	/* what is there of another epoch may have been given before */
	if (!retained)
		keep_text(&topic->known, after);
	free(after);
}

/* An error of read_topic. */
static void
meet_error(Reader *r, int number, const PGresult *result)
{
	ReaderTopic *topic = &r->topics[number];
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *why = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char	   *error = NULL;

	why = why ? why : PQresultErrorMessage(result);
	if (state && topic->position &&
		(strcmp(state, STATE_EPOCH) == 0 || strcmp(state, STATE_RETAINED) == 0))
		meet_gap(r, number, why, strcmp(state, STATE_RETAINED) == 0);
	else if (find_topic(r, topic, &error))
		tell_trouble(topic, why);
	else if (error)
		tell_trouble(topic, error);
	free(error);
}

static bool
was_given(const ReaderTopic *topic, const char *position)
{
	return topic->known && strncmp(position, topic->known, POSITION_ORDER) <= 0;
}

/* Give out a batch. False: the program wants no more now. */
static bool
give_batch(Reader *r, int number, const PGresult *rows)
{
	ReaderTopic *topic = &r->topics[number];
	int64		bytes = 0;
	int			count = PQntuples(rows);

	for (int i = 0; i < count; i++)
	{
		ReaderEvent event = {number, PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1),
			field_text(rows, i, 2), PQgetvalue(rows, i, 3), PQgetlength(rows, i, 3)};

		bytes += event.size;
		if (!was_given(topic, event.position) && !r->calls->take(r->context, &event))
			return false;
		keep_text(&topic->position, event.position);
	}
	topic->due = count == r->batch;
	topic->caught_up |= !topic->due;
	if (count > 0)
		r->batch = Max(Min(BATCH_BYTES / (bytes / count + 1), BATCH_MOST), 1);
	return true;
}

static void
read_topic(Reader *r, int number)
{
	ReaderTopic *topic = &r->topics[number];
	char	   *batch = psprintf("%d", r->batch);
	const char *params[] = {topic->relation, topic->position, batch};
	PGresult   *rows = connection_query(&r->connection, read_query, lengthof(params), params);

	free(batch);
	if (PQresultStatus(rows) == PGRES_TUPLES_OK)
	{
		if (topic->told)
			fprintf(stderr, "gymstream: %s can be read again\n", topic->name);
		keep_text(&topic->told, NULL);
		give_batch(r, number, rows);
	}
	else if (rows)
		meet_error(r, number, rows);
	PQclear(rows);
}

/* ---- the loop ---- */

/* Nothing comes where nothing is published: say why, once. */
static void
look_at_server(Reader *r)
{
	char	   *error = NULL;
	PGresult   *result = ask(r, "SELECT problem FROM gymstream.status", 0, NULL, &error);
	const char *problem = result && PQntuples(result) > 0 && !r->standby ?
		field_text(result, 0, 0) : error;

	if (problem && (r->told == NULL || strcmp(r->told, problem) != 0))
		fprintf(stderr, "gymstream: nothing is published: %s\n", problem);
	else if (r->told && problem == NULL && result)
		fprintf(stderr, "gymstream: all is well again\n");
	if (result || error)
		keep_text(&r->told, problem);
	PQclear(result);
	free(error);
}

static bool
is_connected(const Reader *r)
{
	return r->connection.state == CONNECTION_UP && PQstatus(r->connection.pg) == CONNECTION_OK;
}

/* Take in what woke us. */
static void
hear(Reader *r)
{
	PGnotify   *notify;

	if (!PQconsumeInput(r->connection.pg))
		return;
	while ((notify = PQnotifies(r->connection.pg)) != NULL)
	{
		for (int i = 0; i < r->ntopics; i++)
		{
			if (r->topics[i].channel && strcmp(notify->relname, r->topics[i].channel) == 0)
				r->topics[i].due = true;
		}
		PQfreemem(notify);
	}
}

/* Look at all topics, whether or not something was heard, and when to look next. */
static void
look(Reader *r)
{
	bool		unheard = false;

	look_at_server(r);
	for (int i = 0; i < r->ntopics; i++)
	{
		r->topics[i].due = true;
		unheard |= r->topics[i].channel == NULL;
	}
	r->look_at = loop_now() + (unheard ? UNHEARD_PAUSE : LOOK_PAUSE);
}

bool
reader_step(Reader *r)
{
	bool		more = false;

	if (connection_step(&r->connection))
		resume(r);
	if (is_connected(r))
		hear(r);
	if (is_connected(r) && loop_now() >= r->look_at)
		look(r);
	for (int i = 0; i < r->ntopics && is_connected(r) && !loop_stopping(); i++)
	{
		if (r->topics[i].due)
			read_topic(r, i);
		more |= r->topics[i].due;
	}
	/* a query may have taken some in */
	if (is_connected(r))
		hear(r);
	if (r->connection.state == CONNECTION_UP && !is_connected(r))
		connection_lost(&r->connection, NULL);
	if (r->connection.state == CONNECTION_WAITING)
		tell_lost(r);
	for (int i = 0; i < r->ntopics; i++)
		more |= r->topics[i].due;
	return more && is_connected(r);
}

struct pollfd
reader_poll(const Reader *r)
{
	return (struct pollfd) {.fd = connection_socket(&r->connection),
							.events = r->connection.poll_for};
}

int64
reader_deadline(const Reader *r)
{
	return r->connection.state == CONNECTION_UP ? r->look_at : connection_deadline(&r->connection);
}

bool
reader_caught_up(const Reader *r)
{
	for (int i = 0; i < r->ntopics; i++)
	{
		if (!r->topics[i].caught_up)
			return false;
	}
	return true;
}

void
reader_stop(Reader *r)
{
	connection_close(&r->connection);
	for (int i = 0; i < r->ntopics; i++)
	{
		ReaderTopic *topic = &r->topics[i];

		free(topic->name);
		free(topic->relation);
		free(topic->channel);
		free(topic->position);
		free(topic->known);
		free(topic->told);
	}
	free(r->topics);
	free(r->told);
}
