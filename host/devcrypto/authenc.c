/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CIOCAUTHCRYPT: encryption with a proof that nobody changed it, the AEAD, the TLS and the SRTP way. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/* Bytes that are looked at before they are given out, in a place that nobody else writes to. */
struct held {
    struct devcrypto_session *session;
    uint8_t *bytes;
    size_t len;
    struct iovec iov;
};

static int hold(struct held *held, size_t len)
{
    held->len = len;
    held->bytes = malloc(len != 0 ? len : 1);
    held->iov = (struct iovec){.iov_base = held->bytes, .iov_len = len};
    return held->bytes != NULL ? 0 : -ENOMEM;
}

static struct devcrypto_cursor begin_held(const struct held *held)
{
    return (struct devcrypto_cursor){.iov = &held->iov, .count = 1};
}

static void let_go(struct held *held)
{
    if (held->bytes != NULL)
        OPENSSL_cleanse(held->bytes, held->len);
    free(held->bytes);
}

uint32_t devcrypto_tag_len(const struct devcrypto_session *s, uint32_t asked)
{
    if (asked != 0)
        return asked;
    return s->hash != NULL ? s->hash->digest_len : s->cipher->tag_len;
}

/* TLS: bytes of padding behind len bytes; a cipher without blocks has none. */
static size_t padding(const struct devcrypto_session *s, size_t len)
{
    const size_t block = s->cipher->block;

    return block > 1 ? block - len % block : 0;
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
    len += s->hash != NULL ? tag_len : 0;
    return len + padding(s, len);
}

static int hash_all(struct devcrypto_session *s, const struct devcrypto_bytes *bytes)
{
    struct devcrypto_cursor cursor = devcrypto_begin(bytes);

    return devcrypto_hash_pieces(s, &cursor, bytes->len);
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
    struct held plain;
    int written = 0;
    int err = hold(&plain, op->src.len - tag_len);

    if (err == 0)
        err = aead_start(&run, s, op);
    to = begin_held(&plain);
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
    let_go(&plain);
    return err;
}

static int aead(struct devcrypto_session *s, struct devcrypto_op *op)
{
    const uint32_t tag_len = devcrypto_tag_len(s, op->tag_len);

    if (s->cipher->mode != MODE_AEAD || op->aad.len > DEVCRYPTO_MAX_AUTH || op->tail.len != 0 ||
        !is_tag_len(tag_len) || (op->op == DEVCRYPTO_OP_DECRYPT && op->src.len < tag_len) ||
        op->dst.len != devcrypto_auth_dst_len(s, op->op, op->flags, op->src.len, tag_len))
        return -EINVAL;
    op->out_len = (uint32_t)op->dst.len;
    return op->op == DEVCRYPTO_OP_ENCRYPT ? aead_encrypt(s, op, tag_len) : aead_decrypt(s, op, tag_len);
}

/* ---- TLS: mac, then padding, then encryption (RFC 5246, 6.2.3.2) ---- */

static int tls_encrypt(struct devcrypto_session *s, const struct devcrypto_op *op, uint32_t tag_len)
{
    struct devcrypto_cursor src = devcrypto_begin(&op->src), dst = devcrypto_begin(&op->dst);
    uint8_t end[DEVCRYPTO_MAX_BLOCK + DEVCRYPTO_MAX_DIGEST + DEVCRYPTO_MAX_BLOCK];
    const size_t rest = op->src.len % s->cipher->block;
    const size_t pad = padding(s, op->src.len + tag_len);
    struct devcrypto_run run;
    int err = devcrypto_run_start(&run, s, op->op);

    if (err == 0 && s->hash != NULL)
        err = hash_all(s, &op->aad);
    if (err == 0 && s->hash != NULL)
        err = hash_all(s, &op->src);
    if (err == 0 && s->hash != NULL)
        err = devcrypto_hash_final(s, end + rest);
    if (err == 0)
        err = devcrypto_run_through(&run, &src, &dst, op->src.len - rest, false);
    if (err != 0)
        return err;
    devcrypto_gather(&src, end, rest);
    memset(end + rest + tag_len, (int)pad - 1, pad);
    if (rest + tag_len + pad != 0)
        err = devcrypto_run_step(&run, end, end, rest + tag_len + pad);
    if (err != 0)
        return err;
    devcrypto_scatter(&dst, end, rest + tag_len + pad);
    devcrypto_run_commit(&run);
    return 0;
}

