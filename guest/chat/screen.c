// SPDX-License-Identifier: GPL-2.0-or-later
/* What is shown, and what a peer must not make a terminal do. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chat.h"

/* Whether a prompt stands on the last line. */
static bool prompted;

static bool flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	return complain(strerror(errno), "writing to standard output");
}

bool screen_say(const char *text)
{
	puts(text);
	return flush();
}

bool screen_prompt(void)
{
	fputs("me: ", stdout);
	prompted = true;
	return flush();
}

/* A line was typed at the prompt: a terminal has moved on, else we do. */
bool screen_typed(void)
{
	if (isatty(STDIN_FILENO))
		prompted = false;
	screen_end_line();
	return !ferror(stdout) || flush();
}

/* Errors begin on a line of their own. */
void screen_end_line(void)
{
	if (prompted) {
		prompted = false;
		putchar('\n');
		fflush(stdout);
	}
}

/*
 * The length of the UTF-8 character at @text, 0 if there is none: table 3-7 of
 * the Unicode standard (no overlong forms, no surrogates, none past U+10FFFF).
 */
static size_t utf8_length(const uint8_t *text, size_t len)
{
	uint8_t low = 0x80, high = 0xBF;
	size_t want;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xC2 || text[0] > 0xF4)
		return 0;
	want = text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : 4;
	if (text[0] == 0xE0)
		low = 0xA0;
	else if (text[0] == 0xED)
		high = 0x9F;
	else if (text[0] == 0xF0)
		low = 0x90;
	else if (text[0] == 0xF4)
		high = 0x8F;
	if (len < want || text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < want; i++)
		if (text[i] < 0x80 || text[i] > 0xBF)
			return 0;
	return want;
}

/* C0, DEL and C1. */
static bool is_control(const uint8_t *character, size_t len)
{
	if (len == 1)
		return character[0] < 0x20 || character[0] == 0x7F;
	return len == 2 && character[0] == 0xC2 && character[1] < 0xA0;
}

static void put_character(const uint8_t *character, size_t len, bool escaped)
{
	for (size_t i = 0; i < len; i++) {
		if (escaped)
			printf("\\x%02x", character[i]);
		else
			putchar(character[i]);
	}
}

/* The message's text ends at its newline, or where the padding begins. */
static size_t text_length(const uint8_t message[MESSAGE_BYTES])
{
	size_t len = 0;

	while (len < MESSAGE_BYTES && message[len] != '\n' && message[len] != '\0')
		len++;
	return len;
}

bool screen_show(const char *who, const uint8_t message[MESSAGE_BYTES])
{
	size_t len = text_length(message);
	size_t at = 0;

	printf("%s: ", who);
	while (at < len) {
		size_t n = utf8_length(message + at, len - at);
		bool escaped = n == 0 || is_control(message + at, n);

		put_character(message + at, n ? n : 1, escaped);
		at += n ? n : 1;
	}
	putchar('\n');
	prompted = false;
	return flush();
}
