/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes over the virtqueues of a device, as JSON lines
 *
 *   {"event":"pop","at":7.250001,"id":1,"queue":0,"out":[B,...],"in":[B,...]}
 *   {"event":"push","at":7.250103,"id":1,"queue":0,"used":4,"out":[B,...],
 *    "in":[B,...]}
 *
 * "at" is when, in seconds of CLOCK_MONOTONIC.
 * B is {"len":4,"data":"0a000000"}: how long a buffer is, and its first bytes as
 * they are at that moment.  "out" is what the driver wrote, "in" is what the
 * device may write to.
 */

#include "qemu/osdep.h"

#define HARNESS_WIRETAP_INSIDE
#include "wiretap.h"

#define VARIABLE "HARNESS_WIRETAP"
#define MAX_BYTES 64            /* of one buffer */
/*
 * A file must not fill the disk, and a guest can make chains of 1024 buffers.
 * Of the file 64 MiB are read.  No chain is begun in the second half of them,
 * so that those that were are told to their ends.
 */
#define MAX_CHAINS 4096
#define MAX_FILE (64 * 1024 * 1024)

/* A chain that the device has. */
typedef struct Chain {
    VirtQueue *vq;
    unsigned int index;
    uint64_t id;                /* 0: it is not told */
    void *block;                /* of an element that was copied to the caller */
} Chain;

/* Devices take chains in more than one thread: all below is used locked. */
static GMutex lock;
static GHashTable *chains;
static uint64_t taken;
static size_t told;             /* bytes */
static int file = -1;
static bool looked;

static guint chain_hash(gconstpointer key)
{
    const Chain *chain = key;

    return g_direct_hash(chain->vq) ^ chain->index;
}

static gboolean chain_equal(gconstpointer a, gconstpointer b)
{
    const Chain *one = a, *other = b;

    return one->vq == other->vq && one->index == other->index;
}

static void chain_free(gpointer data)
{
    Chain *chain = data;

    g_free(chain->block);
    g_free(chain);
}

static void append_buffers(GString *line, const char *name,
                           const struct iovec *iov, unsigned int count)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * MAX_BYTES];
    unsigned int i;
    size_t at, shown;

    g_string_append_printf(line, ",\"%s\":[", name);
    for (i = 0; i < count; i++) {
        const uint8_t *data = iov[i].iov_base;

        g_string_append_printf(line, "%s{\"len\":%zu,\"data\":\"",
                               i ? "," : "", iov[i].iov_len);
        shown = MIN(iov[i].iov_len, MAX_BYTES);
        for (at = 0; at < shown; at++) {
            text[2 * at] = digits[data[at] >> 4];
            text[2 * at + 1] = digits[data[at] & 15];
        }
        g_string_append_len(line, text, 2 * shown);
        g_string_append(line, "\"}");
    }
    g_string_append_c(line, ']');
}

/* Each line is one write(): whoever reads, reads whole lines. */
static void tell(GString *line, const VirtQueueElement *elem)
{
    size_t done = 0;

    append_buffers(line, "out", elem->out_sg, elem->out_num);
    append_buffers(line, "in", elem->in_sg, elem->in_num);
    g_string_append(line, "}\n");
    told += line->len;
    while (done < line->len) {
        ssize_t count = write(file, line->str + done, line->len - done);

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            /* The device goes on; what is missing is seen by its reader. */
            close(file);
            file = -1;
            return;
        }
        done += count;
    }
}

static bool telling(void)
{
    if (!looked) {
        const char *path = getenv(VARIABLE);

        looked = true;
        if (path && *path) {
            file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
            if (file < 0) {
                fprintf(stderr, VARIABLE ": %s: %s\n", path, strerror(errno));
            }
        }
    }
    return file >= 0;
}

/* Begin a line; no printf of a float, which writes a comma in some languages. */
static GString *begin(const char *event, uint64_t id, VirtQueue *vq)
{
    GString *line = g_string_new(NULL);
    int64_t now = g_get_monotonic_time();

    g_string_printf(line, "{\"event\":\"%s\",\"at\":%" PRId64 ".%06" PRId64
                    ",\"id\":%" PRIu64 ",\"queue\":%d", event,
                    now / G_USEC_PER_SEC, now % G_USEC_PER_SEC, id,
                    virtio_get_queue_index(vq));
    return line;
}

/* A chain was taken; block is given to it. */
static void take(VirtQueue *vq, const VirtQueueElement *elem, void *block)
{
    g_autoptr(GString) line = NULL;
    Chain *chain = NULL;

    g_mutex_lock(&lock);
    if (!chains) {
        chains = g_hash_table_new_full(chain_hash, chain_equal, chain_free,
                                       NULL);
    }
    if (block || telling()) {
        chain = g_new0(Chain, 1);
        chain->vq = vq;
        chain->index = elem->index;
        chain->block = block;
        if (telling() && taken < MAX_CHAINS && told < MAX_FILE / 2) {
            chain->id = ++taken;
            line = begin("pop", chain->id, vq);
            tell(line, elem);
        }
        /* One of this place that never came back, because of a reset, goes. */
        g_hash_table_replace(chains, chain, chain);
    }
    g_mutex_unlock(&lock);
}

/*
 * A chain is about to be given back: afterwards its buffers are the guest's.
 * Returns what is to be freed then.
 */
static void *give(VirtQueue *vq, const VirtQueueElement *elem, unsigned int len)
{
    g_autoptr(GString) line = NULL;
    Chain key = { .vq = vq, .index = elem->index };
    Chain *chain;
    void *block = NULL;

    g_mutex_lock(&lock);
    chain = chains ? g_hash_table_lookup(chains, &key) : NULL;
    if (chain) {
        if (chain->id && telling() && told <= MAX_FILE) {
            line = begin("push", chain->id, vq);
            g_string_append_printf(line, ",\"used\":%u", len);
            tell(line, elem);
        }
        block = g_steal_pointer(&chain->block);
        g_hash_table_remove(chains, chain);
    }
    g_mutex_unlock(&lock);
    return block;
}

void *wiretap_pop(VirtQueue *vq, size_t size)
{
    VirtQueueElement *elem = virtqueue_pop(vq, size);

    if (elem) {
        take(vq, elem, NULL);
    }
    return elem;
}

int wiretap_pop_into(VirtQueue *vq, VirtQueueElement *elem)
{
    VirtQueueElement *block = virtqueue_pop(vq, sizeof(*block));

    if (!block) {
        return 0;
    }
    /* Its lists of buffers stay in the block. */
    *elem = *block;
    take(vq, elem, block);
    return elem->in_num + elem->out_num;
}

void wiretap_push(VirtQueue *vq, const VirtQueueElement *elem, unsigned int len)
{
    void *block = give(vq, elem, len);

    virtqueue_push(vq, elem, len);
    g_free(block);
}

void wiretap_fill(VirtQueue *vq, const VirtQueueElement *elem, unsigned int len,
                  unsigned int idx)
{
    void *block = give(vq, elem, len);

    virtqueue_fill(vq, elem, len, idx);
    g_free(block);
}
