/*
 * define_trigger.c: takes a rollup and makes those of its triggers that are missing: on the source,
 * and on its partials. Where the source is partitioned, the server gives its row triggers to all
 * partitions, also to those to come; those of statements fire only on the table that a statement
 * names, and are made here on each: on those there are by create_rollup, on those to come by
 * partition.c.
 *
 * The latter are ordinary triggers of the partition, which a dump has.
 */
#include "rollup/define/define.h"

#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/name.h"
#include "base/owner.h"
#include "rollup/model/source.h"
#include "rollup/model/sql.h"
#include "rollup/write/trigger.h"

/* Where triggers of one rollup go, and how they name it. */
typedef struct TriggerBuild
{
	const char *rollup;
	Oid			partials;
	char	   *self;			/* the partials as an argument */
	Oid			table;
	List	   *tables;			/* in all of these a trigger's name must be free */
	TriggerCount counts[TRIGGER_KINDS]; /* of those that the table has */
} TriggerBuild;

static TriggerBuild
begin(const RollupRelations *relations, Oid table, List *tables)
{
	TriggerBuild build = {.rollup = get_rel_name(relations->rollup),
						  .partials = relations->partials,
						  .table = table,
						  .tables = tables};

	build.self =
		psprintf("%s::regclass", quote_literal_cstr(name_of_relation(relations->partials)));
	trigger_count(table, relations->partials, build.counts);
	return build;
}

/*
 * What is made, and what a restore has left otherwise, must fire whatever session_replication_role
 * says.
 */
static void
finish(const TriggerBuild *build)
{
	ListCell   *cell;

	foreach(cell, build->tables)
		trigger_set_always(lfirst_oid(cell), build->partials, true);
}

static bool
is_taken(const List *tables, const char *name)
{
	ListCell   *cell;

	foreach(cell, tables)
		if (OidIsValid(get_trigger_oid(lfirst_oid(cell), name, true)))
			return true;
	return false;
}

/*
 * '!' sorts before the application's own triggers. The name is cut to length, and numbered where
 * another schema's rollup of the same name has it.
 */
static char *
trigger_name(const TriggerBuild *build, TriggerKind kind)
{
	char *name =
		sql_name_cut(psprintf(TRIGGER_PREFIX "%s %s", trigger_kind_name(kind), build->rollup));

	for (int i = 2; is_taken(build->tables, name); i++)
		name = sql_name_cut(
			psprintf(TRIGGER_PREFIX "%s %d %s", trigger_kind_name(kind), i, build->rollup));
	return name;
}

/* The event is what stands between the name and ON, the action what follows the table. */
static void
create(const TriggerBuild *build, TriggerKind kind, const char *event, const char *action)
{
	char	   *sql;

	if (build->counts[kind].all > 0)
		return;
	sql = psprintf("CREATE TRIGGER %s %s ON %s FOR EACH %s",
				   quote_identifier(trigger_name(build, kind)), event,
				   name_of_relation(build->table), action);
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not run \"%s\"", sql);
}

/* One whose condition is a call, with the partials as its first argument and these further ones. */
static void
create_calling(const TriggerBuild *build, TriggerKind kind, const char *event, const char *function,
			   const char *arguments)
{
	bool		row = strcmp(function, "collect") == 0;

	create(build, kind, event,
		   psprintf("%s WHEN (%s(%s%s)) EXECUTE FUNCTION %s()", row ? "ROW" : "STATEMENT",
					catalog_own(function), build->self, arguments, catalog_own("flush_pending")));
}

static char *
columns_of(const char *row, const RollupShape *shape, const Bitmapset *used)
{
	StringInfoData list;
	int			column = -1;

	initStringInfo(&list);
	while ((column = bms_next_member(used, column)) >= 0)
		appendStringInfo(&list, ", %s.%s", row,
						 quote_identifier(get_attname(
							 shape->source, column + FirstLowInvalidHeapAttributeNumber, false)));
	return list.data;
}

static void
create_row_triggers(const TriggerBuild *build, const RollupShape *shape)
{
	Bitmapset  *used = shape_columns(shape);
	char	   *new = columns_of("new", shape, used);
	char	   *old = columns_of("old", shape, used);

	create_calling(build, KIND_INSERT, "AFTER INSERT", "collect",
				   psprintf(", new.tableoid%s", new));
	create_calling(build, KIND_DELETE, "AFTER DELETE", "collect",
				   psprintf(", old.tableoid%s", old));
	/* a rollup that reads no column does not change by an UPDATE */
	if (used)
		create_calling(build, KIND_UPDATE, "AFTER UPDATE", "collect",
					   psprintf(", new.tableoid%s%s", new, old));
}

/* Partials are written by gymstream alone: protect.c. */
void
define_create_guards(const RollupRelations *relations)
{
	TriggerBuild build;
	char	   *condition = "";

	trigger_guard_renew(relations);
	build = begin(relations, relations->partials, list_make1_oid(relations->partials));
	if (catalog_has_function("guards"))
		condition = psprintf(" WHEN (%s(%s::regclass, %s::regclass))", catalog_own("guards"),
							 quote_literal_cstr(name_of_relation(relations->rollup)),
							 quote_literal_cstr(name_of_relation(relations->definition)));
	create(&build, KIND_GUARD, "BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE",
		   psprintf("STATEMENT%s EXECUTE FUNCTION %s()", condition, catalog_own("guard_partials")));
	trigger_guard_yield(relations);
	create(&build, KIND_GUARD_ROW, "BEFORE INSERT OR UPDATE OR DELETE",
		   psprintf("ROW EXECUTE FUNCTION %s()", catalog_own("guard_partials")));
	finish(&build);
}

/*
 * Whoever attaches a partition need not have any rights that concern rollups, not even to use our
 * schema. So it is done as a superuser. All names in the statements are qualified, and nothing is
 * found by the session's search_path.
 */
void
define_create_partition_triggers(const RollupRelations *relations, Oid partition)
{
	OwnerCaller caller;
	TriggerBuild build;

	owner_enter_superuser(&caller);
	build = begin(relations, partition, list_make1_oid(partition));
	create_calling(&build, KIND_FLUSH, "AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE", "flush", "");
	create_calling(&build, KIND_TRUNCATING, "BEFORE TRUNCATE", "truncating", "");
	finish(&build);
	owner_leave(&caller);
}

void
define_create_triggers(const RollupRelations *relations, const RollupShape *shape)
{
	TriggerBuild build = begin(relations, shape->source, source_tables(shape->source, NoLock));
	ListCell   *cell;

	create_row_triggers(&build, shape);
	create_calling(&build, KIND_FLUSH, "AFTER INSERT OR UPDATE OR DELETE", "flush", "");
	create_calling(&build, KIND_TRUNCATE, "AFTER TRUNCATE", "truncated", "");
	if (source_is_partitioned(shape->source))
		create_calling(&build, KIND_TRUNCATING, "BEFORE TRUNCATE", "truncating", "");
	finish(&build);
	for_each_from(cell, build.tables, 1)
	{
		/* it may have come since the query was checked */
		define_check_partition(shape->source, lfirst_oid(cell));
		define_create_partition_triggers(relations, lfirst_oid(cell));
	}
	define_create_guards(relations);
}
