/* SPDX-License-Identifier: MIT */
/*
 * Pinning at each level, using what was pinned, unpinning: a whole little address space is built,
 * entered, and taken apart, and every page is plain memory again in the end.
 *
 * Source: public mmuext_op.
 */
#include "tests/guests/lib/guest.h"

#define VA 0x0000001234567000UL

void test_main(void)
{
    uint64_t *tables[5];
    uint64_t *page = page_alloc();

    page[0] = 0xfeed;
    for (unsigned int level = 1; level <= 4; level++) {
        unsigned long target = va_mfn(level == 1 ? page : tables[level - 1]);

        tables[level] = page_alloc();
        tables[level][table_index(VA, level)] = pte(target, PTE_READ_WRITE);
    }
    tables[4][511] = kernel_l4[511];
    for (unsigned int level = 1; level <= 4; level++) {
        make_read_only(tables[level]);
        expect_eq(mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, va_mfn(tables[level])), 0, "pin");
    }
    expect_eq(mmuext_mfn(MMUEXT_NEW_BASEPTR, va_mfn(tables[4])), 0, "run on it");
    expect_eq(*(volatile uint64_t *)VA, 0xfeed, "the new mapping");
    *(volatile uint64_t *)VA = 0xbeef;
    expect_eq(page[0], 0xbeef, "the same page");

    /* Unpinned, it is still in use, and still protected. */
    expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(tables[4])), 0, "unpin the L4 we run on");
    expect_eq(*(volatile uint64_t *)VA, 0xbeef, "goes on");
    expect(update_va(tables[4], pte(va_mfn(tables[4]), PTE_READ_WRITE), UVMF_INVLPG) < 0,
           "in use, so not writable");
    expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(tables[1])), 0, "unpin the L1");
    expect(update_va(tables[1], pte(va_mfn(tables[1]), PTE_READ_WRITE), UVMF_INVLPG) < 0,
           "referenced, so not writable");

    expect_eq(mmuext_mfn(MMUEXT_NEW_BASEPTR, va_mfn(kernel_l4)), 0, "back");
    make_writable(tables[4]);
    tables[4][511] = 0;
    expect(update_va(tables[2], pte(va_mfn(tables[2]), PTE_READ_WRITE), UVMF_INVLPG) < 0,
           "still pinned, so not writable");
    expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(tables[3])), 0, "unpin the L3");
    expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(tables[2])), 0, "unpin the L2");
    for (unsigned int level = 1; level <= 3; level++) {
        make_writable(tables[level]);
        tables[level][0] = 0xffffffff;
    }
    expect_eq(try_read((void *)VA).vector, VECTOR_PF, "the mapping is gone");
}
