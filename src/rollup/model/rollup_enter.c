/*
 * rollup_enter.c: takes a rollup and lets one thing at a time be done with it in this backend,
 * since code that is not ours may run in between. Says who comes second. Reads no table.
 *
 * While a rollup is compiled or filled, a row is collected, a delta applied or a group folded,
 * these may run:
 *
 *   - functions, operators, casts and domains' checks in its keys, filter and inputs
 *   - the functions that hash, compare and order the types of its keys and of its extremes
 *   - what computes a marked group: aggregates, and again all that is in the query
 *   - anything that one of these calls, in subtransactions whose errors it may catch
 *
 * Such code may do what its user may, and so come back to the same rollup. This is what it would
 * meet, were it let in:
 *
 *   - A change of the source: the slots, the memory for values and the states of expressions are
 *     those of the row at hand. The group at hand may be on its way into the hash table, or being
 *     applied.
 *   - TRUNCATE, ATTACH, DETACH: the same; and pending deltas would be forgotten.
 *   - Folding: it would write partials that are held.
 *   - DDL that makes the rollup stale: a second one would be compiled, beside the first that still
 *     runs and has the same deltas.
 *   - A flush: it would take away what the flush outside is going through. But it has nothing of
 *     its own to do, since nothing can have been collected. So flush.c passes over the rollup.
 *   - DROP of the rollup, where no partials are open: what is still collected is for nobody
 *     (flush.c).
 *
 * All but the last two are refused, before anything is touched, so that the error may be caught.
 * Who is inside is kept by subtransaction: an error lets out all that it leaves behind. But what
 * these were computing stays half done. A function of SQL, for one, remembers in the state of the
 * expression that calls it which statement it is in, and that is gone. Whoever enters next makes
 * these states anew.
 */
#include "rollup/model/rollup.h"

#include "access/xact.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

typedef struct Entry
{
	Oid			partials;
	SubTransactionId subid;
} Entry;

static Entry *entered_rollups = NULL;	/* the innermost one is last */
static int	nentries = 0;
static int	entered_room = 0;

bool
rollup_is_entered(Oid partials)
{
	for (int i = 0; i < nentries; i++)
		if (entered_rollups[i].partials == partials)
			return true;
	return false;
}

static void
refuse_reentry(Oid partials)
{
	RollupRelations relations;
	char	   *name = NULL;

	/* The error names no rollup where there is none, or none any more. */
	if (OidIsValid(partials) && catalog_relations(ROLLUP_PARTIALS, partials, &relations))
		name = get_rel_name(relations.rollup);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 name ?
			 errmsg("a function that rollup \"%s\" calls cannot change the source of the rollup",
					name) :
			 errmsg("a function of a key's type cannot change the source of a rollup"),
			 errhint("Let such functions compute their value, and nothing more.")));
}

void
rollup_refuse_entered(Oid partials)
{
	if (unlikely(nentries > 0) && rollup_is_entered(partials))
		refuse_reentry(partials);
}

void
rollup_enter_partials(Oid partials)
{
	rollup_refuse_entered(partials);
	/*
	 * The array is as long as the deepest nest has been, and is never freed. An error while it
	 * grows leaves it as it was.
	 */
	if (nentries == entered_room)
	{
		int			more = entered_room > 0 ? 2 * entered_room : 8;

		if (entered_rollups == NULL)
			entered_rollups = MemoryContextAlloc(TopMemoryContext, more * sizeof(Entry));
		else
			entered_rollups = repalloc(entered_rollups, more * sizeof(Entry));
		entered_room = more;
	}
	/* An abort of this subtransaction takes the entry away. */
	entered_rollups[nentries++] = (Entry) {partials, GetCurrentSubTransactionId()};
}

void
rollup_leave_partials(Oid partials)
{
	/* Calls return in the opposite order of their beginning, so the entry is the last one. */
	Assert(nentries > 0 && entered_rollups[nentries - 1].partials == partials);
	nentries--;
}

void
rollup_enter(Rollup *rollup)
{
	rollup_enter_partials(rollup->partials);
	/*
	 * An error has gone through this rollup before. unfinished stays true until all states are made
	 * anew, in case that fails as well.
	 */
	if (unlikely(rollup->unfinished))
		rollup_make_states(rollup);
	rollup->unfinished = true;
}

void
rollup_leave(Rollup *rollup)
{
	rollup->unfinished = false;
	rollup_leave_partials(rollup->partials);
}

/* Subtransactions are numbered in their order: those inside have greater numbers. */
static void
subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	/*
	 * Entries of a committed subtransaction stay. They go with the one around it, should that fail.
	 */
	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (nentries > 0 && entered_rollups[nentries - 1].subid >= subid)
			nentries--;
}

static void
transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		nentries = 0;
	/* Whoever enters has left again when the transaction commits. */
	Assert(event != XACT_EVENT_COMMIT || nentries == 0);
}

void
rollup_enter_init(void)
{
	RegisterXactCallback(transaction_end, NULL);
	RegisterSubXactCallback(subtransaction_end, NULL);
}
