/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The algorithms for the fuzz target: modes by their definitions over one block at a time (NIST SP 800-38A and
 * -38D, IEEE 1619), HMAC by its own (FIPS 198-1).
 */
#include "fuzz.h"

#include <string.h>

#define INNER_PAD 0x36
#define OUTER_PAD 0x5c
#define MOST 16u /* bytes of a block */

/* ---- which there are ---- */

static const struct {
    uint32_t cipher;
    uint32_t block, iv, keys[3];
} ciphers[] = {
    {DEVCRYPTO_AES_CBC, 16, 16, {16, 24, 32}}, {DEVCRYPTO_AES_CTR, 1, 16, {16, 24, 32}},
    {DEVCRYPTO_AES_XTS, 16, 16, {32, 48, 64}}, {DEVCRYPTO_AES_ECB, 16, 0, {16, 24, 32}},
    {DEVCRYPTO_AES_GCM, 1, 12, {16, 24, 32}},  {DEVCRYPTO_3DES_CBC, 8, 8, {24, 24, 24}},
    {DEVCRYPTO_NULL, 1, 0, {0, 0, 0}},
};

static unsigned int line_of(uint32_t cipher)
{
    unsigned int i = 0;

    while (i < sizeof(ciphers) / sizeof(ciphers[0]) && ciphers[i].cipher != cipher)
        i++;
    return i;
}

bool fuzz_good_cipher(uint32_t cipher)
{
    return line_of(cipher) < sizeof(ciphers) / sizeof(ciphers[0]);
}

bool fuzz_good_keylen(uint32_t cipher, uint32_t keylen)
{
    const uint32_t *keys = ciphers[line_of(cipher)].keys;

    return keylen == keys[0] || keylen == keys[1] || keylen == keys[2];
}

uint32_t fuzz_block(uint32_t cipher)
{
    return ciphers[line_of(cipher)].block;
}

uint32_t fuzz_iv_len(uint32_t cipher)
{
    return cipher != 0 ? ciphers[line_of(cipher)].iv : 0;
}

const EVP_MD *fuzz_digest_of(uint32_t mac)
{
    switch (mac) {
    case DEVCRYPTO_MD5_HMAC:
    case DEVCRYPTO_MD5:
        return EVP_md5();
    case DEVCRYPTO_SHA1_HMAC:
    case DEVCRYPTO_SHA1:
        return EVP_sha1();
    case DEVCRYPTO_SHA2_224_HMAC:
    case DEVCRYPTO_SHA2_224:
        return EVP_sha224();
    case DEVCRYPTO_SHA2_256_HMAC:
    case DEVCRYPTO_SHA2_256:
        return EVP_sha256();
    case DEVCRYPTO_SHA2_384_HMAC:
    case DEVCRYPTO_SHA2_384:
        return EVP_sha384();
    case DEVCRYPTO_SHA2_512_HMAC:
    case DEVCRYPTO_SHA2_512:
        return EVP_sha512();
    default:
        return NULL;
    }
}

bool fuzz_keyed(uint32_t mac)
{
    return mac == DEVCRYPTO_MD5_HMAC || mac == DEVCRYPTO_SHA1_HMAC || mac == DEVCRYPTO_SHA2_224_HMAC ||
           mac == DEVCRYPTO_SHA2_256_HMAC || mac == DEVCRYPTO_SHA2_384_HMAC || mac == DEVCRYPTO_SHA2_512_HMAC;
}

/* ---- hashes ---- */

/* Takes in the key as HMAC does on its way in (0x36) and on its way out (0x5c). */
static void take_key(const struct fuzz_session *s, EVP_MD_CTX *ctx, uint8_t pad)
{
    const size_t block = (size_t)EVP_MD_get_block_size(fuzz_digest_of(s->mac));
    uint8_t padded[128] = {0};

    if (s->mackeylen > block)
        must(EVP_Digest(s->mackey, s->mackeylen, padded, NULL, fuzz_digest_of(s->mac), NULL), "libcrypto");
    else
        memcpy(padded, s->mackey, s->mackeylen);
    for (unsigned int i = 0; i < block; i++)
        padded[i] ^= pad;
    must(EVP_DigestUpdate(ctx, padded, block), "libcrypto");
}

