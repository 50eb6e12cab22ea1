/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reference wire between driver and device: one descriptor chain a
 * request, one descriptor a field (bulk data may take several). Left of the
 * bar the device reads, right of it the device writes:
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

static_assert(sizeof(struct wire_session_op) == 48);
static_assert(sizeof(struct wire_crypt_op) == 48);
/* Programs and wire agree; so the raw ioctl numbers do, too. */
static_assert(sizeof(struct session_op) == 48);
static_assert(sizeof(struct crypt_op) == 48);

#endif /* VIRTIO_CRYPTODEV_WIRE_H */
