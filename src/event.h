/*
 * event.h: a change as one JSON object, for the output plugin, the decoder and the publisher.
 *
 * Each event is appended to a StringInfo without a newline; it begins with "{" and ends with "}", so that a caller can
 * put members in front or behind. All of it is valid in the database's encoding and in UTF-8.
 */
#ifndef GS_EVENT_H
#define GS_EVENT_H

#include "gymstream.h"

#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "json.h"
#include "lib/stringinfo.h"
#include "message.h"
#include "replication/reorderbuffer.h"
#include "utils/relcache.h"

typedef struct EventOptions
{
	bool		xids;
	bool		lsn;
	bool		timestamp;
} EventOptions;

/* the transaction an event belongs to */
typedef struct EventStamp
{
	TransactionId xid;
	XLogRecPtr	commit_lsn;
	TimestampTz commit_time;
} EventStamp;

/*
 * What rendering needs of a relation, prepared once a backend and invalidated by the relation cache. A pointer to it is
 * good until the next call of a function of this file.
 */
typedef struct EventRelation
{
	Oid			relid;			/* hash key */
	bool		valid;			/* all below is filled in and up to date */
	bool		topic_known;	/* has_topic is */
	bool		hidden;			/* gymstream's own tables, partials, no table at all: its rows are no events */
	bool		has_topic;		/* the subject has a topic */
	bool		full_identity;	/* old rows are logged whole */
	Oid			subject;		/* what its events are about: relid itself, or for partials the rollup's view */
	Oid			partials;		/* of a rollup's view, else InvalidOid */
	MemoryContext context;		/* holds all that follows */
	TupleDesc	desc;			/* a copy */
	JsonColumn *columns;		/* one for each attribute of desc */
	StringInfoData name;		/* "schema":"...","table":"..." of the subject */
} EventRelation;

extern EventStamp event_stamp(const ReorderBufferTXN *txn);

/* Looked up under the snapshot in force, historic while decoding. Never NULL for an open relation. */
extern EventRelation *event_relation(Relation rel);

/* The same by OID; NULL when there is no such relation any more. Takes a lock only where no decoding goes on. */
extern EventRelation *event_relation_by_oid(Oid relid);

/* True when this rollup (its view) has a topic. Cached, and never waits for a lock on the rollup. */
extern bool event_rollup_is_published(Oid rollup);

/* Whether events have a member for this column. */
extern bool event_shows_column(Form_pg_attribute attribute);

/* An insert, update or delete of a relation that is not hidden. Inside a transaction. */
extern void event_change(StringInfo out, const EventOptions *options, const EventStamp *stamp, EventRelation *relation,
						 ReorderBufferChange *change);

/* Whether a truncate of this relation is an event: that of a table, or of a rollup by its partials. */
extern bool event_shows_truncate(const EventRelation *relation);

/* A truncate of the relation's subject. */
extern void event_truncate(StringInfo out, const EventOptions *options, const EventStamp *stamp,
						   EventRelation *relation, bool cascade, bool restart_identity);

/*
 * A rollup's delta, while decoding or in any transaction. False, with nothing appended, when the rollup is gone or is
 * not what it was when the message was written.
 */
extern bool event_rollup(StringInfo out, const EventOptions *options, const EventStamp *stamp,
						 const RollupMessage *message);

/* A logical message of somebody else; one that belongs to no transaction has a stamp without xid and commit time. */
extern void event_message(StringInfo out, const EventOptions *options, const EventStamp *stamp, bool transactional,
						  const char *prefix, const char *content, Size size);

/* A transaction's begin or commit: action says which. */
extern void event_transaction(StringInfo out, const EventOptions *options, const EventStamp *stamp, const char *action);

#endif							/* GS_EVENT_H */
