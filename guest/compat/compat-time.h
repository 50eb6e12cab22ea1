/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 5.6: no more time in what was 32 bits wide on some machines. */
#ifndef COMPAT_TIME_H
#define COMPAT_TIME_H

#include <linux/ktime.h>
#include <linux/timekeeping.h>

struct timespec {
	long tv_sec;
	long tv_nsec;
};

struct timeval {
	long tv_sec;
	long tv_usec;
};

static inline void getnstimeofday(struct timespec *now)
{
	struct timespec64 wide;

	ktime_get_real_ts64(&wide);
	now->tv_sec = wide.tv_sec;
	now->tv_nsec = wide.tv_nsec;
}

static inline void do_gettimeofday(struct timeval *now)
{
	struct timespec64 wide;

	ktime_get_real_ts64(&wide);
	now->tv_sec = wide.tv_sec;
	now->tv_usec = wide.tv_nsec / NSEC_PER_USEC;
}

static inline struct timespec current_kernel_time(void)
{
	struct timespec now;

	getnstimeofday(&now);
	return now;
}

static inline unsigned long get_seconds(void)
{
	return ktime_get_real_seconds();
}

static inline s64 timespec_to_ns(const struct timespec *time)
{
	return (s64)time->tv_sec * NSEC_PER_SEC + time->tv_nsec;
}

static inline s64 timeval_to_ns(const struct timeval *time)
{
	return (s64)time->tv_sec * NSEC_PER_SEC +
	       time->tv_usec * NSEC_PER_USEC;
}

#define CURRENT_TIME		current_kernel_time()
#define CURRENT_TIME_SEC	current_kernel_time()

#endif /* COMPAT_TIME_H */
