/*
 * pending.h: deltas that were collected and not applied yet, one set for each subtransaction.
 */
#ifndef GS_PENDING_H
#define GS_PENDING_H

#include "base/base.h"

#include "storage/itemptr.h"

#include "rollup/model/rollup.h"

/* A group that this subtransaction has changed. */
typedef struct PendingGroup
{
	uint32		hash;
	bool		dirty;			/* has a delta that is not applied */
	ItemPointerData own;		/* the partial that this subtransaction wrote last, or invalid */
	struct PendingGroup *next_dirty;
	Datum	   *keys;
	bool	   *isnull;
	StateDelta *deltas;
} PendingGroup;

typedef struct PendingRollup
{
	Rollup	   *rollup;
	struct groups_hash *groups;
	PendingGroup *dirty;		/* list of those to be applied */
	GsRelFile	file;			/* the partials' storage, in which own is valid */
	/* the statement at hand truncates the source: the partials will be, too */
	bool		truncating;
	MemoryContext context;		/* groups and deltas */
	struct PendingLevel *level;
	struct PendingRollup *next;
} PendingRollup;

/*
 * Take in what subtransactions have left that were committed into the current one. All of these
 * functions do; to be called before rollup_enter, since it compares keys.
 */
extern void pending_merge(void);

/* The current subtransaction's pending deltas of a rollup; made when it has none. */
extern PendingRollup *pending_rollup(Rollup *rollup);

/* The group with these keys, made when it is new, and put on the list of those to be applied. */
extern PendingGroup *pending_group(PendingRollup *pending, Datum *keys, bool *isnull);

/*
 * The partial of the group that this transaction wrote last in a subtransaction that is not
 * aborted; NULL: none known.
 */
extern ItemPointer pending_own_partial(PendingRollup *pending, PendingGroup *group);

/* The partials are stored in this file: what is known of another one is void. */
extern void pending_storage(PendingRollup *pending, GsRelFile file);

/* Whether the current subtransaction has anything of the rollup pending. */
extern bool pending_is_dirty(Oid partials);

/* All that the current subtransaction has, as a list; or that of one rollup. NULL: none. */
extern PendingRollup *pending_first(void);
extern PendingRollup *pending_find(Oid partials);

/*
 * Whether it has anything pending. Unlike the others, looks at no keys, and so calls no functions
 * of their types.
 */
extern bool pending_any_dirty(void);

/* Forget all that is pending or known of the rollup in this subtransaction. */
extern void pending_clear(PendingRollup *pending);

/* Whether its groups and deltas take more than work_mem. */
extern bool pending_is_large(PendingRollup *pending);

/* Forget the groups of a rollup that has nothing pending, if they are many or large. */
extern void pending_trim(PendingRollup *pending);

/* Forget all that is pending or known of the rollup: its partials were truncated. */
extern void pending_forget(Oid partials);

/*
 * The transaction has ended; a subtransaction was aborted; it was committed into its parent, which
 * goes on with all it had.
 */
extern void pending_discard(void);
extern void pending_discard_subtransaction(SubTransactionId subid);
extern void pending_keep_subtransaction(SubTransactionId subid, SubTransactionId parent);

#endif							/* GS_PENDING_H */
