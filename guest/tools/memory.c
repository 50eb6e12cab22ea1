// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that is handed to the kernel.
 *
 * An area lies between guard bytes and ends at a page that nobody may touch.
 * What is only read (tail 0) ends right there, so that one byte read too many
 * is EFAULT. What is written has GUARD_BYTES behind it, so that one byte
 * written too many is seen and named.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cryptoctl.h"

#define MAX_FILL ((uint64_t)1 << 30)

static const struct {
	const char *name;
	int protection;		/* once it is filled */
	bool shared;
	bool file;
} kinds[] = {
	{ "anon",	PROT_READ | PROT_WRITE,	false,	false },
	{ "ro",		PROT_READ,		false,	false },
	{ "shared",	PROT_READ | PROT_WRITE,	true,	false },
	{ "file",	PROT_READ | PROT_WRITE,	true,	true },
	{ "rofile",	PROT_READ,		true,	true },
	{ "private",	PROT_READ | PROT_WRITE,	false,	true },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct memory ordinary = { 0, -1 };

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Addresses that nothing is at yet, low ones for calls that know no others. */
static uint8_t *reserve(size_t len)
{
	return mmap(NULL, len, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | (calls_32bit ? MAP_32BIT : 0),
		    -1, 0);
}

/* The address of a page that is mapped and may be neither read nor written. */
uint8_t *bad_pointer(void)
{
	static uint8_t *pages[2];
	uint8_t **page = &pages[calls_32bit];

	if (!*page) {
		*page = reserve(page_size());
		if (*page == MAP_FAILED) {
			perror("cryptoctl: reserving a page");
			_exit(1);
		}
	}
	return *page;
}

/* Read KIND, KIND+OFFSET or +OFFSET; no text is ordinary memory. */
bool memory_parse(struct memory *memory, const char *what, const char *text)
{
	const char *plus;
	uint64_t at;
	size_t len;

	*memory = ordinary;
	if (!text)
		return true;
	plus = strchr(text, '+');
	len = plus ? (size_t)(plus - text) : strlen(text);
	if (plus) {
		if (!want_number(what, plus + 1, page_size() - 1, &at))
			return false;
		memory->at = (long)at;
	}
	for (unsigned int k = 0; k < KINDS; k++) {
		if (len && (strlen(kinds[k].name) != len ||
			    memcmp(kinds[k].name, text, len)))
			continue;
		memory->kind = k;
		return true;
	}
	answer_bad("%s is not a kind of memory: %.40s", what, text);
	return false;
}

/* A file of its own that nobody else finds. */
static int make_file(size_t len)
{
	char name[] = "/tmp/cryptoctl.XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);

	if (fd >= 0 && (unlink(name) || ftruncate(fd, (off_t)len))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Memory at the first @len bytes of what was reserved, writable until area_settle(). */
static bool map_front(struct area *area, size_t len)
{
	bool file = kinds[area->memory.kind].file;
	/* A file is filled through what is shared, so that its pages hold the data. */
	int flags = MAP_FIXED | (file || kinds[area->memory.kind].shared ?
				 MAP_SHARED : MAP_PRIVATE);

	if (file) {
		area->file = make_file(len);
		if (area->file < 0)
			return false;
	} else {
		flags |= MAP_ANONYMOUS;
	}
	return mmap(area->map, len, PROT_READ | PROT_WRITE, flags, area->file,
		    0) != MAP_FAILED;
}

/*
 * Every byte, the guards' as well, is FILL at first. Memory that is to be at
 * some place in its page ends where that page does, guarded up to there.
 */
bool area_make_in(struct area *area, size_t len, size_t tail,
		  const struct memory *memory)
{
	size_t page = page_size();
	size_t front = GUARD_BYTES + len + tail, before;

	if (memory->at >= 0)
		front = page + (size_t)memory->at + len + tail;
	front = (front + page - 1) / page * page;
	memset(area, 0, sizeof(*area));
	area->file = -1;
	area->memory = *memory;
	area->map_len = front + page;
	area->map = reserve(area->map_len);
	if (area->map == MAP_FAILED || !map_front(area, front)) {
		area_free(area);
		answer_bad("no memory for %zu bytes", len);
		return false;
	}
	memset(area->map, FILL, front);
	before = memory->at >= 0 ? page + (size_t)memory->at : front - tail - len;
	area->data = area->map + before;
	area->len = len;
	area->tail = front - before - len;
	return true;
}

bool area_make(struct area *area, size_t len, size_t tail)
{
	return area_make_in(area, len, tail, &ordinary);
}

/* Remember what is there now, and let the memory be what it was to be. */
bool area_settle(struct area *area)
{
	int protection = kinds[area->memory.kind].protection;
	size_t front = area->map_len - page_size();

	area->copy = malloc(area->len ? area->len : 1);
	if (!area->copy) {
		answer_bad("no memory for %zu bytes", area->len);
		return false;
	}
	memcpy(area->copy, area->data, area->len);
	if (area->file >= 0 && !kinds[area->memory.kind].shared &&
	    mmap(area->map, front, protection, MAP_PRIVATE | MAP_FIXED,
		 area->file, 0) == MAP_FAILED) {
		answer_bad("cannot map a file");
		return false;
	}
	if (mprotect(area->map, front, protection)) {
		answer_bad("cannot protect memory");
		return false;
	}
	return true;
}

bool area_same(const struct area *area)
{
	return memcmp(area->data, area->copy, area->len) == 0;
}

bool area_writable(const struct area *area)
{
	return kinds[area->memory.kind].protection & PROT_WRITE;
}

void area_restore(struct area *area)
{
	if (area_writable(area))
		memcpy(area->data, area->copy, area->len);
}

bool all_fill(const uint8_t *from, size_t len)
{
	static uint8_t fill[4096];

	if (fill[0] != FILL)
		memset(fill, FILL, sizeof(fill));
	for (; len > sizeof(fill); from += sizeof(fill), len -= sizeof(fill))
		if (memcmp(from, fill, sizeof(fill)))
			return false;
	return memcmp(from, fill, len) == 0;
}

/* What a process alone has changed is not in the file. */
static bool file_untouched(const struct area *area)
{
	uint8_t data[4096];
	size_t done = 0;
	ssize_t n;

	if (area->file < 0 || kinds[area->memory.kind].shared)
		return true;
	while (done < area->len) {
		size_t part = area->len - done;

		n = pread(area->file, data, part < sizeof(data) ? part : sizeof(data),
			  area->data - area->map + (off_t)done);
		if (n <= 0 || memcmp(data, area->copy + done, (size_t)n))
			return false;
		done += (size_t)n;
	}
	return true;
}

/* Whether the bytes on both sides are what they were. */
bool area_sound(const struct area *area)
{
	return all_fill(area->data - GUARD_BYTES, GUARD_BYTES) &&
	       all_fill(area->data + area->len, area->tail) &&
	       file_untouched(area);
}

void area_free(struct area *area)
{
	if (area->map && area->map != MAP_FAILED)
		munmap(area->map, area->map_len);
	if (area->map && area->file >= 0)
		close(area->file);
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

static bool parse_hex(struct area *area, const char *what, const char *text,
		      const struct memory *memory)
{
	size_t digits = strlen(text);

	if (digits % 2 || strspn(text, "0123456789abcdefABCDEF") != digits) {
		answer_bad("%s is not null, bad or whole bytes in hex", what);
		return false;
	}
	if (!area_make_in(area, digits / 2, 0, memory))
		return false;
	for (size_t i = 0; i < digits / 2; i++)
		area->data[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 |
					  hex_digit(text[2 * i + 1]));
	return true;
}

/* fill:BYTE:LEN */
static bool parse_fill(struct area *area, const char *what, const char *text,
		       const struct memory *memory)
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
	if (!area_make_in(area, (size_t)len, 0, memory))
		return false;
	memset(area->data, (int)byte, area->len);
	return true;
}

/* Read null, bad, HEX or fill:BYTE:LEN; no text is null. */
bool pointer_parse_in(struct pointer *p, const char *what, const char *text,
		      const struct memory *memory)
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
		if (!parse_fill(&p->area, what, text + sizeof(fill) - 1, memory))
			return false;
	} else if (!parse_hex(&p->area, what, text, memory)) {
		return false;
	}
	p->is_area = true;
	p->address = p->area.data;
	return area_settle(&p->area);
}

bool pointer_parse(struct pointer *p, const char *what, const char *text)
{
	return pointer_parse_in(p, what, text, &ordinary);
}

/* Room for @len bytes, watched on both sides. */
bool pointer_room(struct pointer *p, size_t len, const struct memory *memory)
{
	memset(p, 0, sizeof(*p));
	if (!area_make_in(&p->area, len, GUARD_BYTES, memory))
		return false;
	p->is_area = true;
	p->address = p->area.data;
	return area_settle(&p->area);
}

void pointer_free(struct pointer *p)
{
	area_free(&p->area);
}

bool pointer_sound(const struct pointer *p)
{
	return !p->is_area || area_sound(&p->area);
}

/* Whether nothing was written there; what is no memory cannot have been. */
bool pointer_same(const struct pointer *p)
{
	return !p->is_area || area_same(&p->area);
}
