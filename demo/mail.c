/*
 * mail.c: the confirmations that workers send, as the board knows them.
 *
 * Takes events of the workers and of what they have sent. At the end it is a worker itself, for
 * what those that were stopped have left.
 */
#include "postgres_fe.h"

#include "client/base/loop.h"
#include "mail.h"

#define FINISH_PAUSE	INT64CONST(50000)	/* microseconds; one may wait for another attempt */

static const char read_query[] =
"SELECT worker, coalesce(sent, 0), state = 'killed' FROM worker LEFT JOIN message_worker USING "
"(worker)";

/* It commits what it sends with the ack, in one statement. */
static const char send_query[] =
"INSERT INTO message (booking_id, worker) SELECT (event->'new'->>'booking_id')::bigint, 0"
" FROM gymstream.poll_group('confirmations', 1000) WHERE event->>'action' = 'insert'";

static const char left_query[] =
"SELECT events + waiting FROM gymstream.groups WHERE group_name = 'confirmations'";

static const char count_query[] =
"SELECT count(*), count(*) - count(DISTINCT booking_id) FROM message";

static MailWorker *
find_worker(Mail *mail, int64 number)
{
	return number >= 1 && number <= MAIL_WORKERS ? &mail->workers[number - 1] : NULL;
}

bool
mail_begin(Mail *mail, Listener *listener, PQExpBuffer error)
{
	PGresult   *result = listener_read(listener, count_query, error);

	if (result)
		mail->before = atoll(PQgetvalue(result, 0, 0));
	PQclear(result);
	return result != NULL;
}

bool
mail_read(Mail *mail, Listener *listener, PQExpBuffer error)
{
	PGresult   *result = listener_read(listener, read_query, error);

	for (int i = 0; i < PQntuples(result); i++)
	{
		MailWorker *worker = find_worker(mail, atoll(PQgetvalue(result, i, 0)));

		if (worker == NULL)
			continue;
		worker->sent = atoll(PQgetvalue(result, i, 1));
		worker->works = true;
		worker->killed = *PQgetvalue(result, i, 2) == 't';
	}
	PQclear(result);
	return result != NULL;
}

void
mail_sent(Mail *mail, const Event *event)
{
	MailWorker *worker = find_worker(mail, event_int(&event->key, "worker"));

	if (worker)
		worker->sent = event_int(&event->row, "sent");
}

void
mail_worker(Mail *mail, const Event *event)
{
	MailWorker *worker = find_worker(mail, event_int(&event->new_row, "worker"));
	const char *state = event_text(&event->new_row, "state");

	if (worker == NULL || state == NULL)
		return;
	worker->works = true;
	worker->killed = strcmp(state, "killed") == 0;
}

void
mail_second(Mail *mail)
{
	for (int i = 0; i < MAIL_WORKERS; i++)
	{
		MailWorker *worker = &mail->workers[i];

		worker->rate = worker->sent - worker->sent_before;
		worker->sent_before = worker->sent;
	}
}

int64
mail_all(const Mail *mail)
{
	int64		sent = 0;

	for (int i = 0; i < MAIL_WORKERS; i++)
		sent += mail->workers[i].sent;
	return sent;
}

bool
mail_finish(const Mail *mail, Listener *listener, int64 most, int64 *sent, int64 *again,
			PQExpBuffer error)
{
	PGresult   *result = NULL;
	bool		left = true;

	while (left && loop_now() < most)
	{
		PQclear(listener_read(listener, send_query, error));
		result = error->len > 0 ? NULL : listener_read(listener, left_query, error);
		left = result && strcmp(PQgetvalue(result, 0, 0), "0") != 0;
		PQclear(result);
		if (result == NULL)
			return false;
		if (left)
			loop_wait(NULL, 0, loop_now() + FINISH_PAUSE);
	}
	result = listener_read(listener, count_query, error);
	if (result == NULL)
		return false;
	*sent = atoll(PQgetvalue(result, 0, 0)) - mail->before;
	*again = atoll(PQgetvalue(result, 0, 1));
	PQclear(result);
	return true;
}
