/* SPDX-License-Identifier: MIT */
/*
 * platform_op: the control domain's say over the machine.
 */
#ifndef HYPERVISOR_CONTROL_PLATFORM_OP_H
#define HYPERVISOR_CONTROL_PLATFORM_OP_H

#include "hypervisor/lib/types.h"

/* struct xen_platform_op, still in guest memory. */
long hypercall_platform_op(uint64_t argument);

#endif
