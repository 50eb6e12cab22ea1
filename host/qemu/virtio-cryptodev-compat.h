/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-cryptodev: what differs between the versions of QEMU, 7.2 to 10.x
 */
#ifndef HW_VIRTIO_CRYPTODEV_COMPAT_H
#define HW_VIRTIO_CRYPTODEV_COMPAT_H

#define COMPAT_QEMU_AT_LEAST(major, minor) \
    (QEMU_VERSION_MAJOR > (major) || \
     (QEMU_VERSION_MAJOR == (major) && QEMU_VERSION_MINOR >= (minor)))

/* 10.0: arrays of properties are const, and know their own length */
#ifdef DEFINE_PROP_END_OF_LIST
#define COMPAT_CONST
#else
#define COMPAT_CONST const
#endif

/* 10.1: a class's data is const, and set_status can fail */
#if COMPAT_QEMU_AT_LEAST(10, 1)
#define COMPAT_CLASS_DATA const void
#define COMPAT_SET_STATUS int
#define COMPAT_SET_STATUS_DONE 0
#else
#define COMPAT_CLASS_DATA void
#define COMPAT_SET_STATUS void
#define COMPAT_SET_STATUS_DONE
#endif

/* 9.0: lists of subsections are const */
#if COMPAT_QEMU_AT_LEAST(9, 0)
#define COMPAT_SUBSECTION_CONST const
#else
#define COMPAT_SUBSECTION_CONST
#endif

/* 10.0: headers moved */
#if COMPAT_QEMU_AT_LEAST(10, 0)
#include "system/cpu-timers.h"
#include "system/dma.h"
#include "system/kvm.h"
#include "system/tcg.h"
#else
#include "sysemu/cpu-timers.h"
#include "sysemu/dma.h"
#include "sysemu/kvm.h"
#include "sysemu/tcg.h"
#endif

/* Another header that moves. */
#if __has_include("system/address-spaces.h")
#include "system/address-spaces.h"
#else
#include "exec/address-spaces.h"
#endif

/* 9.0 named the big lock anew. */
#if !COMPAT_QEMU_AT_LEAST(9, 0)
#include "qemu/main-loop.h"
#define bql_lock() qemu_mutex_lock_iothread()
#define bql_unlock() qemu_mutex_unlock_iothread()
#define qemu_cond_wait_bql(cond) qemu_cond_wait_iothread(cond)
#endif

/* With icount, who has the lock is a part of what is replayed. */
#define COMPAT_ICOUNT_ENABLED() icount_enabled()

/* The guard of a device's registers came with 8.1. */
#if COMPAT_QEMU_AT_LEAST(8, 1)
#define COMPAT_PASS_GUARD(mr) ((mr)->disable_reentrancy_guard = true)
#else
#define COMPAT_PASS_GUARD(mr) ((void)(mr))
#endif

/* Bottom halves that keep a device from calling itself came with 8.1 */
#ifndef virtio_bh_new_guarded
#include "qemu/main-loop.h"
#define virtio_bh_new_guarded(dev, cb, opaque) qemu_bh_new(cb, opaque)
#endif

#endif
