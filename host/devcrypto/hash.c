/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session's work with its hash or keyed hash, over libcrypto.  HMAC is done here, by its definition (FIPS
 * 198-1): its two halves are then apart, as CIOCCPHASH needs them, and a new start is a copy.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

#define MAX_HASH_BLOCK 128u
#define INNER_PAD 0x36
#define OUTER_PAD 0x5c

/* The key as HMAC takes it in; it is no longer than a block. */
static EVP_MD_CTX *take_key(const EVP_MD *type, const uint8_t *key, size_t keylen, size_t block, uint8_t pad)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t padded[MAX_HASH_BLOCK];

    memset(padded, pad, block);
    for (size_t i = 0; i < keylen; i++)
        padded[i] ^= key[i];
    if (ctx != NULL && (!EVP_DigestInit_ex2(ctx, type, NULL) || !EVP_DigestUpdate(ctx, padded, block))) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    OPENSSL_cleanse(padded, sizeof(padded));
    return ctx;
}

static bool keyed_init(struct devcrypto_session *s, const EVP_MD *type)
{
    const size_t block = s->hash->block;
    uint8_t digest[EVP_MAX_MD_SIZE];
    const uint8_t *key = s->mackey;
    unsigned int keylen = s->mackeylen;
    bool ok = true;

    if (keylen > block) {
        ok = EVP_Digest(key, keylen, digest, &keylen, type, NULL);
        key = digest;
    }
    if (ok) {
        s->inner = take_key(type, key, keylen, block, INNER_PAD);
        s->outer = take_key(type, key, keylen, block, OUTER_PAD);
    }
    OPENSSL_cleanse(digest, sizeof(digest));
    return ok && s->inner != NULL && s->outer != NULL && EVP_MD_CTX_copy_ex(s->md, s->inner);
}

int devcrypto_hash_init(struct devcrypto_session *s, uint32_t mac, const void *key, size_t keylen)
{
    EVP_MD *type;
    bool ok;

    s->hash = devcrypto_find_hash(mac);
    if (s->hash->keyed && keylen != 0) {
        memcpy(s->mackey, key, keylen); /* DEVCRYPTO_MAX_MACKEY at most */
        s->mackeylen = (uint32_t)keylen;
    }
    type = EVP_MD_fetch(NULL, s->hash->libcrypto, NULL);
    if (type == NULL)
        return devcrypto_libcrypto_failed(-EINVAL);
    s->md = EVP_MD_CTX_new();
    ok = s->md != NULL && (s->hash->keyed ? keyed_init(s, type) : EVP_DigestInit_ex2(s->md, type, NULL));
    EVP_MD_free(type); /* the contexts keep their own references */
    return ok ? 0 : devcrypto_libcrypto_failed(-ENOMEM);
}

void devcrypto_hash_done(struct devcrypto_session *s)
{
    EVP_MD_CTX_free(s->md);
    EVP_MD_CTX_free(s->inner);
    EVP_MD_CTX_free(s->outer);
    OPENSSL_cleanse(s->mackey, sizeof(s->mackey));
}

int devcrypto_hash_restart(struct devcrypto_session *s)
{
    int ok = s->hash->keyed ? EVP_MD_CTX_copy_ex(s->md, s->inner) : EVP_DigestInit_ex2(s->md, NULL, NULL);

    s->hash_finished = !ok; /* if not, the next use tries again: what is there now is of the digest before */
    s->hash_begun = false;
    return ok ? 0 : devcrypto_libcrypto_failed(-EIO);
}

int devcrypto_hash_start(struct devcrypto_session *s, uint32_t flags)
{
    const bool anew = flags == 0 || (flags & DEVCRYPTO_FLAG_RESET) != 0 || s->hash_finished;

    return anew && (s->hash_begun || s->hash_finished) ? devcrypto_hash_restart(s) : 0;
}

int devcrypto_hash_update(struct devcrypto_session *s, const uint8_t *data, size_t len)
{
    s->hash_begun = true;
    return EVP_DigestUpdate(s->md, data, len) ? 0 : devcrypto_libcrypto_failed(-EIO);
}

int devcrypto_hash_final(struct devcrypto_session *s, uint8_t *digest)
{
    const size_t len = s->hash->digest_len;
    uint8_t inner[EVP_MAX_MD_SIZE];
    int ok;

    s->hash_finished = true;
    s->hash_begun = false;
    if (!s->hash->keyed)
        ok = EVP_DigestFinal_ex(s->md, digest, NULL);
    else
        ok = EVP_DigestFinal_ex(s->md, inner, NULL) && EVP_MD_CTX_copy_ex(s->md, s->outer) &&
             EVP_DigestUpdate(s->md, inner, len) && EVP_DigestFinal_ex(s->md, digest, NULL);
    return ok ? 0 : devcrypto_libcrypto_failed(-EIO);
}

bool devcrypto_digest_is_due(uint32_t flags, size_t len)
{
    return (flags & DEVCRYPTO_FLAG_FINAL) != 0 || (flags & DEVCRYPTO_FLAG_UPDATE) == 0 || len == 0;
}

/* ---- CIOCCPHASH ---- */

static bool same_key(const struct devcrypto_session *a, const struct devcrypto_session *b)
{
    return a->mackeylen == b->mackeylen && CRYPTO_memcmp(a->mackey, b->mackey, a->mackeylen) == 0;
}

/*
 * Both are locked.  A keyed hash goes on with what went in, the other's key included, and ends with its own key:
 * one with another key has begun by that alone.
 */
static int copy_state(struct devcrypto_session *to, const struct devcrypto_session *from)
{
    const bool ended = from->hash_finished;

    if (to->hash == NULL || to->hash != from->hash)
        return -EINVAL;
    to->hash_begun = from->hash_begun || !same_key(to, from);
    to->hash_finished = ended && !to->hash->keyed; /* the next use starts anew */
    if (to->hash_finished || EVP_MD_CTX_copy_ex(to->md, ended ? from->inner : from->md))
        return 0;
    to->hash_finished = true;
    to->hash_begun = false;
    return devcrypto_libcrypto_failed(-EIO);
}

/* Locked in the order of their addresses, as every pair is. */
static int copy_between(struct devcrypto_session *to, struct devcrypto_session *from)
{
    struct devcrypto_session *first = to < from ? to : from;
    struct devcrypto_session *second = to < from ? from : to;
    int err;

    pthread_mutex_lock(&first->lock);
    pthread_mutex_lock(&second->lock);
    err = copy_state(to, from);
    pthread_mutex_unlock(&second->lock);
    pthread_mutex_unlock(&first->lock);
    return err;
}

int devcrypto_hash_copy(struct devcrypto_file *f, uint32_t dst_ses, uint32_t src_ses)
{
    struct devcrypto_session *to, *from;
    int err;

    if (dst_ses == src_ses)
        return -EDEADLK;
    to = devcrypto_session_get(f, dst_ses);
    from = devcrypto_session_get(f, src_ses);
    err = to != NULL && from != NULL ? copy_between(to, from) : -ENOENT;
    if (to != NULL)
        devcrypto_session_put(to);
    if (from != NULL)
        devcrypto_session_put(from);
    return err;
}
