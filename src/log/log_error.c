/*
 * log_error.c: takes where a log cannot be read, and raises the error. Takes work that may meet
 * damage, and lets its caller go on.
 */
#include "log/log_error.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

void
log_refuse_damage(int64 first)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the events from offset " INT64_FORMAT " on cannot be read", first),
			 errdetail("Their record batch is damaged."),
			 errhint("Read the table or rollup itself, and go on after the position that "
					 "gymstream.last_position has returned before.")));
	pg_unreachable();
}

static void
warn_of(Oid topic, const ErrorData *error)
{
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("the log of topic %u is damaged: %s", topic, error->message)));
}

bool
log_meets_damage(Oid topic, void (*work)(void *), void *argument)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	/* What the work gives back outlives the subtransaction. */
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(argument);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error == NULL)
		return false;
	if (error->sqlerrcode != ERRCODE_DATA_CORRUPTED && error->sqlerrcode != ERRCODE_INDEX_CORRUPTED)
		ReThrowError(error);
	warn_of(topic, error);
	FreeErrorData(error);
	return true;
}
