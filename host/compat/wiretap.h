/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes over the virtqueues of a device, as JSON lines
 *
 * Sources that include this, or have it put before them, tell each chain that
 * they take and give back.  The lines go to the file that the environment
 * variable HARNESS_WIRETAP names; without it nothing is told.
 */
#ifndef HARNESS_WIRETAP_H
#define HARNESS_WIRETAP_H

#include "qemu/osdep.h"
#include "hw/virtio/virtio.h"

void *wiretap_pop(VirtQueue *vq, size_t size);
void wiretap_push(VirtQueue *vq, const VirtQueueElement *elem,
                  unsigned int len);
void wiretap_fill(VirtQueue *vq, const VirtQueueElement *elem,
                  unsigned int len, unsigned int idx);

/*
 * The same for QEMU up to 2.5, where the element is the caller's own.  Returns
 * how many descriptors there are, 0: there is no chain.
 */
int wiretap_pop_into(VirtQueue *vq, VirtQueueElement *elem);

#ifndef HARNESS_WIRETAP_INSIDE
#define virtqueue_pop(vq, what) \
    _Generic((what), VirtQueueElement *: wiretap_pop_into, \
                     void *: wiretap_pop_into, \
                     default: wiretap_pop)(vq, what)
#define virtqueue_push wiretap_push
#define virtqueue_fill wiretap_fill
#endif

#endif
