/* SPDX-License-Identifier: MIT */
/*
 * INT 0x80, the old way into a Linux kernel, from 64-bit user code; then taken away.
 *
 * Hypervisors have a short cut for this vector.  It has to follow the trap table: after the guest
 * removed its handler, user code must get #GP and not an old address.
 * Source: public set_trap_table; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

extern char after_80[];

__attribute__((noinline)) static unsigned long raise_80(unsigned long unused)
{
    unsigned long result;

    (void)unused;
    __asm__ volatile("movq $5, %%rax\n\t"
                     "movq $6, %%rcx\n\t"
                     "movq $7, %%r11\n\t"
                     "int $0x80\n\t"
                     ".globl after_80\n"
                     "after_80: addq %%rcx, %%rax\n\t"
                     "addq %%r11, %%rax"
                     : "=&a"(result)
                     :
                     : "rcx", "r11", "memory");
    return result;
}

static unsigned int served;

static bool serve(struct regs *regs)
{
    if (regs->vector != 0x80) {
        return false;
    }
    served++;
    expect_eq(regs->rip, (uint64_t)after_80, "rip is behind the instruction");
    expect_eq(regs->rax, 5, "rax");
    expect_eq(regs->rcx, 6, "rcx is kept, unlike with SYSCALL");
    expect_eq(regs->r11, 7, "r11");
    regs->rax = 100;
    return true;
}

void test_main(void)
{
    struct trap_info none[257];
    struct trap trap;

    trap_hook = serve;
    for (unsigned int i = 0; i < 10; i++) {
        trap = user_run(raise_80, 0);
        expect(came_home(&trap), "home");
        expect_eq(trap.regs.rdi, 113, "the answer and the user's own registers");
    }
    expect_eq(served, 10, "served");

    memset(none, 0, sizeof(none));
    for (unsigned int vector = 0; vector < 256; vector++) {
        none[vector].vector = (uint8_t)vector;
        none[vector].flags = 4;
        none[vector].cs = FLAT_KERNEL_CS;
        none[vector].address = (unsigned long)trap_stub(vector);
    }
    none[0x80] = none[0];
    expect_eq(hypercall1(__HYPERVISOR_set_trap_table, NULL), 0, "forget all handlers");
    expect_eq(hypercall1(__HYPERVISOR_set_trap_table, none), 0, "all but 0x80");
    trap = user_run(raise_80, 0);
    expect_eq(trap.vector, VECTOR_GP, "no handler: #GP");
    expect(trap.error == (0x80 << 3 | 2) || trap.error == (0x80 << 4 | 2), "its error code");
    expect_eq(served, 10, "not served");
}
