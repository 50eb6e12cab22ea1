/* SPDX-License-Identifier: GPL-2.0-or-later */
/* User memory, the files that are open, and memory of devices. */
#ifndef COMPAT_MEMORY_H
#define COMPAT_MEMORY_H

/* 5.0: access_ok() is the same for reading and writing, and no longer told. */
#ifndef VERIFY_READ
#define VERIFY_READ	0
#define VERIFY_WRITE	1
#endif
#undef access_ok
#define compat_access_ok_2(address, size) \
	likely(__access_ok((const void __user *)(address), size))
#define compat_access_ok_3(type, address, size) \
	((void)(type), compat_access_ok_2(address, size))
#define access_ok(...) COMPAT_BY_COUNT(compat_access_ok_, __VA_ARGS__)

/* 3.19: they are only to be had through f_path. */
#define f_dentry	f_path.dentry
#define f_vfsmnt	f_path.mnt

/* 5.8: the memory map's semaphore is called a lock. */
#define mmap_sem	mmap_lock

/* 5.6: what it did ioremap() did, too. */
#define ioremap_nocache	ioremap

/* 6.12 has none: that is what a NULL means. */
#ifndef no_llseek
#define no_llseek	NULL
#endif

/* 3.18 and 4.15. */
#define strict_strtoul	kstrtoul
#define strict_strtol	kstrtol
#ifndef ACCESS_ONCE
#define ACCESS_ONCE(x)	(*(volatile typeof(x) *)&(x))
#endif

/* 4.0 */
#ifndef PTR_RET
#define PTR_RET(pointer)	PTR_ERR_OR_ZERO(pointer)
#endif

#endif /* COMPAT_MEMORY_H */
