/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the driver know of each other. */
#ifndef VC_H
#define VC_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/virtio.h>
#include <linux/scatterlist.h>
#include <linux/semaphore.h>
#include <crypto/cryptodev.h>

#define VC_MAJOR	60
#define VC_MINORS	32
#define VC_NAME		"crypto_devs"

#define VC_OPEN		0
#define VC_CLOSE	1
#define VC_IOCTL	2

#define VC_IV_LEN	16
#define VC_MAX_KEY	64
#define VC_MAX_DATA	65536
#define VC_MAX_SG	8

/* One device. */
struct vc_device {
	struct list_head list;
	struct virtio_device *vdev;
	struct virtqueue *vq;
	struct semaphore lock;		/* one request at a time in vq */
	unsigned int minor;
};

/* One open file. */
struct vc_file {
	struct vc_device *dev;
	s32 host_fd;
};

/* One request. It is kmalloc'ed: the host cannot see a stack. */
struct vc_request {
	u32 type;
	s32 host_fd;
	u32 cmd;
	u32 ses;
	s32 result;
	u8 iv[VC_IV_LEN];
	struct session_op session;
	struct crypt_op crypt;

	unsigned int out, in;
	struct scatterlist sg[VC_MAX_SG];
	struct scatterlist *sgs[VC_MAX_SG];
};

struct vc_request *vc_request_new(u32 type, s32 host_fd, u32 cmd);
void vc_out(struct vc_request *req, void *data, size_t len);
void vc_in(struct vc_request *req, void *data, size_t len);
void vc_run(struct vc_device *dev, struct vc_request *req);

struct vc_device *vc_find(unsigned int minor);

int vc_chrdev_init(void);
void vc_chrdev_exit(void);

#endif
