/*
 * gym.c: what the board knows of the gyms.
 *
 * Takes one reading of the tables and then events of the three rollups, gives gyms and classes as
 * they are now, the fullest classes first. Reads again only when asked to.
 */
#include "postgres_fe.h"

#include <time.h>

#include "gym.h"

static const char gym_query[] = "SELECT name, target_cents FROM gym ORDER BY gym_id";
static const char class_query[] =
"SELECT title, gym_id, capacity, to_char(starts_at, 'Dy HH24:MI') FROM class ORDER BY class_id";
static const char chain_query[] =
"SELECT (SELECT min(starts_at)::date - date '1970-01-01' FROM class), (SELECT count(*) FROM "
"member)";
static const char attendance_query[] = "SELECT class_id, attendance FROM class_attendance";
static const char sales_query[] = "SELECT gym_id, bookings, revenue_cents FROM gym_sales";
static const char day_query[] = "SELECT gym_id, day - date '1970-01-01', revenue_cents FROM "
	"gym_day_revenue";

static int64
chain_number(const PGresult *result, int row, int column)
{
	return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static bool
read_gyms(Chain *chain, Listener *listener, PQExpBuffer error)
{
	PGresult   *result = listener_read(listener, gym_query, error);

	if (result == NULL)
		return false;
	chain->ngyms = PQntuples(result);
	chain->gyms = pg_malloc0(sizeof(Gym) * chain->ngyms);
	for (int i = 0; i < chain->ngyms; i++)
	{
		chain->gyms[i].name = pg_strdup(PQgetvalue(result, i, 0));
		chain->gyms[i].target = chain_number(result, i, 1);
	}
	PQclear(result);
	return true;
}

static bool
read_classes(Chain *chain, Listener *listener, PQExpBuffer error)
{
	PGresult   *result = listener_read(listener, class_query, error);

	if (result == NULL)
		return false;
	chain->nclasses = PQntuples(result);
	chain->classes = pg_malloc0(sizeof(GymClass) * chain->nclasses);
	chain->fullest = pg_malloc0(sizeof(GymClass *) * chain->nclasses);
	for (int i = 0; i < chain->nclasses; i++)
	{
		GymClass   *class = &chain->classes[i];

		class->title = pg_strdup(PQgetvalue(result, i, 0));
		class->gym = (int) chain_number(result, i, 1) - 1;
		class->capacity = (int) chain_number(result, i, 2);
		class->starts = pg_strdup(PQgetvalue(result, i, 3));
		chain->fullest[i] = class;
	}
	PQclear(result);
	return true;
}

bool
chain_read(Chain *chain, Listener *listener, PQExpBuffer error)
{
	PGresult   *result;

	if (!read_gyms(chain, listener, error) || !read_classes(chain, listener, error))
		return false;
	result = listener_read(listener, chain_query, error);
	if (result == NULL)
		return false;
	chain->first_day = chain_number(result, 0, 0);
	chain->members = chain_number(result, 0, 1);
	PQclear(result);
	return true;
}

static GymClass *
chain_class(const Chain *chain, int64 id)
{
	return id >= 1 && id <= chain->nclasses ? &chain->classes[id - 1] : NULL;
}

static Gym *
chain_gym(const Chain *chain, int64 id)
{
	return id >= 1 && id <= chain->ngyms ? &chain->gyms[id - 1] : NULL;
}

static double *
chain_day(const Chain *chain, int64 gym_id, int64 day)
{
	Gym		   *gym = chain_gym(chain, gym_id);

	day -= chain->first_day;
	return gym && day >= 0 && day < GYM_DAYS ? &gym->days[day] : NULL;
}

bool
chain_read_rollups(Chain *chain, Listener *listener, PQExpBuffer error)
{
	PGresult   *attendance = listener_read(listener, attendance_query, error);
	PGresult   *sales = attendance ? listener_read(listener, sales_query, error) : NULL;
	PGresult   *days = sales ? listener_read(listener, day_query, error) : NULL;
	bool		done = days != NULL;

	/* what cannot be read stays as it was */
	for (int i = 0; done && i < chain->nclasses; i++)
		chain->classes[i].attendance = 0;
	for (int i = 0; done && i < chain->ngyms; i++)
	{
		chain->gyms[i].revenue = chain->gyms[i].sold = 0;
		memset(chain->gyms[i].days, 0, sizeof(chain->gyms[i].days));
	}
	for (int i = 0; done && i < PQntuples(attendance); i++)
	{
		GymClass   *class = chain_class(chain, chain_number(attendance, i, 0));

		if (class)
			class->attendance = (int) chain_number(attendance, i, 1);
	}
	for (int i = 0; done && i < PQntuples(sales); i++)
	{
		Gym		   *gym = chain_gym(chain, chain_number(sales, i, 0));

		if (gym)
		{
			gym->sold = chain_number(sales, i, 1);
			gym->revenue = chain_number(sales, i, 2);
		}
	}
	for (int i = 0; done && i < PQntuples(days); i++)
	{
		double	   *day = chain_day(chain, chain_number(days, i, 0), chain_number(days, i, 1));

		if (day)
			*day = chain_number(days, i, 2);
	}
	PQclear(attendance);
	PQclear(sales);
	PQclear(days);
	return done;
}

bool
chain_same_as_rollups(const Chain *chain, Listener *listener, PQExpBuffer error)
{
	Chain		fresh = *chain;
	bool		same;

	fresh.gyms = pg_malloc(sizeof(Gym) * chain->ngyms);
	fresh.classes = pg_malloc(sizeof(GymClass) * chain->nclasses);
	memcpy(fresh.gyms, chain->gyms, sizeof(Gym) * chain->ngyms);
	memcpy(fresh.classes, chain->classes, sizeof(GymClass) * chain->nclasses);
	same = chain_read_rollups(&fresh, listener, error);
	for (int i = 0; i < chain->nclasses; i++)
		same = same && fresh.classes[i].attendance == chain->classes[i].attendance;
	for (int i = 0; i < chain->ngyms; i++)
		same = same && fresh.gyms[i].revenue == chain->gyms[i].revenue &&
			fresh.gyms[i].sold == chain->gyms[i].sold &&
			memcmp(fresh.gyms[i].days, chain->gyms[i].days, sizeof(fresh.gyms[i].days)) == 0;
	free(fresh.gyms);
	free(fresh.classes);
	return same;
}

/*
 * Events. A group whose row is null is at zero: event_int of what is not there.
 */

static int64
chain_value(const Event *event, const char *name)
{
	return event_int(&event->row, name);
}

void
chain_attendance(Chain *chain, const Event *event, int64 now)
{
	GymClass   *class = chain_class(chain, event_int(&event->key, "class_id"));
	int			attendance = (int) chain_value(event, "attendance");

	if (class && class->attendance != attendance)
	{
		class->attendance = attendance;
		class->changed = now;
	}
}

void
chain_sales(Chain *chain, const Event *event)
{
	Gym		   *gym = chain_gym(chain, event_int(&event->key, "gym_id"));

	if (gym)
	{
		gym->sold = chain_value(event, "bookings");
		gym->revenue = chain_value(event, "revenue_cents");
	}
}

/* "2026-11-23" as days since 1970 */
static int64
chain_date(const char *text)
{
	struct tm	tm = {0};

	if (text == NULL || sscanf(text, "%4d-%2d-%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) != 3)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm) / 86400;
}

void
chain_day_revenue(Chain *chain, const Event *event)
{
	int64		gym_id = event_int(&event->key, "gym_id");
	double	   *day = chain_day(chain, gym_id, chain_date(event_text(&event->key, "day")));

	if (day)
		*day = chain_value(event, "revenue_cents");
}

/* Whether a comes after b: less full, or as full but smaller, or as large but less popular. */
static bool
chain_after(const GymClass *a, const GymClass *b)
{
	int64		full_a = (int64) a->attendance * b->capacity;
	int64		full_b = (int64) b->attendance * a->capacity;

	if (full_a != full_b)
		return full_a < full_b;
	return a->capacity != b->capacity ? a->capacity < b->capacity : a > b;
}

void
chain_sort(Chain *chain)
{
	/* Between two drawings little changes: inserting is linear then. */
	for (int i = 1; i < chain->nclasses; i++)
	{
		GymClass   *class = chain->fullest[i];
		int			place = i;

		for (; place > 0 && chain_after(chain->fullest[place - 1], class); place--)
			chain->fullest[place] = chain->fullest[place - 1];
		chain->fullest[place] = class;
	}
}
