/*
 * attempt.h: what may fail in the publisher and must not end it.
 */
#ifndef GS_ATTEMPT_H
#define GS_ATTEMPT_H

#include "base/base.h"

#include "datatype/timestamp.h"

#include "base/shared.h"

/* Why an attempt has failed. */
typedef struct AttemptFault
{
	int			sqlerrcode;
	char	   *message;		/* in the context in which the attempt was made */
	bool		late;			/* the time was over */
} AttemptFault;

/* Whose functions are called, for what and on account of which relation, and until when. */
typedef struct Attempt
{
	SharedDatabase *place;
	PauseKind	kind;
	Oid			relation;
	Oid			owner;
	TimestampTz until;
} Attempt;

/*
 * Do the work in a subtransaction, as the owner, with settings of its own. False, with the reason
 * in fault, where it failed or has gone on for too long; what it did is undone then, but for
 * memory. CurrentMemoryContext stays.
 */
extern bool attempt_as_owner(const Attempt *attempt, void (*work)(void *), void *argument,
							 AttemptFault *fault);

#endif							/* GS_ATTEMPT_H */
