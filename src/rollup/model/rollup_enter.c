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

static Entry *entries = NULL;	/* the innermost one is last */
static int	nentries = 0;
static int	room = 0;

bool
rollup_is_entered(Oid partials)
{
	for (int i = 0; i < nentries; i++)
		if (entries[i].partials == partials)
			return true;
	return false;
}

static void
refuse(Oid partials)
{
	RollupRelations relations;
	char	   *name = NULL;

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
		refuse(partials);
}

void
rollup_enter_partials(Oid partials)
{
	rollup_refuse_entered(partials);
	if (nentries == room)
	{
		int			more = room > 0 ? 2 * room : 8;

		if (entries == NULL)
			entries = MemoryContextAlloc(TopMemoryContext, more * sizeof(Entry));
		else
			entries = repalloc(entries, more * sizeof(Entry));
		room = more;
	}
	entries[nentries++] = (Entry) {partials, GetCurrentSubTransactionId()};
}

void
rollup_leave_partials(Oid partials)
{
	Assert(nentries > 0 && entries[nentries - 1].partials == partials);
	nentries--;
}

void
rollup_enter(Rollup *rollup)
{
	rollup_enter_partials(rollup->partials);
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
	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (nentries > 0 && entries[nentries - 1].subid >= subid)
			nentries--;
}

static void
transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		nentries = 0;
	Assert(event != XACT_EVENT_COMMIT || nentries == 0);
}

void
rollup_enter_init(void)
{
	RegisterXactCallback(transaction_end, NULL);
	RegisterSubXactCallback(subtransaction_end, NULL);
}
