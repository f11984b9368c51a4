/*
 * ddl.h: what an event trigger knows of the command that it is fired for.
 */
#ifndef GS_DDL_H
#define GS_DDL_H

#include "base/base.h"

#include "commands/event_trigger.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "tcop/deparse_utility.h"

/* What the function of an event trigger is called with. Error if it is called in another way. */
extern EventTriggerData *ddl_event(FunctionCallInfo fcinfo, const char *function);

/*
 * An object that the command has made or altered. One that is altered in several ways comes as
 * often.
 */
typedef struct DdlObject
{
	Oid			class;
	Oid			object;
	const CollectedCommand *command;
} DdlObject;

/* All of them, at the end of a command; whatever the transaction's snapshot shows. */
extern List *ddl_objects(void);

/*
 * What an ALTER TABLE has done to the object, as CollectedATSubcmd of an AlterTableCmd; NIL: it was
 * something else.
 */
extern List *ddl_alterations(const DdlObject *object);

/*
 * The object as a table or view, or that which has it as a rule or trigger; InvalidOid: it is
 * anything else, or gone.
 */
extern Oid	ddl_relation(Oid class, Oid object);

/*
 * The relations that a table inherits from, as far as they have triggers, and so may be of a
 * rollup. The command has locked none of them: others need not be.
 */
extern List *ddl_watched_parents(Oid table);

/* A table or view that the command has dropped. */
typedef struct DdlDropped
{
	Oid			relation;
	bool		asked_for;		/* the command names it */
	char	   *identity;
} DdlDropped;

extern List *ddl_dropped(void);

#endif							/* GS_DDL_H */
