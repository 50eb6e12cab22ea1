/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: gives the guest the calls of /dev/crypto over virtqueues
 *
 * docs/virtio-cryptodev.md says what goes over them, byte by byte.
 */
#ifndef HW_VIRTIO_CRYPTODEV_H
#define HW_VIRTIO_CRYPTODEV_H

#include "hw/virtio/virtio.h"
#include "qemu/thread.h"
#include "qom/object.h"

#include "devcrypto/devcrypto.h"

#define TYPE_VIRTIO_CRYPTODEV "virtio-cryptodev-device"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOCryptodev, VIRTIO_CRYPTODEV)

/* Bit 0 is nobody's: drivers exist that claim it and mean nothing. */
#define VIRTIO_CRYPTODEV_F_CALLS 1
#define VIRTIO_CRYPTODEV_F_MQ 2

/* What the user chose; checked once, when the device is realized. */
typedef struct VirtIOCryptodevConf {
    uint16_t virtio_id;
    uint16_t queue_size;     /* of the first queue */
    uint16_t queues;         /* 0: one more than there are processors */
    bool calls;              /* offer more than the reference wire */
    char *backend;
    char *path;              /* of the host's /dev/crypto; NULL: the usual */
    uint32_t max_open_files;
    uint32_t max_sessions;   /* of one open file */
    uint32_t max_request;    /* bytes of data */
    uint32_t inline_max;     /* bytes that a processor's thread works on */
    uint32_t hold_max;       /* the same, if it has nothing else to do */
} VirtIOCryptodevConf;

/* One session of the host's /dev/crypto, and all of them of an open file. */
typedef struct HostSessions HostSessions;

/*
 * One open file of the guest.  Its place in the table is the guest's handle;
 * whatever the host has for it never leaves the host.
 */
typedef struct VirtIOCryptodevFile {
    unsigned int refs;       /* the table's, and one for each request at work */
    unsigned int jobs;       /* requests at work without the big lock */
    struct devcrypto_file *builtin;
    int fd;
    HostSessions *sessions;  /* of fd; has a lock of its own */
} VirtIOCryptodevFile;

/*
 * Who does the work.  All but close() return 0 or a negative errno.  An open
 * file that is closed loses all its sessions.  perform() and copy() may be
 * called from any thread and for one file at the same time; the others are
 * called with the big lock held.
 */
typedef struct VirtIOCryptodevBackend {
    const char *name;
    bool (*check)(const VirtIOCryptodevConf *conf, Error **errp);
    int (*open)(const VirtIOCryptodevConf *conf, VirtIOCryptodevFile *file);
    void (*close)(VirtIOCryptodevFile *file);
    /* state has no id yet, or the one that it had; nothing in it is checked */
    int (*create_session)(const VirtIOCryptodevConf *conf,
                          VirtIOCryptodevFile *file,
                          const struct devcrypto_session_state *state,
                          uint32_t *ses);
    int (*free_session)(VirtIOCryptodevFile *file, uint32_t ses);
    int (*sizes)(VirtIOCryptodevFile *file, uint32_t ses,
                 struct devcrypto_sizes *sizes);
    /* src and dst are the same or do not overlap; a guest may change them */
    int (*perform)(VirtIOCryptodevFile *file, struct devcrypto_op *op);
    int (*copy)(VirtIOCryptodevFile *file, uint32_t dst, uint32_t src);
    /*
     * For migration; the ids in the states are the guest's.  A state that is
     * loaded may hold anything but lengths beyond its keys.
     */
    uint32_t (*count_sessions)(VirtIOCryptodevFile *file);
    int (*save_sessions)(VirtIOCryptodevFile *file,
                         struct devcrypto_session_state *states, uint32_t room,
                         uint32_t *count);
    int (*load_session)(const VirtIOCryptodevConf *conf,
                        VirtIOCryptodevFile *file,
                        const struct devcrypto_session_state *state);
} VirtIOCryptodevBackend;

extern const VirtIOCryptodevBackend virtio_cryptodev_builtin;
extern const VirtIOCryptodevBackend virtio_cryptodev_host;

/* Everything here is used with the big lock held, and only so. */
struct VirtIOCryptodev {
    VirtIODevice parent_obj;

    VirtIOCryptodevConf conf;
    const VirtIOCryptodevBackend *backend;
    unsigned int num_queues;
    QEMUBH *bh;                 /* goes on where a kick stopped */

    /*
     * The transport's guard against a device that calls itself.  On while we
     * are at the rings or at guest memory, off while we let go of the lock.
     */
    MemReentrancyGuard *guard;
    /*
     * Whether this thread's processor is accessing the registers for kicks, and
     * not another device that it accesses.  NULL: they do not pass that guard.
     */
    bool (*is_own_kick)(struct VirtIOCryptodev *c);
    bool running;               /* at the rings: a kick is our own doing */
    bool began;                 /* with the rings, since the last reset: */
    bool packed;                /* what kind they were */

