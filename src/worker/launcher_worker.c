/*
 * launcher_worker.c: a worker's side of the launcher: what each worker calls first, to connect to
 * its database and to become known to the others. Starts none.
 */
#include "worker/launcher.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

#include "worker/mark.h"

static void
end_worker(SIGNAL_ARGS)
{
	mark_asked_to_end();
	die(GS_SIGNAL);
}

/* Connect to the place's database and enter the place. */
static SharedDatabase *
launcher_begin(Datum arg, SharedRole role)
{
	SharedDatabase *place = &shared_state->databases[DatumGetInt32(arg)];
	Oid			database;

	LWLockAcquire(shared_state->lock, LW_SHARED);
	database = place->database;
	LWLockRelease(shared_state->lock);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	shared_enter(place, role);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_type, PGC_USERSET, PGC_S_OVERRIDE);
	return place;
}

shm_mq_handle *
launcher_begin_worker(Datum arg, SharedRole role, SharedDatabase **place)
{
	dsm_handle	handle;
	dsm_segment *segment;
	shm_mq	   *queue;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, end_worker);
	BackgroundWorkerUnblockSignals();

	/*
	 * First of all: without the queue, an earlier launcher started us, and the place is not ours to
	 * enter.
	 */
	memcpy(&handle, MyBgworkerEntry->bgw_extra, sizeof(handle));
	segment = dsm_attach(handle);
	if (segment == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the queue between gymstream's workers is gone")));
	dsm_pin_mapping(segment);

	*place = launcher_begin(arg, role);
	queue = dsm_segment_address(segment);
	if (role == SHARED_PUBLISHER)
		shm_mq_set_receiver(queue, MyProc);
	else
		shm_mq_set_sender(queue, MyProc);
	return shm_mq_attach(queue, segment, NULL);
}

SharedDatabase *
launcher_begin_folder(Datum arg)
{
	pid_t		launcher;
	bool		ours;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, end_worker);
	BackgroundWorkerUnblockSignals();

	/* if it is another one, an earlier launcher started us, and this one does not know of us */
	memcpy(&launcher, MyBgworkerEntry->bgw_extra, sizeof(launcher));
	LWLockAcquire(shared_state->lock, LW_SHARED);
	ours = shared_state->launcher_pid == launcher;
	LWLockRelease(shared_state->lock);
	if (!ours)
		proc_exit(0);
	return launcher_begin(arg, SHARED_FOLDER);
}

void
launcher_set_options(const char *lock_timeout)
{
	const char *const options[][2] = {
		{"synchronous_commit", "off"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"lock_timeout", lock_timeout},
		{"statement_timeout", "0"},
		{"transaction_timeout", "0"},
	};

	for (int i = 0; i < lengthof(options); i++)
		if (GetConfigOption(options[i][0], true, false) != NULL)
			SetConfigOption(options[i][0], options[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}
