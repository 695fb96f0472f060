/* SPDX-License-Identifier: MIT */
/*
 * MMU_MACHPHYS_UPDATE: a guest names its frames as it likes, its own frames only.
 *
 * Attack: give another domain's frame, the hypervisor's, or one beyond memory a name: a write
 * outside the table.
 * Source: public mmu_update; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long name(unsigned long mfn, unsigned long pfn)
{
    return mmu_update_foreign(pte(mfn, 0) | MMU_MACHPHYS_UPDATE, pfn, DOMID_SELF);
}

void test_main(void)
{
    unsigned long pfn = spare_pfn();
    unsigned long mfn = pfn_mfn(pfn);

    expect_eq(M2P[mfn], pfn, "its name");
    expect_eq(name(mfn, 0x123456), 0, "a new name");
    expect_eq(M2P[mfn], 0x123456, "seen in the table");
    expect_eq(name(mfn, ~0UL), 0, "any value");
    expect_eq(M2P[mfn], ~0UL, "seen in the table");
    expect_eq(name(mfn, pfn), 0, "as before");

    expect(name(0, 1) < 0, "not our frame");
    expect(name(~0UL >> 12, 1) < 0, "no such frame");
    expect(name(0x100000000UL, 1) < 0, "beyond memory");
    expect(name(0x3ffffffffUL, 1) < 0, "the end of the table's range");
    expect_eq(mmu_update_foreign(pte(mfn, 0) | MMU_MACHPHYS_UPDATE, 1, 77), -XEN_ESRCH,
              "for nobody");
    expect_eq(M2P[mfn], pfn, "unchanged");
}
