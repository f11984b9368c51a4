/*
 * hint.c: remembers, by the hash of a group, where a partial of it was found, so that the next transaction need not
 * search the index. A small table in which groups overwrite each other; it is right often enough, and a partial says for
 * itself whose it is. Valid for one file: whatever rewrites or truncates a table gives it another one, and within a file
 * no block goes away (vacuum_truncate is off).
 */
#include "hint.h"

#include "utils/memutils.h"

#define HINTS 1024				/* a power of two */

/* so often a search is asked for, which also folds partials that nobody uses */
#define HINTS_BETWEEN_SEARCHES 16

typedef struct Hint
{
	uint32		hash;
	ItemPointerData root;
} Hint;

struct Hints
{
	GsRelFile	file;
	uint32		asked;
	Hint		hints[HINTS];
};

Hints *
hint_make(MemoryContext context)
{
	return MemoryContextAllocZero(context, sizeof(Hints));
}

bool
hint_get(Hints *hints, GsRelFile file, uint32 hash, ItemPointer root)
{
	Hint	   *hint = &hints->hints[hash % HINTS];

	if (!gs_relfile_equal(hints->file, file) || hint->hash != hash || !ItemPointerIsValid(&hint->root) ||
		++hints->asked % HINTS_BETWEEN_SEARCHES == 0)
		return false;
	*root = hint->root;
	return true;
}

void
hint_set(Hints *hints, GsRelFile file, uint32 hash, const ItemPointerData *root)
{
	Hint	   *hint = &hints->hints[hash % HINTS];

	if (!gs_relfile_equal(hints->file, file))
	{
		memset(hints->hints, 0, sizeof(hints->hints));
		hints->file = file;
	}
	hint->hash = hash;
	hint->root = *root;
}
