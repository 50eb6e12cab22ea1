/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CRYPTOCTL_H
#define CRYPTOCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* usage.c */
extern const char usage[];

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

/* What memory there is below some bytes, and where in their page they begin. */
struct memory {
	unsigned int kind;	/* of memory.c's list; 0 is ordinary */
	long at;		/* -1: they end where nothing can be touched */
};

struct area {
	uint8_t *data;		/* what the kernel is told */
	size_t len;
	uint8_t *copy;		/* what was there before the call, or NULL */
	uint8_t *map;
	size_t map_len;
	size_t tail;
	struct memory memory;
	int file;		/* -1 without */
};

bool memory_parse(struct memory *memory, const char *what, const char *text);
bool area_make(struct area *area, size_t len, size_t tail);
bool area_make_in(struct area *area, size_t len, size_t tail,
		  const struct memory *memory);
bool area_settle(struct area *area);
bool area_same(const struct area *area);
bool area_writable(const struct area *area);
void area_restore(struct area *area);
bool area_sound(const struct area *area);
void area_free(struct area *area);
bool all_fill(const uint8_t *from, size_t len);
uint8_t *bad_pointer(void);

/* A pointer argument as typed: null, bad, or bytes in an area. */
struct pointer {
	uint8_t *address;
	bool is_area;
	struct area area;
};

bool pointer_parse(struct pointer *p, const char *what, const char *text);
bool pointer_parse_in(struct pointer *p, const char *what, const char *text,
		      const struct memory *memory);
bool pointer_room(struct pointer *p, size_t len, const struct memory *memory);
bool pointer_sound(const struct pointer *p);
bool pointer_same(const struct pointer *p);
void pointer_free(struct pointer *p);

/* calls.c: the ioctls, of 64-bit programs or of 32-bit ones */

struct session_op;
struct crypt_op;

extern bool calls_32bit;

#define CALL_ANSWERED -2	/* outcome.ret: no call was made, and that was told */

struct outcome {
	int ret;
	int err;		/* errno, if @ret is below 0 */
	bool sound;		/* nothing was written beside the argument */
};

bool calls_choose(bool wanted);
int call_raw(int fd, unsigned long number, void *arg);
struct outcome call_plain(int fd, unsigned long number, void *arg, size_t size);
struct outcome call_session(int fd, struct session_op *op);
struct outcome call_crypt(int fd, unsigned long number, struct crypt_op *op);
bool call_well(const struct outcome *outcome);

/* commands.c, crypt.c, auth.c, async.c, children.c: each answers exactly one line */
typedef void command_fn(const struct words *words);

command_fn cmd_open, cmd_dup, cmd_close, cmd_session, cmd_free, cmd_crypt;
command_fn cmd_auth, cmd_cphash, cmd_info, cmd_clone, cmd_asym, cmd_async;
command_fn cmd_fetch, cmd_poll, cmd_ioctl, cmd_read, cmd_fork, cmd_wait;
void cmd_child(char *rest);
bool children_own(int fd);

/* faults.c: allocations that fail in a call, and what a call reached */
void faults_begin(void);
void faults_end(void);
command_fn cmd_fail_nth, cmd_failed, cmd_reached, cmd_insmod, cmd_rmmod;
command_fn cmd_write;

/* sha256.c: FIPS 180-4 */
#define SHA256_BYTES 32
void sha256(const uint8_t *data, size_t len, uint8_t digest[SHA256_BYTES]);

#endif /* CRYPTOCTL_H */
