/*
 * quiet.c: takes a relation of gymstream's own and lets logical decoding pass it over. A
 * publication FOR ALL TABLES has partials and catalogs too, and its subscribers need not have them.
 *
 * There is no option for it, but a mark in pg_class that the server sets on the new heap of a table
 * which it writes anew: relrewrite. Decoding hands changes of such a heap to no plugin (that does
 * not ask for them), and nothing else looks at it. It is decided when a change is decoded, by the
 * catalogs as they were: so it must be set before the first change.
 *
 * What is passed over need not be logged for decoding. heap_insert has a flag for that, heap_update
 * and heap_delete ask wal_level only. So it is lowered around them, in this process alone. A record
 * without its row is harmless: decoding would have passed the whole row over. What it must not
 * touch:
 *
 * - a transaction's xid is assigned before, since its record may depend on wal_level;
 * - the first record of a subtransaction says which transaction it is of, and is written as ever;
 * - interrupts are held, so that nobody else's work is done meanwhile.
 */
#include "base/quiet.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static void
set_rewrite(Oid relid)
{
	Relation	classes;
	HeapTuple	tuple;
	Form_pg_class form;

	/* what changes the row in place has it too */
	LockRelationOid(relid, ShareUpdateExclusiveLock);
	classes = table_open(RelationRelationId, RowExclusiveLock);
	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid));
	if (HeapTupleIsValid(tuple))
	{
		form = (Form_pg_class) GETSTRUCT(tuple);
		if (!OidIsValid(form->relrewrite))
		{
			form->relrewrite = relid;
			CatalogTupleUpdate(classes, &tuple->t_self, tuple);
			CommandCounterIncrement();
		}
		heap_freetuple(tuple);
	}
	table_close(classes, RowExclusiveLock);
}

void
quiet_relation(Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	Oid			toast = relation->rd_rel->reltoastrelid;

	table_close(relation, NoLock);
	set_rewrite(relid);
	/* otherwise its rows would be put together, for nobody */
	if (OidIsValid(toast))
		set_rewrite(toast);
}

bool
quiet_is(Relation relation)
{
	return OidIsValid(relation->rd_rel->relrewrite);
}

void
quiet_begin(Quiet *quiet, Relation relation)
{
	quiet->begun = false;
	if (!XLogLogicalInfoActive() || !quiet_is(relation))
		return;
	(void) GetCurrentTransactionId();
	if (IsSubxactTopXidLogPending())
		return;
	HOLD_INTERRUPTS();
	quiet->begun = true;
	quiet->level = wal_level;
	quiet->info = gs_logical_info;
	wal_level = Min(wal_level, WAL_LEVEL_REPLICA);
	gs_set_logical_info(false);
}

/* An error has let interrupts go itself. */
void
quiet_end_after_error(const Quiet *quiet)
{
	if (!quiet->begun)
		return;
	wal_level = quiet->level;
	gs_set_logical_info(quiet->info);
}

void
quiet_end(const Quiet *quiet)
{
	quiet_end_after_error(quiet);
	if (quiet->begun)
		RESUME_INTERRUPTS();
}

void
quiet_change(Relation table, ItemPointer tid, HeapTuple tuple)
{
	Quiet		quiet;

	quiet_begin(&quiet, table);
	PG_TRY();
	{
		if (tuple == NULL)
			CatalogTupleDelete(table, tid);
		else if (tid == NULL)
			CatalogTupleInsert(table, tuple);
		else
			CatalogTupleUpdate(table, tid, tuple);
	}
	PG_CATCH();
	{
		quiet_end_after_error(&quiet);
		PG_RE_THROW();
	}
	PG_END_TRY();
	quiet_end(&quiet);
}
