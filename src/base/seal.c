/*
 * seal.c: takes the bytes of a message in the log and gives a number that only gymstream can give.
 *
 * Anyone may call pg_logical_emit_message with our prefix. A message therefore carries a seal: a
 * hash of its bytes that is keyed with the cluster's secret nonce, which no SQL user can read.
 * Without the right seal it is no message of ours, so that what its bytes say can be trusted.
 */
#include "base/seal.h"

#include "access/xlog.h"
#include "common/hashfn.h"

uint64
seal_make(const char *content, Size size, TransactionId xid)
{
	/*
	 * The seal's own bytes are left out. The transaction is part of the key, so that a copy of a
	 * message is none in another transaction.
	 */
	uint64		secret;

	memcpy(&secret, GetMockAuthenticationNonce(), sizeof(secret));
	return hash_bytes_extended((const unsigned char *) content + sizeof(uint64),
							   size - sizeof(uint64), secret ^ xid);
}

uint32
seal_row_type(TupleDesc desc)
{
	/*
	 * Types count in their order, and dropped columns as places. So a message from before an ALTER
	 * TABLE can be told apart.
	 */
	uint32		hash = desc->natts;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		hash = hash_combine(hash, attribute->attisdropped ? 0 : murmurhash32(attribute->atttypid));
	}
	return hash;
}
