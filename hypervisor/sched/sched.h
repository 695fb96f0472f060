/* SPDX-License-Identifier: MIT */
/*
 * Which vCPU runs where: weighted fair, work conserving, one run queue a CPU.
 */
#pragma once

#include "hypervisor/domain/domain.h"

#define SCHED_WEIGHT_DEFAULT 256u
#define PINNED_NOWHERE       UINT32_MAX

/*
 * Boot: make a CPU's idle vCPU (false: no memory); then, on that CPU, its queue:
 * the idle vCPU is `current` from now on.  idle_loop() (x86/entry.h) comes last.
 */
bool must_check sched_create_idle(unsigned int cpu);
void sched_setup_cpu(void);

int must_check sched_vcpu_create(struct vcpu *vcpu);
void sched_vcpu_destroy(struct vcpu *vcpu); /* it is down and off its CPU */

/* `vcpu` may have become runnable: queue it, interrupt a CPU if it should run now. */
void sched_wake(struct vcpu *vcpu);

/* `vcpu` may not run any more: take it off its queue; if running, have its CPU reschedule. */
void sched_sleep(struct vcpu *vcpu);

/* Wait until it is not loaded on any CPU; it must not be runnable.  Not for the caller's own. */
void sched_wait_descheduled(struct vcpu *vcpu);

/* Interrupt the CPU on which `vcpu` runs in guest mode, so that it sees pending events. */
void sched_kick(struct vcpu *vcpu);

/* The current vCPU gives way; from the hypercall, takes effect on return to the guest. */
void sched_give_way(void);

/* Block the current vCPU until an event is pending and unmasked (SCHEDOP_block). */
void sched_block(void);

/* The domain dies: stop SCHEDOP_watchdog's timers.  Hold no lock. */
void sched_watchdogs_stop(struct domain *domain);

/* Knobs: share of CPU time, where it may run. */
uint32_t sched_weight(const struct domain *domain);
int must_check sched_set_weight(struct domain *domain, uint32_t weight);
int must_check sched_affinity_set(struct vcpu *vcpu, const struct cpumask *hard,
                                  const struct cpumask *soft);
void sched_affinity_get(const struct vcpu *vcpu, struct cpumask *hard, struct cpumask *soft);

/*
 * SCHEDOP_pin_override; PINNED_NOWHERE unpins.  -XEN_EBUSY if it is pinned already;
 * -XEN_EINVAL to unpin one that is not.
 */
int must_check sched_pin(struct vcpu *vcpu, unsigned int cpu);

/* The one CPU it may run on; CPU_LIMIT if there are several. */
unsigned int sched_pinned_cpu(const struct vcpu *vcpu);

uint64_t sched_idle_ns(unsigned int cpu);

/* For the debug key: run queues on the console. */
void sched_dump(void);

/*
 * Provided by pv/context.c: leave `from`, load `to` on this CPU (registers,
 * segments, FPU, CR3).  Either may be an idle vCPU.  Returns on the same stack.
 */
void context_switch(struct vcpu *from, struct vcpu *to);
