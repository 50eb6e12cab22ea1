// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Big data: the program's own pages, pinned for as long as the device has
 * them, or copies of what they hold.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "call.h"
#include "driver.h"

/* What a chain has besides its data: header, answer, and what goes with aad. */
#define FIXED_PIECES	4

static unsigned int page_count_of(const void __user *start, size_t len)
{
	return len ? DIV_ROUND_UP(offset_in_page(start) + len, PAGE_SIZE) : 0;
}

/* Room for so many pieces; what there was is kept for the next operation. */
static int table_reserve(struct crypto_call *call, unsigned int pages)
{
	unsigned int len = roundup_pow_of_two(pages + FIXED_PIECES);

	if (likely(call->table_len >= pages + FIXED_PIECES))
		return 0;
	kvfree(call->table);
	kvfree(call->pages);
	call->table = kvcalloc(len, sizeof(*call->table), GFP_KERNEL_ACCOUNT);
	call->pages = kvcalloc(len, sizeof(*call->pages), GFP_KERNEL_ACCOUNT);
	call->table_len = call->table && call->pages ? len : 0;
	return call->table_len ? 0 : -ENOMEM;
}

/* Pages of our own never follow a chain, and entries were zeroed once. */
static void piece_set(struct scatterlist *sg, struct page *page,
		      unsigned int len, unsigned int offset)
{
	sg_unmark_end(sg);
	sg_set_page(sg, page, len, offset);
}

static void piece_set_buf(struct scatterlist *sg, const void *buf, size_t len)
{
	piece_set(sg, virt_to_page(buf), len, offset_in_page(buf));
}

/*
 * Pieces for @len bytes from @offset on in @pages, neighbours in memory made
 * one. Return: the entry behind the last.
 */
static struct scatterlist *pieces_set(struct scatterlist *sg,
				      struct page **pages, unsigned int offset,
				      size_t len, size_t max_segment)
{
	unsigned long first = 0, next = 0;
	size_t piece = 0;
	unsigned int start = offset;

	while (len) {
		unsigned long pfn = page_to_pfn(*pages++);
		size_t part = min_t(size_t, len, PAGE_SIZE - offset);

		if (pfn != next || piece + part > max_segment) {
			if (piece)
				piece_set(sg++, pfn_to_page(first), piece, start);
			first = pfn;
			start = offset;
			piece = 0;
		}
		piece += part;
		next = pfn + 1;
		len -= part;
		offset = 0;
	}
	if (piece)
		piece_set(sg++, pfn_to_page(first), piece, start);
	return sg;
}

/* What the device writes must stay the program's, also across a fork. */
static int pin(void __user *start, unsigned int n, struct page **pages)
{
	int got = pin_user_pages_fast((unsigned long)start & PAGE_MASK, n,
				      FOLL_WRITE, pages);

	if (likely(got == n))
		return 0;
	if (got > 0)
		unpin_user_pages(pages, got);
	return -EFAULT;
}

/* For what it reads a reference will do, and is had in half the time. */
static int hold(const void __user *start, unsigned int n, struct page **pages)
{
	int got = get_user_pages_fast((unsigned long)start & PAGE_MASK, n, 0,
				      pages);

	if (likely(got == n))
		return 0;
	if (got > 0)
		release_pages(pages, got);
	return -EFAULT;
}

static int pin_all(struct crypto_call *call, const struct crypto_data *data)
{
	const u8 __user *src = data->src;
	u8 __user *dst = data->dst;
	bool in_place = src == dst && data->dst_len;
	unsigned int out = page_count_of(src, data->len);
	unsigned int in = page_count_of(dst, in_place ?
					     max(data->len, data->dst_len) :
					     data->dst_len);
	int ret = table_reserve(call, in_place ? 2 * in : out + in);

	if (ret)
		return ret;
	if (in_place)
		out = 0;
	if (out) {
		ret = hold(src, out, call->pages);
		if (ret)
			return ret;
		call->src_pages = out;
	}
	if (in) {
		ret = pin(dst, in, call->pages + out);
		if (ret)
			return ret;
		call->dst_pages = in;
	}
	return 0;
}

