/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /dev/crypto for a program that is started with LD_PRELOAD=libdevcrypto-preload.so, on a machine that has
 * none.  DEVCRYPTO_PATH names another path than /dev/crypto.
 *
 * Each descriptor is a real one: an epoll instance stands in for the device, so that its number collides with
 * nothing, poll() is harmless, and read() and write() give EINVAL, as on the device, without our help.  What
 * a number means is kept here, followed through dup, fcntl, close and fork.
 *
 * Where this differs from a device in the kernel:
 *   - After fork() the child has a copy of the sessions as they were; what either side then does (a session
 *     made or freed, an IV moved on) the other does not see.
 *   - exec() loses the sessions: a descriptor that is inherited that way is only an epoll instance.
 *   - What the C library closes inside itself (fclose of an fdopen) is not seen until the number is used anew.
 *   - A descriptor sent over a socket, and calls made with syscall(2), are not seen.
 *   - Only open() and its kin know the path; stat() and access() ask the real file system.
 */
#include "preload.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))
#define DEFAULT_PATH "/dev/crypto"

struct real_calls real;

static const char *device_path;

static void *symbol(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (found == NULL)
        abort(); /* not a C library that this was built for */
    return found;
}

static void find_everything(void)
{
    real.open = symbol("open");
    real.openat = symbol("openat");
    real.open_2 = symbol("__open_2");
    real.openat_2 = symbol("__openat_2");
    real.close = symbol("close");
    real.close_range = dlsym(RTLD_NEXT, "close_range"); /* younger than the rest */
    real.dup = symbol("dup");
    real.dup2 = symbol("dup2");
    real.dup3 = symbol("dup3");
    real.fcntl = symbol("fcntl");
    real.ioctl = symbol("ioctl");
    device_path = getenv("DEVCRYPTO_PATH");
    device_path = strdup(device_path != NULL && *device_path != '\0' ? device_path : DEFAULT_PATH);
    if (device_path == NULL)
        abort();
    if (descriptors_init() != 0)
        abort();
}

/* Before our constructor runs, the constructors of other libraries may already open files. */
__attribute__((constructor)) static void ready(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, find_everything);
}

/* ---- open ---- */

static bool is_device(const char *path)
{
    ready();
    return path != NULL && strcmp(path, device_path) == 0;
}

static int open_device(int flags)
{
    struct devcrypto_file *f;
    int err = 0;
    int fd;

    if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0)
        err = -EEXIST;
    else if ((flags & O_DIRECTORY) != 0)
        err = -ENOTDIR;
    if (err == 0)
        err = devcrypto_open(NULL, &f);
    if (err != 0) {
        errno = -err;
        return -1;
    }
    fd = epoll_create1((flags & O_CLOEXEC) != 0 ? EPOLL_CLOEXEC : 0);
    if (fd < 0) {
        release_file(f);
        return -1;
    }
    if ((flags & O_NONBLOCK) != 0)
        real.fcntl(fd, F_SETFL, O_NONBLOCK);
    return descriptor_adopt(fd, f);
}

