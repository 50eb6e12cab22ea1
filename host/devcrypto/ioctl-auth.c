/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CIOCAUTHCRYPT: what the addresses point to is held whole, worked on, and stored when all of it is right.
 * What is wrong with lengths is said before what is wrong with addresses.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/* A request on its way: the program's words, and ours. */
struct request {
    struct devcrypto_auth_op caop;
    struct devcrypto_op op;
    uint32_t tag_len;
    uint8_t *held; /* aad, source or destination, tail */
    size_t held_len;
    struct iovec aad, src, tail, dst;
};

static bool is_srtp(const struct request *r)
{
    return (r->caop.flags & DEVCRYPTO_FLAG_AEAD_SRTP) != 0;
}

static struct devcrypto_bytes piece(struct iovec *iov, size_t len)
{
    iov->iov_len = len;
    return (struct devcrypto_bytes){.iov = iov, .count = 1, .len = len};
}

/* The program's lengths in our words; where the bytes are comes later. */
static void read_lengths(struct request *r, const struct devcrypto_session *s)
{
    struct devcrypto_auth_op *caop = &r->caop;
    uint64_t before = caop->src - caop->auth_src;

    r->op.op = caop->op;
    r->op.flags = caop->flags;
    r->op.auth = true;
    r->op.tag_len = caop->tag_len;
    r->op.src = piece(&r->src, caop->len);
    if (s->cipher == NULL)
        return; /* which is refused anyway */
    r->tag_len = devcrypto_tag_len(s, caop->tag_len);
    r->op.dst = piece(&r->dst, devcrypto_auth_dst_len(s, caop->op, caop->flags, caop->len, r->tag_len));
    if (!is_srtp(r)) {
        r->op.aad = piece(&r->aad, caop->auth_len);
        return;
    }
    if (caop->src < caop->auth_src || before > DEVCRYPTO_MAX_SRTP_HEAD || before + caop->len > caop->auth_len)
        before = SIZE_MAX; /* the source is not within what is authenticated: no such length is right */
    r->op.aad = piece(&r->aad, before);
    r->op.tail = piece(&r->tail, before != SIZE_MAX ? caop->auth_len - before - caop->len : 0);
    if (caop->op == DEVCRYPTO_OP_DECRYPT)
        r->op.mac_len = r->tag_len;
}

/* Every address that the request reads from or writes to, so that it happens whole or not at all. */
static int check_addresses(const struct request *r, const struct devcrypto_session *s,
                           const struct devcrypto_mem *mem)
{
    const struct devcrypto_auth_op *caop = &r->caop;
    int err = devcrypto_probe(mem, caop->src, caop->len, false);

    if (err == 0)
        err = devcrypto_probe(mem, caop->dst, r->op.dst.len, true);
    if (err == 0)
        err = devcrypto_probe(mem, caop->auth_src, caop->auth_len, false);
    if (err == 0 && is_srtp(r))
        err = devcrypto_probe(mem, caop->tag, r->tag_len, caop->op == DEVCRYPTO_OP_ENCRYPT);
    if (err == 0 && caop->iv != 0 && (caop->flags & DEVCRYPTO_FLAG_WRITE_IV) != 0)
        err = devcrypto_probe(mem, caop->iv, s->cipher->iv_len, true);
    return err;
}

/* The source and the destination share their place. */
static int fetch_data(struct request *r, const struct devcrypto_mem *mem)
{
    const size_t data = r->op.dst.len > r->op.src.len ? r->op.dst.len : r->op.src.len;
    const struct devcrypto_auth_op *caop = &r->caop;
    int err;

    r->held_len = r->op.aad.len + data + r->op.tail.len;
    r->held = malloc(r->held_len != 0 ? r->held_len : 1);
    if (r->held == NULL)
        return -ENOMEM;
    r->aad.iov_base = r->held;
    r->src.iov_base = r->dst.iov_base = r->held + r->op.aad.len;
    r->tail.iov_base = r->held + r->op.aad.len + data;
    err = devcrypto_fetch(mem, r->aad.iov_base, caop->auth_src, r->op.aad.len);
    if (err == 0)
        err = devcrypto_fetch(mem, r->src.iov_base, caop->src, r->op.src.len);
    if (err == 0)
        err = devcrypto_fetch(mem, r->tail.iov_base, caop->src + caop->len, r->op.tail.len);
    if (err == 0)
        err = devcrypto_fetch(mem, r->op.mac, caop->tag, r->op.mac_len);
    return err;
}

static int store_data(struct request *r, const struct devcrypto_session *s, const struct devcrypto_mem *mem)
{
    struct devcrypto_auth_op *caop = &r->caop;
    int err = devcrypto_store(mem, caop->dst, r->dst.iov_base, r->op.dst.len);

    if (err == 0)
        err = devcrypto_store(mem, caop->tag, r->op.mac, r->op.mac_len);
    if (err == 0 && caop->iv != 0 && (caop->flags & DEVCRYPTO_FLAG_WRITE_IV) != 0)
        err = devcrypto_store(mem, caop->iv, r->op.iv, s->cipher->iv_len);
    if ((caop->flags & (DEVCRYPTO_FLAG_AEAD_SRTP | DEVCRYPTO_FLAG_AEAD_TLS)) == 0)
        caop->tag = caop->dst + (caop->op == DEVCRYPTO_OP_ENCRYPT ? caop->len : r->op.out_len);
    caop->len = r->op.out_len;
    if (caop->tag_len == 0)
        caop->tag_len = r->tag_len;
    return err;
}

static int begin(struct request *r, struct devcrypto_file *f, struct devcrypto_session *s,
                 const struct devcrypto_mem *mem)
{
    const uint16_t in_place = DEVCRYPTO_FLAG_AEAD_SRTP | DEVCRYPTO_FLAG_AEAD_TLS;
    const size_t iv_len = s->cipher != NULL && r->caop.iv != 0 ? s->cipher->iv_len : 0;
    int err = (r->caop.flags & in_place) != 0 && r->caop.src != r->caop.dst ? -EINVAL : 0;

    if (err == 0)
        err = devcrypto_fetch(mem, r->op.iv, r->caop.iv, iv_len);
    if (err == 0 && devcrypto_too_long(f, r->caop.len))
        err = -EINVAL;
    if (err != 0)
        return err;
    read_lengths(r, s);
    r->op.has_iv = iv_len != 0;
    pthread_mutex_lock(&s->lock);
    err = devcrypto_auth_begin(s, &r->op);
    pthread_mutex_unlock(&s->lock);
    return err != 0 ? err : check_addresses(r, s, mem);
}

int devcrypto_ioctl_authcrypt(struct devcrypto_file *f, uint64_t arg, const struct devcrypto_mem *mem)
{
    struct request r = {0};
    struct devcrypto_session *s;
    int err = devcrypto_fetch(mem, &r.caop, arg, sizeof(r.caop));

    if (err != 0)
        return err;
    s = devcrypto_session_get(f, r.caop.ses);
    if (s == NULL)
        return -EINVAL;
    err = begin(&r, f, s, mem);
    if (err == 0)
        err = fetch_data(&r, mem);
    if (err == 0)
        err = devcrypto_perform_in(f, s, &r.op);
    if (err == 0)
        err = store_data(&r, s, mem);
    if (r.held != NULL)
        OPENSSL_cleanse(r.held, r.held_len);
    free(r.held);
    devcrypto_session_put(s);
    return err != 0 ? err : devcrypto_store(mem, arg, &r.caop, sizeof(r.caop));
}
