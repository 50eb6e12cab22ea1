/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: what the device takes along when it is saved
 *
 * The queue is the virtio core's.  Requests that stand in it are carried out
 * when the machine runs again: see virtio_cryptodev_set_status().  Ours is
 * what the guest has open, in a subsection that is there only when something
 * is.  All integers are u32, big-endian as everywhere in a stream:
 *
 *   files         how many are open, at least 1
 *   of each file: handle, and its number of sessions
 *     of each session: id, cipher, key length, key, last IV (16 bytes), mac,
 *       mac key length, mac key
 *
 * The keys are in there as they are: whoever can read the stream, or the file
 * that it was saved to, can read what the guest encrypts.  That is so for the
 * guest's memory too.  Our own copies are cleansed, also when something fails;
 * the buffers of the stream are QEMU's.
 *
 * Nothing in a stream is believed.  A session is read whole and checked before
 * it is made, so what is allocated never outgrows what was really there, nor
 * this device's limits.  One thing wrong and all is closed again.
 */

#include "qemu/osdep.h"
#include "migration/qemu-file-types.h"
#include "migration/vmstate.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"

#include "virtio-cryptodev.h"
#include "virtio-cryptodev-compat.h"

typedef struct devcrypto_session_state SessionState;

static bool open_files_needed(void *opaque)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(opaque);
    const uint32_t most = c->conf.max_open_files;

    return find_first_bit(c->open_files, most) < most;
}

/* Saving */

static void put_session(QEMUFile *f, const SessionState *state)
{
    qemu_put_be32(f, state->ses);
    qemu_put_be32(f, state->cipher);
    qemu_put_be32(f, state->keylen);
    qemu_put_buffer(f, state->key, state->keylen);
    qemu_put_buffer(f, state->iv, sizeof(state->iv));
    qemu_put_be32(f, state->mac);
    qemu_put_be32(f, state->mackeylen);
    qemu_put_buffer(f, state->mackey, state->mackeylen);
}

static int put_file(QEMUFile *f, VirtIOCryptodev *c, uint32_t handle)
{
    VirtIOCryptodevFile *file = c->files[handle];
    uint32_t room = c->backend->count_sessions(file);
    g_autofree SessionState *states = g_try_new0(SessionState, room);
    uint32_t i, count = 0;
    int ret = 0;

    if (room) {
        ret = states ? c->backend->save_sessions(file, states, room, &count) :
                       -ENOMEM;
    }
    if (ret < 0) {
        error_report("virtio-cryptodev: open file %" PRIu32 ": its %" PRIu32
                     " sessions cannot be saved: %s", handle, room,
                     ret == -EOPNOTSUPP ? "one is in the middle of a hash" :
                     strerror(-ret));
    } else {
        qemu_put_be32(f, handle);
        qemu_put_be32(f, count);
        for (i = 0; i < count; i++) {
            put_session(f, &states[i]);
        }
    }
    if (states) {
        explicit_bzero(states, room * sizeof(*states));
    }
    return ret;
}

static int put_files(QEMUFile *f, void *pv, size_t size,
                     const VMStateField *field, JSONWriter *vmdesc)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(pv);
    const uint32_t most = c->conf.max_open_files;
    unsigned long handle;
    int ret = 0;

    qemu_put_be32(f, bitmap_count_one(c->open_files, most));
    for (handle = find_first_bit(c->open_files, most);
         handle < most && ret == 0;
         handle = find_next_bit(c->open_files, most, handle + 1)) {
        ret = put_file(f, c, handle);
    }
    return ret;
}

/* Loading */

static int too_short(const char *what)
{
    error_report("virtio-cryptodev: the stream ends within %s", what);
    return -EINVAL;
}

static bool get_u32(QEMUFile *f, uint32_t *value)
{
    uint8_t buf[sizeof(*value)];

    if (qemu_get_buffer(f, buf, sizeof(buf)) != sizeof(buf)) {
        return false;
    }
    *value = ldl_be_p(buf);
    return true;
}

