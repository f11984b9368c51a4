/*
 * argument.h: the arguments of SQL functions that are called with NULL too.
 */
#ifndef GS_ARGUMENT_H
#define GS_ARGUMENT_H

#include "base/base.h"

#include "fmgr.h"

/*
 * A boolean argument, which must not be null. False where the function, of an older version, does
 * not have it.
 */
extern bool argument_switch(FunctionCallInfo fcinfo, int argument, const char *name);

#endif							/* GS_ARGUMENT_H */
