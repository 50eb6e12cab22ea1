/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-crypt: a crypto accelerator for virtual machines
 */
#ifndef _QEMU_VIRTIO_CRYPT_H
#define _QEMU_VIRTIO_CRYPT_H

#include "hw/virtio/virtio.h"

#ifndef VIRTIO_ID_CRYPT
#define VIRTIO_ID_CRYPT 13
#endif

#define TYPE_VIRTIO_CRYPT "virtio-crypt"
#define VIRTIO_CRYPT(obj) OBJECT_CHECK(VirtIOCrypt, (obj), TYPE_VIRTIO_CRYPT)

/* what a request begins with */
enum { CRYPT_OPEN, CRYPT_CLOSE, CRYPT_IOCTL };

/* and which ioctl it is: numbers of our own, they fit in one byte */
enum { CRYPT_NEW_SESSION = 1, CRYPT_END_SESSION, CRYPT_DO };

typedef struct VirtIOCrypt {
    VirtIODevice parent_obj;
    VirtQueue *vq;
    uint32_t chatty;
} VirtIOCrypt;

#endif
