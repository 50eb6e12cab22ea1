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

static bool session_exists(struct crypto_file *file, u32 id)
{
	struct crypto_session *ses = crypto_session_get(file, id);

	if (ses)
		crypto_session_put(ses);
	return ses;
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
	struct crypto_message *msg;
	struct cphash_op op;
	int ret;

	if (copy_from_user(&op, arg, sizeof(op)))
		return -EFAULT;
	if (op.dst_ses == op.src_ses)
		return -EDEADLK;
	if (!session_exists(file, op.dst_ses) ||
	    !session_exists(file, op.src_ses))
		return -ENOENT;
	if (!file->crdev->calls)
		return -EINVAL;	/* there is none that hashes */
	msg = crypto_message_alloc();
	if (!msg)
		return -ENOMEM;
	msg->read.ses = cpu_to_le32(op.dst_ses);
	msg->read.src_ses = cpu_to_le32(op.src_ses);
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
	return ret;
}
