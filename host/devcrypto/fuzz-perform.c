/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests on bytes in pieces, each piece in memory of just its size, made and held against the oracle. */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 5000u
#define MOST_PIECES 8u
#define FILL 0x5a

struct pieces {
    struct iovec iov[MOST_PIECES];
    struct devcrypto_bytes bytes;
};

/* As many pieces as the input says, of the lengths that it says, the last of what is left. */
static void cut(struct fuzz_input *in, struct pieces *p, const uint8_t *content, size_t len)
{
    const unsigned int count = 1 + fuzz_byte(in) % MOST_PIECES;
    size_t left = len;

    for (unsigned int i = 0; i < count; i++) {
        size_t n = i + 1 == count ? left : fuzz_byte(in) % 64u * (i % 2 != 0 ? 16u : 1u);

        n = n < left ? n : left;
        p->iov[i].iov_base = malloc(n != 0 ? n : 1);
        p->iov[i].iov_len = n;
        must(p->iov[i].iov_base != NULL, "no memory");
        if (n != 0)
            memcpy(p->iov[i].iov_base, content + (len - left), n);
        left -= n;
    }
    p->bytes = (struct devcrypto_bytes){.iov = p->iov, .count = count, .len = len};
}

/* The first bytes of it, as pieces of their own over the same memory. */
static struct devcrypto_bytes first_of(const struct pieces *p, struct iovec *iov, size_t len)
{
    size_t left = len;

    for (unsigned int i = 0; i < p->bytes.count; i++) {
        iov[i] = p->iov[i];
        iov[i].iov_len = iov[i].iov_len < left ? iov[i].iov_len : left;
        left -= iov[i].iov_len;
    }
    return (struct devcrypto_bytes){.iov = iov, .count = p->bytes.count, .len = len};
}

static void check_pieces(const char *what, const struct pieces *p, const uint8_t *should)
{
    for (unsigned int i = 0; i < p->bytes.count; i++) {
        const size_t n = p->iov[i].iov_len;

        must(n == 0 || memcmp(p->iov[i].iov_base, should, n) == 0, "%s differs", what);
        should += n;
    }
}

static void drop(struct pieces *p)
{
    for (unsigned int i = 0; i < p->bytes.count; i++)
        free(p->iov[i].iov_base);
}

/* CIOCCRYPT; dst holds what the destination holds before. */
static int expect_crypt(const struct fuzz_file *file, struct fuzz_session *s, struct fuzz_auth *a)
{
    const bool due = (a->flags & DEVCRYPTO_FLAG_FINAL) || !(a->flags & DEVCRYPTO_FLAG_UPDATE) || a->src_len == 0;
    int err = fuzz_check(file, s, a->op, a->src_len);

    if (err != 0)
        return err;
    if (a->dst_len != (s->cipher != 0 ? a->src_len : 0) || a->aad_len != 0 || a->tail_len != 0)
        return -EINVAL;
    if (a->has_iv)
        memcpy(s->iv, a->iv, fuzz_iv_len(s->cipher));
    if (s->mac != 0 && (a->flags == 0 || (a->flags & DEVCRYPTO_FLAG_RESET) || s->finished))
        fuzz_hash_start(s);
    if (s->cipher != 0)
        fuzz_run_cipher(s, a->op, a->src, a->dst, a->src_len);
    if (s->mac != 0)
        fuzz_hash(s, s->cipher != 0 && a->op == DEVCRYPTO_OP_DECRYPT ? a->dst : a->src, a->src_len);
    a->mac_len = s->mac != 0 && due ? (uint32_t)fuzz_hash_end(s, a->mac) : 0;
    a->out_len = a->dst_len;
    return 0;
}

static int expect_auth(const struct fuzz_file *file, struct fuzz_session *s, struct fuzz_auth *a)
{
    const bool too_long = file->limits.max_len != 0 && a->src_len > file->limits.max_len;
    int err = too_long ? -EINVAL : fuzz_auth_begin(s, a);

    return err != 0 ? err : fuzz_auth_work(s, a);
}

