/* SPDX-License-Identifier: MIT */
/*
 * Linear page tables: an L4 entry that leads to the L4 itself, so that all tables appear in the
 * address space. Read-only some hypervisors allow it (NetBSD uses it); writable nobody may.
 *
 * Attack: with one writable recursive entry the guest edits its tables by plain stores.
 * Source: watched on Debian's Xen (which has it switched on); optional in the ABI.
 */
#include "tests/guests/lib/guest.h"

#define SLOT 300U

static unsigned long linear(unsigned long va)
{
    return 0xffff000000000000UL | (uint64_t)SLOT << 39 | (va >> 9 & 0x7ffffffff8UL);
}

static void check_writes(uint64_t *table, unsigned int level)
{
    /* The entry itself says RW, but nothing below may be written through it. */
    long result = set_entry(&table[SLOT], pte(va_mfn(table), PTE_TABLE));

    printf("level %u, writable: %ld\n", level, result);
    if (!expect(result < 0, "a writable recursive entry")) {
        set_entry(&table[SLOT], 0);
    }
}

void test_main(void)
{
    uint64_t read_only = pte(va_mfn(kernel_l4), PTE_P | PTE_US | PTE_A);
    long result;

    check_writes(kernel_l4, 4);
    result = set_entry(&kernel_l4[SLOT], read_only);
    printf("read-only: %ld\n", result);
    if (result == 0) {
        const uint64_t *entry = (const uint64_t *)linear((unsigned long)&kernel_l4);
        struct trap trap;

        expect_eq(*entry, *entry_of(&kernel_l4, 1), "the tables appear");
        trap = try_write((void *)(uintptr_t)entry, 0);
        expect_trap(&trap, VECTOR_PF, 3);
        expect_eq(set_entry(&kernel_l4[SLOT], read_only | PTE_RW) < 0, 1, "not made writable");
        expect_eq(set_entry(&kernel_l4[SLOT], 0), 0, "taken out");
    } else {
        expect(result == -XEN_EINVAL || result == -XEN_EPERM, "refused");
    }
    /* An L4 under another level is never right. */
    {
        uint64_t *l3 = table_alloc();

        l3 = (uint64_t *)l3;
        expect_eq(mmuext_mfn(MMUEXT_PIN_L3_TABLE, va_mfn(l3)), 0, "an L3");
        expect(set_entry(&l3[0], read_only) < 0, "an L4 where an L2 belongs");
        expect(set_entry(&l3[0], pte(va_mfn(l3), PTE_TABLE)) < 0, "itself, writable");
        result = set_entry(&l3[0], pte(va_mfn(l3), PTE_P | PTE_US | PTE_A));
        printf("L3 in itself, read-only: %ld\n", result);
        if (result == 0) {
            expect_eq(set_entry(&l3[0], 0), 0, "taken out");
        }
        expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(l3)), 0, "unpin");
        make_writable(l3);
        l3[0] = 1;
    }
}
