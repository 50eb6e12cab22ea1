/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the sources of the library share. */
#ifndef DEVCRYPTO_INTERNAL_H
#define DEVCRYPTO_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <openssl/evp.h>

#include "devcrypto.h"

/* ---- algorithms.c: which there are ---- */

enum devcrypto_mode { MODE_CBC, MODE_ECB, MODE_CTR, MODE_XTS, MODE_NULL, MODE_AEAD };

struct devcrypto_cipher {
    uint32_t number;
    enum devcrypto_mode mode;
    uint8_t block;   /* a length is a multiple of it */
    uint8_t iv_len;  /* 0: it has none */
    uint8_t tag_len; /* the longest tag; 0: no AEAD */
    const char *name; /* in the kernel */
    struct {
        uint8_t len;
        const char *name; /* in libcrypto; XTS is made of the ECB of half the key */
    } keys[3];
};

struct devcrypto_hash {
    uint32_t number;
    bool keyed;
    uint8_t digest_len;
    uint8_t block; /* what HMAC pads a key to */
    const char *name;      /* in the kernel */
    const char *libcrypto; /* in libcrypto; of the hash inside if it is keyed */
};

const struct devcrypto_cipher *devcrypto_find_cipher(uint32_t number);
const struct devcrypto_hash *devcrypto_find_hash(uint32_t number);
void devcrypto_sizes_of(const struct devcrypto_cipher *cipher, const struct devcrypto_hash *hash,
                        struct devcrypto_sizes *sizes);
/* The checks of CIOCGSESSION that need no key: 0 or -EINVAL. */
int devcrypto_check_algorithms(uint32_t cipher, uint32_t mac);
/* 0 or -EINVAL; a cipher of 0 takes any length, since its key is never looked at. */
int devcrypto_check_keylen(uint32_t cipher, size_t keylen);
/* libcrypto's name for the cipher with a key of that length; NULL if there is no such key. */
const char *devcrypto_cipher_type(const struct devcrypto_cipher *cipher, size_t keylen);
/* Whether a session with this cipher has a mac of its own: an AEAD cipher needs none, and gets none. */
bool devcrypto_takes_mac(uint32_t cipher);
bool devcrypto_mac_takes_key(uint32_t mac);
/* libcrypto said no: its reasons stay out of the caller's error queue. */
int devcrypto_libcrypto_failed(int error);

/* ---- session.c ---- */

/*
 * One session.  It is born with one reference, the table's; every call that uses it holds another, so that
 * it can be freed while a call is still running.
 */
struct devcrypto_session {
    struct devcrypto_session *next; /* in its bucket; under the file's lock */
    uint32_t id;                    /* never changes */
    atomic_uint refs;
    pthread_mutex_t lock; /* one call at a time; protects everything below */

    const struct devcrypto_cipher *cipher; /* NULL: no cipher */
    EVP_CIPHER_CTX *direction[2];          /* by op; made once, for all calls */
    EVP_CIPHER_CTX *tweak;                 /* of XTS */
    bool chained[2];                       /* CBC, CTR: the context goes on from a known place, */
    uint8_t chain[2][DEVCRYPTO_MAX_IV];    /* and this is it */
    uint8_t key[DEVCRYPTO_MAX_KEY];        /* kept for devcrypto_export() */
    uint32_t keylen;
    uint8_t iv[DEVCRYPTO_MAX_IV]; /* the last IV; a call without one goes on from it */

    const struct devcrypto_hash *hash; /* NULL: no mac */
    EVP_MD_CTX *md;                    /* what was hashed since the last start */
    EVP_MD_CTX *inner, *outer;         /* a keyed hash: the key taken in, as HMAC does first and last */
    uint8_t mackey[DEVCRYPTO_MAX_MACKEY];
    uint32_t mackeylen;
    bool hash_begun;    /* something was taken in since the last start */
    bool hash_finished; /* its digest was taken: the next use starts anew */
};

