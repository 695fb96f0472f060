/* SPDX-License-Identifier: MIT */
/*
 * domctl and sysctl: what the toolstack asks of domains and of the machine.
 * docs/hypervisor/control.md.
 */
#pragma once

#include "guest-pv-headers/domctl.h"
#include "hypervisor/domain/domain.h"
#include "hypervisor/pv/cpu_policy.h"

/* What is known of a domain that the caller holds. */
void control_domain_info(const struct domain *domain, struct xen_domctl_getdomaininfo *info);

/* A set of CPUs, from and to a bitmap of the toolstack's: -XEN_EFAULT, -XEN_EINVAL if it is huge.
 */
int must_check control_take_cpus(struct cpumask *to, const struct xenctl_bitmap *from);
int must_check control_give_cpus(const struct xenctl_bitmap *to, const struct cpumask *from);

/*
 * A policy's leaves, and its MSRs, of which there are none.  In: room, out:
 * number, also where both arrays are null.  -XEN_ENOBUFS, -XEN_EFAULT.
 */
int must_check control_give_policy(const struct cpu_policy *policy, uint32_t *leaf_count,
                                   struct xen_cpuid_leaf __guest *leaves, uint32_t *msr_count,
                                   const struct xen_msr_entry __guest *msrs);

/* One row for each command of domctl: the table is in domctl.c. */
typedef long domctl_function(struct domain *domain, struct xen_domctl *op);

/* domctl_vcpu.c */
domctl_function domctl_max_vcpus, domctl_set_context, domctl_get_context, domctl_vcpu_info,
    domctl_affinity, domctl_scheduler, domctl_send_trigger, domctl_get_policy, domctl_set_policy,
    domctl_get_tsc, domctl_set_tsc;
