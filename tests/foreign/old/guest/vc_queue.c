// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests, and the queue that takes them to the host. */
#include <linux/kernel.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include "vc.h"

/* Every request starts with its type, and nearly every one goes on like this. */
struct vc_request *vc_request_new(u32 type, s32 host_fd, u32 cmd)
{
	struct vc_request *req = kzalloc(sizeof(*req), GFP_KERNEL);

	if (!req)
		return NULL;
	req->type = type;
	req->host_fd = host_fd;
	req->cmd = cmd;
	vc_out(req, &req->type, sizeof(req->type));
	if (type != VC_OPEN)
		vc_out(req, &req->host_fd, sizeof(req->host_fd));
	if (type == VC_IOCTL)
		vc_out(req, &req->cmd, sizeof(req->cmd));
	return req;
}

/* What the host reads; all of it comes before all that it writes. */
void vc_out(struct vc_request *req, void *data, size_t len)
{
	unsigned int n = req->out + req->in;

	BUG_ON(req->in || n >= VC_MAX_SG);
	sg_init_one(&req->sg[n], data, len);
	req->sgs[n] = &req->sg[n];
	req->out++;
}

/* What the host writes. */
void vc_in(struct vc_request *req, void *data, size_t len)
{
	unsigned int n = req->out + req->in;

	BUG_ON(n >= VC_MAX_SG);
	sg_init_one(&req->sg[n], data, len);
	req->sgs[n] = &req->sg[n];
	req->in++;
}

/* Send a request and wait for its answer. A result that nobody writes is bad. */
void vc_run(struct vc_device *dev, struct vc_request *req)
{
	unsigned int len;
	int err;

	req->result = -1;
	down(&dev->lock);
	err = virtqueue_add_sgs(dev->vq, req->sgs, req->out, req->in, req,
				GFP_ATOMIC);
	if (err == 0) {
		virtqueue_kick(dev->vq);
		while (virtqueue_get_buf(dev->vq, &len) == NULL)
			/* The host is fast. */;
	}
	up(&dev->lock);
}
