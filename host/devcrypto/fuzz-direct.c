/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The calls of a caller that holds the bytes itself, in memory of just the size, and sessions carried. */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_DIRECT 4096u
#define FILL 0x5a

void fuzz_direct_create(struct fuzz_input *in, struct fuzz_file *file)
{
    struct fuzz_session asked = {.cipher = fuzz_cipher(in),
                                 .mac = fuzz_mac(in),
                                 .keylen = fuzz_keylen(in),
                                 .mackeylen = fuzz_mackeylen(in)};
    uint8_t missing = fuzz_byte(in);
    bool has_key = missing < 0xf0 && asked.keylen <= LONGEST_DIRECT;
    bool has_mackey = missing % 16 != 15 && asked.mackeylen <= LONGEST_DIRECT;
    uint8_t *key = has_key ? fuzz_bytes(in, asked.keylen) : NULL;
    uint8_t *mackey = has_mackey ? fuzz_bytes(in, asked.mackeylen) : NULL;
    uint32_t ses = 0;

    if (file->count < FUZZ_SESSIONS) {
        int err = devcrypto_session_create(file->opened, asked.cipher, key, asked.keylen, asked.mac, mackey,
                                           asked.mackeylen, &ses);
        int expected;

        if (has_key && asked.keylen <= sizeof(asked.key))
            memcpy(asked.key, key, asked.keylen);
        if (has_mackey && asked.mackeylen <= sizeof(asked.mackey))
            memcpy(asked.mackey, mackey, asked.mackeylen);
        asked.id = ses;
        expected = fuzz_expect_create(file, &asked, has_key, has_mackey);
        must(err == expected, "session_create gave %d, not %d", err, expected);
        must(err == 0 || ses == 0, "an id was given with an error");
    }
    free(key);
    free(mackey);
}

static void check_bytes(const char *what, const uint8_t *is, const uint8_t *should, size_t len)
{
    must(is == NULL || memcmp(is, should, len) == 0, "%s differs", what);
}

/* From src to dst, which may be the same; `shadow` is what dst holds now and receives what it should hold. */
static void direct_crypt_with(struct fuzz_input *in, struct fuzz_file *file, const uint8_t *src, uint8_t *dst,
                              uint8_t *shadow, uint32_t len)
{
    uint32_t ses = fuzz_session(in, file);
    uint8_t kind = fuzz_byte(in);
    uint32_t op = kind < 0xf0 ? kind & 1 : fuzz_word(in);
    uint8_t *iv = kind & 2 ? fuzz_bytes(in, DEVCRYPTO_AES_BLOCK) : NULL;
    uint8_t iv_room[DEVCRYPTO_AES_BLOCK], iv_shadow[DEVCRYPTO_AES_BLOCK];
    uint8_t *iv_out = kind & 4 ? iv_room : kind & 8 ? iv : NULL;
    int err, expected;

    memset(iv_room, FILL, sizeof(iv_room));
    memcpy(iv_shadow, iv_out == iv && iv != NULL ? iv : iv_room, sizeof(iv_shadow));
    expected = fuzz_expect_crypt(file, ses, op, iv, iv_shadow, src, dst != NULL ? shadow : NULL, len);
    err = devcrypto_crypt(file->opened, ses, op, fuzz_byte(in), iv, iv_out, src, dst, len);
    must(err == expected, "crypt gave %d, not %d", err, expected);
    check_bytes("the updated IV", iv_out, iv_shadow, sizeof(iv_shadow));
    check_bytes("the destination", dst, shadow, len);
    free(iv);
}

void fuzz_direct_crypt(struct fuzz_input *in, struct fuzz_file *file)
{
    uint8_t kind = fuzz_byte(in);
    uint32_t len = fuzz_length(in);
    uint8_t *src, *dst, *shadow;

    if (len > LONGEST_DIRECT)
        len %= LONGEST_DIRECT;
    src = fuzz_bytes(in, len);
    dst = kind & 1 ? src : fuzz_bytes(in, len);
    shadow = malloc(len != 0 ? len : 1);
    must(shadow != NULL, "no memory");
    memcpy(shadow, dst, len);
    direct_crypt_with(in, file, kind == 0xfe ? NULL : src, kind == 0xfd ? NULL : dst, shadow, len);
    if (dst != src)
        free(dst);
    free(src);
    free(shadow);
}

