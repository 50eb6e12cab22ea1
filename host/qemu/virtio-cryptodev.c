/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: gives the guest the calls of /dev/crypto over one virtqueue
 *
 * Here are the queue and the life of the device; what a request says is in
 * virtio-cryptodev-request.c, who does the work in virtio-cryptodev-backend.c,
 * and what is saved and restored in virtio-cryptodev-migration.c.
 */

#include "qemu/osdep.h"
#include "hw/qdev-properties.h"
#include "qapi/error.h"
#include "qemu/bitmap.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "standard-headers/linux/virtio_ids.h"

#include "virtio-cryptodev.h"
#include "virtio-cryptodev-compat.h"

#define MIN_QUEUE 8             /* descriptors of a CIOCCRYPT */
#define MAX_VIRTIO_ID 0x3f      /* PCI device ids 0x1040 to 0x107f */
#define MAX_OPEN_FILES 65536
#define MAX_SESSIONS 1048576
#define MAX_REQUEST GiB
#define BATCH_BYTES (4 * MiB)   /* data worked on before others get a turn */

/*
 * A driver may say another size at any moment.  The core keeps its places in a
 * packed ring meanwhile, and aborts over one that is no more.
 */
static bool virtio_cryptodev_lost_its_place(VirtIODevice *vdev)
{
    const unsigned int num = virtio_queue_get_num(vdev, 0);
    unsigned int places;

    if (!virtio_vdev_has_feature(vdev, VIRTIO_F_RING_PACKED)) {
        return false;
    }
    /* Each in 15 bits, above them its wrap counter: available, then used. */
    places = virtio_queue_get_last_avail_idx(vdev, 0);
    return (places & 0x7fff) >= num || ((places >> 16) & 0x7fff) >= num;
}

/* Takes one chain from the queue and gives it back; false: there was none. */
static bool virtio_cryptodev_step(VirtIOCryptodev *c, size_t *bytes)
{
    VirtQueueElement *elem = virtqueue_pop(c->vq, sizeof(*elem));

    if (!elem) {
        return false;
    }
    virtqueue_push(c->vq, elem, virtio_cryptodev_request(c, elem, bytes));
    g_free(elem);
    return true;
}

/*
 * Everything that the queue holds, but no more than it can hold at once: a
 * guest that keeps adding gets its next turn after the rest of the machine.
 */
static void virtio_cryptodev_run(VirtIOCryptodev *c)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(c);
    const unsigned int most = virtio_queue_get_num(vdev, 0);
    unsigned int done = 0;
    size_t bytes = 0;
    bool more;

    /* Inside already: a buffer of the guest lay over our own registers. */
    if (c->running || vdev->broken || !vdev->vm_running ||
        !(vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
        return;
    }
    if (virtio_cryptodev_lost_its_place(vdev)) {
        virtio_error(vdev, "virtio-cryptodev: a packed ring shrank in use");
        return;
    }
    c->running = true;
    do {
        virtio_queue_set_notification(c->vq, 0);
        while (done < most && bytes < BATCH_BYTES &&
               virtio_cryptodev_step(c, &bytes)) {
            done++;
        }
        virtio_queue_set_notification(c->vq, 1);
        more = !virtio_queue_empty(c->vq);
    } while (more && done < most && bytes < BATCH_BYTES);
    if (done) {
        virtio_notify(vdev, c->vq);
    }
    c->running = false;
    if (more) {
        qemu_bh_schedule(c->bh);
    }
}

static void virtio_cryptodev_bh(void *opaque)
{
    virtio_cryptodev_run(opaque);
}

static void virtio_cryptodev_handle_output(VirtIODevice *vdev, VirtQueue *vq)
{
    virtio_cryptodev_run(VIRTIO_CRYPTODEV(vdev));
}

/* The device */

static uint64_t virtio_cryptodev_get_features(VirtIODevice *vdev,
                                              uint64_t features, Error **errp)
{
    return features;
}

static COMPAT_SET_STATUS virtio_cryptodev_set_status(VirtIODevice *vdev,
                                                     uint8_t status)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(vdev);

    /*
     * Some versions of QEMU (10.0.13 is one) give each queue the largest size
     * there is.  A driver's first word comes after reset and before it asks.
     * A machine that goes on says again what the status is: no first word.
     */
    if (vdev->status == 0 && status != 0) {
        virtio_queue_set_num(vdev, 0, c->conf.queue_size);
    }
    /*
     * Requests from before DRIVER_OK, or from while the machine stood still:
     * those too that it was saved with, by this process or another.
     */
    if ((status & VIRTIO_CONFIG_S_DRIVER_OK) && vdev->vm_running) {
        qemu_bh_schedule(c->bh);
    }
    return COMPAT_SET_STATUS_DONE;
}

void virtio_cryptodev_close_all(VirtIOCryptodev *c)
{
    uint32_t i;

    for (i = 0; i < c->conf.max_open_files; i++) {
        if (test_and_clear_bit(i, c->open_files)) {
            c->backend->close(&c->files[i]);
        }
    }
}

