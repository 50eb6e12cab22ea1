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

/* devcrypto */

/*
 * A session of the host.  Its state is what another host needs to make it
 * again, where it will have another id: the guest's stays what it was.
 */
typedef struct HostSession {
    uint32_t ses;            /* the host's id */
    struct devcrypto_session_state state;
} HostSession;

static void host_session_destroy(gpointer session)
{
    explicit_bzero(session, sizeof(HostSession));
    g_free(session);
}

static HostSession *host_session(VirtIOCryptodevFile *file, uint32_t ses)
{
    return g_hash_table_lookup(file->sessions, GUINT_TO_POINTER(ses));
}

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
    file->sessions = g_hash_table_new_full(NULL, NULL, NULL,
                                           host_session_destroy);
    return 0;
}

static void host_close(VirtIOCryptodevFile *file)
{
    qemu_close(file->fd);
    file->fd = -1;
    g_hash_table_destroy(file->sessions);
    file->sessions = NULL;
}

/*
 * The host's id is the guest's too, unless the guest has it already from the
 * host that it came from.
 */
static uint32_t host_guest_id(VirtIOCryptodevFile *file, uint32_t ses)
{
    while (ses == 0 || host_session(file, ses)) {
        ses++;
    }
    return ses;
}

/* With the id, key and IV of the state; an id of 0 asks for a new one. */
static int host_make_session(const VirtIOCryptodevConf *conf,
                             VirtIOCryptodevFile *file,
                             const struct devcrypto_session_state *state,
                             uint32_t *ses)
{
    struct devcrypto_session_op sop = {
        .cipher = state->cipher,
        .keylen = state->keylen,
        .key = (uintptr_t)state->key,
    };
    HostSession *session;
    int ret;

    if (g_hash_table_size(file->sessions) >= conf->max_sessions) {
        return -ENOMEM;
    }
    ret = host_ioctl(file->fd, DEVCRYPTO_CIOCGSESSION, &sop);
    if (ret < 0) {
        return ret;
    }
    session = g_new0(HostSession, 1);
    session->ses = sop.ses;
    session->state = *state;
    if (state->ses == 0) {
        session->state.ses = host_guest_id(file, sop.ses);
    }
    *ses = session->state.ses;
    g_hash_table_insert(file->sessions, GUINT_TO_POINTER(*ses), session);
    return 0;
}

static int host_create_session(const VirtIOCryptodevConf *conf,
                               VirtIOCryptodevFile *file, uint32_t cipher,
                               const uint8_t *key, uint32_t keylen,
                               uint32_t *ses)
{
    struct devcrypto_session_state state = {
        .cipher = cipher,
        .keylen = keylen,
    };
    int ret;

    memcpy(state.key, key, keylen);
    ret = host_make_session(conf, file, &state, ses);
    explicit_bzero(&state, sizeof(state));
    return ret;
}

static int host_free_session(VirtIOCryptodevFile *file, uint32_t ses)
{
    HostSession *session = host_session(file, ses);
    int ret;

    if (!session) {
        return 0; /* as the host says of an id that it does not know */
    }
    ret = host_ioctl(file->fd, DEVCRYPTO_CIOCFSESSION, &session->ses);
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
    HostSession *session = host_session(file, op->ses);
    uint8_t own_iv[DEVCRYPTO_AES_BLOCK];
    struct devcrypto_crypt_op cop = *op;
    int ret;

    if (!session) {
        return -EINVAL;
    }
    memcpy(own_iv, iv, sizeof(own_iv));
    cop.ses = session->ses;
    cop.flags |= DEVCRYPTO_FLAG_WRITE_IV; /* the guest never sees own_iv */
    cop.src = (uintptr_t)src;
    cop.dst = (uintptr_t)dst;
    cop.mac = 0;
    cop.iv = (uintptr_t)own_iv;
    ret = host_ioctl(file->fd, DEVCRYPTO_CIOCCRYPT, &cop);
    if (ret == 0) {
        memcpy(session->state.iv, own_iv, sizeof(own_iv));
    }
    return ret;
}

static uint32_t host_count_sessions(VirtIOCryptodevFile *file)
{
    return g_hash_table_size(file->sessions);
}

static int host_save_sessions(VirtIOCryptodevFile *file,
                              struct devcrypto_session_state *states,
                              uint32_t room, uint32_t *count)
{
    GHashTableIter iter;
    gpointer session;
    uint32_t n = 0;

    g_hash_table_iter_init(&iter, file->sessions);
    while (n < room && g_hash_table_iter_next(&iter, NULL, &session)) {
        states[n++] = ((HostSession *)session)->state;
    }
    *count = n;
    return 0;
}

/*
 * The last IV stays here: every request brings one, so the host's own is never
 * asked for.
 */
static int host_load_session(const VirtIOCryptodevConf *conf,
                             VirtIOCryptodevFile *file,
                             const struct devcrypto_session_state *state)
{
    uint32_t ses;

    if (state->ses == 0) {
        return -EINVAL;
    }
    if (host_session(file, state->ses)) {
        return -EEXIST;
    }
    return host_make_session(conf, file, state, &ses);
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
        .count_sessions = builtin_count_sessions,
        .save_sessions = builtin_save_sessions,
        .load_session = builtin_load_session,
    }, {
        .name = "devcrypto",
        .check = host_check,
        .open = host_open,
        .close = host_close,
        .create_session = host_create_session,
        .free_session = host_free_session,
        .crypt = host_crypt,
        .count_sessions = host_count_sessions,
        .save_sessions = host_save_sessions,
        .load_session = host_load_session,
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
