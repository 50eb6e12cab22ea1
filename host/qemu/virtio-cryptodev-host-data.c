/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: data on its way through the host's own /dev/crypto
 *
 * Data that lies in one piece goes as it is, other data through memory of our
 * own.  The host is always told an IV and always asked for it: what a session
 * goes on from is kept here, so that it can move to another host.
 */

#include "qemu/osdep.h"
#include "qemu/iov.h"

#include "virtio-cryptodev-host.h"

/* A part of a request as the host wants it: in one piece. */
typedef struct Flat {
    uint8_t *base;
    uint8_t *copy;           /* NULL: it lies in the guest's memory */
    size_t len;
} Flat;

static int flat_read(Flat *flat, const struct devcrypto_bytes *part,
                     size_t room)
{
    flat->len = MAX(part->len, room);
    flat->copy = NULL;
    if (part->count == 1 && room <= part->len) {
        flat->base = part->iov[0].iov_base;
        return 0;
    }
    flat->copy = g_try_malloc(MAX(flat->len, 1));
    flat->base = flat->copy;
    if (!flat->copy) {
        return -ENOMEM;
    }
    iov_to_buf(part->iov, part->count, 0, flat->copy, part->len);
    return 0;
}

static void flat_free(Flat *flat)
{
    if (flat->copy) {
        explicit_bzero(flat->copy, flat->len);
    }
    g_free(flat->copy);
}

/* What the session is now: its IV, and whether it is within a hash. */
static void host_note(VirtIOCryptodevFile *file, HostSession *session,
                      const struct devcrypto_op *op)
{
    QEMU_LOCK_GUARD(&file->sessions->lock);
    memcpy(session->state.iv, op->iv, sizeof(session->state.iv));
    session->hashing = session->sizes.mac && !op->auth && !op->mac_len;
}

static int host_crypt(VirtIOCryptodevFile *file, struct devcrypto_op *op,
                      uint32_t host_ses, const struct devcrypto_sizes *sizes)
{
    struct devcrypto_crypt_op cop = {
        .ses = host_ses,
        .op = op->op,
        /* A hash starts anew when there are no flags; here there is one. */
        .flags = (op->flags ?: DEVCRYPTO_FLAG_RESET) | DEVCRYPTO_FLAG_WRITE_IV,
        .len = op->src.len,
        .mac = (uintptr_t)op->mac,
    };
    Flat src = { 0 }, dst = { 0 };
    int ret;

    if (op->dst.len != (sizes->cipher ? op->src.len : 0) || op->aad.len ||
        op->tail.len) {
        return -EINVAL;
    }
    ret = flat_read(&src, &op->src, 0);
    if (ret == 0 && op->dst.len) {
        ret = flat_read(&dst, &op->dst, 0);
    }
    if (ret == 0) {
        cop.src = (uintptr_t)src.base;
        cop.dst = (uintptr_t)dst.base;
        /* One that goes on from the last IV is told it: it comes back so. */
        cop.iv = sizes->iv_len ? (uintptr_t)op->iv : 0;
        ret = cryptodev_host_ioctl(file->fd, DEVCRYPTO_CIOCCRYPT, &cop);
    }
    if (ret == 0) {
        if (dst.copy) {
            iov_from_buf(op->dst.iov, op->dst.count, 0, dst.copy, op->dst.len);
        }
        op->out_len = op->dst.len;
        op->mac_len = sizes->mac && (!(op->flags & DEVCRYPTO_FLAG_UPDATE) ||
                                     (op->flags & DEVCRYPTO_FLAG_FINAL) ||
                                     op->src.len == 0) ?
            sizes->digest_len : 0;
    }
    flat_free(&src);
    flat_free(&dst);
    return ret;
}

/* Of a CIOCAUTHCRYPT; 0 if the session makes none. */
static uint32_t auth_tag_len(const struct devcrypto_op *op,
                             const struct devcrypto_sizes *sizes)
{
    const uint32_t own = sizes->mac ? sizes->digest_len : sizes->tag_len;

    return own && op->tag_len ? op->tag_len : own;
}

/* Where the bytes of a CIOCAUTHCRYPT lie for the host, and how many. */
typedef struct AuthBuffer {
    uint8_t *base;
    size_t len;
    size_t src_at;           /* in base */
} AuthBuffer;

