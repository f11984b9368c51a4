/*
 * gymstream.c: the door. Holds the magic block, the settings and _PG_init, which calls one init a module in the order
 * of the data's way. Does nothing else.
 */
#include "gymstream.h"

#include "fmgr.h"

#include "pending.h"
#include "rollup.h"
#include "shared.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	rollup_init();
	pending_init();
	shared_init();
}
