/*
 * report.h: figures for people, and the same as JSON
 */
#ifndef GYMSTREAM_CLIENT_REPORT_H
#define GYMSTREAM_CLIENT_REPORT_H

#include "postgres_fe.h"
#include "pqexpbuffer.h"

extern void report_bytes(char *out, size_t size, int64 bytes);
extern void report_seconds(char *out, size_t size, int64 seconds);
extern void report_json(PQExpBuffer out, const char *text);

#endif
