/* Spin locks of the core. Held for short, bounded stretches only; never across a sentry stay. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct spinlock {
	volatile uint32_t held;
};

static inline bool spin_trylock(struct spinlock *lock)
{
	return __atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) == 0;
}

static inline void spin_lock(struct spinlock *lock)
{
	while (!spin_trylock(lock))
		while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED))
			__builtin_ia32_pause();
}

static inline void spin_unlock(struct spinlock *lock)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}
