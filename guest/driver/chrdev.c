// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /dev/cryptodevN: the character devices.
 *
 * One cdev serves all minors for as long as the module is loaded, so that it
 * can never go away under an open file; which device stands behind a minor is
 * looked up at open.
 */
#include <linux/cdev.h>
#include <linux/compat.h>
#include <linux/device.h>
#include <linux/device/class.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "compat.h"
#include "driver.h"

#define CRYPTO_MAJOR	60
#define CRYPTO_MINORS	32

static struct cdev crypto_cdev;

/* Devices by minor; its own lock also covers the taking of a reference. */
static DEFINE_XARRAY_ALLOC(crypto_devices);

static char *crypto_devnode(devnode_const struct device *dev, umode_t *mode)
{
	if (mode)
		*mode = 0666;	/* as /dev/crypto: keys are the caller's own */
	return NULL;
}

static struct class crypto_class = {
	.name = "cryptodev",
	.devnode = crypto_devnode,
};

static void crypto_device_release(struct kref *ref)
{
	struct crypto_device *crdev = container_of(ref, struct crypto_device,
						   ref);

	kfree(crdev->queues);
	kfree(crdev);
}

void crypto_device_put(struct crypto_device *crdev)
{
	kref_put(&crdev->ref, crypto_device_release);
}

static struct crypto_device *crypto_device_get(unsigned int minor)
{
	struct crypto_device *crdev;

	xa_lock(&crypto_devices);
	crdev = xa_load(&crypto_devices, minor);
	if (crdev)
		kref_get(&crdev->ref);
	xa_unlock(&crypto_devices);
	return crdev;
}

static int crypto_open(struct inode *inode, struct file *filp)
{
	struct crypto_file *file;
	int ret;

	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	hash_init(file->sessions);
	init_waitqueue_head(&file->idle);
	crypto_async_init(file);

	ret = -ENOMEM;
	file->close = crypto_message_alloc();
	if (!file->close)
		goto free_file;
	ret = -ENODEV;
	file->crdev = crypto_device_get(iminor(inode));
	if (!file->crdev)
		goto free_close;
	ret = crypto_message_open(file->crdev, &file->handle);
	if (ret)
		goto put_device;

	filp->private_data = file;
	return nonseekable_open(inode, filp);	/* cannot fail */

put_device:
	crypto_device_put(file->crdev);
free_close:
	crypto_message_put(file->close);
free_file:
	kfree(file);
	return ret;
}

static int crypto_release(struct inode *inode, struct file *filp)
{
	struct crypto_file *file = filp->private_data;

	crypto_async_end(file);
	crypto_session_free_all(file);
	crypto_message_close(file->crdev, file->close, file->handle);
	crypto_device_put(file->crdev);
	kfree(file);
	return 0;
}

/* CRIOGET: another descriptor of the same open file. */
static long crypto_clone_fd(struct file *filp, u32 __user *arg)
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

static long crypto_make_session(struct crypto_file *file,
				struct session_op __user *user)
{
	struct session_op sop;

	if (copy_from_user(&sop, user, sizeof(sop)))
		return -EFAULT;
	return crypto_session_create(file, &sop, &user->ses);
}

static long crypto_ask(struct crypto_file *file, struct crypt_op __user *user)
{
	struct crypt_op op;

	if (copy_from_user(&op, user, sizeof(op)))
		return -EFAULT;
	return crypto_async_crypt(file, &op);
}

static long crypto_fetch(struct crypto_file *file, struct crypt_op __user *user)
{
	struct crypt_op op;
	long ret = crypto_async_fetch(file, &op);

	if (!ret && copy_to_user(user, &op, sizeof(op)))
		ret = -EFAULT;
	return ret;
}

