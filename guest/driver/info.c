// SPDX-License-Identifier: GPL-2.0-or-later
/* CIOCGSESSINFO and CIOCCPHASH: what sessions are, and what they have hashed. */
#include <linux/uaccess.h>

#include "driver.h"

/**
 * crypto_session_info - CIOCGSESSINFO
 * @file:	the open file
 * @arg:	the program's: the session, and where its names go
 *
 * Return: 0 or -errno.
 */
long crypto_session_info(struct crypto_file *file,
			 struct session_info_op __user *arg)
{
	struct session_info_op info;
	struct crypto_session *ses;

	if (copy_from_user(&info, arg, sizeof(info)))
		return -EFAULT;
	ses = crypto_session_get(file, info.ses);
	if (!ses)
		return -EINVAL;
	crypto_tell(&info, ses->cipher, ses->mac);
	crypto_session_put(ses);
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

/* Let the device copy what @src has hashed to @dst; both have been entered. */
static int remote_copy(struct crypto_file *file, struct crypto_session *dst,
		       const struct crypto_session *src)
{
	struct crypto_message *msg = crypto_message_alloc();
	int ret;

	if (!msg)
		return -ENOMEM;
	msg->read.ses = cpu_to_le32(dst->id);
	msg->read.src_ses = cpu_to_le32(src->id);
	crypto_message_start(msg, WIRE_COPY, file->handle);
	crypto_message_read(msg, &msg->read.ses, sizeof(msg->read.ses));
	crypto_message_read(msg, &msg->read.src_ses, sizeof(msg->read.src_ses));
	crypto_message_write(msg, &msg->written.result,
			     sizeof(msg->written.result));
	ret = crypto_message_run(file->crdev, msg);
	if (!ret)
		ret = crypto_message_result(msg, msg->written.result,
					    sizeof(msg->written.result));
	crypto_message_put(msg);
	/* What the device has not been told of the one is true of both. */
	if (!ret)
		dst->stale_hash = src->stale_hash;
	return ret;
}

/**
 * crypto_session_copy - CIOCCPHASH
 * @file:	the open file
 * @arg:	the program's: which session's hash becomes which other's
 *
 * Return: 0 or -errno.
 */
long crypto_session_copy(struct crypto_file *file,
			 const struct cphash_op __user *arg)
{
	struct crypto_session *low, *high;
	struct cphash_op op;
	bool up;
	long ret;

	if (copy_from_user(&op, arg, sizeof(op)))
		return -EFAULT;
	if (op.dst_ses == op.src_ses)
		return -EDEADLK;
	up = op.src_ses < op.dst_ses;
	/* Nobody else enters two; in this order none waits for the other. */
	low = crypto_session_enter(file, up ? op.src_ses : op.dst_ses);
	ret = PTR_ERR_OR_ZERO(low);
	if (ret)
		goto out;
	high = crypto_session_enter(file, up ? op.dst_ses : op.src_ses);
	ret = PTR_ERR_OR_ZERO(high);
	if (ret)
		goto leave;
	if (file->crdev->calls)
		ret = remote_copy(file, up ? high : low, up ? low : high);
	crypto_session_leave(file, high);
	crypto_session_leave(file, low);
	/* The reference wire has none that hashes. */
	return file->crdev->calls ? ret : -EINVAL;

leave:
	crypto_session_leave(file, low);
out:
	return ret == -EINVAL ? -ENOENT : ret;
}
