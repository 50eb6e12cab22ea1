// SPDX-License-Identifier: GPL-2.0-or-later
/* CIOCAUTHCRYPT: AEAD ciphers, TLS records and SRTP packets, every byte around them watched. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypt.h"

/* So much longer than its source a result may be: the longest tag, and a block of padding. */
#define MORE_ROOM (HASH_MAX_LEN + 16)

struct auth {
	int fd;
	struct crypt_auth_op op;
	struct pointer src, auth, iv, dst, tag;
	struct area *result;	/* where the call writes, NULL if nowhere */
	size_t result_at;	/* and from which of its bytes on */
	bool sha256;
};

enum { OP, SRC, AUTH, AUTH_LEN, IV, LEN, DST, TAG, TAG_LEN, FLAGS, OUT, SRCMEM, DSTMEM, COUNT };

/* SRTP: the source is a part of what is authenticated. */
static bool make_within(struct auth *a, const char *text)
{
	uint64_t at;

	if (!want_number("src=within", text, UINT32_MAX, &at))
		return false;
	if (!a->auth.is_area || at > a->auth.area.len) {
		answer_bad("src=within wants so many bytes in auth");
		return false;
	}
	a->src.address = a->auth.address + at;
	a->result = &a->auth.area;
	a->result_at = at;
	return true;
}

/* Source and destination are one, which is longer than the source by @more. */
static bool make_in_place(struct auth *a, size_t more)
{
	struct pointer both;

	a->dst.address = a->src.address;
	if (!a->src.is_area)
		return true;
	memset(&both, 0, sizeof(both));
	if (!area_make_in(&both.area, a->src.area.len + more, GUARD_BYTES,
			  &a->src.area.memory))
		return false;
	memcpy(both.area.data, a->src.area.data, a->src.area.len);
	pointer_free(&a->src);
	a->src = both;
	a->src.is_area = true;
	a->src.address = a->dst.address = both.area.data;
	a->result = &a->src.area;
	return area_settle(&a->src.area);
}

static bool make_destination(struct auth *a, const char *text,
			     const struct memory *memory)
{
	size_t more = a->op.op == COP_ENCRYPT ? MORE_ROOM : 0;
	size_t len = a->op.len < a->src.area.len ? a->op.len : a->src.area.len;

	if (text && strcmp(text, "inplace") == 0) {
		if (a->result == NULL)
			return make_in_place(a, more);
		a->dst.address = a->src.address;
		return true;
	}
	a->result = NULL;
	if (text)
		return pointer_parse(&a->dst, "dst", text);
	if (!pointer_room(&a->dst, len + more, memory))
		return false;
	a->result = &a->dst.area;
	a->result_at = 0;
	return true;
}

static bool make_tag(struct auth *a, const char *text)
{
	static const struct memory ordinary = { 0, -1 };

	if (text)
		return pointer_parse(&a->tag, "tag", text);
	return pointer_room(&a->tag, HASH_MAX_LEN, &ordinary);
}

/* The call sets length, tag and its length, if it succeeds; nothing else. */
static bool argument_changed(const struct auth *a, const struct crypt_auth_op *before,
			     bool success)
{
	struct crypt_auth_op now;

	memcpy(&now, &a->op, sizeof(now));
	if (success) {
		now.len = before->len;
		now.tag_len = before->tag_len;
		now.tag = before->tag;
	}
	return memcmp(&now, before, sizeof(now)) != 0;
}

static bool changed_outside(const struct area *area, size_t from, size_t to)
{
	return memcmp(area->data, area->copy, from) ||
	       memcmp(area->data + to, area->copy + to, area->len - to);
}

/* Has the call written where no call may, @written bytes of result aside? Answers if so. */
static bool misbehaved(const struct auth *a, size_t written)
{
	const struct area *area = a->result;
	size_t tag = a->op.tag_len < HASH_MAX_LEN ? a->op.tag_len : HASH_MAX_LEN;

	if (!pointer_sound(&a->src) || !pointer_sound(&a->auth) ||
	    !pointer_sound(&a->iv) || !pointer_sound(&a->dst) ||
	    !pointer_sound(&a->tag))
		answer_bad("overrun");
	else if (area && (a->result_at + written > area->len ||
			  changed_outside(area, a->result_at,
					  a->result_at + written)))
		answer_bad("overrun of %zu bytes of result", written);
	else if ((area != &a->src.area && !pointer_same(&a->src)) ||
		 (area != &a->auth.area && !pointer_same(&a->auth)))
		answer_bad("source changed");
	else if (a->tag.is_area && a->tag.area.len > tag &&
		 changed_outside(&a->tag.area, 0, tag))
		answer_bad("overrun of %zu bytes of tag", tag);
	else
		return false;
	return true;
}

static void tell_error(const struct auth *a, const struct outcome *outcome)
{
	bool touched = (a->result && !area_same(a->result)) ||
		       !pointer_same(&a->tag);

	printf("err %s%s", errno_name(outcome->err), touched ? " dst=touched" : "");
	answer_end();
}

