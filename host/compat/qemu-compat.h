/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Put before sources that were written for QEMU 2.0 to 3.0: they compile as
 * they are into QEMU 10
 *
 * All that is given another meaning here was declared before, by QEMU's own
 * headers: those are not changed.
 *
 * What cannot be seen at a call is seen to in qemu-compat.c, when a class has
 * been initialised: hooks that had other arguments, lists of properties that
 * end with an empty one.
 */
#ifndef HARNESS_QEMU_COMPAT_H
#define HARNESS_QEMU_COMPAT_H

#include "qemu/osdep.h"

/* What "hw/hw.h", "hw/qdev.h" and "qemu-common.h" once brought along. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "exec/cpu-common.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_device.h"
#include "hw/qdev-core.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/virtio/virtio.h"
#include "hw/virtio/virtio-access.h"
#include "hw/virtio/virtio-bus.h"
#include "hw/virtio/virtio-pci.h"
#include "migration/qemu-file-types.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/iov.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "qom/object.h"
#include "standard-headers/linux/virtio_ids.h"

#include "qemu-compat-calls.h"
#include "wiretap.h"

/* Each fork of QEMU's tree had these in its own copies of QEMU's headers. */
#ifndef VIRTIO_ID_CRYPTODEV
#define VIRTIO_ID_CRYPTODEV HARNESS_VIRTIO_ID
#endif
#ifndef PCI_DEVICE_ID_VIRTIO_CRYPTODEV
#define PCI_DEVICE_ID_VIRTIO_CRYPTODEV \
    (PCI_DEVICE_ID_VIRTIO_10_BASE + HARNESS_VIRTIO_ID)
#endif

/* Types.  Every class is initialised under our eyes. */
#define type_register_static compat_type_register
#define type_register compat_type_register
#define type_register_static_array compat_type_register_array
#undef DEFINE_TYPES
#define DEFINE_TYPES(infos) \
    static void do_qemu_init_ ## infos(void) \
    { \
        compat_type_register_array(infos, ARRAY_SIZE(infos)); \
    } \
    type_init(do_qemu_init_ ## infos)

/* A class of QEMU 2.0 to 2.1 has init, later ones have realize. */
#define VirtioPCIClass CompatVirtioPCIClass
#define VIRTIO_PCI_CLASS(klass) compat_virtio_pci_class(OBJECT_CLASS(klass))

/* Properties: up to 9.2 an empty one ends their list */
#ifndef DEFINE_PROP_END_OF_LIST
#define DEFINE_PROP_END_OF_LIST() {}
#endif
/* In these places a list has something that is no property any more. */
#define COMPAT_NO_PROP { .name = "" }
#undef DEFINE_VIRTIO_COMMON_FEATURES
#define DEFINE_VIRTIO_COMMON_FEATURES(state, field) COMPAT_NO_PROP

#undef device_class_set_props
#define device_class_set_props(dc, array) \
    compat_set_props(dc, array, ARRAY_SIZE(array))
/* dc->props = array; */
#define props props_

/* With a name, up to 6.2. */
#define COMPAT_VIRTIO_INIT_3(vdev, id, size) \
    compat_virtio_init(vdev, NULL, id, size)
#define COMPAT_VIRTIO_INIT_4(vdev, name, id, size) \
    compat_virtio_init(vdev, name, id, size)
#define COMPAT_FIFTH_OF(a, b, c, d, e, ...) e
#define virtio_init(...) \
    COMPAT_FIFTH_OF(__VA_ARGS__, COMPAT_VIRTIO_INIT_4, COMPAT_VIRTIO_INIT_3, \
                    0, 0)(__VA_ARGS__)

/* The value before the name, up to 5.0.  */
#define COMPAT_SET(new, old, obj, one, other, errp) \
    _Generic((one), char *: new, const char *: new, \
                    default: old)(obj, one, other, errp)
#define object_property_set_bool(obj, one, other, errp) \
    COMPAT_SET(object_property_set_bool, compat_set_bool, obj, one, other, errp)
#define object_property_set_int(obj, one, other, errp) \
    COMPAT_SET(object_property_set_int, compat_set_int, obj, one, other, errp)
#define object_property_set_uint(obj, one, other, errp) \
    COMPAT_SET(object_property_set_uint, compat_set_uint, obj, one, other, errp)
#define object_property_set_link(obj, one, other, errp) \
    COMPAT_SET(object_property_set_link, compat_set_link, obj, one, other, errp)
#define object_property_set_str compat_set_str

/* What could not fail could, or the other way round. */
#define COMPAT_SET_BUS(dev, bus, errp, ...) qdev_set_parent_bus(dev, bus, errp)
#define qdev_set_parent_bus(dev, ...) \
    COMPAT_SET_BUS(dev, __VA_ARGS__, &error_abort, 0)
#define object_property_add_child(obj, name, child, ...) \
    object_property_add_child(obj, name, child)
#define object_property_add_alias(obj, name, target, target_name, ...) \
    object_property_add_alias(obj, name, target, target_name)
#define qdev_init compat_qdev_init
#define qdev_init_nofail(dev) ((void)compat_qdev_init(dev))

/* How a device was saved: what QEMU 10 saves is seen to in qemu-compat.c. */
#define register_savevm(dev, name, instance, version, save, load, opaque) \
    ((void)(save), (void)(load), (void)(opaque), compat_done())
#define unregister_savevm(dev, name, opaque) ((void)(opaque))
#define minimum_version_id_old minimum_version_id

/* Other names */
#define qemu_mutex_lock_iothread bql_lock
#define qemu_mutex_unlock_iothread bql_unlock
#define qemu_mutex_iothread_locked bql_locked
#define atomic_read(ptr) qatomic_read(ptr)
#define atomic_set(ptr, value) qatomic_set(ptr, value)
#define atomic_mb_read(ptr) qatomic_load_acquire(ptr)
#define atomic_mb_set(ptr, value) qatomic_store_release(ptr, value)
#define atomic_inc(ptr) qatomic_inc(ptr)
#define atomic_dec(ptr) qatomic_dec(ptr)

#endif
