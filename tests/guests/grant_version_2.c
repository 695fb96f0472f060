/* SPDX-License-Identifier: MIT */
/*
 * Version 2 entries: full pages with the in-use bits in the status array, parts of pages for copies
 * only, and the refused transitive kind.
 *
 * Source: public grant_table.h; design decision D4; statuses watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static volatile union grant_entry_v2 *table;
static volatile grant_status_t *status;
static uint8_t *page, *to;

static int copy(grant_ref_t ref, unsigned int offset, unsigned int length)
{
    struct gnttab_copy request = {
        .source = { .u.ref = ref, .domid = DOMID_SELF, .offset = (uint16_t)offset },
        .dest = { .u.gmfn = va_mfn(to), .domid = DOMID_SELF },
        .len = (uint16_t)length,
        .flags = GNTCOPY_source_gref,
    };

    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, &request, 1), 0, "copy");
    return request.status;
}

static struct gnttab_map_grant_ref map(grant_ref_t ref, volatile void *window)
{
    struct gnttab_map_grant_ref request = {
        .host_addr = (uint64_t)window,
        .flags = GNTMAP_host_map,
        .ref = ref,
        .dom = 0,
    };

    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &request, 1), 0,
              "map_grant_ref");
    return request;
}

static void check_full_page(void)
{
    volatile uint8_t *window = spare_va();
    struct gnttab_map_grant_ref request;
    struct gnttab_unmap_grant_ref undo = { .host_addr = (uint64_t)window };

    expect_eq(update_va(window, 0, UVMF_INVLPG), 0, "an empty window");
    table[20].full_page.hdr.domid = 0;
    table[20].full_page.frame = va_mfn(page);
    table[20].full_page.hdr.flags = GTF_permit_access;
    request = map(20, window);
    expect_eq(request.status, GNTST_okay, "map");
    expect_eq(status[20], GTF_reading | GTF_writing, "in use");
    expect_eq(table[20].hdr.flags, GTF_permit_access, "the entry is the granter's alone");
    expect_eq(window[5], page[5], "the page");
    {
        struct gnttab_set_version version = { .version = 1 };

        expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_set_version, &version, 1),
                  -XEN_EBUSY, "no change of version while in use");
    }
    undo.handle = request.handle;
    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &undo, 1), 0,
              "unmap");
    expect_eq(undo.status, GNTST_okay, "its status");
    expect_eq(status[20], 0, "not in use");
}

static void check_sub_page(void)
{
    volatile uint8_t *window = spare_va();

    table[21].sub_page.hdr.domid = 0;
    table[21].sub_page.frame = va_mfn(page);
    table[21].sub_page.page_off = 100;
    table[21].sub_page.length = 50;
    table[21].sub_page.hdr.flags = GTF_permit_access | GTF_sub_page;
    expect_eq(copy(21, 100, 50), GNTST_okay, "the part");
    expect_eq(memcmp(to, page + 100, 50), 0, "its bytes");
    expect_eq(copy(21, 110, 10), GNTST_okay, "a part of the part");
    expect_eq(copy(21, 99, 10), GNTST_general_error, "before it");
    expect_eq(copy(21, 140, 20), GNTST_general_error, "over its end");
    expect_eq(copy(21, 0, 4096), GNTST_general_error, "all of the page");
    expect(map(21, window).status < 0, "a part cannot be mapped");
    table[21].sub_page.page_off = 4090;
    table[21].sub_page.length = 100;
    expect(copy(21, 4090, 100) < 0, "a part that is over the page's end");
    table[21].sub_page.page_off = 65535;
    table[21].sub_page.length = 65535;
    expect(copy(21, 65535, 10) < 0, "a part that wraps");
    expect_eq(status[21], 0, "not in use");
}

static void check_transitive(void)
{
    table[22].transitive.hdr.domid = 0;
    table[22].transitive.trans_domid = 0;
    table[22].transitive.gref = 22;
    table[22].transitive.hdr.flags = GTF_transitive;
    expect(copy(22, 0, 8) < 0, "a transitive grant that leads to itself");
    table[22].transitive.trans_domid = 77;
    expect(copy(22, 0, 8) < 0, "a transitive grant that leads nowhere");
    expect_eq(status[22] & ~0U, 0, "not in use");
}

void test_main(void)
{
    unsigned long frame = 0, status_frame = 0;
    struct gnttab_set_version version = { .version = 2 };
    struct gnttab_setup_table setup = {
        .dom = DOMID_SELF,
        .nr_frames = 1,
        .frame_list = (void *)&frame,
    };
    struct gnttab_get_status_frames get = {
        .nr_frames = 1,
        .dom = DOMID_SELF,
        .frame_list = (void *)&status_frame,
    };

    if (hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_set_version, &version, 1) != 0) {
        test_skip("version 2 is not offered");
    }
    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &setup, 1), 0, "setup");
    expect_eq(setup.status, GNTST_okay, "its status");
    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_get_status_frames, &get, 1), 0,
              "status frames");
    expect_eq(get.status, GNTST_okay, "their status");
    table = spare_va();
    status = spare_va();
    expect_eq(update_va(table, pte(frame, PTE_READ_WRITE), UVMF_INVLPG), 0, "map the table");
    expect_eq(update_va(status, pte(status_frame, PTE_READ_WRITE), UVMF_INVLPG), 0, "and status");
    page = page_alloc();
    to = page_alloc();
    for (unsigned int i = 0; i < PAGE_SIZE; i++) {
        page[i] = (uint8_t)(i * 3);
    }
    check_full_page();
    check_sub_page();
    check_transitive();
}
