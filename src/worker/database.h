/*
 * database.h: utility commands that workers would be in the way of, or that they need to know of.
 */
#ifndef GS_DATABASE_H
#define GS_DATABASE_H

#include "base/base.h"

extern void database_init(void);

#endif							/* GS_DATABASE_H */
