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

    if (!atomic_compare_exchange_strong_explicit(&lock->next, &ticket, (uint16_t)(ticket + 1),
                                                 memory_order_acquire, memory_order_relaxed)) {
        return false;
    }
    return true;
}

void spin_lock_both(struct spinlock *a, struct spinlock *b) NO_LOCK_ANALYSIS
{
    spin_lock((uintptr_t)a < (uintptr_t)b ? a : b);
    if (a != b) {
        spin_lock((uintptr_t)a < (uintptr_t)b ? b : a);
    }
}

void spin_unlock_both(struct spinlock *a, struct spinlock *b) NO_LOCK_ANALYSIS
{
    spin_unlock(a);
    if (a != b) {
        spin_unlock(b);
    }
}
