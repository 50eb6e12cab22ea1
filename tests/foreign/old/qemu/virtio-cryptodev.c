/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio Cryptodev Device
 *
 * Written for QEMU 3.0.0: the guest's calls go to /dev/crypto of the host.
 */

#include <sys/types.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <crypto/cryptodev.h>

#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "hw/qdev.h"
#include "hw/virtio/virtio.h"
#include "standard-headers/linux/virtio_ids.h"
#include "hw/virtio/virtio-cryptodev.h"

static uint64_t get_features(VirtIODevice *vdev, uint64_t features,
                             Error **errp)
{
    return features;
}

static void get_config(VirtIODevice *vdev, uint8_t *config)
{
}

static void set_config(VirtIODevice *vdev, const uint8_t *config)
{
}

static void set_status(VirtIODevice *vdev, uint8_t status)
{
}

static void reset(VirtIODevice *vdev)
{
}

static void do_ioctl(VirtQueueElement *elem)
{
    int fd = *(int *)elem->out_sg[1].iov_base;
    unsigned int cmd = *(unsigned int *)elem->out_sg[2].iov_base;
    int *ret;

    if (cmd == CIOCGSESSION) {
        struct session_op *sess = elem->in_sg[0].iov_base;

        sess->key = elem->out_sg[3].iov_base;
        ret = elem->in_sg[1].iov_base;
        *ret = ioctl(fd, CIOCGSESSION, sess);
    } else if (cmd == CIOCFSESSION) {
        ret = elem->in_sg[0].iov_base;
        *ret = ioctl(fd, CIOCFSESSION, elem->out_sg[3].iov_base);
    } else if (cmd == CIOCCRYPT) {
        struct crypt_op *cryp = elem->out_sg[3].iov_base;

        cryp->src = elem->out_sg[4].iov_base;
        cryp->iv = elem->out_sg[5].iov_base;
        cryp->dst = elem->in_sg[0].iov_base;
        ret = elem->in_sg[1].iov_base;
        *ret = ioctl(fd, CIOCCRYPT, cryp);
    }
}

static void handle_output(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtQueueElement *elem;
    unsigned int *type;
    int *fd;

    elem = virtqueue_pop(vq, sizeof(VirtQueueElement));
    if (!elem) {
        return;
    }

    type = elem->out_sg[0].iov_base;
    switch (*type) {
    case CRYPTODEV_OPEN:
        fd = elem->in_sg[0].iov_base;
        *fd = open("/dev/crypto", O_RDWR);
        break;
    case CRYPTODEV_CLOSE:
        fd = elem->out_sg[1].iov_base;
        close(*fd);
        break;
    case CRYPTODEV_IOCTL:
        do_ioctl(elem);
        break;
    }

    virtqueue_push(vq, elem, 0);
    virtio_notify(vdev, vq);
    g_free(elem);
}

static void virtio_cryptodev_realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOCryptodev *crypto = VIRTIO_CRYPTODEV(dev);

    virtio_init(vdev, "virtio-cryptodev", VIRTIO_ID_CRYPTODEV, 0);
    crypto->vq = virtio_add_queue(vdev, 128, handle_output);
}

static void virtio_cryptodev_unrealize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);

    if (*errp) {
        return;
    }
    virtio_cleanup(vdev);
}

static Property virtio_cryptodev_properties[] = {
    DEFINE_PROP_END_OF_LIST(),
};

static void virtio_cryptodev_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VirtioDeviceClass *k = VIRTIO_DEVICE_CLASS(klass);

    dc->props = virtio_cryptodev_properties;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    k->realize = virtio_cryptodev_realize;
    k->unrealize = virtio_cryptodev_unrealize;
    k->get_features = get_features;
    k->get_config = get_config;
    k->set_config = set_config;
    k->set_status = set_status;
    k->reset = reset;
}

static const TypeInfo virtio_cryptodev_info = {
    .name = TYPE_VIRTIO_CRYPTODEV,
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(VirtIOCryptodev),
    .class_init = virtio_cryptodev_class_init,
};

static void virtio_cryptodev_register_types(void)
{
    type_register_static(&virtio_cryptodev_info);
}

type_init(virtio_cryptodev_register_types)
