/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CIOCCRYPT: any length in little memory, through a buffer, piece by piece. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#define PAGE ((uint64_t)4096)
#define SMALL 4096u  /* data up to this length is worked on in the stack */
#define CHUNK 65536u /* longer data goes through a buffer of this size, piece by piece */

/* ---- these need the session's lock ---- */

/* Encryption hashes what goes in, decryption what comes out: always the plaintext. */
static int work_on_piece(struct devcrypto_session *s, struct devcrypto_run *run, uint8_t *piece, size_t len)
{
    int err = 0;

    if (s->hash != NULL && (s->cipher == NULL || run->op == DEVCRYPTO_OP_ENCRYPT))
        err = devcrypto_hash_update(s, piece, len);
    if (err == 0 && s->cipher != NULL)
        err = devcrypto_run_step(run, piece, piece, len);
    if (err == 0 && s->hash != NULL && s->cipher != NULL && run->op == DEVCRYPTO_OP_DECRYPT)
        err = devcrypto_hash_update(s, piece, len);
    return err;
}

static int work_through(struct devcrypto_session *s, const struct devcrypto_crypt_op *cop,
                        const struct devcrypto_mem *mem, uint8_t *piece, size_t room)
{
    struct devcrypto_run run = {.session = s, .op = cop->op};
    int err = 0;

    if (s->cipher != NULL)
        err = devcrypto_run_start(&run, s, cop->op);
    for (size_t at = 0; at < cop->len && err == 0; at += room) {
        size_t n = cop->len - at < room ? cop->len - at : room;

        err = devcrypto_fetch(mem, piece, cop->src + at, n);
        if (err == 0)
            err = work_on_piece(s, &run, piece, n);
        if (err == 0 && s->cipher != NULL)
            err = devcrypto_store(mem, cop->dst + at, piece, n);
    }
    if (err == 0 && s->cipher != NULL)
        devcrypto_run_commit(&run);
    return err;
}

/*
 * An error must not leave half a request behind.  Data of one piece is fetched before anything is done with
 * it, and a store within one page cannot fail half way: what remains has to be asked about beforehand.
 */
static int check_buffers(const struct devcrypto_session *s, const struct devcrypto_crypt_op *cop,
                         const struct devcrypto_mem *mem)
{
    const bool one_page = cop->dst / PAGE == (cop->dst + cop->len - 1) / PAGE;
    int err = 0;

    if (cop->len > CHUNK)
        err = devcrypto_probe(mem, cop->src, cop->len, false);
    if (err == 0 && s->cipher != NULL && (!one_page || s->hash != NULL))
        err = devcrypto_probe(mem, cop->dst, cop->len, true);
    return err;
}

/* The data of a request whose len is not 0. */
static int work_on_data(struct devcrypto_session *s, const struct devcrypto_crypt_op *cop,
                        const struct devcrypto_mem *mem)
{
    const size_t room = cop->len < CHUNK ? cop->len : CHUNK;
    uint8_t small[SMALL];
    uint8_t *piece = small;
    int err = check_buffers(s, cop, mem);

    if (err != 0)
        return err;
    if (room > sizeof(small))
        piece = malloc(room);
    if (piece == NULL)
        return -ENOMEM;
    err = work_through(s, cop, mem, piece, room);
    OPENSSL_cleanse(piece, room);
    if (piece != small)
        free(piece);
    return err;
}

static int digest_out(struct devcrypto_session *s, const struct devcrypto_crypt_op *cop,
                      const struct devcrypto_mem *mem)
{
    uint8_t digest[DEVCRYPTO_MAX_DIGEST];
    int err = devcrypto_hash_final(s, digest);

    return err != 0 ? err : devcrypto_store(mem, cop->mac, digest, s->hash->digest_len);
}

static int crypt_locked(struct devcrypto_session *s, const struct devcrypto_crypt_op *cop,
                        const struct devcrypto_mem *mem)
{
    int err = 0;

    if (s->hash != NULL)
        err = devcrypto_hash_start(s, cop->flags);
    if (err == 0 && cop->len != 0)
        err = work_on_data(s, cop, mem);
    if (err == 0 && s->hash != NULL && devcrypto_digest_is_due(cop->flags, cop->len))
        err = digest_out(s, cop, mem);
    if (err == 0 && s->cipher != NULL && s->cipher->iv_len != 0 && cop->iv != 0 &&
        (cop->flags & DEVCRYPTO_FLAG_WRITE_IV) != 0)
        err = devcrypto_store(mem, cop->iv, s->iv, s->cipher->iv_len);
    return err;
}

static int crypt_in_session(struct devcrypto_file *f, struct devcrypto_session *s,
                            const struct devcrypto_crypt_op *cop, const struct devcrypto_mem *mem)
{
    const size_t iv_len = s->cipher != NULL && cop->iv != 0 ? s->cipher->iv_len : 0;
    uint8_t iv[DEVCRYPTO_MAX_IV];
    int err = devcrypto_fetch(mem, iv, cop->iv, iv_len);

    if (err == 0)
        err = devcrypto_check_request(f, s, cop->op, cop->len);
    if (err != 0)
        return err;
    pthread_mutex_lock(&s->lock);
    memcpy(s->iv, iv, iv_len); /* stays, whatever becomes of this request */
    err = crypt_locked(s, cop, mem);
    pthread_mutex_unlock(&s->lock);
    return err;
}

/* ---- the call ---- */

int devcrypto_ioctl_crypt(struct devcrypto_file *f, uint64_t arg, const struct devcrypto_mem *mem)
{
    struct devcrypto_crypt_op cop;
    struct devcrypto_session *s;
    int err = devcrypto_fetch(mem, &cop, arg, sizeof(cop));

    if (err != 0)
        return err;
    s = devcrypto_session_get(f, cop.ses);
    if (s == NULL)
        return -EINVAL;
    err = crypt_in_session(f, s, &cop, mem);
    devcrypto_session_put(s);
    return err != 0 ? err : devcrypto_store(mem, arg, &cop, sizeof(cop));
}
