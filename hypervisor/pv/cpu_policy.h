/* SPDX-License-Identifier: MIT */
/*
 * What CPUID tells a domain: the host's leaves through an allow-list of feature
 * bits (cpu_policy.c), kept as a sorted array of leaves.
 *
 * What depends on the vCPU or its state (APIC id, OSXSAVE, sizes by XCR0) and
 * the hypervisor's own leaves are made when they are asked for.
 */
#pragma once

#include "hypervisor/domain/domain.h"
#include "hypervisor/x86/cpu.h"

#define CPU_POLICY_LEAVES 64u

struct cpu_policy {
    uint32_t count;           /* of leaves, in order of leaf and sub-leaf */
    uint32_t tsc_mode;        /* TSC_MODE_* as the toolstack set it; told in a Xen leaf */
    uint32_t tsc_incarnation; /* restores so far */
    struct xen_cpuid_leaf leaves[CPU_POLICY_LEAVES];
};

#define TSC_MODE_DEFAULT       0u
#define TSC_MODE_NEVER_EMULATE 2u

/* The most any guest can be given on the machine `read` tells of; once, before any domain. */
void cpu_policy_detect(struct cpuid_regs (*read)(uint32_t leaf, uint32_t subleaf));

/* What that came to; and its feature bits as words in the ABI's order, 0 beyond the known ones. */
extern struct cpu_policy cpu_policy_host;
void cpu_policy_features(uint32_t *words, unsigned int count);

/* domain->cpu_policy as a new domain gets it: all of the above (heap_alloc).  -XEN_ENOMEM. */
int must_check cpu_policy_create(struct domain *domain);

/*
 * Take leaves of a toolstack's into a policy: values of known leaves, which may
 * only lack feature bits the host has.  Other leaves are left as they are.  On
 * -XEN_EINVAL the policy is unchanged and *bad is the index of the culprit.
 * The domain does not run meanwhile.
 */
int must_check cpu_policy_merge(struct cpu_policy *policy, const struct xen_cpuid_leaf *leaves,
                                uint32_t count, uint32_t *bad);

/* CPUID as executed on a vCPU. */
struct cpuid_regs pv_cpuid(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf);

/* May a guest's XSETBV load this value? */
bool pv_xcr0_valid(const struct vcpu *vcpu, uint64_t xcr0);

/* Bits of CR4 the guest may set, by what its CPUID tells it. */
uint64_t pv_cr4_allowed(const struct vcpu *vcpu);
