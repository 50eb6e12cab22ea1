// SPDX-License-Identifier: GPL-2.0-or-later
/* A typed line taken apart: words, key=value options, numbers. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cryptoctl.h"

/* Cut @line at its blanks; the words point into it. */
bool words_split(struct words *words, char *line)
{
	char *rest = line;
	char *word;

	words->count = 0;
	while ((word = strsep(&rest, " \t\r\n")) != NULL) {
		if (*word == '\0')
			continue;
		if (words->count == MAX_WORDS) {
			answer_bad("more than %d words", MAX_WORDS);
			return false;
		}
		words->word[words->count++] = word;
	}
	return true;
}

static struct option *find_option(struct option *options, unsigned int count,
				  const char *word, size_t len)
{
	for (unsigned int i = 0; i < count; i++)
		if (strlen(options[i].name) == len &&
		    memcmp(options[i].name, word, len) == 0)
			return &options[i];
	return NULL;
}

/* Give each option its value from the words behind the first @first. */
bool words_options(const struct words *words, unsigned int first,
		   struct option *options, unsigned int count)
{
	for (unsigned int i = first; i < words->count; i++) {
		char *word = words->word[i];
		char *equals = strchr(word, '=');
		struct option *option = NULL;

		if (equals)
			option = find_option(options, count, word,
					     (size_t)(equals - word));
		if (!option) {
			answer_bad("unknown word %.40s", word);
			return false;
		}
		if (option->value) {
			answer_bad("%s is given twice", option->name);
			return false;
		}
		option->value = equals + 1;
	}
	return true;
}

/* A decimal or 0x… number of at most @max, and nothing else. */
bool parse_number(const char *text, uint64_t max, uint64_t *value)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	const char *all = hex ? "0123456789abcdefABCDEF" : "0123456789";
	unsigned long long number;

	/* strtoull() would also take a sign, blanks, and nothing at all. */
	if (*digits == '\0' || strspn(digits, all) != strlen(digits))
		return false;
	errno = 0;
	number = strtoull(digits, NULL, hex ? 16 : 10);
	if (errno || number > max)
		return false;
	*value = number;
	return true;
}

bool want_number(const char *what, const char *text, uint64_t max,
		 uint64_t *value)
{
	if (parse_number(text, max, value))
		return true;
	answer_bad("%s is not a number up to %llu: %.40s", what,
		   (unsigned long long)max, text);
	return false;
}

/* Any number that may be a descriptor, but none that cryptoctl itself needs. */
bool want_fd(const char *text, int *fd)
{
	uint64_t number;

	if (!want_number("FD", text, INT_MAX, &number))
		return false;
	*fd = (int)number;
	if (*fd > 2 && !children_own(*fd))
		return true;
	answer_bad("descriptor %d is cryptoctl's own", *fd);
	return false;
}

void print_hex(const uint8_t *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		putchar_unlocked(digits[data[i] >> 4]);
		putchar_unlocked(digits[data[i] & 15]);
	}
}
