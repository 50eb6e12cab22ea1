// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bulk data on its way to and from the device.
 *
 * One physically contiguous piece is best: it is one descriptor, and devices
 * exist that look for the source in one descriptor only. Where memory is too
 * fragmented the pieces get smaller, but never so small that the chain would
 * be longer than the queue (which the virtio standard forbids even to an
 * indirect table).
 */
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "driver.h"

/*
 * Not zeroed: a destination reaches user space only after the device has
 * answered that it wrote all of it.
 */
static void *chunk_alloc(size_t len, bool can_do_with_less)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;

	if (can_do_with_less)
		gfp |= __GFP_NORETRY;
	return kmalloc(len, gfp);
}

static int alloc_pieces(struct crypto_buffer *buf, size_t len, size_t least,
			size_t max_segment)
{
	unsigned int most = DIV_ROUND_UP(len, least);
	size_t size = rounddown_pow_of_two(min(len - 1, max_segment));

	if (size < least)
		return -ENOMEM;

	buf->sg = kcalloc(most, sizeof(*buf->sg), GFP_KERNEL_ACCOUNT);
	if (!buf->sg)
		return -ENOMEM;
	sg_init_table(buf->sg, most);

	while (len) {
		size_t piece = min(len, size);
		void *chunk = chunk_alloc(piece, size > least);

		if (chunk) {
			sg_set_buf(&buf->sg[buf->nents++], chunk, piece);
			len -= piece;
		} else if (size > least) {
			size /= 2;
		} else {
			crypto_buffer_free(buf);
			return -ENOMEM;
		}
	}
	sg_mark_end(&buf->sg[buf->nents - 1]);
	return 0;
}

/**
 * crypto_buffer_alloc - memory for @len bytes that @crdev can reach
 * @buf:	zeroed, or freed before
 * @len:	greater than 0
 * @crdev:	whose queue sets the limits
 *
 * Return: 0 or -ENOMEM.
 */
int crypto_buffer_alloc(struct crypto_buffer *buf, size_t len,
			const struct crypto_device *crdev)
{
	size_t max_segment = min_t(size_t, crdev->max_segment, KMALLOC_MAX_SIZE);
	size_t least = roundup_pow_of_two(max_t(size_t, PAGE_SIZE,
						DIV_ROUND_UP(len, crdev->max_chunks)));

	if (len <= max_segment) {
		void *chunk = chunk_alloc(len, len > least);

		if (chunk) {
			sg_init_one(&buf->one, chunk, len);
			buf->sg = &buf->one;
			buf->nents = 1;
			return 0;
		}
	}
	return len > least ? alloc_pieces(buf, len, least, max_segment) : -ENOMEM;
}

/* Also called in interrupts and under locks: the maker may have been killed. */
void crypto_buffer_free(struct crypto_buffer *buf)
{
	unsigned int i;

	for (i = 0; i < buf->nents; i++)
		kfree(sg_virt(&buf->sg[i]));
	if (buf->sg != &buf->one)
		kfree(buf->sg);
	buf->sg = NULL;
	buf->nents = 0;
}

/* For a device that does not say how much it has written. */
void crypto_buffer_zero(const struct crypto_buffer *buf)
{
	unsigned int i;

	for (i = 0; i < buf->nents; i++)
		memset(sg_virt(&buf->sg[i]), 0, buf->sg[i].length);
}

int crypto_buffer_from_user(const struct crypto_buffer *buf,
			    const void __user *from)
{
	unsigned int i;

	for (i = 0; i < buf->nents; i++) {
		if (copy_from_user(sg_virt(&buf->sg[i]), from,
				   buf->sg[i].length))
			return -EFAULT;
		from += buf->sg[i].length;
	}
	return 0;
}

int crypto_buffer_to_user(const struct crypto_buffer *buf, void __user *to)
{
	unsigned int i;

	for (i = 0; i < buf->nents; i++) {
		if (copy_to_user(to, sg_virt(&buf->sg[i]), buf->sg[i].length))
			return -EFAULT;
		to += buf->sg[i].length;
	}
	return 0;
}

/**
 * crypto_buffer_tail - copy out the last @len bytes
 * @buf:	at least @len bytes long
 * @to:		where they go
 * @len:	no more than a block: pieces are powers of two, so that no block
 *		is torn across two of them
 */
void crypto_buffer_tail(const struct crypto_buffer *buf, void *to, size_t len)
{
	const struct scatterlist *last = &buf->sg[buf->nents - 1];

	memcpy(to, sg_virt((struct scatterlist *)last) + last->length - len, len);
}
