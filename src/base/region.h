/*
 * region.h: shared memory of a module, for a library that is loaded when the server starts.
 */
#ifndef GS_REGION_H
#define GS_REGION_H

#include "base/base.h"

/* What a module wants, in static memory. */
typedef struct Region
{
	const char *name;			/* in pg_shmem_allocations */
	Size		(*size) (void);
	void	  **memory;			/* is set once the memory is there, in each process */
	void		(*init) (void); /* fills it, in the first one */
	const char *tranche;		/* of one lock that the module has as well; NULL: of none */
	struct Region *next;
} Region;

/* Have the memory when the server has started. Only while shared_preload_libraries are loaded. */
extern void region_add(Region *region);

#endif							/* GS_REGION_H */
