/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VIRTIO_CRYPTODEV_DRIVER_H
#define VIRTIO_CRYPTODEV_DRIVER_H

#include <linux/completion.h>
#include <linux/hashtable.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/virtio.h>

#include "wire.h"

/* main.c: module parameters */
extern unsigned int max_len;

/**
 * struct crypto_device - one virtio device; outlives it while files are open
 * @ref:	 one for the bound driver, one for each open file
 * @vdev:	 the virtio device, valid while bound
 * @minor:	 N of /dev/cryptodevN
 * @max_segment: largest physically contiguous piece that the transport maps
 * @max_chunks:	 pieces that a source (or a destination) may have, so that the
 *		 whole chain is never longer than the queue
 * @lock:	 protects everything below, and the node, state, orphan, error and
 *		 used of each request that was submitted. Taken in interrupts;
 *		 never held while sleeping or while the device is notified.
 * @vq:		 the only queue; NULL once the device is gone
 * @dead:	 nothing may be submitted any more; set once, read without the
 *		 lock where a late answer does no harm
 * @backlog:	 requests that wait for room in the ring, first come first served
 * @sent:	 requests that the device owns
 */
struct crypto_device {
	struct kref ref;
	struct virtio_device *vdev;
	unsigned int minor;
	size_t max_segment;
	unsigned int max_chunks;

	spinlock_t lock;	/* everything below, and submitted requests */
	struct virtqueue *vq;
	bool dead;
	struct list_head backlog;
	struct list_head sent;
};

/**
 * struct crypto_file - one open file, shared by dup, fork and CRIOGET
 * @crdev:	the device, referenced
 * @handle:	the device's number for this file
 * @close:	the request that will close it, allocated while failing is easy
 * @lock:	protects @sessions (not what a session holds). Innermost, never
 *		held while sleeping on the device or on user memory.
 * @sessions:	struct crypto_session by id
 */
struct crypto_file {
	struct crypto_device *crdev;
	u32 handle;
	struct crypto_request *close;
	struct mutex lock;	/* sessions */
	DECLARE_HASHTABLE(sessions, 5);
};

/* Bulk data in as few physically contiguous pieces as memory yields. */
struct crypto_buffer {
	struct scatterlist *sg;
	unsigned int nents;
	struct scatterlist one;
};

enum crypto_request_state {
	REQUEST_NEW,
	REQUEST_WAITING,	/* in the backlog */
	REQUEST_SENT,		/* the device owns its memory */
	REQUEST_FAILED,		/* as SENT, but the waiter was told ENODEV */
	REQUEST_DONE,
};

/**
 * struct crypto_request - one chain, with all the memory that it points to
 * @ref:	one for its maker, one for the queue from submission to the end.
 *		A maker that is killed drops its own and leaves the memory to the
 *		device until that gives it back.
 * @node:	in crypto_device.backlog or .sent
 * @state:	where it is
 * @orphan:	the maker has left; nobody will read the answer
 * @done:	completed once the maker need not wait any longer
 * @error:	0 if the device answered, else -errno
 * @used:	bytes that the device says it wrote
 * @out:	number of fields that the device reads
 * @in:		number of fields that the device writes
 * @sgs:	the fields in their order
 * @fields:	scatterlists of the fields that are one piece
 * @src:	source data
 * @dst:	destination data
 *
 * What the device reads and what it writes never share a cache line.
 */
struct crypto_request {
	refcount_t ref;
	struct list_head node;
	enum crypto_request_state state;
	bool orphan;
	struct completion done;
	int error;
	u32 used;

	unsigned int out;
	unsigned int in;
	struct scatterlist *sgs[WIRE_FIELDS];
	struct scatterlist fields[WIRE_FIELDS];
	struct crypto_buffer src;
	struct crypto_buffer dst;

	struct {
		__le32 type;
		__le32 handle;
		__le32 command;
		__le32 ses;
		struct wire_crypt_op op;
		u8 iv[WIRE_IV_LEN];
		u8 key[CRYPTO_CIPHER_MAX_KEY_LEN];
	} read ____cacheline_aligned;

	struct {
		struct wire_session_op session;
		__le32 handle;
		__le32 result;
	} written ____cacheline_aligned;
};

/* buffer.c */
int crypto_buffer_alloc(struct crypto_buffer *buf, size_t len,
			const struct crypto_device *crdev);
void crypto_buffer_free(struct crypto_buffer *buf);
int crypto_buffer_from_user(const struct crypto_buffer *buf,
			    const void __user *from);
int crypto_buffer_to_user(const struct crypto_buffer *buf, void __user *to);
void crypto_buffer_tail(const struct crypto_buffer *buf, void *to, size_t len);

/* request.c */
struct crypto_request *crypto_request_alloc(void);
void crypto_request_put(struct crypto_request *req);
void crypto_request_read(struct crypto_request *req, void *field, size_t len);
void crypto_request_write(struct crypto_request *req, void *field, size_t len);
void crypto_request_read_buffer(struct crypto_request *req,
				struct crypto_buffer *buf);
void crypto_request_write_buffer(struct crypto_request *req,
				 struct crypto_buffer *buf);
void crypto_request_ioctl(struct crypto_request *req, u32 handle, u32 command);
int crypto_request_run(struct crypto_device *crdev, struct crypto_request *req);
int crypto_request_result(const struct crypto_request *req, size_t full);
int crypto_request_open(struct crypto_device *crdev, u32 *handle);
void crypto_request_close(struct crypto_device *crdev,
			  struct crypto_request *req, u32 handle);

/* queue.c */
int crypto_queue_submit(struct crypto_device *crdev, struct crypto_request *req);
bool crypto_queue_abandon(struct crypto_device *crdev,
			  struct crypto_request *req);
void crypto_queue_break(struct crypto_device *crdev);
void crypto_queue_drain(struct crypto_device *crdev);
void crypto_queue_callback(struct virtqueue *vq);

/* session.c */
long crypto_session_create(struct crypto_file *file, void __user *arg);
long crypto_session_finish(struct crypto_file *file, void __user *arg);
long crypto_session_crypt(struct crypto_file *file, void __user *arg);
void crypto_session_free_all(struct crypto_file *file);

/* chrdev.c */
int crypto_chrdev_init(void);
void crypto_chrdev_exit(void);
int crypto_chrdev_reserve(struct crypto_device *crdev);
int crypto_chrdev_publish(struct crypto_device *crdev);
void crypto_chrdev_remove(struct crypto_device *crdev);
void crypto_device_put(struct crypto_device *crdev);

#endif /* VIRTIO_CRYPTODEV_DRIVER_H */
