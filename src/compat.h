/*
 * compat.h: the differences between PostgreSQL's major versions, all of them and only here.
 */
#ifndef GS_COMPAT_H
#define GS_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "gymstream needs PostgreSQL 15 or later"
#endif

/* 17: LogLogicalMessage can flush at once */
#include "replication/message.h"
#if PG_VERSION_NUM >= 170000
#define gs_log_message(prefix, content, size) ((void) LogLogicalMessage(prefix, content, size, true, false))
#else
#define gs_log_message(prefix, content, size) ((void) LogLogicalMessage(prefix, content, size, true))
#endif

#endif							/* GS_COMPAT_H */
