/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: one request, from its bytes to its answer
 *
 * The reference wire, one descriptor chain a request; integers little-endian:
 *
 *   request               device reads            device writes
 *   open                  T                       F
 *   close                 T F
 *   ioctl CIOCGSESSION    T F C K                 S R
 *   ioctl CIOCFSESSION    T F C I                 R
 *   ioctl CIOCCRYPT       T F C O s v             d R
 *
 *   T u32 type   F i32 handle   C u32 raw ioctl number   R i32 0 or -errno
 *   K key   S struct session_op   I u32 session   O struct crypt_op
 *   s source   v IV (16 bytes)   d destination
 *
 * Where a piece begins follows from the lengths in S and O, never from how the
 * driver cut its buffers up.  A chain must add up exactly: one byte missing or
 * one too many is EINVAL.  A result goes into the last four bytes that the
 * device may write; where there is no room for one the chain just comes back.
 *
 * S is where the format demands that the device reads from a buffer it may
 * write.  Nothing is ever written into what it may only read, no address of
 * the host leaves it, and nothing that the guest can change meanwhile is
 * believed before it was copied.
 */

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
#include "qemu/iov.h"
#include "qemu/log.h"

#include "virtio-cryptodev.h"
#include "virtio-cryptodev-compat.h"

enum { TYPE_OPEN, TYPE_CLOSE, TYPE_IOCTL };

#define HANDLE_AT 4
#define COMMAND_AT 8
#define HEADER_BYTES 12 /* T F C */
#define RESULT_BYTES 4
#define SESSION_OP_BYTES sizeof(struct devcrypto_session_op)
#define CRYPT_OP_BYTES sizeof(struct devcrypto_crypt_op)
#define IV_BYTES DEVCRYPTO_AES_BLOCK

/* A chain, and what its descriptors really hold. */
typedef struct Request {
    VirtQueueElement *elem;
    size_t readable;
    size_t writable;
} Request;

static void request_read(const Request *req, size_t offset, void *buf,
                         size_t len)
{
    iov_to_buf(req->elem->out_sg, req->elem->out_num, offset, buf, len);
}

static void request_write(const Request *req, size_t offset, const void *buf,
                          size_t len)
{
    iov_from_buf(req->elem->in_sg, req->elem->in_num, offset, buf, len);
}

/*
 * The used length has to be a piece at the beginning (virtio 1.2, 2.7.8.2), and
 * the result is at the end.  So all of a chain counts as written, what stays as
 * it was with what was there.  In the guest's memory that is so by itself; a
 * buffer that lies over something else comes as an empty copy, which the core
 * will write back.  S is read from there, too.
 */
static void request_fill_copies(VirtIODevice *vdev, const Request *req)
{
    const VirtQueueElement *elem = req->elem;
    unsigned int i;

    for (i = 0; i < elem->in_num; i++) {
        ram_addr_t offset;

        if (!memory_region_from_host(elem->in_sg[i].iov_base, &offset)) {
            dma_memory_read(vdev->dma_as, elem->in_addr[i],
                            elem->in_sg[i].iov_base, elem->in_sg[i].iov_len,
                            MEMTXATTRS_UNSPECIFIED);
        }
    }
}

/* Returns the used length, which has 32 bits. */
static uint32_t request_answer(const Request *req, int result)
{
    uint8_t buf[RESULT_BYTES];

    if (req->writable < sizeof(buf)) {
        return 0;
    }
    stl_le_p(buf, result);
    request_write(req, req->writable - sizeof(buf), buf, sizeof(buf));
    return MIN(req->writable, UINT32_MAX);
}

/* For whoever debugs a driver: -d guest_errors tells what was wrong. */
static bool request_adds_up(const Request *req, const char *what,
                            uint64_t readable, uint64_t writable)
{
    if (req->readable == readable && req->writable == writable) {
        return true;
    }
    qemu_log_mask(LOG_GUEST_ERROR, "virtio-cryptodev: %s: "
                  "%zu readable and %zu writable bytes, should be %" PRIu64
                  " and %" PRIu64 "\n", what, req->readable, req->writable,
                  readable, writable);
    return false;
}

static int request_short(const Request *req, const char *what, size_t readable,
                         size_t writable)
{
    qemu_log_mask(LOG_GUEST_ERROR, "virtio-cryptodev: %s: "
                  "%zu readable and %zu writable bytes, needs %zu and %zu "
                  "at least\n", what, req->readable, req->writable, readable,
                  writable);
    return -EINVAL;
}

