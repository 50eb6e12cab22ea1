// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /dev/crypto by the kernel's own crypto API, without a virtual device: ciphers
 * only, and with the errnos of cryptodev-linux 1.14.
 */
#include <crypto/cryptodev.h>
#include <crypto/skcipher.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define IV_MAX	16

struct native_session {
	struct list_head list;
	u32 id;
	struct crypto_skcipher *tfm;
	u8 iv[IV_MAX];		/* where the next operation goes on */
};

struct native_file {
	struct mutex lock;	/* the sessions, and what is in them */
	struct list_head sessions;
};

static const char *algorithm(u32 cipher)
{
	switch (cipher) {
	case CRYPTO_AES_CBC:
		return "cbc(aes)";
	case CRYPTO_AES_CTR:
		return "ctr(aes)";
	case CRYPTO_AES_ECB:
		return "ecb(aes)";
	}
	return NULL;
}

/* Caller holds the file's lock. */
static struct native_session *find(struct native_file *file, u32 id)
{
	struct native_session *ses;

	list_for_each_entry(ses, &file->sessions, list)
		if (ses->id == id)
			return ses;
	return NULL;
}

static void destroy(struct native_session *ses)
{
	crypto_free_skcipher(ses->tfm);
	kfree_sensitive(ses);
}

static long session_make(const char *name, const u8 *key, u32 keylen,
			 struct native_session **made)
{
	struct native_session *ses = kzalloc(sizeof(*ses), GFP_KERNEL);

	if (!ses)
		return -ENOMEM;
	/* One that works at once: nobody waits for cryptd's thread. */
	ses->tfm = crypto_alloc_skcipher(name, 0, CRYPTO_ALG_ASYNC);
	if (IS_ERR(ses->tfm)) {
		long ret = PTR_ERR(ses->tfm);

		kfree(ses);
		return ret == -ENOMEM ? ret : -EINVAL;
	}
	if (crypto_skcipher_ivsize(ses->tfm) > IV_MAX ||
	    crypto_skcipher_setkey(ses->tfm, key, keylen)) {
		destroy(ses);
		return -EINVAL;
	}
	*made = ses;
	return 0;
}

static long session_create(struct native_file *file,
			   struct session_op __user *arg)
{
	u8 key[CRYPTO_CIPHER_MAX_KEY_LEN];
	struct native_session *ses;
	struct session_op op;
	const char *name;
	u32 id;
	long ret;

	if (copy_from_user(&op, arg, sizeof(op)))
		return -EFAULT;
	name = algorithm(op.cipher);
	if (!name || op.mac || op.keylen > sizeof(key))
		return -EINVAL;
	if (copy_from_user(key, (const void __user *)op.key, op.keylen))
		return -EFAULT;
	ret = session_make(name, key, op.keylen, &ses);
	memzero_explicit(key, sizeof(key));
	if (ret)
		return ret;

	mutex_lock(&file->lock);
	do
		get_random_bytes(&id, sizeof(id));
	while (find(file, id));
	ses->id = id;
	/* Once it is in the list, another thread may free it. */
	list_add(&ses->list, &file->sessions);
	ret = put_user(id, &arg->ses);
	if (ret) {
		list_del(&ses->list);
		destroy(ses);
	}
	mutex_unlock(&file->lock);
	return ret;
}

/* One that is not there is freed already: no error. */
static long session_free(struct native_file *file, const u32 __user *arg)
{
	struct native_session *ses;
	u32 id;

	if (get_user(id, arg))
		return -EFAULT;
	mutex_lock(&file->lock);
	ses = find(file, id);
	if (ses) {
		list_del(&ses->list);
		destroy(ses);
	}
	mutex_unlock(&file->lock);
	return 0;
}

/* En- or decrypt in place; the IV goes on. Caller holds the file's lock. */
static int transform(struct native_session *ses, u16 op, void *data, u32 len)
{
	struct skcipher_request *req;
	struct scatterlist sg;
	DECLARE_CRYPTO_WAIT(wait);
	int ret;

	req = skcipher_request_alloc(ses->tfm, GFP_KERNEL);
	if (!req)
		return -ENOMEM;
	sg_init_one(&sg, data, len);
	skcipher_request_set_callback(req, CRYPTO_TFM_REQ_MAY_SLEEP,
				      crypto_req_done, &wait);
	skcipher_request_set_crypt(req, &sg, &sg, len, ses->iv);
	ret = op == COP_ENCRYPT ? crypto_skcipher_encrypt(req) :
				  crypto_skcipher_decrypt(req);
	ret = crypto_wait_req(ret, &wait);
	skcipher_request_free(req);
	return ret;
}

