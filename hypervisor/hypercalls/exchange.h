/* SPDX-License-Identifier: MIT */
/*
 * XENMEM_exchange: frames of a domain for others, contiguous or in low memory.
 */
#ifndef HYPERVISOR_HYPERCALLS_EXCHANGE_H
#define HYPERVISOR_HYPERCALLS_EXCHANGE_H

#include "hypervisor/lib/types.h"

long memory_exchange(uint64_t argument);

#endif
