/*
 * marks.h: which position of the log is done with when so many bytes of the output are
 */
#ifndef GYMSTREAM_CLIENT_MARKS_H
#define GYMSTREAM_CLIENT_MARKS_H

#include "postgres_fe.h"

/* a position in the write-ahead log; 0: none */
typedef uint64 Lsn;

#define LSN_ARGS(lsn)	(uint32) ((lsn) >> 32), (uint32) (lsn)

typedef struct Mark
{
	int64		bytes;
	Lsn			lsn;
} Mark;

typedef struct Marks
{
	Mark	   *marks;			/* both members grow from one to the next */
	int			first;
	int			count;
	int			size;
	Lsn			last;			/* the greatest that was ever set */
} Marks;

/*
 * Remember that everything up to lsn was among the first so many bytes of the output. An lsn
 * that is not greater than the last one says nothing new.
 */
extern void marks_set(Marks *marks, int64 bytes, Lsn lsn);

/*
 * The greatest position whose bytes are done, when so many are; forgets what is below it. done
 * is the position that was done before, and the answer where there is no greater one.
 */
extern Lsn	marks_done(Marks *marks, int64 bytes, Lsn done);

/* Forget all positions. The memory stays, for the caller to free. */
extern void marks_clear(Marks *marks);

/*
 * Read a position as the server writes it: two hexadecimal numbers with a slash between. False:
 * the text is anything else.
 */
extern bool lsn_parse(const char *text, Lsn *lsn);

#endif
