/*
 * settings.c: the settings, and how the library was loaded. Gives both to all others, and acts on
 * none.
 */
#include "base/settings.h"

#include "miscadmin.h"
#include "utils/guc.h"

int			settings_max_databases = 16;
bool		settings_fold = true;
bool		settings_enable_rollup_scan = true;
int			settings_worker_timeout = 5000;
int			settings_notify_queue_limit = 75;
int			settings_group_partitions = 4096;

static bool is_preloaded = false;

bool
settings_is_preloaded(void)
{
	return is_preloaded;
}

void
settings_init(void)
{
	is_preloaded = process_shared_preload_libraries_in_progress;
	DefineCustomBoolVariable(
		"gymstream.fold", "Folds the partials of rollups' groups in the background.",
		"Without it a group that was busy keeps its partials until it is written again.",
		&settings_fold, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable(
		"gymstream.enable_rollup_scan",
		"Enables the planner's use of lookups of a rollup's groups by keys that joins give.",
		"Without it a join reads the rollup whole.", &settings_enable_rollup_scan, true,
		PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"gymstream.worker_timeout",
		"Sets how long the functions and types of a rollup's owner may run at a time in a worker.",
		"What takes longer is cancelled, and the rollup is left alone for a while: its "
		"events are told without rows, and its partials stay unfolded.",
		&settings_worker_timeout, 5000, 10, 3600 * 1000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"gymstream.notify_queue_limit",
		"Sets how full, in percent, the server's notification queue may be for gymstream to use "
		"it.",
		"What is left belongs to NOTIFY of applications, which fails when the queue is full. "
		"Meanwhile notifications are skipped, and listeners are told so afterwards.",
		&settings_notify_queue_limit, 75, 0, 100, PGC_SIGHUP, 0, NULL, NULL, NULL);
	/* A setting of the postmaster can be defined only while the server starts. */
	if (!is_preloaded)
		return;
	DefineCustomIntVariable(
		"gymstream.max_databases",
		"Sets the number of databases that can have gymstream's background workers.",
		"A database with the extension takes one place. With topics it has two workers that stay "
		"and a "
		"replication slot, and while partials are folded one more worker.",
		&settings_max_databases, 16, 1, 1000, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"gymstream.group_partitions",
		"Sets the number of partitions of consumer groups that are kept in mind.",
		"It counts those of all groups and topics of the server. Where there are more, polls look "
		"at partitions in vain, and an event that failed may be tried more often.",
		&settings_group_partitions, 4096, 64, 1000000, PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

void
settings_done(void)
{
	if (is_preloaded)
		MarkGUCPrefixReserved("gymstream");
}
