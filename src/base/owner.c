/*
 * owner.c: takes the owner of a rollup and lets what the rollup's query calls run as that one, with
 * a fixed search_path: it may call functions that only the owner may, and must not call those of
 * whoever writes or reads.
 *
 * Such functions run in the sessions of others, as a superuser's, and in workers. The server's
 * restricted operation keeps them from changing role, settings for good, or temporary tables, but
 * lets them leave a type or a function in the session's temporary schema, where a later cast of the
 * session's user would find it. So all DDL is refused while they run. That they do is a bit of the
 * security context of our own: it goes with an error, and a parallel worker has it too.
 */
#include "base/owner.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "tcop/utility.h"
#include "utils/guc.h"

#include "base/utility.h"

/* beside those of miscadmin.h, which have the lowest bits */
#define SECURITY_OWNERS_FUNCTIONS 0x4000

int
owner_fix_search_path(void)
{
	int			nest = NewGUCNestLevel();

	/* as a function's own SET, which is possible where SET is not */
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return nest;
}

static void
enter_user(OwnerCaller *caller, Oid user, int security)
{
	GetUserIdAndSecContext(&caller->user, &caller->security);
	/* The caller's bits are kept: nothing becomes possible that was refused before. */
	SetUserIdAndSecContext(user, caller->security | security);
	caller->nest = owner_fix_search_path();
}

void
owner_enter(OwnerCaller *caller, Oid owner)
{
	enter_user(caller, owner, SECURITY_RESTRICTED_OPERATION | SECURITY_OWNERS_FUNCTIONS);
}

void
owner_enter_superuser(OwnerCaller *caller)
{
	enter_user(caller, BOOTSTRAP_SUPERUSERID, SECURITY_LOCAL_USERID_CHANGE);
}

void
owner_leave(const OwnerCaller *caller)
{
	AtEOXact_GUC(false, caller->nest);
	SetUserIdAndSecContext(caller->user, caller->security);
}

/*
 * Advisory locks of a session outlast its transactions. In a worker they would be held for ever, in
 * nobody's name, and could fill the server's table of locks.
 */
void
owner_let_go(void)
{
	LockReleaseSession(USER_LOCKMETHOD);
}

/* Whether functions of an owner run at this moment, or what they call. */
static bool
owners_functions_run(void)
{
	Oid			user;
	int			security;

	GetUserIdAndSecContext(&user, &security);
	return (security & SECURITY_OWNERS_FUNCTIONS) != 0;
}

static void
refuse_ddl(Node *statement)
{
	if (unlikely(owners_functions_run()) && GetCommandLogLevel(statement) == LOGSTMT_DDL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot execute %s in a function that a rollup calls",
						CreateCommandName(statement)),
				 errdetail("Such functions run in the sessions of all who write or read."),
				 errhint("Call functions in the rollup's query that compute their result from "
						 "their arguments alone.")));
}

/* Also where the library is not preloaded: there, too, functions run as a rollup's owner. */
void
owner_init(void)
{
	static UtilityWatch watch = {refuse_ddl};

	utility_watch(&watch);
}
