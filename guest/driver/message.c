// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages: requests of fixed fields, and all of the reference wire. How they
 * are made, waited for, and what their answers mean.
 */
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "driver.h"

/*
 * A close is waited for so that the handle is free on the other side when
 * close() returns, but a device that does not answer must not keep a killed
 * process alive. After this time the request is left to the queue.
 */
#define CLOSE_PATIENCE	(2 * HZ)

/* The answer that no device gives: positive results do not exist. */
#define RESULT_UNTOUCHED	0x7fffffff

static void message_release(struct crypto_request *req)
{
	struct crypto_message *msg = container_of(req, struct crypto_message,
						  req);

	crypto_buffer_free(&msg->src);
	crypto_buffer_free(&msg->dst);
	kfree_sensitive(msg->mackey);
	kfree_sensitive(msg);	/* it has held a key */
}

struct crypto_message *crypto_message_alloc(void)
{
	struct crypto_message *msg = kzalloc(sizeof(*msg), GFP_KERNEL_ACCOUNT);

	if (!msg)
		return NULL;
	crypto_request_init(&msg->req);
	msg->req.sgs = msg->sgs;
	msg->req.release = message_release;
	msg->written.handle = cpu_to_le32(-EIO);
	msg->written.result = cpu_to_le32(RESULT_UNTOUCHED);
	msg->written.sizes.result = cpu_to_le32(RESULT_UNTOUCHED);
	return msg;
}

void crypto_message_put(struct crypto_message *msg)
{
	crypto_request_put(&msg->req);
}

static void add_field(struct crypto_message *msg, void *field, size_t len)
{
	unsigned int n = msg->req.out + msg->req.in;

	sg_init_one(&msg->fields[n], field, len);
	msg->sgs[n] = &msg->fields[n];
	msg->req.pieces++;
}

/* The next field for the device to read; all these come before the others. */
void crypto_message_read(struct crypto_message *msg, void *field, size_t len)
{
	add_field(msg, field, len);
	msg->req.out++;
}

/* The next field for the device to write. */
void crypto_message_write(struct crypto_message *msg, void *field, size_t len)
{
	add_field(msg, field, len);
	msg->req.in++;
}

void crypto_message_read_buffer(struct crypto_message *msg,
				struct crypto_buffer *buf)
{
	msg->sgs[msg->req.out++] = buf->sg;
	msg->req.pieces += buf->nents;
}

void crypto_message_write_buffer(struct crypto_message *msg,
				 struct crypto_buffer *buf)
{
	msg->sgs[msg->req.out + msg->req.in++] = buf->sg;
	msg->req.pieces += buf->nents;
}

/* Type and handle, with which all requests but open begin. */
void crypto_message_start(struct crypto_message *msg, u32 type, u32 handle)
{
	msg->read.type = cpu_to_le32(type);
	msg->read.handle = cpu_to_le32(handle);
	crypto_message_read(msg, &msg->read.type, sizeof(msg->read.type));
	crypto_message_read(msg, &msg->read.handle, sizeof(msg->read.handle));
}

/* T F C, with which every ioctl of the reference wire begins. */
void crypto_message_ioctl(struct crypto_message *msg, u32 handle, u32 command)
{
	crypto_message_start(msg, WIRE_IOCTL, handle);
	msg->read.command = cpu_to_le32(command);
	crypto_message_read(msg, &msg->read.command, sizeof(msg->read.command));
}

/*
 * Devices from before anybody looked say that they wrote nothing, always. What
 * they write into is prepared so that it tells whether they did: a result and
 * a handle that no device gives, data of zeros.
 */
static void believe_mute(struct crypto_device *crdev, struct crypto_message *msg)
{
	/* It may have become known after this one had left unprepared. */
	bool prepared = !msg->dst.nents || msg->zeroed;

	if (READ_ONCE(crdev->mute) && prepared && !msg->req.used)
		msg->req.used = U32_MAX;
}

/**
 * crypto_message_run - submit a message and sleep until it is answered
 * @crdev:	the device
 * @msg:	the message; the caller drops its reference afterwards in every case
 *
 * Return: 0 if there is an answer, -ENODEV, -ENOMEM, or -EINTR.
 */
