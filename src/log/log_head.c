/*
 * log_head.c: takes from the publisher where each log ends, and gives it to who waits, without a
 * look at any table. Knows only of a limited number of topics: of others nobody learns here, but
 * who waits is woken.
 */
#include "log/log_head.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"

#include "base/region.h"
#include "base/settings.h"

#define HEADS 1024				/* topics, of all databases */
#define CONDITIONS 16			/* databases share them */

typedef struct LogHead
{
	Oid			database;		/* both are written before next is set, and never after */
	Oid			topic;
	pg_atomic_uint64 next;		/* 0: the entry is free */
} LogHead;

typedef struct LogHeads
{
	LWLock	   *lock;			/* to take an entry */
	ConditionVariable grown[CONDITIONS];
	LogHead		heads[HEADS];
} LogHeads;

LogMovedHook log_moved_hook = NULL;
static LogHeads *log_heads = NULL;

static Size
heads_size(void)
{
	return sizeof(LogHeads);
}

static void
heads_init(void)
{
	MemSet(log_heads, 0, sizeof(LogHeads));
	log_heads->lock = &(GetNamedLWLockTranche("gymstream_log_heads"))->lock;
	for (int i = 0; i < CONDITIONS; i++)
		ConditionVariableInit(&log_heads->grown[i]);
	for (int i = 0; i < HEADS; i++)
		pg_atomic_init_u64(&log_heads->heads[i].next, 0);
}

void
log_head_init(void)
{
	static Region region = {.name = "gymstream log heads",
							.size = heads_size,
							.memory = (void **) &log_heads,
							.init = heads_init,
							.tranche = "gymstream_log_heads"};

	if (settings_is_preloaded())
		region_add(&region);
}

/* The topic's entry, or the free one where it belongs; NULL: all are taken. */
static LogHead *
find_head(Oid topic)
{
	uint32		start = (MyDatabaseId * 31 + topic) % HEADS;

	for (int i = 0; i < HEADS; i++)
	{
		LogHead    *head = &log_heads->heads[(start + i) % HEADS];

		if (pg_atomic_read_u64(&head->next) == 0)
			return head;
		/* What is read behind it was written before it. */
		pg_read_barrier();
		if (head->database == MyDatabaseId && head->topic == topic)
			return head;
	}
	return NULL;
}

int64
log_head_next(Oid topic)
{
	LogHead    *head = log_heads ? find_head(topic) : NULL;

	return head ? (int64) pg_atomic_read_u64(&head->next) : 0;
}

ConditionVariable *
log_head_grown(void)
{
	return log_heads ? &log_heads->grown[MyDatabaseId % CONDITIONS] : NULL;
}

void
log_head_set(Oid topic, int64 next)
{
	LogHead    *head;

	/* Entries are never freed, so who looks for one needs no lock. */
	LWLockAcquire(log_heads->lock, LW_EXCLUSIVE);
	head = find_head(topic);
	if (head != NULL)
	{
		if (pg_atomic_read_u64(&head->next) == 0)
		{
			head->database = MyDatabaseId;
			head->topic = topic;
			pg_write_barrier();
		}
		pg_atomic_write_u64(&head->next, next);
	}
	LWLockRelease(log_heads->lock);
	if (log_moved_hook)
		log_moved_hook(topic, next);
}

void
log_head_broadcast(void)
{
	ConditionVariableBroadcast(log_head_grown());
}
