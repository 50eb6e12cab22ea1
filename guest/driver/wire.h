/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes between driver and device. On the reference wire a request is one
 * descriptor chain, with one descriptor a field (bulk data may take several).
 * Left of the bar the device reads, right of it the device writes:
 *
 *	open		T | F
 *	close		T F |
 *	CIOCGSESSION	T F C K | S R
 *	CIOCFSESSION	T F C I | R
 *	CIOCCRYPT	T F C O s v | d R
 *
 * S is filled in by the driver although the device may write it; O's pointers
 * mean nothing on the other side and are sent as zero.
 */
#ifndef VIRTIO_CRYPTODEV_WIRE_H
#define VIRTIO_CRYPTODEV_WIRE_H

#include <linux/build_bug.h>
#include <linux/types.h>

#include "cryptodev-uapi.h"

#define WIRE_OPEN	0
#define WIRE_CLOSE	1
#define WIRE_IOCTL	2

/* T F C O v R: what a CIOCCRYPT needs besides its source and destination. */
#define WIRE_CRYPT_FIXED	6
/* The most fields in a chain. */
#define WIRE_FIELDS		(WIRE_CRYPT_FIXED + 2)

#define WIRE_IV_LEN		16

struct wire_session_op {
	__le32 cipher;
	__le32 mac;
	__le32 keylen;
	__le32 pad0;
	__le64 key;
	__le32 mackeylen;
	__le32 pad1;
	__le64 mackey;
	__le32 ses;
	__le32 pad2;
};

struct wire_crypt_op {
	__le32 ses;
	__le16 op;
	__le16 flags;
	__le32 len;
	__le32 pad;
	__le64 src;
	__le64 dst;
	__le64 mac;
	__le64 iv;
};

/* Feature bits. Bit 0 means nothing, drivers exist that claim it. */
#define VIRTIO_CRYPTODEV_F_CALLS	1
#define VIRTIO_CRYPTODEV_F_MQ		2

struct wire_config {
	__le32 num_queues;
	__le32 max_len;
};

/*
 * Requests of F_CALLS: fields of one kind follow each other without gaps, and
 * how they are cut into descriptors means nothing.
 */
#define WIRE_CALL	16
#define WIRE_SESSION	17
#define WIRE_FREE	18
#define WIRE_COPY	19

#define WIRE_MAC_LEN	64
#define WIRE_EXTRA_MAX	4096	/* bytes of aad and tail */

/* 16: read, followed by aad, source, tail, tag. */
struct wire_call {
	__le32 type;
	__le32 handle;
	__le32 ses;
	__le16 op;
	__le16 flags;
	__le32 len;
	__le32 dst_len;
	__le32 aad_len;
	__le32 tail_len;
	__le16 call;
	__le16 iv_len;
	__le16 tag_len;
	__le16 tag_given;
	u8 iv[WIRE_IV_LEN];
	__le32 hints;
	__le32 reserved;
};

/* In hints: this processor has nothing else to do until the answer is there. */
#define WIRE_HINT_HOLD	1

#define WIRE_CALL_CRYPT	0
#define WIRE_CALL_AUTH	1

/* 16: written behind the destination, wherever that ends. */
struct wire_answer {
	u8 iv[WIRE_IV_LEN];
	u8 mac[WIRE_MAC_LEN];
	__le32 mac_len;
	__le32 out_len;
	__le32 zero;
	__le32 result;
} __packed;

/* 17: read behind type and handle, followed by key and mackey. */
struct wire_session {
	__le32 cipher;
	__le32 mac;
	__le32 keylen;
	__le32 mackeylen;
};

/* 17: written. */
struct wire_sizes {
	__le32 ses;
	__le32 block;
	__le32 iv_len;
	__le32 digest_len;
	__le32 tag_len;
	__le32 zero[2];
	__le32 result;
};

static_assert(sizeof(struct wire_call) == 64);
static_assert(sizeof(struct wire_answer) == 96);
static_assert(sizeof(struct wire_sizes) == 32);
static_assert(sizeof(struct wire_session_op) == 48);
static_assert(sizeof(struct wire_crypt_op) == 48);
/* Programs and wire agree; so the raw ioctl numbers do, too. */
static_assert(sizeof(struct session_op) == 48);
static_assert(sizeof(struct crypt_op) == 48);

#endif /* VIRTIO_CRYPTODEV_WIRE_H */
