/*
 * watch.h: "gymstream watch": what its control and its drawing share
 */
#ifndef GYMSTREAM_CLIENT_WATCH_H
#define GYMSTREAM_CLIENT_WATCH_H

#include "client/feed/listener.h"

#include "client/watch/table.h"

/* How long a changed cell stands out, in microseconds. */
#define WATCH_FRESH		INT64CONST(600000)

typedef struct WatchView
{
	Table		table;
	int			first_row;		/* scrolled to */
	int			shown_rows;		/* that fit when last drawn */
	bool		loaded;			/* it was read at least once */
	int64		reading_since;	/* it is being read; 0: it is not */
	int64		read_at;		/* when it is stale: not to be read before */
	int64		pause;			/* before the next attempt after one that failed */
	/* why it must be read anew; NULL: an event could not carry the row */
	char	   *why;
	char	   *error;			/* why it could not be read; NULL: it could */
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
	char	   *trouble;		/* as it was drawn last; NULL: all was well */
	char	   *told;			/* without a screen: the error that was told last */
} Watch;

/* Why what is shown may be wrong, to be freed; NULL: all is well. */
extern char *watch_trouble(const Watch *watch);

/*
 * Draw all of it: watch->trouble, and the tables as far as they were scrolled to. Sorts the
 * tables, keeps the scrolling within them, and sets fade_at. now is loop_now's.
 */
extern void watch_draw(Watch *watch, int64 now);

/* The command "gymstream watch". Gives the exit status. */
extern int	watch_main(int argc, char **argv);

#endif
