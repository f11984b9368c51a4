/*
 * mail.h: the confirmations that workers send, as the board knows them
 */
#ifndef GYMSTREAM_DEMO_MAIL_H
#define GYMSTREAM_DEMO_MAIL_H

#include "client/feed/listen.h"
#include "client/feed/payload.h"

#define MAIL_WORKERS	9

typedef struct MailWorker
{
	int64		sent;
	int64		sent_before;	/* when the current second began */
	int64		rate;			/* in the last second */
	bool		works;
	bool		killed;
} MailWorker;

typedef struct Mail
{
	MailWorker	workers[MAIL_WORKERS];	/* by number, from 1 */
	int64		before;			/* what had been sent at the start */
} Mail;

/* See what has been sent before the start. False: it failed, as listener_read does. */
extern bool mail_begin(Mail *mail, Listener *listener, PQExpBuffer error);

/* Read how it is now. False: as above. */
extern bool mail_read(Mail *mail, Listener *listener, PQExpBuffer error);

/* An event of the rollup of what each worker has sent. */
extern void mail_sent(Mail *mail, const Event *event);

/* An event of the table of workers. */
extern void mail_worker(Mail *mail, const Event *event);

/* A second is over. */
extern void mail_second(Mail *mail);

/* How many all of them have sent. */
extern int64 mail_all(const Mail *mail);

/*
 * The workers have been stopped: send what they left, until then at the latest. Gives what was
 * sent since the start, and how often a booking was confirmed again. False: as above.
 */
extern bool mail_finish(const Mail *mail, Listener *listener, int64 most, int64 *sent,
						int64 *again, PQExpBuffer error);

#endif
