/*
 * claim.c: takes where a partial is and lets one backend at a time look whether it is free and
 * write it, or lock it. Between the two nobody else can begin to write it, so that it needs no row
 * lock first, which would be logged and written itself. A claim is a flag in shared memory, shared
 * by whatever has the same hash: nobody waits for one. Reads no table.
 */
#include "rollup/partials/claim.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "port/atomics.h"

#include "base/region.h"
#include "base/settings.h"

#define CLAIMS 1024				/* a power of two */

static pg_atomic_uint32 *claim_flags = NULL;
static pg_atomic_uint32 *claimed_flag = NULL;

static Size
claims_size(void)
{
	return CLAIMS * sizeof(pg_atomic_uint32);
}

static void
fill_claims(void)
{
	for (int i = 0; i < CLAIMS; i++)
		pg_atomic_init_u32(&claim_flags[i], 0);
}

bool
claim_is_possible(void)
{
	return claim_flags != NULL;
}

bool
claim_take(GsRelFile file, const ItemPointerData *tid)
{
	uint32		hash = hash_combine(gs_relfile_number(file), ItemPointerGetBlockNumberNoCheck(tid));
	pg_atomic_uint32 *flag;

	Assert(claimed_flag == NULL);
	if (claim_flags == NULL)
		return true;
	flag = &claim_flags[murmurhash32(hash_combine(hash, ItemPointerGetOffsetNumberNoCheck(tid))) %
						CLAIMS];
	/*
	 * Nobody waits: of all who come at the same time, one finds 0, and the others leave the partial
	 * alone.
	 */
	if (pg_atomic_exchange_u32(flag, 1) != 0)
		return false;
	claimed_flag = flag;
	return true;
}

void
claim_release(void)
{
	if (claimed_flag)
		pg_atomic_exchange_u32(claimed_flag, 0);
	claimed_flag = NULL;
}

static void
release_at_abort(XactEvent event, void *arg)
{
	/*
	 * An error between claim and update leaves the flag set. Nobody but this backend can clear it.
	 */
	if (event == XACT_EVENT_ABORT)
		claim_release();
}

static void
release_at_subabort(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		claim_release();
}

void
claim_init(void)
{
	static Region region = {"gymstream claims", claims_size, (void **) &claim_flags, fill_claims};

	RegisterXactCallback(release_at_abort, NULL);
	RegisterSubXactCallback(release_at_subabort, NULL);
	if (settings_is_preloaded())
		region_add(&region);
}
