/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sources for QEMU 2.0 to 3.0 call, and what sees to their classes
 *
 * A class's old initialisation runs as it is.  What it stored is held against
 * what was there before: hooks that are new and had other arguments go into a
 * table, and functions of ours with today's arguments take their places.
 */

#include "qemu/osdep.h"

#include "hw/pci/pci.h"
#include "hw/qdev-core.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio.h"
#include "hw/virtio/virtio-bus.h"
#include "hw/virtio/virtio-pci.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qom/object.h"
#include "standard-headers/linux/virtio_ids.h"

#include "qemu-compat-calls.h"

#define LOW_BITS 0xffffffffULL

/* 10.1: set_status can fail */
#define SET_STATUS_RETURNS \
    (QEMU_VERSION_MAJOR > 10 || \
     (QEMU_VERSION_MAJOR == 10 && QEMU_VERSION_MINOR >= 1))

/* What a class of theirs has; NULL: it has none of its own. */
typedef struct Hooks {
    void (*unrealize)(DeviceState *dev, Error **errp);
    void (*device_unrealize)(DeviceState *dev, Error **errp);
    uint64_t (*get_features)(VirtIODevice *vdev, uint64_t features,
                             Error **errp);
    uint64_t (*bad_features)(VirtIODevice *vdev);
    void (*set_status)(VirtIODevice *vdev, uint8_t status);
    CompatVirtioPCIClass pci;
} Hooks;

/* One registered type. */
typedef struct Registered {
    void (*class_init)(ObjectClass *klass, void *data);
    void *data;
} Registered;

static GHashTable *table;       /* ObjectClass -> Hooks; with the big lock */

static Hooks *hooks_of(ObjectClass *klass)
{
    Hooks *hooks;

    if (!table) {
        table = g_hash_table_new(NULL, NULL);
    }
    hooks = g_hash_table_lookup(table, klass);
    if (!hooks) {
        hooks = g_new0(Hooks, 1);
        g_hash_table_insert(table, klass, hooks);
    }
    return hooks;
}

/* The nearest class of an object that has a hook, by the hook's offset. */
static Hooks *find(void *obj, size_t offset)
{
    ObjectClass *klass = object_get_class(OBJECT(obj));

    for (; klass; klass = object_class_get_parent(klass)) {
        Hooks *hooks = g_hash_table_lookup(table, klass);

        if (hooks && *(void **)((char *)hooks + offset)) {
            return hooks;
        }
    }
    g_assert_not_reached();
}

#define FIND(obj, hook) (find(obj, offsetof(Hooks, hook))->hook)

/* Ending a device cannot fail any more. */
static void end(void (*hook)(DeviceState *dev, Error **errp), DeviceState *dev)
{
    Error *err = NULL;

    hook(dev, &err);
    if (err) {
        error_report_err(err);
    }
}

static void unrealize(DeviceState *dev)
{
    end(FIND(dev, unrealize), dev);
}

static void device_unrealize(DeviceState *dev)
{
    end(FIND(dev, device_unrealize), dev);
}

/*
 * Up to 2.3 features were 32 bits, and what is above them in the answer is
 * anything.  Those bits are the transport's: virtio 1 is one of them.
 */
static uint64_t get_features(VirtIODevice *vdev, uint64_t features,
                             Error **errp)
{
    uint64_t theirs = FIND(vdev, get_features)(vdev, features, errp);

    return (theirs & LOW_BITS) | (features & ~LOW_BITS);
}

static uint64_t all_features(VirtIODevice *vdev, uint64_t features,
                             Error **errp)
{
    return features;
}

static uint64_t bad_features(VirtIODevice *vdev)
{
    return FIND(vdev, bad_features)(vdev) & LOW_BITS;
}

#if SET_STATUS_RETURNS
static int set_status(VirtIODevice *vdev, uint8_t status)
{
    FIND(vdev, set_status)(vdev, status);
    return 0;
}
#endif

/* Old devices have no legacy id that today's QEMU knows of. */
static void pci_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    virtio_pci_force_virtio_1(proxy);
    FIND(proxy, pci.realize)(proxy, errp);
}

static void pci_init(VirtIOPCIProxy *proxy, Error **errp)
{
    virtio_pci_force_virtio_1(proxy);
    if (FIND(proxy, pci.init)(proxy) < 0) {
        error_setg(errp, "%s: its init failed",
                   object_get_typename(OBJECT(proxy)));
    }
}

/* The rings at least are saved and restored with the machine. */
static void supply_vmstate(DeviceClass *dc, const char *name)
{
    static const VMStateField fields[] = {
        VMSTATE_VIRTIO_DEVICE,
        VMSTATE_END_OF_LIST()
    };
    VMStateDescription *description = g_new0(VMStateDescription, 1);

    description->name = name;
    description->version_id = 1;
    description->minimum_version_id = 1;
    description->fields = fields;
    dc->vmsd = description;
}

