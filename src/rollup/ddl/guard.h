/*
 * guard.h: DDL that would make a rollup wrong.
 */
#ifndef GS_GUARD_H
#define GS_GUARD_H

#include "base/base.h"

#include "rollup/ddl/ddl.h"

/* Error if what the command did to the object would. */
extern void guard_check(const DdlObject *object);

#endif							/* GS_GUARD_H */
