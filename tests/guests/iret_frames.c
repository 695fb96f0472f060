/* SPDX-License-Identifier: MIT */
/*
 * The iret hypercall: nine words on the stack, and what of them the guest really gets.
 *
 * Attack: flags.  A guest that returns with IOPL 3, VM, NT or without IF would own the ports, fault
 * the hypervisor's next IRET or stop its interrupts.
 * Source: public struct iret_context; CPU manuals for the flags; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define CF   BIT(0)
#define ZF   BIT(6)
#define TF   BIT(8)
#define IF   BIT(9)
#define DF   BIT(10)
#define OF   BIT(11)
#define IOPL (3UL << 12)
#define NT   BIT(14)
#define RF   BIT(16)
#define VM   BIT(17)
#define AC   BIT(18)
#define VIF  BIT(19)
#define VIP  BIT(20)
#define ID   BIT(21)

/* Where the frames lead: the first instruction is a trap that shows all registers. */
__asm__(".text\n"
        "show: int3\n"
        "show_with_flags: pushfq\n"
        "popq %rdx\n"
        "int3\n");
extern char show[], show_with_flags[];

static struct trap go(struct iret_frame frame)
{
    return frame_run(&frame);
}

static void check_kernel_rpl(void)
{
    for (uint64_t rpl = 0; rpl < 3; rpl++) {
        struct iret_frame frame = kernel_frame(show);
        struct trap trap;

        frame.cs = (FLAT_KERNEL_CS & ~3UL) | rpl;
        trap = go(frame);
        expect_trap(&trap, VECTOR_BP, 0);
        expect_eq(trap.regs.cs & 0xffff, FLAT_KERNEL_CS & ~3UL, "kernel mode");
        expect_eq(trap.regs.rsp, frame.rsp, "rsp");
    }
}

static void check_registers(void)
{
    struct iret_frame frame = kernel_frame(show);
    struct trap trap;

    frame.rax = 0x1111;
    frame.rcx = 0x2222;
    frame.r11 = 0x3333;
    frame.rdi = 0x4444;
    trap = go(frame);
    expect_eq(trap.regs.rax, 0x1111, "rax from the frame");
    expect_eq(trap.regs.rcx, 0x2222, "rcx from the frame");
    expect_eq(trap.regs.r11, 0x3333, "r11 from the frame");
    expect_eq(trap.regs.rdi, 0x4444, "rdi untouched");

    /* "Return like SYSRET": rcx and r11 are then the CPU's. */
    frame.flags = VGCF_in_syscall;
    frame.rcx = (uint64_t)show;
    frame.r11 = 0x246;
    trap = go(frame);
    expect_trap(&trap, VECTOR_BP, 0);
    expect_eq(trap.regs.rax, 0x1111, "rax from the frame");
}

static void check_flags(bool user)
{
    static const uint64_t kept = CF | ZF | DF | OF | ID;
    static const uint64_t dropped = IOPL | VM | VIF | VIP;
    struct iret_frame frame = user ? user_frame(NULL, 0) : kernel_frame(show_with_flags);
    struct trap trap;

    frame.rip = (uint64_t)show_with_flags;
    frame.rflags = kept | dropped | IF | RF;
    trap = go(frame);
    expect_trap(&trap, VECTOR_BP, 0);
    expect_eq(trap.regs.rflags & (kept | IF), kept | IF, "the guest's own flags are kept");
    expect_eq(trap.regs.rflags & dropped, 0, "IOPL, VM, VIF, VIP are dropped (frame)");
    expect_eq(trap.regs.rdx & (kept | IF), kept | IF, "flags really loaded");
    expect_eq(trap.regs.rdx & dropped, 0, "IOPL, VM, VIF, VIP are dropped (CPU)");

    frame.rflags = 0;
    trap = go(frame);
    expect_trap(&trap, VECTOR_BP, 0);
    expect_eq(trap.regs.rdx & IF, IF, "the real IF stays on");

    /* NT would make the hypervisor's next IRET a task return. */
    frame.rflags = IF | NT;
    trap = go(frame);
    expect_trap(&trap, VECTOR_BP, 0);

    frame.rflags = IF | TF;
    frame.rip = (uint64_t)show_with_flags;
    trap = go(frame);
    expect_trap(&trap, VECTOR_DB, 0);
}

static void check_mask(void)
{
    struct iret_frame frame = kernel_frame(show);
    struct trap trap;

    frame.rflags = IF;
    trap = go(frame);
    expect_eq(trap.regs.cs >> 32 & 0xff, 0, "IF set: events on");
    frame.rflags = 0;
    trap = go(frame);
    expect_eq(trap.regs.cs >> 32 & 0xff, 1, "IF clear: events off");
}

static void check_user(void)
{
    struct iret_frame frame = user_frame(NULL, 0);
    struct trap trap;

    frame.rip = (uint64_t)show;
    trap = go(frame);
    expect_trap(&trap, VECTOR_BP, 0);
    expect_eq(trap.regs.cs & 0xffff, FLAT_USER_CS64, "user mode");
    expect_eq(trap.regs.ss & 0xffff, FLAT_USER_SS, "user stack segment");
    expect_eq(trap.regs.rsp, frame.rsp, "user stack");
}

void test_main(void)
{
    user_setup();
    check_kernel_rpl();
    check_registers();
    check_flags(false);
    check_flags(true);
    check_mask();
    check_user();
}
