/*
 * progress.h: how far the making of a rollup is.
 */
#ifndef GS_PROGRESS_H
#define GS_PROGRESS_H

#include "base/base.h"

/*
 * Between the two gymstream.progress_create_rollup shows how many rows of the source were read. An
 * error ends it as well.
 */
extern void progress_begin(Oid rollup, Oid source);
extern void progress_end(void);

#endif							/* GS_PROGRESS_H */