int crypto_message_run(struct crypto_device *crdev, struct crypto_message *msg)
{
	int ret = crypto_queue_submit(crypto_queue_here(crdev), &msg->req) ?:
		  crypto_queue_wait(&msg->req);

	if (!ret)
		believe_mute(crdev, msg);
	return ret;
}

/* What a device may say as a result (or as a handle): 0 or -errno. */
int crypto_device_errno(s32 result)
{
	if (!result)
		return 0;
	/* The kernel's own codes above 511 (restart this call) are not for it. */
	if (result > 0 || result <= -512)
		return -EIO;
	return result;
}

/**
 * crypto_message_result - the result of a request that was answered
 * @msg:	the request
 * @result:	what the device wrote last
 * @full:	bytes that a whole answer has, the result included
 *
 * A success must be whole; of an error only the result itself is wanted.
 *
 * Return: 0 or -errno; -EIO for an answer that makes no sense.
 */
int crypto_message_result(const struct crypto_message *msg, __le32 result,
			  size_t full)
{
	s32 value = le32_to_cpu(result);

	if (msg->req.used < sizeof(result))
		return -EIO;
	/* A device that knows no errno says -1; most often the input is bad. */
	if (value == -1)
		return -EINVAL;
	if (!value && msg->req.used < full)
		return -EIO;
	return crypto_device_errno(value);
}

/*
 * The answer to an open that nobody waits for any more: a handle on the other
 * side that would stay open for ever. The message becomes the one that closes
 * it. Abandoned sessions need no such care, they end with their handle.
 */
static bool open_to_close(struct crypto_request *req, u32 used)
{
	struct crypto_message *msg = container_of(req, struct crypto_message,
						  req);
	__le32 handle = msg->written.handle;

	/* Perhaps the first that would have shown that the device is mute. */
	if (!used && !req->queue->crdev->calls)
		used = U32_MAX;
	if (used < sizeof(handle) || (s32)le32_to_cpu(handle) < 0)
		return false;

	req->orphaned = NULL;
	req->out = 0;
	req->in = 0;
	req->pieces = 0;
	crypto_message_start(msg, WIRE_CLOSE, le32_to_cpu(handle));
	return true;
}

/**
 * crypto_message_open - open a file on the other side
 * @crdev:	the device
 * @handle:	where the device's number for it is stored
 *
 * Return: 0 or -errno.
 */
int crypto_message_open(struct crypto_device *crdev, u32 *handle)
{
	struct crypto_message *msg = crypto_message_alloc();
	s32 answer;
	int ret;

	if (!msg)
		return -ENOMEM;
	msg->req.orphaned = open_to_close;
	msg->read.type = cpu_to_le32(WIRE_OPEN);
	crypto_message_read(msg, &msg->read.type, sizeof(msg->read.type));
	crypto_message_write(msg, &msg->written.handle,
			     sizeof(msg->written.handle));

	ret = crypto_message_run(crdev, msg);
	if (ret)
		goto out;
	answer = le32_to_cpu(msg->written.handle);
	if (!crdev->calls && !msg->req.used && answer != -EIO) {
		WRITE_ONCE(crdev->mute, true);
		believe_mute(crdev, msg);
	}
	if (msg->req.used < sizeof(msg->written.handle))
		ret = -EIO;
	else if (answer == -1)	/* no errno given: it could not be opened */
		ret = -ENODEV;
	else if (answer < 0)
		ret = crypto_device_errno(answer);
	else
		*handle = answer;
out:
	crypto_message_put(msg);
	return ret;
}

/**
 * crypto_message_close - close a file on the other side; does not fail
 * @crdev:	the device
 * @msg:	a new request, whose reference is taken over
 * @handle:	what to close
 */
void crypto_message_close(struct crypto_device *crdev,
			  struct crypto_message *msg, u32 handle)
{
	crypto_message_start(msg, WIRE_CLOSE, handle);
	/* With the device gone its files are closed. */
	if (!crypto_queue_submit(crypto_queue_here(crdev), &msg->req))
		wait_for_completion_timeout(&msg->req.done, CLOSE_PATIENCE);
	crypto_message_put(msg);
}
