/* SPDX-License-Identifier: MIT */
/*
 * The hypercalls on page tables: mmu_update, mmuext_op, update_va_mapping.
 */
#ifndef HYPERVISOR_PV_MMU_H
#define HYPERVISOR_PV_MMU_H

#include "hypervisor/domain/domain.h"

/* In the count of a call that is continued: it was preempted (the core's own convention). */
#define MMU_UPDATE_PREEMPTED UINT64_C(0x80000000)

long hypercall_mmu_update(uint64_t updates, uint64_t count, uint64_t done, uint64_t domains);
long hypercall_mmuext_op(uint64_t operations, uint64_t count, uint64_t done, uint64_t domain);
long hypercall_update_va_mapping(uint64_t address, uint64_t entry, uint64_t flags);
long hypercall_update_va_mapping_otherdomain(uint64_t address, uint64_t entry, uint64_t flags,
                                             uint64_t domain);

/* Load another top-level table for the current vCPU's kernel: 0, -XEN_EINVAL, -XEN_ERESTART. */
int must_check mmu_new_kernel_base(struct vcpu *vcpu, mfn_t frame);

/* The CPUs on which the vCPUs of a guest's bitmap run now; -XEN_EFAULT. */
int must_check mmu_vcpus_to_cpus(const struct domain *domain, const uint64_t __guest *bitmap,
                                 struct cpumask *out);

#endif
