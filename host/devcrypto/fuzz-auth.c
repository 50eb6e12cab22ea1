/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What CIOCAUTHCRYPT does, for the fuzz target: whole requests, in memory of its own. */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_srtp(const struct fuzz_auth *a)
{
    return (a->flags & DEVCRYPTO_FLAG_AEAD_SRTP) != 0;
}

static bool is_tls(const struct fuzz_auth *a)
{
    return !is_srtp(a) && (a->flags & DEVCRYPTO_FLAG_AEAD_TLS) != 0;
}

static uint32_t digest_len(const struct fuzz_session *s)
{
    return s->mac != 0 ? (uint32_t)EVP_MD_get_size(fuzz_digest_of(s->mac)) : 0;
}

uint32_t fuzz_tag_len(const struct fuzz_session *s, uint32_t asked)
{
    const uint32_t own = s->cipher == DEVCRYPTO_AES_GCM ? 16 : digest_len(s);

    return own == 0 || asked == 0 ? own : asked;
}

static size_t padding(const struct fuzz_session *s, size_t len)
{
    const size_t block = fuzz_block(s->cipher);

    return block == 1 ? 0 : block - len % block;
}

size_t fuzz_auth_dst_len(const struct fuzz_session *s, const struct fuzz_auth *a)
{
    const uint32_t tag = fuzz_tag_len(s, a->tag_len);

    if (is_srtp(a) || (is_tls(a) && a->op != DEVCRYPTO_OP_ENCRYPT))
        return a->src_len;
    if (is_tls(a))
        return a->src_len + tag + padding(s, a->src_len + tag);
    return a->op == DEVCRYPTO_OP_ENCRYPT ? a->src_len + tag : a->src_len - tag;
}

static bool good_lengths(const struct fuzz_session *s, const struct fuzz_auth *a)
{
    const uint32_t tag = fuzz_tag_len(s, a->tag_len);
    const bool gcm = s->cipher == DEVCRYPTO_AES_GCM, encrypt = a->op == DEVCRYPTO_OP_ENCRYPT;

    if ((!gcm && tag > digest_len(s)) || a->dst_len != fuzz_auth_dst_len(s, a))
        return false;
    if (is_srtp(a)) {
        if ((s->cipher != DEVCRYPTO_AES_CTR && s->cipher != DEVCRYPTO_NULL) || a->aad_len > 256 ||
            a->aad_len + a->tail_len > 4096)
            return false;
        return encrypt ? a->src_len + tag != 0 && a->aad_len + a->src_len + a->tail_len != 0
                       : a->src_len != 0 && a->mac_len == tag && tag <= a->src_len;
    }
    if (a->aad_len > 4096 || a->tail_len != 0 || gcm == is_tls(a))
        return false;
    if (is_tls(a))
        return encrypt || (a->src_len != 0 && a->src_len % fuzz_block(s->cipher) == 0 &&
                           a->src_len >= tag + (fuzz_block(s->cipher) > 1));
    return (tag == 4 || tag == 8 || (tag >= 12 && tag <= 16)) && (encrypt || a->src_len >= tag);
}

int fuzz_auth_begin(struct fuzz_session *s, const struct fuzz_auth *a)
{
    if (a->op > DEVCRYPTO_OP_DECRYPT || s->cipher == 0)
        return -EINVAL;
    if (s->mac != 0)
        fuzz_hash_start(s);
    if (a->has_iv)
        memcpy(s->iv, a->iv, fuzz_iv_len(s->cipher));
    return good_lengths(s, a) ? 0 : -EINVAL;
}

static int aead(struct fuzz_session *s, struct fuzz_auth *a, uint32_t tag_len)
{
    const bool encrypt = a->op == DEVCRYPTO_OP_ENCRYPT;
    const size_t len = encrypt ? a->src_len : a->dst_len;
    uint8_t tag[16];

    fuzz_gcm(s, a->op, a->aad, a->aad_len, a->src, a->dst, len, tag);
    a->out_len = a->dst_len;
    if (encrypt)
        memcpy(a->dst + len, tag, tag_len);
    return encrypt || memcmp(tag, a->src + len, tag_len) == 0 ? 0 : -EBADMSG;
}

