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

/* Want a table, among others. name must live as long as the filter. False: it is empty. */
extern bool filter_add_table(Filter *filter, const char *name);

/*
 * Want only rows with a value, given as COLUMN=VALUE, which must live as long as the filter.
 * False: it is not of that form.
 */
extern bool filter_add_key(Filter *filter, const char *pair);

/* Whether anything is wanted in particular. */
extern bool filter_is_set(const Filter *filter);

/*
 * The tables, and no others, as the output plugin's option add-tables names them; to be freed.
 * NULL: all.
 */
extern char *filter_tables(const Filter *filter);

/*
 * Whether an event is wanted. Marks of transactions always are, messages only without a filter;
 * an emptied table has no more rows of any key.
 */
extern bool filter_takes(const Filter *filter, const Event *event);

/* What a topic's filter says of a notification. */
typedef enum FilterVerdict
{
	FILTER_NO,
	FILTER_YES,
	FILTER_UNKNOWN				/* it does not say the values that are asked for */
} FilterVerdict;

/* Whether its keys let a notification pass; marks do, and what empties a table. */
extern FilterVerdict filter_judge(const Filter *filter, const Event *event);

/* The keys as a JSON object, as topic_channel takes it; to be freed. NULL: there are none. */
extern char *filter_json(const Filter *filter);

#endif