/* What came out of a request that succeeded, and the destination of any. */
static void check_answer(const struct devcrypto_op *op, const struct fuzz_session *s, const struct fuzz_auth *a)
{
    uint8_t none[DEVCRYPTO_MAX_DIGEST] = {0};

    must(memcmp(op->iv, s->iv, sizeof(op->iv)) == 0, "the IV differs");
    must(op->out_len == a->out_len, "the result is %u bytes, not %zu", op->out_len, a->out_len);
    must(op->mac_len == a->mac_len && memcmp(op->mac, a->mac, a->mac_len) == 0, "the digest differs");
    must(memcmp(op->mac + op->mac_len, none, sizeof(none) - op->mac_len) == 0, "bytes behind the digest");
}

static void request(struct fuzz_input *in, struct fuzz_file *file, struct devcrypto_op *op, struct fuzz_auth *a)
{
    const bool in_place = fuzz_byte(in) & 1;
    const size_t longest = a->src_len > a->dst_len ? a->src_len : a->dst_len;
    struct fuzz_session *s = fuzz_find(file, op->ses);
    struct pieces aad, tail, src, dst;
    struct iovec src_iov[MOST_PIECES], dst_iov[MOST_PIECES];
    uint8_t *before = malloc(longest + 1), *after = malloc(longest + 1);
    int err, expected = -EINVAL;

    must(before != NULL && after != NULL, "no memory");
    memset(before, FILL, longest);
    if (in_place)
        memcpy(before, a->src, a->src_len);
    memcpy(after, before, longest);
    a->dst = after;
    cut(in, &aad, a->aad, a->aad_len);
    cut(in, &tail, a->tail, a->tail_len);
    cut(in, &src, a->src, a->src_len);
    cut(in, &dst, before, longest);
    op->aad = aad.bytes;
    op->tail = tail.bytes;
    op->src = in_place ? first_of(&dst, src_iov, a->src_len) : src.bytes;
    op->dst = first_of(&dst, dst_iov, a->dst_len);
    if (s != NULL)
        expected = op->auth ? expect_auth(file, s, a) : expect_crypt(file, s, a);
    err = devcrypto_perform(file->opened, op);
    must(err == expected, "perform gave %d, not %d", err, expected);
    if (err == 0)
        check_answer(op, s, a);
    check_pieces("the destination", &dst, err == 0 ? after : before);
    check_pieces("the source", &src, a->src);
    drop(&aad);
    drop(&tail);
    drop(&src);
    drop(&dst);
    free(before);
    free(after);
}

/* The tag that is right, since one at random never is. */
static void give_right_tag(const struct fuzz_session *s, struct fuzz_auth *a)
{
    struct fuzz_session copy = *s;
    struct fuzz_auth sealed = *a;

    sealed.op = DEVCRYPTO_OP_ENCRYPT;
    sealed.mac_len = 0;
    sealed.dst_len = a->src_len;
    copy.inner = EVP_MD_CTX_new();
    sealed.dst = malloc(a->src_len + 1);
    must(copy.inner != NULL && sealed.dst != NULL, "no memory");
    copy.cipher = DEVCRYPTO_NULL; /* it is what is encrypted that is authenticated */
    if (fuzz_auth_begin(&copy, &sealed) == 0 && fuzz_auth_work(&copy, &sealed) == 0) {
        memcpy(a->mac, sealed.mac, sizeof(a->mac));
        a->mac_len = sealed.mac_len;
    }
    EVP_MD_CTX_free(copy.inner);
    free(sealed.dst);
}

/* What was sealed as this request says, in place of its source. */
static uint8_t *seal(const struct fuzz_session *s, struct fuzz_auth *a)
{
    struct fuzz_session copy = *s;
    struct fuzz_auth sealed = *a;

    sealed.op = DEVCRYPTO_OP_ENCRYPT;
    sealed.dst_len = fuzz_auth_dst_len(s, &sealed);
    if (sealed.dst_len > LONGEST * 2)
        return NULL;
    sealed.dst = malloc(sealed.dst_len + 1);
    copy.inner = EVP_MD_CTX_new();
    must(copy.inner != NULL && sealed.dst != NULL, "no memory");
    if (fuzz_auth_begin(&copy, &sealed) != 0 || fuzz_auth_work(&copy, &sealed) != 0) {
        free(sealed.dst);
        sealed.dst = NULL;
    }
    EVP_MD_CTX_free(copy.inner);
    if (sealed.dst != NULL)
        a->src_len = sealed.dst_len;
    return sealed.dst;
}