/*
 * The data of one operation, all of it at once: nothing is written when any of
 * it cannot be read. Caller holds the file's lock.
 */
static long crypt_data(struct native_session *ses, const struct crypt_op *op)
{
	u8 before[IV_MAX];
	void *data;
	long ret;

	if (!op->src || !op->dst)
		return -EFAULT;
	data = kmalloc(op->len, GFP_KERNEL | __GFP_NOWARN);
	if (!data)
		return -ENOMEM;
	memcpy(before, ses->iv, sizeof(before));
	ret = -EFAULT;
	if (copy_from_user(data, (const void __user *)op->src, op->len))
		goto out;
	ret = transform(ses, op->op, data, op->len);
	if (!ret && copy_to_user((void __user *)op->dst, data, op->len))
		ret = -EFAULT;
	/* Nobody has got this result: the next one does not go on from it. */
	if (ret)
		memcpy(ses->iv, before, sizeof(before));
out:
	kfree_sensitive(data);
	return ret;
}

/* Caller holds the file's lock. */
static long crypt_locked(struct native_file *file, const struct crypt_op *op)
{
	struct native_session *ses = find(file, op->ses);
	unsigned int iv_len;
	u8 iv[IV_MAX];
	long ret = 0;

	if (!ses)
		return -EINVAL;
	iv_len = crypto_skcipher_ivsize(ses->tfm);
	if (op->iv && copy_from_user(iv, (const void __user *)op->iv, iv_len))
		return -EFAULT;
	if (op->op != COP_ENCRYPT && op->op != COP_DECRYPT)
		return -EINVAL;
	if (op->len % crypto_skcipher_blocksize(ses->tfm))
		return -EINVAL;
	/* Stays, whatever becomes of the operation. */
	if (op->iv)
		memcpy(ses->iv, iv, iv_len);
	if (op->len)
		ret = crypt_data(ses, op);
	if (!ret && op->iv && op->flags & COP_FLAG_WRITE_IV &&
	    copy_to_user((void __user *)op->iv, ses->iv, iv_len))
		ret = -EFAULT;
	return ret;
}

static long crypt(struct native_file *file, struct crypt_op __user *arg)
{
	struct crypt_op op;
	long ret;

	if (copy_from_user(&op, arg, sizeof(op)))
		return -EFAULT;
	mutex_lock(&file->lock);
	ret = crypt_locked(file, &op);
	mutex_unlock(&file->lock);
	if (!ret && copy_to_user(arg, &op, sizeof(op)))
		ret = -EFAULT;
	return ret;
}

/* Another descriptor of the same open file. */
static long clone_file(struct file *filp, u32 __user *arg)
{
	int fd = get_unused_fd_flags(0);

	if (fd < 0)
		return fd;
	if (put_user(fd, arg)) {
		put_unused_fd(fd);
		return -EFAULT;
	}
	fd_install(fd, get_file(filp));
	return 0;
}

static long native_ioctl(struct file *filp, unsigned int cmd,
			 unsigned long argument)
{
	void __user *arg = (void __user *)argument;

	switch (cmd) {
	case CRIOGET:
		return clone_file(filp, arg);
	case CIOCGSESSION:
		return session_create(filp->private_data, arg);
	case CIOCFSESSION:
		return session_free(filp->private_data, arg);
	case CIOCCRYPT:
		return crypt(filp->private_data, arg);
	case CIOCASYMFEAT:
		return put_user(0, (u32 __user *)arg);
	}
	return -EINVAL;
}

static int native_open(struct inode *inode, struct file *filp)
{
	struct native_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	INIT_LIST_HEAD(&file->sessions);
	filp->private_data = file;
	return stream_open(inode, filp);
}

static int native_release(struct inode *inode, struct file *filp)
{
	struct native_file *file = filp->private_data;
	struct native_session *ses, *next;

	list_for_each_entry_safe(ses, next, &file->sessions, list)
		destroy(ses);
	kfree(file);
	return 0;
}

static const struct file_operations native_fops = {
	.owner = THIS_MODULE,
	.open = native_open,
	.release = native_release,
	.unlocked_ioctl = native_ioctl,
};

static struct miscdevice native_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "crypto",
	.mode = 0666,
	.fops = &native_fops,
};

module_misc_device(native_device);

MODULE_DESCRIPTION("/dev/crypto by the kernel's own ciphers");
MODULE_LICENSE("GPL");
