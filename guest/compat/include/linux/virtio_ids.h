/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The course's kernel had one more id in this file. It is no macro here, for
 * sources that ask for one and define their own where it is missing.
 */
#include_next <linux/virtio_ids.h>

#if !defined(COMPAT_VIRTIO_IDS_H) && !defined(VIRTIO_ID_CRYPTODEV)
#define COMPAT_VIRTIO_IDS_H

#ifndef HARNESS_VIRTIO_ID
#define HARNESS_VIRTIO_ID	30
#endif

enum { VIRTIO_ID_CRYPTODEV = HARNESS_VIRTIO_ID };

#endif
