// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A program that handles descriptors in the ways that few programs do, run with devcrypto preloaded.  It leaves
 * with status 0, or says the line of what was not so and leaves with 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICE "/dev/crypto"
#define MUST(condition)							\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "line %d: %s (%m)\n", __LINE__, #condition); \
			exit(1);					\
		}							\
	} while (0)
#define FAILS(call, number) MUST((call) == -1 && errno == (number))

static const uint8_t key[16] = "a key of sixteen";

/* Makes a session; encrypts a block of zeros, twice the same with the same IV. */
static uint32_t session(int fd)
{
	struct {
		uint32_t cipher, mac, keylen, pad0;
		uint64_t key;
		uint32_t mackeylen, pad1;
		uint64_t mackey;
		uint32_t ses, pad2;
	} sop = {.cipher = 11, .keylen = sizeof(key), .key = (uintptr_t)key};

	return ioctl(fd, 0xc0306366u, &sop) ? 0 : sop.ses;
}

static int encrypts(int fd, uint32_t ses)
{
	static uint8_t first[16];
	uint8_t iv[16] = {0}, block[16] = {0}, none[16] = {0};
	struct {
		uint32_t ses;
		uint16_t op, flags;
		uint32_t len, pad0;
		uint64_t src, dst, mac, iv;
	} cop = {.ses = ses, .len = 16, .src = (uintptr_t)block, .dst = (uintptr_t)block, .iv = (uintptr_t)iv};

	if (ioctl(fd, 0xc0306368u, &cop))
		return 0;
	if (!memcmp(first, none, 16))
		memcpy(first, block, 16);
	return memcmp(block, none, 16) && !memcmp(block, first, 16);
}

static int left_well(pid_t child)
{
	int status;

	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Other files open as they would without us, the mode of a new one included. */
static void other_files(const char *folder)
{
	char path[4096];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/new", folder);
	umask(0);
	for (int way = 0; way < 4; way++) {
		const int flags = O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC;

		fd = way == 0 ? open(path, flags, 0642) : way == 1 ? open64(path, flags, 0642) :
		     way == 2 ? openat(AT_FDCWD, path, flags, 0642) : openat64(AT_FDCWD, path, flags, 0642);
		MUST(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0642);
		MUST(close(fd) == 0 && unlink(path) == 0);
		FAILS(way == 0 ? open(path, O_RDONLY) : way == 1 ? open64(path, O_RDONLY) :
		      way == 2 ? openat(AT_FDCWD, path, O_RDONLY) : openat64(AT_FDCWD, path, O_RDONLY), ENOENT);
	}
	fd = open(folder, O_TMPFILE | O_RDWR, 0642);
	MUST((fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0642) || errno == EOPNOTSUPP);
	close(fd);
	FAILS(syscall(SYS_close, -1), EBADF);
	FAILS(close(-1), EBADF);
	FAILS(ioctl(-1, FIONBIO, &fd), EBADF);
}

static void ways_to_open(void)
{
	int fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CREAT, 0600);

	MUST(fd >= 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) && !(fcntl(fd, F_GETFD) & FD_CLOEXEC));
	MUST(encrypts(fd, session(fd)));
	close(fd);
	fd = openat(AT_FDCWD, DEVICE, O_RDWR | O_CLOEXEC | O_CREAT, 0600);
	MUST(fd >= 0 && !(fcntl(fd, F_GETFL) & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	close(fd);
	FAILS(open64(DEVICE, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	FAILS(openat64(AT_FDCWD, DEVICE, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
}

/* What fails in the kernel fails here the same, and the device is none the worse. */
static void failures(int fd, uint32_t ses)
{
	int next;

	FAILS(dup2(fd, -1), EBADF);
	FAILS(dup2(fd, 1 << 30), EBADF);
	FAILS(dup3(fd, fd, 0), EINVAL);
	FAILS(dup3(fd, 60, O_APPEND), EINVAL);
	FAILS(fcntl(fd, F_DUPFD, 1 << 30), EINVAL);
	FAILS(fcntl64(fd, F_DUPFD_CLOEXEC, -1), EINVAL);
	FAILS(fcntl(999, F_DUPFD, 0), EBADF);
	FAILS(dup(999), EBADF);
	FAILS(ioctl(fd, FIONBIO, (void *)8), EFAULT);
	FAILS(ioctl(fd, TIOCGWINSZ, &ses), EINVAL);
	FAILS(close_range(2, 1, 0), EINVAL);
	FAILS(close_range(400, 500, 1 << 20), EINVAL);
	next = dup(fd);
	MUST(next >= 0 && close(next) == 0);
	FAILS(ioctl(fd, 0xc0046365u, (void *)8), EFAULT); /* CRIOGET */
	MUST(dup(fd) == next && close(next) == 0); /* the number that could not be told is free */
	MUST(encrypts(fd, ses));
}

/* Numbers that come to mean the device and cease to, also behind our back. */
static void numbers(int fd, uint32_t ses)
{
	int null = open("/dev/null", O_RDWR);

	MUST(dup2(null, 70) == 70 && dup2(null, 4000) == 4000 && dup3(fd, 70, O_CLOEXEC) == 70);
	MUST(encrypts(70, ses) && (fcntl(70, F_GETFD) & FD_CLOEXEC));
	FAILS(ioctl(4000, 0x40046367u, &ses), ENOTTY);
	MUST(close_range(70, 70, CLOSE_RANGE_CLOEXEC) == 0 && encrypts(70, ses));
	MUST(syscall(SYS_close, 70) == 0 && fcntl(fd, F_DUPFD, 70) == 70 && encrypts(70, ses));
	closefrom(60);
	FAILS(fcntl(70, F_GETFD), EBADF);
	FAILS(fcntl(4000, F_GETFD), EBADF);
	MUST(encrypts(fd, ses));
	close(null);
}

/* A child's sessions are its own from fork() on; one of vfork() has its parent's memory but not its descriptors. */
static void children(int fd, uint32_t ses)
{
	pid_t child = fork();

	if (child == 0) {
		MUST(encrypts(fd, ses) && encrypts(fd, session(fd)));
		child = fork();
		if (child == 0)
			exit(!encrypts(fd, ses));
		MUST(left_well(child) && close(fd) == 0);
		FAILS(ioctl(fd, 0x40046367u, &ses), EBADF);
		exit(0);
	}
	MUST(left_well(child));
	child = vfork();
	if (child == 0) {
		int copy = dup(fd);

		_exit(!(copy >= 0 && dup2(STDERR_FILENO, fd) == fd && close(fd) == 0 && close(copy) == 0));
	}
	MUST(left_well(child) && encrypts(fd, ses));
}

int main(int argc, char **argv)
{
	uint32_t ses;
	int fd;

	MUST(argc == 2);
	closefrom(10); /* nothing is the device yet */
	MUST(dup2(STDERR_FILENO, 10) == 10 && dup3(STDERR_FILENO, 11, 0) == 11 && close(10) == 0 && close(11) == 0);
	FAILS(syscall(SYS_openat, AT_FDCWD, NULL, 0), EFAULT);
	other_files(argv[1]);
	ways_to_open();
	fd = open(DEVICE, O_RDWR);
	ses = session(fd);
	MUST(fd >= 0 && encrypts(fd, ses));
	other_files(argv[1]);
	failures(fd, ses);
	numbers(fd, ses);
	children(fd, ses);
	MUST(close(fd) == 0);
	closefrom(-1);
	return 0;
}
