/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What /dev/crypto does with a call, for the fuzz target: each request whole.  The order of the checks is that of
 * the reference model.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#define CHUNK                                                                                                \
    65536u /* source and destination that overlap: longer data is worked on in pieces of this size */

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

static bool good_algorithms(uint32_t cipher, uint32_t mac)
{
    if (cipher == 0 && mac == 0)
        return false;
    return (cipher == 0 || fuzz_good_cipher(cipher)) && (mac == 0 || fuzz_digest_of(mac) != NULL);
}

static void add(struct fuzz_file *file, const struct fuzz_session *made)
{
    struct fuzz_session *s = &file->sessions[file->count];

    must(file->count < FUZZ_SESSIONS && made->id != 0, "a session with the id 0");
    must(fuzz_find(file, made->id) == NULL, "a session with the id 0x%x of another", made->id);
    file->count++;
    *s = *made;
    if (s->cipher == 0) {
        s->keylen = 0;
        memset(s->key, 0, sizeof(s->key));
    }
    if (s->cipher == DEVCRYPTO_AES_GCM)
        s->mac = 0; /* it needs none */
    if (s->mac == 0)
        return;
    s->inner = EVP_MD_CTX_new();
    must(s->inner != NULL, "libcrypto");
    fuzz_hash_start(s);
}

/* ---- CIOCGSESSION ---- */

static int check_create(const struct fuzz_file *file, const struct fuzz_session *s, bool key, bool mackey)
{
    const bool gcm = s->cipher == DEVCRYPTO_AES_GCM;

    if (!good_algorithms(s->cipher, s->mac) || (s->cipher != 0 && s->keylen > DEVCRYPTO_MAX_KEY))
        return -EINVAL;
    if (s->cipher != 0 && s->keylen != 0 && !key)
        return -EFAULT;
    if ((s->cipher != 0 && !fuzz_good_keylen(s->cipher, s->keylen)) ||
        (s->mac != 0 && s->mackeylen > DEVCRYPTO_MAX_MACKEY) || (gcm && s->mackeylen != 0))
        return -EINVAL;
    if (fuzz_keyed(s->mac) && s->mackeylen != 0 && !mackey)
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

int fuzz_check(const struct fuzz_file *file, const struct fuzz_session *s, uint32_t op, size_t len)
{
    if (op > DEVCRYPTO_OP_DECRYPT || s->cipher == DEVCRYPTO_AES_GCM ||
        (s->cipher != 0 && len % fuzz_block(s->cipher) != 0))
        return -EINVAL;
    return file->limits.max_len != 0 && len > file->limits.max_len ? -EINVAL : 0;
}

/*
 * The data of a request, in the memory; the hash is of the plaintext.  A source and a destination that overlap
 * are worked on in pieces, in what others call a whole: what XTS and CTR know of their place goes on.
 */
static int expect_data(struct fuzz_session *s, const struct devcrypto_crypt_op *cop)
{
    static uint8_t in[FUZZ_ARENA], out[FUZZ_ARENA];
    uint8_t before[DEVCRYPTO_MAX_IV];

    if (!fuzz_reachable(cop->src, cop->len, false) ||
        (s->cipher != 0 && !fuzz_reachable(cop->dst, cop->len, true)))
        return -EFAULT;
    memcpy(before, s->iv, sizeof(before));
    for (size_t at = 0; at < cop->len; at += CHUNK) {
        size_t n = cop->len - at < CHUNK ? cop->len - at : CHUNK;

        fuzz_expect_in(in + at, cop->src + at, n);
        if (s->cipher != 0) {
            memcpy(s->iv, before, sizeof(before));
            fuzz_run_cipher(s, cop->op, in, out, at + n);
            fuzz_expect_out(cop->dst + at, out + at, n);
        }
        if (s->mac != 0)
            fuzz_hash(s, (s->cipher != 0 && cop->op == DEVCRYPTO_OP_DECRYPT ? out : in) + at, n);
    }
    return 0;
}

static int expect_run(struct fuzz_session *s, const struct devcrypto_crypt_op *cop, bool has_iv)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    int err = 0;

    if (s->mac != 0 && (cop->flags == 0 || (cop->flags & DEVCRYPTO_FLAG_RESET) != 0 || s->finished))
        fuzz_hash_start(s);
    if (cop->len != 0)
        err = expect_data(s, cop);
    if (err == 0 && s->mac != 0 &&
        ((cop->flags & DEVCRYPTO_FLAG_FINAL) || !(cop->flags & DEVCRYPTO_FLAG_UPDATE) || cop->len == 0)) {
        size_t len = fuzz_hash_end(s, digest);

        err = fuzz_expect_out(cop->mac, digest, len);
    }
    if (err == 0 && has_iv && (cop->flags & DEVCRYPTO_FLAG_WRITE_IV) != 0)
        err = fuzz_expect_out(cop->iv, s->iv, fuzz_iv_len(s->cipher));
    return err;
}

