/* SPDX-License-Identifier: MIT */
/*
 * Bits of entries that lead to tables: PSE above all. A guest has no large pages.
 *
 * Attack: PSE in an L2 entry turns a validated table's frame number into 2 MiB of somebody's
 * memory, writable; in an L3 entry into 1 GiB. It must be refused however it gets there: by
 * mmu_update, in a table being pinned, in the top-level one.
 * Source: CPU manuals; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static uint64_t *tables[5]; /* by level, each empty but for [0] leading to the next */

/* Entries of this level, other than the one in use. */
static long try_entry(unsigned int level, uint64_t value)
{
    uint64_t *slot = &tables[level][5];
    long result = set_entry(slot, value);

    if (result == 0) {
        uint64_t got = *slot;

        expect_eq((long)(got & PTE_PSE), 0, "no PSE in a table");
        expect_eq(set_entry(slot, 0), 0, "clear");
    } else {
        expect_eq(*slot, 0, "nothing written");
    }
    return result;
}

static void check_level(unsigned int level)
{
    static const uint64_t fine = PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_AVAIL | PTE_NX;
    /* Without meaning here, or how the table itself is cached: taken or not. */
    static const uint64_t optional = PTE_PWT | PTE_PCD | PTE_G | 0x7ffUL << 52;
    uint64_t good = pte(va_mfn(tables[level - 1]), PTE_TABLE);

    expect_eq(try_entry(level, good), 0, "a good entry");
    for (unsigned int bit = 0; bit < 64; bit++) {
        long result;

        if (bit >= 12 && bit < 40) {
            continue;
        }
        result = try_entry(level, good ^ BIT(bit));
        if ((BIT(bit) & fine) != 0) {
            if (!expect_eq(result, 0, "a bit guests may have")) {
                printf("level %u bit %u\n", level, bit);
            }
        } else if ((BIT(bit) & optional) == 0 && !expect(result < 0, "a bit guests may not have")) {
            printf("level %u bit %u\n", level, bit);
        }
    }
}

/* The same by pinning a table that was filled while it was ordinary memory. */
static void check_pin(unsigned int level, uint64_t entry, const char *what)
{
    uint64_t *table = page_alloc();

    table[9] = entry;
    make_read_only(table);
    expect(mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, va_mfn(table)) < 0, what);
    make_writable(table);
    table[9] = 0;
    make_read_only(table);
    expect_eq(mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, va_mfn(table)), 0, "without it");
    expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(table)), 0, "unpin");
}

void test_main(void)
{
    for (unsigned int level = 1; level <= 4; level++) {
        tables[level] = page_alloc();
        if (level > 1) {
            tables[level][0] = pte(va_mfn(tables[level - 1]), PTE_TABLE);
        }
        make_read_only(tables[level]);
    }
    expect_eq(mmuext_mfn(MMUEXT_PIN_L4_TABLE, va_mfn(tables[4])), 0, "pin");
    for (unsigned int level = 2; level <= 4; level++) {
        check_level(level);
    }

    check_pin(2, pte(pfn_mfn(0) & ~511UL, PTE_TABLE | PTE_PSE), "L2 with a large page");
    check_pin(2, pte(0, PTE_TABLE | PTE_PSE), "L2 with a large page at 0");
    check_pin(3, pte(0, PTE_TABLE | PTE_PSE), "L3 with a huge page");
    check_pin(4, pte(va_mfn(tables[3]), PTE_TABLE | PTE_PSE), "L4 with PSE");
    check_pin(2, pte(va_mfn(tables[1]), PTE_TABLE | BIT(51)), "reserved address bit");
    check_pin(1, pte(pfn_mfn(0), PTE_READ_ONLY | BIT(51)), "reserved address bit");
}
