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

#include "call.h"
#include "driver.h"
#include "usercopy.h"

/* Bytes of destination: a session that only hashes has none. */
static u32 dst_len_of(const struct crypto_session *ses,
		      const struct crypt_op *op)
{
	return ses->cipher ? op->len : 0;
}

/* Fill in what changes from one operation to the next. */
void crypto_crypt_head(struct crypto_call *call,
		       const struct crypto_session *ses,
		       const struct crypt_op *op)
{
	struct wire_call *head = call->head;

	head->op = cpu_to_le16(op->op);
	head->flags = cpu_to_le16(op->flags);
	if (unlikely(ses->stale_hash))
		head->flags |= cpu_to_le16(COP_FLAG_RESET);
	head->len = cpu_to_le32(op->len);
	head->dst_len = cpu_to_le32(dst_len_of(ses, op));
	__builtin_memcpy(head->iv, ses->iv, sizeof(head->iv));
}

/* A call that the device may still have is its own affair from now on. */
void crypto_call_finish(struct crypto_session *ses)
{
	struct crypto_call *call = ses->call;

	if (likely(call->req.state == REQUEST_DONE)) {
		crypto_call_settle(call);
	} else {
		ses->call = NULL;
		crypto_call_put(call);
	}
}

/* What became of it; its IV is the session's from now on. */
int crypto_crypt_result(struct crypto_call *call, struct crypto_session *ses)
{
	u32 dst_len = le32_to_cpu(call->head->dst_len);
	int ret = crypto_call_result(call, dst_len, ses->digest_len);

	ses->stale_hash = false;
	if (unlikely(ret))
		return ret;
	if (unlikely(le32_to_cpu(call->answer->out_len) != dst_len))
		return -EIO;
	__builtin_memcpy(ses->iv, call->answer->iv, sizeof(ses->iv));
	return 0;
}

/* Whether the fast way is one: nothing to refuse, nothing that could be odd. */
static bool is_fast(const struct crypto_session *ses, const struct crypt_op *op)
{
	u32 dst_len = dst_len_of(ses, op);

	return ses->call && !(ses->mac && ses->cipher) &&
	       op->op <= COP_DECRYPT && op->len &&
	       op->len <= crypto_small_max &&
	       !(op->len & (ses->block - 1)) && op->src &&
	       (!dst_len || (op->dst && access_ok(op->dst, dst_len))) &&
	       (!op->iv || access_ok(op->iv, WIRE_IV_LEN));
}

/* What the program cannot have has not been: the IV is as it was before. */
static void iv_undo(struct crypto_session *ses, const struct crypto_call *call)
{
	__builtin_memcpy(ses->iv, call->head->iv, sizeof(ses->iv));
}

/*
 * What a program sees of a success. That destination (if any) and IV are its
 * own memory was checked before.
 */
static int results_to_user(const struct crypto_call *call,
			   struct crypto_session *ses,
			   const struct crypt_op *op, const u8 *data,
			   u32 dst_len, struct crypt_op __user *user)
{
	const struct wire_answer *answer = call->answer;
	/* Looked at before; a length is not asked of the device twice. */
	u32 mac_len = answer->mac_len ? ses->digest_len : 0;

	if (unlikely(!user_access_begin(user, sizeof(*user))))
		return -EFAULT;
	if (!words_to_user(op->dst, data, dst_len))
		goto fault_dst;
	if (unlikely(mac_len)) {
		if (!op->mac || !access_ok(op->mac, mac_len) ||
		    !words_to_user(op->mac, answer->mac, mac_len))
			goto fault;
	}
	if (op->iv && op->flags & COP_FLAG_WRITE_IV &&
	    !words_to_user(op->iv, answer->iv, ses->iv_len))
		goto fault;
	if (likely(user) && !words_to_user(user, op, sizeof(*op)))
		goto fault;
	user_access_end();
	return 0;
fault_dst:
	user_access_end();
	iv_undo(ses, call);
	return -EFAULT;
fault:
	user_access_end();
	return -EFAULT;
}

/* The operation would have started the hash anew, had it come that far. */
static void hash_restart(struct crypto_session *ses, const struct crypt_op *op)
{
	if (ses->mac && (!op->flags || op->flags & COP_FLAG_RESET))
		ses->stale_hash = true;
}

/* IV and source; the IV stays, whatever becomes of the rest. */
static int fast_from_user(struct crypto_session *ses, const struct crypt_op *op)
{
	u8 iv[WIRE_IV_LEN] __aligned(8) = { };
	bool has_iv, has_data;

	if (unlikely(!user_access_begin(op->src, op->len)))
		return -EFAULT;
	has_iv = !op->iv || words_from_user(iv, op->iv, ses->iv_len);
	has_data = words_from_user(ses->call->head + 1, op->src, op->len);
	user_access_end();
	if (unlikely(!has_iv))
		return -EFAULT;
	if (op->iv)
		__builtin_memcpy(ses->iv, iv, sizeof(ses->iv));
	if (likely(has_data))
		return 0;
	hash_restart(ses, op);
	return -EFAULT;
}

