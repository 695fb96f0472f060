/* SPDX-License-Identifier: MIT */
/*
 * mca: machine checks, for the control domain.
 */
#ifndef HYPERVISOR_HYPERCALLS_MCA_H
#define HYPERVISOR_HYPERCALLS_MCA_H

#include "hypervisor/lib/types.h"

/* struct xen_mc, still in guest memory. */
long hypercall_mca(uint64_t argument);

#endif
