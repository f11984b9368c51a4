/*
 * groups.h: "gymstream groups" and "gymstream metrics": what they say of groups
 */
#ifndef GYMSTREAM_CLIENT_GROUPS_H
#define GYMSTREAM_CLIENT_GROUPS_H

#include "client/doctor/findings.h"

/* after so many seconds without a worker that is told, unless something else is asked for */
#define GROUPS_WARN	60

/*
 * The command "gymstream groups". Gives the exit status: 1 where something is wrong with a
 * group, or the server could not be asked.
 */
extern int	groups_main(int argc, char **argv);

/* The command "gymstream metrics". Gives the exit status: 1 where the server could not be asked. */
extern int	metrics_main(int argc, char **argv);

/* groups_find.c */

/*
 * All groups, or the one of that name, a row each, to be cleared; columns are found by their
 * names. NULL: the query failed, which is told on stderr.
 */
extern PGresult *groups_read(Connection *c, const char *name);

/* The same of partitions. */
extern PGresult *groups_partitions(Connection *c, const char *name);

/*
 * Add to findings what is wrong with the groups that groups_read gave. warn: after how many
 * seconds events that nobody works at are told.
 */
extern void groups_find(const PGresult *groups, int64 warn, Findings *findings);

#endif
