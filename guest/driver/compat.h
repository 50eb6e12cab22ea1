/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between the kernels that this driver is built for. */
#ifndef VIRTIO_CRYPTODEV_COMPAT_H
#define VIRTIO_CRYPTODEV_COMPAT_H

#include <linux/version.h>

/* 6.2 made the device of class.devnode const. */
#if KERNEL_VERSION(LINUX_VERSION_MAJOR, LINUX_VERSION_PATCHLEVEL, 0) < \
	KERNEL_VERSION(6, 2, 0)
#define devnode_const
#else
#define devnode_const const
#endif

#endif /* VIRTIO_CRYPTODEV_COMPAT_H */