static long crypto_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct crypto_file *file = filp->private_data;
	void __user *user = (void __user *)arg;

	if (READ_ONCE(file->crdev->dead))
		return -ENODEV;

	if (likely(cmd == CIOCCRYPT))
		return crypto_crypt(file, user);

	switch (cmd) {
	case CIOCGSESSION:
		return crypto_make_session(file, user);
	case CIOCFSESSION:
		return crypto_session_finish(file, user);
	case CIOCAUTHCRYPT:
		return crypto_auth(file, user);
	case CIOCGSESSINFO:
		return crypto_session_info(file, user);
	case CIOCASYNCCRYPT:
		return crypto_ask(file, user);
	case CIOCASYNCFETCH:
		return crypto_fetch(file, user);
	case CIOCCPHASH:
		return crypto_session_copy(file, user);
	case CRIOGET:
		return crypto_clone_fd(filp, user);
	case CIOCASYMFEAT:
		return put_user(0, (u32 __user *)user);
	default:
		return -EINVAL;	/* not ENOTTY: so does /dev/crypto */
	}
}

#ifdef CONFIG_COMPAT
static long crypto_compat_ioctl(struct file *filp, unsigned int cmd,
				unsigned long arg)
{
	struct crypto_file *file = filp->private_data;
	long ret;

	if (READ_ONCE(file->crdev->dead))
		return -ENODEV;
	ret = crypto_compat(file, cmd, compat_ptr(arg));
	return ret == -ENOIOCTLCMD ? compat_ptr_ioctl(filp, cmd, arg) : ret;
}
#endif

static __poll_t crypto_poll(struct file *filp, struct poll_table_struct *wait)
{
	return crypto_async_poll(filp->private_data, filp, wait);
}

/* No read, no write: both are EINVAL then. */
static const struct file_operations crypto_fops = {
	.owner = THIS_MODULE,
	.open = crypto_open,
	.release = crypto_release,
	.unlocked_ioctl = crypto_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = crypto_compat_ioctl,
#endif
	.poll = crypto_poll,
};

/**
 * crypto_chrdev_reserve - find a minor for a device, which cannot be opened yet
 * @crdev:	the device
 *
 * Return: 0, -EBUSY if all are taken, or -ENOMEM.
 */
int crypto_chrdev_reserve(struct crypto_device *crdev)
{
	return xa_alloc(&crypto_devices, &crdev->minor, NULL,
			XA_LIMIT(0, CRYPTO_MINORS - 1), GFP_KERNEL);
}

/**
 * crypto_chrdev_publish - let programs open a device that answers
 * @crdev:	the device, with its minor reserved
 *
 * Return: 0 or -errno; the minor stays reserved in any case.
 */
int crypto_chrdev_publish(struct crypto_device *crdev)
{
	struct device *dev;
	int ret;

	ret = xa_err(xa_store(&crypto_devices, crdev->minor, crdev, GFP_KERNEL));
	if (ret)
		return ret;
	dev = device_create(&crypto_class, &crdev->vdev->dev,
			    MKDEV(CRYPTO_MAJOR, crdev->minor), NULL,
			    "cryptodev%u", crdev->minor);
	return PTR_ERR_OR_ZERO(dev);
}

/* Take a device out of the world, published or only reserved. */
void crypto_chrdev_remove(struct crypto_device *crdev)
{
	device_destroy(&crypto_class, MKDEV(CRYPTO_MAJOR, crdev->minor));
	xa_erase(&crypto_devices, crdev->minor);
}

int crypto_chrdev_init(void)
{
	dev_t first = MKDEV(CRYPTO_MAJOR, 0);
	int ret;

	ret = class_register(&crypto_class);
	if (ret)
		return ret;
	ret = register_chrdev_region(first, CRYPTO_MINORS, "crypto_devs");
	if (ret)
		goto unregister_class;
	cdev_init(&crypto_cdev, &crypto_fops);
	crypto_cdev.owner = THIS_MODULE;
	ret = cdev_add(&crypto_cdev, first, CRYPTO_MINORS);
	if (ret)
		goto unregister_region;
	return 0;

unregister_region:
	unregister_chrdev_region(first, CRYPTO_MINORS);
unregister_class:
	class_unregister(&crypto_class);
	return ret;
}

void crypto_chrdev_exit(void)
{
	cdev_del(&crypto_cdev);
	unregister_chrdev_region(MKDEV(CRYPTO_MAJOR, 0), CRYPTO_MINORS);
	class_unregister(&crypto_class);
	xa_destroy(&crypto_devices);
}
