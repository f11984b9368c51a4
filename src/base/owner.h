/*
 * owner.h: as whom functions run that are not the server's own: those of a rollup's owner, and
 * ours.
 */
#ifndef GS_OWNER_H
#define GS_OWNER_H

#include "base/base.h"

/* Who asks. */
typedef struct OwnerCaller
{
	Oid			user;
	int			security;
	int			nest;			/* of settings */
} OwnerCaller;

/*
 * Until owner_leave, or an error, functions of SQL run as the owner, and find nothing by the
 * session's search_path. They can make, change and drop nothing, also not in the session's
 * temporary schema.
 */
extern void owner_enter(OwnerCaller *caller, Oid owner);
extern void owner_leave(const OwnerCaller *caller);

/* In a worker, once the transaction or subtransaction of an owner's functions has ended. */
extern void owner_let_go(void);

/*
 * The same for what is done on behalf of whoever lacks the right to it, as a superuser. What is run
 * must name all things by their schemas and must call nobody's functions.
 */
extern void owner_enter_superuser(OwnerCaller *caller);

/*
 * The search_path alone, until AtEOXact_GUC of the level that it returns. Also while a query runs
 * in parallel.
 */
extern int	owner_fix_search_path(void);

extern void owner_init(void);

#endif							/* GS_OWNER_H */
