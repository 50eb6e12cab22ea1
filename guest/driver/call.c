// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls: the memory of request 16, which a session keeps from one operation to
 * the next.
 *
 * Small data lies behind the header, and the answer behind the data. What the
 * device reads and what it writes overlap in the data: it works in place.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>

#include "call.h"
#include "driver.h"

/* The answer that no device gives: positive results do not exist. */
#define RESULT_UNTOUCHED	0x7fffffff

static void call_free(struct crypto_call *call)
{
	crypto_call_settle(call);
	kvfree(call->table);
	kvfree(call->pages);
	kfree_sensitive(call->head);
	kfree(call);
}

static void release_work(struct work_struct *work)
{
	call_free(container_of(work, struct crypto_call, release));
}

/* Perhaps in an interrupt, where pages cannot be let go of. */
static void call_release(struct crypto_request *req)
{
	struct crypto_call *call = container_of(req, struct crypto_call, req);

	queue_work(crypto_workqueue, &call->release);
}

/**
 * crypto_call_alloc - memory for operations, one after the other
 * @file:	the open file
 *
 * Return: the call, with what never changes filled in; or NULL.
 */
struct crypto_call *crypto_call_alloc(const struct crypto_file *file)
{
	struct crypto_call *call = kzalloc(sizeof(*call), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!call)
		return NULL;
	call->head = kzalloc(sizeof(*call->head) + crypto_small_max +
			     sizeof(*call->answer), GFP_KERNEL_ACCOUNT);
	if (!call->head) {
		kfree(call);
		return NULL;
	}
	crypto_request_init(&call->req);
	INIT_WORK(&call->release, release_work);
	call->req.release = call_release;
	call->req.sgs = call->sgs;
	call->req.state = REQUEST_DONE;
	call->crdev = file->crdev;
	call->head->type = cpu_to_le32(WIRE_CALL);
	call->head->handle = cpu_to_le32(file->handle);
	for (i = 0; i < ARRAY_SIZE(call->small_sg); i++)
		sg_init_one(&call->small_sg[i], call->head,
			    sizeof(*call->head));
	return call;
}

/* What stays the same as long as the session does. */
void crypto_call_session(struct crypto_call *call,
			 const struct crypto_session *ses)
{
	call->head->ses = cpu_to_le32(ses->id);
	call->head->iv_len = cpu_to_le16(ses->iv_len);
}

/* Data is in the call itself: one piece to read and one to write. */
void crypto_call_small(struct crypto_call *call, u32 len, u32 dst_len)
{
	struct scatterlist *sg = call->small_sg;

	sg[0].length = sizeof(*call->head) + len;
	/* In place, or behind the data if there is no destination. */
	sg[1].offset = sg[0].offset + sizeof(*call->head) + len - dst_len;
	sg[1].length = dst_len + sizeof(*call->answer);
	call->small_data = (u8 *)(call->head + 1);
	call->answer = (void *)(call->small_data + len);
	call->sgs[0] = &sg[0];
	call->sgs[1] = &sg[1];
	call->req.out = 1;
	call->req.in = 1;
	call->req.pieces = 2;
}

static void small_piece(struct crypto_call *call, unsigned int n, const u8 *at,
			u32 len)
{
	struct scatterlist *sg = &call->small_sg[n];

	sg->offset = call->small_sg[0].offset + (at - (u8 *)call->head);
	sg->length = len;
	call->sgs[n] = sg;
	call->req.pieces = n + 1;
}

/*
 * The same with more around it: header, aad, data in place, answer, tail and
 * tag. There is room for all of it.
 */
void crypto_call_small_auth(struct crypto_call *call,
			    const struct crypto_data *data)
{
	unsigned int n = 0;
	u8 *tail;

	call->small_data = (u8 *)(call->head + 1) + data->aad_len;
	call->answer = (void *)(call->small_data + max(data->len, data->dst_len));
	tail = (u8 *)(call->answer + 1);
	small_piece(call, n++, (u8 *)call->head,
		    sizeof(*call->head) + data->aad_len + data->len);
	if (data->tail_len + data->tag_len)
		small_piece(call, n++, tail, data->tail_len + data->tag_len);
	call->req.out = n;
	if (data->dst_len)
		small_piece(call, n++, call->small_data, data->dst_len);
	small_piece(call, n++, (u8 *)call->answer, sizeof(*call->answer));
	call->req.in = n - call->req.out;
}

/* Let go of the data of an operation that is over. */
void crypto_call_settle(struct crypto_call *call)
{
	if (call->src_pages | call->dst_pages)
		crypto_call_unpin(call);
	if (call->src.nents)
		crypto_buffer_free(&call->src);
	if (call->dst.nents)
		crypto_buffer_free(&call->dst);
	kfree_sensitive(call->extra);
	call->extra = NULL;
	call->aad_len = 0;
	call->tail_len = 0;
}

void crypto_call_put(struct crypto_call *call)
{
	crypto_request_put(&call->req);
}

/* Let the device do it while we do not wait; req.finished tells the end. */
int crypto_call_send(struct crypto_call *call)
{
	call->answer->result = cpu_to_le32(RESULT_UNTOUCHED);
	call->head->hints = 0;
	return crypto_queue_submit(crypto_queue_here(call->crdev), &call->req);
}

/**
 * crypto_call_run - let the device do it
 * @call:	the call, filled in
 *
 * The call may be used again only if its state is REQUEST_DONE afterwards.
 *
 * Return: 0 if there is an answer, or -errno.
 */
int crypto_call_run(struct crypto_call *call)
{
	struct crypto_request *req = &call->req;
	struct crypto_queue *q = crypto_queue_here(call->crdev);

	call->answer->result = cpu_to_le32(RESULT_UNTOUCHED);
	if (likely(call->sgs[0] == &call->small_sg[0]))
		return crypto_queue_call(q, req);
	/* Then it need not be left to others while the device works. */
	call->head->hints = cpu_to_le32(single_task_running() ? WIRE_HINT_HOLD :
								0);
	if (q->own)
		return crypto_queue_call(q, req);
	return crypto_queue_submit(q, req) ?: crypto_queue_wait(req);
}

/**
 * crypto_call_result - what the answer says, and whether it makes sense
 * @call:	the call, answered
 * @dst_len:	bytes of destination
 * @mac_len:	bytes of digest or tag, if there is one
 *
 * Return: 0, or -errno, -EIO if it does not.
 */
int crypto_call_result(const struct crypto_call *call, u32 dst_len,
		       u32 mac_len)
{
	const struct wire_answer *answer = call->answer;
	u32 mac = le32_to_cpu(READ_ONCE(answer->mac_len));
	u32 result = le32_to_cpu(READ_ONCE(answer->result));

	if (unlikely(call->req.used < dst_len + sizeof(*answer)))
		return -EIO;
	if (unlikely(result))
		return crypto_device_errno(result);
	if (unlikely(le32_to_cpu(answer->out_len) > dst_len ||
		     (mac && mac != mac_len)))
		return -EIO;
	return 0;
}
