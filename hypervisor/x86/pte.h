/* SPDX-License-Identifier: MIT */
/*
 * x86-64 page-table entries.  Intel SDM vol. 3A, 4.5.4, tables 4-15 to 4-20.
 *
 * Masks and functions, not bit-fields: the layout is in the source, and an
 * entry is read from and written to memory in one piece.
 */
#pragma once

#define PTE_PRESENT  0x001
#define PTE_WRITABLE 0x002
#define PTE_USER     0x004
#define PTE_PWT      0x008
#define PTE_PCD      0x010
#define PTE_ACCESSED 0x020
#define PTE_DIRTY    0x040
#define PTE_PAT      0x080 /* level 1 */
#define PTE_LARGE    0x080 /* levels 2 and 3: 2 MiB and 1 GiB pages */
#define PTE_GLOBAL   0x100
#define PTE_SOFTWARE 0xe00

#ifndef __ASSEMBLER__
#include "hypervisor/lib/frame.h"

#define PTE_FRAME         UINT64_C(0x000ffffffffff000)
#define PTE_SOFTWARE_HIGH UINT64_C(0x7ff0000000000000)
#define PTE_NO_EXECUTE    (UINT64_C(1) << 63)

#define PTE_ENTRIES 512u

typedef uint64_t pte_t;

static inline mfn_t pte_frame(pte_t entry)
{
    return mfn((entry & PTE_FRAME) >> PAGE_SHIFT);
}

static inline pte_t pte_make(mfn_t frame, uint64_t flags)
{
    return (frame.number << PAGE_SHIFT) | flags;
}

/* The index a virtual address has in the table of a level, 1 to 4. */
static inline unsigned int pte_index(uint64_t address, unsigned int level)
{
    return (unsigned int)(address >> (PAGE_SHIFT + 9 * (level - 1))) % PTE_ENTRIES;
}
#endif
