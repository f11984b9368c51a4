/*
 * log_read.h: who may read the log of a topic.
 */
#ifndef GS_LOG_READ_H
#define GS_LOG_READ_H

#include "base/base.h"

/*
 * An error where the user may not read the topic's log, or there is none. Whoever reads it sees
 * whole rows, of all that were ever there: so all columns, and no row-level security that binds the
 * user.
 */
extern void log_check_reader(Oid topic, Oid user);

#endif							/* GS_LOG_READ_H */
