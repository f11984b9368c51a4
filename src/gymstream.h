/*
 * gymstream.h: what every room of the house shares: the settings, and one init per module.
 */
#ifndef GYMSTREAM_H
#define GYMSTREAM_H

#include "postgres.h"

#include "compat.h"

#define GS_SCHEMA "gymstream"

#endif							/* GYMSTREAM_H */
