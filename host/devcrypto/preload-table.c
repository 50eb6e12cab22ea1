/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which descriptors stand for /dev/crypto, through dup, close and fork. */
#include "preload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IMPLAUSIBLE (1 << 24) /* no descriptor has such a number: let the kernel say so, without a table for it */

/*
 * Descriptors that are ours, by number; NULL where one is not.  `ours` counts them and is read without the
 * lock: a program that never opens the device pays for one load in each close().
 */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER; /* protects table, table_size, owner */
static struct devcrypto_file **table;
static size_t table_size;
static atomic_uint ours;
/* Between vfork() and exec() a child changes its own descriptors but our memory: not ours to follow. */
static pid_t owner;

/*
 * Held for reading during each ioctl and for writing across fork(), so that the child finds no lock taken
 * and no context half way.  Taken before table_lock.
 */
static pthread_rwlock_t fork_lock;

void release_file(struct devcrypto_file *f)
{
    int saved = errno;

    devcrypto_unref(f);
    errno = saved;
}

static void fork_lock_init(void)
{
    pthread_rwlockattr_t attr;

    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&fork_lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

static void before_fork(void)
{
    pthread_rwlock_wrlock(&fork_lock);
    pthread_mutex_lock(&table_lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&table_lock);
    pthread_rwlock_unlock(&fork_lock);
}

static void after_fork_in_child(void)
{
    owner = getpid();
    pthread_mutex_unlock(&table_lock);
    fork_lock_init(); /* it remembers its writer by thread id, and ours has just changed */
}

int descriptors_init(void)
{
    owner = getpid();
    fork_lock_init();
    return pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void descriptors_hold_fork(void)
{
    pthread_rwlock_rdlock(&fork_lock);
}

void descriptors_let_fork(void)
{
    pthread_rwlock_unlock(&fork_lock);
}

/* ---- the table; callers hold table_lock ---- */

static bool is_ours(int fd)
{
    return fd >= 0 && (size_t)fd < table_size && table[fd] != NULL;
}

/* Makes room for fd, before the descriptor exists or changes: afterwards nothing can fail. */
static int make_room(int fd)
{
    size_t size = table_size != 0 ? table_size : 64;
    struct devcrypto_file **wider;

    if ((size_t)fd < table_size)
        return 0;
    while (size <= (size_t)fd)
        size *= 2;
    wider = realloc(table, size * sizeof(struct devcrypto_file *));
    if (wider == NULL)
        return -ENOMEM;
    memset(wider + table_size, 0, (size - table_size) * sizeof(struct devcrypto_file *));
    table = wider;
    table_size = size;
    return 0;
}

/* Says what fd means from now on (NULL: nothing of ours).  Returns what it meant, for the caller to unref. */
static struct devcrypto_file *set_meaning(int fd, struct devcrypto_file *f)
{
    struct devcrypto_file *before = is_ours(fd) ? table[fd] : NULL;

    if (before == NULL && f == NULL)
        return NULL;
    table[fd] = f;
    if (before == NULL)
        atomic_fetch_add(&ours, 1);
    if (f == NULL)
        atomic_fetch_sub(&ours, 1);
    return before;
}

/* ---- for callers that do not hold it ---- */

bool descriptors_none(void)
{
    return atomic_load_explicit(&ours, memory_order_relaxed) == 0;
}

struct devcrypto_file *descriptor_file(int fd)
{
    struct devcrypto_file *f = NULL;

    if (descriptors_none())
        return NULL;
    pthread_mutex_lock(&table_lock);
    if (is_ours(fd)) {
        f = table[fd];
        devcrypto_ref(f);
    }
    pthread_mutex_unlock(&table_lock);
    return f;
}

int descriptor_adopt(int fd, struct devcrypto_file *f)
{
    struct devcrypto_file *unused = f;
    int err = 0;

    pthread_mutex_lock(&table_lock);
    if (owner == getpid()) {
        err = make_room(fd);
        if (err == 0)
            unused = set_meaning(fd, f); /* not NULL: fd had been closed behind our back */
    }
    pthread_mutex_unlock(&table_lock);
    release_file(unused);
    if (err == 0)
        return fd;
    real.close(fd);
    errno = -err;
    return -1;
}

void descriptor_forget(int fd)
{
    struct devcrypto_file *f = NULL;

    if (descriptors_none())
        return;
    pthread_mutex_lock(&table_lock);
    if (is_ours(fd) && owner == getpid())
        f = set_meaning(fd, NULL);
    pthread_mutex_unlock(&table_lock);
    release_file(f);
}

void descriptor_forget_range(unsigned int first, unsigned int last)
{
    size_t end;

    if (descriptors_none())
        return;
    pthread_mutex_lock(&table_lock);
    end = table_size;
    pthread_mutex_unlock(&table_lock);
    for (size_t fd = first; fd < end && fd <= last; fd++)
        descriptor_forget((int)fd);
}

/* The system call and what we know change together, so that no call on `to` sees one without the other. */
int descriptor_dup_onto(int from, int to, int flags)
{
    struct devcrypto_file *before = NULL;
    int result = -1;

    pthread_mutex_lock(&table_lock);
    if (!is_ours(from) || to < 0 || to >= IMPLAUSIBLE || make_room(to) == 0)
        result = flags < 0 ? real.dup2(from, to) : real.dup3(from, to, flags);
    else
        errno = ENOMEM;
    if (result >= 0 && to < IMPLAUSIBLE && from != to && owner == getpid()) {
        struct devcrypto_file *f = is_ours(from) ? table[from] : NULL;

        if (f != NULL)
            devcrypto_ref(f);
        before = set_meaning(to, f);
    }
    pthread_mutex_unlock(&table_lock);
    release_file(before);
    return result;
}