static void tls_mac(struct fuzz_session *s, const struct fuzz_auth *a, const uint8_t *data, size_t len,
                    uint8_t mac[EVP_MAX_MD_SIZE])
{
    if (s->mac == 0)
        return;
    fuzz_hash(s, a->aad, a->aad_len);
    fuzz_hash(s, data, len);
    fuzz_hash_end(s, mac);
}

static int tls(struct fuzz_session *s, struct fuzz_auth *a, uint32_t tag_len)
{
    uint8_t mac[EVP_MAX_MD_SIZE], before[DEVCRYPTO_MAX_IV];
    size_t pad = padding(s, a->src_len + tag_len);

    if (a->op == DEVCRYPTO_OP_ENCRYPT) {
        tls_mac(s, a, a->src, a->src_len, mac);
        memcpy(a->dst, a->src, a->src_len);
        memcpy(a->dst + a->src_len, mac, tag_len);
        memset(a->dst + a->src_len + tag_len, (int)pad - 1, pad);
        fuzz_run_cipher(s, a->op, a->dst, a->dst, a->dst_len);
        a->out_len = a->dst_len;
        return 0;
    }
    memcpy(before, s->iv, sizeof(before));
    fuzz_run_cipher(s, a->op, a->src, a->dst, a->src_len);
    pad = fuzz_block(s->cipher) > 1 ? a->dst[a->src_len - 1] + 1u : 0;
    a->out_len = a->src_len - pad - tag_len;
    for (size_t i = 0; i < pad && pad + tag_len <= a->src_len; i++)
        if (a->dst[a->src_len - 1 - i] != pad - 1)
            pad = SIZE_MAX / 2;
    if (pad + tag_len <= a->src_len)
        tls_mac(s, a, a->dst, a->out_len, mac);
    if (pad + tag_len <= a->src_len && memcmp(mac, a->dst + a->out_len, tag_len) == 0)
        return 0;
    memcpy(s->iv, before, sizeof(before));
    return -EBADMSG;
}

static int srtp(struct fuzz_session *s, struct fuzz_auth *a, uint32_t tag_len)
{
    const bool encrypt = a->op == DEVCRYPTO_OP_ENCRYPT;
    uint8_t mac[EVP_MAX_MD_SIZE];

    a->out_len = a->dst_len;
    if (encrypt)
        fuzz_run_cipher(s, a->op, a->src, a->dst, a->src_len);
    if (s->mac != 0) {
        fuzz_hash(s, a->aad, a->aad_len);
        fuzz_hash(s, encrypt ? a->dst : a->src, a->src_len);
        fuzz_hash(s, a->tail, a->tail_len);
        fuzz_hash_end(s, mac);
    }
    if (!encrypt && memcmp(mac, a->mac, tag_len) != 0)
        return -EBADMSG;
    if (!encrypt)
        fuzz_run_cipher(s, a->op, a->src, a->dst, a->src_len);
    a->mac_len = encrypt ? tag_len : 0;
    memcpy(a->mac, mac, a->mac_len);
    return 0;
}

int fuzz_auth_work(struct fuzz_session *s, struct fuzz_auth *a)
{
    const uint32_t tag_len = fuzz_tag_len(s, a->tag_len);
    int err;

    if (is_srtp(a)) {
        err = srtp(s, a, tag_len);
    } else {
        a->mac_len = 0;
        err = is_tls(a) ? tls(s, a, tag_len) : aead(s, a, tag_len);
    }
    if (s->mac != 0)
        fuzz_hash_start(s);
    return err;
}

/* ---- by ioctl ---- */

/* Where the bytes of an SRTP packet lie; false: the source is not in it. */
static bool split_packet(const struct devcrypto_auth_op *caop, struct fuzz_auth *a)
{
    if (caop->src < caop->auth_src || caop->src - caop->auth_src > 256 ||
        caop->src - caop->auth_src + caop->len > caop->auth_len)
        return false;
    a->aad_len = caop->src - caop->auth_src;
    a->tail_len = caop->auth_len - a->aad_len - caop->len;
    return true;
}

