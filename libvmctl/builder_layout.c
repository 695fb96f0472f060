/* SPDX-License-Identifier: MIT */
/* The arithmetic of a new guest's memory: see builder_layout.h. */
#include "libvmctl/builder_layout.h"

#include <errno.h>

#include "guest-pv-headers/xen.h"

#define PAGE_SHIFT 12
#define PAGE       (UINT64_C(1) << PAGE_SHIFT)
#define L1_SHIFT   21 /* what one L1 table maps */
#define L2_SHIFT   30
#define L3_SHIFT   39
#define SLACK      (UINT64_C(512) << 10)
#define END_ALIGN  (UINT64_C(4) << 20)

static uint64_t pages_of(uint64_t bytes)
{
    return (bytes >> PAGE_SHIFT) + (bytes % PAGE != 0);
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

/* How many tables that map 2^shift bytes each a range touches. */
static uint64_t tables_for(uint64_t start, uint64_t end, unsigned int shift)
{
    return start == end ? 0 : ((end - 1) >> shift) - (start >> shift) + 1;
}

/* Number a range's tables from `first` on. */
static void number_tables(struct table_range *range, uint64_t first)
{
    range->l3 = first;
    range->l2 = range->l3 + tables_for(range->start, range->end, L3_SHIFT);
    range->l1 = range->l2 + tables_for(range->start, range->end, L2_SHIFT);
    range->last = range->l1 + tables_for(range->start, range->end, L1_SHIFT);
}

static struct pfn_range take(uint64_t *next, uint64_t count)
{
    struct pfn_range range = { .first = *next, .count = count };

    *next += count;
    return range;
}

/* Bytes from virt_base to where its half of the address space ends. */
static uint64_t address_room(uint64_t virt_base)
{
    return (virt_base >> 63 != 0 ? 0 : UINT64_C(1) << 47) - virt_base;
}

/*
 * The page tables map themselves: try with as many as the last attempt turned
 * out to need, until that is enough.  False if there are not the addresses.
 */
static bool place_tables(struct builder_layout *layout, uint64_t next)
{
    uint64_t room = address_room(layout->virt_base);
    uint64_t count = 1;
    uint64_t need;

    for (;;) {
        uint64_t size = (next + count + 1) << PAGE_SHIFT;

        if (size + SLACK + END_ALIGN > room) {
            return false;
        }
        layout->kernel_tables.start = layout->virt_base;
        layout->kernel_tables.end = round_up(layout->virt_base + size + SLACK, END_ALIGN);
        number_tables(&layout->kernel_tables, 1);
        number_tables(&layout->p2m_tables, layout->kernel_tables.last);
        need = layout->p2m_tables.last;
        if (need <= count) {
            break;
        }
        count = need;
    }
    layout->tables = take(&next, count);
    layout->stack = next;
    return true;
}

static int too_small(uint64_t need, uint64_t pages, struct vmctl_error *error)
{
    vmctl_fail(error, -EINVAL, "the kernel and its start-up data need %llu MiB",
               (unsigned long long)((need * PAGE + (1 << 20) - 1) >> 20));
    vmctl_error_limit(error, "%llu MiB for the guest", (unsigned long long)(pages * PAGE >> 20));
    vmctl_error_remedy(error, "give the guest more <memory>");
    return -EINVAL;
}

int builder_layout(const struct elf_kernel *kernel, const struct builder_wish *wish,
                   struct builder_layout *layout, struct vmctl_error *error)
{
    uint64_t initrd_pages = pages_of(wish->initrd_size);
    uint64_t p2m_pages = pages_of(wish->pages * sizeof(xen_pfn_t));
    uint64_t kernel_pages = pages_of(kernel->end - kernel->virt_base);
    uint64_t next = kernel_pages;
    uint64_t behind;

    if (kernel_pages > wish->pages || initrd_pages > wish->pages - kernel_pages ||
        wish->pages > UINT64_C(1) << 40) {
        return too_small(kernel_pages + initrd_pages, wish->pages, error);
    }
    *layout = (struct builder_layout){
        .virt_base = kernel->virt_base,
        .pages = wish->pages,
        .p2m_apart = kernel->init_p2m != 0,
    };
    layout->kernel.first = (kernel->start - kernel->virt_base) >> PAGE_SHIFT;
    layout->kernel.count = kernel_pages - layout->kernel.first;
    if (!kernel->mod_start_pfn && initrd_pages != 0) {
        layout->initrd = take(&next, initrd_pages);
        layout->initrd_start = builder_address(layout, layout->initrd.first);
    }
    if (layout->p2m_apart) {
        layout->p2m_start = kernel->init_p2m;
        layout->p2m_tables.start = kernel->init_p2m;
        layout->p2m_tables.end = kernel->init_p2m + (p2m_pages << PAGE_SHIFT);
    } else {
        layout->p2m = take(&next, p2m_pages);
        layout->p2m_start = builder_address(layout, layout->p2m.first);
    }
    layout->start_info = next++;
    layout->store_ring = next++;
    layout->console_ring = next++;
    if (!place_tables(layout, next)) {
        vmctl_fail(error, -EINVAL, "the kernel leaves no addresses for its page tables");
        vmctl_error_reason(error, VMCTL_BAD_KERNEL);
        return -EINVAL;
    }
    behind = (layout->kernel_tables.end - layout->virt_base) >> PAGE_SHIFT;
    if (kernel->mod_start_pfn && initrd_pages != 0) {
        layout->initrd = take(&behind, initrd_pages);
        layout->initrd_start = layout->initrd.first;
    }
    if (layout->p2m_apart) {
        layout->p2m = take(&behind, p2m_pages);
    }
    return behind > wish->pages ? too_small(behind, wish->pages, error) : 0;
}