/* All ones if a < b, else 0, without a branch. */
static uint32_t mask_less(uint32_t a, uint32_t b)
{
    return 0u - (uint32_t)(((uint64_t)a - b) >> 63);
}

/*
 * The bytes of padding, its length byte included, of a record of which `least` bytes are no padding; all of it
 * is looked at, whatever it says.  *good is all ones, or 0 if it is not right: then there is none of it.
 */
static uint32_t padding_of(const uint8_t *record, uint32_t len, uint32_t least, uint32_t *good)
{
    const uint32_t said = record[len - 1];
    const uint32_t seen = len < 256 ? len : 256;
    uint32_t differ = 0;

    for (uint32_t i = 0; i < seen; i++)
        differ |= mask_less(i, said + 1) & (record[len - 1 - i] ^ said);
    *good = mask_less(differ, 1) & ~mask_less(len, least + said + 1);
    return (said + 1) & *good;
}

/* How often a hash works on a block, for that many bytes behind those of HMAC's key. */
static size_t blocks_of(const struct devcrypto_hash *hash, size_t len)
{
    const size_t end = hash->block == 128 ? 17 : 9; /* 0x80 and the length (FIPS 180-4, 5.1) */

    return (len + end + hash->block - 1) / hash->block;
}

/*
 * The mac of a record, in a time that does not tell how long its padding was: what is not hashed for the mac is
 * hashed for nothing.
 */
static int tls_mac(struct devcrypto_session *s, const struct devcrypto_op *op, const struct held *plain,
                   size_t data, size_t most, uint8_t *mac)
{
    const size_t more = blocks_of(s->hash, op->aad.len + most) - blocks_of(s->hash, op->aad.len + data);
    uint8_t nothing[DEVCRYPTO_MAX_DIGEST];
    int err = hash_all(s, &op->aad);

    if (err == 0)
        err = devcrypto_hash_update(s, plain->bytes, data);
    if (err == 0)
        err = devcrypto_hash_final(s, mac);
    if (err == 0)
        err = devcrypto_hash_restart(s);
    for (size_t i = 0; i <= more && err == 0; i++)
        err = devcrypto_hash_update(s, plain->bytes, s->hash->block < most ? s->hash->block : most);
    return err != 0 ? err : devcrypto_hash_final(s, nothing);
}

/* Checks what was decrypted; *out_len: the plaintext's length. */
static int tls_check(struct devcrypto_session *s, const struct devcrypto_op *op, const struct held *plain,
                     uint32_t tag_len, uint32_t *out_len)
{
    const uint32_t len = (uint32_t)plain->len;
    uint8_t mac[DEVCRYPTO_MAX_DIGEST];
    uint32_t good = ~0u, pad = 0;
    int err;

    if (s->cipher->block > 1)
        pad = padding_of(plain->bytes, len, tag_len, &good);
    *out_len = len - pad - tag_len;
    if (s->hash == NULL)
        return good != 0 ? 0 : -EBADMSG;
    err = tls_mac(s, op, plain, *out_len, len - tag_len, mac);
    if (err != 0)
        return err;
    good &= mask_less((uint32_t)CRYPTO_memcmp(mac, plain->bytes + *out_len, tag_len), 1);
    return good != 0 ? 0 : -EBADMSG;
}

static int tls_decrypt(struct devcrypto_session *s, struct devcrypto_op *op, uint32_t tag_len)
{
    struct devcrypto_cursor src = devcrypto_begin(&op->src), dst = devcrypto_begin(&op->dst), to;
    struct devcrypto_run run;
    struct held plain;
    int err = hold(&plain, op->src.len);

    if (err == 0)
        err = devcrypto_run_start(&run, s, op->op);
    to = begin_held(&plain);
    if (err == 0)
        err = devcrypto_run_through(&run, &src, &to, plain.len, false);
    if (err == 0)
        err = tls_check(s, op, &plain, tag_len, &op->out_len);
    if (err == 0) {
        devcrypto_scatter(&dst, plain.bytes, plain.len);
        devcrypto_run_commit(&run);
    }
    let_go(&plain);
    return err;
}

