// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio_cryptodev: /dev/crypto of the host, or of the device's own making,
 * for programs in a guest. Here the driver meets the virtio bus.
 */
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "driver.h"

/* Source and destination may each be this long in a single request. */
#define MAX_LEN_LIMIT	SZ_16M

/* No more pieces than a page of scatterlist describes, in however long a queue. */
#define MAX_CHUNKS	((unsigned int)(PAGE_SIZE / sizeof(struct scatterlist)))

/*
 * 30 is what all implementations use; the virtio standard has since given it
 * to the video encoder. Autoloading goes by the default.
 */
static unsigned int virtio_id = 30;
module_param(virtio_id, uint, 0444);
MODULE_PARM_DESC(virtio_id, "virtio device id to drive (default 30)");

unsigned int max_len = SZ_1M;
module_param(max_len, uint, 0444);
MODULE_PARM_DESC(max_len, "largest len of a CIOCCRYPT, above it is EINVAL (default 1 MiB)");

static int find_queue(struct crypto_device *crdev)
{
	unsigned int size;

	crdev->vq = virtio_find_single_vq(crdev->vdev, crypto_queue_callback,
					  "crypto-vq");
	if (IS_ERR(crdev->vq))
		return PTR_ERR(crdev->vq);

	size = virtqueue_get_vring_size(crdev->vq);
	if (size < WIRE_FIELDS) {
		dev_err(&crdev->vdev->dev, "a queue of %u cannot hold a request of %u descriptors\n",
			size, WIRE_FIELDS);
		crdev->vdev->config->del_vqs(crdev->vdev);
		return -EINVAL;
	}
	crdev->max_chunks = min((size - WIRE_CRYPT_FIXED) / 2, MAX_CHUNKS);
	crdev->max_segment = virtio_max_dma_size(crdev->vdev);
	return 0;
}

static int crypto_probe(struct virtio_device *vdev)
{
	struct crypto_device *crdev;
	int ret;

	crdev = kzalloc(sizeof(*crdev), GFP_KERNEL);
	if (!crdev)
		return -ENOMEM;
	kref_init(&crdev->ref);
	spin_lock_init(&crdev->lock);
	INIT_LIST_HEAD(&crdev->backlog);
	INIT_LIST_HEAD(&crdev->sent);
	crdev->vdev = vdev;
	vdev->priv = crdev;

	ret = crypto_chrdev_reserve(crdev);
	if (ret)
		goto put_device;
	ret = find_queue(crdev);
	if (ret)
		goto free_minor;

	/* It must answer from the moment that somebody can open it. */
	virtio_device_ready(vdev);
	ret = crypto_chrdev_publish(crdev);
	if (ret)
		goto drain;
	return 0;

drain:
	crypto_chrdev_remove(crdev);
	crypto_queue_drain(crdev);
	goto put_device;
free_minor:
	crypto_chrdev_remove(crdev);
put_device:
	vdev->priv = NULL;
	crypto_device_put(crdev);
	return ret;
}

/* Files may stay open: they keep the structure, and get ENODEV from it. */
static void crypto_remove(struct virtio_device *vdev)
{
	struct crypto_device *crdev = vdev->priv;

	crypto_chrdev_remove(crdev);
	crypto_queue_drain(crdev);
	vdev->priv = NULL;
	crypto_device_put(crdev);
}

/* The only news there can be: the device has given up. Called in an interrupt. */
static void crypto_config_changed(struct virtio_device *vdev)
{
	if (vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_NEEDS_RESET) {
		dev_err(&vdev->dev, "the device needs a reset and answers no more\n");
		crypto_queue_break(vdev->priv);
	}
}

#ifdef CONFIG_PM_SLEEP
/*
 * What files hold on the other side would not survive: better no suspend than
 * a device that never answers again.
 */
static int crypto_freeze(struct virtio_device *vdev)
{
	dev_err(&vdev->dev, "cannot be suspended, unbind the driver first\n");
	return -EOPNOTSUPP;
}
#endif

static struct virtio_device_id id_table[] = {
	{ 30, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, id_table);

static struct virtio_driver crypto_driver = {
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.id_table = id_table,
	.probe = crypto_probe,
	.remove = crypto_remove,
	.config_changed = crypto_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = crypto_freeze,
#endif
};

static int __init crypto_init(void)
{
	int ret;

	if (!virtio_id || !max_len || max_len > MAX_LEN_LIMIT) {
		pr_err("%s: virtio_id must not be 0, max_len must be 1 to %u\n",
		       KBUILD_MODNAME, MAX_LEN_LIMIT);
		return -EINVAL;
	}
	id_table[0].device = virtio_id;

	/* The nodes' side stands before a device comes, and falls after. */
	ret = crypto_chrdev_init();
	if (ret)
		return ret;
	ret = register_virtio_driver(&crypto_driver);
	if (ret)
		crypto_chrdev_exit();
	return ret;
}
module_init(crypto_init);

static void __exit crypto_exit(void)
{
	unregister_virtio_driver(&crypto_driver);
	crypto_chrdev_exit();
}
module_exit(crypto_exit);

MODULE_DESCRIPTION("Paravirtual /dev/crypto over virtio");
MODULE_AUTHOR("virtio-cryptodev-harness");
MODULE_LICENSE("GPL");
