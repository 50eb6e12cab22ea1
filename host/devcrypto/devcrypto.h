/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The semantics of /dev/crypto over libcrypto: open files, sessions, and the calls on them.
 *
 * Every function returns 0 or a negative errno and may be called from any thread.  Calls on different
 * sessions run at the same time; calls on one session run one after another.
 */
#ifndef DEVCRYPTO_H
#define DEVCRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "devcrypto-abi.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/*
 * What one open file may use; 0 means no limit.  A session beyond max_sessions is -ENOMEM, a request of
 * more than max_len bytes is -EINVAL (checked where a length that is no multiple of the block is).
 */
struct devcrypto_limits {
    unsigned int max_sessions;
    size_t max_len;
};

/* One open file: its sessions are seen by whoever holds a reference, and by nobody else. */
struct devcrypto_file;

/*
 * How the caller's memory is reached.  Each function copies all of it and returns 0, or returns -EFAULT;
 * one that fails half way may have copied a part.  len is never 0.
 */
struct devcrypto_mem {
    void *opaque;
    int (*copy_in)(void *opaque, void *dst, uint64_t uaddr, size_t len);
    int (*copy_out)(void *opaque, uint64_t uaddr, const void *src, size_t len);
};

/* Makes an open file with one reference.  limits may be NULL.  -ENOMEM. */
int devcrypto_open(const struct devcrypto_limits *limits, struct devcrypto_file **out);

/* Takes one more reference, as dup() does. */
void devcrypto_ref(struct devcrypto_file *f);

/* Gives a reference back; with the last one all sessions end and their keys are cleansed. NULL is fine. */
void devcrypto_unref(struct devcrypto_file *f);

/*
 * Direct calls, for a caller that already holds the bytes.
 *
 * devcrypto_session_create: CIOCGSESSION.  cipher or mac may be 0, not both.  -EINVAL for an algorithm or
 * a key length that is not supported, -EFAULT for a NULL key with a length, -ENOMEM at the limit.
 */
int devcrypto_session_create(struct devcrypto_file *f, uint32_t cipher, const void *key, size_t keylen,
                             uint32_t mac, const void *mackey, size_t mackeylen, uint32_t *ses);

/*
 * What a session's requests look like.  block: bytes that a length is a multiple of, 1 without a cipher;
 * digest_len: of its mac, 0 without; tag_len: the longest of an AEAD cipher, 0 for others.  -EINVAL for an
 * unknown session.
 */
struct devcrypto_sizes {
    uint32_t cipher; /* their numbers, 0 for none */
    uint32_t mac;
    uint32_t block;
    uint32_t iv_len;
    uint32_t digest_len;
    uint32_t tag_len;
};
int devcrypto_session_sizes(struct devcrypto_file *f, uint32_t ses, struct devcrypto_sizes *sizes);
/* The same for a session that there could be; -EINVAL for algorithms that there are not. */
int devcrypto_algorithm_sizes(uint32_t cipher, uint32_t mac, struct devcrypto_sizes *sizes);

/* CIOCFSESSION: 0 also for an id that is unknown.  A call that is using the session still finishes. */
int devcrypto_session_free(struct devcrypto_file *f, uint32_t ses);

/* Bytes in pieces of any length and alignment, 0 included; len is their sum.  {NULL, 0, 0}: no bytes. */
struct devcrypto_bytes {
    const struct iovec *iov;
    unsigned int count;
    size_t len;
};

/*
 * CIOCCRYPT and CIOCAUTHCRYPT of any session.  What src, dst, aad and tail are for each algorithm is told in
 * docs/virtio-cryptodev.md (request 16): aad is authenticated before src, tail behind it, and dst receives a
 * result of exactly its length.  src and dst are the same memory from their beginnings on, or do not overlap.
 */
struct devcrypto_op {
    uint32_t ses;
    uint16_t op;
    uint16_t flags;
    bool auth; /* CIOCAUTHCRYPT */
    bool has_iv;
    uint8_t iv[DEVCRYPTO_MAX_IV]; /* in: the IV if has_iv; out: the session's afterwards, 0 behind its length */
    struct devcrypto_bytes aad;
    struct devcrypto_bytes src;
    struct devcrypto_bytes tail;
    struct devcrypto_bytes dst;
    uint32_t tag_len; /* CIOCAUTHCRYPT: 0 means the session's own */
    uint8_t mac[DEVCRYPTO_MAX_DIGEST]; /* in: the tag of an SRTP packet to decrypt; out: digest or tag, then 0 */
    uint32_t mac_len;
    uint32_t out_len; /* out: bytes of dst that are the result */
};

