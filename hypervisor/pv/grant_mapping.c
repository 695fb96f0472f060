/* SPDX-License-Identifier: MIT */
/*
 * Grants in a guest's page tables.
 */
#include "hypervisor/grant/grant.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/page_tables.h"

/* The table and index that host_addr and flags name; NULL if there is none. */
static struct page *find_entry(uint64_t host_addr, uint32_t flags, unsigned int *index)
{
    if ((flags & GNTMAP_contains_pte) == 0) {
        *index = pte_index(host_addr, 1);
        return pt_find_l1(current, host_addr);
    }
    *index = (unsigned int)((host_addr & PAGE_MASK) / sizeof(pte_t));
    if (host_addr % sizeof(pte_t) != 0 || !frame_valid(mfn(host_addr >> PAGE_SHIFT))) {
        return NULL;
    }
    return page_of(mfn(host_addr >> PAGE_SHIFT));
}

int pv_grant_map(uint64_t host_addr, uint32_t flags, uint64_t entry)
{
    unsigned int index;
    struct page *table = find_entry(host_addr, flags, &index);
    pte_t old;

    if (table == NULL) {
        return GNTST_general_error;
    }
    page_mark_foreign(page_of(pte_frame(entry))); /* before any CPU can have it in its TLB */
    if (pt_swap_l1(current->domain, table, index, entry | PTE_USER, &old) != 0) {
        return GNTST_general_error;
    }
    pt_release_l1_entry(old);
    return GNTST_okay;
}

/* Move the entry of an address, but not the one at `to`, out of its table: 0 for no address. */
static int take_entry(uint64_t address, const struct page *to, unsigned int to_index, pte_t *entry)
{
    struct page *table;

    *entry = 0;
    if (address == 0) {
        return GNTST_okay;
    }
    table = pt_find_l1(current, address);
    if (table == NULL || (table == to && pte_index(address, 1) == to_index) ||
        pt_swap_l1(current->domain, table, pte_index(address, 1), 0, entry) != 0) {
        return GNTST_general_error;
    }
    return GNTST_okay;
}

/* Only a look: another vCPU may change the entry meanwhile, so what is swapped out decides. */
static bool maps(const struct page *table, unsigned int index, pte_t expected)
{
    return page_owner(table) == current->domain->id && page_is(table, PAGE_L1) &&
           ((read_once(((const pte_t *)page_address(table))[index]) ^ expected) &
            (PTE_FRAME | PTE_PRESENT | PTE_WRITABLE)) == 0;
}

int pv_grant_unmap(uint64_t host_addr, uint32_t flags, mfn_t frame, uint64_t new_host_addr)
{
    unsigned int index;
    struct page *table = find_entry(host_addr, flags, &index);
    pte_t expected =
        pte_make(frame, (flags & GNTMAP_readonly) != 0 ? PTE_PRESENT : PTE_PRESENT | PTE_WRITABLE);
    pte_t new_entry;

    if (table == NULL || (new_host_addr != 0 && !maps(table, index, expected)) ||
        take_entry(new_host_addr, table, index, &new_entry) != GNTST_okay) {
        return GNTST_general_error;
    }
    if (pt_exchange_l1(current->domain, table, index, expected, new_entry) != 0) {
        pt_release_l1_entry(new_entry);
        return GNTST_general_error;
    }
    return GNTST_okay;
}
