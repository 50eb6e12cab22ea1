/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What /dev/crypto does with a call, for the fuzz target: each request whole, with a cipher and a hash that are
 * set up anew, HMAC by its definition (FIPS 198-1).  The order of the checks is that of the reference model.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#define CHUNK                                                                                                \
    65536u /* source and destination that overlap: longer data is worked on in pieces of this size */
#define HMAC_BLOCK 64u
#define HMAC_INNER 0x36
#define HMAC_OUTER 0x5c

/* ---- sessions ---- */

struct fuzz_session *fuzz_find(struct fuzz_file *file, uint32_t id)
{
    for (unsigned int i = 0; i < file->count; i++)
        if (file->sessions[i].id == id)
            return &file->sessions[i];
    return NULL;
}

void fuzz_forget(struct fuzz_file *file, uint32_t id)
{
    struct fuzz_session *s = fuzz_find(file, id);

    if (s == NULL)
        return;
    EVP_MD_CTX_free(s->inner);
    *s = file->sessions[--file->count];
}

static bool full(const struct fuzz_file *file)
{
    return file->limits.max_sessions != 0 && file->count >= file->limits.max_sessions;
}

static const EVP_MD *digest_of(uint32_t mac)
{
    switch (mac) {
    case DEVCRYPTO_MD5_HMAC:
        return EVP_md5();
    case DEVCRYPTO_SHA1_HMAC:
    case DEVCRYPTO_SHA1:
        return EVP_sha1();
    case DEVCRYPTO_SHA2_256_HMAC:
    case DEVCRYPTO_SHA2_256:
        return EVP_sha256();
    default:
        return NULL;
    }
}

static bool keyed(uint32_t mac)
{
    return mac == DEVCRYPTO_MD5_HMAC || mac == DEVCRYPTO_SHA1_HMAC || mac == DEVCRYPTO_SHA2_256_HMAC;
}

static bool good_algorithms(uint32_t cipher, uint32_t mac)
{
    if (cipher == 0 && mac == 0)
        return false;
    return (cipher == 0 || cipher == DEVCRYPTO_AES_CBC) && (mac == 0 || digest_of(mac) != NULL);
}

static bool good_keylen(uint32_t keylen)
{
    return keylen == 16 || keylen == 24 || keylen == 32;
}

/* Takes in the key as HMAC does on its way in (0x36) and on its way out (0x5c). */
static void take_key(const struct fuzz_session *s, EVP_MD_CTX *ctx, uint8_t pad)
{
    uint8_t block[HMAC_BLOCK] = {0};

    if (s->mackeylen > sizeof(block))
        must(EVP_Digest(s->mackey, s->mackeylen, block, NULL, digest_of(s->mac), NULL), "libcrypto");
    else
        memcpy(block, s->mackey, s->mackeylen);
    for (unsigned int i = 0; i < sizeof(block); i++)
        block[i] ^= pad;
    must(EVP_DigestUpdate(ctx, block, sizeof(block)), "libcrypto");
}

static void hash_start(struct fuzz_session *s)
{
    must(EVP_DigestInit_ex(s->inner, digest_of(s->mac), NULL), "libcrypto");
    if (keyed(s->mac))
        take_key(s, s->inner, HMAC_INNER);
    s->finished = false;
}

static size_t hash_end(struct fuzz_session *s, uint8_t digest[EVP_MAX_MD_SIZE])
{
    unsigned int len = 0;

    must(EVP_DigestFinal_ex(s->inner, digest, &len), "libcrypto");
    s->finished = true;
    if (!keyed(s->mac))
        return len;
    must(EVP_DigestInit_ex(s->inner, digest_of(s->mac), NULL), "libcrypto");
    take_key(s, s->inner, HMAC_OUTER);
    must(EVP_DigestUpdate(s->inner, digest, len) && EVP_DigestFinal_ex(s->inner, digest, &len), "libcrypto");
    return len;
}

static void add(struct fuzz_file *file, const struct fuzz_session *made)
{
    struct fuzz_session *s = &file->sessions[file->count];

    must(file->count < FUZZ_SESSIONS && made->id != 0, "a session with the id 0");
    must(fuzz_find(file, made->id) == NULL, "a session with the id 0x%x of another", made->id);
    file->count++;
    *s = *made;
    if (s->cipher == 0)
        s->keylen = 0;
    if (s->mac == 0)
        return;
    s->inner = EVP_MD_CTX_new();
    must(s->inner != NULL, "libcrypto");
    hash_start(s);
}

