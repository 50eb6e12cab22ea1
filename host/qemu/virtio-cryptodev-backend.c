/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: who does the work
 *
 * builtin    the library devcrypto, inside this process: works everywhere
 * devcrypto  the host's own /dev/crypto: each request becomes one ioctl
 *
 * Neither sees a pointer that came from the guest.  Here is the first; the
 * other is in virtio-cryptodev-host.c.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"

#include "virtio-cryptodev.h"

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
                                  VirtIOCryptodevFile *file,
                                  const struct devcrypto_session_state *state,
                                  uint32_t *ses)
{
    return devcrypto_session_create(file->builtin, state->cipher, state->key,
                                    state->keylen, state->mac, state->mackey,
                                    state->mackeylen, ses);
}

static int builtin_free_session(VirtIOCryptodevFile *file, uint32_t ses)
{
    return devcrypto_session_free(file->builtin, ses);
}

static int builtin_sizes(VirtIOCryptodevFile *file, uint32_t ses,
                         struct devcrypto_sizes *sizes)
{
    return devcrypto_session_sizes(file->builtin, ses, sizes);
}

static int builtin_perform(VirtIOCryptodevFile *file, struct devcrypto_op *op)
{
    return devcrypto_perform(file->builtin, op);
}

static int builtin_copy(VirtIOCryptodevFile *file, uint32_t dst, uint32_t src)
{
    return devcrypto_hash_copy(file->builtin, dst, src);
}

static uint32_t builtin_count_sessions(VirtIOCryptodevFile *file)
{
    return devcrypto_session_count(file->builtin);
}

static int builtin_save_sessions(VirtIOCryptodevFile *file,
                                 struct devcrypto_session_state *states,
                                 uint32_t room, uint32_t *count)
{
    return devcrypto_export(file->builtin, states, room, count);
}

static int builtin_load_session(const VirtIOCryptodevConf *conf,
                                VirtIOCryptodevFile *file,
                                const struct devcrypto_session_state *state)
{
    return devcrypto_import(file->builtin, state);
}

const VirtIOCryptodevBackend virtio_cryptodev_builtin = {
    .name = "builtin",
    .check = builtin_check,
    .open = builtin_open,
    .close = builtin_close,
    .create_session = builtin_create_session,
    .free_session = builtin_free_session,
    .sizes = builtin_sizes,
    .perform = builtin_perform,
    .copy = builtin_copy,
    .count_sessions = builtin_count_sessions,
    .save_sessions = builtin_save_sessions,
    .load_session = builtin_load_session,
};

const VirtIOCryptodevBackend *virtio_cryptodev_backend(const char *name,
                                                       Error **errp)
{
    static const VirtIOCryptodevBackend *const backends[] = {
        &virtio_cryptodev_builtin, &virtio_cryptodev_host,
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(backends); i++) {
        if (!name || g_str_equal(name, backends[i]->name)) {
            return backends[i];
        }
    }
    error_setg(errp, "'backend' must be 'builtin' or 'devcrypto', not '%s'",
               name);
    return NULL;
}
