/*
 * limit.c: takes a time, and ends an owner's functions that have not come back by then. No setting
 * that these can change has to do with it. Runs nothing itself.
 *
 * The first ring cancels the query, as a user's cancel would. PL/pgSQL can catch that, so the
 * second ring ends the process, which nothing can catch. What happens then is for the next process:
 * the pause is entered while this one exits.
 */
#include "worker/limit.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "worker/incident.h"
#include "worker/pause.h"

#define LAST_RING_MS 1000		/* from the first ring to the second */

static bool is_registered = false;
static TimeoutId limit_timeout;
static volatile sig_atomic_t ring_count = 0;

/* what runs under the limit */
static SharedDatabase *limited_place = NULL;
static PauseKind limited_kind;
static Oid limited_relation;
static TimestampTz limited_since;

/* In a signal handler. */
static void
ring_limit(void)
{
	ring_count++;
	/* Functions may catch a cancel, and none can catch the end of the process. */
	if (ring_count > 1)
		ProcDiePending = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

/* The process ends. */
static void
limit_leave(int code, Datum arg)
{
	Incident	incident = {.kind = INCIDENT_LATE,.relation = limited_relation,
	.sqlerrcode = ERRCODE_QUERY_CANCELED,.message = "its functions caught the cancel and went on"};

	/* Only a second ring has ended the process. Any other exit is not the functions' doing. */
	if (ring_count < 2 || limited_place == NULL)
		return;
	incident_note(limited_place, &incident);
	pause_begin(limited_place, limited_kind, limited_relation, limited_since,
				ERRCODE_QUERY_CANCELED);
}

void
limit_begin(int ms, SharedDatabase *place, PauseKind kind, Oid relation)
{
	TimestampTz now = GetCurrentTimestamp();

	/* A timeout and a callback can be registered once in a process, and not be taken back. */
	if (!is_registered)
	{
		limit_timeout = RegisterTimeout(USER_TIMEOUT, ring_limit);
		before_shmem_exit(limit_leave, (Datum) 0);
		is_registered = true;
	}
	ring_count = 0;
	limited_place = place;
	limited_kind = kind;
	limited_relation = relation;
	limited_since = now;

	/* All of this is written before the timer runs, since the exit reads it after any ring. */
	enable_timeout_every(limit_timeout, TimestampTzPlusMilliseconds(now, Max(ms, 1)), LAST_RING_MS);
}

bool
limit_end(void)
{
	/* An attempt may fail before its limit has begun. */
	if (limited_place == NULL)
		return false;
	disable_timeout(limit_timeout, false);
	limited_place = NULL;
	if (ring_count == 0)
		return false;
	/* a ring that came as the work was done cancels nothing that follows */
	QueryCancelPending = false;
	return true;
}
