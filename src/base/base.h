/*
 * base.h: what every source of the library includes first: the server's own base, what differs
 * between its versions, and the names that gymstream goes by.
 */
#ifndef GS_BASE_H
#define GS_BASE_H

#include "postgres.h"

#include "base/compat.h"

#define GS_SCHEMA "gymstream"	/* the extension, and the schema of what people call */
#define GS_INTERNAL "gymstream_internal"	/* the schema of all others of its objects */
#define GS_SLOT_NAME "gymstream_%u"	/* the decoder's replication slot, by its database's OID */

#endif							/* GS_BASE_H */
