/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: one request, from its bytes to its answer
 *
 * Here are open, close and the ioctls of the reference wire, and what all
 * requests have in common; docs/virtio-cryptodev.md has the bytes.
 *
 * Where a piece begins follows from the lengths in the request, never from how
 * the driver cut its buffers up.  A chain must add up exactly: one byte missing
 * or one too many is EINVAL.  A result goes into the last four bytes that the
 * device may write; where there is no room for one the chain just comes back.
 *
 * The struct session_op of CIOCGSESSION is where the reference wire demands
 * that the device reads from a buffer it may write.  Nothing is ever written
 * into what it may only read, no address of the host leaves it, and nothing
 * that the guest can change meanwhile is believed before it was copied.
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

typedef VirtIOCryptodevRequest Request;

void virtio_cryptodev_read(const Request *req, size_t offset, void *buf,
                           size_t len)
{
    iov_to_buf(req->elem.out_sg, req->elem.out_num, offset, buf, len);
}

void virtio_cryptodev_write(const Request *req, size_t offset, const void *buf,
                            size_t len)
{
    iov_from_buf(req->elem.in_sg, req->elem.in_num, offset, buf, len);
}

/*
 * The used length has to be a piece at the beginning (virtio 1.2, 2.7.8.2), and
 * the result is at the end.  So all of a chain counts as written, what stays as
 * it was with what was there.  In the guest's memory that is so by itself; a
 * buffer that lies over something else comes as an empty copy, which the core
 * will write back.  A session_op is read from there, too.
 */
