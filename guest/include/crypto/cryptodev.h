/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user-space interface of /dev/crypto: command numbers, structures and
 * constants, by the names that cryptodev-linux 1.14 gives them. Programs
 * written for it compile with it as it is: hence also the names that nothing
 * here uses, and the pointers without const.
 */
#ifndef CRYPTODEV_H
#define CRYPTODEV_H

#include <linux/types.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* The longest key of a cipher, key of a mac, and digest. */
#define CRYPTO_CIPHER_MAX_KEY_LEN	64
#define CRYPTO_HMAC_MAX_KEY_LEN		512
#define HASH_MAX_LEN			64
#define AALG_MAX_RESULT_LEN		64
#define CRYPTODEV_MAX_ALG_NAME		64

/* The block of a cipher, and the longest of them. */
#define DES_BLOCK_LEN		8
#define DES3_BLOCK_LEN		8
#define BLOWFISH_BLOCK_LEN	8
#define SKIPJACK_BLOCK_LEN	8
#define CAST128_BLOCK_LEN	8
#define AES_BLOCK_LEN		16
#define RIJNDAEL128_BLOCK_LEN	16
#define CAMELLIA_BLOCK_LEN	16
#define EALG_MAX_BLOCK_LEN	16

/*
 * session_op.cipher and session_op.mac. Many have a number and no more: a
 * session of them is EINVAL. The numbers here are what programs are written
 * with.
 */
enum cryptodev_crypto_op_t {
	/* ciphers */
	CRYPTO_DES_CBC		= 1,
	CRYPTO_3DES_CBC		= 2,
	CRYPTO_BLF_CBC		= 3,
	CRYPTO_CAST_CBC		= 4,
	CRYPTO_SKIPJACK_CBC	= 5,
	CRYPTO_AES_CBC		= 11,
	CRYPTO_RIJNDAEL128_CBC	= 11,
	CRYPTO_ARC4		= 12,
	CRYPTO_NULL		= 16,
	CRYPTO_AES_CTR		= 21,
	CRYPTO_AES_XTS		= 22,
	CRYPTO_AES_ECB		= 23,
	CRYPTO_AES_GCM		= 50,
	CRYPTO_CAMELLIA_CBC	= 101,
	CRYPTO_TLS11_AES_CBC_HMAC_SHA1		= 108,
	CRYPTO_TLS12_AES_CBC_HMAC_SHA256	= 109,

	/* macs and hashes */
	CRYPTO_MD5_HMAC		= 6,
	CRYPTO_SHA1_HMAC	= 7,
	CRYPTO_RIPEMD160_HMAC	= 8,
	CRYPTO_MD5_KPDK		= 9,
	CRYPTO_SHA1_KPDK	= 10,
	CRYPTO_MD5		= 13,
	CRYPTO_SHA1		= 14,
	CRYPTO_SHA2_256_HMAC	= 18,
	CRYPTO_SHA2_384_HMAC	= 19,
	CRYPTO_SHA2_512_HMAC	= 20,
	CRYPTO_RIPEMD160	= 102,
	CRYPTO_SHA2_224		= 103,
	CRYPTO_SHA2_256		= 104,
	CRYPTO_SHA2_384		= 105,
	CRYPTO_SHA2_512		= 106,
	CRYPTO_SHA2_224_HMAC	= 107,

	/* compression */
	CRYPTO_DEFLATE_COMP	= 15,
	CRYPTO_LZS_COMP		= 17,

	CRYPTO_ALGORITHM_ALL	= 110
};

#define CRYPTO_ALGORITHM_MAX	(CRYPTO_ALGORITHM_ALL - 1)

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
	uint8_t *key;
	uint32_t mackeylen;
	uint8_t *mackey;
	uint32_t ses;
};

/* Argument of CIOCCRYPT. */
struct crypt_op {
	uint32_t ses;
	uint16_t op;
	uint16_t flags;
	uint32_t len;		/* bytes of @src and of @dst */
	uint8_t *src;
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
	uint8_t *auth_src;	/* what is authenticated and not encrypted */
	uint8_t *src;
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

/* crypt_kop.crk_op, and what CIOCASYMFEAT would say: nobody does any. */
enum cryptodev_crk_op_t {
	CRK_MOD_EXP		= 0,
	CRK_MOD_EXP_CRT		= 1,
	CRK_DSA_SIGN		= 2,
	CRK_DSA_VERIFY		= 3,
	CRK_DH_COMPUTE_KEY	= 4,
	CRK_ALGORITHM_ALL	= 5
};

#define CRK_ALGORITHM_MAX	(CRK_ALGORITHM_ALL - 1)

#define CRF_MOD_EXP		(1 << CRK_MOD_EXP)
#define CRF_MOD_EXP_CRT		(1 << CRK_MOD_EXP_CRT)
#define CRF_DSA_SIGN		(1 << CRK_DSA_SIGN)
#define CRF_DSA_VERIFY		(1 << CRK_DSA_VERIFY)
#define CRF_DH_COMPUTE_KEY	(1 << CRK_DH_COMPUTE_KEY)

/* The node itself can be used: CRIOGET works and is not needed. */
#define CRIOGET_NOT_NEEDED	1

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
