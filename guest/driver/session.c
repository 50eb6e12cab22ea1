// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sessions: the three ioctls that make, end and use them.
 *
 * The order of the checks is that of /dev/crypto, where programs can tell.
 * The reference wire knows AES-CBC only and cannot bring an IV back, so the
 * driver knows each session's last IV and goes on from there.
 */
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "driver.h"

#define BLOCK_LEN	16

/**
 * struct crypto_session - one session of an open file
 * @ref:	one for the set, one for each call that is in it
 * @node:	in crypto_file.sessions, under crypto_file.lock
 * @id:		the device's number for it, and the program's
 * @lock:	one operation at a time, so that IVs chain in some order; taken
 *		before crypto_file.lock, held while sleeping on the device
 * @dead:	freed by CIOCFSESSION; under @lock
 * @iv:		what the next operation without an IV goes on from; under @lock
 */
struct crypto_session {
	struct kref ref;
	struct hlist_node node;
	u32 id;
	struct mutex lock;	/* one operation at a time; dead, iv */
	bool dead;
	u8 iv[WIRE_IV_LEN];
};

static void session_release(struct kref *ref)
{
	kfree_sensitive(container_of(ref, struct crypto_session, ref));
}

static void session_put(struct crypto_session *ses)
{
	kref_put(&ses->ref, session_release);
}

static struct crypto_session *session_find(struct crypto_file *file, u32 id)
{
	struct crypto_session *ses;

	lockdep_assert_held(&file->lock);
	hash_for_each_possible(file->sessions, ses, node, id)
		if (ses->id == id)
			return ses;
	return NULL;
}

static struct crypto_session *session_get(struct crypto_file *file, u32 id)
{
	struct crypto_session *ses;

	mutex_lock(&file->lock);
	ses = session_find(file, id);
	if (ses)
		kref_get(&ses->ref);
	mutex_unlock(&file->lock);
	return ses;
}

/* Takes over the caller's reference. */
static int session_add(struct crypto_file *file, struct crypto_session *ses)
{
	int ret = 0;

	mutex_lock(&file->lock);
	if (session_find(file, ses->id))
		ret = -EIO;	/* the device gave one number twice */
	else
		hash_add(file->sessions, &ses->node, ses->id);
	mutex_unlock(&file->lock);
	return ret;
}

static void session_remove(struct crypto_file *file, struct crypto_session *ses)
{
	mutex_lock(&file->lock);
	hash_del(&ses->node);
	mutex_unlock(&file->lock);
	session_put(ses);
}

/* At the last close: nobody else is left, and the device frees its own. */
void crypto_session_free_all(struct crypto_file *file)
{
	struct crypto_session *ses;
	struct hlist_node *next;
	unsigned int bucket;

	hash_for_each_safe(file->sessions, bucket, next, ses, node) {
		hash_del(&ses->node);
		session_put(ses);
	}
}

/* Ask the device for a session with the key that the request holds. */
static int remote_create(struct crypto_file *file, struct crypto_request *req,
			 u32 keylen, u32 *id)
{
	struct wire_session_op *session = &req->written.session;
	int ret;

	session->cipher = cpu_to_le32(CRYPTO_AES_CBC);
	session->keylen = cpu_to_le32(keylen);
	crypto_request_ioctl(req, file->handle, CIOCGSESSION);
	crypto_request_read(req, req->read.key, keylen);
	crypto_request_write(req, session, sizeof(*session));
	crypto_request_write(req, &req->written.result,
			     sizeof(req->written.result));

	ret = crypto_request_run(file->crdev, req);
	if (!ret)
		ret = crypto_request_result(req, sizeof(*session) +
					    sizeof(req->written.result));
	*id = le32_to_cpu(session->ses);
	return ret;
}

