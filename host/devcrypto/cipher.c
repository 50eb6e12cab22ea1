/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session's work with its cipher, over libcrypto.
 *
 * To give a context another IV takes libcrypto longer than a short request does.  It is not needed: a CBC
 * context goes on from the block C that came last, so a first block that is XORed with C and the IV (before it
 * is encrypted, after it is decrypted) is what it would be after that IV.  A CTR context needs a new IV only
 * when a request does not go on where the one before it ended.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

#define STEP_MAX ((size_t)1 << 30) /* libcrypto counts in int */
#define XTS_BATCH 512u             /* bytes whose tweaks are made at a time */

/* ---- contexts ---- */

static int context_new(EVP_CIPHER_CTX **ctx, const char *name, const uint8_t *key, bool encrypt)
{
    static const uint8_t zeros[DEVCRYPTO_MAX_IV];
    EVP_CIPHER *type = EVP_CIPHER_fetch(NULL, name, NULL);
    int err = 0;

    if (type == NULL)
        return devcrypto_libcrypto_failed(-EINVAL);
    *ctx = EVP_CIPHER_CTX_new();
    if (*ctx == NULL)
        err = devcrypto_libcrypto_failed(-ENOMEM);
    else if (!EVP_CipherInit_ex(*ctx, type, NULL, key, zeros, encrypt) || !EVP_CIPHER_CTX_set_padding(*ctx, 0))
        err = devcrypto_libcrypto_failed(-EINVAL);
    EVP_CIPHER_free(type); /* the context keeps its own reference */
    return err;
}

int devcrypto_cipher_init(struct devcrypto_session *s, uint32_t cipher, const void *key, size_t keylen)
{
    const char *name;
    int err = 0;

    s->cipher = devcrypto_find_cipher(cipher);
    name = devcrypto_cipher_type(s->cipher, keylen);
    if (keylen != 0)
        memcpy(s->key, key, keylen); /* one of the cipher's lengths: never more than DEVCRYPTO_MAX_KEY */
    s->keylen = (uint32_t)keylen;
    s->chained[DEVCRYPTO_OP_ENCRYPT] = s->chained[DEVCRYPTO_OP_DECRYPT] = true; /* from zeros on */
    if (s->cipher->mode == MODE_NULL)
        return 0;
    err = context_new(&s->direction[DEVCRYPTO_OP_ENCRYPT], name, s->key, true);
    if (err == 0 && s->cipher->mode != MODE_CTR) /* which is the same both ways */
        err = context_new(&s->direction[DEVCRYPTO_OP_DECRYPT], name, s->key, false);
    if (err == 0 && s->cipher->mode == MODE_XTS)
        err = context_new(&s->tweak, name, s->key + keylen / 2, true);
    return err;
}

/* libcrypto cleanses key schedules when it frees a context; what is ours is ours to cleanse. */
void devcrypto_cipher_done(struct devcrypto_session *s)
{
    EVP_CIPHER_CTX_free(s->direction[DEVCRYPTO_OP_ENCRYPT]);
    EVP_CIPHER_CTX_free(s->direction[DEVCRYPTO_OP_DECRYPT]);
    EVP_CIPHER_CTX_free(s->tweak);
    OPENSSL_cleanse(s->key, sizeof(s->key));
    OPENSSL_cleanse(s->iv, sizeof(s->iv));
    OPENSSL_cleanse(s->chain, sizeof(s->chain));
}

/* Makes the context go on from the run's IV. */
static int give_iv(struct devcrypto_run *run, unsigned int which)
{
    struct devcrypto_session *s = run->session;

    s->chained[which] = EVP_CipherInit_ex(s->direction[which], NULL, NULL, NULL, run->iv, -1);
    if (!s->chained[which])
        return devcrypto_libcrypto_failed(-EIO);
    memcpy(s->chain[which], run->iv, sizeof(run->iv));
    return 0;
}

