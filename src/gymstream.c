/*
 * gymstream.c: the door. Holds the magic block and _PG_init, which calls one init a module in the order of the data's
 * way. Does nothing else.
 */
#include "gymstream.h"

#include "fmgr.h"

#include "claim.h"
#include "database.h"
#include "flush.h"
#include "hint.h"
#include "launcher.h"
#include "note.h"
#include "ready.h"
#include "rollup.h"
#include "settings.h"
#include "shared.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	settings_init();
	shared_init();
	hint_init();
	rollup_init();
	flush_init();
	claim_init();
	note_init();
	ready_init();
	launcher_init();
	database_init();
	settings_done();
}
