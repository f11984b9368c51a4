/*
 * hint.c: remembers, by the hash of a group, where a partial of it was found, so that the next
 * transaction need not search the index. Valid for one file: whatever rewrites or truncates a table
 * gives it another one. Within a file blocks go away by VACUUM (TRUNCATE) only, since
 * vacuum_truncate is off: whoever follows a hint looks whether they are there.
 *
 * A backend has a table for each rollup, in which groups overwrite each other, that grows where
 * they do so often; it is right often enough, and a partial says for itself whose it is. So each
 * writer of a hot group goes on with the partial that it had. What a backend has not met another
 * one may have: a table in shared memory, of all rollups, that is read and written without a lock.
 * What is torn there is one more thing that proves wrong when it is followed, and is written anew.
 */
#include "rollup/partials/hint.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "base/region.h"
#include "base/settings.h"

/* powers of two */
#define HINTS_FIRST 256
#define HINTS_MOST 8192
#define HINTS_SHARED 65536		/* of 16 bytes each */

/* where writers fold, a search is asked for so often */
#define HINTS_BETWEEN_SEARCHES 64

typedef struct SharedHint
{
	uint32		file;
	uint32		hash;
	ItemPointerData root;
} SharedHint;

static SharedHint *shared_hints = NULL;

struct Hints
{
	GsRelFile	file;
	MemoryContext context;
	uint32		asked;			/* where writers fold */
	uint32		size;
	uint32		overwritten;	/* since it has this size */
	Hint	   *hints;
};

static void
hint_resize(Hints *hints, uint32 size)
{
	Hint	   *old = hints->hints;
	uint32		old_size = hints->size;

	hints->hints = MemoryContextAllocZero(hints->context, size * sizeof(Hint));
	hints->size = size;
	hints->overwritten = 0;
	for (uint32 i = 0; i < old_size; i++)
		if (ItemPointerIsValid(&old[i].root))
			hints->hints[old[i].hash % size] = old[i];
	if (old)
		pfree(old);
}

Hints *
hint_make(MemoryContext context)
{
	Hints	   *hints = MemoryContextAllocZero(context, sizeof(Hints));

	hints->context = context;
	hint_resize(hints, HINTS_FIRST);
	return hints;
}

/* Either may be invalid. */
static bool
same_place(const ItemPointerData *a, const ItemPointerData *b)
{
	return memcmp(a, b, sizeof(ItemPointerData)) == 0;
}

/*
 * What backends tell each other
 */
static SharedHint *
shared_slot(GsRelFile file, uint32 hash)
{
	return &shared_hints[murmurhash32(hash_combine(gs_relfile_number(file), hash)) % HINTS_SHARED];
}

static bool
shared_get(GsRelFile file, uint32 hash, Hint *hint)
{
	SharedHint	shared = *shared_slot(file, hash);

	/*
	 * The copy may be torn between two writers. Whoever follows the hint then finds no partial of
	 * the group, and searches.
	 */
	if (shared.file != gs_relfile_number(file) || shared.hash != hash ||
		!ItemPointerIsValid(&shared.root))
		return false;
	*hint = (Hint) {.hash = hash,.root = shared.root,.version = InvalidOffsetNumber};
	return true;
}

/* A write costs all who read what is close to it: not what stands there already. */
static void
shared_set(GsRelFile file, uint32 hash, const ItemPointerData *root)
{
	SharedHint *shared = shared_slot(file, hash);

	if (shared->file != gs_relfile_number(file) || shared->hash != hash ||
		!same_place(&shared->root, root))
		*shared = (SharedHint) {.file = gs_relfile_number(file),.hash = hash,.root = *root};
}

/*
 * Hints
 */
bool
hint_get(Hints *hints, GsRelFile file, uint32 hash, bool writers_fold, Hint *hint)
{
	*hint = hints->hints[hash % hints->size];
	/*
	 * A writer who folds must meet the other partials of the group some time. So a hint is withheld
	 * now and then, which makes the writer search.
	 */
	if (gs_relfile_equal(hints->file, file) && hint->hash == hash &&
		ItemPointerIsValid(&hint->root))
		return !writers_fold || ++hints->asked % HINTS_BETWEEN_SEARCHES != 0;
	return !writers_fold && shared_hints && shared_get(file, hash, hint);
}

void
hint_set(Hints *hints, GsRelFile file, uint32 hash, const ItemPointerData *root,
		 const ItemPointerData *version)
{
	Hint	   *hint;
	bool		other;

	/* All hints are of one file. A rewrite voids them together. */
	if (!gs_relfile_equal(hints->file, file))
	{
		memset(hints->hints, 0, hints->size * sizeof(Hint));
		hints->file = file;
	}
	hint = &hints->hints[hash % hints->size];
	other = hint->hash != hash && ItemPointerIsValid(&hint->root);
	if (other && ++hints->overwritten > hints->size / 4 && hints->size < HINTS_MOST)
	{
		hint_resize(hints, hints->size * 2);
		hint = &hints->hints[hash % hints->size];
	}
	/* Others hear only of a new place: a group that stays where it was costs no shared write. */
	if (shared_hints && (hint->hash != hash || !same_place(&hint->root, root)))
		shared_set(file, hash, root);
	hint->hash = hash;
	hint->root = *root;
	/*
	 * A version is kept as an offset in the root's block. In another block it is not of that chain.
	 */
	hint->version = InvalidOffsetNumber;
	if (ItemPointerIsValid(version) &&
		ItemPointerGetBlockNumberNoCheck(version) == ItemPointerGetBlockNumberNoCheck(root))
		hint->version = ItemPointerGetOffsetNumberNoCheck(version);
}

static Size
hints_size(void)
{
	return HINTS_SHARED * sizeof(SharedHint);
}

static void
fill_hints(void)
{
	memset(shared_hints, 0, hints_size());
}

void
hint_init(void)
{
	static Region region = {"gymstream hints", hints_size, (void **) &shared_hints, fill_hints};

	if (settings_is_preloaded())
		region_add(&region);
}
