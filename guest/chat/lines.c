// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Standard input, a terminal or not, as messages. Reads as it comes; what is
 * behind the first line waits for its turn, of a line too long its rest does.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chat.h"

static const char farewell[] = "bye";

/*
 * Whether the next message is there whole. One byte more than a message takes
 * tells where a character begins.
 */
bool lines_ready(const struct lines *lines)
{
	return lines->ended || lines->len > TEXT_BYTES ||
	       memchr(lines->data, '\n', lines->len);
}

static size_t drop_nul(char *data, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++)
		if (data[i] != '\0')
			data[kept++] = data[i];
	return kept;
}

/* Only called while no message is ready, so there is room. */
bool lines_fill(struct lines *lines)
{
	char *end = lines->data + lines->len;
	ssize_t n = read(STDIN_FILENO, end, sizeof(lines->data) - lines->len);
	size_t kept;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n < 0)
		return complain(strerror(errno), "reading standard input");
	if (n == 0) {
		lines->ended = true;
		return true;
	}
	kept = drop_nul(end, (size_t)n);
	if (kept < (size_t)n)
		complain("a message cannot carry NUL bytes, they are left out",
			 "reading standard input");
	lines->len += kept;
	return true;
}

static bool is_continuation(char byte)
{
	return ((unsigned char)byte & 0xC0) == 0x80;
}

/* Of a text longer than a message: what goes first, whole characters. */
static size_t first_part(const char *text)
{
	size_t end = TEXT_BYTES;

	while (end > TEXT_BYTES - 3 && is_continuation(text[end]))
		end--;
	/* Four in a row are no UTF-8: then anywhere is as good. */
	return is_continuation(text[end]) ? TEXT_BYTES : end;
}

static void drop(struct lines *lines, size_t len)
{
	lines->len -= len;
	memmove(lines->data, lines->data + len, lines->len);
}

/* The next message, padded, of lines that are ready. */
enum line lines_take(struct lines *lines, uint8_t message[MESSAGE_BYTES])
{
	const char *newline = memchr(lines->data, '\n', lines->len);
	size_t len = newline ? (size_t)(newline - lines->data) : lines->len;
	bool whole = len <= TEXT_BYTES;

	if (!newline && lines->len == 0)
		return LINE_END;
	if (!lines->inside && len == sizeof(farewell) - 1 &&
	    memcmp(lines->data, farewell, len) == 0)
		return LINE_BYE;
	if (!whole)
		len = first_part(lines->data);
	memset(message, 0, MESSAGE_BYTES);
	memcpy(message, lines->data, len);
	message[len] = '\n';
	drop(lines, len + (whole && newline ? 1 : 0));
	lines->inside = !whole;
	return LINE_TEXT;
}
