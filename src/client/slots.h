/*
 * slots.h: "gymstream slots": the replication slots of a server
 */
#ifndef GYMSTREAM_CLIENT_SLOTS_H
#define GYMSTREAM_CLIENT_SLOTS_H

#include "findings.h"

extern PGresult *slots_read(Connection *c);
extern void slots_find(Connection *c, const PGresult *slots, Findings *findings);
extern int	slots_main(int argc, char **argv);

#endif
