// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into the programs of a chat that is under test, before anything
 * else: leads it to where it is watched, and shows it a network and a machine
 * that are allowed to be so.
 *
 * CHATSHIM_CONNECT=P	a TCP socket that connects does so to 127.0.0.1 port P
 * CHATSHIM_BIND=P	a TCP socket that is bound gets port P, 0 for any
 * CHATSHIM_CUT=B	what is read from a TCP socket ends behind each byte B
 * CHATSHIM_MOST=N	what is read from a TCP socket has at most N bytes
 * CHATSHIM_NODEVICE=1	there is no /dev/crypto..., nor what links to it
 *
 * A short read is what TCP gives at any time: who cannot do with it is wrong.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define MOST_PEEKED 65536

static long asked(const char *name)
{
	const char *value = getenv(name);

	return value ? atol(value) : -1;
}

static int is_tcp(int fd)
{
	int type = 0, domain = 0;
	socklen_t size = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
		return 0;
	return type == SOCK_STREAM && (domain == AF_INET || domain == AF_INET6);
}

int connect(int fd, const struct sockaddr *to, socklen_t size)
{
	long port = asked("CHATSHIM_CONNECT");
	struct sockaddr_in relay = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr_in6 relay6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)port),
	};

	if (port < 0 || !to || !is_tcp(fd))
		return NEXT(connect)(fd, to, size);
	if (to->sa_family == AF_INET6) {
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &relay6.sin6_addr);
		return NEXT(connect)(fd, (struct sockaddr *)&relay6, sizeof(relay6));
	}
	return NEXT(connect)(fd, (struct sockaddr *)&relay, sizeof(relay));
}

int bind(int fd, const struct sockaddr *to, socklen_t size)
{
	long port = asked("CHATSHIM_BIND");
	union {
		struct sockaddr any;
		struct sockaddr_in four;
		struct sockaddr_in6 six;
		struct sockaddr_storage room;	/* many give the size of that */
	} address;

	if (port < 0 || !to || size > sizeof(address) || !is_tcp(fd))
		return NEXT(bind)(fd, to, size);
	memcpy(&address, to, size);
	if (to->sa_family == AF_INET6)
		address.six.sin6_port = htons((uint16_t)port);
	else
		address.four.sin_port = htons((uint16_t)port);
	return NEXT(bind)(fd, &address.any, size);
}

/* How much a read of @n bytes may give. Waits as the read would. */
static size_t allowed(int fd, size_t n, int flags)
{
	long most = asked("CHATSHIM_MOST");
	long cut = asked("CHATSHIM_CUT");
	char *seen, *end;
	ssize_t got;
	size_t give;

	if ((most < 0 && cut < 0) || n == 0 || !is_tcp(fd))
		return n;
	give = most > 0 && n > (size_t)most ? (size_t)most : n;
	if (cut < 0)
		return give;
	seen = malloc(MOST_PEEKED);
	if (!seen)
		return give;
	got = NEXT(recv)(fd, seen, give < MOST_PEEKED ? give : MOST_PEEKED,
			 (flags & MSG_DONTWAIT) | MSG_PEEK);
	end = got > 0 ? memchr(seen, (int)cut, (size_t)got) : NULL;
	if (end)
		give = (size_t)(end - seen) + 1;
	free(seen);
	return give;
}

/* Who waits for all gets all, in the end: that is no short read. */
static size_t allowed_with(int fd, size_t n, int flags)
{
	return flags & (MSG_WAITALL | MSG_PEEK) ? n : allowed(fd, n, flags);
}

ssize_t read(int fd, void *buf, size_t n)
{
	return NEXT(read)(fd, buf, allowed(fd, n, 0));
}

ssize_t recv(int fd, void *buf, size_t n, int flags)
{
	return NEXT(recv)(fd, buf, allowed_with(fd, n, flags), flags);
}

ssize_t recvfrom(int fd, void *restrict buf, size_t n, int flags,
		 struct sockaddr *restrict from, socklen_t *restrict size)
{
	return NEXT(recvfrom)(fd, buf, allowed_with(fd, n, flags), flags, from, size);
}

/*
 * What they are called in a program that was compiled with _FORTIFY_SOURCE, as
 * many compilers do without being told. One that would write past the end of
 * @room bytes is stopped by the C library.
 */
ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *restrict buf, size_t n, size_t room, int flags,
		       struct sockaddr *restrict from, socklen_t *restrict size);

ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
	return NEXT(__read_chk)(fd, buf, n > room ? n : allowed(fd, n, 0), room);
}

ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags)
{
	return NEXT(__recv_chk)(fd, buf, n > room ? n : allowed_with(fd, n, flags),
				room, flags);
}

ssize_t __recvfrom_chk(int fd, void *restrict buf, size_t n, size_t room, int flags,
		       struct sockaddr *restrict from, socklen_t *restrict size)
{
	return NEXT(__recvfrom_chk)(fd, buf, n > room ? n : allowed_with(fd, n, flags),
				    room, flags, from, size);
}

static int is_missing(const char *path)
{
	if (!path || asked("CHATSHIM_NODEVICE") <= 0 ||
	    strncmp(path, "/dev/crypto", strlen("/dev/crypto")) != 0)
		return 0;
	errno = ENOENT;
	return 1;
}

#define OPEN(name)                                              \
	int name(const char *path, int flags, ...)              \
	{                                                       \
		va_list args;                                   \
		unsigned int mode;                              \
								\
		va_start(args, flags);                          \
		mode = va_arg(args, unsigned int);              \
		va_end(args);                                   \
		if (is_missing(path))                           \
			return -1;                              \
		return NEXT(name)(path, flags, mode);           \
	}

#define OPENAT(name)                                            \
	int name(int dir, const char *path, int flags, ...)     \
	{                                                       \
		va_list args;                                   \
		unsigned int mode;                              \
								\
		va_start(args, flags);                          \
		mode = va_arg(args, unsigned int);              \
		va_end(args);                                   \
		if (is_missing(path))                           \
			return -1;                              \
		return NEXT(name)(dir, path, flags, mode);      \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

/* The same as above; programs that give no mode call these. */
#define OPEN_2(name)                                            \
	int name(const char *path, int flags);                  \
								\
	int name(const char *path, int flags)                   \
	{                                                       \
		return is_missing(path) ? -1 : NEXT(name)(path, flags); \
	}

#define OPENAT_2(name)                                          \
	int name(int dir, const char *path, int flags);         \
								\
	int name(int dir, const char *path, int flags)          \
	{                                                       \
		return is_missing(path) ? -1 : NEXT(name)(dir, path, flags); \
	}

OPEN_2(__open_2)
OPEN_2(__open64_2)
OPENAT_2(__openat_2)
OPENAT_2(__openat64_2)
