/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs here share: the device, bytes from hexadecimal, and the verdict. */
#ifndef KNOWN_H
#define KNOWN_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <crypto/cryptodev.h>

/* Say what failed, with its errno if it was a call, and end with status 1. */
#define want(what)							\
	do {								\
		errno = 0;						\
		if (!(what)) {						\
			fprintf(stderr, "%s:%d: not so: %s\n",		\
				__FILE__, __LINE__, #what);		\
			if (errno)					\
				perror("errno");			\
			exit(1);					\
		}							\
	} while (0)

static inline size_t unhex(const char *text, uint8_t *bytes)
{
	size_t n = 0;
	unsigned int byte;

	for (; sscanf(text, "%2x", &byte) == 1; text += 2)
		bytes[n++] = (uint8_t)byte;
	return n;
}

static inline int equal(const uint8_t *bytes, size_t len, const char *text)
{
	uint8_t expected[256];

	return unhex(text, expected) == len && memcmp(bytes, expected, len) == 0;
}

/* Open the device as old programs do it: a clone for the work, which no other program inherits. */
static inline int device(void)
{
	int fd, clone = -1;

	want((fd = open("/dev/crypto", O_RDWR, 0)) >= 0);
	want(ioctl(fd, CRIOGET, &clone) == 0);
	want(clone >= 0 && clone != fd);
	want(fcntl(clone, F_SETFD, FD_CLOEXEC) == 0);
	want(close(fd) == 0);
	return clone;
}

static inline uint32_t session(int fd, uint32_t cipher, const char *key, uint32_t mac, const char *mackey)
{
	uint8_t keys[2][128];
	struct session_op op = {
		.cipher = cipher,
		.mac = mac,
		.key = keys[0],
		.mackey = keys[1],
	};

	op.keylen = unhex(key, keys[0]);
	op.mackeylen = unhex(mackey, keys[1]);
	want(ioctl(fd, CIOCGSESSION, &op) == 0);
	want(op.ses != 0);
	return op.ses;
}

static inline void end(int fd, uint32_t ses)
{
	struct session_info_op info = { .ses = ses };

	want(ioctl(fd, CIOCFSESSION, &ses) == 0);
	want(ioctl(fd, CIOCGSESSINFO, &info) == -1 && errno == EINVAL);
}

/* NIST SP 800-38A, appendix F: the key of 128 bits, the four blocks, and what becomes of them. */
#define KEY_128		"2b7e151628aed2a6abf7158809cf4f3c"
#define CBC_IV		"000102030405060708090a0b0c0d0e0f"
#define CTR_IV		"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
#define BLOCKS		"6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" \
			"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
#define CBC_128		"7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2" \
			"73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"
#define CTR_128		"874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff" \
			"5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"
#define ECB_128		"3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf" \
			"43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4"

#endif /* KNOWN_H */
