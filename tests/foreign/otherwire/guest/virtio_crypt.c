// SPDX-License-Identifier: GPL-2.0-or-later
/* virtio_crypt: /dev/cryptodevN in a guest, Linux 3.x. One file, no more. */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/init.h>
#include <linux/cdev.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/virtio.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_config.h>
#include <asm/uaccess.h>
#include <asm/system.h>
#include <crypto/cryptodev.h>

#define VIRTIO_ID_CRYPTODEV	13
#define CRYPT_MAJOR		61
#define CRYPT_MINORS		8
#define CRYPT_MAX		(64 * 1024)

enum { SYS_OPEN, SYS_CLOSE, SYS_IOCTL };
enum { CALL_NONE, CALL_SESSION, CALL_FREE, CALL_CRYPT };

struct crypt_dev {
	struct virtqueue *vq;
	struct mutex lock;		/* of vq and answered */
	struct completion answered;
};

static struct crypt_dev *devices[CRYPT_MINORS];
static DEFINE_MUTEX(devices_lock);

/* Everything that the device reads and writes, but for the data. */
struct message {
	u32 type, call, ses;
	s32 fd;
	s64 result;
	u8 iv[16], key[CRYPTO_CIPHER_MAX_KEY_LEN];
	struct session_op session;
	struct crypt_op op;
	unsigned int out, in;
	struct scatterlist sg[8];
};

struct opened {
	struct crypt_dev *dev;
	s32 fd;
};

static void put(struct message *m, void *data, unsigned int len)
{
	sg_set_buf(&m->sg[m->out++], data, len);
}

static void get(struct message *m, void *data, unsigned int len)
{
	sg_set_buf(&m->sg[m->out + m->in++], data, len);
}

static struct message *message(u32 type, s32 fd, u32 call)
{
	struct message *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m)
		return NULL;
	sg_init_table(m->sg, ARRAY_SIZE(m->sg));
	m->type = type;
	m->fd = fd;
	m->call = call;
	m->result = -EIO;
	put(m, &m->type, sizeof(m->type));
	if (type != SYS_OPEN)
		put(m, &m->fd, sizeof(m->fd));
	if (type == SYS_IOCTL)
		put(m, &m->call, sizeof(m->call));
	return m;
}

/* Send it, sleep until the device has answered. */
static int transact(struct crypt_dev *dev, struct message *m)
{
	unsigned int len;
	int err;

	mutex_lock(&dev->lock);
	INIT_COMPLETION(dev->answered);
	err = virtqueue_add_buf(dev->vq, m->sg, m->out, m->in, m, GFP_KERNEL);
	if (err >= 0) {
		virtqueue_kick(dev->vq);
		while (!virtqueue_get_buf(dev->vq, &len))
			wait_for_completion(&dev->answered);
		err = 0;
	}
	mutex_unlock(&dev->lock);
	return err;
}

static void answer(struct virtqueue *vq)
{
	struct crypt_dev *dev = vq->vdev->priv;

	complete(&dev->answered);
}

static int crypt_open(struct inode *inode, struct file *filp)
{
	struct opened *file = kzalloc(sizeof(*file), GFP_KERNEL);
	struct message *m = message(SYS_OPEN, 0, CALL_NONE);
	int ret = -ENOMEM;

	if (!file || !m)
		goto out;
	mutex_lock(&devices_lock);
	file->dev = devices[iminor(filp->f_dentry->d_inode)];
	mutex_unlock(&devices_lock);
	ret = -ENODEV;
	if (!file->dev)
		goto out;
	get(m, &m->result, sizeof(m->result));
	ret = transact(file->dev, m);
	if (!ret && m->result < 0)
		ret = m->result;
	file->fd = m->result;
out:
	kfree(m);
	if (ret)
		kfree(file);
	else
		filp->private_data = file;
	return ret;
}

static int crypt_release(struct inode *inode, struct file *filp)
{
	struct opened *file = filp->private_data;
	struct message *m = message(SYS_CLOSE, file->fd, CALL_NONE);

	if (m)
		transact(file->dev, m);
	kfree(m);
	kfree(file);
	return 0;
}

static long session_new(struct opened *file, struct session_op __user *arg)
{
	struct message *m = message(SYS_IOCTL, file->fd, CALL_SESSION);
	long ret = -EFAULT;

	if (!m)
		return -ENOMEM;
	if (copy_from_user(&m->session, arg, sizeof(*arg)))
		goto out;
	ret = -EINVAL;
	if (!m->session.keylen || m->session.keylen > sizeof(m->key))
		goto out;
	ret = -EFAULT;
	if (copy_from_user(m->key, m->session.key, m->session.keylen))
		goto out;
	put(m, m->key, m->session.keylen);
	get(m, &m->result, sizeof(m->result));
	get(m, &m->session, sizeof(m->session));
	ret = transact(file->dev, m);
	if (!ret)
		ret = m->result;
	if (!ret)
		ret = put_user(m->session.ses, &arg->ses);
out:
	kfree(m);
	return ret;
}

