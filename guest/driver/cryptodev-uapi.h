/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user-space interface of /dev/crypto, as far as this driver serves it:
 * numbers and layouts that programs were compiled against (x86-64).
 */
#ifndef CRYPTODEV_UAPI_H
#define CRYPTODEV_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#ifndef __KERNEL__
#ifndef __user
#define __user
#endif
#endif

#define CRYPTO_AES_CBC		11

#define COP_ENCRYPT		0
#define COP_DECRYPT		1

#define COP_FLAG_WRITE_IV	0x4

/* Longest cipher key that is looked at, before the algorithm has its say. */
#define CRYPTO_CIPHER_MAX_KEY_LEN	64

struct session_op {
	__u32 cipher;
	__u32 mac;
	__u32 keylen;
	__u8 __user *key;
	__u32 mackeylen;
	__u8 __user *mackey;
	__u32 ses;
};

struct crypt_op {
	__u32 ses;
	__u16 op;
	__u16 flags;
	__u32 len;
	__u8 __user *src;
	__u8 __user *dst;
	__u8 __user *mac;
	__u8 __user *iv;
};

#define CRIOGET			_IOWR('c', 101, __u32)
#define CIOCGSESSION		_IOWR('c', 102, struct session_op)
#define CIOCFSESSION		_IOW('c', 103, __u32)
#define CIOCCRYPT		_IOWR('c', 104, struct crypt_op)
#define CIOCASYMFEAT		_IOR('c', 106, __u32)

#endif /* CRYPTODEV_UAPI_H */
