/*
 * owner.h: what runs as the owner of a rollup, whoever asks for it.
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
 * Until owner_leave, or an error, functions of SQL run as the owner, and find nothing by the session's search_path.
 */
extern void owner_enter(OwnerCaller *caller, Oid owner);
extern void owner_leave(const OwnerCaller *caller);

/* The search_path alone, until AtEOXact_GUC of the level that it returns. Also while a query runs in parallel. */
extern int	owner_fix_search_path(void);

#endif							/* GS_OWNER_H */
