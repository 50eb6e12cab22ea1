/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The caller's memory in the fuzz target: a small address space with holes. */
#include "fuzz.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct fuzz_arena arena;
static uint8_t pristine[FUZZ_ARENA];

void fuzz_broken(const char *where, const char *format, ...)
{
    va_list ap;

    fprintf(stderr, "fuzz: %s: ", where);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}

static void arena_create(void)
{
    int fd = memfd_create("arena", MFD_CLOEXEC);
    uint8_t *room;

    must(fd >= 0 && ftruncate(fd, FUZZ_ARENA) == 0, "no memory");
    room = mmap(NULL, FUZZ_ARENA + 2 * FUZZ_GUARD * FUZZ_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(room != MAP_FAILED, "no memory");
    arena.view = mmap(room + FUZZ_GUARD * FUZZ_PAGE, FUZZ_ARENA, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_FIXED, fd, 0);
    arena.truth = mmap(NULL, FUZZ_ARENA, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    arena.expected = malloc(FUZZ_ARENA);
    must(arena.view != MAP_FAILED && arena.truth != MAP_FAILED && arena.expected != NULL, "no memory");
    close(fd);
    for (unsigned int i = 0; i < FUZZ_ARENA; i++)
        pristine[i] = (uint8_t)(i * 7 + i / 251);
    for (unsigned int page = 0; page < FUZZ_PAGES; page++)
        arena.protection[page] = PROT_READ | PROT_WRITE;
}

void fuzz_protect(unsigned int page, int protection)
{
    if (arena.protection[page] == protection)
        return;
    must(mprotect(arena.view + page * FUZZ_PAGE, FUZZ_PAGE, protection) == 0, "mprotect");
    arena.protection[page] = protection;
}

void fuzz_arena_reset(void)
{
    if (arena.view == NULL)
        arena_create();
    memcpy(arena.truth, pristine, FUZZ_ARENA);
    memcpy(arena.expected, pristine, FUZZ_ARENA);
    for (unsigned int page = 0; page < FUZZ_PAGES; page++)
        fuzz_protect(page, PROT_READ | PROT_WRITE);
    fuzz_protect(7, PROT_NONE);
    fuzz_protect(11, PROT_READ);
    fuzz_protect(12, PROT_NONE);
}

/* Where in the arena an address lies; FUZZ_ARENA and more: not in it. */
static uint64_t offset_of(uint64_t address)
{
    return address - (uintptr_t)arena.view;
}

void fuzz_poke(uint64_t address, const void *bytes, size_t len)
{
    uint64_t at = offset_of(address);

    if (at >= FUZZ_ARENA)
        return;
    if (len > FUZZ_ARENA - at)
        len = FUZZ_ARENA - at;
    memcpy(arena.truth + at, bytes, len);
    memcpy(arena.expected + at, bytes, len);
}

uint32_t fuzz_peek(uint64_t address)
{
    uint64_t at = offset_of(address);
    uint32_t value = 0;

    if (at <= FUZZ_ARENA - sizeof(value))
        memcpy(&value, arena.truth + at, sizeof(value));
    return value;
}

void fuzz_written(void *to, uint64_t address, size_t len)
{
    uint64_t at = offset_of(address);

    if (at < FUZZ_ARENA)
        memcpy(to, arena.truth + at, len < FUZZ_ARENA - at ? len : FUZZ_ARENA - at);
}

/* How many bytes from there on can be reached, len at most. */
static size_t reach(uint64_t address, size_t len, bool writable)
{
    const int wanted = writable ? PROT_WRITE : PROT_READ;
    uint64_t at = offset_of(address);
    size_t n = 0;

    while (n < len && at + n < FUZZ_ARENA && at < FUZZ_ARENA &&
           (arena.protection[(at + n) / FUZZ_PAGE] & wanted))
        n += FUZZ_PAGE - (at + n) % FUZZ_PAGE;
    return n < len ? n : len;
}

bool fuzz_reachable(uint64_t address, size_t len, bool writable)
{
    return reach(address, len, writable) == len;
}

static int move_in(void *to, const uint8_t *memory, uint64_t address, size_t len)
{
    size_t n = reach(address, len, false);

    if (n != 0)
        memcpy(to, memory + offset_of(address), n);
    return n == len ? 0 : -EFAULT;
}

static int move_out(uint8_t *memory, uint64_t address, const void *from, size_t len)
{
    size_t n = reach(address, len, true);

    if (n != 0)
        memcpy(memory + offset_of(address), from, n);
    return n == len ? 0 : -EFAULT;
}

int fuzz_expect_in(void *to, uint64_t address, size_t len)
{
    return move_in(to, arena.expected, address, len);
}

int fuzz_expect_out(uint64_t address, const void *from, size_t len)
{
    return move_out(arena.expected, address, from, len);
}

void fuzz_arena_check(void)
{
    if (memcmp(arena.truth, arena.expected, FUZZ_ARENA) == 0)
        return;
    for (unsigned int i = 0; i < FUZZ_ARENA; i++)
        must(arena.truth[i] == arena.expected[i], "byte 0x%x of the memory is %02x, not %02x", i,
             arena.truth[i], arena.expected[i]);
}

/* ---- as the library reaches it ---- */

/* One more copy: whether the memory is still what it was. */
static bool still_good(struct fuzz_hostile *hostile)
{
    if (hostile->patience == 0)
        return true;
    if (!hostile->turned && --hostile->patience == 0) {
        hostile->patience = 1;
        hostile->turned = true;
    }
    return !hostile->turned;
}

static int hostile_in(void *opaque, void *dst, uint64_t uaddr, size_t len)
{
    struct fuzz_hostile *hostile = opaque;
    int err;

    must(len != 0, "a copy of nothing");
    if (still_good(hostile))
        return move_in(dst, arena.truth, uaddr, len);
    if (!hostile->scribbles)
        return -EFAULT;
    err = move_in(dst, arena.truth, uaddr, len);
    for (size_t i = 0; i < len && err == 0; i++)
        ((uint8_t *)dst)[i] ^= (uint8_t)(i * 29 + 0xff);
    return err;
}

static int hostile_out(void *opaque, uint64_t uaddr, const void *src, size_t len)
{
    struct fuzz_hostile *hostile = opaque;

    must(len != 0, "a copy of nothing");
    if (!still_good(hostile) && !hostile->scribbles)
        return -EFAULT;
    return move_out(arena.truth, uaddr, src, len);
}

struct devcrypto_mem fuzz_mem(struct fuzz_hostile *hostile)
{
    return (struct devcrypto_mem){.opaque = hostile, .copy_in = hostile_in, .copy_out = hostile_out};
}
