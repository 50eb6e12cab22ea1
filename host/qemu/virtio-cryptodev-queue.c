/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: the way of requests through the rings, and who works
 *
 * Rings, tables and guest memory that is not data are touched with the big
 * lock held.  The work itself is done in one of three places:
 *
 * unlocked  up to inline-max bytes, or hold-max if its driver says that nobody
 *           else wants the processor: in the thread of the processor that kicked,
 *           without the lock.  No thread is switched to, which can take longer
 *           than the work, and other processors do the same meanwhile.
 * here      with the lock held: little data, since letting go of the lock and
 *           taking it again would cost more than the work; and up to inline-max
 *           bytes where the lock must not be let go of.
 * pool      more than that: in QEMU's thread pool.  The guest's processor goes
 *           on with something else.
 *
 * A request that is at work holds its chain and a reference to its open file.
 * Whoever ends the device, stops it or saves it drains it first.
 */

#include "qemu/osdep.h"
#include "block/aio.h"
#include "block/aio-wait.h"
#include "block/thread-pool.h"
#include "hw/core/cpu.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"

#include "virtio-cryptodev.h"
#include "virtio-cryptodev-compat.h"

#define BATCH_BYTES (4 * MiB)   /* data worked on before others get a turn */
#define HERE_BYTES (4 * KiB)    /* data worked on with the lock held */

#define LOST "virtio-cryptodev: a ring changed its kind, or shrank, in use"

/* No kick, and no access to our own registers, is taken for a guest's now. */
static bool enter(VirtIOCryptodev *c)
{
    const bool engaged = c->guard->engaged_in_io;

    c->running = true;
    c->guard->engaged_in_io = true;
    return engaged;
}

static void leave(VirtIOCryptodev *c, bool engaged)
{
    c->guard->engaged_in_io = engaged;
    c->running = false;
}

/*
 * A driver may say another size at any moment, and agree on other features once
 * it has taken FEATURES_OK back.  The core keeps its places in a ring meanwhile,
 * and aborts over one that a packed ring does not have.
 */
static bool lost_its_place(VirtIOCryptodev *c, VirtQueue *vq)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(c);
    const bool packed = virtio_vdev_has_feature(vdev, VIRTIO_F_RING_PACKED);
    const int n = virtio_get_queue_index(vq);
    const unsigned int num = virtio_queue_get_num(vdev, n);
    unsigned int places;

    if (c->began && c->packed != packed) {
        return true;
    }
    if (!packed) {
        return false;
    }
    /* Each in 15 bits, above them its wrap counter: available, then used. */
    places = virtio_queue_get_last_avail_idx(vdev, n);
    return (places & 0x7fff) >= num || ((places >> 16) & 0x7fff) >= num;
}

/* Whether a chain may be taken: asked again whenever the lock was let go. */
static bool ready(VirtIOCryptodev *c, VirtQueue *vq)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(c);

    if (vdev->broken || !vdev->vm_running || c->draining ||
        !(vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
        return false;
    }
    if (lost_its_place(c, vq)) {
        virtio_error(vdev, LOST);
        return false;
    }
    c->packed = virtio_vdev_has_feature(vdev, VIRTIO_F_RING_PACKED);
    c->began = true;
    return true;
}

static VirtIOCryptodevRequest *pop(VirtIOCryptodev *c, VirtQueue *vq)
{
    VirtIOCryptodevRequest *req = virtqueue_pop(vq, sizeof(*req));

    if (req) {
        req->c = c;
        req->vq = vq;
        virtio_cryptodev_request_begin(req);
    }
    return req;
}

/* Answers the request, gives its chain back and frees it. */
static void finish(VirtIOCryptodevRequest *req)
{
    VirtIOCryptodev *c = req->c;

    if (lost_its_place(c, req->vq)) {
        virtio_error(VIRTIO_DEVICE(c), LOST);
        virtqueue_detach_element(req->vq, &req->elem, 0);
    } else {
        virtqueue_push(req->vq, &req->elem, virtio_cryptodev_request_end(req));
    }
    if (req->work) {
        g_free(req->many);
        virtio_cryptodev_unref_file(c, req->file);
    }
    g_free(req);
}

/* The pool */

static int pool_work(void *opaque)
{
    VirtIOCryptodevRequest *req = opaque;

    return req->work(req);
}

static void pool_done(void *opaque, int result)
{
    VirtIOCryptodevRequest *req = opaque;
    VirtIOCryptodev *c = req->c;
    VirtQueue *vq = req->vq;
    const bool was_running = c->running;
    const bool engaged = enter(c);

    req->result = result;
    req->file->jobs--;
    /*
     * Now, and not at the end: the guest's buffer may lie over something that
     * resets us when the result is written, and that would wait for itself.
     */
    c->pooled--;
    finish(req);
    virtio_notify(VIRTIO_DEVICE(c), vq);
    leave(c, engaged);
    c->running = was_running;
}