static void class_init(ObjectClass *klass, void *data)
{
    const Registered *type = data;
    DeviceClass *dc = (DeviceClass *)
        object_class_dynamic_cast(klass, TYPE_DEVICE);
    VirtioDeviceClass *vdc = (VirtioDeviceClass *)
        object_class_dynamic_cast(klass, TYPE_VIRTIO_DEVICE);
    VirtioPCIClass *pci = (VirtioPCIClass *)
        object_class_dynamic_cast(klass, TYPE_VIRTIO_PCI);
    const DeviceClass dc_before = dc ? *dc : (DeviceClass) {};
    const VirtioDeviceClass vdc_before = vdc ? *vdc : (VirtioDeviceClass) {};
    Hooks *hooks = hooks_of(klass);

    if (type->class_init) {
        type->class_init(klass, type->data);
    }
    if (dc && dc->props_ != dc_before.props_ && !dc->props_count_) {
        const Property *list = dc->props_;

        dc->props_ = NULL;
        compat_set_props(dc, list, SIZE_MAX);
    }
    if (dc && dc->unrealize != dc_before.unrealize) {
        hooks->device_unrealize = (void *)dc->unrealize;
        dc->unrealize = device_unrealize;
    }
    if (vdc && vdc->unrealize != vdc_before.unrealize) {
        hooks->unrealize = (void *)vdc->unrealize;
        vdc->unrealize = unrealize;
    }
    if (vdc && !vdc->get_features) {
        vdc->get_features = all_features;
    } else if (vdc && vdc->get_features != vdc_before.get_features) {
        hooks->get_features = vdc->get_features;
        vdc->get_features = get_features;
    }
    if (vdc && vdc->bad_features != vdc_before.bad_features) {
        hooks->bad_features = vdc->bad_features;
        vdc->bad_features = bad_features;
    }
#if SET_STATUS_RETURNS
    if (vdc && vdc->set_status != vdc_before.set_status) {
        hooks->set_status = (void *)vdc->set_status;
        vdc->set_status = set_status;
    }
#endif
    if (vdc && !dc->vmsd) {
        supply_vmstate(dc, object_class_get_name(klass));
    }
    if (pci && hooks->pci.realize) {
        pci->realize = pci_realize;
    } else if (pci && hooks->pci.init) {
        pci->realize = pci_init;
    }
}

Type compat_type_register(const TypeInfo *info)
{
    /* It was the base type that was fit for both kinds of PCI, up to 2.11. */
    static InterfaceInfo interfaces[] = {
        { INTERFACE_PCIE_DEVICE },
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { }
    };
    TypeInfo *today = g_memdup2(info, sizeof(*info));
    Registered *type = g_new0(Registered, 1);

    /* 10.1: the data is const */
    type->class_init = (void *)info->class_init;
    type->data = (void *)info->class_data;
    today->class_data = type;
    today->class_init = (void *)class_init;
    if (g_strcmp0(info->parent, TYPE_VIRTIO_PCI) == 0 && !info->interfaces) {
        today->interfaces = interfaces;
    }
    return type_register_static(today);
}

void compat_type_register_array(const TypeInfo *infos, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        compat_type_register(&infos[i]);
    }
}

CompatVirtioPCIClass *compat_virtio_pci_class(ObjectClass *klass)
{
    return &hooks_of(klass)->pci;
}

/* Those up to the empty one, and of them those that are properties. */
void compat_set_props(DeviceClass *dc, const Property *props, size_t most)
{
    Property *list = NULL;
    size_t count = 0;
    size_t i;

    for (i = 0; i < most && props[i].name; i++) {
        if (props[i].info) {
            list = g_renew(Property, list, count + 1);
            list[count++] = props[i];
        }
    }
    if (count) {
        device_class_set_props_n(dc, list, count);
    }
}

void compat_virtio_init(VirtIODevice *vdev, const char *name, uint16_t id,
                        size_t config_size)
{
    /* QEMU aborts over an id that it has no name for; any may be asked for. */
    virtio_init(vdev, VIRTIO_ID_VIDEO_ENCODER, config_size);
    vdev->device_id = id;
    vdev->name = name ? name : object_get_typename(OBJECT(vdev));
}

bool compat_set_bool(Object *obj, bool value, const char *name, Error **errp)
{
    return object_property_set_bool(obj, name, value, errp);
}

bool compat_set_int(Object *obj, int64_t value, const char *name, Error **errp)
{
    return object_property_set_int(obj, name, value, errp);
}

bool compat_set_uint(Object *obj, uint64_t value, const char *name,
                     Error **errp)
{
    return object_property_set_uint(obj, name, value, errp);
}

bool compat_set_link(Object *obj, Object *value, const char *name, Error **errp)
{
    return object_property_set_link(obj, name, value, errp);
}

/* Which of the two is the name?  The one that there is a property of. */
bool compat_set_str(Object *obj, const char *one, const char *other,
                    Error **errp)
{
    if (object_property_find(obj, one)) {
        return object_property_set_str(obj, one, other, errp);
    }
    return object_property_set_str(obj, other, one, errp);
}

int compat_qdev_init(DeviceState *dev)
{
    Error *err = NULL;

    if (!object_property_set_bool(OBJECT(dev), "realized", true, &err)) {
        error_report_err(err);
        return -1;
    }
    return 0;
}
