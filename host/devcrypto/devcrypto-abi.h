/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user-space ABI of /dev/crypto as a 64-bit Linux program sees it: command numbers, structures and
 * constants, with widths that do not depend on the compiler.  A pointer of the caller is a uint64_t.
 * All fields are little-endian on the machines that this is for (x86-64).
 */
#ifndef DEVCRYPTO_ABI_H
#define DEVCRYPTO_ABI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Ciphers. */
#define DEVCRYPTO_3DES_CBC 2u
#define DEVCRYPTO_AES_CBC 11u
#define DEVCRYPTO_AES_CTR 21u
#define DEVCRYPTO_AES_XTS 22u
#define DEVCRYPTO_AES_ECB 23u
#define DEVCRYPTO_AES_GCM 50u
#define DEVCRYPTO_NULL 16u

/* Hashes and keyed hashes. */
#define DEVCRYPTO_MD5_HMAC 6u
#define DEVCRYPTO_SHA1_HMAC 7u
#define DEVCRYPTO_MD5 13u
#define DEVCRYPTO_SHA1 14u
#define DEVCRYPTO_SHA2_256_HMAC 18u
#define DEVCRYPTO_SHA2_384_HMAC 19u
#define DEVCRYPTO_SHA2_512_HMAC 20u
#define DEVCRYPTO_SHA2_224 103u
#define DEVCRYPTO_SHA2_256 104u
#define DEVCRYPTO_SHA2_384 105u
#define DEVCRYPTO_SHA2_512 106u
#define DEVCRYPTO_SHA2_224_HMAC 107u

#define DEVCRYPTO_OP_ENCRYPT 0u
#define DEVCRYPTO_OP_DECRYPT 1u

#define DEVCRYPTO_FLAG_UPDATE 1u
#define DEVCRYPTO_FLAG_FINAL 2u
#define DEVCRYPTO_FLAG_WRITE_IV 4u
#define DEVCRYPTO_FLAG_NO_ZC 8u
#define DEVCRYPTO_FLAG_AEAD_TLS 16u
#define DEVCRYPTO_FLAG_AEAD_SRTP 32u
#define DEVCRYPTO_FLAG_RESET 64u

#define DEVCRYPTO_MAX_KEY 64u     /* a longer cipher key is refused before it is read */
#define DEVCRYPTO_MAX_MACKEY 512u /* the same for the key of a keyed hash */
#define DEVCRYPTO_AES_BLOCK 16u
#define DEVCRYPTO_DES_BLOCK 8u
#define DEVCRYPTO_MAX_IV 16u
#define DEVCRYPTO_MAX_BLOCK 16u
#define DEVCRYPTO_MAX_DIGEST 64u
#define DEVCRYPTO_MAX_AUTH 4096u     /* bytes that are only authenticated */
#define DEVCRYPTO_MAX_SRTP_HEAD 256u /* bytes of an SRTP packet before those that are encrypted */
#define DEVCRYPTO_MAX_NAME 64u

/* Argument of CIOCGSESSION.  Only `ses` is written back. */
struct devcrypto_session_op {
    uint32_t cipher;
    uint32_t mac;
    uint32_t keylen;
    uint32_t pad0;
    uint64_t key;
    uint32_t mackeylen;
    uint32_t pad1;
    uint64_t mackey;
    uint32_t ses;
    uint32_t pad2;
};

/* Argument of CIOCCRYPT. */
struct devcrypto_crypt_op {
    uint32_t ses;
    uint16_t op;
    uint16_t flags;
    uint32_t len;
    uint32_t pad0;
    uint64_t src;
    uint64_t dst;
    uint64_t mac;
    uint64_t iv;
};

/* Argument of CIOCAUTHCRYPT.  `len` is written back, and what the program left 0 in `tag_len`. */
struct devcrypto_auth_op {
    uint32_t ses;
    uint16_t op;
    uint16_t flags;
    uint32_t len;
    uint32_t auth_len;
    uint64_t auth_src;
    uint64_t src;
    uint64_t dst;
    uint64_t tag;
    uint32_t tag_len;
    uint32_t pad0;
    uint64_t iv;
    uint32_t iv_len;
    uint32_t pad1;
};

/* Argument of CIOCCPHASH. */
struct devcrypto_copy_op {
    uint32_t dst_ses;
    uint32_t src_ses;
};

/* Argument of CIOCGSESSINFO. */
struct devcrypto_names {
    char name[DEVCRYPTO_MAX_NAME];
    char driver[DEVCRYPTO_MAX_NAME];
};
struct devcrypto_info_op {
    uint32_t ses;
    struct devcrypto_names cipher;
    struct devcrypto_names hash;
    uint16_t alignmask;
    uint16_t pad0;
    uint32_t flags;
};

static_assert(sizeof(struct devcrypto_session_op) == 48, "session_op has 48 bytes");
static_assert(offsetof(struct devcrypto_session_op, key) == 16, "key is at 16");
static_assert(offsetof(struct devcrypto_session_op, mackey) == 32, "mackey is at 32");
static_assert(offsetof(struct devcrypto_session_op, ses) == 40, "ses is at 40");
static_assert(sizeof(struct devcrypto_crypt_op) == 48, "crypt_op has 48 bytes");
static_assert(offsetof(struct devcrypto_crypt_op, src) == 16, "src is at 16");
static_assert(offsetof(struct devcrypto_crypt_op, iv) == 40, "iv is at 40");
static_assert(sizeof(struct devcrypto_auth_op) == 72, "crypt_auth_op has 72 bytes");
static_assert(offsetof(struct devcrypto_auth_op, auth_src) == 16, "auth_src is at 16");
static_assert(offsetof(struct devcrypto_auth_op, tag_len) == 48, "tag_len is at 48");
static_assert(offsetof(struct devcrypto_auth_op, iv) == 56, "iv is at 56");
static_assert(sizeof(struct devcrypto_info_op) == 268, "session_info_op has 268 bytes");

/* Command numbers: direction (1 write, 2 read) << 30 | size << 16 | letter 'c' << 8 | number. */
#define DEVCRYPTO_IOC(dir, nr, size) \
    (((uint32_t)(dir) << 30) | ((uint32_t)(size) << 16) | (0x63u << 8) | (uint32_t)(nr))
#define DEVCRYPTO_CRIOGET DEVCRYPTO_IOC(3, 101, 4)
#define DEVCRYPTO_CIOCGSESSION DEVCRYPTO_IOC(3, 102, sizeof(struct devcrypto_session_op))
#define DEVCRYPTO_CIOCFSESSION DEVCRYPTO_IOC(1, 103, 4)
#define DEVCRYPTO_CIOCCRYPT DEVCRYPTO_IOC(3, 104, sizeof(struct devcrypto_crypt_op))
#define DEVCRYPTO_CIOCASYMFEAT DEVCRYPTO_IOC(2, 106, 4)
#define DEVCRYPTO_CIOCGSESSINFO DEVCRYPTO_IOC(3, 107, sizeof(struct devcrypto_info_op))
#define DEVCRYPTO_CIOCAUTHCRYPT DEVCRYPTO_IOC(3, 109, sizeof(struct devcrypto_auth_op))
#define DEVCRYPTO_CIOCCPHASH DEVCRYPTO_IOC(1, 112, sizeof(struct devcrypto_copy_op))

#endif
