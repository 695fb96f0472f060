/* SPDX-License-Identifier: MIT */
/*
 * vcpu_op: a domain's own vCPUs.
 */
#ifndef HYPERVISOR_HYPERCALLS_VCPU_OP_H
#define HYPERVISOR_HYPERCALLS_VCPU_OP_H

#include "hypervisor/domain/domain.h"

/* VCPUOP_*; argument still in guest memory. */
long hypercall_vcpu_op(uint64_t command, uint64_t vcpu_id, uint64_t argument);

#endif
