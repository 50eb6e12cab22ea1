/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library under hostile input: bytes are read as a program of calls on two open files, and each call's
 * result, every byte of the caller's memory and the number of sessions are held against fuzz-oracle.c.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define MOST_CALLS 256

static struct fuzz_file files[2];

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

static struct fuzz_file *chosen_file(struct fuzz_input *in, uint8_t which)
{
    struct fuzz_file *file = &files[which >> 7];

    if (file->opened != NULL)
        return file;
    file->limits.max_sessions = (unsigned int[]){0, 0, 1, 3, 40}[fuzz_byte(in) % 5];
    file->limits.max_len = (size_t[]){0, 0, 256, 70000}[fuzz_byte(in) % 4];
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

static void after_bad_memory(struct fuzz_file *file, const struct fuzz_hostile *hostile, uint32_t cmd,
                             uint64_t arg, int err)
{
    struct devcrypto_crypt_op cop;
    struct devcrypto_auth_op caop;

    must(hostile->scribbles || err == -EFAULT, "a copy failed, and the call gave %d", err);
    if (cmd == DEVCRYPTO_CIOCGSESSION)
        check_count(file, file->count + (err == 0));
    if (hostile->scribbles) {
        forget_written((uintptr_t)arena.view, FUZZ_ARENA);
    } else if (cmd == DEVCRYPTO_CIOCCRYPT && fuzz_expect_in(&cop, arg, sizeof(cop)) == 0) {
        forget_written(cop.dst, cop.len);
        forget_written(cop.mac, DEVCRYPTO_MAX_DIGEST);
        forget_written(cop.iv, DEVCRYPTO_MAX_IV);
    } else if (cmd == DEVCRYPTO_CIOCAUTHCRYPT && fuzz_expect_in(&caop, arg, sizeof(caop)) == 0) {
        forget_written(caop.dst, (uint64_t)caop.len + caop.tag_len + DEVCRYPTO_MAX_DIGEST + DEVCRYPTO_MAX_BLOCK);
        forget_written(caop.tag, DEVCRYPTO_MAX_DIGEST);
        forget_written(caop.iv, DEVCRYPTO_MAX_IV);
    }
    forget_written(arg, cmd == DEVCRYPTO_CIOCGSESSINFO ? sizeof(struct devcrypto_info_op) : sizeof(caop));
    close_all(file); /* nobody knows what its sessions hold now */
}

static void call_ioctl(struct fuzz_input *in, struct fuzz_file *file, uint32_t cmd, uint64_t arg)
{
    uint8_t how = fuzz_byte(in);
    struct fuzz_hostile hostile = {0};
    struct devcrypto_mem mem = fuzz_mem(&hostile);
    unsigned long wide = how & 1 ? cmd | 0xffffffff00000000ul : cmd;
    int err, expected;

    if (how >= 0xd0) {
        hostile.patience = 1 + fuzz_byte(in) % 16;
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

static void gsession(struct fuzz_input *in, struct fuzz_file *file)
{
    struct devcrypto_session_op sop = {.cipher = fuzz_cipher(in), .mac = fuzz_mac(in)};
    uint64_t arg = fuzz_address(in);

    if (file->count == FUZZ_SESSIONS)
        return;
    sop.keylen = fuzz_keylen(in);
    sop.key = fuzz_address(in);
    sop.mackeylen = fuzz_mackeylen(in);
    sop.mackey = fuzz_address(in);
    fuzz_poke(arg, &sop, sizeof(sop));
    call_ioctl(in, file, DEVCRYPTO_CIOCGSESSION, arg);
}

static void cioccrypt(struct fuzz_input *in, struct fuzz_file *file)
{
    struct devcrypto_crypt_op cop = {.ses = fuzz_session(in, file)};
    uint64_t arg = fuzz_address(in);
    uint8_t kind = fuzz_byte(in);

    cop.op = kind < 0xf0 ? kind & 1 : fuzz_byte(in);
    cop.flags = (uint16_t)ONE_OF(in, 0, 0, DEVCRYPTO_FLAG_WRITE_IV, DEVCRYPTO_FLAG_UPDATE,
                                 DEVCRYPTO_FLAG_FINAL, DEVCRYPTO_FLAG_RESET | DEVCRYPTO_FLAG_UPDATE,
                                 DEVCRYPTO_FLAG_WRITE_IV | DEVCRYPTO_FLAG_FINAL);
    cop.len = fuzz_length(in);
    cop.src = fuzz_address(in);
    cop.dst = kind & 2 ? cop.src : fuzz_address(in);
    cop.mac = kind & 4 ? cop.src + cop.len : fuzz_address(in);
    cop.iv = kind & 8 ? 0 : fuzz_address(in);
    fuzz_poke(arg, &cop, sizeof(cop));
    call_ioctl(in, file, DEVCRYPTO_CIOCCRYPT, arg);
}

/* Mostly with lengths that fit the session, and a source that is in place where it has to be. */
static void authcrypt(struct fuzz_input *in, struct fuzz_file *file)
{
    struct devcrypto_auth_op caop = {.ses = fuzz_session(in, file)};
    uint64_t arg = fuzz_address(in);
    uint8_t kind = fuzz_byte(in);

    caop.op = kind < 0xf8 ? kind & 1 : fuzz_byte(in);
    caop.flags = (uint16_t)ONE_OF(in, 0, 0, DEVCRYPTO_FLAG_WRITE_IV, DEVCRYPTO_FLAG_AEAD_TLS,
                                  DEVCRYPTO_FLAG_AEAD_TLS | DEVCRYPTO_FLAG_WRITE_IV, DEVCRYPTO_FLAG_AEAD_SRTP,
                                  DEVCRYPTO_FLAG_AEAD_SRTP | DEVCRYPTO_FLAG_WRITE_IV);
    caop.len = fuzz_length(in);
    caop.src = fuzz_address(in);
    caop.dst = kind & 2 ? fuzz_address(in) : caop.src;
    caop.auth_src = caop.flags & DEVCRYPTO_FLAG_AEAD_SRTP ? caop.src - kind : fuzz_address(in);
    caop.auth_len = caop.flags & DEVCRYPTO_FLAG_AEAD_SRTP ? caop.len + kind + fuzz_byte(in) % 16 : fuzz_length(in);
    caop.tag = fuzz_address(in);
    caop.tag_len = ONE_OF(in, 0, 0, 0, 4, 12, 16, 20, 64, 65);
    caop.iv = kind & 8 ? 0 : fuzz_address(in);
    fuzz_poke(arg, &caop, sizeof(caop));
    call_ioctl(in, file, DEVCRYPTO_CIOCAUTHCRYPT, arg);
}

/* CIOCCPHASH and CIOCGSESSINFO both begin with a session's id. */
static void two_ids(struct fuzz_input *in, struct fuzz_file *file)
{
    struct devcrypto_copy_op pair = {.dst_ses = fuzz_session(in, file), .src_ses = fuzz_session(in, file)};
    uint64_t arg = fuzz_address(in);

    fuzz_poke(arg, &pair, sizeof(pair));
    call_ioctl(in, file, fuzz_byte(in) & 1 ? DEVCRYPTO_CIOCCPHASH : DEVCRYPTO_CIOCGSESSINFO, arg);
}

static void fsession(struct fuzz_input *in, struct fuzz_file *file)
{
    uint32_t ses = fuzz_session(in, file);
    uint64_t arg = fuzz_address(in);

    fuzz_poke(arg, &ses, sizeof(ses));
    call_ioctl(in, file, DEVCRYPTO_CIOCFSESSION, arg);
}

static void other_ioctl(struct fuzz_input *in, struct fuzz_file *file)
{
    uint32_t cmd = ONE_OF(in, DEVCRYPTO_CIOCASYMFEAT, DEVCRYPTO_CRIOGET, DEVCRYPTO_IOC(3, 102, 44),
                          DEVCRYPTO_IOC(1, 104, 48), DEVCRYPTO_IOC(3, 105, 48), DEVCRYPTO_CIOCFSESSION);

    if (cmd == DEVCRYPTO_CIOCGSESSION || cmd == DEVCRYPTO_CIOCCRYPT || cmd == DEVCRYPTO_CIOCAUTHCRYPT)
        return; /* a whole argument comes with those */
    call_ioctl(in, file, cmd, fuzz_address(in));
}

/* ---- the program ---- */

static void change_memory(struct fuzz_input *in)
{
    uint8_t page = fuzz_byte(in), how = fuzz_byte(in);

    fuzz_protect(page % FUZZ_PAGES, how % 4 == 0   ? PROT_NONE
                                    : how % 4 == 1 ? PROT_READ
                                                   : PROT_READ | PROT_WRITE);
}

static void one_call(struct fuzz_input *in)
{
    uint8_t which = fuzz_byte(in);
    struct fuzz_file *file = chosen_file(in, which);
    static void (*const calls[])(struct fuzz_input *, struct fuzz_file *) = {
        gsession,          gsession,          cioccrypt,        cioccrypt,          cioccrypt,
        cioccrypt,         fsession,          other_ioctl,      fuzz_direct_create, fuzz_direct_create,
        fuzz_direct_crypt, fuzz_direct_crypt, fuzz_direct_free, fuzz_import_any,    fuzz_perform,
        fuzz_perform,      fuzz_perform,      fuzz_perform,     authcrypt,          authcrypt,
        two_ids,           fuzz_copy,
    };
    const unsigned int known = sizeof(calls) / sizeof(calls[0]);
    unsigned int call = (which & 0x7f) % (known + 4);

    if (call < known)
        calls[call](in, file);
    else if (call == known)
        fuzz_export_to(in, file, files[which < 0x80].opened != NULL ? &files[which < 0x80] : NULL);
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
    struct fuzz_input in = {.at = data, .end = data + size};

    fuzz_arena_reset();
    for (unsigned int calls = 0; calls < MOST_CALLS && in.at < in.end; calls++)
        one_call(&in);
    close_all(&files[0]);
    close_all(&files[1]);
    return 0;
}
