/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations with F_CALLS: their memory, their pages, their data. */
#ifndef VIRTIO_CRYPTODEV_CALL_H
#define VIRTIO_CRYPTODEV_CALL_H

#include "driver.h"

/* A call with that much data, header and answer fits into a page. */
#define CALL_SMALL_LIMIT	(PAGE_SIZE - sizeof(struct wire_call) - \
				 sizeof(struct wire_answer))

struct crypto_job;

/**
 * struct crypto_data - what an operation reads and writes, in the program
 * @src:	source
 * @dst:	destination
 * @aad:	what comes before the source
 * @tail:	what comes behind it
 * @tag:	the tag to check
 * @len:	bytes of source
 * @dst_len:	bytes of destination
 * @aad_len:	bytes of aad
 * @tail_len:	bytes of tail
 * @tag_len:	bytes of tag
 * @flags:	COP_FLAG_*
 * @probe:	a destination that cannot be written must be found out before
 */
struct crypto_data {
	const u8 __user *src;
	u8 __user *dst;
	const u8 __user *aad;
	const u8 __user *tail;
	const u8 __user *tag;
	u32 len;
	u32 dst_len;
	u32 aad_len;
	u32 tail_len;
	u32 tag_len;
	u16 flags;
	bool probe;
};

/**
 * struct crypto_call - request 16: an operation, with all that it points to
 * @req:	how it travels
 * @release:	lets go of pages, which cannot be done in an interrupt
 * @job:	whose call it is, if it is a job's
 * @crdev:	for whose queues it was made
 * @head:	the header, with room for small data and an answer behind it
 * @answer:	where the device answers
 * @small_data: where small data is, within @head
 * @small_sg:	pieces to read, and pieces to write, within @head
 * @sgs:	what it reads, what it writes
 * @table:	scatterlist of the pieces where there are more
 * @pages:	the user's pages that are pinned: source, then destination
 * @table_len:	entries of @table and of @pages
 * @src_pages:	pinned to be read
 * @dst_pages:	pinned to be written (and read, if in place)
 * @src:	source data that was copied
 * @dst:	destination data that will be copied
 * @extra:	aad, then tail and tag, that were copied
 * @aad_len:	bytes of aad
 * @tail_len:	bytes of tail and tag
 */
struct crypto_call {
	struct crypto_request req;
	struct work_struct release;
	struct crypto_job *job;
	struct crypto_device *crdev;
	struct wire_call *head;
	struct wire_answer *answer;
	u8 *small_data;
	struct scatterlist small_sg[4];
	struct scatterlist *sgs[4];
	struct scatterlist *table;
	struct page **pages;
	unsigned int table_len;
	unsigned int src_pages;
	unsigned int dst_pages;
	struct crypto_buffer src;
	struct crypto_buffer dst;
	u8 *extra;
	u32 aad_len;
	u32 tail_len;
};

/* call.c */
struct crypto_call *crypto_call_alloc(const struct crypto_file *file);
void crypto_call_session(struct crypto_call *call,
			 const struct crypto_session *ses);
void crypto_call_small(struct crypto_call *call, u32 len, u32 dst_len);
void crypto_call_small_auth(struct crypto_call *call,
			    const struct crypto_data *data);
void crypto_call_settle(struct crypto_call *call);
void crypto_call_put(struct crypto_call *call);
int crypto_call_send(struct crypto_call *call);
int crypto_call_run(struct crypto_call *call);
int crypto_call_result(const struct crypto_call *call, u32 dst_len,
		       u32 mac_len);

/* pages.c */
int crypto_call_pin(struct crypto_call *call, const struct crypto_data *data);
void crypto_call_unpin(struct crypto_call *call);
int crypto_call_copies(struct crypto_call *call);

/* data.c */
bool crypto_writable(void __user *dst, size_t len);
int crypto_data_set(struct crypto_call *call, const struct crypto_data *data);
int crypto_data_back(const struct crypto_call *call,
		     const struct crypto_data *data);

/* crypt.c */
int crypto_crypt_check(const struct crypto_file *file,
		       const struct crypto_session *ses,
		       const struct crypt_op *op);
void crypto_crypt_head(struct crypto_call *call,
		       const struct crypto_session *ses,
		       const struct crypt_op *op);
void crypto_crypt_data(struct crypto_data *data,
		       const struct crypto_session *ses,
		       const struct crypt_op *op);
int crypto_crypt_result(struct crypto_call *call, struct crypto_session *ses);
int crypto_crypt_results(const struct crypto_call *call,
			 struct crypto_session *ses,
			 const struct crypt_op *op);
struct crypto_call *crypto_session_call(const struct crypto_file *file,
					struct crypto_session *ses);
void crypto_call_finish(struct crypto_session *ses);

#endif /* VIRTIO_CRYPTODEV_CALL_H */