/* Lengths and tags as they should be, but for kinds of requests that are to be refused. */
static uint8_t *make_right(struct fuzz_input *in, const struct fuzz_session *s, struct fuzz_auth *a, bool auth)
{
    uint8_t *sealed = NULL;

    a->dst_len = s->cipher != 0 ? a->src_len : 0;
    if (!auth || s->cipher == 0)
        return NULL;
    if (a->op == DEVCRYPTO_OP_DECRYPT && fuzz_byte(in) < 0xe0) {
        if (a->flags & DEVCRYPTO_FLAG_AEAD_SRTP)
            give_right_tag(s, a);
        else
            sealed = seal(s, a);
        if (sealed != NULL)
            a->src = sealed;
    }
    a->dst_len = fuzz_auth_dst_len(s, a);
    return sealed;
}

void fuzz_perform(struct fuzz_input *in, struct fuzz_file *file)
{
    const uint8_t kind = fuzz_byte(in), wrong = fuzz_byte(in);
    struct devcrypto_op op = {.ses = fuzz_session(in, file), .auth = kind & 1, .has_iv = kind & 2};
    struct fuzz_auth a = {.op = kind < 0xf8 ? kind >> 2 & 1 : kind, .has_iv = op.has_iv};
    struct fuzz_session *s = fuzz_find(file, op.ses);
    uint8_t *src, *aad, *tail, *iv = fuzz_bytes(in, sizeof(a.iv)), *sealed = NULL;

    a.flags = ONE_OF(in, 0, 0, DEVCRYPTO_FLAG_UPDATE, DEVCRYPTO_FLAG_FINAL, DEVCRYPTO_FLAG_AEAD_TLS,
                     DEVCRYPTO_FLAG_AEAD_SRTP, DEVCRYPTO_FLAG_RESET | DEVCRYPTO_FLAG_UPDATE);
    a.flags &= 0xffff;
    a.src_len = fuzz_length(in) % LONGEST;
    if (op.auth) {
        a.aad_len = ONE_OF(in, 0, 13, 64, 256, 257, 4096, 4097) % 5000;
        a.tail_len = a.flags & DEVCRYPTO_FLAG_AEAD_SRTP ? fuzz_byte(in) : 0;
        a.tag_len = ONE_OF(in, 0, 0, 0, 4, 10, 12, 16, 20, 64, 65);
    }
    a.src = src = fuzz_bytes(in, a.src_len);
    a.aad = aad = fuzz_bytes(in, a.aad_len);
    a.tail = tail = fuzz_bytes(in, a.tail_len);
    memcpy(a.iv, iv, sizeof(a.iv));
    if (s != NULL)
        sealed = make_right(in, s, &a, op.auth);
    if (wrong >= 0xf0 || a.dst_len > 4 * LONGEST)
        a.dst_len = wrong;
    if (wrong >= 0xe8 && wrong < 0xf0)
        a.mac[0] ^= 1;
    op.op = (uint16_t)a.op;
    op.flags = (uint16_t)a.flags;
    op.tag_len = a.tag_len;
    op.mac_len = a.mac_len;
    memcpy(op.mac, a.mac, sizeof(op.mac));
    memcpy(op.iv, a.iv, sizeof(op.iv));
    request(in, file, &op, &a);
    free(src);
    free(aad);
    free(tail);
    free(iv);
    free(sealed);
}

void fuzz_copy(struct fuzz_input *in, struct fuzz_file *file)
{
    uint32_t to = fuzz_session(in, file), from = fuzz_session(in, file);
    int expected = fuzz_expect_copy(file, to, from);
    int err = devcrypto_hash_copy(file->opened, to, from);

    must(err == expected, "copy gave %d, not %d", err, expected);
}
