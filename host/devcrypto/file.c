/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open files, and the table of their sessions. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_BUCKETS 16u

struct devcrypto_file {
    atomic_uint refs;
    struct devcrypto_limits limits; /* never change */

    pthread_mutex_t lock; /* protects the table; held for a few loads and stores, never during crypto */
    struct devcrypto_session **buckets;
    unsigned int nbuckets; /* a power of two */
    unsigned int count;
};

/* ---- open files ---- */

int devcrypto_open(const struct devcrypto_limits *limits, struct devcrypto_file **out)
{
    struct devcrypto_file *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return -ENOMEM;
    f->buckets = calloc(FIRST_BUCKETS, sizeof(struct devcrypto_session *));
    if (f->buckets == NULL || pthread_mutex_init(&f->lock, NULL) != 0) {
        free(f->buckets);
        free(f);
        return -ENOMEM;
    }
    f->nbuckets = FIRST_BUCKETS;
    if (limits != NULL)
        f->limits = *limits;
    atomic_init(&f->refs, 1);
    *out = f;
    return 0;
}

void devcrypto_ref(struct devcrypto_file *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

void devcrypto_unref(struct devcrypto_file *f)
{
    if (f == NULL || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned int i = 0; i < f->nbuckets; i++) {
        struct devcrypto_session *s = f->buckets[i];

        while (s != NULL) {
            struct devcrypto_session *next = s->next;

            devcrypto_session_put(s);
            s = next;
        }
    }
    pthread_mutex_destroy(&f->lock);
    free(f->buckets);
    free(f);
}

unsigned int devcrypto_session_count(struct devcrypto_file *f)
{
    unsigned int count;

    pthread_mutex_lock(&f->lock);
    count = f->count;
    pthread_mutex_unlock(&f->lock);
    return count;
}

/* ---- the table of sessions; these need the file's lock ---- */

static struct devcrypto_session **bucket_of(struct devcrypto_file *f, uint32_t id)
{
    return &f->buckets[id & (f->nbuckets - 1)]; /* ids are random: their low bits spread well */
}

static struct devcrypto_session *table_find(struct devcrypto_file *f, uint32_t id)
{
    struct devcrypto_session *s = *bucket_of(f, id);

    while (s != NULL && s->id != id)
        s = s->next;
    return s;
}

static void table_put(struct devcrypto_file *f, struct devcrypto_session *s)
{
    struct devcrypto_session **bucket = bucket_of(f, s->id);

    s->next = *bucket;
    *bucket = s;
}

/* Doubles the buckets when sessions outnumber them.  Without memory for it the chains just grow. */
static void table_grow(struct devcrypto_file *f)
{
    struct devcrypto_session **old = f->buckets;
    unsigned int nold = f->nbuckets;
    struct devcrypto_session **wider;

    if (f->count < nold || nold > UINT32_MAX / 4)
        return;
    wider = calloc((size_t)nold * 2, sizeof(struct devcrypto_session *));
    if (wider == NULL)
        return;
    f->buckets = wider;
    f->nbuckets = nold * 2;
    for (unsigned int i = 0; i < nold; i++) {
        struct devcrypto_session *s = old[i];

        while (s != NULL) {
            struct devcrypto_session *next = s->next;

            table_put(f, s);
            s = next;
        }
    }
    free(old);
}

/* Gives the session an id of its own. */
static int table_new_id(struct devcrypto_file *f, struct devcrypto_session *s)
{
    do {
        ssize_t got = getrandom(&s->id, sizeof(s->id), 0);

        if (got < 0 && errno != EINTR)
            return -errno;
        if (got != (ssize_t)sizeof(s->id))
            s->id = 0;
    } while (s->id == 0 || table_find(f, s->id) != NULL); /* 0 is what callers start `ses` with */
    return 0;
}

/* Under the id `wanted`, or a new one if that is 0. */
static int table_add(struct devcrypto_file *f, struct devcrypto_session *s, uint32_t wanted)
{
    int err = 0;

    if (wanted != 0 && table_find(f, wanted) != NULL)
        return -EEXIST;
    if (f->limits.max_sessions != 0 && f->count >= f->limits.max_sessions)
        return -ENOMEM;
    s->id = wanted;
    if (wanted == 0)
        err = table_new_id(f, s);
    if (err != 0)
        return err;
    table_grow(f);
    table_put(f, s);
    f->count++;
    return 0;
}

static struct devcrypto_session *table_remove(struct devcrypto_file *f, uint32_t id)
{
    struct devcrypto_session **link = bucket_of(f, id);

    while (*link != NULL && (*link)->id != id)
        link = &(*link)->next;
    if (*link == NULL)
        return NULL;

    struct devcrypto_session *s = *link;

    *link = s->next;
    f->count--;
    return s;
}

/* ---- for the other sources ---- */

struct devcrypto_session *devcrypto_session_get(struct devcrypto_file *f, uint32_t id)
{
    struct devcrypto_session *s;

    pthread_mutex_lock(&f->lock);
    s = table_find(f, id);
    if (s != NULL)
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&f->lock);
    return s;
}

int devcrypto_session_publish(struct devcrypto_file *f, struct devcrypto_session *s, int err, uint32_t wanted,
                           uint32_t *ses)
{
    if (err == 0) {
        pthread_mutex_lock(&f->lock);
        err = table_add(f, s, wanted);
        if (err == 0)
            *ses = s->id; /* under the lock: once it is in the table another thread may free it */
        pthread_mutex_unlock(&f->lock);
    }
    if (err != 0)
        devcrypto_session_put(s);
    return err;
}

int devcrypto_session_free(struct devcrypto_file *f, uint32_t ses)
{
    struct devcrypto_session *s;

    pthread_mutex_lock(&f->lock);
    s = table_remove(f, ses);
    pthread_mutex_unlock(&f->lock);
    if (s != NULL)
        devcrypto_session_put(s);
    return 0;
}

unsigned int devcrypto_list_ids(struct devcrypto_file *f, struct devcrypto_session_state *states, unsigned int room)
{
    unsigned int count = 0;

    pthread_mutex_lock(&f->lock);
    for (unsigned int i = 0; i < f->nbuckets; i++)
        for (const struct devcrypto_session *s = f->buckets[i]; s != NULL; s = s->next, count++)
            if (count < room)
                states[count].ses = s->id;
    pthread_mutex_unlock(&f->lock);
    return count;
}

bool devcrypto_too_long(const struct devcrypto_file *f, size_t len)
{
    return f->limits.max_len != 0 && len > f->limits.max_len;
}
