/*
 * pause.c: takes a rollup whose functions took too long in a worker, and says for how long it is to
 * be left alone. Pauses are in shared memory: they outlive a worker that had to end.
 *
 * A pause is twenty times as long as what was lost, and doubles with each that follows. It grows
 * with the number of rollups that are paused, so that many slow ones together do not take all of a
 * worker's time.
 */
#include "worker/pause.h"

#include "utils/timestamp.h"

#include "base/clock.h"

#define PAUSE_FACTOR 20
#define LONGEST_PAUSE_MS (30 * 60 * 1000)

/* The caller holds the lock. NULL where there is none; one that is over is found too. */
static SharedPause *
find_pause(SharedDatabase *place, PauseKind kind, Oid relation)
{
	for (int i = 0; i < SHARED_PAUSES; i++)
	{
		SharedPause *pause = &place->pauses[i];

		if (pause->times > 0 && pause->relation == relation && pause->kind == kind)
			return pause;
	}
	return NULL;
}

/* A free one, or the one that is over first. */
static SharedPause *
take_pause(SharedDatabase *place)
{
	SharedPause *first = &place->pauses[0];

	for (int i = 0; i < SHARED_PAUSES; i++)
	{
		/* Without a free one, some relation loses its pause early, and may cost time once more. */
		if (place->pauses[i].times == 0)
			return &place->pauses[i];
		if (place->pauses[i].until < first->until)
			first = &place->pauses[i];
	}
	return first;
}

/* How many pauses are in force. The caller holds the lock. */
static int
count_pauses(const SharedDatabase *place)
{
	int			n = 0;

	for (int i = 0; i < SHARED_PAUSES; i++)
		n += place->pauses[i].times > 0 &&
			 clock_is_ahead(place->pauses[i].until, LONGEST_PAUSE_MS);
	return n;
}

void
pause_begin(SharedDatabase *place, PauseKind kind, Oid relation, TimestampTz since, int sqlerrcode)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		ms = Max(TimestampDifferenceMilliseconds(since, now), 1) * PAUSE_FACTOR;
	SharedPause *pause;

	/*
	 * Publisher and folder enter pauses in one table, and sessions do not. It is kept when they
	 * end, not when the server does.
	 */
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	ms *= 1 + count_pauses(place);
	pause = find_pause(place, kind, relation);
	if (pause == NULL)
	{
		pause = take_pause(place);
		*pause = (SharedPause) {.relation = relation,.kind = kind};
	}
	/* Pauses that were followed by no good run add up, to half an hour at most. */
	ms <<= Min(pause->times, 10);
	pause->times++;
	pause->sqlerrcode = sqlerrcode;
	pause->until = TimestampTzPlusMilliseconds(now, Min(ms, LONGEST_PAUSE_MS));
	LWLockRelease(shared_state->lock);
}

bool
pause_is_on(SharedDatabase *place, PauseKind kind, Oid relation, int *sqlerrcode)
{
	SharedPause *pause;
	bool		on;

	LWLockAcquire(shared_state->lock, LW_SHARED);
	pause = find_pause(place, kind, relation);
	/* A pause that is over stays in the table: it says how long the next one is to be. */
	on = pause != NULL && clock_is_ahead(pause->until, LONGEST_PAUSE_MS);
	if (on && sqlerrcode)
		*sqlerrcode = pause->sqlerrcode;
	LWLockRelease(shared_state->lock);
	return on;
}

void
pause_forget(SharedDatabase *place, PauseKind kind, Oid relation)
{
	SharedPause *pause;

	/* Most relations have no pause, and finding that out needs no exclusive lock. */
	LWLockAcquire(shared_state->lock, LW_SHARED);
	pause = find_pause(place, kind, relation);
	LWLockRelease(shared_state->lock);
	if (pause == NULL)
		return;
	/* In between the entry may have become another relation's, so it is looked up again. */
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	pause = find_pause(place, kind, relation);
	if (pause != NULL)
		pause->times = 0;
	LWLockRelease(shared_state->lock);
}
