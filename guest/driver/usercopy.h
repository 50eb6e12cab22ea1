/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Short copies between a program and the kernel, a word at a time and within
 * one section of user access. The kernel's own copies are string instructions,
 * which processors that are emulated do byte by byte.
 *
 * All are to be called between user_access_begin() and user_access_end(), which
 * is why they must be inlined. They return false for an address that is none.
 */
#ifndef VIRTIO_CRYPTODEV_USERCOPY_H
#define VIRTIO_CRYPTODEV_USERCOPY_H

#include <linux/uaccess.h>

#define COPY_WORDS	8	/* at once; also the most of a known length */

static __always_inline bool words_from_user(void *to, const void __user *from,
					    size_t len)
{
	const u64 __user *in = from;
	u64 *out = to;
	size_t n;

	for (; len >= COPY_WORDS * sizeof(*out); len -= COPY_WORDS * sizeof(*out)) {
#pragma GCC unroll 8
		for (n = 0; n < COPY_WORDS; n++)
			unsafe_get_user(out[n], &in[n], fault);
		out += COPY_WORDS;
		in += COPY_WORDS;
	}
#pragma GCC unroll 8
	for (n = 0; n < len / sizeof(*out); n++)
		unsafe_get_user(out[n], &in[n], fault);
	for (n *= sizeof(*out); n < len; n++)
		unsafe_get_user(((u8 *)out)[n], (const u8 __user *)in + n, fault);
	return true;
fault:
	return false;
}

static __always_inline bool words_to_user(void __user *to, const void *from,
					  size_t len)
{
	u64 __user *out = to;
	const u64 *in = from;
	size_t n;

	for (; len >= COPY_WORDS * sizeof(*in); len -= COPY_WORDS * sizeof(*in)) {
#pragma GCC unroll 8
		for (n = 0; n < COPY_WORDS; n++)
			unsafe_put_user(in[n], &out[n], fault);
		out += COPY_WORDS;
		in += COPY_WORDS;
	}
#pragma GCC unroll 8
	for (n = 0; n < len / sizeof(*in); n++)
		unsafe_put_user(in[n], &out[n], fault);
	for (n *= sizeof(*in); n < len; n++)
		unsafe_put_user(((const u8 *)in)[n], (u8 __user *)out + n, fault);
	return true;
fault:
	return false;
}

#endif /* VIRTIO_CRYPTODEV_USERCOPY_H */
