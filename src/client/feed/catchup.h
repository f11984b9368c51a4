/*
 * catchup.h: the progress line of a long catch-up
 */
#ifndef GYMSTREAM_CLIENT_CATCHUP_H
#define GYMSTREAM_CLIENT_CATCHUP_H

#include "postgres_fe.h"

#include "client/feed/marks.h"

typedef struct Catchup
{
	bool		active;			/* not yet where the log ended when we connected */
	bool		terminal;
	bool		shown;
	Lsn			start;
	Lsn			end;
	int64		started_at;
	int64		show_at;		/* not before */
} Catchup;

/*
 * Reading begins at start, and the log ends at end. The line is shown where it is wanted, or
 * where much is to be read and stderr is a terminal that nothing else is written to.
 */
extern void catchup_begin(Catchup *catchup, bool wanted, Lsn start, Lsn end);

/*
 * Reading has come so far: show it on stderr if a second has passed, and for the last time when
 * the end is reached.
 */
extern void catchup_show(Catchup *catchup, Lsn at);

/* When catchup_show wants to be called even if nothing happens. */
extern int64 catchup_deadline(const Catchup *catchup);

/* Leave the line on the terminal, and show no more. */
extern void catchup_end(Catchup *catchup);

#endif
