/* SPDX-License-Identifier: MIT */
/*
 * TLB flushes, here and on other CPUs.
 *
 * One request is under way at a time.  The requester fills it in, adds the
 * targets to `waiting` and interrupts them; a target flushes and takes itself
 * out.  Whoever spins for anything serves its own request meanwhile, so two CPUs
 * can wait for each other without harm.
 */
#include "hypervisor/x86/tlb.h"

#include "hypervisor/lib/lock.h"
#include "hypervisor/x86/smp.h"

/*
 * 64 bits, for a CPU may go without a flush for as long as it likes.  A stamp has the
 * lower half: one that the clock has passed more than once counts as younger.
 */
static _Atomic uint64_t flush_clock = 1;
static _Atomic uint64_t flushed_at[CPU_LIMIT]; /* the clock when each CPU last flushed all */

static struct {
    _Atomic uint32_t taken; /* 1: somebody's request is under way */
    uint64_t address;
    struct cpumask waiting;
} request;

uint32_t tlb_clock(void)
{
    return (uint32_t)atomic_load_explicit(&flush_clock, memory_order_relaxed);
}

/*
 * The clock moves with each flush, so a stamp taken before the flush is less
 * than what the CPU notes here, and one taken after it is not.
 */
void tlb_load_cr3(uint64_t cr3)
{
    uint64_t now = atomic_fetch_add_explicit(&flush_clock, 1, memory_order_seq_cst) + 1;

    tlb_forget_other_mode();
    write_cr3(cr3);
    atomic_store_explicit(&flushed_at[cpu_id()], now, memory_order_release);
}

void tlb_flush_local(void)
{
    tlb_load_cr3(read_cr3());
}

void tlb_flush_here(uint64_t address)
{
    if (address == TLB_FLUSH_ALL) {
        tlb_flush_local();
    } else {
        tlb_forget_other_mode();
        invlpg(address);
    }
}

void tlb_serve(void)
{
    unsigned int cpu = cpu_id();

    if (cpumask_has(&request.waiting, cpu)) {
        tlb_flush_here(request.address);
        cpumask_remove(&request.waiting, cpu);
    }
}

void spin_wait(void)
{
    tlb_serve();
    smp_stop_if_told();
    cpu_pause();
}

/* Only as much of a mask is looked at as there are CPUs. */
static inline bool others_in(const struct cpumask *mask, unsigned int self)
{
    uint64_t others = read_once(mask->bits[self / 64]) & ~(UINT64_C(1) << self % 64);

    for (unsigned int i = 0; i < DIV_ROUND_UP(cpu_count, 64u); i++) {
        others |= i != self / 64 ? read_once(mask->bits[i]) : 0;
    }
    return others != 0;
}

void tlb_flush_mask(const struct cpumask *mask, uint64_t address)
{
    unsigned int self = cpu_id(), cpu;
    struct cpumask targets;

    if (cpumask_has(mask, self)) {
        tlb_flush_here(address);
    }
    if (likely(!others_in(mask, self))) {
        return;
    }
    targets = cpumask_and(mask, &cpus_online);
    cpumask_remove(&targets, self);

    while (atomic_exchange_explicit(&request.taken, 1, memory_order_acquire) != 0) {
        spin_wait();
    }
    request.address = address;
    for (unsigned int i = 0; i < ARRAY_SIZE(targets.bits); i++) {
        store_release(&request.waiting.bits[i], targets.bits[i]);
    }
    FOR_EACH_CPU(cpu, &targets)
    {
        cpu_send(cpu, VECTOR_TLB_FLUSH);
    }
    while (!cpumask_empty(&request.waiting)) {
        spin_wait();
    }
    atomic_store_explicit(&request.taken, 0, memory_order_release);
}

void tlb_flush_older(const struct cpumask *mask, uint32_t stamp)
{
    uint64_t now = atomic_load_explicit(&flush_clock, memory_order_relaxed);
    uint64_t stamped = now - (uint32_t)((uint32_t)now - stamp);
    unsigned int self = cpu_id();
    struct cpumask stale;
    bool any = false;

    for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
        if (likely(atomic_load_explicit(&flushed_at[cpu], memory_order_acquire) > stamped) ||
            !cpumask_has(mask, cpu)) {
            continue;
        }
        if (cpu == self) { /* by far the most frequent */
            tlb_flush_local();
            continue;
        }
        if (!any) {
            stale = (struct cpumask){ { 0 } };
            any = true;
        }
        cpumask_add(&stale, cpu);
    }
    if (any) {
        tlb_flush_mask(&stale, TLB_FLUSH_ALL);
    }
}
