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

/* What of a session a request needs to know; false: unknown. */
bool cryptodev_host_look_up(VirtIOCryptodevFile *file, uint32_t ses,
                            uint32_t *host_ses, struct devcrypto_sizes *sizes);

/* 0 or a negative errno; goes on after signals. */
int cryptodev_host_ioctl(int fd, unsigned long cmd, void *arg);

/* virtio-cryptodev-host-data.c */
int cryptodev_host_perform(VirtIOCryptodevFile *file, struct devcrypto_op *op);

#endif
