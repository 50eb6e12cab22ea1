// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * By /dev/crypto.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "cryptobench.h"
#include <crypto/cryptodev.h>

struct node {
	int fd;
	struct crypt_op op;
	uint8_t iv[IV_BYTES];
};

static int node_open(const struct job *job, void **state)
{
	struct session_op session = {
		.cipher = CRYPTO_AES_CBC,
		.keylen = KEY_BYTES,
		.key = (uint8_t *)bench_key,
	};
	struct node *node = calloc(1, sizeof(*node));
	int i, err;

	if (!node)
		return -ENOMEM;
	node->fd = open(job->path ? job->path : "/dev/crypto", O_RDWR | O_CLOEXEC);
	if (node->fd < 0 || ioctl(node->fd, CIOCGSESSION, &session)) {
		err = -errno;
		free(node);
		return err;
	}
	for (i = 0; i < IV_BYTES; i++)
		node->iv[i] = bench_iv[i];
	node->op = (struct crypt_op){
		.ses = session.ses,
		.op = COP_ENCRYPT,
		.len = job->size,
		.src = job->src,
		.dst = job->dst,
		.iv = node->iv,
	};
	*state = node;
	return 0;
}

static int node_encrypt(void *state)
{
	struct node *node = state;

	return ioctl(node->fd, CIOCCRYPT, &node->op) ? -errno : 0;
}

const struct way cryptodev_way = {"cryptodev", node_open, node_encrypt};
