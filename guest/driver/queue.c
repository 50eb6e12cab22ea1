// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The way of requests through a ring: backlog, sent, done.
 *
 * A device may do all its work while it is notified, and then its answer is
 * there before anybody could sleep. So the ring is looked at once after every
 * notification, and the device is asked for interrupts only while somebody
 * waits.
 */
#include <linux/rcupdate.h>
#include <linux/smp.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "driver.h"

/* The queue of this processor. */
struct crypto_queue *crypto_queue_here(struct crypto_device *crdev)
{
	unsigned int n = crdev->num_queues - crdev->first_queue;
	unsigned int cpu = raw_smp_processor_id();

	return &crdev->queues[crdev->first_queue + (cpu < n ? cpu : cpu % n)];
}

void crypto_request_init(struct crypto_request *req)
{
	refcount_set(&req->ref, 1);
	INIT_LIST_HEAD(&req->node);
	init_completion(&req->done);
}

/* The last reference may go in an interrupt. */
void crypto_request_put(struct crypto_request *req)
{
	if (refcount_dec_and_test(&req->ref))
		req->release(req);
}

static void request_tell(struct crypto_request *req, int error)
{
	req->error = error;
	if (req->finished)
		req->finished(req);
	else
		complete(&req->done);
}

/* Caller holds q->lock. The request may be freed by this. */
static void request_finish(struct crypto_request *req, int error, u32 used)
{
	bool told = req->state == REQUEST_FAILED;

	list_del_init(&req->node);
	req->state = REQUEST_DONE;
	if (!told) {
		req->used = used;
		request_tell(req, error);
	}
	crypto_request_put(req);
}

/* Caller holds q->lock; the ring must have room or become empty some time. */
static int request_add(struct crypto_queue *q, struct crypto_request *req)
{
	/* An add that finds no room would notify the device, here and now. */
	if (q->vq->num_free < req->pieces && !list_empty(&q->sent))
		return -ENOSPC;
	return virtqueue_add_sgs(q->vq, req->sgs, req->out, req->in, req,
				 GFP_ATOMIC);
}

/*
 * Move what fits from the backlog to the ring. Caller holds q->lock.
 * Return: whether the device must be notified.
 */
static bool backlog_push(struct crypto_queue *q)
{
	struct crypto_request *req;
	bool added = false;

	while ((req = list_first_entry_or_null(&q->backlog,
					       struct crypto_request, node))) {
		int err = request_add(q, req);

		if (err == -ENOSPC && !list_empty(&q->sent))
			break;	/* the next answer makes room */
		if (err) {
			request_finish(req, err == -EIO ? -ENODEV : err, 0);
			continue;
		}
		req->state = REQUEST_SENT;
		list_move_tail(&req->node, &q->sent);
		added = true;
	}
	return added && virtqueue_kick_prepare(q->vq);
}

static void request_answered(struct crypto_queue *q, struct crypto_request *req,
			     u32 used)
{
	if (!q->dead && req->orphan && req->orphaned &&
	    req->orphaned(req, used)) {
		req->state = REQUEST_WAITING;
		list_move_tail(&req->node, &q->backlog);
	} else {
		request_finish(req, 0, used);
	}
}

/*
 * Take all answers out of the ring. Interrupts are on afterwards if, and only
 * if, somebody waits. Caller holds q->lock.
 */
static void ring_empty(struct crypto_queue *q)
{
	struct crypto_request *req;
	unsigned int used;

	do {
		virtqueue_disable_cb(q->vq);
		while ((req = virtqueue_get_buf(q->vq, &used)))
			request_answered(q, req, used);
	} while (!list_empty(&q->sent) && !virtqueue_enable_cb(q->vq));
}

/*
 * Let the ring move until nothing can be done but wait. Called without the
 * lock, where the queue cannot go away: in its interrupt or under RCU, which
 * crypto_device_drain() waits for.
 */
static void queue_run(struct crypto_queue *q)
{
	bool notify, broken = false;
	unsigned long flags;

	do {
		spin_lock_irqsave(&q->lock, flags);
		if (!q->vq) {
			/* Not every transport's reset waits for an interrupt. */
			spin_unlock_irqrestore(&q->lock, flags);
			return;
		}
		ring_empty(q);
		notify = !q->dead && backlog_push(q);
		broken |= virtqueue_is_broken(q->vq);
		spin_unlock_irqrestore(&q->lock, flags);

		if (notify && !virtqueue_notify(q->vq))
			broken = true;
	} while (notify && !broken);
	if (broken)
		crypto_device_break(q->crdev);
}

static void queue_run_here(struct crypto_queue *q)
{
	rcu_read_lock();
	queue_run(q);
	rcu_read_unlock();
}

/* The device has answered; called in an interrupt. */
void crypto_queue_callback(struct virtqueue *vq)
{
	struct crypto_device *crdev = vq->vdev->priv;

	queue_run(&crdev->queues[vq->index]);
}

/**
 * crypto_queue_submit - hand a request over to the device, or queue for it
 * @q:		the queue
 * @req:	the request; the queue takes a reference of its own
 *
 * Return: 0, and req->done will be completed; or -ENODEV.
 */
int crypto_queue_submit(struct crypto_queue *q, struct crypto_request *req)
{
	unsigned long flags;
	int ret = -ENODEV;

	rcu_read_lock();
	spin_lock_irqsave(&q->lock, flags);
	if (!q->dead) {
		refcount_inc(&req->ref);
		req->queue = q;
		req->state = REQUEST_WAITING;
		reinit_completion(&req->done);
		list_add_tail(&req->node, &q->backlog);
		ret = 0;
	}
	spin_unlock_irqrestore(&q->lock, flags);
	if (!ret)
		queue_run(q);
	rcu_read_unlock();
	return ret;
}

