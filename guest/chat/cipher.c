// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages encrypted and decrypted by the crypto device. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <crypto/cryptodev.h>
#include "chat.h"

#define KEY_BYTES	16
#define IV_BYTES	16

/*
 * Both ends know them: they are part of the protocol, as is that the IV is the
 * same for every message. No terminating zero: these are exactly 16 bytes.
 */
static const uint8_t key[KEY_BYTES] __attribute__((nonstring)) = "hellhellhellhell";
static const uint8_t iv[IV_BYTES] __attribute__((nonstring)) = "llehllehllehlleh";

void cipher_open_plain(struct cipher *cipher)
{
	memset(cipher, 0, sizeof(*cipher));
	cipher->fd = -1;
}

bool cipher_open(struct cipher *cipher, const char *device)
{
	struct session_op session = {
		.cipher = CRYPTO_AES_CBC,
		.keylen = KEY_BYTES,
		.key = (uint8_t *)key,
	};

	cipher->device = device;
	cipher->fd = open(device, O_RDWR | O_CLOEXEC);
	if (cipher->fd < 0)
		return complain(strerror(errno), "opening %s", device);
	if (ioctl(cipher->fd, CIOCGSESSION, &session) < 0) {
		complain(strerror(errno), "making a session of AES-128-CBC on %s", device);
		close(cipher->fd);
		cipher->fd = -1;
		return false;
	}
	cipher->ses = session.ses;
	return true;
}

static bool run(struct cipher *cipher, uint16_t op, const uint8_t *from, uint8_t *to)
{
	uint8_t own_iv[IV_BYTES];	/* the call may write to it */
	struct crypt_op crypt = {
		.ses = cipher->ses,
		.op = op,
		.len = MESSAGE_BYTES,
		.src = (uint8_t *)from,
		.dst = to,
		.iv = own_iv,
	};

	if (cipher->fd < 0) {
		memcpy(to, from, MESSAGE_BYTES);
		return true;
	}
	memcpy(own_iv, iv, sizeof(own_iv));
	return ioctl(cipher->fd, CIOCCRYPT, &crypt) >= 0;
}

bool cipher_encrypt(struct cipher *cipher, const uint8_t from[MESSAGE_BYTES],
		    uint8_t to[MESSAGE_BYTES])
{
	return run(cipher, COP_ENCRYPT, from, to) ||
	       complain(strerror(errno), "encrypting with %s", cipher->device);
}

bool cipher_decrypt(struct cipher *cipher, const uint8_t from[MESSAGE_BYTES],
		    uint8_t to[MESSAGE_BYTES])
{
	return run(cipher, COP_DECRYPT, from, to) ||
	       complain(strerror(errno), "decrypting with %s", cipher->device);
}

/*
 * Returns the exit status: @status, or an error if that was fine and the
 * session could not be freed. After an earlier error this one tells nothing.
 */
int cipher_close(struct cipher *cipher, int status)
{
	if (cipher->fd < 0)
		return status;
	if (ioctl(cipher->fd, CIOCFSESSION, &cipher->ses) < 0 && status == EXIT_FINE) {
		complain(strerror(errno), "freeing the session on %s", cipher->device);
		status = EXIT_ERROR;
	}
	close(cipher->fd);
	cipher->fd = -1;
	return status;
}
