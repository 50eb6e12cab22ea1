/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CIOCAUTHCRYPT the TLS way: mac, then padding, then encryption (RFC 5246, 6.2.3.2). */
#include "internal.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

size_t devcrypto_tls_padding(const struct devcrypto_session *s, size_t len)
{
    const size_t block = s->cipher->block;

    return block > 1 ? block - len % block : 0;
}

int devcrypto_tls_encrypt(struct devcrypto_session *s, const struct devcrypto_op *op, uint32_t tag_len)
{
    struct devcrypto_cursor src = devcrypto_begin(&op->src), dst = devcrypto_begin(&op->dst);
    uint8_t end[DEVCRYPTO_MAX_BLOCK + DEVCRYPTO_MAX_DIGEST + DEVCRYPTO_MAX_BLOCK];
    const size_t rest = op->src.len % s->cipher->block;
    const size_t pad = devcrypto_tls_padding(s, op->src.len + tag_len);
    struct devcrypto_run run;
    int err = devcrypto_run_start(&run, s, op->op);

    if (err == 0 && s->hash != NULL)
        err = devcrypto_hash_all(s, &op->aad);
    if (err == 0 && s->hash != NULL)
        err = devcrypto_hash_all(s, &op->src);
    if (err == 0 && s->hash != NULL)
        err = devcrypto_hash_final(s, end + rest);
    if (err == 0)
        err = devcrypto_run_through(&run, &src, &dst, op->src.len - rest, false);
    if (err != 0)
        return err;
    devcrypto_gather(&src, end, rest);
    memset(end + rest + tag_len, (int)pad - 1, pad);
    if (rest + tag_len + pad != 0)
        err = devcrypto_run_step(&run, end, end, rest + tag_len + pad);
    if (err != 0)
        return err;
    devcrypto_scatter(&dst, end, rest + tag_len + pad);
    devcrypto_run_commit(&run);
    return 0;
}

/* All ones if a < b, else 0, without a branch. */
static uint32_t mask_less(uint32_t a, uint32_t b)
{
    return 0u - (uint32_t)(((uint64_t)a - b) >> 63);
}

/*
 * The bytes of padding, its length byte included, of a record of which `least` bytes are no padding; all of it
 * is looked at, whatever it says.  *good is all ones, or 0 if it is not right: then there is none of it.
 */
static uint32_t padding_of(const uint8_t *record, uint32_t len, uint32_t least, uint32_t *good)
{
    const uint32_t said = record[len - 1];
    const uint32_t seen = len < 256 ? len : 256;
    uint32_t differ = 0;

    for (uint32_t i = 0; i < seen; i++)
        differ |= mask_less(i, said + 1) & (record[len - 1 - i] ^ said);
    *good = mask_less(differ, 1) & ~mask_less(len, least + said + 1);
    return (said + 1) & *good;
}

/* How often a hash works on a block, for that many bytes behind those of HMAC's key. */
static size_t blocks_of(const struct devcrypto_hash *hash, size_t len)
{
    const size_t end = hash->block == 128 ? 17 : 9; /* 0x80 and the length (FIPS 180-4, 5.1) */

    return (len + end + hash->block - 1) / hash->block;
}

/*
 * The mac of a record, in a time that does not tell how long its padding was: what is not hashed for the mac is
 * hashed for nothing.
 */
static int tls_mac(struct devcrypto_session *s, const struct devcrypto_op *op, const struct devcrypto_held *plain,
                   size_t data, size_t most, uint8_t *mac)
{
    const size_t more = blocks_of(s->hash, op->aad.len + most) - blocks_of(s->hash, op->aad.len + data);
    uint8_t nothing[DEVCRYPTO_MAX_DIGEST];
    int err = devcrypto_hash_all(s, &op->aad);

    if (err == 0)
        err = devcrypto_hash_update(s, plain->bytes, data);
    if (err == 0)
        err = devcrypto_hash_final(s, mac);
    if (err == 0)
        err = devcrypto_hash_restart(s);
    for (size_t i = 0; i <= more && err == 0; i++)
        err = devcrypto_hash_update(s, plain->bytes, s->hash->block < most ? s->hash->block : most);
    return err != 0 ? err : devcrypto_hash_final(s, nothing);
}

/* Checks what was decrypted; *out_len: the plaintext's length. */
static int tls_check(struct devcrypto_session *s, const struct devcrypto_op *op,
                     const struct devcrypto_held *plain, uint32_t tag_len, uint32_t *out_len)
{
    const uint32_t len = (uint32_t)plain->len;
    uint8_t mac[DEVCRYPTO_MAX_DIGEST];
    uint32_t good = ~0u, pad = 0;
    int err;

    if (s->cipher->block > 1)
        pad = padding_of(plain->bytes, len, tag_len, &good);
    *out_len = len - pad - tag_len;
    if (s->hash == NULL)
        return good != 0 ? 0 : -EBADMSG;
    err = tls_mac(s, op, plain, *out_len, len - tag_len, mac);
    if (err != 0)
        return err;
    good &= mask_less((uint32_t)CRYPTO_memcmp(mac, plain->bytes + *out_len, tag_len), 1);
    return good != 0 ? 0 : -EBADMSG;
}

int devcrypto_tls_decrypt(struct devcrypto_session *s, struct devcrypto_op *op, uint32_t tag_len)
{
    struct devcrypto_cursor src = devcrypto_begin(&op->src), dst = devcrypto_begin(&op->dst), to;
    struct devcrypto_run run;
    struct devcrypto_held plain;
    int err = devcrypto_hold(&plain, op->src.len);

    if (err == 0)
        err = devcrypto_run_start(&run, s, op->op);
    to = devcrypto_begin_held(&plain);
    if (err == 0)
        err = devcrypto_run_through(&run, &src, &to, plain.len, false);
    if (err == 0)
        err = tls_check(s, op, &plain, tag_len, &op->out_len);
    if (err == 0) {
        devcrypto_scatter(&dst, plain.bytes, plain.len);
        devcrypto_run_commit(&run);
    }
    devcrypto_let_go(&plain);
    return err;
}

bool devcrypto_tls_is_right(const struct devcrypto_session *s, const struct devcrypto_op *op, uint32_t tag_len)
{
    const size_t least = tag_len + (s->cipher->block > 1);

    if (s->cipher->mode == MODE_AEAD || op->aad.len > DEVCRYPTO_MAX_AUTH || op->tail.len != 0)
        return false;
    return op->op == DEVCRYPTO_OP_ENCRYPT ||
           (op->src.len != 0 && op->src.len % s->cipher->block == 0 && op->src.len >= least);
}
