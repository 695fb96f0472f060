/* SPDX-License-Identifier: MIT */
/*
 * One frame in two roles at once: an L1 that is also an L2, a GDT that is also a table, shared_info
 * or a grant frame as a table; and loops of tables.
 *
 * Each level's entries mean something else: an L1 entry with RW read as an L2 entry makes any
 * frame a page table of the guest's writing.
 * Source: invariants 1 and 2 of the design; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define VA_SLOT 5

static void check_levels(void)
{
    uint64_t *used[5];

    for (unsigned int level = 1; level <= 4; level++) {
        used[level] = table_alloc();
        expect_eq(mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, va_mfn(used[level])), 0, "pin");
    }
    for (unsigned int level = 2; level <= 4; level++) {
        for (unsigned int other = 1; other <= 4; other++) {
            long result = set_entry(&used[level][VA_SLOT], pte(va_mfn(used[other]), PTE_TABLE));

            if (other == level - 1) {
                expect_eq(result, 0, "the level below");
                expect_eq(set_entry(&used[level][VA_SLOT], 0), 0, "clear");
            } else {
                expect(result < 0, "any other level");
            }
        }
    }
    for (unsigned int level = 1; level <= 4; level++) {
        expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(used[level])), 0, "unpin");
        make_writable(used[level]);
    }
}

static void check_descriptor_table(void)
{
    uint64_t *page = table_alloc();
    unsigned long frame = va_mfn(page);

    expect_eq(hypercall2(__HYPERVISOR_set_gdt, &frame, 8), 0, "a GDT");
    for (unsigned int level = 1; level <= 4; level++) {
        expect(mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, frame) < 0, "as a page table");
    }
    expect_eq(hypercall2(__HYPERVISOR_set_gdt, NULL, 0), 0, "no GDT");
    expect_eq(mmuext_mfn(MMUEXT_PIN_L1_TABLE, frame), 0, "now it may");
    expect(hypercall2(__HYPERVISOR_set_gdt, &frame, 8) < 0, "and not be a GDT");
    expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, frame), 0, "unpin");
}

static void check_hypervisor_pages(void)
{
    unsigned long grant_frame = grant_table_frame();
    uint64_t *l2 = table_alloc();

    expect(mmuext_mfn(MMUEXT_PIN_L1_TABLE, grant_frame) < 0, "the grant table as L1");
    expect(mmuext_mfn(MMUEXT_PIN_L4_TABLE, start_info->shared_info >> PAGE_SHIFT) < 0,
           "shared_info as L4");
    expect_eq(mmuext_mfn(MMUEXT_PIN_L2_TABLE, va_mfn(l2)), 0, "an L2");
    expect(set_entry(&l2[0], pte(grant_frame, PTE_TABLE)) < 0, "the grant table under an L2");
    expect(set_entry(&l2[0], pte(start_info->shared_info >> PAGE_SHIFT, PTE_TABLE)) < 0,
           "shared_info under an L2");
    expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(l2)), 0, "unpin");
}

/* a leads to b, b leads to a: prepared while both are plain memory. */
static void check_loop(void)
{
    uint64_t *a = page_alloc();
    uint64_t *b = page_alloc();

    a[0] = pte(va_mfn(b), PTE_TABLE);
    b[0] = pte(va_mfn(a), PTE_TABLE);
    make_read_only(a);
    make_read_only(b);
    for (unsigned int level = 2; level <= 4; level++) {
        expect(mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, va_mfn(a)) < 0, "a loop of two");
    }
    make_writable(a);
    a[0] = pte(va_mfn(a), PTE_TABLE);
    make_read_only(a);
    for (unsigned int level = 2; level <= 4; level++) {
        expect(mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, va_mfn(a)) < 0, "a loop of one");
    }
    make_writable(a);
    make_writable(b);
}

void test_main(void)
{
    check_levels();
    check_descriptor_table();
    check_hypervisor_pages();
    check_loop();
}
