/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device on PCI, for sources that have theirs in a changed copy of
 * QEMU's hw/virtio/virtio-pci.c
 *
 * Always modern: the device ids have no transitional PCI id.
 */

#include "qemu/osdep.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio-pci.h"
#include "qapi/error.h"
#include "qemu/module.h"

#include "names.h"

#define TYPE_HARNESS_DEVICE_PCI HARNESS_PCI_TYPE
OBJECT_DECLARE_SIMPLE_TYPE(HarnessDevicePCI, HARNESS_DEVICE_PCI)

struct HarnessDevicePCI {
    VirtIOPCIProxy parent_obj;
    DeviceState *vdev;          /* a child; its size is known to its type */
};

static
#ifndef DEFINE_PROP_END_OF_LIST
const
#endif
Property properties[] = {
    DEFINE_PROP_BIT("ioeventfd", VirtIOPCIProxy, flags,
                    VIRTIO_PCI_FLAG_USE_IOEVENTFD_BIT, false),
    DEFINE_PROP_UINT32("vectors", VirtIOPCIProxy, nvectors, 2),
#ifdef DEFINE_PROP_END_OF_LIST
    DEFINE_PROP_END_OF_LIST(),
#endif
};

static void glue_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    HarnessDevicePCI *glue = HARNESS_DEVICE_PCI(proxy);

    virtio_pci_force_virtio_1(proxy);
    qdev_realize(glue->vdev, BUS(&proxy->bus), errp);
}

static void glue_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    VIRTIO_PCI_CLASS(klass)->realize = glue_realize;
    PCI_DEVICE_CLASS(klass)->class_id = PCI_CLASS_OTHERS;
    dc->desc = "holds a " HARNESS_DEVICE_TYPE;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, properties);
}

static void glue_init(Object *obj)
{
    HarnessDevicePCI *glue = HARNESS_DEVICE_PCI(obj);
    Object *vdev = object_new(HARNESS_DEVICE_TYPE);

    glue->vdev = DEVICE(vdev);
    object_property_add_child(obj, "virtio-backend", vdev);
    object_unref(vdev);
    qdev_alias_all_properties(glue->vdev, obj);
}

static const VirtioPCIDeviceTypeInfo glue_info = {
    .generic_name = HARNESS_PCI_TYPE,
    .instance_size = sizeof(HarnessDevicePCI),
    .instance_init = glue_init,
    .class_init = (void *)glue_class_init,
};

static void glue_register(void)
{
    virtio_pci_types_register(&glue_info);
}

type_init(glue_register)
