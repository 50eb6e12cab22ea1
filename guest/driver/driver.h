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
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "wire.h"

struct crypto_call;
struct file;
struct poll_table_struct;

/* main.c: module parameters, and who lets go of pages */
extern unsigned int max_len;
extern unsigned int zero_copy_min;
extern u32 crypto_small_max;	/* bytes that a call has room for */
extern struct workqueue_struct *crypto_workqueue;

/**
 * struct crypto_queue - one virtqueue and the requests in it
 * @lock:	 protects everything below, and the node, state, orphan, error and
 *		 used of each request that was submitted. Taken in interrupts;
 *		 never held while sleeping. While the device is notified, and may
 *		 do all its work, it is held only if that keeps nobody waiting.
 * @vq:		 the virtqueue; NULL once the device is gone
 * @dead:	 nothing may be submitted any more; set once
 * @backlog:	 requests that wait for room in the ring, first come first served
 * @sent:	 requests that the device owns and somebody waits for. While there
 *		 are none the device's interrupts are off.
 * @crdev:	 whose queue it is
 * @own:	 only one processor uses it
 */
struct crypto_queue {
	spinlock_t lock;	/* everything below, and submitted requests */
	struct virtqueue *vq;
	bool dead;
	struct list_head backlog;
	struct list_head sent;
	struct crypto_device *crdev;
	bool own;
} ____cacheline_aligned_in_smp;

/**
 * struct crypto_device - one virtio device; outlives it while files are open
 * @ref:	 one for the bound driver, one for each open file
 * @vdev:	 the virtio device, valid while bound
 * @minor:	 N of /dev/cryptodevN
 * @calls:	 F_CALLS was negotiated; without it the reference wire is spoken
 * @mute:	 it says of every answer that it wrote nothing, and writes all the
 *		 same, as old devices do; found out at an open, and stays
 * @dead:	 nothing may be submitted any more; set once
 * @max_len:	 largest len of an operation
 * @max_segment: largest physically contiguous piece that the transport maps
 * @max_pieces:	 descriptors that a chain may have
 * @max_chunks:	 pieces that a source (or a destination) may have, so that the
 *		 whole chain is never longer than the queue
 * @num_queues:	 all queues
 * @first_queue: the first that carries data
 * @queues:	 all queues
 */
struct crypto_device {
	struct kref ref;
	struct virtio_device *vdev;
	unsigned int minor;
	bool calls;
	bool mute;
	bool dead;
	u32 max_len;
	size_t max_segment;
	unsigned int max_pieces;
	unsigned int max_chunks;
	unsigned int num_queues;
	unsigned int first_queue;
	struct crypto_queue *queues;
};

/**
 * struct crypto_file - one open file, shared by dup, fork and CRIOGET
 * @crdev:	the device, referenced
 * @handle:	the device's number for this file
 * @close:	the message that will close it, allocated while failing is easy
 * @lock:	protects changes of @sessions (not what a session holds).
 *		Innermost, never held while sleeping on the device or on user
 *		memory.
 * @sessions:	struct crypto_session by id; looked up under RCU
 * @idle:	who waits for a session that is busy
 * @jobs_lock:	protects what follows. Taken in interrupts, within the lock of
 *		a queue.
 * @jobs:	asynchronous operations in the order in which they came
 * @jobs_free:	memory for more
 * @jobs_count:	all of them
 * @jobs_waiting: those that wait for their session; read without the lock by
 *		whoever leaves a session
 * @closing:	nothing is started any more
 * @poll:	who waits for the first to be over, or for room
 * @jobs_work:	starts those that waited
 */
struct crypto_file {
	struct crypto_device *crdev;
	u32 handle;
	struct crypto_message *close;
	struct mutex lock;	/* changes of sessions */
	DECLARE_HASHTABLE(sessions, 5);
	wait_queue_head_t idle;

	spinlock_t jobs_lock;	/* all that follows */
	struct list_head jobs;
	struct list_head jobs_free;
	unsigned int jobs_count;
	unsigned int jobs_waiting;
	bool closing;
	wait_queue_head_t poll;
	struct work_struct jobs_work;
};

#define SESSION_BUSY	0

