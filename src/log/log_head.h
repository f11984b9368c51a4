/*
 * log_head.h: up to where the logs of topics go, for those who wait for more. In shared memory, so
 * nothing is known after the server was started until the publisher has written something.
 */
#ifndef GS_LOG_HEAD_H
#define GS_LOG_HEAD_H

#include "base/base.h"

#include "storage/condition_variable.h"

extern void log_head_init(void);

/*
 * The offset that the next event of a topic of this database will get, at least; 0 where that is
 * not known. It is committed: a snapshot taken now sees the events before it.
 */
extern int64 log_head_next(Oid topic);

/* Broadcast when a log of this database has grown; NULL where the library is not preloaded. */
extern ConditionVariable *log_head_grown(void);

/*
 * Called in the publisher once a topic's new events can be read, with what log_head_next gives
 * then; for each topic. It may set latches; it must neither wait nor fail. NULL, or set when the
 * library is loaded.
 */
typedef void (*LogMovedHook) (Oid topic, int64 next);
extern LogMovedHook log_moved_hook;

/* For the publisher: this topic's log goes up to here; then, once for several, wake who waits. */
extern void log_head_set(Oid topic, int64 next);
extern void log_head_broadcast(void);

#endif							/* GS_LOG_HEAD_H */
