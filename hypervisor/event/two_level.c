/* SPDX-License-Identifier: MIT */
/*
 * The 2-level scheme: a pending and a mask bit for each of 4,096 ports in the
 * shared info page, and in each vCPU's vcpu_info a selector with a bit for each
 * word of 64 ports.
 *
 * Whoever turns a bit from 0 to 1 goes on to the next level; who finds it set
 * leaves the rest to the one who set it.  All steps are full barriers; raising is
 * inline (channels.h), the rest is here.  Open
 * ports of a domain without a fifo are below 4,096: no range checks here.
 */
#include "hypervisor/event/channels.h"

void two_level_unmask(struct domain *domain, uint32_t port)
{
    struct shared_info *shared = domain->shared_info;

    if (bit_test_and_clear(shared->evtchn_mask, port) && bit_test(shared->evtchn_pending, port)) {
        two_level_select(port_vcpu(domain, port), port);
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