static int tls(struct devcrypto_session *s, struct devcrypto_op *op)
{
    const uint32_t tag_len = s->hash != NULL ? devcrypto_tag_len(s, op->tag_len) : 0;
    const size_t least = tag_len + (s->cipher->block > 1);

    if (s->cipher->mode == MODE_AEAD || op->aad.len > DEVCRYPTO_MAX_AUTH || op->tail.len != 0 ||
        (s->hash != NULL && tag_len > s->hash->digest_len) ||
        op->dst.len != devcrypto_auth_dst_len(s, op->op, op->flags, op->src.len, tag_len))
        return -EINVAL;
    if (op->op == DEVCRYPTO_OP_ENCRYPT) {
        op->out_len = (uint32_t)op->dst.len;
        return tls_encrypt(s, op, tag_len);
    }
    if (op->src.len == 0 || op->src.len % s->cipher->block != 0 || op->src.len < least)
        return -EINVAL;
    return tls_decrypt(s, op, tag_len);
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
        err = hash_all(s, &op->aad);
        if (err == 0)
            err = hash_all(s, &op->dst);
        if (err == 0)
            err = hash_all(s, &op->tail);
        if (err == 0)
            err = devcrypto_hash_final(s, op->mac);
        op->mac_len = tag_len;
    }
    if (err == 0)
        devcrypto_run_commit(&run);
    return err;
}

static int srtp_check(struct devcrypto_session *s, const struct devcrypto_op *op, const struct held *packet,
                      uint32_t tag_len)
{
    uint8_t mac[DEVCRYPTO_MAX_DIGEST];
    int err = hash_all(s, &op->aad);

    if (err == 0)
        err = devcrypto_hash_update(s, packet->bytes, packet->len);
    if (err == 0)
        err = hash_all(s, &op->tail);
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
    struct held packet;
    int err = hold(&packet, op->src.len);

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
    }
    let_go(&packet);
    return err;
}

static int srtp(struct devcrypto_session *s, struct devcrypto_op *op)
{
    const bool stream = s->cipher->mode == MODE_CTR || s->cipher->mode == MODE_NULL;
    const bool encrypt = op->op == DEVCRYPTO_OP_ENCRYPT;
    const uint32_t tag_len = s->hash != NULL ? devcrypto_tag_len(s, op->tag_len) : 0;
    const uint32_t given = op->mac_len;

    op->mac_len = 0;
    op->out_len = (uint32_t)op->src.len;
    if (!stream || op->aad.len > DEVCRYPTO_MAX_SRTP_HEAD ||
        (s->hash != NULL && tag_len > s->hash->digest_len) || op->dst.len != op->src.len)
        return -EINVAL;
    if (op->aad.len + op->src.len + op->tail.len == 0 || (encrypt ? op->src.len + tag_len : op->src.len) == 0)
        return -EINVAL;
    if (!encrypt && (given != tag_len || tag_len > op->src.len))
        return -EINVAL;
    return encrypt ? srtp_encrypt(s, op, tag_len) : srtp_decrypt(s, op, tag_len);
}

/* ---- all three ---- */

int devcrypto_authcrypt(struct devcrypto_session *s, struct devcrypto_op *op)
{
    int err = 0;

    if ((op->op != DEVCRYPTO_OP_ENCRYPT && op->op != DEVCRYPTO_OP_DECRYPT) || s->cipher == NULL)
        return -EINVAL;
    if (s->hash != NULL)
        err = devcrypto_hash_restart(s);
    if (err != 0)
        return err;
    if (op->has_iv)
        memcpy(s->iv, op->iv, s->cipher->iv_len);
    if ((op->flags & DEVCRYPTO_FLAG_AEAD_SRTP) != 0)
        return srtp(s, op);
    op->mac_len = 0;
    if ((op->flags & DEVCRYPTO_FLAG_AEAD_TLS) != 0)
        err = tls(s, op);
    else
        err = aead(s, op);
    return err;
}
