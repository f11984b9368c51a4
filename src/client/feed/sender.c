/*
 * sender.c: whose notifications these are.
 *
 * Takes the notifications that came in, asks the server which process its publisher is, and gives
 * out those that are proved to be the publisher's. Anyone may send a notification on any channel;
 * what nobody can forge is the process id that a notification bears. But process ids are used
 * again. So a notification counts only if one publisher (the same process id, and the same time
 * of its start, of which no two are the same) ran before and after it:
 *
 *   1. The status is read: publisher P since S. LISTEN comes after that, so all that is heard was
 *      sent later.
 *   2. A notification of process P comes in.
 *   3. The status is read again: P since S. So P was the publisher's all the time, and nobody
 *      else's.
 *
 * The publisher leaves the status before its process ends, and a process id is free only after
 * that. If the status says something else in step 3, then whatever came in until that answer was
 * complete is not proved: it is dropped, and the program reads anew. What comes later was sent
 * after step 3, which is then the new step 1.
 */
#include "postgres_fe.h"

#include "client/base/loop.h"
#include "client/feed/listen_parts.h"

static const char sender_query[] =
"PREPARE gymstream_sender AS SELECT publisher_pid, publisher_since FROM gymstream.status";

bool
sender_prepare(Listener *l, PQExpBuffer error)
{
	PGresult   *result = listener_query(l, sender_query, 0, NULL, error);

	PQclear(result);
	return result != NULL;
}

static bool
is_channel(const char *channel, const PGnotify *notify)
{
	return channel && strcmp(notify->relname, channel) == 0;
}

void
sender_collect(Listener *l)
{
	PGnotify   *notify;

	while ((notify = PQnotifies(l->connection.pg)) != NULL)
	{
		int			topic = 0;

		while (topic < l->ntopics && !is_channel(l->topics[topic].channel, notify) &&
			   !is_channel(l->topics[topic].key_channel, notify))
			topic++;
		if (topic < l->ntopics)
		{
			if (l->nqueue == l->queue_size)
			{
				l->queue_size = Max(l->queue_size * 2, 64);
				l->queue = pg_realloc(l->queue, sizeof(Notified) * l->queue_size);
			}
			l->queue[l->nqueue++] = (Notified) {topic, notify->be_pid, pg_strdup(notify->extra)};
		}
		PQfreemem(notify);
	}
}

void
sender_ask(Listener *l)
{
	/* a failure shows in the connection's status */
	if (!PQsendQuery(l->connection.pg, "EXECUTE gymstream_sender"))
		return;
	l->asked = ASKED_SENDER;
	l->asked_at = loop_now();
	l->asked_for = l->nqueue;
}

bool
sender_learn(Listener *l, const PGresult *row)
{
	bool		runs = row && PQntuples(row) > 0 && !PQgetisnull(row, 0, ANSWER_SENDER);
	int			sender = runs ? atoi(PQgetvalue(row, 0, ANSWER_SENDER)) : 0;
	const char *since = runs ? PQgetvalue(row, 0, ANSWER_SINCE) : "";
	bool		same = sender == l->sender && strcmp(since, l->sender_since) == 0;

	l->sender = sender;
	listener_keep(&l->sender_since, since);
	return same;
}

void
sender_answered(Listener *l, const PGresult *row)
{
	int			before = l->sender;
	bool		same = sender_learn(l, row);
	Notified   *judged;
	int			njudged;

	/*
	 * What came with the answer may have been sent before the status was read: unless it says the
	 * same, it goes too.
	 */
	sender_collect(l);
	njudged = same ? l->asked_for : l->nqueue;

	/*
	 * The program may read within its calls, and so take in more: what is judged leaves the queue
	 * first.
	 */
	judged = pg_malloc(sizeof(Notified) * Max(njudged, 1));
	memcpy(judged, l->queue, sizeof(Notified) * njudged);
	l->nqueue -= njudged;
	memmove(l->queue, l->queue + njudged, sizeof(Notified) * l->nqueue);
	l->asked_for = 0;
	for (int i = 0; i < njudged; i++)
	{
		if (same && l->sender != 0 && judged[i].sender == l->sender)
		{
			l->heard++;
			l->calls->heard(l->context, judged[i].topic, judged[i].payload);
		}
		else if (judged[i].sender != before && judged[i].sender != l->sender)
			l->forged++;
		free(judged[i].payload);
	}
	free(judged);

	if (!same && l->sender != 0)
		listener_missed_all(l, "the publisher was started anew");
}

void
sender_forget(Listener *l)
{
	for (int i = 0; i < l->nqueue; i++)
		free(l->queue[i].payload);
	l->nqueue = 0;
	l->asked = ASKED_NOTHING;
	l->asked_for = 0;
	l->sender = 0;
	listener_keep(&l->sender_since, "");
}