void virtio_cryptodev_drop_bounce(VirtIOCryptodev *c)
{
    if (c->bounce) {
        explicit_bzero(c->bounce, c->bounce_size);
    }
    g_free(c->bounce);
    c->bounce = NULL;
    c->bounce_size = 0;
}

static void virtio_cryptodev_reset(VirtIODevice *vdev)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(vdev);

    qemu_bh_cancel(c->bh);
    virtio_cryptodev_close_all(c);
    virtio_cryptodev_drop_bounce(c);
}

static bool check_range(const char *name, uint32_t value, uint32_t least,
                        uint32_t most, Error **errp)
{
    if (value < least || value > most) {
        error_setg(errp, "'%s' must be between %" PRIu32 " and %" PRIu32
                   ", not %" PRIu32, name, least, most, value);
        return false;
    }
    return true;
}

static bool check_conf(const VirtIOCryptodevConf *conf, Error **errp)
{
    if (!check_range("virtio-id", conf->virtio_id, 1, MAX_VIRTIO_ID, errp) ||
        !check_range("queue-size", conf->queue_size, MIN_QUEUE,
                     VIRTQUEUE_MAX_SIZE, errp) ||
        !check_range("max-open-files", conf->max_open_files, 1, MAX_OPEN_FILES,
                     errp) ||
        !check_range("max-sessions", conf->max_sessions, 1, MAX_SESSIONS,
                     errp) ||
        !check_range("max-request", conf->max_request, DEVCRYPTO_AES_BLOCK,
                     MAX_REQUEST, errp)) {
        return false;
    }
    if (!is_power_of_2(conf->queue_size)) {
        error_setg(errp, "'queue-size' must be a power of 2, not %" PRIu16,
                   conf->queue_size);
        return false;
    }
    return true;
}

static void virtio_cryptodev_realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(dev);

    if (!check_conf(&c->conf, errp)) {
        return;
    }
    c->backend = virtio_cryptodev_backend(c->conf.backend, errp);
    if (!c->backend || !c->backend->check(&c->conf, errp)) {
        return;
    }

    /* QEMU aborts over an id that it has no name for; any may be asked for. */
    virtio_init(vdev, VIRTIO_ID_VIDEO_ENCODER, 0);
    vdev->device_id = c->conf.virtio_id;
    vdev->name = "virtio-cryptodev";

    c->files = g_new0(VirtIOCryptodevFile, c->conf.max_open_files);
    c->open_files = bitmap_new(c->conf.max_open_files);
    c->vq = virtio_add_queue(vdev, c->conf.queue_size,
                             virtio_cryptodev_handle_output);
    c->bh = virtio_bh_new_guarded(dev, virtio_cryptodev_bh, c);
}

static void virtio_cryptodev_unrealize(DeviceState *dev)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(dev);

    qemu_bh_delete(c->bh);
    virtio_cryptodev_close_all(c);
    virtio_cryptodev_drop_bounce(c);
    g_free(c->files);
    g_free(c->open_files);
    virtio_delete_queue(c->vq);
    virtio_cleanup(VIRTIO_DEVICE(dev));
}

/*
 * virtio-id: the id that every implementation of this device has used.  The
 * standard has since given it to the video encoder.
 */
static COMPAT_CONST Property virtio_cryptodev_properties[] = {
    DEFINE_PROP_UINT16("virtio-id", VirtIOCryptodev, conf.virtio_id, 30),
    DEFINE_PROP_UINT16("queue-size", VirtIOCryptodev, conf.queue_size, 128),
    DEFINE_PROP_STRING("backend", VirtIOCryptodev, conf.backend),
    DEFINE_PROP_STRING("path", VirtIOCryptodev, conf.path),
    DEFINE_PROP_UINT32("max-open-files", VirtIOCryptodev, conf.max_open_files,
                       128),
    DEFINE_PROP_UINT32("max-sessions", VirtIOCryptodev, conf.max_sessions,
                       1024),
    DEFINE_PROP_UINT32("max-request", VirtIOCryptodev, conf.max_request, MiB),
#ifdef DEFINE_PROP_END_OF_LIST
    DEFINE_PROP_END_OF_LIST(),
#endif
};

static void virtio_cryptodev_class_init(ObjectClass *klass,
                                        COMPAT_CLASS_DATA *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_CLASS(klass);

    dc->desc = "/dev/crypto for the guest, over virtio";
    dc->vmsd = &vmstate_virtio_cryptodev;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, virtio_cryptodev_properties);
    vdc->realize = virtio_cryptodev_realize;
    vdc->unrealize = virtio_cryptodev_unrealize;
    vdc->get_features = virtio_cryptodev_get_features;
    vdc->set_status = virtio_cryptodev_set_status;
    vdc->reset = virtio_cryptodev_reset;
    vdc->vmsd = &vmstate_virtio_cryptodev_device;
}

static const TypeInfo virtio_cryptodev_info = {
    .name = TYPE_VIRTIO_CRYPTODEV,
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(VirtIOCryptodev),
    .class_init = virtio_cryptodev_class_init,
};

static void virtio_cryptodev_register(void)
{
    type_register_static(&virtio_cryptodev_info);
}

type_init(virtio_cryptodev_register)
