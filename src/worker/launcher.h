/*
 * launcher.h: the worker that starts the others, and how it hands them over what they need.
 */
#ifndef GS_LAUNCHER_H
#define GS_LAUNCHER_H

#include "base/base.h"

#include "storage/shm_mq.h"

#include "base/shared.h"

extern void launcher_init(void);

/*
 * What a worker calls first: signals, connection, its place, and the queue (NULL where that is gone
 * already).
 */
extern shm_mq_handle *launcher_begin_worker(Datum arg, SharedRole role, SharedDatabase **place);

/* The same for a folder, which has no queue. Returns its place. */
extern SharedDatabase *launcher_begin_folder(Datum arg);

/* What a database or its bootstrap role may have set must not disturb a worker. */
extern void launcher_set_options(const char *lock_timeout);

extern PGDLLEXPORT void launcher_main(Datum arg);
extern PGDLLEXPORT void publisher_main(Datum arg);
extern PGDLLEXPORT void decoder_main(Datum arg);
extern PGDLLEXPORT void folder_main(Datum arg);

#endif							/* GS_LAUNCHER_H */
