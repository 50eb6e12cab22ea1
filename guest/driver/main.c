// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio_cryptodev: /dev/crypto of the host, or of the device's own making,
 * for programs in a guest. Here the driver meets the virtio bus.
 */
#include <linux/cpumask.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "call.h"
#include "compat.h"
#include "driver.h"

/* Source and destination may each be this long in a single request. */
#define MAX_LEN_LIMIT	SZ_16M

/* No more pieces than a page of scatterlist describes, in however long a queue. */
#define MAX_CHUNKS	((unsigned int)(PAGE_SIZE / sizeof(struct scatterlist)))

/* Measured: from here on, pinning pages costs less than copying. */
#define ZERO_COPY_MIN	3072

/*
 * 30 is what all implementations use; the virtio standard has since given it
 * to the video encoder. Autoloading goes by the default.
 */
static unsigned int virtio_id = 30;
module_param(virtio_id, uint, 0444);
MODULE_PARM_DESC(virtio_id, "virtio device id to drive (default 30)");

unsigned int max_len = SZ_1M;
module_param(max_len, uint, 0444);
MODULE_PARM_DESC(max_len, "largest len of an operation, above it is EINVAL (default 1 MiB)");

unsigned int zero_copy_min = ZERO_COPY_MIN;
module_param(zero_copy_min, uint, 0444);
MODULE_PARM_DESC(zero_copy_min, "bytes from which on the device works in the program's own pages (default "
		 __stringify(ZERO_COPY_MIN) ")");

u32 crypto_small_max;

static bool reference_wire;
module_param(reference_wire, bool, 0444);
MODULE_PARM_DESC(reference_wire, "negotiate nothing: AES-CBC, copies and one queue (default 0)");

struct workqueue_struct *crypto_workqueue;

/* The ring of the queues that carry data must hold a whole request. */
static int set_limits(struct crypto_device *crdev)
{
	unsigned int i, size = UINT_MAX;

	for (i = crdev->first_queue; i < crdev->num_queues; i++)
		size = min(size, virtqueue_get_vring_size(crdev->queues[i].vq));
	if (size < WIRE_FIELDS) {
		dev_err(&crdev->vdev->dev, "a queue of %u cannot hold a request of %u descriptors\n",
			size, WIRE_FIELDS);
		return -EINVAL;
	}
	crdev->max_pieces = size;
	crdev->max_chunks = min((size - WIRE_CRYPT_FIXED) / 2, MAX_CHUNKS);
	crdev->max_segment = virtio_max_dma_size(crdev->vdev);

	crdev->max_len = max_len;
	if (crdev->calls) {
		u32 most;

		virtio_cread_le(crdev->vdev, struct wire_config, max_len, &most);
		crdev->max_len = min(max_len, most);
	}
	return 0;
}

/* Queue 0, and with F_MQ no more others than there are processors. */
static int find_queues(struct crypto_device *crdev)
{
	unsigned int i, n = crdev->num_queues;
	struct virtqueue **vqs;
	int ret = -ENOMEM;

	vqs = kcalloc(n, sizeof(*vqs), GFP_KERNEL);
	if (!vqs)
		return ret;
	ret = compat_find_vqs(crdev->vdev, n, vqs, crypto_queue_callback,
			      "crypto-vq");
	if (ret)
		goto out;
	for (i = 0; i < n; i++) {
		crdev->queues[i].vq = vqs[i];
		/* Until somebody waits. */
		virtqueue_disable_cb(vqs[i]);
	}
	ret = set_limits(crdev);
	if (ret) {
		crdev->vdev->config->del_vqs(crdev->vdev);
		goto out;
	}
	for (i = crdev->first_queue; n > 1 && i < n; i++)
		virtqueue_set_affinity(vqs[i], cpumask_of(i - crdev->first_queue));
out:
	kfree(vqs);
	return ret;
}

/*
 * The pieces of a request fit into the ring itself; a table for each request
 * would have to be allocated, and read by the device, for nothing. Several
 * queues are of use only to a driver that is fast.
 */
