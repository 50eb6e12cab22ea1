/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: what the two files of the backend "devcrypto" share
 */
#ifndef HW_VIRTIO_CRYPTODEV_HOST_H
#define HW_VIRTIO_CRYPTODEV_HOST_H

#include "qemu/lockable.h"

#include "virtio-cryptodev.h"

/*
 * A session of the host.  Its state is what another host needs to make it
 * again, where it will have another id: the guest's stays what it was.
 */
typedef struct HostSession {
    unsigned int refs;       /* the table's, and one for each request at work */
    QemuMutex busy;          /* held from one IV to the next */
    uint32_t ses;            /* the host's id */
    struct devcrypto_sizes sizes;
    bool hashing;            /* something was hashed, and no digest taken */
    struct devcrypto_session_state state;
} HostSession;

struct HostSessions {
    QemuMutex lock;          /* the table and all that is in it */
    GHashTable *table;       /* the guest's id -> HostSession */
};

/* With the lock held; NULL: unknown. */
HostSession *cryptodev_host_find(HostSessions *sessions, uint32_t ses);

/* A reference to a session, NULL: unknown.  What never changes needs no lock. */
HostSession *cryptodev_host_get(VirtIOCryptodevFile *file, uint32_t ses);
void cryptodev_host_put(VirtIOCryptodevFile *file, HostSession *session);

/* 0 or a negative errno; goes on after signals. */
int cryptodev_host_ioctl(int fd, unsigned long cmd, void *arg);

/* virtio-cryptodev-host-data.c */
int cryptodev_host_perform(VirtIOCryptodevFile *file, struct devcrypto_op *op);

#endif