/* A key that does not fit is not read: what would come after it is unknown. */
static int get_key(QEMUFile *f, const SessionState *state, const char *what,
                   uint32_t *keylen, uint8_t *key, size_t room)
{
    if (!get_u32(f, keylen)) {
        return too_short("a session");
    }
    if (*keylen > room) {
        error_report("virtio-cryptodev: session %" PRIu32 ": a %s of %" PRIu32
                     " bytes, no more than %zu are allowed", state->ses, what,
                     *keylen, room);
        return -EINVAL;
    }
    if (qemu_get_buffer(f, key, *keylen) != *keylen) {
        return too_short("a session");
    }
    return 0;
}

static int get_session(QEMUFile *f, SessionState *state)
{
    int ret;

    memset(state, 0, sizeof(*state));
    if (!get_u32(f, &state->ses) || !get_u32(f, &state->cipher)) {
        return too_short("a session");
    }
    ret = get_key(f, state, "key", &state->keylen, state->key,
                  sizeof(state->key));
    if (ret < 0) {
        return ret;
    }
    if (qemu_get_buffer(f, state->iv, sizeof(state->iv)) != sizeof(state->iv) ||
        !get_u32(f, &state->mac)) {
        return too_short("a session");
    }
    return get_key(f, state, "mac key", &state->mackeylen, state->mackey,
                   sizeof(state->mackey));
}

static int load_session(VirtIOCryptodev *c, uint32_t handle,
                        const SessionState *state)
{
    int ret;

    /* Waiting for the stream lets others run, a reset of the machine too. */
    if (!test_bit(handle, c->open_files)) {
        error_report("virtio-cryptodev: reset while it was being loaded");
        return -ECANCELED;
    }
    if (state->ses == 0) {
        error_report("virtio-cryptodev: open file %" PRIu32 ": a session with "
                     "the id 0, which is nobody's", handle);
        return -EINVAL;
    }
    ret = c->backend->load_session(&c->conf, c->files[handle], state);
    if (ret == -EEXIST) {
        error_report("virtio-cryptodev: open file %" PRIu32 ": session %" PRIu32
                     " comes twice, ids must be unique", handle, state->ses);
    } else if (ret < 0) {
        error_report("virtio-cryptodev: open file %" PRIu32 ": session %" PRIu32
                     " with cipher %" PRIu32 " and a key of %" PRIu32
                     " bytes, mac %" PRIu32 " and a key of %" PRIu32 " bytes "
                     "is not possible with backend=%s: %s", handle, state->ses,
                     state->cipher, state->keylen, state->mac, state->mackeylen,
                     c->backend->name, strerror(-ret));
    }
    return ret;
}

static int get_sessions(QEMUFile *f, VirtIOCryptodev *c, uint32_t handle,
                        uint32_t count)
{
    SessionState state;
    int ret = 0;

    while (count-- && ret == 0) {
        ret = get_session(f, &state);
        if (ret == 0) {
            ret = load_session(c, handle, &state);
        }
    }
    explicit_bzero(&state, sizeof(state));
    return ret;
}

static int get_file(QEMUFile *f, VirtIOCryptodev *c)
{
    uint32_t handle, count;
    int ret;

    if (!get_u32(f, &handle) || !get_u32(f, &count)) {
        return too_short("an open file");
    }
    if (handle >= c->conf.max_open_files) {
        error_report("virtio-cryptodev: an open file with handle %" PRIu32
                     ", handles are less than max-open-files=%" PRIu32, handle,
                     c->conf.max_open_files);
        return -EINVAL;
    }
    if (count > c->conf.max_sessions) {
        error_report("virtio-cryptodev: open file %" PRIu32 " with %" PRIu32
                     " sessions, no more than max-sessions=%" PRIu32
                     " are allowed", handle, count, c->conf.max_sessions);
        return -EINVAL;
    }
    if (test_bit(handle, c->open_files)) {
        error_report("virtio-cryptodev: open file %" PRIu32 " comes twice, "
                     "handles must be unique", handle);
        return -EINVAL;
    }
    ret = virtio_cryptodev_open_file(c, handle);
    if (ret < 0) {
        error_report("virtio-cryptodev: open file %" PRIu32 " cannot be opened "
                     "with backend=%s: %s", handle, c->backend->name,
                     strerror(-ret));
        return ret;
    }
    return get_sessions(f, c, handle, count);
}

