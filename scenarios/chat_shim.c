// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into the chat's programs, before devcrypto.
 *
 * SHIM_BYTES=N	each second call of a kind is interrupted by a signal, the others
 *		move at most N bytes
 * SHIM_FAIL=N	from the Nth on each CIOCCRYPT fails with ENODEV
 * SHIM_IDLE=N	from the Nth on each CIOCCRYPT succeeds and does nothing
 * SHIM_LOG=F	the number of each crypto call is appended to file F, one a line
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define CRYPT_NUMBER 104

static long asked(const char *name)
{
	const char *value = getenv(name);

	return value ? atol(value) : -1;
}

static int interrupted(int *turn)
{
	if (asked("SHIM_BYTES") < 0)
		return 0;
	*turn = !*turn;
	errno = EINTR;
	return *turn;
}

static size_t most(size_t n)
{
	long limit = asked("SHIM_BYTES");

	return limit >= 0 && n > (size_t)limit ? (size_t)limit : n;
}

ssize_t read(int fd, void *buf, size_t n)
{
	static int turn;

	return interrupted(&turn) ? -1 : NEXT(read)(fd, buf, most(n));
}

ssize_t write(int fd, const void *buf, size_t n)
{
	static int turn;

	return interrupted(&turn) ? -1 : NEXT(write)(fd, buf, most(n));
}

ssize_t recv(int fd, void *buf, size_t n, int flags)
{
	static int turn;

	return interrupted(&turn) ? -1 : NEXT(recv)(fd, buf, most(n), flags);
}

ssize_t send(int fd, const void *buf, size_t n, int flags)
{
	static int turn;

	return interrupted(&turn) ? -1 : NEXT(send)(fd, buf, most(n), flags);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	static int turn;

	return interrupted(&turn) ? -1 : NEXT(poll)(fds, n, timeout);
}

static void note(unsigned long number)
{
	const char *name = getenv("SHIM_LOG");
	FILE *log = name ? fopen(name, "a") : NULL;

	if (log) {
		fprintf(log, "%lu\n", number);
		fclose(log);
	}
}

/* Whether a fault that is to come from some call on has come. */
static int begun(const char *fault, long calls)
{
	return asked(fault) > 0 && calls >= asked(fault);
}

int ioctl(int fd, unsigned long command, ...)
{
	unsigned long letter = command >> 8 & 0xff;
	unsigned long number = command & 0xff;
	static long crypts;
	va_list args;
	void *argument;

	va_start(args, command);
	argument = va_arg(args, void *);
	va_end(args);
	if (letter == 'c')
		note(number);
	if (letter == 'c' && number == CRYPT_NUMBER) {
		crypts++;
		if (begun("SHIM_IDLE", crypts))
			return 0;
		if (begun("SHIM_FAIL", crypts)) {
			errno = ENODEV;
			return -1;
		}
	}
	return NEXT(ioctl)(fd, command, argument);
}