/* The bytes at that offset if they lie in one piece, else NULL. */
static void *contiguous(const struct iovec *iov, unsigned int num,
                        size_t offset, size_t len)
{
    unsigned int i;

    for (i = 0; i < num; i++) {
        if (offset < iov[i].iov_len) {
            return iov[i].iov_len - offset < len ?
                NULL : (uint8_t *)iov[i].iov_base + offset;
        }
        offset -= iov[i].iov_len;
    }
    return NULL;
}

/* Open files */

static VirtIOCryptodevFile *virtio_cryptodev_file(VirtIOCryptodev *c,
                                                  int32_t handle)
{
    if (handle < 0 || handle >= c->conf.max_open_files ||
        !test_bit(handle, c->open_files)) {
        return NULL;
    }
    return &c->files[handle];
}

/* The smallest handle that is free, as open(2) does. */
static int virtio_cryptodev_open(VirtIOCryptodev *c, const Request *req)
{
    int ret;
    long handle;

    if (!request_adds_up(req, "open", HANDLE_AT, RESULT_BYTES)) {
        return -EINVAL;
    }
    handle = find_first_zero_bit(c->open_files, c->conf.max_open_files);
    if (handle >= c->conf.max_open_files) {
        return -EMFILE;
    }
    ret = c->backend->open(&c->conf, &c->files[handle]);
    if (ret < 0) {
        return ret;
    }
    set_bit(handle, c->open_files);
    return handle;
}

static int virtio_cryptodev_close(VirtIOCryptodev *c, const Request *req,
                                  int32_t handle)
{
    VirtIOCryptodevFile *file = virtio_cryptodev_file(c, handle);

    if (!request_adds_up(req, "close", COMMAND_AT, 0)) {
        return -EINVAL;
    }
    if (file) {
        clear_bit(handle, c->open_files);
        c->backend->close(file);
    }
    return 0;
}

/* Sessions */

static int virtio_cryptodev_gsession(VirtIOCryptodev *c, const Request *req,
                                     VirtIOCryptodevFile *file)
{
    uint8_t sop[SESSION_OP_BYTES];
    uint8_t key[DEVCRYPTO_MAX_KEY];
    uint32_t keylen, ses;
    int ret;

    if (req->writable < sizeof(sop) + RESULT_BYTES) {
        return request_short(req, "CIOCGSESSION", HEADER_BYTES,
                             sizeof(sop) + RESULT_BYTES);
    }
    iov_to_buf(req->elem->in_sg, req->elem->in_num, 0, sop, sizeof(sop));
    keylen = ldl_le_p(sop + offsetof(struct devcrypto_session_op, keylen));
    if (!request_adds_up(req, "CIOCGSESSION", (uint64_t)HEADER_BYTES + keylen,
                         sizeof(sop) + RESULT_BYTES)) {
        return -EINVAL;
    }
    /* The wire has no room for the key of a mac, nor for a digest. */
    if (keylen > sizeof(key) ||
        ldl_le_p(sop + offsetof(struct devcrypto_session_op, mac))) {
        return -EINVAL;
    }

    request_read(req, HEADER_BYTES, key, keylen);
    ret = c->backend->create_session(&c->conf, file, ldl_le_p(sop), key, keylen,
                                     &ses);
    explicit_bzero(key, sizeof(key));
    if (ret == 0) {
        stl_le_p(sop + offsetof(struct devcrypto_session_op, ses), ses);
        request_write(req, 0, sop, sizeof(sop));
    }
    return ret;
}

static int virtio_cryptodev_fsession(VirtIOCryptodev *c, const Request *req,
                                     VirtIOCryptodevFile *file)
{
    uint8_t ses[4];

    if (!request_adds_up(req, "CIOCFSESSION", HEADER_BYTES + sizeof(ses),
                         RESULT_BYTES)) {
        return -EINVAL;
    }
    request_read(req, HEADER_BYTES, ses, sizeof(ses));
    return c->backend->free_session(file, ldl_le_p(ses));
}

/* Data */

static uint8_t *virtio_cryptodev_bounce(VirtIOCryptodev *c, size_t len)
{
    if (c->bounce_size < len) {
        g_free(c->bounce);
        c->bounce = g_try_malloc(len);
        c->bounce_size = c->bounce ? len : 0;
    }
    return c->bounce;
}

/*
 * From guest memory to guest memory when source and destination each lie in
 * one piece; a guest that changes them meanwhile spoils nothing but its own
 * result.  Pieces, and buffers that overlap, go through memory of our own.
 */
