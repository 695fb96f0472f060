/* SPDX-License-Identifier: MIT */
/*
 * Ballooning: give frames back, get frames, at order 0 and above; the counts, the M2P, and frames
 * that cannot be given because they are in use.
 *
 * Attack: give back a frame that is still mapped or is a page table, then wait for its next owner.
 * Source: public memory.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long reserve(unsigned int command, unsigned long *frames, unsigned long count,
                    unsigned int order)
{
    struct xen_memory_reservation request = {
        .extent_start = (void *)frames,
        .nr_extents = count,
        .extent_order = order,
        .domid = DOMID_SELF,
    };

    return hypercall2(__HYPERVISOR_memory_op, command, &request);
}

static long current(void)
{
    domid_t self = DOMID_SELF;

    return hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);
}

static void check_round_trip(void)
{
    unsigned long frames[8], pfns[8];
    long before = current();
    uint8_t *window = spare_va();

    expect_eq(before, (long)start_info->nr_pages, "all we were started with");
    for (unsigned int i = 0; i < 8; i++) {
        pfns[i] = spare_pfn();
        frames[i] = pfn_mfn(pfns[i]);
    }
    expect_eq(reserve(XENMEM_decrease_reservation, frames, 8, 0), 8, "give eight back");
    expect_eq(current(), before - 8, "eight less");
    expect(update_va(window, pte(frames[0], PTE_READ_ONLY), UVMF_INVLPG) < 0, "not ours any more");
    expect_eq(reserve(XENMEM_decrease_reservation, frames, 8, 0), 0, "nor to give again");

    memcpy(frames, pfns, sizeof(frames));
    expect_eq(reserve(XENMEM_populate_physmap, frames, 8, 0), 8, "fill the holes");
    expect_eq(current(), before, "as before");
    for (unsigned int i = 0; i < 8; i++) {
        expect_eq(M2P[frames[i]], pfns[i], "the M2P knows");
        ((unsigned long *)start_info->mfn_list)[pfns[i]] = frames[i];
        expect_eq(update_va(window, pte(frames[i], PTE_READ_WRITE), UVMF_INVLPG), 0, "map it");
        for (unsigned int j = 0; j < 512; j++) {
            if (((uint64_t *)(void *)window)[j] != 0) {
                expect(false, "a new frame is clean");
                break;
            }
        }
    }
    expect_eq(update_va(window, 0, UVMF_INVLPG), 0, "unmap");
}

static void check_orders(void)
{
    unsigned long frames[1];
    unsigned long first = (spare_pfn() - 1024) & ~511UL;
    long before = current();
    long given = 0;

    /* The last 1,024 pages: give one by one, ask for them as one. */
    for (unsigned long pfn = first; pfn < first + 512; pfn++) {
        frames[0] = pfn_mfn(pfn);
        given += reserve(XENMEM_decrease_reservation, frames, 1, 0);
    }
    expect_eq(given, 512, "give 512 back");
    frames[0] = first;
    expect_eq(reserve(XENMEM_populate_physmap, frames, 1, 9), 1, "2 MiB in one piece");
    expect_eq(frames[0] % 512, 0, "aligned");
    for (unsigned long i = 0; i < 512; i++) {
        if (M2P[frames[0] + i] != first + i) {
            expect(false, "the M2P knows all of them");
            break;
        }
    }
    expect_eq(current(), before, "as before");
    expect_eq(reserve(XENMEM_decrease_reservation, frames, 1, 9), 1, "give it back in one piece");
    expect_eq(current(), before - 512, "512 less");
    expect(reserve(XENMEM_increase_reservation, frames, 1, 40) <= 0, "an order too big");
    expect(reserve(XENMEM_increase_reservation, frames, 1, 64) <= 0, "an order too big");
    expect(reserve(XENMEM_increase_reservation, frames, 1, 0xffffffff) <= 0, "an order too big");
    expect_eq(reserve(XENMEM_increase_reservation, frames, 1, 9), 1, "get 2 MiB anywhere");
    expect_eq(current(), before, "as before");
    frames[0] = first;
    expect(reserve(XENMEM_increase_reservation, frames, 1, 0) <= 0, "no more than the maximum");
}

static void check_in_use(void)
{
    uint8_t *page = page_alloc();
    uint64_t *table = table_alloc();
    unsigned long frames[4];
    long before = current();

    frames[0] = va_mfn(page);
    frames[1] = va_mfn(table);
    expect_eq(mmuext_mfn(MMUEXT_PIN_L1_TABLE, frames[1]), 0, "a page table");
    /* A mapped frame leaves our count now or when its last mapping goes; it is never free. */
    reserve(XENMEM_decrease_reservation, frames, 1, 0);
    page[0] = 7;
    expect_eq(page[0], 7, "still mapped, still there");
    printf("mapped frame given: reservation %ld, was %ld\n", current(), before);

    before = current();
    reserve(XENMEM_decrease_reservation, frames + 1, 1, 0);
    expect_eq(table[0], 0, "still there");
    mmuext_mfn(MMUEXT_UNPIN_TABLE, frames[1]);
    printf("page table given: reservation %ld, was %ld\n", current(), before);

    frames[0] = va_mfn(kernel_l4);
    reserve(XENMEM_decrease_reservation, frames, 1, 0);
    expect_eq(mmuext_mfn(MMUEXT_NEW_BASEPTR, va_mfn(kernel_l4)), 0, "we still run");

    frames[0] = ~0UL;
    frames[1] = 0;
    frames[2] = 0x100000000UL;
    frames[3] = start_info->shared_info >> PAGE_SHIFT;
    for (unsigned int i = 0; i < 3; i++) {
        expect(reserve(XENMEM_decrease_reservation, frames + i, 1, 0) <= 0, "not ours to give");
    }
    reserve(XENMEM_decrease_reservation, frames + 3, 1, 0);
    expect(now() > 0, "shared_info is still there");
}

static void check_arguments(void)
{
    static const unsigned int commands[] = { XENMEM_increase_reservation,
                                             XENMEM_decrease_reservation, XENMEM_populate_physmap };
    unsigned long frames[1] = { 0 };

    for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
        struct xen_memory_reservation request = { .nr_extents = 1, .domid = 77 };

        request.extent_start = (void *)frames;
        expect(hypercall2(__HYPERVISOR_memory_op, commands[i], &request) <= 0, "nobody");
        /* "None done" is Debian's Xen's answer. */
        expect(hypercall2(__HYPERVISOR_memory_op, commands[i], BAD_UNMAPPED) <= 0, "bad pointer");
        expect(reserve(commands[i], BAD_UNMAPPED, 1, 0) <= 0, "bad list");
        expect(reserve(commands[i], BAD_HYPERVISOR, 1, 0) <= 0, "list in the hypervisor");
        expect_eq(reserve(commands[i], frames, 0, 0), 0, "an empty list");
        expect(reserve(commands[i], frames, ~0UL, 0) <= 0, "a list without end");
        expect(reserve(commands[i], BAD_NONCANONICAL, BIT(60), 0) <= 0, "everything wrong");
    }
}

void test_main(void)
{
    check_round_trip();
    check_orders();
    check_in_use();
    check_arguments();
}
