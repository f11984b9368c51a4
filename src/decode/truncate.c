/*
 * truncate.c: takes a message that says that a rollup was truncated, and tells the callback for
 * truncates so. A record of the server's own would be told to subscribers of all tables too, who
 * need not have the partials.
 */
#include "decode/truncate.h"

#include "utils/rel.h"
#include "utils/relcache.h"

#include "base/seal.h"
#include "rollup/model/message.h"

bool
truncate_of_message(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn,
					const char *prefix, Size size, const char *content)
{
	ReorderBufferTXN part = {0};
	ReorderBufferChange change = {.lsn = lsn,.action = REORDER_BUFFER_CHANGE_TRUNCATE,.txn = txn};
	RollupMessage message;
	RollupNote	note;
	Relation	partials;

	if (strcmp(prefix, GS_MESSAGE_PREFIX) != 0 ||
		!message_read_note(content, size, txn->xid, &message, &note) || note != ROLLUP_TRUNCATED)
		return false;
	partials = RelationIdGetRelation(message.partials);
	if (!RelationIsValid(partials))
		return true;
	/* of a subtransaction only its xid is asked */
	part.xid = message.subxid;
	if (message.subxid != txn->xid)
		change.txn = &part;
	ctx->callbacks.truncate_cb(ctx, txn, 1, &partials, &change);
	RelationClose(partials);
	return true;
}