/* CBC of whole blocks from the session's last IV, which moves on. */
static void cbc(struct fuzz_session *s, uint32_t op, const uint8_t *src, uint8_t *dst, size_t len)
{
    const EVP_CIPHER *type = s->keylen == 16   ? EVP_aes_128_ecb()
                             : s->keylen == 24 ? EVP_aes_192_ecb()
                                               : EVP_aes_256_ecb();
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;

    must(ctx != NULL && EVP_CipherInit_ex(ctx, type, NULL, s->key, NULL, op == DEVCRYPTO_OP_ENCRYPT),
         "libcrypto");
    EVP_CIPHER_CTX_set_padding(ctx, 0);
    for (size_t at = 0; at < len; at += DEVCRYPTO_AES_BLOCK) {
        uint8_t in[DEVCRYPTO_AES_BLOCK];
        uint8_t out[DEVCRYPTO_AES_BLOCK];

        memcpy(in, src + at, sizeof(in));
        for (unsigned int i = 0; i < sizeof(in) && op == DEVCRYPTO_OP_ENCRYPT; i++)
            in[i] ^= s->iv[i];
        must(EVP_CipherUpdate(ctx, out, &n, in, sizeof(in)) && n == sizeof(out), "libcrypto");
        for (unsigned int i = 0; i < sizeof(out) && op == DEVCRYPTO_OP_DECRYPT; i++)
            out[i] ^= s->iv[i];
        memcpy(s->iv, op == DEVCRYPTO_OP_ENCRYPT ? out : in, sizeof(s->iv));
        memcpy(dst + at, out, sizeof(out));
    }
    EVP_CIPHER_CTX_free(ctx);
}

/* ---- CIOCGSESSION ---- */

static int check_create(const struct fuzz_file *file, const struct fuzz_session *s, bool key, bool mackey)
{
    if (!good_algorithms(s->cipher, s->mac) || (s->cipher != 0 && s->keylen > DEVCRYPTO_MAX_KEY))
        return -EINVAL;
    if (s->cipher != 0 && s->keylen != 0 && !key)
        return -EFAULT;
    if ((s->cipher != 0 && !good_keylen(s->keylen)) || (s->mac != 0 && s->mackeylen > DEVCRYPTO_MAX_MACKEY))
        return -EINVAL;
    if (keyed(s->mac) && s->mackeylen != 0 && !mackey)
        return -EFAULT;
    return full(file) ? -ENOMEM : 0;
}

int fuzz_expect_create(struct fuzz_file *file, const struct fuzz_session *asked, bool key, bool mackey)
{
    int err = check_create(file, asked, key, mackey);

    if (err == 0)
        add(file, asked);
    return err;
}

/* The same with addresses for keys; an id that cannot be told is no session's. */
static int expect_gsession(struct fuzz_file *file, uint64_t arg, uint32_t made)
{
    struct fuzz_session asked = {.id = made};
    struct devcrypto_session_op sop;
    bool key, mackey;
    int err = fuzz_expect_in(&sop, arg, sizeof(sop));

    if (err != 0)
        return err;
    asked.cipher = sop.cipher;
    asked.keylen = sop.keylen;
    asked.mac = sop.mac;
    asked.mackeylen = sop.mackeylen;
    key = sop.keylen <= sizeof(asked.key) && fuzz_expect_in(asked.key, sop.key, sop.keylen) == 0;
    mackey =
        sop.mackeylen <= sizeof(asked.mackey) && fuzz_expect_in(asked.mackey, sop.mackey, sop.mackeylen) == 0;
    err = check_create(file, &asked, key, mackey);
    sop.ses = made;
    if (err == 0)
        err = fuzz_expect_out(arg, &sop, sizeof(sop));
    if (err == 0)
        add(file, &asked);
    return err;
}

/* ---- CIOCCRYPT ---- */

static int check(const struct fuzz_file *file, const struct fuzz_session *s, uint32_t op, size_t len)
{
    if (op > DEVCRYPTO_OP_DECRYPT || (s->cipher != 0 && len % DEVCRYPTO_AES_BLOCK != 0))
        return -EINVAL;
    return file->limits.max_len != 0 && len > file->limits.max_len ? -EINVAL : 0;
}

/* The data of a request, in the memory; the hash is of the plaintext. */
static int expect_data(struct fuzz_session *s, const struct devcrypto_crypt_op *cop)
{
    static uint8_t in[CHUNK], out[CHUNK];

    if (!fuzz_reachable(cop->src, cop->len, false) ||
        (s->cipher != 0 && !fuzz_reachable(cop->dst, cop->len, true)))
        return -EFAULT;
    for (size_t at = 0; at < cop->len; at += CHUNK) {
        size_t n = cop->len - at < CHUNK ? cop->len - at : CHUNK;

        fuzz_expect_in(in, cop->src + at, n);
        if (s->cipher != 0) {
            cbc(s, cop->op, in, out, n);
            fuzz_expect_out(cop->dst + at, out, n);
        }
        if (s->mac != 0)
            EVP_DigestUpdate(s->inner, s->cipher != 0 && cop->op == DEVCRYPTO_OP_DECRYPT ? out : in, n);
    }
    return 0;
}

