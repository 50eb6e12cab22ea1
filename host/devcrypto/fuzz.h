/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sources of the fuzz target share: memory that a caller could have, and what the library must do
 * with it, said a second time and more simply (one process, one thread, no limit to what it may copy).
 */
#ifndef DEVCRYPTO_FUZZ_H
#define DEVCRYPTO_FUZZ_H

#include <stdbool.h>

#include <openssl/evp.h>

#include "devcrypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process with a sentence unless the condition holds; both runners keep the input that did it. */
#define must(condition, ...)                                                                                 \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fuzz_broken(__func__, __VA_ARGS__);                                                              \
    } while (0)
_Noreturn void fuzz_broken(const char *where, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- fuzz-memory.c: the caller's memory ---- */

#define FUZZ_PAGE 4096u
#define FUZZ_PAGES 40u /* room for a request in three pieces */
#define FUZZ_ARENA (FUZZ_PAGE * FUZZ_PAGES)
#define FUZZ_GUARD 4u /* pages on either side where there is never anything */

/*
 * One piece of memory, three times: `view` is what the library is given, with holes and pages that can only be
 * read; `truth` is the same bytes without them; `expected` is what should be there.
 */
struct fuzz_arena {
    uint8_t *view;
    uint8_t *truth;
    uint8_t *expected;
    int protection[FUZZ_PAGES]; /* PROT_ bits of the view */
};
extern struct fuzz_arena arena;

/* All bytes and protections as at the beginning. */
void fuzz_arena_reset(void);
void fuzz_protect(unsigned int page, int protection);
/* Puts bytes there, whatever the protection; what lies outside is left out. */
void fuzz_poke(uint64_t address, const void *bytes, size_t len);
/* The four bytes there, 0 outside. */
uint32_t fuzz_peek(uint64_t address);
/* What is there now, whatever the protection; what lies outside is left out. */
void fuzz_written(void *to, uint64_t address, size_t len);
/* The copies that the caller's memory allows, from and to `expected`: 0, or -EFAULT with the part that went. */
int fuzz_expect_in(void *to, uint64_t address, size_t len);
int fuzz_expect_out(uint64_t address, const void *from, size_t len);
/* Whether all of it is there. */
bool fuzz_reachable(uint64_t address, size_t len, bool writable);
/* Ends the process unless all bytes are the expected ones. */
void fuzz_arena_check(void);

/*
 * The view through functions of our own.  With `patience` not 0 the memory turns bad after as many copies: from
 * then on every copy fails, or (`scribbles`) gives other bytes, as another thread of the caller would see to.
 */
struct fuzz_hostile {
    unsigned int patience;
    bool scribbles;
    bool turned; /* it has turned bad: nothing but safety can be asked */
};
struct devcrypto_mem fuzz_mem(struct fuzz_hostile *hostile);

/* ---- fuzz-input.c: the program ---- */

struct fuzz_file;
struct fuzz_input {
    const uint8_t *at;
    const uint8_t *end;
};

uint8_t fuzz_byte(struct fuzz_input *in); /* 0 at the end */
uint32_t fuzz_word(struct fuzz_input *in);
uint32_t fuzz_one_of(struct fuzz_input *in, const uint32_t *values, size_t count);
#define ONE_OF(in, ...)                                                                                      \
    fuzz_one_of(in, (const uint32_t[]){__VA_ARGS__},                                                         \
                sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
uint32_t fuzz_cipher(struct fuzz_input *in);
uint32_t fuzz_mac(struct fuzz_input *in);
uint32_t fuzz_keylen(struct fuzz_input *in);
uint32_t fuzz_mackeylen(struct fuzz_input *in);
uint32_t fuzz_length(struct fuzz_input *in);
/* Mostly in the arena, at some round offset or shortly before a page's end. */
uint64_t fuzz_address(struct fuzz_input *in);
/* The id of a session, mostly one that there is. */
uint32_t fuzz_session(struct fuzz_input *in, const struct fuzz_file *file);
/* For free(). */
uint8_t *fuzz_bytes(struct fuzz_input *in, size_t len);

/* ---- fuzz-oracle.c: the open file ---- */

#define FUZZ_SESSIONS 80u /* enough for the table of sessions to grow twice */

struct fuzz_session {
    uint32_t id;
    uint32_t cipher;
    uint32_t mac;
    uint32_t keylen;
    uint32_t mackeylen;
    uint8_t key[DEVCRYPTO_MAX_KEY];
    uint8_t iv[DEVCRYPTO_MAX_IV];
    uint8_t mackey[DEVCRYPTO_MAX_MACKEY];
    EVP_MD_CTX *inner; /* what was taken in since the last start */
    bool finished;
    bool begun; /* something was */
};

struct fuzz_file {
    struct devcrypto_file *opened; /* NULL: closed */
    unsigned int refs;
    struct devcrypto_limits limits;
    unsigned int count;
    struct fuzz_session sessions[FUZZ_SESSIONS];
};

struct fuzz_session *fuzz_find(struct fuzz_file *file, uint32_t id);
void fuzz_forget(struct fuzz_file *file, uint32_t id);

/*
 * What a call must return, after it was made; what it must have written is in `expected` or in the arguments
 * afterwards.  made and asked->id: the id that the call gave, if it gave one.
 */
int fuzz_expect_ioctl(struct fuzz_file *file, uint32_t cmd, uint64_t arg, uint32_t made);
int fuzz_expect_create(struct fuzz_file *file, const struct fuzz_session *asked, bool key, bool mackey);
int fuzz_expect_crypt(struct fuzz_file *file, uint32_t ses, uint32_t op, const uint8_t *iv, uint8_t *iv_out,
                      const uint8_t *src, uint8_t *dst, size_t len);
/* The checks of CIOCCRYPT. */
int fuzz_check(const struct fuzz_file *file, const struct fuzz_session *s, uint32_t op, size_t len);
int fuzz_expect_copy(struct fuzz_file *file, uint32_t to, uint32_t from);
int fuzz_expect_import(struct fuzz_file *file, const struct devcrypto_session_state *state);

/* ---- fuzz-algorithms.c ---- */

bool fuzz_good_cipher(uint32_t cipher);
bool fuzz_good_keylen(uint32_t cipher, uint32_t keylen);
uint32_t fuzz_block(uint32_t cipher);
uint32_t fuzz_iv_len(uint32_t cipher);
const EVP_MD *fuzz_digest_of(uint32_t mac); /* NULL: there is no such mac */
bool fuzz_keyed(uint32_t mac);
void fuzz_hash_start(struct fuzz_session *s);
void fuzz_hash(struct fuzz_session *s, const void *data, size_t len);
size_t fuzz_hash_end(struct fuzz_session *s, uint8_t digest[EVP_MAX_MD_SIZE]);
/* Whole blocks, not of GCM, from the session's last IV, which moves on; src and dst may be the same. */
void fuzz_run_cipher(struct fuzz_session *s, uint32_t op, const uint8_t *src, uint8_t *dst, size_t len);
void fuzz_gcm(struct fuzz_session *s, uint32_t op, const uint8_t *aad, size_t aad_len, const uint8_t *src,
              uint8_t *dst, size_t len, uint8_t tag[16]);

/* ---- fuzz-auth.c: CIOCAUTHCRYPT ---- */

struct fuzz_auth {
    uint32_t op, flags, tag_len;
    bool has_iv;
    uint8_t iv[DEVCRYPTO_MAX_IV];
    const uint8_t *aad, *src, *tail;
    size_t aad_len, src_len, tail_len;
    uint8_t *dst; /* with room for dst_len */
    size_t dst_len, out_len;
    uint8_t mac[EVP_MAX_MD_SIZE];
    uint32_t mac_len;
};

uint32_t fuzz_tag_len(const struct fuzz_session *s, uint32_t asked);
size_t fuzz_auth_dst_len(const struct fuzz_session *s, const struct fuzz_auth *a);
/* What comes before the data is looked at, and the rest; each gives the errno. */
int fuzz_auth_begin(struct fuzz_session *s, const struct fuzz_auth *a);
int fuzz_auth_work(struct fuzz_session *s, struct fuzz_auth *a);
int fuzz_expect_authcrypt(struct fuzz_file *file, uint64_t arg);

/* ---- fuzz-perform.c: requests in pieces, made and checked ---- */

void fuzz_perform(struct fuzz_input *in, struct fuzz_file *file);
void fuzz_copy(struct fuzz_input *in, struct fuzz_file *file);

/* ---- fuzz-direct.c: calls, made and checked ---- */

void fuzz_direct_create(struct fuzz_input *in, struct fuzz_file *file);
void fuzz_direct_crypt(struct fuzz_input *in, struct fuzz_file *file);
void fuzz_direct_free(struct fuzz_input *in, struct fuzz_file *file);
void fuzz_import_any(struct fuzz_input *in, struct fuzz_file *file);
/* Exports the sessions of one and, unless it is NULL, imports them in the other. */
void fuzz_export_to(struct fuzz_input *in, struct fuzz_file *file, struct fuzz_file *other);

#endif
