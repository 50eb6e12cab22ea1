/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev on PCI
 *
 * The device id has no transitional PCI id: always modern, whatever the
 * disable-legacy and disable-modern properties say.
 */

#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio-pci.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "qemu/rcu.h"

#include "virtio-cryptodev.h"
#include "virtio-cryptodev-compat.h"

#ifdef CONFIG_KVM_IS_POSSIBLE
#include <linux/kvm.h>
#endif

#define TYPE_VIRTIO_CRYPTODEV_PCI "virtio-cryptodev-pci"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOCryptodevPCI, VIRTIO_CRYPTODEV_PCI)

struct VirtIOCryptodevPCI {
    VirtIOPCIProxy parent_obj;
    VirtIOCryptodev vdev;
};

/*
 * ioeventfd is off: a request is short, and the processor that kicked waits
 * for it.  Handing it to the main loop costs two switches between threads.
 */
static COMPAT_CONST Property virtio_cryptodev_pci_properties[] = {
    DEFINE_PROP_BIT("ioeventfd", VirtIOPCIProxy, flags,
                    VIRTIO_PCI_FLAG_USE_IOEVENTFD_BIT, false),
    DEFINE_PROP_UINT32("vectors", VirtIOPCIProxy, nvectors,
                       DEV_NVECTORS_UNSPECIFIED),
#ifdef DEFINE_PROP_END_OF_LIST
    DEFINE_PROP_END_OF_LIST(),
#endif
};

#ifdef CONFIG_KVM_IS_POSSIBLE
/* The registers that this thread's processor is accessing. */
static MemoryRegion *accessed(void)
{
    const struct kvm_run *run = current_cpu->kvm_run;
    hwaddr offset, len = 1;

    switch (run->exit_reason) {
    case KVM_EXIT_MMIO:
        return address_space_translate(&address_space_memory,
                                       run->mmio.phys_addr, &offset, &len, true,
                                       MEMTXATTRS_UNSPECIFIED);
    case KVM_EXIT_IO:
        return address_space_translate(&address_space_io, run->io.port,
                                       &offset, &len, true,
                                       MEMTXATTRS_UNSPECIFIED);
    default:
        return NULL;
    }
}
#endif

/*
 * A guest can have another device write to our registers, in the thread of the
 * processor that accesses that one.  It does not expect others to get the big
 * lock in the middle of its doing.  TCG does not tell the one from the other;
 * it does not protect the host from the guest either.
 */
static bool is_own_kick(VirtIOCryptodev *c)
{
#ifdef CONFIG_KVM_IS_POSSIBLE
    if (kvm_enabled()) {
        VirtIOPCIProxy *proxy =
            &container_of(c, VirtIOCryptodevPCI, vdev)->parent_obj;
        MemoryRegion *mr;

        RCU_READ_LOCK_GUARD();
        mr = accessed();
        return mr && (mr == &proxy->notify.mr || mr == &proxy->notify_pio.mr);
    }
#endif
    return tcg_enabled();
}

static void virtio_cryptodev_pci_realize(VirtIOPCIProxy *vpci_dev, Error **errp)
{
    VirtIOCryptodevPCI *dev = VIRTIO_CRYPTODEV_PCI(vpci_dev);

    /* One for each queue, one for the configuration. */
    if (vpci_dev->nvectors == DEV_NVECTORS_UNSPECIFIED) {
        vpci_dev->nvectors = virtio_cryptodev_queues(&dev->vdev.conf) + 1;
    }
    virtio_pci_force_virtio_1(vpci_dev);
    if (!qdev_realize(DEVICE(&dev->vdev), BUS(&vpci_dev->bus), errp)) {
        return;
    }
    /*
     * A processor lets go of the big lock while it works on what it kicked for:
     * others must be able to kick meanwhile.  The device itself sees to it that
     * no kick comes from its own doing.
     */
    COMPAT_PASS_GUARD(&vpci_dev->notify.mr);
    COMPAT_PASS_GUARD(&vpci_dev->notify_pio.mr);
    dev->vdev.is_own_kick = is_own_kick;
}

static void virtio_cryptodev_pci_class_init(ObjectClass *klass,
                                            COMPAT_CLASS_DATA *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    VIRTIO_PCI_CLASS(klass)->realize = virtio_cryptodev_pci_realize;
    PCI_DEVICE_CLASS(klass)->class_id = PCI_CLASS_OTHERS;
    dc->desc = "/dev/crypto for the guest, over virtio";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, virtio_cryptodev_pci_properties);
}

static void virtio_cryptodev_pci_init(Object *obj)
{
    VirtIOCryptodevPCI *dev = VIRTIO_CRYPTODEV_PCI(obj);

    virtio_instance_init_common(obj, &dev->vdev, sizeof(dev->vdev),
                                TYPE_VIRTIO_CRYPTODEV);
}

static const VirtioPCIDeviceTypeInfo virtio_cryptodev_pci_info = {
    .generic_name = TYPE_VIRTIO_CRYPTODEV_PCI,
    .instance_size = sizeof(VirtIOCryptodevPCI),
    .instance_init = virtio_cryptodev_pci_init,
    .class_init = virtio_cryptodev_pci_class_init,
};

static void virtio_cryptodev_pci_register(void)
{
    virtio_pci_types_register(&virtio_cryptodev_pci_info);
}

type_init(virtio_cryptodev_pci_register)
