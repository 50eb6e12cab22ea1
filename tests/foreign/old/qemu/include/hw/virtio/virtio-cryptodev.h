/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio Cryptodev Device
 */
#ifndef VIRTIO_CRYPTODEV_H
#define VIRTIO_CRYPTODEV_H

#include "hw/virtio/virtio.h"

#define TYPE_VIRTIO_CRYPTODEV "virtio-cryptodev"
#define VIRTIO_CRYPTODEV(obj) \
    OBJECT_CHECK(VirtIOCryptodev, (obj), TYPE_VIRTIO_CRYPTODEV)

/* first word of every request */
#define CRYPTODEV_OPEN  0
#define CRYPTODEV_CLOSE 1
#define CRYPTODEV_IOCTL 2

typedef struct VirtIOCryptodev {
    VirtIODevice parent_obj;
    VirtQueue *vq;
} VirtIOCryptodev;

#endif
