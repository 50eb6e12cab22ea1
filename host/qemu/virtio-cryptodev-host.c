/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: the backend that passes on to the host's own /dev/crypto
 *
 * Each request becomes one ioctl.  Here are its files and sessions; the data is
 * in virtio-cryptodev-host-data.c.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"

#include <sys/ioctl.h>

#include "virtio-cryptodev-host.h"

static void host_session_unref(gpointer opaque)
{
    HostSession *session = opaque;

    if (--session->refs == 0) {
        qemu_mutex_destroy(&session->busy);
        explicit_bzero(session, sizeof(*session));
        g_free(session);
    }
}

HostSession *cryptodev_host_find(HostSessions *sessions, uint32_t ses)
{
    return g_hash_table_lookup(sessions->table, GUINT_TO_POINTER(ses));
}

HostSession *cryptodev_host_get(VirtIOCryptodevFile *file, uint32_t ses)
{
    QEMU_LOCK_GUARD(&file->sessions->lock);
    HostSession *session = cryptodev_host_find(file->sessions, ses);

    if (session) {
        session->refs++;
    }
    return session;
}

void cryptodev_host_put(VirtIOCryptodevFile *file, HostSession *session)
{
    QEMU_LOCK_GUARD(&file->sessions->lock);
    host_session_unref(session);
}

static const char *host_path(const VirtIOCryptodevConf *conf)
{
    return conf->path ? conf->path : "/dev/crypto";
}

int cryptodev_host_ioctl(int fd, unsigned long cmd, void *arg)
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
    file->sessions = g_new0(HostSessions, 1);
    qemu_mutex_init(&file->sessions->lock);
    file->sessions->table = g_hash_table_new_full(NULL, NULL, NULL,
                                                  host_session_unref);
    return 0;
}

static void host_close(VirtIOCryptodevFile *file)
{
    qemu_close(file->fd);
    file->fd = -1;
    g_hash_table_destroy(file->sessions->table);
    qemu_mutex_destroy(&file->sessions->lock);
    g_free(file->sessions);
    file->sessions = NULL;
}

/* Sessions */

/*
 * The host's id is the guest's too, unless the guest has it already from the
 * host that it came from.
 */
static uint32_t host_guest_id(HostSessions *sessions, uint32_t ses)
{
    while (ses == 0 || cryptodev_host_find(sessions, ses)) {
        ses++;
    }
    return ses;
}

/* With the id, keys and IV of the state; an id of 0 asks for a new one. */
static int host_make_session(const VirtIOCryptodevConf *conf,
                             VirtIOCryptodevFile *file,
                             const struct devcrypto_session_state *state,
                             uint32_t *ses)
{
    struct devcrypto_session_op sop = {
        .cipher = state->cipher,
        .mac = state->mac,
        .keylen = state->keylen,
        .key = (uintptr_t)state->key,
        .mackeylen = state->mackeylen,
        .mackey = (uintptr_t)state->mackey,
    };
    struct devcrypto_sizes sizes;
    HostSession *session;
    int ret;

    QEMU_LOCK_GUARD(&file->sessions->lock);
    if (g_hash_table_size(file->sessions->table) >= conf->max_sessions) {
        return -ENOMEM;
    }
    /* An algorithm that we do not know has sizes that we do not know. */
    ret = devcrypto_algorithm_sizes(state->cipher, state->mac, &sizes);
    if (ret == 0) {
        ret = cryptodev_host_ioctl(file->fd, DEVCRYPTO_CIOCGSESSION, &sop);
    }
    if (ret < 0) {
        return ret;
    }
    session = g_new0(HostSession, 1);
    session->refs = 1;
    qemu_mutex_init(&session->busy);
    session->ses = sop.ses;
    session->sizes = sizes;
    session->state = *state;
    if (state->ses == 0) {
        session->state.ses = host_guest_id(file->sessions, sop.ses);
    }
    *ses = session->state.ses;
    g_hash_table_insert(file->sessions->table, GUINT_TO_POINTER(*ses), session);
    return 0;
}