void fuzz_direct_free(struct fuzz_input *in, struct fuzz_file *file)
{
    uint32_t ses = fuzz_session(in, file);

    must(devcrypto_session_free(file->opened, ses) == 0, "session_free failed");
    fuzz_forget(file, ses);
}

/* ---- carrying sessions ---- */

static void import(struct fuzz_file *file, const struct devcrypto_session_state *state)
{
    int err, expected;

    if (file->count == FUZZ_SESSIONS)
        return;
    err = devcrypto_import(file->opened, state);
    expected = fuzz_expect_import(file, state);
    must(err == expected, "import gave %d, not %d", err, expected);
}

void fuzz_import_any(struct fuzz_input *in, struct fuzz_file *file)
{
    struct devcrypto_session_state state = {
        .ses = fuzz_session(in, file), .cipher = fuzz_cipher(in), .keylen = fuzz_keylen(in)};
    uint8_t *key = fuzz_bytes(in, sizeof(state.mackey));

    memcpy(state.key, key, sizeof(state.key));
    memcpy(state.iv, key, sizeof(state.iv));
    memcpy(state.mackey, key, sizeof(state.mackey));
    state.mac = fuzz_mac(in);
    state.mackeylen = fuzz_mackeylen(in);
    import(file, &state);
    free(key);
}

/* A key that could not be there by chance. */
static bool is_telling(const struct fuzz_session *s)
{
    unsigned int different = 0;

    for (unsigned int i = 0; i < s->keylen; i++)
        different += memchr(s->key, s->key[i], i) == NULL;
    return different >= 12;
}

static int expect_export(struct fuzz_file *file, unsigned int room)
{
    if (file->count > room)
        return -ENOSPC;
    for (unsigned int i = 0; i < file->count; i++)
        if (file->sessions[i].begun)
            return -EOPNOTSUPP;
    return 0;
}

static void check_state(struct fuzz_file *file, const struct devcrypto_session_state *state)
{
    const struct fuzz_session *s = fuzz_find(file, state->ses);

    must(s != NULL, "an unknown session was exported");
    must(state->cipher == s->cipher && state->keylen == s->keylen, "a session was exported as another");
    check_bytes("the exported key", state->key, s->key, sizeof(s->key));
    check_bytes("the exported IV", state->iv, s->iv, sizeof(s->iv));
    must(state->mac == s->mac && state->mackeylen == (fuzz_keyed(s->mac) ? s->mackeylen : 0),
         "a mac was exported as another");
    check_bytes("the exported mac key", state->mackey, s->mackey, state->mackeylen);
}

void fuzz_export_to(struct fuzz_input *in, struct fuzz_file *file, struct fuzz_file *other)
{
    uint8_t more = fuzz_byte(in);
    unsigned int room = more < 0x40 ? more : file->count + (more & 1);
    struct devcrypto_session_state *states = malloc((room + 1) * sizeof(*states));
    unsigned int count = 99;
    int err;

    must(states != NULL, "no memory");
    memset(states, FILL, (room + 1) * sizeof(*states));
    err = devcrypto_export(file->opened, states, room, &count);
    must(err == expect_export(file, room), "export gave %d", err);
    must(count == (err == 0 ? file->count : 0), "%u sessions were exported", count);
    must(states[room].ses == FILL * 0x01010101u, "written past the room for states");
    for (unsigned int i = 0; i < file->count && err != 0; i++)
        must(!is_telling(&file->sessions[i]) || memmem(states, room * sizeof(*states), file->sessions[i].key,
                                                       file->sessions[i].keylen) == NULL,
             "a key was left behind");
    for (unsigned int i = 0; i < count; i++) {
        check_state(file, &states[i]);
        if (other != NULL)
            import(other, &states[i]);
    }
    free(states);
}
