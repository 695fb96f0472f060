/* SPDX-License-Identifier: MIT */
/*
 * A granted page while it is mapped: it cannot become a page table, is not freed when given back,
 * and unmap_and_replace leaves another mapping in its place.
 *
 * Attack: grant, map writable, unmap one's own mapping, and pin: the grant's mapping would write to
 * a page table.
 * Source: public grant_table.h; invariants 1 to 3 of the design.
 */
#include "tests/guests/lib/guest.h"

#define REF 20

static volatile struct grant_entry_v1 *table;
static uint64_t *page;
static volatile uint64_t *window;

static struct gnttab_map_grant_ref map(unsigned int flags)
{
    struct gnttab_map_grant_ref request = {
        .host_addr = (uint64_t)window,
        .flags = GNTMAP_host_map | flags,
        .ref = REF,
        .dom = 0,
    };

    hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &request, 1);
    expect_eq(request.status, GNTST_okay, "map");
    return request;
}

static int unmap(unsigned int handle)
{
    struct gnttab_unmap_grant_ref request = { .host_addr = (uint64_t)window, .handle = handle };

    hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &request, 1);
    return request.status;
}

static int replace(const volatile void *new_address, unsigned int handle)
{
    struct gnttab_unmap_and_replace request = {
        .host_addr = (uint64_t)window,
        .new_addr = (uint64_t)new_address,
        .handle = handle,
    };

    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_and_replace, &request, 1), 0,
              "unmap_and_replace");
    return request.status;
}

static void check_types(void)
{
    struct gnttab_map_grant_ref request = map(0);

    make_read_only(page);
    for (unsigned int level = 1; level <= 4; level++) {
        expect(mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, va_mfn(page)) < 0,
               "mapped writable by the grant");
    }
    expect_eq(unmap(request.handle), GNTST_okay, "unmap");
    expect_eq(mmuext_mfn(MMUEXT_PIN_L1_TABLE, va_mfn(page)), 0, "now it may be a table");
    {
        struct gnttab_map_grant_ref again = {
            .host_addr = (uint64_t)window,
            .flags = GNTMAP_host_map,
            .ref = REF,
            .dom = 0,
        };

        hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &again, 1);
        expect(again.status < 0, "and not be mapped writable");
    }
    expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(page)), 0, "unpin");
    make_writable(page);
}

static void check_replace(void)
{
    volatile uint64_t *other = spare_va();
    unsigned long other_frame;
    struct gnttab_map_grant_ref request;

    *other = 0x9999;
    other_frame = va_mfn(other);
    request = map(0);
    expect_eq(*window, page[0], "the granted page");
    expect_eq(replace(other, request.handle), GNTST_okay, "replace");
    expect_eq(va_mfn(window), other_frame, "the other page is here now");
    expect_eq(*window, 0x9999, "with its contents");
    expect_eq(*entry_of(other, 1) & PTE_P, 0, "and not there any more");
    expect_eq(table[REF].flags, GTF_permit_access, "the grant is not in use");
    expect_eq(update_va(window, 0, UVMF_INVLPG), 0, "unmap");

    request = map(0);
    expect_eq(replace(NULL, request.handle), GNTST_okay, "replace with nothing");
    expect_eq(*entry_of(window, 1) & PTE_P, 0, "nothing");
    request = map(0);
    expect(replace(BAD_HYPERVISOR, request.handle) < 0, "replace with the hypervisor's");
    expect(replace(BAD_UNMAPPED, request.handle) < 0, "replace with what has no entry");
    expect(replace(other, 0xfffff) < 0, "a bad handle");
    expect_eq(va_mfn(window), va_mfn(page), "still mapped");
    expect_eq(unmap(request.handle), GNTST_okay, "unmap");
}

static void check_giving_back(void)
{
    unsigned long frame = va_mfn(page);
    struct xen_memory_reservation request = {
        .extent_start = (void *)&frame,
        .nr_extents = 1,
        .domid = DOMID_SELF,
    };
    struct gnttab_map_grant_ref grant = map(0);

    /* The last mapping of our own goes, and the frame is given back; the grant still holds it. */
    expect_eq(update_va(page, 0, UVMF_INVLPG), 0, "unmap our own");
    hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &request);
    *window = 0x4444;
    expect_eq(*window, 0x4444, "still there for the grant");
    expect_eq(unmap(grant.handle), GNTST_okay, "unmap");
    expect_eq(*entry_of((void *)(uintptr_t)window, 1) & PTE_P, 0, "gone");
}

void test_main(void)
{
    table = grant_table_map();
    page = page_alloc();
    window = spare_va();
    expect_eq(update_va(window, 0, UVMF_INVLPG), 0, "an empty window");
    table[REF].domid = 0;
    table[REF].frame = (uint32_t)va_mfn(page);
    table[REF].flags = GTF_permit_access;
    check_types();
    check_replace();
    check_giving_back();
}
