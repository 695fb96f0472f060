/* SPDX-License-Identifier: MIT */
/*
 * Soft interrupts: a word of bits for each CPU, looked at on the way out.
 *
 * Whoever leaves the core (to a guest, to HLT) looks with interrupts off, so a
 * bit raised before, or by an interrupt after that, is never overlooked.
 */
#include "hypervisor/x86/percpu.h"

#include "hypervisor/lib/panic.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/smp.h"

static void (*handlers[SOFTIRQ_LIMIT])(void);

void softirq_register(enum softirq which, void (*handler)(void))
{
    ASSERT(handlers[which] == NULL);
    handlers[which] = handler;
}

void softirq_raise_on(unsigned int cpu, enum softirq which)
{
    uint32_t bit = 1u << which;
    uint32_t old;

    if (cpu == cpu_id()) {
        softirq_raise(which);
        return;
    }
    old = atomic_fetch_or(&cpu_info_of(cpu)->softirq_pending, bit);
    if ((old & bit) == 0) {
        /* Had it been set, an interrupt would be on its way, or that CPU about to look. */
        cpu_send(cpu, VECTOR_WAKE);
    }
}

void softirq_run(void)
{
    struct cpu_info *cpu = this_cpu();
    uint32_t pending;

    ASSERT(cpu->locks_held == 0);
    while ((pending = atomic_load_explicit(&cpu->softirq_pending, memory_order_relaxed)) != 0) {
        unsigned int which = (unsigned int)__builtin_ctz(pending);

        /* Cleared first: what is raised from here on gets another run.  A full barrier. */
        atomic_fetch_and(&cpu->softirq_pending, ~(1u << which));
        handlers[which]();
    }
}

void softirq_wait(void)
{
    if (!softirq_pending()) {
        cpu_wait_for_interrupt();
    }
}
