/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: gives the guest the calls of /dev/crypto over virtqueues
 *
 * Here is the life of the device.  How requests go through the rings is in
 * virtio-cryptodev-queue.c, what one says in virtio-cryptodev-request.c and
 * virtio-cryptodev-calls.c, who does the work in virtio-cryptodev-backend.c and
 * virtio-cryptodev-host.c, what is saved and restored in
 * virtio-cryptodev-migration.c.
 */

#include "qemu/osdep.h"
#include "hw/boards.h"
#include "hw/qdev-properties.h"
#include "qapi/error.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
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
#define MAX_QUEUES 64
#define CONFIG_BYTES 8

static void virtio_cryptodev_bh(void *opaque)
{
    virtio_cryptodev_run_all(opaque);
}

static void virtio_cryptodev_handle_output(VirtIODevice *vdev, VirtQueue *vq)
{
    virtio_cryptodev_run(VIRTIO_CRYPTODEV(vdev), vq, true);
}

/* The device */

static uint64_t virtio_cryptodev_get_features(VirtIODevice *vdev,
                                              uint64_t features, Error **errp)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(vdev);

    if (c->conf.calls) {
        virtio_add_feature(&features, VIRTIO_CRYPTODEV_F_CALLS);
    }
    if (c->num_queues > 1) {
        virtio_add_feature(&features, VIRTIO_CRYPTODEV_F_MQ);
    }
    return features;
}

/* Read-only: u32 num_queues, u32 max_len. */
static void virtio_cryptodev_get_config(VirtIODevice *vdev, uint8_t *config)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(vdev);

    stl_le_p(config, c->num_queues);
    stl_le_p(config + 4, c->conf.max_request);
}

static COMPAT_SET_STATUS virtio_cryptodev_set_status(VirtIODevice *vdev,
                                                     uint8_t status)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(vdev);

    /*
     * Some versions of QEMU (10.0.13 is one) give each queue the largest size
     * there is.  A driver's first word comes after reset and before it asks.
     * A machine that goes on says again what the status is: no first word.  A
     * ring that is there already keeps its size: the core has mapped it so.
     */
    if (vdev->status == 0 && status != 0 &&
        !virtio_queue_get_desc_addr(vdev, 0)) {
        virtio_queue_set_num(vdev, 0, c->conf.queue_size);
    }
    /* The end, or a pause: what is at work is answered before. */
    if (!(status & VIRTIO_CONFIG_S_DRIVER_OK) || !vdev->vm_running) {
        virtio_cryptodev_drain(c);
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

/*
 * Nothing that was taken from a ring is answered in the next one, and the core
 * forgets how much that is.  Requests of other queues wait meanwhile.
 */
static void virtio_cryptodev_queue_reset(VirtIODevice *vdev, uint32_t index)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(vdev);

    virtio_cryptodev_drain(c);
    qemu_bh_schedule(c->bh);
}

static void virtio_cryptodev_reset(VirtIODevice *vdev)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(vdev);

    qemu_bh_cancel(c->bh);
    c->began = false;
    virtio_cryptodev_drain(c);
    virtio_cryptodev_close_all(c);
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
        !check_range("queues", conf->queues, 0, MAX_QUEUES, errp) ||
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

unsigned int virtio_cryptodev_queues(const VirtIOCryptodevConf *conf)
{
    /* One for drivers that know no other, and one for each processor. */
    return conf->queues ? conf->queues :
        MIN(1 + current_machine->smp.cpus, MAX_QUEUES);
}

static void virtio_cryptodev_realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(dev);
    unsigned int i;

    if (!check_conf(&c->conf, errp)) {
        return;
    }
    c->backend = virtio_cryptodev_backend(c->conf.backend, errp);
    if (!c->backend || !c->backend->check(&c->conf, errp)) {
        return;
    }

    /* QEMU aborts over an id that it has no name for; any may be asked for. */
    c->num_queues = virtio_cryptodev_queues(&c->conf);
    virtio_init(vdev, VIRTIO_ID_VIDEO_ENCODER,
                c->conf.calls || c->num_queues > 1 ? CONFIG_BYTES : 0);
    vdev->device_id = c->conf.virtio_id;
    vdev->name = "virtio-cryptodev";

    c->files = g_new0(VirtIOCryptodevFile *, c->conf.max_open_files);
    c->open_files = bitmap_new(c->conf.max_open_files);
    /* The transport's device: its registers are what must not be ours. */
    c->guard = &qdev_get_parent_bus(dev)->parent->mem_reentrancy_guard;
    qemu_cond_init(&c->idle);
    for (i = 0; i < c->num_queues; i++) {
        virtio_add_queue(vdev, i ? VIRTQUEUE_MAX_SIZE : c->conf.queue_size,
                         virtio_cryptodev_handle_output);
    }
    c->bh = virtio_bh_new_guarded(dev, virtio_cryptodev_bh, c);
}

static void virtio_cryptodev_unrealize(DeviceState *dev)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(dev);
    unsigned int i;

    virtio_cryptodev_drain_last(c);
    qemu_bh_delete(c->bh);
    virtio_cryptodev_close_all(c);
    g_free(c->files);
    g_free(c->open_files);
    for (i = 0; i < c->num_queues; i++) {
        virtio_del_queue(VIRTIO_DEVICE(dev), i);
    }
    qemu_cond_destroy(&c->idle);
    virtio_cleanup(VIRTIO_DEVICE(dev));
}

/*
 * virtio-id: the id that every implementation of this device has used.  The
 * standard has since given it to the video encoder.
 */
static COMPAT_CONST Property virtio_cryptodev_properties[] = {
    DEFINE_PROP_UINT16("virtio-id", VirtIOCryptodev, conf.virtio_id, 30),
    DEFINE_PROP_UINT16("queue-size", VirtIOCryptodev, conf.queue_size, 128),
    DEFINE_PROP_UINT16("queues", VirtIOCryptodev, conf.queues, 0),
    DEFINE_PROP_BOOL("calls", VirtIOCryptodev, conf.calls, true),
    DEFINE_PROP_STRING("backend", VirtIOCryptodev, conf.backend),
    DEFINE_PROP_STRING("path", VirtIOCryptodev, conf.path),
    DEFINE_PROP_UINT32("max-open-files", VirtIOCryptodev, conf.max_open_files,
                       128),
    DEFINE_PROP_UINT32("max-sessions", VirtIOCryptodev, conf.max_sessions,
                       1024),
    DEFINE_PROP_UINT32("max-request", VirtIOCryptodev, conf.max_request, MiB),
    DEFINE_PROP_UINT32("inline-max", VirtIOCryptodev, conf.inline_max,
                       128 * KiB),
    DEFINE_PROP_UINT32("hold-max", VirtIOCryptodev, conf.hold_max, MiB),
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
    vdc->get_config = virtio_cryptodev_get_config;
    vdc->get_features = virtio_cryptodev_get_features;
    vdc->set_status = virtio_cryptodev_set_status;
    vdc->reset = virtio_cryptodev_reset;
    vdc->queue_reset = virtio_cryptodev_queue_reset;
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
