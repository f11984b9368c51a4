/*
 * catchup.c: the progress line of a long catch-up.
 *
 * Takes where reading began, where the server's log ended then, and where it is now; gives a line
 * a second on stderr: bytes of the log, rate, what is left and for how long.
 */
#include "postgres_fe.h"

#include <unistd.h>

#include "client/base/loop.h"
#include "client/base/report.h"
#include "client/feed/catchup.h"

#define CATCHUP_LONG	(16 * 1024 * 1024)	/* bytes */
#define CATCHUP_PAUSE	INT64CONST(1000000)

void
catchup_begin(Catchup *catchup, bool wanted, Lsn start, Lsn end)
{
	catchup->terminal = isatty(STDERR_FILENO);
	catchup->active = end > start &&
		(wanted || (catchup->terminal && !isatty(STDOUT_FILENO) && end - start >= CATCHUP_LONG));
	catchup->start = start;
	catchup->end = end;
	catchup->started_at = loop_now();
	catchup->show_at = catchup->started_at + CATCHUP_PAUSE;
}

int64
catchup_deadline(const Catchup *catchup)
{
	return catchup->active ? catchup->show_at : LOOP_NEVER;
}

void
catchup_end(Catchup *catchup)
{
	if (catchup->shown && catchup->terminal)
		fputc('\n', stderr);
	catchup->shown = false;
	catchup->active = false;
}

void
catchup_show(Catchup *catchup, Lsn at)
{
	int64		now = loop_now();
	double		seconds = (now - catchup->started_at) / 1e6;
	char		done[32];
	char		all[32];
	char		rate[32];
	char		left[32];
	bool		there = at >= catchup->end;

	if (!catchup->active || (!there && now < catchup->show_at))
		return;
	at = Min(Max(at, catchup->start), catchup->end);
	report_bytes(done, sizeof(done), at - catchup->start);
	report_bytes(all, sizeof(all), catchup->end - catchup->start);
	report_bytes(rate, sizeof(rate), (int64) ((at - catchup->start) / Max(seconds, 0.001)));
	report_bytes(left, sizeof(left), catchup->end - at);
	fprintf(stderr, "%sgymstream: %s of %s (%d%%), %s/s, %s behind", catchup->terminal ? "\r" : "",
			done, all,
			(int) (100.0 * (at - catchup->start) / (catchup->end - catchup->start)), rate, left);
	if (!there && at > catchup->start)
	{
		int64		estimate = (int64) (seconds * (catchup->end - at) / (at - catchup->start)) + 1;

		fprintf(stderr, ", about %lld:%02lld left", (long long) estimate / 60,
				(long long) estimate % 60);
	}
	fputs(catchup->terminal ? "\033[K" : "\n", stderr);
	catchup->shown = true;
	catchup->show_at = now + CATCHUP_PAUSE;
	if (there)
		catchup_end(catchup);
}
