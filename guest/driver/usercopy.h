/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Short copies between a program and the kernel, a word at a time and within
 * one section of user access. The kernel's own copies are string instructions,
 * which processors that are emulated do byte by byte.
 */
#ifndef VIRTIO_CRYPTODEV_USERCOPY_H
#define VIRTIO_CRYPTODEV_USERCOPY_H

#include <linux/uaccess.h>

#define COPY_WORDS	8

#define copy_part(op, kernel, user, len, type, label)			\
	do {								\
		while ((len) >= sizeof(type)) {				\
			op(*(type *)(kernel), (type __user *)(user), label); \
			(kernel) += sizeof(type);			\
			(user) += sizeof(type);				\
			(len) -= sizeof(type);				\
		}							\
	} while (0)

#define copy_word(op, kernel, user, n, label)				\
	op(((u64 *)(kernel))[n], (u64 __user *)(user) + (n), label)

/* A length that the compiler knows, in words. */
#define copy_fixed(op, kernel, user, words, label)			\
	do {								\
		_Pragma("GCC unroll 8")					\
		for (int n_ = 0; n_ < (words); n_++)			\
			copy_word(op, kernel, user, n_, label);		\
	} while (0)

#define copy_all(op, kernel_, user_, len_, label)			\
	do {								\
		__auto_type k_ = (kernel_);				\
		__auto_type u_ = (user_);				\
		size_t l_ = (len_);					\
									\
		while (l_ >= COPY_WORDS * sizeof(u64)) {		\
			copy_word(op, k_, u_, 0, label);		\
			copy_word(op, k_, u_, 1, label);		\
			copy_word(op, k_, u_, 2, label);		\
			copy_word(op, k_, u_, 3, label);		\
			copy_word(op, k_, u_, 4, label);		\
			copy_word(op, k_, u_, 5, label);		\
			copy_word(op, k_, u_, 6, label);		\
			copy_word(op, k_, u_, 7, label);		\
			k_ += COPY_WORDS * sizeof(u64);			\
			u_ += COPY_WORDS * sizeof(u64);			\
			l_ -= COPY_WORDS * sizeof(u64);			\
		}							\
		copy_part(op, k_, u_, l_, u64, label);			\
		copy_part(op, k_, u_, l_, u8, label);			\
	} while (0)

/* Within user_access_begin() and user_access_end(); u8 pointers. */
#define words_from_user(to, from, len, label)				\
	copy_all(unsafe_get_user, to, from, len, label)
#define words_to_user(to, from, len, label)				\
	copy_all(unsafe_put_user, from, to, len, label)

/* The same for structures whose size is a multiple of a word. */
#define struct_from_user(to, from, label)				\
	copy_fixed(unsafe_get_user, to, from, sizeof(*(to)) / sizeof(u64), label)
#define struct_to_user(to, from, label)					\
	copy_fixed(unsafe_put_user, from, to, sizeof(*(from)) / sizeof(u64), label)

#endif /* VIRTIO_CRYPTODEV_USERCOPY_H */
