/* SPDX-License-Identifier: MIT */
/*
 * What cannot be pinned or unpinned: writable pages, pages with bad entries, pages of another
 * type, twice, what was not pinned, what is not ours.
 *
 * Attack: each is a way to have a table the hypervisor never looked at, or a count that is off by
 * one and reaches zero while the table is in use.
 * Source: public mmuext_op; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long pin(unsigned int level, const void *page)
{
    return mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, va_mfn(page));
}

static long unpin(const void *page)
{
    return mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(page));
}

static void check_counts(void)
{
    uint64_t *page = page_alloc();

    for (unsigned int level = 1; level <= 4; level++) {
        expect(pin(level, page) < 0, "a writable page");
    }
    make_read_only(page);
    expect_eq(unpin(page), -XEN_EINVAL, "unpin what was not pinned");
    for (unsigned int level = 1; level <= 4; level++) {
        expect_eq(pin(level, page), 0, "pin");
        for (unsigned int other = 1; other <= 4; other++) {
            expect(pin(other, page) < 0, "pin again, at any level");
        }
        expect_eq(unpin(page), 0, "unpin");
        expect_eq(unpin(page), -XEN_EINVAL, "unpin again");
        expect(update_va(page, pte(va_mfn(page), PTE_READ_WRITE), UVMF_INVLPG) == 0,
               "plain memory again");
        make_read_only(page);
    }
}

static void check_one(unsigned int level, uint64_t entry, const char *what)
{
    uint64_t *page = page_alloc();

    for (unsigned int slot = 0; slot < 512; slot += 511) {
        page[slot] = entry;
        make_read_only(page);
        expect(pin(level, page) < 0, what);
        expect_eq(unpin(page), -XEN_EINVAL, "it was not pinned");
        make_writable(page);
        page[slot] = 0;
    }
}

static void check_contents(void)
{
    uint64_t *writable = page_alloc();
    uint64_t *l1 = table_alloc();
    uint64_t *l3 = table_alloc();

    expect_eq(pin(1, l1), 0, "an L1");
    expect_eq(pin(3, l3), 0, "an L3");
    check_one(1, pte(va_mfn(l1), PTE_READ_WRITE), "L1 that maps a page table writable");
    check_one(1, pte(va_mfn(kernel_l4), PTE_READ_WRITE), "L1 that maps our L4 writable");
    check_one(1, pte(0x100000000UL, PTE_READ_ONLY), "L1 with a frame that does not exist");
    check_one(2, pte(va_mfn(writable), PTE_TABLE), "L2 with a writable page as L1");
    check_one(2, pte(va_mfn(l3), PTE_TABLE), "L2 with an L3 as L1");
    check_one(3, pte(va_mfn(l1), PTE_TABLE), "L3 with an L1 as L2");
    check_one(4, pte(va_mfn(l1), PTE_TABLE), "L4 with an L1 as L3");
    check_one(4, pte(va_mfn(kernel_l4), PTE_TABLE), "L4 with an L4 as L3");
    check_one(2, pte(0x100000000UL, PTE_TABLE), "L2 with a frame that does not exist");
    check_one(4, pte(0, PTE_TABLE), "L4 with frame 0");
    expect_eq(unpin(l1), 0, "unpin");
    expect_eq(unpin(l3), 0, "unpin");
    make_writable(l1);
    make_writable(l3);
    l1[0] = 1;
    l3[0] = 1;
}

static void check_frames(void)
{
    static const unsigned long frames[] = { 0, 0x100000000UL, ~0UL, ~0UL >> 12, 0xa0 };

    for (unsigned int i = 0; i < ARRAY_SIZE(frames); i++) {
        for (unsigned int command = MMUEXT_PIN_L1_TABLE; command <= MMUEXT_UNPIN_TABLE; command++) {
            expect(mmuext_mfn(command, frames[i]) < 0, "a frame that is not ours");
        }
    }
    expect(mmuext_mfn(MMUEXT_PIN_L1_TABLE, start_info->shared_info >> PAGE_SHIFT) < 0,
           "shared_info");
}

void test_main(void)
{
    check_counts();
    check_contents();
    check_frames();
}
