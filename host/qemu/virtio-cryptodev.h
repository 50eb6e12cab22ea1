/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: gives the guest the calls of /dev/crypto over one virtqueue
 */
#ifndef HW_VIRTIO_CRYPTODEV_H
#define HW_VIRTIO_CRYPTODEV_H

#include "hw/virtio/virtio.h"
#include "qom/object.h"

#include "devcrypto/devcrypto.h"

#define TYPE_VIRTIO_CRYPTODEV "virtio-cryptodev-device"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOCryptodev, VIRTIO_CRYPTODEV)

/* What the user chose; checked once, when the device is realized. */
typedef struct VirtIOCryptodevConf {
    uint16_t virtio_id;
    uint16_t queue_size;
    char *backend;
    char *path;              /* of the host's /dev/crypto; NULL: the usual */
    uint32_t max_open_files;
    uint32_t max_sessions;   /* of one open file */
    uint32_t max_request;    /* bytes of data */
} VirtIOCryptodevConf;

/*
 * One open file of the guest.  Its place in the table is the guest's handle;
 * whatever the host has for it never leaves the host.
 */
typedef struct VirtIOCryptodevFile {
    struct devcrypto_file *builtin;
    int fd;
    GHashTable *sessions;    /* of fd: the guest's id -> what the host has */
} VirtIOCryptodevFile;

/*
 * Who does the work.  All but close() return 0 or a negative errno.  An open
 * file that is closed loses all its sessions.
 */
typedef struct VirtIOCryptodevBackend {
    const char *name;
    bool (*check)(const VirtIOCryptodevConf *conf, Error **errp);
    int (*open)(const VirtIOCryptodevConf *conf, VirtIOCryptodevFile *file);
    void (*close)(VirtIOCryptodevFile *file);
    int (*create_session)(const VirtIOCryptodevConf *conf,
                          VirtIOCryptodevFile *file, uint32_t cipher,
                          const uint8_t *key, uint32_t keylen, uint32_t *ses);
    int (*free_session)(VirtIOCryptodevFile *file, uint32_t ses);
    /* src and dst are the same or do not overlap; a guest may change them */
    int (*crypt)(VirtIOCryptodevFile *file, const struct devcrypto_crypt_op *op,
                 const uint8_t iv[DEVCRYPTO_AES_BLOCK],
                 const void *src, void *dst);
    /*
     * For migration; the ids in the states are the guest's.  A state that is
     * loaded may hold anything but a keylen beyond the key.
     */
    uint32_t (*count_sessions)(VirtIOCryptodevFile *file);
    int (*save_sessions)(VirtIOCryptodevFile *file,
                         struct devcrypto_session_state *states, uint32_t room,
                         uint32_t *count);
    int (*load_session)(const VirtIOCryptodevConf *conf,
                        VirtIOCryptodevFile *file,
                        const struct devcrypto_session_state *state);
} VirtIOCryptodevBackend;

/* Everything here is used with the big lock held, and only so. */
struct VirtIOCryptodev {
    VirtIODevice parent_obj;

    VirtIOCryptodevConf conf;
    const VirtIOCryptodevBackend *backend;
    VirtQueue *vq;
    QEMUBH *bh;                 /* goes on where a kick stopped */
    bool running;               /* inside virtio_cryptodev_run() */

    VirtIOCryptodevFile *files; /* conf.max_open_files of them */
    unsigned long *open_files;  /* a bit for each: is it open? */

    uint8_t *bounce;            /* for data that lies in pieces */
    size_t bounce_size;         /* never more than conf.max_request */
};

/* The backend of that name, NULL for the default one. */
const VirtIOCryptodevBackend *virtio_cryptodev_backend(const char *name,
                                                       Error **errp);

/*
 * Carry out the request in elem and write its answer.  Returns the used length;
 * what the chain holds is added to *bytes.
 */
uint32_t virtio_cryptodev_request(VirtIOCryptodev *c, VirtQueueElement *elem,
                                  size_t *bytes);

/* Close all that the guest has open; their sessions end. */
void virtio_cryptodev_close_all(VirtIOCryptodev *c);

/* Cleanse and free the buffer for data in pieces. */
void virtio_cryptodev_drop_bounce(VirtIOCryptodev *c);

/* Migration: the whole device, and its own part of that. */
extern const VMStateDescription vmstate_virtio_cryptodev;
extern const VMStateDescription vmstate_virtio_cryptodev_device;

#endif
