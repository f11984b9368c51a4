/*
 * batch_merge.c: takes the rollups' events of a batch and makes one event of those that tell of the
 * same group: it stands where the last of them stood, with the sum of their deltas and with the
 * group's row. Tells nobody.
 *
 * Comparing keys and extremes calls functions of their types, which may be the owner's business:
 * they are called as the owner, for a limited time. Where adding fails, the events stay apart.
 */
#include "publish/batch.h"

#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "base/catalog.h"
#include "base/settings.h"
#include "publish/attempt.h"
#include "rollup/model/key.h"
#include "rollup/model/marked.h"
#include "rollup/model/message.h"
#include "worker/incident.h"
#include "worker/pause.h"

/* a group, while events of one rollup are merged */
typedef struct BatchGroup
{
	BatchEvent *last;			/* the event that stands for the group */
	struct BatchGroup *next;	/* another one with the same hash */
} BatchGroup;

typedef struct BatchGroupEntry
{
	uint32		hash;			/* hash key */
	BatchGroup *groups;
} BatchGroupEntry;

/* The events of one rollup. */
typedef struct BatchRollup
{
	Attempt		attempt;
	RollupMessage rollup;		/* one of theirs */
	TupleDesc	desc;			/* of the partials */
	KeyHash    *hashes;
	BatchEvent **events;		/* in their order */
	int			n;
	HTAB	   *groups;
	int			next;			/* those before have been merged */
} BatchRollup;

/* The sum of two deltas of a group, or NULL when there is none: they are told apart then. */
static HeapTuple
add_deltas(TupleDesc desc, int nkeys, const uint8 *kinds, HeapTuple a, HeapTuple b)
{
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	Datum	   *more = palloc(sizeof(Datum) * desc->natts);
	bool	   *more_nulls = palloc(sizeof(bool) * desc->natts);

	heap_deform_tuple(a, desc, values, nulls);
	heap_deform_tuple(b, desc, more, more_nulls);

	/*
	 * The keys of both are one group's, though they may look different, as 1.0 and 1.00 do. The
	 * keys of the earlier delta stand.
	 */
	for (int i = nkeys; i < desc->natts; i++)
	{
		NullableDatum sum = {values[i], nulls[i]};
		NullableDatum state = {more[i], more_nulls[i]};

		if (!marked_add(kinds[i - nkeys], NULL, TupleDescAttr(desc, i), &sum, state))
			return NULL;
		values[i] = sum.value;
		nulls[i] = sum.isnull;
	}
	return heap_form_tuple(desc, values, nulls);
}

/* Keys that are equal as GROUP BY has it have the same hash, whatever they look like. */
static uint32
hash_keys(const BatchRollup *rollup, HeapTuple tuple)
{
	uint32		hash = 0;

	for (int i = 0; i < rollup->rollup.nkeys; i++)
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, i + 1, rollup->desc, &isnull);

		hash = key_hash_add(hash, &rollup->hashes[i], value, isnull);
	}
	return key_hash_end(hash);
}

/* Whether two values of a key are of the same group, as GROUP BY has it. */
static bool
same_key(Form_pg_attribute key, Datum a, Datum b)
{
	TypeCacheEntry *type;

	/*
	 * The same bytes are the same value. That spares most calls of the type's function, which may
	 * be the owner's.
	 */
	if (datum_image_eq(a, b, key->attbyval, key->attlen))
		return true;
	type = lookup_type_cache(key->atttypid, TYPECACHE_EQ_OPR_FINFO);
	return DatumGetBool(FunctionCall2Coll(&type->eq_opr_finfo, key->attcollation, a, b));
}

static bool
same_keys(const BatchRollup *rollup, HeapTuple a, HeapTuple b)
{
	for (int i = 0; i < rollup->rollup.nkeys; i++)
	{
		bool		a_null;
		bool		b_null;
		Datum		a_value = heap_getattr(a, i + 1, rollup->desc, &a_null);
		Datum		b_value = heap_getattr(b, i + 1, rollup->desc, &b_null);

		if (a_null != b_null ||
			(!a_null && !same_key(TupleDescAttr(rollup->desc, i), a_value, b_value)))
			return false;
	}
	return true;
}