/* As much as libcrypto's counting allows at a time. */
static int update(EVP_CIPHER_CTX *ctx, const uint8_t *src, uint8_t *dst, size_t len)
{
    while (len != 0) {
        size_t n = len < STEP_MAX ? len : STEP_MAX;
        int written = 0;

        if (!EVP_CipherUpdate(ctx, dst, &written, src, (int)n) || (size_t)written != n)
            return devcrypto_libcrypto_failed(-EIO);
        src += n;
        dst += n;
        len -= n;
    }
    return 0;
}

/* ---- CBC ---- */

/* dst = a ^ b; len is a multiple of 8. */
static inline void xor_bytes(uint8_t *dst, const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t x, y;

        memcpy(&x, a + i, sizeof(x));
        memcpy(&y, b + i, sizeof(y));
        x ^= y;
        memcpy(dst + i, &x, sizeof(x));
    }
}

/*
 * One block through the stack, so that what is known of the chain is what libcrypto saw, whatever others write
 * to src and dst meanwhile.  `between` is the difference of the block before it and what the context goes on
 * from; NULL: none.  Inline, so that `block` is a constant: this is all of a short request.
 */
static inline __attribute__((always_inline)) int cbc_block(struct devcrypto_run *run, size_t block,
                                                           const uint8_t *between, const uint8_t *src,
                                                           uint8_t *dst)
{
    struct devcrypto_session *s = run->session;
    const bool encrypt = run->op == DEVCRYPTO_OP_ENCRYPT;
    uint8_t in[DEVCRYPTO_MAX_BLOCK], out[DEVCRYPTO_MAX_BLOCK];
    int err;

    memcpy(in, src, block);
    if (encrypt && between != NULL)
        xor_bytes(in, in, between, block);
    s->chained[run->op] = false;
    err = update(s->direction[run->op], in, out, block);
    if (err != 0)
        return err;
    s->chained[run->op] = true;
    memcpy(run->iv, encrypt ? out : in, block);
    memcpy(s->chain[run->op], run->iv, block);
    if (!encrypt && between != NULL)
        xor_bytes(out, out, between, block);
    memcpy(dst, out, block);
    return 0;
}

/* The first block for its IV, what follows it where it is, the last so that the chain is known. */
static inline __attribute__((always_inline)) int cbc_step(struct devcrypto_run *run, size_t block,
                                                          const uint8_t *src, uint8_t *dst, size_t len)
{
    struct devcrypto_session *s = run->session;
    uint8_t between[DEVCRYPTO_MAX_BLOCK];
    int err = s->chained[run->op] ? 0 : give_iv(run, run->op);

    if (err != 0)
        return err;
    xor_bytes(between, run->iv, s->chain[run->op], block);
    err = cbc_block(run, block, between, src, dst);
    src += block;
    dst += block;
    len -= block;
    if (err != 0 || len == 0)
        return err;
    if (len > block) {
        s->chained[run->op] = false;
        err = update(s->direction[run->op], src, dst, len - block);
    }
    return err != 0 ? err : cbc_block(run, block, NULL, src + len - block, dst + len - block);
}

/* ---- the other modes ---- */

/* The counter is one number of 128 bits, the last byte its lowest. */
static void add_to_counter(uint8_t counter[DEVCRYPTO_MAX_IV], size_t blocks)
{
    for (unsigned int i = DEVCRYPTO_MAX_IV; i-- != 0 && blocks != 0; blocks >>= 8) {
        blocks += counter[i];
        counter[i] = (uint8_t)blocks;
    }
}

/* The tweaks of blocks one after the other, each the one before times x in GF(2^128) (IEEE 1619, 5.2). */
static void make_tweaks(uint64_t tweaks[], unsigned int blocks, uint8_t next[DEVCRYPTO_MAX_IV])
{
    uint64_t low, high;

    memcpy(&low, next, sizeof(low));
    memcpy(&high, next + sizeof(low), sizeof(high));
    for (unsigned int i = 0; i < blocks; i++) {
        const uint64_t carry = 0 - (high >> 63);

        tweaks[2 * i] = low;
        tweaks[2 * i + 1] = high;
        high = high << 1 | low >> 63;
        low = low << 1 ^ (carry & 0x87);
    }
    memcpy(next, &low, sizeof(low));
    memcpy(next + sizeof(low), &high, sizeof(high));
}

