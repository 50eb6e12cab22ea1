// SPDX-License-Identifier: GPL-2.0-or-later
/* CIOCCRYPT, with every byte around it watched. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypt.h"

/* A destination is made up to this size even if the source is shorter. */
#define MAX_ROOM ((size_t)16 << 20)

bool want_op(const char *text, uint16_t *op)
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

/* A number that may be missing; then it stays what it is. */
bool want_optional(const struct option *option, uint64_t max, uint64_t *value)
{
	return !option->value ||
	       want_number(option->name, option->value, max, value);
}

bool want_out(const char *text, bool *sha256)
{
	*sha256 = text && strcmp(text, "sha256") == 0;
	if (!text || *sha256 || strcmp(text, "hex") == 0)
		return true;
	answer_bad("out is not hex or sha256");
	return false;
}

/* Source and destination in one area, the destination @shift bytes behind the source. */
static bool make_overlap(struct crypt *c, const char *text)
{
	bool back = *text == '-';
	struct pointer both;
	uint64_t shift;
	size_t src_at, len = c->src.area.len;

	if (!want_number("dst=overlap", text + back, MAX_ROOM, &shift))
		return false;
	if (!c->src.is_area) {
		answer_bad("dst=overlap wants bytes in src");
		return false;
	}
	src_at = back ? shift : 0;
	memset(&both, 0, sizeof(both));
	if (!area_make(&both.area, len + shift, GUARD_BYTES))
		return false;
	memcpy(both.area.data + src_at, c->src.area.data, len);
	pointer_free(&c->src);
	c->src = both;
	c->src.is_area = true;
	c->src.address = both.area.data + src_at;
	c->in_place = true;
	c->dst_at = back ? 0 : shift;
	c->dst.address = both.area.data + c->dst_at;
	return area_settle(&c->src.area);
}

/* What the call may write to, and where the result is then. */
static bool make_destination(struct crypt *c, const char *text,
			     const struct memory *memory)
{
	static const char overlap[] = "overlap:";
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
	if (text && strncmp(text, overlap, sizeof(overlap) - 1) == 0)
		return make_overlap(c, text + sizeof(overlap) - 1);
	if (text && strcmp(text, "null") && strcmp(text, "bad")) {
		answer_bad("dst is not null, bad, inplace or overlap:N");
		return false;
	}
	if (text)
		return pointer_parse(&c->dst, "dst", text);
	if (room > c->src.area.len && room > MAX_ROOM)
		room = c->src.area.len;
	return pointer_room(&c->dst, room, memory);
}

static bool make_mac(struct crypt *c, const char *text)
{
	static const struct memory ordinary = { 0, -1 };

	if (!text)
		return pointer_room(&c->mac, HASH_MAX_LEN, &ordinary);
	if (strcmp(text, "null") == 0 || strcmp(text, "bad") == 0)
		return pointer_parse(&c->mac, "mac", text);
	answer_bad("mac is not null or bad");
	return false;
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
	return c->op.len < area->len - c->dst_at ? c->op.len :
						   area->len - c->dst_at;
}

/* Whether bytes of the source changed that are none of the result. */
static bool source_changed(struct crypt *c)
{
	struct area *area = &c->src.area;
	size_t end = c->dst_at + result_len(c);

	if (!c->src.is_area)
		return false;
	if (!c->in_place)
		return !area_same(area);
	return memcmp(area->data, area->copy, c->dst_at) ||
	       memcmp(area->data + end, area->copy + end, area->len - end);
}

/* Has the call done what no call may do? Answers if so. */
bool crypt_misbehaved(struct crypt *c, const struct crypt_op *before)
{
	if (memcmp(before, &c->op, sizeof(*before)))
		answer_bad("crypt_op changed");
	else if (!pointer_sound(&c->src) || !pointer_sound(&c->dst) ||
		 !pointer_sound(&c->iv) || !pointer_sound(&c->mac))
		answer_bad("overrun");
	else if (source_changed(c))
		answer_bad("source changed");
	else
		return false;
	return true;
}

/* Whether anything was written where a failed call writes nothing. */
bool crypt_touched(struct crypt *c)
{
	struct area *area = result_area(c);

	return (area && !area_same(area)) || !pointer_same(&c->mac);
}

/* One call. Returns whether it succeeded and behaved; else it has answered. */
static bool call_once(struct crypt *c)
{
	struct crypt_op before;
	struct outcome outcome;

	memcpy(&before, &c->op, sizeof(before));
	outcome = call_crypt(c->fd, CIOCCRYPT, &c->op);
	if (outcome.ret != CALL_ANSWERED && crypt_misbehaved(c, &before))
		return false;
	if (outcome.ret < 0 && outcome.sound && crypt_touched(c)) {
		printf("err %s dst=touched", errno_name(outcome.err));
		answer_end();
		return false;
	}
	return call_well(&outcome);
}

/* Result and digest of the first call, one behind the other. */
static bool keep_first(struct crypt *c, size_t len)
{
	struct area *area = result_area(c);

	c->first = malloc(len + HASH_MAX_LEN);
	if (!c->first) {
		answer_bad("no memory for %zu bytes", len);
		return false;
	}
	if (area)
		memcpy(c->first, area->data + c->dst_at, len);
	if (c->mac.is_area)
		memcpy(c->first + len, c->mac.area.data, HASH_MAX_LEN);
	return true;
}

