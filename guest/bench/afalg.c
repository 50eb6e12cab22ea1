// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * By AF_ALG: the kernel's own ciphers, by the name that one of them registered.
 */
#include <errno.h>
#include <linux/if_alg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cryptobench.h"

#ifndef SOL_ALG
#define SOL_ALG	279
#endif

#define CONTROL_BYTES	(CMSG_SPACE(sizeof(uint32_t)) + \
			 CMSG_SPACE(sizeof(struct af_alg_iv) + IV_BYTES))

struct channel {
	int fd;
	const struct job *job;
	size_t most;		/* bytes of one request */
	struct iovec piece;
	struct msghdr message;
	union {
		struct cmsghdr first;
		uint8_t bytes[CONTROL_BYTES];
	} control;
};

/* What is said before each operation: encrypt, and with which IV. */
static void fill_message(struct channel *channel)
{
	struct msghdr *message = &channel->message;
	struct af_alg_iv *iv;
	struct cmsghdr *part;
	uint32_t op = ALG_OP_ENCRYPT;

	message->msg_iov = &channel->piece;
	message->msg_iovlen = 1;
	message->msg_control = &channel->control;
	message->msg_controllen = CONTROL_BYTES;

	part = CMSG_FIRSTHDR(message);
	part->cmsg_level = SOL_ALG;
	part->cmsg_type = ALG_SET_OP;
	part->cmsg_len = CMSG_LEN(sizeof(op));
	memcpy(CMSG_DATA(part), &op, sizeof(op));

	part = CMSG_NXTHDR(message, part);
	part->cmsg_level = SOL_ALG;
	part->cmsg_type = ALG_SET_IV;
	part->cmsg_len = CMSG_LEN(sizeof(*iv) + IV_BYTES);
	iv = (struct af_alg_iv *)CMSG_DATA(part);
	iv->ivlen = IV_BYTES;
	memcpy(iv->iv, bench_iv, IV_BYTES);
}

/* Room for one whole request: by default a socket takes some 200 KiB. */
static int make_room(int fd, size_t size)
{
	int bytes = size + 65536;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		return -errno;
	return 0;
}

static int bind_to(const char *name)
{
	struct sockaddr_alg address = {.salg_family = AF_ALG, .salg_type = "skcipher"};
	int fd, op, err;

	if (strlen(name) >= sizeof(address.salg_name))
		return -ENAMETOOLONG;
	strcpy((char *)address.salg_name, name);
	fd = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	op = -1;
	if (!bind(fd, (struct sockaddr *)&address, sizeof(address)) &&
	    !setsockopt(fd, SOL_ALG, ALG_SET_KEY, bench_key, KEY_BYTES))
		op = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	err = op < 0 ? -errno : op;
	close(fd);
	return err;
}

static int channel_open(const struct job *job, void **state)
{
	struct channel *channel = calloc(1, sizeof(*channel));
	int err;

	if (!channel)
		return -ENOMEM;
	channel->job = job;
	channel->most = job->piece && job->piece < job->size ? job->piece : job->size;
	channel->fd = bind_to(job->path ? job->path : "cbc(aes)");
	err = channel->fd < 0 ? channel->fd : make_room(channel->fd, channel->most);
	if (err) {
		free(channel);
		return err;
	}
	fill_message(channel);
	*state = channel;
	return 0;
}

/* One request is over when all of its bytes are here; the kernel may give them in parts. */
static int request(struct channel *channel, uint8_t *src, uint8_t *dst, size_t size)
{
	size_t got = 0;
	ssize_t bytes;

	channel->piece = (struct iovec){src, size};
	/* Not waiting: nobody else reads, so there would never be more room. */
	bytes = sendmsg(channel->fd, &channel->message, MSG_DONTWAIT);
	if (bytes < 0)
		return -errno;
	if ((size_t)bytes != size)
		return -EMSGSIZE;
	while (got < size) {
		bytes = read(channel->fd, dst + got, size - got);
		if (bytes <= 0)
			return bytes ? -errno : -EPIPE;
		got += bytes;
	}
	return 0;
}

static int channel_encrypt(void *state)
{
	struct channel *channel = state;
	const struct job *job = channel->job;
	size_t done, size;
	int err = 0;

	for (done = 0; done < job->size && !err; done += size) {
		size = job->size - done < channel->most ? job->size - done : channel->most;
		/* The first one has the IV; the socket goes on from it for those behind. */
		channel->message.msg_controllen =
			done ? CMSG_SPACE(sizeof(uint32_t)) : CONTROL_BYTES;
		err = request(channel, job->src + done, job->dst + done, size);
	}
	return err;
}

const struct way afalg_way = {"afalg", channel_open, channel_encrypt};
