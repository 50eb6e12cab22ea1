/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What qemu-compat.h makes of old calls
 */
#ifndef HARNESS_QEMU_COMPAT_CALLS_H
#define HARNESS_QEMU_COMPAT_CALLS_H

#include "hw/qdev-core.h"
#include "hw/virtio/virtio.h"
#include "hw/virtio/virtio-pci.h"
#include "qom/object.h"

Type compat_type_register(const TypeInfo *info);
void compat_type_register_array(const TypeInfo *infos, int count);

/* A class of QEMU 2.0 to 2.1 has init, later ones have realize. */
typedef struct CompatVirtioPCIClass {
    int (*init)(VirtIOPCIProxy *proxy);
    void (*realize)(VirtIOPCIProxy *proxy, Error **errp);
} CompatVirtioPCIClass;

CompatVirtioPCIClass *compat_virtio_pci_class(ObjectClass *klass);

/* An array of at most so many, which may end before with an empty one. */
void compat_set_props(DeviceClass *dc, const Property *props, size_t most);

/* name may be NULL. */
void compat_virtio_init(VirtIODevice *vdev, const char *name, uint16_t id,
                        size_t config_size);

bool compat_set_bool(Object *obj, bool value, const char *name, Error **errp);
bool compat_set_int(Object *obj, int64_t value, const char *name,
                    Error **errp);
bool compat_set_uint(Object *obj, uint64_t value, const char *name,
                     Error **errp);
bool compat_set_link(Object *obj, Object *value, const char *name,
                     Error **errp);
/* In whichever order. */
bool compat_set_str(Object *obj, const char *one, const char *other,
                    Error **errp);

/* What needs not be done any more was done well. */
static inline int compat_done(void)
{
    return 0;
}

/* Returns 0, or -1 after it has said why not. */
int compat_qdev_init(DeviceState *dev);

#endif