/* Enter the event, with the delta of an earlier one of its group if there is one. */
static void
merge_event(BatchRollup *rollup, BatchEvent *event)
{
	uint32		hash = hash_keys(rollup, event->delta.tuple);
	BatchGroupEntry *entry;
	BatchGroup *group;
	HeapTuple	sum;
	bool		found;

	/*
	 * An attempt leaves CurrentMemoryContext to its caller. So what is entered here outlives an
	 * attempt that fails, and the next one goes on with it.
	 */
	entry = hash_search(rollup->groups, &hash, HASH_ENTER, &found);
	if (!found)
		entry->groups = NULL;
	/* Comparing may raise an error: then the event was not entered, and is told as it is. */
	for (group = entry->groups; group != NULL; group = group->next)
		if (same_keys(rollup, group->last->delta.tuple, event->delta.tuple))
			break;
	if (group == NULL)
	{
		group = palloc(sizeof(BatchGroup));
		group->next = entry->groups;
		entry->groups = group;
	}
	else
	{
		/* if this is an error, the event stands for the group, alone */
		BatchEvent *before = group->last;

		group->last = event;
		sum = add_deltas(rollup->desc, rollup->rollup.nkeys, event->delta.kinds,
						 before->delta.tuple, event->delta.tuple);
		if (sum != NULL)
		{
			event->delta.tuple = sum;
			event->stands_for += before->stands_for;
			before->merged = true;
		}
	}
	group->last = event;
}

/* The work of an attempt: merge what is left. */
static void
merge_events(void *argument)
{
	BatchRollup *rollup = argument;

	/*
	 * The next one is counted before the event is merged: an attempt that follows an error begins
	 * behind the event that raised it.
	 */
	while (rollup->next < rollup->n)
		merge_event(rollup, rollup->events[rollup->next++]);
}

/*
 * An event whose delta cannot be added stays as it is, and the next are tried. Deltas that are late
 * all do.
 */