void fuzz_hash_start(struct fuzz_session *s)
{
    must(EVP_DigestInit_ex(s->inner, fuzz_digest_of(s->mac), NULL), "libcrypto");
    if (fuzz_keyed(s->mac))
        take_key(s, s->inner, INNER_PAD);
    s->finished = false;
    s->begun = false;
}

void fuzz_hash(struct fuzz_session *s, const void *data, size_t len)
{
    if (len == 0)
        return;
    must(EVP_DigestUpdate(s->inner, data, len), "libcrypto");
    s->begun = true;
}

size_t fuzz_hash_end(struct fuzz_session *s, uint8_t digest[EVP_MAX_MD_SIZE])
{
    unsigned int len = 0;

    must(EVP_DigestFinal_ex(s->inner, digest, &len), "libcrypto");
    s->finished = true;
    s->begun = false;
    if (!fuzz_keyed(s->mac))
        return len;
    must(EVP_DigestInit_ex(s->inner, fuzz_digest_of(s->mac), NULL), "libcrypto");
    take_key(s, s->inner, OUTER_PAD);
    must(EVP_DigestUpdate(s->inner, digest, len) && EVP_DigestFinal_ex(s->inner, digest, &len), "libcrypto");
    return len;
}

/* ---- ciphers ---- */

/* One block by itself. */
static void one_block(uint32_t cipher, const uint8_t *key, size_t keylen, uint32_t op, const uint8_t *in,
                      uint8_t *out)
{
    const EVP_CIPHER *type = cipher == DEVCRYPTO_3DES_CBC ? EVP_des_ede3_ecb()
                             : keylen == 16               ? EVP_aes_128_ecb()
                             : keylen == 24               ? EVP_aes_192_ecb()
                                                          : EVP_aes_256_ecb();
    const int block = cipher == DEVCRYPTO_3DES_CBC ? 8 : 16;
    static EVP_CIPHER_CTX *ctx;
    int n = 0;

    if (ctx == NULL)
        ctx = EVP_CIPHER_CTX_new();
    must(ctx != NULL && EVP_CipherInit_ex(ctx, type, NULL, key, NULL, op == DEVCRYPTO_OP_ENCRYPT) &&
             EVP_CIPHER_CTX_set_padding(ctx, 0) && EVP_CipherUpdate(ctx, out, &n, in, block) && n == block,
         "libcrypto");
}

static void mix(uint8_t *to, const uint8_t *with, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] ^= with[i];
}

static void cbc(struct fuzz_session *s, uint32_t op, const uint8_t *src, uint8_t *dst, size_t len)
{
    const size_t block = fuzz_block(s->cipher);

    for (size_t at = 0; at < len; at += block) {
        uint8_t in[MOST], out[MOST];

        memcpy(in, src + at, block);
        if (op == DEVCRYPTO_OP_ENCRYPT)
            mix(in, s->iv, block);
        one_block(s->cipher, s->key, s->keylen, op, in, out);
        if (op == DEVCRYPTO_OP_DECRYPT)
            mix(out, s->iv, block);
        memcpy(s->iv, op == DEVCRYPTO_OP_ENCRYPT ? out : in, block);
        memcpy(dst + at, out, block);
    }
}

/* The lowest `width` bytes of the counter count. */
static void ctr(struct fuzz_session *s, uint8_t counter[MOST], unsigned int width, const uint8_t *src,
                uint8_t *dst, size_t len)
{
    for (size_t at = 0; at < len; at += MOST) {
        uint8_t stream[MOST];

        one_block(s->cipher, s->key, s->keylen, DEVCRYPTO_OP_ENCRYPT, counter, stream);
        for (size_t i = 0; i < MOST && at + i < len; i++)
            dst[at + i] = src[at + i] ^ stream[i];
        for (unsigned int i = MOST; i-- > MOST - width && ++counter[i] == 0;)
            ;
    }
}

