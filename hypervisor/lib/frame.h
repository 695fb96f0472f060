/* SPDX-License-Identifier: MIT */
/*
 * The address spaces of a PV system, one C type each.
 *
 *   mfn_t    machine frame: what the CPU's page tables hold
 *   pfn_t    a guest's own, contiguous numbering of its memory
 *   maddr_t  machine byte address (an mfn and an offset)
 *
 * Mixing them up does not compile; a struct of one word travels in a register,
 * so the wrapper costs nothing.  Only the machine-to-physical table turns an
 * mfn into a pfn.  Guest virtual addresses are `__guest` pointers or uint64_t.
 */
#pragma once

#include "hypervisor/lib/types.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE  (UINT64_C(1) << PAGE_SHIFT)
#define PAGE_MASK  (PAGE_SIZE - 1)

typedef struct {
    uint64_t number;
} mfn_t;
typedef struct {
    uint64_t number;
} pfn_t;
typedef struct {
    uint64_t byte;
} maddr_t;

#define MFN_INVALID ((mfn_t){ .number = UINT64_MAX })
#define PRI_MFN     "%lx"

static inline mfn_t mfn(uint64_t number)
{
    return (mfn_t){ .number = number };
}

static inline pfn_t pfn(uint64_t number)
{
    return (pfn_t){ .number = number };
}

static inline maddr_t maddr(uint64_t byte)
{
    return (maddr_t){ .byte = byte };
}

static inline maddr_t maddr_of_mfn(mfn_t frame)
{
    return (maddr_t){ .byte = frame.number << PAGE_SHIFT };
}

static inline mfn_t mfn_of_maddr(maddr_t address)
{
    return (mfn_t){ .number = address.byte >> PAGE_SHIFT };
}

static inline mfn_t mfn_plus(mfn_t frame, uint64_t count)
{
    return (mfn_t){ .number = frame.number + count };
}

static inline bool mfn_equal(mfn_t a, mfn_t b)
{
    return a.number == b.number;
}
