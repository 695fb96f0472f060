/* SPDX-License-Identifier: MIT */
/*
 * Ticket spinlocks, and the one order in which they are taken.
 *
 * The core runs with interrupts off (docs/hypervisor/traps.md), so a lock never
 * needs to mask them.  A CPU that waits for a lock serves TLB-flush requests of
 * other CPUs meanwhile (spin_wait), so the holder may wait for a flush.
 *
 * Ranks: a CPU takes locks top first and holds at most one of each rank;
 * spin_lock_both() is the exception, lower address first.  Debug builds check it.
 * docs/hypervisor/locking.md says what each protects.
 */
#pragma once

#include "hypervisor/lib/types.h"

#include <stdatomic.h>

enum lock_rank {
    RANK_DOMAIN_LIST, /* the list of domains                            */
    RANK_DOMAIN,      /* domain.lock: life cycle, vCPU set-up, pirqs    */
    RANK_GRANT,       /* grant table: its growth and version            */
    RANK_IRQ,         /* physical interrupt lines and their bindings    */
    RANK_EVENT,       /* event_channels.lock: ports, their bindings     */
    RANK_EVENT_QUEUE, /* one FIFO event queue                           */
    RANK_PAGE_TABLE,  /* one page-table page's entries                  */
    RANK_PAGE_LIST,   /* domain.page_lock: its list of pages, counts    */
    RANK_SCHEDULER,   /* one run queue                                  */
    RANK_TIMER,       /* one CPU's timers                               */
    RANK_PAGING,      /* the core's own page tables                     */
    RANK_OBJECT,      /* small objects of the heap                      */
    RANK_HEAP,        /* free frames                                    */
    RANK_DEVICE,      /* one device's registers (I/O APIC, PCI): leaf   */
    RANK_CONSOLE,     /* console output: leaf, taken anywhere           */
    RANK_LIMIT,
};

#ifdef __clang__
#define CAPABILITY(name) __attribute__((capability(name)))
#define ACQUIRES(...)    __attribute__((acquire_capability(__VA_ARGS__)))
#define RELEASES(...)    __attribute__((release_capability(__VA_ARGS__)))
#define REQUIRES(...)    __attribute__((requires_capability(__VA_ARGS__)))
#define NO_LOCK_ANALYSIS __attribute__((no_thread_safety_analysis))
#else
#define CAPABILITY(name)
#define ACQUIRES(...)
#define RELEASES(...)
#define REQUIRES(...)
#define NO_LOCK_ANALYSIS
#endif

struct CAPABILITY("spinlock") spinlock {
    _Atomic uint16_t next;    /* ticket the next comer draws */
    _Atomic uint16_t serving; /* ticket that holds the lock  */
    uint8_t rank;
};

#define SPINLOCK_INIT(rank_) \
    {                        \
        0, 0, (rank_)        \
    }

static inline void spinlock_init(struct spinlock *lock, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INIT((uint8_t)rank);
}

/* Pause, and serve what other CPUs wait for (x86/tlb.c; a fake in unit tests). */
void spin_wait(void);

/* The slow half of spin_lock(): wait until `ticket` is served. */
void spin_lock_wait(struct spinlock *lock, uint16_t ticket);

/* Debug builds: may it be taken now?  `second`: of two of a rank (x86/lock_order.c). */
#if defined(PARAVANE_CORE) && defined(PARAVANE_DEBUG)
void lock_order_take(uint8_t rank, bool second);
void lock_order_drop(uint8_t rank);
#else
#define lock_order_take(rank, second) ((void)0)
#define lock_order_drop(rank)         ((void)0)
#endif

static inline void spin_lock_unchecked(struct spinlock *lock) NO_LOCK_ANALYSIS
{
    uint16_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);

    if (unlikely(atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket)) {
        spin_lock_wait(lock, ticket);
    }
}

static inline void spin_lock(struct spinlock *lock) ACQUIRES(*lock) NO_LOCK_ANALYSIS
{
    lock_order_take(lock->rank, false);
    spin_lock_unchecked(lock);
}

static inline void spin_unlock(struct spinlock *lock) RELEASES(*lock) NO_LOCK_ANALYSIS
{
    lock_order_drop(lock->rank);
    uint16_t now = atomic_load_explicit(&lock->serving, memory_order_relaxed);

    atomic_store_explicit(&lock->serving, (uint16_t)(now + 1), memory_order_release);
}

/* True, and the lock is held, if nobody held it. */
bool spin_trylock(struct spinlock *lock);

/* Two locks of one rank, in address order; once if they are the same. */
static inline void spin_lock_both(struct spinlock *a, struct spinlock *b) NO_LOCK_ANALYSIS
{
    spin_lock((uintptr_t)a < (uintptr_t)b ? a : b);
    if (a != b) {
        lock_order_take(b->rank, true);
        spin_lock_unchecked((uintptr_t)a < (uintptr_t)b ? b : a);
    }
}

static inline void spin_unlock_both(struct spinlock *a, struct spinlock *b) NO_LOCK_ANALYSIS
{
    spin_unlock(a);
    if (a != b) {
        spin_unlock(b);
    }
}
