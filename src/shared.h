/*
 * shared.h: what the backends and workers of a server share.
 */
#ifndef GS_SHARED_H
#define GS_SHARED_H

#include "gymstream.h"

extern void shared_init(void);

/* True when the library was loaded by shared_preload_libraries, so that the workers exist. */
extern bool shared_is_preloaded(void);

#endif							/* GS_SHARED_H */
