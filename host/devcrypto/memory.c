/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This process's own memory as the kernel would see it from a system call: a bad address is an error.
 *
 * The kernel does the copying, so there is no signal to catch and no gap between a check and a use.  Where
 * process_vm_readv is not allowed (a seccomp filter) or not there, the bytes go through a pipe instead.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE ((uint64_t)4096)
#define PROBES 64u /* pages asked about in one system call */

/* Set for good once process_vm_readv or _writev was refused; a race only means that it is refused twice. */
static atomic_bool refused;

static bool is_refusal(int error)
{
    return error == EPERM || error == ENOSYS || error == EACCES;
}

typedef ssize_t (*vm_call)(pid_t, const struct iovec *, unsigned long, const struct iovec *, unsigned long,
                           unsigned long);

/* -EAGAIN: refused, take the other way. */
static int vm_copy(vm_call call, pid_t pid, const struct iovec *local, const struct iovec *remote,
                   unsigned int nremote)
{
    ssize_t done;

    if (atomic_load_explicit(&refused, memory_order_relaxed))
        return -EAGAIN;
    done = call(pid, local, 1, remote, nremote, 0);
    if (done == (ssize_t)local->iov_len)
        return 0;
    if (done >= 0 || errno == EFAULT)
        return -EFAULT; /* some pages were there, the rest was not */
    if (!is_refusal(errno))
        return -errno;
    atomic_store_explicit(&refused, true, memory_order_relaxed);
    return -EAGAIN;
}

/* A pipe that is new for each copy: what a fault leaves in it goes away with it. */
static int pipe_copy(void *to, const void *from, size_t len)
{
    char *dst = to;
    const char *src = from;
    int ends[2];
    int err = 0;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    while (len != 0 && err == 0) {
        size_t n = len < PIPE_BUF ? len : PIPE_BUF; /* what a pipe takes without blocking */
        ssize_t put;
        ssize_t got = -1;

        do
            put = write(ends[1], src, n);
        while (put < 0 && errno == EINTR);
        if (put == (ssize_t)n)
            do
                got = read(ends[0], dst, n);
            while (got < 0 && errno == EINTR);
        if (got != (ssize_t)n)
            err = -EFAULT;
        src += n;
        dst += n;
        len -= n;
    }
    close(ends[0]);
    close(ends[1]);
    return err;
}

int devcrypto_self_in(void *opaque, void *dst, uint64_t uaddr, size_t len)
{
    const struct iovec local = {.iov_base = dst, .iov_len = len};
    const struct iovec remote = {.iov_base = (void *)(uintptr_t)uaddr, .iov_len = len};
    int err = vm_copy(process_vm_readv, *(const pid_t *)opaque, &local, &remote, 1);

    return err == -EAGAIN ? pipe_copy(dst, (const void *)(uintptr_t)uaddr, len) : err;
}

int devcrypto_self_out(void *opaque, uint64_t uaddr, const void *src, size_t len)
{
    const struct iovec local = {.iov_base = (void *)(uintptr_t)src, .iov_len = len};
    const struct iovec remote = {.iov_base = (void *)(uintptr_t)uaddr, .iov_len = len};
    int err = vm_copy(process_vm_writev, *(const pid_t *)opaque, &local, &remote, 1);

    return err == -EAGAIN ? pipe_copy((void *)(uintptr_t)uaddr, src, len) : err;
}

/* One byte of each page: read it, and to learn whether it can be written, put the same byte back. */
static int probe_pages(pid_t pid, const struct iovec *bytes, unsigned int n, bool writable)
{
    char values[PROBES];
    const struct iovec local = {.iov_base = values, .iov_len = n};
    int err = vm_copy(process_vm_readv, pid, &local, bytes, n);

    if (err == 0 && writable)
        err = vm_copy(process_vm_writev, pid, &local, bytes, n);
    if (err != -EAGAIN)
        return err;
    err = 0;
    for (unsigned int i = 0; i < n && err == 0; i++) {
        err = pipe_copy(values, bytes[i].iov_base, 1);
        if (err == 0 && writable)
            err = pipe_copy(bytes[i].iov_base, values, 1);
    }
    return err;
}

int devcrypto_self_probe(void *opaque, uint64_t uaddr, size_t len, bool writable)
{
    struct iovec bytes[PROBES];
    const uint64_t end = uaddr + len;
    uint64_t at = uaddr;
    int err = 0;

    while (at < end && err == 0) {
        unsigned int n = 0;

        for (; at < end && n < PROBES; at = (at | (PAGE - 1)) + 1)
            bytes[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)at, .iov_len = 1};
        err = probe_pages(*(const pid_t *)opaque, bytes, n, writable);
    }
    return err;
}
