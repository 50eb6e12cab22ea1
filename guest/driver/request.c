// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests: how they are made, waited for, and what their answers mean. */
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

struct crypto_request *crypto_request_alloc(void)
{
	struct crypto_request *req = kzalloc(sizeof(*req), GFP_KERNEL_ACCOUNT);

	if (!req)
		return NULL;
	refcount_set(&req->ref, 1);
	INIT_LIST_HEAD(&req->node);
	init_completion(&req->done);
	req->written.handle = cpu_to_le32(-EIO);
	req->written.result = cpu_to_le32(RESULT_UNTOUCHED);
	return req;
}

/* The last reference may go in an interrupt. */
void crypto_request_put(struct crypto_request *req)
{
	if (!refcount_dec_and_test(&req->ref))
		return;
	crypto_buffer_free(&req->src);
	crypto_buffer_free(&req->dst);
	kfree_sensitive(req);	/* it has held a key */
}

static void add_field(struct crypto_request *req, void *field, size_t len)
{
	unsigned int n = req->out + req->in;

	sg_init_one(&req->fields[n], field, len);
	req->sgs[n] = &req->fields[n];
}

/* The next field for the device to read; all these come before the others. */
void crypto_request_read(struct crypto_request *req, void *field, size_t len)
{
	add_field(req, field, len);
	req->out++;
}

/* The next field for the device to write. */
void crypto_request_write(struct crypto_request *req, void *field, size_t len)
{
	add_field(req, field, len);
	req->in++;
}

void crypto_request_read_buffer(struct crypto_request *req,
				struct crypto_buffer *buf)
{
	req->sgs[req->out++] = buf->sg;
}

void crypto_request_write_buffer(struct crypto_request *req,
				 struct crypto_buffer *buf)
{
	req->sgs[req->out + req->in++] = buf->sg;
}

/* T F C, with which every ioctl begins. */
void crypto_request_ioctl(struct crypto_request *req, u32 handle, u32 command)
{
	req->read.type = cpu_to_le32(WIRE_IOCTL);
	req->read.handle = cpu_to_le32(handle);
	req->read.command = cpu_to_le32(command);
	crypto_request_read(req, &req->read.type, sizeof(req->read.type));
	crypto_request_read(req, &req->read.handle, sizeof(req->read.handle));
	crypto_request_read(req, &req->read.command, sizeof(req->read.command));
}

/**
 * crypto_request_run - submit a request and sleep until it is answered
 * @crdev:	the device
 * @req:	the request
 *
 * Only a fatal signal ends the sleep early: what the device does cannot be
 * taken back, so the call cannot be restarted. The caller drops its reference
 * afterwards in every case.
 *
 * Return: 0 if there is an answer, -ENODEV, -ENOMEM, or -EINTR.
 */
int crypto_request_run(struct crypto_device *crdev, struct crypto_request *req)
{
	int ret = crypto_queue_submit(crdev, req);

	if (ret)
		return ret;
	if (wait_for_completion_killable(&req->done) &&
	    crypto_queue_abandon(crdev, req))
		return -EINTR;
	return req->error;
}

/* What a device may say in R (or in F): 0 or -errno. */
static int device_errno(s32 result)
{
	if (!result)
		return 0;
	/* The kernel's own codes above 511 (restart this call) are not for it. */
	if (result > 0 || result <= -512)
		return -EIO;
	return result;
}

/**
 * crypto_request_result - the result of an ioctl that was answered
 * @req:	the request
 * @full:	bytes that a whole answer has, R included
 *
 * A success must be whole; of an error only R itself is wanted.
 *
 * Return: 0 or -errno; -EIO for an answer that makes no sense.
 */
int crypto_request_result(const struct crypto_request *req, size_t full)
{
	s32 result = le32_to_cpu(req->written.result);

	if (req->used < sizeof(req->written.result))
		return -EIO;
	/* A device that knows no errno says -1; most often the input is bad. */
	if (result == -1)
		return -EINVAL;
	if (!result && req->used < full)
		return -EIO;
	return device_errno(result);
}

/**
 * crypto_request_open - open a file on the other side
 * @crdev:	the device
 * @handle:	where the device's number for it is stored
 *
 * Return: 0 or -errno.
 */
int crypto_request_open(struct crypto_device *crdev, u32 *handle)
{
	struct crypto_request *req = crypto_request_alloc();
	s32 answer;
	int ret;

	if (!req)
		return -ENOMEM;
	req->read.type = cpu_to_le32(WIRE_OPEN);
	crypto_request_read(req, &req->read.type, sizeof(req->read.type));
	crypto_request_write(req, &req->written.handle,
			     sizeof(req->written.handle));

	ret = crypto_request_run(crdev, req);
	if (ret)
		goto out;
	answer = le32_to_cpu(req->written.handle);
	if (req->used < sizeof(req->written.handle))
		ret = -EIO;
	else if (answer == -1)	/* no errno given: it could not be opened */
		ret = -ENODEV;
	else if (answer < 0)
		ret = device_errno(answer);
	else
		*handle = answer;
out:
	crypto_request_put(req);
	return ret;
}

/**
 * crypto_request_close - close a file on the other side; does not fail
 * @crdev:	the device
 * @req:	a new request, whose reference is taken over
 * @handle:	what to close
 */
void crypto_request_close(struct crypto_device *crdev,
			  struct crypto_request *req, u32 handle)
{
	req->read.type = cpu_to_le32(WIRE_CLOSE);
	req->read.handle = cpu_to_le32(handle);
	crypto_request_read(req, &req->read.type, sizeof(req->read.type));
	crypto_request_read(req, &req->read.handle, sizeof(req->read.handle));

	/* With the device gone its files are closed. */
	if (!crypto_queue_submit(crdev, req))
		wait_for_completion_timeout(&req->done, CLOSE_PATIENCE);
	crypto_request_put(req);
}
