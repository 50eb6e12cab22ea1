// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The reference wire, for devices that speak nothing else. It knows AES-CBC
 * only, cannot bring an IV back, and all data is copied.
 */
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "call.h"
#include "driver.h"

#define BLOCK_LEN	16

/* Check a session_op and fetch its key. */
static int session_op_check(const struct session_op *sop, u8 *key)
{
	if (sop->cipher != CRYPTO_AES_CBC || sop->mac)
		return -EINVAL;
	if (sop->keylen > CRYPTO_CIPHER_MAX_KEY_LEN)
		return -EINVAL;
	if (copy_from_user(key, sop->key, sop->keylen))
		return -EFAULT;
	if (sop->keylen != 16 && sop->keylen != 24 && sop->keylen != 32)
		return -EINVAL;
	return 0;
}

/* CIOCGSESSION: fill in the session, if there can be one. */
int crypto_reference_create(struct crypto_file *file,
			    const struct session_op *sop,
			    struct crypto_message *msg,
			    struct crypto_session *ses)
{
	struct wire_session_op *session = &msg->written.session;
	int ret = session_op_check(sop, msg->read.key);

	if (ret)
		return ret;
	session->cipher = cpu_to_le32(CRYPTO_AES_CBC);
	session->keylen = cpu_to_le32(sop->keylen);
	crypto_message_ioctl(msg, file->handle, CIOCGSESSION);
	crypto_message_read(msg, msg->read.key, sop->keylen);
	crypto_message_write(msg, session, sizeof(*session));
	crypto_message_write(msg, &msg->written.result,
			     sizeof(msg->written.result));

	ret = crypto_message_run(file->crdev, msg);
	if (!ret)
		ret = crypto_message_result(msg, msg->written.result,
					    sizeof(*session) +
					    sizeof(msg->written.result));
	ses->id = le32_to_cpu(session->ses);
	ses->block = BLOCK_LEN;
	ses->iv_len = WIRE_IV_LEN;
	return ret;
}

/* Fill in the chain T F C O s v | d R. */
static void crypt_fill(struct crypto_message *msg, u32 handle,
		       const struct crypt_op *op)
{
	struct wire_crypt_op *wire = &msg->read.op;

	wire->ses = cpu_to_le32(op->ses);
	wire->op = cpu_to_le16(op->op);
	/* An IV cannot come back this way, see crypt_run(). */
	wire->flags = cpu_to_le16(op->flags & ~COP_FLAG_WRITE_IV);
	wire->len = cpu_to_le32(op->len);

	crypto_message_ioctl(msg, handle, CIOCCRYPT);
	crypto_message_read(msg, wire, sizeof(*wire));
	crypto_message_read_buffer(msg, &msg->src);
	crypto_message_read(msg, msg->read.iv, sizeof(msg->read.iv));
	crypto_message_write_buffer(msg, &msg->dst);
	crypto_message_write(msg, &msg->written.result,
			     sizeof(msg->written.result));
}

/* Run one operation of at least a block; caller has entered the session. */
static int crypt_run(struct crypto_file *file, struct crypto_session *ses,
		     const struct crypt_op *op)
{
	struct crypto_device *crdev = file->crdev;
	struct crypto_message *msg = crypto_message_alloc();
	int ret = -ENOMEM;

	if (!msg)
		return ret;
	if (crypto_buffer_alloc(&msg->src, op->len, crdev))
		goto out;

	ret = -EFAULT;
	if (!op->src || crypto_buffer_from_user(&msg->src, op->src))
		goto out;
	/* Within one page a copy is all or nothing anyway. */
	if (!op->dst || !access_ok(op->dst, op->len) ||
	    (offset_in_page(op->dst) + op->len > PAGE_SIZE &&
	     !crypto_writable(op->dst, op->len)))
		goto out;

	ret = crypto_buffer_alloc(&msg->dst, op->len, crdev);
	if (ret)
		goto out;
	if (READ_ONCE(crdev->mute)) {
		crypto_buffer_zero(&msg->dst);
		msg->zeroed = true;
	}
	memcpy(msg->read.iv, ses->iv, sizeof(msg->read.iv));
	crypt_fill(msg, file->handle, op);

	ret = crypto_message_run(crdev, msg);
	if (!ret)
		ret = crypto_message_result(msg, msg->written.result, op->len +
					    sizeof(msg->written.result));
	if (ret)
		goto out;
	ret = crypto_buffer_to_user(&msg->dst, op->dst);
	if (ret)
		goto out;

	/* CBC goes on from the last block of ciphertext. */
	crypto_buffer_tail(op->op == COP_ENCRYPT ? &msg->dst : &msg->src,
			   ses->iv, sizeof(ses->iv));
out:
	crypto_message_put(msg);
	return ret;
}

/**
 * crypto_reference_crypt - CIOCCRYPT
 * @file:	the open file
 * @ses:	the session, entered
 * @op:		what the program asks for
 *
 * Return: 0 or -errno.
 */
long crypto_reference_crypt(struct crypto_file *file,
			    struct crypto_session *ses,
			    const struct crypt_op *op)
{
	u8 iv[WIRE_IV_LEN];
	int ret = 0;

	if (op->iv && copy_from_user(iv, op->iv, sizeof(iv)))
		return -EFAULT;
	if (op->op != COP_ENCRYPT && op->op != COP_DECRYPT)
		return -EINVAL;
	if (op->len % BLOCK_LEN || op->len > file->crdev->max_len)
		return -EINVAL;

	/* Stays, whatever becomes of the operation. */
	if (op->iv)
		memcpy(ses->iv, iv, sizeof(ses->iv));
	if (op->len)
		ret = crypt_run(file, ses, op);
	if (!ret && op->iv && op->flags & COP_FLAG_WRITE_IV &&
	    copy_to_user(op->iv, ses->iv, sizeof(ses->iv)))
		ret = -EFAULT;
	return ret;
}
