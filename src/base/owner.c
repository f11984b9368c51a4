/*
 * owner.c: takes the owner of a rollup and lets what the rollup's query calls run as that one, with a fixed search_path: it
 * may call functions that only the owner may, and must not call those of whoever writes or reads.
 */
#include "base/owner.h"

#include "miscadmin.h"
#include "utils/guc.h"

int
owner_fix_search_path(void)
{
	int			nest = NewGUCNestLevel();

	/* as a function's own SET, which is possible where SET is not */
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return nest;
}

void
owner_enter(OwnerCaller *caller, Oid owner)
{
	GetUserIdAndSecContext(&caller->user, &caller->security);
	SetUserIdAndSecContext(owner, caller->security | SECURITY_RESTRICTED_OPERATION);
	caller->nest = owner_fix_search_path();
}

void
owner_leave(const OwnerCaller *caller)
{
	AtEOXact_GUC(false, caller->nest);
	SetUserIdAndSecContext(caller->user, caller->security);
}
