/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading bytes as the arguments of calls: mostly good ones, since a program of refusals gets nowhere. */
#include "fuzz.h"

#include <stdlib.h>

uint8_t fuzz_byte(struct fuzz_input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

uint32_t fuzz_word(struct fuzz_input *in)
{
    uint32_t low = fuzz_byte(in), mid = fuzz_byte(in), high = fuzz_byte(in);

    return low | mid << 8 | high << 16 | (uint32_t)fuzz_byte(in) << 24;
}

uint32_t fuzz_one_of(struct fuzz_input *in, const uint32_t *values, size_t count)
{
    uint8_t which = fuzz_byte(in);

    return which >= 0xfc ? fuzz_word(in) : values[which % count];
}

uint32_t fuzz_cipher(struct fuzz_input *in)
{
    return ONE_OF(in, DEVCRYPTO_AES_CBC, DEVCRYPTO_AES_CBC, DEVCRYPTO_AES_GCM, DEVCRYPTO_AES_CBC, 0,
                  DEVCRYPTO_AES_CTR, DEVCRYPTO_AES_XTS, DEVCRYPTO_AES_ECB, DEVCRYPTO_3DES_CBC, DEVCRYPTO_NULL,
                  DEVCRYPTO_SHA1);
}

uint32_t fuzz_mac(struct fuzz_input *in)
{
    return ONE_OF(in, 0, 0, 0, DEVCRYPTO_SHA2_512_HMAC, DEVCRYPTO_SHA2_384, DEVCRYPTO_SHA1,
                  DEVCRYPTO_SHA2_256, DEVCRYPTO_MD5_HMAC, DEVCRYPTO_SHA1_HMAC, DEVCRYPTO_SHA2_256_HMAC,
                  DEVCRYPTO_MD5, DEVCRYPTO_SHA2_224_HMAC, DEVCRYPTO_AES_GCM);
}

uint32_t fuzz_keylen(struct fuzz_input *in)
{
    return ONE_OF(in, 16, 16, 16, 24, 24, 32, 32, 0, 15, 33, 64, 65, 48);
}

uint32_t fuzz_mackeylen(struct fuzz_input *in)
{
    return ONE_OF(in, 0, 1, 20, 32, 64, 65, 200, 512, 513);
}

uint32_t fuzz_length(struct fuzz_input *in)
{
    uint8_t first = fuzz_byte(in);

    if (first < 0xb0)
        return first % 0x30 * DEVCRYPTO_AES_BLOCK;
    if (first < 0xd0)
        return (first - 0xb0u) * FUZZ_PAGE + fuzz_byte(in) * DEVCRYPTO_AES_BLOCK;
    return first < 0xf0 ? fuzz_byte(in) : fuzz_word(in);
}

uint64_t fuzz_address(struct fuzz_input *in)
{
    const uint64_t special[] = {0,
                                8,
                                FUZZ_PAGE,
                                UINT64_C(1) << 47,
                                UINT64_C(0xffff800000000000),
                                UINT64_MAX - FUZZ_PAGE - 8,
                                UINT64_MAX,
                                (uintptr_t)arena.view - 8,
                                (uintptr_t)arena.view + FUZZ_ARENA - 8};
    uint8_t page = fuzz_byte(in), offset = fuzz_byte(in);

    if (page >= 0xf4)
        return special[offset % (sizeof(special) / sizeof(special[0]))];
    if (page >= 0xd0)
        return (uintptr_t)arena.view + (page % FUZZ_PAGES + 1) * FUZZ_PAGE - offset;
    return (uintptr_t)arena.view + page % FUZZ_PAGES * FUZZ_PAGE + offset * 16u;
}

uint32_t fuzz_session(struct fuzz_input *in, const struct fuzz_file *file)
{
    uint8_t which = fuzz_byte(in);

    if (which >= 0xf8 || file->count == 0)
        return fuzz_word(in);
    return file->sessions[which % file->count].id;
}

uint8_t *fuzz_bytes(struct fuzz_input *in, size_t len)
{
    uint8_t *made = malloc(len != 0 ? len : 1);
    uint8_t first = fuzz_byte(in), step = fuzz_byte(in);

    must(made != NULL, "no memory");
    for (size_t i = 0; i < len; i++)
        made[i] = (uint8_t)(first + i * step);
    return made;
}
