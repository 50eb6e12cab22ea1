// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CIOCCRYPT with F_CALLS.
 *
 * Small data of a well-formed operation takes the fast way: copied, answered,
 * copied back, with no allocation, no sleep and hardly a function called. All
 * else takes the other, which makes the checks of /dev/crypto in their order.
 */
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "driver.h"
#include "usercopy.h"

/* Bytes of destination: a session that only hashes has none. */
static u32 dst_len_of(const struct crypto_session *ses,
		      const struct crypt_op *op)
{
	return ses->cipher ? op->len : 0;
}

static u8 *small_data(const struct crypto_call *call)
{
	return (u8 *)(call->head + 1);
}

/* Fill in what changes from one operation to the next. */
static void head_set(struct crypto_call *call, const struct crypto_session *ses,
		     const struct crypt_op *op)
{
	struct wire_call *head = call->head;

	head->op = cpu_to_le16(op->op);
	head->flags = cpu_to_le16(op->flags);
	head->len = cpu_to_le32(op->len);
	head->dst_len = cpu_to_le32(dst_len_of(ses, op));
	__builtin_memcpy(head->iv, ses->iv, sizeof(head->iv));
}

/* Data is in the call itself: one piece to read and one to write. */
static void small_set(struct crypto_call *call, u32 len, u32 dst_len)
{
	struct scatterlist *sg = call->small_sg;

	sg[0].length = sizeof(*call->head) + len;
	/* In place, or behind the data if there is no destination. */
	sg[1].offset = sg[0].offset + sizeof(*call->head) + len - dst_len;
	sg[1].length = dst_len + sizeof(*call->answer);
	call->answer = (void *)(small_data(call) + len);
	call->sgs[0] = &sg[0];
	call->sgs[1] = &sg[1];
	call->req.pieces = 2;
}

/* The device must have written a digest as long as it said there would be. */
static int mac_check(const struct crypto_call *call,
		     const struct crypto_session *ses)
{
	u32 len = le32_to_cpu(call->answer->mac_len);

	return len && len != ses->digest_len ? -EIO : 0;
}

/* A call that the device may still have is its own affair from now on. */
static void call_finish(struct crypto_session *ses)
{
	struct crypto_call *call = ses->call;

	if (likely(call->req.state == REQUEST_DONE)) {
		crypto_call_settle(call);
	} else {
		ses->call = NULL;
		crypto_call_put(call);
	}
}

/* Run it and keep the IV that comes back. */
static int call_perform(struct crypto_session *ses, u32 dst_len)
{
	struct crypto_call *call = ses->call;
	int ret = crypto_call_run(call);

	if (unlikely(ret))
		return ret;
	ret = crypto_call_result(call, ses, dst_len) ?: mac_check(call, ses);
	if (unlikely(ret))
		return ret;
	if (unlikely(le32_to_cpu(call->answer->out_len) != dst_len))
		return -EIO;
	return 0;
}

static void iv_keep(struct crypto_session *ses)
{
	__builtin_memcpy(ses->iv, ses->call->answer->iv, sizeof(ses->iv));
}

/* Whether the fast way is one: nothing to refuse, nothing that could be odd. */
static bool is_fast(const struct crypto_session *ses, const struct crypt_op *op)
{
	u32 dst_len = dst_len_of(ses, op);

	return ses->call && op->op <= COP_DECRYPT && op->len &&
	       op->len <= crypto_small_max &&
	       !(op->len & (ses->block - 1)) && op->src &&
	       (!dst_len || (op->dst && access_ok(op->dst, dst_len))) &&
	       (!op->iv || access_ok(op->iv, WIRE_IV_LEN));
}

/*
 * What a program sees of a success. That destination (if any) and IV are its
 * own memory was checked before.
 */
