/*
 * ready.h: WHEN conditions of rollups' triggers, made ready before the executor would read them.
 */
#ifndef GS_READY_H
#define GS_READY_H

#include "base/base.h"

extern void ready_init(void);

#endif							/* GS_READY_H */
