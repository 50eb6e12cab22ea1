/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: who does the work
 *
 * builtin    the library devcrypto, inside this process: works everywhere
 * devcrypto  the host's own /dev/crypto: each request becomes one ioctl
 *
 * Both are synchronous, and neither sees a pointer that came from the guest.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"

#include <sys/ioctl.h>

#include "virtio-cryptodev.h"

/* builtin */

static bool builtin_check(const VirtIOCryptodevConf *conf, Error **errp)
{
    if (conf->path) {
        error_setg(errp, "'path' needs 'backend=devcrypto': "
                   "the builtin backend opens nothing");
        return false;
    }
    return true;
}

static int builtin_open(const VirtIOCryptodevConf *conf,
                        VirtIOCryptodevFile *file)
{
    const struct devcrypto_limits limits = {
        .max_sessions = conf->max_sessions,
        .max_len = conf->max_request,
    };

    return devcrypto_open(&limits, &file->builtin);
}

static void builtin_close(VirtIOCryptodevFile *file)
{
    devcrypto_unref(file->builtin);
    file->builtin = NULL;
}

static int builtin_create_session(const VirtIOCryptodevConf *conf,
                                  VirtIOCryptodevFile *file, uint32_t cipher,
                                  const uint8_t *key, uint32_t keylen,
                                  uint32_t *ses)
{
    return devcrypto_session_create(file->builtin, cipher, key, keylen,
                                    0, NULL, 0, ses);
}

static int builtin_free_session(VirtIOCryptodevFile *file, uint32_t ses)
{
    return devcrypto_session_free(file->builtin, ses);
}

static int builtin_crypt(VirtIOCryptodevFile *file,
                         const struct devcrypto_crypt_op *op,
                         const uint8_t iv[DEVCRYPTO_AES_BLOCK],
                         const void *src, void *dst)
{
    return devcrypto_crypt(file->builtin, op->ses, op->op, op->flags, iv, NULL,
                           src, dst, op->len);
}

/* devcrypto */

static const char *host_path(const VirtIOCryptodevConf *conf)
{
    return conf->path ? conf->path : "/dev/crypto";
}

static int host_ioctl(int fd, unsigned long cmd, void *arg)
{
    int ret;

    do {
        ret = ioctl(fd, cmd, arg);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

static bool host_check(const VirtIOCryptodevConf *conf, Error **errp)
{
    int fd;

    if (sizeof(void *) != sizeof(uint64_t)) {
        error_setg(errp, "'backend=devcrypto' needs a 64-bit host");
        return false;
    }
    fd = qemu_open(host_path(conf), O_RDWR, errp);
    if (fd < 0) {
        error_prepend(errp, "backend=devcrypto: ");
        return false;
    }
    qemu_close(fd);
    return true;
}

static int host_open(const VirtIOCryptodevConf *conf, VirtIOCryptodevFile *file)
{
    file->fd = qemu_open(host_path(conf), O_RDWR, NULL);
    if (file->fd < 0) {
        return -errno;
    }
    file->sessions = g_hash_table_new(NULL, NULL);
    return 0;
}

static void host_close(VirtIOCryptodevFile *file)
{
    qemu_close(file->fd);
    file->fd = -1;
    g_hash_table_destroy(file->sessions);
    file->sessions = NULL;
}

static int host_create_session(const VirtIOCryptodevConf *conf,
                               VirtIOCryptodevFile *file, uint32_t cipher,
                               const uint8_t *key, uint32_t keylen,
                               uint32_t *ses)
{
    struct devcrypto_session_op sop = {
        .cipher = cipher,
        .keylen = keylen,
        .key = (uintptr_t)key,
    };
    int ret;

    if (g_hash_table_size(file->sessions) >= conf->max_sessions) {
        return -ENOMEM;
    }
    ret = host_ioctl(file->fd, DEVCRYPTO_CIOCGSESSION, &sop);
    if (ret == 0) {
        g_hash_table_add(file->sessions, GUINT_TO_POINTER(sop.ses));
        *ses = sop.ses;
    }
    return ret;
}

static int host_free_session(VirtIOCryptodevFile *file, uint32_t ses)
{
    int ret = host_ioctl(file->fd, DEVCRYPTO_CIOCFSESSION, &ses);

    if (ret == 0) {
        g_hash_table_remove(file->sessions, GUINT_TO_POINTER(ses));
    }
    return ret;
}

static int host_crypt(VirtIOCryptodevFile *file,
                      const struct devcrypto_crypt_op *op,
                      const uint8_t iv[DEVCRYPTO_AES_BLOCK],
                      const void *src, void *dst)
{
    uint8_t own_iv[DEVCRYPTO_AES_BLOCK]; /* WRITE_IV writes here */
    struct devcrypto_crypt_op cop = *op;

    memcpy(own_iv, iv, sizeof(own_iv));
    cop.src = (uintptr_t)src;
    cop.dst = (uintptr_t)dst;
    cop.mac = 0;
    cop.iv = (uintptr_t)own_iv;
    return host_ioctl(file->fd, DEVCRYPTO_CIOCCRYPT, &cop);
}

static const VirtIOCryptodevBackend backends[] = {
    {
        .name = "builtin",
        .check = builtin_check,
        .open = builtin_open,
        .close = builtin_close,
        .create_session = builtin_create_session,
        .free_session = builtin_free_session,
        .crypt = builtin_crypt,
    }, {
        .name = "devcrypto",
        .check = host_check,
        .open = host_open,
        .close = host_close,
        .create_session = host_create_session,
        .free_session = host_free_session,
        .crypt = host_crypt,
    },
};

const VirtIOCryptodevBackend *virtio_cryptodev_backend(const char *name,
                                                       Error **errp)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(backends); i++) {
        if (!name || g_str_equal(name, backends[i].name)) {
            return &backends[i];
        }
    }
    error_setg(errp, "'backend' must be 'builtin' or 'devcrypto', not '%s'",
               name);
    return NULL;
}
