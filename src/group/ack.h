/*
 * ack.h: what this transaction has polled, which its commit acks.
 */
#ifndef GS_ACK_H
#define GS_ACK_H

#include "base/base.h"

#include "group/bookmark.h"
#include "group/cell.h"
#include "group/group.h"
#include "group/parked.h"

/* One poll's share of a partition. */
typedef struct Ack
{
	int32		group;
	int32		generation;
	Oid			topic;
	int			partition;
	int64		from;			/* the first offset that the transaction polled of it */
	Bookmark	bookmark;		/* to be written at commit */
	bool		more;			/* the topic has events behind these */
	SubTransactionId subid;
} Ack;

/* The last one of a partition in this transaction, or NULL. */
extern const Ack *ack_find(int32 group, Oid topic, int partition);

/* Remember one more. Should the subtransaction abort, it is forgotten. */
extern void ack_add(const Ack *ack);

/* Whether the transaction has polled anything of the group. */
extern bool ack_has(int32 group);

/*
 * What a parked event was that the transaction was given, and whose row it has deleted: with its
 * texts, until the transaction ends.
 */
extern void ack_keep(int32 group, Oid topic, const Parked *parked);
extern const Parked *ack_kept(int32 group, Oid topic, int64 offset);

/* Once the transaction has committed, a parked event of the partition may be tried. */
extern void ack_due_at_commit(const CellKey *key);

/* Once the transaction has committed, all who wait for the group poll: it is another one. */
extern void ack_changed_at_commit(int32 group);

/* Where in shared memory a partition is that was polled. */
extern CellKey ack_cell(const Ack *ack);

/* How many events this transaction has been given so far; and that it was given some more. */
extern int64 ack_events(void);
extern void ack_count(int64 events);

extern void ack_init(void);

#endif							/* GS_ACK_H */
