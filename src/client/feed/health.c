/*
 * health.c: whether all is well.
 *
 * Takes a look at the server every few seconds, and at each topic: is the publisher there and
 * getting on, is the relation what it was, its topic too, and may it still be read. Gives what is
 * wrong in words, listens on the channel of a topic that has come back, and tells the program
 * what it must read anew. Silence alone proves nothing: a topic that was dropped, workers that
 * cannot start and a publisher that hangs are as silent as tables in which nothing happens.
 */
#include "postgres_fe.h"

#include "client/base/loop.h"
#include "client/feed/listen_parts.h"

#define LOOK_PAUSE		INT64CONST(1000000) /* microseconds between two looks */
#define UNREADY_PAUSE	INT64CONST(500000)	/* the same, while the workers are not ready */
#define UNREADY_LOOKS	3					/* workers that just start are no trouble yet */

/*
 * All that the client asks of gymstream's views: a row for each topic, each with the status.
 * Parameters: the names as they were given, the relations that they were, the channels that we
 * listen on, and the key of which we want to hear. A relation is found by its name, and as long
 * as it lives also after it was renamed.
 */
static const char look_query[] =
"SELECT s.publisher_pid, s.publisher_since, s.problem, s.waiting_for,"
" s.decoder_pid IS NOT NULL AND s.lag_bytes IS NOT NULL, s.lag_bytes, s.published_lsn, s.skipped,"
" pg_catalog.pg_backend_pid(),"
" (SELECT count(*) FROM pg_catalog.pg_listening_channels() l WHERE l OPERATOR(pg_catalog.=) ANY "
"($3::pg_catalog.text[]))"
" OPERATOR(pg_catalog.=) COALESCE(pg_catalog.array_length($3::pg_catalog.text[], 1), 0),"
" pg_catalog.quote_ident(n.nspname) OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||)"
" pg_catalog.quote_ident(c.relname), c.oid, t.channel, t.notify, t.created,"
" (SELECT pg_catalog.string_agg(pg_catalog.format('%I %s', a.attname, a.atttypid), ',' ORDER BY "
"a.attnum)"
"  FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid"
"  AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped),"
" EXISTS (SELECT FROM gymstream_internal.rollup r WHERE r.rollup OPERATOR(pg_catalog.=) c.oid),"
" pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, "
"'SELECT'),"
" pg_catalog.array_to_string(t.channel_columns, ', '),"
" CASE WHEN $4::pg_catalog.jsonb OPERATOR(pg_catalog.?&) t.channel_columns::pg_catalog.text[]"
" THEN gymstream.topic_channel(c.oid, $4::pg_catalog.jsonb) END"
" FROM gymstream.status s"
" CROSS JOIN ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), "
"pg_catalog.unnest($2::pg_catalog.oid[])) WITH ORDINALITY g (given, known, place)"
" LEFT JOIN pg_catalog.pg_class c"
"  ON c.oid OPERATOR(pg_catalog.=) COALESCE(pg_catalog.to_regclass(g.given)::pg_catalog.oid, "
"g.known)"
" LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
" LEFT JOIN gymstream.topics t ON t.relation OPERATOR(pg_catalog.=) c.oid"
" ORDER BY g.place";

enum
{
	LOOK_PROBLEM = ANSWER_SENDER_COLUMNS,
	LOOK_WAITING_FOR,
	LOOK_READY,
	LOOK_LAG,
	LOOK_PUBLISHED,
	LOOK_SKIPPED,
	LOOK_SESSION,
	LOOK_LISTENS,				/* to all channels that it should */
	LOOK_NAME,					/* from here on of the topic; NULL: there is no such relation */
	LOOK_RELATION,
	LOOK_CHANNEL,				/* NULL: it has no topic */
	LOOK_NOTIFY,
	LOOK_CREATED,
	LOOK_COLUMNS,
	LOOK_IS_ROLLUP,
	LOOK_MAY_READ,
	LOOK_CHANNEL_COLUMNS,		/* NULL: it has one channel */
	LOOK_KEY_CHANNEL,			/* NULL: the key does not name one */
};

/* NULL: it is null. */
static const char *
look_text(const PGresult *look, int row, int column)
{
	return PQgetisnull(look, row, column) ? NULL : PQgetvalue(look, row, column);
}

