/*
 * standing.h: whether a rollup may be read and kept now.
 */
#ifndef GS_STANDING_H
#define GS_STANDING_H

#include "base/base.h"

typedef struct Standing
{
	Oid			rollup;
	Oid			owner;
	Oid			missing;		/* a relation that it reads, and may not; or InvalidOid */
	Oid			without;		/* with whose rights it reads that */
	bool		uncounted;		/* the source has changed while that was so */
} Standing;

/* Of the rollup with these partials. False if there is none. From a cache: cheap. */
extern bool standing_look(Oid partials, Standing *standing);

/* Error if the owner of the rollup with these partials may not read all that it reads. */
extern void standing_require(Oid partials);

/*
 * Whatever rights its owner has, or InvalidOid: as they are again. They come later than the rollup
 * where a dump is restored.
 */
extern void standing_trust(Oid partials);

extern void standing_init(void);

#endif							/* GS_STANDING_H */
