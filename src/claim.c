/*
 * claim.c: takes where a partial is and lets one backend at a time look whether it is free and write it, or lock it. Between
 * the two nobody else can begin to write it, so that it needs no row lock first, which would be logged and written itself.
 * A claim is a flag in shared memory, shared by whatever has the same hash: nobody waits for one. Reads no table.
 */
#include "claim.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "shared.h"

#define CLAIMS 1024				/* a power of two */

static pg_atomic_uint32 *claims = NULL;
static pg_atomic_uint32 *mine = NULL;
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
claim_request(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(CLAIMS * sizeof(pg_atomic_uint32));
}

static void
claim_startup(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	claims = ShmemInitStruct("gymstream claims", CLAIMS * sizeof(pg_atomic_uint32), &found);
	for (int i = 0; i < CLAIMS && !found; i++)
		pg_atomic_init_u32(&claims[i], 0);
	LWLockRelease(AddinShmemInitLock);
}

bool
claim_is_possible(void)
{
	return claims != NULL;
}

bool
claim_take(GsRelFile file, const ItemPointerData *tid)
{
	uint32		hash = hash_combine(gs_relfile_number(file), ItemPointerGetBlockNumberNoCheck(tid));
	pg_atomic_uint32 *flag;

	Assert(mine == NULL);
	if (claims == NULL)
		return true;
	flag = &claims[murmurhash32(hash_combine(hash, ItemPointerGetOffsetNumberNoCheck(tid))) % CLAIMS];
	if (pg_atomic_exchange_u32(flag, 1) != 0)
		return false;
	mine = flag;
	return true;
}

void
claim_release(void)
{
	if (mine)
		pg_atomic_exchange_u32(mine, 0);
	mine = NULL;
}

static void
release_at_abort(XactEvent event, void *arg)
{
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
	RegisterXactCallback(release_at_abort, NULL);
	RegisterSubXactCallback(release_at_subabort, NULL);
	if (!shared_is_preloaded())
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = claim_request;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = claim_startup;
}
