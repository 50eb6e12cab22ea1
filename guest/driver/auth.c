// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CIOCAUTHCRYPT: the AEAD, the TLS and the SRTP way.
 *
 * What is wrong with lengths is said before what is wrong with addresses, so
 * the driver has to know what the device would say of lengths.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "call.h"
#include "driver.h"

#define SRTP_HEAD_MAX	256	/* bytes of a packet in front of the source */

/**
 * struct auth - a CIOCAUTHCRYPT on its way
 * @op:		what the program asks for, and is told
 * @cipher:	of the session
 * @data:	what the device reads and writes
 * @tag_len:	bytes of tag, 0 if there is none
 */
struct auth {
	struct crypt_auth_op op;
	const struct crypto_algorithm *cipher;
	struct crypto_data data;
	u32 tag_len;
};

static bool is_srtp(const struct auth *auth)
{
	return auth->op.flags & COP_FLAG_AEAD_SRTP_TYPE;
}

static bool is_tls(const struct auth *auth)
{
	return !is_srtp(auth) && auth->op.flags & COP_FLAG_AEAD_TLS_TYPE;
}

static bool is_encrypt(const struct auth *auth)
{
	return auth->op.op == COP_ENCRYPT;
}

/* What the modes of NIST SP 800-38D have. */
static bool is_aead_tag_len(u32 len)
{
	return len == 4 || len == 8 || (len >= 12 && len <= 16);
}

static int aead_lengths(struct auth *auth, const struct crypto_session *ses)
{
	struct crypto_data *data = &auth->data;

	if (!(auth->cipher->flags & ALGORITHM_AEAD) ||
	    auth->op.auth_len > WIRE_EXTRA_MAX ||
	    !is_aead_tag_len(auth->tag_len) || auth->tag_len > ses->tag_len)
		return -EINVAL;
	if (!is_encrypt(auth) && data->len < auth->tag_len)
		return -EINVAL;
	data->dst_len = is_encrypt(auth) ? data->len + auth->tag_len :
					   data->len - auth->tag_len;
	data->aad = auth->op.auth_src;
	data->aad_len = auth->op.auth_len;
	return 0;
}

static int tls_lengths(struct auth *auth, const struct crypto_session *ses)
{
	struct crypto_data *data = &auth->data;
	u32 least = ses->block > 1 ? auth->tag_len + 1 : auth->tag_len;
	u32 len = data->len + auth->tag_len;

	if (auth->cipher->flags & ALGORITHM_AEAD ||
	    auth->op.auth_len > WIRE_EXTRA_MAX)
		return -EINVAL;
	if (!is_encrypt(auth)) {
		if (!data->len || data->len & (ses->block - 1) ||
		    data->len < least)
			return -EINVAL;
		len = data->len;
	} else if (ses->block > 1) {
		len += ses->block - (len & (ses->block - 1));
	}
	data->dst_len = len;
	data->aad = auth->op.auth_src;
	data->aad_len = auth->op.auth_len;
	return 0;
}

/* The source is part of what is authenticated. */
static int srtp_lengths(struct auth *auth)
{
	struct crypto_data *data = &auth->data;
	const struct crypt_auth_op *op = &auth->op;
	u64 before = (unsigned long)op->src - (unsigned long)op->auth_src;

	if (op->src < op->auth_src || before > SRTP_HEAD_MAX ||
	    before + op->len > op->auth_len ||
	    !(auth->cipher->flags & ALGORITHM_STREAM) || !op->auth_len)
		return -EINVAL;
	if (!op->len && (!is_encrypt(auth) || !auth->tag_len))
		return -EINVAL;
	if (!is_encrypt(auth) && auth->tag_len > op->len)
		return -EINVAL;
	data->dst_len = op->len;
	data->aad = op->auth_src;
	data->aad_len = before;
	data->tail = op->src + op->len;
	data->tail_len = op->auth_len - before - op->len;
	if (data->aad_len + data->tail_len > WIRE_EXTRA_MAX)
		return -EINVAL;
	if (!is_encrypt(auth)) {
		data->tag = op->tag;
		data->tag_len = auth->tag_len;
	}
	return 0;
}

static int lengths(struct auth *auth, const struct crypto_session *ses)
{
	const struct crypt_auth_op *op = &auth->op;

	if (ses->digest_len || ses->tag_len)
		auth->tag_len = op->tag_len ?: ses->digest_len ?: ses->tag_len;
	if (auth->tag_len > WIRE_MAC_LEN ||
	    (ses->digest_len && auth->tag_len > ses->digest_len))
		return -EINVAL;
	auth->data.src = op->src;
	auth->data.dst = op->dst;
	auth->data.len = op->len;
	auth->data.flags = op->flags;
	auth->data.probe = true;
	if (is_srtp(auth))
		return srtp_lengths(auth);
	return is_tls(auth) ? tls_lengths(auth, ses) : aead_lengths(auth, ses);
}

/* What is written besides the destination can be written. */
static bool can_answer(const struct auth *auth, const struct crypto_session *ses)
{
	const struct crypt_auth_op *op = &auth->op;

	if (is_srtp(auth) && is_encrypt(auth) &&
	    !crypto_writable(op->tag, auth->tag_len))
		return false;
	return !op->iv || !(op->flags & COP_FLAG_WRITE_IV) ||
	       crypto_writable(op->iv, ses->iv_len);
}

