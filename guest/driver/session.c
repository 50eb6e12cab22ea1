// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sessions: how they are made, found, entered and freed.
 *
 * The order of the checks is that of /dev/crypto, where programs can tell.
 * The driver knows each session's last IV, so that an operation without one
 * goes on from there whatever became of those before.
 */
#include <linux/log2.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "call.h"
#include "driver.h"

/* More than any block cipher has. */
#define BLOCK_MAX	64

static void session_release(struct kref *ref)
{
	struct crypto_session *ses = container_of(ref, struct crypto_session,
						  ref);

	if (ses->call)
		crypto_call_put(ses->call);
	memzero_explicit(ses->iv, sizeof(ses->iv));
	kfree_rcu(ses, rcu);
}

void crypto_session_put(struct crypto_session *ses)
{
	kref_put(&ses->ref, session_release);
}

/* Caller holds file->lock or is in an RCU section. */
static struct crypto_session *session_find(struct crypto_file *file, u32 id)
{
	struct crypto_session *ses;

	hash_for_each_possible_rcu(file->sessions, ses, node, id,
				   lockdep_is_held(&file->lock))
		if (ses->id == id)
			return ses;
	return NULL;
}

/* A reference keeps the memory; the session may be freed all the same. */
struct crypto_session *crypto_session_get(struct crypto_file *file, u32 id)
{
	struct crypto_session *ses;

	rcu_read_lock();
	ses = session_find(file, id);
	if (ses && !kref_get_unless_zero(&ses->ref))
		ses = NULL;
	rcu_read_unlock();
	return ses;
}

/* Enter a session unless somebody is in it. */
bool crypto_session_try(struct crypto_session *ses)
{
	return !test_and_set_bit_lock(SESSION_BUSY, &ses->flags);
}

/* It was busy when we came: wait with a reference of our own. */
static struct crypto_session *session_wait(struct crypto_file *file,
					   struct crypto_session *ses)
{
	int ret = wait_event_killable(file->idle, crypto_session_try(ses));

	if (!ret && ses->dead) {
		crypto_session_leave(file, ses);
		ret = -EINVAL;
	}
	crypto_session_put(ses);
	return ret ? ERR_PTR(ret) : ses;
}

/**
 * crypto_session_enter - find a session and be the only one in it
 * @file:	the open file
 * @id:		the session's id
 *
 * A session that is not dead once it has been entered stays until it is left.
 *
 * Return: the session; -EINVAL for an id that there is not, -EINTR.
 */
struct crypto_session *crypto_session_enter(struct crypto_file *file, u32 id)
{
	struct crypto_session *ses;

	rcu_read_lock();
	ses = session_find(file, id);
	if (likely(ses && crypto_session_try(ses))) {
		if (unlikely(ses->dead)) {
			/* Freed after we found it, and before we came in. */
			crypto_session_leave(file, ses);
			ses = ERR_PTR(-EINVAL);
		}
		rcu_read_unlock();
		return ses;
	}
	if (ses && !kref_get_unless_zero(&ses->ref))
		ses = NULL;
	rcu_read_unlock();
	return ses ? session_wait(file, ses) : ERR_PTR(-EINVAL);
}

/* The session may be freed by the next who enters; the file stays. */
void crypto_session_leave(struct crypto_file *file, struct crypto_session *ses)
{
	clear_bit_unlock(SESSION_BUSY, &ses->flags);
	/* Whoever waits has seen the bit cleared, or is seen here. */
	smp_mb__after_atomic();
	/* Pairs with the barrier of those who begin to wait. */
	if (unlikely(waitqueue_active(&file->idle)))
		wake_up_all(&file->idle);
	if (unlikely(READ_ONCE(file->jobs_waiting)) && !file->closing)
		queue_work(crypto_workqueue, &file->jobs_work);
}

static void session_remove(struct crypto_file *file, struct crypto_session *ses)
{
	mutex_lock(&file->lock);
	hash_del_rcu(&ses->node);
	mutex_unlock(&file->lock);
}

