/* SPDX-License-Identifier: MIT */
/*
 * The machine-to-physical table: for each machine frame, the number its owner
 * knows it by.  Guests read it directly (read-only) at its ABI address.
 */
#ifndef HYPERVISOR_MM_M2P_H
#define HYPERVISOR_MM_M2P_H

#include "hypervisor/lib/atomic.h"
#include "hypervisor/lib/frame.h"
#include "hypervisor/x86/address_space.h"

#define M2P_NONE UINT64_MAX /* the frame has no number: free, or the core's */

#ifdef PARAVANE_CORE
#define m2p_table ((uint64_t *)M2P_START)
#else
extern uint64_t *m2p_table; /* tests/fake */
#endif

static inline void m2p_set(mfn_t frame, pfn_t number)
{
    write_once(m2p_table[frame.number], number.number);
}

static inline pfn_t m2p_get(mfn_t frame)
{
    return pfn(read_once(m2p_table[frame.number]));
}

#endif
