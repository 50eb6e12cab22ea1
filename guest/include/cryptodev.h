/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user-space interface of /dev/crypto: command numbers, structures and
 * constants, of all that cryptodev-linux 1.14 has.
 */
#ifndef CRYPTODEV_H
#define CRYPTODEV_H

#include <stdint.h>
#include <sys/ioctl.h>

/* The longest key of a cipher, key of a mac, and digest. */
#define CRYPTO_CIPHER_MAX_KEY_LEN	64
#define CRYPTO_HMAC_MAX_KEY_LEN		512
#define HASH_MAX_LEN			64
#define CRYPTODEV_MAX_ALG_NAME		64

/* session_op.cipher */
#define CRYPTO_3DES_CBC		2
#define CRYPTO_AES_CBC		11
#define CRYPTO_NULL		16
#define CRYPTO_AES_CTR		21
#define CRYPTO_AES_XTS		22
#define CRYPTO_AES_ECB		23
#define CRYPTO_AES_GCM		50

/* session_op.mac */
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

/* The op of an operation. */
#define COP_ENCRYPT	0
#define COP_DECRYPT	1

/* The flags of an operation. */
#define COP_FLAG_NONE		0
#define COP_FLAG_UPDATE		1	/* more data will follow */
#define COP_FLAG_FINAL		2	/* give the digest of all so far */
#define COP_FLAG_WRITE_IV	4	/* write the IV afterwards to @iv */
#define COP_FLAG_NO_ZC		8	/* copy, whatever the size */
#define COP_FLAG_AEAD_TLS_TYPE	16	/* a TLS record, in place */
#define COP_FLAG_AEAD_SRTP_TYPE	32	/* an SRTP packet, in place */
#define COP_FLAG_RESET		64	/* begin a new digest */

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

/* Argument of CIOCAUTHCRYPT. The call sets @len, @tag_len and @tag. */
struct crypt_auth_op {
	uint32_t ses;
	uint16_t op;
	uint16_t flags;
	uint32_t len;		/* bytes of @src; afterwards of the result */
	uint32_t auth_len;
	const uint8_t *auth_src;	/* what is authenticated and not encrypted */
	const uint8_t *src;
	uint8_t *dst;
	uint8_t *tag;		/* of SRTP */
	uint32_t tag_len;	/* 0 for the session's own */
	uint8_t *iv;
	uint32_t iv_len;	/* nobody looks at it */
};

/* What an algorithm is called, and who does it. */
struct alg_info {
	char cra_name[CRYPTODEV_MAX_ALG_NAME];
	char cra_driver_name[CRYPTODEV_MAX_ALG_NAME];
};

/* Argument of CIOCGSESSINFO: @ses in, the rest out. */
struct session_info_op {
	uint32_t ses;
	struct alg_info cipher_info;
	struct alg_info hash_info;
	uint16_t alignmask;
	uint32_t flags;		/* SIOP_FLAG_* */
};

#define SIOP_FLAG_KERNEL_DRIVER_ONLY	1

/* Argument of CIOCCPHASH. */
struct cphash_op {
	uint32_t dst_ses;
	uint32_t src_ses;
};

/* Argument of CIOCKEY, which nobody does. */
#define CRK_MAXPARAM	8

struct crparam {
	uint8_t *crp_p;
	uint32_t crp_nbits;
};

struct crypt_kop {
	uint32_t crk_op;
	uint32_t crk_status;
	uint16_t crk_iparams;
	uint16_t crk_oparams;
	uint32_t crk_pad1;
	struct crparam crk_param[CRK_MAXPARAM];
};

#define CRIOGET		_IOWR('c', 101, uint32_t)
#define CIOCGSESSION	_IOWR('c', 102, struct session_op)
#define CIOCFSESSION	_IOW('c', 103, uint32_t)
#define CIOCCRYPT	_IOWR('c', 104, struct crypt_op)
#define CIOCKEY		_IOWR('c', 105, struct crypt_kop)
#define CIOCASYMFEAT	_IOR('c', 106, uint32_t)
#define CIOCGSESSINFO	_IOWR('c', 107, struct session_info_op)
#define CIOCAUTHCRYPT	_IOWR('c', 109, struct crypt_auth_op)
#define CIOCASYNCCRYPT	_IOW('c', 110, struct crypt_op)
#define CIOCASYNCFETCH	_IOR('c', 111, struct crypt_op)
#define CIOCCPHASH	_IOW('c', 112, struct cphash_op)

#endif /* CRYPTODEV_H */
