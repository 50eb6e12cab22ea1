// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A histogram whose buckets are as wide as their place is far from 0.
 */
#include "cryptobench.h"

unsigned int bucket_of(uint64_t value)
{
	unsigned int power, bucket;

	if (value < SUB_BUCKETS)
		return value;
	power = 63 - __builtin_clzll(value);
	bucket = (power - SUB_BITS + 1) * SUB_BUCKETS +
		 ((value >> (power - SUB_BITS)) & (SUB_BUCKETS - 1));
	return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

uint64_t bucket_middle(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < 2 * SUB_BUCKETS)
		return bucket;
	shift = bucket / SUB_BUCKETS - 1;
	return ((uint64_t)(SUB_BUCKETS + bucket % SUB_BUCKETS) << shift) + (1ull << shift) / 2;
}

void histogram_add(struct histogram *into, const struct histogram *more)
{
	unsigned int i;

	for (i = 0; i < BUCKETS; i++)
		into->count[i] += more->count[i];
	if (more->most > into->most)
		into->most = more->most;
}

/* Returns the value that @share of all values do not exceed; 0 when there are none. */
uint64_t histogram_percentile(const struct histogram *all, double share)
{
	uint64_t total = 0, seen = 0, wanted;
	unsigned int i;

	for (i = 0; i < BUCKETS; i++)
		total += all->count[i];
	if (!total)
		return 0;
	wanted = (uint64_t)(share * total);
	if (wanted >= total)
		wanted = total - 1;
	for (i = 0; i < BUCKETS; i++) {
		seen += all->count[i];
		if (seen > wanted)
			break;
	}
	return bucket_middle(i) < all->most ? bucket_middle(i) : all->most;
}
