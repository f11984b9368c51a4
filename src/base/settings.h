/*
 * settings.h: what postgresql.conf says of gymstream.
 */
#ifndef GS_SETTINGS_H
#define GS_SETTINGS_H

#include "base/base.h"

/*
 * gymstream.max_databases: the places that the server has for databases with workers. Set only
 * where it is preloaded.
 */
extern int	settings_max_databases;

/* gymstream.fold: whether partials are folded without anybody asking for it. */
extern bool settings_fold;

/* gymstream.enable_rollup_scan: whether plans may look a rollup's groups up by their keys. */
extern bool settings_enable_rollup_scan;

/*
 * gymstream.worker_timeout: milliseconds that an owner's functions may run at a time in a worker.
 */
extern int	settings_worker_timeout;

/*
 * gymstream.notify_queue_limit: the part of the server's notification queue that may be used, in
 * percent.
 */
extern int	settings_notify_queue_limit;

/*
 * gymstream.group_partitions: the places in shared memory for partitions of groups. Set only where
 * it is preloaded.
 */
extern int	settings_group_partitions;

/*
 * True when the library was loaded by shared_preload_libraries, so that there are workers and
 * shared memory.
 */
extern bool settings_is_preloaded(void);

/* First of all inits, and last: names that nobody knows are refused from then on. */
extern void settings_init(void);
extern void settings_done(void);

#endif							/* GS_SETTINGS_H */
