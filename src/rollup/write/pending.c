/*
 * pending.c: keeps the deltas between collect and apply. A delta belongs to the subtransaction
 * whose row change it came from: that one flushes it, and its abort discards it, so that a
 * subtransaction never applies, nor loses, a delta of a statement outside of it. Also remembers
 * which partials the transaction wrote, until it ends: the next statement on the same group goes on
 * with them at once. Writes nothing itself.
 */
#include "rollup/write/pending.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"

/* more groups than this are not remembered once they are applied */
#define GROUPS_REMEMBERED 10000

typedef struct PendingLevel
{
	SubTransactionId subid;
	PendingRollup *rollups;
	struct PendingLevel *parent;
} PendingLevel;

typedef struct GroupEntry
{
	PendingGroup *group;
	uint32		hash;
	char		status;
} GroupEntry;

static bool groups_equal(const Rollup *rollup, const PendingGroup *a, const PendingGroup *b);
static void merge_committed(void);

#define SH_PREFIX groups
#define SH_ELEMENT_TYPE GroupEntry
#define SH_KEY_TYPE PendingGroup *
#define SH_KEY group
#define SH_HASH_KEY(table, key) (key)->hash
#define SH_EQUAL(table, a, b) groups_equal((table)->private_data, a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/*
 * The innermost subtransaction that collected anything, then those around it, each with one level.
 * A subtransaction that has committed leaves its level above the level of its parent, until
 * somebody asks for either.
 */
static PendingLevel *level_top = NULL;

static bool
groups_equal(const Rollup *rollup, const PendingGroup *a, const PendingGroup *b)
{
	for (int i = 0; i < rollup->nkeys; i++)
	{
		RollupKey  *key = &rollup->keys[i];

		if (a->isnull[i] != b->isnull[i])
			return false;
		if (!a->isnull[i] &&
			!DatumGetBool(FunctionCall2Coll(&key->equal, key->collation, a->keys[i], b->keys[i])))
			return false;
	}
	return true;
}

/*
 * Levels
 */
void
pending_clear(PendingRollup *pending)
{
	MemoryContextReset(pending->context);
	pending->groups = groups_create(pending->context, 8, pending->rollup);
	pending->dirty = NULL;
}

static PendingRollup *
level_find(PendingLevel *level, Oid partials)
{
	PendingRollup *pending;

	for (pending = level->rollups; pending; pending = pending->next)
		if (pending->rollup->partials == partials)
			return pending;
	return NULL;
}

static void
rollup_discard(PendingRollup *pending)
{
	/* The rollup belongs to its cache. Only our reference to it is given back. */
	rollup_release(pending->rollup);
	MemoryContextDelete(pending->context);
	pfree(pending);
}

/* Take away the innermost level. */
static void
level_discard(PendingLevel *level)
{
	PendingRollup *pending,
			   *next;

	for (pending = level->rollups; pending; pending = next)
	{
		next = pending->next;
		rollup_discard(pending);
	}
	level_top = level->parent;
	pfree(level);
}

PendingRollup *
pending_rollup(Rollup *rollup)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	PendingRollup *pending;

	/*
	 * The level must be the current subtransaction's. It lives in the memory of the top
	 * transaction, since its subtransaction may commit into the parent.
	 */
	merge_committed();
	if (level_top == NULL || level_top->subid != subid)
	{
		PendingLevel *level = MemoryContextAlloc(TopTransactionContext, sizeof(PendingLevel));

		level->subid = subid;
		level->rollups = NULL;
		level->parent = level_top;
		level_top = level;
	}
	pending = level_find(level_top, rollup->partials);
	if (pending == NULL)
	{
		MemoryContext context = AllocSetContextCreate(
			TopTransactionContext, "gymstream pending deltas", ALLOCSET_DEFAULT_SIZES);

		/*
		 * The reference keeps the rollup compiled as it is, even if an invalidation comes while
		 * deltas are pending.
		 */
		pending = MemoryContextAllocZero(TopTransactionContext, sizeof(PendingRollup));
		pending->rollup = rollup;
		rollup->references++;
		pending->context = context;
		pending->level = level_top;
		pending->next = level_top->rollups;
		level_top->rollups = pending;
		pending_clear(pending);
	}
	/*
	 * Deltas have the states of the rollup that they were collected for. So a rollup is replaced
	 * only while none are pending.
	 */
	else if (pending->rollup != rollup && pending->dirty == NULL)
	{
		/* it was compiled anew since */
		rollup_release(pending->rollup);
		pending->rollup = rollup;
		rollup->references++;
		pending_clear(pending);
	}
	return pending;
}

