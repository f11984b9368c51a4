/*
 * note.c: takes from writers the keys of groups of which more than one partial is left, and gives
 * them to the database's folder through shared memory, at commit; or to later transactions of the
 * same session, where there is no such memory. Folds nothing itself.
 *
 * A database's notes are a small table addressed by hash, so that a group that is noted already
 * costs a look. A slot has a state that is changed by compare-and-exchange: nobody locks, nobody
 * waits. What finds no room is not lost but told in one bit: the folder then sweeps through all
 * rollups. So it does after a start of the server, which empties the table.
 */
#include "rollup/partials/note.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "base/region.h"
#include "base/settings.h"

/* slots that are tried for a note */
#define PROBES 4
/* the most notes of a transaction */
#define NOTED 32
/* the most that a session keeps for itself */
#define REMEMBERED 8

/* states of a slot: whoever takes it from one of the first two has it alone */
#define SLOT_FREE 0
#define SLOT_FULL 1
#define SLOT_TAKEN 2

/* what a database wants */
#define WANTED_FOLD 1
#define WANTED_SWEEP 2

typedef struct NoteSlot
{
	pg_atomic_uint32 state;
	Note		note;
} NoteSlot;

typedef struct SharedNotes
{
	pg_atomic_uint32 wanted;
	NoteSlot	slots[NOTE_SLOTS];
} SharedNotes;

static SharedNotes *shared_notes = NULL;	/* one for each place */

/* the current transaction's */
static Note noted_groups[NOTED];
static int	nnoted = 0;
static bool noted_more = false; /* than have room */

static Note remembered_notes[REMEMBERED];
static uint32 next_remembered = 0;
static bool some_remembered = false;	/* false is certain: each commit asks */

static Size
notes_size(void)
{
	return mul_size(settings_max_databases, sizeof(SharedNotes));
}

static void
fill_notes(void)
{
	for (int i = 0; i < settings_max_databases; i++)
	{
		pg_atomic_init_u32(&shared_notes[i].wanted, WANTED_SWEEP);
		for (int slot = 0; slot < NOTE_SLOTS; slot++)
			pg_atomic_init_u32(&shared_notes[i].slots[slot].state, SLOT_FREE);
	}
}

static SharedNotes *
notes_of(SharedDatabase *place)
{
	return &shared_notes[place - shared_state->databases];
}

/*
 * Notes
 */
