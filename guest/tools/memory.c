// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that is handed to the kernel.
 *
 * An area lies between guard bytes and ends at a page that nobody may touch.
 * What is only read (tail 0) ends right there, so that one byte read too many
 * is EFAULT. What is written has GUARD_BYTES behind it, so that one byte
 * written too many is seen and named.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cryptoctl.h"

#define MAX_FILL ((uint64_t)1 << 30)

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* The address of a page that is mapped and may be neither read nor written. */
uint8_t *bad_pointer(void)
{
	static uint8_t *page;

	if (!page) {
		page = mmap(NULL, page_size(), PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED) {
			perror("cryptoctl: reserving a page");
			_exit(1);
		}
	}
	return page;
}

/* Every byte, the guards' as well, is FILL at first. */
bool area_make(struct area *area, size_t len, size_t tail)
{
	size_t page = page_size();
	size_t front = (GUARD_BYTES + len + tail + page - 1) / page * page;

	memset(area, 0, sizeof(*area));
	area->map_len = front + page;
	area->map = mmap(NULL, area->map_len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area->map == MAP_FAILED ||
	    mprotect(area->map + front, page, PROT_NONE)) {
		area_free(area);
		answer_bad("no memory for %zu bytes", len);
		return false;
	}
	memset(area->map, FILL, front);
	area->data = area->map + front - tail - len;
	area->len = len;
	area->tail = tail;
	return true;
}

/* Remember what is there now. */
bool area_keep(struct area *area)
{
	area->copy = malloc(area->len ? area->len : 1);
	if (!area->copy) {
		answer_bad("no memory for %zu bytes", area->len);
		return false;
	}
	memcpy(area->copy, area->data, area->len);
	return true;
}

bool area_same(const struct area *area)
{
	return memcmp(area->data, area->copy, area->len) == 0;
}

void area_restore(struct area *area)
{
	memcpy(area->data, area->copy, area->len);
}

static bool all_fill(const uint8_t *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (from[i] != FILL)
			return false;
	return true;
}

/* Whether the bytes on both sides are what they were. */
bool area_sound(const struct area *area)
{
	return all_fill(area->data - GUARD_BYTES, GUARD_BYTES) &&
	       all_fill(area->data + area->len, area->tail);
}

void area_free(struct area *area)
{
	if (area->map && area->map != MAP_FAILED)
		munmap(area->map, area->map_len);
	free(area->copy);
	memset(area, 0, sizeof(*area));
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool parse_hex(struct area *area, const char *what, const char *text)
{
	size_t digits = strlen(text);

	if (digits % 2 || strspn(text, "0123456789abcdefABCDEF") != digits) {
		answer_bad("%s is not null, bad or whole bytes in hex", what);
		return false;
	}
	if (!area_make(area, digits / 2, 0))
		return false;
	for (size_t i = 0; i < digits / 2; i++)
		area->data[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 |
					  hex_digit(text[2 * i + 1]));
	return true;
}

/* fill:BYTE:LEN */
static bool parse_fill(struct area *area, const char *what, const char *text)
{
	const char *colon = strchr(text, ':');
	uint64_t byte, len;
	char number[32];

	if (!colon || (size_t)(colon - text) >= sizeof(number)) {
		answer_bad("%s is not fill:BYTE:LEN", what);
		return false;
	}
	memcpy(number, text, (size_t)(colon - text));
	number[colon - text] = '\0';
	if (!parse_number(number, 0xFF, &byte) ||
	    !parse_number(colon + 1, MAX_FILL, &len)) {
		answer_bad("%s is not fill:BYTE:LEN", what);
		return false;
	}
	if (!area_make(area, (size_t)len, 0))
		return false;
	memset(area->data, (int)byte, area->len);
	return true;
}

/* Read null, bad, HEX or fill:BYTE:LEN; no text is null. */
bool pointer_parse(struct pointer *p, const char *what, const char *text)
{
	static const char fill[] = "fill:";

	memset(p, 0, sizeof(*p));
	if (!text || strcmp(text, "null") == 0)
		return true;
	if (strcmp(text, "bad") == 0) {
		p->address = bad_pointer();
		return true;
	}
	if (strncmp(text, fill, sizeof(fill) - 1) == 0) {
		if (!parse_fill(&p->area, what, text + sizeof(fill) - 1))
			return false;
	} else if (!parse_hex(&p->area, what, text)) {
		return false;
	}
	p->is_area = true;
	p->address = p->area.data;
	return area_keep(&p->area);
}

void pointer_free(struct pointer *p)
{
	area_free(&p->area);
}
