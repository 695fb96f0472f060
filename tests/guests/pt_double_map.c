/* SPDX-License-Identifier: MIT */
/*
 * Attack: a second, writable mapping of a page table. Tried for every level, before and after the
 * page became a table, by each call that writes entries, and through an L1 that is not in use yet.
 *
 * This is the one property everything rests on: a frame that is a page table is never writable.
 * Source: invariant 1 of the design; public mmu_update.
 */
#include "tests/guests/lib/guest.h"

static uint8_t *window;

static void refuse_everywhere(const uint64_t *table)
{
    uint64_t entry = pte(va_mfn(table), PTE_READ_WRITE);
    struct multicall_entry call = {
        .op = __HYPERVISOR_update_va_mapping,
        .args = { (unsigned long)window, entry, UVMF_INVLPG },
    };
    uint64_t *spare_l1;

    expect(update_va(window, entry, UVMF_INVLPG) < 0, "update_va_mapping");
    expect(mmu_update_one(entry_maddr(window, 1), entry) < 0, "mmu_update");
    expect(mmu_update_foreign(entry_maddr(window, 1) | MMU_PT_UPDATE_NO_TRANSLATE, entry,
                              DOMID_SELF) < 0,
           "mmu_update, no translation");
    expect_eq(hypercall2(__HYPERVISOR_multicall, &call, 1), 0, "multicall");
    expect((long)call.result < 0, "update_va_mapping in a multicall");
    /* Read-only is fine, and does not become writable. */
    expect_eq(update_va(window, pte(va_mfn(table), PTE_READ_ONLY), UVMF_INVLPG), 0, "read-only");
    expect(update_va(window, entry, UVMF_INVLPG) < 0, "from read-only to writable");
    expect(mmu_update_foreign(entry_maddr(window, 1) | MMU_PT_UPDATE_PRESERVE_AD, entry,
                              DOMID_SELF) < 0,
           "the same with PRESERVE_AD");
    expect_eq(*entry_of(window, 1) & PTE_RW, 0, "still read-only");
    expect_eq(update_va(window, 0, UVMF_INVLPG), 0, "unmap");

    /* In an L1 that nobody looked at, which then becomes one. */
    spare_l1 = page_alloc();
    spare_l1[3] = entry;
    make_read_only(spare_l1);
    expect(mmuext_mfn(MMUEXT_PIN_L1_TABLE, va_mfn(spare_l1)) < 0, "a prepared L1");
    expect(set_entry(entry_of((void *)0xffffffffbfe00000UL, 2), pte(va_mfn(spare_l1), PTE_TABLE)) <
               0,
           "a prepared L1, by reference");
    make_writable(spare_l1);
    spare_l1[3] = 0;
}

/* The other order: writable first, table second. */
static void refuse_as_table(unsigned int level)
{
    uint64_t *page = page_alloc();

    expect_eq(update_va(window, pte(va_mfn(page), PTE_READ_WRITE), UVMF_INVLPG), 0,
              "second mapping");
    make_read_only(page);
    expect(mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, va_mfn(page)) < 0,
           "one of two mappings is still writable");
    expect_eq(update_va(window, pte(va_mfn(page), PTE_READ_ONLY), UVMF_INVLPG), 0, "read-only");
    expect_eq(mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, va_mfn(page)), 0, "now it may");
    expect_eq(update_va(window, 0, UVMF_INVLPG), 0, "unmap");
    refuse_everywhere(page);
    expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(page)), 0, "unpin");
}

void test_main(void)
{
    window = spare_va();
    expect_eq(update_va(window, 0, UVMF_INVLPG), 0, "empty");
    for (unsigned int level = 1; level <= 4; level++) {
        refuse_as_table(level);
        /* The tables we run on. */
        refuse_everywhere((const uint64_t *)((unsigned long)entry_of((void *)VIRT_BASE, level) &
                                             ~(PAGE_SIZE - 1)));
    }
}
