/* SPDX-License-Identifier: MIT */
/*
 * NEW_BASEPTR and NEW_USER_BASEPTR: only a validated L4 gets into CR3, pinned or not; the old one
 * is let go.
 *
 * Attack: an L3, a writable page or a frame of somebody else's as top-level table.
 * Source: public mmuext_op; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static unsigned long read_word(unsigned long address)
{
    return *(volatile unsigned long *)address;
}

void test_main(void)
{
    static unsigned long word = 0x77;
    static const unsigned int commands[] = { MMUEXT_NEW_BASEPTR, MMUEXT_NEW_USER_BASEPTR };
    uint64_t *l4 = page_alloc();
    uint64_t *writable = page_alloc();
    struct trap trap;

    for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
        expect(mmuext_mfn(commands[i], va_mfn(writable)) < 0, "a writable page");
        expect(mmuext_mfn(commands[i], pte_mfn(*entry_of((void *)VIRT_BASE, 4))) < 0, "an L3");
        expect(mmuext_mfn(commands[i], ~0UL) < 0, "no frame");
        expect(mmuext_mfn(commands[i], 0x100000000UL) < 0, "beyond memory");
        expect(mmuext_mfn(commands[i], start_info->shared_info >> PAGE_SHIFT) < 0, "shared_info");
    }
    expect(mmuext_mfn(MMUEXT_NEW_BASEPTR, 0) < 0, "frame 0 for the kernel");

    /* Not pinned: validated on the way in, and let go when replaced. */
    l4[511] = kernel_l4[511];
    make_read_only(l4);
    expect_eq(mmuext_mfn(MMUEXT_NEW_BASEPTR, va_mfn(l4)), 0, "an L4 that is not pinned");
    expect_eq(*(volatile unsigned long *)&word, 0x77, "we run");
    expect(update_va(l4, pte(va_mfn(l4), PTE_READ_WRITE), UVMF_INVLPG) < 0, "in use");
    expect_eq(mmuext_mfn(MMUEXT_NEW_BASEPTR, va_mfn(kernel_l4)), 0, "back");
    make_writable(l4);
    l4[0] = 0xbad;
    l4[0] = 0;
    make_read_only(l4);
    expect_eq(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, va_mfn(l4)), 0, "for user mode");
    expect(update_va(l4, pte(va_mfn(l4), PTE_READ_WRITE), UVMF_INVLPG) < 0, "in use");
    expect_eq(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0), 0, "none for user mode");
    make_writable(l4);

    trap = user_run(read_word, (unsigned long)&word);
    expect(came_home(&trap), "user mode on its own table");
    expect_eq(trap.regs.rdi, 0x77, "the word");
    /* The same table twice. */
    expect_eq(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, va_mfn(kernel_l4)), 0, "the kernel's for both");
    expect_eq(mmuext_mfn(MMUEXT_NEW_BASEPTR, va_mfn(kernel_l4)), 0, "the same again");
}