/*
 * Groups
 */
static PendingGroup *
group_make(PendingRollup *pending, const PendingGroup *probe)
{
	Rollup	   *rollup = pending->rollup;
	/* One allocation holds the group and its arrays. It is freed with the whole context only. */
	MemoryContext old = MemoryContextSwitchTo(pending->context);
	Size		deltas = MAXALIGN(sizeof(PendingGroup));
	Size		keys = deltas + MAXALIGN(rollup->nstates * sizeof(StateDelta));
	Size		isnull = keys + rollup->nkeys * sizeof(Datum);
	char	   *memory = palloc0(isnull + rollup->nkeys * sizeof(bool));
	PendingGroup *group = (PendingGroup *) memory;

	group->hash = probe->hash;
	group->deltas = (StateDelta *) (memory + deltas);
	group->keys = (Datum *) (memory + keys);
	group->isnull = (bool *) (memory + isnull);
	ItemPointerSetInvalid(&group->own);
	for (int i = 0; i < rollup->nkeys; i++)
	{
		RollupKey  *key = &rollup->keys[i];

		group->isnull[i] = probe->isnull[i];
		if (group->isnull[i])
			continue;
		/* The key of the probe lies in the memory of a row, and may point to a TOAST table. */
		if (key->typlen == -1)
			group->keys[i] = PointerGetDatum(PG_DETOAST_DATUM_COPY(probe->keys[i]));
		else
			group->keys[i] = datumCopy(probe->keys[i], key->typbyval, key->typlen);
	}
	MemoryContextSwitchTo(old);
	return group;
}

static PendingGroup *
group_intern(PendingRollup *pending, PendingGroup *probe)
{
	bool		found;
	GroupEntry *entry = groups_insert_hash(pending->groups, probe, probe->hash, &found);

	if (!found)
		entry->group = group_make(pending, probe);
	return entry->group;
}

PendingGroup *
pending_group(PendingRollup *pending, Datum *keys, bool *isnull)
{
	PendingGroup probe = {
		.hash = rollup_hash_keys(pending->rollup, keys, isnull), .keys = keys, .isnull = isnull};
	PendingGroup *group = group_intern(pending, &probe);

	if (!group->dirty)
	{
		group->dirty = true;
		group->next_dirty = pending->dirty;
		pending->dirty = group;
	}
	return group;
}

ItemPointer
pending_own_partial(PendingRollup *pending, PendingGroup *group)
{
	PendingLevel *level;

	if (ItemPointerIsValid(&group->own))
		return &group->own;
	/*
	 * An outer subtransaction may have written one. What it wrote is ours too, as long as the
	 * partials have the same file.
	 */
	for (level = pending->level->parent; level; level = level->parent)
	{
		PendingRollup *outer = level_find(level, pending->rollup->partials);
		GroupEntry *entry = outer ? groups_lookup_hash(outer->groups, group, group->hash) : NULL;

		if (entry && ItemPointerIsValid(&entry->group->own) &&
			gs_relfile_equal(outer->file, pending->file))
			return &entry->group->own;
	}
	return NULL;
}

void
pending_storage(PendingRollup *pending, GsRelFile file)
{
	groups_iterator iterator;
	GroupEntry *entry;

	if (gs_relfile_equal(pending->file, file))
		return;
	groups_start_iterate(pending->groups, &iterator);
	while ((entry = groups_iterate(pending->groups, &iterator)) != NULL)
		ItemPointerSetInvalid(&entry->group->own);
	pending->file = file;
}

/*
 * What there is
 */
PendingRollup *
pending_first(void)
{
	merge_committed();
	return level_top != NULL && level_top->subid == GetCurrentSubTransactionId() ?
			   level_top->rollups : NULL;
}

PendingRollup *
pending_find(Oid partials)
{
	PendingRollup *pending = pending_first();

	while (pending && pending->rollup->partials != partials)
		pending = pending->next;
	return pending;
}

bool
pending_is_dirty(Oid partials)
{
	PendingRollup *pending = pending_find(partials);

	return pending && pending->dirty;
}

bool
pending_any_dirty(void)
{
	SubTransactionId subid = GetCurrentSubTransactionId();

	/*
	 * A committed child may still have a level of the same subtransaction. So this asks every level
	 * with that number.
	 */
	for (PendingLevel *level = level_top; level && level->subid == subid; level = level->parent)
		for (PendingRollup *pending = level->rollups; pending; pending = pending->next)
			if (pending->dirty)
				return true;
	return false;
}

