/* SPDX-License-Identifier: MIT */
/*
 * Every bit of an L1 entry: which a guest may set, which are refused, which the hypervisor adds.
 *
 * Attack: a bit the hypervisor does not know is a feature of some CPU (a protection key, encrypted
 * memory, a higher address). Reserved bits make every access fault in strange ways.
 * Source: CPU manuals (page-table entries); public mmu_update; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static uint8_t *window;
static unsigned long frame;

/* Of the bits outside address and P: the guest's own. */
#define ALLOWED                                                                                    \
    (PTE_RW | PTE_US | PTE_PWT | PTE_PCD | PTE_A | PTE_D | PTE_PAT | PTE_G | PTE_AVAIL | BIT(52) | \
     PTE_NX)
/* Ignored by CPUs without protection keys: Debian's Xen takes them, an allow-list does not. */
#define OPTIONAL (0x3ffUL << 53)
/* Bits that may come back set although they were not asked for. */
#define ADDED (PTE_US | PTE_G | BIT(52))

static void check_bit(unsigned int bit)
{
    uint64_t want = pte(frame, PTE_READ_ONLY) ^ BIT(bit);
    long by_mmu = mmu_update_one(entry_maddr(window, 1), want);
    uint64_t got = *entry_of(window, 1);
    long by_va;

    if (by_mmu == 0) {
        if (!expect_eq((long)(got & ~ADDED), (long)(want & ~ADDED), "the entry as asked")) {
            printf("bit %u\n", bit);
        }
        /* A or D alone may be kept clear by nobody but the CPU, which has not looked. */
        expect_eq(mmu_update_one(entry_maddr(window, 1), 0), 0, "clear");
    } else {
        expect_eq(got, 0, "nothing written");
    }
    by_va = update_va(window, want, UVMF_INVLPG);
    expect_eq(by_va, by_mmu, "update_va_mapping agrees");
    if (by_va == 0) {
        expect_eq(update_va(window, 0, UVMF_INVLPG), 0, "clear");
    }

    if ((OPTIONAL & BIT(bit)) != 0) {
        return;
    }
    if ((ALLOWED & BIT(bit)) != 0 || bit == 0) {
        if (!expect_eq(by_mmu, 0, "a bit guests may set")) {
            printf("bit %u\n", bit);
        }
    } else if (!expect(by_mmu < 0, "a bit guests may not set")) {
        printf("bit %u\n", bit);
    }
}

/* What is not present means nothing to the CPU: it is kept as it is. */
static void check_not_present(void)
{
    static const uint64_t values[] = {
        2, 0x1234567890abcdeeUL, 0x7ffffffffffffffeUL, 0xfffffffffffffffeUL, BIT(62), BIT(51)
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
        expect_eq(mmu_update_one(entry_maddr(window, 1), values[i]), 0, "not present");
        expect_eq(*entry_of(window, 1), values[i], "kept verbatim");
    }
    expect_eq(mmu_update_one(entry_maddr(window, 1), 0), 0, "clear");
}

void test_main(void)
{
    window = spare_va();
    frame = va_mfn(page_alloc());
    expect_eq(update_va(window, 0, UVMF_INVLPG), 0, "an empty entry");

    for (unsigned int bit = 0; bit < 12; bit++) {
        check_bit(bit);
    }
    /* Bit 40 on: beyond any memory of this machine, reserved from the CPU's width on. */
    for (unsigned int bit = 40; bit < 64; bit++) {
        check_bit(bit);
    }
    check_not_present();
}
