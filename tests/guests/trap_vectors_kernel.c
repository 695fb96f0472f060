/* SPDX-License-Identifier: MIT */
/*
 * Each exception a kernel can cause in itself arrives at its own handler with the CPU's frame:
 * right vector, error code, instruction pointer (at or behind the instruction), stack and flags.
 *
 * A hypervisor that gets the instruction pointer of a trap wrong by one makes debuggers and
 * exception tables of its guests jump into the middle of instructions.
 * Source: CPU manuals (fault or trap of each vector); watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

extern char at_divide[], after_int3[], at_ud2[], at_move_fs[], at_null[];

static void divide(void *unused)
{
    (void)unused;
    __asm__ volatile("xorl %%ecx, %%ecx\n\t"
                     "xorl %%edx, %%edx\n\t"
                     ".globl at_divide\n"
                     "at_divide: divl %%ecx"
                     :
                     :
                     : "rax", "rcx", "rdx");
}

static void breakpoint(void *unused)
{
    (void)unused;
    __asm__ volatile("int3\n\t"
                     ".globl after_int3\n"
                     "after_int3:");
}

static void undefined(void *unused)
{
    (void)unused;
    __asm__ volatile(".globl at_ud2\n"
                     "at_ud2: ud2");
}

static void bad_selector(void *unused)
{
    (void)unused;
    /* In the hypervisor's own part of the GDT, and no segment for a guest. */
    __asm__ volatile("movl $0xe008, %%eax\n\t"
                     ".globl at_move_fs\n"
                     "at_move_fs: movl %%eax, %%fs"
                     :
                     :
                     : "rax");
}

static void null_write(void *unused)
{
    (void)unused;
    __asm__ volatile("xorl %%eax, %%eax\n\t"
                     ".globl at_null\n"
                     "at_null: movl %%eax, (%%rax)"
                     :
                     :
                     : "rax", "memory");
}

static void noncanonical_data(void *unused)
{
    (void)unused;
    __asm__ volatile("movabsq $0x8000000000000000, %%rcx\n\t"
                     "movq (%%rcx), %%rax"
                     :
                     :
                     : "rax", "rcx");
}

static void check_frame(const struct trap *trap, const char *rip)
{
    expect_eq(trap->regs.rip, (uint64_t)rip, "rip");
    expect_eq(trap->regs.cs & 0xffff, FLAT_KERNEL_CS & ~3UL, "cs says kernel");
    expect_eq(trap->regs.cs >> 32 & 0xff, 1, "events were masked");
    expect_eq(trap->regs.ss, FLAT_KERNEL_SS, "ss");
    expect_eq(trap->regs.rflags & BIT(9), 0, "IF is the events' state");
    expect(trap->regs.rsp >= (uint64_t)this_cpu() &&
               trap->regs.rsp < (uint64_t)this_cpu() + STACK_SIZE,
           "rsp");
}

static void check(void (*function)(void *), int vector, long error, const char *rip)
{
    struct trap trap = try_call_trap(function, NULL);

    expect_trap(&trap, vector, error);
    if (rip != NULL) {
        check_frame(&trap, rip);
    }
}

void test_main(void)
{
    struct trap trap;

    check(divide, VECTOR_DE, 0, at_divide);
    check(breakpoint, VECTOR_BP, 0, after_int3);
    check(undefined, VECTOR_UD, 0, at_ud2);
    check(bad_selector, VECTOR_GP, 0xe008, at_move_fs);
    check(noncanonical_data, VECTOR_GP, 0, NULL);
    check(null_write, VECTOR_PF, 2, at_null);

    /* With events on, the frame says so. */
    events_on();
    trap = try_call_trap(breakpoint, NULL);
    events_off();
    expect_trap(&trap, VECTOR_BP, 0);
    expect_eq(trap.regs.cs >> 32 & 0xff, 0, "events were on");
    expect_eq(trap.regs.rflags & BIT(9), BIT(9), "IF");
}