/* The session with that id and a reference on it, or NULL. */
struct devcrypto_session *devcrypto_session_get(struct devcrypto_file *f, uint32_t id);
void devcrypto_session_put(struct devcrypto_session *s);
/* One that nobody else knows yet: with its reference, without algorithms. */
struct devcrypto_session *devcrypto_session_new(void);
/*
 * Puts it into the table, under the id `wanted` or a new one if that is 0; when that or what came before (err)
 * failed, ends it.
 */
int devcrypto_session_publish(struct devcrypto_file *f, struct devcrypto_session *s, int err, uint32_t wanted,
                              uint32_t *ses);
/* Lists the ids in states and returns how many sessions there are, also when that is more than room. */
unsigned int devcrypto_list_ids(struct devcrypto_file *f, struct devcrypto_session_state *states,
                                unsigned int room);
bool devcrypto_too_long(const struct devcrypto_file *f, size_t len);

/* ---- cipher.c; all of these need the session's lock ---- */

/* A cipher run: what a request keeps while it goes through the data piece by piece. */
struct devcrypto_run {
    struct devcrypto_session *session;
    uint32_t op;
    uint8_t iv[DEVCRYPTO_MAX_IV]; /* CBC: the block before; CTR: where it began; XTS: the next tweak */
    size_t done;
};

/* The cipher of a session that is being made; it exists, and has keys of that length. */
int devcrypto_cipher_init(struct devcrypto_session *s, uint32_t cipher, const void *key, size_t keylen);
void devcrypto_cipher_done(struct devcrypto_session *s);
int devcrypto_run_start(struct devcrypto_run *run, struct devcrypto_session *s, uint32_t op);
/*
 * Whole blocks from src to dst, which are the same or do not overlap.  Both may be written to by others
 * meanwhile.  -EIO may leave a part of it done.
 */
int devcrypto_run_step(struct devcrypto_run *run, const uint8_t *src, uint8_t *dst, size_t len);
/* The whole run has succeeded: the session goes on from here. */
void devcrypto_run_commit(struct devcrypto_run *run);
/* CIOCCRYPT's checks that come after the IV was read: 0 or -EINVAL. */
int devcrypto_check_request(const struct devcrypto_file *f, const struct devcrypto_session *s, uint32_t op,
                            size_t len);

/* ---- hash.c; all but init and done need the session's lock ---- */

int devcrypto_hash_init(struct devcrypto_session *s, uint32_t mac, const void *key, size_t keylen);
void devcrypto_hash_done(struct devcrypto_session *s);
int devcrypto_hash_restart(struct devcrypto_session *s);
/* As devcrypto_hash_restart, if a request with these flags starts anew. */
int devcrypto_hash_start(struct devcrypto_session *s, uint32_t flags);
int devcrypto_hash_update(struct devcrypto_session *s, const uint8_t *data, size_t len);
/* digest has room for DEVCRYPTO_MAX_DIGEST, its length is the hash's. */
int devcrypto_hash_final(struct devcrypto_session *s, uint8_t *digest);
/* Whether a request with these flags and that length gives a digest. */
bool devcrypto_digest_is_due(uint32_t flags, size_t len);

/* ---- pieces.c ---- */

/* Where one is in bytes that lie in pieces. */
struct devcrypto_cursor {
    const struct iovec *iov;
    unsigned int count; /* of pieces from *iov on */
    size_t at;          /* in *iov */
};

struct devcrypto_cursor devcrypto_begin(const struct devcrypto_bytes *bytes);
/* Whether the pieces add up. */
bool devcrypto_adds_up(const struct devcrypto_bytes *bytes);
void devcrypto_gather(struct devcrypto_cursor *from, uint8_t *to, size_t len);
void devcrypto_scatter(struct devcrypto_cursor *to, const uint8_t *from, size_t len);
/* Whole blocks by a run; if `hashes`, the plaintext goes into the session's hash, too. */
int devcrypto_run_through(struct devcrypto_run *run, struct devcrypto_cursor *src, struct devcrypto_cursor *dst,
                          size_t len, bool hashes);