static long session_free(struct opened *file, u32 __user *arg)
{
	struct message *m = message(SYS_IOCTL, file->fd, CALL_FREE);
	long ret = -EFAULT;

	if (!m)
		return -ENOMEM;
	if (get_user(m->ses, arg))
		goto out;
	put(m, &m->ses, sizeof(m->ses));
	get(m, &m->result, sizeof(m->result));
	ret = transact(file->dev, m);
	if (!ret)
		ret = m->result;
out:
	kfree(m);
	return ret;
}

static long crypt(struct opened *file, struct crypt_op __user *arg)
{
	struct message *m = message(SYS_IOCTL, file->fd, CALL_CRYPT);
	u8 *src = NULL, *dst = NULL;
	long ret = -EFAULT;

	if (!m)
		return -ENOMEM;
	if (copy_from_user(&m->op, arg, sizeof(*arg)) ||
	    copy_from_user(m->iv, m->op.iv, sizeof(m->iv)))
		goto out;
	ret = 0;
	if (!m->op.len)
		goto out;
	ret = -EINVAL;
	if (m->op.len > CRYPT_MAX)
		goto out;
	ret = -EFAULT;
	if (!access_ok(VERIFY_WRITE, m->op.dst, m->op.len))
		goto out;
	ret = -ENOMEM;
	src = kmalloc(m->op.len, GFP_KERNEL);
	dst = kzalloc(m->op.len, GFP_KERNEL);
	if (!src || !dst)
		goto out;
	ret = -EFAULT;
	if (copy_from_user(src, m->op.src, m->op.len))
		goto out;
	put(m, &m->op, sizeof(m->op));
	put(m, src, m->op.len);
	put(m, m->iv, sizeof(m->iv));
	get(m, &m->result, sizeof(m->result));
	get(m, dst, m->op.len);
	ret = transact(file->dev, m);
	if (!ret)
		ret = m->result;
	if (!ret && copy_to_user(m->op.dst, dst, m->op.len))
		ret = -EFAULT;
out:
	kfree(src);
	kfree(dst);
	kfree(m);
	return ret;
}

static long crypt_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case CIOCGSESSION:
		return session_new(filp->private_data, (void __user *)arg);
	case CIOCFSESSION:
		return session_free(filp->private_data, (void __user *)arg);
	case CIOCCRYPT:
		return crypt(filp->private_data, (void __user *)arg);
	}
	return -EINVAL;
}

static const struct file_operations crypt_fops = {
	.owner = THIS_MODULE,
	.open = crypt_open,
	.release = crypt_release,
	.unlocked_ioctl = crypt_ioctl,
};

static struct cdev crypt_cdev;

static int __devinit crypt_probe(struct virtio_device *vdev)
{
	struct crypt_dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int i;

	if (!dev)
		return -ENOMEM;
	mutex_init(&dev->lock);
	init_completion(&dev->answered);
	vdev->priv = dev;
	dev->vq = virtio_find_single_vq(vdev, answer, "crypt");
	if (IS_ERR(dev->vq)) {
		i = PTR_ERR(dev->vq);
		kfree(dev);
		return i;
	}
	mutex_lock(&devices_lock);
	for (i = 0; i < CRYPT_MINORS && devices[i]; i++)
		;
	if (i < CRYPT_MINORS)
		devices[i] = dev;
	mutex_unlock(&devices_lock);
	if (i < CRYPT_MINORS)
		return 0;
	vdev->config->del_vqs(vdev);
	kfree(dev);
	return -ENOSPC;
}

static void __devexit crypt_remove(struct virtio_device *vdev)
{
	struct crypt_dev *dev = vdev->priv;
	int i;

	mutex_lock(&devices_lock);
	for (i = 0; i < CRYPT_MINORS; i++)
		if (devices[i] == dev)
			devices[i] = NULL;
	mutex_unlock(&devices_lock);
	vdev->config->reset(vdev);
	vdev->config->del_vqs(vdev);
	kfree(dev);
}

static struct virtio_device_id ids[] = {
	{ VIRTIO_ID_CRYPTODEV, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static struct virtio_driver crypt_driver = {
	.driver.name = "virtio_crypt",
	.driver.owner = THIS_MODULE,
	.id_table = ids,
	.probe = crypt_probe,
	.remove = __devexit_p(crypt_remove),
};

static int __init init(void)
{
	dev_t first = MKDEV(CRYPT_MAJOR, 0);
	int err = register_chrdev_region(first, CRYPT_MINORS, "crypt_devs");

	if (err)
		return err;
	err = register_virtio_driver(&crypt_driver);
	if (err)
		goto region;
	cdev_init(&crypt_cdev, &crypt_fops);
	err = cdev_add(&crypt_cdev, first, CRYPT_MINORS);
	if (!err)
		return 0;
	unregister_virtio_driver(&crypt_driver);
region:
	unregister_chrdev_region(first, CRYPT_MINORS);
	return err;
}

static void __exit cleanup(void)
{
	cdev_del(&crypt_cdev);
	unregister_virtio_driver(&crypt_driver);
	unregister_chrdev_region(MKDEV(CRYPT_MAJOR, 0), CRYPT_MINORS);
}

module_init(init);
module_exit(cleanup);
MODULE_DEVICE_TABLE(virtio, ids);
MODULE_LICENSE("GPL");
