/*
 * bookmark.h: a file that says how far topics were read
 */
#ifndef GYMSTREAM_CLIENT_BOOKMARK_H
#define GYMSTREAM_CLIENT_BOOKMARK_H

#include "postgres_fe.h"

/* Where the reading of a topic goes on. */
typedef struct BookmarkLine
{
	char	   *position;		/* of the last event that is done with; "-": none is */
	char	   *relation;		/* the OID of the topic's table or rollup */
	char	   *name;			/* its name, qualified and quoted */
} BookmarkLine;

typedef struct Bookmark
{
	const char *file;
	BookmarkLine *lines;
	int			count;
} Bookmark;

/*
 * Read the file, if there is one. b->file must be set, the rest zero. False: it
 * cannot be read, or is something else, which is told on stderr.
 */
extern bool bookmark_read(Bookmark *b);

/*
 * The line of a topic: that of its relation, or otherwise of its name. NULL: there is none. It
 * lives until the next bookmark_set.
 */
extern const BookmarkLine *bookmark_find(const Bookmark *b, const char *relation,
										 const char *name);

/* Set a topic's line. The texts stay the caller's. */
extern void bookmark_set(Bookmark *b, const char *position, const char *relation,
						 const char *name);

/*
 * Put the lines into the file, which has the old or the new ones whatever fails meanwhile. False:
 * it failed, which is told on stderr.
 */
extern bool bookmark_write(const Bookmark *b);

/* Free the lines. */
extern void bookmark_clear(Bookmark *b);

#endif