static int remote_finish(struct crypto_file *file, u32 id)
{
	struct crypto_request *req = crypto_request_alloc();
	int ret;

	if (!req)
		return -ENOMEM;
	req->read.ses = cpu_to_le32(id);
	crypto_request_ioctl(req, file->handle, CIOCFSESSION);
	crypto_request_read(req, &req->read.ses, sizeof(req->read.ses));
	crypto_request_write(req, &req->written.result,
			     sizeof(req->written.result));

	ret = crypto_request_run(file->crdev, req);
	if (!ret)
		ret = crypto_request_result(req, sizeof(req->written.result));
	crypto_request_put(req);
	return ret;
}

/* Check a session_op and fetch its key. */
static int session_op_check(const struct session_op *sop, u8 *key)
{
	if (sop->cipher != CRYPTO_AES_CBC || sop->mac)
		return -EINVAL;
	if (sop->keylen > CRYPTO_CIPHER_MAX_KEY_LEN)
		return -EINVAL;
	if (copy_from_user(key, sop->key, sop->keylen))
		return -EFAULT;
	if (sop->keylen != 16 && sop->keylen != 24 && sop->keylen != 32)
		return -EINVAL;
	return 0;
}

/**
 * crypto_session_create - CIOCGSESSION
 * @file:	the open file
 * @arg:	struct session_op of the program; only its ses is written
 *
 * Return: 0 or -errno.
 */
long crypto_session_create(struct crypto_file *file, void __user *arg)
{
	struct session_op __user *user = arg;
	struct crypto_session *ses;
	struct crypto_request *req;
	struct session_op sop;
	u32 id;
	int ret;

	if (copy_from_user(&sop, user, sizeof(sop)))
		return -EFAULT;

	ses = kzalloc(sizeof(*ses), GFP_KERNEL_ACCOUNT);
	req = crypto_request_alloc();
	if (!ses || !req) {
		ret = -ENOMEM;
		goto out;
	}
	ret = session_op_check(&sop, req->read.key);
	if (ret)
		goto out;
	ret = remote_create(file, req, sop.keylen, &id);
	if (ret)
		goto out;

	kref_init(&ses->ref);
	mutex_init(&ses->lock);
	ses->id = id;
	/* Told before it can be used: from here on nothing fails half-way. */
	if (put_user(id, &user->ses)) {
		remote_finish(file, id);
		ret = -EFAULT;
		goto out;
	}
	ret = session_add(file, ses);
	if (!ret)
		ses = NULL;
out:
	if (req)
		crypto_request_put(req);
	kfree_sensitive(ses);
	return ret;
}

/**
 * crypto_session_finish - CIOCFSESSION
 * @file:	the open file
 * @arg:	u32 of the program, the session's id
 *
 * Return: 0, also for an id that there is not; or -errno.
 */
long crypto_session_finish(struct crypto_file *file, void __user *arg)
{
	struct crypto_session *ses;
	int ret;
	u32 id;

	if (get_user(id, (u32 __user *)arg))
		return -EFAULT;
	ses = session_get(file, id);
	if (!ses)
		return 0;

	/* Lets an operation in it come to its end first. */
	ret = mutex_lock_killable(&ses->lock);
	if (ret)
		goto out;
	if (!ses->dead) {
		ses->dead = true;
		session_remove(file, ses);
		ret = remote_finish(file, id);
	}
	mutex_unlock(&ses->lock);
out:
	session_put(ses);
	return ret;
}

/*
 * Whether all of a destination can be written is known before the operation
 * runs, as on a /dev/crypto that pins pages: otherwise a destination that ends
 * in the void would be half written. Within one page the copy is all or
 * nothing anyway.
 */
static bool dst_writable(u8 __user *dst, size_t len)
{
	if (!dst || !access_ok(dst, len))
		return false;
	if (offset_in_page(dst) + len <= PAGE_SIZE)
		return true;
	return !fault_in_safe_writeable((char __user *)dst, len);
}

