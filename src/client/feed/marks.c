/*
 * marks.c: which position of the log is done with when so many bytes of the output are.
 *
 * Takes pairs of both as lines are written, gives the greatest position whose bytes are done.
 * Holds no more pairs than there are lines between the program and its reader.
 */
#include "postgres_fe.h"

#include "client/feed/marks.h"

void
marks_set(Marks *marks, int64 bytes, Lsn lsn)
{
	Mark	   *last = marks->count > 0 ? &marks->marks[marks->first + marks->count - 1] : NULL;

	if (lsn <= marks->last)
		return;
	marks->last = lsn;
	if (last && last->bytes == bytes)
	{
		last->lsn = lsn;
		return;
	}
	if (marks->first + marks->count == marks->size)
	{
		if (marks->first <= marks->size / 2)
		{
			marks->size = Max(marks->size * 2, 64);
			marks->marks = pg_realloc(marks->marks, sizeof(Mark) * marks->size);
		}
		memmove(marks->marks, marks->marks + marks->first, sizeof(Mark) * marks->count);
		marks->first = 0;
	}
	marks->marks[marks->first + marks->count++] = (Mark) {bytes, lsn};
}

Lsn
marks_done(Marks *marks, int64 bytes, Lsn done)
{
	while (marks->count > 0 && marks->marks[marks->first].bytes <= bytes)
	{
		done = Max(done, marks->marks[marks->first].lsn);
		marks->first++;
		marks->count--;
	}
	return done;
}

void
marks_clear(Marks *marks)
{
	marks->first = marks->count = 0;
	marks->last = 0;
}

bool
lsn_parse(const char *text, Lsn *lsn)
{
	unsigned int high;
	unsigned int low;
	int			length = 0;

	if (sscanf(text, "%8X/%8X%n", &high, &low, &length) != 2 || text[length] != '\0' ||
		strspn(text, "0123456789abcdefABCDEF/") != (size_t) length)
		return false;
	*lsn = (uint64) high << 32 | low;
	return true;
}
