// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every name that guest/compat supplies, used as sources of Linux 3.x and 4.x
 * use it. It is compiled and never run.
 */
#include <linux/autoconf.h>
#include <linux/config.h>
#include <linux/smp_lock.h>
#include <linux/utsrelease.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/module.h>
#include <linux/interrupt.h>
#include <asm/semaphore.h>
#include <asm/system.h>
#include <asm/uaccess.h>

#include <linux/cryptodev.h>
#include "cryptodev.h"

#ifndef VIRTIO_ID_CRYPTODEV
#define VIRTIO_ID_CRYPTODEV 13
#endif

#define pr_fmt(fmt) "shims: " fmt

static DECLARE_MUTEX(declared);
static DEFINE_SEMAPHORE(defined);
static struct class *class;
static wait_queue_t waiting;
static int ready __devinitdata;

struct small {
	char bytes[8];
} small;

MODULE_SUPPORTED_DEVICE("cryptodev");

int memory(char __user *user, struct file *filp, long len)
{
	char on_stack[4];
	unsigned long number = 0;
	char *buffer = kmalloc(8, GFP_KERNEL);

	if (!access_ok(VERIFY_READ, user, len) ||
	    !access_ok(VERIFY_WRITE, (void __user *)user, sizeof(small)) ||
	    !access_ok(user, len))
		return -EFAULT;
	/* Longer than what they go to: both are seen to be only when run. */
	if (copy_from_user(on_stack, user, 48) || copy_from_user(buffer, user, 48))
		return -EFAULT;
	memcpy(small.bytes, "0123456789abcdef", 16);
	if (strict_strtoul(on_stack, 10, &number))
		return -EINVAL;
	down_read(&current->mm->mmap_sem);
	up_read(&current->mm->mmap_sem);
	kfree(buffer);
	if (ACCESS_ONCE(ready) && signal_pending(current))
		return PTR_RET(filp->f_vfsmnt);
	return iminor(filp->f_dentry->d_inode) + !!ioremap_nocache(number, 1);
}

void sleepers(struct semaphore *sem, struct completion *done)
{
	unsigned long bits = IRQF_DISABLED;

	init_MUTEX(sem);
	init_MUTEX_LOCKED(sem);
	down(&declared);
	up(&defined);
	INIT_COMPLETION(*done);
	smp_mb__before_clear_bit();
	clear_bit(0, &bits);
	smp_mb__after_clear_bit();
	smp_mb__before_atomic_inc();
	smp_mb__after_atomic_inc();
	init_waitqueue_entry(&waiting, current);
}

s64 times(void)
{
	struct timeval first;
	struct timespec second, third = CURRENT_TIME;

	do_gettimeofday(&first);
	getnstimeofday(&second);
	return timeval_to_ns(&first) + timespec_to_ns(&second) + third.tv_sec +
	       get_seconds();
}

int queues(struct virtio_device *vdev, struct scatterlist *sg)
{
	struct virtqueue *vqs[1];
	vq_callback_t *callbacks[] = { NULL };
	const char *names[] = { "crypto-vq" };
	u32 value = 0;
	int err;

	sg_init_one(&sg[0], &value, sizeof(value));
	sg_set_buf(&sg[1], vdev, sizeof(*vdev));
	err = vdev->config->find_vqs(vdev, 1, vqs, callbacks, names);
	err |= vdev->config->find_vqs(vdev, 1, vqs, callbacks, names, NULL);
	err |= virtio_find_vqs(vdev, 1, vqs, callbacks, names, NULL);
	err |= virtqueue_add_buf(vqs[0], sg, 1, 1, vdev);
	err |= virtqueue_add_buf(vqs[0], sg, 1, 1, vdev, GFP_KERNEL);
	err |= virtqueue_add_buf_gfp(vqs[0], sg, 1, 0, vdev, GFP_ATOMIC);
	err |= virtio_config_val(vdev, 3, 0, &value);
	if (virtqueue_kick(vqs[0]))
		virtqueue_disable_cb(vqs[0]);
	return err;
}

static int __devinit probe(struct virtio_device *vdev)
{
	struct session_op session = { .cipher = CRYPTO_AES_CBC };

	class = class_create(THIS_MODULE, "shims");
	return session.cipher + CIOCGSESSION == COP_ENCRYPT;
}

/* An int is awaited, and a void comes: that was a warning. */
static void __devexit remove(struct virtio_device *vdev)
{
}

static int called_without_a_prototype()
{
	return UTS_RELEASE[0];
}

/* Nothing is returned, and the pointer is of another type: warnings, too. */
static int wrong(void)
{
	int *pointer = &small;
}

static struct virtio_device_id ids[] = {
	{ VIRTIO_ID_CRYPTODEV, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static struct virtio_driver driver = {
	.driver.name = "shims",
	.driver.owner = THIS_MODULE,
	.id_table = ids,
	.probe = probe,
	.remove = __devexit_p(remove),
};

static int __init init(void)
{
	int variable = called_without_a_prototype();

	ready = variable + wrong();
	return register_virtio_driver(&driver);
}

static void __exit exit(void)
{
	unregister_virtio_driver(&driver);
}

module_init(init);
module_exit(exit);
MODULE_LICENSE("GPL");
MODULE_DEVICE_TABLE(virtio, ids);
