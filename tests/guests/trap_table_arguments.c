/* SPDX-License-Identifier: MIT */
/*
 * set_trap_table: entries one by one, ended by address 0, and everything it must refuse.
 *
 * Attack: a handler at a non-canonical address makes the hypervisor's own IRET fault; one in the
 * hypervisor's area must not be run.  A table that never ends must not run forever.
 * Source: public description of set_trap_table; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define NUMBER 0x80

static void raise_here(void *unused)
{
    (void)unused;
    __asm__ volatile("int $0x80");
}

static long set_table(const struct trap_info *table)
{
    return hypercall1(__HYPERVISOR_set_trap_table, table);
}

static long set_one(unsigned long address)
{
    struct trap_info table[2] = {
        { .vector = NUMBER, .flags = 4 | 3, .cs = FLAT_KERNEL_CS, .address = address },
    };

    return set_table(table);
}

/* More entries than any hypervisor does in one go. */
static void check_long_table(void)
{
    static struct trap_info table[3001];

    for (unsigned int i = 0; i < 3000; i++) {
        table[i].vector = (uint8_t)(0x93 + i % 8);
        table[i].flags = 4 | 3;
        table[i].cs = FLAT_KERNEL_CS;
        table[i].address = (unsigned long)trap_stub(i == 2999 ? NUMBER : 0x99);
    }
    table[2999].vector = NUMBER;
    expect_eq(set_table(table), 0, "a long table");
}

/* The entries run up to the end of a mapped page and no terminator follows. */
static void check_unterminated(void)
{
    uint8_t *pages[2] = { page_alloc(), page_alloc() };
    struct trap_info *table = (struct trap_info *)(void *)(pages[0] + PAGE_SIZE) - 4;

    expect(pages[1] == pages[0] + PAGE_SIZE, "pages in a row");
    for (unsigned int i = 0; i < 4; i++) {
        table[i].vector = 0x95;
        table[i].flags = 4 | 3;
        table[i].cs = FLAT_KERNEL_CS;
        table[i].address = (unsigned long)trap_stub(0x95);
    }
    expect_eq(update_va(pages[1], 0, UVMF_INVLPG), 0, "unmap");
    expect_eq(set_table(table), -XEN_EFAULT, "table runs off its page");
}

void test_main(void)
{
    struct trap trap;

    expect_eq(set_one((unsigned long)trap_stub(NUMBER)), 0, "good entry");
    trap = try_call_trap(raise_here, NULL);
    expect_trap(&trap, NUMBER, ANY_ERROR);

    expect_eq(set_table(BAD_UNMAPPED), -XEN_EFAULT, "unmapped table");
    expect_eq(set_table(BAD_HYPERVISOR), -XEN_EFAULT, "table in the hypervisor");
    expect_eq(set_table(BAD_NONCANONICAL), -XEN_EFAULT, "non-canonical table");

    expect_eq(set_one(0x0000800000000000UL), -XEN_EINVAL, "non-canonical handler");
    expect_eq(set_one(0x8000000000000000UL), -XEN_EINVAL, "non-canonical handler");
    trap = try_call_trap(raise_here, NULL);
    expect_trap(&trap, NUMBER, ANY_ERROR);

    /* Without masking, the handler starts with events on. */
    set_trap(NUMBER, 3, trap_stub(NUMBER));
    events_on();
    trap = try_call_trap(raise_here, NULL);
    expect_trap(&trap, NUMBER, ANY_ERROR);
    events_off();

    check_long_table();
    trap = try_call_trap(raise_here, NULL);
    expect_trap(&trap, NUMBER, ANY_ERROR);
    check_unterminated();
}
