/* SPDX-License-Identifier: MIT */
/*
 * Page tables as a PV guest sees them: readable through its own mappings, changed only by
 * hypercall, and full of machine frame numbers.
 */
#include "tests/guests/lib/guest.h"

/* Integers become addresses all over this file: that is what page tables are about. */
// NOLINTBEGIN(performance-no-int-to-ptr)

#define POOL_PAGES  640
#define SPARE_PAGES 64

uint64_t *kernel_l4;

static uint8_t pool[POOL_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned int pool_used;
static uint8_t spare[SPARE_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned int spare_used;
static unsigned long spare_frames;

unsigned long pfn_mfn(unsigned long pfn)
{
    return ((const unsigned long *)start_info->mfn_list)[pfn];
}

void *mfn_to_va(unsigned long mfn)
{
    return (void *)(VIRT_BASE + (M2P[mfn] << PAGE_SHIFT));
}

uint64_t *entry_of(const volatile void *va, unsigned int level)
{
    uint64_t *table = kernel_l4;

    for (unsigned int at = 4;; at--) {
        uint64_t *entry = &table[table_index((unsigned long)va, at)];

        if (at == level) {
            return entry;
        }
        if ((*(volatile uint64_t *)entry & PTE_P) == 0) {
            return NULL;
        }
        table = mfn_to_va(pte_mfn(*entry));
    }
}

unsigned long va_mfn(const volatile void *va)
{
    const volatile uint64_t *entry = entry_of(va, 1);

    if (entry == NULL || (*entry & PTE_P) == 0) {
        printf("no mapping at %lx\n", (unsigned long)va);
        test_abort("the test looked up an unmapped address");
    }
    return pte_mfn(*entry);
}

uint64_t va_maddr(const volatile void *va)
{
    return pte(va_mfn(va), (unsigned long)va & (PAGE_SIZE - 1));
}

uint64_t entry_maddr(const volatile void *va, unsigned int level)
{
    return va_maddr(entry_of(va, level));
}

void *page_alloc(void)
{
    if (pool_used == POOL_PAGES) {
        test_abort("no pages left in the pool");
    }
    return pool[pool_used++];
}

unsigned long spare_pfn(void)
{
    if (spare_frames == 0) {
        spare_frames = start_info->nr_pages;
    }
    return --spare_frames;
}

void *spare_va(void)
{
    if (spare_used == SPARE_PAGES) {
        test_abort("no address space left");
    }
    return spare[spare_used++];
}

unsigned long grant_table_frame(void)
{
    unsigned long frame = 0;
    struct gnttab_setup_table setup = {
        .dom = DOMID_SELF,
        .nr_frames = 1,
        .frame_list = (void *)&frame,
    };

    if (hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &setup, 1) != 0 ||
        setup.status != GNTST_okay) {
        test_abort("no grant table");
    }
    return frame;
}

void *grant_table_map(void)
{
    void *place = spare_va();

    if (update_va(place, pte(grant_table_frame(), PTE_READ_WRITE), UVMF_INVLPG) != 0) {
        test_abort("cannot map the grant table");
    }
    return place;
}

long update_va(const volatile void *va, uint64_t entry, unsigned long flags)
{
    return hypercall3(__HYPERVISOR_update_va_mapping, va, entry, flags);
}

static void remap(void *page, uint64_t flags)
{
    long error = update_va(page, pte(va_mfn(page), flags), UVMF_INVLPG | UVMF_ALL);

    if (error != 0) {
        printf("remap of %lx with flags %lx: %ld\n", (unsigned long)page, flags, error);
        test_abort("cannot change a mapping");
    }
}

void make_read_only(void *page)
{
    remap(page, PTE_READ_ONLY);
}

void make_writable(void *page)
{
    remap(page, PTE_READ_WRITE);
}

long mmu_update_foreign(uint64_t ptr, uint64_t value, unsigned int domid)
{
    struct mmu_update request = { .ptr = ptr, .val = value };
    unsigned int done = 0;

    return hypercall4(__HYPERVISOR_mmu_update, &request, 1, &done, domid);
}

long mmu_update_one(uint64_t ptr, uint64_t value)
{
    return mmu_update_foreign(ptr | MMU_NORMAL_PT_UPDATE, value, DOMID_SELF);
}

long set_entry(uint64_t *entry, uint64_t value)
{
    return mmu_update_one(va_maddr(entry), value);
}

long mmuext_mfn(unsigned int command, unsigned long mfn)
{
    struct mmuext_op request = { .cmd = command, .arg1.mfn = mfn };

    return hypercall4(__HYPERVISOR_mmuext_op, &request, 1, 0, DOMID_SELF);
}

long mmuext_linear(unsigned int command, const volatile void *address)
{
    struct mmuext_op request = { .cmd = command, .arg1.linear_addr = (unsigned long)address };

    return hypercall4(__HYPERVISOR_mmuext_op, &request, 1, 0, DOMID_SELF);
}

uint64_t *table_alloc(void)
{
    uint64_t *table = page_alloc();

    make_read_only(table);
    return table;
}

void map_at(unsigned long va, uint64_t entry)
{
    const void *address = (const void *)va;

    for (unsigned int level = 4; level > 1; level--) {
        uint64_t *slot = entry_of(address, level);
        uint64_t table;

        if ((*slot & PTE_P) != 0) {
            continue;
        }
        table = pte(va_mfn(table_alloc()), PTE_TABLE);
        if (set_entry(slot, table) != 0) {
            test_abort("cannot add a page table");
        }
        if (level == 4 && user_l4 != NULL && set_entry(&user_l4[table_index(va, 4)], table) != 0) {
            test_abort("cannot add a page table for user mode");
        }
    }
    if (set_entry(entry_of(address, 1), entry) != 0) {
        test_abort("cannot map a page");
    }
}

bool present_at(unsigned long va)
{
    const volatile uint64_t *entry = entry_of((const void *)va, 1);

    return entry != NULL && (*entry & PTE_P) != 0;
}

// NOLINTEND(performance-no-int-to-ptr)
