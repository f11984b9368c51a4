/*
 * attempt.c: takes work that calls an owner's functions and does it in a subtransaction, as the
 * owner, for a limited time. Gives the reason where it fails. The publisher goes on, whatever those
 * functions do.
 */
#include "publish/attempt.h"

#include "access/xact.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/settings.h"
#include "worker/limit.h"

/* somebody's exclusive lock on what is read must not hold up everything else */
#define LOCK_TIMEOUT "1s"

/*
 * The setting is bound to the level that owner_enter has opened: owner_leave, or the
 * subtransaction's abort, puts the old value back.
 */
static void
change_setting(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
}

/* In the subtransaction, within the time. What the functions have set goes with the owner. */
static void
work_as_owner(Oid owner, void (*work) (void *), void *argument)
{
	OwnerCaller caller;

	owner_enter(&caller, owner);
	change_setting("lock_timeout", LOCK_TIMEOUT);
	change_setting("enable_seqscan", "off");
	/* what is switched off makes plans look so dear that they would be compiled */
	change_setting("jit", "off");
	work(argument);
	owner_leave(&caller);
}

/* The error in hand becomes the fault. */
static void
take_fault(AttemptFault *fault)
{
	/* The caller has left the error's own context: the copy stays where the attempt was made. */
	ErrorData  *error = CopyErrorData();

	FlushErrorState();
	fault->sqlerrcode = error->sqlerrcode;
	fault->message = error->message ? error->message : "unknown error";
}

bool
attempt_as_owner(const Attempt *attempt, void (*work) (void *), void *argument, AttemptFault *fault)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			ms = clock_ms_until(attempt->until, settings_worker_timeout);
	volatile bool success = true;

	*fault = (AttemptFault) {0};

	/*
	 * The batch's transaction and its snapshot stay as they are. An error undoes the subtransaction
	 * alone, with the locks that the work has got.
	 */
	BeginInternalSubTransaction(NULL);

	/*
	 * What the work gives back outlives the subtransaction, so the work allocates in the caller's
	 * context.
	 */
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		limit_begin(ms, attempt->place, attempt->kind, attempt->relation);
		work_as_owner(attempt->owner, work, argument);
		fault->late = limit_end();

		/*
		 * Nothing of it needs to last, and what the functions did must not: a notification of
		 * theirs would bear this process's id, by which listeners know the publisher.
		 */
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		fault->late = limit_end();
		MemoryContextSwitchTo(context);
		take_fault(fault);
		RollbackAndReleaseCurrentSubTransaction();
		success = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	owner_let_go();

	/*
	 * The functions may have ended well when the time was over, or have raised an error of their
	 * own from the cancel. Callers are given one reason for both.
	 */
	if (fault->late)
	{
		fault->sqlerrcode = ERRCODE_QUERY_CANCELED;
		fault->message = pstrdup("took longer than gymstream.worker_timeout");
	}
	return success && !fault->late;
}
