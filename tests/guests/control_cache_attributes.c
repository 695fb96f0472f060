/* SPDX-License-Identifier: MIT */
/*
 * Attack: a domain without devices maps its own memory uncached or write-combining.
 *
 * What it writes so goes past the caches. The hypervisor would check a page table as the cache has
 * it, and the CPU would walk what is in memory: something else. So PWT, PCD and PAT are for those
 * who have devices; no table entry at all has them.
 * Source: Xen's advisory 402; watched on Debian's Xen.
 */
#include "tests/guests/lib/second.h"

static const uint64_t attributes[] = { PTE_PWT, PTE_PCD, PTE_PAT, PTE_PWT | PTE_PCD | PTE_PAT };

static void check_second(void)
{
    uint64_t *page = page_alloc(), *table = page_alloc();
    void *window = spare_va();
    uint64_t *entry = entry_of(window, 1);

    for (unsigned int i = 0; i < ARRAY_SIZE(attributes); i++) {
        uint64_t wanted = pte(va_mfn(page), PTE_READ_WRITE | attributes[i]);

        expect(mmu_update_one(va_maddr(entry), wanted) < 0, "by mmu_update");
        expect(update_va(window, wanted, UVMF_INVLPG) < 0, "by update_va_mapping");
        *table = wanted;
        make_read_only(table);
        expect(mmuext_mfn(MMUEXT_PIN_L1_TABLE, va_mfn(table)) < 0, "in a table");
        make_writable(table);
    }
    /* Writable it is, by the ordinary way; then nothing but the attribute changes. */
    expect_eq(update_va(window, pte(va_mfn(page), PTE_READ_WRITE), UVMF_INVLPG), 0, "cached");
    for (unsigned int i = 0; i < ARRAY_SIZE(attributes); i++) {
        expect(mmu_update_one(va_maddr(entry), *entry | attributes[i]) < 0, "as an afterthought");
        expect_eq(try_write(entry, (uint8_t)(*entry | attributes[i])).vector, VECTOR_PF,
                  "by a plain store");
    }
}

static void check_first(void)
{
    void *window = spare_va();
    uint64_t *page = page_alloc();

    for (unsigned int i = 0; i < ARRAY_SIZE(attributes); i++) {
        expect_eq(update_va(window, pte(va_mfn(page), PTE_READ_WRITE | attributes[i]), UVMF_INVLPG),
                  0, "dom0 has devices");
    }
    for (unsigned int level = 2; level <= 4; level++) {
        uint64_t *entry = entry_of(window, level);

        expect(mmu_update_one(entry_maddr(window, level), *entry | PTE_PCD) < 0, "a table's entry");
        expect(mmu_update_one(entry_maddr(window, level), *entry | PTE_PWT) < 0, "a table's entry");
    }
}

void test_main(void)
{
    unsigned int domain;

    if (in_second()) {
        check_second();
        return;
    }
    check_first();
    domain = second_start();
    expect_eq(second_wait(domain, 5000), SHUTDOWN_poweroff, "the second domain's verdict");
    expect_eq(second_end(domain), 0, "destroyed");
}
