/*
 * settle.h: what failed alone is parked, or becomes a dead letter.
 */
#ifndef GS_SETTLE_H
#define GS_SETTLE_H

#include "base/base.h"

/* Have a background worker do that now, for this database. Waits for nothing. */
extern void settle_start(void);

#endif							/* GS_SETTLE_H */
