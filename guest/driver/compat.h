/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between the kernels that this driver is built for. */
#ifndef VIRTIO_CRYPTODEV_COMPAT_H
#define VIRTIO_CRYPTODEV_COMPAT_H

#include <linux/slab.h>
#include <linux/version.h>
#include <linux/virtio_config.h>

/* 6.2 made the device of class.devnode const. */
#if KERNEL_VERSION(LINUX_VERSION_MAJOR, LINUX_VERSION_PATCHLEVEL, 0) < \
	KERNEL_VERSION(6, 2, 0)
#define devnode_const
#else
#define devnode_const const
#endif

/* 6.11 put names and callbacks of virtqueues into one structure. */
static inline int compat_find_vqs(struct virtio_device *vdev, unsigned int n,
				  struct virtqueue **vqs,
				  vq_callback_t *callback, const char *name)
{
	unsigned int i;
	int ret = -ENOMEM;
#if KERNEL_VERSION(LINUX_VERSION_MAJOR, LINUX_VERSION_PATCHLEVEL, 0) < \
	KERNEL_VERSION(6, 11, 0)
	vq_callback_t **callbacks = kcalloc(n, sizeof(*callbacks), GFP_KERNEL);
	const char **names = kcalloc(n, sizeof(*names), GFP_KERNEL);

	if (callbacks && names) {
		for (i = 0; i < n; i++) {
			callbacks[i] = callback;
			names[i] = name;
		}
		ret = virtio_find_vqs(vdev, n, vqs, callbacks, names, NULL);
	}
	kfree(callbacks);
	kfree(names);
#else
	struct virtqueue_info *info = kcalloc(n, sizeof(*info), GFP_KERNEL);

	if (info) {
		for (i = 0; i < n; i++) {
			info[i].callback = callback;
			info[i].name = name;
		}
		ret = virtio_find_vqs(vdev, n, vqs, info, NULL);
	}
	kfree(info);
#endif
	return ret;
}

#endif /* VIRTIO_CRYPTODEV_COMPAT_H */