static int host_free_session(VirtIOCryptodevFile *file, uint32_t ses)
{
    HostSession *session;
    int ret;

    QEMU_LOCK_GUARD(&file->sessions->lock);
    session = cryptodev_host_find(file->sessions, ses);
    if (!session) {
        return 0; /* as the host says of an id that it does not know */
    }
    ret = cryptodev_host_ioctl(file->fd, DEVCRYPTO_CIOCFSESSION, &session->ses);
    if (ret == 0) {
        g_hash_table_remove(file->sessions->table, GUINT_TO_POINTER(ses));
    }
    return ret;
}

static int host_sizes(VirtIOCryptodevFile *file, uint32_t ses,
                      struct devcrypto_sizes *sizes)
{
    QEMU_LOCK_GUARD(&file->sessions->lock);
    const HostSession *session = cryptodev_host_find(file->sessions, ses);

    if (!session) {
        return -EINVAL;
    }
    *sizes = session->sizes;
    return 0;
}

/* What to has hashed is now what from has: also that it must not be saved. */
static void host_note_copy(HostSessions *sessions, HostSession *to,
                           const HostSession *from)
{
    QEMU_LOCK_GUARD(&sessions->lock);
    to->hashing = from->hashing ||
        from->state.mackeylen != to->state.mackeylen ||
        memcmp(from->state.mackey, to->state.mackey, to->state.mackeylen);
}

static int host_copy(VirtIOCryptodevFile *file, uint32_t dst, uint32_t src)
{
    HostSession *to, *from;
    int ret = -ENOENT;

    if (dst == src) {
        return -EDEADLK;
    }
    to = cryptodev_host_get(file, dst);
    from = cryptodev_host_get(file, src);
    if (to && from) {
        struct devcrypto_copy_op op = {
            .dst_ses = to->ses,
            .src_ses = from->ses,
        };
        /* Two copies may go the opposite ways. */
        HostSession *first = MIN(to, from), *second = MAX(to, from);

        qemu_mutex_lock(&first->busy);
        qemu_mutex_lock(&second->busy);
        ret = cryptodev_host_ioctl(file->fd, DEVCRYPTO_CIOCCPHASH, &op);
        if (ret == 0) {
            host_note_copy(file->sessions, to, from);
        }
        qemu_mutex_unlock(&second->busy);
        qemu_mutex_unlock(&first->busy);
    }
    if (to) {
        cryptodev_host_put(file, to);
    }
    if (from) {
        cryptodev_host_put(file, from);
    }
    return ret;
}

/* Migration */

static uint32_t host_count_sessions(VirtIOCryptodevFile *file)
{
    QEMU_LOCK_GUARD(&file->sessions->lock);
    return g_hash_table_size(file->sessions->table);
}

static int host_save_sessions(VirtIOCryptodevFile *file,
                              struct devcrypto_session_state *states,
                              uint32_t room, uint32_t *count)
{
    GHashTableIter iter;
    gpointer session;
    uint32_t n = 0;

    QEMU_LOCK_GUARD(&file->sessions->lock);
    g_hash_table_iter_init(&iter, file->sessions->table);
    while (n < room && g_hash_table_iter_next(&iter, NULL, &session)) {
        if (((HostSession *)session)->hashing) {
            return -EOPNOTSUPP;
        }
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
    bool known;

    if (state->ses == 0) {
        return -EINVAL;
    }
    WITH_QEMU_LOCK_GUARD(&file->sessions->lock) {
        known = cryptodev_host_find(file->sessions, state->ses);
    }
    return known ? -EEXIST : host_make_session(conf, file, state, &ses);
}

const VirtIOCryptodevBackend virtio_cryptodev_host = {
    .name = "devcrypto",
    .check = host_check,
    .open = host_open,
    .close = host_close,
    .create_session = host_make_session,
    .free_session = host_free_session,
    .sizes = host_sizes,
    .perform = cryptodev_host_perform,
    .copy = host_copy,
    .count_sessions = host_count_sessions,
    .save_sessions = host_save_sessions,
    .load_session = host_load_session,
};
