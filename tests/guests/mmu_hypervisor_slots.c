/* SPDX-License-Identifier: MIT */
/*
 * Attack: change the top-level slots that belong to the hypervisor (256 to 271), in the L4 in use,
 * in a pinned one, and by preparing them in a page before it becomes an L4.
 *
 * Source: public HYPERVISOR_VIRT_START and _END.
 */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    uint64_t *l3 = table_alloc();
    uint64_t *l4 = page_alloc();
    uint64_t entry = pte(va_mfn(l3), PTE_TABLE);
    unsigned long m2p_before = M2P[pfn_mfn(7)];
    struct trap trap;

    for (unsigned int slot = 256; slot < 272; slot++) {
        uint64_t before = kernel_l4[slot];

        expect(set_entry(&kernel_l4[slot], entry) < 0, "our table in a hypervisor slot");
        expect(set_entry(&kernel_l4[slot], before | PTE_RW) < 0 || kernel_l4[slot] == before,
               "the same, writable");
        expect(set_entry(&kernel_l4[slot], 0) < 0 || kernel_l4[slot] == before, "cleared");
        expect_eq(kernel_l4[slot], before, "unchanged");
    }
    expect_eq(set_entry(&kernel_l4[255], entry), 0, "the slot below is ours");
    expect_eq(set_entry(&kernel_l4[255], 0), 0, "clear");
    expect_eq(set_entry(&kernel_l4[272], entry), 0, "the slot above is ours");
    expect_eq(set_entry(&kernel_l4[272], 0), 0, "clear");

    /* Prepared: whatever stood there is replaced by the hypervisor's own. */
    l4[511] = kernel_l4[511];
    for (unsigned int slot = 256; slot < 272; slot++) {
        l4[slot] = entry;
    }
    make_read_only(l4);
    expect_eq(mmuext_mfn(MMUEXT_PIN_L4_TABLE, va_mfn(l4)), 0, "pin");
    for (unsigned int slot = 256; slot < 272; slot++) {
        expect(l4[slot] != entry, "our entry is gone");
    }
    expect_eq(mmuext_mfn(MMUEXT_NEW_BASEPTR, va_mfn(l4)), 0, "run on it");
    expect_eq(M2P[pfn_mfn(7)], m2p_before, "the hypervisor's M2P is there");
    trap = try_read((const void *)0xffff810000000000UL);
    expect_eq(trap.vector, VECTOR_PF, "and not our table");
    expect_eq(mmuext_mfn(MMUEXT_NEW_BASEPTR, va_mfn(kernel_l4)), 0, "back");
    expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(l4)), 0, "unpin");
    make_writable(l4);
    for (unsigned int slot = 256; slot < 272; slot++) {
        l4[slot] = 0;
    }
}
