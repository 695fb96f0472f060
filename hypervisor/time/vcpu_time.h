/* SPDX-License-Identifier: MIT */
/*
 * A guest's time: pvclock pages, the wall clock in the shared info page, its
 * timers, and the account of how its vCPUs spent their time (runstate).
 */
#pragma once

#include "guest-pv-headers/vcpu.h"
#include "hypervisor/lib/types.h"

struct domain;
struct vcpu;

int must_check vcpu_time_create(struct vcpu *vcpu);

/*
 * Its domain dies: stop its timers, drop its areas.  The rest stays, for the account
 * goes on while anybody can name the vCPU.  destroy: nobody can any more.
 */
void vcpu_time_stop(struct vcpu *vcpu);
void vcpu_time_destroy(struct vcpu *vcpu);

/*
 * sched/ calls these.  `state` is RUNSTATE_*, entered at system time `now`; under
 * the run queue's lock, and not for idle vCPUs.  time_loaded: the vCPU was just
 * loaded on this CPU; time_unloaded: it is about to be saved.
 */
void vcpu_time_runstate(struct vcpu *vcpu, int state, uint64_t now);
void vcpu_time_loaded(struct vcpu *vcpu);
void vcpu_time_unloaded(struct vcpu *vcpu);

/* How it spent its time up to now; from any CPU. */
void vcpu_time_runstate_get(const struct vcpu *vcpu, struct vcpu_runstate_info *out);
long vcpu_time_runstate_tell(const struct vcpu *vcpu, uint64_t guest_address);

/* Write the pvclock fields of vcpu_info (the registered copy is due then); on its own CPU or while
 * new. */
void vcpu_time_publish(struct vcpu *vcpu);

/* Write wc_sec and friends of a domain's shared info page. */
void domain_wall_clock_publish(const struct domain *domain);

/*
 * Hypercalls (argument structs in guest-pv-headers/vcpu.h); each on any vCPU of
 * the caller's domain except where the ABI says only on itself.
 */
long vcpu_time_set_singleshot(struct vcpu *vcpu, uint64_t deadline_ns, uint32_t flags);
long vcpu_time_stop_singleshot(struct vcpu *vcpu);
long vcpu_time_set_periodic(struct vcpu *vcpu, uint64_t period_ns);
long vcpu_time_stop_periodic(struct vcpu *vcpu);
long vcpu_time_register_runstate(struct vcpu *vcpu, uint64_t guest_address);
long vcpu_time_register_clock(struct vcpu *vcpu, uint64_t guest_address);
