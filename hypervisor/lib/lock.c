/* SPDX-License-Identifier: MIT */
/*
 * The slow paths of spinlocks.
 */
#include "hypervisor/lib/lock.h"

void spin_lock_wait(struct spinlock *lock, uint16_t ticket)
{
    while (atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket) {
        spin_wait();
    }
}

bool spin_trylock(struct spinlock *lock)
{
    uint16_t ticket = atomic_load_explicit(&lock->serving, memory_order_acquire);

    return atomic_compare_exchange_strong_explicit(&lock->next, &ticket, (uint16_t)(ticket + 1),
                                                   memory_order_acquire, memory_order_relaxed);
}