/* At the last close: nobody else is left, and the device frees its own. */
void crypto_session_free_all(struct crypto_file *file)
{
	struct crypto_session *ses;
	struct hlist_node *next;
	unsigned int bucket;

	hash_for_each_safe(file->sessions, bucket, next, ses, node) {
		hash_del_rcu(&ses->node);
		crypto_session_put(ses);
	}
}

/* What the device says of a session is used as a length later. */
static int take_sizes(struct crypto_session *ses, const struct wire_sizes *sizes)
{
	ses->id = le32_to_cpu(sizes->ses);
	ses->block = le32_to_cpu(sizes->block);
	ses->iv_len = le32_to_cpu(sizes->iv_len);
	ses->digest_len = le32_to_cpu(sizes->digest_len);
	ses->tag_len = le32_to_cpu(sizes->tag_len);
	if (!is_power_of_2(ses->block) || ses->block > BLOCK_MAX ||
	    ses->iv_len > WIRE_IV_LEN || ses->digest_len > WIRE_MAC_LEN ||
	    ses->tag_len > WIRE_MAC_LEN)
		return -EIO;
	return 0;
}

/* Ask the device for a session with the keys that the message holds. */
static int remote_create(struct crypto_file *file, const struct session_op *sop,
			 struct crypto_message *msg, struct crypto_session *ses)
{
	struct wire_session *wire = &msg->read.session;
	struct wire_sizes *sizes = &msg->written.sizes;
	int ret;

	wire->cipher = cpu_to_le32(sop->cipher);
	wire->mac = cpu_to_le32(sop->mac);
	wire->keylen = cpu_to_le32(sop->keylen);
	wire->mackeylen = cpu_to_le32(sop->mackeylen);
	crypto_message_start(msg, WIRE_SESSION, file->handle);
	crypto_message_read(msg, wire, sizeof(*wire));
	if (sop->keylen)
		crypto_message_read(msg, msg->read.key, sop->keylen);
	if (sop->mackeylen)
		crypto_message_read(msg, msg->mackey, sop->mackeylen);
	crypto_message_write(msg, sizes, sizeof(*sizes));

	ret = crypto_message_run(file->crdev, msg);
	if (!ret)
		ret = crypto_message_result(msg, sizes->result, sizeof(*sizes));
	return ret ?: take_sizes(ses, sizes);
}

/* Takes over the reference of @msg, a new request. */
static int remote_finish(struct crypto_file *file, struct crypto_message *msg,
			 u32 id)
{
	int ret;

	msg->read.ses = cpu_to_le32(id);
	if (file->crdev->calls)
		crypto_message_start(msg, WIRE_FREE, file->handle);
	else
		crypto_message_ioctl(msg, file->handle, CIOCFSESSION);
	crypto_message_read(msg, &msg->read.ses, sizeof(msg->read.ses));
	crypto_message_write(msg, &msg->written.result,
			     sizeof(msg->written.result));

	ret = crypto_message_run(file->crdev, msg);
	if (!ret)
		ret = crypto_message_result(msg, msg->written.result,
					    sizeof(msg->written.result));
	crypto_message_put(msg);
	return ret;
}

/* The cipher's part of a session_op. */
static int fetch_key(const struct session_op *sop,
		     const struct crypto_algorithm *cipher, u8 *key)
{
	if (sop->keylen > CRYPTO_CIPHER_MAX_KEY_LEN)
		return -EINVAL;
	if (copy_from_user(key, sop->key, sop->keylen))
		return -EFAULT;
	return crypto_good_keylen(cipher, sop->keylen) ? 0 : -EINVAL;
}

