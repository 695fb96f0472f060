/* SPDX-License-Identifier: MIT */
/*
 * Counter overflow: one L1 table referenced from so many L2 entries, and one page mapped so often,
 * that a 16-bit count would come round to zero.
 *
 * Attack: a count that wraps says "not in use" about a table that is: it becomes writable.
 * Source: design invariant 9.
 */
#include "tests/guests/lib/guest.h"

#define L2_PAGES 130 /* times 512 references: more than 65,536 */

static uint64_t *l2s[L2_PAGES];

void test_main(void)
{
    uint64_t *page = page_alloc();
    uint64_t *l1 = page_alloc();
    unsigned int pinned = 0;
    long result = 0;

    for (unsigned int slot = 0; slot < 512; slot++) {
        l1[slot] = pte(va_mfn(page), PTE_READ_WRITE);
    }
    make_read_only(l1);
    for (unsigned int i = 0; i < L2_PAGES; i++) {
        l2s[i] = page_alloc();
        for (unsigned int slot = 0; slot < 512; slot++) {
            l2s[i][slot] = pte(va_mfn(l1), PTE_TABLE);
        }
        make_read_only(l2s[i]);
    }
    for (unsigned int i = 0; i < L2_PAGES; i++) {
        result = mmuext_mfn(MMUEXT_PIN_L2_TABLE, va_mfn(l2s[i]));
        if (result != 0) {
            break;
        }
        pinned++;
        expect(update_va(l1, pte(va_mfn(l1), PTE_READ_WRITE), UVMF_INVLPG) < 0, "the L1 is in use");
    }
    printf("%u references, then %ld\n", pinned * 512, result);
    expect(pinned > 0 && (pinned == L2_PAGES || result < 0), "counted, or refused at the limit");
    expect(update_va(l1, pte(va_mfn(l1), PTE_READ_WRITE), UVMF_INVLPG) < 0, "the L1 is in use");
    expect(mmuext_mfn(MMUEXT_PIN_L1_TABLE, va_mfn(page)) < 0, "the page is mapped writable");

    for (unsigned int i = 0; i < pinned; i++) {
        expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(l2s[i])), 0, "unpin");
    }
    make_writable(l1);
    memset(l1, 0, PAGE_SIZE);
    make_read_only(page);
    expect_eq(mmuext_mfn(MMUEXT_PIN_L1_TABLE, va_mfn(page)), 0, "no mapping is left");
}
