// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The data of an operation, brought where the device finds it, and back. Small
 * data is copied into the call, big data stays in the program's pages, and what
 * the device could not work in is copied to buffers.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "call.h"
#include "driver.h"

/*
 * Whether all of a destination can be written is known before the operation
 * runs, as on a /dev/crypto that pins pages: otherwise a destination that ends
 * in the void would be half written.
 */
bool crypto_writable(void __user *dst, size_t len)
{
	if (!len)
		return true;
	return dst && access_ok(dst, len) &&
	       !fault_in_safe_writeable((char __user *)dst, len);
}

/* Within one page a copy is all or nothing anyway. */
static bool dst_writable(const struct crypto_data *data)
{
	if (offset_in_page(data->dst) + data->dst_len <= PAGE_SIZE && !data->probe)
		return !data->dst_len ||
		       (data->dst && access_ok(data->dst, data->dst_len));
	return crypto_writable(data->dst, data->dst_len);
}

/* Source and destination are one, or apart: the device can work in them. */
static bool can_share(const struct crypto_data *data)
{
	return !data->dst_len || data->src == data->dst ||
	       data->src + data->len <= data->dst ||
	       data->dst + data->dst_len <= data->src;
}

static size_t extra_len(const struct crypto_data *data)
{
	return data->aad_len + data->tail_len + data->tag_len;
}

/* Aad; and elsewhere tail and tag, one after the other. */
static int extra_from_user(u8 *aad, u8 *tail, const struct crypto_data *data)
{
	if (copy_from_user(aad, data->aad, data->aad_len) ||
	    copy_from_user(tail, data->tail, data->tail_len) ||
	    copy_from_user(tail + data->tail_len, data->tag, data->tag_len))
		return -EFAULT;
	return 0;
}

static int data_extra(struct crypto_call *call, const struct crypto_data *data)
{
	call->extra = kmalloc(extra_len(data), GFP_KERNEL_ACCOUNT);
	if (!call->extra)
		return -ENOMEM;
	call->aad_len = data->aad_len;
	call->tail_len = data->tail_len + data->tag_len;
	return extra_from_user(call->extra, call->extra + data->aad_len, data);
}

/* All that the device reads and writes has room in the call. */
static bool is_small(const struct crypto_data *data)
{
	return (u64)max(data->len, data->dst_len) + extra_len(data) <=
	       crypto_small_max;
}

static int data_small(struct crypto_call *call, const struct crypto_data *data)
{
	u8 *tail;

	if (extra_len(data) || (data->dst_len && data->dst_len != data->len))
		crypto_call_small_auth(call, data);
	else
		crypto_call_small(call, data->len, data->dst_len);
	if (copy_from_user(call->small_data, data->src, data->len))
		return -EFAULT;
	if (!dst_writable(data))
		return -EFAULT;
	if (!extra_len(data))
		return 0;
	tail = (u8 *)(call->answer + 1);
	return extra_from_user((u8 *)(call->head + 1), tail, data);
}

static int data_copied(struct crypto_call *call, const struct crypto_data *data)
{
	int ret;

	if (data->len) {
		ret = crypto_buffer_alloc(&call->src, data->len, call->crdev);
		if (ret)
			return ret;
		if (crypto_buffer_from_user(&call->src, data->src))
			return -EFAULT;
	}
	if (data->dst_len) {
		if (!dst_writable(data))
			return -EFAULT;
		ret = crypto_buffer_alloc(&call->dst, data->dst_len,
					  call->crdev);
		if (ret)
			return ret;
	}
	return crypto_call_copies(call);
}

/**
 * crypto_data_set - bring the data where the device finds it
 * @call:	the call, settled
 * @data:	where the program has it
 *
 * Return: 0 or -errno; crypto_call_settle() ends it in either case.
 */
int crypto_data_set(struct crypto_call *call, const struct crypto_data *data)
{
	if ((data->len && !data->src) || (data->dst_len && !data->dst))
		return -EFAULT;
	if (is_small(data))
		return data_small(call, data);
	if (extra_len(data)) {
		int ret = data_extra(call, data);

		if (ret)
			return ret;
	}
	if (data->len >= zero_copy_min && !(data->flags & COP_FLAG_NO_ZC) &&
	    can_share(data) && !crypto_call_pin(call, data))
		return 0;
	return data_copied(call, data);
}

/**
 * crypto_data_back - bring results that were copied back to the program
 * @call:	the call, answered
 * @data:	where the program wants it
 *
 * Return: 0 or -EFAULT.
 */
int crypto_data_back(const struct crypto_call *call,
		     const struct crypto_data *data)
{
	if (!data->dst_len || call->dst_pages)
		return 0;
	if (call->dst.nents)
		return crypto_buffer_to_user(&call->dst, data->dst);
	return copy_to_user(data->dst, call->small_data, data->dst_len) ?
	       -EFAULT : 0;
}
