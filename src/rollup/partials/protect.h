/*
 * protect.h: partials are written by gymstream alone.
 */
#ifndef GS_PROTECT_H
#define GS_PROTECT_H

#include "base/base.h"

/* Run what truncates these partials. */
typedef void (*ProtectWrite) (void *argument);
extern void protect_write(Oid partials, ProtectWrite write, void *argument);

#endif							/* GS_PROTECT_H */