int devcrypto_hash_pieces(struct devcrypto_session *s, struct devcrypto_cursor *from, size_t len);

int devcrypto_hash_all(struct devcrypto_session *s, const struct devcrypto_bytes *bytes);

/* Bytes that are looked at before they are given out, in a place that nobody else writes to. */
struct devcrypto_held {
    uint8_t *bytes;
    size_t len;
    struct iovec iov;
};

/* 0 or -ENOMEM; to be let go in either case, which cleanses them. */
int devcrypto_hold(struct devcrypto_held *held, size_t len);
struct devcrypto_cursor devcrypto_begin_held(const struct devcrypto_held *held);
void devcrypto_let_go(struct devcrypto_held *held);

/* ---- tls.c; tag_len is what devcrypto_tag_len says ---- */

/* Bytes of padding behind len bytes; a cipher without blocks has none. */
size_t devcrypto_tls_padding(const struct devcrypto_session *s, size_t len);
bool devcrypto_tls_is_right(const struct devcrypto_session *s, const struct devcrypto_op *op, uint32_t tag_len);
int devcrypto_tls_encrypt(struct devcrypto_session *s, const struct devcrypto_op *op, uint32_t tag_len);
int devcrypto_tls_decrypt(struct devcrypto_session *s, struct devcrypto_op *op, uint32_t tag_len);

/* ---- perform.c, authenc.c ---- */

/* devcrypto_perform of a session that was looked up. */
int devcrypto_perform_in(struct devcrypto_file *f, struct devcrypto_session *s, struct devcrypto_op *op);
/* CIOCAUTHCRYPT; needs the session's lock. */
int devcrypto_authcrypt(struct devcrypto_session *s, struct devcrypto_op *op);
/* The length of a tag if the caller asks for `asked`. */
uint32_t devcrypto_tag_len(const struct devcrypto_session *s, uint32_t asked);
/* What dst.len of a CIOCAUTHCRYPT must be, 0 if there is no such request. */
size_t devcrypto_auth_dst_len(const struct devcrypto_session *s, uint32_t op, uint32_t flags, size_t len,
                              uint32_t tag_len);

/*
 * Its first half, for a caller that has still to get at the data: takes the IV and starts the hash, then makes
 * the checks that look at no data.  Needs the session's lock.
 */
int devcrypto_auth_begin(struct devcrypto_session *s, struct devcrypto_op *op);

/* ---- ioctl*.c ---- */

/* len may be 0. */
int devcrypto_fetch(const struct devcrypto_mem *mem, void *dst, uint64_t uaddr, size_t len);
int devcrypto_store(const struct devcrypto_mem *mem, uint64_t uaddr, const void *src, size_t len);
/* Whether all of a buffer can be reached, so that a request either happens whole or not at all. */
int devcrypto_probe(const struct devcrypto_mem *mem, uint64_t uaddr, size_t len, bool writable);
int devcrypto_ioctl_crypt(struct devcrypto_file *f, uint64_t arg, const struct devcrypto_mem *mem);
int devcrypto_ioctl_authcrypt(struct devcrypto_file *f, uint64_t arg, const struct devcrypto_mem *mem);

/* ---- memory.c ---- */

/*
 * This process's own memory, bad pointers included.  opaque points to a pid_t of getpid(): asked once for a
 * call, since a number that was kept would be the parent's after a fork.
 */
int devcrypto_self_in(void *opaque, void *dst, uint64_t uaddr, size_t len);
int devcrypto_self_out(void *opaque, uint64_t uaddr, const void *src, size_t len);
/* 0 when all of it can be read (and written, if asked), else -EFAULT; no byte of it changes. */
int devcrypto_self_probe(void *opaque, uint64_t uaddr, size_t len, bool writable);

#endif
