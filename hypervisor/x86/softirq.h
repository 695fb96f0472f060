/* SPDX-License-Identifier: MIT */
/*
 * Work an interrupt asks for, done before the CPU returns to a guest or idles.
 */
#ifndef HYPERVISOR_X86_SOFTIRQ_H
#define HYPERVISOR_X86_SOFTIRQ_H

#include "hypervisor/x86/percpu.h"

#include <stdatomic.h>

/* Ask this CPU. */
static inline void softirq_raise(enum softirq which)
{
    atomic_fetch_or_explicit(&this_cpu()->softirq_pending, 1u << which, memory_order_relaxed);
}

/* Ask any CPU; it is interrupted if it is another one. */
void softirq_raise_on(unsigned int cpu, enum softirq which);

static inline bool softirq_pending(void)
{
    return atomic_load_explicit(&this_cpu()->softirq_pending, memory_order_relaxed) != 0;
}

/* Say who does the work; once for each kind, at boot. */
void softirq_register(enum softirq which, void (*handler)(void));

/* Do what is pending.  May switch `current`: call it with nothing in hand. */
void softirq_run(void);

/* Nothing to do: wait in HLT for an interrupt, or until something is pending. */
void softirq_wait(void);

/*
 * For long operations: let interrupts in and tell whether the operation should
 * stop and be continued later.  Call it with no lock held.
 */
bool preempt_pending(void);

#endif