static bool has_mode(int flags)
{
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

#define GET_MODE(mode, flags)                     \
    do {                                          \
        va_list ap_;                              \
        va_start(ap_, flags);                     \
        if (has_mode(flags))                      \
            (mode) = va_arg(ap_, unsigned int);   \
        va_end(ap_);                              \
    } while (0)

PUBLIC int open(const char *path, int flags, ...)
{
    unsigned int mode = 0;

    GET_MODE(mode, flags);
    return is_device(path) ? open_device(flags) : real.open(path, flags, mode);
}

PUBLIC int open64(const char *path, int flags, ...)
{
    unsigned int mode = 0;

    GET_MODE(mode, flags);
    return is_device(path) ? open_device(flags) : real.open(path, flags | O_LARGEFILE, mode);
}

PUBLIC int openat(int dir, const char *path, int flags, ...)
{
    unsigned int mode = 0;

    GET_MODE(mode, flags);
    return is_device(path) ? open_device(flags) : real.openat(dir, path, flags, mode);
}

PUBLIC int openat64(int dir, const char *path, int flags, ...)
{
    unsigned int mode = 0;

    GET_MODE(mode, flags);
    return is_device(path) ? open_device(flags) : real.openat(dir, path, flags | O_LARGEFILE, mode);
}

/* What the fortified headers turn calls without a mode into; they are declared nowhere. */
PUBLIC int __open_2(const char *path, int flags);
PUBLIC int __open64_2(const char *path, int flags);
PUBLIC int __openat_2(int dir, const char *path, int flags);
PUBLIC int __openat64_2(int dir, const char *path, int flags);

int __open_2(const char *path, int flags)
{
    return is_device(path) ? open_device(flags) : real.open_2(path, flags);
}

int __open64_2(const char *path, int flags)
{
    return is_device(path) ? open_device(flags) : real.open_2(path, flags | O_LARGEFILE);
}

int __openat_2(int dir, const char *path, int flags)
{
    return is_device(path) ? open_device(flags) : real.openat_2(dir, path, flags);
}

int __openat64_2(int dir, const char *path, int flags)
{
    return is_device(path) ? open_device(flags) : real.openat_2(dir, path, flags | O_LARGEFILE);
}

/* ---- close ---- */

/* Forgotten first: as soon as the number is free another thread may be given it. */
PUBLIC int close(int fd)
{
    ready();
    descriptor_forget(fd);
    return real.close(fd);
}

PUBLIC int close_range(unsigned int first, unsigned int last, int flags)
{
    ready();
    if (first <= last && (flags & (int)CLOSE_RANGE_CLOEXEC) == 0)
        descriptor_forget_range(first, last);
    return real.close_range != NULL ? real.close_range(first, last, flags)
                                    : (int)syscall(SYS_close_range, first, last, flags);
}

PUBLIC void closefrom(int first)
{
    close_range(first > 0 ? (unsigned int)first : 0, UINT_MAX, 0);
}

/* ---- dup ---- */

PUBLIC int dup(int fd)
{
    struct devcrypto_file *f;
    int copy;

    ready();
    f = descriptor_file(fd);
    copy = real.dup(fd);
    if (f != NULL && copy >= 0)
        return descriptor_adopt(copy, f);
    release_file(f);
    return copy;
}

PUBLIC int dup2(int from, int to)
{
    ready();
    return descriptors_none() ? real.dup2(from, to) : descriptor_dup_onto(from, to, -1);
}

PUBLIC int dup3(int from, int to, int flags)
{
    ready();
    return descriptors_none() ? real.dup3(from, to, flags) : descriptor_dup_onto(from, to, flags);
}

static int fcntl_any(int fd, int cmd, void *arg)
{
    struct devcrypto_file *f = NULL;
    int result;

    ready();
    if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
        f = descriptor_file(fd);
    result = real.fcntl(fd, cmd, arg);
    if (f != NULL && result >= 0)
        return descriptor_adopt(result, f);
    release_file(f);
    return result;
}

/* Whatever the argument is, it fits in a register and is passed on as it came. */
#define GET_ARG(arg, last)              \
    do {                                \
        va_list ap_;                    \
        va_start(ap_, last);            \
        (arg) = va_arg(ap_, void *);    \
        va_end(ap_);                    \
    } while (0)

PUBLIC int fcntl(int fd, int cmd, ...)
{
    void *arg;

    GET_ARG(arg, cmd);
    return fcntl_any(fd, cmd, arg);
}

PUBLIC int fcntl64(int fd, int cmd, ...)
{
    void *arg;

    GET_ARG(arg, cmd);
    return fcntl_any(fd, cmd, arg);
}

/* ---- ioctl ---- */

/* CRIOGET: one more descriptor of the same open file. */
static int clone_descriptor(int fd, void *arg)
{
    pid_t pid = getpid();
    int copy = dup(fd);
    uint32_t number = (uint32_t)copy;
    int err;

    if (copy < 0)
        return -1;
    err = devcrypto_self_out(&pid, (uintptr_t)arg, &number, sizeof(number));
    if (err == 0)
        return 0;
    close(copy);
    errno = -err;
    return -1;
}

static int ioctl_ours(struct devcrypto_file *f, int fd, unsigned long cmd, void *arg)
{
    int err;

    if ((uint32_t)cmd == DEVCRYPTO_CRIOGET)
        return clone_descriptor(fd, arg);
    if (((cmd >> 8) & 0xff) != 'c') {
        /* What works on every descriptor (FIOCLEX, FIONBIO) works here too; the rest we do not know. */
        int result = real.ioctl(fd, cmd, arg);

        if (result < 0 && errno == ENOTTY)
            errno = EINVAL;
        return result;
    }
    descriptors_hold_fork();
    err = devcrypto_ioctl(f, cmd, (uintptr_t)arg, NULL);
    descriptors_let_fork();
    if (err == 0)
        return 0;
    errno = -err;
    return -1;
}

PUBLIC int ioctl(int fd, unsigned long cmd, ...)
{
    struct devcrypto_file *f;
    int result;
    void *arg;

    GET_ARG(arg, cmd);
    ready();
    f = descriptor_file(fd);
    if (f == NULL)
        return real.ioctl(fd, cmd, arg);
    result = ioctl_ours(f, fd, cmd, arg);
    release_file(f);
    return result;
}
