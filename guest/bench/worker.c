// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One process that encrypts, and looks at the clock after each operation.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cryptobench.h"

#define WARM_NANOSECONDS	20000000u
#define PAGE_BYTES		4096

const uint8_t bench_key[KEY_BYTES] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
};
const uint8_t bench_iv[IV_BYTES] = {
	240, 241, 242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255,
};

uint64_t monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* The CRC of IEEE 802.3, as zlib counts it. */
uint32_t crc32_of(const uint8_t *data, size_t size)
{
	uint32_t crc = 0xffffffff;
	size_t i;
	int bit;

	for (i = 0; i < size; i++) {
		crc ^= data[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/*
 * Each block is its own number, four times: no two are the same, and an
 * answer with blocks in another order is wrong.
 */
static void fill_source(uint8_t *src, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		src[i] = (i / 16 >> 8 * (i % 4)) + 17 * (i % 16);
}

static int make_job(struct job *job, const struct options *options, size_t size)
{
	job->path = options->path;
	job->piece = options->piece;
	job->size = size;
	if (posix_memalign((void **)&job->src, PAGE_BYTES, size))
		return -ENOMEM;
	fill_source(job->src, size);
	job->dst = job->src;
	if (!options->apart)
		return 0;
	if (posix_memalign((void **)&job->dst, PAGE_BYTES, size))
		return -ENOMEM;
	/* Present before the first operation: what is timed takes no page faults. */
	memset(job->dst, 0, size);
	return 0;
}

static int fail(struct outcome *outcome, const char *doing, int error)
{
	snprintf(outcome->error, sizeof(outcome->error), "%s: %s", doing, strerror(-error));
	return 1;
}

/* The first operation, and then some: caches and an emulator's translations get warm. */
static int warm(const struct way *way, void *state, const struct job *job,
		const struct options *options, bool check, struct outcome *outcome)
{
	uint64_t end = monotonic() + WARM_NANOSECONDS;
	uint32_t crc;
	int err;

	err = way->encrypt(state);
	if (err)
		return fail(outcome, "the first operation", err);
	crc = crc32_of(job->dst, job->size);
	if (check && crc != options->crc) {
		snprintf(outcome->error, sizeof(outcome->error),
			 "wrong ciphertext: its CRC is %08x, not %08x", crc, options->crc);
		return 1;
	}
	while (monotonic() < end) {
		err = way->encrypt(state);
		if (err)
			return fail(outcome, "warming up", err);
	}
	return 0;
}

static uint64_t nanoseconds(struct timeval time)
{
	return time.tv_sec * 1000000000ull + time.tv_usec * 1000ull;
}

static int stream(const struct way *way, void *state, double seconds, struct outcome *outcome)
{
	struct histogram *latency = &outcome->latency;
	struct rusage before, after;
	uint64_t now, last, end;
	int err;

	getrusage(RUSAGE_SELF, &before);
	outcome->begun = last = now = monotonic();
	end = now + (uint64_t)(seconds * 1e9);
	/* The clock is read once for each operation: the end of one is the beginning of the next. */
	while (now < end) {
		err = way->encrypt(state);
		if (err)
			return fail(outcome, "an operation", err);
		now = monotonic();
		latency->count[bucket_of(now - last)]++;
		if (now - last > latency->most)
			latency->most = now - last;
		last = now;
		outcome->operations++;
	}
	outcome->ended = now;
	getrusage(RUSAGE_SELF, &after);
	outcome->user = nanoseconds(after.ru_utime) - nanoseconds(before.ru_utime);
	outcome->system = nanoseconds(after.ru_stime) - nanoseconds(before.ru_stime);
	return 0;
}

int work(const struct options *options, size_t size, bool check, int ready, int go,
	 struct outcome *outcome)
{
	const struct way *way = options->way;
	struct job job;
	void *state;
	char nothing;
	int err;

	err = make_job(&job, options, size);
	if (err)
		return fail(outcome, "getting memory", err);
	err = way->open(&job, &state);
	if (err)
		return fail(outcome, "opening", err);
	if (warm(way, state, &job, options, check, outcome))
		return 1;
	if (write(ready, "r", 1) != 1)
		return fail(outcome, "saying that it is ready", -errno);
	/* Whoever started us lets everybody go at once by closing the other end. */
	while (read(go, &nothing, 1) < 0)
		if (errno != EINTR)
			return fail(outcome, "waiting for the start", -errno);
	return stream(way, state, options->seconds, outcome);
}