static void tell(const struct auth *a, size_t written)
{
	fputs("ok dst=", stdout);
	if (a->result)
		print_result(a->result->data + a->result_at, written, a->sha256);
	printf(" len=%u tag_len=%u", a->op.len, a->op.tag_len);
	print_changed("tag", &a->tag,
		      a->op.tag_len < a->tag.area.len ? a->op.tag_len :
							a->tag.area.len);
	print_changed("iv", &a->iv, a->iv.area.len);
	answer_end();
}

static void call(struct auth *a)
{
	struct crypt_auth_op before;
	struct outcome outcome;
	size_t written;

	memcpy(&before, &a->op, sizeof(before));
	outcome = call_plain(a->fd, CIOCAUTHCRYPT, &a->op, sizeof(a->op));
	if (outcome.ret == CALL_ANSWERED)
		return;
	if (argument_changed(a, &before, outcome.ret >= 0)) {
		answer_bad("crypt_auth_op changed");
		return;
	}
	if (outcome.ret < 0) {
		tell_error(a, &outcome);
		return;
	}
	/* A decrypted record is followed by its mac and padding, decrypted too. */
	written = before.op == COP_DECRYPT && (before.flags & COP_FLAG_AEAD_TLS_TYPE) ?
			  before.len : a->op.len;
	if (call_well(&outcome) && !misbehaved(a, a->result ? written : 0))
		tell(a, written);
}

static bool parse_buffers(struct auth *a, struct option o[COUNT])
{
	static const char within[] = "within:";
	const char *src = o[SRC].value;
	struct memory srcmem;

	if (!memory_parse(&srcmem, "srcmem", o[SRCMEM].value) ||
	    !pointer_parse(&a->auth, "auth", o[AUTH].value) ||
	    !pointer_parse(&a->iv, "iv", o[IV].value))
		return false;
	if (src && strncmp(src, within, sizeof(within) - 1) == 0)
		return make_within(a, src + sizeof(within) - 1);
	return pointer_parse_in(&a->src, "src", src, &srcmem);
}

static bool parse_rest(struct auth *a, const struct words *words,
		       struct option o[COUNT])
{
	uint64_t ses, flags = 0, tag_len = 0, len, auth_len;
	struct memory dstmem;

	if (!want_fd(words->word[1], &a->fd) ||
	    !want_number("SES", words->word[2], UINT32_MAX, &ses) ||
	    !words_options(words, 3, o, COUNT) || !want_op(o[OP].value, &a->op.op) ||
	    !memory_parse(&dstmem, "dstmem", o[DSTMEM].value) ||
	    !parse_buffers(a, o))
		return false;
	len = a->src.area.len;
	auth_len = a->auth.area.len;
	if (!want_optional(&o[LEN], UINT32_MAX, &len) ||
	    !want_optional(&o[AUTH_LEN], UINT32_MAX, &auth_len) ||
	    !want_optional(&o[TAG_LEN], UINT32_MAX, &tag_len) ||
	    !want_optional(&o[FLAGS], UINT16_MAX, &flags) ||
	    !want_out(o[OUT].value, &a->sha256))
		return false;
	a->op.ses = (uint32_t)ses;
	a->op.flags = (uint16_t)flags;
	a->op.len = (uint32_t)len;
	a->op.auth_len = (uint32_t)auth_len;
	a->op.tag_len = (uint32_t)tag_len;
	a->op.iv_len = (uint32_t)a->iv.area.len;
	return make_destination(a, o[DST].value, &dstmem) &&
	       make_tag(a, o[TAG].value);
}

static bool parse(struct auth *a, const struct words *words)
{
	struct option o[COUNT] = {
		[OP] = { "op", NULL }, [SRC] = { "src", NULL },
		[AUTH] = { "auth", NULL }, [AUTH_LEN] = { "auth_len", NULL },
		[IV] = { "iv", NULL }, [LEN] = { "len", NULL },
		[DST] = { "dst", NULL }, [TAG] = { "tag", NULL },
		[TAG_LEN] = { "tag_len", NULL }, [FLAGS] = { "flags", NULL },
		[OUT] = { "out", NULL }, [SRCMEM] = { "srcmem", NULL },
		[DSTMEM] = { "dstmem", NULL },
	};

	memset(a, 0, sizeof(*a));	/* the argument's padding is compared too */
	if (!parse_rest(a, words, o))
		return false;
	a->op.auth_src = a->auth.address;
	a->op.src = a->src.address;
	a->op.dst = a->dst.address;
	a->op.tag = a->tag.address;
	a->op.iv = a->iv.address;
	return true;
}

void cmd_auth(const struct words *words)
{
	struct auth a;

	if (parse(&a, words))
		call(&a);
	pointer_free(&a.src);
	pointer_free(&a.auth);
	pointer_free(&a.iv);
	pointer_free(&a.dst);
	pointer_free(&a.tag);
}
