/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The algorithms: which there are, and a session's work with them, over libcrypto. */
#include "internal.h"

#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#define STEP_MAX ((size_t)1 << 30) /* libcrypto counts in int */

struct devcrypto_cipher {
    uint32_t number;
    size_t keylens[3];
    const EVP_CIPHER *(*types[3])(void); /* by key length */
    size_t block;
};

struct devcrypto_hash {
    uint32_t number;
    bool keyed;
    const char *name;
};

static const struct devcrypto_cipher ciphers[] = {
    {DEVCRYPTO_AES_CBC, {16, 24, 32}, {EVP_aes_128_cbc, EVP_aes_192_cbc, EVP_aes_256_cbc}, DEVCRYPTO_AES_BLOCK},
};

static const struct devcrypto_hash hashes[] = {
    {DEVCRYPTO_MD5_HMAC, true, "MD5"},      {DEVCRYPTO_SHA1_HMAC, true, "SHA1"},
    {DEVCRYPTO_SHA1, false, "SHA1"},        {DEVCRYPTO_SHA2_256_HMAC, true, "SHA256"},
    {DEVCRYPTO_SHA2_256, false, "SHA256"},
};

/* libcrypto said no: its reasons stay out of the caller's error queue. */
static int libcrypto_failed(int error)
{
    ERR_clear_error();
    return error;
}

static const struct devcrypto_cipher *find_cipher(uint32_t number)
{
    for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
        if (ciphers[i].number == number)
            return &ciphers[i];
    return NULL;
}

static const struct devcrypto_hash *find_hash(uint32_t number)
{
    for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
        if (hashes[i].number == number)
            return &hashes[i];
    return NULL;
}

static const EVP_CIPHER *cipher_type(const struct devcrypto_cipher *cipher, size_t keylen)
{
    for (size_t i = 0; i < sizeof(cipher->keylens) / sizeof(cipher->keylens[0]); i++)
        if (cipher->keylens[i] == keylen)
            return cipher->types[i]();
    return NULL;
}

int devcrypto_check_algorithms(uint32_t cipher, uint32_t mac)
{
    if (cipher == 0 && mac == 0)
        return -EINVAL;
    if ((cipher != 0 && find_cipher(cipher) == NULL) || (mac != 0 && find_hash(mac) == NULL))
        return -EINVAL;
    return 0;
}

int devcrypto_check_keylen(uint32_t cipher, size_t keylen)
{
    const struct devcrypto_cipher *known = find_cipher(cipher);

    return known == NULL || cipher_type(known, keylen) != NULL ? 0 : -EINVAL;
}

size_t devcrypto_block(const struct devcrypto_cipher *cipher)
{
    return cipher->block;
}

uint32_t devcrypto_cipher_number(const struct devcrypto_cipher *cipher)
{
    return cipher->number;
}

bool devcrypto_mac_takes_key(uint32_t mac)
{
    const struct devcrypto_hash *hash = find_hash(mac);

    return hash != NULL && hash->keyed;
}

int devcrypto_cipher_init(struct devcrypto_session *s, uint32_t cipher, const void *key, size_t keylen)
{
    const EVP_CIPHER *type;

    s->cipher = find_cipher(cipher);
    type = cipher_type(s->cipher, keylen);
    memcpy(s->key, key, keylen); /* one of the cipher's lengths: never more than DEVCRYPTO_MAX_KEY */
    s->keylen = (uint32_t)keylen;

    for (unsigned int op = DEVCRYPTO_OP_ENCRYPT; op <= DEVCRYPTO_OP_DECRYPT; op++) {
        EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

        s->direction[op] = ctx;
        if (ctx == NULL)
            return libcrypto_failed(-ENOMEM);
        if (!EVP_CipherInit_ex(ctx, type, NULL, key, s->iv, op == DEVCRYPTO_OP_ENCRYPT) ||
            !EVP_CIPHER_CTX_set_padding(ctx, 0))
            return libcrypto_failed(-EINVAL);
    }
    return 0;
}

static int keyed_hash_init(struct devcrypto_session *s, const void *key, size_t keylen)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)s->hash->name, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);

    if (mac == NULL)
        return libcrypto_failed(-EINVAL);
    s->hmac = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac); /* the context keeps its own reference */
    if (s->hmac == NULL)
        return libcrypto_failed(-ENOMEM);
    /* NULL would mean "the key from before": an empty key is a key. */
    if (!EVP_MAC_init(s->hmac, keylen != 0 ? key : "", keylen, params))
        return libcrypto_failed(-EINVAL);
    return 0;
}

