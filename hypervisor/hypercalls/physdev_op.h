/* SPDX-License-Identifier: MIT */
/*
 * physdev_op: interrupts, PCI devices and I/O ports.
 */
#ifndef HYPERVISOR_HYPERCALLS_PHYSDEV_OP_H
#define HYPERVISOR_HYPERCALLS_PHYSDEV_OP_H

#include "hypervisor/lib/types.h"

/* PHYSDEVOP_*; argument still in guest memory. */
long hypercall_physdev_op(uint64_t command, uint64_t argument);

#endif
