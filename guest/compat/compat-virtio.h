/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtqueues. */
#ifndef COMPAT_VIRTIO_H
#define COMPAT_VIRTIO_H

#include <linux/scatterlist.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

/*
 * 4.9: a stack is no longer where all memory has its place, and what lies on
 * it no longer has the page that its address says. Drivers handed variables on
 * the stack to the host all the same, and rightly so. One that goes on in the
 * next page, which may be anywhere, is told in the kernel's log.
 */
static inline void compat_sg_set_buf(struct scatterlist *sg, const void *buf,
				     unsigned int len)
{
	if (!is_vmalloc_addr(buf)) {
		sg_set_buf(sg, buf, len);
		return;
	}
	WARN_ON_ONCE(offset_in_page(buf) + len > PAGE_SIZE);
	sg_set_page(sg, vmalloc_to_page(buf), len, offset_in_page(buf));
}

static inline void compat_sg_init_one(struct scatterlist *sg, const void *buf,
				      unsigned int len)
{
	sg_init_table(sg, 1);
	compat_sg_set_buf(sg, buf, len);
}

#define sg_set_buf	compat_sg_set_buf
#define sg_init_one	compat_sg_init_one

/*
 * 3.10: a list ends where its end mark is, and there is one for each
 * direction. This one had a single array, first what the device reads, and
 * looked at no mark: so its entries are copied and the copies marked.
 *
 * Return: 0, as it did from 3.8 on, or -errno.
 */
static inline int virtqueue_add_buf(struct virtqueue *vq,
				    struct scatterlist sg[], unsigned int out,
				    unsigned int in, void *data, gfp_t gfp)
{
	struct scatterlist *copy, *lists[2];
	unsigned int i;
	int ret;

	copy = kmalloc_array(out + in, sizeof(*copy), gfp);
	if (!copy)
		return -ENOMEM;
	if (out)
		sg_init_table(copy, out);
	if (in)
		sg_init_table(copy + out, in);
	for (i = 0; i < out + in; i++)
		sg_set_page(&copy[i], sg_page(&sg[i]), sg[i].length,
			    sg[i].offset);
	lists[0] = out ? copy : copy + out;
	lists[1] = copy + out;
	ret = virtqueue_add_sgs(vq, lists, !!out, !!in, data, gfp);
	/* The ring has addresses of the data, none of the list. */
	kfree(copy);
	return ret;
}

/* 3.3 and before, where the other one waited for nothing. */
#define compat_add_buf_5(vq, sg, out, in, data) \
	(virtqueue_add_buf)(vq, sg, out, in, data, GFP_ATOMIC)
#define compat_add_buf_6(vq, sg, out, in, data, gfp) \
	(virtqueue_add_buf)(vq, sg, out, in, data, gfp)
#define virtqueue_add_buf(...) COMPAT_BY_COUNT(compat_add_buf_, __VA_ARGS__)
#define virtqueue_add_buf_gfp	(virtqueue_add_buf)

/* 4.12 gave it an affinity and then a context for each queue. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
#define compat_find_vqs_5(vdev, count, vqs, callbacks, names) \
	find_vqs(vdev, count, vqs, callbacks, names, NULL, NULL)
#define compat_find_vqs_6(vdev, count, vqs, callbacks, names, affinity) \
	find_vqs(vdev, count, vqs, callbacks, names, NULL, affinity)
#define compat_find_vqs_7(vdev, count, vqs, callbacks, names, context, \
			  affinity) \
	find_vqs(vdev, count, vqs, callbacks, names, context, affinity)
#else
/* 6.11 put callbacks and names into one structure. */
#define COMPAT_QUEUES	16

static inline struct virtqueue_info *
compat_vq_info(struct virtqueue_info info[COMPAT_QUEUES], unsigned int count,
	       vq_callback_t *callbacks[], const char *const names[])
{
	unsigned int i;

	BUG_ON(count > COMPAT_QUEUES);
	for (i = 0; i < count; i++) {
		info[i].callback = callbacks[i];
		info[i].name = names[i];
	}
	return info;
}

#define COMPAT_INFO(count, callbacks, names) \
	compat_vq_info((struct virtqueue_info[COMPAT_QUEUES]){}, count, \
		       callbacks, names)
#define compat_find_vqs_5(vdev, count, vqs, callbacks, names) \
	find_vqs(vdev, count, vqs, COMPAT_INFO(count, callbacks, names), NULL)
#define compat_find_vqs_6(vdev, count, vqs, callbacks, names, affinity) \
	find_vqs(vdev, count, vqs, COMPAT_INFO(count, callbacks, names), \
		 affinity)
/* No context: that is for queues of the network. */
#define compat_find_vqs_7(vdev, count, vqs, callbacks, names, context, \
			  affinity) \
	compat_find_vqs_6(vdev, count, vqs, callbacks, names, affinity)
#define compat_virtio_find_vqs_5(...) (virtio_find_vqs)(__VA_ARGS__)
#define compat_virtio_find_vqs_6(vdev, count, vqs, callbacks, names, affinity) \
	(virtio_find_vqs)(vdev, count, vqs, \
			  COMPAT_INFO(count, callbacks, names), affinity)
#define virtio_find_vqs(...) \
	COMPAT_BY_COUNT(compat_virtio_find_vqs_, __VA_ARGS__)
#endif
#define find_vqs(...) COMPAT_BY_COUNT(compat_find_vqs_, __VA_ARGS__)

/* 3.14: what a field is made of is told to it. */
#define virtio_config_val(vdev, feature, offset, value) \
	(virtio_has_feature(vdev, feature) ? \
	 ((vdev)->config->get(vdev, offset, value, sizeof(*(value))), 0) : \
	 -ENOENT)

#endif /* COMPAT_VIRTIO_H */
