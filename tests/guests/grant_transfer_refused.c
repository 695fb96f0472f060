/* SPDX-License-Identifier: MIT */
/*
 * GNTTABOP_transfer, cache_flush and dump_table: what is left out on purpose is refused and takes
 * no page away; what is there checks its arguments.
 *
 * Source: design decision D4; public grant_table.h; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static void check_transfer(void)
{
    uint64_t *page = page_alloc();
    struct gnttab_transfer request = { .mfn = va_mfn(page), .domid = 77, .ref = 20 };
    domid_t self = DOMID_SELF;
    long before = hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);
    long result = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_transfer, &request, 1);

    expect(result < 0 || request.status < 0, "refused");
    page[0] = 5;
    expect_eq(page[0], 5, "the page is still ours");
    request.mfn = ~0UL;
    result = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_transfer, &request, 1);
    expect(result < 0 || request.status < 0, "no such frame");
    request.mfn = va_mfn(kernel_l4);
    request.domid = DOMID_SELF;
    result = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_transfer, &request, 1);
    expect(result < 0 || request.status < 0, "a page table, to ourselves");
    expect_eq(hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self), before,
              "no page is lost");
}

static long flush(uint64_t address, unsigned int offset, unsigned int length, unsigned int op)
{
    struct gnttab_cache_flush request = {
        .a.dev_bus_addr = address,
        .offset = (uint16_t)offset,
        .length = (uint16_t)length,
        .op = op,
    };

    return hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_cache_flush, &request, 1);
}

static void check_cache_flush(void)
{
    uint64_t own = va_mfn(page_alloc()) << PAGE_SHIFT;

    printf("flush of our page: %ld, of a range: %ld\n", flush(own, 0, 4096, GNTTAB_CACHE_CLEAN),
           flush(own, 100, 200, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL));
    expect(flush(own, 4095, 2, GNTTAB_CACHE_CLEAN) < 0, "over the end of the page");
    expect(flush(own, 0, 65535, GNTTAB_CACHE_CLEAN) < 0, "too long");
    expect(flush(own, 0, 64, 0x40) < 0, "no such operation");
    expect(flush(~0UL, 0, 64, GNTTAB_CACHE_CLEAN) < 0, "no such page");
    expect(flush(0xffffffff, 0, 64, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_SOURCE_GREF) < 0,
           "no such entry");
}

static void check_dump(void)
{
    struct gnttab_dump_table request = { .dom = 77 };
    long result = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_dump_table, &request, 1);

    expect(result < 0 || request.status < 0, "nobody's table");
}

void test_main(void)
{
    check_transfer();
    check_cache_flush();
    check_dump();
}