static void fill_copies(VirtIODevice *vdev, const Request *req)
{
    const VirtQueueElement *elem = &req->elem;
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

/* For whoever debugs a driver: -d guest_errors tells what was wrong. */
bool virtio_cryptodev_adds_up(const Request *req, const char *what,
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

int virtio_cryptodev_short(const Request *req, const char *what,
                           size_t readable, size_t writable)
{
    qemu_log_mask(LOG_GUEST_ERROR, "virtio-cryptodev: %s: "
                  "%zu readable and %zu writable bytes, needs %zu and %zu "
                  "at least\n", what, req->readable, req->writable, readable,
                  writable);
    return -EINVAL;
}

/* Open files */

VirtIOCryptodevFile *virtio_cryptodev_file(VirtIOCryptodev *c, int32_t handle)
{
    if (handle < 0 || handle >= c->conf.max_open_files ||
        !test_bit(handle, c->open_files)) {
        return NULL;
    }
    return c->files[handle];
}

void virtio_cryptodev_unref_file(VirtIOCryptodev *c, VirtIOCryptodevFile *file)
{
    if (--file->refs == 0) {
        c->num_files--;
        c->backend->close(file);
        g_free(file);
    }
}

int virtio_cryptodev_open_file(VirtIOCryptodev *c, uint32_t handle)
{
    VirtIOCryptodevFile *file;
    int ret;

    /* Of those that are closed and still at work there may be as many. */
    if (c->num_files / 2 >= c->conf.max_open_files) {
        return -EMFILE;
    }
    file = g_new0(VirtIOCryptodevFile, 1);
    ret = c->backend->open(&c->conf, file);
    if (ret < 0) {
        g_free(file);
        return ret;
    }
    file->refs = 1;
    c->num_files++;
    c->files[handle] = file;
    set_bit(handle, c->open_files);
    return 0;
}

void virtio_cryptodev_close_file(VirtIOCryptodev *c, uint32_t handle)
{
    clear_bit(handle, c->open_files);
    virtio_cryptodev_unref_file(c, c->files[handle]);
    c->files[handle] = NULL;
}

void virtio_cryptodev_close_all(VirtIOCryptodev *c)
{
    uint32_t i;

    for (i = 0; i < c->conf.max_open_files; i++) {
        if (test_bit(i, c->open_files)) {
            virtio_cryptodev_close_file(c, i);
        }
    }
}

/* The smallest handle that is free, as open(2) does. */
static int request_open(VirtIOCryptodev *c, const Request *req)
{
    int ret;
    long handle;

    if (!virtio_cryptodev_adds_up(req, "open", HANDLE_AT, RESULT_BYTES)) {
        return -EINVAL;
    }
    handle = find_first_zero_bit(c->open_files, c->conf.max_open_files);
    if (handle >= c->conf.max_open_files) {
        return -EMFILE;
    }
    ret = virtio_cryptodev_open_file(c, handle);
    return ret < 0 ? ret : handle;
}

static int request_close(VirtIOCryptodev *c, const Request *req, int32_t handle)
{
    if (!virtio_cryptodev_adds_up(req, "close", COMMAND_AT, 0)) {
        return -EINVAL;
    }
    if (virtio_cryptodev_file(c, handle)) {
        virtio_cryptodev_close_file(c, handle);
    }
    return 0;
}

/* The ioctls of the reference wire */

static int request_gsession(VirtIOCryptodev *c, const Request *req,
                            VirtIOCryptodevFile *file)
{
    struct devcrypto_session_state state = { 0 };
    uint8_t sop[SESSION_OP_BYTES];
    uint32_t keylen, ses;
    int ret;

    if (req->writable < sizeof(sop) + RESULT_BYTES) {
        return virtio_cryptodev_short(req, "CIOCGSESSION", HEADER_BYTES,
                                      sizeof(sop) + RESULT_BYTES);
    }
    iov_to_buf(req->elem.in_sg, req->elem.in_num, 0, sop, sizeof(sop));
    keylen = ldl_le_p(sop + offsetof(struct devcrypto_session_op, keylen));
    if (!virtio_cryptodev_adds_up(req, "CIOCGSESSION",
                                  (uint64_t)HEADER_BYTES + keylen,
                                  sizeof(sop) + RESULT_BYTES)) {
        return -EINVAL;
    }
    /* This wire has no room for the key of a mac, a digest, or another IV. */
    state.cipher = ldl_le_p(sop);
    if (keylen > sizeof(state.key) || state.cipher != DEVCRYPTO_AES_CBC ||
        ldl_le_p(sop + offsetof(struct devcrypto_session_op, mac))) {
        return -EINVAL;
    }

    state.keylen = keylen;
    virtio_cryptodev_read(req, HEADER_BYTES, state.key, keylen);
    ret = c->backend->create_session(&c->conf, file, &state, &ses);
    explicit_bzero(&state, sizeof(state));
    if (ret == 0) {
        stl_le_p(sop + offsetof(struct devcrypto_session_op, ses), ses);
        virtio_cryptodev_write(req, 0, sop, sizeof(sop));
    }
    return ret;
}

static int request_fsession(VirtIOCryptodev *c, const Request *req,
                            VirtIOCryptodevFile *file)
{
    uint8_t ses[4];

    if (!virtio_cryptodev_adds_up(req, "CIOCFSESSION",
                                  HEADER_BYTES + sizeof(ses), RESULT_BYTES)) {
        return -EINVAL;
    }
    virtio_cryptodev_read(req, HEADER_BYTES, ses, sizeof(ses));
    return c->backend->free_session(file, ldl_le_p(ses));
}

/* Only a session that the reference wire could have made is used over it. */
static int check_session(VirtIOCryptodev *c, VirtIOCryptodevFile *file,
                         uint32_t ses)
{
    struct devcrypto_sizes sizes;
    int ret = c->backend->sizes(file, ses, &sizes);

    if (ret == 0 && (sizes.cipher != DEVCRYPTO_AES_CBC || sizes.mac)) {
        ret = -EINVAL;
    }
    return ret;
}

static int request_crypt(VirtIOCryptodev *c, Request *req,
                         VirtIOCryptodevFile *file)
{
    const size_t op_end = HEADER_BYTES + CRYPT_OP_BYTES;
    struct devcrypto_op *op = &req->op;
    uint8_t raw[CRYPT_OP_BYTES];
    uint32_t len;
    int ret;

    if (req->readable < op_end + IV_BYTES) {
        return virtio_cryptodev_short(req, "CIOCCRYPT", op_end + IV_BYTES,
                                      RESULT_BYTES);
    }
    virtio_cryptodev_read(req, HEADER_BYTES, raw, sizeof(raw));
    len = ldl_le_p(raw + offsetof(struct devcrypto_crypt_op, len));
    if (!virtio_cryptodev_adds_up(req, "CIOCCRYPT",
                                  (uint64_t)op_end + len + IV_BYTES,
                                  (uint64_t)len + RESULT_BYTES)) {
        return -EINVAL;
    }
    if (len > c->conf.max_request) {
        return -EINVAL;
    }
    memset(op, 0, sizeof(*op));
    op->ses = ldl_le_p(raw + offsetof(struct devcrypto_crypt_op, ses));
    op->op = lduw_le_p(raw + offsetof(struct devcrypto_crypt_op, op));
    ret = check_session(c, file, op->ses);
    if (ret < 0) {
        return ret;
    }
    op->src.len = len;
    op->dst.len = len;
    op->has_iv = true;
    virtio_cryptodev_read(req, op_end + len, op->iv, IV_BYTES);
    virtio_cryptodev_cut(req, op_end);
    virtio_cryptodev_has_work(req, file, len, virtio_cryptodev_perform, NULL);
    return 0;
}

static int request_ioctl(VirtIOCryptodev *c, Request *req, int32_t handle,
                         uint32_t command)
{
    VirtIOCryptodevFile *file = virtio_cryptodev_file(c, handle);

    if (!file) {
        return -EBADF;
    }
    switch (command) {
    case DEVCRYPTO_CIOCGSESSION:
        return request_gsession(c, req, file);
    case DEVCRYPTO_CIOCFSESSION:
        return request_fsession(c, req, file);
    case DEVCRYPTO_CIOCCRYPT:
        return request_crypt(c, req, file);
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "virtio-cryptodev: "
                      "unknown ioctl 0x%08" PRIx32 "\n", command);
        return -EINVAL;
    }
}

/* Requests */

static int dispatch(VirtIOCryptodev *c, Request *req)
{
    uint8_t header[HEADER_BYTES] = { 0 };
    uint32_t type;
    int32_t handle;

    /* Or what there is of it. */
    virtio_cryptodev_read(req, 0, header, sizeof(header));
    type = ldl_le_p(header);
    handle = ldl_le_p(header + HANDLE_AT);
    if (req->readable < HANDLE_AT) {
        return virtio_cryptodev_short(req, "request", HANDLE_AT, 0);
    }
    if (virtio_cryptodev_is_call(type) &&
        virtio_vdev_has_feature(VIRTIO_DEVICE(c), VIRTIO_CRYPTODEV_F_CALLS)) {
        return virtio_cryptodev_call(req, type, handle);
    }
    switch (type) {
    case TYPE_OPEN:
        return request_open(c, req);
    case TYPE_CLOSE:
        return request_close(c, req, handle);
    case TYPE_IOCTL:
        if (req->readable < HEADER_BYTES) {
            return virtio_cryptodev_short(req, "ioctl", HEADER_BYTES,
                                          RESULT_BYTES);
        }
        return request_ioctl(c, req, handle, ldl_le_p(header + COMMAND_AT));
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "virtio-cryptodev: "
                      "unknown request type %" PRIu32 "\n", type);
        return -EINVAL;
    }
}

void virtio_cryptodev_request_begin(Request *req)
{
    req->readable = iov_size(req->elem.out_sg, req->elem.out_num);
    req->writable = iov_size(req->elem.in_sg, req->elem.in_num);
    req->work = NULL;
    req->many = NULL;
    req->hold = false;
    fill_copies(VIRTIO_DEVICE(req->c), req);
    req->result = dispatch(req->c, req);
}

/* The used length has 32 bits. */
uint32_t virtio_cryptodev_request_end(Request *req)
{
    uint8_t buf[RESULT_BYTES];

    if (req->writable < sizeof(buf)) {
        return 0;
    }
    if (req->work && req->answer && req->result == 0) {
        req->answer(req);
    }
    stl_le_p(buf, req->result);
    virtio_cryptodev_write(req, req->writable - sizeof(buf), buf, sizeof(buf));
    return MIN(req->writable, UINT32_MAX);
}
