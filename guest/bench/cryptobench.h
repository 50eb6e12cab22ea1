/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cryptobench: how fast AES-128-CBC encryption is, by one way to it.
 */
#ifndef CRYPTOBENCH_H
#define CRYPTOBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KEY_BYTES	16
#define IV_BYTES	16
#define ERROR_BYTES	160
#define MOST_PROCESSES	64
#define MOST_BYTES	(64u << 20)

/* Every worker encrypts the same: the key and the IV here, the source of fill_source(). */
extern const uint8_t bench_key[KEY_BYTES];
extern const uint8_t bench_iv[IV_BYTES];

/*
 * What is encrypted again and again, in place (as openssl speed does it) or
 * not; both pieces of memory begin with a page.
 */
struct job {
	const char *path;	/* device node, or name of an algorithm; NULL for the usual */
	uint8_t *src, *dst;
	size_t size;
	size_t piece;		/* bytes that AF_ALG is given at once; 0 for all */
	bool apart;		/* encrypt into memory of its own, not in place */
};

/*
 * A way to encrypt. open() and encrypt() return 0 or a negative errno.
 * Nothing is closed: a worker ends after its run.
 */
struct way {
	const char *name;
	int (*open)(const struct job *job, void **state);
	int (*encrypt)(void *state);
};

/* Ends with NULL. */
extern const struct way *const ways[];
extern const struct way cryptodev_way, afalg_way;

struct options {
	const struct way *way;
	const char *path;
	size_t size, piece;
	unsigned int processes;
	double seconds;
	size_t beside;		/* size of the requests of one more process; 0 for none */
	uint32_t crc;		/* CRC-32 of the right ciphertext */
	bool check;		/* @crc was given */
};

/*
 * Nanoseconds, 32 buckets for each power of two: a value is known to 3 %.
 */
#define SUB_BITS	5
#define SUB_BUCKETS	(1u << SUB_BITS)
#define BUCKETS		((41 - SUB_BITS) * SUB_BUCKETS)

struct histogram {
	uint64_t count[BUCKETS];
	uint64_t most;
};

unsigned int bucket_of(uint64_t value);
uint64_t bucket_middle(unsigned int bucket);
void histogram_add(struct histogram *into, const struct histogram *more);
uint64_t histogram_percentile(const struct histogram *all, double share);

/* What a worker leaves in memory that it shares with the one who started it. */
struct outcome {
	uint64_t operations;
	uint64_t begun, ended;	/* CLOCK_MONOTONIC, ns */
	uint64_t user, system;	/* CPU time, ns */
	char error[ERROR_BYTES];
	struct histogram latency;
};

uint64_t monotonic(void);
uint32_t crc32_of(const uint8_t *data, size_t size);

/*
 * Makes ready, writes a byte to @ready, waits for the end of @go, works.
 * Returns the exit status; what went wrong is in @outcome.
 */
int work(const struct options *options, size_t size, bool check, int ready, int go,
	 struct outcome *outcome);

/* Runs all workers and prints one line of JSON. Returns the exit status. */
int run(const struct options *options);

#endif /* CRYPTOBENCH_H */
