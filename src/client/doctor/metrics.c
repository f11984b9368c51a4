/*
 * metrics.c: "gymstream metrics": figures for a monitoring system.
 *
 * Takes what the views say of topics, groups and the workers, gives them in the text format of
 * Prometheus. Names and labels are those that exporters for Kafka have, with a prefix of our own.
 * Changes nothing on the server.
 */
#include "postgres_fe.h"

#include <errno.h>

#include "pqexpbuffer.h"

#include "client/base/loop.h"
#include "client/doctor/groups.h"

#define PREFIX	"gymstream_"

typedef struct Metrics
{
	const char *file;			/* NULL: standard output */
} Metrics;

/* A figure, which is a column of a query's rows. A null is left out. */
typedef struct Metric
{
	const char *name;
	const char *column;
	const char *type;
	const char *help;
} Metric;

/* The labels of a query's rows, and the figures that they have. */
typedef struct MetricSet
{
	const char *const *labels;	/* pairs of a label and its column; ends with NULL */
	const Metric *metrics;
	int			count;
} MetricSet;

static const char *const no_labels[] = {NULL};
static const char *const group_labels[] = {"consumergroup", "group_name", NULL};
static const char *const partition_labels[] = {"consumergroup", "group_name", "topic", "topic",
											   "partition", "partition", NULL};
static const char *const topic_labels[] = {"topic", "topic", "partition", "partition", NULL};

static const char status_query[] =
"SELECT 1 AS up, (problem IS NULL)::pg_catalog.int4 AS well, topics, events, notifications,"
" skipped, lag_bytes, retained_bytes FROM gymstream.status";

/* A topic has one log: it is partitioned when it is read. */
static const char topics_query[] =
"SELECT COALESCE((SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)"
"  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
"   ON n.oid OPERATOR(pg_catalog.=) c.relnamespace WHERE c.oid OPERATOR(pg_catalog.=) relation),"
" relation::pg_catalog.text) AS topic, 0 AS partition, events, bytes,"
" gymstream.position_offset(last_position) OPERATOR(pg_catalog.+) 1 AS next_offset,"
" gymstream.position_offset(last_position) OPERATOR(pg_catalog.+) 1 OPERATOR(pg_catalog.-) events"
" AS oldest_offset FROM gymstream.topics ORDER BY 1";

static const Metric status_metrics[] = {
	{"up", "up", "gauge", "The database has answered"},
	{"publishing", "well", "gauge", "1 where changes are published as they should be"},
	{"events_total", "events", "counter", "Events since the server started"},
	{"notifications_total", "notifications", "counter",
	"Notifications sent since the server started"},
	{"notifications_skipped_total", "skipped", "counter",
	"Notifications not sent, because the queue of the server was nearly full"},
	{"publish_lag_bytes", "lag_bytes", "gauge", "Write-ahead log that is not published yet"},
	{"slot_retained_bytes", "retained_bytes", "gauge",
	"Write-ahead log that is kept for publishing"},
};

static const Metric topic_metrics[] = {
	{"topic_partition_current_offset", "next_offset", "gauge",
	"Offset that the next event will get"},
	{"topic_partition_oldest_offset", "oldest_offset", "gauge",
	"Offset of the first event that is kept"},
	{"topic_events", "events", "gauge", "Events that are kept"},
	{"topic_bytes", "bytes", "gauge", "What they take on disk"},
};

static const Metric group_metrics[] = {
	{"consumergroup_lag_sum", "events", "gauge", "Events that the group has not acked"},
	{"consumergroup_lag_max", "most_events", "gauge", "The same of the partition that has most"},
	{"consumergroup_lag_seconds", "seconds", "gauge", "Age of the oldest of them"},
	{"consumergroup_lag_bytes", "bytes", "gauge", "Their size as JSON"},
	{"consumergroup_members", "workers", "gauge", "Workers that have partitions of the group now"},
	{"consumergroup_waiting", "waiting", "gauge", "Events that wait for another attempt"},
	{"consumergroup_dead_letters", "dead", "gauge", "Events that were given up"},
	{"consumergroup_lost", "lost", "gauge",
	"Events that retention has dropped before the group's next poll, about"},
};

static const Metric partition_metrics[] = {
	{"consumergroup_lag", "events", "gauge",
	"Events of the partition that the group has not acked"},
	{"consumergroup_current_offset", "next_offset", "gauge",
	"Offset with which the partition goes on"},
};