static void to_pool(VirtIOCryptodevRequest *req)
{
    req->c->pooled++;
    req->file->jobs++;
    thread_pool_submit_aio(pool_work, req, pool_done, req);
}

/* Processors' threads */

/*
 * Whether this is a processor's thread, and may let go of the big lock: only if
 * the processor itself kicked.  Our bottom half can run in such a thread, too,
 * while another device waits for its own requests there.
 */
static bool may_unlock(VirtIOCryptodev *c, bool kicked)
{
    return kicked && c->is_own_kick && current_cpu &&
           !COMPAT_ICOUNT_ENABLED() && c->is_own_kick(c);
}

static void unlocked(VirtIOCryptodevRequest *req)
{
    VirtIOCryptodev *c = req->c;

    c->unlocked++;
    req->file->jobs++;
    leave(c, false);
    bql_unlock();

    req->result = req->work(req);

    bql_lock();
    req->file->jobs--;
    /* Nobody who waits goes on before this thread lets go of the lock. */
    if (--c->unlocked == 0 && c->draining) {
        qemu_cond_broadcast(&c->idle);
    }
}

/*
 * The work of a request that has some.  Returns whether it is done; the pool
 * answers by itself.
 */
static bool work(VirtIOCryptodevRequest *req, bool kicked)
{
    VirtIOCryptodev *c = req->c;
    const bool fits = req->bytes <= c->conf.inline_max ||
        (req->hold && req->bytes <= c->conf.hold_max);
    /* Others on this file may hold a session that this one has to wait for. */
    const bool may_wait = req->file->jobs > 0;

    if (fits && (may_wait || req->bytes > HERE_BYTES) &&
        may_unlock(c, kicked)) {
        const bool engaged = c->guard->engaged_in_io;

        unlocked(req);
        c->running = true;
        c->guard->engaged_in_io = engaged;
        return true;
    }
    if (req->bytes <= c->conf.inline_max && !may_wait) {
        req->result = req->work(req);
        return true;
    }
    to_pool(req);
    return false;
}

/*
 * Everything that the queue holds, but no more than it can hold at once: a
 * guest that keeps adding gets its next turn after the rest of the machine.
 */
void virtio_cryptodev_run(VirtIOCryptodev *c, VirtQueue *vq, bool kicked)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(c);
    const unsigned int most =
        virtio_queue_get_num(vdev, virtio_get_queue_index(vq));
    unsigned int done = 0;
    size_t bytes = 0;
    bool notify = false;
    bool more, engaged;

    if (c->running) {
        /* A buffer of the guest lies over our own registers. */
        qemu_bh_schedule(c->bh);
        return;
    }
    if (!ready(c, vq)) {
        return;
    }
    engaged = enter(c);
    do {
        virtio_queue_set_notification(vq, 0);
        while (done < most && bytes < BATCH_BYTES && ready(c, vq)) {
            VirtIOCryptodevRequest *req = pop(c, vq);

            if (!req) {
                break;
            }
            done++;
            bytes += req->readable + req->writable;
            if (!req->work || work(req, kicked)) {
                finish(req);
                notify = true;
            }
        }
        virtio_queue_set_notification(vq, 1);
        more = !virtio_queue_empty(vq);
    } while (more && done < most && bytes < BATCH_BYTES && ready(c, vq));
    if (notify) {
        virtio_notify(vdev, vq);
    }
    leave(c, engaged);
    if (more) {
        qemu_bh_schedule(c->bh);
    }
}

void virtio_cryptodev_run_all(VirtIOCryptodev *c)
{
    unsigned int i;

    for (i = 0; i < c->num_queues; i++) {
        VirtQueue *vq = virtio_get_queue(VIRTIO_DEVICE(c), i);

        if (virtio_queue_get_desc_addr(VIRTIO_DEVICE(c), i)) {
            virtio_cryptodev_run(c, vq, false);
        }
    }
}

void virtio_cryptodev_drain(VirtIOCryptodev *c)
{
    const bool running = c->running;
    const bool engaged = c->guard->engaged_in_io;

    c->draining++;
    while (c->unlocked) {
        /* Others get the lock, and to our registers: they are not our doing. */
        leave(c, false);
        qemu_cond_wait_bql(&c->idle);
    }
    c->running = running;
    c->guard->engaged_in_io = engaged;
    AIO_WAIT_WHILE_UNLOCKED(NULL, c->pooled > 0);
    if (--c->draining == 0) {
        qemu_cond_broadcast(&c->idle);
    }
}

void virtio_cryptodev_drain_last(VirtIOCryptodev *c)
{
    virtio_cryptodev_drain(c);
    while (c->draining) {
        qemu_cond_wait_bql(&c->idle);
    }
}
