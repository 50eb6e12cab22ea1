/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CRYPTOCTL_H
#define CRYPTOCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* cryptoctl.c */

/* Where this process reads its commands: stdin, or a pipe from its parent. */
extern FILE *commands_in;

void answer_done(void);
void answer_ok(const char *format, ...) __attribute__((format(printf, 1, 2)));
void answer_bad(const char *format, ...) __attribute__((format(printf, 1, 2)));
void answer_errno(int err);
void answer_end(void);
const char *errno_name(int err);

/*
 * words.c: a line taken apart
 *
 * Each function that returns bool has given the `bad …` answer itself when it
 * returns false.
 */
#define MAX_WORDS 32

struct words {
	unsigned int count;
	char *word[MAX_WORDS];
};

/* One key=value word that a command takes. */
struct option {
	const char *name;
	char *value;		/* NULL when it was not given */
};

bool words_split(struct words *words, char *line);
bool words_options(const struct words *words, unsigned int first,
		   struct option *options, unsigned int count);
bool parse_number(const char *text, uint64_t max, uint64_t *value);
bool want_number(const char *what, const char *text, uint64_t max,
		 uint64_t *value);
bool want_fd(const char *text, int *fd);
void print_hex(const uint8_t *data, size_t len);

/* memory.c: user memory that shows when somebody stepped over its edges */

#define FILL 0xA5
#define GUARD_BYTES 64

struct area {
	uint8_t *data;		/* what the kernel is told */
	size_t len;
	uint8_t *copy;		/* what was there before the call, or NULL */
	uint8_t *map;
	size_t map_len;
	size_t tail;
};

bool area_make(struct area *area, size_t len, size_t tail);
bool area_keep(struct area *area);
bool area_same(const struct area *area);
void area_restore(struct area *area);
bool area_sound(const struct area *area);
void area_free(struct area *area);
uint8_t *bad_pointer(void);

/* A pointer argument as typed: null, bad, or bytes in an area. */
struct pointer {
	uint8_t *address;
	bool is_area;
	struct area area;
};

bool pointer_parse(struct pointer *p, const char *what, const char *text);
void pointer_free(struct pointer *p);

/* commands.c, crypt.c, children.c: each answers exactly one line */
typedef void command_fn(const struct words *words);

command_fn cmd_open, cmd_dup, cmd_close, cmd_session, cmd_free, cmd_crypt;
command_fn cmd_ioctl, cmd_read, cmd_fork, cmd_wait;
void cmd_child(char *rest);
bool children_own(int fd);

/* sha256.c: FIPS 180-4 */
#define SHA256_BYTES 32
void sha256(const uint8_t *data, size_t len, uint8_t digest[SHA256_BYTES]);

#endif /* CRYPTOCTL_H */
