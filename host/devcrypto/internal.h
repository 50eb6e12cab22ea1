/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the sources of the library share. */
#ifndef DEVCRYPTO_INTERNAL_H
#define DEVCRYPTO_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <openssl/evp.h>

#include "devcrypto.h"

struct devcrypto_cipher; /* a line of the table of ciphers */
struct devcrypto_hash;   /* a line of the table of hashes and keyed hashes */

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
    EVP_CIPHER_CTX *direction[2];          /* by op; made once, each call only gives it an IV */
    uint8_t key[DEVCRYPTO_MAX_KEY];        /* kept for devcrypto_export() */
    uint32_t keylen;
    uint8_t iv[DEVCRYPTO_AES_BLOCK]; /* the last IV; a call without one goes on from it */

    const struct devcrypto_hash *hash; /* NULL: no mac */
    EVP_MD_CTX *md;                    /* one of these two: a hash, */
    EVP_MAC_CTX *hmac;                 /* or a keyed hash */
    bool hash_finished;                /* its digest was taken: the next use starts anew */
};

/* A cipher run: what CIOCCRYPT keeps while it goes through the data piece by piece. */
struct devcrypto_run {
    struct devcrypto_session *session; /* locked by the caller */
    uint32_t op;
    uint8_t iv[DEVCRYPTO_AES_BLOCK]; /* becomes the session's IV when the whole run has succeeded */
};

/* The checks of CIOCGSESSION that need no key: 0 or -EINVAL. */
int devcrypto_check_algorithms(uint32_t cipher, uint32_t mac);
/* 0 or -EINVAL; a cipher of 0 takes any length, since its key is never looked at. */
int devcrypto_check_keylen(uint32_t cipher, size_t keylen);
bool devcrypto_mac_takes_key(uint32_t mac);

/* The algorithms of a session that is being made; both are known to exist. */
int devcrypto_cipher_init(struct devcrypto_session *s, uint32_t cipher, const void *key, size_t keylen);
int devcrypto_hash_init(struct devcrypto_session *s, uint32_t mac, const void *key, size_t keylen);
void devcrypto_algorithms_done(struct devcrypto_session *s);
size_t devcrypto_block(const struct devcrypto_cipher *cipher);
uint32_t devcrypto_cipher_number(const struct devcrypto_cipher *cipher);

/* The session with that id and a reference on it, or NULL. */
struct devcrypto_session *devcrypto_session_get(struct devcrypto_file *f, uint32_t id);
void devcrypto_session_put(struct devcrypto_session *s);

/* The checks of CIOCCRYPT that come after the IV was read: 0 or -EINVAL. */
int devcrypto_check_request(const struct devcrypto_file *f, const struct devcrypto_session *s, uint32_t op,
                            size_t len);

/* All of these need the session's lock. */
int devcrypto_run_start(struct devcrypto_run *run, struct devcrypto_session *s, uint32_t op);
int devcrypto_run_step(struct devcrypto_run *run, const uint8_t *src, uint8_t *dst, size_t len);
void devcrypto_run_commit(struct devcrypto_run *run);
int devcrypto_hash_restart(struct devcrypto_session *s);
int devcrypto_hash_update(struct devcrypto_session *s, const uint8_t *data, size_t len);
int devcrypto_hash_final(struct devcrypto_session *s, uint8_t digest[DEVCRYPTO_MAX_DIGEST], size_t *len);

/*
 * This process's own memory, bad pointers included.  opaque points to a pid_t of getpid(): asked once for a
 * call, since a number that was kept would be the parent's after a fork.
 */
int devcrypto_self_in(void *opaque, void *dst, uint64_t uaddr, size_t len);
int devcrypto_self_out(void *opaque, uint64_t uaddr, const void *src, size_t len);
/* 0 when all of it can be read (and written, if asked), else -EFAULT; no byte of it changes. */
int devcrypto_self_probe(void *opaque, uint64_t uaddr, size_t len, bool writable);

#endif