/*
 * Does it.  0, or -EINVAL (an unknown session, an op, a length), -EBADMSG (a tag or a padding that is not
 * right), -ENOMEM; then dst is untouched.  -EIO: libcrypto failed, and what it had done by then stays.
 *
 * The bytes may be changed by others meanwhile: the result is then any, and nothing else happens.  They are
 * worked on where they are; only what has to be checked before it is given out goes through memory of its
 * own, of src.len bytes at most.
 */
int devcrypto_perform(struct devcrypto_file *f, struct devcrypto_op *op);

/*
 * CIOCCPHASH: what src_ses has hashed so far becomes what dst_ses has.  -EDEADLK if they are the same, -ENOENT
 * if one is unknown, -EINVAL if one does not hash, or not with the same algorithm.
 */
int devcrypto_hash_copy(struct devcrypto_file *f, uint32_t dst_ses, uint32_t src_ses);

/*
 * CIOCCRYPT of a cipher session; a session with a mac is -EINVAL here (its digest has no place to go: use
 * devcrypto_perform).  iv (16 bytes, of which the session's iv_len count) NULL goes on from the
 * session's last IV.  iv_out (16 bytes) not NULL
 * receives the updated IV of a call that succeeded, whatever the flags say; it may be the same as iv.
 * src and dst are either the same or do not overlap.  -EINVAL for an unknown session, an op, a length;
 * -EFAULT for a NULL src or dst with a length.  On an error dst is untouched,
 * but for -EIO: libcrypto failed, and what it had done by then stays.
 */
int devcrypto_crypt(struct devcrypto_file *f, uint32_t ses, uint32_t op, uint32_t flags, const uint8_t *iv,
                    uint8_t *iv_out, const void *src, void *dst, size_t len);

/* How many sessions are open. */
unsigned int devcrypto_session_count(struct devcrypto_file *f);

/*
 * A session as it is carried to another open file, or to another process.  It holds the key: whoever has
 * one of these cleanses it after use.
 */
struct devcrypto_session_state {
    uint32_t ses;
    uint32_t cipher;
    uint32_t keylen; /* of key; what comes after it is 0 when exported, and ignored when imported */
    uint8_t key[DEVCRYPTO_MAX_KEY];
    uint8_t iv[DEVCRYPTO_MAX_IV]; /* the last IV: a call without one goes on from it */
    uint32_t mac;                 /* its hash has not begun */
    uint32_t mackeylen;           /* of mackey, as keylen of key */
    uint8_t mackey[DEVCRYPTO_MAX_MACKEY];
};

/*
 * Describes all sessions, in no order, and sets *count to how many.  -ENOSPC when there are more than room,
 * -EOPNOTSUPP when one has a hash that has begun and not ended (its inside cannot be carried): then states
 * holds no key.  A session that another thread makes or frees meanwhile may be in or out; each that is in is whole.
 */
int devcrypto_export(struct devcrypto_file *f, struct devcrypto_session_state *states, unsigned int room,
                     unsigned int *count);

/*
 * Makes the session that the state describes, under the id that it had.  -EINVAL for an id of 0, an
 * algorithm or a key length that is not supported, -EEXIST for an id that is in use, -ENOMEM at the limit.
 * Nothing in the state is trusted.
 */
int devcrypto_import(struct devcrypto_file *f, const struct devcrypto_session_state *state);

/*
 * The whole ioctl ABI: cmd and arg as given to ioctl(2), pointers reached through mem.  mem NULL means
 * this process's own memory: a bad pointer is -EFAULT and never a signal.  Memory used does not grow with
 * the length of a CIOCCRYPT; a CIOCAUTHCRYPT is held whole.
 *
 * CIOCGSESSION, CIOCFSESSION, CIOCCRYPT, CIOCAUTHCRYPT, CIOCCPHASH, CIOCGSESSINFO, CIOCASYMFEAT; everything
 * else is -EINVAL, CIOCASYNCCRYPT and CIOCASYNCFETCH included, as where they are not built in.  CRIOGET is
 * too, since there are no descriptors here: whoever has them makes the new one and takes a reference for it.
 */
int devcrypto_ioctl(struct devcrypto_file *f, unsigned long cmd, uint64_t arg, const struct devcrypto_mem *mem);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