bool
pending_is_large(PendingRollup *pending)
{
	/* the context has no children; each row asks */
	return pending->context->mem_allocated > (Size) work_mem * 1024;
}

void
pending_trim(PendingRollup *pending)
{
	if (pending->groups->members > GROUPS_REMEMBERED || pending_is_large(pending))
		pending_clear(pending);
}

void
pending_forget(Oid partials)
{
	PendingLevel *level;

	/*
	 * TRUNCATE leaves no partial to any level. If it is undone, its rows are back, and what was
	 * forgotten costs a search.
	 */
	rollup_refuse_entered(partials);
	for (level = level_top; level; level = level->parent)
	{
		PendingRollup *pending = level_find(level, partials);

		if (pending)
		{
			pending_clear(pending);
			pending->truncating = false;
		}
	}
}

/*
 * The ends of transactions and subtransactions
 */
void
pending_discard(void)
{
	while (level_top)
		level_discard(level_top);
}

void
pending_discard_subtransaction(SubTransactionId subid)
{
	while (level_top && level_top->subid == subid)
		level_discard(level_top);
}

/* Only named anew here: merge_committed does the rest, when it can. */
void
pending_keep_subtransaction(SubTransactionId subid, SubTransactionId parent)
{
	for (PendingLevel *level = level_top; level && level->subid == subid; level = level->parent)
		level->subid = parent;
}

/*
 * Where the partial of a group is. What has been forgotten, or is out of date, costs a search. So a
 * transaction of any number of subtransactions does not remember more than one of any number of
 * statements.
 */
static void
remember_own(PendingRollup *outer, PendingGroup *group)
{
	GroupEntry *entry;

	/* The outer group gets only the place of the partial. The inner group has no delta any more. */
	if (outer->groups->members < GROUPS_REMEMBERED && !pending_is_large(outer))
		group_intern(outer, group)->own = group->own;
	else if ((entry = groups_lookup_hash(outer->groups, group, group->hash)) != NULL)
		entry->group->own = group->own;
}

/*
 * What is known of the same rollup outside. Comparing keys may fail: then all of this can be done
 * again.
 */
static void
rollup_merge(PendingRollup *pending, PendingRollup *outer)
{
	groups_iterator iterator;
	GroupEntry *entry;

	/*
	 * Keys are compared here, so functions may run. The inner groups stay whole until all of them
	 * are known outside.
	 */
	rollup_enter(outer->rollup);
	pending_storage(outer, pending->file);
	groups_start_iterate(pending->groups, &iterator);
	while ((entry = groups_iterate(pending->groups, &iterator)) != NULL)
		remember_own(outer, entry->group);
	rollup_leave(outer->rollup);
}

/* The parent goes on with the partials that the committed subtransaction wrote. */
static void
level_merge(PendingLevel *child, PendingLevel *parent)
{
	while (child->rollups)
	{
		PendingRollup *pending = child->rollups;
		PendingRollup *outer = level_find(parent, pending->rollup->partials);

		/*
		 * The part that may fail comes first. Until it has succeeded, the child still has the
		 * rollup on its list.
		 */
		if (outer)
			rollup_merge(pending, outer);
		child->rollups = pending->next;
		/*
		 * Where the parent has nothing of the rollup, it takes over the child's set as it is, with
		 * its context and its reference.
		 */
		if (outer)
			rollup_discard(pending);
		else
		{
			pending->level = parent;
			pending->next = parent->rollups;
			parent->rollups = pending;
		}
	}
}

/*
 * Not when it commits: keys are compared, and functions of their types may need what is not to be
 * had at that moment.
 */
static void
merge_committed(void)
{
	if (level_top == NULL || level_top->parent == NULL ||
		level_top->parent->subid != level_top->subid)
		return;
	/* levels are not what they seem until this is done: what compares keys must not ask for them */
	rollup_enter_partials(InvalidOid);
	/*
	 * A level is discarded only when it is empty. If an error comes between, the next call goes on
	 * where this one stopped.
	 */
	while (level_top->parent && level_top->parent->subid == level_top->subid)
	{
		level_merge(level_top, level_top->parent);
		level_discard(level_top);
	}
	rollup_leave_partials(InvalidOid);
}

void
pending_merge(void)
{
	merge_committed();
}
