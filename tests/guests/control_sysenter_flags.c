/* SPDX-License-Identifier: MIT */
/*
 * Attack: SYSENTER, on Intel's CPUs, leaves DF and NT as the program had them. Here the program
 * of a second domain comes in with both set, and its kernel's stack is bad, so that the hypervisor
 * must go on to another domain at once.
 *
 * DF would have the hypervisor copy backwards, over its own memory; NT makes its next IRET fault,
 * and that is the other domain's: dom0, which is in the middle of computing, would get a failsafe
 * callback, or worse.
 * Source: SYSENTER and IRET in the CPU manuals.
 * PEER: differs: Debian's Xen 4.17 stops with a double fault, in QEMU
 *
 * QEMU: smp=1 cpu=max,-smap,vendor=GenuineIntel
 */
#include "tests/guests/lib/second.h"

#define FLAG_DF 0x400
#define FLAG_NT 0x4000

__attribute__((noinline)) static unsigned long enter(unsigned long unused)
{
    (void)unused;
    __asm__ volatile("pushfq\n\t"
                     "orq %0, (%%rsp)\n\t"
                     "popfq\n\t"
                     "sysenter"
                     :
                     : "i"(FLAG_DF | FLAG_NT)
                     : "memory", "cc");
    return 0;
}

_Noreturn static void enter_with_bad_stack(void)
{
    static struct iret_frame frame;

    user_setup();
    frame = user_frame(enter, 0);
    expect_eq(hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, BAD_UNMAPPED), 0, "stack");
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "movl %1, %%eax\n\t"
                     "syscall"
                     :
                     : "r"(&frame), "i"(__HYPERVISOR_iret), "D"(frame.rdi), "S"(frame.rsi)
                     : "memory");
    __builtin_unreachable();
}

void test_main(void)
{
    uint64_t end;
    unsigned int domain;

    if (in_second()) {
        enter_with_bad_stack();
    }
    domain = second_start();
    /* No hypercall meanwhile: who is interrupted while computing is gone on with by IRET. */
    end = now() + 300 * MILLISECOND;
    while (now() < end) {
    }
    expect_eq(second_wait(domain, 3000), SHUTDOWN_crash, "the second domain's end");
    expect_eq(second_end(domain), 0, "destroyed");
}
