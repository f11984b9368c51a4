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

extern void marks_set(Marks *marks, int64 bytes, Lsn lsn);
extern Lsn	marks_done(Marks *marks, int64 bytes, Lsn done);
extern void marks_clear(Marks *marks);
extern bool lsn_parse(const char *text, Lsn *lsn);

#endif
