/*
 * region.c: takes what modules want of shared memory, asks the server for it when it starts, and
 * gives each its own. The one place that knows the server's hooks for that. Looks into no region.
 */
#include "base/region.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

static Region *added_regions = NULL;
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
request_regions(void)
{
	if (previous_request_hook)
		previous_request_hook();
	for (const Region *region = added_regions; region; region = region->next)
	{
		RequestAddinShmemSpace(region->size());
		if (region->tranche)
			RequestNamedLWLockTranche(region->tranche, 1);
	}
}

static void
start_regions(void)
{
	if (previous_startup_hook)
		previous_startup_hook();
	/*
	 * A process that does not inherit the memory runs this, too, and finds each region there. Only
	 * the first one fills it.
	 */
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (const Region *region = added_regions; region; region = region->next)
	{
		bool		found;

		*region->memory = ShmemInitStruct(region->name, region->size(), &found);
		if (!found)
			region->init();
	}
	LWLockRelease(AddinShmemInitLock);
}

void
region_add(Region *region)
{
	Assert(process_shared_preload_libraries_in_progress);
	if (added_regions == NULL)
	{
		previous_request_hook = shmem_request_hook;
		shmem_request_hook = request_regions;
		previous_startup_hook = shmem_startup_hook;
		shmem_startup_hook = start_regions;
	}
	/* The caller keeps the region: it is static, and stays on the list for good. */
	region->next = added_regions;
	added_regions = region;
}
