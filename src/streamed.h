/*
 * streamed.h: whether anyone decodes a rollup's deltas.
 */
#ifndef GS_STREAMED_H
#define GS_STREAMED_H

#include "gymstream.h"

/* Whether a delta of the rollup must be logged as a message now. */
extern bool streamed_rollup(Oid rollup);

#endif							/* GS_STREAMED_H */
