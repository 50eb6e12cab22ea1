// SPDX-License-Identifier: GPL-2.0-or-later
/* CIOCCRYPT, with every byte around it watched. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cryptodev.h"
#include "cryptoctl.h"

/* A destination is made up to this size even if the source is shorter. */
#define MAX_ROOM ((size_t)16 << 20)

struct crypt {
	int fd;
	struct crypt_op op;
	struct pointer src, iv, dst;
	bool in_place;
	bool digest;		/* answer the result's SHA-256 */
	uint64_t repeat;
	uint8_t *first;		/* the first result, when there are more */
};

static bool want_op(const char *text, uint16_t *op)
{
	uint64_t number;

	if (!text) {
		answer_bad("op is missing");
		return false;
	}
	if (strcmp(text, "enc") == 0)
		number = COP_ENCRYPT;
	else if (strcmp(text, "dec") == 0)
		number = COP_DECRYPT;
	else if (!want_number("op", text, UINT16_MAX, &number))
		return false;
	*op = (uint16_t)number;
	return true;
}

/* What the call may write to, and where the result is then. */
static bool make_destination(struct crypt *c, const char *text)
{
	size_t room = c->op.len;

	if (text && strcmp(text, "inplace") == 0) {
		if (!c->src.is_area) {
			answer_bad("dst=inplace wants bytes in src");
			return false;
		}
		c->in_place = true;
		c->dst.address = c->src.address;
		return true;
	}
	if (text && strcmp(text, "null") && strcmp(text, "bad")) {
		answer_bad("dst is not null, bad or inplace");
		return false;
	}
	if (text)
		return pointer_parse(&c->dst, "dst", text);
	if (room > c->src.area.len && room > MAX_ROOM)
		room = c->src.area.len;
	if (!area_make(&c->dst.area, room, GUARD_BYTES))
		return false;
	c->dst.is_area = true;
	c->dst.address = c->dst.area.data;
	return area_keep(&c->dst.area);
}

/* The area that a success has filled, NULL when there is none. */
static struct area *result_area(struct crypt *c)
{
	if (c->in_place)
		return &c->src.area;
	return c->dst.is_area ? &c->dst.area : NULL;
}

static size_t result_len(struct crypt *c)
{
	struct area *area = result_area(c);

	if (!area)
		return 0;
	return c->op.len < area->len ? c->op.len : area->len;
}

/* Has the call done what no call may do? Answers if so. */
static bool misbehaved(struct crypt *c, const struct crypt_op *before)
{
	if (memcmp(before, &c->op, sizeof(*before))) {
		answer_bad("crypt_op changed");
		return true;
	}
	if ((c->src.is_area && !area_sound(&c->src.area)) ||
	    (c->dst.is_area && !area_sound(&c->dst.area)) ||
	    (c->iv.is_area && !area_sound(&c->iv.area))) {
		answer_bad("overrun");
		return true;
	}
	if (c->src.is_area && !c->in_place && !area_same(&c->src.area)) {
		answer_bad("source changed");
		return true;
	}
	if (c->in_place && c->op.len < c->src.area.len &&
	    memcmp(c->src.area.data + c->op.len, c->src.area.copy + c->op.len,
		   c->src.area.len - c->op.len)) {
		answer_bad("overrun");
		return true;
	}
	return false;
}

/* One call. Returns whether it succeeded and behaved; else it has answered. */
static bool call_once(struct crypt *c)
{
	struct crypt_op before;
	struct area *area = result_area(c);
	int ret, err;

	memcpy(&before, &c->op, sizeof(before));
	ret = ioctl(c->fd, CIOCCRYPT, &c->op);
	err = errno;
	if (misbehaved(c, &before))
		return false;
	if (ret >= 0)
		return true;
	if (area && !area_same(area)) {
		printf("err %s dst=touched", errno_name(err));
		answer_end();
	} else {
		answer_errno(err);
	}
	return false;
}

