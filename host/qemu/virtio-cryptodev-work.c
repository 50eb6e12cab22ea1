/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: a request's data, where it lies and how it is worked on
 *
 * Data goes from guest memory to guest memory, piece by piece as the chain has
 * them.  Only where source and destination overlap there is a copy.
 */

#include "qemu/osdep.h"
#include "qemu/iov.h"

#include "virtio-cryptodev.h"

#define FEW_PAIRS 256           /* of pieces, that are looked at one by one */

typedef VirtIOCryptodevRequest Request;

void virtio_cryptodev_has_work(Request *req, VirtIOCryptodevFile *file,
                               size_t bytes, int (*work)(Request *req),
                               void (*answer)(Request *req))
{
    file->refs++;
    req->file = file;
    req->bytes = bytes;
    req->work = work;
    req->answer = answer;
}

/* Whether two lists of pieces share a byte: for short lists. */
static bool overlap_few(const struct devcrypto_bytes *a,
                        const struct devcrypto_bytes *b)
{
    unsigned int i, j;

    for (i = 0; i < a->count; i++) {
        const uint8_t *base = a->iov[i].iov_base;

        for (j = 0; j < b->count; j++) {
            const uint8_t *other = b->iov[j].iov_base;

            if (base < other + b->iov[j].iov_len &&
                other < base + a->iov[i].iov_len) {
                return true;
            }
        }
    }
    return false;
}

static int compare_pieces(const void *a, const void *b)
{
    const uint8_t *left = ((const struct iovec *)a)->iov_base;
    const uint8_t *right = ((const struct iovec *)b)->iov_base;

    return left < right ? -1 : left > right;
}

/*
 * The same for long ones: both are walked through in the order of addresses.
 * Pieces of one list may overlap each other, so the end that counts is the
 * furthest one so far.
 */
static bool overlap_many(const struct devcrypto_bytes *a,
                         const struct devcrypto_bytes *b)
{
    const unsigned int count = a->count + b->count;
    g_autofree struct iovec *pieces = g_new(struct iovec, count);
    const uint8_t *ends[2] = { NULL, NULL };
    unsigned int i = 0, j = a->count;

    memcpy(pieces, a->iov, a->count * sizeof(*pieces));
    memcpy(pieces + a->count, b->iov, b->count * sizeof(*pieces));
    qsort(pieces, a->count, sizeof(*pieces), compare_pieces);
    qsort(pieces + a->count, b->count, sizeof(*pieces), compare_pieces);
    while (i < a->count || j < count) {
        const bool side = i == a->count ||
            (j < count && compare_pieces(&pieces[j], &pieces[i]) < 0);
        const struct iovec *piece = &pieces[side ? j++ : i++];
        const uint8_t *base = piece->iov_base;

        if (base < ends[!side]) {
            return true;
        }
        ends[side] = MAX(ends[side], base + piece->iov_len);
    }
    return false;
}

/* Whether they share a byte; one and the same list is no overlap. */
static bool overlap(const struct devcrypto_bytes *a,
                    const struct devcrypto_bytes *b)
{
    if (a->count == b->count &&
        memcmp(a->iov, b->iov, a->count * sizeof(*a->iov)) == 0) {
        return false;
    }
    return (size_t)a->count * b->count <= FEW_PAIRS ? overlap_few(a, b) :
                                                       overlap_many(a, b);
}

/* Source and destination overlap: all of the one is read before the other. */
static int perform_apart(Request *req)
{
    const struct devcrypto_bytes src = req->op.src;
    g_autofree uint8_t *copy = g_try_malloc(src.len);
    struct iovec piece = { .iov_base = copy, .iov_len = src.len };
    int ret;

    if (!copy) {
        return -ENOMEM;
    }
    iov_to_buf(src.iov, src.count, 0, copy, src.len);
    req->op.src = (struct devcrypto_bytes) { &piece, 1, src.len };
    ret = req->c->backend->perform(req->file, &req->op);
    explicit_bzero(copy, src.len);
    return ret;
}

/*
 * From guest memory to guest memory.  A guest that changes them meanwhile
 * spoils nothing but its own result.
 */
int virtio_cryptodev_perform(Request *req)
{
    if (req->op.dst.len && overlap(&req->op.src, &req->op.dst)) {
        return perform_apart(req);
    }
    return req->c->backend->perform(req->file, &req->op);
}

static struct iovec *cut(struct devcrypto_bytes *part, struct iovec *to,
                         const struct iovec *iov, unsigned int num,
                         size_t offset)
{
    part->iov = to;
    part->count = part->len ?
        iov_copy(to, num + 1, iov, num, offset, part->len) : 0;
    return to + part->count;
}

void virtio_cryptodev_cut(Request *req, size_t source_at)
{
    const VirtQueueElement *elem = &req->elem;
    struct devcrypto_op *op = &req->op;
    /* Each part but the last of a side may end in the middle of a piece. */
    const size_t most = elem->out_num + elem->in_num + 2;
    struct iovec *to = req->few;

    if (most > ARRAY_SIZE(req->few)) {
        req->many = g_new(struct iovec, most);
        to = req->many;
    }
    to = cut(&op->aad, to, elem->out_sg, elem->out_num,
             source_at - op->aad.len);
    to = cut(&op->src, to, elem->out_sg, elem->out_num, source_at);
    to = cut(&op->tail, to, elem->out_sg, elem->out_num,
             source_at + op->src.len);
    cut(&op->dst, to, elem->in_sg, elem->in_num, 0);
}