MinimalTuple
note_keys(Relation partials, int nkeys, Datum *keys, bool *isnull)
{
	TupleDesc	desc = RelationGetDescr(partials);
	Datum	   *values = palloc0(desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(desc->natts * sizeof(bool));

	memset(nulls, true, desc->natts * sizeof(bool));
	memcpy(values, keys, nkeys * sizeof(Datum));
	memcpy(nulls, isnull, nkeys * sizeof(bool));
	return gs_form_minimal_tuple(desc, values, nulls);
}

uint32
note_types(Relation partials)
{
	TupleDesc	desc = RelationGetDescr(partials);
	uint32		types = desc->natts;

	for (int i = 0; i < desc->natts; i++)
		types = hash_combine(types, murmurhash32(TupleDescAttr(desc, i)->atttypid));
	return types;
}

static bool
same_group(const Note *a, const Note *b)
{
	return a->hash == b->hash && a->partials == b->partials && a->database == b->database;
}

void
note_group(Relation partials, int nkeys, Datum *keys, bool *isnull, uint32 hash)
{
	Note note = {.database = MyDatabaseId, .partials = RelationGetRelid(partials), .hash = hash};
	MinimalTuple tuple;

	for (int i = 0; i < nnoted; i++)
		if (same_group(&noted_groups[i], &note))
			return;
	/* The keys are copied into static memory: at commit nothing may be allocated. */
	tuple = note_keys(partials, nkeys, keys, isnull);
	if (nnoted == NOTED || tuple->t_len > NOTE_BYTES)
		noted_more = true;
	else
	{
		note.types = note_types(partials);
		memcpy(note.keys, tuple, tuple->t_len);
		noted_groups[nnoted++] = note;
	}
	pfree(tuple);
}

/*
 * The end of a transaction, after it has become visible; nothing here may fail
 */

/* False: there is no room. */
static bool
note_post(SharedNotes *notes, const Note *note)
{
	for (int i = 0; i < PROBES; i++)
	{
		NoteSlot   *slot = &notes->slots[(note->hash + i) % NOTE_SLOTS];
		uint32		state = SLOT_FREE;

		if (pg_atomic_compare_exchange_u32(&slot->state, &state, SLOT_TAKEN))
		{
			/*
			 * The slot is ours alone while it is taken. The barrier lets nobody see it full before
			 * the note is there.
			 */
			slot->note = *note;
			pg_write_barrier();
			pg_atomic_write_u32(&slot->state, SLOT_FULL);
			return true;
		}
		/* the folder takes it after this look, and so after this transaction */
		if (state == SLOT_FULL && same_group(&slot->note, note))
			return true;
	}
	return false;
}

static void
post_all(SharedDatabase *place)
{
	SharedNotes *notes = notes_of(place);
	uint32		wanted = noted_more ? WANTED_FOLD | WANTED_SWEEP : WANTED_FOLD;

	for (int i = 0; i < nnoted; i++)
		if (!note_post(notes, &noted_groups[i]))
			wanted |= WANTED_SWEEP;
	/* the folder clears the bits before it looks at the slots */
	pg_memory_barrier();
	if ((pg_atomic_read_u32(&notes->wanted) & wanted) == wanted)
		return;
	/*
	 * Only the first to set a bit wakes the launcher. A folder that runs looks at the bits for
	 * itself.
	 */
	if (pg_atomic_fetch_or_u32(&notes->wanted, wanted) == 0 &&
		place->latches[SHARED_FOLDER] == NULL)
		shared_wake_launcher();
}

static void
remember_all(void)
{
	for (int i = 0; i < nnoted; i++)
		remembered_notes[next_remembered++ % REMEMBERED] = noted_groups[i];
	some_remembered = some_remembered || nnoted > 0;
}

/*
 * What is prepared counts too: its partials are on their way, and whoever commits it knows nothing
 * of them.
 */
static void
note_at_xact_end(XactEvent event, void *arg)
{
	SharedDatabase *place;

	if (nnoted == 0 && !noted_more)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			place = shared_notes ? shared_mine() : NULL;
			if (place)
				post_all(place);
			else
				remember_all();
			break;
		case XACT_EVENT_ABORT:
			break;
		default:
			return;
	}
	nnoted = 0;
	noted_more = false;
}

/*
 * Taking notes
 */
bool
note_remembered(Oid partials, Note *note)
{
	for (int i = 0; i < REMEMBERED; i++)
		if (remembered_notes[i].partials == partials)
		{
			*note = remembered_notes[i];
			remembered_notes[i].partials = InvalidOid;
			return true;
		}
	return false;
}

bool
note_any_remembered(void)
{
	bool		found = false;

	if (!some_remembered)
		return false;
	for (int i = 0; i < REMEMBERED; i++)
		found = found || OidIsValid(remembered_notes[i].partials);
	some_remembered = found;
	return found;
}

bool
note_is_wanted(SharedDatabase *place)
{
	return pg_atomic_read_u32(&notes_of(place)->wanted) != 0;
}

int
note_take(SharedDatabase *place, Note *notes, bool *sweep)
{
	SharedNotes *shared = notes_of(place);
	uint32		wanted = pg_atomic_exchange_u32(&shared->wanted, 0);
	int			n = 0;

	/*
	 * The bits are cleared before the slots are read. A writer who fills a slot after that sets
	 * them again, and the folder comes once more.
	 */
	*sweep = (wanted & WANTED_SWEEP) != 0;
	if (wanted == 0)
		return 0;
	for (int i = 0; i < NOTE_SLOTS; i++)
	{
		NoteSlot   *slot = &shared->slots[i];
		uint32		state = SLOT_FULL;

		if (!pg_atomic_compare_exchange_u32(&slot->state, &state, SLOT_TAKEN))
			continue;
		/*
		 * The place may have been another database's. Notes of a database that is gone are dropped.
		 */
		if (slot->note.database == place->database)
			notes[n++] = slot->note;
		pg_write_barrier();
		pg_atomic_write_u32(&slot->state, SLOT_FREE);
	}
	return n;
}

void
note_sweep(SharedDatabase *place)
{
	pg_atomic_fetch_or_u32(&notes_of(place)->wanted, WANTED_SWEEP);
}

void
note_init(void)
{
	static Region region = {"gymstream notes", notes_size, (void **) &shared_notes, fill_notes};

	RegisterXactCallback(note_at_xact_end, NULL);
	if (settings_is_preloaded())
		region_add(&region);
}