    unsigned int unlocked;      /* requests at work in processors' threads */
    unsigned int pooled;        /* requests at work in the thread pool */
    unsigned int draining;      /* somebody waits for both to be 0 */
    QemuCond idle;              /* unlocked or draining has become 0 */

    VirtIOCryptodevFile **files; /* conf.max_open_files of them */
    unsigned long *open_files;   /* a bit for each: is it open? */
    unsigned int num_files;      /* those that are closed and at work as well */
};

/*
 * One chain, from the queue until it is given back.  What comes behind op is
 * there only when there is work.
 */
typedef struct VirtIOCryptodevRequest {
    VirtQueueElement elem;      /* virtqueue_pop() wants it first */
    VirtIOCryptodev *c;
    VirtQueue *vq;
    size_t readable;            /* what its descriptors really hold */
    size_t writable;
    int32_t result;

    /* NULL: there is nothing more to do.  Called without the big lock. */
    int (*work)(struct VirtIOCryptodevRequest *req);
    /* Writes what comes before the result of a success. */
    void (*answer)(struct VirtIOCryptodevRequest *req);
    size_t bytes;               /* to work on */
    bool hold;                  /* the processor has nothing else to do */
    VirtIOCryptodevFile *file;  /* a reference */
    uint32_t ses, from_ses;     /* of a copy */
    struct devcrypto_op op;
    struct iovec few[8];        /* the pieces of op, */
    struct iovec *many;         /* or here, if they are more */
} VirtIOCryptodevRequest;

/* How many queues that makes. */
unsigned int virtio_cryptodev_queues(const VirtIOCryptodevConf *conf);

/* The backend of that name, NULL for the default one. */
const VirtIOCryptodevBackend *virtio_cryptodev_backend(const char *name,
                                                       Error **errp);

/* virtio-cryptodev-request.c: take a chain apart, carry out what is short. */
void virtio_cryptodev_request_begin(VirtIOCryptodevRequest *req);
/* Write the answer; returns the used length. */
uint32_t virtio_cryptodev_request_end(VirtIOCryptodevRequest *req);

void virtio_cryptodev_read(const VirtIOCryptodevRequest *req, size_t offset,
                           void *buf, size_t len);
void virtio_cryptodev_write(const VirtIOCryptodevRequest *req, size_t offset,
                            const void *buf, size_t len);
bool virtio_cryptodev_adds_up(const VirtIOCryptodevRequest *req,
                              const char *what, uint64_t readable,
                              uint64_t writable);
int virtio_cryptodev_short(const VirtIOCryptodevRequest *req, const char *what,
                           size_t readable, size_t writable);
VirtIOCryptodevFile *virtio_cryptodev_file(VirtIOCryptodev *c, int32_t handle);

/* virtio-cryptodev-work.c.  Memory of op's parts, cut out of the chain. */
void virtio_cryptodev_cut(VirtIOCryptodevRequest *req, size_t source_at);
/* There is work to do on that file. */
void virtio_cryptodev_has_work(VirtIOCryptodevRequest *req,
                               VirtIOCryptodevFile *file, size_t bytes,
                               int (*work)(VirtIOCryptodevRequest *req),
                               void (*answer)(VirtIOCryptodevRequest *req));
int virtio_cryptodev_perform(VirtIOCryptodevRequest *req);

/* virtio-cryptodev-calls.c: the requests of VIRTIO_CRYPTODEV_F_CALLS. */
bool virtio_cryptodev_is_call(uint32_t type);
int virtio_cryptodev_call(VirtIOCryptodevRequest *req, uint32_t type,
                          int32_t handle);

/* virtio-cryptodev-queue.c: the way through the rings. */
void virtio_cryptodev_run(VirtIOCryptodev *c, VirtQueue *vq, bool kicked);
void virtio_cryptodev_run_all(VirtIOCryptodev *c);
/* Wait until nothing is at work; what was is answered. */
void virtio_cryptodev_drain(VirtIOCryptodev *c);
/* And until nobody else waits for that, who would go on with the device. */
void virtio_cryptodev_drain_last(VirtIOCryptodev *c);

/* Open files */
void virtio_cryptodev_unref_file(VirtIOCryptodev *c, VirtIOCryptodevFile *file);
int virtio_cryptodev_open_file(VirtIOCryptodev *c, uint32_t handle);
void virtio_cryptodev_close_file(VirtIOCryptodev *c, uint32_t handle);
void virtio_cryptodev_close_all(VirtIOCryptodev *c);

/* Migration: the whole device, and its own part of that. */
extern const VMStateDescription vmstate_virtio_cryptodev;
extern const VMStateDescription vmstate_virtio_cryptodev_device;

#endif
