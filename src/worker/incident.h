/*
 * incident.h: what a database's workers could not do, for a DBA.
 */
#ifndef GS_INCIDENT_H
#define GS_INCIDENT_H

#include "base/base.h"

#include "base/shared.h"

/*
 * Enter it, beside its equals of before if it has happened already. Time and count are filled in.
 * True if it has not happened in the last minute: then it is worth a line in the log.
 */
extern bool incident_note(SharedDatabase *place, const Incident *incident);

#endif							/* GS_INCIDENT_H */
