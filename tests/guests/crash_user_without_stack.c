/* SPDX-License-Identifier: MIT */
/*
 * User code traps while the kernel stack given to stack_switch is unmapped.
 *
 * The frame has nowhere to go; user code must not be able to take the host down with it.
 * EXPECT: crash
 */
#include "tests/guests/lib/guest.h"

static unsigned long spoil(unsigned long unused)
{
    (void)unused;
    __asm__ volatile("ud2");
    return 0;
}

static bool to_user(struct regs *regs)
{
    struct iret_frame frame = user_frame(spoil, 0);

    hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, (unsigned long)BAD_UNMAPPED);
    regs->rip = frame.rip;
    regs->cs = frame.cs;
    regs->rflags = frame.rflags;
    regs->rsp = frame.rsp;
    regs->ss = frame.ss;
    regs->rsi = frame.rsi;
    return true;
}

void test_main(void)
{
    user_setup();
    trap_hook = to_user;
    __asm__ volatile("int3");
    test_survived("user trap without a kernel stack");
}
