// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The way of requests through the ring: backlog, sent, done.
 *
 * The lock is held for moments only. Notifying the device can take long (it
 * may do all its work within), so it is done after the lock is released, in a
 * section that the end of the device waits for.
 */
#include <linux/rcupdate.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "driver.h"

/* Caller holds crdev->lock. The request may be freed by this. */
static void request_finish(struct crypto_request *req, int error, u32 used)
{
	list_del_init(&req->node);
	if (req->state != REQUEST_FAILED) {
		req->error = error;
		req->used = used;
		complete(&req->done);
	}
	req->state = REQUEST_DONE;
	crypto_request_put(req);
}

/*
 * Move what fits from the backlog to the ring. Caller holds crdev->lock.
 * Return: whether the device must be notified.
 */
static bool backlog_push(struct crypto_device *crdev)
{
	struct crypto_request *req;
	bool added = false;

	while ((req = list_first_entry_or_null(&crdev->backlog,
					       struct crypto_request, node))) {
		int err = virtqueue_add_sgs(crdev->vq, req->sgs, req->out,
					    req->in, req, GFP_ATOMIC);

		if (err == -ENOSPC && !list_empty(&crdev->sent))
			break;	/* the next answer makes room */
		if (err) {
			request_finish(req, err == -EIO ? -ENODEV : err, 0);
			continue;
		}
		req->state = REQUEST_SENT;
		list_move_tail(&req->node, &crdev->sent);
		added = true;
	}
	return added && virtqueue_kick_prepare(crdev->vq);
}

/**
 * crypto_queue_submit - hand a request over to the device, or queue for it
 * @crdev:	the device
 * @req:	the request; the queue takes a reference of its own
 *
 * Return: 0, and req->done will be completed; or -ENODEV.
 */
int crypto_queue_submit(struct crypto_device *crdev, struct crypto_request *req)
{
	unsigned long flags;
	bool notify = false;
	int ret = -ENODEV;

	/* crypto_queue_drain() lets this section end before the queue goes. */
	rcu_read_lock();
	spin_lock_irqsave(&crdev->lock, flags);
	if (!crdev->dead) {
		refcount_inc(&req->ref);
		req->state = REQUEST_WAITING;
		list_add_tail(&req->node, &crdev->backlog);
		notify = backlog_push(crdev);
		ret = 0;
	}
	spin_unlock_irqrestore(&crdev->lock, flags);
	if (notify && !virtqueue_notify(crdev->vq))
		crypto_queue_break(crdev);
	rcu_read_unlock();
	return ret;
}

/**
 * crypto_queue_abandon - the maker of a request will not wait for it
 * @crdev:	the device
 * @req:	the request, submitted
 *
 * Return: true if it is abandoned, and its memory the device's affair; false
 * if it is over, and its answer can be read.
 */
bool crypto_queue_abandon(struct crypto_device *crdev,
			  struct crypto_request *req)
{
	unsigned long flags;
	bool abandoned = true;

	spin_lock_irqsave(&crdev->lock, flags);
	if (req->state == REQUEST_WAITING)
		request_finish(req, -EINTR, 0);
	else if (req->state == REQUEST_SENT)
		req->orphan = true;
	else
		abandoned = false;
	spin_unlock_irqrestore(&crdev->lock, flags);
	return abandoned;
}

/*
 * The answer to an open that nobody waits for any more: a handle on the other
 * side that would stay open for ever. The request becomes the one that closes
 * it. Abandoned sessions need no such care, they end with their handle.
 */
static bool orphan_to_close(struct crypto_request *req, u32 used)
{
	__le32 handle = req->written.handle;

	if (!req->orphan || req->read.type != cpu_to_le32(WIRE_OPEN) ||
	    used < sizeof(handle) || (s32)le32_to_cpu(handle) < 0)
		return false;

	req->out = 0;
	req->in = 0;
	req->read.type = cpu_to_le32(WIRE_CLOSE);
	req->read.handle = handle;
	crypto_request_read(req, &req->read.type, sizeof(req->read.type));
	crypto_request_read(req, &req->read.handle, sizeof(req->read.handle));
	return true;
}

/* The device has answered; called in an interrupt. */
void crypto_queue_callback(struct virtqueue *vq)
{
	struct crypto_device *crdev = vq->vdev->priv;
	struct crypto_request *req;
	unsigned long flags;
	bool notify, broken;
	unsigned int used;

	spin_lock_irqsave(&crdev->lock, flags);
	if (!crdev->vq) {
		/* Not every transport's reset waits for a late interrupt. */
		spin_unlock_irqrestore(&crdev->lock, flags);
		return;
	}
	do {
		virtqueue_disable_cb(vq);
		while ((req = virtqueue_get_buf(vq, &used))) {
			if (!crdev->dead && orphan_to_close(req, used)) {
				req->state = REQUEST_WAITING;
				list_move_tail(&req->node, &crdev->backlog);
			} else {
				request_finish(req, 0, used);
			}
		}
	} while (!virtqueue_enable_cb(vq));
	notify = !crdev->dead && backlog_push(crdev);
	broken = virtqueue_is_broken(vq);
	spin_unlock_irqrestore(&crdev->lock, flags);

	/* Removing the queue waits for this interrupt to end. */
	if (notify && !virtqueue_notify(vq))
		broken = true;
	if (broken)
		crypto_queue_break(crdev);
}

/**
 * crypto_queue_break - the device will not answer any more: wake everybody
 * @crdev:	the device
 *
 * All who wait get ENODEV at once. What the device was given stays untouched
 * until it has been reset. Callable in interrupts, more than once.
 */
void crypto_queue_break(struct crypto_device *crdev)
{
	struct crypto_request *req, *next;
	unsigned long flags;

	spin_lock_irqsave(&crdev->lock, flags);
	WRITE_ONCE(crdev->dead, true);
	list_for_each_entry_safe(req, next, &crdev->backlog, node)
		request_finish(req, -ENODEV, 0);
	list_for_each_entry(req, &crdev->sent, node) {
		if (req->state == REQUEST_SENT) {
			req->state = REQUEST_FAILED;
			req->error = -ENODEV;
			complete(&req->done);
		}
	}
	spin_unlock_irqrestore(&crdev->lock, flags);
}

/**
 * crypto_queue_drain - end the queue: reset the device, take everything back
 * @crdev:	the device, its virtio device still there
 */
void crypto_queue_drain(struct crypto_device *crdev)
{
	struct virtqueue *vq = crdev->vq;
	struct crypto_request *req;

	crypto_queue_break(crdev);
	synchronize_rcu();
	/* Ends all callbacks, and the device's hold on our memory. */
	virtio_reset_device(crdev->vdev);

	spin_lock_irq(&crdev->lock);
	while ((req = virtqueue_detach_unused_buf(vq)))
		request_finish(req, -ENODEV, 0);
	crdev->vq = NULL;
	spin_unlock_irq(&crdev->lock);

	crdev->vdev->config->del_vqs(crdev->vdev);
}
