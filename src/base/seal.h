/*
 * seal.h: what tells a message that gymstream has written to the log from one that looks like it.
 */
#ifndef GS_SEAL_H
#define GS_SEAL_H

#include "base/base.h"

#include "access/tupdesc.h"

/* The prefix of all messages of ours. */
#define GS_MESSAGE_PREFIX "gymstream"

/*
 * Of a message's content, whose first eight bytes are the seal itself, in a top-level transaction.
 */
extern uint64 seal_make(const char *content, Size size, TransactionId xid);

/* A hash of a row type: a message from before an ALTER TABLE has another one. */
extern uint32 seal_row_type(TupleDesc desc);

#endif							/* GS_SEAL_H */