static const MetricSet status_set = {no_labels, status_metrics, lengthof(status_metrics)};
static const MetricSet topic_set = {topic_labels, topic_metrics, lengthof(topic_metrics)};
static const MetricSet group_set = {group_labels, group_metrics, lengthof(group_metrics)};
static const MetricSet partition_set = {partition_labels, partition_metrics,
										lengthof(partition_metrics)};

static void
add_label(PQExpBuffer out, bool first, const char *name, const char *value)
{
	appendPQExpBuffer(out, "%s%s=\"", first ? "{" : ",", name);
	for (; *value; value++)
	{
		if (*value == '\n')
			appendPQExpBufferStr(out, "\\n");
		else if (*value == '"' || *value == '\\')
			appendPQExpBuffer(out, "\\%c", *value);
		else
			appendPQExpBufferChar(out, *value);
	}
	appendPQExpBufferChar(out, '"');
}

/* All rows of one figure stand together, as the format asks. */
static void
add_metric(PQExpBuffer out, const MetricSet *set, const Metric *metric, const PGresult *rows)
{
	appendPQExpBuffer(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", metric->name,
					  metric->help, metric->name, metric->type);
	for (int i = 0; i < PQntuples(rows); i++)
	{
		const char *value = findings_text(rows, i, metric->column);

		if (value == NULL)
			continue;
		appendPQExpBuffer(out, PREFIX "%s", metric->name);
		for (int j = 0; set->labels[j]; j += 2)
			add_label(out, j == 0, set->labels[j], findings_text(rows, i, set->labels[j + 1]));
		appendPQExpBuffer(out, "%s %s\n", set->labels[0] ? "}" : "", value);
	}
}

/* Takes over the rows. False: there are none, because the query failed. */
static bool
add_set(PQExpBuffer out, const MetricSet *set, PGresult *rows)
{
	for (int i = 0; rows && i < set->count; i++)
		add_metric(out, set, &set->metrics[i], rows);
	PQclear(rows);
	return rows != NULL;
}

/*
 * A file that another program reads at any moment: the new one takes the place of the old one in
 * one step.
 */
static bool
write_metrics(const char *name, const char *text, size_t length)
{
	char	   *new = psprintf("%s.new", name);
	FILE	   *file = fopen(new, "w");
	bool		done = file && fwrite(text, 1, length, file) == length;

	if (file && fclose(file) != 0)
		done = false;
	done = done && rename(new, name) == 0;
	if (!done)
		fprintf(stderr, "gymstream: could not write \"%s\": %s\n", name, strerror(errno));
	free(new);
	return done;
}

static bool
set_output(void *context, const char *value)
{
	((Metrics *) context)->file = value;
	return *value != '\0';
}

static const CommandOption metrics_options[] = {
	{'f', "output", "FILE", "put them into a file, whole, instead of the old ones",
	set_output, "the name of a file"},
	{0},
};

static const Command metrics_command = {
	.name = "gymstream metrics",
	.arguments = "",
	.about = "Prints figures of topics, consumer groups and publishing, as Prometheus reads them.\n"
	"Names are those of exporters for Kafka with another prefix, as in\n"
	"gymstream_consumergroup_lag{consumergroup=\"mail\",topic=\"booking\",partition=\"0\"}.",
	.options = metrics_options,
};

int
metrics_main(int argc, char **argv)
{
	ConnectOptions connect = {0};
	Metrics		options = {0};
	Connection	c;
	PQExpBufferData out;
	bool		done;

	if (options_parse(&metrics_command, argc, argv, &connect, &options) < argc)
		options_usage_error(&metrics_command, "too many arguments");
	loop_start();
	initPQExpBuffer(&out);
	done = connection_open(&c, &connect) &&
		add_set(&out, &status_set, findings_query(&c, status_query)) &&
		add_set(&out, &topic_set, findings_query(&c, topics_query)) &&
		add_set(&out, &group_set, groups_read(&c, NULL)) &&
		add_set(&out, &partition_set, groups_partitions(&c, NULL));
	if (done && options.file)
		done = write_metrics(options.file, out.data, out.len);
	else if (done)
		done = fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
	connection_close(&c);
	termPQExpBuffer(&out);
	return done ? 0 : 1;
}
