/*
 * slots.h: "gymstream slots": the replication slots of a server
 */
#ifndef GYMSTREAM_CLIENT_SLOTS_H
#define GYMSTREAM_CLIENT_SLOTS_H

#include "client/doctor/findings.h"

extern int	slots_main(int argc, char **argv);

/* slots_find.c */
extern PGresult *slots_read(Connection *c, Findings *findings);
extern void slots_find(Connection *c, const PGresult *slots, int64 most, Findings *findings);
extern const char *slots_text(const PGresult *slots, int row, const char *name);
extern int64 slots_number(const PGresult *slots, int row, const char *name);
extern bool slots_is(const PGresult *slots, int row, const char *name, const char *value);

#endif
