/*
 * message.h: a rollup's delta as a transactional WAL message, written by apply and read by decode
 * and publish.
 *
 * The content is a RollupMessageHeader followed by the bytes of one heap tuple of the partials' row
 * type, whose key columns hold the group's keys and whose state columns hold the delta. Key columns
 * come first. After it one byte a state says its kind, which tells how two deltas become one: that
 * of a value where none stands for both.
 */
#ifndef GS_MESSAGE_H
#define GS_MESSAGE_H

#include "base/base.h"

#include "access/htup.h"
#include "access/tupdesc.h"

typedef struct RollupMessage
{
	Oid			rollup;			/* the view that users see */
	TransactionId subxid;		/* the (sub)transaction that wrote it */
	Oid			partials;		/* the table whose row type the tuple has */
	int			nkeys;			/* the first attributes are keys, the others states */
	uint32		row_type;		/* hash of the row type */
	HeapTuple	tuple;			/* palloc'd by message_read, aligned */
	int			nstates;
	const uint8 *kinds;			/* StateKind of each; points into the content that was read */
} RollupMessage;

/*
 * Whether anyone decodes the deltas of a rollup, which has a topic or has none, so that they are to
 * be logged now.
 */
extern bool message_is_wanted(bool has_topic);

/* Log the delta, a tuple of the partials' row type, in the current transaction. */
extern void message_write(Oid rollup, Oid partials, int nkeys, TupleDesc desc, HeapTuple delta,
						  const uint8 *kinds);

/*
 * False when the bytes are no message of ours that the top-level transaction xid wrote. The tuple
 * is allocated in CurrentMemoryContext.
 */
extern bool message_read(const char *content, Size size, TransactionId xid, RollupMessage *message);

/* What a message without a delta says of a rollup. */
typedef enum RollupNote
{
	ROLLUP_TRUNCATED,
	ROLLUP_REBUILT				/* its groups may be others, without a delta */
} RollupNote;

/*
 * The same for such messages: of them the rollup, the subtransaction and the partials are known.
 */
extern void message_write_note(Oid rollup, Oid partials, RollupNote note);
extern bool message_read_note(const char *content, Size size, TransactionId xid,
							  RollupMessage *message, RollupNote *note);

/* The same of what message_read has found to be ours, and another process has handed over. */
extern void message_take(const char *content, RollupMessage *message);

/*
 * Whether the tuple can be read with this row type: somebody may have altered the partials since.
 */
extern bool message_fits(const RollupMessage *message, TupleDesc desc);

#endif							/* GS_MESSAGE_H */
