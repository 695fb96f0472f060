/* SPDX-License-Identifier: MIT */
/*
 * MMU_PT_UPDATE_PRESERVE_AD: change an entry without losing an accessed or dirty bit the CPU set
 * in the meantime.
 *
 * A lost dirty bit is a page that is never written back.
 * Source: public mmu_update.
 */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    volatile uint8_t *window = spare_va();
    unsigned long frame = va_mfn(page_alloc());
    uint64_t clean = pte(frame, PTE_P | PTE_RW | PTE_US);
    uint64_t where = entry_maddr(window, 1);

    expect_eq(update_va(window, clean, UVMF_INVLPG), 0, "map");
    expect_eq(*entry_of(window, 1) & (PTE_A | PTE_D), 0, "clean");
    *window = 1;
    expect_eq(*entry_of(window, 1) & (PTE_A | PTE_D), PTE_A | PTE_D, "the CPU set both");

    expect_eq(mmu_update_foreign(where | MMU_PT_UPDATE_PRESERVE_AD, clean & ~PTE_RW, DOMID_SELF), 0,
              "write-protect");
    expect_eq(*entry_of(window, 1) & (PTE_A | PTE_D | PTE_RW), PTE_A | PTE_D, "both are kept");
    expect_eq(mmu_update_one(where, clean), 0, "a normal update");
    expect_eq(*entry_of(window, 1) & (PTE_A | PTE_D), 0, "clears them");
    expect_eq(mmuext_linear(MMUEXT_INVLPG_LOCAL, window), 0, "flush");

    expect_eq(mmu_update_foreign(where | MMU_PT_UPDATE_PRESERVE_AD, clean | PTE_A, DOMID_SELF), 0,
              "set accessed");
    expect_eq(*entry_of(window, 1) & (PTE_A | PTE_D), PTE_A, "it is set");
    /* Refused values are refused here too. */
    expect(mmu_update_foreign(where | MMU_PT_UPDATE_PRESERVE_AD, clean | BIT(51), DOMID_SELF) < 0,
           "a reserved bit");
    expect(mmu_update_foreign(where | MMU_PT_UPDATE_PRESERVE_AD,
                              pte(va_mfn(kernel_l4), PTE_READ_WRITE), DOMID_SELF) < 0,
           "a page table, writable");
    expect_eq(mmu_update_foreign(where | MMU_PT_UPDATE_PRESERVE_AD, 0, DOMID_SELF), 0, "clear");
    expect_eq(*entry_of(window, 1) & PTE_P, 0, "cleared");
}
