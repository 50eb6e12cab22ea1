/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes that lie in pieces, and going through them without a copy of them all. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#define HASH_PIECE 16384u /* hashed and worked on while it is in the cache */

struct devcrypto_cursor devcrypto_begin(const struct devcrypto_bytes *bytes)
{
    return (struct devcrypto_cursor){.iov = bytes->iov, .count = bytes->count};
}

bool devcrypto_adds_up(const struct devcrypto_bytes *bytes)
{
    size_t left = bytes->len;

    for (unsigned int i = 0; i < bytes->count; i++) {
        if (bytes->iov[i].iov_len > left)
            return false;
        left -= bytes->iov[i].iov_len;
    }
    return left == 0;
}

/* How many bytes lie together from here on; 0 at the end. */
static size_t together(struct devcrypto_cursor *c)
{
    while (c->count != 0 && c->at == c->iov->iov_len) {
        c->iov++;
        c->count--;
        c->at = 0;
    }
    return c->count != 0 ? c->iov->iov_len - c->at : 0;
}

static uint8_t *here(const struct devcrypto_cursor *c)
{
    return (uint8_t *)c->iov->iov_base + c->at;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void devcrypto_gather(struct devcrypto_cursor *from, uint8_t *to, size_t len)
{
    while (len != 0) {
        size_t n = least(together(from), len);

        memcpy(to, here(from), n);
        from->at += n;
        to += n;
        len -= n;
    }
}

void devcrypto_scatter(struct devcrypto_cursor *to, const uint8_t *from, size_t len)
{
    while (len != 0) {
        size_t n = least(together(to), len);

        memcpy(here(to), from, n);
        to->at += n;
        from += n;
        len -= n;
    }
}

/* Encryption hashes what goes in, decryption what comes out: always the plaintext. */
static int step(struct devcrypto_run *run, const uint8_t *src, uint8_t *dst, size_t len, bool hashes)
{
    int err = 0;

    if (hashes && run->op == DEVCRYPTO_OP_ENCRYPT)
        err = devcrypto_hash_update(run->session, src, len);
    if (err == 0)
        err = devcrypto_run_step(run, src, dst, len);
    if (err == 0 && hashes && run->op == DEVCRYPTO_OP_DECRYPT)
        err = devcrypto_hash_update(run->session, dst, len);
    return err;
}

/* A block that is torn between pieces goes through the stack. */
static int step_torn(struct devcrypto_run *run, struct devcrypto_cursor *src, struct devcrypto_cursor *dst,
                     size_t block, bool hashes)
{
    uint8_t torn[DEVCRYPTO_MAX_BLOCK];
    int err;

    devcrypto_gather(src, torn, block);
    err = step(run, torn, torn, block, hashes);
    if (err == 0)
        devcrypto_scatter(dst, torn, block);
    return err;
}

int devcrypto_run_through(struct devcrypto_run *run, struct devcrypto_cursor *src, struct devcrypto_cursor *dst,
                          size_t len, bool hashes)
{
    const size_t block = run->session->cipher->block;
    int err = 0;

    while (len != 0 && err == 0) {
        size_t n = least(least(together(src), together(dst)), len);

        n -= n % block;
        if (hashes)
            n = least(n, HASH_PIECE);
        if (n == 0) {
            n = block;
            err = step_torn(run, src, dst, block, hashes);
        } else {
            err = step(run, here(src), here(dst), n, hashes);
            src->at += n;
            dst->at += n;
        }
        len -= n;
    }
    return err;
}

int devcrypto_hash_pieces(struct devcrypto_session *s, struct devcrypto_cursor *from, size_t len)
{
    int err = 0;

    while (len != 0 && err == 0) {
        size_t n = least(together(from), len);

        err = devcrypto_hash_update(s, here(from), n);
        from->at += n;
        len -= n;
    }
    return err;
}

int devcrypto_hash_all(struct devcrypto_session *s, const struct devcrypto_bytes *bytes)
{
    struct devcrypto_cursor cursor = devcrypto_begin(bytes);

    return devcrypto_hash_pieces(s, &cursor, bytes->len);
}

/* ---- bytes that are held back ---- */

int devcrypto_hold(struct devcrypto_held *held, size_t len)
{
    held->len = len;
    held->bytes = malloc(len != 0 ? len : 1);
    held->iov = (struct iovec){.iov_base = held->bytes, .iov_len = len};
    return held->bytes != NULL ? 0 : -ENOMEM;
}

struct devcrypto_cursor devcrypto_begin_held(const struct devcrypto_held *held)
{
    return (struct devcrypto_cursor){.iov = &held->iov, .count = 1};
}

void devcrypto_let_go(struct devcrypto_held *held)
{
    if (held->bytes != NULL)
        OPENSSL_cleanse(held->bytes, held->len);
    free(held->bytes);
}
