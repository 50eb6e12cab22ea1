/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user-space interface of /dev/crypto, as far as the chat and the tools
 * use it: command numbers, structures and constants.
 */
#ifndef CRYPTODEV_H
#define CRYPTODEV_H

#include <stdint.h>
#include <sys/ioctl.h>

#define CRYPTO_AES_CBC	11

#define COP_ENCRYPT	0
#define COP_DECRYPT	1

/* Argument of CIOCGSESSION. The call fills in @ses and changes nothing else. */
struct session_op {
	uint32_t cipher;	/* 0 for none */
	uint32_t mac;		/* 0 for none */
	uint32_t keylen;
	const uint8_t *key;
	uint32_t mackeylen;
	const uint8_t *mackey;
	uint32_t ses;
};

/* Argument of CIOCCRYPT. */
struct crypt_op {
	uint32_t ses;
	uint16_t op;
	uint16_t flags;
	uint32_t len;		/* bytes of @src and of @dst */
	const uint8_t *src;
	uint8_t *dst;
	uint8_t *mac;
	uint8_t *iv;
};

#define CIOCGSESSION	_IOWR('c', 102, struct session_op)
#define CIOCFSESSION	_IOW('c', 103, uint32_t)
#define CIOCCRYPT	_IOWR('c', 104, struct crypt_op)

#endif /* CRYPTODEV_H */
