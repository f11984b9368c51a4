/*
 * decoder.h: between decoder*.c: the worker, and what decoding calls in it.
 */
#ifndef GS_DECODER_H
#define GS_DECODER_H

#include "base/base.h"

#include "replication/logical.h"
#include "storage/shm_mq.h"

#include "base/shared.h"

extern SharedDatabase *decoder_place;
extern shm_mq_handle *decoder_queue;	/* to the publisher */

/* Once, in the worker's own memory context. */
extern void decoder_change_init(void);

/* Have committed transactions sent to the publisher. */
extern void decoder_set_callbacks(LogicalDecodingContext *ctx);

#endif							/* GS_DECODER_H */
