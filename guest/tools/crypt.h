/* SPDX-License-Identifier: GPL-2.0-or-later */
/* crypt.c: an operation of CIOCCRYPT and all its memory; async.c has some under way */
#ifndef CRYPT_H
#define CRYPT_H

#include <crypto/cryptodev.h>
#include "cryptoctl.h"

struct crypt {
	int fd;
	struct crypt_op op;
	struct pointer src, iv, dst, mac;
	bool in_place;		/* the result is in src's area, */
	size_t dst_at;		/* from here on */
	bool sha256;		/* answer the result's SHA-256 */
	uint64_t repeat;
	uint8_t *first;		/* the first result, when there are more */
};

bool crypt_parse(struct crypt *c, const struct words *words);
bool crypt_misbehaved(struct crypt *c, const struct crypt_op *before);
bool crypt_touched(struct crypt *c);
void crypt_tell(struct crypt *c, const char *begin);
void crypt_free(struct crypt *c);

/* What auth.c has in common with it. */
bool want_op(const char *text, uint16_t *op);
bool want_optional(const struct option *option, uint64_t max, uint64_t *value);
bool want_out(const char *text, bool *sha256);
void print_result(const uint8_t *data, size_t len, bool digest);
void print_changed(const char *name, const struct pointer *p, size_t len);

#endif /* CRYPT_H */