/* By hand: libcrypto's XTS takes a request in one piece, no key of 48 bytes, and no key of two equal halves. */
static int xts_step(struct devcrypto_run *run, const uint8_t *src, uint8_t *dst, size_t len)
{
    uint64_t tweaks[XTS_BATCH / sizeof(uint64_t)];
    uint8_t data[XTS_BATCH];
    int err = 0;

    for (size_t at = 0, n; at < len && err == 0; at += n) {
        n = len - at < sizeof(data) ? len - at : sizeof(data);
        make_tweaks(tweaks, n / DEVCRYPTO_MAX_BLOCK, run->iv);
        xor_bytes(data, src + at, (const uint8_t *)tweaks, n);
        err = update(run->session->direction[run->op], data, data, n);
        if (err == 0)
            xor_bytes(dst + at, data, (const uint8_t *)tweaks, n);
    }
    return err;
}

int devcrypto_run_start(struct devcrypto_run *run, struct devcrypto_session *s, uint32_t op)
{
    int written = 0;

    run->session = s;
    run->op = op;
    run->done = 0;
    memcpy(run->iv, s->iv, sizeof(run->iv));
    switch (s->cipher->mode) {
    case MODE_CTR:
        if (s->chained[0] && memcmp(s->chain[0], run->iv, sizeof(run->iv)) == 0)
            return 0;
        return give_iv(run, 0);
    case MODE_XTS:
        if (!EVP_CipherUpdate(s->tweak, run->iv, &written, run->iv, sizeof(run->iv)))
            return devcrypto_libcrypto_failed(-EIO);
        return 0;
    case MODE_AEAD:
        return give_iv(run, op);
    default:
        return 0;
    }
}

int devcrypto_run_step(struct devcrypto_run *run, const uint8_t *src, uint8_t *dst, size_t len)
{
    struct devcrypto_session *s = run->session;

    run->done += len;
    switch (s->cipher->mode) {
    case MODE_CBC:
        return s->cipher->block == DEVCRYPTO_AES_BLOCK ? cbc_step(run, DEVCRYPTO_AES_BLOCK, src, dst, len)
                                                       : cbc_step(run, DEVCRYPTO_DES_BLOCK, src, dst, len);
    case MODE_XTS:
        return xts_step(run, src, dst, len);
    case MODE_CTR:
        s->chained[0] = false; /* until the whole run is over */
        return update(s->direction[0], src, dst, len);
    case MODE_NULL:
        if (src != dst)
            memmove(dst, src, len);
        return 0;
    default:
        return update(s->direction[run->op], src, dst, len);
    }
}

/* XTS and GCM leave the IV as it is; a CTR request that ends within a block leaves the rest of it unused. */
void devcrypto_run_commit(struct devcrypto_run *run)
{
    struct devcrypto_session *s = run->session;

    if (s->cipher->mode == MODE_CBC) {
        memcpy(s->iv, run->iv, s->cipher->block);
    } else if (s->cipher->mode == MODE_CTR) {
        add_to_counter(s->iv, run->done / DEVCRYPTO_AES_BLOCK + (run->done % DEVCRYPTO_AES_BLOCK != 0));
        memcpy(s->chain[0], s->iv, sizeof(s->iv));
        s->chained[0] = run->done % DEVCRYPTO_AES_BLOCK == 0;
    }
}

int devcrypto_check_request(const struct devcrypto_file *f, const struct devcrypto_session *s, uint32_t op,
                            size_t len)
{
    if (op != DEVCRYPTO_OP_ENCRYPT && op != DEVCRYPTO_OP_DECRYPT)
        return -EINVAL;
    if (s->cipher != NULL && (s->cipher->mode == MODE_AEAD || len % s->cipher->block != 0))
        return -EINVAL;
    return devcrypto_too_long(f, len) ? -EINVAL : 0;
}
