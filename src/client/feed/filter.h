/*
 * filter.h: which events of a slot are wanted
 */
#ifndef GYMSTREAM_CLIENT_FILTER_H
#define GYMSTREAM_CLIENT_FILTER_H

#include "client/feed/payload.h"

typedef struct FilterKey
{
	char	   *column;
	const char *value;
} FilterKey;

typedef struct Filter
{
	const char **tables;		/* any of them; none: all */
	int			ntables;
	FilterKey  *keys;			/* all of them */
	int			nkeys;
} Filter;

extern bool filter_add_table(Filter *filter, const char *name);
extern bool filter_add_key(Filter *filter, const char *pair);
extern bool filter_is_set(const Filter *filter);
extern char *filter_tables(const Filter *filter);
extern bool filter_takes(const Filter *filter, const Event *event);

#endif