static int plain_hash_init(struct devcrypto_session *s)
{
    EVP_MD *type = EVP_MD_fetch(NULL, s->hash->name, NULL);
    int ok;

    if (type == NULL)
        return libcrypto_failed(-EINVAL);
    s->md = EVP_MD_CTX_new();
    ok = s->md != NULL && EVP_DigestInit_ex2(s->md, type, NULL);
    EVP_MD_free(type); /* the context keeps its own reference */
    return ok ? 0 : libcrypto_failed(-ENOMEM);
}

int devcrypto_hash_init(struct devcrypto_session *s, uint32_t mac, const void *key, size_t keylen)
{
    s->hash = find_hash(mac);
    return s->hash->keyed ? keyed_hash_init(s, key, keylen) : plain_hash_init(s);
}

/* libcrypto cleanses key schedules when it frees a context; key and IV are ours. */
void devcrypto_algorithms_done(struct devcrypto_session *s)
{
    EVP_CIPHER_CTX_free(s->direction[DEVCRYPTO_OP_ENCRYPT]);
    EVP_CIPHER_CTX_free(s->direction[DEVCRYPTO_OP_DECRYPT]);
    EVP_MD_CTX_free(s->md);
    EVP_MAC_CTX_free(s->hmac);
    OPENSSL_cleanse(s->key, sizeof(s->key));
    OPENSSL_cleanse(s->iv, sizeof(s->iv));
}

int devcrypto_run_start(struct devcrypto_run *run, struct devcrypto_session *s, uint32_t op)
{
    run->session = s;
    run->op = op;
    memcpy(run->iv, s->iv, sizeof(run->iv));
    if (!EVP_CipherInit_ex(s->direction[op], NULL, NULL, NULL, s->iv, -1))
        return libcrypto_failed(-EIO);
    return 0;
}

int devcrypto_run_step(struct devcrypto_run *run, const uint8_t *src, uint8_t *dst, size_t len)
{
    EVP_CIPHER_CTX *ctx = run->session->direction[run->op];

    while (len != 0) {
        size_t n = len < STEP_MAX ? len : STEP_MAX;
        int written = 0;

        /* The last block of ciphertext is the next IV; decrypting in place would overwrite it. */
        if (run->op == DEVCRYPTO_OP_DECRYPT)
            memcpy(run->iv, src + n - sizeof(run->iv), sizeof(run->iv));
        if (!EVP_CipherUpdate(ctx, dst, &written, src, (int)n) || (size_t)written != n)
            return libcrypto_failed(-EIO);
        if (run->op == DEVCRYPTO_OP_ENCRYPT)
            memcpy(run->iv, dst + n - sizeof(run->iv), sizeof(run->iv));
        src += n;
        dst += n;
        len -= n;
    }
    return 0;
}

void devcrypto_run_commit(struct devcrypto_run *run)
{
    memcpy(run->session->iv, run->iv, sizeof(run->iv));
}

int devcrypto_hash_restart(struct devcrypto_session *s)
{
    int ok = s->hmac != NULL ? EVP_MAC_init(s->hmac, NULL, 0, NULL) : EVP_DigestInit_ex2(s->md, NULL, NULL);

    s->hash_finished = !ok; /* if not, the next use tries again: what is there now is of the digest before */
    return ok ? 0 : libcrypto_failed(-EIO);
}

int devcrypto_hash_update(struct devcrypto_session *s, const uint8_t *data, size_t len)
{
    int ok = s->hmac != NULL ? EVP_MAC_update(s->hmac, data, len) : EVP_DigestUpdate(s->md, data, len);

    return ok ? 0 : libcrypto_failed(-EIO);
}

int devcrypto_hash_final(struct devcrypto_session *s, uint8_t digest[DEVCRYPTO_MAX_DIGEST], size_t *len)
{
    unsigned int mdlen = 0;
    int ok;

    s->hash_finished = true;
    if (s->hmac != NULL)
        return EVP_MAC_final(s->hmac, digest, len, DEVCRYPTO_MAX_DIGEST) ? 0 : libcrypto_failed(-EIO);
    ok = EVP_DigestFinal_ex(s->md, digest, &mdlen);
    *len = mdlen;
    return ok ? 0 : libcrypto_failed(-EIO);
}
