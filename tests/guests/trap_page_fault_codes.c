/* SPDX-License-Identifier: MIT */
/*
 * Page faults: the error code tells present/write/user/fetch, cr2 is in vcpu_info, and a guest
 * kernel's own faults do not look like user faults although both run in ring 3.
 *
 * A kernel decides between "grow the stack", "copy on write" and "kill" from these bits.
 * Source: CPU manuals for the bits; the user bit's treatment watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static void jump(void *address)
{
    __asm__ volatile("call *%0" : : "r"(address) : "memory");
}

static unsigned long read_at(unsigned long address)
{
    return *(volatile uint8_t *)address;
}

static unsigned long write_at(unsigned long address)
{
    *(volatile uint8_t *)address = 1;
    return 0;
}

static unsigned long jump_to(unsigned long address)
{
    __asm__ volatile("call *%0" : : "r"(address) : "memory");
    return 0;
}

static void check(struct trap trap, long error, const void *address)
{
    expect_trap(&trap, VECTOR_PF, error);
    expect_eq(trap.cr2, (uint64_t)address, "cr2");
}

void test_main(void)
{
    uint8_t *read_only = page_alloc();
    uint8_t *absent = page_alloc();
    uint8_t *no_execute = page_alloc();
    unsigned long mfn = va_mfn(absent);

    no_execute[0] = 0xc3;
    make_read_only(read_only);
    expect_eq(update_va(absent, 0, UVMF_INVLPG), 0, "unmap");
    expect_eq(update_va(no_execute, pte(va_mfn(no_execute), PTE_READ_WRITE | PTE_NX), UVMF_INVLPG),
              0, "no execute");

    check(try_read(absent + 5), 0, absent + 5);
    check(try_write(absent + 4095, 1), 2, absent + 4095);
    check(try_write(read_only + 7, 1), 3, read_only + 7);
    check(try_call_trap(jump, no_execute), 0x11, no_execute);
    check(try_call_trap(jump, absent), 0x10, absent);
    check(try_read(BAD_UNMAPPED), 0, BAD_UNMAPPED);

    check(user_run(read_at, (unsigned long)absent), 4, absent);
    check(user_run(write_at, (unsigned long)absent), 6, absent);
    check(user_run(write_at, (unsigned long)read_only), 7, read_only);
    check(user_run(jump_to, (unsigned long)no_execute), 0x15, no_execute);
    /* The hypervisor's area looks the same whether something is there or not. */
    for (unsigned int i = 0; i < 15; i++) {
        unsigned long address = 0xffff808000000000UL + ((unsigned long)i << 39);
        struct trap trap = user_run(read_at, address);

        expect_eq(trap.vector, VECTOR_PF, "user read of the hypervisor");
        expect_eq(trap.cr2, address, "cr2");
    }
    expect_eq(update_va(absent, pte(mfn, PTE_READ_WRITE), UVMF_INVLPG), 0, "map again");
    expect_eq(try_write(absent, 1).vector, NO_TRAP, "mapped again");
}