static int auth_gather(AuthBuffer *buf, const struct devcrypto_op *op)
{
    /* TLS works in place, and encryption makes it longer. */
    const size_t room = MAX(op->src.len, op->dst.len);

    buf->src_at = op->aad.len;
    buf->len = op->aad.len + room + op->tail.len;
    buf->base = g_try_malloc0(MAX(buf->len, 1));
    if (!buf->base) {
        return -ENOMEM;
    }
    iov_to_buf(op->aad.iov, op->aad.count, 0, buf->base, op->aad.len);
    iov_to_buf(op->src.iov, op->src.count, 0, buf->base + buf->src_at,
               op->src.len);
    iov_to_buf(op->tail.iov, op->tail.count, 0,
               buf->base + buf->src_at + op->src.len, op->tail.len);
    return 0;
}

static int host_auth(VirtIOCryptodevFile *file, struct devcrypto_op *op,
                     uint32_t host_ses, const struct devcrypto_sizes *sizes)
{
    const bool srtp = op->flags & DEVCRYPTO_FLAG_AEAD_SRTP;
    struct devcrypto_auth_op aop = {
        .ses = host_ses,
        .op = op->op,
        .flags = op->flags | DEVCRYPTO_FLAG_WRITE_IV,
        .len = op->src.len,
        .auth_len = op->aad.len,
        .tag_len = auth_tag_len(op, sizes),
        .iv = sizes->iv_len ? (uintptr_t)op->iv : 0,
        .iv_len = sizes->iv_len,
    };
    AuthBuffer buf;
    int ret = auth_gather(&buf, op);

    if (ret < 0) {
        return ret;
    }
    aop.auth_src = (uintptr_t)buf.base;
    aop.src = (uintptr_t)(buf.base + buf.src_at);
    aop.dst = aop.src;
    if (srtp) {
        aop.auth_len = op->aad.len + op->src.len + op->tail.len;
        aop.tag = (uintptr_t)op->mac;
    }
    ret = cryptodev_host_ioctl(file->fd, DEVCRYPTO_CIOCAUTHCRYPT, &aop);
    if (ret == 0) {
        iov_from_buf(op->dst.iov, op->dst.count, 0, buf.base + buf.src_at,
                     op->dst.len);
        op->out_len = MIN(aop.len, op->dst.len);
        op->mac_len = srtp && op->op == DEVCRYPTO_OP_ENCRYPT ?
            MIN(aop.tag_len, sizeof(op->mac)) : 0;
    }
    explicit_bzero(buf.base, buf.len);
    g_free(buf.base);
    return ret;
}

/*
 * Whether the lengths of a CIOCAUTHCRYPT are what docs/virtio-cryptodev.md says.
 * The host writes by them: a tag of SRTP into op->mac, the rest into a buffer
 * that auth_gather() makes for dst.
 */
static bool auth_lengths_fit(const struct devcrypto_op *op,
                             const struct devcrypto_sizes *sizes)
{
    const size_t tag = auth_tag_len(op, sizes);
    const bool encrypt = op->op == DEVCRYPTO_OP_ENCRYPT;
    size_t want = op->src.len;

    if (sizes->mac && tag > sizes->digest_len) {
        return false;
    }
    if (op->flags & DEVCRYPTO_FLAG_AEAD_SRTP) {
        return op->dst.len == want && (encrypt || op->mac_len == tag);
    }
    if (op->tail.len) {
        return false;
    }
    if (op->flags & DEVCRYPTO_FLAG_AEAD_TLS) {
        if (encrypt) {
            want += tag;
            want += sizes->block > 1 ? sizes->block - want % sizes->block : 0;
        }
    } else {
        if (!encrypt && want < tag) {
            return false;
        }
        want = encrypt ? want + tag : want - tag;
    }
    return op->dst.len == want;
}

/* With the session busy. */
static int host_perform(VirtIOCryptodevFile *file, HostSession *session,
                        struct devcrypto_op *op)
{
    const struct devcrypto_sizes *sizes = &session->sizes;
    int ret = -EINVAL;

    if (!op->has_iv) {
        memcpy(op->iv, session->state.iv, sizeof(op->iv));
    }
    if (!op->auth) {
        ret = host_crypt(file, op, session->ses, sizes);
    } else if (auth_lengths_fit(op, sizes)) {
        ret = host_auth(file, op, session->ses, sizes);
    }
    if (ret == 0) {
        memset(op->iv + sizes->iv_len, 0, sizeof(op->iv) - sizes->iv_len);
        host_note(file, session, op);
    }
    return ret;
}

int cryptodev_host_perform(VirtIOCryptodevFile *file, struct devcrypto_op *op)
{
    HostSession *session = cryptodev_host_get(file, op->ses);
    int ret;

    if (!session) {
        return -EINVAL;
    }
    /* The next request goes on from this one's last IV. */
    qemu_mutex_lock(&session->busy);
    ret = host_perform(file, session, op);
    qemu_mutex_unlock(&session->busy);
    cryptodev_host_put(file, session);
    return ret;
}