/**
 * struct crypto_session - one session of an open file
 * @ref:	one for the set, one for each operation that waits or is late
 * @rcu:	defers the end for those who look it up
 * @node:	in crypto_file.sessions
 * @id:		the device's number for it, and the program's
 * @flags:	SESSION_BUSY: an operation is in it. One at a time, so that IVs
 *		chain in some order. Whoever has set it owns what follows.
 * @dead:	freed by CIOCFSESSION
 * @cipher:	its number, 0 for none
 * @mac:	its number, 0 for none
 * @block:	a power of two that len must be a multiple of
 * @iv_len:	bytes of @iv that count
 * @digest_len:	of the mac
 * @tag_len:	longest tag of an AEAD cipher
 * @stale_hash:	an operation that starts a hash anew never came to the device
 * @iv:		what the next operation without an IV goes on from
 * @call:	memory for the next operation; NULL if there is none yet
 */
struct crypto_session {
	struct kref ref;
	struct rcu_head rcu;
	struct hlist_node node;
	u32 id;
	unsigned long flags;
	bool dead;
	bool stale_hash;
	u32 cipher;
	u32 mac;
	u32 block;
	u32 iv_len;
	u32 digest_len;
	u32 tag_len;
	u8 iv[WIRE_IV_LEN] __aligned(8);
	struct crypto_call *call;
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
 * struct crypto_request - one chain on its way through a queue
 * @ref:	one for its maker, one for the queue while it is in there. A
 *		maker that is killed drops its own and leaves the memory to the
 *		device until that gives it back.
 * @node:	in crypto_queue.backlog or .sent
 * @queue:	where it was submitted
 * @state:	where it is
 * @orphan:	the maker has left; nobody will read the answer
 * @done:	completed once the maker need not wait any longer
 * @error:	0 if the device answered, else -errno
 * @used:	bytes that the device says it wrote
 * @out:	scatterlists that the device reads
 * @in:		scatterlists that the device writes
 * @pieces:	descriptors that it takes
 * @sgs:	the scatterlists in their order
 * @release:	frees it; called in any context
 * @finished:	NULL, or what is called instead of completing @done, with the
 *		queue's lock held
 * @orphaned:	NULL, or whether the abandoned request must be sent once more
 */
struct crypto_request {
	refcount_t ref;
	struct list_head node;
	struct crypto_queue *queue;
	enum crypto_request_state state;
	bool orphan;
	struct completion done;
	int error;
	u32 used;

	unsigned int out;
	unsigned int in;
	unsigned int pieces;
	struct scatterlist **sgs;
	void (*release)(struct crypto_request *req);
	void (*finished)(struct crypto_request *req);
	bool (*orphaned)(struct crypto_request *req, u32 used);
};

/**
 * struct crypto_message - a request of fixed fields, or of the reference wire
 * @req:	how it travels
 * @sgs:	the fields in their order
 * @fields:	scatterlists of the fields that are one piece
 * @src:	source data
 * @dst:	destination data
 * @zeroed:	@dst was zeroed, see @mute of struct crypto_device
 * @mackey:	NULL, or the key of a mac; apart, since few messages have one and
 *		it is long
 *
 * What the device reads and what it writes never share a cache line.
 */
struct crypto_message {
	struct crypto_request req;
	struct scatterlist *sgs[WIRE_FIELDS];
	struct scatterlist fields[WIRE_FIELDS];
	struct crypto_buffer src;
	struct crypto_buffer dst;
	bool zeroed;
	u8 *mackey;

	struct {
		__le32 type;
		__le32 handle;
		__le32 command;
		__le32 ses;
		__le32 src_ses;
		struct wire_crypt_op op;
		struct wire_session session;
		u8 iv[WIRE_IV_LEN];
		u8 key[CRYPTO_CIPHER_MAX_KEY_LEN];
	} read ____cacheline_aligned;

