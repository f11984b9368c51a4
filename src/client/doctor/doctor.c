/*
 * doctor.c: "gymstream doctor": what is wrong with a server.
 *
 * Takes a connection, gives what to change, the most important first. Changes nothing.
 */
#include "postgres_fe.h"

#include "client/base/loop.h"
#include "client/base/report.h"
#include "client/doctor/doctor.h"

static const CommandOption doctor_options[] = {
	{'j', "json", NULL, "print one JSON object", .flag = offsetof(Doctor, json)},
	{0},
};

static const Command doctor_command = {
	.name = "gymstream doctor",
	.arguments = "",
	.about = "Checks the server's settings, the extension and the replication slots, and says "
	"what to change.\n"
	"Exits with 1 if there are errors or warnings.",
	.options = doctor_options,
};

static void
print_json(const Doctor *d)
{
	PQExpBufferData out;

	initPQExpBuffer(&out);
	appendPQExpBufferStr(&out, "{\"server_version\":");
	report_json(&out, PQparameterStatus(d->connection.pg, "server_version"));
	appendPQExpBufferStr(&out, ",\"database\":");
	report_json(&out, PQdb(d->connection.pg));
	appendPQExpBufferStr(&out, ",\"problems\":");
	findings_json(&d->findings, &out);
	printf("%s}\n", out.data);
	termPQExpBuffer(&out);
}

static void
doctor_print(const Doctor *d, int errors, int warnings)
{
	findings_print(&d->findings);
	if (errors + warnings == 0)
		printf("Nothing is wrong with PostgreSQL %s and database \"%s\".\n",
			   PQparameterStatus(d->connection.pg, "server_version"), PQdb(d->connection.pg));
	else
		printf("%d error%s, %d warning%s\n", errors, errors == 1 ? "" : "s", warnings,
			   warnings == 1 ? "" : "s");
}

int
doctor_main(int argc, char **argv)
{
	Doctor		d = {0};
	int			bad = 1;

	if (options_parse(&doctor_command, argc, argv, &d.options, &d) < argc)
		options_usage_error(&doctor_command, "too many arguments");
	loop_start();
	if (connection_open(&d.connection, &d.options))
	{
		doctor_check(&d);
		if (!d.failed)
		{
			int			errors = findings_count(&d.findings, FINDING_ERROR);
			int			warnings = findings_count(&d.findings, FINDING_WARNING);

			bad = errors + warnings;
			if (d.json)
				print_json(&d);
			else
				doctor_print(&d, errors, warnings);
		}
	}
	findings_clear(&d.findings);
	connection_close(&d.connection);
	return bad ? 1 : 0;
}
