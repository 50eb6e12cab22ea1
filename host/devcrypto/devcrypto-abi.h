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

/* Ciphers; only DEVCRYPTO_AES_CBC is implemented so far. */
#define DEVCRYPTO_AES_CBC 11u
#define DEVCRYPTO_AES_CTR 21u
#define DEVCRYPTO_AES_XTS 22u
#define DEVCRYPTO_AES_ECB 23u
#define DEVCRYPTO_AES_GCM 50u
#define DEVCRYPTO_NULL 16u

/* Hashes and keyed hashes. */
#define DEVCRYPTO_MD5_HMAC 6u
#define DEVCRYPTO_SHA1_HMAC 7u
#define DEVCRYPTO_SHA1 14u
#define DEVCRYPTO_SHA2_256_HMAC 18u
#define DEVCRYPTO_SHA2_256 104u

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
#define DEVCRYPTO_MAX_DIGEST 64u

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

static_assert(sizeof(struct devcrypto_session_op) == 48, "session_op has 48 bytes");
static_assert(offsetof(struct devcrypto_session_op, key) == 16, "key is at 16");
static_assert(offsetof(struct devcrypto_session_op, mackey) == 32, "mackey is at 32");
static_assert(offsetof(struct devcrypto_session_op, ses) == 40, "ses is at 40");
static_assert(sizeof(struct devcrypto_crypt_op) == 48, "crypt_op has 48 bytes");
static_assert(offsetof(struct devcrypto_crypt_op, src) == 16, "src is at 16");
static_assert(offsetof(struct devcrypto_crypt_op, iv) == 40, "iv is at 40");

/* Command numbers: direction (1 write, 2 read) << 30 | size << 16 | letter 'c' << 8 | number. */
#define DEVCRYPTO_IOC(dir, nr, size) \
    (((uint32_t)(dir) << 30) | ((uint32_t)(size) << 16) | (0x63u << 8) | (uint32_t)(nr))
#define DEVCRYPTO_CRIOGET DEVCRYPTO_IOC(3, 101, 4)
#define DEVCRYPTO_CIOCGSESSION DEVCRYPTO_IOC(3, 102, sizeof(struct devcrypto_session_op))
#define DEVCRYPTO_CIOCFSESSION DEVCRYPTO_IOC(1, 103, 4)
#define DEVCRYPTO_CIOCCRYPT DEVCRYPTO_IOC(3, 104, sizeof(struct devcrypto_crypt_op))
#define DEVCRYPTO_CIOCASYMFEAT DEVCRYPTO_IOC(2, 106, 4)

#endif