/* All calls but the first. Returns as call_once(). */
static bool call_again(struct crypt *c)
{
	struct area *area = result_area(c);
	size_t len = result_len(c);

	if (c->repeat > 1 && area) {
		c->first = malloc(len ? len : 1);
		if (!c->first) {
			answer_bad("no memory for %zu bytes", len);
			return false;
		}
		memcpy(c->first, area->data, len);
	}
	for (uint64_t n = 2; n <= c->repeat; n++) {
		if (area)
			area_restore(area);
		if (c->iv.is_area)
			area_restore(&c->iv.area);
		if (!call_once(c))
			return false;
		if (area && memcmp(c->first, area->data, len)) {
			answer_bad("result %llu differs", (unsigned long long)n);
			return false;
		}
	}
	return true;
}

static void answer_result(struct crypt *c)
{
	struct area *area = result_area(c);
	uint8_t digest[SHA256_BYTES];
	size_t len = result_len(c);

	fputs("ok dst=", stdout);
	if (c->digest) {
		sha256(area ? area->data : NULL, len, digest);
		fputs("sha256:", stdout);
		print_hex(digest, sizeof(digest));
	} else if (area) {
		print_hex(area->data, len);
	}
	if (c->iv.is_area && !area_same(&c->iv.area)) {
		fputs(" iv=", stdout);
		print_hex(c->iv.area.data, c->iv.area.len);
	}
	answer_end();
}

enum { OP, SRC, IV, LEN, DST, FLAGS, REPEAT, OUT, COUNT };

static bool crypt_parse(struct crypt *c, const struct words *words,
			struct option o[COUNT])
{
	uint64_t ses, len, flags = 0;

	if (!want_fd(words->word[1], &c->fd) ||
	    !want_number("SES", words->word[2], UINT32_MAX, &ses) ||
	    !words_options(words, 3, o, COUNT) ||
	    !want_op(o[OP].value, &c->op.op) ||
	    !pointer_parse(&c->src, "src", o[SRC].value) ||
	    !pointer_parse(&c->iv, "iv", o[IV].value))
		return false;
	len = c->src.area.len;
	if ((o[LEN].value && !want_number("len", o[LEN].value, UINT32_MAX, &len)) ||
	    (o[FLAGS].value &&
	     !want_number("flags", o[FLAGS].value, UINT16_MAX, &flags)) ||
	    (o[REPEAT].value &&
	     !want_number("repeat", o[REPEAT].value, UINT64_MAX, &c->repeat)))
		return false;
	if (o[OUT].value && strcmp(o[OUT].value, "hex") &&
	    strcmp(o[OUT].value, "sha256")) {
		answer_bad("out is not hex or sha256");
		return false;
	}
	c->digest = o[OUT].value && strcmp(o[OUT].value, "sha256") == 0;
	c->op.ses = (uint32_t)ses;
	c->op.len = (uint32_t)len;
	c->op.flags = (uint16_t)flags;
	return make_destination(c, o[DST].value);
}

void cmd_crypt(const struct words *words)
{
	struct option o[COUNT] = {
		[OP] = { "op", NULL }, [SRC] = { "src", NULL },
		[IV] = { "iv", NULL }, [LEN] = { "len", NULL },
		[DST] = { "dst", NULL }, [FLAGS] = { "flags", NULL },
		[REPEAT] = { "repeat", NULL }, [OUT] = { "out", NULL },
	};
	struct crypt c;

	memset(&c, 0, sizeof(c));	/* crypt_op's padding is compared too */
	c.repeat = 1;
	if (crypt_parse(&c, words, o)) {
		c.op.src = c.src.address;
		c.op.dst = c.dst.address;
		c.op.iv = c.iv.address;
		if (call_once(&c) && call_again(&c))
			answer_result(&c);
	}
	pointer_free(&c.src);
	pointer_free(&c.iv);
	pointer_free(&c.dst);
	free(c.first);
}
