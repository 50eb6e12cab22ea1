// SPDX-License-Identifier: GPL-2.0-or-later
/* The module, and the devices that it finds. */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include "vc.h"

static LIST_HEAD(vc_devices);
static DEFINE_SPINLOCK(vc_lock);	/* the list, and the minor numbers */

struct vc_device *vc_find(unsigned int minor)
{
	struct vc_device *dev, *found = NULL;

	spin_lock(&vc_lock);
	list_for_each_entry(dev, &vc_devices, list)
		if (dev->minor == minor)
			found = dev;
	spin_unlock(&vc_lock);
	return found;
}

/* Take the first minor number that is free. */
static int __devinit vc_add(struct vc_device *new)
{
	struct vc_device *dev;
	unsigned int minor;
	int ret = -ENOSPC;

	spin_lock(&vc_lock);
	for (minor = 0; minor < VC_MINORS && ret; minor++) {
		new->minor = minor;
		ret = 0;
		list_for_each_entry(dev, &vc_devices, list)
			if (dev->minor == minor)
				ret = -ENOSPC;
	}
	if (!ret)
		list_add_tail(&new->list, &vc_devices);
	spin_unlock(&vc_lock);
	return ret;
}

static void vc_done(struct virtqueue *vq)
{
	/* Who has sent something looks for the answer all the time. */
}

static int __devinit vc_probe(struct virtio_device *vdev)
{
	struct vc_device *dev;
	int ret;

	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return -ENOMEM;
	dev->vdev = vdev;
	init_MUTEX(&dev->lock);
	dev->vq = virtio_find_single_vq(vdev, vc_done, "crypto-vq");
	if (IS_ERR(dev->vq)) {
		ret = PTR_ERR(dev->vq);
		goto out_free;
	}
	ret = vc_add(dev);
	if (ret)
		goto out_vq;
	vdev->priv = dev;
	return 0;

out_vq:
	vdev->config->del_vqs(vdev);
out_free:
	kfree(dev);
	return ret;
}

static void __devexit vc_remove(struct virtio_device *vdev)
{
	struct vc_device *dev = vdev->priv;

	spin_lock(&vc_lock);
	list_del(&dev->list);
	spin_unlock(&vc_lock);
	vdev->config->reset(vdev);
	vdev->config->del_vqs(vdev);
	kfree(dev);
}

static struct virtio_device_id id_table[] = {
	{ VIRTIO_ID_CRYPTODEV, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static struct virtio_driver vc_driver = {
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.id_table = id_table,
	.probe = vc_probe,
	.remove = __devexit_p(vc_remove),
};

static int __init init(void)
{
	int ret;

	ret = vc_chrdev_init();
	if (ret < 0)
		return ret;
	ret = register_virtio_driver(&vc_driver);
	if (ret < 0)
		vc_chrdev_exit();
	return ret;
}

static void __exit fini(void)
{
	unregister_virtio_driver(&vc_driver);
	vc_chrdev_exit();
}

module_init(init);
module_exit(fini);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("virtio cryptodev");
MODULE_SUPPORTED_DEVICE("cryptodev");
MODULE_DEVICE_TABLE(virtio, id_table);
