// SPDX-License-Identifier: GPL-2.0-or-later
/* The commands that are one system call each. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <crypto/cryptodev.h>
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
	struct outcome outcome;
	uint64_t number;
	uint32_t ses;
	int fd;

	if (!want_fd(words->word[1], &fd) ||
	    !want_number("SES", words->word[2], UINT32_MAX, &number))
		return;
	ses = (uint32_t)number;
	outcome = call_plain(fd, CIOCFSESSION, &ses, sizeof(ses));
	if (!call_well(&outcome))
		return;
	if (ses != (uint32_t)number)
		answer_bad("the session's id changed");
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

static void make_session(int fd, struct session_op *op,
			 const struct pointer *key, const struct pointer *mackey)
{
	struct session_op before;
	struct outcome outcome;
	const char *changed = "";

	op->key = key->address;
	op->mackey = mackey->address;
	op->ses = SES_FILL;
	memcpy(&before, op, sizeof(before));
	outcome = call_session(fd, op);
	if (outcome.ret >= 0)
		before.ses = op->ses;
	if (memcmp(&before, op, sizeof(before)) || !pointer_same(key) ||
	    !pointer_same(mackey) || !pointer_sound(key) || !pointer_sound(mackey))
		changed = " key=changed";
	if (*changed && outcome.ret < 0)
		answer_bad("%s and session_op changed", errno_name(outcome.err));
	else if (call_well(&outcome))
		answer_ok("ses=%u%s", op->ses, changed);
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
	int ret = call_raw(fd, number, arg);
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

void cmd_cphash(const struct words *words)
{
	struct outcome outcome;
	struct cphash_op op, before;
	uint64_t dst, src;
	int fd;

	if (!want_fd(words->word[1], &fd) ||
	    !want_number("DST", words->word[2], UINT32_MAX, &dst) ||
	    !want_number("SRC", words->word[3], UINT32_MAX, &src))
		return;
	op.dst_ses = (uint32_t)dst;
	op.src_ses = (uint32_t)src;
	before = op;
	outcome = call_plain(fd, CIOCCPHASH, &op, sizeof(op));
	if (memcmp(&before, &op, sizeof(op)))
		answer_bad("cphash_op changed");
	else if (call_well(&outcome))
		answer_done();
}

/* A name that is a word, or the call has not ended it, or put a blank in it. */
static bool sane_name(const char name[CRYPTODEV_MAX_ALG_NAME])
{
	size_t len = strnlen(name, CRYPTODEV_MAX_ALG_NAME);

	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return len < CRYPTODEV_MAX_ALG_NAME;
}

void cmd_info(const struct words *words)
{
	struct session_info_op info;
	struct outcome outcome;
	uint64_t ses;
	int fd;

	if (!want_fd(words->word[1], &fd) ||
	    !want_number("SES", words->word[2], UINT32_MAX, &ses))
		return;
	memset(&info, 0, sizeof(info));
	info.ses = (uint32_t)ses;
	outcome = call_plain(fd, CIOCGSESSINFO, &info, sizeof(info));
	if (!call_well(&outcome))
		return;
	if (info.ses != (uint32_t)ses || !sane_name(info.cipher_info.cra_name) ||
	    !sane_name(info.cipher_info.cra_driver_name) ||
	    !sane_name(info.hash_info.cra_name) ||
	    !sane_name(info.hash_info.cra_driver_name))
		answer_bad("session_info_op is not what it should be");
	else
		answer_ok("cipher=%s cipher_driver=%s mac=%s mac_driver=%s alignmask=%u flags=%u",
			  info.cipher_info.cra_name,
			  info.cipher_info.cra_driver_name,
			  info.hash_info.cra_name, info.hash_info.cra_driver_name,
			  info.alignmask, info.flags);
}

/* An ioctl that only gives a number. */
static void give_number(const struct words *words, unsigned long number,
			const char *name)
{
	struct outcome outcome;
	uint32_t value = SES_FILL;
	int fd;

	if (!want_fd(words->word[1], &fd))
		return;
	outcome = call_plain(fd, number, &value, sizeof(value));
	if (call_well(&outcome))
		answer_ok("%s=%u", name, value);
}

void cmd_clone(const struct words *words)
{
	give_number(words, CRIOGET, "fd");
}

void cmd_asym(const struct words *words)
{
	give_number(words, CIOCASYMFEAT, "features");
}