	struct {
		struct wire_session_op session;
		struct wire_sizes sizes;
		__le32 handle;
		__le32 result;
	} written ____cacheline_aligned;
};

#define ALGORITHM_STREAM	1	/* a cipher without blocks to fill */
#define ALGORITHM_AEAD		2	/* has a tag of its own, takes no mac */
#define ALGORITHM_KEYED		4	/* a mac with a key */

/**
 * struct crypto_algorithm - a cipher, a mac or a hash
 * @number:	as in session_op
 * @flags:	ALGORITHM_*
 * @name:	as the kernel calls it
 * @keylens:	of a cipher, in bytes
 */
struct crypto_algorithm {
	u32 number;
	u32 flags;
	const char *name;
	u8 keylens[3];
};

/* algorithms.c */
const struct crypto_algorithm *crypto_find_cipher(u32 number);
const struct crypto_algorithm *crypto_find_mac(u32 number);
bool crypto_good_keylen(const struct crypto_algorithm *cipher, u32 keylen);
void crypto_tell(struct session_info_op *info, u32 cipher, u32 mac);

/* buffer.c */
int crypto_buffer_alloc(struct crypto_buffer *buf, size_t len,
			const struct crypto_device *crdev);
void crypto_buffer_free(struct crypto_buffer *buf);
void crypto_buffer_zero(const struct crypto_buffer *buf);
int crypto_buffer_from_user(const struct crypto_buffer *buf,
			    const void __user *from);
int crypto_buffer_to_user(const struct crypto_buffer *buf, void __user *to);
void crypto_buffer_tail(const struct crypto_buffer *buf, void *to, size_t len);

/* message.c */
struct crypto_message *crypto_message_alloc(void);
void crypto_message_put(struct crypto_message *msg);
void crypto_message_read(struct crypto_message *msg, void *field, size_t len);
void crypto_message_write(struct crypto_message *msg, void *field, size_t len);
void crypto_message_read_buffer(struct crypto_message *msg,
				struct crypto_buffer *buf);
void crypto_message_write_buffer(struct crypto_message *msg,
				 struct crypto_buffer *buf);
void crypto_message_start(struct crypto_message *msg, u32 type, u32 handle);
void crypto_message_ioctl(struct crypto_message *msg, u32 handle, u32 command);
int crypto_message_run(struct crypto_device *crdev, struct crypto_message *msg);
int crypto_message_result(const struct crypto_message *msg, __le32 result,
			  size_t full);
int crypto_device_errno(s32 result);
int crypto_message_open(struct crypto_device *crdev, u32 *handle);
void crypto_message_close(struct crypto_device *crdev,
			  struct crypto_message *msg, u32 handle);

/* queue.c */
struct crypto_queue *crypto_queue_here(struct crypto_device *crdev);
void crypto_request_init(struct crypto_request *req);
void crypto_request_put(struct crypto_request *req);
int crypto_queue_submit(struct crypto_queue *q, struct crypto_request *req);
int crypto_queue_wait(struct crypto_request *req);
void crypto_queue_forget(struct crypto_request *req);
int crypto_queue_call(struct crypto_queue *q, struct crypto_request *req);
void crypto_device_break(struct crypto_device *crdev);
void crypto_device_drain(struct crypto_device *crdev);
void crypto_queue_callback(struct virtqueue *vq);

/* session.c */
struct crypto_session *crypto_session_get(struct crypto_file *file, u32 id);
void crypto_session_put(struct crypto_session *ses);
bool crypto_session_try(struct crypto_session *ses);
struct crypto_session *crypto_session_enter(struct crypto_file *file, u32 id);
void crypto_session_leave(struct crypto_file *file, struct crypto_session *ses);
long crypto_session_create(struct crypto_file *file, struct session_op *sop,
			   u32 __user *id);
long crypto_session_finish(struct crypto_file *file, u32 __user *arg);
long crypto_session_info(struct crypto_file *file,
			 struct session_info_op __user *arg);
long crypto_session_copy(struct crypto_file *file,
			 const struct cphash_op __user *arg);
void crypto_session_free_all(struct crypto_file *file);

/* reference.c */
int crypto_reference_create(struct crypto_file *file,
			    const struct session_op *sop,
			    struct crypto_message *msg,
			    struct crypto_session *ses);
long crypto_reference_crypt(struct crypto_file *file,
			    struct crypto_session *ses,
			    const struct crypt_op *op);

/* crypt.c */
long crypto_crypt(struct crypto_file *file, struct crypt_op __user *user);
long crypto_crypt_op(struct crypto_file *file, const struct crypt_op *op,
		     struct crypt_op __user *user);

/* auth.c */
long crypto_auth(struct crypto_file *file, struct crypt_auth_op __user *user);

/* async.c */
void crypto_async_init(struct crypto_file *file);
void crypto_async_end(struct crypto_file *file);
long crypto_async_crypt(struct crypto_file *file, const struct crypt_op *op);
long crypto_async_fetch(struct crypto_file *file, struct crypt_op *op);
__poll_t crypto_async_poll(struct crypto_file *file, struct file *filp,
			   struct poll_table_struct *wait);

/* compat32.c */
long crypto_compat(struct crypto_file *file, unsigned int cmd, void __user *user);

/* chrdev.c */
int crypto_chrdev_init(void);
void crypto_chrdev_exit(void);
int crypto_chrdev_reserve(struct crypto_device *crdev);
int crypto_chrdev_publish(struct crypto_device *crdev);
void crypto_chrdev_remove(struct crypto_device *crdev);
void crypto_device_put(struct crypto_device *crdev);

#endif /* VIRTIO_CRYPTODEV_DRIVER_H */