/* Fill in the chain T F C O s v | d R. */
static void crypt_fill(struct crypto_request *req, u32 handle,
		       const struct crypt_op *op)
{
	struct wire_crypt_op *wire = &req->read.op;

	wire->ses = cpu_to_le32(op->ses);
	wire->op = cpu_to_le16(op->op);
	/* An IV cannot come back this way, see crypt_run(). */
	wire->flags = cpu_to_le16(op->flags & ~COP_FLAG_WRITE_IV);
	wire->len = cpu_to_le32(op->len);

	crypto_request_ioctl(req, handle, CIOCCRYPT);
	crypto_request_read(req, wire, sizeof(*wire));
	crypto_request_read_buffer(req, &req->src);
	crypto_request_read(req, req->read.iv, sizeof(req->read.iv));
	crypto_request_write_buffer(req, &req->dst);
	crypto_request_write(req, &req->written.result,
			     sizeof(req->written.result));
}

/* Run one operation of at least a block; caller holds ses->lock. */
static int crypt_run(struct crypto_file *file, struct crypto_session *ses,
		     const struct crypt_op *op)
{
	struct crypto_device *crdev = file->crdev;
	struct crypto_request *req = crypto_request_alloc();
	int ret = -ENOMEM;

	if (!req)
		return ret;
	if (crypto_buffer_alloc(&req->src, op->len, crdev))
		goto out;

	ret = -EFAULT;
	if (!op->src || crypto_buffer_from_user(&req->src, op->src))
		goto out;
	if (!dst_writable(op->dst, op->len))
		goto out;

	ret = crypto_buffer_alloc(&req->dst, op->len, crdev);
	if (ret)
		goto out;
	memcpy(req->read.iv, ses->iv, sizeof(req->read.iv));
	crypt_fill(req, file->handle, op);

	ret = crypto_request_run(crdev, req);
	if (!ret)
		ret = crypto_request_result(req, op->len +
					    sizeof(req->written.result));
	if (ret)
		goto out;
	ret = crypto_buffer_to_user(&req->dst, op->dst);
	if (ret)
		goto out;

	/* CBC goes on from the last block of ciphertext. */
	crypto_buffer_tail(op->op == COP_ENCRYPT ? &req->dst : &req->src,
			   ses->iv, sizeof(ses->iv));
out:
	crypto_request_put(req);
	return ret;
}

static int session_crypt(struct crypto_file *file, struct crypto_session *ses,
			 const struct crypt_op *op)
{
	u8 iv[WIRE_IV_LEN];
	int ret;

	if (op->iv && copy_from_user(iv, op->iv, sizeof(iv)))
		return -EFAULT;
	if (op->op != COP_ENCRYPT && op->op != COP_DECRYPT)
		return -EINVAL;
	if (op->len % BLOCK_LEN || op->len > max_len)
		return -EINVAL;

	ret = mutex_lock_killable(&ses->lock);
	if (ret)
		return ret;
	if (ses->dead) {
		ret = -EINVAL;
		goto out;
	}
	/* Stays, whatever becomes of the operation. */
	if (op->iv)
		memcpy(ses->iv, iv, sizeof(ses->iv));
	if (op->len)
		ret = crypt_run(file, ses, op);
	if (!ret && op->iv && op->flags & COP_FLAG_WRITE_IV &&
	    copy_to_user(op->iv, ses->iv, sizeof(ses->iv)))
		ret = -EFAULT;
out:
	mutex_unlock(&ses->lock);
	return ret;
}

/**
 * crypto_session_crypt - CIOCCRYPT
 * @file:	the open file
 * @arg:	struct crypt_op of the program
 *
 * Return: 0 or -errno.
 */
long crypto_session_crypt(struct crypto_file *file, void __user *arg)
{
	struct crypto_session *ses;
	struct crypt_op op;
	int ret;

	if (copy_from_user(&op, arg, sizeof(op)))
		return -EFAULT;
	ses = session_get(file, op.ses);
	if (!ses)
		return -EINVAL;
	ret = session_crypt(file, ses, &op);
	session_put(ses);
	if (!ret && copy_to_user(arg, &op, sizeof(op)))
		ret = -EFAULT;
	return ret;
}
