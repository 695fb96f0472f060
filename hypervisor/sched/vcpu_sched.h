/* SPDX-License-Identifier: MIT */
/*
 * What the scheduler keeps for each vCPU; for sched/ only.
 */
#pragma once

#include "hypervisor/domain/domain.h"
#include "hypervisor/lib/list.h"

/* All under the lock of the queue of vcpu.cpu, except where it says otherwise. */
struct vcpu_sched {
    struct list link; /* in its queue while `queued` */
    struct vcpu *vcpu;
    uint64_t virtual_ns; /* time it ran, weighted, as its queue counts */
    bool queued;
    uint32_t weight;
    uint32_t pinned; /* SCHEDOP_pin_override: the only CPU, or PINNED_NOWHERE */
    struct cpumask hard, soft;

    struct timer poll_timer; /* SCHEDOP_poll's timeout; the vCPU's own CPU arms it */
};
