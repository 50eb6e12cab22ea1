/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-crypt on PCI (QEMU 2.0)
 */

#include "virtio-pci.h"
#include "qemu/error-report.h"
#include "virtio-crypt.h"

#define TYPE_VIRTIO_CRYPT_PCI "virtio-crypt-pci"
#define VIRTIO_CRYPT_PCI(obj) \
    OBJECT_CHECK(VirtIOCryptPCI, (obj), TYPE_VIRTIO_CRYPT_PCI)

typedef struct VirtIOCryptPCI {
    VirtIOPCIProxy parent_obj;
    VirtIOCrypt vdev;
} VirtIOCryptPCI;

static Property virtio_crypt_pci_properties[] = {
    DEFINE_VIRTIO_COMMON_FEATURES(VirtIOPCIProxy, host_features),
    DEFINE_PROP_UINT32("vectors", VirtIOPCIProxy, nvectors, 2),
    DEFINE_PROP_UINT32("chatty", VirtIOCryptPCI, vdev.chatty, 0),
    DEFINE_PROP_END_OF_LIST(),
};

static int virtio_crypt_pci_init(VirtIOPCIProxy *vpci_dev)
{
    VirtIOCryptPCI *crypt = VIRTIO_CRYPT_PCI(vpci_dev);
    DeviceState *vdev = DEVICE(&crypt->vdev);

    qdev_set_parent_bus(vdev, BUS(&vpci_dev->bus));
    if (qdev_init(vdev) < 0) {
        return -1;
    }
    return 0;
}

static void virtio_crypt_pci_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VirtioPCIClass *k = VIRTIO_PCI_CLASS(klass);
    PCIDeviceClass *pcidev_k = PCI_DEVICE_CLASS(klass);

    k->init = virtio_crypt_pci_init;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    dc->props = virtio_crypt_pci_properties;
    pcidev_k->vendor_id = PCI_VENDOR_ID_REDHAT_QUMRANET;
    pcidev_k->device_id = 0x100a;
    pcidev_k->revision = VIRTIO_PCI_ABI_VERSION;
    pcidev_k->class_id = PCI_CLASS_OTHERS;
}

static void virtio_crypt_initfn(Object *obj)
{
    VirtIOCryptPCI *dev = VIRTIO_CRYPT_PCI(obj);

    object_initialize(&dev->vdev, sizeof(dev->vdev), TYPE_VIRTIO_CRYPT);
    object_property_add_child(obj, "virtio-backend", OBJECT(&dev->vdev), NULL);
}

static const TypeInfo virtio_crypt_pci_info = {
    .name = TYPE_VIRTIO_CRYPT_PCI,
    .parent = TYPE_VIRTIO_PCI,
    .instance_size = sizeof(VirtIOCryptPCI),
    .instance_init = virtio_crypt_initfn,
    .class_init = virtio_crypt_pci_class_init,
};

static void virtio_crypt_pci_register_types(void)
{
    type_register_static(&virtio_crypt_pci_info);
}

type_init(virtio_crypt_pci_register_types)