static int virtio_cryptodev_work(VirtIOCryptodev *c, const Request *req,
                                 VirtIOCryptodevFile *file,
                                 const struct devcrypto_crypt_op *op,
                                 const uint8_t iv[IV_BYTES])
{
    const size_t source_at = HEADER_BYTES + CRYPT_OP_BYTES;
    const size_t len = op->len;
    const uint8_t *src;
    uint8_t *dst, *bounce;
    int ret;

    if (len == 0) {
        return c->backend->crypt(file, op, iv, NULL, NULL);
    }

    src = contiguous(req->elem->out_sg, req->elem->out_num, source_at, len);
    dst = contiguous(req->elem->in_sg, req->elem->in_num, 0, len);
    if (src && dst && (src == dst || src + len <= dst || dst + len <= src)) {
        return c->backend->crypt(file, op, iv, src, dst);
    }

    bounce = virtio_cryptodev_bounce(c, len);
    if (!bounce) {
        return -ENOMEM;
    }
    request_read(req, source_at, bounce, len);
    ret = c->backend->crypt(file, op, iv, bounce, bounce);
    if (ret == 0) {
        request_write(req, 0, bounce, len);
    }
    return ret;
}

static int virtio_cryptodev_crypt(VirtIOCryptodev *c, const Request *req,
                                  VirtIOCryptodevFile *file)
{
    const size_t op_end = HEADER_BYTES + CRYPT_OP_BYTES;
    uint8_t raw[CRYPT_OP_BYTES];
    uint8_t iv[IV_BYTES];
    struct devcrypto_crypt_op op = { 0 };

    if (req->readable < op_end + sizeof(iv)) {
        return request_short(req, "CIOCCRYPT", op_end + sizeof(iv),
                             RESULT_BYTES);
    }
    request_read(req, HEADER_BYTES, raw, sizeof(raw));
    op.ses = ldl_le_p(raw + offsetof(struct devcrypto_crypt_op, ses));
    op.op = lduw_le_p(raw + offsetof(struct devcrypto_crypt_op, op));
    op.flags = lduw_le_p(raw + offsetof(struct devcrypto_crypt_op, flags));
    op.len = ldl_le_p(raw + offsetof(struct devcrypto_crypt_op, len));
    if (!request_adds_up(req, "CIOCCRYPT",
                         (uint64_t)op_end + op.len + sizeof(iv),
                         (uint64_t)op.len + RESULT_BYTES)) {
        return -EINVAL;
    }
    if (op.len > c->conf.max_request) {
        return -EINVAL;
    }
    request_read(req, op_end + op.len, iv, sizeof(iv));
    return virtio_cryptodev_work(c, req, file, &op, iv);
}

/* Requests */

static int virtio_cryptodev_ioctl(VirtIOCryptodev *c, const Request *req,
                                  int32_t handle, uint32_t command)
{
    VirtIOCryptodevFile *file = virtio_cryptodev_file(c, handle);

    if (!file) {
        return -EBADF;
    }
    switch (command) {
    case DEVCRYPTO_CIOCGSESSION:
        return virtio_cryptodev_gsession(c, req, file);
    case DEVCRYPTO_CIOCFSESSION:
        return virtio_cryptodev_fsession(c, req, file);
    case DEVCRYPTO_CIOCCRYPT:
        return virtio_cryptodev_crypt(c, req, file);
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "virtio-cryptodev: "
                      "unknown ioctl 0x%08" PRIx32 "\n", command);
        return -EINVAL;
    }
}

static int virtio_cryptodev_dispatch(VirtIOCryptodev *c, const Request *req)
{
    uint8_t header[HEADER_BYTES] = { 0 };
    uint32_t type;
    int32_t handle;

    request_read(req, 0, header, sizeof(header)); /* or what there is of it */
    type = ldl_le_p(header);
    handle = ldl_le_p(header + HANDLE_AT);
    if (req->readable < HANDLE_AT) {
        return request_short(req, "request", HANDLE_AT, 0);
    }
    switch (type) {
    case TYPE_OPEN:
        return virtio_cryptodev_open(c, req);
    case TYPE_CLOSE:
        return virtio_cryptodev_close(c, req, handle);
    case TYPE_IOCTL:
        if (req->readable < HEADER_BYTES) {
            return request_short(req, "ioctl", HEADER_BYTES, RESULT_BYTES);
        }
        return virtio_cryptodev_ioctl(c, req, handle,
                                      ldl_le_p(header + COMMAND_AT));
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "virtio-cryptodev: "
                      "unknown request type %" PRIu32 "\n", type);
        return -EINVAL;
    }
}

uint32_t virtio_cryptodev_request(VirtIOCryptodev *c, VirtQueueElement *elem,
                                  size_t *bytes)
{
    Request req = {
        .elem = elem,
        .readable = iov_size(elem->out_sg, elem->out_num),
        .writable = iov_size(elem->in_sg, elem->in_num),
    };

    *bytes += req.readable + req.writable;
    request_fill_copies(VIRTIO_DEVICE(c), &req);
    return request_answer(&req, virtio_cryptodev_dispatch(c, &req));
}