static void xts(struct fuzz_session *s, uint32_t op, const uint8_t *src, uint8_t *dst, size_t len)
{
    const size_t half = s->keylen / 2;
    uint8_t tweak[MOST];

    one_block(s->cipher, s->key + half, half, DEVCRYPTO_OP_ENCRYPT, s->iv, tweak);
    for (size_t at = 0; at < len; at += MOST) {
        uint8_t block[MOST];
        unsigned int carry = 0;

        memcpy(block, src + at, MOST);
        mix(block, tweak, MOST);
        one_block(s->cipher, s->key, half, op, block, block);
        mix(block, tweak, MOST);
        memcpy(dst + at, block, MOST);
        for (unsigned int i = 0; i < MOST; i++) {
            unsigned int wide = tweak[i] * 2u + carry;

            tweak[i] = (uint8_t)wide;
            carry = wide >> 8;
        }
        tweak[0] ^= carry != 0 ? 0x87 : 0;
    }
}

void fuzz_run_cipher(struct fuzz_session *s, uint32_t op, const uint8_t *src, uint8_t *dst, size_t len)
{
    switch (s->cipher) {
    case DEVCRYPTO_AES_CTR:
        ctr(s, s->iv, MOST, src, dst, len);
        break;
    case DEVCRYPTO_AES_XTS:
        if (len != 0)
            xts(s, op, src, dst, len);
        break;
    case DEVCRYPTO_AES_ECB:
        for (size_t at = 0; at < len; at += MOST)
            one_block(s->cipher, s->key, s->keylen, op, src + at, dst + at);
        break;
    case DEVCRYPTO_NULL:
        memmove(dst, src, len);
        break;
    default:
        cbc(s, op, src, dst, len);
    }
}

/* ---- GCM ---- */

/* y = (y ^ block) * h, bit by bit (SP 800-38D, 6.3). */
static void ghash_block(uint8_t y[MOST], const uint8_t h[MOST], const uint8_t *block, size_t len)
{
    uint8_t v[MOST], z[MOST] = {0};

    mix(y, block, len);
    memcpy(v, h, MOST);
    for (unsigned int bit = 0; bit < 128; bit++) {
        bool low = v[MOST - 1] & 1;

        if (y[bit / 8] & (0x80 >> bit % 8))
            mix(z, v, MOST);
        for (unsigned int i = MOST - 1; i != 0; i--)
            v[i] = (uint8_t)(v[i] >> 1 | v[i - 1] << 7);
        v[0] >>= 1;
        v[0] ^= low ? 0xe1 : 0;
    }
    memcpy(y, z, MOST);
}

static void ghash(uint8_t y[MOST], const uint8_t h[MOST], const uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len; at += MOST)
        ghash_block(y, h, data + at, len - at < MOST ? len - at : MOST);
}

void fuzz_gcm(struct fuzz_session *s, uint32_t op, const uint8_t *aad, size_t aad_len, const uint8_t *src,
              uint8_t *dst, size_t len, uint8_t tag[MOST])
{
    uint8_t counter[MOST] = {0}, first[MOST], h[MOST] = {0}, y[MOST] = {0}, lengths[MOST];

    one_block(s->cipher, s->key, s->keylen, DEVCRYPTO_OP_ENCRYPT, h, h);
    memcpy(counter, s->iv, 12);
    counter[MOST - 1] = 1;
    one_block(s->cipher, s->key, s->keylen, DEVCRYPTO_OP_ENCRYPT, counter, first);
    counter[MOST - 1] = 2;
    ghash(y, h, aad, aad_len);
    if (op == DEVCRYPTO_OP_DECRYPT)
        ghash(y, h, src, len);
    ctr(s, counter, 4, src, dst, len);
    if (op == DEVCRYPTO_OP_ENCRYPT)
        ghash(y, h, dst, len);
    for (unsigned int i = 0; i < 8; i++) {
        lengths[7 - i] = (uint8_t)(aad_len * 8 >> 8 * i);
        lengths[15 - i] = (uint8_t)(len * 8 >> 8 * i);
    }
    ghash(y, h, lengths, MOST);
    mix(y, first, MOST);
    memcpy(tag, y, MOST);
}
