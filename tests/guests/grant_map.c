/* SPDX-License-Identifier: MIT */
/*
 * Map a grant, use it, unmap it: read-only and writable, by address and by page-table entry, and
 * what the granter sees in its entry meanwhile. The domain grants to itself, by its number:
 * DOMID_SELF is not taken here.
 *
 * Source: public grant_table.h; statuses watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define REF 20

static volatile struct grant_entry_v1 *table;
static volatile uint64_t *page;
static volatile uint64_t *window;

static struct gnttab_map_grant_ref map(uint64_t address, unsigned int flags)
{
    struct gnttab_map_grant_ref request = {
        .host_addr = address,
        .flags = flags,
        .ref = REF,
        .dom = 0,
    };

    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &request, 1), 0,
              "map_grant_ref");
    return request;
}

static int unmap(uint64_t address, unsigned int handle)
{
    struct gnttab_unmap_grant_ref request = { .host_addr = address, .handle = handle };

    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &request, 1), 0,
              "unmap_grant_ref");
    return request.status;
}

static void grant(unsigned int flags)
{
    table[REF].domid = 0;
    table[REF].frame = (uint32_t)va_mfn(page);
    barrier();
    table[REF].flags = (uint16_t)(GTF_permit_access | flags);
}

static void check_writable(void)
{
    struct gnttab_map_grant_ref request;

    grant(0);
    request = map((uint64_t)window, GNTMAP_host_map);
    expect_eq(request.status, GNTST_okay, "map");
    expect_eq(request.dev_bus_addr, va_mfn(page) << PAGE_SHIFT, "machine address");
    expect_eq(va_mfn(window), va_mfn(page), "the page");
    *window = 0x1111;
    expect_eq(page[0], 0x1111, "written through it");
    expect_eq(table[REF].flags, GTF_permit_access | GTF_reading | GTF_writing, "in use");
    expect_eq(unmap((uint64_t)window, request.handle), GNTST_okay, "unmap");
    expect_eq(table[REF].flags, GTF_permit_access, "not in use");
    expect_eq(try_read(window).vector, VECTOR_PF, "gone");
    expect(unmap((uint64_t)window, request.handle) < 0, "twice");
}

static void check_read_only(void)
{
    struct gnttab_map_grant_ref request;
    struct trap trap;

    grant(GTF_readonly);
    request = map((uint64_t)window, GNTMAP_host_map);
    expect(request.status < 0, "writable where it is read-only");
    expect_eq(table[REF].flags, GTF_permit_access | GTF_readonly, "nothing happened");
    request = map((uint64_t)window, GNTMAP_host_map | GNTMAP_readonly);
    expect_eq(request.status, GNTST_okay, "read-only");
    expect_eq(table[REF].flags, GTF_permit_access | GTF_readonly | GTF_reading, "in use");
    expect_eq(*window, page[0], "readable");
    trap = try_write(window, 1);
    expect_trap(&trap, VECTOR_PF, 3);
    expect(update_va(window, pte(va_mfn(page), PTE_READ_WRITE), UVMF_NONE) == 0 ||
               table[REF].flags != 0,
           "own page");
    /* That replaced the grant's mapping: the handle knows. */
    printf("unmap after replacement: %d\n", unmap((uint64_t)window, request.handle));
    update_va(window, 0, UVMF_INVLPG);
    grant(0);
    request = map((uint64_t)window, GNTMAP_host_map | GNTMAP_readonly);
    if (request.status == GNTST_okay) {
        expect_eq(unmap((uint64_t)window, request.handle), GNTST_okay, "unmap");
    }
}

static void check_by_entry(void)
{
    uint64_t where = entry_maddr(window, 1);
    struct gnttab_map_grant_ref request;

    grant(0);
    request = map(where, GNTMAP_host_map | GNTMAP_contains_pte);
    expect_eq(request.status, GNTST_okay, "map by entry");
    expect_eq(va_mfn(window), va_mfn(page), "the page");
    *window = 0x2222;
    expect_eq(page[0], 0x2222, "written");
    expect(unmap((uint64_t)window + PAGE_SIZE, request.handle) < 0, "unmap elsewhere");
    expect_eq(va_mfn(window), va_mfn(page), "still there");
    expect_eq(unmap(where, request.handle), GNTST_okay, "unmap");
    expect_eq(try_read(window).vector, VECTOR_PF, "gone");

    request = map(where + 4, GNTMAP_host_map | GNTMAP_contains_pte);
    expect(request.status < 0, "an unaligned entry");
    request = map(va_maddr(&kernel_l4[5]), GNTMAP_host_map | GNTMAP_contains_pte);
    expect(request.status < 0, "an entry of an L4");
    request = map(va_maddr(page), GNTMAP_host_map | GNTMAP_contains_pte);
    expect(request.status < 0, "no page table at all");
    request = map(0, GNTMAP_host_map | GNTMAP_contains_pte);
    expect(request.status < 0, "not ours");
    request = map(~7UL, GNTMAP_host_map | GNTMAP_contains_pte);
    expect(request.status < 0, "nowhere");
    expect_eq(table[REF].flags, GTF_permit_access, "nothing of that is in use");
}

static void check_available_bits(void)
{
    struct gnttab_map_grant_ref request =
        map((uint64_t)window, GNTMAP_host_map | 1U << _GNTMAP_guest_avail0);

    expect_eq(request.status, GNTST_okay, "map");
    expect_eq(*entry_of(window, 1) & BIT(9), BIT(9), "with a software bit");
    expect_eq(unmap((uint64_t)window, request.handle), GNTST_okay, "unmap");
}

static void check_device_map(void)
{
    struct gnttab_map_grant_ref request = map(0, GNTMAP_device_map);
    struct gnttab_unmap_grant_ref undo = { .handle = request.handle };

    expect_eq(request.status, GNTST_okay, "for devices");
    expect_eq(request.dev_bus_addr, va_mfn(page) << PAGE_SHIFT, "machine address");
    undo.dev_bus_addr = request.dev_bus_addr;
    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &undo, 1), 0,
              "unmap");
    expect_eq(undo.status, GNTST_okay, "its status");
    expect_eq(table[REF].flags, GTF_permit_access, "not in use");
}

void test_main(void)
{
    table = grant_table_map();
    page = page_alloc();
    window = spare_va();
    expect_eq(update_va(window, 0, UVMF_INVLPG), 0, "an empty window");
    check_writable();
    check_by_entry();
    check_available_bits();
    check_device_map();
    check_read_only();
}
