/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open files, the table of their sessions, and the calls of a caller that holds the bytes itself. */
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

/* ---- sessions ---- */

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

static void session_destroy(struct devcrypto_session *s)
{
    devcrypto_algorithms_done(s);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void devcrypto_session_put(struct devcrypto_session *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        session_destroy(s);
}

/* One that nobody else knows yet: with its reference, without algorithms. */
static struct devcrypto_session *session_new(void)
{
    struct devcrypto_session *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        return NULL;
    }
    atomic_init(&s->refs, 1);
    return s;
}

/* Puts it into the table (see table_add) or, when that or what came before failed, ends it. */
static int session_publish(struct devcrypto_file *f, struct devcrypto_session *s, int err, uint32_t wanted,
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
        session_destroy(s);
    return err;
}

int devcrypto_session_create(struct devcrypto_file *f, uint32_t cipher, const void *key, size_t keylen,
                             uint32_t mac, const void *mackey, size_t mackeylen, uint32_t *ses)
{
    bool takes_mackey = devcrypto_mac_takes_key(mac);
    struct devcrypto_session *s;
    int err = devcrypto_check_algorithms(cipher, mac);

    if (err != 0)
        return err;
    if (cipher != 0 && keylen > DEVCRYPTO_MAX_KEY)
        return -EINVAL;
    if (cipher != 0 && keylen != 0 && key == NULL)
        return -EFAULT;
    if (devcrypto_check_keylen(cipher, keylen) != 0 || (mac != 0 && mackeylen > DEVCRYPTO_MAX_MACKEY))
        return -EINVAL;
    if (takes_mackey && mackeylen != 0 && mackey == NULL)
        return -EFAULT;

    s = session_new();
    if (s == NULL)
        return -ENOMEM;
    if (cipher != 0)
        err = devcrypto_cipher_init(s, cipher, key, keylen);
    if (err == 0 && mac != 0)
        err = devcrypto_hash_init(s, mac, mackey, mackeylen);
    return session_publish(f, s, err, 0, ses);
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

/* ---- carrying sessions to another place ---- */

/* Lists their ids in states and returns how many sessions there are, also when that is more than room. */
static unsigned int list_ids(struct devcrypto_file *f, struct devcrypto_session_state *states, unsigned int room)
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

static int export_session(struct devcrypto_session *s, struct devcrypto_session_state *state)
{
    if (s->hash != NULL) /* never changes: no lock */
        return -EOPNOTSUPP;
    memset(state, 0, sizeof(*state));
    state->ses = s->id;
    state->cipher = devcrypto_cipher_number(s->cipher);
    state->keylen = s->keylen;
    memcpy(state->key, s->key, s->keylen);
    pthread_mutex_lock(&s->lock);
    memcpy(state->iv, s->iv, sizeof(state->iv));
    pthread_mutex_unlock(&s->lock);
    return 0;
}

/* First the ids, then each session by its id: nothing waits for a call that is running with the table locked. */
int devcrypto_export(struct devcrypto_file *f, struct devcrypto_session_state *states, unsigned int room,
                     unsigned int *count)
{
    unsigned int listed = list_ids(f, states, room);
    unsigned int done = 0;
    int err = listed <= room ? 0 : -ENOSPC;

    for (unsigned int i = 0; i < listed && err == 0; i++) {
        struct devcrypto_session *s = devcrypto_session_get(f, states[i].ses);

        if (s == NULL)
            continue; /* freed since */
        err = export_session(s, &states[done]);
        if (err == 0)
            done++;
        devcrypto_session_put(s);
    }
    if (err != 0 && done != 0)
        explicit_bzero(states, done * sizeof(*states));
    *count = err == 0 ? done : 0;
    return err;
}

int devcrypto_import(struct devcrypto_file *f, const struct devcrypto_session_state *state)
{
    struct devcrypto_session *s;
    uint32_t ses;
    int err;

    if (state->ses == 0 || devcrypto_check_algorithms(state->cipher, 0) != 0 ||
        devcrypto_check_keylen(state->cipher, state->keylen) != 0)
        return -EINVAL;
    s = session_new();
    if (s == NULL)
        return -ENOMEM;
    err = devcrypto_cipher_init(s, state->cipher, state->key, state->keylen);
    memcpy(s->iv, state->iv, sizeof(s->iv));
    return session_publish(f, s, err, state->ses, &ses);
}

/* ---- the work ---- */

int devcrypto_check_request(const struct devcrypto_file *f, const struct devcrypto_session *s, uint32_t op,
                            size_t len)
{
    if (op != DEVCRYPTO_OP_ENCRYPT && op != DEVCRYPTO_OP_DECRYPT)
        return -EINVAL;
    if (s->cipher != NULL && len % devcrypto_block(s->cipher) != 0)
        return -EINVAL;
    if (f->limits.max_len != 0 && len > f->limits.max_len)
        return -EINVAL;
    return 0;
}

int devcrypto_crypt(struct devcrypto_file *f, uint32_t ses, uint32_t op, uint32_t flags, const uint8_t *iv,
                    uint8_t *iv_out, const void *src, void *dst, size_t len)
{
    struct devcrypto_session *s = devcrypto_session_get(f, ses);
    struct devcrypto_run run;
    int err;

    (void)flags; /* they say what to do with an IV's address and a digest: this caller has neither */
    if (s == NULL)
        return -EINVAL;
    err = s->hash == NULL ? devcrypto_check_request(f, s, op, len) : -EINVAL;
    if (err != 0) {
        devcrypto_session_put(s);
        return err;
    }

    pthread_mutex_lock(&s->lock);
    if (iv != NULL)
        memcpy(s->iv, iv, sizeof(s->iv));
    if (len != 0) {
        if (src == NULL || dst == NULL)
            err = -EFAULT;
        if (err == 0)
            err = devcrypto_run_start(&run, s, op);
        if (err == 0)
            err = devcrypto_run_step(&run, src, dst, len);
        if (err == 0)
            devcrypto_run_commit(&run);
    }
    if (err == 0 && iv_out != NULL)
        memcpy(iv_out, s->iv, sizeof(s->iv));
    pthread_mutex_unlock(&s->lock);
    devcrypto_session_put(s);
    return err;
}
/* TEMPORARY SHIM */
int devcrypto_algorithm_sizes(uint32_t cipher, uint32_t mac, struct devcrypto_sizes *z)
{
    memset(z, 0, sizeof *z); z->block = 16; z->iv_len = 16; z->cipher = cipher; z->mac = mac; return devcrypto_check_algorithms(cipher, mac);
}
int devcrypto_session_sizes(struct devcrypto_file *f, uint32_t ses, struct devcrypto_sizes *z)
{
    struct devcrypto_session *s = devcrypto_session_get(f, ses);
    if (s == NULL) return -EINVAL;
    devcrypto_session_put(s);
    return devcrypto_algorithm_sizes(11, 0, z);
}
int devcrypto_hash_copy(struct devcrypto_file *f, uint32_t a, uint32_t b) { (void)f; (void)a; (void)b; return -EINVAL; }
int devcrypto_perform(struct devcrypto_file *f, struct devcrypto_op *op)
{
    if (op->src.count <= 1 && op->dst.count <= 1) {
        op->out_len = op->dst.len;
        return devcrypto_crypt(f, op->ses, op->op, op->flags, op->has_iv ? op->iv : NULL, op->iv, op->src.count ? op->src.iov[0].iov_base : NULL, op->dst.count ? op->dst.iov[0].iov_base : NULL, op->src.len);
    }
    uint8_t *b = malloc(op->src.len), *p = b; int r;
    for (unsigned i = 0; i < op->src.count; i++) { memcpy(p, op->src.iov[i].iov_base, op->src.iov[i].iov_len); p += op->src.iov[i].iov_len; }
    r = devcrypto_crypt(f, op->ses, op->op, op->flags, op->has_iv ? op->iv : NULL, op->iv, b, b, op->src.len);
    p = b;
    if (!r) for (unsigned i = 0; i < op->dst.count; i++) { memcpy(op->dst.iov[i].iov_base, p, op->dst.iov[i].iov_len); p += op->dst.iov[i].iov_len; }
    free(b); op->out_len = op->dst.len;
    return r;
}
