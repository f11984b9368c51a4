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
	bool		extension;		/* the database has it */
	Findings	findings;
} Doctor;

extern int	doctor_main(int argc, char **argv);
extern void doctor_check(Doctor *d);

#endif
