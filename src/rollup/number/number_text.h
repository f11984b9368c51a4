/*
 * number_text.h: reading the text forms of exact sums, which are JSON written in one way only.
 */
#ifndef GS_NUMBER_TEXT_H
#define GS_NUMBER_TEXT_H

#include "base/base.h"

/* Step over the token and return true if the text goes on with it. */
extern bool number_skip(const char **text, const char *token);

/*
 * Step over a whole number in decimal digits, which may be negative. False if there is none, or it
 * does not fit.
 */
extern bool number_integer(const char **text, int64 *value);

#endif							/* GS_NUMBER_TEXT_H */
