/* SPDX-License-Identifier: MIT */
/*
 * stack_switch: where traps from user mode land, and with which stack segment.
 *
 * A stack segment with privilege level 0, or the hypervisor's, must never be loaded for the guest.
 * Source: public stack_switch; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static uint64_t handler_rsp;
static uint64_t handler_ss;
static unsigned long wanted_sp;

static unsigned long trap_now(unsigned long unused)
{
    (void)unused;
    __asm__ volatile("int3");
    return 0;
}

static bool note(struct regs *regs)
{
    if (regs->vector != VECTOR_BP) {
        return false;
    }
    handler_rsp = (uint64_t)regs + sizeof(*regs);
    __asm__ volatile("movq %%ss, %0" : "=r"(handler_ss));
    return false;
}

static bool trap_from_user(struct regs *regs)
{
    if (wanted_sp != 0 && regs->vector == VECTOR_SYSCALL && regs->rax == 1) {
        expect_eq(hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, wanted_sp), 0, "switch");
        return true;
    }
    return note(regs);
}

static unsigned long call_then_trap(unsigned long unused)
{
    unsigned long rax = 1;

    (void)unused;
    __asm__ volatile("syscall" : "+a"(rax) : : "rcx", "r11", "memory");
    __asm__ volatile("int3");
    return 0;
}

void test_main(void)
{
    struct trap trap;

    trap_hook = note;
    trap = user_run(trap_now, 0);
    expect_trap(&trap, VECTOR_BP, 0);
    expect(handler_rsp > (uint64_t)this_cpu() && handler_rsp < (uint64_t)this_cpu() + STACK_SIZE,
           "on the kernel's stack");
    expect_eq(handler_ss, FLAT_KERNEL_SS, "with the kernel's stack segment");

    /* Another place on the same stack; and an odd one: the frame is aligned for the guest. */
    trap_hook = trap_from_user;
    for (unsigned int offset = 0; offset < 16; offset += 5) {
        wanted_sp = (unsigned long)this_cpu() + STACK_SIZE / 2 + offset;
        trap = user_run(call_then_trap, 0);
        expect_trap(&trap, VECTOR_BP, 0);
        expect_eq(handler_rsp & ~15UL, wanted_sp & ~15UL, "where stack_switch said");
    }

    /* What no guest may have as its stack segment becomes ring 3 or is refused. */
    wanted_sp = 0;
    for (unsigned long ss = 0; ss < 0x10000; ss += 0x1357) {
        long result =
            hypercall2(__HYPERVISOR_stack_switch, ss, (unsigned long)this_cpu() + STACK_SIZE / 2);

        expect(result == 0 || result == -XEN_EINVAL || result == -XEN_EPERM, "any selector");
    }
    expect_eq(hypercall2(__HYPERVISOR_stack_switch, 0, 0), 0, "null stack segment");
    trap = user_run(trap_now, 0);
    expect_trap(&trap, VECTOR_BP, 0);
}