static void
merge_rollup(BatchRollup *rollup)
{
	HASHCTL control = {.keysize = sizeof(uint32),
					   .entrysize = sizeof(BatchGroupEntry),
					   .hcxt = CurrentMemoryContext};
	const Attempt *attempt = &rollup->attempt;
	TimestampTz start = GetCurrentTimestamp();
	AttemptFault fault;

	if (rollup->n < 2 || pause_is_on(attempt->place, PAUSE_ADDING, attempt->relation, NULL))
		return;
	/* The table is destroyed below; the groups in it go with the batch. */
	rollup->groups =
		hash_create("gymstream groups", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	/*
	 * All attempts end at the same time of day, so a rollup with many errors takes no longer than
	 * one that is slow.
	 */
	while (!attempt_as_owner(attempt, merge_events, rollup, &fault) && !fault.late)
		 /* the next event */ ;

	/*
	 * An error costs its event the merging. Only slow functions cost other rollups their time, so
	 * only these are paused.
	 */
	if (fault.late)
		pause_begin(attempt->place, PAUSE_ADDING, attempt->relation, start, fault.sqlerrcode);
	hash_destroy(rollup->groups);
}

/* An event's row could not be read. */
static void
note_unread(SharedDatabase *place, const BatchEvent *event, const RollupMessage *rollup)
{
	const AttemptFault *fault = &event->group.fault;
	Incident incident = {.kind = fault->late ? INCIDENT_LATE : INCIDENT_UNREAD,
						 .relation = rollup->rollup,
						 .lsn = event->stamp.commit_lsn,
						 .index = event->frame.index,
						 .epoch = batch_position(event).epoch,
						 .sqlerrcode = fault->sqlerrcode};

	strlcpy(incident.message, fault->message, sizeof(incident.message));
	pg_atomic_fetch_add_u64(&place->incomplete, 1);

	/*
	 * Each one is counted. The log gets a line only where the last one of the kind is a minute old.
	 */
	if (incident_note(place, &incident))
		ereport(LOG,
				(errcode(fault->sqlerrcode),
				 errmsg("gymstream could not read the row of a group in rollup \"%s\": %s",
						get_rel_name(rollup->rollup), fault->message),
				 errhint("See the view gymstream.incidents.")));
}

/* Read back the rows of the groups whose events stand. */
static void
read_rows(SharedDatabase *place, const BatchRollup *rollup)
{
	ReadbackGroup *groups = palloc0(sizeof(ReadbackGroup) * rollup->n);
	int			n = 0;

	for (int i = 0; i < rollup->n; i++)
		if (!rollup->events[i]->merged)
			groups[n++].tuple = rollup->events[i]->delta.tuple;
	/* Whatever the view's functions do, this returns, with a state for each group. */
	readback_rows(place, rollup->rollup.rollup, rollup->rollup.partials, rollup->rollup.nkeys, n,
				  groups);

	/* The groups are in the order of the events that stand, so counting finds them again. */
	n = 0;
	for (int i = 0; i < rollup->n; i++)
	{
		BatchEvent *event = rollup->events[i];

		if (event->merged)
			continue;
		event->read = true;
		event->group = groups[n++];
		if (event->group.state == READBACK_UNREAD)
			note_unread(place, event, &rollup->rollup);
	}
}

static bool
is_of(const BatchEvent *event, const RollupMessage *rollup)
{
	return event->frame.kind == FRAME_ROLLUP && event->delta.rollup == rollup->rollup &&
		event->delta.partials == rollup->partials && event->delta.nkeys == rollup->nkeys;
}

/* How its keys are hashed. */
static KeyHash *
prepare_hashes(TupleDesc desc, int nkeys)
{
	KeyHash    *hashes = palloc(sizeof(KeyHash) * Max(nkeys, 1));

	for (int i = 0; i < nkeys; i++)
		key_hash_init(&hashes[i], TupleDescAttr(desc, i)->atttypid,
					  TupleDescAttr(desc, i)->attcollation, CurrentMemoryContext);
	return hashes;
}

/* The events of one rollup, from the first one on. */
static void
take_rollup(SharedDatabase *place, BatchEvent *events, int n)
{
	BatchRollup rollup = {.rollup = events[0].delta};
	EventRelation *relation = event_relation_by_oid(rollup.rollup.partials);
	BatchTopic *topic = batch_topic(rollup.rollup.rollup);

	/*
	 * The topic may be gone, and the partials may be gone or another rollup's. Then nothing is
	 * merged, and no row is read.
	 */
	if (topic->name == NULL || relation == NULL || relation->subject != rollup.rollup.rollup)
		return;

	/*
	 * The time is one for all that is added for this rollup. Reading its rows has a time of its
	 * own.
	 */
	rollup.attempt =
		(Attempt){place, PAUSE_ADDING, rollup.rollup.rollup, catalog_owner(rollup.rollup.rollup),
				  TimestampTzPlusMilliseconds(GetCurrentTimestamp(), settings_worker_timeout)};
	/* The relation's entry may be made anew while functions run, so its columns are copied. */
	rollup.desc = CreateTupleDescCopy(relation->desc);
	rollup.hashes = prepare_hashes(rollup.desc, rollup.rollup.nkeys);
	rollup.events = palloc(sizeof(BatchEvent *) * n);

	/*
	 * An event of before a change of the partials' columns does not fit them, and stays as it is.
	 */
	for (int i = 0; i < n; i++)
		if (is_of(&events[i], &rollup.rollup) && message_fits(&events[i].delta, rollup.desc))
			rollup.events[rollup.n++] = &events[i];
	merge_rollup(&rollup);
	if (topic->topic.notify == TOPIC_NOTIFY_ROW || topic->topic.stored)
		read_rows(place, &rollup);
}

void
batch_merge_rollups(SharedDatabase *place, BatchEvent *events, int n)
{
	for (int i = 0; i < n; i++)
	{
		bool		done = events[i].frame.kind != FRAME_ROLLUP;

		/*
		 * The first event of a rollup takes all later ones along. Each of these finds the first one
		 * here, and is left.
		 */
		for (int before = 0; before < i && !done; before++)
			done = is_of(&events[before], &events[i].delta);
		if (!done)
			take_rollup(place, &events[i], n - i);
	}
}
