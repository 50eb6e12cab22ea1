/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What preload.c and preload-table.c share. */
#ifndef DEVCRYPTO_PRELOAD_H
#define DEVCRYPTO_PRELOAD_H

#include "internal.h"

/* The C library's own functions, found once. */
struct real_calls {
    int (*open)(const char *, int, ...);
    int (*openat)(int, const char *, int, ...);
    int (*open_2)(const char *, int);
    int (*openat_2)(int, const char *, int);
    int (*close)(int);
    int (*close_range)(unsigned int, unsigned int, int); /* NULL: older than this function */
    int (*dup)(int);
    int (*dup2)(int, int);
    int (*dup3)(int, int, int);
    int (*fcntl)(int, int, ...);
    int (*ioctl)(int, unsigned long, ...);
};
extern struct real_calls real;

int descriptors_init(void);
/* Around each call into the library: a fork waits until it is over. */
void descriptors_hold_fork(void);
void descriptors_let_fork(void);

/* True while no descriptor is ours: costs one load. */
bool descriptors_none(void);
/* The open file behind fd with a reference for the caller, or NULL. */
struct devcrypto_file *descriptor_file(int fd);
/* Gives the caller's reference to the new descriptor fd and returns it; without memory, closes it and fails. */
int descriptor_adopt(int fd, struct devcrypto_file *f);
/* Forgets fd; the sessions end here if it was the last of its open file. */
void descriptor_forget(int fd);
void descriptor_forget_range(unsigned int first, unsigned int last);
/* dup3(), or dup2() when flags is -1. */
int descriptor_dup_onto(int from, int to, int flags);

/* devcrypto_unref that leaves errno alone. */
void release_file(struct devcrypto_file *f);

#endif
