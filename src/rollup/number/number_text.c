/*
 * number_text.c: takes a text and a place in it, and gives what is read there. Allows no blanks,
 * signs or digits that the output functions do not write. Never reads beyond the text's end.
 */
#include "rollup/number/number_text.h"

bool
number_skip(const char **text, const char *token)
{
	Size		len = strlen(token);

	if (strncmp(*text, token, len) != 0)
		return false;
	*text += len;
	return true;
}

bool
number_integer(const char **text, int64 *value)
{
	const char *digits = *text + (**text == '-');
	char	   *end;

	if (*digits < '0' || *digits > '9')
		return false;
	/* strtoll also takes blanks and a plus, which the first character has ruled out. */
	errno = 0;
	*value = strtoll(*text, &end, 10);
	*text = end;
	return errno == 0;
}