static int expect_run(struct fuzz_session *s, const struct devcrypto_crypt_op *cop, bool has_iv)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    int err = 0;

    if (s->mac != 0 && (cop->flags == 0 || (cop->flags & DEVCRYPTO_FLAG_RESET) != 0 || s->finished))
        hash_start(s);
    if (cop->len != 0)
        err = expect_data(s, cop);
    if (err == 0 && s->mac != 0 &&
        ((cop->flags & DEVCRYPTO_FLAG_FINAL) || !(cop->flags & DEVCRYPTO_FLAG_UPDATE))) {
        size_t len = hash_end(s, digest);

        err = fuzz_expect_out(cop->mac, digest, len);
    }
    if (err == 0 && has_iv && (cop->flags & DEVCRYPTO_FLAG_WRITE_IV) != 0)
        err = fuzz_expect_out(cop->iv, s->iv, sizeof(s->iv));
    return err;
}

static int expect_cioccrypt(struct fuzz_file *file, uint64_t arg)
{
    uint8_t iv[DEVCRYPTO_AES_BLOCK];
    struct devcrypto_crypt_op cop;
    struct fuzz_session *s;
    bool has_iv;
    int err = fuzz_expect_in(&cop, arg, sizeof(cop));

    if (err != 0)
        return err;
    s = fuzz_find(file, cop.ses);
    if (s == NULL)
        return -EINVAL;
    has_iv = s->cipher != 0 && cop.iv != 0;
    if (has_iv)
        err = fuzz_expect_in(iv, cop.iv, sizeof(iv));
    if (err == 0)
        err = check(file, s, cop.op, cop.len);
    if (err != 0)
        return err;
    if (has_iv)
        memcpy(s->iv, iv, sizeof(iv));
    err = expect_run(s, &cop, has_iv);
    return err != 0 ? err : fuzz_expect_out(arg, &cop, sizeof(cop));
}

int fuzz_expect_crypt(struct fuzz_file *file, uint32_t ses, uint32_t op, const uint8_t *iv, uint8_t *iv_out,
                      const uint8_t *src, uint8_t *dst, size_t len)
{
    struct fuzz_session *s = fuzz_find(file, ses);

    if (s == NULL || s->mac != 0 || check(file, s, op, len) != 0)
        return -EINVAL;
    if (iv != NULL)
        memcpy(s->iv, iv, sizeof(s->iv));
    if (len != 0 && (src == NULL || dst == NULL))
        return -EFAULT;
    cbc(s, op, src, dst, len);
    if (iv_out != NULL)
        memcpy(iv_out, s->iv, sizeof(s->iv));
    return 0;
}

/* ---- the others ---- */

int fuzz_expect_import(struct fuzz_file *file, const struct devcrypto_session_state *state)
{
    struct fuzz_session s = {.id = state->ses, .cipher = state->cipher, .keylen = state->keylen};

    if (state->ses == 0 || state->cipher != DEVCRYPTO_AES_CBC || !good_keylen(state->keylen))
        return -EINVAL;
    if (fuzz_find(file, state->ses) != NULL)
        return -EEXIST;
    if (full(file))
        return -ENOMEM;
    memcpy(s.key, state->key, s.keylen); /* what comes after it is not looked at */
    memcpy(s.iv, state->iv, sizeof(s.iv));
    add(file, &s);
    return 0;
}

int fuzz_expect_ioctl(struct fuzz_file *file, uint32_t cmd, uint64_t arg, uint32_t made)
{
    uint32_t number = 0;
    int err;

    switch (cmd) {
    case DEVCRYPTO_CIOCGSESSION:
        return expect_gsession(file, arg, made);
    case DEVCRYPTO_CIOCFSESSION:
        err = fuzz_expect_in(&number, arg, sizeof(number));
        if (err == 0)
            fuzz_forget(file, number);
        return err;
    case DEVCRYPTO_CIOCCRYPT:
        return expect_cioccrypt(file, arg);
    case DEVCRYPTO_CIOCASYMFEAT:
        return fuzz_expect_out(arg, &number, sizeof(number));
    default:
        return -EINVAL;
    }
}
