/*
 * slots.h: "gymstream slots": the replication slots of a server
 */
#ifndef GYMSTREAM_CLIENT_SLOTS_H
#define GYMSTREAM_CLIENT_SLOTS_H

#include "client/doctor/findings.h"

/*
 * The command "gymstream slots". Gives the exit status: 1 where a slot is in danger, or the
 * server could not be asked.
 */
extern int	slots_main(int argc, char **argv);

/* slots_find.c */

/*
 * All replication slots, a row each, to be cleared; columns are found by their names. Adds a
 * finding where the role does not see all. NULL: a query failed, which is told on stderr.
 */
extern PGresult *slots_read(Connection *c, Findings *findings);

/*
 * Add to findings what is wrong with the slots that slots_read gave. most is how many bytes of
 * the log a slot may keep before that is told; 0: as many as the log has without slots.
 */
extern void slots_find(Connection *c, const PGresult *slots, int64 most, Findings *findings);

/* Whether a value is there and equal to that text. */
extern bool slots_is(const PGresult *slots, int row, const char *name, const char *value);

#endif
