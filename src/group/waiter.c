/*
 * waiter.c: takes processes that wait for a group and wakes one of them at a time, when there is
 * news in a topic or a partition becomes free. The one that is woken polls, and wakes the next one
 * if it leaves something: all of them woken at once would only be in each other's way.
 */
#include "group/waiter.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "base/region.h"
#include "base/settings.h"
#include "log/log_head.h"

#define WAITER_TRANCHE "gymstream waiters"
#define WAITERS 512
#define WAITER_TOPICS 8

typedef struct Waiter
{
	Latch	   *latch;			/* NULL: free */
	Oid			database;
	int32		group;
	bool		woken;
	int			topics;			/* how many; more than WAITER_TOPICS: any topic is of interest */
	Oid			topic[WAITER_TOPICS];
} Waiter;

typedef struct WaiterTable
{
	LWLock	   *lock;
	pg_atomic_uint32 count;		/* of those that are entered */
	Waiter		waiters[WAITERS];
} WaiterTable;

static WaiterTable *waiter_table = NULL;
static Waiter *my_waiter = NULL;

static Size
table_size(void)
{
	return sizeof(WaiterTable);
}

static void
fill_table(void)
{
	MemSet(waiter_table, 0, sizeof(WaiterTable));
	waiter_table->lock = &GetNamedLWLockTranche(WAITER_TRANCHE)->lock;
	pg_atomic_init_u32(&waiter_table->count, 0);
}

/* One that is terminated while it waits leaves this way. */
static void
leave_at_exit(int code, Datum arg)
{
	waiter_leave();
}

void
waiter_enter(const ConsumerGroup *group, const List *topics)
{
	static bool is_registered = false;
	ListCell   *cell;

	Assert(my_waiter == NULL);
	if (!is_registered)
		before_shmem_exit(leave_at_exit, (Datum) 0);
	is_registered = true;
	LWLockAcquire(waiter_table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < WAITERS && my_waiter == NULL; i++)
		if (waiter_table->waiters[i].latch == NULL)
			my_waiter = &waiter_table->waiters[i];
	if (my_waiter)
	{
		my_waiter->database = MyDatabaseId;
		my_waiter->group = group->id;
		my_waiter->woken = false;
		my_waiter->topics = 0;
		foreach(cell, topics)
		{
			if (my_waiter->topics < WAITER_TOPICS)
				my_waiter->topic[my_waiter->topics] = ((GroupTopic *) lfirst(cell))->topic;
			my_waiter->topics++;
		}
		my_waiter->latch = MyLatch;
		pg_atomic_fetch_add_u32(&waiter_table->count, 1);
	}
	LWLockRelease(waiter_table->lock);
}

void
waiter_leave(void)
{
	if (my_waiter == NULL)
		return;
	LWLockAcquire(waiter_table->lock, LW_EXCLUSIVE);
	my_waiter->latch = NULL;
	pg_atomic_fetch_sub_u32(&waiter_table->count, 1);
	LWLockRelease(waiter_table->lock);
	my_waiter = NULL;
}

bool
waiter_is_entered(void)
{
	return my_waiter != NULL;
}

bool
waiter_is_woken(void)
{
	/* It is set before the latch, under the lock; a late look costs another round. */
	return my_waiter && *(volatile bool *) &my_waiter->woken;
}

/* The caller holds the lock. */
static void
wake(Waiter *waiter)
{
	waiter->woken = true;
	SetLatch(waiter->latch);
}

static void
wake_some(int32 group, bool all)
{
	if (waiter_table == NULL || pg_atomic_read_u32(&waiter_table->count) == 0)
		return;
	LWLockAcquire(waiter_table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < WAITERS; i++)
	{
		Waiter	   *waiter = &waiter_table->waiters[i];

		if (waiter->latch && !waiter->woken && waiter->database == MyDatabaseId &&
			waiter->group == group)
		{
			wake(waiter);
			if (!all)
				break;
		}
	}
	LWLockRelease(waiter_table->lock);
}

void
waiter_wake(int32 group)
{
	wake_some(group, false);
}

void
waiter_wake_all(int32 group)
{
	wake_some(group, true);
}

/* ---- news ---- */

static bool
waits_for(const Waiter *waiter, Oid topic)
{
	if (waiter->topics > WAITER_TOPICS)
		return true;
	for (int i = 0; i < waiter->topics; i++)
		if (waiter->topic[i] == topic)
			return true;
	return false;
}

/* Whether one of the same group was woken, and has not left yet. */
static bool
group_is_awake(const Waiter *mine)
{
	for (int i = 0; i < WAITERS; i++)
	{
		const Waiter *waiter = &waiter_table->waiters[i];

		if (waiter->latch && waiter->woken && waiter->database == mine->database &&
			waiter->group == mine->group)
			return true;
	}
	return false;
}

/* The publisher's: one of each group that waits for the topic, unless one is on its way. */
static void
wake_for_news(Oid topic, int64 next)
{
	if (waiter_table == NULL || pg_atomic_read_u32(&waiter_table->count) == 0)
		return;
	LWLockAcquire(waiter_table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < WAITERS; i++)
	{
		Waiter	   *waiter = &waiter_table->waiters[i];

		if (waiter->latch && !waiter->woken && waiter->database == MyDatabaseId &&
			waits_for(waiter, topic) && !group_is_awake(waiter))
			wake(waiter);
	}
	LWLockRelease(waiter_table->lock);
}

void
waiter_init(void)
{
	static Region region = {"gymstream waiters", table_size, (void **) &waiter_table, fill_table,
							WAITER_TRANCHE};

	if (!settings_is_preloaded())
		return;
	region_add(&region);
	log_moved_hook = wake_for_news;
}
