/*
 * doctor.h: "gymstream doctor": what is wrong with a server
 */
#ifndef GYMSTREAM_CLIENT_DOCTOR_H
#define GYMSTREAM_CLIENT_DOCTOR_H

#include "client/doctor/findings.h"

typedef struct Doctor
{
	Connection	connection;
	ConnectOptions options;
	bool		json;
	bool		failed;			/* a query did, which was told */
	bool		extension;		/* the database has it, and it is not too old */
	Findings	findings;
} Doctor;

/*
 * The command "gymstream doctor". Gives the exit status: 1 where something is wrong, or the
 * checks could not be made.
 */
extern int	doctor_main(int argc, char **argv);

/*
 * Make all checks, and put what is wrong into d->findings. Where a query fails, d->failed is
 * set and the checks end. Changes nothing on the server.
 */
extern void doctor_check(Doctor *d);

#endif
