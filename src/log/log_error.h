/*
 * log_error.h: the errors of reading a log that have codes of their own.
 */
#ifndef GS_LOG_ERROR_H
#define GS_LOG_ERROR_H

#include "base/base.h"

/* A bookmark of another epoch, or of another topic's log. */
#define ERRCODE_LOG_OTHER_EPOCH MAKE_SQLSTATE('G', 'S', '0', '0', '1')

/* One of events that are no longer kept. */
#define ERRCODE_LOG_PAST_RETENTION MAKE_SQLSTATE('G', 'S', '0', '0', '2')

/* What is stored from this offset on does not fit together. */
GS_NORETURN extern void log_refuse_damage(int64 first);

/*
 * Do the work in a subtransaction. True where it has met damage, of which a warning has told then.
 * Other errors go on.
 */
extern bool log_meets_damage(Oid topic, void (*work)(void *), void *argument);

#endif							/* GS_LOG_ERROR_H */
