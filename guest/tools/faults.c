// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Allocations that fail in the middle of a call, and which code a call reached.
 * Both take a kernel that was built for it: FAULT_INJECTION and KCOV.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cryptoctl.h"

#define FAIL_NTH "/proc/self/fail-nth"

/* Documentation/dev-tools/kcov.rst */
#define KCOV "/sys/kernel/debug/kcov"
#define KCOV_INIT_TRACE _IOR('c', 1, unsigned long)
#define KCOV_ENABLE _IO('c', 100)
#define KCOV_DISABLE _IO('c', 101)
#define KCOV_TRACE_PC 0
#define KCOV_WORDS (64u << 10)

static unsigned int nth;	/* of the next call; 0: nothing is to fail */
static bool has_failed;		/* in the last call that was told to */
static int fail_fd = -1;
static int kcov_fd = -1;
static uint64_t *kcov;

/* The kernel takes a while to believe 0: reading what is written can be what it lets fail. */
static void fail_write(unsigned int number)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", number);

	while (pwrite(fail_fd, text, (size_t)len, 0) < 0)
		;
}

/* Before a call on the device. */
void faults_begin(void)
{
	if (kcov) {
		__atomic_store_n(&kcov[0], 0, __ATOMIC_RELAXED);
		ioctl(kcov_fd, KCOV_ENABLE, KCOV_TRACE_PC);
	}
	if (nth)
		fail_write(nth);
}

/* After it; errno stays. */
void faults_end(void)
{
	int err = errno;
	char text[16] = "";

	if (nth) {
		/* An answer that could not be written is what was still to fail. */
		has_failed = pread(fail_fd, text, sizeof(text) - 1, 0) > 0 &&
			     strtoul(text, NULL, 10) == 0;
		fail_write(0);
		nth = 0;
	}
	if (kcov)
		ioctl(kcov_fd, KCOV_DISABLE, 0);
	errno = err;
}

void cmd_fail_nth(const struct words *words)
{
	uint64_t number;

	if (!want_number("N", words->word[1], INT32_MAX, &number))
		return;
	if (fail_fd < 0)
		fail_fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	if (fail_fd < 0) {
		answer_bad("this kernel lets no allocation fail: no " FAIL_NTH);
		return;
	}
	nth = (unsigned int)number;
	has_failed = false;
	answer_done();
}

void cmd_failed(const struct words *words)
{
	(void)words;
	answer_ok("failed=%d", has_failed);
}

static bool kcov_open(void)
{
	void *map;

	if (kcov)
		return true;
	kcov_fd = open(KCOV, O_RDWR | O_CLOEXEC);
	if (kcov_fd < 0 || ioctl(kcov_fd, KCOV_INIT_TRACE, (unsigned long)KCOV_WORDS))
		return false;
	map = mmap(NULL, KCOV_WORDS * sizeof(*kcov), PROT_READ | PROT_WRITE, MAP_SHARED,
		   kcov_fd, 0);
	if (map == MAP_FAILED)
		return false;
	kcov = map;
	return true;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The places that the last call reached, each once; the first time nothing: from then on they are kept. */
void cmd_reached(const struct words *words)
{
	uint64_t count, last = 0;

	(void)words;
	if (!kcov_open()) {
		answer_bad("this kernel does not tell what was reached: no " KCOV);
		return;
	}
	count = __atomic_load_n(&kcov[0], __ATOMIC_RELAXED);
	qsort(kcov + 1, count, sizeof(*kcov), by_number);
	fputs("ok at=", stdout);
	for (uint64_t i = 1; i <= count; i++) {
		if (kcov[i] != last)
			printf("%s%llx", last ? "," : "", (unsigned long long)kcov[i]);
		last = kcov[i];
	}
	kcov[0] = 0;
	answer_end();
}

void cmd_insmod(const struct words *words)
{
	const char *parameters = words->count > 2 ? words->word[2] : "";
	int fd = open(words->word[1], O_RDONLY | O_CLOEXEC);
	long ret;

	if (fd < 0) {
		answer_errno(errno);
		return;
	}
	faults_begin();
	ret = syscall(SYS_finit_module, fd, parameters, 0);
	faults_end();
	if (ret < 0)
		answer_errno(errno);
	else
		answer_done();
	close(fd);
}

void cmd_rmmod(const struct words *words)
{
	long ret;

	faults_begin();
	ret = syscall(SYS_delete_module, words->word[1], O_NONBLOCK);
	faults_end();
	if (ret < 0)
		answer_errno(errno);
	else
		answer_done();
}

/* One write() of a word into a file, as of a device's name into its driver's `bind'. */
void cmd_write(const struct words *words)
{
	int fd = open(words->word[1], O_WRONLY | O_CLOEXEC);
	ssize_t written;

	if (fd < 0) {
		answer_errno(errno);
		return;
	}
	faults_begin();
	written = write(fd, words->word[2], strlen(words->word[2]));
	faults_end();
	if (written < 0)
		answer_errno(errno);
	else
		answer_done();
	close(fd);
}
