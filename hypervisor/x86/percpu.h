/* SPDX-License-Identifier: MIT */
/*
 * What each CPU has for itself, at the top of its stack.
 *
 * A stack is CPU_STACK_SIZE bytes at a multiple of that, so that the stack
 * pointer alone finds this structure, in every context, NMI included:
 *
 *   page 0  debug exception        page 3  machine check
 *   page 1  double fault           page 4  SYSCALL entry stubs (read-only: the guard)
 *   page 2  NMI                    pages 5 to 7  main stack, struct cpu_info on top
 *
 * Larger things a subsystem has per CPU are arrays in that subsystem, indexed
 * by cpu_id().
 */
#pragma once

#include "hypervisor/x86/address_space.h"
#include "hypervisor/x86/regs.h"

#include <stdatomic.h>

struct vcpu;

/* Work to be done before this CPU returns to a guest or idles. */
enum softirq {
    SOFTIRQ_TIMER,    /* time/timer.c: run expired timers    */
    SOFTIRQ_GUEST,    /* pv/traps.c: what the current vCPU is owed */
    SOFTIRQ_LOG,      /* hypercalls/misc.c: tell who reads the log that it grew */
    SOFTIRQ_SCHEDULE, /* sched/: choose the vCPU to run; last, for an idle CPU comes back to it
                         while anything else is pending */
    SOFTIRQ_LIMIT,
};

struct cpu_info {
    struct cpu_regs regs; /* of the guest this CPU left; its end is where entries push */
    struct vcpu *current; /* the vCPU whose state is loaded; the idle vCPU counts as one */
    _Atomic uint32_t softirq_pending; /* bits of enum softirq */
    uint32_t id;                      /* 0 is the boot CPU; dense */
    _Atomic uint32_t event_sends;     /* odd while this CPU sends an event: event/channels.h */
    uint32_t locks_held;              /* bits of enum lock_rank, in debug builds */
    uint64_t cr3_keep;                /* CR3_KEEP if the other of a vCPU's modes has lost nothing */
};

_Static_assert((sizeof(struct cpu_info) - sizeof(struct cpu_regs)) % 16 == 0,
               "the CPU aligns rsp to 16 before it pushes");

#ifdef PARAVANE_CORE
static always_inline struct cpu_info *this_cpu(void)
{
    uint64_t sp;

    __asm__("mov %%rsp, %0" : "=r"(sp));
    return (struct cpu_info *)((sp | (CPU_STACK_SIZE - 1)) + 1) - 1;
}
#else
struct cpu_info *this_cpu(void); /* tests/fake */
#endif

#define current (this_cpu()->current)

static inline unsigned int cpu_id(void)
{
    return this_cpu()->id;
}

/* The cpu_info of any CPU that was started. */
struct cpu_info *cpu_info_of(unsigned int cpu);

/* --- soft interrupts (x86/softirq.c) --- */

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