static int get_files(QEMUFile *f, void *pv, size_t size,
                     const VMStateField *field)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(pv);
    uint32_t i, count;
    int ret = 0;

    if (!get_u32(f, &count)) {
        return too_short("the number of open files");
    }
    if (count < 1 || count > c->conf.max_open_files) {
        error_report("virtio-cryptodev: %" PRIu32 " open files, must be 1 to "
                     "max-open-files=%" PRIu32, count, c->conf.max_open_files);
        return -EINVAL;
    }
    if (open_files_needed(c)) {
        error_report("virtio-cryptodev: open files come in two lists, must "
                     "come in one");
        ret = -EINVAL;
    }
    for (i = 0; i < count && ret == 0; i++) {
        ret = get_file(f, c);
    }
    if (ret < 0) {
        virtio_cryptodev_close_all(c);
    }
    return ret;
}

static const VMStateInfo vmstate_info_files = {
    .name = "virtio-cryptodev open files",
    .get = get_files,
    .put = put_files,
};

static const VMStateDescription vmstate_open_files = {
    .name = "virtio-cryptodev-device/open-files",
    .version_id = 2,
    .minimum_version_id = 2,
    .needed = open_files_needed,
    .fields = (const VMStateField[]) {
        {
            .name = "files",
            .info = &vmstate_info_files,
            .flags = VMS_SINGLE,
        },
        VMSTATE_END_OF_LIST()
    },
};

/*
 * The core believes what the stream says of the queues: QEMU aborts over one
 * without descriptors that has an address.  Here, and not in the class's
 * post_load, it has not acted on it yet.
 */
static int virtio_cryptodev_device_post_load(void *opaque, int version_id)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(opaque);
    VirtIODevice *vdev = VIRTIO_DEVICE(opaque);
    int ret = 0;
    int i;

    for (i = 0; i < VIRTIO_QUEUE_MAX && ret == 0; i++) {
        const int size = virtio_queue_get_num(vdev, i);

        if (i < c->num_queues) {
            if (size < 1 || size > VIRTQUEUE_MAX_SIZE) {
                error_report("virtio-cryptodev: queue %d of %d descriptors, "
                             "must be 1 to %d", i, size, VIRTQUEUE_MAX_SIZE);
                ret = -EINVAL;
            }
        } else if (size || virtio_queue_get_desc_addr(vdev, i)) {
            error_report("virtio-cryptodev: a queue %d, there are %u", i,
                         c->num_queues);
            ret = -EINVAL;
        }
    }
    if (ret < 0) {
        virtio_cryptodev_close_all(c);
    }
    return ret;
}

/* A device with nothing open has nothing to tell. */
const VMStateDescription vmstate_virtio_cryptodev_device = {
    .name = "virtio-cryptodev-device",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = virtio_cryptodev_device_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * COMPAT_SUBSECTION_CONST []) {
        &vmstate_open_files,
        NULL
    },
};

/* Whatever the guest had open before is not in what is loaded now. */
static int virtio_cryptodev_pre_load(void *opaque)
{
    VirtIOCryptodev *c = VIRTIO_CRYPTODEV(opaque);

    virtio_cryptodev_drain(c);
    virtio_cryptodev_close_all(c);
    c->began = false;
    return 0;
}

const VMStateDescription vmstate_virtio_cryptodev = {
    .name = "virtio-cryptodev",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_load = virtio_cryptodev_pre_load,
    .fields = (const VMStateField[]) {
        VMSTATE_VIRTIO_DEVICE,
        VMSTATE_END_OF_LIST()
    },
};
