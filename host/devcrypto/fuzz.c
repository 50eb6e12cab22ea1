/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library under hostile input: bytes are read as a program of calls on two open files, and each call's
 * result, every byte of the caller's memory and the number of sessions are held against fuzz-oracle.c.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MOST_CALLS 256
#define LONGEST_DIRECT 4096u
#define FILL 0x5a

struct input {
    const uint8_t *at;
    const uint8_t *end;
};

static struct fuzz_file files[2];

/* ---- reading the program ---- */

static uint8_t byte(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static uint32_t word(struct input *in)
{
    uint32_t low = byte(in), mid = byte(in), high = byte(in);

    return low | mid << 8 | high << 16 | (uint32_t)byte(in) << 24;
}

static uint32_t one_of(struct input *in, const uint32_t *values, size_t count)
{
    uint8_t which = byte(in);

    return which >= 0xfc ? word(in) : values[which % count];
}
#define ONE_OF(in, ...) \
    one_of(in, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static uint32_t cipher(struct input *in)
{
    return ONE_OF(in, DEVCRYPTO_AES_CBC, DEVCRYPTO_AES_CBC, DEVCRYPTO_AES_CBC, DEVCRYPTO_AES_CBC, 0, DEVCRYPTO_AES_CTR);
}

static uint32_t mac(struct input *in)
{
    return ONE_OF(in, 0, 0, 0, 0, 0, DEVCRYPTO_SHA1, DEVCRYPTO_SHA2_256, DEVCRYPTO_MD5_HMAC, DEVCRYPTO_SHA1_HMAC,
                  DEVCRYPTO_SHA2_256_HMAC, DEVCRYPTO_AES_GCM);
}

static uint32_t keylen(struct input *in)
{
    return ONE_OF(in, 16, 16, 16, 24, 24, 32, 32, 0, 15, 33, 64, 65);
}

static uint32_t mackeylen(struct input *in)
{
    return ONE_OF(in, 0, 1, 20, 32, 64, 65, 200, 512, 513);
}

static uint32_t length(struct input *in)
{
    uint8_t first = byte(in);

    if (first < 0xb0)
        return first % 0x30 * DEVCRYPTO_AES_BLOCK;
    if (first < 0xd0)
        return (first - 0xb0u) * FUZZ_PAGE + byte(in) * DEVCRYPTO_AES_BLOCK;
    return first < 0xf0 ? byte(in) : word(in);
}

/* Mostly in the arena, at some round offset or shortly before a page's end. */
static uint64_t address(struct input *in)
{
    const uint64_t special[] = {0, 8, FUZZ_PAGE, UINT64_C(1) << 47, UINT64_C(0xffff800000000000),
                                UINT64_MAX - FUZZ_PAGE - 8, UINT64_MAX, (uintptr_t)arena.view - 8,
                                (uintptr_t)arena.view + FUZZ_ARENA - 8};
    uint8_t page = byte(in), offset = byte(in);

    if (page >= 0xf4)
        return special[offset % (sizeof(special) / sizeof(special[0]))];
    if (page >= 0xd0)
        return (uintptr_t)arena.view + (page % FUZZ_PAGES + 1) * FUZZ_PAGE - offset;
    return (uintptr_t)arena.view + page % FUZZ_PAGES * FUZZ_PAGE + offset * 16u;
}

/* Mostly one that there is. */
static uint32_t session(struct input *in, const struct fuzz_file *file)
{
    uint8_t which = byte(in);

    if (which >= 0xf8 || file->count == 0)
        return word(in);
    return file->sessions[which % file->count].id;
}

/* ---- open files ---- */

static void give_back(struct fuzz_file *file)
{
    devcrypto_unref(file->opened);
    if (--file->refs != 0)
        return;
    while (file->count != 0)
        fuzz_forget(file, file->sessions[0].id);
    file->opened = NULL;
}

static void close_all(struct fuzz_file *file)
{
    while (file->refs != 0)
        give_back(file);
}

static void take_another(struct fuzz_file *file)
{
    if (file->refs > 8)
        return;
    devcrypto_ref(file->opened);
    file->refs++;
}

static struct fuzz_file *chosen_file(struct input *in, uint8_t which)
{
    struct fuzz_file *file = &files[which >> 7];

    if (file->opened != NULL)
        return file;
    file->limits.max_sessions = (unsigned int[]){0, 0, 1, 3, 40}[byte(in) % 5];
    file->limits.max_len = (size_t[]){0, 0, 256, 70000}[byte(in) % 4];
    must(devcrypto_open(&file->limits, &file->opened) == 0, "it did not open");
    file->refs = 1;
    return file;
}

static void check_count(const struct fuzz_file *file, unsigned int expected)
{
    unsigned int count = devcrypto_session_count(file->opened);

    must(count == expected, "%u sessions, not %u", count, expected);
}

/* ---- calls by ioctl ---- */

/* What a call on memory that turned bad may have written: where its arguments said, and nowhere else. */
static void forget_written(uint64_t start, uint64_t len)
{
    uint64_t at = start - (uintptr_t)arena.view;

    if (at < FUZZ_ARENA)
        memcpy(arena.expected + at, arena.truth + at, len < FUZZ_ARENA - at ? len : FUZZ_ARENA - at);
}

static void after_bad_memory(struct fuzz_file *file, const struct fuzz_hostile *hostile, uint32_t cmd, uint64_t arg, int err)
{
    struct devcrypto_crypt_op cop;

    must(hostile->scribbles || err == -EFAULT, "a copy failed, and the call gave %d", err);
    if (cmd == DEVCRYPTO_CIOCGSESSION)
        check_count(file, file->count + (err == 0));
    if (hostile->scribbles) {
        forget_written((uintptr_t)arena.view, FUZZ_ARENA);
    } else if (cmd == DEVCRYPTO_CIOCCRYPT && fuzz_expect_in(&cop, arg, sizeof(cop)) == 0) {
        forget_written(cop.dst, cop.len);
        forget_written(cop.mac, DEVCRYPTO_MAX_DIGEST);
        forget_written(cop.iv, DEVCRYPTO_AES_BLOCK);
    }
    forget_written(arg, sizeof(struct devcrypto_session_op));
    close_all(file); /* nobody knows what its sessions hold now */
}

static void call_ioctl(struct input *in, struct fuzz_file *file, uint32_t cmd, uint64_t arg)
{
    uint8_t how = byte(in);
    struct fuzz_hostile hostile = {0};
    struct devcrypto_mem mem = fuzz_mem(&hostile);
    unsigned long wide = how & 1 ? cmd | 0xffffffff00000000ul : cmd;
    int err, expected;

    if (how >= 0xd0) {
        hostile.patience = 1 + byte(in) % 16;
        hostile.scribbles = (how & 2) != 0;
    }
    err = devcrypto_ioctl(file->opened, wide, arg, how < 0x60 ? NULL : &mem);
    if (hostile.turned) {
        after_bad_memory(file, &hostile, cmd, arg, err);
        return;
    }
    expected = fuzz_expect_ioctl(file, cmd, arg, fuzz_peek(arg + offsetof(struct devcrypto_session_op, ses)));
    must(err == expected, "ioctl 0x%x gave %d, not %d", cmd, err, expected);
}

static void gsession(struct input *in, struct fuzz_file *file)
{
    struct devcrypto_session_op sop = {.cipher = cipher(in), .mac = mac(in)};
    uint64_t arg = address(in);

    if (file->count == FUZZ_SESSIONS)
        return;
    sop.keylen = keylen(in);
    sop.key = address(in);
    sop.mackeylen = mackeylen(in);
    sop.mackey = address(in);
    fuzz_poke(arg, &sop, sizeof(sop));
    call_ioctl(in, file, DEVCRYPTO_CIOCGSESSION, arg);
}

static void cioccrypt(struct input *in, struct fuzz_file *file)
{
    struct devcrypto_crypt_op cop = {.ses = session(in, file)};
    uint64_t arg = address(in);
    uint8_t kind = byte(in);

    cop.op = kind < 0xf0 ? kind & 1 : byte(in);
    cop.flags = (uint16_t)ONE_OF(in, 0, 0, DEVCRYPTO_FLAG_WRITE_IV, DEVCRYPTO_FLAG_UPDATE, DEVCRYPTO_FLAG_FINAL,
                                 DEVCRYPTO_FLAG_RESET | DEVCRYPTO_FLAG_UPDATE, DEVCRYPTO_FLAG_WRITE_IV | DEVCRYPTO_FLAG_FINAL);
    cop.len = length(in);
    cop.src = address(in);
    cop.dst = kind & 2 ? cop.src : address(in);
    cop.mac = kind & 4 ? cop.src + cop.len : address(in);
    cop.iv = kind & 8 ? 0 : address(in);
    fuzz_poke(arg, &cop, sizeof(cop));
    call_ioctl(in, file, DEVCRYPTO_CIOCCRYPT, arg);
}

static void fsession(struct input *in, struct fuzz_file *file)
{
    uint32_t ses = session(in, file);
    uint64_t arg = address(in);

    fuzz_poke(arg, &ses, sizeof(ses));
    call_ioctl(in, file, DEVCRYPTO_CIOCFSESSION, arg);
}

static void other_ioctl(struct input *in, struct fuzz_file *file)
{
    uint32_t cmd = ONE_OF(in, DEVCRYPTO_CIOCASYMFEAT, DEVCRYPTO_CRIOGET, DEVCRYPTO_IOC(3, 102, 44),
                          DEVCRYPTO_IOC(1, 104, 48), DEVCRYPTO_IOC(3, 105, 48), DEVCRYPTO_CIOCFSESSION);

    if (cmd == DEVCRYPTO_CIOCGSESSION || cmd == DEVCRYPTO_CIOCCRYPT)
        return; /* a whole argument comes with those */
    call_ioctl(in, file, cmd, address(in));
}

/* ---- direct calls, each with memory of just the size ---- */

static uint8_t *bytes(struct input *in, size_t len)
{
    uint8_t *made = malloc(len != 0 ? len : 1);
    uint8_t first = byte(in), step = byte(in);

    must(made != NULL, "no memory");
    for (size_t i = 0; i < len; i++)
        made[i] = (uint8_t)(first + i * step);
    return made;
}

static void direct_create(struct input *in, struct fuzz_file *file)
{
    struct fuzz_session asked = {.cipher = cipher(in), .mac = mac(in), .keylen = keylen(in), .mackeylen = mackeylen(in)};
    uint8_t missing = byte(in);
    bool has_key = missing < 0xf0 && asked.keylen <= LONGEST_DIRECT;
    bool has_mackey = missing % 16 != 15 && asked.mackeylen <= LONGEST_DIRECT;
    uint8_t *key = has_key ? bytes(in, asked.keylen) : NULL;
    uint8_t *mackey = has_mackey ? bytes(in, asked.mackeylen) : NULL;
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
static void direct_crypt_with(struct input *in, struct fuzz_file *file, const uint8_t *src, uint8_t *dst, uint8_t *shadow,
                              uint32_t len)
{
    uint32_t ses = session(in, file);
    uint8_t kind = byte(in);
    uint32_t op = kind < 0xf0 ? kind & 1 : word(in);
    uint8_t *iv = kind & 2 ? bytes(in, DEVCRYPTO_AES_BLOCK) : NULL;
    uint8_t iv_room[DEVCRYPTO_AES_BLOCK], iv_shadow[DEVCRYPTO_AES_BLOCK];
    uint8_t *iv_out = kind & 4 ? iv_room : kind & 8 ? iv : NULL;
    int err, expected;

    memset(iv_room, FILL, sizeof(iv_room));
    memcpy(iv_shadow, iv_out == iv && iv != NULL ? iv : iv_room, sizeof(iv_shadow));
    expected = fuzz_expect_crypt(file, ses, op, iv, iv_shadow, src, dst != NULL ? shadow : NULL, len);
    err = devcrypto_crypt(file->opened, ses, op, byte(in), iv, iv_out, src, dst, len);
    must(err == expected, "crypt gave %d, not %d", err, expected);
    check_bytes("the updated IV", iv_out, iv_shadow, sizeof(iv_shadow));
    check_bytes("the destination", dst, shadow, len);
    free(iv);
}

static void direct_crypt(struct input *in, struct fuzz_file *file)
{
    uint8_t kind = byte(in);
    uint32_t len = length(in);
    uint8_t *src, *dst, *shadow;

    if (len > LONGEST_DIRECT)
        len %= LONGEST_DIRECT;
    src = bytes(in, len);
    dst = kind & 1 ? src : bytes(in, len);
    shadow = malloc(len != 0 ? len : 1);
    must(shadow != NULL, "no memory");
    memcpy(shadow, dst, len);
    direct_crypt_with(in, file, kind == 0xfe ? NULL : src, kind == 0xfd ? NULL : dst, shadow, len);
    if (dst != src)
        free(dst);
    free(src);
    free(shadow);
}

static void direct_free(struct input *in, struct fuzz_file *file)
{
    uint32_t ses = session(in, file);

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

static void import_any(struct input *in, struct fuzz_file *file)
{
    struct devcrypto_session_state state = {.ses = session(in, file), .cipher = cipher(in), .keylen = keylen(in)};
    uint8_t *key = bytes(in, sizeof(state.key));

    memcpy(state.key, key, sizeof(state.key));
    memcpy(state.iv, key, sizeof(state.iv));
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
        if (file->sessions[i].mac != 0)
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
}

static void export_to(struct input *in, struct fuzz_file *file, struct fuzz_file *other)
{
    uint8_t more = byte(in);
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
        must(!is_telling(&file->sessions[i]) ||
                 memmem(states, room * sizeof(*states), file->sessions[i].key, file->sessions[i].keylen) == NULL,
             "a key was left behind");
    for (unsigned int i = 0; i < count; i++) {
        check_state(file, &states[i]);
        if (other != NULL)
            import(other, &states[i]);
    }
    free(states);
}

/* ---- the program ---- */

static void change_memory(struct input *in)
{
    uint8_t page = byte(in), how = byte(in);

    fuzz_protect(page % FUZZ_PAGES, how % 4 == 0 ? PROT_NONE : how % 4 == 1 ? PROT_READ : PROT_READ | PROT_WRITE);
}

static void one_call(struct input *in)
{
    uint8_t which = byte(in);
    struct fuzz_file *file = chosen_file(in, which);
    static void (*const calls[])(struct input *, struct fuzz_file *) = {
        gsession, gsession,  cioccrypt,   cioccrypt,   cioccrypt,     cioccrypt,    fsession,
        other_ioctl, direct_create, direct_create, direct_crypt, direct_crypt, direct_free, import_any,
    };
    const unsigned int known = sizeof(calls) / sizeof(calls[0]);
    unsigned int call = (which & 0x7f) % (known + 4);

    if (call < known)
        calls[call](in, file);
    else if (call == known)
        export_to(in, file, files[which < 0x80].opened != NULL ? &files[which < 0x80] : NULL);
    else if (call == known + 1)
        change_memory(in);
    else if (call == known + 2)
        take_another(file);
    else
        give_back(file);
    if (file->opened != NULL)
        check_count(file, file->count);
    fuzz_arena_check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {.at = data, .end = data + size};

    fuzz_arena_reset();
    for (unsigned int calls = 0; calls < MOST_CALLS && in.at < in.end; calls++)
        one_call(&in);
    close_all(&files[0]);
    close_all(&files[1]);
    return 0;
}