static int crypto_validate(struct virtio_device *vdev)
{
	/* Not by an empty table: who asks for a bit that is not in it crashes. */
	if (reference_wire)
		__virtio_clear_bit(vdev, VIRTIO_CRYPTODEV_F_CALLS);
	if (virtio_has_feature(vdev, VIRTIO_CRYPTODEV_F_CALLS))
		__virtio_clear_bit(vdev, VIRTIO_RING_F_INDIRECT_DESC);
	else
		__virtio_clear_bit(vdev, VIRTIO_CRYPTODEV_F_MQ);
	return 0;
}

static struct crypto_device *device_alloc(struct virtio_device *vdev)
{
	struct crypto_device *crdev = kzalloc(sizeof(*crdev), GFP_KERNEL);
	unsigned int i;

	if (!crdev)
		return NULL;
	kref_init(&crdev->ref);
	crdev->vdev = vdev;
	crdev->calls = virtio_has_feature(vdev, VIRTIO_CRYPTODEV_F_CALLS);
	crdev->num_queues = 1;
	if (virtio_has_feature(vdev, VIRTIO_CRYPTODEV_F_MQ)) {
		u32 n;

		virtio_cread_le(vdev, struct wire_config, num_queues, &n);
		crdev->num_queues = clamp(n, 1, num_online_cpus() + 1);
		crdev->first_queue = crdev->num_queues > 1;
	}
	crdev->queues = kcalloc(crdev->num_queues, sizeof(*crdev->queues),
				GFP_KERNEL);
	if (!crdev->queues) {
		kfree(crdev);
		return NULL;
	}
	for (i = 0; i < crdev->num_queues; i++) {
		struct crypto_queue *q = &crdev->queues[i];

		q->crdev = crdev;
		spin_lock_init(&q->lock);
		INIT_LIST_HEAD(&q->backlog);
		INIT_LIST_HEAD(&q->sent);
		q->own = crdev->num_queues - crdev->first_queue >= nr_cpu_ids;
	}
	return crdev;
}

static int crypto_probe(struct virtio_device *vdev)
{
	struct crypto_device *crdev;
	int ret;

	crdev = device_alloc(vdev);
	if (!crdev)
		return -ENOMEM;
	vdev->priv = crdev;

	ret = crypto_chrdev_reserve(crdev);
	if (ret)
		goto put_device;
	ret = find_queues(crdev);
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
	crypto_device_drain(crdev);
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
	crypto_device_drain(crdev);
	vdev->priv = NULL;
	crypto_device_put(crdev);
}

/* The only news there can be: the device has given up. Called in an interrupt. */
static void crypto_config_changed(struct virtio_device *vdev)
{
	if (vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_NEEDS_RESET) {
		dev_err(&vdev->dev, "the device needs a reset and answers no more\n");
		crypto_device_break(vdev->priv);
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

static unsigned int features[] = {
	VIRTIO_CRYPTODEV_F_CALLS,
	VIRTIO_CRYPTODEV_F_MQ,
};

static struct virtio_driver crypto_driver = {
	.feature_table = features,
	.feature_table_size = ARRAY_SIZE(features),
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.id_table = id_table,
	.validate = crypto_validate,
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
	crypto_small_max = min_t(u32, zero_copy_min ? zero_copy_min - 1 : 0,
				 CALL_SMALL_LIMIT);
	/* What is small is not held against max_len any more. */
	crypto_small_max = min(crypto_small_max, max_len);

	crypto_workqueue = alloc_workqueue(KBUILD_MODNAME, WQ_UNBOUND, 0);
	if (!crypto_workqueue)
		return -ENOMEM;
	/* The nodes' side stands before a device comes, and falls after. */
	ret = crypto_chrdev_init();
	if (ret)
		goto destroy_workqueue;
	ret = register_virtio_driver(&crypto_driver);
	if (ret)
		goto exit_chrdev;
	return 0;

exit_chrdev:
	crypto_chrdev_exit();
destroy_workqueue:
	destroy_workqueue(crypto_workqueue);
	return ret;
}
module_init(crypto_init);

static void __exit crypto_exit(void)
{
	unregister_virtio_driver(&crypto_driver);
	crypto_chrdev_exit();
	destroy_workqueue(crypto_workqueue);
}
module_exit(crypto_exit);

MODULE_DESCRIPTION("Paravirtual /dev/crypto over virtio");
MODULE_AUTHOR("virtio-cryptodev-harness");
MODULE_LICENSE("GPL");