static bool addresses_are_there(const struct fuzz_session *s, const struct devcrypto_auth_op *caop,
                                const struct fuzz_auth *a)
{
    const uint32_t tag = is_srtp(a) ? fuzz_tag_len(s, a->tag_len) : 0;
    const uint32_t iv = caop->iv != 0 && (a->flags & DEVCRYPTO_FLAG_WRITE_IV) ? fuzz_iv_len(s->cipher) : 0;

    return fuzz_reachable(caop->src, caop->len, false) && fuzz_reachable(caop->dst, a->dst_len, true) &&
           fuzz_reachable(caop->auth_src, caop->auth_len, false) &&
           fuzz_reachable(caop->tag, tag, a->op == DEVCRYPTO_OP_ENCRYPT) && fuzz_reachable(caop->iv, iv, true);
}

/* Works in memory of its own and stores what came of it. */
static int work_in_arena(struct fuzz_session *s, struct devcrypto_auth_op *caop, struct fuzz_auth *a,
                         uint64_t arg)
{
    static uint8_t aad[FUZZ_ARENA], src[FUZZ_ARENA], tail[FUZZ_ARENA], dst[FUZZ_ARENA + 128];
    int err;

    a->aad = aad;
    a->src = src;
    a->tail = tail;
    a->dst = dst;
    fuzz_expect_in(aad, caop->auth_src, a->aad_len);
    fuzz_expect_in(src, caop->src, a->src_len);
    fuzz_expect_in(tail, caop->src + caop->len, a->tail_len);
    fuzz_expect_in(a->mac, caop->tag, a->mac_len);
    err = fuzz_auth_work(s, a);
    if (err != 0)
        return err;
    fuzz_expect_out(caop->dst, dst, a->dst_len);
    fuzz_expect_out(caop->tag, a->mac, a->mac_len);
    if (caop->iv != 0 && (a->flags & DEVCRYPTO_FLAG_WRITE_IV) != 0)
        fuzz_expect_out(caop->iv, s->iv, fuzz_iv_len(s->cipher));
    if (!is_srtp(a) && !is_tls(a))
        caop->tag = caop->dst + (a->op == DEVCRYPTO_OP_ENCRYPT ? a->src_len : a->out_len);
    caop->len = (uint32_t)a->out_len;
    if (caop->tag_len == 0)
        caop->tag_len = fuzz_tag_len(s, 0);
    return fuzz_expect_out(arg, caop, sizeof(*caop));
}

int fuzz_expect_authcrypt(struct fuzz_file *file, uint64_t arg)
{
    const uint16_t in_place = DEVCRYPTO_FLAG_AEAD_SRTP | DEVCRYPTO_FLAG_AEAD_TLS;
    struct devcrypto_auth_op caop;
    struct fuzz_auth a = {0};
    struct fuzz_session *s;
    int err = fuzz_expect_in(&caop, arg, sizeof(caop));

    if (err != 0)
        return err;
    s = fuzz_find(file, caop.ses);
    if (s == NULL || ((caop.flags & in_place) != 0 && caop.src != caop.dst))
        return -EINVAL;
    a = (struct fuzz_auth){.op = caop.op, .flags = caop.flags, .src_len = caop.len, .tag_len = caop.tag_len};
    a.has_iv = caop.iv != 0;
    if (a.has_iv)
        err = fuzz_expect_in(a.iv, caop.iv, fuzz_iv_len(s->cipher));
    if (err != 0)
        return err;
    a.aad_len = caop.auth_len;
    if (file->limits.max_len != 0 && caop.len > file->limits.max_len)
        return -EINVAL;
    if (s->cipher != 0 && is_srtp(&a) && !split_packet(&caop, &a))
        a.aad_len = SIZE_MAX;
    if (s->cipher != 0)
        a.dst_len = fuzz_auth_dst_len(s, &a);
    if (is_srtp(&a) && a.op == DEVCRYPTO_OP_DECRYPT && s->cipher != 0)
        a.mac_len = fuzz_tag_len(s, a.tag_len);
    err = fuzz_auth_begin(s, &a);
    if (err != 0)
        return err;
    return addresses_are_there(s, &caop, &a) ? work_in_arena(s, &caop, &a, arg) : -EFAULT;
}
