/* SPDX-License-Identifier: MIT */
/*
 * XENMEM_acquire_resource: frames that the hypervisor keeps for a domain, here its grant table, and
 * claims on memory.
 *
 * The tool stack asks on behalf of others; asking for oneself is refused by Debian's Xen.
 * Source: public memory.h; abi-use section 12; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long acquire(struct xen_mem_acquire_resource *request)
{
    return hypercall2(__HYPERVISOR_memory_op, XENMEM_acquire_resource, request);
}

static long claim(unsigned long pages, domid_t domid)
{
    struct xen_memory_reservation request = { .nr_extents = pages, .domid = domid };

    return hypercall2(__HYPERVISOR_memory_op, XENMEM_claim_pages, &request);
}

void test_main(void)
{
    unsigned long frames[4] = { 0 };
    struct xen_mem_acquire_resource request = {
        .domid = DOMID_SELF,
        .type = XENMEM_resource_grant_table,
    };
    long result = acquire(&request);

    printf("size: %ld, %u frames\n", result, request.nr_frames);
    request.nr_frames = 1;
    request.frame_list = (void *)frames;
    result = acquire(&request);
    printf("own grant table: %ld, frame %lx\n", result, frames[0]);
    expect(result == 0 || result < 0, "answered");
    if (result == 0) {
        unsigned long other = 0;
        struct gnttab_setup_table setup = {
            .dom = DOMID_SELF,
            .nr_frames = 1,
            .frame_list = (void *)&other,
        };

        expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &setup, 1), 0,
                  "setup_table");
        expect_eq(frames[0], other, "the same frame");
    }

    request.type = 99;
    expect(acquire(&request) < 0, "no such resource");
    request.type = XENMEM_resource_grant_table;
    request.id = 99;
    expect(acquire(&request) < 0, "no such part of it");
    request.id = 0;
    request.frame = ~0UL;
    expect(acquire(&request) < 0, "frames from the end of numbers");
    request.frame = 0xfffffffffUL;
    expect(acquire(&request) < 0, "frames far away");
    request.frame = 0;
    request.pad = 1;
    expect(acquire(&request) < 0, "padding that is not 0");
    request.pad = 0;
    request.domid = 77;
    expect_eq(acquire(&request), -XEN_ESRCH, "nobody's");
    request.domid = DOMID_SELF;
    request.nr_frames = 0xffffffff;
    expect(acquire(&request) < 0, "more than there can be");
    request.nr_frames = 1;
    request.frame_list = BAD_HYPERVISOR;
    expect(acquire(&request) < 0, "an answer in the hypervisor");
    expect_eq(acquire(BAD_UNMAPPED), -XEN_EFAULT, "bad pointer");

    expect(claim(BIT(40), 0) < 0, "a claim on more than the machine has");
    expect_eq(claim(0, 0), 0, "no claim");
    expect(claim(10, 77) < 0, "for nobody");
}