/*
 * The maker of a request will not wait for it. Return: true if it is abandoned,
 * and its memory the device's affair; false if it is over.
 */
static bool request_abandon(struct crypto_request *req)
{
	struct crypto_queue *q = req->queue;
	unsigned long flags;
	bool abandoned = true;

	spin_lock_irqsave(&q->lock, flags);
	if (req->state == REQUEST_WAITING)
		request_finish(req, -EINTR, 0);
	else if (req->state == REQUEST_SENT)
		req->orphan = true;
	else
		abandoned = false;
	spin_unlock_irqrestore(&q->lock, flags);
	return abandoned;
}

/**
 * crypto_queue_forget - nobody will ever ask for this request
 * @req:	the request, submitted, perhaps over
 *
 * Its finished() does not run and will not be called.
 */
void crypto_queue_forget(struct crypto_request *req)
{
	struct crypto_queue *q = req->queue;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	req->finished = NULL;
	spin_unlock_irqrestore(&q->lock, flags);
	request_abandon(req);
}

/**
 * crypto_queue_wait - sleep until a request is answered
 * @req:	the request, submitted
 *
 * Only a fatal signal ends the sleep early: what the device does cannot be
 * taken back, so the call cannot be restarted. Unless the state is
 * REQUEST_DONE afterwards the device may still have the memory.
 *
 * Return: 0 if there is an answer, -ENODEV, -ENOMEM, or -EINTR.
 */
int crypto_queue_wait(struct crypto_request *req)
{
	if (wait_for_completion_killable(&req->done) && request_abandon(req))
		return -EINTR;
	return req->error;
}

/**
 * crypto_queue_call - hand over a request, and take back its answer
 * @q:		the queue
 * @req:	the request, in no queue; small if others use the queue, too
 *
 * The device does much of its work as soon as it is notified. So the lock is
 * held all the while, and the request is on no list and needs no reference
 * unless the answer takes longer.
 *
 * No interrupt may come for an answer that is taken here: one that finds
 * nothing is unhandled, and after so many of these the kernel turns it off.
 *
 * Return: as crypto_queue_wait().
 */
int crypto_queue_call(struct crypto_queue *q, struct crypto_request *req)
{
	struct crypto_request *other;
	unsigned long flags;
	unsigned int used;
	bool shared;

	spin_lock_irqsave(&q->lock, flags);
	shared = !list_empty(&q->sent);
	if (unlikely(q->dead || !list_empty(&q->backlog) ||
		     q->vq->num_free < req->pieces ||
		     virtqueue_add_sgs(q->vq, req->sgs, req->out, req->in, req,
				       GFP_ATOMIC))) {
		spin_unlock_irqrestore(&q->lock, flags);
		return crypto_queue_submit(q, req) ?: crypto_queue_wait(req);
	}
	if (unlikely(shared))
		virtqueue_disable_cb(q->vq);
	if (virtqueue_kick_prepare(q->vq))
		virtqueue_notify(q->vq);
	while ((other = virtqueue_get_buf(q->vq, &used))) {
		if (likely(other == req)) {
			req->state = REQUEST_DONE;
			req->used = used;
			if (unlikely(shared))
				ring_empty(q);
			spin_unlock_irqrestore(&q->lock, flags);
			if (unlikely(shared))
				queue_run_here(q);
			return 0;
		}
		request_answered(q, other, used);
	}
	refcount_inc(&req->ref);
	req->queue = q;
	req->state = REQUEST_SENT;
	reinit_completion(&req->done);
	list_add_tail(&req->node, &q->sent);
	if (shared)
		ring_empty(q);
	spin_unlock_irqrestore(&q->lock, flags);

	queue_run_here(q);	/* it may be there by now; else interrupts on */
	return crypto_queue_wait(req);
}

static void queue_break(struct crypto_queue *q)
{
	struct crypto_request *req;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	q->dead = true;
	list_for_each_entry(req, &q->sent, node) {
		if (req->state == REQUEST_SENT) {
			req->state = REQUEST_FAILED;
			request_tell(req, -ENODEV);
		}
	}
	while ((req = list_first_entry_or_null(&q->backlog,
					       struct crypto_request, node)))
		request_finish(req, -ENODEV, 0);
	spin_unlock_irqrestore(&q->lock, flags);
}

/**
 * crypto_device_break - the device will not answer any more: wake everybody
 * @crdev:	the device
 *
 * All who wait get ENODEV at once. What the device was given stays untouched
 * until it has been reset. Callable in interrupts, more than once.
 */
void crypto_device_break(struct crypto_device *crdev)
{
	unsigned int i;

	WRITE_ONCE(crdev->dead, true);
	for (i = 0; i < crdev->num_queues; i++)
		queue_break(&crdev->queues[i]);
}

/**
 * crypto_device_drain - end the queues: reset the device, take everything back
 * @crdev:	the device, its virtio device still there
 */
void crypto_device_drain(struct crypto_device *crdev)
{
	struct crypto_request *req;
	unsigned int i;

	crypto_device_break(crdev);
	synchronize_rcu();
	/* Ends all callbacks, and the device's hold on our memory. */
	virtio_reset_device(crdev->vdev);

	for (i = 0; i < crdev->num_queues; i++) {
		struct crypto_queue *q = &crdev->queues[i];

		/* del_vqs() does not, where queues share an interrupt. */
		virtqueue_set_affinity(q->vq, NULL);
		spin_lock_irq(&q->lock);
		while ((req = virtqueue_detach_unused_buf(q->vq)))
			request_finish(req, -ENODEV, 0);
		q->vq = NULL;
		spin_unlock_irq(&q->lock);
	}
	crdev->vdev->config->del_vqs(crdev->vdev);
}