/* Close the lists of what is read and of what is written. */
static void call_chain(struct crypto_call *call, struct scatterlist *in,
		       struct scatterlist *end)
{
	sg_mark_end(in - 1);
	sg_mark_end(end - 1);
	call->sgs[0] = call->table;
	call->sgs[1] = in;
	call->req.out = 1;
	call->req.in = 1;
	call->req.pieces = end - call->table;
}

/* Header and aad, in front of the source. */
static struct scatterlist *head_set(const struct crypto_call *call)
{
	struct scatterlist *sg = call->table;

	piece_set_buf(sg++, call->head, sizeof(*call->head));
	if (call->aad_len)
		piece_set_buf(sg++, call->extra, call->aad_len);
	return sg;
}

/* Tail and tag, behind it. */
static struct scatterlist *tail_set(const struct crypto_call *call,
				    struct scatterlist *sg)
{
	if (call->tail_len)
		piece_set_buf(sg++, call->extra + call->aad_len,
			      call->tail_len);
	return sg;
}

/* The answer lies behind the header, where small data would be. */
static struct scatterlist *answer_set(struct crypto_call *call,
				      struct scatterlist *sg)
{
	call->answer = (void *)(call->head + 1);
	piece_set_buf(sg++, call->answer, sizeof(*call->answer));
	return sg;
}

/**
 * crypto_call_pin - give the program's pages to the device
 * @call:	the call, whose header is filled in
 * @data:	source and destination at the same address, or apart
 *
 * Return: 0, or -errno if it is better copied, or cannot be accessed.
 */
int crypto_call_pin(struct crypto_call *call, const struct crypto_data *data)
{
	size_t max_segment = min_t(size_t, call->crdev->max_segment, SZ_1G);
	struct scatterlist *sg, *in;
	int ret = pin_all(call, data);

	if (ret)
		goto unpin;
	sg = pieces_set(head_set(call), call->pages, offset_in_page(data->src),
			data->len, max_segment);
	sg = tail_set(call, sg);
	in = sg;
	sg = pieces_set(sg, call->pages + call->src_pages,
			offset_in_page(data->dst), data->dst_len, max_segment);
	sg = answer_set(call, sg);
	call_chain(call, in, sg);
	if (likely(call->req.pieces <= call->crdev->max_pieces))
		return 0;
	ret = -E2BIG;
unpin:
	crypto_call_unpin(call);
	return ret;
}

/* Also for those that were read only: one list, and no page is written twice. */
void crypto_call_unpin(struct crypto_call *call)
{
	if (call->src_pages)
		release_pages(call->pages, call->src_pages);
	if (call->dst_pages)
		unpin_user_pages_dirty_lock(call->pages + call->src_pages,
					    call->dst_pages, true);
	call->src_pages = 0;
	call->dst_pages = 0;
}

static struct scatterlist *buffer_set(struct scatterlist *sg,
				      const struct crypto_buffer *buf)
{
	unsigned int i;

	for (i = 0; i < buf->nents; i++)
		piece_set(sg++, sg_page(&buf->sg[i]), buf->sg[i].length,
			  buf->sg[i].offset);
	return sg;
}

/**
 * crypto_call_copies - give the call's buffers to the device
 * @call:	the call, its buffers allocated and filled
 *
 * Return: 0 or -ENOMEM.
 */
int crypto_call_copies(struct crypto_call *call)
{
	int ret = table_reserve(call, call->src.nents + call->dst.nents);
	struct scatterlist *sg, *in;

	if (ret)
		return ret;
	sg = tail_set(call, buffer_set(head_set(call), &call->src));
	in = sg;
	sg = buffer_set(sg, &call->dst);
	sg = answer_set(call, sg);
	call_chain(call, in, sg);
	return 0;
}
