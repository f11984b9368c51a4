/*
 * read.h: how readers look rollups up by key.
 */
#ifndef GS_READ_H
#define GS_READ_H

#include "base/base.h"

extern void read_init(void);

#endif							/* GS_READ_H */
