/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio Cryptodev Device, on the day before the deadline
 */

#include "qemu/osdep.h"
#include "hw/qdev.h"
#include "hw/virtio/virtio.h"
#include "standard-headers/linux/virtio_ids.h"

static void handle_output(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtQueueElement *elem = virtqueue_pop(vq, sizeof(VirtQueueElement));

    cryptodev_do_the_work(elem);
    virtqueue_push(vq, elem, 0);
    virtio_notify(vdev, vq);
    g_free(elem);
}

static void virtio_cryptodev_realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);

    virtio_init(vdev, "virtio-cryptodev", VIRTIO_ID_CRYPTODEV, 0);
    virtio_add_queue(vdev, 128, handle_output);
}

static void virtio_cryptodev_class_init(ObjectClass *klass, void *data)
{
    VIRTIO_DEVICE_CLASS(klass)->realize = virtio_cryptodev_realize;
}

static const TypeInfo virtio_cryptodev_info = {
    .name = "virtio-cryptodev",
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(VirtIODevice),
    .class_init = virtio_cryptodev_class_init,
};

static void virtio_cryptodev_register_types(void)
{
    type_register_static(&virtio_cryptodev_info);
}

type_init(virtio_cryptodev_register_types)
