/* SPDX-License-Identifier: MIT */
/*
 * The 2-level scheme: a pending and a mask bit for each of 4,096 ports in the
 * shared info page, and in each vCPU's vcpu_info a selector with a bit for each
 * word of 64 ports.
 *
 * Whoever turns a bit from 0 to 1 goes on to the next level; who finds it set
 * leaves the rest to the one who set it.  All steps are full barriers.  Open
 * ports of a domain without a fifo are below 4,096: no range checks here.
 */
#include "hypervisor/event/channels.h"

/* The port became pending and is not masked: the selector, then the vCPU. */
static inline void select_port(struct vcpu *vcpu, uint32_t port)
{
    struct vcpu_info *info = read_once(vcpu->info);

    if (!bit_test_and_set(&info->evtchn_pending_sel, port / 64)) {
        vcpu_mark_events_pending(vcpu);
    }
}

void two_level_raise(struct domain *domain, struct vcpu *vcpu, uint32_t port)
{
    struct shared_info *shared = domain->shared_info;

    if (bit_test_and_set(shared->evtchn_pending, port)) {
        return;
    }
    if (!bit_test(shared->evtchn_mask, port)) {
        select_port(vcpu, port);
    }
    pollers_check(domain, port);
}

void two_level_unmask(struct domain *domain, struct vcpu *vcpu, uint32_t port)
{
    struct shared_info *shared = domain->shared_info;

    if (bit_test_and_clear(shared->evtchn_mask, port) && bit_test(shared->evtchn_pending, port)) {
        select_port(vcpu, port);
    }
}

bool two_level_pending(const struct domain *domain, uint32_t port)
{
    return bit_test(domain->shared_info->evtchn_pending, port);
}

bool two_level_masked(const struct domain *domain, uint32_t port)
{
    return bit_test(domain->shared_info->evtchn_mask, port);
}

void two_level_clear(struct domain *domain, uint32_t port)
{
    (void)bit_test_and_clear(domain->shared_info->evtchn_pending, port);
}