static bool
look_is(const PGresult *look, int row, int column)
{
	return *PQgetvalue(look, row, column) == 't';
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/*
 * The question
 */

/* An element of an array's text; NULL is null. */
static void
add_element(PQExpBuffer array, bool first, const char *text)
{
	appendPQExpBufferStr(array, first ? "{" : ",");
	if (text == NULL)
	{
		appendPQExpBufferStr(array, "NULL");
		return;
	}
	appendPQExpBufferChar(array, '"');
	for (; *text; text++)
	{
		if (*text == '"' || *text == '\\')
			appendPQExpBufferChar(array, '\\');
		appendPQExpBufferChar(array, *text);
	}
	appendPQExpBufferChar(array, '"');
}

/* The channels that we listen on, each once: topics may be given twice. */
static void
add_channels(const Listener *l, PQExpBuffer array)
{
	int			n = 0;

	for (int i = 0; i < l->ntopics; i++)
	{
		const Topic *topic = &l->topics[i];
		bool		twice = false;

		for (int before = 0; before < i; before++)
			twice |= same_text(topic->channel, l->topics[before].channel);
		if (topic->channel && !twice)
			add_element(array, n++ == 0, topic->channel);
		if (topic->key_channel && !twice)
			add_element(array, n++ == 0, topic->key_channel);
	}
	if (n == 0)
		appendPQExpBufferChar(array, '{');
}

/* Ask look_query, or have it sent, with what is known of the topics. */
static PGresult *
ask_look(Listener *l, const char *sql, bool send, PQExpBuffer error)
{
	PQExpBufferData arrays[3];
	const char *params[4] = {[3] = l->key};
	PGresult   *result = NULL;

	for (int i = 0; i < 3; i++)
		initPQExpBuffer(&arrays[i]);
	for (int i = 0; i < l->ntopics; i++)
	{
		add_element(&arrays[0], i == 0, l->topics[i].given);
		add_element(&arrays[1], i == 0, l->topics[i].relation);
	}
	add_channels(l, &arrays[2]);
	for (int i = 0; i < 3; i++)
	{
		appendPQExpBufferChar(&arrays[i], '}');
		params[i] = arrays[i].data;
	}
	/* a failure to send shows in the connection's status */
	if (!send)
		result = listener_query(l, sql, 4, params, error);
	else if (PQsendQueryParams(l->connection.pg, sql, 4, NULL, params, NULL, NULL, 0))
	{
		l->asked = ASKED_HEALTH;
		l->asked_at = loop_now();
		l->asked_for = l->nqueue;
	}
	for (int i = 0; i < 3; i++)
		termPQExpBuffer(&arrays[i]);
	return result;
}

void
health_ask(Listener *l)
{
	(void) ask_look(l, look_query, true, NULL);
}

/*
 * The server
 */

/* What is wrong with publishing, to be freed; NULL: nothing, or nothing yet. */
static char *
find_trouble(Listener *l, const PGresult *look)
{
	const char *problem = look_text(look, 0, LOOK_PROBLEM);
	const char *waiting_for = look_text(look, 0, LOOK_WAITING_FOR);
	const char *published = look_text(look, 0, LOOK_PUBLISHED);
	int64		lag = atoll(PQgetvalue(look, 0, LOOK_LAG));
	bool		ready = l->sender != 0 && look_is(look, 0, LOOK_READY);
	char	   *trouble = NULL;

	/* The server's own word comes first; then what it does not see itself, or only for a moment. */
	l->unready = ready ? 0 : l->unready + 1;
	if (problem)
		trouble = psprintf("nothing is published: %s", problem);
	else if (!ready && l->trouble)
		/* workers that are tried again and again are not well in between */
		trouble = pg_strdup(l->trouble);
	else if (!ready && l->unready >= UNREADY_LOOKS)
		trouble = waiting_for ?
			psprintf("nothing is published: the workers wait for %s", waiting_for) :
			pg_strdup("nothing is published: gymstream's workers do not run");
	else if (ready && waiting_for && same_text(waiting_for, l->waiting_for))
		trouble = psprintf("nothing is published: the publisher waits for %s", waiting_for);
	else if (ready && lag > 0 && l->lag > 0 && same_text(published, l->published))
		trouble = pg_strdup("nothing is published: the workers run, and do not get on");

	listener_keep(&l->waiting_for, waiting_for);
	listener_keep(&l->published, published);
	l->lag = lag;
	return trouble;
}

/* What may have been missed on the server's side. */
static void
find_gaps(Listener *l, const PGresult *look)
{
	int64		skipped = atoll(PQgetvalue(look, 0, LOOK_SKIPPED));
	bool		ready = l->sender != 0 && look_is(look, 0, LOOK_READY);

	/* a slot that was lost is made anew: what was committed before it was ready is not published */
	if (ready && !l->was_ready)
		listener_missed_all(l, "the workers were not ready");
	if (skipped != l->skipped)
		listener_missed_all(l,
							"notifications were skipped, because the server's queue was nearly "
							"full");
	l->was_ready = ready;
	l->skipped = skipped;
}

/*
 * The topics
 */

/*
 * Listen on the channel that the topic has now, and keep its name. False: it failed, and error
 * says why, as listener_read does.
 */
static bool
join_channel(Listener *l, char **kept, const char *channel, PQExpBuffer error)
{
	char	   *quoted = PQescapeIdentifier(l->connection.pg, channel, strlen(channel));
	char	   *sql = psprintf("LISTEN %s", quoted);
	PGresult   *result = listener_query(l, sql, 0, NULL, error);
	bool		done = result != NULL;

	if (done)
		listener_keep(kept, channel);
	PQclear(result);
	free(sql);
	PQfreemem(quoted);
	return done;
}

/*
 * What keeps a topic from being heard, or its relation from being read; to be freed. NULL:
 * nothing.
 */
static char *
topic_trouble(const Listener *l, const Topic *topic, const PGresult *look, int row)
{
	if (look_text(look, row, LOOK_NAME) == NULL)
		return psprintf(topic->relation ? "\"%s\" was dropped" :
						"there is no table or rollup \"%s\"", topic->given);
	if (look_text(look, row, LOOK_CHANNEL) == NULL)
		return psprintf("\"%s\" has no topic%s\nHINT:  SELECT gymstream.create_topic('%s', "
						"notify => 'row');",
						topic->given, topic->created ? " any more" : "", topic->given);
	if (strcmp(PQgetvalue(look, row, LOOK_NOTIFY), "none") == 0)
		return psprintf("no notifications are sent of \"%s\"\nHINT:  SELECT "
						"gymstream.alter_topic('%s', notify => 'key');",
						topic->given, topic->given);
	if (look_text(look, row, LOOK_CHANNEL_COLUMNS) && !look_text(look, row, LOOK_KEY_CHANNEL))
		return psprintf("\"%s\" has a channel for each value of %s\nHINT:  Name a value with "
						"\"gymstream tail --key COLUMN=VALUE %s\".",
						topic->given, look_text(look, row, LOOK_CHANNEL_COLUMNS), topic->given);
	if (l->calls->reads && !look_is(look, row, LOOK_MAY_READ))
		return psprintf("you may not read \"%s\"\nHINT:  GRANT SELECT ON %s TO %s;", topic->given,
						look_text(look, row, LOOK_NAME), PQuser(l->connection.pg));
	return NULL;
}

/* Why a topic must be read anew; NULL: it need not. */
static const char *
topic_changed(const Topic *topic, const PGresult *look, int row)
{
	if (topic->created == NULL)
		return NULL;
	if (!same_text(topic->relation, look_text(look, row, LOOK_RELATION)))
		return "it is another relation now";
	if (!same_text(topic->created, look_text(look, row, LOOK_CREATED)))
		return "its topic was made anew";
	if (!same_text(topic->columns, look_text(look, row, LOOK_COLUMNS)))
		return "its columns have changed";
	if (!same_text(topic->channel, look_text(look, row, LOOK_CHANNEL)))
		return "its channel has changed";
	return topic->trouble ? "nothing was heard of it for a while" : NULL;
}

/* Take over what the look says of a topic. False: the connection is of no more use. */
static bool
look_at_topic(Listener *l, int row, const PGresult *look)
{
	Topic	   *topic = &l->topics[row];
	char	   *trouble = topic_trouble(l, topic, look, row);
	const char *why = trouble ? NULL : topic_changed(topic, look, row);
	const char *channel = look_text(look, row, LOOK_CHANNEL);
	const char *key_channel = look_text(look, row, LOOK_KEY_CHANNEL);
	PQExpBufferData error;
	bool		done = true;

	/* Listen, where the topic has come or come back with another channel. */
	initPQExpBuffer(&error);
	if (channel && !same_text(channel, topic->channel))
		done = join_channel(l, &topic->channel, channel, &error);
	if (done && key_channel && !same_text(key_channel, topic->key_channel))
		done = join_channel(l, &topic->key_channel, key_channel, &error);
	if (!done && error.len > 0)
	{
		free(trouble);
		trouble = pg_strdup(error.data);
		done = true;
	}
	termPQExpBuffer(&error);

	/* What it is now. A topic that is gone stays as it was, to be compared when it comes back. */
	if (channel)
	{
		listener_keep(&topic->name, look_text(look, row, LOOK_NAME));
		listener_keep(&topic->relation, look_text(look, row, LOOK_RELATION));
		listener_keep(&topic->created, look_text(look, row, LOOK_CREATED));
		listener_keep(&topic->columns, look_text(look, row, LOOK_COLUMNS));
		topic->rows = strcmp(PQgetvalue(look, row, LOOK_NOTIFY), "row") == 0;
		topic->is_rollup = look_is(look, row, LOOK_IS_ROLLUP);
	}
	if (why && trouble == NULL && l->joined)
		l->calls->missed(l->context, row, why);
	free(topic->trouble);
	topic->trouble = trouble;
	return done;
}

/* The rest of what a look says, once its sender is known. */
static void
look_further(Listener *l, const PGresult *look)
{
	char	   *trouble = find_trouble(l, look);

	free(l->trouble);
	l->trouble = trouble;
	for (int i = 0; i < l->ntopics; i++)
	{
		if (!look_at_topic(l, i, look))
			return;
	}
	l->look_at = loop_now() + (l->unready > 0 ? UNREADY_PAUSE : LOOK_PAUSE);
}

/*
 * Looks
 */

bool
health_begin(Listener *l, PQExpBuffer error)
{
	/* not the text of later looks, for whoever watches us in pg_stat_activity */
	char	   *sql = psprintf("/* before LISTEN */ %s", look_query);
	PGresult   *first = ask_look(l, sql, false, error);

	free(sql);
	if (first == NULL)
		return false;

	sender_learn(l, first);
	l->was_ready = l->sender != 0 && look_is(first, 0, LOOK_READY);
	l->skipped = atoll(PQgetvalue(first, 0, LOOK_SKIPPED));
	look_further(l, first);
	PQclear(first);
	return PQstatus(l->connection.pg) == CONNECTION_OK;
}

/* It failed: most likely the extension is gone. */
static void
look_failed(Listener *l, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *why = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	sender_answered(l, NULL);
	free(l->trouble);
	if (sqlstate && (strcmp(sqlstate, "3F000") == 0 || strcmp(sqlstate, "42P01") == 0 ||
					 strcmp(sqlstate, "42883") == 0))
		l->trouble = psprintf("database \"%s\" does not have the extension gymstream any more",
							  PQdb(l->connection.pg));
	else
		l->trouble = psprintf("the topics cannot be looked at: %s",
							  why ? why : PQresultErrorMessage(result));
	l->was_ready = false;
	l->look_at = loop_now() + LOOK_PAUSE;
}

void
health_answered(Listener *l, const PGresult *result)
{
	bool		whole = l->asked == ASKED_HEALTH;

	l->asked = ASKED_NOTHING;
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		look_failed(l, result);
		return;
	}

	/* A pooler may have given us another server process, which listens on nothing. */
	if (whole && (!same_text(look_text(result, 0, LOOK_SESSION), l->session) ||
				  !look_is(result, 0, LOOK_LISTENS)))
	{
		connection_lost(&l->connection,
						"another server process answers: a pooler shares its connections");
		return;
	}
	sender_answered(l, result);
	if (!whole)
		return;
	find_gaps(l, result);
	look_further(l, result);
}

void
health_forget(Listener *l)
{
	for (int i = 0; i < l->ntopics; i++)
	{
		listener_keep(&l->topics[i].channel, NULL);
		listener_keep(&l->topics[i].key_channel, NULL);
	}
	l->unready = 0;
	l->lag = 0;
	listener_keep(&l->waiting_for, NULL);
	listener_keep(&l->published, NULL);
	free(l->trouble);
	l->trouble = NULL;
}
