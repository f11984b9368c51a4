/*
 * argument.h: the arguments of SQL functions that people call, and what such a function asks of
 * its caller.
 */
#ifndef GS_ARGUMENT_H
#define GS_ARGUMENT_H

#include "base/base.h"

#include "fmgr.h"

#include "base/catalog.h"

/*
 * A boolean argument, which must not be null. False where the function, of an older version, does
 * not have it.
 */
extern bool argument_switch(FunctionCallInfo fcinfo, int argument, const char *name);

/* The parts of a rollup; an error if it is none. */
extern void argument_rollup(Oid rollup, RollupRelations *relations);

/* The same, and an error if it is not the caller's. */
extern void argument_own_rollup(Oid rollup, RollupRelations *relations);

/* An error if the transaction may only read, as on a standby. function is its SQL name. */
extern void argument_writes(const char *function);

/*
 * An error if the transaction has one snapshot for all of its statements. function is its SQL name.
 */
extern void argument_read_committed(const char *function);

#endif							/* GS_ARGUMENT_H */
