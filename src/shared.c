/*
 * shared.c: remembers whether the library was preloaded.
 */
#include "shared.h"

#include "miscadmin.h"

static bool preloaded = false;

void
shared_init(void)
{
	preloaded = process_shared_preload_libraries_in_progress;
}

bool
shared_is_preloaded(void)
{
	return preloaded;
}
