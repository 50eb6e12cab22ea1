/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CIOCAUTHCRYPT: encryption with a proof that nobody changed it, the AEAD, the TLS and the SRTP way. */
#include "internal.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

uint32_t devcrypto_tag_len(const struct devcrypto_session *s, uint32_t asked)
{
    if (s->hash == NULL && s->cipher->tag_len == 0)
        return 0; /* there is none */
    if (asked != 0)
        return asked;
    return s->hash != NULL ? s->hash->digest_len : s->cipher->tag_len;
}

size_t devcrypto_auth_dst_len(const struct devcrypto_session *s, uint32_t op, uint32_t flags, size_t len,
                              uint32_t tag_len)
{
    if ((flags & DEVCRYPTO_FLAG_AEAD_SRTP) != 0)
        return len;
    if ((flags & DEVCRYPTO_FLAG_AEAD_TLS) == 0)
        return op == DEVCRYPTO_OP_ENCRYPT ? len + tag_len : len - tag_len;
    if (op == DEVCRYPTO_OP_DECRYPT)
        return len;
    return len + tag_len + devcrypto_tls_padding(s, len + tag_len);
}

/* ---- AEAD: GCM ---- */

/* What GCM has (NIST SP 800-38D, 5.2.1.2, and the kernel's gcm.c). */
static bool is_tag_len(uint32_t len)
{
    return len == 4 || len == 8 || (len >= 12 && len <= 16);
}

static int aead_start(struct devcrypto_run *run, struct devcrypto_session *s, const struct devcrypto_op *op)
{
    EVP_CIPHER_CTX *ctx = s->direction[op->op];
    int err = devcrypto_run_start(run, s, op->op);

    for (unsigned int i = 0; i < op->aad.count && err == 0; i++) {
        int taken = 0;

        /* Nothing is not a request to finish, as it would be without this check. */
        if (op->aad.iov[i].iov_len != 0 && !EVP_CipherUpdate(ctx, NULL, &taken, op->aad.iov[i].iov_base,
                                                             (int)op->aad.iov[i].iov_len))
            err = devcrypto_libcrypto_failed(-EIO);
    }
    return err;
}

static int aead_encrypt(struct devcrypto_session *s, const struct devcrypto_op *op, uint32_t tag_len)
{
    struct devcrypto_cursor src = devcrypto_begin(&op->src), dst = devcrypto_begin(&op->dst);
    EVP_CIPHER_CTX *ctx = s->direction[DEVCRYPTO_OP_ENCRYPT];
    uint8_t tag[DEVCRYPTO_MAX_BLOCK], rest[DEVCRYPTO_MAX_BLOCK];
    struct devcrypto_run run;
    int written = 0;
    int err = aead_start(&run, s, op);

    if (err == 0)
        err = devcrypto_run_through(&run, &src, &dst, op->src.len, false);
    if (err == 0 && (!EVP_CipherFinal_ex(ctx, rest, &written) ||
                     !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, (int)tag_len, tag)))
        err = devcrypto_libcrypto_failed(-EIO);
    if (err == 0)
        devcrypto_scatter(&dst, tag, tag_len);
    return err;
}

static int aead_decrypt(struct devcrypto_session *s, const struct devcrypto_op *op, uint32_t tag_len)
{
    struct devcrypto_cursor src = devcrypto_begin(&op->src), dst = devcrypto_begin(&op->dst), to;
    EVP_CIPHER_CTX *ctx = s->direction[DEVCRYPTO_OP_DECRYPT];
    uint8_t tag[DEVCRYPTO_MAX_BLOCK], rest[DEVCRYPTO_MAX_BLOCK];
    struct devcrypto_run run;
    struct devcrypto_held plain;
    int written = 0;
    int err = devcrypto_hold(&plain, op->src.len - tag_len);

    if (err == 0)
        err = aead_start(&run, s, op);
    to = devcrypto_begin_held(&plain);
    if (err == 0)
        err = devcrypto_run_through(&run, &src, &to, plain.len, false);
    if (err == 0) {
        devcrypto_gather(&src, tag, tag_len);
        if (!EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag_len, tag))
            err = devcrypto_libcrypto_failed(-EIO);
        else if (!EVP_CipherFinal_ex(ctx, rest, &written))
            err = devcrypto_libcrypto_failed(-EBADMSG);
    }
    if (err == 0)
        devcrypto_scatter(&dst, plain.bytes, plain.len);
    devcrypto_let_go(&plain);
    return err;
}

static bool aead_is_right(const struct devcrypto_session *s, const struct devcrypto_op *op, uint32_t tag_len)
{
    return s->cipher->mode == MODE_AEAD && op->aad.len <= DEVCRYPTO_MAX_AUTH && op->tail.len == 0 &&
           is_tag_len(tag_len) && (op->op == DEVCRYPTO_OP_ENCRYPT || op->src.len >= tag_len);
}

/* ---- SRTP: encryption, then a mac of the whole packet (RFC 3711, 3.1) ---- */

