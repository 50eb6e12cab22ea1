/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user-space interface of /dev/crypto, as far as this driver serves it:
 * numbers and layouts that programs were compiled against.
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

#define CRYPTO_3DES_CBC		2
#define CRYPTO_AES_CBC		11
#define CRYPTO_NULL		16
#define CRYPTO_AES_CTR		21
#define CRYPTO_AES_XTS		22
#define CRYPTO_AES_ECB		23
#define CRYPTO_AES_GCM		50

#define CRYPTO_MD5_HMAC		6
#define CRYPTO_SHA1_HMAC	7
#define CRYPTO_MD5		13
#define CRYPTO_SHA1		14
#define CRYPTO_SHA2_256_HMAC	18
#define CRYPTO_SHA2_384_HMAC	19
#define CRYPTO_SHA2_512_HMAC	20
#define CRYPTO_SHA2_224		103
#define CRYPTO_SHA2_256		104
#define CRYPTO_SHA2_384		105
#define CRYPTO_SHA2_512		106
#define CRYPTO_SHA2_224_HMAC	107

#define COP_ENCRYPT		0
#define COP_DECRYPT		1

#define COP_FLAG_UPDATE		0x1
#define COP_FLAG_FINAL		0x2
#define COP_FLAG_WRITE_IV	0x4
#define COP_FLAG_NO_ZC		0x8
#define COP_FLAG_AEAD_TLS_TYPE	0x10
#define COP_FLAG_AEAD_SRTP_TYPE	0x20
#define COP_FLAG_RESET		0x40

/* Longest keys that are looked at, before the algorithm has its say. */
#define CRYPTO_CIPHER_MAX_KEY_LEN	64
#define CRYPTO_HMAC_MAX_KEY_LEN		512

#define CRYPTODEV_MAX_ALG_NAME		64

struct session_op {
	__u32 cipher;
	__u32 mac;
	__u32 keylen;
	__u8 __user *key;
	__u32 mackeylen;
	__u8 __user *mackey;
	__u32 ses;
};

struct alg_info {
	char cra_name[CRYPTODEV_MAX_ALG_NAME];
	char cra_driver_name[CRYPTODEV_MAX_ALG_NAME];
};

struct session_info_op {
	__u32 ses;
	struct alg_info cipher_info;
	struct alg_info hash_info;
	__u16 alignmask;
	__u32 flags;
};

/* No algorithm that a program could use without the kernel's help. */
#define SIOP_FLAG_KERNEL_DRIVER_ONLY	1

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

struct crypt_auth_op {
	__u32 ses;
	__u16 op;
	__u16 flags;
	__u32 len;
	__u32 auth_len;
	__u8 __user *auth_src;
	__u8 __user *src;
	__u8 __user *dst;
	__u8 __user *tag;
	__u32 tag_len;
	__u8 __user *iv;
	__u32 iv_len;
};

struct cphash_op {
	__u32 dst_ses;
	__u32 src_ses;
};

#define CRIOGET			_IOWR('c', 101, __u32)
#define CIOCGSESSION		_IOWR('c', 102, struct session_op)
#define CIOCFSESSION		_IOW('c', 103, __u32)
#define CIOCCRYPT		_IOWR('c', 104, struct crypt_op)
#define CIOCASYMFEAT		_IOR('c', 106, __u32)
#define CIOCGSESSINFO		_IOWR('c', 107, struct session_info_op)
#define CIOCAUTHCRYPT		_IOWR('c', 109, struct crypt_auth_op)
#define CIOCASYNCCRYPT		_IOW('c', 110, struct crypt_op)
#define CIOCASYNCFETCH		_IOR('c', 111, struct crypt_op)
#define CIOCCPHASH		_IOW('c', 112, struct cphash_op)

#endif /* CRYPTODEV_UAPI_H */
