/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs the fuzz target where there is no libFuzzer: over the files and folders that are named, and then over
 * inputs at random, half of them made from those files.  -n how many (0), -t for how many seconds, -s the seed,
 * -v says what each was.
 * An input that breaks something is kept as crash-SEED-NUMBER in the current folder.
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LONGEST 1024u
#define MOST_FILES 4096u

static struct {
    uint8_t *data;
    size_t size;
} known[MOST_FILES];
static unsigned int nknown;

static uint64_t seed, number, state;
static const uint8_t *current;
static size_t current_size;
static char kept[64];

/* splitmix64: a seed gives the same inputs on every machine. */
static uint64_t any(uint64_t below)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

static void run(const uint8_t *data, size_t size)
{
    current = data;
    current_size = size;
    snprintf(kept, sizeof(kept), "crash-%" PRIu64 "-%" PRIu64, seed, number);
    LLVMFuzzerTestOneInput(data, size);
    current = NULL;
}

/* A report of a sanitizer ends in abort(), as a broken promise does. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

__attribute__((visibility("default"))) const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:print_stacktrace=1";
}

static void keep_input(void)
{
    int fd = current == NULL ? -1 : open(kept, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return;
    if (write(fd, current, current_size) == (ssize_t)current_size)
        fprintf(stderr, "fuzz: the input is kept in %s\n", kept);
    close(fd);
    current = NULL;
}

static void on_abort(int sig)
{
    keep_input();
    signal(sig, SIG_DFL);
    raise(sig);
}

static void read_file(const char *path)
{
    uint8_t *data = malloc(LONGEST);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 && data != NULL ? read(fd, data, LONGEST) : -1;

    if (size < 0 || nknown == MOST_FILES) {
        fprintf(stderr, "fuzz: cannot read %s\n", path);
        exit(2);
    }
    close(fd);
    known[nknown].data = data;
    known[nknown++].size = (size_t)size;
    run(data, (size_t)size);
}

/* In the order of their names, since what is made at random is made from them. */
static void read_any(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    char *name;

    if (count < 0)
        read_file(path);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.' && asprintf(&name, "%s/%s", path, entries[i]->d_name) > 0) {
            read_file(name);
            free(name);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

/* Bytes at random, or pieces of known inputs one after another with some bytes changed. */
static size_t make_input(uint8_t *data)
{
    size_t size = 0;

    if (nknown == 0 || any(2) == 0) {
        for (size = 0; size < 1 + any(LONGEST); size++)
            data[size] = (uint8_t)any(256);
        return size;
    }
    for (uint64_t pieces = 1 + any(8); pieces != 0; pieces--) {
        unsigned int from = (unsigned int)any(nknown);
        size_t start = any(known[from].size + 1);
        size_t n = any(known[from].size - start + 1);

        n = n < LONGEST - size ? n : LONGEST - size;
        memcpy(data + size, known[from].data + start, n);
        size += n;
    }
    for (uint64_t changes = any(8); size != 0 && changes != 0; changes--)
        data[any(size)] = (uint8_t)any(256);
    return size;
}

int main(int argc, char **argv)
{
    uint64_t wanted = 0;
    bool verbose = false;
    time_t end = 0;
    int option;

    if (getrandom(&seed, sizeof(seed), 0) < 0)
        return 2;
    seed &= 0xffffffff;
    while ((option = getopt(argc, argv, "n:s:t:v")) != -1) {
        if (option == 'n')
            wanted = strtoull(optarg, NULL, 0);
        else if (option == 's')
            seed = strtoull(optarg, NULL, 0);
        else if (option == 'v')
            verbose = true;
        else if (option == 't')
            end = time(NULL) + (time_t)strtoll(optarg, NULL, 0);
        else
            return 2;
    }
    state = seed;
    signal(SIGABRT, on_abort);
    for (; optind < argc; optind++)
        read_any(argv[optind]);
    printf("fuzz: %u files were run; seed %" PRIu64 "\n", nknown, seed);
    fflush(stdout);
    for (; number < wanted || time(NULL) < end; number++) {
        uint8_t data[LONGEST];
        size_t size = make_input(data);
        uint8_t *exact = malloc(size != 0 ? size : 1); /* a read beyond its end is seen */

        if (exact == NULL)
            return 2;
        memcpy(exact, data, size);
        if (verbose)
            printf("%zu bytes, %02x first\n", size, size != 0 ? data[0] : 0u);
        run(exact, size);
        free(exact);
    }
    for (unsigned int i = 0; i < nknown; i++)
        free(known[i].data);
    printf("fuzz: %" PRIu64 " inputs at random were run\n", number);
    return 0;
}