static int expect_cioccrypt(struct fuzz_file *file, uint64_t arg)
{
    uint8_t iv[DEVCRYPTO_MAX_IV];
    struct devcrypto_crypt_op cop;
    struct fuzz_session *s;
    bool has_iv;
    int err = fuzz_expect_in(&cop, arg, sizeof(cop));

    if (err != 0)
        return err;
    s = fuzz_find(file, cop.ses);
    if (s == NULL)
        return -EINVAL;
    has_iv = fuzz_iv_len(s->cipher) != 0 && cop.iv != 0;
    if (has_iv)
        err = fuzz_expect_in(iv, cop.iv, fuzz_iv_len(s->cipher));
    if (err == 0)
        err = fuzz_check(file, s, cop.op, cop.len);
    if (err != 0)
        return err;
    if (has_iv)
        memcpy(s->iv, iv, fuzz_iv_len(s->cipher));
    err = expect_run(s, &cop, has_iv);
    return err != 0 ? err : fuzz_expect_out(arg, &cop, sizeof(cop));
}

int fuzz_expect_crypt(struct fuzz_file *file, uint32_t ses, uint32_t op, const uint8_t *iv, uint8_t *iv_out,
                      const uint8_t *src, uint8_t *dst, size_t len)
{
    struct fuzz_session *s = fuzz_find(file, ses);

    if (s == NULL || s->mac != 0 || fuzz_check(file, s, op, len) != 0)
        return -EINVAL;
    if (iv != NULL)
        memcpy(s->iv, iv, fuzz_iv_len(s->cipher));
    if (len != 0 && (src == NULL || dst == NULL))
        return -EFAULT;
    fuzz_run_cipher(s, op, src, dst, len);
    if (iv_out != NULL)
        memcpy(iv_out, s->iv, sizeof(s->iv));
    return 0;
}

/* ---- the others ---- */

int fuzz_expect_copy(struct fuzz_file *file, uint32_t to, uint32_t from)
{
    struct fuzz_session *dst = fuzz_find(file, to), *src = fuzz_find(file, from);

    if (to == from)
        return -EDEADLK;
    if (dst == NULL || src == NULL)
        return -ENOENT;
    if (dst->mac == 0 || dst->mac != src->mac)
        return -EINVAL;
    if (src->finished)
        fuzz_hash_start(src);
    must(EVP_MD_CTX_copy_ex(dst->inner, src->inner), "libcrypto");
    dst->finished = false;
    dst->begun = src->begun || (fuzz_keyed(src->mac) && (dst->mackeylen != src->mackeylen ||
                                memcmp(dst->mackey, src->mackey, src->mackeylen) != 0));
    return 0;
}

static bool good_state(const struct devcrypto_session_state *state)
{
    if (state->ses == 0 || !good_algorithms(state->cipher, state->mac) ||
        (state->mac != 0 && (state->mackeylen > DEVCRYPTO_MAX_MACKEY || state->cipher == DEVCRYPTO_AES_GCM)))
        return false;
    return state->cipher == 0 || fuzz_good_keylen(state->cipher, state->keylen);
}

int fuzz_expect_import(struct fuzz_file *file, const struct devcrypto_session_state *state)
{
    struct fuzz_session s = {.id = state->ses, .cipher = state->cipher, .mac = state->mac};

    if (!good_state(state))
        return -EINVAL;
    if (fuzz_find(file, state->ses) != NULL)
        return -EEXIST;
    if (full(file))
        return -ENOMEM;
    if (s.cipher != 0) { /* what comes after a key or an IV is not looked at */
        s.keylen = state->keylen;
        memcpy(s.key, state->key, s.keylen);
        memcpy(s.iv, state->iv, fuzz_iv_len(s.cipher));
    }
    if (fuzz_keyed(s.mac)) {
        s.mackeylen = state->mackeylen;
        memcpy(s.mackey, state->mackey, s.mackeylen);
    }
    add(file, &s);
    return 0;
}

/* The names are held against the kernel's elsewhere: here, that nothing else is written. */
static int expect_info(struct fuzz_file *file, uint64_t arg)
{
    struct devcrypto_info_op info, now;
    const struct fuzz_session *s;
    int err = fuzz_expect_in(&info, arg, sizeof(info));

    if (err != 0)
        return err;
    s = fuzz_find(file, info.ses);
    if (s == NULL)
        return -EINVAL;
    now = info;
    fuzz_written(&now, arg, sizeof(now));
    if (s->cipher != 0)
        info.cipher = now.cipher;
    if (s->mac != 0)
        info.hash = now.hash;
    info.alignmask = 0;
    info.flags = 0;
    return fuzz_expect_out(arg, &info, sizeof(info));
}

int fuzz_expect_ioctl(struct fuzz_file *file, uint32_t cmd, uint64_t arg, uint32_t made)
{
    struct devcrypto_copy_op pair;
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
    case DEVCRYPTO_CIOCAUTHCRYPT:
        return fuzz_expect_authcrypt(file, arg);
    case DEVCRYPTO_CIOCGSESSINFO:
        return expect_info(file, arg);
    case DEVCRYPTO_CIOCCPHASH:
        err = fuzz_expect_in(&pair, arg, sizeof(pair));
        return err != 0 ? err : fuzz_expect_copy(file, pair.dst_ses, pair.src_ses);
    case DEVCRYPTO_CIOCASYMFEAT:
        return fuzz_expect_out(arg, &number, sizeof(number));
    default:
        return -EINVAL;
    }
}
