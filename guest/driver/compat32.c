// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs of 32 bits: the calls that /dev/crypto has for them. Structures
 * without pointers are the same for all.
 */
#include <linux/compat.h>
#include <linux/uaccess.h>

#include "driver.h"

struct session_op32 {
	u32 cipher;
	u32 mac;
	u32 keylen;
	compat_uptr_t key;
	u32 mackeylen;
	compat_uptr_t mackey;
	u32 ses;
};

struct crypt_op32 {
	u32 ses;
	u16 op;
	u16 flags;
	u32 len;
	compat_uptr_t src;
	compat_uptr_t dst;
	compat_uptr_t mac;
	compat_uptr_t iv;
};

#define CIOCGSESSION32		_IOWR('c', 102, struct session_op32)
#define CIOCCRYPT32		_IOWR('c', 104, struct crypt_op32)
#define CIOCASYNCCRYPT32	_IOW('c', 110, struct crypt_op32)
#define CIOCASYNCFETCH32	_IOR('c', 111, struct crypt_op32)

static long make_session(struct crypto_file *file,
			 struct session_op32 __user *user)
{
	struct session_op32 from;
	struct session_op sop;

	if (copy_from_user(&from, user, sizeof(from)))
		return -EFAULT;
	sop = (struct session_op) {
		.cipher = from.cipher,
		.mac = from.mac,
		.keylen = from.keylen,
		.key = compat_ptr(from.key),
		.mackeylen = from.mackeylen,
		.mackey = compat_ptr(from.mackey),
	};
	return crypto_session_create(file, &sop, &user->ses);
}

static int op_from_user(struct crypt_op *op, const struct crypt_op32 __user *user)
{
	struct crypt_op32 from;

	if (copy_from_user(&from, user, sizeof(from)))
		return -EFAULT;
	*op = (struct crypt_op) {
		.ses = from.ses,
		.op = from.op,
		.flags = from.flags,
		.len = from.len,
		.src = compat_ptr(from.src),
		.dst = compat_ptr(from.dst),
		.mac = compat_ptr(from.mac),
		.iv = compat_ptr(from.iv),
	};
	return 0;
}

static int op_to_user(struct crypt_op32 __user *user, const struct crypt_op *op)
{
	const struct crypt_op32 to = {
		.ses = op->ses,
		.op = op->op,
		.flags = op->flags,
		.len = op->len,
		.src = ptr_to_compat(op->src),
		.dst = ptr_to_compat(op->dst),
		.mac = ptr_to_compat(op->mac),
		.iv = ptr_to_compat(op->iv),
	};

	return copy_to_user(user, &to, sizeof(to)) ? -EFAULT : 0;
}

/**
 * crypto_compat - the calls of programs of 32 bits
 * @file:	the open file
 * @cmd:	the call
 * @user:	its argument
 *
 * Return: 0 or -errno; -ENOIOCTLCMD for a call that is the same for all.
 */
long crypto_compat(struct crypto_file *file, unsigned int cmd, void __user *user)
{
	struct crypt_op op;
	long ret;

	switch (cmd) {
	case CIOCGSESSION32:
		return make_session(file, user);
	case CIOCCRYPT32:
		ret = op_from_user(&op, user) ?:
		      crypto_crypt_op(file, &op, NULL);
		return ret ?: op_to_user(user, &op);
	case CIOCASYNCCRYPT32:
		return op_from_user(&op, user) ?: crypto_async_crypt(file, &op);
	case CIOCASYNCFETCH32:
		ret = crypto_async_fetch(file, &op);
		return ret ?: op_to_user(user, &op);
	case CIOCASYMFEAT:
	case CRIOGET:
	case CIOCFSESSION:
	case CIOCGSESSINFO:
		return -ENOIOCTLCMD;
	default:
		return -EINVAL;
	}
}
