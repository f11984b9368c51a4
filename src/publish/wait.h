/*
 * wait.h: waiting until what was committed is published.
 */
#ifndef GS_WAIT_H
#define GS_WAIT_H

#include "base/base.h"

#include "access/xlogdefs.h"

/*
 * Return when all that has been committed is in the logs of topics, and told; gives the position of
 * the write-ahead log up to which that was. Not on a standby. The caller may hold a snapshot, but
 * no transaction id.
 */
extern XLogRecPtr wait_all_published(void);

#endif							/* GS_WAIT_H */
