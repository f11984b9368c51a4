/*
 * note.h: groups that want folding, as writers leave them.
 */
#ifndef GS_NOTE_H
#define GS_NOTE_H

#include "base/base.h"

#include "access/htup.h"
#include "utils/relcache.h"

#include "base/shared.h"

/* The most notes of a database at a time, and the most bytes of keys in one. */
#define NOTE_SLOTS 128
#define NOTE_BYTES 208

typedef struct Note
{
	Oid			database;
	Oid			partials;
	uint32		hash;			/* of the keys, as GROUP BY compares them */
	uint32		types;			/* a hash of the table's columns: what the keys are to be read as */
	/* a minimal tuple: a row of the partials with its keys only */
	uint64		keys[NOTE_BYTES / sizeof(uint64)];
} Note;

/* The keys as a row of the partials with nothing else, and what types its columns have. */
extern MinimalTuple note_keys(Relation partials, int nkeys, Datum *keys, bool *isnull);
extern uint32 note_types(Relation partials);

/* A writer's: fold this group some time, if this transaction commits. Costs no lock and no wait. */
extern void note_group(Relation partials, int nkeys, Datum *keys, bool *isnull, uint32 hash);

/*
 * Where no folder can run, those of the session's earlier transactions are kept for its later ones:
 * takes one of the rollup. False: there is none.
 */
extern bool note_remembered(Oid partials, Note *note);
extern bool note_any_remembered(void);

/* Whether the database has anything to be folded. */
extern bool note_is_wanted(SharedDatabase *place);

/*
 * The folder's: take what writers left, up to NOTE_SLOTS of them. sweep: some could not be kept,
 * look everywhere.
 */
extern int	note_take(SharedDatabase *place, Note *notes, bool *sweep);

/* Nothing is known of the database: let the next folder look everywhere. */
extern void note_sweep(SharedDatabase *place);

extern void note_init(void);

#endif							/* GS_NOTE_H */
