/*
 * watch.h: "gymstream watch": what its control and its drawing share
 */
#ifndef GYMSTREAM_CLIENT_WATCH_H
#define GYMSTREAM_CLIENT_WATCH_H

#include "client/feed/listen.h"

#include "client/watch/table.h"

/* How long a changed cell stands out, in microseconds. */
#define WATCH_FRESH		INT64CONST(600000)

typedef struct WatchView
{
	Table		table;
	int			first_row;		/* scrolled to */
	int			shown_rows;		/* that fit when last drawn */
} WatchView;

typedef struct Watch
{
	Listener	listener;
	WatchView  *views;			/* as the listener's topics */
	int			nviews;
	int			focus;			/* the view that keys act on */
	bool		on_screen;		/* else plain lines */
	bool		dirty;
	int64		draw_at;		/* not before */
	int64		fade_at;		/* when a changed cell stops to stand out */
	int64		reread_at;		/* not before */
} Watch;

extern void watch_draw(Watch *watch, int64 now);
extern int	watch_main(int argc, char **argv);

#endif
