/* SPDX-License-Identifier: MIT */
/*
 * XENMEM_exchange: single frames for a contiguous, low block and back, as Linux does for DMA.
 *
 * Either all of an extent changes hands or nothing does; on any error no frame may be lost and
 * none may be ours twice.
 * Source: public memory.h; abi-use section 3; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define ORDER 3
#define COUNT 8

static unsigned long *p2m;

static long current(void)
{
    domid_t self = DOMID_SELF;

    return hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);
}

static struct xen_memory_exchange request_of(unsigned long *in, unsigned int in_order,
                                             unsigned long *out, unsigned int out_order)
{
    return (struct xen_memory_exchange){
        .in = { .extent_start = (void *)in,
                .nr_extents = (unsigned long)COUNT >> in_order,
                .extent_order = in_order,
                .domid = DOMID_SELF },
        .out = { .extent_start = (void *)out,
                 .nr_extents = (unsigned long)COUNT >> out_order,
                 .extent_order = out_order,
                 .domid = DOMID_SELF },
    };
}

static long exchange(struct xen_memory_exchange *request)
{
    return hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, request);
}

static void check_exchange(unsigned long first)
{
    unsigned long in[COUNT], out[COUNT];
    struct xen_memory_exchange request;
    long before = current();

    for (unsigned int i = 0; i < COUNT; i++) {
        in[i] = p2m[first + i];
    }
    out[0] = first;
    request = request_of(in, 0, out, ORDER);
    request.out.mem_flags = XENMEMF_address_bits(32);
    expect_eq(exchange(&request), 0, "eight frames for one block");
    expect_eq(request.nr_exchanged, COUNT, "all of them");
    expect_eq(out[0] % COUNT, 0, "aligned");
    expect(out[0] + COUNT <= 1UL << 20, "below 4 GiB");
    expect_eq(current(), before, "as many as before");
    for (unsigned int i = 0; i < COUNT; i++) {
        expect_eq(M2P[out[0] + i], first + i, "the M2P knows");
        p2m[first + i] = out[0] + i;
    }
    for (unsigned int i = 0; i < COUNT; i++) {
        if (in[i] - out[0] >= COUNT) {
            expect(update_va(spare_va(), pte(in[i], PTE_READ_ONLY), UVMF_INVLPG) < 0,
                   "the old frames are gone");
        }
    }

    /* And back. */
    in[0] = out[0];
    for (unsigned int i = 0; i < COUNT; i++) {
        out[i] = first + i;
    }
    request = request_of(in, ORDER, out, 0);
    expect_eq(exchange(&request), 0, "one block for eight frames");
    expect_eq(request.nr_exchanged, 1, "one extent");
    for (unsigned int i = 0; i < COUNT; i++) {
        expect_eq(M2P[out[i]], first + i, "the M2P knows");
        p2m[first + i] = out[i];
    }
    expect_eq(current(), before, "as many as before");
}

static void refuse(struct xen_memory_exchange *request, const char *what)
{
    long before = current();

    expect(exchange(request) < 0, what);
    expect_eq(current(), before, "nothing lost");
}

static void check_refused(unsigned long first)
{
    unsigned long in[COUNT], out[COUNT];
    struct xen_memory_exchange request;
    void *mapped = page_alloc();

    for (unsigned int i = 0; i < COUNT; i++) {
        in[i] = p2m[first + i];
        out[i] = first + i;
    }
    request = request_of(in, 0, out, 0);
    request.out.nr_extents = COUNT - 1;
    refuse(&request, "sizes that differ");
    request = request_of(in, 0, out, 0);
    request.in.nr_extents = request.out.nr_extents = BIT(63) + 1;
    refuse(&request, "sizes that overflow");
    request = request_of(in, 0, out, 0);
    request.in.extent_order = request.out.extent_order = 64;
    refuse(&request, "an order beyond the word");
    request = request_of(in, 0, out, 0);
    request.in.extent_order = 0xffffffff;
    refuse(&request, "an order beyond all");
    request = request_of(in, 0, out, 0);
    request.out.domid = 77;
    refuse(&request, "for somebody else");
    request = request_of(in, 0, out, 0);
    request.in.domid = request.out.domid = 77;
    refuse(&request, "for nobody");
    request = request_of(in, 0, out, 0);
    request.nr_exchanged = COUNT + 1;
    refuse(&request, "more done than there is");
    request = request_of(BAD_UNMAPPED, 0, out, 0);
    refuse(&request, "no list");
    request = request_of(in, 0, BAD_HYPERVISOR, 0);
    refuse(&request, "an answer in the hypervisor");
    refuse(BAD_UNMAPPED, "no request");

    request = request_of(in, 0, out, 0);
    in[3] = va_mfn(mapped);
    refuse(&request, "a frame that is mapped");
    *(volatile uint8_t *)mapped = 1;
    request = request_of(in, 0, out, 0);
    in[3] = va_mfn(kernel_l4);
    refuse(&request, "a page table");
    request = request_of(in, 0, out, 0);
    in[3] = ~0UL;
    refuse(&request, "no frame");
    request = request_of(in, 0, out, 0);
    in[3] = in[2];
    refuse(&request, "one frame twice");
}

void test_main(void)
{
    unsigned long first;

    p2m = (unsigned long *)start_info->mfn_list;
    first = start_info->nr_pages - 64;
    check_exchange(first);
    check_refused(first + 2 * COUNT);
}