static int results_to_user(const struct crypto_call *call,
			   const struct crypto_session *ses,
			   const struct crypt_op *op, const u8 *data,
			   u32 dst_len, struct crypt_op __user *user)
{
	const struct wire_answer *answer = call->answer;
	u32 mac_len = le32_to_cpu(answer->mac_len);

	if (unlikely(!user_access_begin(user, sizeof(*user))))
		return -EFAULT;
	words_to_user(op->dst, data, dst_len, fault);
	if (mac_len) {
		if (!op->mac || !access_ok(op->mac, mac_len))
			goto fault;
		words_to_user(op->mac, answer->mac, mac_len, fault);
	}
	if (op->iv && op->flags & COP_FLAG_WRITE_IV)
		words_to_user(op->iv, answer->iv, ses->iv_len, fault);
	struct_to_user(user, op, fault);
	user_access_end();
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

static int crypt_fast(struct crypto_session *ses, const struct crypt_op *op,
		      struct crypt_op __user *user)
{
	struct crypto_call *call = ses->call;
	u32 dst_len = dst_len_of(ses, op);
	u8 *data = small_data(call);
	u8 iv[WIRE_IV_LEN] __aligned(8) = { };
	int ret;

	if (unlikely(!user_access_begin(op->src, op->len)))
		return -EFAULT;
	if (op->iv) {
		words_from_user(iv, op->iv, ses->iv_len, fault);
		/* Stays, whatever becomes of the operation. */
		__builtin_memcpy(ses->iv, iv, sizeof(ses->iv));
	}
	words_from_user(data, op->src, op->len, fault);
	user_access_end();
	if (unlikely(offset_in_page(op->dst) + dst_len > PAGE_SIZE) &&
	    !crypto_writable(op->dst, dst_len))
		return -EFAULT;

	head_set(call, ses, op);
	small_set(call, op->len, dst_len);
	ret = call_perform(ses, dst_len);
	if (likely(!ret)) {
		ret = results_to_user(call, ses, op, data, dst_len, user);
		if (likely(!ret))
			iv_keep(ses);
	}
	if (unlikely(call->req.state != REQUEST_DONE))
		call_finish(ses);
	return ret;
fault:
	user_access_end();
	return -EFAULT;
}

/* Source and destination are one, or apart: the device can work in them. */
static bool can_share(const struct crypt_op *op, u32 dst_len)
{
	return !dst_len || op->src == op->dst || op->src + op->len <= op->dst ||
	       op->dst + dst_len <= op->src;
}

static int data_small(struct crypto_call *call, const struct crypt_op *op,
		      u32 dst_len)
{
	if (copy_from_user(small_data(call), op->src, op->len))
		return -EFAULT;
	if (dst_len && !crypto_writable(op->dst, dst_len))
		return -EFAULT;
	small_set(call, op->len, dst_len);
	return 0;
}

static int data_copied(struct crypto_call *call, const struct crypt_op *op,
		       u32 dst_len)
{
	int ret = crypto_buffer_alloc(&call->src, op->len, call->crdev);

	if (ret)
		return ret;
	if (crypto_buffer_from_user(&call->src, op->src))
		return -EFAULT;
	if (dst_len) {
		if (!crypto_writable(op->dst, dst_len))
			return -EFAULT;
		ret = crypto_buffer_alloc(&call->dst, dst_len, call->crdev);
		if (ret)
			return ret;
	}
	return crypto_call_copies(call);
}

/* Bring the data where the device finds it. */
static int data_set(struct crypto_call *call, const struct crypt_op *op,
		    u32 dst_len)
{
	if (op->len <= crypto_small_max)
		return data_small(call, op, dst_len);
	if (op->len >= zero_copy_min && !(op->flags & COP_FLAG_NO_ZC) &&
	    can_share(op, dst_len) &&
	    !crypto_call_pin(call, op->src, op->len, op->dst, dst_len))
		return 0;
	return data_copied(call, op, dst_len);
}

/* Bring results that were copied back to the program. */
static int data_back(const struct crypto_call *call, const struct crypt_op *op,
		     u32 dst_len)
{
	if (!dst_len || call->dst_pages)
		return 0;
	if (call->dst.nents)
		return crypto_buffer_to_user(&call->dst, op->dst);
	return copy_to_user(op->dst, small_data(call), dst_len) ? -EFAULT : 0;
}

static int crypt_slow(struct crypto_file *file, struct crypto_session *ses,
		      const struct crypt_op *op, struct crypt_op __user *user)
{
	u32 dst_len = dst_len_of(ses, op);
	u8 iv[WIRE_IV_LEN];
	int ret;

	if (op->iv && copy_from_user(iv, op->iv, ses->iv_len))
		return -EFAULT;
	if (op->op != COP_ENCRYPT && op->op != COP_DECRYPT)
		return -EINVAL;
	if (op->len & (ses->block - 1) || op->len > file->crdev->max_len)
		return -EINVAL;
	/* Stays, whatever becomes of the operation. */
	if (op->iv)
		memcpy(ses->iv, iv, ses->iv_len);
	if (op->len && (!op->src || (dst_len && !op->dst)))
		return -EFAULT;
	if (!ses->call)
		ses->call = crypto_call_alloc(file, ses);
	if (!ses->call)
		return -ENOMEM;

	head_set(ses->call, ses, op);
	ret = data_set(ses->call, op, dst_len) ?: call_perform(ses, dst_len) ?:
	      data_back(ses->call, op, dst_len) ?:
	      results_to_user(ses->call, ses, op, NULL, 0, user);
	if (!ret)
		iv_keep(ses);
	call_finish(ses);
	return ret;
}

static int op_from_user(struct crypt_op *op, const struct crypt_op __user *user)
{
	if (unlikely(!user_access_begin(user, sizeof(*user))))
		return -EFAULT;
	struct_from_user(op, user, fault);
	user_access_end();
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

/**
 * crypto_crypt - CIOCCRYPT
 * @file:	the open file
 * @user:	what the program asks for
 *
 * Return: 0 or -errno.
 */
long crypto_crypt(struct crypto_file *file, struct crypt_op __user *user)
{
	struct crypto_session *ses;
	struct crypt_op op;
	long ret;

	if (unlikely(op_from_user(&op, user)))
		return -EFAULT;
	ses = crypto_session_enter(file, op.ses);
	if (IS_ERR(ses))
		return PTR_ERR(ses);
	if (likely(is_fast(ses, &op))) {
		ret = crypt_fast(ses, &op, user);
	} else if (file->crdev->calls) {
		ret = crypt_slow(file, ses, &op, user);
	} else {
		ret = crypto_reference_crypt(file, ses, &op);
		if (!ret && copy_to_user(user, &op, sizeof(op)))
			ret = -EFAULT;
	}
	crypto_session_leave(file, ses);
	return ret;
}
