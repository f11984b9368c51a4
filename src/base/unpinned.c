/*
 * unpinned.c: takes a procedure that is about to wait, and lets go of the snapshot under which its
 * CALL was begun. Whoever waits with a snapshot keeps dead rows from being removed, in all
 * databases, for as long as it waits.
 *
 * The portal's snapshot is the only one in a CALL at the top, in a transaction block or outside of
 * one, and in a DO block. The portal does without it: a procedure that commits leaves none either.
 */
#include "base/unpinned.h"

#include "tcop/pquery.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "base/argument.h"

void
unpinned_begin(const char *procedure)
{
	/* Such a transaction keeps its snapshot until it ends. */
	argument_read_committed(procedure);
	if (ActivePortal != NULL && ActivePortal->portalSnapshot != NULL && ActiveSnapshotSet() &&
		ActivePortal->portalSnapshot == GetActiveSnapshot())
	{
		ActivePortal->portalSnapshot = NULL;
		PopActiveSnapshot();
	}
	if (ActiveSnapshotSet())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s cannot wait within a function or a query", procedure),
				 errdetail("These hold a snapshot, which keeps dead rows from being removed as "
						   "long as it waits."),
				 errhint("Run CALL %s as a statement of its own.", procedure)));
	InvalidateCatalogSnapshot();
}
