// SPDX-License-Identifier: GPL-2.0-or-later
/* /dev/cryptodevN */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/cdev.h>
#include <linux/fs.h>
#include <asm/uaccess.h>
#include "vc.h"

static struct cdev vc_cdev;

static int vc_open(struct inode *inode, struct file *filp)
{
	struct vc_request *req;
	struct vc_file *file;
	struct timeval now;
	int ret = -ENOMEM;

	file = kzalloc(sizeof(*file), GFP_KERNEL);
	req = vc_request_new(VC_OPEN, 0, 0);
	if (!file || !req)
		goto fail;
	ret = -ENODEV;
	file->dev = vc_find(iminor(filp->f_dentry->d_inode));
	if (!file->dev)
		goto fail;

	req->host_fd = -1;
	vc_in(req, &req->host_fd, sizeof(req->host_fd));
	vc_run(file->dev, req);
	file->host_fd = req->host_fd;
	ret = -EPERM;
	if (file->host_fd < 0)
		goto fail;
	do_gettimeofday(&now);
	pr_debug("virtio_crypto: opened at %ld\n", now.tv_sec);
	kfree(req);
	filp->private_data = file;
	return nonseekable_open(inode, filp);
fail:
	kfree(req);
	kfree(file);
	return ret;
}

static int vc_release(struct inode *inode, struct file *filp)
{
	struct vc_file *file = filp->private_data;
	struct vc_request *req;

	req = vc_request_new(VC_CLOSE, file->host_fd, 0);
	if (req)
		vc_run(file->dev, req);
	kfree(req);
	kfree(file);
	return 0;
}

static long vc_get_session(struct vc_file *file, struct session_op __user *arg)
{
	struct vc_request *req;
	u8 *key;
	long ret;

	req = vc_request_new(VC_IOCTL, file->host_fd, CIOCGSESSION);
	if (!req)
		return -ENOMEM;
	ret = -EFAULT;
	if (copy_from_user(&req->session, arg, sizeof(req->session)))
		goto out;
	ret = -EINVAL;
	if (req->session.keylen == 0 || req->session.keylen > VC_MAX_KEY)
		goto out;
	ret = -ENOMEM;
	key = kmalloc(req->session.keylen, GFP_KERNEL);
	if (!key)
		goto out;
	ret = -EFAULT;
	if (copy_from_user(key, (void __user *)req->session.key,
			   req->session.keylen))
		goto out;

	vc_out(req, key, req->session.keylen);
	vc_in(req, &req->session, sizeof(req->session));
	vc_in(req, &req->result, sizeof(req->result));
	vc_run(file->dev, req);
	ret = -EPERM;
	if (req->result)
		goto out;
	ret = put_user(req->session.ses, &arg->ses);
out:
	kfree(req);
	return ret;
}

static long vc_free_session(struct vc_file *file, u32 __user *arg)
{
	struct vc_request *req;
	long ret;

	req = vc_request_new(VC_IOCTL, file->host_fd, CIOCFSESSION);
	if (!req)
		return -ENOMEM;
	ret = -EFAULT;
	if (get_user(req->ses, arg))
		goto out;
	vc_out(req, &req->ses, sizeof(req->ses));
	vc_in(req, &req->result, sizeof(req->result));
	vc_run(file->dev, req);
	ret = req->result ? -EPERM : 0;
out:
	kfree(req);
	return ret;
}

static long vc_crypt(struct vc_file *file, struct crypt_op __user *arg)
{
	struct vc_request *req;
	struct crypt_op *op;
	void __user *to;
	u32 len;
	u8 *src = NULL, *dst = NULL;
	long ret;

	req = vc_request_new(VC_IOCTL, file->host_fd, CIOCCRYPT);
	if (!req)
		return -ENOMEM;
	op = &req->crypt;
	ret = -EFAULT;
	if (copy_from_user(op, arg, sizeof(*op)))
		goto out;
	if (copy_from_user(req->iv, (void __user *)op->iv, sizeof(req->iv)))
		goto out;
	ret = 0;
	if (op->len == 0)
		goto out;
	ret = -EINVAL;
	if (op->len > VC_MAX_DATA)
		goto out;
	ret = -EFAULT;
	if (!access_ok(VERIFY_READ, (void __user *)op->src, op->len) ||
	    !access_ok(VERIFY_WRITE, (void __user *)op->dst, op->len))
		goto out;
	ret = -ENOMEM;
	src = kmalloc(op->len, GFP_KERNEL);
	dst = kzalloc(op->len, GFP_KERNEL);
	if (!src || !dst)
		goto out;
	ret = -EFAULT;
	if (copy_from_user(src, (void __user *)op->src, op->len))
		goto out;

	/* The device puts its own pointers into what it is given. */
	to = (void __user *)op->dst;
	len = op->len;
	vc_out(req, op, sizeof(*op));
	vc_out(req, src, op->len);
	vc_out(req, req->iv, sizeof(req->iv));
	vc_in(req, dst, op->len);
	vc_in(req, &req->result, sizeof(req->result));
	vc_run(file->dev, req);
	ret = -EPERM;
	if (req->result)
		goto out;
	ret = copy_to_user(to, dst, len) ? -EFAULT : 0;
out:
	kfree(src);
	kfree(dst);
	kfree(req);
	return ret;
}

static long vc_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct vc_file *file = filp->private_data;

	switch (cmd) {
	case CIOCGSESSION:
		return vc_get_session(file, (void __user *)arg);
	case CIOCFSESSION:
		return vc_free_session(file, (void __user *)arg);
	case CIOCCRYPT:
		return vc_crypt(file, (void __user *)arg);
	default:
		pr_debug("virtio_crypto: ioctl %x\n", cmd);
		return 0;
	}
}

static ssize_t vc_read(struct file *filp, char __user *buffer, size_t count,
		       loff_t *pos)
{
	return -EINVAL;
}

static struct file_operations vc_fops = {
	.owner = THIS_MODULE,
	.open = vc_open,
	.release = vc_release,
	.read = vc_read,
	.unlocked_ioctl = vc_ioctl,
};

int vc_chrdev_init(void)
{
	dev_t first = MKDEV(VC_MAJOR, 0);
	int ret;

	ret = register_chrdev_region(first, VC_MINORS, VC_NAME);
	if (ret < 0)
		return ret;
	cdev_init(&vc_cdev, &vc_fops);
	vc_cdev.owner = THIS_MODULE;
	ret = cdev_add(&vc_cdev, first, VC_MINORS);
	if (ret < 0)
		unregister_chrdev_region(first, VC_MINORS);
	return ret;
}

void vc_chrdev_exit(void)
{
	cdev_del(&vc_cdev);
	unregister_chrdev_region(MKDEV(VC_MAJOR, 0), VC_MINORS);
}
