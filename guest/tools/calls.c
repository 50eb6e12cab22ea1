// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ioctls of /dev/crypto, made as a program of 64 bits makes them, or as one
 * of 32 bits: `int $0x80' with structures in that layout, all below 4 GiB.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>

#include <crypto/cryptodev.h>
#include "cryptoctl.h"

/* An argument is at the begin of so many bytes; those behind it are watched. */
#define ARGUMENT_ROOM 512

/* Numbers of system calls of 32-bit programs. */
#define GETPID32 20
#define IOCTL32 54

struct session_op32 {
	uint32_t cipher, mac, keylen, key, mackeylen, mackey, ses;
};

struct crypt_op32 {
	uint32_t ses;
	uint16_t op, flags;
	uint32_t len, src, dst, mac, iv;
};

bool calls_32bit;

static sigjmp_buf no_calls;

static long call32(uint32_t number, uint32_t a, uint32_t b, uint32_t c)
{
	uint64_t ret = number;

	asm volatile("int $0x80"
		     : "+a"(ret)
		     : "b"((uint64_t)a), "c"((uint64_t)b), "d"((uint64_t)c)
		     : "memory", "cc", "r8", "r9", "r10", "r11");
	return (int32_t)ret;
}

static void no_call32(int number)
{
	(void)number;
	siglongjmp(no_calls, 1);
}

/* Whether this kernel takes the calls of 32-bit programs at all. */
static bool calls_32bit_work(void)
{
	struct sigaction trap = { .sa_handler = no_call32 }, before;
	bool works = false;

	sigaction(SIGSEGV, &trap, &before);
	if (sigsetjmp(no_calls, 1) == 0)
		works = call32(GETPID32, 0, 0, 0) > 0;
	sigaction(SIGSEGV, &before, NULL);
	return works;
}

/* From here on calls are those of a 32-bit program, or no more. Answers if that cannot be. */
bool calls_choose(bool wanted)
{
	static bool known, work;

	if (wanted && !known) {
		work = calls_32bit_work();
		known = true;
	}
	if (wanted && !work) {
		answer_bad("this kernel has no calls for 32-bit programs");
		return false;
	}
	calls_32bit = wanted;
	return true;
}

static uint32_t low(const void *p)
{
	return (uint32_t)(uintptr_t)p;
}

static void *high(uint32_t p)
{
	return (void *)(uintptr_t)p;
}

/* Any ioctl, its argument as it is; a 32-bit one has to lie below 4 GiB. */
int call_raw(int fd, unsigned long number, void *arg)
{
	long ret;

	if (!calls_32bit)
		return ioctl(fd, number, arg);
	ret = call32(IOCTL32, (uint32_t)fd, (uint32_t)number, low(arg));
	if (ret < 0 && ret >= -4095) {
		errno = (int)-ret;
		return -1;
	}
	return (int)ret;
}

/*
 * An ioctl with @size bytes of argument, which are put where somebody who
 * writes beside them is seen.
 */
struct outcome call_plain(int fd, unsigned long number, void *arg, size_t size)
{
	static struct area areas[2];
	struct area *area = &areas[calls_32bit];
	struct outcome outcome = { -1, ENOMEM, true };

	if (!area->map && !area_make(area, ARGUMENT_ROOM, GUARD_BYTES)) {
		outcome.ret = CALL_ANSWERED;
		return outcome;
	}
	memcpy(area->data, arg, size);
	memset(area->data + size, FILL, area->len - size);
	outcome.ret = call_raw(fd, number, area->data);
	outcome.err = errno;
	outcome.sound = area_sound(area) &&
			all_fill(area->data + size, area->len - size);
	memcpy(arg, area->data, size);
	return outcome;
}

struct outcome call_session(int fd, struct session_op *op)
{
	struct session_op32 op32;
	struct outcome outcome;

	if (!calls_32bit)
		return call_plain(fd, CIOCGSESSION, op, sizeof(*op));
	op32 = (struct session_op32){
		op->cipher, op->mac, op->keylen, low(op->key), op->mackeylen,
		low(op->mackey), op->ses,
	};
	outcome = call_plain(fd, _IOWR('c', 102, struct session_op32), &op32,
			     sizeof(op32));
	op->cipher = op32.cipher;
	op->mac = op32.mac;
	op->keylen = op32.keylen;
	op->key = high(op32.key);
	op->mackeylen = op32.mackeylen;
	op->mackey = high(op32.mackey);
	op->ses = op32.ses;
	return outcome;
}

/* CIOCCRYPT, CIOCASYNCCRYPT or CIOCASYNCFETCH */
struct outcome call_crypt(int fd, unsigned long number, struct crypt_op *op)
{
	struct crypt_op32 op32;
	struct outcome outcome;

	if (!calls_32bit)
		return call_plain(fd, number, op, sizeof(*op));
	op32 = (struct crypt_op32){
		op->ses, op->op, op->flags, op->len,
		low(op->src), low(op->dst), low(op->mac), low(op->iv),
	};
	number = _IOC(_IOC_DIR(number), 'c', _IOC_NR(number), sizeof(op32));
	outcome = call_plain(fd, number, &op32, sizeof(op32));
	op->ses = op32.ses;
	op->op = op32.op;
	op->flags = op32.flags;
	op->len = op32.len;
	op->src = high(op32.src);
	op->dst = high(op32.dst);
	op->mac = high(op32.mac);
	op->iv = high(op32.iv);
	return outcome;
}

/* Answer for a call that failed, or wrote where it must not. Returns whether neither happened. */
bool call_well(const struct outcome *outcome)
{
	if (outcome->ret == CALL_ANSWERED)
		return false;
	if (!outcome->sound)
		answer_bad("overrun");
	else if (outcome->ret < 0)
		answer_errno(outcome->err);
	else
		return true;
	return false;
}
