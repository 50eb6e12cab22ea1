/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ioctl ABI of /dev/crypto: arguments are fetched, checked in the order of the original, and answered. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#define PAGE ((uint64_t)4096)
#define SMALL 4096u  /* data up to this length is worked on in the stack */
#define CHUNK 65536u /* longer data goes through a buffer of this size, piece by piece */

/* ---- the caller's memory ---- */

/* Out of what an address space can hold; the last page never belongs to anybody.  A length has 32 bits. */
static bool wraps(uint64_t uaddr, size_t len)
{
    return uaddr > UINT64_MAX - PAGE - len;
}

static int fetch(const struct devcrypto_mem *mem, void *dst, uint64_t uaddr, size_t len)
{
    if (len == 0)
        return 0;
    return uaddr == 0 || wraps(uaddr, len) ? -EFAULT : mem->copy_in(mem->opaque, dst, uaddr, len);
}

/* There is always something to store. */
static int store(const struct devcrypto_mem *mem, uint64_t uaddr, const void *src, size_t len)
{
    return uaddr == 0 || wraps(uaddr, len) ? -EFAULT : mem->copy_out(mem->opaque, uaddr, src, len);
}

/* Whether all of a buffer can be reached, so that a request either happens whole or not at all. */
static int probe(const struct devcrypto_mem *mem, uint64_t uaddr, size_t len, bool writable)
{
    uint64_t at = uaddr;
    int err = 0;

    if (uaddr == 0 || wraps(uaddr, len))
        return -EFAULT;
    if (mem->copy_in == devcrypto_self_in)
        return devcrypto_self_probe(mem->opaque, uaddr, len, writable);
    for (; at < uaddr + len && err == 0; at = (at | (PAGE - 1)) + 1) {
        uint8_t value;

        err = fetch(mem, &value, at, 1);
        if (err == 0 && writable)
            err = store(mem, at, &value, 1);
    }
    return err;
}

/* ---- sessions ---- */

static int ioctl_gsession(struct devcrypto_file *f, uint64_t arg, const struct devcrypto_mem *mem)
{
    struct devcrypto_session_op sop;
    uint8_t key[DEVCRYPTO_MAX_KEY];
    uint8_t mackey[DEVCRYPTO_MAX_MACKEY];
    int err = fetch(mem, &sop, arg, sizeof(sop));

    if (err == 0)
        err = devcrypto_check_algorithms(sop.cipher, sop.mac);
    if (err != 0)
        return err;
    if (sop.cipher != 0) {
        if (sop.keylen > sizeof(key))
            return -EINVAL;
        err = fetch(mem, key, sop.key, sop.keylen);
        if (err == 0)
            err = devcrypto_check_keylen(sop.cipher, sop.keylen);
    }
    if (err == 0 && sop.mac != 0) {
        if (sop.mackeylen > sizeof(mackey))
            err = -EINVAL;
        else if (devcrypto_takes_mac(sop.cipher) && devcrypto_mac_takes_key(sop.mac))
            err = fetch(mem, mackey, sop.mackey, sop.mackeylen);
    }
    if (err == 0)
        err = devcrypto_session_create(f, sop.cipher, key, sop.keylen, sop.mac, mackey, sop.mackeylen, &sop.ses);
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(mackey, sizeof(mackey));
    if (err == 0) {
        err = store(mem, arg, &sop, sizeof(sop));
        if (err != 0)
            devcrypto_session_free(f, sop.ses); /* nobody would ever learn its id */
    }
    return err;
}

static int ioctl_fsession(struct devcrypto_file *f, uint64_t arg, const struct devcrypto_mem *mem)
{
    uint32_t ses;
    int err = fetch(mem, &ses, arg, sizeof(ses));

    return err != 0 ? err : devcrypto_session_free(f, ses);
}

/* ---- CIOCCRYPT; these need the session's lock ---- */

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

        err = fetch(mem, piece, cop->src + at, n);
        if (err == 0)
            err = work_on_piece(s, &run, piece, n);
        if (err == 0 && s->cipher != NULL)
            err = store(mem, cop->dst + at, piece, n);
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
        err = probe(mem, cop->src, cop->len, false);
    if (err == 0 && s->cipher != NULL && (!one_page || s->hash != NULL))
        err = probe(mem, cop->dst, cop->len, true);
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

    return err != 0 ? err : store(mem, cop->mac, digest, s->hash->digest_len);
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
    if (err == 0 && s->cipher != NULL && s->cipher->iv_len != 0 && cop->iv != 0 && (cop->flags & DEVCRYPTO_FLAG_WRITE_IV) != 0)
        err = store(mem, cop->iv, s->iv, s->cipher->iv_len);
    return err;
}

static int crypt_in_session(struct devcrypto_file *f, struct devcrypto_session *s,
                            const struct devcrypto_crypt_op *cop, const struct devcrypto_mem *mem)
{
    const size_t iv_len = s->cipher != NULL && cop->iv != 0 ? s->cipher->iv_len : 0;
    uint8_t iv[DEVCRYPTO_MAX_IV];
    int err = fetch(mem, iv, cop->iv, iv_len);

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

static int ioctl_crypt(struct devcrypto_file *f, uint64_t arg, const struct devcrypto_mem *mem)
{
    struct devcrypto_crypt_op cop;
    struct devcrypto_session *s;
    int err = fetch(mem, &cop, arg, sizeof(cop));

    if (err != 0)
        return err;
    s = devcrypto_session_get(f, cop.ses);
    if (s == NULL)
        return -EINVAL;
    err = crypt_in_session(f, s, &cop, mem);
    devcrypto_session_put(s);
    return err != 0 ? err : store(mem, arg, &cop, sizeof(cop));
}

/* ---- all of them ---- */

int devcrypto_ioctl(struct devcrypto_file *f, unsigned long cmd, uint64_t arg, const struct devcrypto_mem *mem)
{
    static const uint32_t no_asymmetric_features;
    pid_t pid;
    const struct devcrypto_mem self = {
        .opaque = &pid, .copy_in = devcrypto_self_in, .copy_out = devcrypto_self_out};

    if (mem == NULL) {
        pid = getpid();
        mem = &self;
    }
    switch ((uint32_t)cmd) { /* the kernel looks at 32 bits too */
    case DEVCRYPTO_CIOCGSESSION:
        return ioctl_gsession(f, arg, mem);
    case DEVCRYPTO_CIOCFSESSION:
        return ioctl_fsession(f, arg, mem);
    case DEVCRYPTO_CIOCCRYPT:
        return ioctl_crypt(f, arg, mem);
    case DEVCRYPTO_CIOCASYMFEAT:
        return store(mem, arg, &no_asymmetric_features, sizeof(no_asymmetric_features));
    default:
        return -EINVAL;
    }
}
