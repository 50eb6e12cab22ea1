/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The algorithms: which there are, under which numbers and names, and how long their keys and blocks are. */
#include "internal.h"

#include <errno.h>

#include <openssl/err.h>

#define GCM_IV 12
#define GCM_TAG 16

static const struct devcrypto_cipher ciphers[] = {
    {DEVCRYPTO_AES_CBC, MODE_CBC, 16, 16, 0, "cbc(aes)",
     {{16, "AES-128-CBC"}, {24, "AES-192-CBC"}, {32, "AES-256-CBC"}}},
    {DEVCRYPTO_AES_CTR, MODE_CTR, 1, 16, 0, "ctr(aes)",
     {{16, "AES-128-CTR"}, {24, "AES-192-CTR"}, {32, "AES-256-CTR"}}},
    {DEVCRYPTO_AES_XTS, MODE_XTS, 16, 16, 0, "xts(aes)",
     {{32, "AES-128-ECB"}, {48, "AES-192-ECB"}, {64, "AES-256-ECB"}}},
    {DEVCRYPTO_AES_ECB, MODE_ECB, 16, 0, 0, "ecb(aes)",
     {{16, "AES-128-ECB"}, {24, "AES-192-ECB"}, {32, "AES-256-ECB"}}},
    {DEVCRYPTO_AES_GCM, MODE_AEAD, 1, GCM_IV, GCM_TAG, "gcm(aes)",
     {{16, "AES-128-GCM"}, {24, "AES-192-GCM"}, {32, "AES-256-GCM"}}},
    {DEVCRYPTO_3DES_CBC, MODE_CBC, DEVCRYPTO_DES_BLOCK, DEVCRYPTO_DES_BLOCK, 0, "cbc(des3_ede)",
     {{24, "DES-EDE3-CBC"}}},
    {DEVCRYPTO_NULL, MODE_NULL, 1, 0, 0, "ecb(cipher_null)", {{0, ""}}},
};

static const struct devcrypto_hash hashes[] = {
    {DEVCRYPTO_MD5_HMAC, true, 16, 64, "hmac(md5)", "MD5"},
    {DEVCRYPTO_SHA1_HMAC, true, 20, 64, "hmac(sha1)", "SHA1"},
    {DEVCRYPTO_SHA2_224_HMAC, true, 28, 64, "hmac(sha224)", "SHA224"},
    {DEVCRYPTO_SHA2_256_HMAC, true, 32, 64, "hmac(sha256)", "SHA256"},
    {DEVCRYPTO_SHA2_384_HMAC, true, 48, 128, "hmac(sha384)", "SHA384"},
    {DEVCRYPTO_SHA2_512_HMAC, true, 64, 128, "hmac(sha512)", "SHA512"},
    {DEVCRYPTO_MD5, false, 16, 64, "md5", "MD5"},
    {DEVCRYPTO_SHA1, false, 20, 64, "sha1", "SHA1"},
    {DEVCRYPTO_SHA2_224, false, 28, 64, "sha224", "SHA224"},
    {DEVCRYPTO_SHA2_256, false, 32, 64, "sha256", "SHA256"},
    {DEVCRYPTO_SHA2_384, false, 48, 128, "sha384", "SHA384"},
    {DEVCRYPTO_SHA2_512, false, 64, 128, "sha512", "SHA512"},
};

const struct devcrypto_cipher *devcrypto_find_cipher(uint32_t number)
{
    for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
        if (ciphers[i].number == number)
            return &ciphers[i];
    return NULL;
}

void devcrypto_sizes_of(const struct devcrypto_cipher *cipher, const struct devcrypto_hash *hash,
                        struct devcrypto_sizes *sizes)
{
    *sizes = (struct devcrypto_sizes){
        .cipher = cipher != NULL ? cipher->number : 0,
        .mac = hash != NULL ? hash->number : 0,
        .block = cipher != NULL ? cipher->block : 1,
        .iv_len = cipher != NULL ? cipher->iv_len : 0,
        .digest_len = hash != NULL ? hash->digest_len : 0,
        .tag_len = cipher != NULL ? cipher->tag_len : 0,
    };
}

int devcrypto_algorithm_sizes(uint32_t cipher, uint32_t mac, struct devcrypto_sizes *sizes)
{
    int err = devcrypto_check_algorithms(cipher, mac);

    if (err == 0)
        devcrypto_sizes_of(devcrypto_find_cipher(cipher),
                           devcrypto_takes_mac(cipher) ? devcrypto_find_hash(mac) : NULL, sizes);
    return err;
}

const struct devcrypto_hash *devcrypto_find_hash(uint32_t number)
{
    for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
        if (hashes[i].number == number)
            return &hashes[i];
    return NULL;
}

const char *devcrypto_cipher_type(const struct devcrypto_cipher *cipher, size_t keylen)
{
    for (size_t i = 0; i < sizeof(cipher->keys) / sizeof(cipher->keys[0]); i++)
        if (cipher->keys[i].name != NULL && cipher->keys[i].len == keylen)
            return cipher->keys[i].name;
    return NULL;
}

int devcrypto_check_algorithms(uint32_t cipher, uint32_t mac)
{
    if (cipher == 0 && mac == 0)
        return -EINVAL;
    if ((cipher != 0 && devcrypto_find_cipher(cipher) == NULL) ||
        (mac != 0 && devcrypto_find_hash(mac) == NULL))
        return -EINVAL;
    return 0;
}

int devcrypto_check_keylen(uint32_t cipher, size_t keylen)
{
    const struct devcrypto_cipher *known = devcrypto_find_cipher(cipher);

    return known == NULL || devcrypto_cipher_type(known, keylen) != NULL ? 0 : -EINVAL;
}

bool devcrypto_takes_mac(uint32_t cipher)
{
    const struct devcrypto_cipher *known = devcrypto_find_cipher(cipher);

    return known == NULL || known->mode != MODE_AEAD;
}

bool devcrypto_mac_takes_key(uint32_t mac)
{
    const struct devcrypto_hash *hash = devcrypto_find_hash(mac);

    return hash != NULL && hash->keyed;
}

int devcrypto_libcrypto_failed(int error)
{
    ERR_clear_error();
    return error;
}
