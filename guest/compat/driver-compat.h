/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Put before every C file of a driver written for Linux 3.x or 4.x: what that
 * had and the kernel that it is now compiled for has not, or has otherwise.
 * Code for the newer kernel compiles with it as it does without.
 *
 * Kbuild also calls the compiler with these flags to see what it can do, when
 * there is nothing of a kernel to include: only with a module's name is it the
 * compilation of a module.
 */
#ifndef DRIVER_COMPAT_H
#define DRIVER_COMPAT_H

#if defined(__KERNEL__) && defined(KBUILD_MODNAME) && !defined(__ASSEMBLY__)

/*
 * A copy that is longer than what it is copied into stopped no build of those
 * days. Here it does not either, what it does is seen when it is run: the
 * check in this header believes that it knows no size.
 */
#define __builtin_object_size(...)	(-1)
#include <linux/thread_info.h>
#undef __builtin_object_size

/*
 * A program's text decides whether these are there, not what else it includes:
 * in those kernels one header brought many others.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/semaphore.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/wait.h>

/* How many arguments, up to eight: picks a macro by its last part. */
#define COMPAT_COUNT_(a, b, c, d, e, f, g, h, count, ...) count
#define COMPAT_COUNT(...) COMPAT_COUNT_(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1)
#define COMPAT_PASTE_(a, b) a##b
#define COMPAT_PASTE(a, b) COMPAT_PASTE_(a, b)
#define COMPAT_BY_COUNT(name, ...) \
	COMPAT_PASTE(name, COMPAT_COUNT(__VA_ARGS__))(__VA_ARGS__)

#include "compat-memory.h"
#include "compat-module.h"
#include "compat-sleep.h"
#include "compat-time.h"
#include "compat-virtio.h"

#endif /* a C file of a module */
#endif /* DRIVER_COMPAT_H */
