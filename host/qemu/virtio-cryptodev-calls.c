/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: the requests of VIRTIO_CRYPTODEV_F_CALLS
 *
 * docs/virtio-cryptodev.md has their bytes, and the order in which what is
 * wrong with one decides.
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"

#include "virtio-cryptodev.h"

enum { TYPE_CRYPT = 16, TYPE_SESSION, TYPE_FREE, TYPE_COPY };
enum { CALL_CRYPT, CALL_AUTHCRYPT };

#define RESULT_BYTES 4
#define HINT_HOLD 1
#define MAX_AAD 4096            /* aad and tail together */

/* All integers little-endian. */
typedef struct QEMU_PACKED CryptHead {
    uint32_t type;
    uint32_t handle;
    uint32_t ses;
    uint16_t op;
    uint16_t flags;
    uint32_t len;
    uint32_t dst_len;
    uint32_t aad_len;
    uint32_t tail_len;
    uint16_t call;
    uint16_t iv_len;
    uint16_t tag_len;
    uint16_t tag_given;
    uint8_t iv[16];
    uint32_t hints;
    uint32_t reserved;
} CryptHead;
QEMU_BUILD_BUG_ON(sizeof(CryptHead) != 64);

typedef struct QEMU_PACKED CryptAnswer {
    uint8_t iv[16];
    uint8_t mac[64];
    uint32_t mac_len;
    uint32_t out_len;
    uint32_t reserved;
    uint32_t result;
} CryptAnswer;
QEMU_BUILD_BUG_ON(sizeof(CryptAnswer) != 96);

typedef struct QEMU_PACKED SessionHead {
    uint32_t type;
    uint32_t handle;
    uint32_t cipher;
    uint32_t mac;
    uint32_t keylen;
    uint32_t mackeylen;
} SessionHead;

typedef struct QEMU_PACKED SessionAnswer {
    uint32_t ses;
    uint32_t block;
    uint32_t iv_len;
    uint32_t digest_len;
    uint32_t tag_len;
    uint32_t reserved[2];
    uint32_t result;
} SessionAnswer;

typedef struct QEMU_PACKED FreeHead {
    uint32_t type;
    uint32_t handle;
    uint32_t ses;
} FreeHead;

typedef struct QEMU_PACKED CopyHead {
    uint32_t type;
    uint32_t handle;
    uint32_t dst_ses;
    uint32_t src_ses;
} CopyHead;

/* Sessions */

static int call_session(VirtIOCryptodevRequest *req, VirtIOCryptodevFile *file)
{
    VirtIOCryptodev *c = req->c;
    struct devcrypto_session_state state = { 0 };
    struct devcrypto_sizes sizes;
    SessionAnswer answer = { 0 };
    SessionHead head;
    uint32_t ses;
    int ret;

    virtio_cryptodev_read(req, 0, &head, sizeof(head));
    state.cipher = le32_to_cpu(head.cipher);
    state.mac = le32_to_cpu(head.mac);
    state.keylen = le32_to_cpu(head.keylen);
    state.mackeylen = le32_to_cpu(head.mackeylen);
    if (!virtio_cryptodev_adds_up(req, "session", sizeof(head) +
                                  (uint64_t)state.keylen + state.mackeylen,
                                  sizeof(answer)) ||
        state.keylen > sizeof(state.key) ||
        state.mackeylen > sizeof(state.mackey)) {
        return -EINVAL;
    }
    virtio_cryptodev_read(req, sizeof(head), state.key, state.keylen);
    virtio_cryptodev_read(req, sizeof(head) + state.keylen, state.mackey,
                          state.mackeylen);
    ret = c->backend->create_session(&c->conf, file, &state, &ses);
    explicit_bzero(&state, sizeof(state));
    if (ret == 0) {
        ret = c->backend->sizes(file, ses, &sizes);
    }
    if (ret == 0) {
        answer.ses = cpu_to_le32(ses);
        answer.block = cpu_to_le32(sizes.block);
        answer.iv_len = cpu_to_le32(sizes.iv_len);
        answer.digest_len = cpu_to_le32(sizes.digest_len);
        answer.tag_len = cpu_to_le32(sizes.tag_len);
        virtio_cryptodev_write(req, 0, &answer, sizeof(answer));
    }
    return ret;
}

static int call_free(VirtIOCryptodevRequest *req, VirtIOCryptodevFile *file)
{
    FreeHead head;

    if (!virtio_cryptodev_adds_up(req, "free", sizeof(head), RESULT_BYTES)) {
        return -EINVAL;
    }
    virtio_cryptodev_read(req, 0, &head, sizeof(head));
    return req->c->backend->free_session(file, le32_to_cpu(head.ses));
}

static int work_copy(VirtIOCryptodevRequest *req)
{
    return req->c->backend->copy(req->file, req->ses, req->from_ses);
}

