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

extern void catchup_begin(Catchup *catchup, bool wanted, Lsn start, Lsn end);
extern void catchup_show(Catchup *catchup, Lsn at);
extern int64 catchup_deadline(const Catchup *catchup);
extern void catchup_end(Catchup *catchup);

#endif
