/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The calls of a caller that holds the bytes itself: CIOCCRYPT and CIOCAUTHCRYPT of any session. */
#include "internal.h"

#include <errno.h>
#include <string.h>

static bool is_empty(const struct devcrypto_bytes *bytes)
{
    return bytes->len == 0;
}

static int crypt_data(struct devcrypto_session *s, const struct devcrypto_op *op)
{
    struct devcrypto_cursor src = devcrypto_begin(&op->src), dst = devcrypto_begin(&op->dst);
    struct devcrypto_run run;
    int err;

    if (s->cipher == NULL)
        return devcrypto_hash_pieces(s, &src, op->src.len);
    err = devcrypto_run_start(&run, s, op->op);
    if (err == 0 && op->src.count == 1 && op->dst.count == 1 && s->hash == NULL) /* most requests */
        err = devcrypto_run_step(&run, op->src.iov->iov_base, op->dst.iov->iov_base, op->src.len);
    else if (err == 0)
        err = devcrypto_run_through(&run, &src, &dst, op->src.len, s->hash != NULL);
    if (err == 0)
        devcrypto_run_commit(&run);
    return err;
}

/* CIOCCRYPT; the order of the checks is that of the ioctl. */
static int crypt_pieces(struct devcrypto_file *f, struct devcrypto_session *s, struct devcrypto_op *op)
{
    int err = devcrypto_check_request(f, s, op->op, op->src.len);

    if (err == 0 && (op->dst.len != (s->cipher != NULL ? op->src.len : 0) || !is_empty(&op->aad) ||
                     !is_empty(&op->tail)))
        err = -EINVAL;
    if (err != 0)
        return err;
    if (op->has_iv && s->cipher != NULL)
        memcpy(s->iv, op->iv, s->cipher->iv_len); /* stays, whatever becomes of this request */
    if (s->hash != NULL)
        err = devcrypto_hash_start(s, op->flags);
    if (err == 0 && op->src.len != 0)
        err = crypt_data(s, op);
    op->mac_len = 0;
    if (err == 0 && s->hash != NULL && devcrypto_digest_is_due(op->flags, op->src.len)) {
        err = devcrypto_hash_final(s, op->mac);
        op->mac_len = s->hash->digest_len;
    }
    op->out_len = (uint32_t)op->dst.len;
    return err;
}

int devcrypto_perform_in(struct devcrypto_file *f, struct devcrypto_session *s, struct devcrypto_op *op)
{
    int err;

    if (!devcrypto_adds_up(&op->aad) || !devcrypto_adds_up(&op->src) || !devcrypto_adds_up(&op->tail) ||
        !devcrypto_adds_up(&op->dst))
        return -EINVAL;
    pthread_mutex_lock(&s->lock);
    if (op->auth)
        err = devcrypto_too_long(f, op->src.len) ? -EINVAL : devcrypto_authcrypt(s, op);
    else
        err = crypt_pieces(f, s, op);
    if (err == 0)
        memcpy(op->iv, s->iv, sizeof(op->iv)); /* 0 behind its length, in the session as well */
    pthread_mutex_unlock(&s->lock);
    if (err == 0 && op->mac_len == 0)
        memset(op->mac, 0, sizeof(op->mac)); /* of a length that the compiler knows */
    else if (err == 0)
        memset(op->mac + op->mac_len, 0, sizeof(op->mac) - op->mac_len);
    return err;
}

int devcrypto_perform(struct devcrypto_file *f, struct devcrypto_op *op)
{
    struct devcrypto_session *s = devcrypto_session_get(f, op->ses);
    int err;

    if (s == NULL)
        return -EINVAL;
    err = devcrypto_perform_in(f, s, op);
    devcrypto_session_put(s);
    return err;
}

int devcrypto_crypt(struct devcrypto_file *f, uint32_t ses, uint32_t op, uint32_t flags, const uint8_t *iv,
                    uint8_t *iv_out, const void *src, void *dst, size_t len)
{
    struct devcrypto_session *s = devcrypto_session_get(f, ses);
    struct devcrypto_run run;
    int err;

    (void)flags; /* they say what to do with an IV's address and a digest: this caller has neither */
    if (s == NULL)
        return -EINVAL;
    err = s->hash == NULL ? devcrypto_check_request(f, s, op, len) : -EINVAL;
    if (err != 0) {
        devcrypto_session_put(s);
        return err;
    }

    pthread_mutex_lock(&s->lock);
    if (iv != NULL)
        memcpy(s->iv, iv, s->cipher->iv_len);
    if (len != 0) {
        if (src == NULL || dst == NULL)
            err = -EFAULT;
        if (err == 0)
            err = devcrypto_run_start(&run, s, op);
        if (err == 0)
            err = devcrypto_run_step(&run, src, dst, len);
        if (err == 0)
            devcrypto_run_commit(&run);
    }
    if (err == 0 && iv_out != NULL)
        memcpy(iv_out, s->iv, sizeof(s->iv));
    pthread_mutex_unlock(&s->lock);
    devcrypto_session_put(s);
    return err;
}
