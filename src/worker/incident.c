/*
 * incident.c: takes what a worker could not do, remembers the last of them in shared memory, and
 * gives the rows of the view gymstream.incidents. Works without the preload, and shows nothing
 * then.
 */
#include "worker/incident.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/catalog.h"
#include "topic/position.h"

#define QUIET_MS 60000			/* the same again within this time is not logged */

/* the columns of the view gymstream.incidents */
enum
{
	COLUMN_LAST_AT,
	COLUMN_FIRST_AT,
	COLUMN_TIMES,
	COLUMN_RELATION,
	COLUMN_POSITION,
	COLUMN_WHAT,
	COLUMN_SQLSTATE,
	COLUMN_MESSAGE,
	COLUMN_HINT,
	INCIDENT_COLUMNS
};

/* What happened, and what to do. */
static const char *const incident_words[][2] = {
	[INCIDENT_NONE] = {"", ""},
	[INCIDENT_UNRENDERED] = {"an event was told without what cannot be shown",
							 "Look at the event's member \"unrendered\", and at the row itself."},
	[INCIDENT_UNREAD] = {"an event was told without the group's row",
						 "Read the rollup: where the group's row is an error, correct its rows in "
						 "the source, or the query."},
	[INCIDENT_LATE] = {"the functions of a rollup's owner took too long in a worker, which leaves "
					   "the rollup alone for a while",
					   "Make the rollup cheaper to read for a group, by an index or another query, "
					   "or increase gymstream.worker_timeout."},
	[INCIDENT_SKIPPED] =
		{"an event was told without its content, since a worker ended at it several times",
		 "See the server's log, and read the row itself."},
	[INCIDENT_MISSED] =
		{"notifications were skipped, since the server's notification queue was nearly full",
		 "End sessions that LISTEN and stay in a transaction. Listeners are told to read anew once "
		 "there is room."},
	[INCIDENT_RESET] = {"the replication slot was made anew, so that changes were not published",
						"Listeners were told to read anew. If the slot was invalidated, you might "
						"need to increase max_slot_wal_keep_size."},
	[INCIDENT_FOLD] =
		{"a rollup could not be folded",
		 "See the server's log. The rollup stays exact, and its groups keep several partials."},
};

/* Position and message differ from one time to the next. The entry keeps the last ones. */
static bool
is_same(const Incident *a, const Incident *b)
{
	return a->kind == b->kind && a->relation == b->relation && a->sqlerrcode == b->sqlerrcode;
}

/* The entry of its equals, or a free one, or the oldest. The caller holds the lock. */
static Incident *
find_entry(SharedDatabase *place, const Incident *incident)
{
	Incident   *oldest = &place->incidents[0];

	for (int i = 0; i < SHARED_INCIDENTS; i++)
		if (is_same(&place->incidents[i], incident))
			return &place->incidents[i];
	for (int i = 0; i < SHARED_INCIDENTS; i++)
		/* A free entry has no time, so it counts as the oldest. */
		if (place->incidents[i].last_at < oldest->last_at)
			oldest = &place->incidents[i];
	return oldest;
}

bool
incident_note(SharedDatabase *place, const Incident *incident)
{
	TimestampTz now = GetCurrentTimestamp();
	Incident   *entry;
	Incident	before;

	/*
	 * Several workers of a database enter incidents here, and sessions read them. Nothing under the
	 * lock can fail.
	 */
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	entry = find_entry(place, incident);
	before = *entry;
	*entry = *incident;
	/* The entry was free or another's: nothing of that is kept. */
	if (!is_same(&before, incident))
		before = (Incident) {.first_at = now};
	entry->first_at = before.first_at;
	entry->last_at = now;
	entry->times = before.times + 1;
	LWLockRelease(shared_state->lock);

	/*
	 * One that goes on without a minute's pause is in the log once. Its count grows all the same.
	 */
	return before.times == 0 || TimestampDifferenceExceeds(before.last_at, now, QUIET_MS);
}

/* The same type as listeners get, so that an event and its incident can be compared. */
static Datum
position_datum(const Incident *incident)
{
	Position   *position = palloc0(sizeof(Position));

	*position = (Position) {.epoch = incident->epoch,.index = incident->index,.lsn = incident->lsn,
	.offset = POSITION_NO_OFFSET};
	return PointerGetDatum(position);
}

/* Of partials, users know the rollup. An error's message may show a value of somebody's table. */
static void
put_incident(ReturnSetInfo *result, const Incident *incident)
{
	Datum		values[INCIDENT_COLUMNS] = {0};
	bool		nulls[INCIDENT_COLUMNS] = {false};
	Oid			rollup = catalog_rollup(ROLLUP_PARTIALS, incident->relation, ROLLUP_ROLLUP);

	/*
	 * The rollup is invalid where the relation is no partials, or is gone by now. Then the OID is
	 * shown as it was entered.
	 */
	values[COLUMN_LAST_AT] = TimestampTzGetDatum(incident->last_at);
	values[COLUMN_FIRST_AT] = TimestampTzGetDatum(incident->first_at);
	values[COLUMN_TIMES] = Int64GetDatum(incident->times);
	values[COLUMN_RELATION] = ObjectIdGetDatum(OidIsValid(rollup) ? rollup : incident->relation);
	nulls[COLUMN_RELATION] = !OidIsValid(incident->relation);
	values[COLUMN_POSITION] = position_datum(incident);
	nulls[COLUMN_POSITION] = XLogRecPtrIsInvalid(incident->lsn);
	values[COLUMN_WHAT] = CStringGetTextDatum(incident_words[incident->kind][0]);
	values[COLUMN_SQLSTATE] = CStringGetTextDatum(unpack_sql_state(incident->sqlerrcode));
	nulls[COLUMN_SQLSTATE] = incident->sqlerrcode == 0;
	values[COLUMN_MESSAGE] = CStringGetTextDatum(incident->message);
	nulls[COLUMN_MESSAGE] =
		incident->message[0] == '\0' || !has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
	values[COLUMN_HINT] = CStringGetTextDatum(incident_words[incident->kind][1]);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* incident_rows() returns setof record: see the view's columns. */
PG_FUNCTION_INFO_V1(gs_incident_rows);
Datum
gs_incident_rows(PG_FUNCTION_ARGS)
{
	Incident	incidents[SHARED_INCIDENTS] = {0};
	SharedDatabase *place;

	InitMaterializedSRF(fcinfo, 0);
	if (shared_state == NULL)
		return (Datum) 0;
	/* Entries are copied under the lock. Rows are made without it, as that reads catalogs. */
	LWLockAcquire(shared_state->lock, LW_SHARED);
	place = shared_find(MyDatabaseId);
	/* A database that nobody serves has no place, and nothing has happened there. */
	if (place != NULL)
		memcpy(incidents, place->incidents, sizeof(incidents));
	LWLockRelease(shared_state->lock);
	for (int i = 0; i < SHARED_INCIDENTS; i++)
		if (incidents[i].kind != INCIDENT_NONE)
			put_incident((ReturnSetInfo *) fcinfo->resultinfo, &incidents[i]);
	return (Datum) 0;
}
