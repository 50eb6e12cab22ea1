/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-crypt: a crypto accelerator for virtual machines (QEMU 2.0)
 *
 * in the queue (guest to host | host to guest), all in host order:
 *
 *   open          u32 type | i64 fd
 *   close         u32 type, i32 fd |
 *   new session   u32 type, i32 fd, u32 1, key | i64 result, session_op
 *   end session   u32 type, i32 fd, u32 2, u32 id | i64 result
 *   crypt         u32 type, i32 fd, u32 3, crypt_op, src, iv | i64 result, dst
 */

#include "qemu/iov.h"
#include "qemu/error-report.h"
#include "hw/qdev.h"
#include "hw/virtio/virtio.h"
#include <sys/ioctl.h>
#include <fcntl.h>
#include <crypto/cryptodev.h>
#include "virtio-crypt.h"

static int64_t call(VirtQueueElement *elem)
{
    int fd = *(int32_t *)elem->out_sg[1].iov_base;
    uint32_t cmd = *(uint32_t *)elem->out_sg[2].iov_base;
    struct session_op *sop;
    struct crypt_op cop;

    switch (cmd) {
    case CRYPT_NEW_SESSION:
        sop = elem->in_sg[1].iov_base;
        sop->key = elem->out_sg[3].iov_base;
        return ioctl(fd, CIOCGSESSION, sop) ? -errno : 0;
    case CRYPT_END_SESSION:
        return ioctl(fd, CIOCFSESSION, elem->out_sg[3].iov_base) ? -errno : 0;
    case CRYPT_DO:
        memcpy(&cop, elem->out_sg[3].iov_base, sizeof(cop));
        cop.src = elem->out_sg[4].iov_base;
        cop.iv = elem->out_sg[5].iov_base;
        cop.dst = elem->in_sg[1].iov_base;
        return ioctl(fd, CIOCCRYPT, &cop) ? -errno : 0;
    }
    return -EINVAL;
}

static void virtio_crypt_handle(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOCrypt *crypt = VIRTIO_CRYPT(vdev);
    VirtQueueElement elem;
    uint32_t type;
    int64_t ret = 0;

    while (virtqueue_pop(vq, &elem)) {
        type = *(uint32_t *)elem.out_sg[0].iov_base;
        if (crypt->chatty) {
            error_report("virtio-crypt: request %u", type);
        }
        switch (type) {
        case CRYPT_OPEN:
            ret = open("/dev/crypto", O_RDWR);
            break;
        case CRYPT_CLOSE:
            close(*(int32_t *)elem.out_sg[1].iov_base);
            break;
        case CRYPT_IOCTL:
            ret = call(&elem);
            break;
        }
        if (elem.in_num) {
            memcpy(elem.in_sg[0].iov_base, &ret, sizeof(ret));
        }
        virtqueue_push(vq, &elem, iov_size(elem.in_sg, elem.in_num));
    }
    virtio_notify(vdev, vq);
}

static uint32_t virtio_crypt_get_features(VirtIODevice *vdev, uint32_t f)
{
    return f;
}

static void virtio_crypt_save(QEMUFile *f, void *opaque)
{
    virtio_save(VIRTIO_DEVICE(opaque), f);
}

static int virtio_crypt_load(QEMUFile *f, void *opaque, int version_id)
{
    if (version_id != 1) {
        return -EINVAL;
    }
    return virtio_load(VIRTIO_DEVICE(opaque), f, version_id);
}

static void virtio_crypt_device_realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOCrypt *crypt = VIRTIO_CRYPT(dev);

    virtio_init(vdev, "virtio-crypt", VIRTIO_ID_CRYPT, 0);
    crypt->vq = virtio_add_queue(vdev, 64, virtio_crypt_handle);
    register_savevm(dev, "virtio-crypt", -1, 1, virtio_crypt_save,
                    virtio_crypt_load, crypt);
}

static void virtio_crypt_device_unrealize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);

    unregister_savevm(dev, "virtio-crypt", VIRTIO_CRYPT(dev));
    virtio_cleanup(vdev);
}

static Property virtio_crypt_properties[] = {
    DEFINE_PROP_UINT32("chatty", VirtIOCrypt, chatty, 0),
    DEFINE_PROP_END_OF_LIST(),
};

static void virtio_crypt_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_CLASS(klass);

    dc->props = virtio_crypt_properties;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    vdc->realize = virtio_crypt_device_realize;
    vdc->unrealize = virtio_crypt_device_unrealize;
    vdc->get_features = virtio_crypt_get_features;
}

static const TypeInfo virtio_crypt_info = {
    .name = TYPE_VIRTIO_CRYPT,
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(VirtIOCrypt),
    .class_init = virtio_crypt_class_init,
};

static void virtio_register_types(void)
{
    type_register_static(&virtio_crypt_info);
}

type_init(virtio_register_types)
