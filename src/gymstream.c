/*
 * gymstream.c: the door. Holds the magic block and _PG_init, which calls one init a module in the
 * order of the data's way. Does nothing else.
 */
#include "base/base.h"

#include "fmgr.h"

#include "base/owner.h"
#include "base/settings.h"
#include "base/shared.h"
#include "log/log_head.h"
#include "group/ack.h"
#include "group/cell.h"
#include "group/waiter.h"
#include "rollup/model/rollup.h"
#include "rollup/model/standing.h"
#include "rollup/partials/claim.h"
#include "rollup/partials/hint.h"
#include "rollup/partials/note.h"
#include "rollup/read/read.h"
#include "rollup/write/flush.h"
#include "rollup/write/ready.h"
#include "topic/topic.h"
#include "worker/database.h"
#include "worker/launcher.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	settings_init();
	shared_init();
	owner_init();
	hint_init();
	standing_init();
	rollup_init();
	rollup_enter_init();
	flush_init();
	claim_init();
	note_init();
	ready_init();
	read_init();
	launcher_init();
	topic_owner_init();
	topic_columns_init();
	log_head_init();
	cell_init();
	waiter_init();
	ack_init();
	database_init();
	settings_done();
}