/* All calls but the first. Returns as call_once(). */
static bool call_again(struct crypt *c)
{
	struct area *area = result_area(c);
	size_t len = result_len(c);

	if (c->repeat > 1 && !keep_first(c, len))
		return false;
	for (uint64_t n = 2; n <= c->repeat; n++) {
		if (area)
			area_restore(area);
		if (c->iv.is_area)
			area_restore(&c->iv.area);
		if (c->mac.is_area)
			area_restore(&c->mac.area);
		if (!call_once(c))
			return false;
		if ((area && memcmp(c->first, area->data + c->dst_at, len)) ||
		    (c->mac.is_area &&
		     memcmp(c->first + len, c->mac.area.data, HASH_MAX_LEN))) {
			answer_bad("result %llu differs", (unsigned long long)n);
			return false;
		}
	}
	return true;
}

void print_result(const uint8_t *data, size_t len, bool digest)
{
	uint8_t sum[SHA256_BYTES];

	if (digest) {
		sha256(data, len, sum);
		fputs("sha256:", stdout);
		print_hex(sum, sizeof(sum));
	} else {
		print_hex(data, len);
	}
}

/* A further word with the first @len bytes, if any byte is not what it was. */
void print_changed(const char *name, const struct pointer *p, size_t len)
{
	if (pointer_same(p))
		return;
	printf(" %s=", name);
	print_hex(p->area.data, len);
}

/*
 * What was written of the digest's room is told by nobody. No digest ends in
 * so many FILLs that it would be taken for the next shorter one.
 */
static size_t digest_len(const struct area *area)
{
	static const size_t lens[] = { 0, 16, 20, 28, 32, 48 };

	for (unsigned int i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		if (all_fill(area->data + lens[i], area->len - lens[i]))
			return lens[i];
	return area->len;
}

/* The answer of a call that succeeded, behind @begin. */
void crypt_tell(struct crypt *c, const char *begin)
{
	struct area *area = result_area(c);
	size_t len = result_len(c);

	printf("%sdst=", begin);
	if (len && area_same(area))
		fputs("untouched", stdout);
	else
		print_result(area ? area->data + c->dst_at : NULL, len, c->sha256);
	print_changed("iv", &c->iv, c->iv.area.len);
	if (c->mac.is_area)
		print_changed("mac", &c->mac, digest_len(&c->mac.area));
	answer_end();
}

enum { OP, SRC, IV, LEN, DST, FLAGS, REPEAT, OUT, MAC, SRCMEM, DSTMEM, COUNT };

static bool parse_rest(struct crypt *c, const struct words *words,
		       struct option o[COUNT])
{
	struct memory srcmem, dstmem;
	uint64_t ses, len, flags = 0;

	if (!want_fd(words->word[1], &c->fd) ||
	    !want_number("SES", words->word[2], UINT32_MAX, &ses) ||
	    !words_options(words, 3, o, COUNT) ||
	    !want_op(o[OP].value, &c->op.op) ||
	    !memory_parse(&srcmem, "srcmem", o[SRCMEM].value) ||
	    !memory_parse(&dstmem, "dstmem", o[DSTMEM].value) ||
	    !pointer_parse_in(&c->src, "src", o[SRC].value, &srcmem) ||
	    !pointer_parse(&c->iv, "iv", o[IV].value))
		return false;
	len = c->src.area.len;
	if (!want_optional(&o[LEN], UINT32_MAX, &len) ||
	    !want_optional(&o[FLAGS], UINT16_MAX, &flags) ||
	    !want_optional(&o[REPEAT], UINT64_MAX, &c->repeat) ||
	    !want_out(o[OUT].value, &c->sha256))
		return false;
	c->op.ses = (uint32_t)ses;
	c->op.len = (uint32_t)len;
	c->op.flags = (uint16_t)flags;
	return make_destination(c, o[DST].value, &dstmem) &&
	       make_mac(c, o[MAC].value);
}

/* Whatever it returns, crypt_free() has to follow. */
bool crypt_parse(struct crypt *c, const struct words *words)
{
	struct option o[COUNT] = {
		[OP] = { "op", NULL }, [SRC] = { "src", NULL },
		[IV] = { "iv", NULL }, [LEN] = { "len", NULL },
		[DST] = { "dst", NULL }, [FLAGS] = { "flags", NULL },
		[REPEAT] = { "repeat", NULL }, [OUT] = { "out", NULL },
		[MAC] = { "mac", NULL }, [SRCMEM] = { "srcmem", NULL },
		[DSTMEM] = { "dstmem", NULL },
	};

	memset(c, 0, sizeof(*c));	/* crypt_op's padding is compared too */
	c->repeat = 1;
	if (!parse_rest(c, words, o))
		return false;
	c->op.src = c->src.address;
	c->op.dst = c->dst.address;
	c->op.iv = c->iv.address;
	c->op.mac = c->mac.address;
	return true;
}

void crypt_free(struct crypt *c)
{
	pointer_free(&c->src);
	pointer_free(&c->iv);
	pointer_free(&c->dst);
	pointer_free(&c->mac);
	free(c->first);
}

void cmd_crypt(const struct words *words)
{
	struct crypt c;

	if (crypt_parse(&c, words) && call_once(&c) && call_again(&c))
		crypt_tell(&c, "ok ");
	crypt_free(&c);
}
