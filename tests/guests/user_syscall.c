/* SPDX-License-Identifier: MIT */
/*
 * SYSCALL from user mode enters the guest's kernel at its callback, never the hypervisor's
 * hypercalls, and iret goes back.
 *
 * If the mode were taken from anything the user controls, user code could issue hypercalls, and
 * with them own its kernel.
 * Source: public callback_op (CALLBACKTYPE_syscall); SYSCALL in the CPU manuals.
 */
#include "tests/guests/lib/guest.h"

extern char after_syscall[];
static unsigned int calls;
static uint64_t seen_rdi;

__attribute__((noinline)) static unsigned long call_kernel(unsigned long argument)
{
    unsigned long result;

    __asm__ volatile("movq $0x1234, %%rax\n\t"
                     "syscall\n\t"
                     ".globl after_syscall\n"
                     "after_syscall:"
                     : "=&a"(result), "+D"(argument)
                     :
                     : "rcx", "r11", "memory");
    return result;
}

/* What would be xen_version(version) in the kernel's mouth. */
static unsigned long try_hypercall(unsigned long unused)
{
    (void)unused;
    return (unsigned long)hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0);
}

static bool serve(struct regs *regs)
{
    if (regs->vector != VECTOR_SYSCALL || regs->rax == USER_EXIT) {
        return false;
    }
    calls++;
    if (regs->rax == 0x1234) {
        expect_eq(regs->rip, (uint64_t)after_syscall, "rip is behind the instruction");
        seen_rdi = regs->rdi;
    }
    expect_eq(regs->rcx, regs->rip, "rcx is rip");
    expect_eq(regs->cs & 0xffff, FLAT_USER_CS64, "cs");
    expect_eq(regs->ss & 0xffff, FLAT_USER_SS, "ss");
    expect_eq(regs->r11 & BIT(9), BIT(9), "r11 is rflags");
    expect_eq(regs->rflags & BIT(9), BIT(9), "IF");
    regs->rax = 0x4321;
    return true;
}

static void check_mask(uint16_t flags, uint8_t want)
{
    struct callback_register request = {
        .type = CALLBACKTYPE_syscall,
        .flags = flags,
        .address = (unsigned long)syscall_entry,
    };
    struct trap trap;

    expect_eq(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &request), 0, "register");
    /* Escaping restores our own state, so the mask is looked at by the hook. */
    trap = user_run(call_kernel, want);
    expect(came_home(&trap), "home");
}

static uint8_t mask_inside;

static bool look_and_serve(struct regs *regs)
{
    if (regs->vector == VECTOR_SYSCALL && regs->rax == 0x1234) {
        mask_inside = this_cpu()->info->evtchn_upcall_mask;
    }
    return serve(regs);
}

void test_main(void)
{
    struct trap trap;

    trap_hook = serve;
    trap = user_run(call_kernel, 99);
    expect(came_home(&trap), "home");
    expect_eq(trap.regs.rdi, 0x4321, "the kernel's answer");
    expect_eq(seen_rdi, 99, "the user's argument");
    expect_eq(calls, 1, "one system call");

    trap = user_run(try_hypercall, 0);
    expect(came_home(&trap), "home");
    expect_eq(trap.regs.rdi, 0x4321, "the answer came from the kernel, not the hypervisor");
    expect_eq(calls, 2, "the kernel saw it");

    trap_hook = look_and_serve;
    check_mask(CALLBACKF_mask_events, 1);
    expect_eq(mask_inside, 1, "events masked on entry");
    check_mask(0, 0);
    expect_eq(mask_inside, 0, "events left on");
}