/* Check a session_op and fetch its keys; what means nothing is not sent. */
static int fetch_keys(struct session_op *sop, struct crypto_message *msg)
{
	const struct crypto_algorithm *cipher = crypto_find_cipher(sop->cipher);
	const struct crypto_algorithm *mac = crypto_find_mac(sop->mac);
	bool aead = cipher && cipher->flags & ALGORITHM_AEAD;
	int ret;

	if ((!sop->cipher && !sop->mac) || (sop->cipher && !cipher) ||
	    (sop->mac && !mac))
		return -EINVAL;
	if (cipher) {
		ret = fetch_key(sop, cipher, msg->read.key);
		if (ret)
			return ret;
	} else {
		sop->keylen = 0;
	}
	if (mac && sop->mackeylen > CRYPTO_HMAC_MAX_KEY_LEN)
		return -EINVAL;
	if (aead)
		return sop->mackeylen ? -EINVAL : 0;
	if (!mac || !(mac->flags & ALGORITHM_KEYED))
		sop->mackeylen = 0;
	if (!sop->mackeylen)
		return 0;
	msg->mackey = memdup_user(sop->mackey, sop->mackeylen);
	if (!IS_ERR(msg->mackey))
		return 0;
	ret = PTR_ERR(msg->mackey);
	msg->mackey = NULL;
	return ret;
}

/* Enter a new session into the file and tell the program its id. */
static int session_publish(struct crypto_file *file, struct crypto_session *ses,
			   u32 __user *id)
{
	int ret = 0;

	/* Told before it can be used: from here on nothing fails half-way. */
	if (put_user(ses->id, id))
		return -EFAULT;
	mutex_lock(&file->lock);
	if (session_find(file, ses->id))
		ret = -EIO;	/* the device gave one number twice */
	else
		hash_add_rcu(file->sessions, &ses->node, ses->id);
	mutex_unlock(&file->lock);
	return ret;
}

/**
 * crypto_session_create - CIOCGSESSION
 * @file:	the open file
 * @sop:	what the program asks for
 * @id:		where it finds the id; nothing else is written
 *
 * Return: 0 or -errno.
 */
long crypto_session_create(struct crypto_file *file, struct session_op *sop,
			   u32 __user *id)
{
	struct crypto_session *ses = kzalloc(sizeof(*ses), GFP_KERNEL_ACCOUNT);
	struct crypto_message *msg = crypto_message_alloc();
	/* A session that nobody can be told of has to go, whatever happens. */
	struct crypto_message *undo = crypto_message_alloc();
	int ret;

	if (!ses || !msg || !undo) {
		ret = -ENOMEM;
		goto out;
	}
	kref_init(&ses->ref);
	ses->cipher = sop->cipher;
	ses->mac = sop->mac;
	if (sop->cipher == CRYPTO_AES_GCM)
		ses->mac = 0;	/* it has a tag of its own */
	if (file->crdev->calls)
		ret = fetch_keys(sop, msg) ?:
		      remote_create(file, sop, msg, ses);
	else
		ret = crypto_reference_create(file, sop, msg, ses);
	if (ret)
		goto out;

	ret = session_publish(file, ses, id);
	if (ret == -EFAULT) {
		remote_finish(file, undo, ses->id);
		undo = NULL;
	}
	if (!ret)
		ses = NULL;
out:
	if (undo)
		crypto_message_put(undo);
	if (msg)
		crypto_message_put(msg);
	kfree(ses);
	return ret;
}

/**
 * crypto_session_finish - CIOCFSESSION
 * @file:	the open file
 * @arg:	u32 of the program, the session's id
 *
 * Return: 0, also for an id that there is not; or -errno.
 */
long crypto_session_finish(struct crypto_file *file, u32 __user *arg)
{
	struct crypto_message *msg;
	struct crypto_session *ses;
	int ret;
	u32 id;

	if (get_user(id, arg))
		return -EFAULT;
	/* Lets an operation in it come to its end first. */
	ses = crypto_session_enter(file, id);
	if (IS_ERR(ses))
		return PTR_ERR(ses) == -EINVAL ? 0 : PTR_ERR(ses);
	msg = crypto_message_alloc();
	if (!msg) {
		/* As if nothing had been asked: it can be asked again. */
		crypto_session_leave(file, ses);
		return -ENOMEM;
	}
	ses->dead = true;
	session_remove(file, ses);
	ret = remote_finish(file, msg, id);
	crypto_session_leave(file, ses);
	crypto_session_put(ses);
	return ret;
}