static int crypt_fast(struct crypto_session *ses, const struct crypt_op *op,
		      struct crypt_op __user *user)
{
	struct crypto_call *call = ses->call;
	u32 dst_len = dst_len_of(ses, op);
	u8 *data = (u8 *)(call->head + 1);
	int ret = fast_from_user(ses, op);

	if (unlikely(ret))
		return ret;
	if (unlikely(offset_in_page(op->dst) + dst_len > PAGE_SIZE) &&
	    !crypto_writable(op->dst, dst_len))
		return -EFAULT;

	crypto_crypt_head(call, ses, op);
	crypto_call_small(call, op->len, dst_len);
	ret = crypto_call_run(call) ?: crypto_crypt_result(call, ses);
	if (likely(!ret))
		ret = results_to_user(call, ses, op, data, dst_len, user);
	if (unlikely(call->req.state != REQUEST_DONE))
		crypto_call_finish(ses);
	return ret;
}

/* What is wrong with the operation itself. */
int crypto_crypt_check(const struct crypto_file *file,
		       const struct crypto_session *ses,
		       const struct crypt_op *op)
{
	if (op->op != COP_ENCRYPT && op->op != COP_DECRYPT)
		return -EINVAL;
	if (op->len & (ses->block - 1) || op->len > file->crdev->max_len)
		return -EINVAL;
	return 0;
}

void crypto_crypt_data(struct crypto_data *data,
		       const struct crypto_session *ses,
		       const struct crypt_op *op)
{
	*data = (struct crypto_data) {
		.src = op->src,
		.dst = op->dst,
		.len = op->len,
		.dst_len = dst_len_of(ses, op),
		.flags = op->flags,
		.probe = ses->mac,	/* what was hashed stays hashed */
	};
}

/* The call that the session keeps, made at its first operation. */
struct crypto_call *crypto_session_call(const struct crypto_file *file,
					struct crypto_session *ses)
{
	if (!ses->call) {
		ses->call = crypto_call_alloc(file);
		if (ses->call)
			crypto_call_session(ses->call, ses);
	}
	return ses->call;
}

/* Results of a job, but for its destination and the crypt_op itself. */
int crypto_crypt_results(const struct crypto_call *call,
			 struct crypto_session *ses,
			 const struct crypt_op *op)
{
	return results_to_user(call, ses, op, NULL, 0, NULL);
}

static int crypt_slow(struct crypto_file *file, struct crypto_session *ses,
		      const struct crypt_op *op, struct crypt_op __user *user)
{
	struct crypto_data data;
	u8 iv[WIRE_IV_LEN];
	int ret;

	if (op->iv && copy_from_user(iv, op->iv, ses->iv_len))
		return -EFAULT;
	ret = crypto_crypt_check(file, ses, op);
	if (ret)
		return ret;
	/* Stays, whatever becomes of the operation. */
	if (op->iv)
		memcpy(ses->iv, iv, ses->iv_len);
	if (!crypto_session_call(file, ses))
		return -ENOMEM;

	crypto_crypt_head(ses->call, ses, op);
	crypto_crypt_data(&data, ses, op);
	ret = crypto_data_set(ses->call, &data);
	if (ret) {
		hash_restart(ses, op);
		goto out;
	}
	ret = crypto_call_run(ses->call) ?: crypto_crypt_result(ses->call, ses);
	if (ret)
		goto out;
	ret = crypto_data_back(ses->call, &data);
	if (ret)
		iv_undo(ses, ses->call);
	else
		ret = results_to_user(ses->call, ses, op, NULL, 0, user);
out:
	crypto_call_finish(ses);
	return ret;
}

static int op_from_user(struct crypt_op *op, const struct crypt_op __user *user)
{
	bool copied;

	if (unlikely(!user_access_begin(user, sizeof(*user))))
		return -EFAULT;
	copied = words_from_user(op, user, sizeof(*op));
	user_access_end();
	return copied ? 0 : -EFAULT;
}

/**
 * crypto_crypt_op - CIOCCRYPT
 * @file:	the open file
 * @op:		what the program asks for
 * @user:	where it asked; NULL if that is no crypt_op
 *
 * Return: 0 or -errno.
 */
long crypto_crypt_op(struct crypto_file *file, const struct crypt_op *op,
		     struct crypt_op __user *user)
{
	struct crypto_session *ses = crypto_session_enter(file, op->ses);
	long ret;

	if (IS_ERR(ses))
		return PTR_ERR(ses);
	if (likely(is_fast(ses, op))) {
		ret = crypt_fast(ses, op, user);
	} else if (file->crdev->calls) {
		ret = crypt_slow(file, ses, op, user);
	} else {
		ret = crypto_reference_crypt(file, ses, op);
		if (!ret && user && copy_to_user(user, op, sizeof(*op)))
			ret = -EFAULT;
	}
	crypto_session_leave(file, ses);
	return ret;
}

/* The same for a program of our own word size. */
long crypto_crypt(struct crypto_file *file, struct crypt_op __user *user)
{
	struct crypt_op op;

	if (unlikely(op_from_user(&op, user)))
		return -EFAULT;
	return crypto_crypt_op(file, &op, user);
}
