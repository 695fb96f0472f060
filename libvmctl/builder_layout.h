/* SPDX-License-Identifier: MIT */
/*
 * Where everything goes in a new PV guest: pure arithmetic.
 *
 * pfn 0 is at the kernel's virt_base.  From there to `virt_end` everything is
 * mapped by the first page tables, in this order (xen.h, "start of day"):
 *
 *   kernel | initrd, if it must be mapped | p2m list, if it has no range of its
 *   own | start info | store ring | console ring | page tables | stack | slack
 *
 * The slack is at least 512 KiB, and virt_end a multiple of 4 MiB.  An initrd
 * that need not be mapped, then a p2m list with its own range, come behind.
 */
#ifndef LIBVMCTL_BUILDER_LAYOUT_H
#define LIBVMCTL_BUILDER_LAYOUT_H

#include "libvmctl/elf_kernel.h"

/* Consecutive pfns; count 0: there is no such thing. */
struct pfn_range {
    uint64_t first;
    uint64_t count;
};

/* The tables of a mapped range: numbers of page tables, counted from the L4's. */
struct table_range {
    uint64_t start; /* virtual, whole pages */
    uint64_t end;
    uint64_t l3;
    uint64_t l2;
    uint64_t l1;
    uint64_t last; /* one behind the last L1 */
};

struct builder_wish {
    uint64_t pages; /* the guest's memory */
    uint64_t initrd_size;
};

struct builder_layout {
    uint64_t virt_base;
    uint64_t pages;
    struct pfn_range kernel;
    struct pfn_range initrd;
    uint64_t initrd_start; /* for start info: address or pfn */
    struct pfn_range p2m;
    uint64_t p2m_start; /* virtual */
    bool p2m_apart;
    uint64_t start_info; /* pfn; the next two are the rings */
    uint64_t store_ring;
    uint64_t console_ring;
    struct pfn_range tables; /* the first is the L4 */
    uint64_t stack;
    struct table_range kernel_tables;
    struct table_range p2m_tables; /* start == end unless p2m_apart */
};

int builder_layout(const struct elf_kernel *kernel, const struct builder_wish *wish,
                   struct builder_layout *layout, struct vmctl_error *error);

static inline uint64_t builder_address(const struct builder_layout *layout, uint64_t pfn)
{
    return layout->virt_base + (pfn << 12);
}

#endif
