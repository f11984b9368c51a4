/*
 * hint.c: remembers, by the hash of a group, where a partial of it was found, so that the next transaction need not
 * search the index. A table in which groups overwrite each other, that grows where they do so often; it is right often
 * enough, and a partial says for itself whose it is. Valid for one file: whatever rewrites or truncates a table gives it
 * another one. Within a file blocks go away by VACUUM (TRUNCATE) only, since vacuum_truncate is off: whoever follows a hint
 * looks whether they are there.
 */
#include "hint.h"

#include "utils/memutils.h"

/* powers of two */
#define HINTS_FIRST 256
#define HINTS_MOST 8192

/* so often a search is asked for, which also folds partials that nobody uses */
#define HINTS_BETWEEN_SEARCHES 64

struct Hints
{
	GsRelFile	file;
	MemoryContext context;
	uint32		asked;
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

const Hint *
hint_get(Hints *hints, GsRelFile file, uint32 hash)
{
	Hint	   *hint = &hints->hints[hash % hints->size];

	if (!gs_relfile_equal(hints->file, file) || hint->hash != hash || !ItemPointerIsValid(&hint->root) ||
		++hints->asked % HINTS_BETWEEN_SEARCHES == 0)
		return NULL;
	return hint;
}

void
hint_set(Hints *hints, GsRelFile file, uint32 hash, const ItemPointerData *root, const ItemPointerData *version)
{
	Hint	   *hint;

	if (!gs_relfile_equal(hints->file, file))
	{
		memset(hints->hints, 0, hints->size * sizeof(Hint));
		hints->file = file;
	}
	hint = &hints->hints[hash % hints->size];
	if (hint->hash != hash && ItemPointerIsValid(&hint->root) && ++hints->overwritten > hints->size / 4 &&
		hints->size < HINTS_MOST)
	{
		hint_resize(hints, hints->size * 2);
		hint = &hints->hints[hash % hints->size];
	}
	hint->hash = hash;
	hint->root = *root;
	hint->version = InvalidOffsetNumber;
	if (ItemPointerIsValid(version) && ItemPointerGetBlockNumberNoCheck(version) == ItemPointerGetBlockNumberNoCheck(root))
		hint->version = ItemPointerGetOffsetNumberNoCheck(version);
}