static void head_set(const struct auth *auth, const struct crypto_session *ses)
{
	const struct crypto_data *data = &auth->data;
	struct wire_call *head = ses->call->head;

	head->op = cpu_to_le16(auth->op.op);
	head->flags = cpu_to_le16(auth->op.flags);
	head->len = cpu_to_le32(data->len);
	head->dst_len = cpu_to_le32(data->dst_len);
	head->aad_len = cpu_to_le32(data->aad_len);
	head->tail_len = cpu_to_le32(data->tail_len);
	head->call = cpu_to_le16(WIRE_CALL_AUTH);
	head->tag_len = cpu_to_le16(auth->tag_len);
	head->tag_given = cpu_to_le16(data->tag_len);
	memcpy(head->iv, ses->iv, sizeof(head->iv));
}

/* As the next CIOCCRYPT of the session wants it. */
static void head_reset(struct wire_call *head)
{
	head->aad_len = 0;
	head->tail_len = 0;
	head->call = cpu_to_le16(WIRE_CALL_CRYPT);
	head->tag_len = 0;
	head->tag_given = 0;
}

/* What the program is told besides the destination, and the IV that is next. */
static int answer_take(struct auth *auth, struct crypto_session *ses)
{
	const struct wire_answer *answer = ses->call->answer;
	struct crypt_auth_op *op = &auth->op;
	u32 out_len = le32_to_cpu(answer->out_len);

	if (!is_tls(auth) && out_len != auth->data.dst_len)
		return -EIO;
	if (is_srtp(auth) && is_encrypt(auth)) {
		if (le32_to_cpu(answer->mac_len) != auth->tag_len)
			return -EIO;
		if (copy_to_user(op->tag, answer->mac, auth->tag_len))
			return -EFAULT;
	}
	memcpy(ses->iv, answer->iv, sizeof(ses->iv));
	if (op->iv && op->flags & COP_FLAG_WRITE_IV &&
	    copy_to_user(op->iv, ses->iv, ses->iv_len))
		return -EFAULT;
	if (!is_srtp(auth) && !is_tls(auth))
		op->tag = op->dst + (is_encrypt(auth) ? op->len : out_len);
	op->len = out_len;
	if (!op->tag_len)
		op->tag_len = auth->tag_len;
	return 0;
}

static int auth_perform(struct auth *auth, struct crypto_session *ses)
{
	struct crypto_call *call = ses->call;
	int ret;

	if (!can_answer(auth, ses))
		return -EFAULT;
	head_set(auth, ses);
	ret = crypto_data_set(call, &auth->data) ?: crypto_call_run(call) ?:
	      crypto_call_result(call, auth->data.dst_len, auth->tag_len) ?:
	      crypto_data_back(call, &auth->data) ?: answer_take(auth, ses);
	if (!ret)
		ses->stale_hash = false;
	if (call->req.state == REQUEST_DONE)
		head_reset(call->head);
	crypto_call_finish(ses);
	return ret;
}

static int auth_run(struct crypto_file *file, struct crypto_session *ses,
		    struct auth *auth)
{
	struct crypt_auth_op *op = &auth->op;
	u8 iv[WIRE_IV_LEN];
	int ret;

	if (op->flags & (COP_FLAG_AEAD_TLS_TYPE | COP_FLAG_AEAD_SRTP_TYPE) &&
	    op->src != op->dst)
		return -EINVAL;
	if (op->iv && copy_from_user(iv, op->iv, ses->iv_len))
		return -EFAULT;
	auth->cipher = crypto_find_cipher(ses->cipher);
	if ((op->op != COP_ENCRYPT && op->op != COP_DECRYPT) || !auth->cipher ||
	    op->len > file->crdev->max_len)
		return -EINVAL;
	/* Both stay, whatever becomes of the operation. */
	if (op->iv)
		memcpy(ses->iv, iv, ses->iv_len);
	ses->stale_hash = ses->mac;
	ret = lengths(auth, ses);
	if (ret)
		return ret;
	if (!crypto_session_call(file, ses))
		return -ENOMEM;
	return auth_perform(auth, ses);
}

/**
 * crypto_auth - CIOCAUTHCRYPT
 * @file:	the open file
 * @user:	what the program asks for
 *
 * Return: 0 or -errno.
 */
long crypto_auth(struct crypto_file *file, struct crypt_auth_op __user *user)
{
	struct crypto_session *ses;
	struct auth auth = { };
	long ret;

	if (copy_from_user(&auth.op, user, sizeof(auth.op)))
		return -EFAULT;
	ses = crypto_session_enter(file, auth.op.ses);
	if (IS_ERR(ses))
		return PTR_ERR(ses);
	ret = file->crdev->calls ? auth_run(file, ses, &auth) : -EINVAL;
	crypto_session_leave(file, ses);
	if (!ret && copy_to_user(user, &auth.op, sizeof(auth.op)))
		ret = -EFAULT;
	return ret;
}
