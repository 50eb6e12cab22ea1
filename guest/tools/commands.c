// SPDX-License-Identifier: GPL-2.0-or-later
/* The commands that are one system call each. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cryptodev.h"
#include "cryptoctl.h"

/* What CIOCGSESSION finds in ses and must leave there when it fails. */
#define SES_FILL 0xA5A5A5A5u

void cmd_open(const struct words *words)
{
	int fd = open(words->word[1], O_RDWR | O_CLOEXEC);

	if (fd < 0)
		answer_errno(errno);
	else
		answer_ok("fd=%d", fd);
}

void cmd_dup(const struct words *words)
{
	int fd, copy;

	if (!want_fd(words->word[1], &fd))
		return;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		answer_errno(errno);
	else
		answer_ok("fd=%d", copy);
}

void cmd_close(const struct words *words)
{
	int fd;

	if (!want_fd(words->word[1], &fd))
		return;
	if (close(fd) < 0)
		answer_errno(errno);
	else
		answer_done();
}

void cmd_read(const struct words *words)
{
	uint8_t data[16];
	ssize_t n;
	int fd;

	if (!want_fd(words->word[1], &fd))
		return;
	n = read(fd, data, sizeof(data));
	if (n < 0)
		answer_errno(errno);
	else
		answer_ok("n=%zd", n);
}

void cmd_free(const struct words *words)
{
	uint64_t number;
	uint32_t ses;
	int fd;

	if (!want_fd(words->word[1], &fd) ||
	    !want_number("SES", words->word[2], UINT32_MAX, &number))
		return;
	ses = (uint32_t)number;
	if (ioctl(fd, CIOCFSESSION, &ses) < 0)
		answer_errno(errno);
	else
		answer_done();
}

/* A length as typed, else the number of bytes of what it belongs to. */
static bool want_length(const struct option *option, const struct pointer *p,
			uint32_t *len)
{
	uint64_t number = p->area.len;

	if (option->value &&
	    !want_number(option->name, option->value, UINT32_MAX, &number))
		return false;
	*len = (uint32_t)number;
	return true;
}

static bool want_algorithm(const struct option *option, uint32_t *algorithm)
{
	uint64_t number = 0;

	if (option->value &&
	    !want_number(option->name, option->value, UINT32_MAX, &number))
		return false;
	*algorithm = (uint32_t)number;
	return true;
}

static bool pointer_same(const struct pointer *p)
{
	return !p->is_area || (area_same(&p->area) && area_sound(&p->area));
}

static void make_session(int fd, struct session_op *op,
			 const struct pointer *key, const struct pointer *mackey)
{
	struct session_op before;
	const char *changed = "";
	int ret, err;

	op->key = key->address;
	op->mackey = mackey->address;
	op->ses = SES_FILL;
	memcpy(&before, op, sizeof(before));
	ret = ioctl(fd, CIOCGSESSION, op);
	err = errno;
	if (ret >= 0)
		before.ses = op->ses;
	if (memcmp(&before, op, sizeof(before)) || !pointer_same(key) ||
	    !pointer_same(mackey))
		changed = " key=changed";
	if (ret >= 0)
		answer_ok("ses=%u%s", op->ses, changed);
	else if (*changed)
		answer_bad("%s and session_op changed", errno_name(err));
	else
		answer_errno(err);
}

void cmd_session(const struct words *words)
{
	enum { CIPHER, KEY, KEYLEN, MAC, MACKEY, MACKEYLEN, COUNT };
	struct option o[COUNT] = {
		[CIPHER] = { "cipher", NULL }, [KEY] = { "key", NULL },
		[KEYLEN] = { "keylen", NULL }, [MAC] = { "mac", NULL },
		[MACKEY] = { "mackey", NULL }, [MACKEYLEN] = { "mackeylen", NULL },
	};
	struct pointer key = { 0 }, mackey = { 0 };
	struct session_op op;
	int fd;

	memset(&op, 0, sizeof(op));	/* the padding is compared too */
	if (want_fd(words->word[1], &fd) && words_options(words, 2, o, COUNT) &&
	    want_algorithm(&o[CIPHER], &op.cipher) &&
	    want_algorithm(&o[MAC], &op.mac) &&
	    pointer_parse(&key, "key", o[KEY].value) &&
	    pointer_parse(&mackey, "mackey", o[MACKEY].value) &&
	    want_length(&o[KEYLEN], &key, &op.keylen) &&
	    want_length(&o[MACKEYLEN], &mackey, &op.mackeylen))
		make_session(fd, &op, &key, &mackey);
	pointer_free(&key);
	pointer_free(&mackey);
}

static void any_ioctl(int fd, unsigned long number, void *arg,
		      const struct area *zeros)
{
	int ret = ioctl(fd, number, arg);
	uint32_t word;

	if (ret < 0) {
		answer_errno(errno);
		return;
	}
	if (!zeros) {
		answer_ok("ret=%d", ret);
		return;
	}
	memcpy(&word, zeros->data, sizeof(word));
	if (!area_sound(zeros))
		answer_bad("overrun");
	else if (word)
		answer_ok("ret=%d u32=%u", ret, word);
	else
		answer_ok("ret=%d", ret);
}

void cmd_ioctl(const struct words *words)
{
	struct option arg = { "arg", NULL };
	struct area zeros;
	uint64_t number, value = 0;
	int fd;

	if (!want_fd(words->word[1], &fd) ||
	    !want_number("NUMBER", words->word[2], ULONG_MAX, &number) ||
	    !words_options(words, 3, &arg, 1))
		return;
	if (arg.value && strcmp(arg.value, "zero") == 0) {
		if (area_make(&zeros, (size_t)sysconf(_SC_PAGESIZE), GUARD_BYTES)) {
			memset(zeros.data, 0, zeros.len);
			any_ioctl(fd, number, zeros.data, &zeros);
			area_free(&zeros);
		}
	} else if (arg.value && strcmp(arg.value, "bad") == 0) {
		any_ioctl(fd, number, bad_pointer(), NULL);
	} else if (!arg.value || strcmp(arg.value, "null") == 0 ||
		   want_number("arg", arg.value, ULONG_MAX, &value)) {
		any_ioctl(fd, number, (void *)value, NULL);
	}
}
