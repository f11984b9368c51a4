/*
 * refuse.h: errors about the query of a rollup, pointing at their place in it.
 */
#ifndef GS_REFUSE_H
#define GS_REFUSE_H

#include "base/base.h"

/*
 * The query that errors point into, between begin and end, and the byte in it where those point
 * that have no place.
 */
typedef struct RefuseQuery
{
	ErrorContextCallback callback;
	const char *text;
	int			place;
} RefuseQuery;

/* Of errors in analysis: the server has counted their place in characters already. */
extern void refuse_begin_analysis(RefuseQuery *query, const char *text);
extern void refuse_begin(RefuseQuery *query, const char *text, int place);
extern void refuse_end(RefuseQuery *query);

/*
 * The byte of the query where a node begins, analyzed or raw; -1 when it is not known. Of a raw
 * one, the first of all in it.
 */
extern int	refuse_place(const void *node);
extern int	refuse_place_raw(const void *node);

/* For ereport: the error's place. -1: where the query's errors without one point. */
extern int	refuse_at(int place);

/* "a rollup cannot have ..." */
GS_NORETURN extern void refuse_construct(int place, const char *what, const char *hint);

/* "a rollup needs ..." */
GS_NORETURN extern void refuse_lack(const char *what, const char *hint);

#endif							/* GS_REFUSE_H */