static int call_copy(VirtIOCryptodevRequest *req, VirtIOCryptodevFile *file)
{
    CopyHead head;

    if (!virtio_cryptodev_adds_up(req, "copy", sizeof(head), RESULT_BYTES)) {
        return -EINVAL;
    }
    virtio_cryptodev_read(req, 0, &head, sizeof(head));
    req->ses = le32_to_cpu(head.dst_ses);
    req->from_ses = le32_to_cpu(head.src_ses);
    virtio_cryptodev_has_work(req, file, 0, work_copy, NULL);
    return 0;
}

/* Data */

static void answer_crypt(VirtIOCryptodevRequest *req)
{
    const struct devcrypto_op *op = &req->op;
    CryptAnswer answer = {
        .mac_len = cpu_to_le32(op->mac_len),
        .out_len = cpu_to_le32(op->out_len),
    };

    memcpy(answer.iv, op->iv, sizeof(answer.iv));
    memcpy(answer.mac, op->mac, op->mac_len);
    virtio_cryptodev_write(req, req->writable - sizeof(answer), &answer,
                           sizeof(answer));
}

static bool crypt_lengths_fit(const VirtIOCryptodevRequest *req,
                              const CryptHead *head)
{
    const struct devcrypto_op *op = &req->op;
    const uint16_t given = le16_to_cpu(head->tag_given);

    return virtio_cryptodev_adds_up(req, "crypt", sizeof(*head) +
                                    (uint64_t)op->aad.len + op->src.len +
                                    op->tail.len + given,
                                    (uint64_t)op->dst.len +
                                    sizeof(CryptAnswer)) &&
           op->src.len <= req->c->conf.max_request &&
           (uint64_t)op->aad.len + op->tail.len <= MAX_AAD &&
           given <= sizeof(op->mac) &&
           le16_to_cpu(head->call) <= CALL_AUTHCRYPT;
}

/* An IV has the length that the session says, or is not there. */
static int crypt_take_iv(VirtIOCryptodevRequest *req, VirtIOCryptodevFile *file,
                         const CryptHead *head)
{
    const uint16_t len = le16_to_cpu(head->iv_len);
    struct devcrypto_sizes sizes;
    int ret;

    if (!len) {
        return 0;
    }
    ret = req->c->backend->sizes(file, req->op.ses, &sizes);
    if (ret == 0 && len != sizes.iv_len) {
        ret = -EINVAL;
    }
    req->op.has_iv = true;
    memcpy(req->op.iv, head->iv, sizeof(req->op.iv));
    return ret;
}

static int call_crypt(VirtIOCryptodevRequest *req, VirtIOCryptodevFile *file)
{
    struct devcrypto_op *op = &req->op;
    CryptHead head;
    int ret;

    virtio_cryptodev_read(req, 0, &head, sizeof(head));
    memset(op, 0, sizeof(*op));
    op->ses = le32_to_cpu(head.ses);
    op->op = le16_to_cpu(head.op);
    op->flags = le16_to_cpu(head.flags);
    op->auth = le16_to_cpu(head.call) == CALL_AUTHCRYPT;
    op->src.len = le32_to_cpu(head.len);
    op->dst.len = le32_to_cpu(head.dst_len);
    op->aad.len = le32_to_cpu(head.aad_len);
    op->tail.len = le32_to_cpu(head.tail_len);
    op->tag_len = le16_to_cpu(head.tag_len);
    if (!crypt_lengths_fit(req, &head)) {
        return -EINVAL;
    }
    ret = crypt_take_iv(req, file, &head);
    if (ret < 0) {
        return ret;
    }
    req->hold = le32_to_cpu(head.hints) & HINT_HOLD;
    op->mac_len = le16_to_cpu(head.tag_given);
    virtio_cryptodev_read(req, req->readable - op->mac_len, op->mac,
                          op->mac_len);
    virtio_cryptodev_cut(req, sizeof(head) + op->aad.len);
    virtio_cryptodev_has_work(req, file, op->src.len + op->aad.len +
                              op->tail.len, virtio_cryptodev_perform,
                              answer_crypt);
    return 0;
}

/* All of them */

static const struct {
    const char *name;
    size_t fixed;               /* device-readable bytes that it has at least */
    size_t written;             /* what a success writes, at least */
    int (*carry_out)(VirtIOCryptodevRequest *req, VirtIOCryptodevFile *file);
} calls[] = {
    { "crypt", sizeof(CryptHead), sizeof(CryptAnswer), call_crypt },
    { "session", sizeof(SessionHead), sizeof(SessionAnswer), call_session },
    { "free", sizeof(FreeHead), RESULT_BYTES, call_free },
    { "copy", sizeof(CopyHead), RESULT_BYTES, call_copy },
};

bool virtio_cryptodev_is_call(uint32_t type)
{
    return type >= TYPE_CRYPT && type <= TYPE_COPY;
}

int virtio_cryptodev_call(VirtIOCryptodevRequest *req, uint32_t type,
                          int32_t handle)
{
    const unsigned int i = type - TYPE_CRYPT;
    VirtIOCryptodevFile *file;

    if (req->readable < calls[i].fixed) {
        return virtio_cryptodev_short(req, calls[i].name, calls[i].fixed,
                                      calls[i].written);
    }
    file = virtio_cryptodev_file(req->c, handle);
    return file ? calls[i].carry_out(req, file) : -EBADF;
}