static int srtp_encrypt(struct devcrypto_session *s, struct devcrypto_op *op, uint32_t tag_len)
{
    struct devcrypto_cursor src = devcrypto_begin(&op->src), dst = devcrypto_begin(&op->dst);
    struct devcrypto_run run;
    int err = devcrypto_run_start(&run, s, op->op);

    if (err == 0)
        err = devcrypto_run_through(&run, &src, &dst, op->src.len, false);
    if (err == 0 && s->hash != NULL) {
        err = devcrypto_hash_all(s, &op->aad);
        if (err == 0)
            err = devcrypto_hash_all(s, &op->dst);
        if (err == 0)
            err = devcrypto_hash_all(s, &op->tail);
        if (err == 0)
            err = devcrypto_hash_final(s, op->mac);
    }
    op->mac_len = tag_len;
    if (err == 0)
        devcrypto_run_commit(&run);
    return err;
}

static int srtp_check(struct devcrypto_session *s, const struct devcrypto_op *op,
                      const struct devcrypto_held *packet, uint32_t tag_len)
{
    uint8_t mac[DEVCRYPTO_MAX_DIGEST];
    int err = devcrypto_hash_all(s, &op->aad);

    if (err == 0)
        err = devcrypto_hash_update(s, packet->bytes, packet->len);
    if (err == 0)
        err = devcrypto_hash_all(s, &op->tail);
    if (err == 0)
        err = devcrypto_hash_final(s, mac);
    if (err == 0 && CRYPTO_memcmp(mac, op->mac, tag_len) != 0)
        err = -EBADMSG;
    return err;
}

static int srtp_decrypt(struct devcrypto_session *s, struct devcrypto_op *op, uint32_t tag_len)
{
    struct devcrypto_cursor src = devcrypto_begin(&op->src), dst = devcrypto_begin(&op->dst);
    struct devcrypto_run run;
    struct devcrypto_held packet;
    int err = devcrypto_hold(&packet, op->src.len);

    if (err == 0) {
        devcrypto_gather(&src, packet.bytes, packet.len);
        if (s->hash != NULL)
            err = srtp_check(s, op, &packet, tag_len);
    }
    if (err == 0)
        err = devcrypto_run_start(&run, s, op->op);
    if (err == 0)
        err = devcrypto_run_step(&run, packet.bytes, packet.bytes, packet.len);
    if (err == 0) {
        devcrypto_scatter(&dst, packet.bytes, packet.len);
        devcrypto_run_commit(&run);
        op->mac_len = 0;
    }
    devcrypto_let_go(&packet);
    return err;
}

static bool srtp_is_right(const struct devcrypto_session *s, const struct devcrypto_op *op, uint32_t tag_len)
{
    const bool stream = s->cipher->mode == MODE_CTR || s->cipher->mode == MODE_NULL;
    const bool encrypt = op->op == DEVCRYPTO_OP_ENCRYPT;

    if (!stream || op->aad.len > DEVCRYPTO_MAX_SRTP_HEAD ||
        op->aad.len + op->tail.len > DEVCRYPTO_MAX_AUTH ||
        op->aad.len + op->src.len + op->tail.len == 0 || (op->src.len == 0 && (!encrypt || tag_len == 0)))
        return false;
    return encrypt || (op->mac_len == tag_len && tag_len <= op->src.len);
}

/* ---- all three ---- */

static bool is_right(const struct devcrypto_session *s, const struct devcrypto_op *op)
{
    const uint32_t tag_len = devcrypto_tag_len(s, op->tag_len);
    bool right;

    if (s->hash != NULL && tag_len > s->hash->digest_len)
        return false;
    if ((op->flags & DEVCRYPTO_FLAG_AEAD_SRTP) != 0)
        right = srtp_is_right(s, op, tag_len);
    else if ((op->flags & DEVCRYPTO_FLAG_AEAD_TLS) != 0)
        right = devcrypto_tls_is_right(s, op, tag_len);
    else
        right = aead_is_right(s, op, tag_len);
    return right && op->dst.len == devcrypto_auth_dst_len(s, op->op, op->flags, op->src.len, tag_len);
}

int devcrypto_auth_begin(struct devcrypto_session *s, struct devcrypto_op *op)
{
    int err = 0;

    if ((op->op != DEVCRYPTO_OP_ENCRYPT && op->op != DEVCRYPTO_OP_DECRYPT) || s->cipher == NULL)
        return -EINVAL;
    if (s->hash != NULL)
        err = devcrypto_hash_restart(s);
    if (err == 0 && op->has_iv)
        memcpy(s->iv, op->iv, s->cipher->iv_len); /* stays, whatever becomes of this request */
    return err != 0 || is_right(s, op) ? err : -EINVAL;
}

int devcrypto_authcrypt(struct devcrypto_session *s, struct devcrypto_op *op)
{
    const bool encrypt = op->op == DEVCRYPTO_OP_ENCRYPT;
    int err = devcrypto_auth_begin(s, op);
    uint32_t tag_len;

    if (err != 0)
        return err;
    tag_len = devcrypto_tag_len(s, op->tag_len);
    op->out_len = (uint32_t)op->dst.len;
    if ((op->flags & DEVCRYPTO_FLAG_AEAD_SRTP) != 0)
        return encrypt ? srtp_encrypt(s, op, tag_len) : srtp_decrypt(s, op, tag_len);
    op->mac_len = 0;
    if ((op->flags & DEVCRYPTO_FLAG_AEAD_TLS) != 0)
        return encrypt ? devcrypto_tls_encrypt(s, op, tag_len) : devcrypto_tls_decrypt(s, op, tag_len);
    return encrypt ? aead_encrypt(s, op, tag_len) : aead_decrypt(s, op, tag_len);
}
