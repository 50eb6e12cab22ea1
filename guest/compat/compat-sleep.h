/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Semaphores, completions and queues of those who wait. */
#ifndef COMPAT_SLEEP_H
#define COMPAT_SLEEP_H

/* 2.6.37: a semaphore is not a mutex, and not called one. */
#define init_MUTEX(semaphore)		sema_init(semaphore, 1)
#define init_MUTEX_LOCKED(semaphore)	sema_init(semaphore, 0)
#define DECLARE_MUTEX(name) \
	struct semaphore name = __SEMAPHORE_INITIALIZER(name, 1)

/* 6.4: it is said how many may pass. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#undef DEFINE_SEMAPHORE
#define compat_define_semaphore_1(name) \
	struct semaphore name = __SEMAPHORE_INITIALIZER(name, 1)
#define compat_define_semaphore_2(name, count) \
	struct semaphore name = __SEMAPHORE_INITIALIZER(name, count)
#define DEFINE_SEMAPHORE(...) \
	COMPAT_BY_COUNT(compat_define_semaphore_, __VA_ARGS__)
#endif

/* 3.13 */
#ifndef INIT_COMPLETION
#define INIT_COMPLETION(completion)	reinit_completion(&(completion))
#endif

/* 4.13 */
typedef struct wait_queue_entry wait_queue_t;

/* 4.0 and before: a barrier for each operation. */
#define smp_mb__before_clear_bit	smp_mb__before_atomic
#define smp_mb__after_clear_bit		smp_mb__after_atomic
#define smp_mb__before_atomic_inc	smp_mb__before_atomic
#define smp_mb__after_atomic_inc	smp_mb__after_atomic
#define smp_mb__before_atomic_dec	smp_mb__before_atomic
#define smp_mb__after_atomic_dec	smp_mb__after_atomic

#endif /* COMPAT_SLEEP_H */
